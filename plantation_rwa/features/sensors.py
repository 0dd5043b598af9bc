"""Sensor readings to monthly values: quality flags, hours to days to months, completeness, root zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.features.sensor_flags import SENSOR, flag_readings, has_flag, place_readings

Floats = NDArray[np.float64]

#: Published columns, in order; ``run`` copies them into the features.
VALUES = (
    *("soil_moisture_m3m3", "root_zone_mm", "water_table_cm", "water_table_p90_cm", "water_table_shallow_d"),
    *("rain_gauge_mm", "air_temperature_c", "completeness_sensors"),
)
COLUMNS = ("plantation_id", "month", *VALUES, "flags", "known_at")

#: Published column of each variable that has one.
PUBLISHED = {
    "soil_moisture": "soil_moisture_m3m3",
    "water_table": "water_table_cm",
    "rain": "rain_gauge_mm",
    "air_temperature": "air_temperature_c",
}
_HOURS = 24


@dataclass(frozen=True)
class _Rules:
    min_hours_per_day: float
    min_days_fraction: float
    min_rain_hours_per_day: float
    min_rain_days_fraction: float
    max_gap_days: float
    expected_months: float
    installed_days: float
    root_zone_m: float
    min_profile_m: float
    water_table_shallow_cm: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> _Rules:
        return cls(**{k: assumptions.number(f"sensor_features.{k}") for k in cls.__dataclass_fields__})


def monthly_sensors(
    readings: pd.DataFrame,
    register: pd.DataFrame,
    months: Iterable[str] | None = None,
    *,
    daily: pd.DataFrame | None = None,
    assumptions: Assumptions,
    flagged: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Monthly sensor features of each plantation.

    Parameters
    ----------
    readings
        As ``sources.sensors.read_sensors`` gives them (UTC, canonical units), any order.
    register
        ``plantation_id, timezone, is_peat, geometry``; days and months are local in ``timezone`` (UTC where it is
        empty).
    months
        Months wanted; None: every month with a reading. A wanted month without any reading has a row while sensors
        count as installed.
    daily
        ``plantation_id, date, precipitation`` in mm, for the tests of gauges; None: those are left out.
    assumptions
        Sections ``sensor_features`` and ``sensor_flags``.
    flagged
        Result of :func:`sensor_flags.flag_readings` for the same arguments, where it is there already.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, sorted by plantation and month. ``known_at`` is the latest reading of the month, NaT
        without one.

    Notes
    -----
    Readings with a flag that does not count (:func:`sensor_flags.flag_readings`) are left out. An hour is the mean of
    its readings, of rain the sum; a day needs ``min_hours_per_day`` hours (rain ``min_rain_hours_per_day``), or its
    single reading where a sensor reads at most once a day all month. A month needs ``min_days_fraction`` of its days
    (rain ``min_rain_days_fraction``) and no gap longer than ``max_gap_days``; else it is NaN, with ``sensor_gap``, as
    in
    every month from the first reading of its kind on. Rain is the sum of its days, gaps not filled; the others are
    means. The published
    value is the mean over sensors per depth, then over depths; the root zone is :func:`root_zone`.
    ``completeness_sensors`` is valid hours over the month's hours, over all sensors of all variables that read in the
    month or in the ``expected_months`` before, once they have read on ``installed_days`` days.
    """
    rules = _Rules.of(assumptions)
    wanted = None if months is None else sorted(set(months))
    if flagged is None:
        flagged = flag_readings(readings, register, daily, assumptions)
    if flagged.empty:
        return _empty()
    monthly = _sensor_months(flagged, rules)
    if monthly.empty:
        return _empty()
    rows = _expected(monthly, wanted, rules)
    out = _plantation_months(rows, rules)
    out["flags"] = _with_gaps(out, flagged)
    out["flags"] = _with_clock(out, flagged)
    seen = flagged.groupby(["plantation_id", "month"], sort=True)["time"].max()
    out["known_at"] = seen.reindex(pd.MultiIndex.from_frame(out[["plantation_id", "month"]])).array
    out["month"] = pd.Series(_month_text(out["month"].to_numpy().astype("datetime64[M]")), dtype="str")
    if wanted is not None:
        out = out[out["month"].isin(wanted)]
    return out[list(COLUMNS)].reset_index(drop=True)


