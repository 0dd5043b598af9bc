"""Yield of the next twelve months with its interval: sums of joint paths, because quantiles do not add."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from plantation_rwa.distributions import PROBABILITIES, extended_knots
from plantation_rwa.streams import stream

PATHS = 4000
_NAMES = [f"q{round(100 * p):02d}" for p in PROBABILITIES]


def outlook(seed: int, forecasts: pd.DataFrame, model: pd.DataFrame) -> pd.DataFrame:
    """Twelve-month yield of each plantation.

    The joint law of the months is the published one: normal scores from the factor model (serially correlated
    common and regional shocks, own level and rest of the own shock), mapped through each month's published quantiles.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, yield12_mean, yield12_q05 .. yield12_q95`` (the seven published levels) in t per ha of mature
        area per 12 months.
    """
    rows = []
    months = forecasts[forecasts["horizon_months"] <= 12].sort_values(["plantation_id", "horizon_months"])
    loadings = model.set_index("plantation_id")
    for plantation, group in months.groupby("plantation_id", sort=True):
        m = loadings.loc[plantation]
        own = m["loading_own"] * np.sqrt([m["level_share"], 1.0 - m["level_share"]])
        scores = (
            m["loading_common"] * _factor(seed, "common", "", m["ar1_common"])
            + m["loading_region"] * _factor(seed, "region", str(m["region"]), m["ar1_region"])
            + own[0] * _factor(seed, "level", str(plantation), m["ar1_level"])
            + own[1] * _factor(seed, "own", str(plantation), m["ar1_month"])
        )
        columns = [f"yield_{name}_t_ha" for name in _NAMES]
        knots, values = extended_knots(group[columns].to_numpy(dtype=np.float64))
        u = ndtr(scores)
        total = np.sum([np.interp(u[:, k], knots, values[k]) for k in range(len(group))], axis=0)
        spread = np.quantile(total, PROBABILITIES, method="inverted_cdf")
        rows.append((str(plantation), float(group["yield_mean_t_ha"].sum()), *spread.tolist()))
    return pd.DataFrame(rows, columns=["plantation_id", "yield12_mean", *(f"yield12_{name}" for name in _NAMES)])


def _factor(seed: int, name: str, key: str, ar1: float) -> np.ndarray:
    draws = stream(seed, f"outlook_{name}", key).standard_normal((PATHS, 12))
    for k in range(1, 12):
        draws[:, k] = ar1 * draws[:, k - 1] + np.sqrt(1 - ar1**2) * draws[:, k]
    return draws
