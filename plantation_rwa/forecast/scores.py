"""Scores of predictive distributions, and tables of them with block-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.distributions import PROBABILITIES, extended_knots
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.streams import stream

#: Columns of a prediction's quantiles, at :data:`plantation_rwa.distributions.PROBABILITIES`.
QUANTILES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
METRICS = (
    *("rmse", "mae", "wmape", "bias", "skill", "pinball", "crps", "coverage80", "coverage90", "interval_score80"),
)
BOOTSTRAPS = 400
#: months of a bootstrap block: errors of one plantation within a year are one piece of evidence
BLOCK_MONTHS = 12
LEVEL = 0.90

Sums = Mapping[str, FloatArray]


def crps(quantiles: FloatArray, observed: FloatArray) -> FloatArray:
    """Continuous ranked probability score, exact for the published quantile function.

    ``integral (F(x) - 1{x >= y})^2 dx`` with F linear between the knots of
    :func:`plantation_rwa.distributions.extended_knots` (Gneiting and Raftery 2007).

    Parameters
    ----------
    quantiles
        ``(n, 7)``, sorted along the last axis.
    observed
        ``(n,)``, same unit.

    Returns
    -------
    ndarray
        ``(n,)``, unit of the observation; a point forecast's score is its absolute error.
    """
    p, v = extended_knots(quantiles)
    return crps_of_knots(p, v, observed)


def crps_of_knots(p: FloatArray, v: FloatArray, observed: FloatArray) -> FloatArray:
    """As :func:`crps`, for any piecewise-linear distribution: probabilities ``(k,)`` from 0 to 1, values ``(n, k)``."""
    y = observed[:, None]
    low, high = v[:, :-1], v[:, 1:]
    width = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(width > 0, np.clip((y - low) / np.where(width > 0, width, 1.0), 0.0, 1.0), y >= high)
    at = p[:-1] + share * (p[1:] - p[:-1])
    below = share * width * (p[:-1] ** 2 + p[:-1] * at + at**2) / 3.0
    above = (1.0 - share) * width * ((1 - at) ** 2 + (1 - at) * (1 - p[1:]) + (1 - p[1:]) ** 2) / 3.0
    outside = np.maximum(v[:, 0] - observed, 0.0) + np.maximum(observed - v[:, -1], 0.0)
    return np.asarray((below + above).sum(axis=1) + outside)


def pinball(quantiles: FloatArray, observed: FloatArray) -> FloatArray:
    """Mean pinball loss over the seven published levels, ``(n,)``."""
    error = observed[:, None] - quantiles
    return np.asarray(np.maximum(PROBABILITIES * error, (PROBABILITIES - 1.0) * error).mean(axis=1))


def interval_score(low: FloatArray, high: FloatArray, observed: FloatArray, level: float) -> FloatArray:
    """Width plus 2/(1 - level) times the distance by which an observation misses the interval (Winkler 1972)."""
    alpha = 1.0 - level
    missed = np.maximum(low - observed, 0.0) + np.maximum(observed - high, 0.0)
    return np.asarray(high - low + 2.0 / alpha * missed)


def pit(quantiles: FloatArray, observed: FloatArray) -> FloatArray:
    """Probability integral transform F(y), ``(n,)``, 0 and 1 outside the distribution's ends."""
    p, v = extended_knots(quantiles)
    return np.array([np.interp(y, row, p) for y, row in zip(observed, v, strict=True)], dtype=np.float64)


def contributions(rows: pd.DataFrame) -> dict[str, FloatArray]:
    """What each prediction adds to the sums that the metrics are ratios of; NaN quantiles add nothing.

    Parameters
    ----------
    rows
        ``observed, mean, climatology`` and :data:`QUANTILES`; observed and mean finite.
    """
    y, mean = rows["observed"].to_numpy(np.float64), rows["mean"].to_numpy(np.float64)
    q = rows[list(QUANTILES)].to_numpy(np.float64)
    sure = np.isfinite(q).all(axis=1)
    safe = np.where(sure[:, None], q, 0.0)
    usual = rows["climatology"].to_numpy(np.float64)
    paired = np.isfinite(usual)
    out = {
        "n": np.ones(len(y)),
        "y": y,
        "error": mean - y,
        "absolute": np.abs(mean - y),
        "square": (mean - y) ** 2,
        "paired_square": np.where(paired, (mean - y) ** 2, 0.0),
        "usual_square": np.where(paired, (usual - y) ** 2, 0.0),
        "sure": sure.astype(np.float64),
        "pinball": pinball(safe, y),
        "crps": crps(safe, y),
        "in80": ((y >= q[:, 1]) & (y <= q[:, 5])).astype(np.float64),
        "in90": ((y >= q[:, 0]) & (y <= q[:, 6])).astype(np.float64),
        "score80": interval_score(safe[:, 1], safe[:, 5], y, 0.8),
    }
    for name in ("pinball", "crps", "in80", "in90", "score80"):
        out[name] = np.where(sure, out[name], 0.0)
    return out


