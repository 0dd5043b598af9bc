"""What recent crops and the canopy say beyond the prior: one shrunk linear regression per horizon.

Yield anomalies persist for a month or two and turn after the bunches of a good crop have drawn on the palm
(correlations .37 and .23 at lags 1 and 2, negative at 6, 24 and 36 on real lots); chlorophyll shows nutrition months
before the harvest. Few numbers, so that a young portfolio can estimate them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.cube import Cube, shift

#: relative anomalies enter clipped to this
LARGEST = 1.0
#: lags before harvest, both ends included, whose crops draw on the palm's reserves
DRAWS = ((8, 13), (22, 26))
NAMES: tuple[str, ...] = (
    "last_month",
    "month_before",
    "third_month",
    "mean_6",
    "mean_12",
    "mean_24",
    "drawn_8_13",
    "drawn_22_26",
    "region_3",
    "chlorophyll",
    "light_8_12",
)
CANOPY = NAMES.index("chlorophyll")
#: kinds of regressors, for explanations
KINDS = (NAMES[:9], ("chlorophyll",), ("light_8_12",))


@dataclass(frozen=True)
class Memory:
    """Coefficients per horizon on the raw regressors and the regressors' means, each ``(H, regressors)``."""

    coefficients: FloatArray
    means: FloatArray


