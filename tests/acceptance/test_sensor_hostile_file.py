"""One file with every fault of the field: nothing wrong gets into the features, nothing right is lost, all is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shapely import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.sensor_flags import flag_intervals, flag_readings
from plantation_rwa.features.sensors import monthly_sensors
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensors import read_sensors

HEADER = "plantation_id,station_id,sensor_id,variable,depth_m,time,value,unit"
ZONE = "Asia/Kuala_Lumpur"
REGISTER = pd.DataFrame({"plantation_id": ["P-001"], "timezone": [ZONE], "is_peat": [False]})
# from 00:00 UTC on: a unit is inferred from the readings of a UTC day
LOCAL = pd.date_range("2025-03-01 08:00", "2025-04-30 23:00", freq="h")


@dataclass
class Log:
    """Right rows in plain ISO with declared canonical units, and the same as the field delivers them."""

    clean: list[str]
    hostile: list[str]


def row(sensor: str, variable: str, depth: str, time: str, value: float, unit: str, station: str = "P-001-ST1") -> str:
    return f"P-001,{station},{sensor},{variable},{depth},{time},{value:.6g},{unit}"


def log() -> Log:
    rng = np.random.default_rng(11)
    iso, slash = LOCAL.strftime("%Y-%m-%dT%H:%M:%S+08:00"), LOCAL.strftime("%d/%m/%Y %H:%M")
    american = LOCAL.strftime("%m/%d/%Y %H:%M")
    clean, hostile = list[str](), list[str]()
    soil = 0.30 + 0.02 * np.sin(np.arange(len(LOCAL)) / 50) + rng.normal(0, 0.005, len(LOCAL))
    air = np.round(27 + 4 * np.cos(2 * np.pi * (LOCAL.hour.to_numpy() - 14) / 24) + rng.normal(0, 0.3, len(LOCAL)), 2)
    rain = np.round(np.where(rng.random(len(LOCAL)) < 0.03, 5, 0) * 0.2 * rng.integers(1, 9, len(LOCAL)), 1)
    total = np.round(np.cumsum(rain) + 50.0, 1)
    total[900:] -= np.round(total[900] - rain[900], 1)  # the counter starts again
    for i, moisture in enumerate(np.round(soil, 4)):
        # mixed units in one series, each row as declared
        clean.append(row("s1", "soil_moisture", "0.1", iso[i], moisture, "m3/m3"))
        unit = ("m3/m3", moisture) if i % 3 else ("%", round(100 * moisture, 2))
        hostile.append(row("s1", "soil_moisture", "0.1", iso[i], unit[1], unit[0]))
        # Fahrenheit called Celsius, dates as they come
        clean.append(row("t1", "air_temperature", "", iso[i], air[i], "degC", "P-001-ST2"))
        time = slash[i] if LOCAL[i].day > 12 else iso[i]
        time = american[i] if LOCAL[i].day > 20 else time
        hostile.append(row("t1", "air_temperature", "", time, air[i] * 1.8 + 32, "degC", "P-001-ST2"))
        if i:
            clean.append(row("r1", "rain", "", iso[i], rain[i], "mm"))
        hostile.append(row("r1", "rain", "", iso[i], total[i], "total mm"))
        if i % 500 == 0:
            hostile.append(HEADER)
    return Log(clean, hostile)


#: rows that are wrong or cannot be told, each with what must be said of it
WRONG = {
    row("s1", "soil_moisture", "0.1", "2025-04-10T05:00:00+08:00", 0.9, "m3/m3", "P-001-5T1"): "damaged on the way",
    row("s1", "soil_moisture", "0.1", "2025-04-10T05:00:00+08:00", 0.2, "m3/m3").replace("P-001,", "P-00I,", 1): (
        "the nearest id there is 'P-001'"
    ),
    row("t1", "air_temperature", "", "03/04/2025 05:30", 200.0, "degC", "P-001-ST2"): "day first and month first",
    row("s1", "soil_moisture", "0.1", "1970-01-01T00:00:00Z", 0.9, "m3/m3"): "clock been reset",
    row("s1", "soil_moisture", "0.1", "2025-04-10T05:00:00+08:00", 0.55, "m3/m3"): "lies nearer to the readings before",
    row("s1", "soil_moisture", "0.1", "2025-04-10T05:30:00+08:00", 0.3, "furlong"): "unit cannot be converted",
    "Total,,,,,,123,": "is not in the register",
}


def read(folder: Path, rows: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = folder / "log.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    quarantine = Quarantine()
    return read_sensors([str(path)], {"P-001": ZONE}, quarantine), quarantine.frame()


def features(readings: pd.DataFrame) -> pd.DataFrame:
    return monthly_sensors(readings, REGISTER, assumptions=packaged())


def test_the_hostile_file_gives_the_features_of_the_clean_one(tmp_path: Path) -> None:
    made = log()
    clean, nothing = read(tmp_path, made.clean)
    got, bad = read(tmp_path, [*made.hostile, *WRONG])
    assert len(nothing) == 0
    assert len(got) == len(clean)  # nothing right is lost, nothing wrong added
    pd.testing.assert_frame_equal(features(got), features(clean), check_exact=False, rtol=1e-5)
    assert features(got)["soil_moisture_m3m3"].notna().all()
    assert features(got)["rain_gauge_mm"].iloc[1] == features(clean)["rain_gauge_mm"].iloc[1].round(6)
    rejected = bad[bad["action"] == "rejected"]
    last = len(made.hostile)
    for position, reason in enumerate(WRONG.values(), start=last + 1):
        told = rejected.loc[rejected["row"] == position, "reason"]
        assert told.str.contains(reason, regex=False).any(), (position, reason, told.tolist())
    headers = [i + 1 for i, r in enumerate(made.hostile) if r == HEADER]
    (told,) = rejected.loc[rejected["row"] == headers[0], "reason"]  # once per file, with their number
    assert "header" in told
    assert str(len(headers)) in told
    assert set(rejected["row"]) == {headers[0], 3, *range(last + 1, last + len(WRONG) + 1)}  # 3: the counter's first
    repaired = bad.loc[bad["action"] == "repaired", "reason"]
    for told in ("values are in degF", "the counter was set back", "dates are written day/month", "month/day/year"):
        assert repaired.str.contains(told).any(), told


def test_a_clock_set_back_takes_its_doubled_hours_out_and_says_so(tmp_path: Path) -> None:
    made = [r.replace("P-001-ST2", "P-001-ST1") for r in log().clean]  # one logger, one clock
    clean, _ = read(tmp_path, made)
    until_noon = [r for r in made if "2025-04-15T" in r and int(r.split("T")[-1][:2]) < 10 and ",r1," not in r]
    doubled = [r.replace(r.split(",")[6], f"{float(r.split(',')[6]) + 0.1:.4f}") for r in until_noon]
    # put right at 14:00, the clock leaves the hours out that it had twice
    gap = [r for r in made if not ("2025-04-15T" in r and 14 <= int(r.split("T")[-1][:2]) < 20)]
    got, bad = read(tmp_path, [*gap, *doubled])
    assert len(got) == len(gap)
    assert (bad["action"] == "rejected").sum() == len(doubled) == 20
    spans = flag_intervals(flag_readings(got, REGISTER, None, packaged()))
    back = spans[spans["qc_flag"].str.contains("clock_back")]
    assert back[["sensor_id", "readings", "counts"]].values.tolist() == [["t1", 10, False], ["s1", 10, False]]
    doubt = spans[spans["qc_flag"] == "clock_doubt"]
    assert set(doubt["sensor_id"]) == {"s1", "t1", "r1"}
    assert not doubt["counts"].any()
    assert doubt["last_reading"].tolist() == ["2025-04-15T05:00:00Z"] * 3  # 13:00 local
    both = features(got).merge(features(clean), on="month", suffixes=("", "_clean"))
    assert (both["soil_moisture_m3m3"] - both["soil_moisture_m3m3_clean"]).abs().max() < 1e-3
    assert both["flags"].tolist() == ["", "sensor_clock"]


def test_conflicts_of_one_sensor_are_no_clock_of_the_station(tmp_path: Path) -> None:
    made = [r.replace("P-001-ST2", "P-001-ST1") for r in log().clean]
    again = [r for r in made if ",s1," in r and "2025-04-15T0" in r]
    doubled = [r.replace(r.split(",")[6], f"{float(r.split(',')[6]) + 0.1:.4f}") for r in again]
    got, _ = read(tmp_path, [*made, *doubled])
    spans = flag_intervals(flag_readings(got, REGISTER, None, packaged()))
    assert spans[["sensor_id", "qc_flag", "readings", "counts"]].values.tolist() == [["s1", "dup_conflict", 10, True]]
    clean, _ = read(tmp_path, made)
    assert features(got)["soil_moisture_m3m3"].equals(features(clean)["soil_moisture_m3m3"])
    assert features(got)["flags"].tolist() == ["", ""]


@pytest.mark.parametrize("shift", [5, 7])
def test_a_clock_six_hours_off_the_sun_is_flagged_and_nothing_is_shifted(tmp_path: Path, shift: int) -> None:
    clean, _ = read(tmp_path, log().clean)
    late = clean.assign(time=clean["time"] + pd.Timedelta(hours=shift))
    place = REGISTER.assign(geometry=[Point(120.0, 3.0)])  # solar time is local time
    flagged = flag_readings(late, place, None, packaged())
    named = flag_intervals(flagged)["qc_flag"].str.contains("clock_shift").any()
    assert named == (shift >= 6)
    assert (
        (flagged["time"] - pd.Timedelta(hours=shift))
        .sort_values()
        .reset_index(drop=True)
        .equals(clean["time"].sort_values().reset_index(drop=True))
    )
