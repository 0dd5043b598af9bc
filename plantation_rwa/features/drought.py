"""Standardised indices of rain (SPI) and of rain minus demand (SPEI), fitted for each month on what was known then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GammaFit:
    """Zero-inflated gamma distributions, one per element.

    Parameters
    ----------
    shape, scale
        Of the gamma part, location 0; NaN where it cannot be fitted.
    p_zero
        Probability of a sum of exactly zero.
    n
        Values used, zeros included.
    """

    shape: Floats
    scale: Floats
    p_zero: Floats
    n: NDArray[np.int64]


def rolling_sum(monthly: Floats, window: int) -> Floats:
    """Sum over ``window`` months ending in each month, shape kept; NaN where a month of the window is missing."""
    out = np.full(monthly.shape, np.nan)
    if monthly.shape[1] < window:
        return out
    total = np.zeros((monthly.shape[0], monthly.shape[1] - window + 1))
    for back in range(window):
        total = total + monthly[:, window - 1 - back : monthly.shape[1] - back]
    out[:, window - 1 :] = total
    return out


def expanding_gamma(values: Floats) -> GammaFit:
    """Fit a gamma distribution to all values up to and including each one, along the last axis.

    Thom's approximation of the maximum likelihood: ``A = ln(mean) - mean(ln)``, ``shape = (1 + sqrt(1 + 4A/3)) / 4A``,
    ``scale = mean / shape``, over the positive values. Running sums make the fits of all years as cheap as one.

    Parameters
    ----------
    values
        Shape (plantations, years): sums of one calendar month, NaN where missing, never negative.

    Returns
    -------
    GammaFit
        Arrays of the same shape.

    Notes
    -----
    Source: Thom (1958), as "APP" in xclim and as the method of climate_indices.
    """
    known, wet = ~np.isnan(values), values > 0.0
    n, n_wet = np.cumsum(known, axis=1), np.cumsum(wet, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.cumsum(np.where(wet, values, 0.0), axis=1) / n_wet
        mean_log = np.cumsum(np.where(wet, np.log(np.where(wet, values, 1.0)), 0.0), axis=1) / n_wet
        a = np.log(mean) - mean_log
        a = np.where(a > 1e-9, a, np.nan)  # one value, or all equal: no spread to fit
        shape = (1.0 + np.sqrt(1.0 + 4.0 * a / 3.0)) / (4.0 * a)
        return GammaFit(shape, mean / shape, (n - n_wet) / n, n)


def standardised(values: Floats, fit: GammaFit) -> Floats:
    """Standard normal quantile of each value's probability under its fit.

    A zero gets the probability of zero itself (upper end of its interval), as xclim's default.
    """
    from scipy.special import gammainc, ndtri

    probability = fit.p_zero + (1.0 - fit.p_zero) * gammainc(fit.shape, np.maximum(values, 0.0) / fit.scale)
    return np.asarray(ndtri(np.where(values > 0.0, probability, np.where(np.isnan(fit.shape), np.nan, fit.p_zero))))


def spi(monthly_rain: Floats, *, window: int, min_years: int, limit: float) -> Floats:
    """Standardised precipitation index of each month, fitted on the record up to that month only.

    Parameters
    ----------
    monthly_rain
        Shape (plantations, consecutive months), mm, NaN where missing.
    window
        Months summed.
    min_years
        Sums of the calendar month, the month itself included, below which the index is NaN.
    limit
        The index is cut at plus and minus this value.

    Returns
    -------
    numpy.ndarray
        Same shape. A later month changes no earlier value.
    """
    sums = rolling_sum(np.asarray(monthly_rain, dtype=np.float64), window)
    out = np.full(sums.shape, np.nan)
    for offset in range(min(12, sums.shape[1])):
        values = sums[:, offset::12]
        fit = expanding_gamma(values)
        index = np.clip(standardised(values, fit), -limit, limit)
        out[:, offset::12] = np.where((fit.n >= min_years) & ~np.isnan(values), index, np.nan)
    return out


def expanding_logistic(values: Floats) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Fit a log-logistic distribution to all values up to and including each one, along the last axis.

    By unbiased L-moments, in the form of the generalised logistic distribution (which has the three-parameter
    log-logistic for negative ``k`` and its mirror for positive): ``k = -t3``, ``scale = l2 sin(k pi) / (k pi)``,
    ``location = l1 - scale (1/k - pi / sin(k pi))``.

    Parameters
    ----------
    values
        Shape (plantations, years), any sign, NaN where missing.

    Returns
    -------
    location, scale, k, n
        Arrays of the same shape; NaN where fewer than three values or no spread.

    Notes
    -----
    Source: Hosking and Wallis (1997), appendix A.7; Vicente-Serrano, Begueria and Lopez-Moreno (2010) for the SPEI.
    """
    l1, l2, l3 = (np.full(values.shape, np.nan) for _ in range(3))
    n = np.cumsum(~np.isnan(values), axis=1)
    for end in range(values.shape[1]):
        ordered, count = np.sort(values[:, : end + 1], axis=1), n[:, end].astype(np.float64)
        rank = np.arange(end + 1, dtype=np.float64)
        x = np.where(np.isnan(ordered), 0.0, ordered)  # missing ones are sorted last and weigh nothing
        with np.errstate(divide="ignore", invalid="ignore"):
            b0 = x.sum(axis=1) / count
            b1 = (rank * x).sum(axis=1) / (count * (count - 1.0))
            b2 = (rank * (rank - 1.0) * x).sum(axis=1) / (count * (count - 1.0) * (count - 2.0))
        l1[:, end], l2[:, end], l3[:, end] = b0, 2.0 * b1 - b0, 6.0 * b2 - 6.0 * b1 + b0
    enough = (n >= 3) & (l2 > 1e-9)
    k = np.where(enough, -l3 / np.where(enough, l2, 1.0), np.nan)
    angle = np.where(np.abs(k) < 1e-6, np.nan, k * np.pi)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(np.isnan(angle), l2, l2 * np.sin(angle) / angle)
        shift = np.where(np.isnan(angle), 0.0, 1.0 / k - np.pi / np.sin(angle))
    location = l1 - scale * shift
    return np.where(enough, location, np.nan), np.where(enough, scale, np.nan), k, n


