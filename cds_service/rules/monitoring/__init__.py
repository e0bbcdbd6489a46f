"""Rules that remind of tests: what an order makes worth measuring, and when it was measured last."""
