"""Rules about vitamin D orders."""
