"""Quality tests of a place: the sun and the station's clock."""

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

    night_w_m2: float
    night_deg: float
    clock_h: float
    conflict_hours: float
    conflict_share: float
    clock_doubt_h: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> PlaceLimits:
        """Read them."""
        return cls(**{k: assumptions.number(f"sensor_flags.{k}") for k in cls.__dataclass_fields__})


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
        Readings with local ``hour``, ``sensor`` and ``value``.
    conflict
        Readings of which the files hold another value for the same time.

    Returns
    -------
    tuple of numpy.ndarray
        Conflicts in a stretch of ``conflict_hours`` or more; readings after such a stretch up to the gap that a clock
        put right again leaves, ``clock_doubt_h`` hours at most.

    Notes
    -----
    A clock is the station's: at least two sensors, and ``conflict_share`` of those whose values move in the stretch,
    must be in conflict. One sensor's conflicts are its own and leave the others alone.
    """
    doubled, doubtful = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    if not conflict.any():
        return doubled, doubtful
    for _, rows in frame[frame["plantation_id"].isin(frame.loc[conflict, "plantation_id"])].groupby(STATION, sort=True):
        own = conflict[rows.index]
        hour = rows["hour"].to_numpy()
        hours, present = np.unique(hour[own]), np.unique(hour)
        for stretch in np.split(hours, np.flatnonzero(np.diff(hours) > 3) + 1) if len(hours) else []:
            if len(stretch) < limits.conflict_hours:
                continue
            during = (hour >= stretch[0]) & (hour <= stretch[-1])
            moving = rows[during].groupby("sensor", sort=True)["value"].nunique() > 1
            torn = moving.index.isin(rows.loc[during & own, "sensor"])
            if torn.sum() < 2 or torn.sum() < limits.conflict_share * (moving | torn).sum():
                continue
            doubled[rows.index[own & during]] = True
            later = present[(present >= stretch[-1]) & (present <= stretch[-1] + limits.clock_doubt_h)]
            gaps = np.flatnonzero(np.diff(later) - 1 >= max(1, len(stretch) // 2))
            end = later[gaps[0]] if len(gaps) else later[-1]
            doubtful[rows.index[(hour > stretch[-1]) & (hour <= end)]] = True
    return doubled, doubtful