def logistic_quantile(values: Floats, location: Floats, scale: Floats, k: Floats) -> Floats:
    """Standard normal quantile of each value's probability under the fit of :func:`expanding_logistic`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (values - location) / scale
        inner = 1.0 - k * z
        y = np.where(np.abs(k) < 1e-6, z, -np.log(np.where(inner > 0.0, inner, np.nan)) / k)
        # beyond the bound that the distribution has on one side
        y = np.where((inner <= 0.0) & (np.abs(k) >= 1e-6), np.where(k < 0.0, -np.inf, np.inf), y)
        from scipy.special import ndtri

        return np.asarray(ndtri(1.0 / (1.0 + np.exp(-y))))


def spei(monthly_balance: Floats, *, window: int, min_years: int, limit: float) -> Floats:
    """Standardised precipitation evapotranspiration index of each month, fitted on the record up to it only.

    Parameters
    ----------
    monthly_balance
        Rain minus reference evapotranspiration, shape (plantations, consecutive months), mm, NaN where missing.
    window, min_years, limit
        As for :func:`spi`.

    Returns
    -------
    numpy.ndarray
        Same shape. A later month changes no earlier value.
    """
    sums = rolling_sum(np.asarray(monthly_balance, dtype=np.float64), window)
    out = np.full(sums.shape, np.nan)
    for offset in range(min(12, sums.shape[1])):
        values = sums[:, offset::12]
        location, scale, k, n = expanding_logistic(values)
        index = np.clip(logistic_quantile(values, location, scale, k), -limit, limit)
        out[:, offset::12] = np.where((n >= min_years) & ~np.isnan(values), index, np.nan)
    return out