def anomalies(cube: Cube, base: FloatArray, effect: FloatArray) -> FloatArray:
    """Relative anomaly of each harvest to base and the effect known then, clipped, NaN where unknown, ``(P, T)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(base > 0, cube.yields / (base * np.exp(effect)) - 1.0, np.nan)
    return np.asarray(np.clip(out, -LARGEST, LARGEST))


class Regressors:
    """Regressors of every plantation, origin and horizon, 0 where nothing is known.

    Parameters
    ----------
    anomaly
        Result of :func:`anomalies`.
    canopy
        Departure of the canopy from its age, see :func:`canopy_departure`; ``(P, T)`` as observed.
    """

    def __init__(self, cube: Cube, anomaly: FloatArray, canopy: FloatArray, light: FloatArray) -> None:
        self._months = cube.months
        known = shift(anomaly, cube.delays["yield"])
        self._origin = [np.nan_to_num(shift(known, k)) for k in range(3)]
        self._origin += [_trailing(known, window) for window in (6, 12, 24)]
        shared = np.where(shift(cube.idle.astype(np.float64), cube.delays["yield"]) == 1, np.nan, known)
        self._region = _regional(_trailing(shared, 3), np.isfinite(shared), cube.region)
        self._sum, self._count = _cumulative(anomaly)
        self._delay = cube.delays["yield"]
        self._canopy, self._canopy_delay = canopy, cube.delays.get("cire", 0)
        self._light_sum, self._light_count = _cumulative(light)
        self._light_delay = cube.delays.get("ssrd_mean_mj_m2", 0)

    def take(self, rows: NDArray[np.intp]) -> Regressors:
        """The same of some plantations; what the region shares stays that of all."""
        out = copy.copy(self)
        out._origin = [series[rows] for series in self._origin]
        for name in ("_region", "_sum", "_count", "_canopy", "_light_sum", "_light_count"):
            setattr(out, name, getattr(self, name)[rows])
        return out

    def at(self, origins: NDArray[np.int64], horizon: int) -> FloatArray:
        """Regressors of one horizon, ``(P, origins, R)``."""
        target = origins + horizon
        columns = [series[:, origins] for series in self._origin]
        for low, high in DRAWS:
            columns.append(
                _between(self._sum, self._count, target - high, np.minimum(target - low, origins - self._delay))
            )
        columns.append(self._region[:, origins])
        seen = np.minimum(target - 9, origins - self._canopy_delay)
        columns.append(np.where(seen >= 0, self._canopy[:, np.clip(seen, 0, self._months - 1)], 0.0))
        upto = np.minimum(target - 8, origins - self._light_delay)
        columns.append(_between(self._light_sum, self._light_count, target - 12, upto))
        return np.stack(columns, axis=-1)


def canopy_departure(cube: Cube, name: str = "cire") -> FloatArray:
    """A vegetation index less what palms of that age show, against the plantation's own past, ``(P, T)``.

    The age's value is the mean of all plantations' observations within a year of that age, up to the month: nothing
    later enters. A mean of the last three months takes the noise out. The mean of the plantation's own departures so
    far is taken off: the plantation effect carries it already.
    """
    if name not in cube.features:
        return np.zeros(cube.yields.shape)
    values = cube.features[name]
    years = np.clip(np.nan_to_num(cube.age[:, : cube.months], nan=12.0), 0, 30).astype(np.int64)
    seen = np.isfinite(values)
    total, count = np.zeros((cube.months, 32)), np.zeros((cube.months, 32))
    column = np.broadcast_to(np.arange(cube.months), values.shape)
    np.add.at(total, (column[seen], years[seen]), values[seen])
    np.add.at(count, (column[seen], years[seen]), 1.0)
    total, count = np.cumsum(total, axis=0), np.cumsum(count, axis=0)
    usual_total = total.copy()
    usual_count = count.copy()
    usual_total[:, 1:] += total[:, :-1]
    usual_count[:, 1:] += count[:, :-1]
    usual_total[:, :-1] += total[:, 1:]
    usual_count[:, :-1] += count[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = usual_total / usual_count
    departure = np.where(seen, values - usual[column, years], np.nan)
    recent = _trailing(departure, 3)
    sums, counts = _cumulative(departure)
    mean = sums[:, 1:] / np.maximum(counts[:, 1:], 1)
    return np.where(counts[:, 1:] >= 12, recent - mean, 0.0)


def light_departure(cube: Cube, name: str = "ssrd_mean_mj_m2") -> FloatArray:
    """Radiation below the mean of the calendar month so far, relative, at most 0; NaN where not known, ``(P, T)``."""
    if name not in cube.features:
        return np.full(cube.yields.shape, np.nan)
    values = cube.features[name]
    out = np.full(values.shape, np.nan)
    for start in range(min(12, cube.months)):
        own = values[:, start::12]
        sums, counts = _cumulative(own)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = own / (sums[:, 1:] / counts[:, 1:]) - 1.0
        out[:, start::12] = np.where(counts[:, 1:] >= 3, np.minimum(relative, 0.0), np.nan)
    return out


def fit_memory(
    regressors: Regressors,
    cube: Cube,
    mu: FloatArray,
    horizons: NDArray[np.int64],
    cutoff: int,
    assumptions: Assumptions,
) -> Memory:
    """Fit one regression per horizon on targets up to month index ``cutoff``.

    Each standardised coefficient has a normal prior around 0 with sd ``memory.coefficient_sd``, that of the chlorophyll
    one of :func:`learned_variance`; one month's errors of a region are one piece of evidence in part, so the noise is
    inflated by ``memory.inflation``.
    """
    out = Memory(np.zeros((len(horizons), len(NAMES))), np.zeros((len(horizons), len(NAMES))))
    assumed = assumptions.number("memory.coefficient_sd") ** 2
    for k, h in enumerate(horizons.tolist()):
        origins = np.arange(0, min(cutoff - h + 1, cube.months - h))
        if not len(origins):
            continue
        y, scale = cube.taught[:, origins + h], mu[:, origins, k]
        use = np.isfinite(y) & (scale > 0)
        if use.sum() < assumptions.number("memory.min_rows"):
            continue
        x = regressors.at(origins, h)[use]
        error = np.clip(y[use] / scale[use] - 1.0, -LARGEST, LARGEST)
        mean, spread = x.mean(axis=0), x.std(axis=0)
        variance = np.where(spread > 1e-9, assumed, 0.0)
        z = (x - mean) / np.where(spread > 1e-9, spread, 1.0)
        noise = float(error.var()) * assumptions.number("memory.inflation")
        if noise <= 0:  # every month equally wrong, as where all harvests are zero: nothing tells them apart
            continue
        gram, evidence = z.T @ z / noise, z.T @ error / noise
        if variance[CANOPY] > 0:
            variance[CANOPY] = learned_variance(gram, evidence, variance, CANOPY)
        live = variance > 0
        slope = np.linalg.solve(gram[np.ix_(live, live)] + np.diag(1.0 / variance[live]), evidence[live])
        # no intercept: a common shock of the record must not become a forecast
        out.coefficients[k, live], out.means[k] = slope / spread[live], mean
    return out


def learned_variance(gram: FloatArray, evidence: FloatArray, variance: FloatArray, at: int) -> float:
    """Prior variance of one coefficient by what the data say of it: ``max(b^2 - v, 0)``, at most the assumed one.

    b is its estimate without a prior and v the variance of that. Empirical Bayes for one positive effect (Efron and
    Morris 1973): a fixed spread either credits an index that tells nothing with what it met by chance, or
    halves what one that tells something adds. 0 too where b has the wrong sign: more chlorophyll lowers no harvest.

    Parameters
    ----------
    gram, evidence
        ``(R, R)`` and ``(R,)``: products of the standardised regressors among themselves and with the errors, over the
        variance of the noise.
    variance
        ``(R,)`` prior variances; regressors with 0 are left out.
    """
    live = variance > 0
    precision = np.where(live, 1.0 / np.where(live, variance, 1.0), 0.0)
    precision[at] = 0.0
    inverse = np.linalg.inv((gram + np.diag(precision))[np.ix_(live, live)])
    own = int(live[:at].sum())
    slope, doubt = float(inverse[own] @ evidence[live]), float(inverse[own, own])
    return min(max(slope * slope - doubt, 0.0), float(variance[at])) if slope > 0 else 0.0


def remembered(
    memory: Memory,
    regressors: Regressors,
    origins: NDArray[np.int64],
    horizons: NDArray[np.int64],
    groups: Sequence[Sequence[str]] = (NAMES,),
) -> FloatArray:
    """Relative correction of the prior by groups of regressors, ``(P, origins, H, groups)``, not bounded."""
    at = [[NAMES.index(n) for n in group] for group in groups]
    out = []
    for k, h in enumerate(horizons.tolist()):
        x = (regressors.at(origins, h) - memory.means[k]) * memory.coefficients[k]
        # one after the other: a matrix product rounds by how many plantations there are
        out.append(np.stack([sum((x[..., i] for i in g), np.zeros(x.shape[:2])) for g in at], axis=-1))
    return np.stack(out, axis=2)


def _trailing(values: FloatArray, window: int) -> FloatArray:
    """Mean of the known values among the last ``window`` months, shrunk by the missing ones, 0 without any."""
    sums, counts = _cumulative(values)
    high = np.arange(values.shape[1])
    return _between(sums, counts, high - window + 1, high)


def _cumulative(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Running sums and counts with a leading zero, ``(P, T + 1)``."""
    seen = np.isfinite(values)
    pad = ((0, 0), (1, 0))
    return np.pad(np.cumsum(np.where(seen, values, 0.0), axis=1), pad), np.pad(np.cumsum(seen, axis=1), pad).astype(
        float
    )


def _between(sums: FloatArray, counts: FloatArray, low: NDArray[np.int64], high: NDArray[np.int64]) -> FloatArray:
    """Mean over month indices low to high, both included, 0 where none is known, ``(P, len(low))``."""
    last = sums.shape[1] - 1
    first, after = np.clip(low, 0, last), np.clip(high + 1, 0, last)
    after = np.maximum(after, first)
    count = counts[:, after] - counts[:, first]
    return (sums[:, after] - sums[:, first]) / np.maximum(count, 1.0)


def _regional(recent: FloatArray, known: NDArray[np.bool_], regions: tuple[str, ...]) -> FloatArray:
    """Mean of the region's recent anomalies, ``(P, T)``."""
    out = np.zeros(recent.shape)
    names = np.asarray(regions, dtype=object)
    for name in sorted(set(regions)):
        mine = names == name
        count = known[mine].sum(axis=0)
        out[mine] = np.where(known[mine], recent[mine], 0.0).sum(axis=0) / np.maximum(count, 3)
    return out
