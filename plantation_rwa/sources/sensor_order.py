"""Dates that could be day or month first, told apart by the order in which a logger wrote its rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Rising days of certain dates that prove a stretch of a file to be in order of time; by chance 1 in 3.6 million.
ORDER_DAYS = 10
#: Days by which a row may stand before the one above it: zones differ, clocks are set. Day and month exchanged moves
#: a date by 28 days at least.
SLACK_DAYS = 1
#: Share of neighbouring certain rows at most :data:`SLACK_DAYS` apart from which a record counts as without gaps.
STEADY_SHARE = 0.98


def day_numbers(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970; -1 where there is no such day."""
    parts = pd.DataFrame({"year": year, "month": month, "day": day})
    stamps = pd.to_datetime(parts, errors="coerce").to_numpy("datetime64[D]")
    return np.where(np.isnat(stamps), -1, stamps.astype(np.int64))


def by_order(series: Ints, day_first: Ints, month_first: Ints) -> tuple[Bools, Bools]:
    """Dates of which only one reading stands in its place in the file.

    Parameters
    ----------
    series
        Number of the file and sensor of each row, rows of a series in the order of the file, shape ``(n,)``.
    day_first, month_first
        Days since 1970 under either reading; equal where the date is certain, -1 where there is none.

    Returns
    -------
    tuple of numpy.ndarray
        Rows that can only be day first, and only month first. Where the certain dates of a series fall, a new stretch
        begins; a stretch without :data:`ORDER_DAYS` rising days of certain dates proves nothing.

    Notes
    -----
    A date is read so if only this reading lies between the dates before and after it. Where both do, as in the first
    days of a file, a record without gaps settles it: of two days a month apart the one next to a known row.
    """
    as_day, as_month = np.zeros(len(series), dtype=bool), np.zeros(len(series), dtype=bool)
    order = np.argsort(series, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
        certain = np.flatnonzero((day_first[rows] == month_first[rows]) & (day_first[rows] >= 0))
        if len(certain) < ORDER_DAYS:
            continue
        days = day_first[rows[certain]]
        falls = np.flatnonzero(np.diff(days) < -SLACK_DAYS)
        starts, ends = np.r_[0, falls + 1], np.r_[falls, len(certain) - 1]
        for number, (first, last) in enumerate(zip(starts, ends, strict=True)):
            if len(np.unique(days[first : last + 1])) < ORDER_DAYS:
                continue
            # rows outside the outermost certain ones belong to the stretch only at the ends of the file
            begin = 0 if number == 0 else certain[first]
            end = len(rows) if number == len(starts) - 1 else certain[last] + 1
            own = rows[begin:end]
            fits_day, fits_month = _fitting(day_first[own], month_first[own])
            if np.mean(np.diff(days[first : last + 1]) <= SLACK_DAYS) >= STEADY_SHARE:
                _next_to_known(day_first[own], month_first[own], fits_day, fits_month)
            as_day[own], as_month[own] = fits_day & ~fits_month, fits_month & ~fits_day
    return as_day, as_month


def _fitting(day_first: Ints, month_first: Ints) -> tuple[Bools, Bools]:
    """Which of two dates of each row fit between the rows before and after."""
    sure = (day_first == month_first) & (day_first >= 0)
    before = np.maximum.accumulate(np.where(sure, day_first, np.iinfo(np.int64).min // 2))
    after = np.minimum.accumulate(np.where(sure, day_first, np.iinfo(np.int64).max // 2)[::-1])[::-1]
    low, high = np.minimum(day_first, month_first), np.maximum(day_first, month_first)
    between = [(c >= before - SLACK_DAYS) & (c <= after + SLACK_DAYS) & (c >= 0) for c in (low, high)]
    # the earliest day each row can have, given those before it; the latest, given those after it
    floor, ceiling, n = before.copy(), after.copy(), len(low)
    reach = int(before[0])
    for i in range(n):
        floor[i] = reach
        fits = [c[i] for c, ok in zip((low, high), between, strict=True) if ok[i] and c[i] >= reach - SLACK_DAYS]
        reach = max(reach, int(min(fits))) if fits else reach
    reach = int(after[-1])
    for i in range(n - 1, -1, -1):
        ceiling[i] = reach
        fits = [c[i] for c, ok in zip((low, high), between, strict=True) if ok[i] and c[i] <= reach + SLACK_DAYS]
        reach = min(reach, int(max(fits))) if fits else reach
    within = [
        (c >= np.maximum(floor, before) - SLACK_DAYS) & (c <= np.minimum(ceiling, after) + SLACK_DAYS) & (c >= 0)
        for c in (day_first, month_first)
    ]
    return within[0], within[1]


def _next_to_known(day_first: Ints, month_first: Ints, fits_day: Bools, fits_month: Bools) -> None:
    """Settle rows of which both dates fit by the neighbour above or below; changes the two masks."""
    n = len(day_first)
    for step in (1, -1):
        known = -1
        for i in range(n) if step > 0 else range(n - 1, -1, -1):
            if fits_day[i] and fits_month[i] and day_first[i] != month_first[i] and known >= 0:
                near = [abs(int(c[i]) - known) <= SLACK_DAYS for c in (day_first, month_first)]
                fits_day[i], fits_month[i] = (near[0], near[1]) if near[0] != near[1] else (True, True)
            if fits_day[i] and (not fits_month[i] or day_first[i] == month_first[i]):
                known = int(day_first[i])
            elif fits_month[i] and not fits_day[i]:
                known = int(month_first[i])
            else:
                known = -1
