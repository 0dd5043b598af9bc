"""Records known later change no byte of an earlier date."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.testing import edit_config
from tests.conftest import run_world, tree

EARLY = dt.date(2026, 2, 28)
LATE = dt.date(2026, 5, 31)


@pytest.fixture(scope="module")
def early_run(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world valued at the earlier date; do not write into it."""
    out = tmp_path_factory.mktemp("early") / "out"
    run_world(small_world / "config.yaml", out, EARLY)
    return out


def cut_csv(path: Path, keep: pd.Series) -> None:
    """Keep whole lines of a CSV file, byte for byte."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0], *(line for line, k in zip(lines[1:], keep, strict=True) if k)]), "utf-8")


def forget_scenes(path: Path, last: dt.date) -> int:
    """Remove from a static catalog the items acquired after ``last``, their pixels with them; how many."""
    catalog = json.loads(path.read_text())
    kept, gone = [], 0
    for link in catalog["links"]:
        item = path.parent / link["href"]
        if link["rel"] == "item" and json.loads(item.read_text())["properties"]["datetime"][:10] > last.isoformat():
            shutil.rmtree(item.parent)
            gone += 1
        else:
            kept.append(link)
    path.write_text(json.dumps({**catalog, "links": kept}))
    return gone


def forget_after(world: Path, day: dt.date) -> dict[str, int]:
    """Remove from a world's files everything that became known after ``day``; how many records each file lost."""
    instant = pd.Timestamp(day) + pd.Timedelta(days=1)
    lost: dict[str, int] = {}
    for name, column in (("futures", "settle_date"), ("fx", "date")):
        path = next(world.rglob(f"{name}.csv"))
        keep = pd.to_datetime(pd.read_csv(path, dtype=str)[column]) < instant
        lost[name] = int((~keep).sum())
        cut_csv(path, keep)
    path = next(world.rglob("harvest.csv"))
    frame = pd.read_csv(path, dtype=str)
    known = pd.to_datetime(frame["month"] + "-01") + pd.offsets.MonthEnd(0) + pd.Timedelta(days=10)
    if "known_at" in frame:
        given = pd.to_datetime(frame["known_at"], utc=True, format="ISO8601").dt.tz_localize(None)
        known = given.fillna(known)
    lost["harvest"] = int((known >= instant).sum())
    cut_csv(path, known < instant)
    path = next(world.rglob("prices.csv"))
    keep = pd.to_datetime(pd.read_csv(path, dtype=str)["known_at"], utc=True).dt.tz_localize(None) < instant
    lost["prices"] = int((~keep).sum())
    cut_csv(path, keep)
    path = world / "climate" / "daily.parquet"
    daily = pd.read_parquet(path)
    months = pd.to_datetime(daily["date"]) + pd.offsets.MonthEnd(0) + pd.Timedelta(days=25)
    lost["climate"] = int((months >= instant).sum())
    daily[months < instant].to_parquet(path, index=False)
    lost["scenes"] = sum(forget_scenes(path, day - dt.timedelta(days=3)) for path in world.rglob("catalog.json"))
    for path in (world / "sensors").glob("*.parquet"):
        frame = pd.read_parquet(path)
        times = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
        # one file gives local times without a zone: a day of slack keeps all that was known
        later = times >= instant.tz_localize("UTC") + pd.Timedelta(days=1)
        lost["sensors"] = lost.get("sensors", 0) + int(later.sum())
        frame[~later].to_parquet(path, index=False)
    return lost


def test_what_is_known_later_changes_no_byte(early_run: Path, world_copy: Path, tmp_path: Path) -> None:
    lost = forget_after(world_copy, EARLY)
    assert all(lost[name] > 0 for name in ("futures", "fx", "harvest", "sensors", "prices", "climate", "scenes"))
    run_world(world_copy / "config.yaml", tmp_path / "without", EARLY)
    assert tree(early_run) == tree(tmp_path / "without")


def test_a_revised_harvest_counts_from_the_day_it_is_known(world_copy: Path, tmp_path: Path) -> None:
    config = edit_config(world_copy / "config.yaml", {"imagery": None, "climate": None, "sensors": None})
    run_world(config, tmp_path / "before", EARLY)
    path = next(world_copy.rglob("harvest.csv"))
    frame = pd.read_csv(path, dtype=str)
    row = frame[frame["month"] == "2025-12"].iloc[0].copy()
    row["ffb_t"] = str(float(row["ffb_t"]) * 0.5)
    row["known_at"] = "2026-04-15"
    pd.concat([frame, row.to_frame().T]).to_csv(path, index=False)
    run_world(config, tmp_path / "after", EARLY)
    assert tree(tmp_path / "before") == tree(tmp_path / "after")
    run_world(config, tmp_path / "after", LATE)
    run_world(config, tmp_path / "before", LATE)
    assert load(tmp_path / "after", "2026-05-31") == load(tmp_path / "before", "2026-05-31")


