"""Whole worlds through the engine and through the plain path: every plantation-month agrees."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely

from plantation_rwa.config import load_config
from plantation_rwa.executor import Runner
from plantation_rwa.features.imagery import Checks
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.run import features as stage
from plantation_rwa.run import load_inputs, open_session
from plantation_rwa.run.imagery import compute_imagery
from plantation_rwa.run.partitions import History
from plantation_rwa.run.scenes import window_months
from plantation_rwa.simulate.portfolio import simulate
from plantation_rwa.simulate.scene_traps import TRAPS
from plantation_rwa.sources.scenes import RasterReader
from plantation_rwa.testing import edit_config
from tests.features import plain_path
from tests.features.engine.test_agreement import same

pytestmark = pytest.mark.slow


def compared(config: Path, as_of: dt.date) -> tuple[int, set[str]]:
    """Hold every plantation-month of a world against the plain path: how many, and the flags that were met."""
    # forced: what a run published before, the demo say, is computed again
    session = open_session(load_config(config), load_inputs(load_config(config)), as_of, force=True)
    work = stage.plan_features(session, History(session))
    units, rules = stage.units_to_do(session, work), Rules.of(session.assumptions)
    found = compute_imagery(units, [], rules, Runner().map, lambda _: None)
    assert found.errors == {}
    rows = dict(found.rows.items())
    records: dict[str, dict[str, Any]] = {}
    flags: set[str] = set()
    estates = sorted((u for u in units if len(u.key) == 1), key=lambda u: u.month)
    for unit in estates:
        past = records.setdefault(unit.key[0], {})
        history = tuple(r for m in window_months(unit.month, rules) for r in past.get(m, ()))
        plain = plain_path.plantation_month(
            shapely.from_wkb(unit.outline), unit.month, unit.scenes, RasterReader(), checks=Checks(rules, history),
            profile=unit.profile, edge_buffer=unit.edge_buffer,
        )  # fmt: skip
        past[unit.month] = plain.records
        if plain.known_at is not None and unit.judged_known_at is not None:
            plain = replace(plain, known_at=max(plain.known_at, unit.judged_known_at))
        same(rows[unit.at], plain)
        flags |= plain.flags
    return len(estates), flags


def test_a_world_with_every_trap(tmp_path: Path) -> None:
    """Lying offsets, haze, twins, split strips, broken files: same figures, flags, problems and trail."""
    made = simulate(
        tmp_path / "world",
        seed=733,
        plantations=2,
        imagery_plantations=2,
        months=14,
        climate_years=1,
        settlement_days=5,
        sensor_months=1,
        hectares=(60.0, 150.0),
        traps=tuple(TRAPS),
    )
    config = edit_config(made.config, {"climate": None, "sensors": None, "harvest": None})
    count, flags = compared(config, dt.date(2026, 5, 31))
    assert count >= 20
    assert {"haze_left_out", "scene_unreadable"} <= flags


def test_the_sample() -> None:
    count, _ = compared(Path(__file__).parents[2] / "configs" / "sample.yaml", dt.date(2026, 5, 31))
    assert count >= 36
