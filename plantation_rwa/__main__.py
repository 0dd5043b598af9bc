"""``python -m plantation_rwa``."""

from plantation_rwa.cli import main

main()
