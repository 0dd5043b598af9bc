"""What joint yield paths need: loadings on common, regional and own shocks, and their month-to-month correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray

#: Least overlap of two plantations' records, months, for their correlation to count.
MIN_OVERLAP = 24


@dataclass(frozen=True)
class Dependence:
    """Loadings (squares sum to 1) and AR(1) coefficients of the common, regional and own factor, in this order."""

    loadings: tuple[float, float, float]
    ar1: tuple[float, float, float]


@dataclass(frozen=True)
class Levels:
    """The own shock in two parts: share of variance that is slow, and the AR(1) coefficients of the slow and the rest.

    ``own = sqrt(share) slow + sqrt(1 - share) rest``, each a unit AR(1). One AR(1) alone (``ar1_own``) has the spread
    of a year right and makes sums over several years too narrow: an error of the level stays.
    """

    share: float
    ar1_level: float
    ar1_month: float


def estimate_levels(errors: FloatArray, assumptions: Assumptions) -> Levels:
    """Slow share of the own errors, from one origin's errors half a year apart and more, shrunk to the assumption.

    Within one forecast a wrong level moves all months; monthly noise of correlation 0.37 is forgotten after six.

    Parameters
    ----------
    errors
        ``(P, origins, horizons)`` relative errors of embargoed forecasts, NaN where unknown.
    """
    assumed = Levels(*(assumptions.number(f"dependence.{n}") for n in ("level_share", "ar1_level", "ar1_month")))
    seen = np.isfinite(errors)
    count = seen.sum(axis=0)
    mean = np.where(count >= 3, np.where(seen, errors, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    own = errors - mean
    known = np.isfinite(own)
    own = np.where(known, own, 0.0)
    variance = float((own**2).sum()) / max(int(known.sum()), 1)
    products, pairs = 0.0, 0
    for apart in range(6, errors.shape[2]):
        products += float((own[..., apart:] * own[..., :-apart]).sum())
        pairs += int((known[..., apart:] & known[..., :-apart]).sum())
    if variance <= 0 or pairs < MIN_OVERLAP:
        return assumed
    years = float(known.any(axis=(0, 2)).sum()) / 12.0
    weight = years / (years + assumptions.number("dependence.shrinkage_years"))
    share = _blend(products / pairs / variance, assumed.share, weight)
    return Levels(float(np.clip(share, 0.0, 0.9)), assumed.ar1_level, assumed.ar1_month)


def own_shares(
    levels: Levels, dependence: Dependence, month_variance: FloatArray, unknown: FloatArray, added: FloatArray
) -> FloatArray:
    """Slow share of each plantation's own shock: that of the portfolio's errors, and what is not known of its level.

    ``(own v s + u) / (own (v + e))`` with v the variance of a month's errors, own the square of the own loading, s the
    portfolio's share, e the variance that the forecast adds for what is missing of this plantation, and u that of its
    level beyond what the portfolio's errors already hold: an unknown level stays, it does not average out.

    Parameters
    ----------
    month_variance
        v, ``(P,)``, relative.
    unknown
        u, ``(P,)``; below zero where the level is known better than the portfolio's.
    added
        e, ``(P,)``.
    """
    own = dependence.loadings[2] ** 2
    total = own * (month_variance + added)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, (own * month_variance * levels.share + unknown) / total, levels.share)
    return np.asarray(np.clip(share, 0.0, 0.95))


def annual_ratio(ar1: float) -> float:
    """Spread of a year's mean over the spread of a month, for an AR(1) shock.

    ``sqrt((12 + 2 sum_k (12 - k) ar1^k) / 144)``, k = 1 .. 11.
    """
    lags = np.arange(1, 12)
    return float(np.sqrt((12 + 2 * ((12 - lags) * ar1**lags).sum()) / 144.0))


def default_dependence(assumptions: Assumptions) -> Dependence:
    """Loadings that give the assumed annual spreads of the three shocks under the assumed persistence."""
    names = ("common", "region", "own")
    ar1 = [assumptions.number(f"dependence.ar1_{n}") for n in names]
    month = [assumptions.number(f"dependence.annual_sd_{n}") / annual_ratio(a) for n, a in zip(names, ar1, strict=True)]
    total = float(np.sqrt(sum(m * m for m in month)))
    common, region, own = (m / total for m in month)
    return Dependence((common, region, own), (ar1[0], ar1[1], ar1[2]))


def estimate_dependence(errors: FloatArray, regions: Sequence[str], assumptions: Assumptions) -> Dependence:
    """Loadings and persistence from the correlation of relative errors, shrunk to the assumptions by n / (n + k) years.

    Between regions the mean pairwise correlation is the squared common loading, within a region it adds the
    squared regional loading. Persistence of the shared shocks is that of the month's mean error, of the own
    shock that of the departure from it.

    Parameters
    ----------
    errors
        ``(P, T)`` relative errors of the prior, NaN where unknown.
    regions
        Region of each plantation.
    """
    default = default_dependence(assumptions)
    scored = _standardised(errors)
    overlap = int((np.isfinite(scored).sum(axis=0) >= 2).sum())
    weight = overlap / 12.0 / (overlap / 12.0 + assumptions.number("dependence.shrinkage_years"))
    between, within = _pair_correlations(scored, regions)
    common = _blend(between, default.loadings[0] ** 2, weight)
    nearby = _blend(within, default.loadings[0] ** 2 + default.loadings[1] ** 2, weight)
    common = float(np.clip(common, 0.0, 0.9))
    region = float(np.clip(nearby - common, 0.0, 0.95 - common))
    shared, own = _persistence(scored)
    ar1_common = _blend(shared, default.ar1[0], weight)
    ar1_region = _blend(shared, default.ar1[1], weight)
    ar1_own = _blend(own, default.ar1[2], weight)
    loadings = (float(np.sqrt(common)), float(np.sqrt(region)), float(np.sqrt(1.0 - common - region)))
    clipped = [float(np.clip(a, 0.0, 0.98)) for a in (ar1_common, ar1_region, ar1_own)]
    return Dependence(loadings, (clipped[0], clipped[1], clipped[2]))


def annual_sd(month_sd: FloatArray, dependence: Dependence, levels: Levels, share: FloatArray) -> FloatArray:
    """Spread of a year's mean of monthly errors with the given spread and slow share under the law of the paths."""
    common, region, own = (loading**2 for loading in dependence.loadings)
    parts = (
        (common, dependence.ar1[0]),
        (region, dependence.ar1[1]),
        (own * share, levels.ar1_level),
        (own * (1.0 - share), levels.ar1_month),
    )
    return np.asarray(month_sd * np.sqrt(sum(part * annual_ratio(ar1) ** 2 for part, ar1 in parts)))


