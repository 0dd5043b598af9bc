"""The forecast of the next twelve months, fitted at each fold and at the valuation month, and its past errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.agronomy import FloatArray, kernel_of
from plantation_rwa.forecast.cube import Cube
from plantation_rwa.forecast.intervals import plantation_spread
from plantation_rwa.forecast.learners import sample, training_rows
from plantation_rwa.forecast.members import (
    HORIZONS,
    MEMBERS,
    Fitted,
    Fixed,
    Told,
    expected_annual,
    fit_members,
    fixed_of,
    ground_of,
    members_of,
    tell,
)
from plantation_rwa.forecast.prior import Levels, PriorFit, Water, prior_yield
from plantation_rwa.forecast.quantile_regression import FEATURES, ErrorQuantiles, fit_error_quantiles
from plantation_rwa.forecast.stack import combine, stack_weights
from plantation_rwa.streams import stream

#: plantations that are told at a time: what hangs on plantation, origin and horizon is held of these alone
CHUNK = 1000


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
    calibration_rows
        ``(C,)`` positions of the plantations that the fits and the calibration rest on, see :func:`fitting_rows`.
    calibration_months
        ``(origins, H)`` month indices of the folds' targets.
    calibration_forecast, calibration_prior, calibration_observed
        ``(C, origins, H)`` embargoed forecasts of the folds and what was harvested, NaN where not.
    calibration_shape
        ``(C, origins, H, 7)`` as ``shape``.
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
    calibration_rows: NDArray[np.intp]
    calibration_months: NDArray[np.int64]
    calibration_forecast: FloatArray
    calibration_prior: FloatArray
    calibration_observed: FloatArray
    calibration_shape: FloatArray
    weights: FloatArray


def near_term(cube: Cube, min_train_months: int, assumptions: Assumptions) -> Past:
    """Fit everything and forecast twelve months; the prior alone where harvests do not carry more."""
    fixed = fixed_of(cube, assumptions)
    months = int(np.isfinite(cube.yields).any(axis=0).sum())
    observed = np.isfinite(cube.yields).sum(axis=1)
    starts = _fold_starts(cube, assumptions)
    boost = months >= min_train_months and bool(starts)
    enough = np.asarray(observed >= assumptions.number("boosting.min_plantation_months"), dtype=np.bool_)
    enough &= ~_silent(cube)  # the learners have seen nobody like them
    stacked = enough if boost else np.zeros_like(enough)
    last, every = cube.months - 1, np.arange(cube.months)
    rows = fitting_rows(cube, stacked, int(assumptions.number("fitting.max_plantations")))
    ground = ground_of(cube, fixed, rows, every, assumptions)
    part = ground.cube
    origins = [np.arange(start, min(start + 12, last)) for start in starts]
    oldest: list[Told] = []
    parts = []
    for start, at in zip(starts, origins, strict=True):
        fold, told = fit_members(cube, fixed, ground, start - cube.delays["yield"], stacked, assumptions)
        there = told.at(at)
        parts.append((members_of(fold, there, part), there))
        oldest = oldest or [told]
    joined = np.concatenate([np.empty(0, dtype=np.int64), *origins])
    shape = (len(rows), 0, len(HORIZONS))
    past_members = np.concatenate([np.empty((len(MEMBERS), *shape)), *(m for m, _ in parts)], axis=2)
    past_prior = np.concatenate([np.empty(shape), *(t.mu for _, t in parts)], axis=1)
    past_target = np.concatenate([np.empty(shape), *(_targets(part, at) for at in origins)], axis=1)
    usable = np.where(stacked[rows, None, None], past_target, np.nan)
    weights = stack_weights(past_members, usable, past_prior, HORIZONS, assumptions.number("boosting.equal_months"))
    final, _ = fit_members(cube, fixed, ground, last, stacked, assumptions)
    own_errors = _errors(cube, fixed, final, assumptions)
    errors = np.where(cube.idle, np.nan, own_errors)
    scale = plantation_spread(own_errors, errors, assumptions)
    regression = fit_error_quantiles(*_past_errors(part, oldest, starts, scale[rows], assumptions), assumptions)
    mean, mu, expected, kinds, spread = _now(cube, fixed, final, weights, regression, assumptions)
    shapes = [regression.at(t.features.only(FEATURES).block(len(HORIZONS))) for _, t in parts]
    levels = len(PROBABILITIES)
    calibration_shape = [s.reshape(len(rows), -1, len(HORIZONS), levels) for s in shapes]
    return Past(
        np.where(stacked[:, None], mean, mu),
        mu,
        stacked,
        final.fit,
        fixed.water,
        fixed.observed,
        expected_annual(cube, fixed.water, np.array([last]), HORIZONS, assumptions)[:, 0],
        kernel_of(assumptions),
        final.levels,
        observed,
        expected,
        kinds,
        errors,
        scale,
        spread,
        rows,
        joined[:, None] + HORIZONS,
        combine(past_members, weights, HORIZONS),
        past_prior,
        past_target,
        np.concatenate([np.empty((*shape, levels)), *calibration_shape], axis=1),
        weights,
    )


def fitting_rows(cube: Cube, stacked: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Plantations that memory, boosters, stack, error quantiles and margins are fitted on: all, or ``most`` of them.

    Of more, a sample stratified by region and by whether the record carries the stack: each stratum in proportion,
    the largest remainders rounded up, drawn without regard to any value. Season, drought response, levels and the
    region's recent crops rest on all plantations whatever their number.

    Returns
    -------
    ndarray
        Positions, ascending.
    """
    count = len(cube.ids)
    if count <= most:
        return np.arange(count)
    names = np.array([f"{region}|{known}" for region, known in zip(cube.region, stacked.tolist(), strict=True)])
    strata, member, size = np.unique(names, return_inverse=True, return_counts=True)
    share = most * size / count
    places = np.floor(share).astype(np.int64)
    left = np.argsort(-(share - places), kind="stable")[: most - int(places.sum())]
    places[left] += 1
    chosen = []
    for k, name in enumerate(strata.tolist()):
        mine = np.flatnonzero(member == k)
        order = np.argsort(stream(0, "fitting_rows", name).random(len(mine)), kind="stable")
        chosen.append(mine[order[: places[k]]])
    return np.sort(np.concatenate(chosen))


