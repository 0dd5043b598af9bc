"""Deeper faults of station logs, each reading with what an intact sensor would have said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.weather import Weather
from plantation_rwa.streams import stream

#: readings as they were: kept beside the file's own columns until the file is written
TRUE = ("true_value", "true_time", "true_plantation")
TRUTH = ("plantation_id", "sensor_id", "variable", "time", "true_value", "written_time", "written_value", "fault")
#: fault -> turn of the station that has it; None: every station
TURNS: Mapping[str, int | None] = {
    "out of range": None,
    "radiation at night": 0,
    "conflict": 0,
    "dropout": 0,
    "counter": 1,
    "node id": 1,
    "humidity saturated": 1,
    "fahrenheit": 2,
    "drop": 2,
    "mixed date order": 3,
    "repeated header": 3,
    "clock back": 4,
    "drift": 1,
    "gauge over neighbours": 2,
}
#: faults of the first kind that leave values as they were
_HARMLESS = ("naive time", "uploaded twice", "percent", "missing")
TIP_MM, BACK_HOURS, BACK_DAYS = 0.2, 3, 3
#: degC that a drifting thermometer gains by the end, and from which on its readings count as wrong
DRIFT_DEGC, DRIFT_WRONG_DEGC = 8.0, 3.0
#: tips of a gauge set up wrongly, and for how long
GAUGE_FACTOR, GAUGE_DAYS = 5.0, 30


@dataclass
class Log:
    """Faults put into one station: windows, and the readings that came out wrong."""

    windows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    readings: list[pd.DataFrame] = field(default_factory=list)

    def note(self, rows: pd.DataFrame, fault: str, *, wrong: bool = True) -> None:
        """Note a fault on rows of one or several sensors; ``wrong`` if their values, times or names are."""
        for (owner, sensor), own in rows.groupby(["true_plantation", "sensor_id"], sort=True):
            ends = [t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in (own["true_time"].min(), own["true_time"].max())]
            self.windows.append((str(owner), str(sensor), fault, ends[0], ends[1]))
        if wrong:
            told = {"true_plantation": "plantation_id", "time": "written_time", "value": "written_value"}
            table = rows.drop(columns=["plantation_id"]).rename(columns=told).rename(columns={"true_time": "time"})
            self.readings.append(table.assign(fault=fault)[list(TRUTH)])


def prepared(readings: pd.DataFrame, estate: Estate, days: pd.DatetimeIndex, weather: Weather) -> pd.DataFrame:
    """A station's intact readings with a pyranometer added, and the columns of truth."""
    air = readings[readings["variable"] == "air_temperature"]
    local = air["time"].dt.tz_convert(estate.region.timezone)
    height = np.clip(np.cos(2 * np.pi * (local.dt.hour.to_numpy() - 12) / 24), 0.0, None)
    height[height < 0.02] = 0.0
    daily = pd.Series(weather["ssrd"], index=days)
    # a half sine of 12 hours holds its peak x 12 h x 2 / pi
    peak = daily.reindex(local.dt.tz_localize(None).dt.normalize()).to_numpy() * 1e6 * np.pi / (2 * 12 * 3600)
    sun = air.assign(
        variable="radiation",
        sensor_id=f"{estate.plantation_id}-radiation",
        value=np.round(peak * height, 1),
        unit="W m-2",
    )
    table = pd.concat([readings, sun], ignore_index=True)
    return table.assign(true_value=table["value"], true_time=table["time"], true_plantation=table["plantation_id"])


def spoil(seed: int, estate: Estate, turn: int, readings: pd.DataFrame, log: Log) -> pd.DataFrame:
    """Readings with the faults of the station's turn; rows in order of time, as the file will have them."""
    rng = stream(seed, "station_faults", estate.plantation_id)
    for fault, strikes in TURNS.items():
        if strikes is None or strikes == turn % 5:
            change = _CHANGES.get(fault)
            if change is not None:
                readings = change(readings, rng, log)
    return readings.sort_values("time", kind="stable").reset_index(drop=True)


