"""Slow drift against the grid, and against fellow sensors where there is no grid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.features.test_sensor_flags import START, flagged, hours, readings

DAYS = 180
HOUR = np.arange(24 * DAYS)
#: 27 degC with a day's course; the grid's mean is 1.5 degC lower, as over a hill
AIR = 27.0 + 4.0 * np.cos(2 * np.pi * (HOUR % 24 - 14) / 24)


def thermometer(gain: np.ndarray | float, sensor: str = "s1") -> pd.DataFrame:
    noise = np.random.default_rng(3).normal(0.0, 0.2, len(HOUR))
    return readings(AIR + noise + gain, "air_temperature", sensor=sensor)


def grid(days: int = DAYS, seed: int = 4) -> pd.DataFrame:
    mean = 25.5 + np.random.default_rng(seed).normal(0.0, 0.6, days)
    dates = pd.date_range(START, periods=days)
    return pd.DataFrame({"plantation_id": "B", "date": dates, "t2m_min": mean - 4, "t2m_max": mean + 4})


def drifting(found: pd.DataFrame, sensor: str = "s1") -> list[int]:
    """Days with the flag, counted from the start."""
    return sorted({h // 24 for h in hours(found, "drift", sensor)})


RAMP = np.clip((HOUR / 24 - 70) * 0.05, 0.0, None)  # 0.05 degC a day from day 70 on


def test_an_offset_from_the_start_is_no_drift_and_a_growing_one_is() -> None:
    assert drifting(flagged(thermometer(0.0), daily=grid())) == []
    found = flagged(thermometer(RAMP), daily=grid())
    days = drifting(found)
    assert days == list(range(days[0], DAYS))
    assert 70 + 2.0 / 0.05 <= days[0] + 10
    assert days[0] <= 70 + 3.0 / 0.05  # from 2 to 3 degC
    bad = found["sensor_id"].eq("s1") & found["checked"].isna()
    assert bad.sum() == 24 * len(days)


def test_a_sensor_that_has_drifted_stays_so_while_the_grid_is_late() -> None:
    assert drifting(flagged(thermometer(RAMP), daily=grid(DAYS - 20)))[-1] == DAYS - 1
    assert drifting(flagged(thermometer(0.0), daily=grid(DAYS - 20))) == []


def test_without_a_grid_three_sensors_tell_which_has_drifted_and_two_do_not() -> None:
    three = flagged(thermometer(RAMP), thermometer(0.3, "s2"), thermometer(-0.3, "s3"))
    assert drifting(three)[-1] == DAYS - 1
    assert drifting(three, "s2") == drifting(three, "s3") == []
    assert drifting(flagged(thermometer(RAMP), thermometer(0.3, "s2"))) == []


def test_one_odd_third_is_the_weathers() -> None:
    odd = np.where((HOUR // 24 >= 91) & (HOUR // 24 < 101), 4.0, 0.0)
    assert drifting(flagged(thermometer(odd), daily=grid())) == []


def test_what_is_said_of_a_month_does_not_change_with_the_next() -> None:
    whole = drifting(flagged(thermometer(RAMP), daily=grid()))
    cut = pd.Timestamp("2024-10-01", tz="UTC")
    part, climate = thermometer(RAMP), grid()
    early = flagged(part[part["time"] < cut], daily=climate[climate["date"] < cut.tz_localize(None)])
    assert drifting(early) == [d for d in whole if d < 122]
