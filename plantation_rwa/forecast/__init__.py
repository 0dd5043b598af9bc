"""Panel to yield distribution; pure."""
