"""Forecasts that anyone could make: what the model has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class SarimaTask:
    """Records of one plantation that share the harvests their parameters are fitted on; travels to a worker.

    Parameters
    ----------
    training
        ``(n,)`` t per mature ha and month from the first harvest to a December, NaN where not known.
    records
        The same series run on to each origin.
    """

    training: FloatArray
    records: tuple[FloatArray, ...]


def sarima_training(series: FloatArray, first: int) -> tuple[int, int] | None:
    """Columns ``begin, end`` of the harvests that the parameters at the series' end are fitted on.

    From the first harvest to the last December: re-estimated once a year, as a practitioner would, at a twelfth of
    the cost. None with fewer than :data:`SARIMA_MONTHS` harvests, or if they never differ.
    """
    known = np.isfinite(series)
    end = len(series) - (first + len(series)) % 12
    if known[: max(end, 0)].sum() < SARIMA_MONTHS or np.ptp(series[:end][known[:end]]) <= 0:
        return None
    return int(np.argmax(known)), end


def sarima(task: SarimaTask) -> FloatArray:
    """Seasonal ARIMA (1,0,1)(0,1,1)12 fitted on the training months, twelve months ahead of each record.

    Maximum likelihood by the Kalman filter, which steps over months without a harvest (Durbin and Koopman 2012).

    Returns
    -------
    ndarray
        ``(records, 12)`` t per mature ha and month, not below zero; NaN if no parameters can be found.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    out = np.full((len(task.records), 12), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = SARIMAX(task.training, order=_ORDER, seasonal_order=_SEASONAL, trend="n")
            fitted = model.fit(disp=False, maxiter=50)
        except (np.linalg.LinAlgError, ValueError):
            return out
        for row, record in enumerate(task.records):
            out[row] = np.maximum(np.asarray(fitted.apply(record).forecast(12)), 0.0)
    return out


#: model name -> forecast from own harvests alone; ``sarima`` is fitted apart, once for all origins of a year
BASELINES: Mapping[str, Baseline] = {"climatology": climatology, "last_year": last_year}


def _mean(values: FloatArray) -> FloatArray:
    """Mean of the finite values along the last axis, NaN where there is none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=-1)
    total = np.where(seen, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
