"""The questions a rule may ask, one module per topic; each answers only when asked, and once per request."""
