"""Combining the members: weights on the simplex per horizon bucket, learned from past errors only."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.forecast.agronomy import FloatArray

#: Horizon buckets, months, both ends included; later horizons take the last bucket's spread.
BUCKETS = ((1, 3), (4, 6), (7, 12))


def bucket_of(horizons: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bucket index of each horizon."""
    return np.asarray(np.searchsorted([high for _, high in BUCKETS[:-1]], horizons), dtype=np.int64)


def simplex_weights(members: FloatArray, observed: FloatArray) -> FloatArray:
    """Weights, non-negative with sum 1, of the least squared error; exact, by enumeration of supports.

    Parameters
    ----------
    members
        ``(rows, M)`` predictions.
    observed
        ``(rows,)``, same unit.

    Returns
    -------
    ndarray
        ``(M,)``; equal weights without rows.
    """
    count = members.shape[1]
    if not len(observed):
        return np.full(count, 1.0 / count)
    errors = members - observed[:, None]
    gram = np.array([[float((errors[:, i] * errors[:, j]).sum()) for j in range(count)] for i in range(count)])
    gram /= len(observed)
    gram += np.eye(count) * (1e-9 * max(float(np.trace(gram)), 1e-12))
    best, best_loss = np.full(count, 1.0 / count), np.inf
    for size in range(1, count + 1):
        for support in combinations(range(count), size):
            part = np.linalg.solve(gram[np.ix_(support, support)], np.ones(size))
            part = part / part.sum()
            weights = np.zeros(count)
            weights[list(support)] = part
            loss = float(weights @ gram @ weights)
            if (part >= 0).all() and loss < best_loss - 1e-15:
                best, best_loss = weights, loss
    return best


def stack_weights(
    members: FloatArray, observed: FloatArray, scale: FloatArray, horizons: NDArray[np.int64], equal_months: float
) -> FloatArray:
    """Weights per bucket, shrunk to equal weights by k / (n + k), n the origins that were compared.

    Plantations of one month are not counted: they share its shocks.

    Parameters
    ----------
    members
        ``(M, P, origins, horizons)``.
    observed, scale
        ``(P, origins, horizons)``: yield (NaN where not used) and the prior by which errors are divided.
    equal_months
        Origins k that equal weights are worth.

    Returns
    -------
    ndarray
        ``(buckets, M)``.
    """
    buckets = bucket_of(horizons)
    out = np.empty((len(BUCKETS), members.shape[0]))
    for b in range(len(BUCKETS)):
        use = np.isfinite(observed) & (scale > 0) & (buckets == b)
        rows = (members[:, use] / scale[use]).T
        best = simplex_weights(rows, observed[use] / scale[use])
        share = equal_months / (float(use.any(axis=(0, 2)).sum()) + equal_months)
        out[b] = share / members.shape[0] + (1 - share) * best
    return out


def combine(members: FloatArray, weights: FloatArray, horizons: NDArray[np.int64]) -> FloatArray:
    """Weighted members, shape ``(P, origins, horizons)``."""
    by_horizon = weights[bucket_of(horizons)].T
    out = np.zeros(members.shape[1:])
    for m in range(members.shape[0]):
        out += members[m] * by_horizon[m]
    return out


def level_ratio(stacked: FloatArray, mu: FloatArray, horizons: NDArray[np.int64]) -> FloatArray:
    """Log of stack over prior in the last bucket's horizons, per plantation, ``(P,)``; 0 without mature area."""
    last = bucket_of(horizons) == len(BUCKETS) - 1
    top, bottom = stacked[:, last].sum(axis=-1), mu[:, last].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((bottom > 0) & (top > 0), np.log(top / bottom), 0.0)
    return np.asarray(ratio)


def ratio_beyond(
    stacked: FloatArray, mu: FloatArray, horizons: NDArray[np.int64], far: NDArray[np.int64]
) -> FloatArray:
    """Log of forecast over prior in the months after the last horizon, before any fading, ``(P, far)``.

    From the last month's own ratio to the level of :func:`level_ratio` over four months, so that month 13 continues
    month 12.

    Parameters
    ----------
    stacked, mu
        ``(P, horizons)`` t per ha and month.
    """
    level = level_ratio(stacked, mu, horizons)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where((mu[:, -1] > 0) & (stacked[:, -1] > 0), np.log(stacked[:, -1] / mu[:, -1]), 0.0)[:, None]
    share = np.clip(1.0 - (far - horizons[-1]) / 4.0, 0.0, 1.0)[None, :]
    return np.asarray(level + share * (own - level))