def _chunks(count: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, count, CHUNK):
        yield np.arange(start, min(start + CHUNK, count))


def _errors(cube: Cube, fixed: Fixed, fitted: Fitted, assumptions: Assumptions) -> FloatArray:
    """Relative errors of the prior one month ahead, ``(P, T)``."""
    every, one = np.arange(cube.months), np.ones(1, dtype=np.int64)
    told = []
    for rows in _chunks(len(cube.ids)):
        part = cube.take(rows)
        annual = expected_annual(part, fixed.water.take(rows), every, one, assumptions)
        effect = fitted.levels.effect[rows][:, :, None]
        told.append(prior_yield(part, fitted.fit.take(rows), annual, effect, every, one)[..., 0])
    mu = np.concatenate(told)
    ahead = np.concatenate([np.full((len(mu), 1), np.nan), mu[:, :-1]], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ahead > 0, cube.yields / ahead - 1.0, np.nan)


def _now(
    cube: Cube, fixed: Fixed, final: Fitted, weights: FloatArray, regression: ErrorQuantiles, assumptions: Assumptions
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Stack, prior, memory, its corrections and the quantiles of errors at the valuation month, by plantation."""
    last = np.array([cube.months - 1])
    ahead = cube.potential.shape[1] - cube.months
    parts = []
    for rows in _chunks(len(cube.ids)):
        ground = ground_of(cube, fixed, rows, last, assumptions)
        told = tell(final, ground, assumptions)
        members = members_of(final, told, ground.cube)
        shape = regression.at(told.features.only(FEATURES).block(ahead))
        parts.append(
            (
                combine(members, weights, HORIZONS)[:, 0],
                told.mu[:, 0],
                told.expected[:, 0],
                told.kinds[:, 0],
                shape.reshape(len(rows), ahead, len(PROBABILITIES)),
            )
        )
    mean, mu, expected, kinds, spread = (np.concatenate(values) for values in zip(*parts, strict=True))
    return mean, mu, expected, kinds, spread


def _past_errors(
    cube: Cube, oldest: Sequence[Told], starts: Sequence[int], scale: FloatArray, assumptions: Assumptions
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


def _silent(cube: Cube) -> NDArray[np.bool_]:
    """Plantations whose newest harvest ends a run of zeros, ``(P,)``."""
    told = np.isfinite(cube.yields)
    newest = cube.months - 1 - np.argmax(told[:, ::-1], axis=1)
    return np.asarray(told.any(axis=1) & cube.idle[np.arange(len(newest)), newest])


def _targets(cube: Cube, origins: NDArray[np.int64]) -> FloatArray:
    """Harvest ``(P, origins, H)`` that each origin's forecast is measured against, NaN where not known."""
    target = origins[:, None] + HORIZONS[None, :]
    return np.where(target < cube.months, cube.taught[:, np.minimum(target, cube.months - 1)], np.nan)
