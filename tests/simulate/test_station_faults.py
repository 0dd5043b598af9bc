"""Deeper station faults: listed, told reading by reading, and nothing else touched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.simulate import station_faults
from plantation_rwa.testing import tiny_portfolio

UNTOUCHED = ("plantation_id", "sensor_id", "variable", "time", "value", "unit")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stations")
    return tiny_portfolio(
        folder, seed=71, plantations=5, imagery_plantations=0, climate_years=3, settlement_days=5, sensor_traps=True
    )


@pytest.fixture(scope="module")
def truth(made):
    return pd.read_parquet(made.directory / "truth/sensor_readings.parquet")


def _file(made, number):
    return pd.read_parquet(made.directory / f"sensors/SIM-{number:03d}.parquet")


def _sensor(made, number, ending):
    table = _file(made, number)
    return table[table["sensor_id"].str.endswith(ending)].reset_index(drop=True)


def test_every_fault_is_listed(made):
    listed = set(made.sensor_faults["fault"])
    assert set(station_faults.TURNS) <= listed
    assert {"spike", "stuck", "step", "percent", "naive time", "uploaded twice", "gauge clogged", "missing"} <= listed


def test_truth_of_readings_lies_within_a_listed_window(made, truth):
    windows = made.sensor_faults.groupby(["plantation_id", "sensor_id", "fault"]).agg({"first": "min", "last": "max"})
    both = truth.merge(windows.reset_index(), on=["plantation_id", "sensor_id", "fault"], how="left")
    assert both["first"].notna().all()
    time = both["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ((time >= both["first"]) & (time <= both["last"])).all()


def test_what_was_written_differs_from_what_an_intact_sensor_says(truth):
    moved = truth["written_time"] != truth["time"]
    named = truth["fault"].isin(["node id", "mixed date order"])
    assert (moved | named | ((truth["written_value"] - truth["true_value"]).abs() > 1e-9)).all()


def test_readings_outside_the_truth_are_intact(made, truth):
    """The first station's file against its own truth: what no fault touched reads as an intact sensor would."""
    clean = _file(made, 1)
    touched = truth.loc[truth["plantation_id"] == "SIM-001", ["sensor_id", "written_time", "written_value"]]
    marked = clean.merge(
        touched, left_on=["sensor_id", "time", "value"], right_on=["sensor_id", "written_time", "written_value"],
        how="left", indicator=True,
    )  # fmt: skip
    rest = marked[marked["_merge"] == "left_only"]
    dark = rest[(rest["variable"] == "radiation") & (rest["value"] > 0)]
    hours = (dark["time"].dt.tz_convert("Asia/Jakarta")).dt.hour
    assert hours.between(6, 18).all()
    assert rest.loc[rest["variable"] == "air_temperature", "value"].between(15, 45).all()
    assert not rest.duplicated(["sensor_id", "time"]).any()


def test_counter_known_answer(made):
    """Tips summed, falling to what fell since at a reset: differences are the rain, resets apart."""
    rain = _sensor(made, 2, "-rain")
    assert set(rain["unit"]) == {"total counts"}
    steps = np.diff(rain.sort_values("time", kind="stable")["value"])
    assert (steps < 0).sum() in {1, 2}
    assert (steps[steps >= 0] * station_faults.TIP_MM).max() < 120


def test_a_lost_bit_makes_another_plantation(made):
    names = set(_file(made, 2)["plantation_id"])
    assert names == {"SIM-002", "SIM-00r"}


def test_fahrenheit_is_declared_and_converts_back(made):
    air = _sensor(made, 3, "-air_temperature")
    assert set(air["unit"]) == {"degC", "degF"}
    converted = (air.loc[air["unit"] == "degF", "value"] - 32) / 1.8
    assert converted[converted.between(10, 50)].between(18, 40).all()


def test_an_office_file_repeats_its_header_and_changes_day_and_month(made):
    lines = (made.directory / "sensors/SIM-004.csv").read_text().splitlines()
    assert lines.count(lines[0]) >= 2
    dates = pd.Series([line.split(",")[5] for line in lines if line != lines[0]])
    first = dates.str[:2].astype(int)
    assert (first > 12).any()
    assert (dates.str[3:5].astype(int) > 12).any()
    assert not (made.directory / "sensors/SIM-004.parquet").exists()


def test_a_clock_set_back_doubles_hours_of_the_whole_station(made, truth):
    late = truth[truth["fault"] == "clock back"]
    assert set(late["plantation_id"]) == {"SIM-005"}
    assert ((late["time"] - late["written_time"]) == pd.Timedelta(hours=station_faults.BACK_HOURS)).all()
    own = _file(made, 5)
    assert own.duplicated(["sensor_id", "time"]).sum() >= station_faults.BACK_HOURS * late["sensor_id"].nunique()


def test_without_traps_files_stay_as_they_are(tmp_path, made):
    plain = tiny_portfolio(tmp_path, seed=71, plantations=5, imagery_plantations=0, climate_years=3, settlement_days=5)
    assert len(list((plain.directory / "sensors").glob("*.parquet"))) == 5
    assert not (plain.directory / "truth/sensor_readings.parquet").exists()
    soil, bare = (_sensor(m, 2, "-soil_moisture_10") for m in (made, plain))
    both = bare.merge(soil, on=["sensor_id", "time"], suffixes=("", "_traps"))
    assert (both["value"] == both["value_traps"]).all()
