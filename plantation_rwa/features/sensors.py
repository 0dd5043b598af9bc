"""Sensor readings to monthly values: range tests, hours to days to months, completeness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]

COLUMNS = (
    *("plantation_id", "month", "soil_moisture_m3m3", "water_table_cm", "completeness_sensors"),
    *("flags", "known_at"),
)

#: Published column of each variable that has one.
PUBLISHED = {"soil_moisture": "soil_moisture_m3m3", "water_table": "water_table_cm"}

_SENSOR = ["plantation_id", "variable", "depth_m", "station_id", "sensor_id"]
_HOURS = 24


@dataclass(frozen=True)
class _Rules:
    ranges: dict[str, list[float]]
    moisture_max_peat: float
    humidity_overshoot: float
    hours: float
    days_fraction: float
    max_gap: int
    expected: int

    @classmethod
    def of(cls, assumptions: Assumptions) -> _Rules:
        number = assumptions.number
        return cls(
            assumptions.table("sensor_features.ranges"),
            number("sensor_features.soil_moisture_max_peat"),
            number("sensor_features.relative_humidity_overshoot"),
            number("sensor_features.min_hours_per_day"),
            number("sensor_features.min_days_fraction"),
            int(number("sensor_features.max_gap_days")),
            int(number("sensor_features.expected_months")),
        )


def monthly_sensors(
    readings: pd.DataFrame, register: pd.DataFrame, months: Iterable[str] | None = None, *, assumptions: Assumptions
) -> pd.DataFrame:
    """Monthly sensor features of each plantation.

    Parameters
    ----------
    readings
        As ``sources.sensors.read_sensors`` gives them (UTC, canonical units), any order.
    register
        ``plantation_id, timezone, is_peat``; days and months are local in ``timezone`` (UTC where it is empty).
    months
        Months wanted; None: every month with a reading. A wanted month without any reading has a row while sensors
        count as installed.
    assumptions
        Section ``sensor_features``.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, sorted by plantation and month. ``known_at`` is the latest reading of the month, NaT
        without one.

    Notes
    -----
    Readings out of range do not count. An hour is the mean of its readings; a day needs ``min_hours_per_day`` hours,
    or its single reading where a sensor reads at most once a day all month. A month needs ``min_days_fraction`` of its
    days and no gap longer than ``max_gap_days``; else it is NaN with ``sensor_gap``. The published value is the mean
    over sensors per depth, then over depths. ``completeness_sensors`` is valid hours over the month's hours, over all
    sensors of all variables that read in the month or in the ``expected_months`` before.
    """
    rules = _Rules.of(assumptions)
    wanted = None if months is None else sorted(set(months))
    good = readings[readings["plantation_id"].isin(register["plantation_id"])]
    good = good.sort_values([*_SENSOR, "time"], kind="stable").reset_index(drop=True)
    if good.empty:
        return _empty()
    places = register.drop_duplicates("plantation_id").set_index("plantation_id")
    local = _local(good, places)
    value = _in_range(good, places, rules)
    monthly = _sensor_months(good, local, value, rules)
    rows = _expected(monthly, wanted, rules)
    out = _plantation_months(rows)
    seen = good.groupby([good["plantation_id"], pd.Series(_month_text(local), name="month")], sort=True)["time"].max()
    out["known_at"] = seen.reindex(pd.MultiIndex.from_frame(out[["plantation_id", "month"]])).array
    if wanted is not None:
        out = out[out["month"].isin(wanted)]
    return out[list(COLUMNS)].reset_index(drop=True)


def _local(good: pd.DataFrame, places: pd.DataFrame) -> NDArray[np.datetime64]:
    """Wall-clock time of each reading."""
    out = good["time"].to_numpy("datetime64[us]").copy()
    zone = places["timezone"] if "timezone" in places else pd.Series("", index=places.index)
    zones = good["plantation_id"].map(zone).fillna("").to_numpy(dtype=object)
    for name in sorted(set(zones) - {""}):
        here = zones == name
        out[here] = good.loc[here, "time"].dt.tz_convert(name).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.asarray(out)


def _in_range(good: pd.DataFrame, places: pd.DataFrame, rules: _Rules) -> Floats:
    """Values with those that fail the range test as NaN, humidity just above saturation as saturation."""
    value = good["value"].to_numpy("float64").copy()
    variable = good["variable"].to_numpy(dtype=object)
    peat_of = places["is_peat"].eq(True).fillna(False) if "is_peat" in places else pd.Series(False, index=places.index)
    peat = good["plantation_id"].map(peat_of).to_numpy(bool)
    humid = variable == "relative_humidity"
    value[humid & (value > 100.0) & (value <= rules.humidity_overshoot)] = 100.0
    for name, (low, high) in sorted(rules.ranges.items()):
        upper = np.where(peat, rules.moisture_max_peat, high) if name == "soil_moisture" else np.full(len(value), high)
        value[(variable == name) & ~((value >= low) & (value <= upper))] = np.nan
    return np.asarray(value)


def _sensor_months(good: pd.DataFrame, local: NDArray[np.datetime64], value: Floats, rules: _Rules) -> pd.DataFrame:
    """One row per sensor and month with a reading: value (NaN if incomplete), valid hours, hours expected."""
    sensor = good.groupby(_SENSOR, sort=True, dropna=False).ngroup().to_numpy()
    hour = local.astype("datetime64[h]").astype(np.int64)
    frame = pd.DataFrame({"sensor": sensor, "hour": hour, "value": value})
    hours = frame.groupby(["sensor", "hour"], sort=True)["value"].agg(["mean", "size"]).reset_index()
    hours["day"] = hours["hour"] // _HOURS
    grouped = hours.groupby(["sensor", "day"], sort=True)
    days = grouped.agg(value=("mean", "mean"), valid=("mean", "count"), reads=("size", "sum")).reset_index()
    days["month"] = days["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    keys = ["sensor", "month"]
    single = days.groupby(keys, sort=True)["reads"].transform("max") == 1
    whole = days[days["valid"] >= np.where(single, 1, rules.hours)]
    months = days.groupby(keys, sort=True).agg(valid=("valid", "sum"), single=("reads", "max")).reset_index()
    value_of = whole.groupby(keys, sort=True)["value"].agg(["mean", "size"])
    gaps = _longest_gap(whole)
    found = pd.MultiIndex.from_frame(months[keys])
    length = np.diff(
        np.stack([months["month"], months["month"] + 1]).astype("datetime64[M]").astype("datetime64[D]"), axis=0
    )[0]
    months["days"] = length.astype(np.int64)
    n = value_of["size"].reindex(found).fillna(0).to_numpy("float64")
    enough = (n >= rules.days_fraction * months["days"]) & (gaps.reindex(found).fillna(99).to_numpy() <= rules.max_gap)
    months["value"] = np.where(enough, value_of["mean"].reindex(found).to_numpy("float64"), np.nan)
    months["expected"] = np.where(months["single"] == 1, months["days"], months["days"] * _HOURS)
    months["per_day"] = np.where(months["single"] == 1, 1, _HOURS)
    first = np.unique(sensor, return_index=True)[1]
    about = good.loc[first, _SENSOR].reset_index(drop=True)
    return months.join(about, on="sensor")


def _longest_gap(whole: pd.DataFrame) -> pd.Series:
    """Longest run of days without a whole day, the month's two ends included."""
    keys = ["sensor", "month"]
    first = whole["month"].to_numpy().astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    last = (whole["month"].to_numpy() + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    before = whole.groupby(keys, sort=True)["day"].shift(1).to_numpy("float64")
    lead = whole["day"].to_numpy() - np.where(np.isnan(before), first - 1, before) - 1
    after = whole.groupby(keys, sort=True)["day"].shift(-1).isna().to_numpy()
    tail = np.where(after, last - 1 - whole["day"].to_numpy(), 0)
    gaps = pd.Series(np.maximum(lead, tail), index=pd.MultiIndex.from_frame(whole[keys]))
    return gaps.groupby(level=[0, 1], sort=True).max()


def _expected(monthly: pd.DataFrame, wanted: list[str] | None, rules: _Rules) -> pd.DataFrame:
    """Add rows for months in which a sensor is silent though it counts as installed."""
    if wanted is None:
        targets = monthly[["plantation_id", "month"]].drop_duplicates()
    else:
        numbers = np.array(wanted, dtype="datetime64[M]").astype(np.int64)
        plantations = monthly[["plantation_id"]].drop_duplicates()
        targets = plantations.merge(pd.DataFrame({"month": numbers}), how="cross")
    sensors = monthly[["sensor", *_SENSOR]].drop_duplicates("sensor")
    grid = targets.merge(sensors, on="plantation_id")
    grid = grid.merge(monthly[["sensor", "month", "value", "valid", "expected"]], on=["sensor", "month"], how="left")
    history = monthly[["sensor", "month", "per_day"]].rename(columns={"month": "last"}).sort_values(["last", "sensor"])
    history["seen"] = history["last"]
    grid = pd.merge_asof(grid.sort_values(["month", "sensor"]), history, left_on="month", right_on="last", by="sensor")
    grid = grid[grid["seen"].notna() & (grid["month"] - grid["seen"] <= rules.expected)].copy()
    starts = np.stack([grid["month"], grid["month"] + 1]).astype("datetime64[M]").astype("datetime64[D]")
    silent = np.diff(starts, axis=0)[0].astype(np.float64) * grid["per_day"].to_numpy("float64")
    grid["expected"] = grid["expected"].fillna(pd.Series(silent, index=grid.index))
    grid["valid"] = grid["valid"].fillna(0.0)
    return grid.sort_values(["month", *_SENSOR], kind="stable")


def _plantation_months(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["plantation_id", "month"]
    total = rows.groupby(keys, sort=True)[["valid", "expected"]].sum()
    out = pd.DataFrame({"completeness_sensors": np.minimum(total["valid"] / total["expected"], 1.0)})
    gap = pd.Series(False, index=out.index)
    for variable, column in PUBLISHED.items():
        mine = rows[rows["variable"] == variable]
        by_depth = mine.groupby([*keys, "depth_m"], sort=True, dropna=False)["value"].mean()
        out[column] = by_depth.groupby(level=[0, 1], sort=True).mean().reindex(out.index)
        expected = out.index.isin(pd.MultiIndex.from_frame(mine[keys]))
        gap |= expected & out[column].isna()
    out["flags"] = pd.Series(np.where(gap, "sensor_gap", ""), index=out.index, dtype="str")
    out = out.reset_index()
    out["month"] = pd.Series(_month_text(out["month"].to_numpy().astype("datetime64[M]")), dtype="str")
    return out.astype({"plantation_id": "str"})


def _month_text(times: NDArray[np.datetime64]) -> NDArray[np.str_]:
    numbers, codes = np.unique(times.astype("datetime64[M]"), return_inverse=True)
    return np.asarray(np.datetime_as_string(numbers, unit="M")[codes])


def _empty() -> pd.DataFrame:
    kinds = {"plantation_id": "str", "month": "str", "flags": "str", "known_at": "datetime64[us, UTC]"}
    return pd.DataFrame({c: pd.Series(dtype=kinds.get(c, "float64")) for c in COLUMNS})
