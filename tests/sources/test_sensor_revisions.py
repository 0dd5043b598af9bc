"""Readings of field sensors that a later delivery revises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plantation_rwa.sources.base import Quarantine, known, latest_revision
from plantation_rwa.sources.sensor_series import KEYS
from plantation_rwa.sources.sensors import read_sensors

HEADER = "plantation_id,station_id,sensor_id,variable,depth_m,time,value,unit,known_at"
RAIN = "A,S,g1,rain,,2024-01-05T{:02d}:00:00Z,{},mm,{}"


def read(folder: Path, rows: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = folder / "log.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    bad = Quarantine()
    return read_sensors([str(path)], {"A": "Asia/Kuala_Lumpur"}, bad), bad.frame()


def at(table: pd.DataFrame, day: str) -> list[float]:
    seen = known(table, pd.Timestamp(day, tz="UTC"))
    return latest_revision(seen, [*KEYS, "time"])["value"].tolist()


def test_a_revised_reading_counts_from_the_instant_it_is_known(tmp_path: Path) -> None:
    rows = [RAIN.format(h, v, "") for h, v in ((6, 1.2), (7, 30.0), (8, 0.4))]
    late = [RAIN.format(7, 3.0, "2024-03-10"), RAIN.format(7, 2.8, "2024-05-01"), RAIN.format(9, 0.6, "2024-03-10")]
    table, bad = read(tmp_path, [*late, *rows])
    assert bad.empty
    assert at(table, "2024-02-29") == [1.2, 30.0, 0.4]
    assert at(table, "2024-03-31") == [1.2, 3.0, 0.4, 0.6]
    assert at(table, "2024-06-30") == [1.2, 2.8, 0.4, 0.6]
    # what is known later changes nothing of what was read before
    before, _ = read(tmp_path, rows)
    pd.testing.assert_frame_equal(known(table, pd.Timestamp("2024-02-29", tz="UTC")), before)


def test_a_revision_has_the_unit_that_its_reading_was_found_to_have(tmp_path: Path) -> None:
    """Moisture in percent that is called a fraction is found so by twelve readings; the revised one is percent too."""
    times = pd.date_range("2024-01-01", periods=48, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [f"A,S,s1,soil_moisture,0.1,{t},{30 + k % 5},m3/m3," for k, t in enumerate(times)]
    rows.append(f"A,S,s1,soil_moisture,0.1,{times[40]},29,m3/m3,2024-02-15")
    table, _ = read(tmp_path, rows)
    revised = table[table["known_at"] > table["time"]]
    assert revised["value"].tolist() == [0.29]
    assert "unit_inferred" in revised["qc_flag"].iloc[0]


def test_what_cannot_be_a_revision(tmp_path: Path) -> None:
    rows = [f"A,S,g1,rain,,2024-01-05T{h:02d}:00:00Z,{10 + h},total mm," for h in range(12)]
    rows += [
        "A,S,g1,rain,,2024-01-05T05:00:00Z,12,total mm,2024-03-10",
        RAIN.format(6, 1.0, "").replace("g1", "g2"),
        RAIN.format(6, 2.0, "2024-03-10").replace("g1", "g2"),
        RAIN.format(6, 3.0, "2024-03-10").replace("g1", "g2"),
        RAIN.format(7, 1.0, "2023-12-31").replace("g1", "g2"),
    ]
    table, bad = read(tmp_path, rows)
    told = bad.set_index("row")["reason"]
    assert told[13].startswith("a running total cannot be revised")
    assert told[16].startswith("repeats")
    assert told[17] == "known_at lies before the time; the time is used"
    assert at(table[table["sensor_id"] == "g2"], "2024-06-30") == [2.0, 1.0]
    assert np.isclose(at(table[table["sensor_id"] == "g1"], "2024-06-30"), 1.0).all()
