"""Simulated stations without faults, and labelled faults put into them reading by reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from plantation_rwa.periods import Month
from plantation_rwa.simulate import geography, sensors, weather
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensors import read_sensors

LAST = Month(2026, 5)
MONTHS = 4


@dataclass(frozen=True)
class Station:
    """Canonical readings of one station with what an intact sensor would have said.

    Parameters
    ----------
    readings
        As the source gives them, with ``true`` (intact value), ``fault`` (its name, '' if none; set on every reading
        of a fault's window, also where the value came out the same).
    register, daily
        As the features take them.
    """

    readings: pd.DataFrame
    register: pd.DataFrame
    daily: pd.DataFrame


def stations(seed: int, folder: Path, count: int = 2) -> Station:
    """Readings of stations without faults, soil temperature and radiation added, and a grid that is not their gauge."""
    invented = [e for e in geography.invent(seed, 8, 0, LAST.year, (80.0, 300.0)) if e.sensors]
    estates = [replace(e, is_peat=i == 0) for i, e in enumerate(invented[:count])]
    span = (LAST + (-2 * MONTHS), LAST)
    oni = weather.enso(seed, *span)
    daily = {}
    for estate in estates:
        days, regional = weather.region_weather(seed, estate.climate, oni, span[0].first, LAST.last)
        daily[estate.plantation_id] = (days, weather.vary(seed, estate.plantation_id, regional))
    sensors.write_sensors(folder, seed, estates, daily, LAST, MONTHS, False)
    zones = {e.plantation_id: e.region.timezone for e in estates}
    paths = sorted(str(p) for p in (folder / "sensors").glob("*.parquet"))
    readings = read_sensors(paths, zones, Quarantine())
    register = pd.DataFrame(
        {
            "plantation_id": list(zones),
            "timezone": list(zones.values()),
            "is_peat": [e.is_peat for e in estates],
            "geometry": [e.geometry for e in estates],
        }
    )
    rng = np.random.default_rng(seed)
    grid = [
        pd.DataFrame(
            {
                "plantation_id": p,
                "date": days,
                "precipitation": found["precipitation"] * rng.lognormal(0, 0.5, len(days)),
            }
        )
        for p, (days, found) in daily.items()
    ]
    readings = pd.concat([readings, *(_more(readings, e, rng) for e in estates)], ignore_index=True)
    readings = readings.assign(true=readings["value"], fault="")
    return Station(readings, register, pd.concat(grid, ignore_index=True))


def _more(readings: pd.DataFrame, estate: geography.Estate, rng: np.random.Generator) -> pd.DataFrame:
    """Soil temperature and radiation at the hours of the air temperature."""
    air = readings[(readings["plantation_id"] == estate.plantation_id) & (readings["variable"] == "air_temperature")]
    utc = (air["time"].dt.hour + 0.5).to_numpy("float64")
    height = np.cos(2 * np.pi * (utc + estate.geometry.centroid.x / 15.0 - 12.0) / 24.0)
    sun = np.round(np.clip(900.0 * height, 0.0, None) * rng.uniform(0.2, 1.0, len(air)), 1)
    soil = np.round(27.0 + 0.2 * (air["value"] - air["value"].mean()) + rng.normal(0, 0.1, len(air)), 1)
    parts = []
    for variable, depth, value, unit in (
        ("radiation", np.nan, sun, "W m-2"),
        ("soil_temperature", 0.1, soil, "degC"),
    ):
        sensor = f"{estate.plantation_id}-{variable}"
        parts.append(air.assign(variable=variable, depth_m=depth, value=value, unit=unit, sensor_id=sensor))
    return pd.concat(parts, ignore_index=True)


def spoiled(station: Station, seed: int) -> Station:
    """The stations with one window of every fault on each sensor that can have it; spikes all over soil and air."""
    readings, rng = station.readings.copy(), np.random.default_rng((seed, 1))
    value, fault = readings["value"].to_numpy(copy=True), np.full(len(readings), "", dtype=object)
    for (_, variable, depth), rows in readings.groupby(
        ["plantation_id", "variable", "depth_m"], dropna=False
    ).groups.items():
        deep = variable == "soil_moisture" and depth > 0.2
        own = np.asarray(rows)[np.argsort(readings["time"].to_numpy()[rows], kind="stable")]
        taken = np.zeros(len(own), dtype=bool)
        for name in FAULTS_OF[variable + ("_deep" if deep else "")]:
            kind = FAULTS[name]
            for _ in range(max(1, round(kind.every * len(own)))):
                at = _free(rng, taken, kind.hours)
                taken[max(0, at - 80) : at + kind.hours + 80] = kind.hours > 1
                taken[max(0, at - 6) : at + kind.hours + 6] = True
                hit = own[at : at + kind.hours]
                value[hit] = kind.change(value[hit], rng, readings["time"].iloc[hit])
                fault[hit] = name
    return Station(readings.assign(value=value, fault=fault), station.register, station.daily)


@dataclass(frozen=True)
class Kind:
    """A fault: how many hours one lasts, how often it strikes per reading (0: once), and what it does."""

    hours: int
    every: float
    change: Callable[[np.ndarray, np.random.Generator, pd.Series], np.ndarray]


def _free(rng: np.random.Generator, taken: np.ndarray, hours: int) -> int:
    """A start with room for a fault: not among the last two readings of the record, not within another fault."""
    for _ in range(1000):
        at = int(rng.integers(100, len(taken) - hours - 100))
        if not taken[at : at + hours].any():
            return at
    raise AssertionError("no room for the fault")


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _night(value: np.ndarray, rng: np.random.Generator, time: pd.Series) -> np.ndarray:
    return np.where(value == 0.0, np.round(rng.uniform(50.0, 300.0, len(value)), 1), value)


FAULTS = {
    "spike": Kind(
        1, 1 / 300, lambda x, r, t: np.round(np.where(r.random() < 0.5, x * r.uniform(1.35, 1.6), x * 0.6), 3)
    ),
    "air spike": Kind(1, 1 / 400, lambda x, r, t: x + _sign(r) * r.uniform(8.0, 12.0)),
    "humidity spike": Kind(1, 1 / 400, lambda x, r, t: x - r.uniform(45.0, 60.0)),
    "level spike": Kind(1, 1 / 400, lambda x, r, t: x + r.uniform(25.0, 60.0)),
    "no value": Kind(1, 1 / 400, lambda x, r, t: np.full(len(x), r.choice([-9999.0, 6999.0]))),
    "stuck": Kind(15 * 24, 0, lambda x, r, t: np.full(len(x), x[0])),
    "air stuck": Kind(4 * 24, 0, lambda x, r, t: np.full(len(x), x[0])),
    "step": Kind(25 * 24, 0, lambda x, r, t: np.round(x + r.uniform(0.08, 0.12), 3)),
    "dead": Kind(6 * 24, 0, lambda x, r, t: np.zeros(len(x))),
    "full": Kind(6 * 24, 0, lambda x, r, t: np.full(len(x), 100.0)),
    "drip": Kind(3 * 24, 0, lambda x, r, t: np.full(len(x), 0.2)),
    "clogged": Kind(25 * 24, 0, lambda x, r, t: np.zeros(len(x))),
    "night": Kind(2 * 24, 0, _night),
}
FAULTS_OF = {
    "soil_moisture": ("stuck", "dead", "spike", "no value"),
    "soil_moisture_deep": ("step", "spike"),
    "soil_temperature": ("no value",),
    "air_temperature": ("air stuck", "air spike", "no value"),
    "relative_humidity": ("full", "humidity spike"),
    "radiation": ("night", "no value"),
    "rain": ("clogged", "drip", "no value"),
    "water_table": ("stuck", "level spike"),
}
