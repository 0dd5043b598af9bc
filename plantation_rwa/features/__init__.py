"""Pixels and series to monthly features; pure."""
