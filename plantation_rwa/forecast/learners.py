"""Gradient boosting on the panel: one model for all horizons, its features as known at the origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.cube import Cube, shift

Form = Literal["direct", "residual"]
FORMS: tuple[Form, Form] = ("direct", "residual")

#: Lags before harvest of the deficit sums, months, both ends included.
DEFICIT_BINS = ((0, 3), (4, 6), (7, 12), (13, 18), (19, 24), (25, 30), (31, 36))
_WEATHER = ("p_sum_mm", "vpd_mean_kpa", "spi3", "oni_known", "tmax_c", "soil_moisture_m3m3", "water_table_cm")
_LEVELS = ("ndvi", "evi", "ndmi", "cire")
#: A residual model never sees or predicts a ratio to the prior above this.
RATIO_MAX = 4.0


@dataclass(frozen=True)
class Design:
    """Features and prior of every plantation, origin and horizon.

    Parameters
    ----------
    names
        Feature names.
    values
        ``(P, origins, horizons, features)`` float32, NaN where not known at the origin.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Boosted:
    """A fitted booster and the feature columns it uses."""

    model: Any
    columns: NDArray[np.intp]


def bin_weights(lags: int) -> FloatArray:
    """Rows of ones over :data:`DEFICIT_BINS`, shape ``(7, lags)``."""
    lag = np.arange(lags)
    return np.array([(lag >= low) & (lag <= high) for low, high in DEFICIT_BINS], dtype=np.float64)


def trailing_mean(values: FloatArray, window: int, minimum: int) -> FloatArray:
    """Mean of the last ``window`` months, NaN with fewer than ``minimum`` values."""
    seen = np.isfinite(values)
    total = _window_sum(np.where(seen, values, 0.0), window)
    count = _window_sum(seen.astype(np.float64), window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= minimum, total / count, np.nan)


def design(
    cube: Cube,
    mu: FloatArray,
    annual: FloatArray,
    bins: FloatArray,
    base: FloatArray,
    effect: FloatArray,
    origins: NDArray[np.int64],
    horizons: NDArray[np.int64],
) -> Design:
    """Features of every (plantation, origin, horizon); nothing later than the origin less the series' delay enters.

    Parameters
    ----------
    mu
        Prior ``(P, origins, horizons)`` t per ha and month.
    annual, bins
        Expected kernel deficit ``(P, origins, horizons)`` and deficit sums ``(7, P, origins, horizons)``.
    base
        Prior without plantation effect ``(P, T)``; harvests enter as ratio to it.
    effect
        Plantation effect known at each origin ``(P, T)``.
    """
    target = origins[:, None] + horizons[None, :]
    angle = 2 * np.pi * ((cube.first + target) % 12) / 12.0
    columns: dict[str, FloatArray] = {
        "prior": mu,
        "potential": cube.potential[:, target],
        "age": cube.age[:, target],
        "horizon": np.broadcast_to(horizons.astype(np.float64), mu.shape),
        "month_sin": np.broadcast_to(np.sin(angle), mu.shape),
        "month_cos": np.broadcast_to(np.cos(angle), mu.shape),
        "peat": np.broadcast_to(cube.peat[:, None, None], mu.shape),
        "deficit_annual": annual,
    }
    for (low, high), values in zip(DEFICIT_BINS, bins, strict=True):
        columns[f"deficit_{low}_{high}"] = values
    for name, series in (_harvest_series(cube, base, effect) | _feature_series(cube)).items():
        columns[name] = np.broadcast_to(series[:, origins, None], mu.shape)
    columns |= _same_month(cube, base, origins, horizons)
    kept = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    stacked = np.stack([values.astype(np.float32) for values in kept.values()], axis=-1)
    return Design(tuple(kept), stacked)


