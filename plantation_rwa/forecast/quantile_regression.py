"""Quantile regression of the relative errors: how wide and how skewed, by horizon, age, season and drought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.intervals import mean_zero

#: What the spread may depend on: nothing that a fit changes, so that every fold and date sees the same.
FEATURES = ("horizon", "age", "potential", "month_sin", "month_cos", "deficit_annual")


@dataclass(frozen=True)
class ErrorQuantiles:
    """One booster per level beside the sample's own quantiles, which hold alone where there are few rows.

    Parameters
    ----------
    models
        Per level of :data:`plantation_rwa.distributions.PROBABILITIES`; empty without boosters.
    constant
        ``(7,)`` quantiles of all errors, mean 0.
    weight
        Of the boosters.
    """

    models: tuple[_Columns, ...]
    constant: FloatArray
    weight: float

    def at(self, x: NDArray[np.float32]) -> FloatArray:
        """Sorted quantiles ``(rows, 7)`` of mean 0: the forecast says where the errors lie, this how they spread."""
        flat = np.broadcast_to(self.constant, (len(x), len(PROBABILITIES)))
        if not self.models or not len(x):
            return flat.copy()
        told = mean_zero(np.sort(np.stack([m.predict(x) for m in self.models], axis=-1), axis=-1))
        return self.weight * told + (1.0 - self.weight) * flat


def fit_error_quantiles(x: NDArray[np.float32], errors: FloatArray, assumptions: Assumptions) -> ErrorQuantiles:
    """Fit the seven levels.

    Parameters
    ----------
    x
        ``(rows, len(FEATURES))``.
    errors
        ``(rows,)`` relative errors over the plantation's spread.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    number, count = assumptions.number, len(PROBABILITIES)
    constant = mean_zero(np.quantile(errors, PROBABILITIES)) if len(errors) else np.zeros(count)
    live = [k for k in range(x.shape[1]) if len(x) and np.nanmax(x[:, k]) > np.nanmin(x[:, k])]
    if len(errors) < number("quantile_regression.min_rows") or not live:
        return ErrorQuantiles((), constant, 0.0)
    models = []
    for level in PROBABILITIES.tolist():
        model = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=level,
            max_iter=int(number("quantile_regression.max_iter")),
            learning_rate=number("quantile_regression.learning_rate"),
            max_leaf_nodes=int(number("quantile_regression.max_leaf_nodes")),
            min_samples_leaf=max(20, int(number("quantile_regression.min_leaf_share") * len(errors))),
            early_stopping=False,
            random_state=0,
        )
        models.append(_Columns(model.fit(x[:, live], errors), tuple(live)))
    weight = len(errors) / (len(errors) + number("quantile_regression.shrinkage_rows"))
    return ErrorQuantiles(tuple(models), constant, weight)


@dataclass(frozen=True)
class _Columns:
    """A booster that sees some of the columns."""

    model: Any
    columns: tuple[int, ...]

    def predict(self, x: NDArray[np.float32]) -> FloatArray:
        return np.asarray(self.model.predict(x[:, list(self.columns)]), dtype=np.float64)
