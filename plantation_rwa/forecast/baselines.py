"""Forecasts that anyone could make: what the model has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.forecast.agronomy import FloatArray

#: harvest months that a seasonal ARIMA needs
SARIMA_MONTHS = 60
_ORDER, _SEASONAL = (1, 0, 1), (0, 1, 1, 12)

Baseline = Callable[[FloatArray, int, NDArray[np.int64]], FloatArray]


def climatology(yields: FloatArray, first: int, horizons: NDArray[np.int64]) -> FloatArray:
    """Mean of the same calendar month over all years known, ``(P, H)``; NaN where none is.

    Parameters
    ----------
    yields
        ``(P, T)`` t per mature ha and month, NaN where not known; the last column is the origin's month.
    first
        Ordinal of the first column (year x 12 + month - 1).
    horizons
        ``(H,)`` months after the origin.
    """
    calendar = (first + np.arange(yields.shape[1])) % 12
    target = (first + yields.shape[1] - 1 + horizons) % 12
    out = np.full((yields.shape[0], len(horizons)), np.nan)
    for k, month in enumerate(target.tolist()):
        out[:, k] = _mean(yields[:, calendar == month])
    return out


def regional_climatology(
    yields: FloatArray, first: int, horizons: NDArray[np.int64], region: tuple[str, ...]
) -> FloatArray:
    """Climatology of the region's plantations, of all where the region has none: for those without own harvests."""
    every = climatology(_mean(yields.T)[None, :], first, horizons)
    out = np.repeat(every, yields.shape[0], axis=0)
    names = np.asarray(region, dtype=object)
    for name in sorted(set(region)):
        own = climatology(_mean(yields[names == name].T)[None, :], first, horizons)
        out[names == name] = np.where(np.isfinite(own), own, every)
    return out


def last_year(yields: FloatArray, first: int, horizons: NDArray[np.int64]) -> FloatArray:
    """The newest known harvest of the same calendar month, ``(P, H)``."""
    out = np.full((yields.shape[0], len(horizons)), np.nan)
    for k, h in enumerate(horizons.tolist()):
        for years in range((h + 11) // 12, yields.shape[1] // 12 + 2):
            column = yields.shape[1] - 1 + h - 12 * years
            if 0 <= column < yields.shape[1]:
                out[:, k] = np.where(np.isfinite(out[:, k]), out[:, k], yields[:, column])
    return out


def sarima(yields: FloatArray, first: int, horizons: NDArray[np.int64]) -> FloatArray:
    """Seasonal ARIMA (1,0,1)(0,1,1)12 of each plantation with at least :data:`SARIMA_MONTHS` harvests, ``(P, H)``.

    Parameters are fitted on the harvests up to the last December and the filter run on to the origin: what a
    yearly re-estimation would do, at a twelfth of its cost.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    out = np.full((yields.shape[0], len(horizons)), np.nan)
    steps = int(horizons.max())
    turn = yields.shape[1] - (first + yields.shape[1]) % 12
    for p, series in enumerate(yields):
        known = np.isfinite(series)
        if known[:turn].sum() < SARIMA_MONTHS:
            continue
        begin = int(np.argmax(known))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = SARIMAX(series[begin:turn], order=_ORDER, seasonal_order=_SEASONAL, trend="n").fit(
                disp=False, maxiter=50
            )
            ahead = fitted.apply(series[begin:]).forecast(steps)
        out[p] = np.maximum(np.asarray(ahead)[horizons - 1], 0.0)
    return out


#: model name -> forecast from own harvests alone
BASELINES: Mapping[str, Baseline] = {"climatology": climatology, "last_year": last_year, "sarima": sarima}


def _mean(values: FloatArray) -> FloatArray:
    """Mean of the finite values along the last axis, NaN where there is none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=-1)
    total = np.where(seen, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
