"""Yield of the next twelve months with its interval: sums of joint paths, because quantiles do not add."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from plantation_rwa.distributions import extended_knots
from plantation_rwa.streams import stream

PATHS = 4000
_QUANTILES = [f"yield_q{q:02d}_t_ha" for q in (5, 10, 25, 50, 75, 90, 95)]


def outlook(seed: int, forecasts: pd.DataFrame, model: pd.DataFrame) -> pd.DataFrame:
    """Twelve-month yield of each plantation.

    The joint law of the months is the published one: normal scores from the factor model (serially correlated
    common, regional and own shocks), mapped through each month's published quantiles.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, yield12_mean, yield12_q05, yield12_q95`` in t per ha of mature area per 12 months.
    """
    rows = []
    months = forecasts[forecasts["horizon_months"] <= 12].sort_values(["plantation_id", "horizon_months"])
    loadings = model.set_index("plantation_id")
    for plantation, group in months.groupby("plantation_id", sort=True):
        m = loadings.loc[plantation]
        scores = (
            m["loading_common"] * _factor(seed, "common", "", m["ar1_common"])
            + m["loading_region"] * _factor(seed, "region", str(m["region"]), m["ar1_region"])
            + m["loading_own"] * _factor(seed, "own", str(plantation), m["ar1_own"])
        )
        knots, values = extended_knots(group[_QUANTILES].to_numpy(dtype=np.float64))
        u = ndtr(scores)
        total = np.sum([np.interp(u[:, k], knots, values[k]) for k in range(len(group))], axis=0)
        low, high = np.quantile(total, [0.05, 0.95], method="inverted_cdf")
        mean = float(group["yield_mean_t_ha"].sum())
        rows.append((str(plantation), mean, float(low), float(high)))
    return pd.DataFrame(rows, columns=["plantation_id", "yield12_mean", "yield12_q05", "yield12_q95"])


def _factor(seed: int, name: str, key: str, ar1: float) -> np.ndarray:
    draws = stream(seed, f"outlook_{name}", key).standard_normal((PATHS, 12))
    for k in range(1, 12):
        draws[:, k] = ar1 * draws[:, k - 1] + np.sqrt(1 - ar1**2) * draws[:, k]
    return draws
