"""Gauges whose readings are a running total though they are declared as falls, and when such a total is set back."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.sensor_series import FULL_MM, KEYS
from plantation_rwa.sources.tables import Sheet

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY_MIN = 24 * 60
#: changes below this are none, mm
EQUAL_MM = 1e-6
#: of the readings after a wet one, the share that repeats it: falls seldom do, a total does until the next rain
HELD_SHARE = 0.5
#: different totals that must be repeated, and rises, before they are believed; rises that do without repeats
HELD_LEVELS, RISES, RISES_ALONE = 3, 5, 10
#: drops that no reset explains, per rise and at the least, that a total may show (restarts, bad readings), and above
#: which a record is one of falls
ODD_SHARE, ODD_LEAST, FALLS_SHARE = 0.1, 1, 0.5
#: drops at one time of day that make it the time of a daily reset, and the share of that time's wet days that drop
DAILY_DROPS, DAILY_SHARE = 2, 0.8
#: where counters start again, mm; drops so near below show it if they are such a share of all, the others within
#: FULL_MM
CAPACITIES_MM, NEAR_SHARE, NEAR_MM, NEAR_DROPS, ALL_DROPS = (100.0, 1000.0, 10000.0), 0.9, 20.0, 0.4, 0.9
#: longest usual step of a record whose time of reset can be told, min
DAILY_STEP_MIN = 360
#: hours for which a gauge must repeat more than this in a month, mm, before its record is doubted
DOUBT_HOURS, DOUBT_MM = 12.0, 1.0

_SILENT, _FALLS, _TOTAL, _DOUBT = range(4)
_TOLD = (
    "declared as falls, but the readings repeat or exceed the one before and drop only {}: read as a running total; "
    "from here on in this series"
)
_DOUBTED = (
    "the gauge repeats its readings for hours and hardly drops in this month, too little to tell falls from a running "
    "total; declare 'total mm' if it is one"
)


@dataclass(frozen=True)
class Totals:
    """Rows that are running totals.

    Parameters
    ----------
    rows
        Whether the value is a running total, declared or not, shape ``(n,)``.
    inferred
        Whether only the values say so, shape ``(n,)``.
    reset_min
        Minute of the UTC day at which the total is set back every day, -1 where it is not, shape ``(n,)``.
    capacity_mm
        Total at which the counter starts again, 0 where none is known, shape ``(n,)``.
    """

    rows: Bools
    inferred: Bools
    reset_min: Ints
    capacity_mm: Floats


def find_totals(sheet: Sheet, declared: Bools, timezones: Mapping[str, str]) -> Totals:
    """Running totals of rain by declaration or by what their values show; months that say neither are rejected.

    Parameters
    ----------
    sheet
        ``value`` in mm, each time of a series once.
    declared
        Rows declared to be running totals, shape ``(n,)``.
    timezones
        IANA zone of every plantation.

    Notes
    -----
    A record of falls comes back to zero after every spell of rain, at any hour; a running total repeats its last value
    until it rains again and drops only where it is set back: at one time of day, at a round capacity, or hardly ever.
    Each local month is judged by its own readings, so that later ones change no earlier month; one that says nothing
    goes on as the month before. A gauge read once a day is judged by the month before its reading's day, as that
    reading may count there.
    """
    frame = sheet.frame
    rows, inferred = declared.copy(), np.zeros(len(frame), dtype=bool)
    reset = np.full(len(frame), -1, dtype=np.int64)
    full, told = np.zeros(len(frame)), dict[int, str]()
    doubted = np.zeros(len(frame), dtype=bool)
    rain = sheet.accepted & (frame["variable"] == "rain").to_numpy(bool)
    for known in (False, True):
        chosen = frame[rain & (declared == known)].sort_values([*KEYS, "time"], kind="stable")
        for key, series in chosen.groupby(list(KEYS), dropna=False, sort=False):
            index = series.index.to_numpy()
            verdict, at, full[index] = _months(series, timezones.get(str(key[0]), ""))
            reset[index] = np.where((verdict == _TOTAL) | known, at, -1)
            if known:
                continue
            total = verdict == _TOTAL
            rows[index], inferred[index], doubted[index] = total, total, verdict == _DOUBT
            for start in np.flatnonzero(total & ~np.r_[False, total[:-1]]):
                told[int(index[start])] = _TOLD.format(_when(int(at[start]), float(full[index[start]])))
    first = np.zeros(len(frame), dtype=bool)
    first[list(told)] = True
    sheet.fault(first, "unit", [told[n] for n in sorted(told)], "repaired")
    sheet.reject(doubted, "value", _DOUBTED)
    return Totals(rows, inferred, reset, full)


def _when(reset: int, full: float) -> str:
    if reset >= 0:
        return f"at {reset // 60:02d}:{reset % 60:02d} UTC"
    return f"at {full:g} mm" if full > 0 else "where they start again"


def _months(series: pd.DataFrame, zone: str) -> tuple[Ints, Ints, Floats]:
    """Verdict, minute of the daily reset and capacity for each reading of a series in order of time."""
    local = series["time"].dt.tz_convert(zone if zone in zoneinfo.available_timezones() else "UTC")
    wall = local.dt.tz_localize(None).to_numpy("datetime64[s]")
    month = wall.astype("datetime64[M]").astype(np.int64)
    minute = series["time"].dt.tz_localize(None).to_numpy("datetime64[m]").astype(np.int64)
    value = series["value"].to_numpy("float64")
    found: dict[int, tuple[int, int, float]] = {}
    verdict, reset, full = _SILENT, -1, 0.0
    for number in np.unique(month):
        first, end = np.searchsorted(month, [number, number + 1])
        first = max(first - 1, 0)
        full = _capacity(value[:end])
        own, at = _judge(value[first:end], minute[first:end], reset, full)
        if own != _SILENT and not (own == _DOUBT and verdict == _TOTAL):
            verdict, reset = own, at
        found[int(number)] = verdict, reset, full if reset < 0 else 0.0
        if verdict == _DOUBT:
            verdict, reset = _SILENT, -1
    counts = month
    if np.all(np.diff(wall.astype("datetime64[D]").astype(np.int64)) > 0):
        counts = (wall - np.timedelta64(1, "D")).astype("datetime64[M]").astype(np.int64)
    each = pd.DataFrame([found.get(m, (_SILENT, -1, 0.0)) for m in counts.tolist()])
    return each[0].to_numpy("int64"), each[1].to_numpy("int64"), each[2].to_numpy("float64")


def _judge(value: Floats, minute: Ints, reset_before: int, full: float) -> tuple[int, int]:
    """What a month's readings, the last one before it first, show; and the minute of a daily reset or -1."""
    before, step = value[:-1], np.diff(value)
    wet, fallen, risen = before > EQUAL_MM, step < -EQUAL_MM, int(np.sum(step > EQUAL_MM))
    held = wet & (np.abs(step) <= EQUAL_MM)
    if not wet.any():
        return _SILENT, -1
    dropped = fallen & ~((full > 0) & (full + step <= FULL_MM))
    reset = _daily(minute, dropped, wet, reset_before)
    odd = int(np.sum(dropped & ~_crosses(minute, reset)))
    if odd > max(ODD_LEAST, FALLS_SHARE * risen):
        return _FALLS, -1
    few = odd <= max(ODD_LEAST, ODD_SHARE * risen)
    repeats = held.sum() >= HELD_SHARE * wet.sum()
    levels = len(np.unique(np.round(before[held], 3)))
    if (few and repeats and levels >= HELD_LEVELS and risen >= RISES) or (risen >= RISES_ALONE and not dropped.any()):
        return _TOTAL, reset
    long = np.diff(minute)[held & (before > DOUBT_MM)].sum() >= DOUBT_HOURS * 60
    return (_DOUBT, -1) if repeats and long else (_SILENT, -1)


