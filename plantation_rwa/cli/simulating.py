"""The command ``simulate``."""

from __future__ import annotations

from pathlib import Path

from plantation_rwa.cli.console import say
from plantation_rwa.errors import ConfigError, PlantationError, Problem


def simulate(directory: Path, *, seed: int, plantations: int, months: int, imagery_plantations: int) -> int:
    """Write a synthetic portfolio; see ``plantation-rwa simulate --help``."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PlantationError(f"simulate: {directory} exists and is not an empty folder. Choose another one.")
    limits = {
        "--seed": (seed, 0, 2**63 - 1),
        "--plantations": (plantations, 1, 10_000),
        "--months": (months, 1, 240),
        "--imagery-plantations": (imagery_plantations, 0, plantations),
    }
    problems = [
        Problem(option, f"must be from {low} to {high}", str(value), "Choose a number in that range.")
        for option, (value, low, high) in limits.items()
        if not low <= value <= high
    ]
    if problems:
        raise ConfigError(problems)
    from plantation_rwa.simulate.portfolio import simulate as write

    write(directory, seed=seed, plantations=plantations, months=months, imagery_plantations=imagery_plantations)
    say(f"simulated portfolio (seed {seed}): {directory}")
    say(f"try: plantation-rwa run {directory / 'config.yaml'}")
    return 0
