"""What a reading becomes beside others: conflicts, counters, damaged ids, dates to be told apart; order and split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensors import read_sensors
from tests.sources.test_sensors import HEADER, ZONES, hourly, readings


def split(folder: Path, parts: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The same rows from several files."""
    paths = []
    for number, rows in enumerate(parts):
        path = folder / f"part{number}.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
        paths.append(str(path))
    return read_sensors(paths, ZONES, Quarantine())


def test_of_conflicting_values_the_one_near_the_readings_before_stays(tmp_path: Path) -> None:
    rows = hourly([0.30, 0.31, 0.30, 0.31], "m3/m3")
    at = "A,S,s1,soil_moisture,0.1,2024-01-01T04:00:00Z,{},m3/m3"
    for pair in ((0.12, 0.33), (0.33, 0.12)):
        got, bad = readings(tmp_path, *rows, *(at.format(v) for v in pair))
        assert got["value"].tolist() == [0.30, 0.31, 0.30, 0.31, 0.33]
        assert got["qc_flag"].tolist() == ["", "", "", "", "dup_conflict"]
        assert bad["reason"].str.contains("lies nearer to the readings before").tolist() == [True]


def test_a_conflict_far_from_any_reading_goes_to_the_lower_value(tmp_path: Path) -> None:
    rows = hourly([0.30] * 3, "m3/m3")
    late = [f"A,S,s1,soil_moisture,0.1,2024-01-03T04:00:00Z,{v},m3/m3" for v in (0.33, 0.12)]
    got, _ = readings(tmp_path, *rows, *late)
    assert got["value"].tolist()[-1] == 0.12


def test_a_running_total_gives_the_rain_between_readings_and_survives_resets(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, *hourly([100, 103, 103, 5, 6], "total tips", "rain"))
    assert got["value"].to_numpy() == pytest.approx([0.6, 0.0, 1.0, 0.2])
    assert bad[["row", "action"]].values.tolist() == [[1, "rejected"], [4, "repaired"]]
    assert bad["reason"].iloc[1] == "the counter was set back; counted from zero"
    as_simulated, _ = readings(tmp_path, *hourly([100, 103, 103, 5, 6], "total counts", "rain"))
    assert as_simulated["value"].tolist() == got["value"].tolist()


@pytest.mark.parametrize(
    ("totals", "rain", "reasons"),
    [
        ([100, 103, 98, 104], [3, 1], ["falls a little"]),
        ([100, 103, -1, 104], [3, 1], ["cannot be negative"]),
        ([100, 103, 9999, 104], [3, 1], ["rises by more than can fall"]),
        ([100, 103, 102.95, 104], [3, 0, 1], []),
    ],
)
def test_a_disturbed_running_total_adds_no_rain(
    tmp_path: Path, totals: list[float], rain: list[float], reasons: list[str]
) -> None:
    """True rain is 4 mm each time; what a bad reading hides falls to the next good one."""
    got, bad = readings(tmp_path, *hourly(totals, "total mm", "rain"))
    assert got["value"].to_numpy() == pytest.approx(rain)
    told = bad["reason"].tolist()[1:]  # the first reading of a counter is always left out
    assert len(told) == len(reasons)
    assert all(r in t for r, t in zip(reasons, told, strict=True))


def test_a_counter_uploaded_twice_counts_once(tmp_path: Path) -> None:
    rows = hourly([10, 12, 15], "total mm", "rain")
    got, bad = readings(tmp_path, *rows, *rows)
    assert got["value"].tolist() == [2.0, 3.0]
    assert bad["action"].tolist() == ["rejected"] * 4


@pytest.mark.parametrize("unit", ["total furlong", "total"])
def test_an_unknown_running_unit_is_refused(tmp_path: Path, unit: str) -> None:
    got, bad = readings(tmp_path, *hourly([1.0], unit, "rain"))
    assert len(got) == 0
    assert bad["reason"].iloc[0].startswith("unit cannot be converted to mm")


def test_a_damaged_station_id_is_named_with_the_id_it_may_be(tmp_path: Path) -> None:
    rows = [r.replace(",S,", ",P-001-ST1,") for r in hourly([0.30, 0.31] * 40, "m3/m3")]
    rows.append(rows[60].replace("P-001-ST1", "P-00I-ST1").replace(",0.3,", ",0.4,"))
    got, bad = readings(tmp_path, *rows)
    assert set(got["station_id"]) == {"P-001-ST1"}
    assert len(got) == 80  # the record has a reading at that time: nothing says whose this one is
    told = "station_id is known by few readings; is it 'P-001-ST1', damaged on the way?; row rejected"
    assert bad[["row", "column", "value", "reason"]].values.tolist() == [[81, "station_id", "P-00I-ST1", told]]


def test_stations_numbered_one_after_the_other_are_no_damage(tmp_path: Path) -> None:
    rows = [r.replace(",S,", ",ST1,") for r in hourly([0.30, 0.31] * 40, "m3/m3")]
    new = [r.replace(",S,s1", ",ST2,s2") for r in hourly([0.4], "m3/m3", start="2024-01-04")]
    got, bad = readings(tmp_path, *rows, *new)
    assert (len(got), len(bad)) == (81, 0)


