"""The members of the near-term forecast: fitted on some plantations' past, told of any plantation at any origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray, kernel_of
from plantation_rwa.forecast.cube import Cube
from plantation_rwa.forecast.learners import (
    FORMS,
    Boosted,
    Design,
    bin_weights,
    design,
    fit_boosting,
    held,
    predict_boosting,
    sample,
    training_rows,
)
from plantation_rwa.forecast.memory import (
    KINDS,
    NAMES,
    Memory,
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

#: The stack's members, in order.
MEMBERS = ("climatology", "last_year", "prior", "memory", "direct", "residual")
#: Horizons that the learners forecast, months.
HORIZONS: NDArray[np.int64] = np.arange(1, 13)


@dataclass(frozen=True)
class Fixed:
    """Arrays that no fit changes, ``(P, T)``: departures of canopy and light, deficit W; and the water behind it."""

    water: Water
    observed: FloatArray
    canopy: FloatArray
    light: FloatArray


@dataclass(frozen=True)
class Ground:
    """What does not hang on a fit at some origins of some plantations: expected W and deficit sums.

    Parameters
    ----------
    cube
        Of these plantations.
    rows
        Their positions in the whole portfolio.
    origins
        Month indices.
    annual, bins
        ``(P, origins, H)`` hundreds of mm; ``(7, P, origins, H)`` mm.
    """

    cube: Cube
    rows: NDArray[np.intp]
    origins: NDArray[np.int64]
    annual: FloatArray
    bins: NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """Prior and members fitted with harvests up to a cutoff.

    Parameters
    ----------
    fit, levels, base, regressors
        Of the whole portfolio: what regions and plantations share in time is cheap to take from all of them.
    memory, boosted
        Shared by all plantations; None and empty where harvests carry no more than the prior.
    names
        Features that the boosters read.
    """

    fit: PriorFit
    levels: Levels
    base: FloatArray
    regressors: Regressors
    memory: Memory | None
    boosted: tuple[Boosted | None, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """Forecasts at the origins of a ground, ``(P, origins, H)``: prior, memory, and the memory's corrections by kind.

    Parameters
    ----------
    kinds
        ``(P, origins, H, kinds)``.
    features
        Of the learners.
    """

    mu: FloatArray
    expected: FloatArray
    kinds: FloatArray
    features: Design

    def at(self, positions: NDArray[np.int64]) -> Told:
        """The same at some of the origins."""
        mu, expected, kinds = (values[:, positions] for values in (self.mu, self.expected, self.kinds))
        return Told(mu, expected, kinds, self.features.at(positions))


def fixed_of(cube: Cube, assumptions: Assumptions) -> Fixed:
    """Water, and departures of canopy and light, of all plantations and months."""
    water = water_of(cube, assumptions)
    # seen from the month itself nothing of the lags is unknown
    ocean = ocean_deficit(cube, np.arange(cube.months), np.zeros(1, dtype=np.int64), assumptions)[..., 0]
    observed = observed_deficit(cube, water, assumptions) + ocean
    return Fixed(water, observed, canopy_departure(cube), light_departure(cube))


def expected_annual(
    cube: Cube, water: Water, origins: NDArray[np.int64], horizons: NDArray[np.int64], assumptions: Assumptions
) -> FloatArray:
    """Kernel deficit W expected at each origin, hundreds of mm, ``(P, origins, horizons)``."""
    weights = 0.12 * kernel_of(assumptions)[None, :]
    before = assumptions.number("deficit.typical_mm") / 12.0
    annual: FloatArray = expected_deficit(cube, water, weights, origins, horizons, before)[0]
    return annual + ocean_deficit(cube, origins, horizons, assumptions)


def ground_of(
    cube: Cube, fixed: Fixed, rows: NDArray[np.intp], origins: NDArray[np.int64], assumptions: Assumptions
) -> Ground:
    """Deficits expected at some origins of some plantations."""
    part, water = cube.take(rows), fixed.water.take(rows)
    weights = bin_weights(len(kernel_of(assumptions)))
    before = assumptions.number("deficit.typical_mm") / 12.0
    bins = expected_deficit(part, water, weights, origins, HORIZONS, before, dtype=np.float32)
    return Ground(part, rows, origins, expected_annual(part, water, origins, HORIZONS, assumptions), bins)


def fit_members(
    cube: Cube,
    fixed: Fixed,
    ground: Ground,
    cutoff: int,
    stacked: NDArray[np.bool_],
    assumptions: Assumptions,
) -> tuple[Fitted, Told]:
    """Fit :data:`MEMBERS`, nothing on harvests after month ``cutoff``.

    Parameters
    ----------
    ground
        Plantations that the memory and the boosters are fitted on, all months as origins.

    Returns
    -------
    tuple
        The fit, and what it tells at the ground's origins.
    """
    fit = fit_prior(cube, fixed.observed, cutoff, assumptions)
    base = base_yield(cube, fit, fixed.observed)
    levels = plantation_effects(cube, base, assumptions)
    regressors = Regressors(cube, anomalies(cube, base, levels.effect), fixed.canopy, fixed.light)
    bare = Fitted(fit, levels, base, regressors, None, (), ())
    if not stacked.any():
        return bare, tell(bare, ground, assumptions)
    part, rows = ground.cube, ground.rows
    mu = _prior(bare, ground)
    memory = fit_memory(regressors.take(rows), part, mu, HORIZONS, cutoff, assumptions)
    remembers = replace(bare, memory=memory)
    told = tell(remembers, ground, assumptions)
    used = [int(h) for h in assumptions.table("boosting.horizons")]
    usable = training_rows(part, told.expected, ground.origins, HORIZONS, used, cutoff)
    p, s, h = sample(usable, int(assumptions.number("boosting.max_rows")), "boosting")
    features = told.features.only(held(told.features))
    x, y, expected = features.rows(p, s, h), part.yields[p, s + HORIZONS[h]], told.expected[p, s, h]
    boosted = tuple(fit_boosting(x, y, expected, form, features.names, assumptions) for form in FORMS)
    return replace(remembers, boosted=boosted, names=features.names), told


def tell(fitted: Fitted, ground: Ground, assumptions: Assumptions) -> Told:
    """Prior, memory and features at the ground's origins."""
    rows, origins, mu = ground.rows, ground.origins, _prior(fitted, ground)
    expected, kinds = mu, np.zeros((*mu.shape, len(KINDS)))
    if fitted.memory is not None:
        regressors = fitted.regressors.take(rows)
        largest = assumptions.number("memory.largest")
        every = remembered(fitted.memory, regressors, origins, HORIZONS, (NAMES, *KINDS))
        expected = mu * (1.0 + np.clip(every[..., 0], -largest, largest))
        kinds = every[..., 1:]
    base, effect = fitted.base[rows], fitted.levels.effect[rows]
    features = design(ground.cube, expected, mu, ground.annual, ground.bins, base, effect, origins, HORIZONS)
    return Told(mu, expected, kinds, features)


def members_of(fitted: Fitted, told: Told, cube: Cube) -> FloatArray:
    """Forecasts of :data:`MEMBERS`, ``(M, P, origins, H)``; the prior's in all without a fit.

    Parameters
    ----------
    cube
        Of the plantations told of.
    """
    if fitted.memory is None:
        return np.stack([told.mu] * len(MEMBERS))
    at = told.features.only(fitted.names).block(len(HORIZONS))
    learned = [
        predict_boosting(model, at, told.expected, form) for model, form in zip(fitted.boosted, FORMS, strict=True)
    ]
    usual, year_ago = _naive(cube, told.features.origins, told.mu)
    return np.stack([usual, year_ago, told.mu, told.expected, *learned])


def _prior(fitted: Fitted, ground: Ground) -> FloatArray:
    rows, origins = ground.rows, ground.origins
    effect = fitted.levels.effect[rows][:, origins, None]
    return prior_yield(ground.cube, fitted.fit.take(rows), ground.annual, effect, origins, HORIZONS)


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
