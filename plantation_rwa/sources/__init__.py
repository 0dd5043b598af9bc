"""Bytes to validated tables and lazy arrays: the only room that reads inputs."""
