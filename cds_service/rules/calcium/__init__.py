"""Rules about calcium orders."""
