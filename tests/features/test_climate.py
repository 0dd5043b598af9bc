"""Monthly climate features: completeness, causality, independence, the index as known, grids."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.geometry import Point, box

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import ReadError
from plantation_rwa.features.climate import monthly_climate, oni_known
from plantation_rwa.features.climate_grid import cell_weights, grid_to_plantations
from plantation_rwa.features.drought import spi
from plantation_rwa.features.evapotranspiration import daily_et0, daily_vapour

ASSUMED = packaged()


def register(*ids: str, **columns: object) -> gpd.GeoDataFrame:
    points = [Point(101.0 + n, 2.0) for n in range(len(ids))]
    return gpd.GeoDataFrame({"plantation_id": list(ids), **columns}, geometry=points, crs="EPSG:4326")


def days(plantation: str, first: str, last: str, seed: int = 1) -> pd.DataFrame:
    """Random weather of one plantation."""
    rng = np.random.default_rng(seed)
    date = pd.date_range(first, last, freq="D").astype("datetime64[us]")
    n = len(date)
    low = rng.normal(23.5, 0.6, n)
    return pd.DataFrame(
        {
            "plantation_id": plantation,
            "date": date,
            "precipitation": np.where(rng.random(n) < 0.5, rng.gamma(0.8, 15.0, n), 0.0),
            "t2m_min": low,
            "t2m_max": low + rng.uniform(6.0, 11.0, n),
            "ssrd": rng.normal(16.0, 2.0, n),
            "rh": rng.uniform(70.0, 95.0, n),
            "wind2m": rng.uniform(0.5, 3.0, n),
        }
    )


def test_sums_means_and_rain_days_of_a_month_by_hand() -> None:
    daily = days("A", "2024-02-01", "2024-02-29")
    daily["precipitation"] = [0.99, 1.0, 30.0] + [0.0] * 26
    row = monthly_climate(daily, register("A"), ASSUMED).iloc[0]
    assert row["p_sum_mm"] == pytest.approx(31.99)
    assert (row["rain_days"], row["dry_spell_max_d"], row["n_days"], row["flags"]) == (2.0, 26.0, 29, "")
    assert row["tmin_c"] == pytest.approx(daily["t2m_min"].mean())
    assert np.isnan(row["deficit_irho_mm"])
    assert np.isnan(row["spi3"])


def test_a_dry_spell_may_start_in_an_earlier_month_and_a_missing_day_ends_it() -> None:
    daily = days("A", "2024-01-01", "2024-03-31")
    daily["precipitation"] = 0.0
    daily.loc[daily["date"] == "2024-01-20", "precipitation"] = 5.0
    got = monthly_climate(daily, register("A"), ASSUMED)["dry_spell_max_d"].tolist()
    assert got == [19.0, 40.0, 71.0]
    without = daily[daily["date"] != "2024-02-10"]
    got = monthly_climate(without, register("A"), ASSUMED)["dry_spell_max_d"].tolist()
    assert got[0] == 19.0
    assert np.isnan(got[1])
    assert got[2] == 19.0 + 31.0


@pytest.mark.parametrize("variable", ["t2m_max", "ssrd", "rh", "wind2m"])
def test_a_month_that_lost_a_variable_altogether_says_so(variable: str) -> None:
    daily = days("A", "2024-01-01", "2024-05-31")
    daily["wind2m"] = 1.5
    daily.loc[daily["date"].astype("str").str[:7].isin(["2024-01", "2024-03"]), variable] = np.nan
    got = monthly_climate(daily, register("A"), ASSUMED)
    plain = got["flags"].str.replace(";et0_temperature", "").str.replace("et0_temperature", "")
    assert plain.tolist() == ["", "", "climate_gap", "", ""], "what was never there is no gap"
    lost = [n for n, flags in enumerate(got["flags"]) if "et0_temperature" in flags]
    assert lost == ([0, 2] if variable == "ssrd" else []), "without radiation ET0 is by Hargreaves, and says so"


def test_a_missing_day_withholds_sums_but_not_means() -> None:
    daily = days("A", "2023-01-01", "2024-12-31")
    daily = daily[daily["date"] != "2024-06-15"]
    got = monthly_climate(daily, register("A"), ASSUMED).set_index("month")
    june = got.loc["2024-06"]
    assert june["flags"] == "climate_gap"
    assert june[["p_sum_mm", "rain_days", "et0_mm", "deficit_irho_mm", "spi3"]].isna().all()
    assert june[["tmin_c", "tmax_c", "vpd_mean_kpa"]].notna().all()
    assert (got.drop(index="2024-06")["flags"] == "").all()


def test_a_month_without_data_has_no_row_and_only_rain_is_enough() -> None:
    daily = days("A", "2024-01-01", "2024-04-30")[["plantation_id", "date", "precipitation"]]
    daily = daily[daily["date"].dt.month != 3]
    got = monthly_climate(daily, register("A"), ASSUMED)
    assert got["month"].tolist() == ["2024-01", "2024-02", "2024-04"]
    assert got["flags"].tolist() == ["", "", ""]
    assert got[["et0_mm", "tmin_c", "vpd_mean_kpa"]].isna().all(axis=None)


def test_no_days_and_unknown_plantations_give_an_empty_table_of_the_same_types() -> None:
    full = monthly_climate(days("A", "2024-01-01", "2024-01-31"), register("A"), ASSUMED)
    empty = monthly_climate(days("X", "2024-01-01", "2024-01-31"), register("A"), ASSUMED)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_later_days_change_no_earlier_month() -> None:
    daily = days("A", "2010-01-01", "2021-12-31")
    whole = monthly_climate(daily, register("A"), ASSUMED)
    for cut in ("2019-03-31", "2020-12-31"):
        part = monthly_climate(daily[daily["date"] <= cut], register("A"), ASSUMED)
        pd.testing.assert_frame_equal(whole.iloc[: len(part)], part, check_exact=True)
    assert whole["spi3"].notna().sum() == 4 * 12 + 10  # 8 years; the first two months have no three-month sum


def test_neither_neighbours_nor_row_order_change_a_bit() -> None:
    many = pd.concat([days(f"P{n:03d}", "2012-01-01", "2021-12-31", seed=n) for n in range(5)])
    late = many[(many["plantation_id"] != "P003") | (many["date"] >= "2013-05-10")]
    places = register(*(f"P{n:03d}" for n in range(5)))
    together = monthly_climate(late.sample(frac=1.0, random_state=0), places, ASSUMED)
    for one in ("P000", "P003"):
        alone = monthly_climate(late[late["plantation_id"] == one], places, ASSUMED)
        same = together[together["plantation_id"] == one].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, alone, check_exact=True)


def test_soil_decides_the_reserve() -> None:
    daily = pd.concat([days(p, "2020-01-01", "2022-12-31", seed=4) for p in ("A", "B", "C")])
    places = register("A", "B", "C", soil_class=["S1", "S3", None], is_peat=[False, True, None])
    got = monthly_climate(daily, places, ASSUMED).groupby("plantation_id")["reserve_irho_mm"].max()
    assert got.to_dict() == {"A": 200.0, "B": 300.0, "C": 200.0}
    shallow = ASSUMED.override(
        {"water_balance.reserve_max_mm": {"S1": 90.0, "unknown": 120.0, "peat": 300.0}}, where="test"
    )
    got = monthly_climate(daily, places, shallow).groupby("plantation_id")["reserve_irho_mm"].max()
    assert got.to_dict() == {"A": 90.0, "B": 300.0, "C": 120.0}


def test_spi_equals_xclim_fitted_on_the_record_up_to_each_month() -> None:
    from xclim.indices import standardized_precipitation_index

    rng = np.random.default_rng(5)
    rain = rng.gamma(1.2, 90.0, (1, 12 * 14))
    rain[0, 6::12] *= rng.random(14) < 0.3  # three dry months in most years: sums of zero
    rain[0, 5::12] *= rng.random(14) < 0.3
    rain[0, 7::12] *= rng.random(14) < 0.3
    got = spi(rain, window=3, min_years=8, limit=3.09)[0]
    assert (pd.Series(rain[0]).rolling(3).sum() == 0).sum() >= 3
    time = pd.date_range("2001-01-01", periods=rain.shape[1], freq="MS")
    series = xr.DataArray(rain[0], dims="time", coords={"time": time}, attrs={"units": "mm/month"})
    for end in (8 * 12 + 7, 10 * 12 + 7, 13 * 12 + 2):
        upto = series.isel(time=slice(0, end + 1))
        oracle = standardized_precipitation_index(
            upto, freq=None, window=3, dist="gamma", method="APP", fitkwargs={"floc": 0}
        )
        assert got[end] == pytest.approx(float(np.clip(oracle[-1], -3.09, 3.09)), abs=1e-6)


def test_spi_without_spread_or_years_is_missing_not_infinite() -> None:
    assert np.isnan(spi(np.full((1, 12 * 12), 100.0), window=3, min_years=8, limit=3.09)).all()
    assert np.isnan(spi(np.zeros((1, 12 * 12)), window=3, min_years=8, limit=3.09)).all()
    assert spi(np.zeros((2, 1)), window=3, min_years=8, limit=3.09).shape == (2, 1)


def test_evapotranspiration_with_what_is_there() -> None:
    nan, one = np.array([np.nan]), np.array([1.0])
    low, high, rh, sun, wind = 23.5 * one, 32.5 * one, 80.0 * one, 16.0 * one, 2.0 * one

    def et0(low: np.ndarray, rh: np.ndarray, sun: np.ndarray, wind: np.ndarray) -> float:
        place = {"latitude": 2.0, "day_of_year": 100, "elevation": 25.0, "wind_missing": 2.0}
        return float(daily_et0(low, high, rh, sun, wind, **place)[0])

    full = et0(low, rh, sun, wind)
    assert 3.0 < full < 4.5
    assert et0(low, rh, sun, nan) == full  # missing wind counts as 2 m/s
    assert et0(low, nan, sun, wind) != full
    assert daily_vapour(low, high, nan)[1] == daily_vapour(low, low, 100.0 * one)[1]  # dew point = minimum
    assert et0(low, rh, nan, wind) == et0(low, nan, nan, nan)  # Hargreaves needs temperatures only
    assert np.isnan(et0(nan, rh, sun, wind))


def _index(*rows: tuple[str, str, float, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["month", "index", "value", "known_at"])
    return frame.assign(known_at=pd.to_datetime(frame["known_at"], utc=True).astype("datetime64[us, UTC]"))


def test_the_ocean_index_is_the_newest_season_known_at_the_months_end() -> None:
    index = _index(
        ("2024-01", "ONI", 1.8, "2024-03-10"),
        ("2024-02", "ONI", 1.5, "2024-04-10"),
        ("2024-01", "ONI", 1.7, "2024-03-31"),  # a revision, known on the last day of March
        ("2024-01", "ONI", 1.6, "2024-05-02"),  # a revision of a season that is no longer the newest
        ("2024-04", "DMI", 9.9, "2024-03-01"),
    )
    got = oni_known(index, ["2024-05", "2024-02", "2024-03", "2024-04"])
    assert got["month"].tolist() == ["2024-02", "2024-03", "2024-04", "2024-05"]
    assert got["oni_known"].tolist()[1:] == [1.7, 1.5, 1.5]
    assert np.isnan(got["oni_known"].iloc[0])
    assert got["known_at"].isna().tolist() == [True, False, False, False]
    assert got["known_at"].iloc[1] == pd.Timestamp("2024-03-31", tz="UTC")


def _grid(values: np.ndarray) -> xr.Dataset:
    times = pd.date_range("2024-01-01", periods=values.shape[0], freq="D").astype("datetime64[ns]")
    latitude, longitude = 2.0 - np.arange(values.shape[1]) * 0.5, 101.0 + np.arange(values.shape[2]) * 0.5
    axes = {"time": times, "latitude": latitude, "longitude": longitude}
    return xr.Dataset({"precipitation": (("time", "latitude", "longitude"), values)}, coords=axes)


def _places(*outlines: object) -> gpd.GeoDataFrame:
    ids = [f"P{n}" for n in range(len(outlines))]
    return gpd.GeoDataFrame({"plantation_id": ids}, geometry=list(outlines), crs="EPSG:4326")


def test_missing_cells_leave_the_mean_until_less_than_half_is_covered() -> None:
    values = np.array([[[1.0, 3.0]], [[1.0, np.nan]], [[np.nan, 3.0]]])
    outline = box(101.0, 1.9, 101.35, 2.0)  # 0.25 of 0.35 degrees in the first cell
    got = grid_to_plantations(_grid(values), _places(outline))[0].set_index("date")["precipitation"]
    assert got.tolist() == pytest.approx([(1.0 * 25 + 3.0 * 10) / 35, 1.0])
    assert got.index[-1] == pd.Timestamp("2024-01-02")


def test_outlines_outside_or_mostly_outside_the_grid_have_no_rows() -> None:
    grid = _grid(np.ones((2, 2, 2)))
    far, mostly = box(110, 1, 110.1, 1.1), box(100.0, 1.9, 100.8, 2.0)
    got, _ = grid_to_plantations(grid, _places(far, mostly, Point(99, 2), Point(101, 2), None))
    assert got["plantation_id"].unique().tolist() == ["P3"]
    none, _ = grid_to_plantations(grid, _places(far))
    assert none.columns.tolist() == ["plantation_id", "date", "precipitation"]
    assert len(none) == 0


def test_coverage_sums_to_the_area_and_points_take_their_cell() -> None:
    latitude, longitude = np.array([2.0, 1.5, 1.0]), np.array([101.0, 101.5])
    shape = Point(101.2, 1.6).buffer(0.3)
    found = cell_weights(latitude, longitude, np.array([shape, Point(101.6, 1.2)], dtype=object))
    assert found[0].weights.sum() == pytest.approx(shape.area / 0.25, rel=1e-5)
    assert found[0].area == pytest.approx(shape.area / 0.25)
    assert found[1].cells.tolist() == [5]


def test_a_grid_that_breaks_off_says_so() -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        if block.size:
            raise OSError("unexpected end of file")
        return block

    lazy = _grid(np.ones((3, 2, 2))).chunk({})
    lazy["precipitation"] = lazy["precipitation"].copy(data=lazy["precipitation"].data.map_blocks(broken, dtype=float))
    with pytest.raises(ReadError, match="'precipitation' cannot be read: unexpected end of file"):
        grid_to_plantations(lazy, _places(Point(101, 2)))
