"""The members of the near-term forecast, fitted at each fold and at the valuation month, and their past errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.agronomy import FloatArray, kernel_of
from plantation_rwa.forecast.cube import Cube
from plantation_rwa.forecast.intervals import plantation_spread
from plantation_rwa.forecast.learners import (
    FORMS,
    Design,
    bin_weights,
    design,
    fit_boosting,
    predict_boosting,
    sample,
    training_rows,
)
from plantation_rwa.forecast.memory import (
    KINDS,
    Regressors,
    anomalies,
    canopy_departure,
    fit_memory,
    light_departure,
    remembered,
)
from plantation_rwa.forecast.prior import (
    Levels,
    PriorFit,
    Water,
    base_yield,
    expected_deficit,
    fit_prior,
    observed_deficit,
    ocean_deficit,
    plantation_effects,
    prior_yield,
    water_of,
)
from plantation_rwa.forecast.quantile_regression import FEATURES, fit_error_quantiles
from plantation_rwa.forecast.stack import combine, stack_weights

#: The stack's members, in order.
MEMBERS = ("climatology", "last_year", "prior", "memory", "direct", "residual")
#: Horizons that the learners forecast, months.
HORIZONS: NDArray[np.int64] = np.arange(1, 13)


@dataclass(frozen=True)
class Past:
    """The near-term forecast with what it was made from; P plantations, T months, H = 12 horizons.

    Parameters
    ----------
    mean, mu
        Forecast and prior at the valuation month, ``(P, H)`` t per ha and month.
    stacked
        ``(P,)`` whether the forecast is the stack (else the prior).
    fit, water, observed_deficit, annual, kernel, levels
        Parts of the prior at the valuation month, see :mod:`plantation_rwa.forecast.prior`.
    observed_months
        ``(P,)`` harvest months used.
    expected, remembered
        The memory's forecast ``(P, H)`` and the relative corrections it is made of ``(P, H, kinds)``.
    errors
        ``(P, T)`` relative errors of the prior one month ahead.
    scale
        ``(P,)`` plantation spread over the pooled one.
    shape
        ``(P, months ahead, 7)`` quantiles of relative errors over that spread, by the regression.
    calibration_months
        ``(origins, H)`` month indices of the folds' targets.
    calibration_forecast, calibration_prior, calibration_observed
        ``(P, origins, H)`` embargoed forecasts of the folds and what was harvested, NaN where not.
    calibration_shape
        ``(P, origins, H, 7)`` as ``shape``.
    weights
        ``(buckets, M)`` of :data:`MEMBERS`.
    """

    mean: FloatArray
    mu: FloatArray
    stacked: NDArray[np.bool_]
    fit: PriorFit
    water: Water
    observed_deficit: FloatArray
    annual: FloatArray
    kernel: FloatArray
    levels: Levels
    observed_months: NDArray[np.int64]
    expected: FloatArray
    remembered: FloatArray
    errors: FloatArray
    scale: FloatArray
    shape: FloatArray
    calibration_months: NDArray[np.int64]
    calibration_forecast: FloatArray
    calibration_prior: FloatArray
    calibration_observed: FloatArray
    calibration_shape: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class Fixed:
    """Arrays that no fit changes, for all origins."""

    water: Water
    observed: FloatArray
    annual: FloatArray
    bins: NDArray[np.float32]
    light: FloatArray


@dataclass(frozen=True)
class Fitted:
    """Prior and members fitted with harvests up to a cutoff.

    Parameters
    ----------
    mu, expected
        Prior and memory's forecast of all origins ``(P, T, H)``.
    kinds
        ``(P, H, kinds)`` correction by the memory at the last of the asked origins.
    members
        ``(M, P, origins, H)`` at the asked origins.
    """

    fit: PriorFit
    levels: Levels
    mu: FloatArray
    expected: FloatArray
    kinds: FloatArray
    features: Design
    members: FloatArray


def near_term(cube: Cube, min_train_months: int, assumptions: Assumptions) -> Past:
    """Fit everything and forecast twelve months; the prior alone where harvests do not carry more."""
    fixed = fixed_of(cube, assumptions)
    months = int(np.isfinite(cube.yields).any(axis=0).sum())
    observed = np.isfinite(cube.yields).sum(axis=1)
    starts = _fold_starts(cube, assumptions)
    boost = months >= min_train_months and bool(starts)
    enough = np.asarray(observed >= assumptions.number("boosting.min_plantation_months"), dtype=np.bool_)
    stacked = enough if boost else np.zeros_like(enough)
    last = cube.months - 1
    final = fit_members(cube, fixed, last, np.array([last]), stacked, assumptions)
    origins = [np.arange(start, min(start + 12, last)) for start in starts]
    oldest: list[Fitted] = []
    told, prior = [], []
    for start, at in zip(starts, origins, strict=True):
        fold = fit_members(cube, fixed, start - cube.delays["yield"], at, stacked, assumptions)
        told.append(fold.members)
        prior.append(fold.mu[:, at])
        oldest = oldest or [fold]
    every = np.concatenate([np.empty(0, dtype=np.int64), *origins])
    shape = (len(cube.ids), 0, len(HORIZONS))
    past_members = np.concatenate([np.empty((len(MEMBERS), *shape)), *told], axis=2)
    past_prior = np.concatenate([np.empty(shape), *prior], axis=1)
    past_target = np.concatenate([np.empty(shape), *(_targets(cube, at) for at in origins)], axis=1)
    usable = np.where(stacked[:, None, None], past_target, np.nan)
    weights = stack_weights(past_members, usable, past_prior, HORIZONS, assumptions.number("boosting.equal_months"))
    mu = final.mu[:, last]
    mean = combine(final.members, weights, HORIZONS)[:, 0]
    past_mean = combine(past_members, weights, HORIZONS)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = np.concatenate([np.full((len(cube.ids), 1), np.nan), final.mu[:, :-1, 0]], axis=1)
        errors = np.where(ahead > 0, cube.yields / ahead - 1.0, np.nan)
    scale = plantation_spread(errors, final.levels.years[:, -1] * 12.0, assumptions)
    spread = final.features.only(FEATURES)
    regression = fit_error_quantiles(*_past_errors(cube, oldest, starts, scale, assumptions), assumptions)
    ahead_months, levels = cube.potential.shape[1] - cube.months, len(PROBABILITIES)
    return Past(
        np.where(stacked[:, None], mean, mu),
        mu,
        stacked,
        final.fit,
        fixed.water,
        fixed.observed,
        fixed.annual[:, last],
        kernel_of(assumptions),
        final.levels,
        observed,
        final.expected[:, last],
        final.kinds,
        errors,
        scale,
        regression.at(spread.block(np.array([last]), ahead_months)).reshape(len(cube.ids), ahead_months, levels),
        every[:, None] + HORIZONS,
        past_mean,
        past_prior,
        past_target,
        regression.at(spread.block(every, len(HORIZONS))).reshape(len(cube.ids), len(every), len(HORIZONS), levels),
        weights,
    )


def _past_errors(
    cube: Cube, oldest: Sequence[Fitted], starts: Sequence[int], scale: FloatArray, assumptions: Assumptions
) -> tuple[NDArray[np.float32], FloatArray]:
    """Rows and relative errors of the memory's forecast before the oldest fold, for the quantile regression."""
    if not oldest:
        return np.empty((0, len(FEATURES)), dtype=np.float32), np.empty(0)
    expected, features = oldest[0].expected, oldest[0].features.only(FEATURES)
    cutoff = starts[0] - cube.delays["yield"]
    used = [int(h) for h in assumptions.table("boosting.horizons")]
    rows = training_rows(cube, expected, np.arange(cube.months), HORIZONS, used, cutoff)
    p, s, h = sample(rows, int(assumptions.number("quantile_regression.max_rows")), "quantiles")
    return features.rows(p, s, h), (cube.yields[p, s + HORIZONS[h]] / expected[p, s, h] - 1.0) / scale[p]


