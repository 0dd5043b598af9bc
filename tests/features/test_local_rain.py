"""Rain of the field from gauges and grid, and the deficit it makes."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.geometry import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.climate import monthly_climate
from plantation_rwa.features.local_rain import GaugeRules, local_rain
from plantation_rwa.simulate.panels import World, simulated_world
from plantation_rwa.simulate.weather import GridError

ASSUMED = packaged()
RULES = GaugeRules.of(ASSUMED)


def test_a_gauge_stands_for_its_months_and_its_ratio_for_the_others() -> None:
    grid = np.full((1, 20), 100.0)
    gauge = np.full((1, 20), np.nan)
    gauge[0, 4:10] = 120.0
    got = local_rain(grid, gauge, RULES)[0]
    assert got[:4].tolist() == [100.0] * 4  # nothing measured yet
    assert got[4:10].tolist() == [120.0] * 6
    # six common months among the last twelve up to month 15, fewer from month 16 on
    assert got[10:16] == pytest.approx(120.0)
    assert got[16:].tolist() == [100.0] * 4


def test_fewer_common_months_and_wild_ratios_correct_little() -> None:
    grid = np.full((2, 8), 100.0)
    gauge = np.full((2, 8), np.nan)
    gauge[0, :5] = 150.0
    gauge[1, :6] = 400.0
    got = local_rain(grid, gauge, RULES)
    assert got[0, 5:].tolist() == [100.0] * 3
    assert got[1, 6:] == pytest.approx(160.0)


def test_a_gauge_that_goes_its_own_way_is_not_the_fields() -> None:
    months = np.arange(24)
    grid = 150.0 + 100.0 * np.sin(months / 2.0)[None, :]
    against = 150.0 - 100.0 * np.sin(months / 2.0)[None, :]
    along = grid + 20.0
    assert local_rain(grid, along, RULES).tolist() == along.tolist()
    got = local_rain(grid, against, RULES)[0]
    # from the twelfth common month on the correlation is known
    assert got[:11].tolist() == against[0, :11].tolist()
    ratio = [against[0, max(t - 11, 0) : t + 1].sum() / grid[0, max(t - 11, 0) : t + 1].sum() for t in range(24)]
    assert got[11:] == pytest.approx(grid[0, 11:] * np.clip(ratio[11:], 0.6, 1.6))


def test_without_a_grid_the_gauge_speaks_alone() -> None:
    grid, gauge = np.array([[np.nan, 80.0, np.nan]]), np.array([[50.0, np.nan, np.nan]])
    got = local_rain(grid, gauge, RULES)[0]
    assert got[:2].tolist() == [50.0, 80.0]
    assert np.isnan(got[2])


rain = arrays(np.float64, (2, 30), elements=st.one_of(st.just(float("nan")), st.integers(0, 800).map(float)))


@given(rain, rain, st.integers(1, 29))
def test_later_months_change_no_earlier_one(grid: np.ndarray, gauge: np.ndarray, cut: int) -> None:
    whole = local_rain(grid, gauge, RULES)
    assert np.array_equal(whole[:, :cut], local_rain(grid[:, :cut], gauge[:, :cut], RULES), equal_nan=True)
    assert np.nanmin(whole, initial=0.0) >= 0.0


def _dry(plantation: str = "A", months: int = 30) -> pd.DataFrame:
    """Two wet years, then the grid sees 4 mm on every day."""
    date = pd.date_range("2022-01-01", periods=months, freq="MS")
    every = pd.date_range(date[0], date[-1] + pd.offsets.MonthEnd(0), freq="D")
    amount = np.where(every < "2024-01-01", 10.0, 4.0)
    return pd.DataFrame({"plantation_id": plantation, "date": every.astype("datetime64[us]"), "precipitation": amount})


def test_the_deficit_of_the_field_by_hand() -> None:
    register = gpd.GeoDataFrame({"plantation_id": ["A", "B"]}, geometry=[Point(101, 2)] * 2, crs="EPSG:4326")
    daily = pd.concat([_dry("A"), _dry("B")], ignore_index=True)
    gauges = pd.DataFrame(
        {"plantation_id": "A", "month": ["2024-02", "2024-03", "2024-04"], "rain_gauge_mm": [10.0] * 3}
    )
    got = monthly_climate(daily, register, ASSUMED, gauges=gauges).set_index(["plantation_id", "month"])
    local = got.loc["A", "deficit_local_mm"]
    assert local[:"2024-01"].isna().all()
    # reserve 200 + 124 - 120 = 200 at the end of January (at most 200), then 200 + 10 - 120 = 90; 90 + 10 - 120 = -20;
    # 10 - 120 = -110; from May on the grid's 124 and 120 mm again: 124 - 120 = 4
    assert local["2024-02":"2024-05"].tolist() == [0.0, 20.0, 110.0, 0.0]
    assert got.loc["B", "deficit_local_mm"].isna().all()
    assert got["deficit_irho_mm"].fillna(0.0).eq(0.0).all()  # the grid sees no drought at all
    without = monthly_climate(daily, register, ASSUMED).set_index(["plantation_id", "month"])
    others = [c for c in got if c != "deficit_local_mm"]
    pd.testing.assert_frame_equal(without[others], got[others])


@pytest.fixture(scope="module")
def coarse() -> World:
    return simulated_world(31, plantations=4, climate_years=10, harvest_years=2, sensors=4, grid_error=GridError())


def test_gauges_bring_the_deficit_nearer_to_the_fields(coarse: World) -> None:
    truth = coarse.truth.set_index(["plantation_id", "month"])["deficit_mm"]
    rows = coarse.features[coarse.features["rain_gauge_mm"].notna() & coarse.features["deficit_irho_mm"].notna()]
    true = truth.reindex(pd.MultiIndex.from_frame(rows[["plantation_id", "month"]])).to_numpy()
    grid, local = (np.abs(rows[c].to_numpy() - true).sum() for c in ("deficit_irho_mm", "deficit_local_mm"))
    assert true.sum() > 200.0
    assert local < 0.6 * grid, (local, grid, true.sum())
