"""The agronomic prior: potential x season x deficit response x plantation effect, as known at each origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import (
    FloatArray,
    effect_weight,
    estimate_season,
    kernel_of,
    ridge_slope,
    season_default,
)
from plantation_rwa.forecast.cube import DEFICIT, Cube, shift

OCEAN = "oni_known"


@dataclass(frozen=True)
class Water:
    """Monthly deficit without gaps, and its normals by calendar month as known at each month.

    Parameters
    ----------
    filled
        ``(P, T)`` mm; months without a value hold the normal known then.
    normal
        ``(P, T, 12)`` mm, January first; from the months known at each origin, the delay taken off.
    delay
        Months until a deficit is known.
    """

    filled: FloatArray
    normal: FloatArray
    delay: int

    def take(self, rows: NDArray[np.intp]) -> Water:
        """The same of some plantations."""
        return replace(self, filled=self.filled[rows], normal=self.normal[rows])


@dataclass(frozen=True)
class PriorFit:
    """Estimated parts of the prior.

    Parameters
    ----------
    season
        ``(P, 12)``, mean 1.
    beta, beta_unshrunk
        Deficit response, log yield per 100 mm a year: shrunk to the assumption, and as the harvests alone say (NaN
        where they say nothing).
    """

    season: FloatArray
    beta: float
    beta_unshrunk: float

    def take(self, rows: NDArray[np.intp]) -> PriorFit:
        """The same of some plantations."""
        return replace(self, season=self.season[rows])


def water_of(cube: Cube, assumptions: Assumptions) -> Water:
    """Fill deficits causally; without any climate the assumed typical deficit stands in every month."""
    typical = assumptions.number("deficit.typical_mm") / 12.0
    raw = cube.features.get(DEFICIT, np.full(cube.yields.shape, np.nan))
    seen, value = np.isfinite(raw), np.nan_to_num(raw)
    overall = (np.cumsum(value, axis=1) + 12 * typical) / (np.cumsum(seen, axis=1) + 12)
    delay, calendar = cube.delays.get(DEFICIT, 0), cube.calendar[: cube.months]
    as_known, own = np.full((*raw.shape, 12), typical), np.empty(raw.shape)
    # month by month: all twelve at once would be the largest arrays of the forecast
    for month in range(12):
        here = calendar == month
        count, total = np.cumsum(seen & here, axis=1), np.cumsum(np.where(here, value, 0.0), axis=1)
        normal = (total + overall) / (count + 1.0)
        own[:, here] = normal[:, here]
        as_known[:, delay:, month] = normal[:, : cube.months - delay]
    return Water(np.where(seen, raw, own), as_known, delay)


def expected_deficit(
    cube: Cube,
    water: Water,
    weights: FloatArray,
    origins: NDArray[np.int64],
    horizons: NDArray[np.int64],
    before: float,
    dtype: type[np.floating[Any]] = np.float64,
) -> Any:
    """Weighted sums of the deficit over the lags before harvest, as expected at each origin.

    Months known at the origin enter as they were, later ones with the normal of their calendar month,
    months before the record with ``before``.

    Parameters
    ----------
    weights
        ``(K, lags)``: one row per wanted sum, lag 0 first.
    origins
        Month indices of the origins.
    horizons
        Months ahead.
    before
        mm per month before the first month.
    dtype
        Of the result; single precision where a learner reads it.

    Returns
    -------
    ndarray
        ``(K, P, origins, horizons)`` mm.
    """
    out = np.zeros((weights.shape[0], len(cube.ids), len(origins), len(horizons)), dtype=dtype)
    for k, h in enumerate(horizons.tolist()):
        for lag in range(weights.shape[1]):
            month = origins + h - lag
            if h - lag <= -water.delay:
                values = np.where(month >= 0, water.filled[:, np.maximum(month, 0)], before)
            else:
                values = water.normal[:, origins, (cube.first + month) % 12]
            for row in np.flatnonzero(weights[:, lag]):
                out[row, :, :, k] += weights[row, lag] * values
    return out


def observed_deficit(cube: Cube, water: Water, assumptions: Assumptions) -> FloatArray:
    """Annual-equivalent kernel deficit W of every month up to the valuation month, hundreds of mm, ``(P, T)``."""
    kernel = kernel_of(assumptions)
    pad = np.full((len(cube.ids), len(kernel) - 1), assumptions.number("deficit.typical_mm") / 12.0)
    series = np.concatenate([pad, water.filled], axis=1)
    out = np.zeros(cube.yields.shape)
    for lag, weight in enumerate(kernel.tolist()):
        start = len(kernel) - 1 - lag
        out += weight * series[:, start : start + cube.months]
    return np.asarray(12.0 * out / 100.0)


def ocean_deficit(
    cube: Cube, origins: NDArray[np.int64], horizons: NDArray[np.int64], assumptions: Assumptions
) -> FloatArray:
    """What the ocean says of W where no rain is known: hundreds of mm on top of normal, ``(P, origins, H)``.

    ``sum_L v(L) (a max(ONI(t-L) - 0.5, 0) + b max(-1 - ONI(t-L), 0))``, v even over the lags of the assumptions;
    seasons that are not known at the origin count as neutral. 0 for plantations with any deficit of their own, which
    carries the ocean's effect already.
    """
    out = np.zeros((len(cube.ids), len(origins), len(horizons)))
    known = cube.features.get(OCEAN)
    dry = ~np.isfinite(cube.features.get(DEFICIT, np.full(cube.yields.shape, np.nan))).any(axis=1)
    if known is None or not dry.any():
        return out
    index = np.nan_to_num(known[dry])
    warm, cold = (assumptions.number(f"ocean.{n}_mm_per_degree") / 100.0 for n in ("warm", "cold"))
    excess = warm * np.maximum(index - 0.5, 0.0) + cold * np.maximum(-1.0 - index, 0.0)
    first, last = (int(v) for v in assumptions.table("ocean.lags"))
    newest = origins - cube.delays.get(OCEAN, 0)
    for k, h in enumerate(horizons.tolist()):
        for lag in range(first, last + 1):
            # a season is known two months later: the value known at a month is that of two months before
            month = origins + h - lag + 2
            use = (month >= 0) & (month <= newest)
            out[dry, :, k] += np.where(use, excess[:, np.clip(month, 0, cube.months - 1)], 0.0) / (last - first + 1)
    return out


def fit_prior(cube: Cube, annual: FloatArray, cutoff: int, assumptions: Assumptions) -> PriorFit:
    """Estimate season and deficit response from harvests up to month index ``cutoff``, shrunk to the assumptions.

    Parameters
    ----------
    annual
        Result of :func:`observed_deficit`.
    cutoff
        Last month index whose harvest may be used.
    """
    end = max(cutoff + 1, 0)
    y, potential = cube.taught[:, :end], cube.potential[:, :end]
    beta = assumptions.number("deficit.beta")
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = y / (potential * np.exp(-beta * annual[:, :end]))
    season = np.empty((len(cube.ids), 12))
    keys = list(zip(cube.region, cube.season_rows, strict=True))
    years, months = assumptions.number("season.shrinkage_years"), int(assumptions.number("season.min_months_of_year"))
    for key in sorted(set(keys)):
        members = np.array([k == key for k in keys])
        season[members] = estimate_season(
            ratio[members], cube.first, season_default(key[1], assumptions), years, months
        )
    return PriorFit(season, *_beta(cube, annual[:, :end], season, y, potential, assumptions))


def base_yield(cube: Cube, fit: PriorFit, annual: FloatArray) -> FloatArray:
    """Prior without plantation effect in months up to the valuation month, ``(P, T)`` t per ha and month."""
    season = fit.season[:, cube.calendar[: cube.months]]
    return np.asarray(cube.potential[:, : cube.months] * season * np.exp(-fit.beta * annual))


@dataclass(frozen=True)
class Levels:
    """Log level of each plantation against the base, as known at each month.

    Parameters
    ----------
    effect, years
        ``(P, T)`` level, and years of harvest that it rests on.
    portfolio, sd
        ``(T,)`` the portfolio's level, and the spread of the plantations' levels around it.
    """

    effect: FloatArray
    years: FloatArray
    portfolio: FloatArray
    sd: FloatArray


def plantation_effects(cube: Cube, base: FloatArray, assumptions: Assumptions) -> Levels:
    """Levels by empirical Bayes.

    The own level is the log of observed over expected tonnes per ha (a ratio of sums keeps the mean),
    shrunk to the portfolio's level by ``n tau^2 / (n tau^2 + sigma^2)``; the portfolio's level is shrunk to
    zero. tau is the spread of the levels beyond their noise, itself shrunk to the assumed one by the number of
    plantations. A stand that is not harvested (:attr:`Cube.idle`) has the level of that run while it lasts, and tells
    nothing of the portfolio's level and of tau.
    """
    assumed = assumptions.number("plantation_effect.sd")
    noise = assumptions.number("plantation_effect.noise_month")
    floor = assumptions.number("data.log_floor")
    shrink = 1.0 / assumptions.number("plantation_effect.sd_portfolio") ** 2
    few = assumptions.number("plantation_effect.shrinkage_plantations")
    level, years = _own_level(cube, base, cube.taught, floor)
    with np.errstate(divide="ignore"):
        error = noise**2 / 12.0 / years
    counted = years >= assumptions.number("plantation_effect.min_years")
    n = counted.sum(axis=0)
    mean = np.where(counted, level, 0.0).sum(axis=0) / np.maximum(n, 1)
    between = np.where(counted, (level - mean) ** 2 - np.where(counted, error, 0.0), 0.0).sum(axis=0)
    between = np.maximum(between * n / np.maximum(n - 1, 1), 0.0)
    sd = np.sqrt((few * assumed**2 + between) / (few + n))
    precision = 1.0 / (sd**2 + error)
    portfolio = (precision * level).sum(axis=0) / (precision.sum(axis=0) + shrink)
    level, years = _own_level(cube, base, cube.yields, floor)
    weight = effect_weight(years, sd, noise)
    return Levels(portfolio + weight * (level - portfolio), years, portfolio, sd)


def _own_level(cube: Cube, base: FloatArray, yields: FloatArray, floor: float) -> tuple[FloatArray, FloatArray]:
    """Log of observed over expected harvest, 0 without any, and the years it rests on, as known at each month."""
    seen = np.isfinite(yields) & (base > 0)
    sums = []
    begun = cube.idle & ~np.pad(cube.idle, ((0, 0), (1, 0)))[:, :-1]
    since = np.maximum.accumulate(np.where(begun, np.arange(cube.months), 0), axis=1)
    for values in (np.where(seen, yields, 0.0), np.where(seen, base, 0.0), seen.astype(np.float64)):
        total = np.cumsum(values, axis=1)
        before = np.take_along_axis(np.pad(total, ((0, 0), (1, 0))), since, axis=1)
        total = np.where(cube.idle & (yields == 0), total - before, total)
        sums.append(np.nan_to_num(shift(total, cube.delays["yield"])))
    observed, expected, months = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(months > 0, np.log(np.maximum(observed, floor * months) / expected), 0.0), months / 12.0


def prior_yield(
    cube: Cube,
    fit: PriorFit,
    annual_expected: FloatArray,
    effect: FloatArray,
    origins: NDArray[np.int64],
    horizons: NDArray[np.int64],
) -> FloatArray:
    """Prior ``mu = potential * season * exp(-beta W) * exp(effect)``.

    Parameters
    ----------
    annual_expected
        ``(P, origins, horizons)`` W expected at the origin, hundreds of mm.
    effect
        Log plantation effect, broadcastable to ``(P, origins, horizons)``.

    Returns
    -------
    ndarray
        ``(P, origins, horizons)`` t per mature ha and month.
    """
    target = origins[:, None] + horizons[None, :]
    level = cube.potential[:, target] * fit.season[:, (cube.first + target) % 12]
    return np.asarray(level * np.exp(-fit.beta * annual_expected + effect))


def _beta(
    cube: Cube, annual: FloatArray, season: FloatArray, y: FloatArray, potential: FloatArray, assumptions: Assumptions
) -> tuple[float, float]:
    """Deficit response from within-plantation log anomalies: ridge estimate, and least squares without the prior.

    The second is NaN where no plantation has a year of harvests with the deficits of all lags before it.
    """
    prior, sd = assumptions.number("deficit.beta"), assumptions.number("deficit.beta_sd")
    climate = np.isfinite(cube.features.get(DEFICIT, np.full(cube.yields.shape, np.nan)))[:, : y.shape[1]]
    lags = len(kernel_of(assumptions))
    record = np.cumsum(climate, axis=1) >= lags
    seen = np.isfinite(y) & (potential > 0) & record
    n = seen.sum(axis=1, keepdims=True)
    if not (n >= 12).any():
        return prior, float("nan")
    seen = seen & (n >= 12)
    expected = np.where(seen, potential * season[:, cube.calendar[: y.shape[1]]], 1.0)
    anomaly = np.where(seen, np.log(np.maximum(np.nan_to_num(y), assumptions.number("data.log_floor")) / expected), 0.0)
    n = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    response = np.where(seen, anomaly - anomaly.sum(axis=1, keepdims=True) / n, 0.0)
    regressor = np.where(seen, annual - np.where(seen, annual, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    ar1 = assumptions.number("deficit.noise_ar1")
    noise = max(float((response**2).sum()) / float(seen.sum()) * (1 + ar1) / (1 - ar1), 1e-6)
    slope = ridge_slope(-response, regressor, prior, sd, noise)
    free = float("nan")
    if (regressor**2).sum() > 0:
        free = ridge_slope(-response, regressor, 0.0, float("inf"), noise)
    return float(np.clip(slope, 0.0, assumptions.number("deficit.beta_max"))), free