def metrics_of(sums: Sums) -> dict[str, FloatArray]:
    """Metrics from summed :func:`contributions`, any shape; NaN where nothing was summed.

    ``skill`` = 1 - MSE / MSE of climatology on the predictions that have one; ``bias`` = mean - observed.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "rmse": np.sqrt(sums["square"] / sums["n"]),
            "mae": sums["absolute"] / sums["n"],
            "wmape": sums["absolute"] / sums["y"],
            "bias": sums["error"] / sums["n"],
            "skill": 1.0 - sums["paired_square"] / sums["usual_square"],
            "pinball": sums["pinball"] / sums["sure"],
            "crps": sums["crps"] / sums["sure"],
            "coverage80": sums["in80"] / sums["sure"],
            "coverage90": sums["in90"] / sums["sure"],
            "interval_score80": sums["score80"] / sums["sure"],
        }


def score_table(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Metrics by protocol, horizon, region and model with 90 % block-bootstrap intervals.

    Parameters
    ----------
    predictions
        ``protocol, plantation_id, region, origin, target_month, horizon, model, observed, mean`` and
        :data:`QUANTILES`. Model ``climatology`` is the reference of the skill.
    seed
        Of the bootstrap. A block is a plantation's targets within twelve months.

    Returns
    -------
    pandas.DataFrame
        ``protocol, horizon, region, metric, model, value, lo, hi, n``; metrics without a value are left out.
    """
    keys = ["protocol", "plantation_id", "origin", "target_month", "horizon"]
    usual = predictions.loc[predictions["model"] == "climatology", [*keys, "mean"]]
    rows = predictions.merge(usual.rename(columns={"mean": "climatology"}), on=keys, how="left")
    rows = rows[np.isfinite(rows["observed"]) & np.isfinite(rows["mean"])].reset_index(drop=True)
    added = pd.DataFrame(contributions(rows))
    block = rows["plantation_id"] + "|" + (_ordinal(rows["target_month"]) // BLOCK_MONTHS).astype(str)
    found: list[dict[str, object]] = []
    groups = ["protocol", "horizon", "model"]
    for (protocol, horizon, model), index in rows.groupby(groups, sort=True).indices.items():
        regions = {"all": index}
        own = rows["region"].to_numpy(dtype=object)[index]
        regions |= {str(r): index[own == r] for r in sorted(set(own)) if r}
        for region, chosen in regions.items():
            row = {"protocol": protocol, "horizon": horizon, "region": region, "model": model}
            found += _scored(row, added.iloc[chosen], block.iloc[chosen], seed)
    columns = ["protocol", "horizon", "region", "metric", "model", "value", "lo", "hi", "n"]
    table = pd.DataFrame(found, columns=columns)
    order = table["horizon"].map(lambda h: 99 if h == "annual" else int(h))
    return table.assign(_order=order).sort_values(["protocol", "_order", "region", "metric", "model"])[columns]


def _scored(row: dict[str, object], added: pd.DataFrame, block: pd.Series, seed: int) -> list[dict[str, object]]:
    by_block = added.groupby(block.to_numpy(), sort=True).sum()
    names = list(by_block.columns)
    values = by_block.to_numpy(np.float64)
    key = "|".join(str(row[k]) for k in ("protocol", "horizon", "region"))
    drawn = stream(seed, "backtest", key).integers(0, len(values), (BOOTSTRAPS, len(values)))
    counts = np.zeros((BOOTSTRAPS, len(values)))
    np.add.at(counts, (np.arange(BOOTSTRAPS)[:, None], drawn), 1.0)
    whole = metrics_of(dict(zip(names, values.sum(axis=0), strict=True)))
    again = metrics_of(dict(zip(names, (counts @ values).T, strict=True)))
    tail = (1 - LEVEL) / 2
    out = []
    for metric in METRICS:
        value = float(whole[metric])
        if np.isfinite(value):
            sample = again[metric][np.isfinite(again[metric])]
            low, high = np.quantile(sample, [tail, 1 - tail]) if len(sample) else (np.nan, np.nan)
            out.append({**row, "metric": metric, "value": value, "lo": low, "hi": high, "n": len(added)})
    return out


def _ordinal(months: pd.Series) -> NDArray[np.int64]:
    return np.asarray(months.str.slice(0, 4).astype(int) * 12 + months.str.slice(5, 7).astype(int) - 1, dtype=np.int64)
