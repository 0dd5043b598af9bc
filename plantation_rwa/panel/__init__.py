"""One row per plantation and month, each value with the date it became known."""
