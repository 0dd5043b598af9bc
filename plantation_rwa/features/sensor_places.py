"""Quality tests that need more than one sensor: rain at the place, gauge against grid, the sun, the station's clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Solar hour at which the mean day of a variable peaks.
PEAK_HOUR = {"air_temperature": 14.0, "radiation": 12.0}
STATION = ["plantation_id", "station_id"]
_HOUR = 24


@dataclass(frozen=True)
class PlaceLimits:
    """Section ``sensor_flags`` of the assumptions, its part for stations."""

    clog_day_mm: float
    clog_days: float
    over_grid: float
    over_grid_mm: float
    night_w_m2: float
    night_deg: float
    clock_h: float
    conflict_hours: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> PlaceLimits:
        """Read them."""
        return cls(**{k: assumptions.number(f"sensor_flags.{k}") for k in cls.__dataclass_fields__})


def gauge_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Daily totals of every gauge.

    Parameters
    ----------
    frame
        Readings with ``sensor`` (number of the series), ``day`` and ``hour`` (local, whole numbers since 1970),
        ``month``, ``checked`` (value in mm, NaN if out of range).

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, sensor, day, month, total`` in mm and ``hours`` with a reading; in order.
    """
    rain = frame[(frame["variable"] == "rain") & frame["checked"].notna()]
    groups = rain.groupby(["plantation_id", "sensor", "day"], sort=True)
    out = groups.agg(month=("month", "first"), total=("checked", "sum"), hours=("hour", "nunique"))
    return out.reset_index()


def clogged(gauges: pd.DataFrame, grid: pd.DataFrame, limits: PlaceLimits) -> pd.DataFrame:
    """Days on which a gauge says nothing although the grid has rain.

    Parameters
    ----------
    gauges
        From :func:`gauge_days`.
    grid
        Daily rain of the plantation: ``plantation_id, day`` (whole number since 1970), ``grid`` in mm.

    Returns
    -------
    pandas.DataFrame
        ``sensor, day`` of the days to leave out: in a run of dry gauge days, from the first to the last on which the
        grid has rain, if on ``clog_days`` of them it has ``clog_day_mm``. Each month judges by the run up to its end.

    Notes
    -----
    domain/yield.md section 4, rain gauge. A grid has rain on days that stay dry at one point of it; a run of days of
    strong rain without a single tip it has not.
    """
    both = gauges.merge(grid, on=["plantation_id", "day"], how="left").sort_values(["sensor", "day"], kind="stable")
    dry = (both["total"] == 0.0).to_numpy()
    new = np.r_[True, (both["sensor"].to_numpy()[1:] != both["sensor"].to_numpy()[:-1]) | (dry[1:] != dry[:-1])]
    both["run"] = np.cumsum(new) if len(both) else 0
    both["strong"] = dry & (both["grid"] >= limits.clog_day_mm).to_numpy()
    runs = both[both["run"].isin(both.loc[both["strong"], "run"])]
    found = []
    for _, run in runs.groupby("run", sort=True):
        for month in sorted(set(run["month"])):
            sofar = run[run["month"] <= month]
            if sofar["strong"].sum() >= limits.clog_days:
                rainy = sofar.loc[sofar["grid"] >= 1.0, "day"]
                own = sofar["month"] == month
                found.append(sofar[own & sofar["day"].between(rainy.min(), rainy.max())])
    columns = ["sensor", "day"]
    return pd.concat(found)[columns] if found else pd.DataFrame({c: pd.Series(dtype="int64") for c in columns})


