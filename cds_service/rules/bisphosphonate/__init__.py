"""Rules about bisphosphonate orders."""
