"""Standardised precipitation index, fitted for each month on what was known then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, ndtri

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
    total = np.zeros((monthly.shape[0], max(monthly.shape[1] - window + 1, 0)))
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
