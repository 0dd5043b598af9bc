"""Daily climate of several origins to one value per plantation, day and variable: what was best known."""

from __future__ import annotations

import numpy as np
import pandas as pd

VARIABLES = ("precipitation", "t2m_min", "t2m_max", "ssrd", "rh", "wind2m")

#: First days of the five-day periods of a month, as CHIRPS counts them; the sixth lasts to the month's end.
_PENTADS = (1, 6, 11, 16, 21, 26)


def final_known_at(dates: pd.Series, lag_days: int) -> pd.Series:
    """Instant from which final values of days count as known: the end of their month plus a lag, UTC."""
    ends = dates.dt.tz_localize("UTC") + pd.offsets.MonthEnd(0)
    return (ends + pd.Timedelta(days=lag_days)).astype("datetime64[us, UTC]")


def preliminary_known_at(dates: pd.Series, lag_days: int) -> pd.Series:
    """Instant from which preliminary values of days count as known: the last day of their pentad plus a lag, UTC."""
    ends = dates.dt.tz_localize("UTC") + pd.offsets.MonthEnd(0)
    pentad = np.searchsorted(_PENTADS, dates.dt.day.to_numpy(), side="right")
    last = np.where(pentad == 6, ends.dt.day.to_numpy(), pentad * 5)
    days = dates + pd.to_timedelta(last - dates.dt.day.to_numpy(), unit="D")
    return (days.dt.tz_localize("UTC") + pd.Timedelta(days=lag_days)).astype("datetime64[us, UTC]")


def best_known(daily: pd.DataFrame) -> pd.DataFrame:
    """One row per plantation and day from rows of several layers and revisions.

    Parameters
    ----------
    daily
        ``plantation_id, date``, any of :data:`VARIABLES`, ``known_at`` (UTC), ``preliminary`` (bool) and ``layer``
        (number; the smallest wins). Rows not yet known must have been removed.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, date``, the variables, ``known_at``, ``preliminary``, sorted. Each variable is that of the
        smallest layer that has a value, there in its latest revision; ``known_at`` is the latest instant among the
        rows that gave a value, ``preliminary`` whether one of them is preliminary.
    """
    names = [v for v in VARIABLES if v in daily]
    kept = ["plantation_id", "date", *names, "known_at", "preliminary"]
    order = ["plantation_id", "date", "layer", "known_at"]
    rows = daily.sort_values(order, ascending=[True, True, True, False], kind="stable").reset_index(drop=True)
    several = rows.duplicated(["plantation_id", "date"], keep=False)
    if not several.any():
        return rows[kept]
    mixed = rows[several]
    keys = [mixed["plantation_id"], mixed["date"]]
    out = mixed.groupby(keys, sort=True)[names].first()  # the first value there is, variable by variable
    known, preliminary = [], []
    for name in names:
        given = mixed[name].notna()
        known.append(mixed["known_at"].where(given).groupby(keys, sort=True).first())
        preliminary.append(mixed["preliminary"].astype("float64").where(given).groupby(keys, sort=True).first())
    fallback = mixed.groupby(keys, sort=True)["known_at"].min()
    out["known_at"] = pd.concat(known, axis=1).max(axis=1).fillna(fallback).astype("datetime64[us, UTC]")
    out["preliminary"] = pd.concat(preliminary, axis=1).max(axis=1).fillna(0.0) > 0.0
    both = pd.concat([rows.loc[~several, kept], out.reset_index()[kept]], ignore_index=True)
    return both.sort_values(["plantation_id", "date"], kind="stable").reset_index(drop=True)