def test_a_revised_gauge_reading_of_an_earlier_month_counts_from_the_day_it_is_known(
    small_world: Path, world_copy: Path, tmp_path: Path
) -> None:
    """Every reading of a rain gauge in January doubled, known in April: February's run is the same to the last byte."""
    revised = 0
    for path in sorted((world_copy / "sensors").glob("*.parquet")):
        frame = pd.read_parquet(path)
        times = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
        january = (times >= "2026-01-02") & (times < "2026-01-31") & (frame["variable"] == "rain")
        single = january & ~frame.duplicated(["station_id", "sensor_id", "variable", "time"], keep=False)
        late = frame[single].assign(value=frame.loc[single, "value"].astype(float) * 2, known_at="2026-04-15")
        revised += len(late)
        pd.concat([frame.assign(known_at=None), late], ignore_index=True).to_parquet(path, index=False)
    assert revised > 100
    for folder, world in (("plain", small_world), ("revised", world_copy)):
        run_world(world / "config.yaml", tmp_path / folder, EARLY)
    assert tree(tmp_path / "plain") == tree(tmp_path / "revised")
    rain = {}
    for folder, world in (("plain", small_world), ("revised", world_copy)):
        run_world(world / "config.yaml", tmp_path / folder, LATE, stages=("features",))
        latest = pd.read_parquet(tmp_path / folder / "latest" / "features.parquet")
        rain[folder] = latest[latest["month"] == "2026-01"].set_index("plantation_id")["rain_gauge_mm"]
    assert not rain["plain"].equals(rain["revised"])


def test_a_later_run_adds_vintages_and_leaves_the_earlier_manifest_verifiable(
    small_world: Path, early_run: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(early_run, tmp_path / "out"))
    rolling = ("latest/", "catalog/collection.json", "README.md")
    early = {k: v for k, v in tree(out).items() if not k.startswith(rolling)}
    run_world(small_world / "config.yaml", out, LATE)
    now = tree(out)
    assert {k: now.get(k) for k in early} == early
    manifest = load(out, EARLY.isoformat())
    assert manifest is not None
    assert damaged(out, manifest.outputs) == []
    vintages = [p.name for p in (out / "features" / "month=2026-02").iterdir()]
    assert len(vintages) == 2
    assert all(v <= "vintage=2026-02-28" for v in (p.split("/")[2] for p in early if p.startswith("features/")))


def test_the_point_in_time_test_can_fail(early_run: Path, small_run: Path) -> None:
    """A run at the later date does see what the earlier one may not: the comparison is not of two empty sets."""
    early, late = load(early_run, EARLY.isoformat()), load(small_run, LATE.isoformat())
    assert early is not None
    assert late is not None
    for name in ("harvest", "futures", "fx", "sensors", "climate_daily"):
        assert early.inputs[name]["rows"] < late.inputs[name]["rows"]


def test_a_climate_table_that_begins_later_leaves_the_grid_of_earlier_days(world_copy: Path, tmp_path: Path) -> None:
    """The grid covers both plantations; a table row known later must not switch it off for the days before."""
    path = world_copy / "climate" / "daily.parquet"
    daily = pd.read_parquet(path)
    daily["date"] = pd.to_datetime(daily["date"])
    ids = sorted(daily["plantation_id"].unique())
    one = daily[daily["plantation_id"] == ids[0]]
    shape = (len(one), 16, 23)
    grid = xr.Dataset(
        {
            name: (
                ("time", "latitude", "longitude"),
                np.broadcast_to(one[name].to_numpy(dtype="float32")[:, None, None], shape).copy(),
                {"units": unit},
            )
            for name, unit in (("precipitation", "mm"), ("t2m_min", "degC"), ("t2m_max", "degC"))
        },
        coords={
            "time": one["date"].to_numpy(),
            "latitude": np.arange(8.0, -8.0, -1.0),
            "longitude": np.arange(98.0, 121.0),
        },
    )
    grid.to_netcdf(world_copy / "climate" / "grid.nc")
    others = {"imagery": None, "sensors": None, "harvest": None}
    config = edit_config(world_copy / "config.yaml", {"climate.grid": "climate/grid.nc"} | others)
    one.to_parquet(path, index=False)
    run_world(config, tmp_path / "before", EARLY)
    late = daily[(daily["plantation_id"] == ids[1]) & (daily["date"] >= "2026-04-01")]
    pd.concat([one, late]).to_parquet(path, index=False)
    run_world(config, tmp_path / "after", EARLY)
    assert tree(tmp_path / "before") == tree(tmp_path / "after")