def test_an_unknown_plantation_is_named_with_the_nearest(tmp_path: Path) -> None:
    quarantine = Quarantine()
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\nSIM-00I,S,s1,rain,,2024-01-01T05:00:00Z,0.4,mm\n", "utf-8")
    read_sensors([str(path)], {"SIM-001": "UTC", "X": "UTC"}, quarantine)
    assert "the nearest id there is 'SIM-001'" in quarantine.frame()["reason"].iloc[0]


def dated(*days: str, station: str = "S") -> list[str]:
    return [f"A,{station},s1,rain,,{d} 07:30,{0.2 * (i + 1):.1f},mm" for i, d in enumerate(days)]


def test_dates_follow_the_certain_ones_of_their_station(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, *dated("03/04/2024", "25/04/2024"), *dated("03/04/2024", "04/25/2024", station="T"))
    local = got["time"].dt.tz_convert("Asia/Kuala_Lumpur").dt.strftime("%Y-%m-%d")
    assert local.tolist() == ["2024-04-03", "2024-04-25", "2024-03-04", "2024-04-25"]
    assert bad[["row", "action"]].values.tolist() == [[1, "repaired"], [3, "repaired"]]
    assert [r.split(";")[0] for r in bad["reason"]] == [
        "dates are written day/month/year",
        "dates are written month/day/year",
    ]


def test_of_mixed_orders_only_the_certain_dates_are_read(tmp_path: Path) -> None:
    got, bad = readings(tmp_path, *dated("13/04/2024", "04/25/2024", "05/05/2024", "03/04/2024"))
    assert got["time"].dt.strftime("%m-%d").tolist() == ["04-12", "04-24", "05-04"]  # 07:30 local is the day before
    refused = bad[bad["action"] == "rejected"]
    assert refused[["row", "value"]].values.tolist() == [[4, "03/04/2024 07:30"]]
    assert "day first and month first" in refused["reason"].iloc[0]


def test_a_bom_and_half_days(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = ["A,S,s1,rain,,25/04/2024 1:05 PM,0.2,mm", "A,S,s1,rain,,25/04/2024 12:10 am,0.4,mm"]
    path.write_text("\ufeff" + "\n".join([HEADER, *rows]) + "\n", "utf-8")
    got = read_sensors([str(path)], ZONES, Quarantine())
    local = got["time"].dt.tz_convert("Asia/Kuala_Lumpur").dt.strftime("%d %H:%M")
    assert local.tolist() == ["25 00:10", "25 13:05"]


@pytest.mark.parametrize("year", ["1970", "1980", "2000"])
def test_a_clock_that_started_again_is_refused(tmp_path: Path, year: str) -> None:
    got, bad = readings(tmp_path, f"A,S,s1,rain,,{year}-01-01T05:00:00Z,0.4,mm")
    assert len(got) == 0
    assert "has the logger's clock been reset?" in bad["reason"].iloc[0]


def test_an_inferred_unit_is_flagged_on_its_readings(tmp_path: Path) -> None:
    got, _ = readings(tmp_path, *hourly([31.0] * 24, "m3/m3"), "A,S,s2,soil_moisture,0.1,2024-01-01T05:00:00Z,30,%")
    assert got.groupby("sensor_id")["qc_flag"].agg(set).to_dict() == {"s1": {"unit_inferred"}, "s2": {""}}


HOSTILE = [
    *hourly([31.0, 32.0] * 12, "m3/m3"),
    *(r.replace("s1", "s2") for r in hourly([100, 101, 3, 4], "total tips", "rain")),
    *hourly([0.25, 0.4], "%", start="2024-01-01T05:00:00"),
    *dated("13/04/2024", "03/04/2024", station="T"),
    "A,S,s2,rain,,2024-01-01T02:00:00Z,107,total tips",
]


def test_a_wrong_unit_is_seen_over_all_files_of_a_sensor(tmp_path: Path) -> None:
    """Sixteen readings in percent that are declared as fractions, eight in each file: alone too few to be sure."""
    rows = hourly([25.0 + i / 10 for i in range(16)], "m3/m3")
    got = split(tmp_path, [rows[:8], rows[8:]])
    assert got["value"].to_numpy() == pytest.approx([0.25 + i / 1000 for i in range(16)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(HOSTILE))), cuts=st.lists(st.integers(0, len(HOSTILE)), max_size=3))
def test_order_of_rows_and_split_of_files_change_nothing(tmp_path: Path, order: list[int], cuts: list[int]) -> None:
    rows, edges = [HOSTILE[i] for i in order], [0, *sorted(cuts), len(HOSTILE)]
    got = split(tmp_path, [rows[a:b] for a, b in pairwise(edges)])
    pd.testing.assert_frame_equal(got, split(tmp_path, [HOSTILE]))
    assert np.isfinite(got["value"]).all()