def over_grid(gauges: pd.DataFrame, grid: pd.DataFrame, limits: PlaceLimits) -> pd.DataFrame:
    """Thirds of months in which a gauge has ``over_grid`` times the grid's rain and ``over_grid_mm`` more.

    Parameters and columns as :func:`clogged`.
    """
    both = gauges.merge(grid, on=["plantation_id", "day"], how="inner")
    start = both["month"].to_numpy().astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    both["third"] = np.minimum((both["day"].to_numpy() - start) // 10, 2)
    sums = both.groupby(["sensor", "month", "third"], sort=True)[["total", "grid"]].transform("sum")
    more = sums["total"] > limits.over_grid * sums["grid"] + limits.over_grid_mm
    return both.loc[more, ["sensor", "day"]]


def rain_axis(frame: pd.DataFrame, gauges: pd.DataFrame, grid: pd.DataFrame, lost: pd.DataFrame) -> dict[str, Floats]:
    """Cumulated rain of each plantation at every whole hour of its readings.

    Parameters
    ----------
    frame
        Readings with local ``hour`` and ``day``, ``checked``, ``sensor``.
    gauges, grid, lost
        Gauge days, grid days, and gauge days to leave out.

    Returns
    -------
    dict
        By plantation an array of shape ``(2, hours)``: local hour since 1970 and mm. Hours of a gauge where it has
        readings on most of the day, else the grid's day spread evenly; plantations with neither are absent.
    """
    whole = gauges[gauges["hours"] >= 18]
    gone = pd.MultiIndex.from_frame(lost[["sensor", "day"]])
    whole = whole[~pd.MultiIndex.from_frame(whole[["sensor", "day"]]).isin(gone)]
    rain = frame[(frame["variable"] == "rain") & frame["checked"].notna()]
    rain = rain[
        pd.MultiIndex.from_frame(rain[["sensor", "day"]]).isin(pd.MultiIndex.from_frame(whole[["sensor", "day"]]))
    ]
    hourly = rain.groupby(["plantation_id", "sensor", "hour"], sort=True)["checked"].sum()
    hourly = hourly.groupby(level=["plantation_id", "hour"], sort=True).mean()
    spans = frame.groupby("plantation_id", sort=True)["hour"].agg(["min", "max"])
    out = {}
    for plantation, (first, last) in zip(spans.index, spans.to_numpy(), strict=True):
        mine = grid[grid["plantation_id"] == plantation]
        has_gauge = plantation in hourly.index.get_level_values(0)
        if mine["grid"].notna().sum() == 0 and not has_gauge:
            continue
        hours = np.arange(first, last + 1)
        per_day = mine.set_index("day")["grid"]
        fallen = per_day.reindex(hours // _HOUR).fillna(0.0).to_numpy() / _HOUR
        if has_gauge:
            own = hourly.loc[plantation]
            covered = np.isin(hours // _HOUR, own.index.to_numpy() // _HOUR)
            fallen = np.where(covered, own.reindex(hours).fillna(0.0).to_numpy(), fallen)
        out[str(plantation)] = np.stack([hours.astype(np.float64), np.cumsum(fallen)])
    return out


def at_night(frame: pd.DataFrame, places: pd.DataFrame, limits: PlaceLimits) -> Bools:
    """Radiation above ``night_w_m2`` while the sun stands ``night_deg`` or more below the horizon.

    Parameters
    ----------
    frame
        Readings with ``time`` (UTC) and ``checked``.
    places
        ``longitude, latitude`` in degrees by plantation.

    Notes
    -----
    Elevation from declination 23.45 sin(360 (284 + day) / 365) and the hour angle without the equation of time
    (Duffie and Beckman); its error of 4 degrees is within the margin.
    """
    rows = np.flatnonzero((frame["variable"] == "radiation") & (frame["checked"] > limits.night_w_m2))
    out = np.zeros(len(frame), dtype=bool)
    if len(rows) == 0:
        return out
    time = frame["time"].iloc[rows]
    where = places.reindex(frame["plantation_id"].iloc[rows])
    day = time.dt.dayofyear.to_numpy("float64")
    solar = (time.dt.hour + time.dt.minute / 60.0).to_numpy("float64") + where["longitude"].to_numpy() / 15.0
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (284.0 + day) / 365.0)
    latitude = np.deg2rad(where["latitude"].to_numpy("float64"))
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        2 * np.pi * (solar - 12.0) / 24.0
    )
    with np.errstate(invalid="ignore"):
        out[rows] = np.rad2deg(np.arcsin(np.clip(height, -1, 1))) < -limits.night_deg
    return out


def clock_errors(frame: pd.DataFrame, places: pd.DataFrame, limits: PlaceLimits) -> Bools:
    """Readings of stations and months whose day runs ``clock_h`` hours or more off the sun.

    Notes
    -----
    The first harmonic of the mean day by solar time (UTC + longitude / 15) peaks at :data:`PEAK_HOUR`. Judged by air
    temperature, without it by radiation; not judged with less than 20 of the 24 hours or 200 readings.
    """
    rows = frame[frame["variable"].isin(PEAK_HOUR) & frame["checked"].notna()]
    longitude = places["longitude"].reindex(rows["plantation_id"]).to_numpy("float64")
    rows = rows[~np.isnan(longitude)]
    if rows.empty:
        return np.zeros(len(frame), dtype=bool)
    utc = (rows["time"].dt.hour + rows["time"].dt.minute / 60.0).to_numpy("float64")
    solar = np.floor((utc + longitude[~np.isnan(longitude)] / 15.0) % 24.0).astype(np.int64)
    keys = [*STATION, "month", "variable"]
    days = rows.assign(solar=solar).groupby([*keys, "solar"], sort=True)["checked"].agg(["median", "size"])
    wave = days["median"] * np.exp(1j * 2 * np.pi * (days.index.get_level_values("solar").to_numpy() + 0.5) / 24.0)
    found = pd.DataFrame(
        {
            "wave": wave.groupby(level=keys, sort=True).sum(),
            "hours": days.groupby(level=keys, sort=True).size(),
            "readings": days["size"].groupby(level=keys, sort=True).sum(),
        }
    ).reset_index()
    found = found[(found["hours"] >= 20) & (found["readings"] >= 200) & (found["wave"].abs() > 1e-6)]
    found = found.sort_values(keys, kind="stable").drop_duplicates([*STATION, "month"])  # air_temperature sorts first
    peak = np.angle(found["wave"].to_numpy(complex)) * 24.0 / (2 * np.pi)
    off = (peak - found["variable"].map(PEAK_HOUR).to_numpy("float64") + 12.0) % 24.0 - 12.0
    wrong = pd.MultiIndex.from_frame(found.loc[np.abs(off) >= limits.clock_h, [*STATION, "month"]])
    return np.asarray(pd.MultiIndex.from_frame(frame[[*STATION, "month"]]).isin(wrong))


def clock_set_back(frame: pd.DataFrame, conflict: Bools, limits: PlaceLimits) -> tuple[Bools, Bools]:
    """Hours a station has twice with different values, and what follows until its next gap.

    Parameters
    ----------
    frame
        Readings with local ``hour``.
    conflict
        Readings of which the files hold another value for the same time.

    Returns
    -------
    tuple of numpy.ndarray
        Conflicts in a stretch of ``conflict_hours`` or more (a single one is a glitch of the transfer); readings
        after such a stretch up to the gap that a clock put right again leaves.
    """
    doubled, doubtful = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    if not conflict.any():
        return doubled, doubtful
    for _, rows in frame[frame["plantation_id"].isin(frame.loc[conflict, "plantation_id"])].groupby(STATION, sort=True):
        own = conflict[rows.index]
        hours = np.unique(rows["hour"].to_numpy()[own])
        if len(hours) == 0:
            continue
        present = np.unique(rows["hour"].to_numpy())
        for stretch in np.split(hours, np.flatnonzero(np.diff(hours) > 3) + 1):
            if len(stretch) < limits.conflict_hours:
                continue
            hour = rows["hour"].to_numpy()
            doubled[rows.index[own & (hour >= stretch[0]) & (hour <= stretch[-1])]] = True
            later = present[present >= stretch[-1]]
            gaps = np.flatnonzero(np.diff(later) - 1 >= max(1, len(stretch) // 2))
            end = later[gaps[0]] if len(gaps) else later[-1]
            doubtful[rows.index[(hour > stretch[-1]) & (hour <= end)]] = True
    return doubled, doubtful
