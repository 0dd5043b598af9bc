"""The order of rows, and how they are spread over files, says nothing: no published number depends on it."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.sources.base import Quarantine, known, latest_revision
from plantation_rwa.sources.futures import read_futures
from plantation_rwa.sources.harvest import read_harvest
from plantation_rwa.sources.market import read_prices
from plantation_rwa.sources.register import read_blocks, read_register
from plantation_rwa.testing import edit_config, edit_csv, edit_register
from tests.conftest import AS_OF, run_world

TABLES = ("forecasts", "forecast_model", "cash_flows", "valuations", "curves", "pools")
#: what both runs leave out so that they take seconds; harvests, the register and the market stay
FEWER = {"imagery": None, "climate": None, "sensors": None, "valuation.paths": 100}
KEYS = {
    "harvest/harvest.csv": ["plantation_id", "block_id", "month", "known_at"],
    "market/futures.csv": ["settle_date", "symbol", "contract"],
    "market/prices.csv": ["date", "month", "series", "region", "known_at"],
    "market/fx.csv": ["date", "base", "quote", "kind"],
    "market/rates.csv": ["date", "currency", "tenor_years"],
}


def unambiguous(world: Path) -> Path:
    """Rows that repeat a key are taken out: of those the first in the file counts, so their order is a statement."""
    for name, keys in KEYS.items():
        edit_csv(world / name, lambda t, keys=keys: t.drop_duplicates([k for k in keys if k in t]))
    return world


def shuffled(world: Path, seed: int) -> Path:
    for name in KEYS:
        edit_csv(world / name, lambda t: t.sample(frac=1.0, random_state=seed))
    edit_register(world / "register.geojson", lambda rows: random.Random(seed).sample(rows, len(rows)))
    return world


def split_harvest(world: Path) -> Path:
    """Two files, the rows dealt out in turn; the configuration names both by a pattern."""
    path = world / "harvest" / "harvest.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for n in (0, 1):
        table[n::2].to_csv(path.with_name(f"part{n}.csv"), index=False, lineterminator="\n")
    path.unlink()
    edit_config(world / "config.yaml", {"harvest.path": "harvest/part*.csv"})
    return world


def content(out: Path) -> dict[str, str]:
    """Hash of what each table holds for the date; the files' names carry the identity of the inputs and differ.

    A record's hash is left out: it holds that of the configuration, which names the files.
    """
    found = {}
    for name in TABLES:
        (path,) = (out / name / f"as_of={AS_OF}").glob("*.parquet")
        table = pq.read_table(path, partitioning=None)
        rows = table.drop_columns([c for c in ("record_hash",) if c in table.column_names]).to_pydict()
        found[name] = hashlib.sha256(repr(rows).encode("utf-8")).hexdigest()
    return found


@pytest.mark.parametrize(
    "months_needed",
    [pytest.param(600, id="without boosting"), pytest.param(36, id="with boosting", marks=pytest.mark.slow)],
)
def test_shuffled_and_split_files_give_the_same_bytes(small_world: Path, tmp_path: Path, months_needed: int) -> None:
    plain = unambiguous(Path(shutil.copytree(small_world, tmp_path / "plain")))
    edit_config(plain / "config.yaml", {**FEWER, "forecast.min_train_months": months_needed})
    mixed = shuffled(Path(shutil.copytree(plain, tmp_path / "mixed")), 5)
    split = split_harvest(shuffled(Path(shutil.copytree(plain, tmp_path / "split")), 6))
    assert (plain / "market/futures.csv").read_bytes() != (mixed / "market/futures.csv").read_bytes()
    expected = {}
    for world in (plain, mixed, split):
        run_world(world / "config.yaml", tmp_path / f"out-{world.name}")
        found = content(tmp_path / f"out-{world.name}")
        assert found == (expected or found), world.name
        expected = found
    edit_csv(split / "harvest" / "part0.csv", lambda t: t.iloc[:-6])
    run_world(split / "config.yaml", tmp_path / "out-split")
    assert content(tmp_path / "out-split") != expected


@pytest.fixture(scope="module")
def tables(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = Path(shutil.copytree(small_world, tmp_path_factory.mktemp("tables") / "world"))
    for name, rows in (("harvest/harvest.csv", 80), ("market/futures.csv", 120), ("market/prices.csv", 90)):
        edit_csv(world / name, lambda t, rows=rows: t.tail(rows))
    unambiguous(world)
    edit_csv(world / "harvest/harvest.csv", with_revisions)
    return world


def with_revisions(table: pd.DataFrame) -> pd.DataFrame:
    """Ten of the older records once more, a tenth larger and known later."""
    more = (table["ffb_t"].astype(float) * 1.1).round(3).astype(str)
    return pd.concat([table, table.assign(ffb_t=more, known_at="2026-05-20").head(10)])


def rewritten(path: Path, order: list[int], cut: int | None, folder: Path) -> list[str]:
    """The rows of a CSV in another order, in one file or in two."""
    lines = path.read_text("utf-8").splitlines()
    rows = [lines[1 + i] for i in order]
    parts = [rows] if cut is None else [rows[:cut], rows[cut:]]
    names = []
    for n, part in enumerate(parts):
        target = folder / f"{path.stem}{n}.csv"
        target.write_text("\n".join([lines[0], *part]) + "\n", "utf-8")
        names.append(str(target))
    return names


def orders(rows: int) -> st.SearchStrategy[tuple[list[int], int | None]]:
    return st.tuples(st.permutations(range(rows)), st.none() | st.integers(0, rows))


#: no shrinking: a smaller permutation says no more than the one that failed, and takes minutes
SHORT = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(drawn=orders(90))
@SHORT
def test_the_panel_does_not_depend_on_the_order_of_harvest_records(
    tables: Path, tmp_path: Path, drawn: tuple[list[int], int | None]
) -> None:
    """Revisions among them: which one counts is decided by known_at, not by its place."""
    bad = Quarantine()
    register = read_register([str(tables / "register.geojson")], bad)
    blocks = read_blocks([str(tables / "blocks.parquet")], register, bad) if has_blocks(tables) else no_blocks(register)
    stand = stand_table(register, blocks)
    instant = pd.Timestamp(AS_OF, tz="UTC")
    empty = pd.DataFrame(columns=["plantation_id", "month", "known_at"])
    panels = []
    for paths in ([str(tables / "harvest/harvest.csv")], rewritten(tables / "harvest/harvest.csv", *drawn, tmp_path)):
        records = known(read_harvest(paths, 10, register, Quarantine(), blocks=blocks), instant)
        records = latest_revision(records, ["plantation_id", "block_id", "month"])
        months = sorted(set(records["month"]))
        panels.append(build_panel(empty, records, stand, months, mature_age_months=30))
    assert panels[0]["ffb_t"].notna().sum() > 10
    pd.testing.assert_frame_equal(panels[0], panels[1], check_exact=True)


def has_blocks(world: Path) -> bool:
    return (world / "blocks.parquet").exists()


def no_blocks(register: pd.DataFrame) -> pd.DataFrame:
    return read_blocks(None, register, Quarantine())


@given(drawn=orders(120))
@SHORT
def test_futures_are_a_set_of_settlements(tables: Path, tmp_path: Path, drawn: tuple[list[int], int | None]) -> None:
    path, keys = tables / "market/futures.csv", KEYS["market/futures.csv"]
    one = read_futures([str(path)], Quarantine())
    two = read_futures(rewritten(path, *drawn, tmp_path), Quarantine())
    assert len(one) == 120
    assert_same_rows(one, two, keys)


@given(drawn=orders(90))
@SHORT
def test_prices_are_a_set_of_values(tables: Path, tmp_path: Path, drawn: tuple[list[int], int | None]) -> None:
    path = tables / "market/prices.csv"
    one, two = (read_prices(paths, Quarantine()) for paths in ([str(path)], rewritten(path, *drawn, tmp_path)))
    assert len(one) == 90
    assert_same_rows(one, two, ["series", "region", "date"])


def assert_same_rows(one: pd.DataFrame, two: pd.DataFrame, keys: list[str]) -> None:
    left, right = (f.sort_values(keys, kind="stable").reset_index(drop=True) for f in (one, two))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
