"""Slow drift: a sensor's offset to the grid, or to its fellows, moves away from what it was at first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def readings_beside(frame: pd.DataFrame, usable: Bools) -> tuple[Floats, Floats]:
    """Means of the station's other soil probes in the hour of each of its soil moisture readings.

    Parameters
    ----------
    frame
        Readings with ``sensor``, ``hour``, ``depth_m``, ``checked`` and the ids.
    usable
        Readings that may speak for the others, shape ``(n,)``.

    Returns
    -------
    tuple of numpy.ndarray
        m3 m-3, each of shape ``(n,)``: of all others, and of those that lie less deep; NaN for other variables and
        without such a probe.
    """
    beside, above = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    rows = np.flatnonzero((frame["variable"] == "soil_moisture").to_numpy() & usable)
    own = frame.iloc[rows]
    own = own[own["checked"].notna()].assign(n=1.0).rename(columns={"checked": "sum"})
    hour, depth = ["plantation_id", "station_id", "hour"], ["plantation_id", "station_id", "hour", "depth_m"]
    whole = own.groupby(hour, sort=False, dropna=False)[["sum", "n"]].transform("sum")
    layers = own.groupby(depth, sort=True, dropna=False)[["sum", "n"]].sum()
    over = layers.groupby(level=hour, sort=False, dropna=False).cumsum() - layers
    over = over.reindex(pd.MultiIndex.from_frame(own[depth]))
    at = own.index.to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        beside[at] = ((whole["sum"] - own["sum"]) / (whole["n"] - 1.0)).to_numpy()
        above[at] = np.where(own["depth_m"].notna(), over["sum"].to_numpy() / over["n"].to_numpy(), np.nan)
    beside[~np.isfinite(beside)] = np.nan
    return beside, above


def drifted(frame: pd.DataFrame, daily: pd.DataFrame | None, assumptions: Assumptions) -> Bools:
    """Readings in thirds of months in which a sensor has drifted.

    Parameters
    ----------
    frame
        Readings with ``sensor``, ``day``, ``month`` (local), ``checked``.
    daily
        ``plantation_id, date`` and any of ``t2m_min, t2m_max`` in degC, ``rh`` in %; None: fellow sensors alone.
    assumptions
        Section ``sensor_flags``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``. A third is bad where the median offset of its whole days differs from that of the first
        ``drift_known`` thirds by ``drift`` and by ``drift_noise`` times the usual change between neighbouring thirds,
        and so does the third before, or it is the first of a longer stretch of the same month. A third without
        reference is as bad as the last one judged.

    Notes
    -----
    The reference is the grid; of variables without one, other sensors of the variable and depth at the plantation: of
    three or more their median without the sensor's own, of two the offset is nobody's fault and not judged. Offsets
    that were there from the first reading on (elevation, canopy) are no drift. Soil moisture and water tables have no
    reference that would tell drift from drainage.
    """
    limits: dict[str, float] = assumptions.table("sensor_flags.drift")
    noise, known = assumptions.number("sensor_flags.drift_noise"), int(assumptions.number("sensor_flags.drift_known"))
    out = np.zeros(len(frame), dtype=bool)
    rows = frame[frame["variable"].isin(list(limits)) & frame["checked"].notna()]
    if rows.empty:
        return out
    keys = ["plantation_id", "variable", "sensor", "day"]
    days = rows.groupby(keys, sort=True).agg(value=("checked", "mean"), n=("hour", "nunique"), month=("month", "first"))
    days = days[days["n"] >= 18].reset_index()
    days["offset"] = days["value"] - _reference(days, daily)
    days["third"] = _thirds(days)
    wrong = []
    for (variable, sensor), own in days.groupby(["variable", "sensor"], sort=True):
        offset = own.groupby("third", sort=True)["offset"].median()
        open_ = offset.index[offset.isna()]
        offset = offset.dropna()
        if len(offset) <= known:
            continue
        first, usual = offset.iloc[:known].median(), offset.diff().abs().expanding(known).median()
        away = (offset - first).abs()
        bad = (away > limits[str(variable)]) & (away > noise * usual.shift(1).fillna(np.inf))
        bad.iloc[:known] = False
        # one third alone may be the weather's; of a longer stretch the first counts where its month shows the second
        same_month = (bad.index.to_numpy()[1:] // 3 == bad.index.to_numpy()[:-1] // 3) & bad.to_numpy()[1:]
        lasting = bad & (bad.shift(1, fill_value=False) | np.r_[same_month, False])
        wrong += [(sensor, third) for third in offset.index[lasting]]
        # a sensor that has drifted is not right again because its reference is late
        last = np.searchsorted(offset.index, open_) - 1
        wrong += [(sensor, t) for t, i in zip(open_, last, strict=True) if i >= 0 and lasting.iloc[i]]
    found = pd.MultiIndex.from_tuples(wrong, names=["sensor", "third"]) if wrong else []
    return np.asarray(pd.MultiIndex.from_arrays([frame["sensor"], _thirds(frame)]).isin(found))


def _thirds(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Number of the third of its month each row's day lies in."""
    start = rows["month"].to_numpy().astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(3 * rows["month"].to_numpy() + np.minimum((rows["day"].to_numpy() - start) // 10, 2))


def _reference(days: pd.DataFrame, daily: pd.DataFrame | None) -> Floats:
    """What the day should have been, by the grid; without it by three or more sensors of the variable."""
    out = np.full(len(days), np.nan)
    if daily is not None and len(daily):
        at = pd.MultiIndex.from_arrays(
            [daily["plantation_id"], daily["date"].to_numpy("datetime64[D]").astype(np.int64)]
        )
        nothing = pd.Series(np.nan, index=daily.index)
        mean = (daily.get("t2m_min", nothing) + daily.get("t2m_max", nothing)) / 2.0
        for variable, values in (("air_temperature", mean), ("relative_humidity", daily.get("rh", nothing))):
            grid = pd.Series(values.to_numpy("float64"), index=at)
            grid = grid[~grid.index.duplicated()]
            own = (days["variable"] == variable).to_numpy()
            out[own] = grid.reindex(pd.MultiIndex.from_frame(days.loc[own, ["plantation_id", "day"]])).to_numpy()
    fellows = days.groupby(["plantation_id", "variable", "day"], sort=False)["value"]
    many = fellows.transform("size") >= 3
    return np.where(np.isnan(out) & many.to_numpy(), fellows.transform("median").to_numpy("float64"), out)
