"""Gradient boosting on the panel: one model for all horizons, its features as known at the origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.cube import Cube, shift
from plantation_rwa.streams import stream

Form = Literal["direct", "residual"]
FORMS: tuple[Form, Form] = ("direct", "residual")

#: Lags before harvest of the deficit sums, months, both ends included.
DEFICIT_BINS = ((0, 3), (4, 6), (7, 12), (13, 18), (19, 24), (25, 30), (31, 36))
#: Of the sensors rain alone enters, by the deficit: the level of a probe says as much of probe and soil as of water.
_WEATHER = ("p_sum_mm", "vpd_mean_kpa", "spi3", "oni_known", "tmax_c")
_LEVELS = ("ndvi", "evi", "ndmi", "cire")
#: A residual model never sees or predicts a ratio to the prior above this.
RATIO_MAX = 4.0


@dataclass(frozen=True)
class Design:
    """Features as known at each origin, gathered row by row: the whole would not fit the memory of a large portfolio.

    Parameters
    ----------
    names
        Feature names.
    columns
        For each feature, values by what they hang on: ``(P,)`` the plantation, ``(P, T)`` the month of the origin,
        ``(P, T + H)`` the target month, ``(P, origins, H)`` both; or ``(H,)``. NaN where not known at the origin.
    origins
        Month indices of the origins.
    plantations, months
        P and T.
    """

    names: tuple[str, ...]
    columns: tuple[FloatArray, ...]
    origins: NDArray[np.int64]
    plantations: int
    months: int

    def rows(self, p: NDArray[np.intp], s: NDArray[np.intp], h: NDArray[np.intp]) -> NDArray[np.float32]:
        """Rows ``(n, features)`` of plantation p, origin at position s and horizon index h.

        Beyond the last horizon what hangs on both keeps its last value; what hangs on the target month goes on.
        """
        out = np.empty((len(p), len(self.columns)), dtype=np.float32)
        month = self.origins[s]
        for k, values in enumerate(self.columns):
            if values.ndim == 3:
                out[:, k] = values[p, s, np.minimum(h, values.shape[2] - 1)]
            elif values.ndim == 1:
                out[:, k] = values[np.minimum(h, len(values) - 1)] if self.names[k] == "horizon" else values[p]
            else:
                out[:, k] = values[p, month + h + 1] if values.shape[1] > self.months else values[p, month]
        return out

    def only(self, names: Sequence[str]) -> Design:
        """The same with those of the named features that are there."""
        at = [self.names.index(n) for n in names if n in self.names]
        return replace(self, names=tuple(self.names[k] for k in at), columns=tuple(self.columns[k] for k in at))

    def at(self, positions: NDArray[np.int64]) -> Design:
        """The same at some of the origins."""
        columns = tuple(c[:, positions] if c.ndim == 3 else c for c in self.columns)
        return replace(self, columns=columns, origins=self.origins[positions])

    def block(self, horizons: int) -> NDArray[np.float32]:
        """Rows of all plantations, origins and horizons, ``(P x origins x horizons, features)``."""
        every = np.arange(self.plantations), np.arange(len(self.origins)), np.arange(horizons)
        p, s, h = np.meshgrid(*every, indexing="ij")
        return self.rows(p.ravel(), s.ravel(), h.ravel())


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
    expected: FloatArray,
    mu: FloatArray,
    annual: FloatArray,
    bins: NDArray[np.float32],
    base: FloatArray,
    effect: FloatArray,
    origins: NDArray[np.int64],
    horizons: NDArray[np.int64],
) -> Design:
    """Features of every (plantation, origin, horizon); nothing later than the origin less the series' delay enters.

    Parameters
    ----------
    expected, mu
        Forecast of the memory and prior ``(P, origins, H)`` t per ha and month.
    annual, bins
        Expected kernel deficit ``(P, origins, H)`` and deficit sums ``(7, P, origins, H)``.
    base
        Prior without plantation effect ``(P, T)``; harvests enter as ratio to it.
    effect
        Plantation effect known at each month ``(P, T)``.
    """
    months = cube.potential.shape[1]
    angle = 2 * np.pi * ((cube.first + np.arange(months)) % 12) / 12.0
    shape = (len(cube.ids), months)
    columns: dict[str, FloatArray] = {
        "expected": expected,
        "prior": mu,
        "potential": cube.potential,
        "age": cube.age,
        "horizon": horizons.astype(np.float64),
        "month_sin": np.broadcast_to(np.sin(angle), shape),
        "month_cos": np.broadcast_to(np.cos(angle), shape),
        "peat": cube.peat,
        "deficit_annual": annual,
    }
    for (low, high), values in zip(DEFICIT_BINS, bins, strict=True):
        columns[f"deficit_{low}_{high}"] = values
    columns |= _harvest_series(cube, base, effect) | _feature_series(cube)
    columns |= _same_month(cube, base, origins, horizons)
    return Design(tuple(columns), tuple(columns.values()), origins, len(cube.ids), cube.months)


def held(made: Design) -> list[str]:
    """Names of the features that hold any value."""
    return [name for name, values in zip(made.names, made.columns, strict=True) if np.isfinite(values).any()]


def training_rows(
    cube: Cube, mu: FloatArray, origins: NDArray[np.int64], horizons: NDArray[np.int64], used: list[int], cutoff: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Indices (plantation, origin, horizon) of training rows: target observed and not after ``cutoff``.

    A row of horizon h therefore ends at origin ``cutoff - h``: the embargo of h - 1 months on top of the lag.
    """
    target = origins[:, None] + horizons[None, :]
    inside = (target <= cutoff) & np.isin(horizons, used)[None, :]
    y = cube.taught[:, np.minimum(target, cube.months - 1)]
    p, s, h = np.nonzero(np.isfinite(y) & inside & (mu > 0))
    return p, s, h