def _capacity(value: Floats) -> float:
    """Round total in mm at which a counter starts again, by all of its drops so far; 0.0 if they show none."""
    step = np.diff(value)
    before, step = value[:-1][step < -EQUAL_MM], step[step < -EQUAL_MM]
    full = next((c for c in CAPACITIES_MM if np.max(value) <= c), 0.0)
    if full == 0.0 or len(step) == 0:
        return 0.0
    near = (before >= max(NEAR_SHARE * full, full - NEAR_MM)) & (full + step <= NEAR_MM)
    shown = np.mean(near) >= NEAR_DROPS and np.mean(full + step <= FULL_MM) >= ALL_DROPS
    return full if shown else 0.0


def _crosses(minute: Ints, reset: int) -> Bools:
    """Steps within which the minute of the day passes; none for -1."""
    if reset < 0:
        return np.zeros(len(minute) - 1, dtype=bool)
    return np.asarray(np.diff((minute - reset) // DAY_MIN) > 0, dtype=bool)


def _daily(minute: Ints, dropped: Bools, wet: Bools, reset_before: int) -> int:
    """Minute of the day at which a total is set back, -1 if drops show none."""
    if np.median(np.diff(minute)) > DAILY_STEP_MIN:
        return -1
    best, most = -1, DAILY_DROPS - 1
    for reset in np.unique(minute[1:][dropped] % DAY_MIN).tolist():
        here = _crosses(minute, reset)
        drops = int(np.sum(dropped & here))
        if drops > most and drops >= DAILY_SHARE * np.sum(wet & here):
            best, most = reset, drops
    if best < 0 and reset_before >= 0:
        here = _crosses(minute, reset_before)
        best = reset_before if np.sum(dropped & here) >= DAILY_SHARE * np.sum(wet & here) else -1
    return best