def root_zone(depth: Floats, moisture: Floats, bottom: float) -> float:
    """Water in the root zone in mm: moisture, linear between probes and level beyond them, from the surface down.

    Parameters
    ----------
    depth
        Metres, rising, shape ``(n,)``.
    moisture
        m3 m-3, same shape.
    bottom
        Lower end in metres.

    Notes
    -----
    domain/yield.md section 4: S = sum of VWC dz 1000 mm by trapezoids over 0 to 60 cm.
    """
    inner = (depth > 0.0) & (depth < bottom)
    z = np.concatenate([[0.0], depth[inner], [bottom]])
    return float(np.trapezoid(np.interp(z, depth, moisture), z) * 1000.0)


def reading_months(readings: pd.DataFrame, register: pd.DataFrame, assumptions: Assumptions) -> pd.DataFrame:
    """The readings of the register's plantations in order, with ``month`` (YYYY-MM) in which each counts."""
    frame = place_readings(readings, register, assumptions)
    frame["month"] = _month_text(frame["month"].to_numpy().astype("datetime64[M]"))
    return frame[[*readings.columns, "month"]]


def _sensor_months(flagged: pd.DataFrame, rules: _Rules) -> pd.DataFrame:
    """One row per sensor and month with a reading: value (NaN if incomplete), valid hours, hours expected."""
    by_hour = flagged.groupby(["sensor", "hour"], sort=True)["checked"]
    hours = by_hour.agg(["mean", "sum", "count", "size"]).reset_index()
    first = flagged.drop_duplicates("sensor").set_index("sensor")
    hours["rain"] = hours["sensor"].map(first["variable"]).eq("rain")
    # an hour that lost one of its readings to a flag has no known sum
    total = hours["sum"].where(hours["count"] == hours["size"])
    hours["value"] = np.where(hours["rain"], total, hours["mean"])
    hours["day"] = hours["hour"] // _HOURS
    grouped = hours.groupby(["sensor", "day"], sort=True)
    days = grouped.agg(
        mean=("value", "mean"),
        sum=("value", "sum"),
        valid=("value", "count"),
        reads=("size", "sum"),
        rain=("rain", "first"),
    ).reset_index()
    days["value"] = np.where(days["rain"], days["sum"], days["mean"])
    days["month"] = days["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    keys = ["sensor", "month"]
    single = days.groupby(keys, sort=True)["reads"].transform("max") == 1
    least = np.where(days["rain"], rules.min_rain_hours_per_day, rules.min_hours_per_day)
    whole = days[days["valid"] >= np.where(single, 1, least)]
    groups = days.groupby(keys, sort=True)
    months = groups.agg(valid=("valid", "sum"), single=("reads", "max"), read=("day", "size"), rain=("rain", "first"))
    months = months.reset_index()
    installed = months.groupby("sensor", sort=True)["read"].cumsum() >= rules.installed_days
    months = months[installed].reset_index(drop=True)
    value_of = whole.groupby(keys, sort=True)["value"].agg(["mean", "sum", "size"])
    shallow = (whole["value"] < rules.water_table_shallow_cm).groupby([whole[k] for k in keys], sort=True).sum()
    wet = whole[whole["sensor"].map(first["variable"]).eq("water_table")]
    high = wet.groupby(keys, sort=True)["value"].quantile(0.9)
    gaps = _longest_gap(whole)
    found = pd.MultiIndex.from_frame(months[keys])
    length = np.diff(
        np.stack([months["month"], months["month"] + 1]).astype("datetime64[M]").astype("datetime64[D]"), axis=0
    )[0]
    months["days"] = length.astype(np.int64)
    n = value_of["size"].reindex(found).fillna(0).to_numpy("float64")
    share = np.where(months["rain"], rules.min_rain_days_fraction, rules.min_days_fraction)
    enough = (n >= share * months["days"]) & (gaps.reindex(found).fillna(99).to_numpy() <= rules.max_gap_days)
    value = np.where(months["rain"], value_of["sum"].reindex(found), value_of["mean"].reindex(found))
    for name, of in (("value", value), ("p90", high.reindex(found)), ("shallow", shallow.reindex(found))):
        months[name] = np.where(enough, np.asarray(of, dtype="float64"), np.nan)
    months["expected"] = np.where(months["single"] == 1, months["days"], months["days"] * _HOURS)
    months["per_day"] = np.where(months["single"] == 1, 1, _HOURS)
    return months.join(first[SENSOR], on="sensor")


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
    sensors = monthly[["sensor", *SENSOR]].drop_duplicates("sensor")
    grid = targets.merge(sensors, on="plantation_id")
    grid = grid.merge(
        monthly[["sensor", "month", "value", "p90", "shallow", "valid", "expected"]], on=["sensor", "month"], how="left"
    )
    history = monthly[["sensor", "month", "per_day"]].rename(columns={"month": "last"}).sort_values(["last", "sensor"])
    history["seen"] = history["last"]
    grid = pd.merge_asof(grid.sort_values(["month", "sensor"]), history, left_on="month", right_on="last", by="sensor")
    grid = grid[grid["seen"].notna() & (grid["month"] - grid["seen"] <= rules.expected_months)].copy()
    starts = np.stack([grid["month"], grid["month"] + 1]).astype("datetime64[M]").astype("datetime64[D]")
    silent = np.diff(starts, axis=0)[0].astype(np.float64) * grid["per_day"].to_numpy("float64")
    grid["expected"] = grid["expected"].fillna(pd.Series(silent, index=grid.index))
    grid["valid"] = grid["valid"].fillna(0.0)
    return grid.sort_values(["month", *SENSOR], kind="stable")


def _plantation_months(rows: pd.DataFrame, rules: _Rules) -> pd.DataFrame:
    keys = ["plantation_id", "month"]
    total = rows.groupby(keys, sort=True)[["valid", "expected"]].sum()
    out = pd.DataFrame({"completeness_sensors": np.minimum(total["valid"] / total["expected"], 1.0)})
    for variable, column in PUBLISHED.items():
        mine = rows[rows["variable"] == variable]
        by_depth = mine.groupby([*keys, "depth_m"], sort=True, dropna=False)["value"].mean()
        out[column] = by_depth.groupby(level=[0, 1], sort=True).mean().reindex(out.index)
        if variable == "soil_moisture":
            out["root_zone_mm"] = _root_zones(by_depth.dropna(), rules).reindex(out.index)
        if variable == "water_table":
            piezometers = mine.groupby(keys, sort=True)[["p90", "shallow"]].mean().reindex(out.index)
            out["water_table_p90_cm"], out["water_table_shallow_d"] = piezometers["p90"], piezometers["shallow"]
    return out.reset_index().astype({"plantation_id": "str"})


def _root_zones(by_depth: pd.Series, rules: _Rules) -> pd.Series:
    """Storage per plantation and month, of profiles that reach deep enough."""
    found = {}
    for key, profile in by_depth.groupby(level=[0, 1], sort=True):
        depth = profile.index.get_level_values("depth_m").to_numpy("float64")
        if not np.isnan(depth).any() and depth.max() >= rules.min_profile_m:
            found[key] = root_zone(depth, profile.to_numpy("float64"), rules.root_zone_m)
    index = (
        pd.MultiIndex.from_tuples(list(found), names=by_depth.index.names[:2])
        if found
        else by_depth.index[:0].droplevel(2)
    )
    return pd.Series(list(found.values()), index=index, dtype="float64")


def _with_gaps(out: pd.DataFrame, flagged: pd.DataFrame) -> pd.Series:
    """``sensor_gap`` where a column is empty in or after the month of the first reading of its kind."""
    begun = flagged.groupby(["variable", "plantation_id"], sort=True)["month"].min()
    gap = np.zeros(len(out), dtype=bool)
    for variable, column in PUBLISHED.items():
        if variable in begun.index.get_level_values(0):
            first = out["plantation_id"].map(begun[variable])
            gap |= (out["month"] >= first).to_numpy(bool) & out[column].isna().to_numpy(bool)
    return pd.Series(np.where(gap, "sensor_gap", ""), index=out.index, dtype="str")


def _with_clock(out: pd.DataFrame, flagged: pd.DataFrame) -> pd.Series:
    """Flags of the months, with ``sensor_clock`` where a station's clock is in doubt."""
    doubt = has_flag(flagged, "clock_shift", "clock_back", "clock_doubt")
    keys = ["plantation_id", "month"]
    late = pd.MultiIndex.from_frame(out[keys]).isin(pd.MultiIndex.from_frame(flagged.loc[doubt, keys]))
    joined = np.where(out["flags"] == "", "sensor_clock", "sensor_clock;" + out["flags"])
    return pd.Series(np.where(late, joined, out["flags"]), index=out.index, dtype="str")


def _month_text(times: NDArray[np.datetime64]) -> NDArray[np.str_]:
    numbers, codes = np.unique(times.astype("datetime64[M]"), return_inverse=True)
    return np.asarray(np.datetime_as_string(numbers, unit="M")[codes])


def _empty() -> pd.DataFrame:
    kinds = {"plantation_id": "str", "month": "str", "flags": "str", "known_at": "datetime64[us, UTC]"}
    return pd.DataFrame({c: pd.Series(dtype=kinds.get(c, "float64")) for c in COLUMNS})
