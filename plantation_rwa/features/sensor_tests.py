"""Quality tests of one sensor's readings: spikes, breaks, plateaus, standstill, rates.

Every test looks at the readings of the month and before, never at a later month: what is said of a month does not
change when the next one arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Readings within which two sights of a level change are one break.
_NEAR = 6


@dataclass(frozen=True)
class Series:
    """Readings of one sensor in time order.

    Parameters
    ----------
    hours
        Time in hours since 1970, shape ``(n,)``.
    value
        Canonical unit; NaN where an earlier test has taken the reading out.
    month
        Number of the local month.
    depth
        Metres below the surface, NaN if unknown.
    rain
        Cumulated rain in mm up to each reading at the place, NaN where nothing is known of it.
    """

    variable: str
    hours: Floats
    value: Floats
    month: Ints
    depth: float
    rain: Floats


@dataclass(frozen=True)
class Limits:
    """Section ``sensor_flags`` of the assumptions."""

    spike: dict[str, list[float]]
    spike_noise: float
    rate: dict[str, float]
    still_h: dict[str, float]
    still_dry_h: float
    still_rain_mm: float
    still_noise: float
    still_least_h: float
    still_known_h: float
    break_min: float
    break_share: float
    break_rain_h: float
    break_layer_m: float
    saturated_h: float
    drip_h: float
    plateau_h: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> Limits:
        """Read them."""
        at = "sensor_flags."
        tables = ("spike", "rate", "still_h")
        read: dict[str, Any] = {
            k: assumptions.table(at + k) if k in tables else assumptions.number(at + k)
            for k in cls.__dataclass_fields__
        }
        return cls(**read)


def spikes(series: Series, limits: Limits) -> Bools:
    """One or two readings that stand out from three of the four around them.

    Parameters
    ----------
    series
        Readings.
    limits
        ``spike`` gives per variable the least height in its unit and the least height as a share of the level;
        ``spike_noise`` the least height in standard deviations of the sensor's own noise in the month.

    Notes
    -----
    After test D06 of the ISMN (Dorigo et al. 2013: ratio to the neighbour above 1.15 or below 0.85, small variance
    around). Comparing with three of four neighbours instead of a second derivative leaves wetting fronts alone, whose
    two later neighbours are as wet. The last two readings of a month are not judged: their neighbours come later.
    """
    n, found = len(series.value), np.zeros(len(series.value), dtype=bool)
    if n < 5 or series.variable not in limits.spike:
        return found
    height, share = limits.spike[series.variable]
    x, mid = series.value, slice(2, n - 2)
    around = np.sort(np.stack([x[:-4], x[1:-3], x[3:-1], x[4:]]), axis=0)  # a NaN sorts last and fails the comparison
    level = np.median(around, axis=0)
    up, down = x[mid] - around[2], around[1] - x[mid]
    off = np.abs(x[mid] - level)
    noise = 1.4826 * pd.Series(off).groupby(series.month[mid]).transform("median").to_numpy()
    least = np.maximum(np.maximum(height, limits.spike_noise * noise), share * np.abs(level))
    near = (series.hours[4:] - series.hours[:-4] <= 12.0) & (series.month[4:] == series.month[mid])
    with np.errstate(invalid="ignore"):
        found[mid] = near & (np.maximum(up, down) > least)
    return found


def rates(series: Series, limits: Limits) -> Bools:
    """Readings that differ from the one before by more than the variable can change in that time."""
    found = np.zeros(len(series.value), dtype=bool)
    if series.variable in limits.rate and len(found) > 1:
        step = np.maximum(np.diff(series.hours), 1.0)
        with np.errstate(invalid="ignore"):
            found[1:] = (np.abs(np.diff(series.value)) / step > limits.rate[series.variable]) & (step <= 3.0)
    return found


def standstill(series: Series, limits: Limits) -> Bools:
    """Runs of one identical value: longer than the variable stands still.

    Soil moisture counts as stuck after ``still_h`` hours only if ``still_rain_mm`` of rain fell meanwhile, and after
    ``still_dry_h`` in any case. Rain, radiation and wind may be zero for any time; a gauge that gives the same small
    amount for ``drip_h`` hours is :func:`drips`. A sensor whose own noise has never let it stand still for long is
    stuck sooner: after ``still_noise`` times its longest standstill so far, but not before ``still_least_h``.
    """
    if series.variable not in limits.still_h:
        return np.zeros(len(series.value), dtype=bool)
    lasted, rained = _runs(series)
    with np.errstate(invalid="ignore"):
        long = lasted >= limits.still_h[series.variable]
        if series.variable == "soil_moisture":
            long &= (rained >= limits.still_rain_mm) | (lasted >= limits.still_dry_h)
        usual = _longest_before(series, lasted, limits.still_h[series.variable], limits.still_known_h)
        long |= lasted >= np.maximum(limits.still_noise * usual, limits.still_least_h)
        if series.variable in {"radiation", "wind"}:
            long &= series.value > 0.0
        if series.variable == "relative_humidity":
            long &= series.value < 99.5
    return np.asarray(long, dtype=bool)


def drips(series: Series, limits: Limits) -> Bools:
    """A gauge that gives one and the same amount hour after hour: dirt, an insect or a broken switch, no rain."""
    if series.variable != "rain":
        return np.zeros(len(series.value), dtype=bool)
    lasted, _ = _runs(series, 3.0)
    return np.asarray((series.value > 0.0) & (lasted >= limits.drip_h), dtype=bool)


def saturated(series: Series, limits: Limits) -> Bools:
    """Humidity at its upper end for days: a wet or dead sensor; nights alone do not last so long."""
    if series.variable != "relative_humidity":
        return np.zeros(len(series.value), dtype=bool)
    with np.errstate(invalid="ignore"):
        full = np.where(series.value >= 99.5, 100.0, series.value)
    lasted, _ = _runs(Series("", series.hours, full, series.month, np.nan, series.rain))
    return np.asarray((full == 100.0) & (lasted >= limits.saturated_h), dtype=bool)


def plateaus(series: Series, limits: Limits) -> Bools:
    """Soil moisture that stands at the series' highest value so far: more water than the sensor can show (D10)."""
    if series.variable != "soil_moisture":
        return np.zeros(len(series.value), dtype=bool)
    lasted, _ = _runs(series)
    top = np.fmax.accumulate(series.value) if len(series.value) else series.value
    return np.asarray((lasted >= limits.plateau_h) & (series.value >= top), dtype=bool)


