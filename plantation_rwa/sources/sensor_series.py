"""Readings that only make sense beside others: repeats and conflicts, running totals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.tables import Sheet

Bools = NDArray[np.bool_]
KEYS = ("plantation_id", "station_id", "sensor_id", "variable", "depth_m")

#: Hours before a conflict whose readings say which of its values is the likelier: the last few, else the day's.
HOURS_NEAR, LAST_READINGS, HOURS_BEFORE = 6, 3, 24
#: more than ever falls in an hour, mm; the range test of hourly rain has the same limit
RAIN_MM_H = 150.0
#: a running total below this share of the one before was set back; less of a fall is a disturbed reading
RESET_SHARE = 0.5
#: a fall within this many mm is rounding, as when a logger goes from millimetres to inches
ROUNDING_MM = 0.1
#: most that may fall between two readings of which the later one is beyond a counter's capacity, mm
FULL_MM = 75.0
_TOTALS = {
    "first": "first reading of a counter: the rain since the one before is not known",
    "reset": "the counter was set back; counted from zero",
    "full": "the counter ran over its capacity; counted on from there",
    "negative": "a running total cannot be negative; reading left out",
    "fall": "the running total falls a little: it was not set back; left out, the next counts from the one before",
    "leap": "the running total rises by more than can fall in the time; reading left out",
}


def settle_repeats(sheet: Sheet) -> Bools:
    """Keep one of several readings of a sensor at one time; which, does not depend on their order.

    Returns
    -------
    numpy.ndarray
        Rows that stay although other values were found for the same time, shape ``(n,)``.

    Notes
    -----
    Of equal values one stays. Of differing ones the nearest to the median of the last :data:`LAST_READINGS` readings of
    the :data:`HOURS_NEAR` hours before (of other conflicts those that stay), without them to that of the undisputed
    readings of :data:`HOURS_BEFORE` hours; in a tie or without any the lower one. So a conflict of many hours follows
    the day's course.
    """
    frame, ok, keys = sheet.frame, sheet.accepted, [*KEYS, "time"]
    disputed = np.zeros(len(frame), dtype=bool)
    repeated = frame.loc[ok].duplicated(keys, keep=False).reindex(frame.index, fill_value=False).to_numpy(bool)
    twice = frame[ok & repeated].sort_values(["value"], kind="stable")
    if twice.empty:
        return disputed
    groups = twice.groupby(keys, dropna=False, sort=False)
    differ = groups["value"].transform("nunique") > 1
    stays = pd.Series(twice.index, index=twice.index).groupby([twice[k] for k in keys], dropna=False, sort=False)
    stays = stays.transform("min")  # of equal values the first row
    if differ.any():
        calm = frame[ok & ~repeated]
        calm = calm.assign(_series=_number(frame, calm)).sort_values(["_series", "time"], kind="stable")
        before = dict(iter(calm.groupby("_series", sort=False)))
        torn = twice[differ].assign(_series=_number(frame, twice[differ]))
        kept: dict[int, list[tuple[pd.Timestamp, float]]] = {}
        for (series, time), rows in torn.groupby(["_series", "time"], sort=True):
            chosen = _nearest(rows, before.get(series), kept.setdefault(series, []), time)
            kept[series].append((time, float(frame["value"].iloc[chosen])))
            stays[rows.index] = chosen
            disputed[chosen] = True
    gone = twice.index.to_numpy() != stays.to_numpy()
    same = twice["value"].to_numpy() == frame["value"].to_numpy()[stays.to_numpy()]
    for mask, reason in (
        (gone & same, "repeats the reading of row {} of {}, which stays"),
        (
            gone & ~same,
            "differs from row {} of {} at the same time, which lies nearer to the readings before",
        ),
    ):
        order = np.argsort(twice.index.to_numpy()[mask])
        rows, kept = twice.index.to_numpy()[mask][order], stays[mask].to_numpy()[order]
        chosen_rows = np.zeros(len(frame), dtype=bool)
        chosen_rows[rows] = True
        names = zip(frame["_row"].iloc[kept], frame["_file"].iloc[kept], strict=True)
        sheet.reject(chosen_rows, "value", [reason.format(*n) for n in names])
    return disputed


def difference_totals(
    sheet: Sheet, totals: Bools, reset_min: NDArray[np.int64], capacity_mm: NDArray[np.float64]
) -> None:
    """Running totals of gauges to the rain since the reading before.

    Parameters
    ----------
    sheet
        ``value`` in mm, each time of a series once.
    totals
        Rows whose value is a running total.
    reset_min
        Minute of the UTC day at which it is set back every day, -1 where it is not, shape ``(n,)``.
    capacity_mm
        Total at which it starts again, 0 where none is known, shape ``(n,)``.

    Notes
    -----
    Each reading is held against the last one believed. A total that falls below half of it was reset: what it shows has
    fallen since; so has what it shows after the time of a daily reset. One that runs over its capacity counts on from
    there. One that falls by less, is negative, or rises faster than :data:`RAIN_MM_H` is no total and rejected; the
    next is then counted from the last one believed. The first reading of a series has nothing before it and is
    rejected.
    """
    frame = sheet.frame
    rows = frame[totals & sheet.accepted].sort_values([*KEYS, "time"], kind="stable")
    found: dict[str, list[int]] = {name: [] for name in _TOTALS}
    for _, series in rows.groupby(list(KEYS), dropna=False, sort=False):
        times = series["time"].to_numpy("datetime64[s]")
        rain, kinds = _rain_of(
            series["value"].to_numpy("float64"), times, reset_min[series.index], capacity_mm[series.index]
        )
        for name in _TOTALS:
            found[name] += series.index[kinds == name].tolist()
        frame.loc[series.index, "value"] = rain
    for name, told in _TOTALS.items():
        mask = np.zeros(len(frame), dtype=bool)
        mask[found[name]] = True
        if name in {"reset", "full"}:
            sheet.fault(mask, "value", told, "repaired")
        else:
            sheet.reject(mask, "value", told)


def _rain_of(
    totals: NDArray[np.float64],
    times: NDArray[np.datetime64],
    reset_min: NDArray[np.int64],
    capacity_mm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Rain since the last total believed, and what is to be said of each reading (keys of ``_TOTALS``, or nothing)."""
    rain, kinds = totals.copy(), np.full(len(totals), "", dtype="<U8")
    minute = times.astype("datetime64[m]").astype(np.int64)
    believed, since = np.nan, 0
    for n, total in enumerate(totals.tolist()):
        most = RAIN_MM_H * max(float((times[n] - times[since]) / np.timedelta64(1, "h")), 1.0)
        daily = reset_min[n] >= 0 and (minute[n] - reset_min[n]) // 1440 > (minute[since] - reset_min[n]) // 1440
        onward = total + capacity_mm[n] - believed
        fell = max(total - believed, 0.0)
        if total < 0:
            kinds[n] = "negative"
        elif np.isnan(believed):
            kinds[n] = "first"
        elif daily:
            fell, kinds[n] = total, "leap" if total > most else ""
        elif capacity_mm[n] > 0 and total < believed - ROUNDING_MM and onward <= FULL_MM:
            fell, kinds[n] = onward, "full"
        elif total < believed * RESET_SHARE and total <= most:
            fell, kinds[n] = total, "reset"
        elif total < believed - ROUNDING_MM:
            kinds[n] = "fall"
        elif total - believed > most:
            kinds[n] = "leap"
        if kinds[n] in {"", "reset", "full"}:
            rain[n] = fell
        if kinds[n] in {"reset", "full", "first"} or ((daily or total >= believed) and not kinds[n]):
            believed, since = total, n
    return rain, kinds


