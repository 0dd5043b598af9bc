"""Hourly station logs with the faults that real ones have, and the list of those faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plantation_rwa.periods import Month
from plantation_rwa.simulate import files, station_faults
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.weather import Weather
from plantation_rwa.streams import stream

#: field capacity, wilting point [m3 m-3] and available water capacity [mm] of the simulated root zone
FIELD_CAPACITY, WILTING, CAPACITY_MM = 0.36, 0.14, 200.0
SPIKE_RATE, NOISE, CROP = 1 / 2000, 0.01, 0.95
DEPTHS = (0.1, 0.3)
FAULTS = ("spike", "stuck", "step", "percent", "naive time", "uploaded twice", "gauge clogged", "missing")
_COLUMNS = ["plantation_id", "station_id", "sensor_id", "variable", "depth_m", "time", "value", "unit"]
_UNITS = {
    "soil_moisture": "m3/m3",
    "rain": "mm",
    "air_temperature": "degC",
    "relative_humidity": "%",
    "water_table": "cm",
}
_DECIMALS = {"soil_moisture": 3, "rain": 1, "air_temperature": 1, "relative_humidity": 0, "water_table": 0}

Daily = Mapping[str, tuple[pd.DatetimeIndex, Weather]]


def bucket(rain: NDArray[np.float64], ssrd: NDArray[np.float64], tmean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Daily relative plant-available water 0..1: rain in, evapotranspiration out through a sigmoid.

    Reference evapotranspiration is Makkink's, 0.61 s/(s + gamma) Rs/2.45 - 0.12; transpiration falls with
    1 / (1 + exp(-(theta - 0.4) / 0.12)) (domain/yield.md 1.4, refined bucket).
    """
    slope = 4098 * 0.6108 * np.exp(17.27 * tmean / (tmean + 237.3)) / (tmean + 237.3) ** 2
    reference = 0.61 * slope / (slope + 0.066) * ssrd / 2.45 - 0.12
    water, out = CAPACITY_MM, np.empty(rain.size)
    for i in range(rain.size):
        relative = water / CAPACITY_MM
        loss = CROP * reference[i] / (1 + np.exp(-(relative - 0.4) / 0.12))
        water = min(max(water + rain[i] - loss, 0.0), CAPACITY_MM)
        out[i] = water / CAPACITY_MM
    return out


def write_sensors(
    directory: Path,
    seed: int,
    estates: Sequence[Estate],
    daily: Daily,
    last: Month,
    months: int,
    faults: bool,
    traps: bool = False,
) -> pd.DataFrame:
    """Write ``sensors/<plantation>.parquet`` for every estate with a station, and the truth beside.

    Parameters
    ----------
    daily
        Days (local) and weather per plantation.
    last, months
        Last month and number of months.
    faults
        Whether to put faults in. Per sensor: spikes. By turn over the stations: a stuck soil probe and a clogged
        gauge; a step in soil moisture; soil moisture in %; times without a zone; two days uploaded twice.
    traps
        Whether to add a pyranometer and the faults of :mod:`plantation_rwa.simulate.station_faults`.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, sensor_id, fault, first, last`` (UTC), also in ``truth/sensor_faults.csv``.
    """
    first = last + (1 - months)
    log: list[tuple[str, str, str, str, str]] = []
    truth: list[pd.DataFrame] = []
    deeper = station_faults.Log()
    with_station = [e for e in estates if e.sensors]
    for turn, estate in enumerate(with_station):
        days, weather = daily[estate.plantation_id]
        readings, monthly = _station(seed, estate, days, weather, first, last)
        if traps:
            readings = station_faults.prepared(readings, estate, days, weather)
        if faults:
            already = len(log)
            readings = _spoil(seed, estate, turn, readings, log)
            if traps:
                station_faults.after_the_first(readings, deeper, log[already:])
        if traps:
            readings = station_faults.spoil(seed, estate, turn, readings, deeper)
        path, zone = directory / f"sensors/{estate.plantation_id}.parquet", estate.region.timezone
        if traps and turn % 5 == 3:
            path.parent.mkdir(parents=True, exist_ok=True)
            station_faults.write_office_csv(path.with_suffix(".csv"), readings, zone, deeper)
        else:
            _write(path, readings[_COLUMNS], naive=faults and turn == 3, zone=zone)
        truth.append(monthly)
    columns = ["plantation_id", "sensor_id", "fault", "first", "last"]
    if traps and with_station:
        wrong = pd.concat(deeper.readings, ignore_index=True)
        wrong = wrong.sort_values(["plantation_id", "sensor_id", "time", "fault"], kind="stable")
        files.write_parquet(directory / "truth/sensor_readings.parquet", wrong)
    table = (
        pd.DataFrame(log + deeper.windows, columns=columns).sort_values(columns, kind="stable").reset_index(drop=True)
    )
    if truth:
        files.write_csv(directory / "truth/sensor_faults.csv", table)
        files.write_csv(directory / "truth/sensors_monthly.csv", pd.concat(truth, ignore_index=True))
    return table


