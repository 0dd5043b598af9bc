"""Both factors of the two-factor price model, day by day, drawn so that they pass through given monthly prices."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.periods import Month
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

FloatArray = NDArray[np.float64]

#: the simulated market's truth: the prior of domain/valuation.md 2.3 (front volatility 29 %), without premia
TRUTH = SchwartzSmith(
    kappa=1.2, sigma_chi=0.2072, sigma_xi=0.15, rho=0.30, lambda_chi=0.0, mu_xi=0.0, mu_xi_star=-0.01125
)
#: distance in log price at which a month's price counts as met on its 15th
_NEAR = 0.002


def monthly_log_prices(rng: np.random.Generator, count: int, level: float) -> FloatArray:
    """Log prices of the model at monthly steps, ``(count,)``, about the logarithm of ``level``."""
    var_chi, var_xi, cov = TRUTH.step_covariance(1 / 12)
    root = np.linalg.cholesky(np.array([[var_chi, cov], [cov, var_xi]]))
    chi, xi = rng.normal(0, math.sqrt(TRUTH.sigma_chi**2 / (2 * TRUTH.kappa))), math.log(level)
    out = np.empty(count)
    for i in range(count):
        shock = root @ rng.standard_normal(2)
        chi, xi = math.exp(-TRUTH.kappa / 12) * chi + shock[0], xi + TRUTH.mu_xi / 12 + shock[1]
        out[i] = chi + xi
    return out


def daily_factors(
    rng: np.random.Generator, monthly: pd.Series, days: Sequence[dt.date]
) -> tuple[FloatArray, FloatArray]:
    """Short and long factor on each day: a draw from the model given the price of every month.

    Forward filter and backward sampling (Carter and Kohn 1994) with each month's price on its 15th; then the short
    factor is moved so that the months' mean prices are met.

    Parameters
    ----------
    monthly
        Price by ``YYYY-MM``; the months before the days tell the two factors apart.
    days
        Ascending.

    Returns
    -------
    tuple
        ``chi`` and ``xi``, ``(days,)`` each.
    """
    months = [Month.parse(str(m)) for m in monthly.index]
    middles = [dt.date(m.year, m.number, 15) for m in months]
    seen = dict(zip(middles, np.log(monthly.to_numpy(float)), strict=True))
    grid = sorted({*middles, *days})
    states = _sampled(rng, grid, seen)
    at = {day: i for i, day in enumerate(grid)}
    chosen = np.array([at[d] for d in days])
    chi, xi = states[chosen, 0], states[chosen, 1]
    return _to_means(chi, xi, days, dict(zip(months, monthly.to_numpy(float), strict=True))), xi


def _sampled(rng: np.random.Generator, grid: Sequence[dt.date], seen: dict[dt.date, float]) -> FloatArray:
    mean = np.array([0.0, seen[min(seen)]])
    cov = np.diag([TRUTH.sigma_chi**2 / (2 * TRUTH.kappa), 1.0])
    ones, means, covs, moves, noises = np.ones(2), [], [], [], []
    for i, day in enumerate(grid):
        step = (day - grid[i - 1]).days / 365.0 if i else 0.0
        move = np.diag([math.exp(-TRUTH.kappa * step), 1.0])
        var_chi, var_xi, both = TRUTH.step_covariance(step) if i else (0.0, 0.0, 0.0)
        noise = np.array([[var_chi, both], [both, var_xi]])
        mean, cov = move @ mean + np.array([0.0, TRUTH.mu_xi * step]), move @ cov @ move.T + noise
        if day in seen:
            gain = cov @ ones / (ones @ cov @ ones + _NEAR**2)
            mean = mean + gain * (seen[day] - mean.sum())
            rest = np.eye(2) - np.outer(gain, ones)
            cov = rest @ cov @ rest.T + np.outer(gain, gain) * _NEAR**2
        means.append(mean)
        covs.append(cov)
        moves.append(move)
        noises.append(noise)
    out = np.empty((len(grid), 2))
    out[-1] = _normal(rng, means[-1], covs[-1])
    for i in range(len(grid) - 2, -1, -1):
        move, noise = moves[i + 1], noises[i + 1]
        step = (grid[i + 1] - grid[i]).days / 365.0
        ahead = move @ covs[i] @ move.T + noise
        gain = np.linalg.solve(ahead, move @ covs[i]).T
        gap = out[i + 1] - move @ means[i] - np.array([0.0, TRUTH.mu_xi * step])
        rest = np.eye(2) - gain @ move
        out[i] = _normal(rng, means[i] + gain @ gap, rest @ covs[i] @ rest.T + gain @ noise @ gain.T)
    return out


def _normal(rng: np.random.Generator, mean: FloatArray, cov: FloatArray) -> FloatArray:
    """A draw of two correlated normals; the covariance may be nearly singular."""
    a = math.sqrt(max(cov[0, 0], 0.0))
    b = cov[0, 1] / a if a > 0 else 0.0
    c = math.sqrt(max(cov[1, 1] - b * b, 0.0))
    first, second = rng.standard_normal(2)
    return np.array([mean[0] + a * first, mean[1] + b * first + c * second])


def _to_means(chi: FloatArray, xi: FloatArray, days: Sequence[dt.date], monthly: dict[Month, float]) -> FloatArray:
    """The short factor moved, slowly from month to month, until the mean price of each whole month is met."""
    where: dict[Month, list[int]] = {}
    for i, day in enumerate(days):
        where.setdefault(Month.of(day), []).append(i)
    ordinals = np.array([d.toordinal() for d in days], dtype=float)
    held = [(m, rows) for m, rows in where.items() if m in monthly and len(rows) > 15]
    if not held:
        return chi
    middles = [float(ordinals[rows].mean()) for _, rows in held]
    for _ in range(8):
        gaps = [math.log(monthly[m] / float(np.exp(chi[rows] + xi[rows]).mean())) for m, rows in held]
        chi = chi + np.interp(ordinals, middles, gaps)
    return chi
