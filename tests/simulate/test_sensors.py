"""Sensor logs: long layout, truth, and every fault where the list says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from plantation_rwa.simulate import sensors

COLUMNS = ["plantation_id", "station_id", "sensor_id", "variable", "depth_m", "time", "value", "unit"]


@pytest.fixture(scope="module")
def files(made):
    return {p.stem: pd.read_parquet(p) for p in sorted((made.directory / "sensors").glob("*.parquet"))}


@pytest.fixture(scope="module")
def faults(made):
    return made.sensor_faults


def _rows(files, fault):
    table = files[fault.plantation_id]
    time = table["time"]
    if time.dt.tz is None:
        time = time.dt.tz_localize("Asia/Jakarta").dt.tz_convert("UTC")
    inside = (
        (table["sensor_id"] == fault.sensor_id)
        & (time >= pd.Timestamp(fault.first))
        & (time <= pd.Timestamp(fault.last))
    )
    return table[inside]


def _one(faults, kind):
    found = faults[faults["fault"] == kind]
    assert len(found) >= 1
    return found.iloc[0]


def test_layout(files):
    assert len(files) == 5
    for table in files.values():
        assert list(table.columns) == COLUMNS
        assert set(table["variable"]) <= {
            "soil_moisture",
            "rain",
            "air_temperature",
            "relative_humidity",
            "water_table",
        }


def test_every_fault_is_listed_once_or_more(faults):
    assert set(faults["fault"]) == set(sensors.FAULTS)


def test_stuck_probe_does_not_move(files, faults):
    rows = _rows(files, _one(faults, "stuck"))
    assert len(rows) == 15 * 24
    assert rows["value"].nunique() == 1


def test_clogged_gauge_reads_zero_for_twenty_days(files, faults):
    rows = _rows(files, _one(faults, "gauge clogged"))
    assert len(rows) == 20 * 24
    assert (rows["value"] == 0).all()


def test_step_lifts_the_probe_against_its_neighbour(files, faults):
    fault = _one(faults, "step")
    table = files[fault.plantation_id].pivot(index="time", columns="sensor_id", values="value")
    gap = table[fault.sensor_id] - table[fault.sensor_id.replace("_10", "_30")]
    before, after = gap[gap.index < pd.Timestamp(fault.first)], gap[gap.index >= pd.Timestamp(fault.first)]
    assert after.median() - before.median() == pytest.approx(0.08, abs=0.02)


def test_percent_file(files, faults):
    table = files[_one(faults, "percent").plantation_id]
    soil = table[table["variable"] == "soil_moisture"]
    assert (soil["unit"] == "%").all()
    assert soil["value"].median() > 10


def test_naive_file_has_no_zone_and_the_others_utc(made, faults):
    naive = _one(faults, "naive time").plantation_id
    for path in (made.directory / "sensors").glob("*.parquet"):
        zone = pq.read_schema(path).field("time").type.tz
        assert zone == (None if path.stem == naive else "UTC")


def test_two_days_are_there_twice(files, faults):
    table = files[_one(faults, "uploaded twice").plantation_id]
    twice = table[table.duplicated(COLUMNS, keep=False)]
    assert 48 * 2 * 4 <= len(twice) <= 48 * 2 * 5


def test_spikes_stand_out_of_their_neighbours(files, faults):
    spikes = faults[faults["fault"] == "spike"]
    assert len(spikes) > 5
    calm = spikes[spikes["plantation_id"] == "SIM-004"]
    for spike in calm.itertuples():
        table = files[spike.plantation_id]
        one = table[table["sensor_id"] == spike.sensor_id].reset_index(drop=True)
        utc = (
            one["time"].dt.tz_localize("Asia/Jakarta").dt.tz_convert("UTC")
            if one["time"].dt.tz is None
            else one["time"]
        )
        at = int(np.flatnonzero(utc == pd.Timestamp(spike.first))[0])
        assert one["value"].iloc[at] > 1.15 * one["value"].iloc[at - 1]


def test_missing_days(files, faults):
    assert all(len(_rows(files, f)) == 0 for f in faults[faults["fault"] == "missing"].itertuples())


def test_monthly_truth_is_near_the_mean_of_an_unspoiled_probe(made, files):
    truth = pd.read_csv(made.directory / "truth/sensors_monthly.csv").set_index(["plantation_id", "month"])
    table = files["SIM-005"]
    local = table["time"].dt.tz_convert("Asia/Jakarta").dt.strftime("%Y-%m")
    mean = table[table["variable"] == "soil_moisture"].groupby([local, "depth_m"])["value"].mean()
    for month in mean.index.get_level_values(0).unique():
        for depth in sensors.DEPTHS:
            expected = truth.loc[("SIM-005", month), f"soil_moisture_{depth:g}m"]
            assert mean[(month, depth)] == pytest.approx(expected, abs=0.01)


def test_bucket_dries_without_rain_and_fills_with_it():
    days = 60
    rain = np.zeros(days)
    rain[40:] = 30.0
    water = sensors.bucket(rain, np.full(days, 17.0), np.full(days, 27.5))
    assert (np.diff(water[:40]) < 0).all()
    assert water[39] < 0.55
    assert water[-1] > 0.97
    assert water.min() >= 0