def rises_in_dry(series: Series, limits: Limits) -> Bools:
    """Topsoil that gets wetter in an hour and over a day although no rain fell in that day (D04).

    Only above 0.10 m and where rain is known. Dorigo et al. 2013: rise of 24 h above twice the standard deviation of
    25 h, rain of 24 h below 0.2 mm.
    """
    found = np.zeros(len(series.value), dtype=bool)
    if series.variable != "soil_moisture" or not series.depth < 0.10 or len(found) < 26:
        return found
    hourly = np.isclose(series.hours[24:] - series.hours[:-24], 24.0, atol=0.5)
    spread = pd.Series(series.value).rolling(25).std(ddof=0).to_numpy()[24:]
    with np.errstate(invalid="ignore"):
        rise = (series.value[24:] - series.value[:-24] > 2.0 * spread) & (np.diff(series.value)[23:] > 0)
        found[24:] = hourly & rise & (series.rain[24:] - series.rain[:-24] < 0.2)
    return found


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
    one step (the same medians over three hours show ``break_share`` of it). A rise that rain of the last
    ``break_rain_h`` hours explains, spread over ``break_layer_m`` of soil, is no break, but may lead back from one.
    """
    n = len(series.value)
    at, after = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if series.variable != "soil_moisture" or n < 12:
        return at, after
    x = series.value
    change = _step(series, 6)
    sharp = _step(series, 3)
    least = np.maximum(limits.break_min, 0.1 * np.abs(x))
    with np.errstate(invalid="ignore"):
        likely = (np.abs(change) > least) & (sharp * np.sign(change) > limits.break_share * np.abs(change))
    known = np.r_[series.month[5:], np.repeat(series.month[-1:], 5)]  # the month in which six readings have followed
    since = np.searchsorted(series.hours, series.hours - limits.break_rain_h)
    wet = np.nan_to_num(series.rain - series.rain[since])
    rained = (change > 0) & (wet / (1000.0 * limits.break_layer_m) >= 0.5 * change)
    likely &= np.isfinite(change)
    level, start, excused, last = 0.0, -1, list[int](), -1
    for i in _peaks(likely, np.nan_to_num(change), np.abs(np.diff(x, prepend=x[0])), known):
        # a month says nothing that its own readings do not show: from where the break counts
        since_i = max(i, int(np.searchsorted(series.month, known[i])))
        again = last >= 0 and i - last <= _NEAR and change[i] * change[last] > 0
        if again and start >= 0:
            continue  # the same break, seen from the month before
        back = start >= 0 and abs(level + change[i]) <= 0.5 * abs(level)
        if rained[i] and not back:
            excused.append(i)
            continue
        at[since_i], last = True, i
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


def dead(series: Series) -> Bools:
    """Soil moisture that drops to exactly zero from more than 0.05 (D08), as long as it stays there."""
    x = series.value
    if series.variable != "soil_moisture" or len(x) < 2:
        return np.zeros(len(x), dtype=bool)
    drop = np.r_[False, (x[1:] == 0.0) & (x[:-1] > 0.05)]
    run = np.cumsum(np.r_[True, (x[1:] == 0.0) != (x[:-1] == 0.0)])
    return np.asarray((x == 0.0) & np.isin(run, run[drop]), dtype=bool)


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


def _longest_before(series: Series, lasted: Floats, still_h: float, known_h: float) -> Floats:
    """Longest standstill before each reading's run, stuck ones left out; infinite within the first hours."""
    x = series.value
    begins = np.r_[True, (x[1:] != x[:-1]) | (np.diff(series.hours) > 24.0)]
    run = np.cumsum(begins) - 1
    ends = np.r_[np.flatnonzero(begins)[1:] - 1, len(x) - 1]
    length = np.where(lasted[ends] < still_h, lasted[ends], 0.0)
    before = np.r_[0.0, np.maximum.accumulate(length)[:-1]]
    first = np.flatnonzero(begins)[run]
    return np.where(series.hours[first] - series.hours[0] >= known_h, before[run], np.inf)


def _runs(series: Series, gap_h: float = 24.0) -> tuple[Floats, Floats]:
    """Hours and rain of the run of identical values each reading stands in, as known at the end of its month.

    A gap of more than ``gap_h`` hours ends a run.
    """
    n, x = len(series.value), series.value
    if n == 0:
        return np.array([]), np.array([])
    begins = np.r_[True, (x[1:] != x[:-1]) | (np.diff(series.hours) > gap_h)]
    run = np.cumsum(begins)
    first = np.flatnonzero(begins)[run - 1]
    stretch = np.flatnonzero(np.r_[begins[1:] | (np.diff(series.month) != 0), True])
    last = stretch[np.searchsorted(stretch, np.arange(n))]
    return series.hours[last] - series.hours[first], np.nan_to_num(series.rain[last] - series.rain[first])


def still(series: Series) -> Bools:
    """Thirteen readings in a row with next to no variance (variance over mean below 0.001 in vol-%, D09)."""
    window = pd.Series(100.0 * series.value).rolling(13)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(window.var(ddof=0).to_numpy() / np.abs(window.mean().to_numpy()) < 0.001, dtype=bool)