def _number(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    return frame.groupby(list(KEYS), dropna=False, sort=False).ngroup().loc[rows.index]


def _nearest(
    rows: pd.DataFrame, calm: pd.DataFrame | None, kept: list[tuple[pd.Timestamp, float]], time: pd.Timestamp
) -> int:
    values = rows["value"].to_numpy()
    soon = time - pd.Timedelta(hours=HOURS_NEAR)
    last, near = [k for k in kept[-LAST_READINGS:] if k[0] >= soon], np.array([])
    if calm is not None:
        times = calm["time"].to_numpy("datetime64[us]")
        edges = pd.DatetimeIndex([time - pd.Timedelta(hours=HOURS_BEFORE), soon, time]).tz_localize(None)
        first, recent, end = np.searchsorted(times, edges.to_numpy("datetime64[us]"))
        near = calm["value"].to_numpy()[first:end]
        last += list(zip(calm["time"].iloc[recent:end], calm["value"].iloc[recent:end], strict=True))
    latest = np.array([v for _, v in sorted(last)[-LAST_READINGS:]])
    reference = latest if len(latest) else near
    if len(reference):
        best = values[np.argmin(np.abs(values - np.median(reference)))]  # rows are in order of value: a tie goes down
        return int(rows.index[values == best].min())
    return int(rows.index[values == values.min()].min())
