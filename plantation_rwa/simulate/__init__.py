"""A synthetic portfolio with known truth, in the input formats."""
