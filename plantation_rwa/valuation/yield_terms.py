"""A published yield distribution as a polynomial of its normal score: what is shared, and what is the plantation's own.

The yield of a month is ``Q(Phi(z))`` with ``z = a S + b O``: S the score that plantations of a region share, O the
plantation's own, ``a^2 + b^2 = 1``. In Hermite polynomials, ``Q(Phi(z)) = sum_k c_k He_k(z)``, Mehler's formula
gives ``E[Q | S] = sum_k c_k a^k He_k(S)``: linear in functions of the shared score, so that the sum over months is a
matrix product, and the own part leaves a noise of known covariance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from plantation_rwa.distributions import PROBABILITIES, extended_knots, mean_from_quantiles

FloatArray = NDArray[np.float64]
#: highest polynomial of the shared score that is kept, and of the own noise's covariance
SHARED, OWN = 2, 4
_NODES = 80


def hermite(order: int, x: FloatArray) -> FloatArray:
    """Probabilists' Hermite polynomial ``He_order`` of any array."""
    before, now = np.ones_like(x), x
    if order == 0:
        return before
    for k in range(1, order):
        before, now = now, x * now - k * before
    return now


@lru_cache(maxsize=1)
def _projection() -> FloatArray:
    """Coefficients of the hat functions at the nine knots, ``(OWN + 1, 9)``: Gauss-Legendre on each segment in z."""
    knots = np.concatenate([[0.0], PROBABILITIES, [1.0]])
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    out = np.zeros((OWN + 1, len(knots)))
    edges = np.clip(ndtri(knots), -8.5, 8.5)
    for j in range(len(knots) - 1):
        z = 0.5 * (edges[j + 1] - edges[j]) * nodes + 0.5 * (edges[j + 1] + edges[j])
        density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * weights * 0.5 * (edges[j + 1] - edges[j])
        up = (ndtr(z) - knots[j]) / (knots[j + 1] - knots[j])
        for k in range(OWN + 1):
            scale = hermite(k, z) * density / math.factorial(k)
            out[k, j] += float((scale * (1 - up)).sum())
            out[k, j + 1] += float((scale * up).sum())
    return out


def yield_coefficients(quantiles: FloatArray) -> FloatArray:
    """Coefficients ``c_k`` of published quantiles; the zeroth is the published mean's own formula, exact.

    Parameters
    ----------
    quantiles
        Shape ``(..., 7)`` at ``distributions.PROBABILITIES``.

    Returns
    -------
    ndarray
        Shape ``(..., OWN + 1)``, unit of the quantiles.
    """
    _, values = extended_knots(quantiles)
    out = np.asarray(values @ _projection().T)
    out[..., 0] = mean_from_quantiles(quantiles)
    return out


def own_covariance(coefficients: FloatArray, loadings: Sequence[float], ar1: Sequence[float]) -> FloatArray:
    """Covariance between months of the yield given the shared scores, averaged over them.

    By Mehler's formula ``Cov(y_s, y_t) = sum_k k! c_sk c_tk r^k`` with r the correlation of the scores z; what the
    shared polynomials explain, the same with the shared part of r up to order :data:`SHARED`, is taken off.

    Parameters
    ----------
    coefficients
        Shape ``(months, OWN + 1)``.
    loadings, ar1
        Of the common and regional factor, then of those of the own shock; squared loadings sum to 1.

    Returns
    -------
    ndarray
        Shape ``(months, months)``.
    """
    months = np.arange(len(coefficients))
    lag = np.abs(months[:, None] - months[None, :])
    parts = [loading**2 * coefficient**lag for loading, coefficient in zip(loadings, ar1, strict=True)]
    shared, total = parts[0] + parts[1], np.sum(parts, axis=0)
    out = np.zeros(lag.shape)
    for k in range(1, OWN + 1):
        explained = shared**k if k <= SHARED else 0.0
        out += math.factorial(k) * np.outer(coefficients[:, k], coefficients[:, k]) * (total**k - explained)
    return out
