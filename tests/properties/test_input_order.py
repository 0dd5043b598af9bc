"""Rows, files and the cuts of grids are sets: in any order and split the features and their identities are the same.

Quarantine tables name the file and the row of each record, and of several equal readings the one that stays is named by
its place: they say where something stood and change with it, as they must. Of two rows of one key with different values
the first counts where docs/inputs.md says so: there order is a statement, and the worlds here have no such rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plantation_rwa.config import load_config
from plantation_rwa.run import load_inputs, open_session
from plantation_rwa.run.feature_tables import feature_rows
from plantation_rwa.run.features import plan_features
from plantation_rwa.run.imagery_rows import KeptRows, RowsOfDate
from plantation_rwa.run.partitions import History
from plantation_rwa.run.session import Session, table_hash
from plantation_rwa.simulate.portfolio import simulate
from plantation_rwa.simulate.weather import SEASONS
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import read_daily
from plantation_rwa.testing import edit_config, edit_csv
from tests.conftest import AS_OF, run_world, tree
from tests.properties.rearranged import rearrange
from tests.properties.test_row_order import KEYS

#: configuration key -> files; every one of them is rearranged
INPUTS = {
    "portfolio.register": "register.*",
    "portfolio.blocks": "blocks.*",
    "portfolio.sponsors": "sponsors.*",
    "portfolio.mills": "mills.*",
    "climate.table": "climate/*daily.*",
    "climate.grid": "climate/*grid_*",
    "climate.index": "climate/*oni*",
    "sensors.path": "sensors/*",
    "harvest.path": "harvest/*",
    "market.futures": "market/*futures*",
    "market.prices": "market/*prices*",
    "market.fx": "market/*fx*",
    "market.rates": "market/*rates*",
}


def american(table: pd.DataFrame) -> pd.DataFrame:
    """The second plantation of a climate table as an export in Fahrenheit and inches, revised in part later."""
    own = table["plantation_id"] == sorted(set(table["plantation_id"]))[1]
    out = table.assign(known_at="")
    for name in ("t2m_min", "t2m_max"):
        out.loc[own, name] = (out.loc[own, name].astype(float) * 1.8 + 32.0).round(1).astype(str)
    out.loc[own, "precipitation"] = (out.loc[own, "precipitation"].astype(float) / 25.4).round(3).astype(str)
    revised = out[own].tail(60).assign(known_at="2026-05-29", rh="80")
    return pd.concat([out, revised], ignore_index=True)


def index_table(path: Path) -> None:
    """NOAA's file as a table with one season revised; the file itself is one vintage, which is not to be cut."""
    rows = pd.read_csv(path, sep=r"\s+")
    months = [f"{y:04d}-{SEASONS.index(s) + 1:02d}" for s, y in zip(rows["SEAS"], rows["YR"], strict=True)]
    table = pd.DataFrame({"month": months, "index": "ONI", "value": rows["ANOM"], "known_at": ""})
    again = table.iloc[[-6]].assign(value=table["value"].iloc[-6] + 0.1, known_at="2026-05-01")
    pd.concat([table, again]).to_csv(path.with_name("oni.csv"), index=False)
    path.unlink()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid, a daily table in mixed units, and stations with every fault: conflicts, counters, units, mixed dates."""
    folder = tmp_path_factory.mktemp("order") / "world"
    simulate(
        folder,
        seed=29,
        plantations=4,
        imagery_plantations=0,
        months=1,
        climate_years=1,
        settlement_days=20,
        sensor_months=2,
        climate_style="mixed",
        sensor_traps=True,
    )
    for name, keys in KEYS.items():
        edit_csv(folder / name, lambda t, keys=keys: t.tail(400).drop_duplicates([k for k in keys if k in t]))
    daily = folder / "climate/daily.parquet"
    table = pd.read_parquet(daily).astype(str)
    american(table).to_csv(daily.with_suffix(".csv"), index=False, lineterminator="\n")
    daily.unlink()
    index_table(folder / "climate/oni.ascii.txt")
    for office in folder.glob("sensors/*.csv"):  # in order of time its rows tell more than any set of them
        rearrange(office, 1, np.random.default_rng(1))
    return named(folder)


def named(folder: Path) -> Path:
    """Write what the folder holds into its configuration, file by file."""
    found = {key: sorted(p.relative_to(folder).as_posix() for p in folder.glob(INPUTS[key])) for key in INPUTS}
    edit_config(folder / "config.yaml", {key: names for key, names in found.items() if names})
    return folder


def rearranged(world: Path, target: Path, seed: int, parts: int) -> Path:
    """A copy of the world with every file rearranged, and the configuration naming the files in random order."""
    rng = np.random.default_rng(seed)
    folder = Path(shutil.copytree(world, target, dirs_exist_ok=False))
    for key, pattern in INPUTS.items():
        files = sorted(folder.glob(pattern))
        if files:
            names = [name for file in files for name in rearrange(file, parts, rng)]
            edit_config(folder / "config.yaml", {key: [str(Path(n).relative_to(folder)) for n in names]})
    return folder


def opened(folder: Path) -> Session:
    config = load_config(folder / "config.yaml")
    return open_session(config, load_inputs(config), AS_OF)


def planned(session: Session) -> dict[tuple[str, str], Any]:
    return {(p.table, p.partition): p.components for p in plan_features(session, History(session)).plans}


def read(folder: Path) -> dict[str, Any]:
    """Hashes of the inputs as known, the identity of each row of the features, and the rows themselves."""
    session = opened(folder)
    rows = feature_rows(session, plan_features(session, History(session)), RowsOfDate(KeptRows(), []))
    return {
        "snapshots": session.snapshots,
        "identities": planned(session),
        "rows": {key: frame.to_wkb().to_csv() for key, frame in rows},
    }


@pytest.fixture(scope="module")
def expected(world: Path) -> dict[str, Any]:
    found = read(world)
    inputs = ("register", "blocks", "sensors", "climate_daily", "climate_index", "harvest", "futures", "prices")
    assert all(found["snapshots"][name]["rows"] > 1 for name in inputs)
    return found


def few(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def check(world: Path, expected: dict[str, Any], folder: Path, seed: int, parts: int) -> None:
    target = folder / "other"
    shutil.rmtree(target, ignore_errors=True)
    found = read(rearranged(world, target, seed, parts))
    for what, value in expected.items():
        assert {k for k in value if found[what].get(k) != value[k]} == set(), what
        assert found[what].keys() == value.keys()


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 4))
@few(2)
def test_rows_and_files_are_sets(world: Path, expected: dict[str, Any], tmp_path: Path, seed: int, parts: int) -> None:
    check(world, expected, tmp_path, seed, parts)


@pytest.mark.long
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 12))
@few(40)
def test_rows_and_files_are_sets_in_many_ways(
    world: Path, expected: dict[str, Any], tmp_path: Path, seed: int, parts: int
) -> None:
    check(world, expected, tmp_path, seed, parts)


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 30))
@few(25)
def test_units_are_inferred_alike_in_any_order_and_split(tmp_path: Path, seed: int, parts: int) -> None:
    """One hot day in a metric month, a wet one among inches: neither alone in a file may say what unit it is."""
    days = pd.date_range("2024-01-01", "2024-03-31").strftime("%Y-%m-%d")
    rng = np.random.default_rng(3)
    metric = pd.DataFrame({"plantation_id": "A", "date": days, "t2m_max": rng.normal(31, 1, len(days)).round(1)})
    metric.loc[40, "t2m_max"] = 99.9
    inches = metric.assign(plantation_id="B", precipitation=rng.gamma(0.4, 0.6, len(days)).round(2))
    inches["t2m_max"] = rng.normal(88, 2, len(days)).round(1)
    inches.loc[[5, 50], "precipitation"] = [2.5, 3.1]
    path, register = tmp_path / "daily.csv", pd.DataFrame({"plantation_id": ["A", "B"]})
    pd.concat([metric, inches, inches.assign(known_at="2024-06-01").tail(40)]).to_csv(path, index=False)
    whole = read_daily([str(path)], register, Quarantine())
    dealt = read_daily(rearrange(path, parts, np.random.default_rng(seed)), register, Quarantine())
    pd.testing.assert_frame_equal(dealt, whole, check_exact=True)
    assert whole["t2m_max"].isna().sum() == 1
    assert whole["precipitation"].max() > 60


def test_one_reading_less_is_told(world: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(world, tmp_path / "less"))
    edit_csv(next(folder.glob("harvest/*.csv")), lambda t: t.iloc[1:])
    edit_csv(next(folder.glob("climate/*daily.csv")), lambda t: t.iloc[1:])
    session = opened(folder)
    changed = {k for k, v in expected["snapshots"].items() if session.snapshots[k] != v}
    assert changed == {"harvest", "climate_daily"}
    assert planned(session) != expected["identities"]


@pytest.mark.slow
def test_published_features_are_the_same_files_byte_for_byte(world: Path, tmp_path: Path) -> None:
    other = rearranged(world, tmp_path / "other", 5, 3)
    found = {}
    for name, folder in (("plain", world), ("other", other)):
        run_world(folder / "config.yaml", tmp_path / f"out-{name}", stages=("features",))
        trees = tree(tmp_path / f"out-{name}")
        found[name] = {k: v for k, v in trees.items() if not k.startswith(("quarantine", "manifests", "catalog"))}
    assert any(name.startswith("features/") for name in found["plain"])
    assert found["other"] == found["plain"]


def test_a_repeated_row_counts_in_the_hash_and_its_place_does_not() -> None:
    rows = pd.DataFrame({"id": ["b", "a", "a"], "value": [np.nan, 1.0, -0.5], "_row": [1, 2, 3]})
    assert table_hash(rows) == table_hash(rows.iloc[[2, 0, 1]].reset_index(drop=True))
    assert table_hash(rows) != table_hash(rows.iloc[[2, 0, 1, 1]])
    assert table_hash(rows) != table_hash(rows.assign(value=[1.0, np.nan, -0.5]))
