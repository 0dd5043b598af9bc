"""Factories for tests, this project's and its users': a small simulated portfolio, and edits of its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from plantation_rwa.simulate.portfolio import Simulated, simulate


def tiny_portfolio(directory: Path, *, seed: int = 1, plantations: int = 3, **options: Any) -> Simulated:
    """A portfolio that is written in about two seconds: three plantations, one with half a year of scenes.

    Parameters
    ----------
    directory
        Folder to write into.
    seed
        Seed of the simulation.
    plantations
        Number of plantations, one per region in turn.
    options
        Any argument of :func:`plantation_rwa.simulate.portfolio.simulate`; they win over the small settings.

    Returns
    -------
    Simulated
        Paths and truth; ``.config`` is ready for ``plantation-rwa run``.
    """
    small: dict[str, Any] = {
        "months": 6,
        "imagery_plantations": 1,
        "climate_years": 12,
        "settlement_days": 120,
        "sensor_months": 3,
        "passes_per_month": 2,
        "hectares": (80.0, 400.0),
    }
    return simulate(directory, seed=seed, plantations=plantations, **{**small, **options})


def edit_config(path: Path, changes: Mapping[str, Any]) -> Path:
    """Change a configuration file in place by dotted keys; the value None removes the key.

    Examples
    --------
    ``edit_config(made.config, {"valuation.paths": 200, "sensors": None})``
    """
    config = yaml.safe_load(path.read_text("utf-8"))
    for key, value in changes.items():
        *parents, name = key.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        if value is None:
            section.pop(name, None)
        else:
            section[name] = value
    path.write_bytes(yaml.safe_dump(config, sort_keys=False).encode())
    return path


def edit_csv(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Rewrite a CSV through ``change``; every cell is text, so that anything can be put into it."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    path.write_bytes(change(table).to_csv(index=False, lineterminator="\n").encode())
    return path


def edit_register(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Path:
    """Rewrite the features of a GeoJSON register through ``change``."""
    document = json.loads(path.read_text("utf-8"))
    document["features"] = change(document["features"])
    path.write_bytes(json.dumps(document).encode())
    return path


def bare_portfolio(directory: Path, *, seed: int, **options: Any) -> Simulated:
    """Two plantations and their scenes of two months, market and register, nothing else: for tests of how a run goes.

    Parameters as :func:`tiny_portfolio`.
    """
    small: dict[str, Any] = {
        "plantations": 2,
        "imagery_plantations": 2,
        "months": 2,
        "climate_years": 1,
        "settlement_days": 5,
        "sensor_months": 1,
        "hectares": (60.0, 150.0),
        "faults": False,
    }
    made = tiny_portfolio(directory, seed=seed, **{**small, **options})
    edit_config(made.config, {"climate": None, "sensors": None, "harvest": None})
    return made
