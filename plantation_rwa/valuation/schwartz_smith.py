"""The two-factor log price model of Schwartz and Smith (2000): closed forms and exact Gaussian steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SchwartzSmith:
    """``ln S = chi + xi``: a mean-reverting short factor and a drifting long one.

    Parameters
    ----------
    kappa
        Mean reversion of chi per year.
    sigma_chi, sigma_xi
        Volatilities per square root of a year.
    rho
        Correlation of the two shocks.
    lambda_chi
        Risk premium of chi per year.
    mu_xi, mu_xi_star
        Drift of xi per year in the real world and under the pricing measure.
    """

    kappa: float
    sigma_chi: float
    sigma_xi: float
    rho: float
    lambda_chi: float
    mu_xi: float
    mu_xi_star: float

    @classmethod
    def prior(cls, assumptions: Assumptions) -> SchwartzSmith:
        """The parameters of the section ``price_model``."""
        names = ("kappa", "sigma_chi", "sigma_xi", "rho", "lambda_chi", "mu_xi", "mu_xi_star")
        return cls(**{name: assumptions.number(f"price_model.{name}") for name in names})

    def log_variance(self, t: float) -> float:
        """Variance of ``ln S_t`` given the state today; t in years."""
        e1, e2 = -math.expm1(-self.kappa * t), -math.expm1(-2 * self.kappa * t)
        return (
            e2 * self.sigma_chi**2 / (2 * self.kappa)
            + self.sigma_xi**2 * t
            + 2 * e1 * self.rho * self.sigma_chi * self.sigma_xi / self.kappa
        )

    def a_term(self, t: float) -> float:
        """``A(t)`` of ``ln F(t) = exp(-kappa t) chi + xi + A(t)``."""
        e1 = -math.expm1(-self.kappa * t)
        return self.mu_xi_star * t - e1 * self.lambda_chi / self.kappa + self.log_variance(t) / 2

    def forward(self, t: float, chi: float, xi: float) -> float:
        """Futures price for delivery in t years."""
        return math.exp(math.exp(-self.kappa * t) * chi + xi + self.a_term(t))

    def expected_spot(self, t: float, chi: float, xi: float) -> float:
        """Real-world expectation of the spot price in t years."""
        return math.exp(math.exp(-self.kappa * t) * chi + xi + self.mu_xi * t + self.log_variance(t) / 2)

    def premium(self, t: float) -> float:
        """Real-world expectation over forward, as a factor that does not depend on the state."""
        e1 = -math.expm1(-self.kappa * t)
        return math.exp((self.mu_xi - self.mu_xi_star) * t + e1 * self.lambda_chi / self.kappa)

    def front_volatility(self) -> float:
        """Instantaneous volatility of the spot price per square root of a year."""
        return math.sqrt(self.sigma_chi**2 + self.sigma_xi**2 + 2 * self.rho * self.sigma_chi * self.sigma_xi)

    def step_covariance(self, dt: float) -> tuple[float, float, float]:
        """(var chi, var xi, cov) of the two shocks over a step of dt years, exact."""
        e1, e2 = -math.expm1(-self.kappa * dt), -math.expm1(-2 * self.kappa * dt)
        return (
            self.sigma_chi**2 * e2 / (2 * self.kappa),
            self.sigma_xi**2 * dt,
            self.rho * self.sigma_chi * self.sigma_xi * e1 / self.kappa,
        )

    def simulate(self, times: FloatArray, normals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Exact paths of the zero-mean log price and the standardised shock of each step.

        Parameters
        ----------
        times
            Years from today, ascending, shape ``(T,)``, all positive.
        normals
            Independent standard normals, shape ``(T, 2, paths)``.

        Returns
        -------
        tuple
            ``ln S_t`` less its mean, and each step's log-price shock over its standard deviation;
            both of shape ``(T, paths)``.
        """
        steps, paths = normals.shape[0], normals.shape[2]
        log_price = np.empty((steps, paths))
        shocks = np.empty((steps, paths))
        chi, xi, before = np.zeros(paths), np.zeros(paths), 0.0
        for i in range(steps):
            dt = float(times[i]) - before
            before = float(times[i])
            var_chi, var_xi, cov = self.step_covariance(dt)
            sd_chi = math.sqrt(var_chi)
            a = cov / sd_chi
            b = math.sqrt(max(var_xi - a * a, 0.0))
            d_chi = sd_chi * normals[i, 0]
            d_xi = a * normals[i, 0] + b * normals[i, 1]
            chi = math.exp(-self.kappa * dt) * chi + d_chi
            xi = xi + d_xi
            log_price[i] = chi + xi
            shocks[i] = (d_chi + d_xi) / math.sqrt(var_chi + var_xi + 2 * cov)
        return log_price, shocks
