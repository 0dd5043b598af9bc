"""Sensor readings: zones, units, contradicted units, repeated and conflicting readings, point in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensors import COLUMNS, UNITS, read_sensors

ZONES = {"A": "Asia/Kuala_Lumpur", "B": "", "C": "Europe/Madrid"}
HEADER = "plantation_id,station_id,sensor_id,variable,depth_m,time,value,unit"


def readings(folder: Path, *rows: str, name: str = "log.csv") -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was read, and the quarantine."""
    path = folder / name
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    quarantine = Quarantine()
    return read_sensors([str(path)], ZONES, quarantine), quarantine.frame()


def hourly(values: list[float], unit: str, variable: str = "soil_moisture", start: str = "2024-01-01") -> list[str]:
    times = pd.date_range(start, periods=len(values), freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    return [f"A,S,s1,{variable},0.1,{t},{v},{unit}" for t, v in zip(times, values, strict=True)]


def test_nothing_configured_gives_an_empty_table() -> None:
    got = read_sensors(None, ZONES, Quarantine())
    assert tuple(got.columns) == COLUMNS
    assert str(got["time"].dtype) == str(got["known_at"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("plantation", "time", "utc"),
    [
        ("A", "2024-01-01T07:30:00", "2023-12-31T23:30"),
        ("A", "2024-01-01 07:30", "2023-12-31T23:30"),
        ("A", "2024-01-01T07:30:00Z", "2024-01-01T07:30"),
        ("A", "2024-01-01T07:30:00+09:00", "2023-12-31T22:30"),
        ("B", "2024-01-01T07:30:00-0500", "2024-01-01T12:30"),
        ("A", "2024-01-01 07:30:00 +08:00", "2023-12-31T23:30"),
        ("C", "2024-07-01T12:00:00", "2024-07-01T10:00"),
    ],
)
def test_times_with_and_without_zone(tmp_path: Path, plantation: str, time: str, utc: str) -> None:
    got, bad = readings(tmp_path, f"{plantation},S,s1,rain,,{time},0.2,mm")
    assert got["time"].tolist() == [pd.Timestamp(utc, tz="UTC")]
    assert got["known_at"].equals(got["time"].rename("known_at"))
    assert len(bad) == 0


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("B,S,s1,rain,,2024-01-01T07:30:00,0.2,mm", "time", "time has no zone and the register has no timezone"),
        ("A,S,s1,rain,,01/02/2024 07:30,0.2,mm", "time", "time cannot be read; write YYYY-MM-DDTHH:MM:SS"),
        ("A,S,s1,rain,,2024-13-01T00:00:00Z,0.2,mm", "time", "time cannot be read"),
        ("A,S,s1,rain,,,0.2,mm", "time", "time is missing"),
        ("C,S,s1,rain,,2024-03-31T02:30:00,0.2,mm", "time", "time falls into a clock change of its zone"),
        ("A,S,s1,rain,,2024-01-01T00:00:00Z,wet,mm", "value", "value is not a number"),
        ("A,S,s1,rain,,2024-01-01T00:00:00Z,0.2,furlong", "unit", "unit cannot be converted to mm; use one of cm"),
        ("A,S,s1,salt,,2024-01-01T00:00:00Z,0.2,mm", "variable", "variable is not known; use one of soil_moisture"),
        ("Z,S,s1,rain,,2024-01-01T00:00:00Z,0.2,mm", "plantation_id", "is not in the register; add it there"),
    ],
)  # fmt: skip
def test_a_bad_row_is_rejected_with_its_reason_and_its_neighbour_stays(
    tmp_path: Path, row: str, column: str, reason: str
) -> None:
    got, bad = readings(tmp_path, "A,S,s1,rain,,2024-01-01T05:00:00Z,0.4,mm", row)
    assert got["value"].tolist() == [0.4]
    assert bad[["row", "column", "action"]].values.tolist() == [[2, column, "rejected"]]
    assert bad["reason"].iloc[0].startswith(reason)
    assert bad["reason"].iloc[0].endswith("rejected")


def test_a_bad_depth_only_loses_the_depth(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, "A,S,s1,soil_moisture,-30,2024-01-01T05:00:00Z,0.4,m3/m3")
    assert np.isnan(got["depth_m"].iloc[0])
    assert bad["action"].tolist() == ["nulled"]