def fixed_of(cube: Cube, assumptions: Assumptions) -> Fixed:
    """Deficit sums of every origin and horizon, and departures of the light."""
    water = water_of(cube, assumptions)
    kernel = kernel_of(assumptions)
    before = assumptions.number("deficit.typical_mm") / 12.0
    every = np.arange(cube.months)
    annual = expected_deficit(cube, water, 0.12 * kernel[None, :], every, HORIZONS, before)[0]
    annual = annual + ocean_deficit(cube, every, HORIZONS, assumptions)
    # seen from the month itself nothing of the lags is unknown
    ocean = ocean_deficit(cube, every, np.zeros(1, dtype=np.int64), assumptions)[..., 0]
    bins = expected_deficit(cube, water, bin_weights(len(kernel)), every, HORIZONS, before, dtype=np.float32)
    return Fixed(water, observed_deficit(cube, water, assumptions) + ocean, annual, bins, light_departure(cube))


def _fold_starts(cube: Cube, assumptions: Assumptions) -> list[int]:
    """First origins of the calibration folds, oldest first: enough harvest months known before each."""
    harvested: NDArray[np.bool_] = np.asarray(np.isfinite(cube.yields).any(axis=0))
    out = []
    for back in sorted((int(b) for b in assumptions.table("boosting.fold_months")), reverse=True):
        start = cube.months - 1 - back
        known = int(harvested[: max(start - cube.delays["yield"] + 1, 0)].sum())
        if start >= 0 and known >= assumptions.number("boosting.min_fold_months"):
            out.append(start)
    return out