def _station(
    seed: int, estate: Estate, days: pd.DatetimeIndex, weather: Weather, first: Month, last: Month
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """True hourly readings in UTC with sensor noise, and the noise-free monthly means."""
    rng = stream(seed, "sensors", estate.plantation_id)
    mean = (weather["t2m_min"] + weather["t2m_max"]) / 2
    relative = bucket(weather["precipitation"], weather["ssrd"], mean)
    keep = (days >= pd.Timestamp(first.first)) & (days <= pd.Timestamp(last.last))
    local = pd.date_range(first.first, pd.Timestamp(last.last) + pd.Timedelta(hours=23), freq="h")
    hour = local.hour.to_numpy()
    day = np.repeat(np.arange(int(keep.sum())), 24)
    share = relative[keep]
    smooth = np.interp(np.arange(local.size), np.arange(share.size) * 24 + 12, share)
    tmin, tmax = weather["t2m_min"][keep][day], weather["t2m_max"][keep][day]
    temperature = (tmin + tmax) / 2 + (tmax - tmin) / 2 * np.cos(2 * np.pi * (hour - 14) / 24)
    humidity = np.clip(weather["rh"][keep][day] - 2.5 * (temperature - (tmin + tmax) / 2), 30, 100)
    rain = np.zeros(local.size)
    for d, amount in enumerate(weather["precipitation"][keep]):
        if amount > 0:
            start = int(rng.integers(12, 21))
            rain[24 * d + start : 24 * d + start + 3] = amount * np.array([0.6, 0.3, 0.1])
    rain = np.round(rain / 0.2) * 0.2
    series: dict[tuple[str, float], NDArray[np.float64]] = {("rain", np.nan): rain}
    clean: dict[str, NDArray[np.float64]] = {}
    for depth in DEPTHS:
        span = FIELD_CAPACITY - WILTING
        level = WILTING + span * (smooth if depth > 0.2 else smooth**1.15)
        clean[f"soil_moisture_{depth:g}m"] = level
        series[("soil_moisture", depth)] = np.clip(level + NOISE * rng.normal(0, 1, local.size), 0.02, 0.55)
    series[("air_temperature", np.nan)] = temperature + 0.2 * rng.normal(0, 1, local.size)
    series[("relative_humidity", np.nan)] = np.clip(humidity + rng.normal(0, 1, local.size), 20, 100)
    if estate.is_peat:
        table = 95.0 - 65.0 * smooth
        clean["water_table_cm"] = table
        series[("water_table", np.nan)] = table + rng.normal(0, 1, local.size)
    utc = local.tz_localize(estate.region.timezone).tz_convert("UTC")
    frames = []
    for (variable, depth), values in series.items():
        label = variable if np.isnan(depth) else f"{variable}_{int(100 * depth)}"
        frames.append(
            pd.DataFrame(
                {
                    "plantation_id": estate.plantation_id,
                    "station_id": f"{estate.plantation_id}-ST1",
                    "sensor_id": f"{estate.plantation_id}-{label}",
                    "variable": variable,
                    "depth_m": depth,
                    "time": utc,
                    "value": np.round(values, _DECIMALS[variable]),
                    "unit": _UNITS[variable],
                }
            )
        )
    monthly = pd.DataFrame(clean).groupby(np.asarray(local.strftime("%Y-%m"))).mean()
    monthly["rain_mm"] = pd.Series(rain).groupby(np.asarray(local.strftime("%Y-%m"))).sum()
    monthly = monthly.round(6).rename_axis("month").reset_index()
    monthly.insert(0, "plantation_id", estate.plantation_id)
    return pd.concat(frames, ignore_index=True)[_COLUMNS], monthly


def _spoil(
    seed: int, estate: Estate, turn: int, readings: pd.DataFrame, log: list[tuple[str, str, str, str, str]]
) -> pd.DataFrame:
    rng = stream(seed, "sensor_faults", estate.plantation_id)
    values = readings["value"].to_numpy(copy=True)
    times = readings["time"]
    probe, rain = f"{estate.plantation_id}-soil_moisture_10", f"{estate.plantation_id}-rain"

    def note(sensor: str, fault: str, rows: NDArray[np.int64]) -> None:
        stamp = [times.iloc[int(i)].strftime("%Y-%m-%dT%H:%M:%SZ") for i in (rows[0], rows[-1])]
        log.append((estate.plantation_id, sensor, fault, stamp[0], stamp[1]))

    def rows_of(sensor: str, days: int) -> NDArray[np.int64]:
        rows = np.flatnonzero((readings["sensor_id"] == sensor).to_numpy())
        start = int(rng.integers(rows.size // 5, max(rows.size // 5 + 1, rows.size - 24 * days - 1)))
        return rows[start : start + 24 * days]

    for sensor in (probe, f"{estate.plantation_id}-soil_moisture_30"):
        rows = np.flatnonzero((readings["sensor_id"] == sensor).to_numpy())
        for hit in rows[rng.random(rows.size) < SPIKE_RATE]:
            values[hit] = round(min(0.59, values[hit] * float(rng.uniform(1.3, 1.6))), 3)
            note(sensor, "spike", np.array([hit]))
    if turn == 0:
        rows = rows_of(probe, 15)
        values[rows] = values[rows[0]]
        note(probe, "stuck", rows)
        rows = rows_of(rain, 20)
        values[rows] = 0.0
        note(rain, "gauge clogged", rows)
    if turn == 1:
        rows = np.flatnonzero((readings["sensor_id"] == probe).to_numpy())
        rows = rows[int(rng.integers(rows.size // 2, 4 * rows.size // 5)) :]
        values[rows] = np.round(values[rows] + 0.08, 3)
        note(probe, "step", rows)
    spoiled, again = readings.assign(value=values), readings.iloc[:0]
    if turn == 2:
        soil = (spoiled["variable"] == "soil_moisture").to_numpy()
        spoiled.loc[soil, "value"] = (100.0 * spoiled.loc[soil, "value"]).round(1)
        spoiled.loc[soil, "unit"] = "%"
        note(probe, "percent", np.flatnonzero(soil))
    if turn == 3:
        note(probe, "naive time", np.arange(len(spoiled)))
    if turn == 4:
        rows = rows_of(f"{estate.plantation_id}-air_temperature", 2)
        twice = (times >= times.iloc[int(rows[0])]) & (times <= times.iloc[int(rows[-1])])
        again = spoiled[twice]
        note(probe, "uploaded twice", rows)
    gone = rows_of(f"{estate.plantation_id}-relative_humidity", 4)
    note(f"{estate.plantation_id}-relative_humidity", "missing", gone)
    kept = spoiled.iloc[np.setdiff1d(np.arange(len(spoiled)), gone)]
    # a stable sort by time: what a file learns later stands at its end, a repeated upload right behind the first
    return pd.concat([kept, again]).sort_values("time", kind="stable").reset_index(drop=True)


def _write(path: Path, readings: pd.DataFrame, *, naive: bool, zone: str) -> None:
    """Parquet with dictionary texts; ``naive`` drops the zone of local time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = readings.copy()
    if naive:
        table["time"] = table["time"].dt.tz_convert(zone).dt.tz_localize(None)
    kind = pa.timestamp("ms") if naive else pa.timestamp("ms", tz="UTC")
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    arrow = arrow.set_column(_COLUMNS.index("time"), "time", arrow["time"].cast(kind))
    texts = [c for c in _COLUMNS if c not in {"time"}]
    pq.write_table(
        arrow,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=texts,
        column_encoding={"time": "DELTA_BINARY_PACKED"},
    )