def _standardised(errors: FloatArray) -> FloatArray:
    """Errors of each plantation centred and scaled, clipped at four; short records are left out."""
    out = np.full(errors.shape, np.nan)
    for p in range(errors.shape[0]):
        seen = np.isfinite(errors[p])
        if seen.sum() >= MIN_OVERLAP:
            values = errors[p, seen] - errors[p, seen].mean()
            sd = float(np.sqrt((values**2).mean()))
            if sd > 0:
                out[p, seen] = np.clip(values / sd, -4.0, 4.0)
    return out


def _pair_correlations(scored: FloatArray, regions: Sequence[str]) -> tuple[float, float]:
    """Mean product of scores over pairs of plantations in different regions and in the same region, NaN without any.

    Sums over months replace the loop over pairs: ``sum_{i<j} z_i z_j = ((sum z)^2 - sum z^2) / 2``.
    """
    labels = np.asarray(regions, dtype=str)
    everything = _pair_sum(scored)
    inside = np.zeros(2)
    for label in sorted(set(labels.tolist())):
        inside += _pair_sum(scored[labels == label])
    outside = everything - inside
    return _mean(outside), _mean(inside)


def _pair_sum(scored: FloatArray) -> NDArray[np.float64]:
    seen = np.isfinite(scored)
    value = np.where(seen, scored, 0.0)
    products = (value.sum(axis=0) ** 2 - (value**2).sum(axis=0)) / 2.0
    count = seen.sum(axis=0)
    return np.array([products.sum(), (count * (count - 1) / 2.0).sum()])


def _mean(total: NDArray[np.float64]) -> float:
    return float(total[0] / total[1]) if total[1] >= MIN_OVERLAP else float("nan")


def _persistence(scored: FloatArray) -> tuple[float, float]:
    """Lag-1 correlation of the month's mean score (needs three plantations) and of the departures from it."""
    seen = np.isfinite(scored)
    count = seen.sum(axis=0)
    mean = np.where(count >= 3, np.where(seen, scored, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    departures = scored - np.where(np.isfinite(mean), mean, 0.0)
    return _lag_one(mean[None, :]), _lag_one(departures)


def _lag_one(series: FloatArray) -> float:
    pairs = np.isfinite(series[:, 1:]) & np.isfinite(series[:, :-1])
    if pairs.sum() < MIN_OVERLAP:
        return float("nan")
    now, before = series[:, 1:][pairs], series[:, :-1][pairs]
    scale = float(np.sqrt((now**2).sum() * (before**2).sum()))
    return float((now * before).sum()) / scale if scale > 0 else float("nan")


def _blend(estimate: float, default: float, weight: float) -> float:
    return default if not np.isfinite(estimate) else weight * estimate + (1.0 - weight) * default
