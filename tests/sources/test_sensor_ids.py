"""Ids damaged in flight: repaired by the sensor's own record or refused, never given to a wrong neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensor_ids import one_apart
from plantation_rwa.sources.sensors import read_sensors
from tests.sources.test_sensors import HEADER

ZONES = {f"SIM-00{i}": "Asia/Kuala_Lumpur" for i in range(1, 9)}
HOURS = pd.date_range("2024-01-01", periods=60, freq="h")


def record(plantation: str = "SIM-002", sensor: str = "SIM-002-soil") -> list[str]:
    """Sixty naive hours of one probe."""
    times = HOURS.strftime("%Y-%m-%dT%H:%M:%S")
    return [f"{plantation},ST1,{sensor},soil_moisture,0.1,{t},{0.3 + i / 1000:.3f},m3/m3" for i, t in enumerate(times)]


def read(folder: Path, rows: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = folder / "log.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    quarantine = Quarantine()
    return read_sensors([str(path)], ZONES, quarantine), quarantine.frame()


def damaged(rows: Sequence[str], at: slice, old: str, new: str) -> list[str]:
    out = list(rows)
    out[at] = [r.replace(old, new, 1) for r in out[at]]
    return out


def test_a_plantation_is_put_right_where_its_sensor_lacks_the_readings(tmp_path: Path) -> None:
    """Eight registered ids differ from SIM-00r by one character; one of them owns the sensor."""
    rows = [*record(), *record("SIM-003", "SIM-003-soil")]
    got, bad = read(tmp_path, damaged(rows, slice(30, 36), "SIM-002,", "SIM-00r,"))
    clean, nothing = read(tmp_path, rows)
    assert len(nothing) == 0
    pd.testing.assert_frame_equal(got, clean)
    assert bad["action"].tolist() == ["repaired"] * 6
    assert bad["value"].tolist() == ["SIM-00r"] * 6
    assert "one character from 'SIM-002', whose sensor lacks these readings" in bad["reason"].iloc[0]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        # every plantation has a sensor of that name: nobody knows whose reading it is
        (damaged([*record(sensor="s"), *record("SIM-003", "s")], slice(30, 31), "SIM-002,", "SIM-00r,"), 119),
        # the record has that hour already
        ([*record(), record()[30].replace("SIM-002,", "SIM-00r,", 1)], 60),
        # half an hour off the record's step
        ([*record(), record()[30].replace("SIM-002,", "SIM-00r,", 1).replace(":00:00,", ":30:00,")], 60),
        # days after the record's end
        ([*record(), record()[30].replace("SIM-002,", "SIM-00r,", 1).replace("2024-01-02", "2024-01-09")], 60),
        # two characters are damaged
        (damaged(record(), slice(30, 31), "SIM-002,", "SIM-0rr,"), 59),
        # too early in the record to know its step
        (damaged(record(), slice(5, 6), "SIM-002,", "SIM-00r,"), 59),
    ],
)
def test_what_the_record_does_not_ask_for_is_refused(tmp_path: Path, rows: list[str], kept: int) -> None:
    got, bad = read(tmp_path, rows)
    assert len(got) == kept
    assert set(bad["action"]) == {"rejected"}  # without a plantation its time has no zone either
    assert bad["reason"].str.contains("is not in the register").sum() == 1


def test_no_neighbour_is_named_where_many_are_as_near(tmp_path: Path) -> None:
    _, bad = read(tmp_path, damaged(record(sensor="s"), slice(30, 31), "SIM-002,ST1", "SIM-00r,ST9"))
    told = "8 ids there differ by one character, from 'SIM-001' to 'SIM-008'; all rows of this id in the file rejected"
    assert bad["reason"].iloc[0].endswith(told)


@pytest.mark.parametrize(
    ("at", "old", "new", "repaired"),
    [
        (slice(34, 37), ",ST1,", ",S\u01731,", True),
        (slice(34, 37), "-soil,", "-soi1,", True),
        # the day's last hours: a new sensor may begin so, no later reading of the old one says otherwise
        (slice(53, 56), "-soil,", "-soi1,", False),
    ],
)
def test_a_stray_id_is_put_right_within_its_day(tmp_path: Path, at: slice, old: str, new: str, repaired: bool) -> None:
    """Local 08:00 begins a UTC day, so hours 32 to 55 are one."""
    long = [*record()]
    many = [r.replace("2024-01", "2023-12") for r in record()] + long  # enough of the intact id
    shift = slice(at.start + 60, at.stop + 60)
    got, bad = read(tmp_path, damaged(many, shift, old, new))
    assert set(bad["action"]) == {"repaired" if repaired else "rejected"}
    assert len(got) == (120 if repaired else 117)


def test_later_readings_change_no_earlier_repair(tmp_path: Path) -> None:
    rows = damaged(record(), slice(30, 36), "SIM-002,", "SIM-00r,")
    whole, _ = read(tmp_path, rows)
    for end in (31, 34, 40):
        early, _ = read(tmp_path, rows[:end])
        pd.testing.assert_frame_equal(early, whole[whole["time"] <= early["time"].max()])


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("SIM-001", "SIM-00r", True),
        ("SIM-001", "SIM-01", True),
        ("SIM-001", "SIM-0011", True),
        ("SIM-001", "SIM-010", True),
        ("SIM-001", "SIM-001", False),
        ("SIM-001", "SIM-110", False),
        ("SIM-001", "SIM-0", False),
        ("", "S", True),
    ],
)
def test_one_edit_apart(first: str, second: str, apart: bool) -> None:
    assert one_apart(first, second) == one_apart(second, first) == apart
