"""Yield and price paths to the value of the right; pure, no geometry."""
