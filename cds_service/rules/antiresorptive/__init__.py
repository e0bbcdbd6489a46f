"""Rules about bisphosphonate and denosumab orders alike: other drugs against bone resorption."""
