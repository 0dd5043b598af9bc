"""The command ``simulate``."""

from __future__ import annotations

from pathlib import Path

from plantation_rwa.cli.console import result, say
from plantation_rwa.errors import ConfigError, PlantationError, Problem


def simulate(
    directory: Path,
    *,
    seed: int,
    plantations: int,
    months: int,
    imagery_plantations: int,
    coupling: float,
    drought: float,
    traps: bool,
    atlas: bool,
    land: bool,
    without_harvest: int,
    without_sensors: int,
    without_climate: int,
) -> int:
    """Write a synthetic portfolio; see ``plantation-rwa simulate --help``."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PlantationError(f"simulate: {directory} exists and is not an empty folder. Choose another one.")
    limits: dict[str, tuple[float, float, float]] = {
        "--seed": (seed, 0, 2**63 - 1),
        "--plantations": (plantations, 1, 10_000),
        "--months": (months, 1, 240),
        "--imagery-plantations": (imagery_plantations, 0, plantations),
        "--coupling": (coupling, 0, 5),
        "--drought": (drought, 0, 5),
        "--without-harvest": (without_harvest, 0, plantations),
        "--without-sensors": (without_sensors, 0, plantations),
        "--without-climate": (without_climate, 0, plantations),
    }
    problems = [
        Problem(option, f"must be from {low} to {high}", str(value), "Choose a number in that range.")
        for option, (value, low, high) in limits.items()
        if not low <= value <= high
    ]
    if problems:
        raise ConfigError(problems)
    from plantation_rwa.simulate import histories, scene_traps, world
    from plantation_rwa.simulate.portfolio import simulate as write

    said = {o.removeprefix("--").replace("-", "_"): value for o, (value, _, _) in limits.items()}
    write(
        directory,
        seed=seed,
        plantations=plantations,
        months=months,
        imagery_plantations=imagery_plantations,
        places="atlas" if atlas else "regions",
        hectares=(200.0, 3000.0) if atlas else (80.0, 2500.0),
        effects=world.Effects(channels=world.Channels()).scaled(coupling, drought),
        traps=tuple(scene_traps.TRAPS) if traps else (),
        sensor_traps=traps,
        land=tuple(histories.HISTORIES) if land else (),
        without={"harvest": without_harvest, "sensors": without_sensors, "climate": without_climate},
        options={**said, "traps": traps, "atlas": atlas, "land": land},
    )
    result(directory=directory, config=directory / "config.yaml", **said)
    say(f"simulated portfolio (seed {seed}): {directory}")
    say(f"try: plantation-rwa run {directory / 'config.yaml'}")
    return 0
