"""The whole: same arguments same bytes, contract columns, truth that agrees with the files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.config import load_config
from plantation_rwa.simulate import weather, world
from plantation_rwa.testing import edit_config, edit_csv, edit_register, tiny_portfolio


def _hashes(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    options = {"climate_style": "mixed", "register_format": "parquet"}
    return [tiny_portfolio(tmp_path_factory.mktemp(f"twin{i}"), seed=4, **options) for i in range(2)]


def test_same_arguments_same_bytes(twins):
    first, second = (_hashes(t.directory) for t in twins)
    assert first == second
    assert len(first) > 100


def test_another_seed_gives_other_numbers(twins, tmp_path):
    other = tiny_portfolio(tmp_path, seed=5, imagery_plantations=0)
    merged = twins[0].monthly.merge(other.monthly, on=["plantation_id", "month"])
    assert (merged["p_sum_mm_x"] == merged["p_sum_mm_y"]).mean() < 0.05


def test_a_plantation_does_not_depend_on_the_others(made, tmp_path):
    alone = tiny_portfolio(tmp_path, seed=77, plantations=2, imagery_plantations=2, months=1)
    columns = ["month", "W", "yield_t_ha"]
    left, right = (t.monthly.query("plantation_id == 'SIM-002'")[columns].reset_index(drop=True) for t in (made, alone))
    pd.testing.assert_frame_equal(left, right)


def test_configuration_is_ready(made):
    config = load_config(made.config)
    assert config.simulated
    assert str(config.as_of) == "2026-05-31"
    assert config.imagery is not None
    assert len(config.imagery.source) == 3
    assert config.climate is not None
    assert config.climate.grid
    assert config.climate.table


def test_register_columns_and_areas(made):
    register = gpd.read_file(made.directory / "register.geojson")
    assert {"plantation_id", "country", "planted_date", "soil_class", "scheme", "timezone", "oer", "ker"} <= set(
        register.columns
    )
    assert register.geometry.is_valid.all()
    assert register["plantation_id"].is_unique
    small = register["plantation_id"].isin([e.plantation_id for e in made.estates if e.imagery])
    assert register.loc[small, "planted_area_ha"].between(25, 60).all()


def test_blocks_fill_their_plantation(made):
    blocks = gpd.read_parquet(made.directory / "blocks.parquet")
    register = gpd.read_file(made.directory / "register.geojson").set_index("plantation_id")
    total = blocks.groupby("plantation_id")["area_ha"].sum()
    assert total.to_numpy() == pytest.approx(register.loc[total.index, "planted_area_ha"].to_numpy(), abs=0.1)
    with_outline = blocks.groupby("plantation_id")["geometry"].apply(lambda g: g.notna().all())
    assert sorted(with_outline) == [False, True]


def test_climate_files_hold_what_the_truth_was_grown_from(made):
    with xr.open_mfdataset(sorted((made.directory / "climate").glob("grid_*.nc"))) as grid:
        assert set(weather.VARIABLES) <= set(grid.data_vars)
        assert grid.precipitation.attrs["units"] == "mm d-1"
        estate = made.estates[0]
        days = pd.DatetimeIndex(grid.time.values)
        rain = weather.over_estate(grid.load(), estate)["precipitation"]
    monthly = weather.monthly_rain(days, rain)
    truth = made.monthly.query("plantation_id == @estate.plantation_id").set_index("month").loc[monthly.index]
    np.testing.assert_allclose(monthly["p_sum_mm"], truth["p_sum_mm"], atol=1e-2)
    table = pd.read_parquet(made.directory / "climate/daily.parquet")
    assert sorted(table["plantation_id"].unique()) == ["SIM-002", "SIM-003", "SIM-004"]
    assert not table.duplicated(["plantation_id", "date"]).any()
    one = table[table["plantation_id"] == "SIM-002"]
    monthly = weather.monthly_rain(pd.DatetimeIndex(one["date"]), one["precipitation"].to_numpy(float))
    truth = made.monthly.query("plantation_id == 'SIM-002'").set_index("month").loc[monthly.index]
    np.testing.assert_allclose(monthly["p_sum_mm"], truth["p_sum_mm"], atol=1e-3)


def test_deficits_in_the_truth_are_recomputed_from_the_truth_rain(made):
    one = made.monthly[made.monthly["plantation_id"] == "SIM-003"]
    deficit, _ = world.irho(one["p_sum_mm"].to_numpy(), one["rain_days"].to_numpy(), 200.0)
    np.testing.assert_allclose(deficit, one["deficit_mm"])
    np.testing.assert_allclose(world.lagged_deficit(deficit), one["W"])


def test_truth_file_names_effects(made):
    notes = json.loads((made.directory / "truth/truth.json").read_text())
    assert notes["simulated"] is True
    assert notes["effects"]["beta"] == 0.10
    assert len(notes["kernel"]) == 37


def test_nothing_lies_after_the_end(made):
    futures = pd.read_csv(made.directory / "market/futures.csv")
    harvest = pd.read_csv(made.directory / "harvest/harvest.csv")
    assert futures["settle_date"].max() <= "2026-05-31"
    assert harvest["month"].max() == "2026-05"
    assert made.scenes["acquired"].max() < "2026-06"


def test_factories_edit_in_place(tmp_path):
    made = tiny_portfolio(tmp_path, imagery_plantations=0, plantations=1)
    edit_config(made.config, {"valuation.paths": 200, "sensors": None})
    config = load_config(made.config)
    assert config.valuation.paths == 200
    assert config.sensors is None
    edit_csv(tmp_path / "market/futures.csv", lambda t: t.assign(settle="text").head(3))
    assert (tmp_path / "market/futures.csv").read_text().count("text") == 3
    edit_register(tmp_path / "register.geojson", lambda rows: rows + rows)
    assert len(gpd.read_file(tmp_path / "register.geojson")) == 2