def sample(
    rows: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]], most: int, key: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """At most ``most`` of the rows, the same share of every horizon, drawn without regard to their values."""
    p, s, h = rows
    if len(p) <= most:
        return rows
    drawn = stream(0, "training_rows", key).random(len(p))
    keep = np.zeros(len(p), dtype=np.bool_)
    for horizon in np.unique(h):
        mine = np.flatnonzero(h == horizon)
        count = max(1, most * len(mine) // len(p))
        keep[mine[np.argsort(drawn[mine], kind="stable")[:count]]] = True
    return p[keep], s[keep], h[keep]


def fit_boosting(
    x: NDArray[np.float32],
    y: FloatArray,
    expected: FloatArray,
    form: Form,
    names: Sequence[str],
    assumptions: Assumptions,
) -> Boosted | None:
    """Fit one gradient-boosting model; None if there are no rows.

    Parameters
    ----------
    x
        ``(rows, features)``; columns without two distinct values are left out.
    y, expected
        Observed yield and the memory's forecast of the rows, t per ha and month.
    form
        ``direct`` learns the yield, rising with the expected one and never with a deficit; ``residual`` learns the
        ratio to the expected one, in either direction: there a deficit says how far the prior was wrong about it.
    names
        Of the features.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    filled = _filled(x)
    columns = _informative(filled) if len(y) else np.empty(0, dtype=np.intp)
    if not len(columns):
        return None
    number = assumptions.number
    signs = [_sign(names[k]) if form == "direct" else 0 for k in columns]
    model = HistGradientBoostingRegressor(
        max_iter=int(number("boosting.max_iter")),
        learning_rate=number("boosting.learning_rate"),
        max_leaf_nodes=int(number("boosting.max_leaf_nodes")),
        min_samples_leaf=int(max(number("boosting.min_samples_leaf"), number("boosting.min_leaf_share") * len(y))),
        l2_regularization=number("boosting.l2"),
        monotonic_cst=signs,
        early_stopping=False,
        random_state=0,
    )
    goal = y if form == "direct" else np.minimum(y / expected, RATIO_MAX)
    return Boosted(model.fit(filled[:, columns], goal), columns)


def predict_boosting(model: Boosted | None, x: NDArray[np.float32], expected: FloatArray, form: Form) -> FloatArray:
    """Predicted yield, t per ha and month, never negative; shape of ``expected``, whose rows ``x`` has in C order."""
    if model is None or expected.size == 0:
        return expected.copy()
    raw = model.model.predict(_filled(x)[:, model.columns]).reshape(expected.shape)
    return np.asarray(np.maximum(raw if form == "direct" else np.clip(raw, 0.0, RATIO_MAX) * expected, 0.0))


def _sign(name: str) -> int:
    """Monotone constraint of a feature in the direct form."""
    return 1 if name in {"expected", "prior"} else -1 if name.startswith("deficit_") else 0


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
