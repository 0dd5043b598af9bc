"""Sensor readings to months: ranges, local days, completeness, several sensors, independence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.sensors import COLUMNS, monthly_sensors

ASSUMED = packaged()
REGISTER = pd.DataFrame({"plantation_id": ["A", "B"], "timezone": ["Asia/Kuala_Lumpur", ""], "is_peat": [False, True]})


def series(
    value: float | np.ndarray,
    variable: str = "soil_moisture",
    *,
    plantation: str = "B",
    sensor: str = "s1",
    depth: float = 0.1,
    first: str = "2024-06-01",
    last: str = "2024-06-30 23:00",
    freq: str = "h",
) -> pd.DataFrame:
    time = pd.date_range(first, last, freq=freq, tz="UTC").astype("datetime64[us, UTC]")
    # never twice the same, as real readings: a sensor that stands still is flagged
    frame = pd.DataFrame({"time": time, "value": value * (1.0 + 1e-8 * (-1.0) ** np.arange(len(time)))})
    return frame.assign(plantation_id=plantation, station_id="S", sensor_id=sensor, variable=variable, depth_m=depth)


def months(*parts: pd.DataFrame, wanted: list[str] | None = None) -> pd.DataFrame:
    return monthly_sensors(pd.concat(parts, ignore_index=True), REGISTER, wanted, assumptions=ASSUMED)


def test_a_full_month_of_two_depths_and_a_water_table() -> None:
    shallow = [series(0.20, sensor="s1"), series(0.30, sensor="s2")]
    got = months(*shallow, series(0.45, sensor="s3", depth=0.3), series(55.0, "water_table", sensor="w"))
    row = got.iloc[0]
    assert tuple(got.columns) == COLUMNS
    assert row["soil_moisture_m3m3"] == pytest.approx((0.25 + 0.45) / 2)  # depths weigh alike, not sensors
    assert row["water_table_cm"] == pytest.approx(55.0)
    assert (row["completeness_sensors"], row["flags"]) == (1.0, "")
    assert row["known_at"] == pd.Timestamp("2024-06-30T23:00", tz="UTC")


def test_hours_weigh_alike_whatever_the_readings_in_them() -> None:
    dense = series(0.34, first="2024-06-01 00:00", last="2024-06-01 00:59", freq="min")
    rest = series(0.3, first="2024-06-01 01:00")
    expected = ((0.34 + 23 * 0.3) / 24 + 29 * 0.3) / 30
    assert months(dense, rest)["soil_moisture_m3m3"].iloc[0] == pytest.approx(expected)


def test_days_and_months_are_local() -> None:
    one_month = series(0.3, plantation="A", first="2024-05-31 16:00", last="2024-06-30 15:00")
    got = months(one_month)
    assert got["month"].tolist() == ["2024-06"]
    assert got["completeness_sensors"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("variable", "value", "passes"),
    [
        ("soil_moisture", 0.61, True),  # peat
        ("soil_moisture", 0.96, False),
        ("soil_moisture", -0.01, False),
        ("air_temperature", 85.0, False),
        ("relative_humidity", 102.0, True),
        ("relative_humidity", 104.0, False),
        ("water_table", -51.0, False),
        ("water_table", -20.0, True),
        ("rain", 151.0, False),
        ("radiation", -4.0, True),
    ],
)
def test_range_tests_count_in_completeness(variable: str, value: float, passes: bool) -> None:
    good = {"soil_moisture": 0.3, "air_temperature": 27.0, "relative_humidity": 80.0, "water_table": 50.0}
    values = np.full(720, good.get(variable, 1.0))
    # humidity that stays at its end is another fault, and so is a soil that jumps about
    values[slice(None, None, 1 if passes and variable != "relative_humidity" else 4)] = value
    got = months(series(values, variable))
    assert got["completeness_sensors"].iloc[0] == pytest.approx(1.0 if passes else 0.75)


def test_mineral_soil_holds_less_than_peat() -> None:
    wet = series(0.70, plantation="A", first="2024-05-31 16:00", last="2024-06-30 15:00")
    assert np.isnan(months(wet)["soil_moisture_m3m3"].iloc[0])
    assert months(series(0.70))["soil_moisture_m3m3"].iloc[0] == pytest.approx(0.70)


def dropping(frame: pd.DataFrame, *days: int, hours: int = 24) -> pd.DataFrame:
    """Without the first hours of some days of the month."""
    gone = frame["time"].dt.day.isin(days) & (frame["time"].dt.hour < hours)
    return frame[~gone]


@pytest.mark.parametrize(
    ("days", "hours", "there"),
    [
        (range(1, 31), 6, True),  # 18 hours on every day
        (range(1, 31), 7, False),  # 17 hours on every day
        (range(2, 31, 5), 24, True),  # 24 of 30 days
        (range(1, 31, 4), 24, False),  # 22 of 30 days
        (range(10, 15), 24, True),  # a gap of five days
        (range(10, 16), 24, False),  # of six
        (range(1, 7), 24, False),  # at the month's start
        (range(25, 31), 24, False),  # at its end
    ],
)
def test_completeness_of_days_and_months(days: range, hours: int, there: bool) -> None:
    got = months(dropping(series(0.3), *days, hours=hours))
    assert got["soil_moisture_m3m3"].notna().tolist() == [there]
    assert got["flags"].tolist() == ["" if there else "sensor_gap"]
    assert got["completeness_sensors"].iloc[0] == pytest.approx(1 - len(days) * hours / 720)


def test_one_reading_a_day_is_enough_for_a_daily_logger() -> None:
    daily = series(60.0, "water_table", freq="D", first="2024-06-01 07:00")
    got = months(daily)
    assert got[["water_table_cm", "completeness_sensors"]].values.tolist() == [[60.0, 1.0]]
    twice = pd.concat([daily, series(60.0, "water_table", first="2024-06-05 09:00", last="2024-06-05 09:00")])
    assert months(twice)["water_table_cm"].isna().all()  # then it is no daily logger


def test_one_failed_sensor_leaves_the_other_and_lowers_completeness() -> None:
    got = months(series(0.30, sensor="s1"), series(9.99, sensor="s2"))
    assert got["soil_moisture_m3m3"].tolist() == pytest.approx([0.30])
    assert got[["completeness_sensors", "flags"]].values.tolist() == [[0.5, ""]]


def test_a_silent_sensor_is_missing_for_a_year_and_then_removed() -> None:
    steady = series(0.3, sensor="s1", last="2025-08-31 23:00")
    died = series(0.3, sensor="s2", depth=0.3)
    got = months(steady, died).set_index("month")["completeness_sensors"]
    assert got["2024-06"] == 1.0
    assert (got["2024-07":"2025-06"] == 0.5).all()
    assert (got["2025-07":] == 1.0).all()


def test_wanted_months_without_any_reading_say_so() -> None:
    got = months(series(0.3), wanted=["2024-05", "2024-06", "2024-07", "2026-01"])
    assert got["month"].tolist() == ["2024-06", "2024-07"]
    silent = got.iloc[1]
    assert (silent["completeness_sensors"], silent["flags"]) == (0.0, "sensor_gap")
    assert pd.isna(silent["known_at"])


def test_later_readings_and_neighbours_change_no_bit() -> None:
    rng = np.random.default_rng(3)
    mine = series(rng.uniform(0.2, 0.4, 2208), last="2024-08-31 23:00")
    other = series(rng.uniform(0.2, 0.4, 720), plantation="A", sensor="s9")
    whole = months(other, mine.sample(frac=1.0, random_state=1))
    early = months(mine[mine["time"] < pd.Timestamp("2024-08-01", tz="UTC")])
    same = whole[(whole["plantation_id"] == "B") & (whole["month"] < "2024-08")].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, early, check_exact=True)


def test_nothing_gives_an_empty_table_of_the_same_types() -> None:
    full, nothing = months(series(0.3)), months(series(0.3, plantation="unknown"))
    assert len(nothing) == 0
    assert nothing.dtypes.to_dict() == full.dtypes.to_dict()


def test_a_kind_that_fell_out_has_the_flag_of_every_later_month() -> None:
    soil = series(0.3, last="2024-08-31 23:00")
    got = months(soil, series(24.0, "air_temperature", sensor="t"))
    assert got["flags"].tolist() == ["", "sensor_gap", "sensor_gap"]
