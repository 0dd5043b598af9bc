"""Predictive quantiles: quantile regression of relative errors, conformalised per horizon bucket (CQR)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES, mean_from_quantiles
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.stack import BUCKETS, bucket_of

#: positions of the lower and upper level of each central interval in ``PROBABILITIES``
PAIRS = ((0, 6), (1, 5), (2, 4))
NORMAL: FloatArray = np.array([NormalDist().inv_cdf(float(p)) for p in PROBABILITIES])


@dataclass(frozen=True)
class Spread:
    """What the past errors add to the quantiles of the regression, per bucket.

    Parameters
    ----------
    margins
        ``(buckets, 3)`` by which the interval of each of :data:`PAIRS` is widened on both sides, relative.
    weight
        ``(buckets,)`` of the conformal quantiles against the assumed normal spread.
    sd
        ``(buckets,)`` root mean square of the errors, blended with the assumed one.
    miss
        ``(buckets, 3)`` share outside each interval that the margins aim at after adaptation.
    """

    margins: FloatArray
    weight: FloatArray
    sd: FloatArray
    miss: FloatArray


def conformal_quantiles(errors: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Order statistics with the finite-sample correction: outwards to rank floor or ceil of (n + 1) p.

    The median interpolates. A rank outside the sample takes the extreme error.

    Parameters
    ----------
    errors
        ``(n,)``, n > 0.
    """
    ordered = np.sort(errors)
    n = len(ordered)
    rank = (n + 1) * probabilities
    low, high = np.floor(rank + 1e-9), np.ceil(rank - 1e-9)
    low, high = np.where(probabilities > 0.5, high, low), np.where(probabilities < 0.5, low, high)
    index = np.clip(np.stack([low, high]) - 1, 0, n - 1).astype(np.int64)
    return np.asarray(ordered[index].mean(axis=0))


def conformity(low: FloatArray, high: FloatArray, errors: FloatArray) -> FloatArray:
    """How far outside its interval an error lies, negative inside: ``max(low - e, e - high)`` (Romano et al. 2019)."""
    return np.maximum(low - errors, errors - high)


def conformal_margin(scores: FloatArray, miss: float) -> float:
    """The ``ceil((n + 1)(1 - miss))``-th smallest score, the largest where the sample has no such rank."""
    n = len(scores)
    rank = min(int(np.ceil((n + 1) * (1.0 - miss) - 1e-9)), n)
    return float(np.partition(scores, rank - 1)[rank - 1])


def adapted_miss(scores: FloatArray, months: NDArray[np.int64], miss: float, assumptions: Assumptions) -> float:
    """Adaptive conformal inference over the months of the record: ``a <- a + gamma (miss - missed)``.

    Gibbs and Candes 2021, the month's share of errors outside the interval that the earlier months gave in place of one
    error. Recomputed from the record at every date: nothing is kept between dates.

    Parameters
    ----------
    scores, months
        ``(n,)`` conformity scores and the target month of each.
    miss
        Nominal share outside.
    """
    order = np.argsort(months, kind="stable")
    scores, months = scores[order], months[order]
    gamma, fewest = assumptions.number("interval.aci_gamma"), assumptions.number("interval.aci_min_errors")
    aimed = miss
    for month in np.unique(months):
        start, end = np.searchsorted(months, [month, month + 1])
        if start >= fewest:
            missed = float((scores[start:end] > conformal_margin(scores[:start], aimed)).mean())
            aimed = float(np.clip(aimed + gamma * (miss - missed), miss / 3.0, min(3.0 * miss, 0.9)))
    return aimed


