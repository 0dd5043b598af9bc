"""The command ``simulate``."""

from __future__ import annotations

from pathlib import Path

from plantation_rwa.cli.console import say
from plantation_rwa.errors import PlantationError


def simulate(directory: Path, *, seed: int, plantations: int, months: int, imagery_plantations: int) -> int:
    """Write a synthetic portfolio; see ``plantation-rwa simulate --help``."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PlantationError(f"simulate: {directory} exists and is not an empty folder. Choose another one.")
    from plantation_rwa.simulate.portfolio import simulate as write

    write(directory, seed=seed, plantations=plantations, months=months, imagery_plantations=imagery_plantations)
    say(f"simulated portfolio (seed {seed}): {directory}")
    say(f"try: plantation-rwa run {directory / 'config.yaml'}")
    return 0
