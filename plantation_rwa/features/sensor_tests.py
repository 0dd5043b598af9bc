"""Quality tests of one sensor's readings: spikes, plateaus, standstill, rates.

Every test looks at the readings of the month and before, never at a later month: what is said of a month does not
change when the next one arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


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
    beside
        Mean of the same variable of the station's other sensors at the time of each reading, NaN without any.
    above
        The same of those that lie less deep.
    """

    variable: str
    hours: Floats
    value: Floats
    month: Ints
    depth: float
    rain: Floats
    beside: Floats
    above: Floats


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
    break_ramp: float
    break_shared: float
    break_settle_h: float
    break_settle_below_h: float
    break_silent_d: float
    break_usual: float
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
    lasted, _ = _runs(replace(series, value=full))
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


def dead(series: Series) -> Bools:
    """Soil moisture that drops to exactly zero from more than 0.05 (D08), as long as it stays there."""
    x = series.value
    if series.variable != "soil_moisture" or len(x) < 2:
        return np.zeros(len(x), dtype=bool)
    drop = np.r_[False, (x[1:] == 0.0) & (x[:-1] > 0.05)]
    run = np.cumsum(np.r_[True, (x[1:] == 0.0) != (x[:-1] == 0.0)])
    return np.asarray((x == 0.0) & np.isin(run, run[drop]), dtype=bool)


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