def _window(readings: pd.DataFrame, rng: np.random.Generator, ending: str, hours: int) -> NDArray[np.int64]:
    """Consecutive readings of the sensor whose name ends so, in its middle three fifths."""
    rows = np.flatnonzero(readings["sensor_id"].str.endswith(ending).to_numpy())
    rows = rows[np.argsort(readings["true_time"].to_numpy()[rows], kind="stable")]
    start = int(rng.integers(rows.size // 5, max(rows.size // 5 + 1, 4 * rows.size // 5 - hours)))
    return np.asarray(rows[start : start + hours])


def _out_of_range(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    out, values = readings.copy(), readings["value"].to_numpy(copy=True)
    for ending, code in (("-air_temperature", 85.0), ("-soil_moisture_30", -9999.0)):
        rows = np.flatnonzero(readings["sensor_id"].str.endswith(ending).to_numpy())
        hit = np.sort(rng.choice(rows, max(3, rows.size // 1000), replace=False))
        values[hit] = code
        out["value"] = values
        log.note(out.iloc[hit], "out of range")
    return out


def _night(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    rows = _window(readings, rng, "-radiation", 48)
    dark = rows[readings["value"].to_numpy()[rows] == 0.0]
    out = _set(readings, dark, np.round(rng.uniform(50, 200, dark.size), 1))
    log.note(out.iloc[dark], "radiation at night")
    return out


def _conflict(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    rows = _window(readings, rng, "-relative_humidity", 12)
    again = readings.iloc[rows]
    again = again.assign(value=np.round(np.clip(again["value"] - 20.0, 0, 100), 0))
    log.note(again, "conflict")
    return pd.concat([readings, again], ignore_index=True)


def _dropout(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    rows = _window(readings, rng, "-air_temperature", 60)
    times = readings["true_time"].iloc[[rows[0], rows[-1]]]
    gone = readings["true_time"].between(times.iloc[0], times.iloc[1])
    log.note(readings[gone], "dropout", wrong=False)
    return readings[~gone].reset_index(drop=True)


def _counter(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """The gauge sends its running count of tips; it restarts from zero twice."""
    rows = np.flatnonzero(readings["sensor_id"].str.endswith("-rain").to_numpy())
    rows = rows[np.argsort(readings["true_time"].to_numpy()[rows], kind="stable")]
    tips = np.round(readings["value"].to_numpy()[rows] / TIP_MM)
    total = np.cumsum(tips) + 1000
    for reset in sorted(int(v) for v in rng.integers(rows.size // 5, 4 * rows.size // 5, 2)):
        total[reset:] -= total[reset] - tips[reset]
    out = _set(readings, rows, total)
    out.loc[out.index[rows], "unit"] = "total counts"
    log.note(out.iloc[rows], "counter", wrong=False)
    return out


def _node(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """One character of the plantation's id is another for six readings: a bit lost in flight."""
    rows = _window(readings, rng, "-soil_moisture_10", 6)
    out = readings.copy()
    name = str(out["plantation_id"].iloc[rows[0]])
    out.loc[out.index[rows], "plantation_id"] = name[:-1] + chr(ord(name[-1]) ^ 0x40)
    log.note(out.iloc[rows], "node id")
    return out


def _saturated(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    rows = _window(readings, rng, "-relative_humidity", 6 * 24)
    out = _set(readings, rows, np.full(rows.size, 100.0))
    log.note(out.iloc[rows], "humidity saturated")
    return out


def _fahrenheit(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """From a day on the thermometer sends Fahrenheit and says so: two units in one file."""
    rows = np.flatnonzero(readings["sensor_id"].str.endswith("-air_temperature").to_numpy())
    rows = rows[np.argsort(readings["true_time"].to_numpy()[rows], kind="stable")][rows.size // 2 :]
    out = _set(readings, rows, np.round(readings["value"].to_numpy()[rows] * 1.8 + 32.0, 2))
    out.loc[out.index[rows], "unit"] = "degF"
    del rng
    log.note(out.iloc[rows], "fahrenheit", wrong=False)
    return out


def _drop(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    rows = _window(readings, rng, "-soil_moisture_30", 5 * 24)
    out = _set(readings, rows, np.zeros(rows.size))
    log.note(out.iloc[rows], "drop")
    return out


def _clock_back(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """For three days the whole station's clock is three hours behind: its first hours stand twice in the file."""
    rows = _window(readings, rng, "-air_temperature", BACK_DAYS * 24)
    first, last = (readings["true_time"].iloc[int(i)] for i in (rows[0], rows[-1]))
    late = readings["true_time"].between(first, last)
    out = readings.copy()
    out.loc[late, "time"] = out.loc[late, "time"] - pd.Timedelta(hours=BACK_HOURS)
    log.note(out[late], "clock back")
    return out


def _drift(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """From a third of the record on the thermometer gains a little every day."""
    rows = np.flatnonzero(readings["sensor_id"].str.endswith("-air_temperature").to_numpy())
    rows = rows[np.argsort(readings["true_time"].to_numpy()[rows], kind="stable")]
    rows = rows[int(rows.size * rng.uniform(0.30, 0.36)) :]
    gain = np.linspace(0.0, DRIFT_DEGC, rows.size)
    ok = readings["value"].to_numpy()[rows] < 60.0  # the code of another fault stays what it is
    out = _set(readings, rows[ok], np.round(readings["value"].to_numpy()[rows] + gain, 1)[ok])
    log.note(out.iloc[rows], "drift", wrong=False)
    log.note(out.iloc[rows[ok & (gain >= DRIFT_WRONG_DEGC)]], "drift")
    return out


def _over_neighbours(readings: pd.DataFrame, rng: np.random.Generator, log: Log) -> pd.DataFrame:
    """A second gauge stands beside the first, which for a month is set up for tips five times as large."""
    first = readings[readings["sensor_id"].str.endswith("-rain")]
    more = np.round(first["true_value"] * rng.uniform(0.9, 1.1, len(first)) / TIP_MM) * TIP_MM
    second = first.assign(sensor_id=first["sensor_id"] + "_2", value=np.round(more, 1), true_value=np.round(more, 1))
    rows = _window(readings, rng, "-rain", GAUGE_DAYS * 24)
    wet = rows[readings["value"].to_numpy()[rows] > 0.0]
    out = _set(readings, wet, np.round(GAUGE_FACTOR * readings["value"].to_numpy()[wet], 1))
    log.note(out.iloc[rows], "gauge over neighbours", wrong=False)
    log.note(out.iloc[wet], "gauge over neighbours")
    return pd.concat([out, second], ignore_index=True)


def _set(readings: pd.DataFrame, rows: NDArray[np.int64], values: NDArray[np.float64]) -> pd.DataFrame:
    column = readings["value"].to_numpy(copy=True)
    column[rows] = values
    return readings.assign(value=column)


Change = Callable[[pd.DataFrame, np.random.Generator, Log], pd.DataFrame]
_CHANGES: Mapping[str, Change] = {
    "out of range": _out_of_range,
    "radiation at night": _night,
    "conflict": _conflict,
    "dropout": _dropout,
    "counter": _counter,
    "node id": _node,
    "humidity saturated": _saturated,
    "fahrenheit": _fahrenheit,
    "drop": _drop,
    "clock back": _clock_back,
    "drift": _drift,
    "gauge over neighbours": _over_neighbours,
}


def write_office_csv(path: Path, readings: pd.DataFrame, zone: str, log: Log) -> None:
    """A station's file as an office joins it from monthly exports: a header per month, day and month changing place.

    Times are local and naive; odd months are d/m/Y, even ones m/d/Y.
    """
    local = readings["time"].dt.tz_convert(zone).dt.tz_localize(None)
    shown = readings.drop(columns=list(TRUE))
    parts = []
    for position, (_, rows) in enumerate(readings.groupby(local.dt.strftime("%Y-%m"), sort=True)):
        form = "%d/%m/%Y %H:%M" if position % 2 == 0 else "%m/%d/%Y %H:%M"
        part = shown.loc[rows.index].assign(time=local[rows.index].dt.strftime(form))
        parts.append(part.to_csv(index=False, lineterminator="\n"))
    path.write_bytes("".join(parts).encode())
    log.note(readings, "mixed date order")
    log.note(readings, "repeated header", wrong=False)


def after_the_first(readings: pd.DataFrame, log: Log, windows: list[tuple[str, str, str, str, str]]) -> None:
    """Note the readings that faults put in before (``windows``) changed: same unit, other value."""
    taken = pd.Index([])
    for owner, sensor, fault, first, last in windows:
        if fault in _HARMLESS:
            continue
        own = readings[(readings["true_plantation"] == owner) & (readings["sensor_id"] == sensor)]
        held = own["true_time"].between(pd.Timestamp(first), pd.Timestamp(last)) & ~own.index.isin(taken)
        shown = own["value"] / np.where(own["unit"] == "%", np.where(own["variable"] == "soil_moisture", 100, 1), 1)
        wrong = own[held & ((shown - own["true_value"]).abs() > 1e-9)]
        taken = taken.append(wrong.index)
        if len(wrong):
            table = wrong.assign(time=wrong["true_time"], written_time=wrong["time"], fault=fault)
            log.readings.append(table.rename(columns={"value": "written_value"})[list(TRUTH)])
