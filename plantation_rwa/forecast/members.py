"""The members of the near-term forecast, fitted at each fold and at the valuation month, and their past errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray, kernel_of
from plantation_rwa.forecast.cube import Cube
from plantation_rwa.forecast.learners import (
    FORMS,
    Design,
    bin_weights,
    design,
    fit_boosting,
    predict_boosting,
    training_rows,
)
from plantation_rwa.forecast.prior import (
    PriorFit,
    Water,
    base_yield,
    expected_deficit,
    fit_prior,
    observed_deficit,
    plantation_effects,
    prior_yield,
    water_of,
)
from plantation_rwa.forecast.stack import combine, join_level, stack_weights

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
    fit, water, kernel, effect, portfolio, years
        Parts of the prior at the valuation month, see :mod:`plantation_rwa.forecast.prior`.
    observed_months
        ``(P,)`` harvest months used.
    errors
        ``(P, T)`` relative errors of the prior one month ahead.
    calibration_forecast, calibration_prior, calibration_observed
        ``(P, origins, H)`` embargoed forecasts of the folds and what was harvested, NaN where not.
    """

    mean: FloatArray
    mu: FloatArray
    stacked: NDArray[np.bool_]
    fit: PriorFit
    water: Water
    kernel: FloatArray
    effect: FloatArray
    portfolio: FloatArray
    years: FloatArray
    observed_months: NDArray[np.int64]
    errors: FloatArray
    calibration_forecast: FloatArray
    calibration_prior: FloatArray
    calibration_observed: FloatArray


@dataclass(frozen=True)
class _Fixed:
    """Arrays that no fit changes, for all origins."""

    water: Water
    observed: FloatArray
    annual: FloatArray
    bins: FloatArray


@dataclass(frozen=True)
class _Fitted:
    """Prior and members fitted with harvests up to a cutoff, evaluated at some origins."""

    fit: PriorFit
    effect: FloatArray
    portfolio: FloatArray
    years: FloatArray
    mu_all: FloatArray
    members: FloatArray


def near_term(cube: Cube, min_train_months: int, assumptions: Assumptions) -> Past:
    """Fit everything and forecast twelve months; the prior alone where harvests do not carry more."""
    fixed = _fixed(cube, assumptions)
    months = int(np.isfinite(cube.yields).any(axis=0).sum())
    observed = np.isfinite(cube.yields).sum(axis=1)
    starts = _fold_starts(cube, assumptions)
    boost = months >= min_train_months and bool(starts)
    enough = np.asarray(observed >= assumptions.number("boosting.min_plantation_months"), dtype=np.bool_)
    stacked = enough if boost else np.zeros_like(enough)
    last = cube.months - 1
    final = _fit(cube, fixed, last, np.array([last]), stacked, assumptions)
    members, prior, target = [final.members[:, :, :0]], [], []
    for start in starts:
        origins = np.arange(start, min(start + 12, last))
        fold = _fit(cube, fixed, start - cube.delays["yield"], origins, stacked, assumptions)
        members.append(fold.members)
        prior.append(fold.mu_all[:, origins])
        target.append(_targets(cube, origins))
    past_members = np.concatenate(members, axis=2)
    empty = np.empty((len(cube.ids), 0, len(HORIZONS)))
    past_prior = np.concatenate([empty, *prior], axis=1)
    past_target = np.concatenate([empty, *target], axis=1)
    usable = np.where(stacked[:, None, None], past_target, np.nan)
    weights = stack_weights(past_members, usable, past_prior, HORIZONS, assumptions.number("boosting.equal_weight"))
    mu = final.mu_all[:, last]
    mean = join_level(combine(final.members, weights, HORIZONS), mu[:, None], HORIZONS)[:, 0]
    past_mean = join_level(combine(past_members, weights, HORIZONS), past_prior, HORIZONS)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = np.concatenate([np.full((len(cube.ids), 1), np.nan), final.mu_all[:, :-1, 0]], axis=1)
        errors = np.where(ahead > 0, cube.yields / ahead - 1.0, np.nan)
    return Past(
        np.where(stacked[:, None], mean, mu),
        mu,
        stacked,
        final.fit,
        fixed.water,
        kernel_of(assumptions),
        final.effect,
        final.portfolio,
        final.years,
        observed,
        errors,
        past_mean,
        past_prior,
        past_target,
    )


def _fixed(cube: Cube, assumptions: Assumptions) -> _Fixed:
    water = water_of(cube, assumptions)
    kernel = kernel_of(assumptions)
    weights = np.concatenate([0.12 * kernel[None, :], bin_weights(len(kernel))])
    before = assumptions.number("deficit.typical_mm") / 12.0
    sums = expected_deficit(cube, water, weights, np.arange(cube.months), HORIZONS, before)
    return _Fixed(water, observed_deficit(cube, water, assumptions), sums[0], sums[1:])


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


def _fit(
    cube: Cube,
    fixed: _Fixed,
    cutoff: int,
    origins: NDArray[np.int64],
    stacked: NDArray[np.bool_],
    assumptions: Assumptions,
) -> _Fitted:
    """Members (prior, direct, residual) at ``origins``, nothing fitted on harvests after month ``cutoff``."""
    fit = fit_prior(cube, fixed.observed, cutoff, assumptions)
    base = base_yield(cube, fit, fixed.observed)
    effect, portfolio, years = plantation_effects(cube, base, assumptions)
    every = np.arange(cube.months)
    mu = prior_yield(cube, fit, fixed.annual, effect[:, :, None], every, HORIZONS)
    members = [mu[:, origins]] * 3
    if stacked.any():
        features = design(cube, mu, fixed.annual, fixed.bins, base, effect, every, HORIZONS)
        members[1:] = _boosted(cube, features, mu, cutoff, origins, assumptions)
    return _Fitted(fit, effect, portfolio, years, mu, np.stack(members))


def _boosted(
    cube: Cube, features: Design, mu: FloatArray, cutoff: int, origins: NDArray[np.int64], assumptions: Assumptions
) -> list[FloatArray]:
    """Direct and residual boosting at ``origins``."""
    used = [int(h) for h in assumptions.table("boosting.horizons")]
    p, s, h = training_rows(cube, mu, np.arange(cube.months), HORIZONS, used, cutoff)
    x, y, prior = features.values[p, s, h], cube.yields[p, s + HORIZONS[h]], mu[p, s, h]
    at, scale = features.values[:, origins], mu[:, origins]
    out = []
    for form in FORMS:
        model = fit_boosting(x, y, prior, form, assumptions)
        out.append(predict_boosting(model, at, scale, form))
    return out
