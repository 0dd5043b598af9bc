"""Breaks: sudden lasting changes of level in soil moisture that neither rain nor the soil around explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.features.sensor_tests import Limits, Series

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Readings within which two sights of a level change are one break.
_NEAR = 6


def breaks(series: Series, limits: Limits) -> tuple[Bools, Bools]:
    """Sudden lasting changes of level in soil moisture, and the readings after them.

    Returns
    -------
    tuple of numpy.ndarray
        Readings at which the level breaks; readings from there on until a break of about the same size leads back.

    Notes
    -----
    D07 of Dorigo et al. 2013 (change above 10 % and 0.01 m3 m-3, sharp) asks for derivatives of a quiet probe; here
    medians of six hours before and after stand for the level, so that noise hides no break. The change must lie within
    one step: the same medians over three hours show ``break_share`` of it, and it exceeds by ``break_min`` what the
    level does in the six hours before and after, so that soil that wets over a day has no break.

    A rise is no break, but may lead back from one, where rain within ``break_rain_h`` hours before or after explains
    it, spread over ``break_layer_m`` of soil: clocks and labels of gauges are hours off, and the grid knows days. No
    more is a change of which the station's other probes show ``break_shared``. A rise that rain excused is judged anew
    after ``break_settle_h``: if the difference to the other probes has shifted by as much and stays so, it was a break.
    Rain comes from above: that the probes above have not moved is known after ``break_settle_below_h``.
    """
    n = len(series.value)
    at, after = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if series.variable != "soil_moisture" or n < 12:
        return at, after
    x = series.value
    change = _step(series, 6)
    likely = _sudden(series, change, limits)
    known = np.r_[series.month[5:], np.repeat(series.month[-1:], 5)]  # the month in which six readings have followed
    rained = (change > 0) & (_rain_near(series, known, limits.break_rain_h) >= 500.0 * limits.break_layer_m * change)
    shared = _shared(series, change, limits)
    level, start, excused, last = 0.0, -1, list[int](), -1
    peaks = _peaks(likely & ~shared, np.nan_to_num(change), np.abs(np.diff(x, prepend=x[0])), known)
    level_free = x.copy()  # without the breaks so far: what they did says nothing of what the soil usually does
    for i in peaks:
        # a month says nothing that its own readings do not show: from where the break counts
        since_i = max(i, int(np.searchsorted(series.month, known[i])))
        again = last >= 0 and i - last <= _NEAR and change[i] * change[last] > 0
        if again and start >= 0:
            continue  # the same break, seen from the month before
        back = start >= 0 and abs(level + change[i]) <= 0.5 * abs(level)
        if rained[i] and not back:
            shifted = _settled(replace(series, value=level_free), i, float(change[i]), limits)
            if shifted < 0:
                excused.append(i)
                continue
            since_i = max(i, int(np.searchsorted(series.month, series.month[shifted])))
        at[since_i], last = True, i
        level_free[i:] -= change[i]
        risen = [j for j in excused if abs(change[j] + change[i]) <= 0.5 * abs(change[i])]
        if start < 0 and risen:
            # soil does not fall like that: the rise that rain seemed to explain was the break; the month is judged anew
            after[max(risen[-1], int(np.searchsorted(series.month, known[i]))) : since_i] = True
            excused.clear()
        elif back:
            after[start:since_i] = True
            level, start = 0.0, -1
        else:
            start = since_i if start < 0 else start
            level += change[i]
    if start >= 0:
        after[start:] = True
    return at, after


def _sudden(series: Series, change: Floats, limits: Limits) -> Bools:
    sharp = _step(series, 3)
    least = np.maximum(limits.break_min, 0.1 * np.abs(series.value))
    sign = np.sign(change)
    before = np.r_[np.full(6, np.nan), change[:-6]]
    after = np.r_[change[6:], np.full(6, np.nan)]
    drift = np.fmax(np.fmax(before * sign, after * sign), 0.0)
    with np.errstate(invalid="ignore"):
        jump = np.abs(change) - limits.break_ramp * np.nan_to_num(drift)
        likely = (jump > least) & (sharp * sign > limits.break_share * np.abs(change))
    return np.asarray(likely & np.isfinite(change), dtype=bool)


def _rain_near(series: Series, known: Ints, hours: float) -> Floats:
    """Rain from ``hours`` before each reading to as long after, but not after the month in which a break counts."""
    n = len(series.hours)
    first = np.searchsorted(series.hours, series.hours - hours)
    last = np.searchsorted(series.hours, series.hours + hours, side="right") - 1
    last = np.minimum(last, np.searchsorted(series.month, known, side="right") - 1)
    return np.nan_to_num(series.rain[np.clip(last, 0, n - 1)] - series.rain[first])


def _shared(series: Series, change: Floats, limits: Limits) -> Bools:
    """Changes that the station's other probes show too."""
    beside = _step(replace(series, value=series.beside), 6)
    with np.errstate(invalid="ignore"):
        return np.asarray(beside * np.sign(change) >= limits.break_shared * np.abs(change), dtype=bool)


