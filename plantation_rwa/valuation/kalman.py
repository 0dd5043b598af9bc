"""Kalman filter of the two-factor log price on a panel of settlements: likelihood and filtered state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: variance of both factors before the first settlement: next to nothing is known, a price within a factor of seven;
#: a larger one costs digits of the likelihood, which loses them when the first settlements come in
VAGUE = 1.0


@dataclass(frozen=True)
class Panel:
    """Settlements of one symbol by day and contract, in log prices.

    Parameters
    ----------
    steps
        Years from the settlement day before, ``(days,)``; the first is the step before the first day.
    log_prices
        Natural logarithm of the settlements, ``(days, contracts)``; NaN where a contract has none.
    maturities
        Years from the settlement day to the last trading day, ``(days, contracts)``.
    groups
        Index of the measurement error of each settlement, ``(days, contracts)``, from 0 without gaps.
    """

    steps: FloatArray
    log_prices: FloatArray
    maturities: FloatArray
    groups: IntArray

    @property
    def days(self) -> int:
        """Settlement days."""
        return len(self.steps)

    @property
    def observations(self) -> int:
        """Settlements."""
        return int(np.count_nonzero(~np.isnan(self.log_prices)))

    @property
    def error_groups(self) -> int:
        """Number of measurement errors."""
        return int(self.groups.max()) + 1 if self.groups.size else 0

    def thinned(self, every: int) -> Panel:
        """The panel of every n-th day, the last one among them; its steps are as long as the days between."""
        kept = np.arange((self.days - 1) % every, self.days, every)
        ends = np.cumsum(self.steps)[kept]
        return Panel(np.diff(ends, prepend=ends[0]), self.log_prices[kept], self.maturities[kept], self.groups[kept])

    @property
    def start(self) -> FloatArray:
        """State before the first step, ``(xi, chi)``: the first settlement of the first day, and nothing."""
        first = self.log_prices[0]
        return np.array([float(first[~np.isnan(first)][0]), 0.0])


@dataclass(frozen=True)
class Filtered:
    """What the filter says at the panel's last day.

    Parameters
    ----------
    log_likelihood
        Natural logarithm of the density of all settlements.
    xi, chi
        Expected factors.
    covariance
        Of ``(xi, chi)``, ``(2, 2)``.
    """

    log_likelihood: float
    xi: float
    chi: float
    covariance: FloatArray


def kalman_filter(model: SchwartzSmith, errors: FloatArray, panel: Panel, spread: float = VAGUE) -> Filtered:
    """Filter a panel.

    The settlements of a day enter one after the other (Koopman and Durbin 2000), which equals the joint update
    because their errors are independent, and leaves out a missing one at no cost; covariances are updated in
    Joseph's form. State space: domain/valuation.md 2.3.

    Parameters
    ----------
    errors
        Standard deviation of the measurement error of each group, log price.
    spread
        Variance of each factor before the first step.
    """
    # a panel may come in any memory order; the compiled loop wants one
    arrays = (panel.log_prices, panel.maturities)
    found = _filter(
        _parameters(model),
        np.ascontiguousarray(errors, dtype=np.float64),
        panel.steps,
        *(np.ascontiguousarray(a) for a in arrays),
        np.ascontiguousarray(panel.groups),
        panel.start,
        spread,
    )
    likelihood, xi, chi, p11, p12, p22 = found
    return Filtered(likelihood, xi, chi, np.array([[p11, p12], [p12, p22]]))


def _parameters(m: SchwartzSmith) -> FloatArray:
    return np.array([m.kappa, m.sigma_chi, m.sigma_xi, m.rho, m.lambda_chi, m.mu_xi, m.mu_xi_star])


@compiled
def _filter(
    parameters: FloatArray,
    errors: FloatArray,
    steps: FloatArray,
    log_prices: FloatArray,
    maturities: FloatArray,
    groups: IntArray,
    start: FloatArray,
    spread: float,
) -> tuple[float, float, float, float, float, float]:
    kappa, s_chi, s_xi, rho, premium, mu, mu_star = parameters
    xi, chi = start[0], start[1]
    p11, p12, p22 = spread, 0.0, spread
    likelihood = 0.0
    for day in range(steps.size):
        step = steps[day]
        if step > 0.0:
            decay = math.exp(-kappa * step)
            e1, e2 = -math.expm1(-kappa * step), -math.expm1(-2.0 * kappa * step)
            xi += mu * step
            chi *= decay
            p11 += s_xi * s_xi * step
            p12 = decay * p12 + rho * s_chi * s_xi * e1 / kappa
            p22 = decay * decay * p22 + s_chi * s_chi * e2 / (2.0 * kappa)
        for column in range(log_prices.shape[1]):
            y = log_prices[day, column]
            if math.isnan(y):
                continue
            t = maturities[day, column]
            e1 = -math.expm1(-kappa * t)
            e2 = e1 * (2.0 - e1)  # 1 - exp(-2 kappa t)
            variance = e2 * s_chi * s_chi / (2.0 * kappa) + s_xi * s_xi * t + 2.0 * e1 * rho * s_chi * s_xi / kappa
            level = mu_star * t - e1 * premium / kappa + 0.5 * variance
            z = 1.0 - e1
            h = errors[groups[day, column]]
            g1, g2 = p11 + z * p12, p12 + z * p22
            f = g1 + z * g2 + h * h
            gap = y - level - xi - z * chi
            likelihood -= 0.5 * (math.log(2.0 * math.pi * f) + gap * gap / f)
            k1, k2 = g1 / f, g2 / f
            xi += k1 * gap
            chi += k2 * gap
            a11, a12, a21, a22 = 1.0 - k1, -k1 * z, -k2, 1.0 - k2 * z
            b11, b12 = a11 * p11 + a12 * p12, a11 * p12 + a12 * p22
            b21, b22 = a21 * p11 + a22 * p12, a21 * p12 + a22 * p22
            p11 = b11 * a11 + b12 * a12 + k1 * k1 * h * h
            p12 = b11 * a21 + b12 * a22 + k1 * k2 * h * h
            p22 = b21 * a21 + b22 * a22 + k2 * k2 * h * h
    return likelihood, xi, chi, p11, p12, p22
