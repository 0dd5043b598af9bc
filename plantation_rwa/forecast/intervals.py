"""Predictive quantiles from past errors: conformal, per horizon bucket, relative to the forecast."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES, mean_from_quantiles
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.stack import BUCKETS, bucket_of


@dataclass(frozen=True)
class Spread:
    """Relative errors of a forecast whose plantation has the pooled spread.

    Parameters
    ----------
    quantiles
        ``(buckets, 7)`` at :data:`plantation_rwa.distributions.PROBABILITIES`, mean 0.
    sd
        ``(buckets,)`` root mean square of the errors.
    count
        ``(buckets,)`` errors used.
    """

    quantiles: FloatArray
    sd: FloatArray
    count: NDArray[np.int64]


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


def calibrate(errors: FloatArray, horizons: NDArray[np.int64], assumptions: Assumptions) -> Spread:
    """Spread per horizon bucket from embargoed errors, blended with the assumed spread where they are few.

    The errors are centred: a shock common to the calibration years says little about the next ones, so the
    mean error widens the spread instead of moving the forecast.

    Parameters
    ----------
    errors
        ``(P, origins, horizons)`` of (observed - forecast) / (forecast x plantation spread); NaN where
        unknown.
    """
    normal = np.array([NormalDist().inv_cdf(float(p)) for p in PROBABILITIES])
    assumed = assumptions.number("interval.sd_month")
    few = assumptions.number("interval.shrinkage_errors")
    buckets = bucket_of(horizons)
    quantiles, sd, count = np.empty((len(BUCKETS), 7)), np.empty(len(BUCKETS)), np.zeros(len(BUCKETS), np.int64)
    for b in range(len(BUCKETS)):
        sample = errors[:, :, buckets == b]
        sample = sample[np.isfinite(sample)]
        n = count[b] = len(sample)
        weight = n / (n + few)
        mean_square = float((sample**2).mean()) if n else 0.0
        sd[b] = np.sqrt(weight * mean_square + (1 - weight) * assumed**2)
        shape = normal
        if n > 1:
            centred = sample - sample.mean()
            own = float(np.sqrt((centred**2).mean()))
            if own > 0:
                shape = weight * conformal_quantiles(centred / own, PROBABILITIES) + (1 - weight) * normal
        quantiles[b] = _mean_zero(shape * sd[b])
    return Spread(quantiles, sd, count)


def plantation_spread(errors: FloatArray, months: FloatArray, assumptions: Assumptions) -> FloatArray:
    """Each plantation's error spread over the pooled one, shrunk to 1 where its record is short.

    Parameters
    ----------
    errors
        ``(P, T)`` relative errors of the prior, NaN where unknown.
    months
        ``(P,)`` months of harvest known.

    Returns
    -------
    ndarray
        ``(P,)``, 1 for plantations without harvests.
    """
    seen = np.isfinite(errors)
    if not seen.any():
        return np.ones(errors.shape[0])
    pooled = float((errors[seen] ** 2).mean())
    own = np.where(seen, np.nan_to_num(errors) ** 2, 0.0).sum(axis=1)
    count = seen.sum(axis=1)
    few = assumptions.number("interval.shrinkage_months")
    if pooled <= 0:
        return np.ones(errors.shape[0])
    return np.asarray(np.sqrt((own / pooled + few) / (count + few)))


def predictive_quantiles(
    mean: FloatArray, spread: Spread, scale: FloatArray, extra_variance: FloatArray, horizons: NDArray[np.int64]
) -> FloatArray:
    """Quantiles of the yield, sorted and non-negative.

    Parameters
    ----------
    mean
        ``(P, horizons)`` forecast, t per ha and month.
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
    stretch = np.sqrt(scale[:, None] ** 2 + extra_variance / sd[None, :] ** 2)
    relative = 1.0 + stretch[:, :, None] * spread.quantiles[bucket][None, :, :]
    return np.asarray(np.sort(np.maximum(mean[:, :, None] * relative, 0.0), axis=-1))


def _mean_zero(quantiles: FloatArray) -> FloatArray:
    """Shift relative quantiles so that the distribution drawn from them has mean 1 around 1.

    A few passes, because the lower tail of a yield ends at zero and does not move with the rest.
    """
    out = quantiles
    for _ in range(4):
        out = out - (mean_from_quantiles(1.0 + out) - 1.0)
    return np.asarray(out)