def _targets(cube: Cube, origins: NDArray[np.int64]) -> FloatArray:
    """Harvest ``(P, origins, H)`` that each origin's forecast is measured against, NaN where not known."""
    target = origins[:, None] + HORIZONS[None, :]
    return np.where(target < cube.months, cube.yields[:, np.minimum(target, cube.months - 1)], np.nan)


def fit_members(
    cube: Cube,
    fixed: Fixed,
    cutoff: int,
    origins: NDArray[np.int64],
    stacked: NDArray[np.bool_],
    assumptions: Assumptions,
) -> Fitted:
    """:data:`MEMBERS` at ``origins``, nothing fitted on harvests after month ``cutoff``."""
    fit = fit_prior(cube, fixed.observed, cutoff, assumptions)
    base = base_yield(cube, fit, fixed.observed)
    levels = plantation_effects(cube, base, assumptions)
    effect = levels.effect
    every = np.arange(cube.months)
    mu = prior_yield(cube, fit, fixed.annual, effect[:, :, None], every, HORIZONS)
    if not stacked.any():
        features = design(cube, mu, mu, fixed.annual, fixed.bins, base, effect, HORIZONS)
        nothing = np.zeros((*mu[:, 0].shape, len(KINDS)))
        same = np.stack([mu[:, origins]] * len(MEMBERS))
        return Fitted(fit, levels, mu, mu, nothing, features, same)
    regressors = Regressors(cube, anomalies(cube, base, effect), canopy_departure(cube), fixed.light)
    memory = fit_memory(regressors, cube, mu, HORIZONS, cutoff, assumptions)
    largest = assumptions.number("memory.largest")
    expected = mu * (1.0 + np.clip(remembered(memory, regressors, every, HORIZONS)[..., 0], -largest, largest))
    kinds = remembered(memory, regressors, origins[-1:], HORIZONS, KINDS)[:, 0]
    features = design(cube, expected, mu, fixed.annual, fixed.bins, base, effect, HORIZONS)
    learned = _boosted(cube, features, expected, cutoff, origins, assumptions)
    usual, year_ago = _naive(cube, origins, mu[:, origins])
    members = np.stack([usual, year_ago, mu[:, origins], expected[:, origins], *learned])
    return Fitted(fit, levels, mu, expected, kinds, features, members)


def _boosted(
    cube: Cube,
    features: Design,
    expected: FloatArray,
    cutoff: int,
    origins: NDArray[np.int64],
    assumptions: Assumptions,
) -> list[FloatArray]:
    """Direct and residual boosting at ``origins``."""
    used = [int(h) for h in assumptions.table("boosting.horizons")]
    rows = training_rows(cube, expected, np.arange(cube.months), HORIZONS, used, cutoff)
    p, s, h = sample(rows, int(assumptions.number("boosting.max_rows")), "boosting")
    x, y, prior = features.rows(p, s, h), cube.yields[p, s + HORIZONS[h]], expected[p, s, h]
    at, scale = features.block(origins, len(HORIZONS)), expected[:, origins]
    out = []
    for form in FORMS:
        model = fit_boosting(x, y, prior, form, features.names, assumptions)
        out.append(predict_boosting(model, at, scale, form))
    return out


def _naive(cube: Cube, origins: NDArray[np.int64], fallback: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean of the target's calendar month so far, and its newest year, as known; the prior where there is none.

    Both are taken relative to the stand's potential, so that a young stand's growth is in them.
    """
    delay = cube.delays["yield"]
    future = cube.potential[:, origins[:, None] + HORIZONS]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = cube.yields / cube.potential[:, : cube.months]
    mean, newest = fallback.copy(), fallback.copy()
    for j, origin in enumerate(origins.tolist()):
        for k, h in enumerate(HORIZONS.tolist()):
            months = np.arange(origin + h - 12 * ((h + delay + 11) // 12), -1, -12)
            if len(months):
                values, scale = relative[:, months], future[:, j, k]
                seen = np.isfinite(values)
                some = seen.any(axis=1)
                total = np.where(seen, values, 0.0).sum(axis=1)
                mean[:, j, k] = np.where(some, scale * total / np.maximum(seen.sum(axis=1), 1), mean[:, j, k])
                first = values[np.arange(len(values)), np.argmax(seen, axis=1)]
                newest[:, j, k] = np.where(some, scale * first, newest[:, j, k])
    return mean, newest
