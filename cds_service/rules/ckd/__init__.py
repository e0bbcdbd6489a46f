"""Rules about orders in chronic kidney disease and after a kidney transplant."""