def calibrate(
    errors: FloatArray,
    expected: FloatArray,
    months: NDArray[np.int64],
    horizons: NDArray[np.int64],
    assumptions: Assumptions,
) -> Spread:
    """Margins per horizon bucket from embargoed errors; few errors count little against the assumed spread.

    Parameters
    ----------
    errors
        ``(P, origins, horizons)`` of (observed - forecast) / (forecast x plantation spread); NaN where unknown.
    expected
        ``(P, origins, horizons, 7)`` quantiles of these errors by the regression.
    months
        ``(origins, horizons)`` target months.
    """
    assumed = assumptions.number("interval.sd_month")
    few = assumptions.number("interval.shrinkage_errors")
    buckets = bucket_of(horizons)
    margins, miss = np.zeros((len(BUCKETS), len(PAIRS))), np.zeros((len(BUCKETS), len(PAIRS)))
    weight, sd = np.zeros(len(BUCKETS)), np.full(len(BUCKETS), assumed)
    for b in range(len(BUCKETS)):
        use = np.isfinite(errors) & (buckets == b)[None, None, :]
        sample, n = errors[use], int(use.sum())
        weight[b] = n / (n + few)
        miss[b] = [2.0 * PROBABILITIES[low] for low, _ in PAIRS]
        if not n:
            continue
        sd[b] = np.sqrt(weight[b] * float((sample**2).mean()) + (1 - weight[b]) * assumed**2)
        known, at = expected[use], np.broadcast_to(months[None], errors.shape)[use]
        for k, (low, high) in enumerate(PAIRS):
            scores = conformity(known[:, low], known[:, high], sample)
            miss[b, k] = adapted_miss(scores, at, float(miss[b, k]), assumptions)
            margins[b, k] = conformal_margin(scores, float(miss[b, k]))
    return Spread(margins, weight, sd, miss)


def plantation_spread(errors: FloatArray, shared: FloatArray, assumptions: Assumptions) -> FloatArray:
    """Each plantation's error spread over the pooled one, shrunk to 1 where its record is short.

    Parameters
    ----------
    errors
        ``(P, T)`` relative errors of the prior, NaN where unknown.
    shared
        The same without those that tell of their plantation alone: the pooled spread is theirs.

    Returns
    -------
    ndarray
        ``(P,)``, 1 for plantations without harvests.
    """
    seen, pool = np.isfinite(errors), np.isfinite(shared)
    if not pool.any():
        return np.ones(errors.shape[0])
    pooled = float((shared[pool] ** 2).mean())
    own = np.where(seen, np.nan_to_num(errors) ** 2, 0.0).sum(axis=1)
    count = seen.sum(axis=1)
    few = assumptions.number("interval.shrinkage_months")
    if pooled <= 0:
        return np.ones(errors.shape[0])
    return np.asarray(np.sqrt((own / pooled + few) / (count + few)))


def predictive_quantiles(
    mean: FloatArray,
    spread: Spread,
    expected: FloatArray,
    scale: FloatArray,
    extra_variance: FloatArray,
    horizons: NDArray[np.int64],
) -> FloatArray:
    """Quantiles of the yield, sorted and non-negative, their distribution's mean the forecast.

    Parameters
    ----------
    mean
        ``(P, horizons)`` forecast, t per ha and month.
    expected
        ``(P, horizons, 7)`` quantiles of the relative errors by the regression.
    scale
        ``(P,)`` plantation spread over the pooled one.
    extra_variance
        ``(P, horizons)`` relative variance on top: unknown level, missing inputs, years ahead.

    Returns
    -------
    ndarray
        ``(P, horizons, 7)``.
    """
    bucket = bucket_of(horizons)
    sd = np.maximum(spread.sd[bucket], 1e-9)
    relative = expected.copy()
    for k, (low, high) in enumerate(PAIRS):
        relative[..., low] -= spread.margins[bucket, k]
        relative[..., high] += spread.margins[bucket, k]
    weight = spread.weight[bucket][None, :, None]
    relative = np.sort(weight * relative + (1 - weight) * NORMAL * sd[None, :, None], axis=-1)
    stretch = np.sqrt(scale[:, None] ** 2 + extra_variance / sd[None, :] ** 2)
    relative = mean_zero(stretch[:, :, None] * relative)
    return np.asarray(np.sort(np.maximum(mean[:, :, None] * (1.0 + relative), 0.0), axis=-1))


def mean_zero(quantiles: FloatArray) -> FloatArray:
    """Shift relative quantiles ``(..., 7)`` so that the distribution drawn from them has mean 1 around 1.

    A few passes, because the lower tail of a yield ends at zero and does not move with the rest.
    """
    out = quantiles
    for _ in range(4):
        out = out - np.asarray(mean_from_quantiles(1.0 + out) - 1.0)[..., None]
    return np.asarray(out)