@pytest.mark.parametrize(
    ("variable", "unit", "value", "expected"),
    [
        ("soil_moisture", "%", 30.0, 0.30),
        ("soil_moisture", "m3 m-3", 0.30, 0.30),
        ("soil_temperature", "degF", 77.0, 25.0),
        ("air_temperature", "K", 300.15, 27.0),
        ("rain", "tips", 3.0, 0.6),
        ("rain", "in", 0.5, 12.7),
        ("relative_humidity", "fraction", 0.85, 85.0),
        ("radiation", "W/m2", 800.0, 800.0),
        ("wind", "km/h", 7.2, 2.0),
        ("water_table", "m", 0.55, 55.0),
    ],
)
def test_declared_units(tmp_path: Path, variable: str, unit: str, value: float, expected: float) -> None:
    got, bad = readings(tmp_path, *hourly([value] * 3, unit, variable))
    assert got["value"].to_numpy() == pytest.approx(expected)
    assert set(got["unit"]) == {UNITS[variable]}
    assert len(bad) == 0


@pytest.mark.parametrize(
    ("variable", "declared", "value", "expected", "reason"),
    [
        ("soil_moisture", "m3/m3", 31.0, 0.31, "values are in %, not in the unit declared"),
        ("soil_moisture", "%", 0.31, 0.31, "values are in m3 m-3, not in the unit declared"),
        ("relative_humidity", "%", 0.85, 85.0, "values are in fraction, not in the unit declared"),
        ("air_temperature", "degC", 86.0, 30.0, "values are in degF, not in the unit declared"),
        ("soil_temperature", "degC", 299.15, 26.0, "values are in K, not in the unit declared"),
        ("water_table", "cm", -60.0, 60.0, "depths are negative downwards; sign turned"),
    ],
)
def test_a_contradicted_unit_is_corrected_and_reported_once(
    tmp_path: Path, variable: str, declared: str, value: float, expected: float, reason: str
) -> None:
    got, bad = readings(tmp_path, *hourly([value] * 48, declared, variable))
    assert got["value"].to_numpy() == pytest.approx(expected)
    assert bad[["row", "column", "value", "action"]].values.tolist() == [[1, "unit", declared, "repaired"]]
    assert bad["reason"].iloc[0].startswith(reason)


def test_a_spike_does_not_change_the_unit_and_few_readings_are_believed(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, *hourly([0.3] * 47 + [30.0], "m3/m3"))
    assert got["value"].tolist() == [0.3] * 47 + [30.0]
    assert len(bad) == 0
    got, _ = readings(tmp_path, *hourly([30.0] * 11, "m3/m3"))
    assert got["value"].tolist() == [30.0] * 11


def test_a_sensor_that_mixes_percent_and_fractions_is_rejected_from_then_on(tmp_path: Path) -> None:
    clean, mixed = hourly([0.3] * 24, "m3/m3"), hourly([0.3, 30.0] * 12, "m3/m3", start="2024-01-02")
    other = [row.replace("s1", "s2") for row in hourly([0.4] * 48, "m3/m3")]
    got, bad = readings(tmp_path, *clean, *mixed, *other)
    assert got.groupby("sensor_id")["value"].agg(list).to_dict() == {"s1": [0.3] * 24, "s2": [0.4] * 48}
    assert bad["row"].tolist() == list(range(25, 49))
    assert set(bad["reason"]) == {
        "the sensor's soil_moisture mixes values in m3 m-3 and % under one declared unit; correct the units; "
        "row rejected"
    }


def test_a_thermometers_error_value_does_not_reject_it(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, *hourly([27.0, 85.0] * 24, "degC", "air_temperature"))
    assert got["value"].tolist() == [27.0, 85.0] * 24  # the range test of the features takes 85 out
    assert len(bad) == 0


def test_days_known_later_change_no_earlier_value(tmp_path: Path) -> None:
    first = hourly([0.3] * 24, "m3/m3")
    later = hourly([30.0] * 240, "m3/m3", start="2024-01-02")
    alone, _ = readings(tmp_path, *first)
    both, _ = readings(tmp_path, *first, *later)
    instant = pd.Timestamp("2024-01-01T23:59:59", tz="UTC")
    pd.testing.assert_frame_equal(both[both["known_at"] <= instant].reset_index(drop=True), alone)


