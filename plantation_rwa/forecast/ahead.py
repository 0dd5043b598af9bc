"""Mean and prior of every month ahead: the near term, then the prior from its level on, under sampled climate years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.cube import Cube
from plantation_rwa.forecast.members import HORIZONS
from plantation_rwa.forecast.near_term import Past
from plantation_rwa.forecast.prior import Water, expected_deficit, prior_yield
from plantation_rwa.forecast.stack import ratio_beyond


@dataclass(frozen=True)
class Ahead:
    """What is expected of each plantation and month ahead, ``(P, months)``.

    Parameters
    ----------
    mean, mu
        Forecast and prior, t per ha and month.
    annual
        Kernel deficit W that the prior expects, hundreds of mm.
    effect
        Log plantation effect.
    climate_variance
        Relative variance of the deficit factor between sampled climate years beyond what the first year's errors
        already hold; 0 within the first year.
    """

    mean: FloatArray
    mu: FloatArray
    annual: FloatArray
    effect: FloatArray
    climate_variance: FloatArray


def look_ahead(cube: Cube, past: Past, months: NDArray[np.int64], assumptions: Assumptions) -> Ahead:
    """Join the near term and the months beyond.

    Beyond the last horizon of the learners the plantation effect fades by ``plantation_effect.persistence_year`` a
    year, and the deficit factor is the mean over climate years drawn from the plantation's record.

    Parameters
    ----------
    months
        1, 2, ... months ahead, the learners' horizons at least.
    """
    now = np.array([cube.months - 1])
    typical = assumptions.number("deficit.typical_mm") / 12.0
    annual = 0.12 * expected_deficit(cube, past.water, past.kernel[None, :], now, months, typical)[0][:, 0]
    annual[:, : len(HORIZONS)] = past.annual
    levels = past.levels
    effect = np.repeat(levels.effect[:, -1:], len(months), axis=1)
    far = months[months > HORIZONS[-1]]
    nothing = np.zeros(annual.shape)
    if not len(far):
        return Ahead(past.mean, past.mu, annual, effect, nothing)
    fade = assumptions.number("plantation_effect.persistence_year") ** ((far - HORIZONS[-1]) / 12.0)
    own = levels.effect[:, -1] - levels.portfolio[-1]
    near = len(months) - len(far)
    effect[:, near:] = levels.portfolio[-1] + own[:, None] * fade[None, :]
    factors = sampled_factors(past.water, past.kernel, past.fit.beta, cube.months, months[near - 1 :], typical)
    if factors is not None:
        mean = factors.mean(axis=0)
        variance = (factors / mean).var(axis=0)
        nothing[:, near:] = np.maximum(variance[:, 1:] - variance[:, :1], 0.0)
        if past.fit.beta > 0:
            annual[:, near:] = -np.log(mean[:, 1:]) / past.fit.beta
    mu = prior_yield(cube, past.fit, annual[:, None, near:], effect[:, None, near:], now, far)[:, 0]
    mean = mu * np.exp(ratio_beyond(past.mean, past.mu, HORIZONS, far) * fade[None, :])
    return Ahead(
        np.concatenate([past.mean, mean], axis=1),
        np.concatenate([past.mu, mu], axis=1),
        annual,
        effect,
        nothing,
    )


def sampled_factors(
    water: Water, kernel: FloatArray, beta: float, months: int, ahead: NDArray[np.int64], before: float
) -> FloatArray | None:
    """Deficit factors ``exp(-beta W)`` under each climate year of the record, ``(years, P, ahead)``.

    Path j takes the months that are not known yet from the record's whole years in their order, starting j years in
    and going round: seasons and droughts of several months stay whole.

    Parameters
    ----------
    months
        Months T of the record.
    ahead
        Months ahead.
    before
        mm per month before the record.

    Returns
    -------
    ndarray or None
        None without a whole year of record.
    """
    known = months - water.delay
    years = known // 12
    if years < 1:
        return None
    lags = len(kernel)
    past = np.concatenate([np.full((water.filled.shape[0], lags), before), water.filled[:, :known]], axis=1)
    future = np.arange(known, months + int(ahead.max()))
    out = np.empty((years, water.filled.shape[0], len(ahead)))
    for j in range(years):
        source = (future - known + 12 * j) % (12 * years) + known - 12 * years
        series = np.concatenate([past, water.filled[:, source]], axis=1)
        annual = np.zeros(out.shape[1:])
        for lag, weight in enumerate(kernel.tolist()):
            annual += 0.12 * weight * series[:, lags + months - 1 + ahead - lag]
        out[j] = np.exp(-beta * annual)
    return out
