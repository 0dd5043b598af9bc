"""Each quality test on a series one can follow by eye; causality; intervals; root zone; gauges and books."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shapely import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.sensor_flags import CODES, flag_intervals, flag_readings, flag_text
from plantation_rwa.features.sensors import monthly_sensors, root_zone

ASSUMED = packaged()
REGISTER = pd.DataFrame(
    {"plantation_id": ["B"], "timezone": ["UTC"], "is_peat": [False], "geometry": [Point(0.0, 2.0)]}
)
START = "2024-06-01"


def readings(
    value: np.ndarray, variable: str, *, sensor: str = "s1", depth: float = np.nan, **more: object
) -> pd.DataFrame:
    time = pd.date_range(START, periods=len(value), freq="h", tz="UTC").astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"time": time, "value": value, "unit": "u"})
    ids = {"plantation_id": "B", "station_id": "S", "sensor_id": sensor, "variable": variable, "depth_m": depth}
    return frame.assign(**{**ids, **more})


def noisy(base: float, n: int = 720, scale: float = 0.002) -> np.ndarray:
    return base + np.random.default_rng(5).normal(0.0, scale, n)


def flagged(*parts: pd.DataFrame, daily: pd.DataFrame | None = None) -> pd.DataFrame:
    return flag_readings(pd.concat(parts, ignore_index=True), REGISTER, daily, ASSUMED)


def hours(found: pd.DataFrame, name: str, sensor: str = "s1") -> list[int]:
    """Positions of the readings with a flag."""
    own = found[found["sensor_id"] == sensor].reset_index(drop=True)
    return [i for i, text in enumerate(flag_text(own["bits"].to_numpy())) if name in text.split(";")]


def daily(mm: float, days: int = 30) -> pd.DataFrame:
    return pd.DataFrame({"plantation_id": "B", "date": pd.date_range(START, periods=days), "precipitation": mm})


@pytest.mark.parametrize(
    ("variable", "base", "at", "width", "name"),
    [
        ("soil_moisture", 0.30, 0.45, 1, "spike"),
        ("soil_moisture", 0.30, 0.45, 2, "spike"),
        ("soil_moisture", 0.30, 0.20, 1, "spike"),
        ("soil_moisture", 0.30, 0.70, 1, "above_range"),
        ("soil_moisture", 0.30, -0.01, 1, "below_range"),
        ("soil_moisture", 0.54, 0.57, 1, "above_saturation"),
        ("air_temperature", 27.0, 35.0, 1, "spike"),
        ("air_temperature", 27.0, 85.0, 1, "above_range"),
        ("relative_humidity", 95.0, 101.0, 1, "clipped"),
        ("water_table", 50.0, 90.0, 1, "spike"),
        ("water_table", 50.0, 90.0, 30, "fast_change"),
        ("radiation", 5.0, -9.0, 1, "below_range"),
    ],
)
def test_single_readings(variable: str, base: float, at: float, width: int, name: str) -> None:
    value = noisy(base)
    value[300 : 300 + width] = at
    got = hours(flagged(readings(value, variable, depth=0.1)), name)
    assert got[0] == 300
    assert len(got) == (2 if name == "fast_change" else width)


def test_a_wetting_front_is_no_spike_and_with_rain_no_break() -> None:
    value, rain = noisy(0.25), np.zeros(720)
    value[300:] += 0.10
    rain[298] = 30.0
    with_rain = flagged(readings(value, "soil_moisture", depth=0.1), readings(rain, "rain", sensor="r"))
    assert hours(with_rain, "spike") == hours(with_rain, "break") == []
    assert hours(flagged(readings(value, "soil_moisture", depth=0.1)), "after_break") == list(range(300, 720))


def test_a_break_that_leads_back_ends_the_bad_stretch() -> None:
    value = noisy(0.25)
    value[300:400] += 0.08
    found = flagged(readings(value, "soil_moisture", depth=0.1))
    assert hours(found, "break") == [300, 400]
    assert hours(found, "after_break") == list(range(300, 400))


def test_a_probe_that_drops_to_zero_is_dead_until_it_returns() -> None:
    value = noisy(0.25)
    value[300:350] = 0.0
    found = flagged(readings(value, "soil_moisture", depth=0.1))
    assert hours(found, "dead") == list(range(300, 350))
    assert hours(found, "break") == []


@pytest.mark.parametrize(
    ("variable", "depth", "rain", "lasted", "stuck"),
    [
        ("soil_moisture", 0.1, 20.0, 80, True),
        ("soil_moisture", 0.1, 5.0, 80, False),
        ("soil_moisture", 0.1, 0.0, 250, True),
        ("air_temperature", np.nan, 0.0, 30, True),
        ("air_temperature", np.nan, 0.0, 20, False),
        ("water_table", np.nan, 0.0, 100, False),
        ("rain", np.nan, 0.0, 100, False),
    ],
)
def test_standstill(variable: str, depth: float, rain: float, lasted: int, stuck: bool) -> None:
    value, fallen = noisy({"soil_moisture": 0.3}.get(variable, 20.0)), np.zeros(720)
    value[100 : 100 + lasted + 1] = 0.0 if variable == "rain" else value[100]
    fallen[130] = rain
    gauge = readings(fallen, "rain", sensor="r")
    found = flagged(readings(value, variable, depth=depth), gauge)
    assert hours(found, "stuck") == (list(range(100, 101 + lasted)) if stuck else [])


def test_a_noisy_sensor_is_stuck_sooner_once_it_is_known() -> None:
    value = noisy(0.3)
    value[400:440] = value[400]
    found = flagged(readings(value, "soil_moisture", depth=0.1))
    assert hours(found, "stuck") == list(range(400, 440))


def test_humidity_at_its_end_for_days() -> None:
    value = noisy(80.0, scale=1.0)
    value[100:140], value[300:400] = 100.0, 100.0
    assert hours(flagged(readings(value, "relative_humidity")), "saturated") == list(range(300, 400))


def test_a_gauge_that_drips_and_one_that_is_clogged() -> None:
    value = np.where(np.arange(720) % 48 == 0, 4.0, 0.0)
    value[100:130] = 0.2
    value[300:600] = 0.0
    found = flagged(readings(value, "rain"), daily=daily(15.0))
    assert hours(found, "drip") == list(range(100, 130))
    lost = hours(found, "clogged")
    assert (lost[0], lost[-1]) == (13 * 24, 26 * 24 - 1)
    assert hours(flagged(readings(value, "rain"), daily=daily(5.0)), "clogged") == []
    assert hours(flagged(readings(value, "rain")), "clogged") == []


def test_a_gauge_far_above_the_grid_counts_but_is_listed() -> None:
    found = flagged(readings(np.where(np.arange(720) % 24 == 15, 20.0, 0.0), "rain"), daily=daily(2.0))
    assert len(hours(found, "over_grid")) == 720
    assert found["checked"].notna().all()


def test_sun_at_night() -> None:
    light = np.where((np.arange(720) % 24 >= 6) & (np.arange(720) % 24 <= 18), 400.0, 0.0) + noisy(1.0, scale=0.3)
    light[72] = 100.0  # midnight at longitude 0
    assert hours(flagged(readings(light, "radiation")), "night") == [72]


def test_topsoil_that_gets_wet_without_rain() -> None:
    value = noisy(0.25, scale=0.0005)
    value[300:] += 0.02
    dry = readings(np.zeros(720), "rain", sensor="r")
    assert 300 in hours(flagged(readings(value, "soil_moisture", depth=0.05), dry), "rise_in_dry")
    assert hours(flagged(readings(value, "soil_moisture", depth=0.30), dry), "rise_in_dry") == []


def test_what_is_said_of_a_month_does_not_change_with_the_next() -> None:
    rng = np.random.default_rng(9)
    value = noisy(0.3, 2200)
    value[rng.integers(0, 2200, 40)] += 0.1
    value[700:780] = value[700]
    value[715:] += 0.09
    parts = [readings(value, "soil_moisture", depth=0.1), readings(noisy(27, 2200, 3.0), "air_temperature", sensor="t")]
    whole = flagged(*parts)
    for end in ("2024-07-01", "2024-08-01"):
        cut = pd.Timestamp(end, tz="UTC")
        early = flagged(*(p[p["time"] < cut] for p in parts))
        same = whole[whole["time"] < cut].reset_index(drop=True)
        assert same["bits"].tolist() == early["bits"].tolist()


def test_a_standstill_over_a_months_end_is_judged_in_each_by_itself() -> None:
    """It begins ten hours before the end of June and lasts for days: June shows ten hours of it, July all of them."""
    value = noisy(27.0, 900)
    value[710:800] = value[710]
    got = hours(flagged(readings(value, "air_temperature")), "stuck")
    assert got == list(range(720, 800))


def test_a_spike_at_a_months_end_waits_for_no_later_reading() -> None:
    value = noisy(27.0, 900)
    value[[718, 719, 730]] = 40.0, 27.0, 40.0
    assert hours(flagged(readings(value, "air_temperature")), "spike") == [730]


def test_intervals_hold_raw_values_and_every_flag_has_a_meaning() -> None:
    value = noisy(0.3)
    value[300], value[400:403] = 0.45, 0.7
    table = flag_intervals(flagged(readings(value, "soil_moisture", depth=0.1)))
    assert table[["qc_flag", "readings", "raw_min", "raw_max", "counts"]].values.tolist() == [
        ["spike", 1, 0.45, 0.45, False],
        ["above_range", 3, 0.7, 0.7, False],
    ]
    assert table["first_reading"].tolist() == ["2024-06-13T12:00:00Z", "2024-06-17T16:00:00Z"]
    listed = (Path(__file__).parents[2] / "docs/inputs.md").read_text("utf-8")
    for name, code in CODES.items():
        assert f"| `{name}` | {'yes' if code.counts else 'no'} | {code.meaning} |" in listed
    assert len(flag_intervals(flagged(readings(noisy(0.3), "soil_moisture", depth=0.1)))) == 0


def test_root_zone_by_hand() -> None:
    # 0-10 cm at .20, 10-30 cm from .20 to .30, 30-60 cm at .30: 20 + 50 + 90 mm
    assert root_zone(np.array([0.1, 0.3]), np.array([0.2, 0.3]), 0.6) == pytest.approx(160.0)
    # a probe below the root zone only bends the last stretch: .30 at .5, .40 at .9, so .325 at .6
    assert root_zone(np.array([0.5, 0.9]), np.array([0.3, 0.4]), 0.6) == pytest.approx(150.0 + 31.25)


def monthly(*parts: pd.DataFrame) -> pd.Series:
    return monthly_sensors(pd.concat(parts, ignore_index=True), REGISTER, assumptions=ASSUMED).iloc[0]


def test_published_values_of_a_station() -> None:
    depth = 60.0 + 30.0 * np.where(np.arange(720) // 24 < 6, -1.0, 1.0) + noisy(0.0, scale=0.01)
    rain = np.where(np.arange(720) % 72 == 20, 8.0, 0.0)
    row = monthly(
        readings(noisy(0.2, scale=1e-5), "soil_moisture", depth=0.1, sensor="a"),
        readings(noisy(0.3, scale=1e-5), "soil_moisture", depth=0.3, sensor="b"),
        readings(depth, "water_table", sensor="w"),
        readings(rain, "rain", sensor="r"),
        readings(noisy(27.0), "air_temperature", sensor="t"),
    )
    assert row["root_zone_mm"] == pytest.approx(160.0, abs=0.01)
    assert row["water_table_cm"] == pytest.approx((6 * 30 + 24 * 90) / 30, abs=0.01)
    assert row["water_table_p90_cm"] == pytest.approx(90.0, abs=0.01)
    assert row["water_table_shallow_d"] == 6
    assert row["rain_gauge_mm"] == pytest.approx(80.0)
    assert row["air_temperature_c"] == pytest.approx(27.0, abs=0.001)


@pytest.mark.parametrize(("lost", "there"), [(2, True), (3, False)])
def test_rain_needs_22_hours_of_a_day(lost: int, there: bool) -> None:
    rain = readings(np.zeros(720), "rain")
    assert pd.notna(monthly(rain[rain["time"].dt.hour >= lost])["rain_gauge_mm"]) == there


def test_a_rain_book_read_in_the_morning_belongs_to_the_day_before() -> None:
    time = pd.date_range("2024-06-01 07:00", "2024-07-01 07:00", freq="D", tz="UTC").astype("datetime64[us, UTC]")
    book = readings(np.zeros(len(time)), "rain").assign(time=time, value=np.r_[50.0, np.full(29, 1.0), 7.0])
    got = monthly_sensors(book, REGISTER, assumptions=ASSUMED).set_index("month")
    assert got.loc["2024-06", "rain_gauge_mm"] == pytest.approx(29 * 1.0 + 7.0)  # 50 mm fell in May


def test_spikes_reach_no_monthly_value() -> None:
    value = noisy(0.3)
    value[12::24] = 0.55
    row = monthly(readings(value, "soil_moisture", depth=0.1))
    assert row["soil_moisture_m3m3"] == pytest.approx(0.3, abs=0.001)
    assert row["completeness_sensors"] == pytest.approx(690 / 720)


def test_every_flag_of_the_tests_of_one_sensor_can_be_raised() -> None:
    """C03, D01, D02, D09, D10 and the humidity that overshoots, each on hours one can count."""
    wet = noisy(0.30)
    wet[200:220] = 0.50  # sixteen hours at the highest value so far
    assert hours(flagged(readings(wet, "soil_moisture", depth=0.1)), "high_plateau") == list(range(200, 220))
    low = noisy(0.30)
    low[300:420] = 0.05 + 1e-5 * (np.arange(120) % 3)
    found = hours(flagged(readings(low, "soil_moisture", depth=0.1)), "low_plateau")
    assert found == list(range(312, 420))
    parts = [readings(noisy(0.30), "soil_moisture", depth=0.1)]
    for name, variable in (("frozen_soil", "soil_temperature"), ("frozen_air", "air_temperature")):
        cold = noisy(20.0)
        cold[50:53] = -2.0
        assert hours(flagged(*parts, readings(cold, variable, sensor="t")), name) == [50, 51, 52]
    humid = noisy(95.0, scale=0.2)
    humid[300] = 102.5
    found = flagged(readings(humid, "relative_humidity"))
    assert hours(found, "clipped") == [300]
    assert found["checked"].iloc[300] == 100.0
    assert found["value"].iloc[300] == 102.5


def test_rain_needs_nine_tenths_of_the_days() -> None:
    """27 of 30 days are enough, 26 are not; none of the gaps is longer than a day."""
    rain = readings(np.where(np.arange(720) % 24 == 3, 1.0, 0.0), "rain")
    for lost, there in (([3, 10, 17], True), ([3, 10, 17, 24], False)):
        row = monthly(rain[~rain["time"].dt.day.isin(lost)])
        assert pd.notna(row["rain_gauge_mm"]) == there
    assert monthly(rain[~rain["time"].dt.day.isin([3, 10, 17])])["rain_gauge_mm"] == pytest.approx(27.0)  # not filled


def test_the_water_table_counts_days_and_takes_the_ninetieth_percentile() -> None:
    """Day d of 30 stands at 9 d + 0.5 cm: four days above 40 cm, 90 % within 244.4 cm by linear interpolation."""
    depth = readings(9.5 + 9.0 * (np.arange(720) // 24) + noisy(0.0, scale=1e-4), "water_table")
    row = monthly(depth)
    assert row["water_table_shallow_d"] == 4
    assert row["water_table_p90_cm"] == pytest.approx(9.5 + 9.0 * 0.9 * 29, abs=0.01)
    assert row["water_table_cm"] == pytest.approx(140.0, abs=0.01)


def test_a_profile_that_ends_above_its_least_depth_has_no_root_zone() -> None:
    row = monthly(readings(noisy(0.3), "soil_moisture", depth=0.2))
    assert pd.isna(row["root_zone_mm"])
    assert row["soil_moisture_m3m3"] == pytest.approx(0.3, abs=0.001)