def test_times_cut_to_the_date_are_rejected_and_daily_dates_are_read(tmp_path: Path) -> None:
    cut = [f"A,S,s1,air_temperature,,2024-01-{1 + h // 24:02d},{25 + 0.1 * (h % 24):g},degC" for h in range(72)]
    daily = [f"A,S,s2,air_temperature,,2024-01-{d:02d},{26 + 0.1 * d:g},degC" for d in range(1, 8)]
    got, bad = readings(tmp_path, *cut, *daily, "A,S,s2,air_temperature,,2024-01-03,26.9,degC")
    assert set(got["sensor_id"]) == {"s2"}
    assert len(got) == 7, "two readings of one date are a conflict of a daily record"
    lost = bad[bad["reason"].str.contains("several readings of a sensor under one date: the time of day was lost")]
    assert len(lost) == 72
    assert set(lost["column"]) == {"time"}


def test_equal_repeats_count_once_and_of_differing_ones_without_a_past_the_lower_stands(tmp_path: Path) -> None:
    same = "A,S,s1,rain,,2024-01-01T05:00:00Z,0.4,mm"
    got, bad = readings(
        tmp_path,
        same,
        "A,S,s1,rain,,2024-01-01T13:00:00,0.4,mm",  # the same instant in local time
        "A,S,s1,rain,,2024-01-01T06:00:00Z,1.0,mm",
        "A,S,s1,rain,,2024-01-01T06:00:00Z,2.0,mm",
        "A,S,s1,rain,,2024-01-01T06:00:00Z,1.0,mm",
        "A,S,s2,rain,,2024-01-01T05:00:00Z,9.0,mm",
    )
    assert got[["sensor_id", "value"]].values.tolist() == [["s1", 0.4], ["s1", 1.0], ["s2", 9.0]]
    assert bad[["row", "reason"]].values.tolist() == [
        [2, "repeats the reading of row 1 of log.csv, which stays; row rejected"],
        [4, "differs from row 3 of log.csv at the same time, which lies nearer to the readings before; row rejected"],
        [5, "repeats the reading of row 3 of log.csv, which stays; row rejected"],
    ]
    assert got["qc_flag"].tolist() == ["", "dup_conflict", ""]


def test_every_row_is_either_read_or_in_quarantine_and_order_does_not_matter(tmp_path: Path) -> None:
    rows = [*hourly([0.3] * 30, "m3/m3"), "B,S,s1,rain,,2024-01-01T07:30:00,0.2,mm", "A,S,s9,rain,,never,0.2,mm"]
    got, bad = readings(tmp_path, *rows)
    turned, _ = readings(tmp_path, *rows[::-1])
    assert len(got) + (bad["action"] == "rejected").sum() == len(rows)
    pd.testing.assert_frame_equal(got, turned)


def test_parquet_with_typed_times_gives_the_same_as_text(tmp_path: Path) -> None:
    text, _ = readings(tmp_path, *hourly([0.3] * 5, "m3/m3"))
    rows = [row.split(",") for row in hourly([0.3] * 5, "m3/m3")]
    frame = pd.DataFrame(rows, columns=HEADER.split(",")).astype({"value": float, "depth_m": float})
    local = text["time"].dt.tz_convert("Asia/Kuala_Lumpur")
    for times in (text["time"], local, local.dt.tz_localize(None)):
        frame.assign(time=times).to_parquet(tmp_path / "log.parquet")
        pd.testing.assert_frame_equal(read_sensors([str(tmp_path / "log.parquet")], ZONES, Quarantine()), text)


def test_a_soil_probe_below_two_metres_is_refused_once(tmp_path: Path) -> None:
    rows = hourly([0.3] * 5, "m3 m-3")
    got, bad = readings(tmp_path, *rows, *[r.replace("s1", "s2").replace(",0.1,", ",10,") for r in rows])
    assert got["depth_m"].tolist() == [0.1] * 5
    assert bad["row"].tolist() == [6]
    assert "Was it cm?" in bad["reason"][0]


def test_a_repeated_header_is_told_as_such(tmp_path: Path) -> None:
    rows = hourly([0.3] * 4, "m3 m-3")
    got, bad = readings(tmp_path, *rows[:2], HEADER, *rows[2:], HEADER)
    assert len(got) == 4
    assert bad["reason"].tolist() == ["header repeated; row left out (2 such in the file)"]
    assert bad["row"].tolist() == [3]
