"""The quantile function that the forecast publishes and the valuation draws from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Probabilities of the published yield quantiles.
PROBABILITIES: FloatArray = np.array([0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95])


def extended_knots(quantiles: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots of the full quantile function: the published ones and the two end points.

    The tails continue the outermost published segment to probability 0 and 1; the lower end never
    goes below zero (a yield cannot). Quantiles must be sorted along the last axis.

    Parameters
    ----------
    quantiles
        Shape ``(..., 7)`` at :data:`PROBABILITIES`, any unit.

    Returns
    -------
    tuple
        Probabilities, shape ``(9,)``, and values, shape ``(..., 9)``.
    """
    p = PROBABILITIES
    low = quantiles[..., 0] - (quantiles[..., 1] - quantiles[..., 0]) * p[0] / (p[1] - p[0])
    high = quantiles[..., -1] + (quantiles[..., -1] - quantiles[..., -2]) * (1 - p[-1]) / (p[-1] - p[-2])
    floor = np.minimum(quantiles[..., 0], 0.0)
    values = np.concatenate([np.maximum(low, floor)[..., None], quantiles, high[..., None]], axis=-1)
    return np.concatenate([[0.0], p, [1.0]]), values


def mean_from_quantiles(quantiles: FloatArray) -> FloatArray:
    """Mean of the piecewise-linear distribution through the published quantiles (trapezoid rule, exact).

    Parameters
    ----------
    quantiles
        Shape ``(..., 7)`` at :data:`PROBABILITIES`.

    Returns
    -------
    ndarray
        Shape ``(...)``, same unit.
    """
    p, v = extended_knots(quantiles)
    return np.asarray(((v[..., 1:] + v[..., :-1]) / 2 * np.diff(p)).sum(axis=-1))


def quantile_values(u: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Evaluate the quantile function of one distribution at probabilities ``u`` (any shape)."""
    p, v = extended_knots(quantiles)
    return np.asarray(np.interp(u, p, v))
