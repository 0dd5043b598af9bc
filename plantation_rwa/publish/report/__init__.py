"""The one-page summary of a valuation date."""
