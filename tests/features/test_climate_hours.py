"""Hours to days of a time zone: both rules of accumulation against the rain of each hour, gaps, extremes, humidity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from plantation_rwa.features.climate_grid import grid_to_plantations
from plantation_rwa.features.climate_hours import days_of_hours, local_days
from plantation_rwa.features.evapotranspiration import actual_vapour_pressure, saturation_vapour_pressure

FIRST = int(pd.Timestamp("2024-03-01", tz="UTC").timestamp()) // 3600
HOURS = np.arange(FIRST + 1, FIRST + 1 + 24 * 8)
ZONES = {"Asia/Kuala_Lumpur": 8, "Asia/Jakarta": 7, "UTC": 0, "America/Bogota": -5, "Asia/Jayapura": 9}


def hourly(seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((len(HOURS), 2)) < 0.3, rng.gamma(0.8, 4.0, (len(HOURS), 2)), 0.0)


def running(rain: np.ndarray) -> np.ndarray:
    return np.cumsum(rain.reshape(-1, 24, rain.shape[1]), axis=1).reshape(rain.shape)


def truth(rain: np.ndarray, offset: int) -> dict[str, np.ndarray]:
    """Sum of the hours of each local date, by moving the clock and nothing else."""
    middle = pd.to_datetime((HOURS * 3600 - 1800) + offset * 3600, unit="s")
    table = pd.DataFrame(rain).groupby(middle.strftime("%Y-%m-%d")).agg(["sum", "count"])
    return {d: r.to_numpy()[::2] for d, r in table.iterrows() if (r.to_numpy()[1::2] == 24).all()}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("rule", ["era5", "era5-land"])
def test_rain_of_local_days_is_that_of_their_hours(zone: str, rule: str) -> None:
    rain = hourly()
    given_values = running(rain) if rule == "era5-land" else rain
    days, got = days_of_hours(HOURS, {"precipitation": given_values}, zone, rule)
    expected = truth(rain, ZONES[zone])
    assert [str(d) for d in days.dates] == sorted(expected)
    np.testing.assert_allclose(got["precipitation"], np.array([expected[str(d)] for d in days.dates]), atol=1e-9)


def test_the_malaysian_day_by_hand() -> None:
    """[tp(00 UTC d) - tp(16 UTC d-1)] + tp(16 UTC d), with 1 mm in hour 1, 2 mm in hour 2 ... of each UTC day."""
    per_hour = np.tile(np.arange(1.0, 25.0), 8)[:, None]
    days, got = days_of_hours(HOURS, {"precipitation": running(per_hour)}, "Asia/Kuala_Lumpur", "era5-land")
    tp16, tp24 = sum(range(1, 17)), sum(range(1, 25))
    assert str(days.dates[0]) == "2024-03-02"
    assert got["precipitation"][:, 0].tolist() == [(tp24 - tp16) + tp16] * 7
    assert (tp24 - tp16, tp16) == (164, 136)


def test_the_wrong_rule_is_far_off() -> None:
    rain = hourly()
    _, right = days_of_hours(HOURS, {"precipitation": running(rain)}, "Asia/Kuala_Lumpur", "era5-land")
    _, wrong = days_of_hours(HOURS, {"precipitation": running(rain)}, "Asia/Kuala_Lumpur", "era5")
    _, other = days_of_hours(HOURS, {"precipitation": rain}, "Asia/Kuala_Lumpur", "era5-land")
    assert (wrong["precipitation"].sum(axis=0) > 5 * right["precipitation"].sum(axis=0)).all()
    assert (other["precipitation"].sum(axis=0) < right["precipitation"].sum(axis=0) / 3).all()


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, len(HOURS) - 1), max_size=20), st.sampled_from(sorted(ZONES)))
def test_missing_hours_withhold_just_the_days_that_need_them(gone: set[int], zone: str) -> None:
    rain, keep = hourly(), np.array([n not in gone for n in range(len(HOURS))])
    keep[[0, -1]] = True
    expected = truth(rain, ZONES[zone])
    for rule, values in (("era5", rain), ("era5-land", running(rain))):
        days, got = days_of_hours(HOURS[keep], {"precipitation": values[keep]}, zone, rule)
        offset = ZONES[zone]
        for date, row in zip(days.dates, got["precipitation"], strict=True):
            start = int(date.astype("datetime64[h]").astype(np.int64)) - offset
            inside = {start + k for k in range(1, 25)}
            needed = {h for h in {start, start + 24, *inside} if h % 24 == 0 or h in (start, start + 24)}
            needed -= {start} if start % 24 == 0 else set()
            lost = {int(h) for h in HOURS[~keep]} | {int(HOURS[0]) - 1}
            missing = bool((inside if rule == "era5" else needed) & lost)
            assert np.isnan(row).all() == missing
            if not missing:
                np.testing.assert_allclose(row, expected[str(date)], atol=1e-9)


def test_temperature_humidity_and_wind_of_a_day() -> None:
    clock = (HOURS % 24)[:, None].astype(float)
    air, dew = 27.0 + 5.0 * np.sin((clock - 1) / 24 * 2 * np.pi), np.full_like(clock, 23.0)
    east, north = np.where(HOURS % 2 == 0, 3.0, -3.0)[:, None], np.full_like(clock, 4.0)
    values = {"t2m": air, "d2m": dew, "u10": east, "v10": north}
    days, got = days_of_hours(HOURS, values, "Asia/Kuala_Lumpur", "")
    assert got["t2m_max"].max() == pytest.approx(32.0)
    assert got["t2m_min"].min() == pytest.approx(22.0)
    assert got["wind2m"] == pytest.approx(5.0)  # speed of each hour, not that of the mean wind
    vapour = actual_vapour_pressure(got["t2m_min"], got["t2m_max"], got["rh"], got["rh"])
    assert vapour == pytest.approx(float(saturation_vapour_pressure(23.0)))
    assert len(days.dates) == 7


def test_extremes_need_every_hour() -> None:
    values = np.full((len(HOURS), 1), 25.0)
    values[30] = np.nan
    days, got = days_of_hours(HOURS, {"t2m": values}, "UTC", "")
    lost = {"2024-03-01", "2024-03-02"}  # the record begins an hour after the first midnight
    assert np.isnan(got["t2m_min"][:, 0]).tolist() == [str(d) in lost for d in days.dates]


def test_half_hour_zones_begin_at_the_full_hour_before_and_clock_changes_have_23_or_25_hours() -> None:
    india = local_days(FIRST, FIRST + 72, "Asia/Kolkata")
    assert ((india.starts % 24) == 18).all()  # local midnight is 18:30 UTC
    first = int(pd.Timestamp("2024-03-29", tz="UTC").timestamp()) // 3600
    berlin = local_days(first, first + 24 * 5, "Europe/Berlin")
    assert dict(zip(berlin.dates.astype(str), berlin.ends - berlin.starts, strict=True))["2024-03-31"] == 23


def test_hourly_grids_give_each_plantation_its_own_days() -> None:
    rain = hourly()
    values = np.stack([rain, rain[:, ::-1]], axis=1)  # latitude, longitude
    axes = {
        "time": HOURS.astype("datetime64[h]").astype("datetime64[ns]"),
        "latitude": [2.1, 2.0],
        "longitude": [102.0, 102.1],
    }
    grid = xr.Dataset({"precipitation": (("time", "latitude", "longitude"), values)}, coords=axes)
    grid = grid.assign_attrs(step="hour", accumulation="era5")
    outline = box(101.99, 2.09, 102.01, 2.11)
    register = pd.DataFrame(
        {"plantation_id": ["A", "B"], "geometry": [outline, outline], "timezone": ["Asia/Kuala_Lumpur", "Asia/Jakarta"]}
    )
    got, _ = grid_to_plantations(grid, register)
    for plantation, offset in (("A", 8), ("B", 7)):
        own = got[got["plantation_id"] == plantation]
        own = own.set_index(own["date"].dt.strftime("%Y-%m-%d"))["precipitation"]
        expected = truth(rain, offset)
        assert own.index.tolist() == sorted(expected)
        np.testing.assert_allclose(own.to_numpy(), [expected[d][0] for d in own.index])


def test_reading_hours_in_stretches_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from plantation_rwa.features import climate_grid

    hours = np.arange(FIRST + 1, FIRST + 1 + 24 * 90)
    rng = np.random.default_rng(2)
    values = rng.gamma(0.5, 2.0, (len(hours), 2, 2))
    values[100, 0, 0] = values[31 * 24 + 3, 0, 0] = 5000.0  # impossible, one of them at the edge of a stretch
    axes = {
        "time": hours.astype("datetime64[h]").astype("datetime64[ns]"),
        "latitude": [2.1, 2.0],
        "longitude": [102.0, 102.1],
    }
    grid = xr.Dataset({"precipitation": (("time", "latitude", "longitude"), values)}, coords=axes)
    grid["precipitation"].attrs.update(lower=0.0, upper=2000.0, slack=0.05, unit="mm", files=())
    grid = grid.assign_attrs(step="hour", accumulation="era5")
    register = pd.DataFrame(
        {"plantation_id": ["A"], "geometry": [box(101.9, 1.9, 102.2, 2.2)], "timezone": ["Asia/Kuala_Lumpur"]}
    )
    whole, noted = grid_to_plantations(grid, register)
    monkeypatch.setattr(climate_grid, "_HOURS_X_CELLS", 1)
    parts, again = grid_to_plantations(grid, register)
    pd.testing.assert_frame_equal(whole, parts, check_exact=True)
    assert noted == again
    assert sum(n.count for n in noted) == 2
