"""Breaks of soil moisture: what rain, a ramp and the probe beside say of a change of level."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.features.test_sensor_flags import flagged, hours, noisy, readings

#: one 12 mm hour explains a rise of 0.08 in 0.15 m of soil
AT, RISE = 1100, 0.08


def soil(value: np.ndarray, sensor: str = "s1", depth: float = 0.1) -> pd.DataFrame:
    return readings(value, "soil_moisture", sensor=sensor, depth=depth)


def gauge(*wet: int, n: int = 1800) -> pd.DataFrame:
    rain = np.zeros(n)
    rain[list(wet)] = 12.0
    return readings(rain, "rain", sensor="r")


def stepped(n: int = 1800, level: float = 0.25) -> np.ndarray:
    value = noisy(level, n)
    value[AT:] += RISE
    return value


def test_soil_that_wets_before_the_gauge_has_no_break() -> None:
    for wet in (AT - 4, AT, AT + 4):
        found = flagged(soil(stepped()), gauge(wet))
        assert hours(found, "break") == hours(found, "after_break") == []
    assert hours(flagged(soil(stepped()), gauge(AT + 9)), "break") == [AT]


def test_soil_that_wets_over_a_day_has_no_break() -> None:
    value = noisy(0.20, 1800, 0.01)
    value[AT : AT + 24] += np.linspace(0.0, 0.22, 24)
    value[AT + 24 :] += 0.22
    assert hours(flagged(soil(value)), "break") == []
    value = noisy(0.20, 1800, 0.01)
    value[AT:] += 0.10
    (at,) = hours(flagged(soil(value)), "break")
    assert abs(at - AT) <= 1


def test_a_rise_of_all_probes_is_the_soils() -> None:
    both = flagged(soil(stepped()), soil(stepped(level=0.30), "s2", 0.3))
    assert hours(both, "break") == hours(both, "break", "s2") == []
    alone = flagged(soil(stepped()), soil(noisy(0.30, 1800), "s2", 0.3))
    assert hours(alone, "break") == [AT]
    assert hours(alone, "break", "s2") == []


def test_a_break_that_rain_excused_is_found_after_a_week_against_the_probe_beside() -> None:
    beside = soil(noisy(0.30, 1800), "s2", 0.3)
    found = flagged(soil(stepped()), beside, gauge(AT - 2))
    assert hours(found, "after_break") == list(range(AT, 1800))
    # a wetting front reaches the other probe days later: no break
    late = noisy(0.30, 1800)
    late[AT + 40 :] += RISE
    assert hours(flagged(soil(stepped()), soil(late, "s2", 0.3), gauge(AT - 2)), "after_break") == []
    assert hours(flagged(soil(stepped()), gauge(AT - 2)), "after_break") == []


def test_the_week_after_belongs_to_its_month() -> None:
    """The break is in June, the week that shows it ends in July: June says nothing, July all."""
    value = noisy(0.25, 2200)
    value[1340:] += RISE  # 26 July
    parts = [soil(value), soil(noisy(0.30, 2200), "s2", 0.3), gauge(1338, n=2200)]
    whole = flagged(*parts)
    first_of_august = 61 * 24
    assert hours(whole, "after_break") == list(range(first_of_august, 2200))
    cut = pd.Timestamp("2024-08-01", tz="UTC")
    early = flagged(*(p[p["time"] < cut] for p in parts))
    assert hours(early, "after_break") == []


def test_of_a_probe_below_another_three_days_say_enough() -> None:
    """Rain comes from above: a deep probe's rise of 26 July is told in July, a shallow one's takes the week."""
    deep = noisy(0.25, 2200)
    deep[1340:] += RISE
    rain = gauge(1338, n=2200)
    found = flagged(soil(noisy(0.30, 2200), "s1", 0.1), soil(deep, "s2", 0.3), rain)
    assert hours(found, "after_break", "s2") == list(range(1340, 2200))
    assert hours(found, "after_break", "s1") == []
    # the same depth is not above
    level = flagged(soil(noisy(0.30, 2200), "s1", 0.3), soil(deep, "s2", 0.3), rain)
    assert hours(level, "after_break", "s2") == list(range(61 * 24, 2200))
    # the front passed above a day before
    first = noisy(0.30, 2200)
    first[1310:] += RISE
    wet = flagged(soil(first, "s1", 0.1), soil(deep, "s2", 0.3), gauge(1308, 1338, n=2200))
    assert hours(wet, "after_break", "s2") == []


def test_a_fault_of_the_probe_beside_says_nothing_of_how_the_soil_shifts() -> None:
    deep, shallow = stepped(), noisy(0.30, 1800)
    shallow[500:620] = 0.0
    found = flagged(soil(shallow, "s1", 0.1), soil(deep, "s2", 0.3), gauge(AT - 2))
    assert hours(found, "dead", "s1") == list(range(500, 620))
    assert hours(found, "after_break", "s2") == list(range(AT, 1800))


def test_an_earlier_break_says_nothing_of_how_the_soil_shifts() -> None:
    deep = stepped()
    deep[800:900] += 0.12
    found = flagged(soil(noisy(0.30, 1800), "s1", 0.1), soil(deep, "s2", 0.3), gauge(AT - 2))
    assert hours(found, "after_break", "s2") == [*range(800, 900), *range(AT, 1800)]


def test_a_probe_beside_that_was_out_tells_of_the_shift_when_it_is_back() -> None:
    deep, at = noisy(0.25, 2200), 1300
    deep[at:] += RISE

    def found(back: int, until: int = 2200) -> list[int]:
        shallow = noisy(0.30, 2200)
        shallow[1140:back] = 0.0
        parts = [soil(shallow, "s1", 0.1), soil(deep, "s2", 0.3), gauge(at - 2, n=2200)]
        return hours(flagged(*(p[:until] for p in parts)), "after_break", "s2")

    august = 61 * 24
    assert found(1360) == list(range(at, 2200))
    # the third day is in August and says nothing of July
    assert found(1440) == list(range(august, 2200))
    assert found(1440, august) == found(1440, august + 24) == []


def test_a_probe_beside_that_was_out_for_four_weeks_tells_nothing() -> None:
    """The change is on day 100; days 72 to 99 and up to 127 may speak of it, three of them must."""
    n, day = 3500, 100
    deep = noisy(0.25, n)
    deep[24 * day :] += RISE

    def found(out: int, back: int) -> list[int]:
        shallow = noisy(0.30, n)
        shallow[24 * out : 24 * back] = 0.0
        parts = [soil(shallow, "s1", 0.1), soil(deep, "s2", 0.3), gauge(24 * day - 2, n=n)]
        return hours(flagged(*parts), "after_break", "s2")

    assert found(98, 124)[-1] == found(77, 102)[-1] == n - 1
    assert found(98, 130) == found(70, 102) == []
