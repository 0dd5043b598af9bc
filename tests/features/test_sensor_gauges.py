"""Rain gauges against the grid and against each other, on days one can count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shapely import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.sensor_flags import flag_readings
from tests.features.test_sensor_flags import START, flagged, hours, readings

DAYS = 30


def hourly(per_day: list[float]) -> np.ndarray:
    """Each day's rain at 15:00."""
    out = np.zeros(24 * len(per_day))
    out[15::24] = per_day
    return out


def grid(per_day: list[float], plantation: str = "B") -> pd.DataFrame:
    dates = pd.date_range(START, periods=len(per_day))
    return pd.DataFrame({"plantation_id": plantation, "date": dates, "precipitation": per_day})


def days(found: pd.DataFrame, name: str, sensor: str = "s1") -> list[int]:
    return sorted({h // 24 for h in hours(found, name, sensor)})


def test_three_days_of_strong_rain_missed_are_a_clog_and_its_span_ends_with_the_grids_rain() -> None:
    fallen = [0.0] * 10 + [25.0, 0.0, 0.3, 30.0, 0.0, 22.0, 0.0, 0.0] + [0.0] * 12
    gauge = hourly([0.0] * 5 + [6.0] + [0.0] * 24)
    assert days(flagged(readings(gauge, "rain"), daily=grid(fallen)), "clogged") == list(range(10, 16))
    two = [0.0 if i == 15 else mm for i, mm in enumerate(fallen)]
    assert days(flagged(readings(gauge, "rain"), daily=grid(two)), "clogged") == []


def test_a_gauge_that_never_missed_the_grids_rain_is_believed_sooner_to_be_clogged() -> None:
    """Two days of 25 mm are not enough for a new gauge; they are after twenty days without a miss."""
    known = [12.0] * 20
    clog = [0.0, 25.0, 25.0, 1.5, 0.0]
    gauge = readings(hourly([11.0] * 20 + [0.0] * 10), "rain")
    assert days(flagged(gauge, daily=grid([*known, *clog, *[0.0] * 5])), "clogged") == [21, 22, 23]
    new = readings(hourly([0.0] * DAYS), "rain")
    assert days(flagged(new, daily=grid([0.0] * 20 + clog + [0.0] * 5)), "clogged") == []


def test_a_gauge_in_the_rain_shadow_of_the_grid_is_not_clogged_by_the_same_days() -> None:
    """It has stayed dry on half of the grid's strong days: three more in a row say little."""
    fallen = [25.0 if i % 2 else 0.0 for i in range(22)] + [25.0, 25.0, 25.0] + [0.0] * 5
    own = [8.0 if i % 4 == 1 else 0.0 for i in range(22)] + [0.0] * 8
    found = flagged(readings(hourly(own), "rain"), daily=grid(fallen))
    assert days(found, "clogged") == []


def test_days_with_missing_hours_are_no_evidence_of_a_clog() -> None:
    fallen = [0.0] * 10 + [25.0] * 3 + [0.0] * 17
    gauge = readings(hourly([0.0] * DAYS), "rain")
    part = gauge[~((gauge["time"].dt.day == 12) & (gauge["time"].dt.hour < 12))]
    assert days(flagged(gauge, daily=grid(fallen)), "clogged") == [10, 11, 12]
    assert days(flagged(part, daily=grid(fallen)), "clogged") == []


FIVE = [5.0 * (i % 2) for i in range(DAYS)]


def test_a_gauge_far_above_its_neighbour_does_not_count() -> None:
    mine = [25.0 * (i % 2) if 10 <= i < 24 else 5.0 * (i % 2) for i in range(DAYS)]
    parts = [readings(hourly(mine), "rain"), readings(hourly(FIVE), "rain", sensor="r2")]
    found = flagged(*parts, daily=grid(FIVE))
    assert days(found, "over_neighbours") == [i for i in range(10, 24) if i % 2]
    assert days(found, "over_neighbours", "r2") == []
    assert found.loc[found["sensor_id"] == "s1", "checked"].isna().sum() == 7 * 24
    # a grid with the higher gauge: its neighbour is the one that misses rain
    assert days(flagged(*parts, daily=grid(mine)), "over_neighbours") == []
    # a neighbour without a tip while the grid rains is clogged and no measure
    dry = [readings(hourly(FIVE), "rain"), readings(hourly([0.0] * DAYS), "rain", sensor="r2")]
    assert days(flagged(*dry, daily=grid([25.0] * DAYS)), "over_neighbours") == []


@pytest.mark.parametrize(("kilometres", "found"), [(5.0, True), (40.0, False)])
def test_neighbours_are_gauges_within_some_kilometres(kilometres: float, found: bool) -> None:
    register = pd.DataFrame(
        {
            "plantation_id": ["B", "C"],
            "timezone": "UTC",
            "is_peat": False,
            "geometry": [Point(0.0, 2.0), Point(0.0, 2.0 + kilometres / 111.2)],
        }
    )
    mine = readings(hourly([5 * v for v in FIVE]), "rain")
    other = readings(hourly(FIVE), "rain", sensor="r2").assign(plantation_id="C")
    got = flag_readings(pd.concat([mine, other]), register, None, packaged())
    assert bool(days(got, "over_neighbours")) == found


def test_what_neighbours_say_of_a_month_waits_for_no_later_one() -> None:
    mine = [35.0 * (i % 2) if i >= 22 else 5.0 * (i % 2) for i in range(60)]
    other = [5.0 * (i % 2) for i in range(60)]
    parts = [readings(hourly(mine), "rain"), readings(hourly(other), "rain", sensor="r2")]
    whole, early = flagged(*parts), flagged(*(p[p["time"] < pd.Timestamp("2024-07-01", tz="UTC")] for p in parts))
    assert [d for d in days(whole, "over_neighbours") if d < 30] == days(early, "over_neighbours") != []


def _half_a_year() -> tuple[pd.DatetimeIndex, list[float]]:
    dates = pd.date_range(START, periods=183)
    return dates, [12.0 * (i % 3 == 0) for i in range(len(dates))]


@pytest.mark.parametrize(("factor", "from_month"), [(0.04, 6), (1.0, 0), (0.5, 0), (2.5, 0), (8.0, 6)])
def test_a_gauge_in_another_unit_is_found_by_three_months(factor: float, from_month: int) -> None:
    """Inches called mm, tenths called mm; half or two and a half of the grid is the place's own rain."""
    dates, fallen = _half_a_year()
    found = flagged(readings(hourly([factor * mm for mm in fallen]), "rain"), daily=grid(fallen))
    got = {str(dates[d])[:7] for d in days(found, "off_scale")}
    months = sorted({str(d)[:7] for d in dates})
    assert got == set(months[2:] if from_month else [])


def test_one_month_off_the_grid_is_no_other_unit() -> None:
    dates, fallen = _half_a_year()
    third = sorted({str(d)[:7] for d in dates})[2]
    own = [6.0 * mm if str(d)[:7] == third else mm for d, mm in zip(dates, fallen, strict=True)]
    assert days(flagged(readings(hourly(own), "rain"), daily=grid(fallen)), "off_scale") == []
