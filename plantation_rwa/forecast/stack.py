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
    members: FloatArray, observed: FloatArray, scale: FloatArray, horizons: NDArray[np.int64], equal_weight: float
) -> FloatArray:
    """Weights per bucket, shrunk to equal weights.

    Parameters
    ----------
    members
        ``(M, P, origins, horizons)``.
    observed, scale
        ``(P, origins, horizons)``: yield (NaN where not used) and the prior by which errors are divided.

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
        out[b] = simplex_weights(rows, observed[use] / scale[use])
    return np.asarray(equal_weight / members.shape[0] + (1 - equal_weight) * out)


def combine(members: FloatArray, weights: FloatArray, horizons: NDArray[np.int64]) -> FloatArray:
    """Weighted members, shape ``(P, origins, horizons)``."""
    by_horizon = weights[bucket_of(horizons)].T
    out = np.zeros(members.shape[1:])
    for m in range(members.shape[0]):
        out += members[m] * by_horizon[m]
    return out


def level_ratio(stacked: FloatArray, mu: FloatArray, horizons: NDArray[np.int64]) -> FloatArray:
    """Log of stack over prior in the last bucket's horizons, per plantation and origin, ``(P, origins)``.

    It is the level that the forecast beyond month 12 starts from.
    """
    last = bucket_of(horizons) == len(BUCKETS) - 1
    top, bottom = stacked[..., last].sum(axis=-1), mu[..., last].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((bottom > 0) & (top > 0), np.log(top / bottom), 0.0)
    return np.asarray(ratio)


def join_level(stacked: FloatArray, mu: FloatArray, horizons: NDArray[np.int64]) -> FloatArray:
    """Fade the stack into prior x level over horizons 10, 11, 12, so that month 13 continues month 12."""
    level = mu * np.exp(level_ratio(stacked, mu, horizons))[..., None]
    fade = np.clip((horizons - (BUCKETS[-1][1] - 3)) / 4.0, 0.0, 1.0)
    return np.asarray((1 - fade) * stacked + fade * level)