def training_rows(
    cube: Cube, mu: FloatArray, origins: NDArray[np.int64], horizons: NDArray[np.int64], used: list[int], cutoff: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Indices (plantation, origin, horizon) of training rows: target observed and not after ``cutoff``.

    A row of horizon h therefore ends at origin ``cutoff - h``: the embargo of h - 1 months on top of the lag.
    """
    target = origins[:, None] + horizons[None, :]
    inside = (target <= cutoff) & np.isin(horizons, used)[None, :]
    y = cube.yields[:, np.minimum(target, cube.months - 1)]
    p, s, h = np.nonzero(np.isfinite(y) & inside & (mu > 0))
    return p, s, h


def fit_boosting(x: NDArray[np.float32], y: FloatArray, mu: FloatArray, form: Form, assumptions: Assumptions) -> Any:
    """Fit one gradient-boosting model; None if there are no rows.

    Parameters
    ----------
    x
        ``(rows, features)``; columns without a single value are ignored by the model.
    y, mu
        Observed yield and prior of the rows, t per ha and month.
    form
        ``direct`` learns the yield, ``residual`` its ratio to the prior, unweighted: the noise is relative.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    if not len(y):
        return None
    number = assumptions.number
    model = HistGradientBoostingRegressor(
        max_iter=int(number("boosting.max_iter")),
        learning_rate=number("boosting.learning_rate"),
        max_leaf_nodes=int(number("boosting.max_leaf_nodes")),
        min_samples_leaf=int(number("boosting.min_samples_leaf")),
        l2_regularization=number("boosting.l2"),
        early_stopping=False,
        random_state=0,
    )
    filled = _filled(x)
    columns = _informative(filled)
    if not len(columns):
        return None
    if form == "direct":
        return Boosted(model.fit(filled[:, columns], y), columns)
    return Boosted(model.fit(filled[:, columns], np.minimum(y / mu, RATIO_MAX)), columns)


def predict_boosting(model: Any, x: NDArray[np.float32], mu: FloatArray, form: Form) -> FloatArray:
    """Predicted yield, t per ha and month, never negative; shape of ``mu``, ``x`` having one more axis."""
    if model is None or mu.size == 0:
        return mu.copy()
    rows = _filled(x.reshape(-1, x.shape[-1]))[:, model.columns]
    raw = model.model.predict(rows).reshape(mu.shape)
    return np.asarray(np.maximum(raw if form == "direct" else np.clip(raw, 0.0, RATIO_MAX) * mu, 0.0))


def _informative(x: NDArray[np.float32]) -> NDArray[np.intp]:
    """Columns with at least two distinct values; the booster cannot bin the others."""
    low = np.where(np.isnan(x), np.inf, x).min(axis=0)
    high = np.where(np.isnan(x), -np.inf, x).max(axis=0)
    return np.flatnonzero(high > low)


def _filled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Infinite values never enter the trees."""
    return np.where(np.isinf(x), np.float32(np.nan), x)


def _window_sum(values: FloatArray, window: int) -> FloatArray:
    total = np.cumsum(values, axis=1)
    total[:, window:] = total[:, window:] - total[:, :-window]
    return total


def _harvest_series(cube: Cube, base: FloatArray, effect: FloatArray) -> dict[str, FloatArray]:
    """Harvest relative to the base: newest months, trailing means, level."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = shift(np.where(base > 0, cube.yields / base, np.nan), cube.delays["yield"])
    out = {f"ratio_lag{k}": shift(ratio, k) for k in range(3)}
    for window, minimum in ((3, 2), (6, 3), (12, 6), (24, 12)):
        out[f"ratio_mean{window}"] = trailing_mean(ratio, window, minimum)
    return out | {"effect": effect}


def _feature_series(cube: Cube) -> dict[str, FloatArray]:
    """Weather and canopy: trailing means and departures from the plantation's own past, delayed as known."""
    out: dict[str, FloatArray] = {}
    for name in (*_WEATHER, *_LEVELS):
        if name not in cube.features:
            continue
        series = shift(cube.features[name], cube.delays[name])
        recent = trailing_mean(series, 3, 1)
        out[f"{name}_3"] = recent
        if name in _LEVELS:
            out[f"{name}_anomaly"] = recent - trailing_mean(series, 24, 6)
        elif name in {"p_sum_mm", "oni_known"}:
            out[f"{name}_12"] = trailing_mean(series, 12, 6)
    return out


def _same_month(
    cube: Cube, base: FloatArray, origins: NDArray[np.int64], horizons: NDArray[np.int64]
) -> dict[str, FloatArray]:
    """Ratio to the base in the target's calendar month, 12 and 24 months before, where known at the origin."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(base > 0, cube.yields / base, np.nan)
    out = {}
    for lag in (12, 24):
        month = origins[:, None] + horizons[None, :] - lag
        known = (month >= 0) & (horizons[None, :] - lag <= -cube.delays["yield"])
        out[f"ratio_same_month_{lag}"] = np.where(known, ratio[:, np.clip(month, 0, cube.months - 1)], np.nan)
    return out