def _settled(series: Series, i: int, change: float, limits: Limits) -> int:
    """Reading at which a lasting shift against the other probes is certain; -1 if there is none."""
    for beside, hours in ((series.above, limits.break_settle_below_h), (series.beside, limits.break_settle_h)):
        end = _shift(series, beside, hours, i, change, limits)
        if end >= 0:
            return end
    return -1


def _shift(series: Series, beside: Floats, settle_h: float, i: int, change: float, limits: Limits) -> int:
    """Reading at which a shift of the difference to ``beside`` with a change is certain, -1 if never.

    That is ``settle_h`` after the change, or where the other probe was silent, once it has spoken for three days.
    """
    hours, days, known = series.hours, int(settle_h // 24), int(limits.break_silent_d)
    width = min(5, days)
    day = np.floor(series.hours / 24.0)
    daily = pd.Series(series.value - beside).groupby(day).median().dropna()
    then = day[i]
    past = daily[(daily.index < then) & (daily.index >= then - known)].tail(5)
    after = daily[(daily.index > then) & (daily.index >= then + days - width) & (daily.index < then + known)]
    later = after[after.index < then + days]
    later = later if len(later) >= 3 else after.head(3)
    if len(past) < 3 or len(later) < 3:
        return -1
    end = int(np.searchsorted(hours, max(hours[i] + settle_h, 24.0 * (later.index[-1] + 1.0))))
    span = max(days, int(later.index[-1] - past.index[-1]))
    # what the difference has done in so many days so far; of less than a month nothing is known
    moved = daily[daily.index < then].rolling(width, min_periods=3).median().diff(span).abs().dropna()
    shift = float(later.median() - past.median())
    least = max(0.7 * abs(change), limits.break_usual * float(moved.max())) if len(moved) >= 30 else np.inf
    return end if end < len(hours) and shift * np.sign(change) >= least else -1


def _step(series: Series, width: int) -> Floats:
    """Median of ``width`` readings from each on, minus that of the ``width`` before; NaN near gaps."""
    n, x = len(series.value), series.value
    out = np.full(n, np.nan)
    if n < 2 * width:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    middle = np.median(windows, axis=1)
    inside = slice(width, n - width + 1)
    out[inside] = middle[width:] - middle[: n - 2 * width + 1]
    whole = series.hours[2 * width - 1 :] - series.hours[: n - 2 * width + 1] <= 6.0 * width
    out[inside] = np.where(whole, out[inside], np.nan)
    return out


def _peaks(likely: Bools, change: Floats, jump: Floats, known: Ints) -> list[int]:
    """Of readings close together that all see one break in one month, the one with the largest jump."""
    found: list[int] = []
    for i in np.flatnonzero(likely):
        near = found and i - found[-1] <= _NEAR and change[i] * change[found[-1]] > 0 and known[i] == known[found[-1]]
        if not near:
            found.append(int(i))
        elif jump[i] > jump[found[-1]]:
            found[-1] = int(i)
    return found
