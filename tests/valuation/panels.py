"""Panels of settlements drawn from a known two-factor model, and the same filter by statsmodels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

from plantation_rwa.valuation.kalman import Panel
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

TRUTH = SchwartzSmith(
    kappa=1.2, sigma_chi=0.2072, sigma_xi=0.15, rho=0.3, lambda_chi=0.05, mu_xi=0.02, mu_xi_star=-0.01125
)
STEP = 1.0 / 252.0


def drawn(model: SchwartzSmith, seed: int, *, days: int = 500, tenors: int = 12, error: float = 0.004) -> Panel:
    """Contracts of 1 to ``tenors`` months that come nearer day by day and roll every 21 days; a tenth is missing."""
    rng = np.random.default_rng(seed)
    var_chi, var_xi, cov = model.step_covariance(STEP)
    root = np.linalg.cholesky(np.array([[var_chi, cov], [cov, var_xi]]))
    chi, xi = 0.05, 8.3
    prices, years = np.empty((days, tenors)), np.empty((days, tenors))
    for i in range(days):
        if i:
            shock = root @ rng.standard_normal(2)
            chi, xi = math.exp(-model.kappa * STEP) * chi + shock[0], xi + model.mu_xi * STEP + shock[1]
        years[i] = (np.arange(tenors) + 1.0) / 12.0 - (i % 21) / 252.0
        exact = [math.log(model.forward(t, chi, xi)) for t in years[i]]
        prices[i] = exact + error * rng.standard_normal(tenors)
    missing = rng.random(prices.shape) < 0.1
    missing[:, 0] = False
    prices[missing] = np.nan
    steps = np.full(days, STEP)
    steps[0] = 0.0
    return Panel(steps, prices, years, np.zeros(prices.shape, dtype=np.int64))


def by_statsmodels(
    model: SchwartzSmith, errors: NDArray[np.float64], panel: Panel, spread: float
) -> tuple[float, NDArray[np.float64]]:
    """Log-likelihood and filtered states ``(2, days)`` of (xi, chi)."""
    n, m = panel.log_prices.shape
    kalman = KalmanFilter(k_endog=m, k_states=2)
    kalman.bind(np.asfortranarray(panel.log_prices.T.copy()))
    decay = np.exp(-model.kappa * panel.maturities)
    design, transition = np.ones((m, 2, n)), np.zeros((2, 2, n))
    design[:, 1, :] = decay.T
    level = np.array([[model.a_term(float(t)) for t in row] for row in panel.maturities])
    noise, state_noise, drift = np.zeros((m, m, n)), np.zeros((2, 2, n)), np.zeros((2, n))
    for i in range(n):
        noise[:, :, i] = np.diag(errors[panel.groups[i]] ** 2)
        # statsmodels steps from day i to i + 1 with the matrices of day i
        step = float(panel.steps[min(i + 1, n - 1)])
        transition[:, :, i] = np.diag([1.0, math.exp(-model.kappa * step)])
        var_chi, var_xi, cov = model.step_covariance(step) if step > 0 else (0.0, 0.0, 0.0)
        state_noise[:, :, i] = [[var_xi, cov], [cov, var_chi]]
        drift[:, i] = [model.mu_xi * step, 0.0]
    kalman["design"], kalman["obs_intercept"], kalman["obs_cov"] = design, level.T.copy(), noise
    kalman["transition"], kalman["selection"], kalman["state_cov"] = transition, np.eye(2), state_noise
    kalman["state_intercept"] = drift
    first = float(panel.steps[0])
    start, covariance = panel.start, spread * np.eye(2)
    if first > 0:
        var_chi, var_xi, cov = model.step_covariance(first)
        move = np.diag([1.0, math.exp(-model.kappa * first)])
        start = move @ start + np.array([model.mu_xi * first, 0.0])
        covariance = move @ covariance @ move.T + np.array([[var_xi, cov], [cov, var_chi]])
    kalman.initialize_known(start, covariance)
    found = kalman.filter()
    return float(found.llf), np.asarray(found.filtered_state)
