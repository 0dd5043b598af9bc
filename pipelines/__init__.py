"""Prefect flows over the same functions the command line calls; nothing is computed here."""
