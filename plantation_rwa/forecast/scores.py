"""Scores of predictive distributions, and tables of them with block-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    *("mse_gain", "crps_gain", "pit_mean", "pit_sd"),
)
#: bins of the histogram of the probability integral transform
PIT_BINS = 10
#: Shares of the harvests not above each published quantile, and in each tenth of the forecast distribution.
CALIBRATION = (
    *(f"below_{name}" for name in QUANTILES),
    *(f"pit_bin{k:02d}" for k in range(1, PIT_BINS + 1)),
)
#: Horizons that are scored together: the buckets of the forecast, all twelve months, and the year.
POOLS = {"1-3": (1, 3), "4-6": (4, 6), "7-12": (7, 12), "1-12": (1, 12)}
BOOTSTRAPS = 400
#: months of a bootstrap block: errors of one plantation within a year are one piece of evidence
BLOCK_MONTHS = 12
LEVEL = 0.90
#: blocks that an interval needs
MIN_BLOCKS = 5

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
    width = v[:, 1:] - v[:, :-1]
    share = _share(v, y)
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
    return np.asarray((_share(v, observed[:, None]) * (p[1:] - p[:-1])).sum(axis=1))


def _share(v: FloatArray, y: FloatArray) -> FloatArray:
    """Part of each segment between knots ``(n, k)`` that lies below ``y`` ``(n, 1)``; steps count from their end on."""
    low, high = v[:, :-1], v[:, 1:]
    width = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.clip((y - low) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    return np.where(width > 0, inside, y >= high)


def contributions(rows: pd.DataFrame) -> dict[str, FloatArray]:
    """What each prediction adds to the sums that the metrics are ratios of; NaN quantiles add nothing.

    Parameters
    ----------
    rows
        ``observed, mean, climatology`` (mean of the climatology of the same row), ``rival_square, rival_crps`` (what
        ``model`` scored there, NaN for the model itself) and :data:`QUANTILES`; observed and mean finite.
    """
    y, mean = rows["observed"].to_numpy(np.float64), rows["mean"].to_numpy(np.float64)
    q = rows[list(QUANTILES)].to_numpy(np.float64)
    sure = np.isfinite(q).all(axis=1)
    safe = np.where(sure[:, None], q, 0.0)
    usual, square = rows["climatology"].to_numpy(np.float64), (mean - y) ** 2
    rival, rival_crps = (rows[name].to_numpy(np.float64) for name in ("rival_square", "rival_crps"))
    score, place = crps(safe, y), pit(safe, y)
    paired, met, both = np.isfinite(usual), np.isfinite(rival), sure & np.isfinite(rival_crps)
    out = {
        "n": np.ones(len(y)),
        "y": y,
        "error": mean - y,
        "absolute": np.abs(mean - y),
        "square": square,
        "paired": paired,
        "paired_square": np.where(paired, square, 0.0),
        "usual_square": np.where(paired, (usual - y) ** 2, 0.0),
        "met": met,
        "square_gain": np.where(met, square - rival, 0.0),
        "both": both,
        "crps_gain": np.where(both, score - rival_crps, 0.0),
    }
    of_quantiles = {
        "sure": np.ones(len(y)),
        "pinball": pinball(safe, y),
        "crps": score,
        "in80": (y >= q[:, 1]) & (y <= q[:, 5]),
        "in90": (y >= q[:, 0]) & (y <= q[:, 6]),
        "score80": interval_score(safe[:, 1], safe[:, 5], y, 0.8),
        "pit": place,
        "pit_square": place**2,
    }
    of_quantiles |= {f"below_{name}": y <= q[:, k] for k, name in enumerate(QUANTILES)}
    bins = np.minimum((place * PIT_BINS).astype(np.int64), PIT_BINS - 1)
    of_quantiles |= {f"pit_bin{k:02d}": bins == k - 1 for k in range(1, PIT_BINS + 1)}
    out |= {name: np.where(sure, values, 0.0) for name, values in of_quantiles.items()}
    return {name: np.asarray(values, dtype=np.float64) for name, values in out.items()}


def metrics_of(sums: Sums) -> dict[str, FloatArray]:
    """Metrics from summed :func:`contributions`, any shape; NaN where nothing was summed.

    ``skill`` = 1 - MSE / MSE of climatology on the predictions that have one; ``bias`` = mean - observed;
    ``mse_gain``, ``crps_gain`` = score of this line less that of ``model`` on the predictions both have: above zero
    the model is better. ``pit_mean`` and ``pit_sd`` of a calibrated forecast are 1/2 and 1/sqrt(12).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sure = sums["sure"]
        out = {
            "rmse": np.sqrt(sums["square"] / sums["n"]),
            "mae": sums["absolute"] / sums["n"],
            "wmape": np.where(sums["y"] > 0, sums["absolute"] / sums["y"], np.nan),
            "bias": sums["error"] / sums["n"],
            "skill": np.where(sums["usual_square"] > 0, 1.0 - sums["paired_square"] / sums["usual_square"], np.nan),
            "pinball": sums["pinball"] / sure,
            "crps": sums["crps"] / sure,
            "coverage80": sums["in80"] / sure,
            "coverage90": sums["in90"] / sure,
            "interval_score80": sums["score80"] / sure,
            "mse_gain": sums["square_gain"] / sums["met"],
            "crps_gain": sums["crps_gain"] / sums["both"],
            "pit_mean": sums["pit"] / sure,
            "pit_sd": np.sqrt(np.maximum(sums["pit_square"] / sure - (sums["pit"] / sure) ** 2, 0.0)),
        }
        return out | {name: sums[name] / sure for name in CALIBRATION}


#: sums that count the predictions of a metric; all predictions where none is named
_COUNTS = {"skill": "paired", "mse_gain": "met", "crps_gain": "both"} | dict.fromkeys(
    ("pinball", "crps", "coverage80", "coverage90", "interval_score80", "pit_mean", "pit_sd", *CALIBRATION), "sure"
)
KEYS = ("protocol", "plantation_id", "origin", "target_month", "horizon")


def score_table(predictions: pd.DataFrame, seed: int, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Metrics by protocol, horizon, region and model with 90 % block-bootstrap intervals.

    Parameters
    ----------
    predictions
        ``protocol, plantation_id, region, origin, target_month, horizon, model, observed, mean`` and
        :data:`QUANTILES`. Model ``climatology`` is the reference of the skill, ``model`` that of the gains.
    seed
        Of the bootstrap. A block is a plantation's targets within twelve months.

    Returns
    -------
    pandas.DataFrame
        ``protocol, horizon, region, metric, model, value, lo, hi, n``; metrics without a value are left out, and
        intervals of fewer than :data:`MIN_BLOCKS` blocks are NaN.
    """
    return _tabulated(_rivalled(predictions), seed, metrics)


def pooled_table(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """As :func:`score_table` over :data:`POOLS` of horizons and the year, with :data:`CALIBRATION` too."""
    rows = _rivalled(predictions)
    months = pd.to_numeric(rows["horizon"], errors="coerce")
    pools = [rows[months.between(*ends)].assign(horizon=name) for name, ends in POOLS.items()]
    pools.append(rows[months.isna()])
    return _tabulated(pd.concat(pools, ignore_index=True), seed, (*METRICS, *CALIBRATION))


def _rivalled(predictions: pd.DataFrame) -> pd.DataFrame:
    """Observed predictions in a fixed order, beside what climatology and the model said in the same place."""
    rows = predictions[np.isfinite(predictions["observed"]) & np.isfinite(predictions["mean"])]
    rows = rows.sort_values([*KEYS, "model"], kind="stable").reset_index(drop=True)
    q = rows[list(QUANTILES)].to_numpy(np.float64)
    scored = rows[[*KEYS, "model", "mean"]].assign(
        rival_square=(rows["mean"] - rows["observed"]) ** 2,
        rival_crps=crps(q, rows["observed"].to_numpy(np.float64)),
    )
    usual = scored.loc[scored["model"] == "climatology", [*KEYS, "mean"]].rename(columns={"mean": "climatology"})
    rival = scored.loc[scored["model"] == "model", [*KEYS, "rival_square", "rival_crps"]]
    rows = rows.merge(usual, on=list(KEYS), how="left").merge(rival, on=list(KEYS), how="left")
    rows.loc[rows["model"] == "model", ["rival_square", "rival_crps"]] = np.nan
    return rows


def _tabulated(rows: pd.DataFrame, seed: int, metrics: Sequence[str]) -> pd.DataFrame:
    added = contributions(rows)
    names = list(added)
    values = np.stack([added[name] for name in names], axis=1) if len(rows) else np.empty((0, len(names)))
    block, _ = pd.factorize(
        rows["plantation_id"] + "|" + (_ordinal(rows["target_month"]) // BLOCK_MONTHS).astype(str), sort=True
    )
    found: list[dict[str, object]] = []
    groups = ["protocol", "horizon", "model"]
    for (protocol, horizon, model), index in rows.groupby(groups, sort=True).indices.items():
        regions = {"all": index}
        own = rows["region"].to_numpy(dtype=object)[index]
        regions |= {str(r): index[own == r] for r in sorted(set(own)) if r}
        for region, chosen in regions.items():
            row = {"protocol": protocol, "horizon": horizon, "region": region, "model": model}
            whole, again = _drawn(row, values[chosen], block[chosen], seed)
            found += _scored(row, dict(zip(names, whole, strict=True)), dict(zip(names, again.T, strict=True)), metrics)
    columns = ["protocol", "horizon", "region", "metric", "model", "value", "lo", "hi", "n"]
    table = pd.DataFrame(found, columns=columns)
    order = table["horizon"].map(lambda h: 99 if h == "annual" else int(str(h).split("-")[-1]))
    table = table.assign(_order=order).sort_values(["protocol", "_order", "horizon", "region", "metric", "model"])
    return table[columns].reset_index(drop=True)


def _drawn(
    row: Mapping[str, object], values: FloatArray, block: NDArray[np.int64], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Sums over all rows, and over each bootstrap sample of blocks, ``(BOOTSTRAPS, sums)``; none of too few blocks."""
    _, place = np.unique(block, return_inverse=True)
    count = int(place.max()) + 1
    by_block = np.zeros((count, values.shape[1]))
    np.add.at(by_block, place, values)
    if count < MIN_BLOCKS:
        return by_block.sum(axis=0), np.full((1, values.shape[1]), np.nan)
    key = "|".join(str(row[k]) for k in ("protocol", "horizon", "region"))
    drawn = stream(seed, "backtest", key).integers(0, count, (BOOTSTRAPS, count))
    cells = (np.arange(BOOTSTRAPS)[:, None] * count + drawn).ravel()
    times = np.bincount(cells, minlength=BOOTSTRAPS * count).reshape(BOOTSTRAPS, count)
    return by_block.sum(axis=0), times.astype(np.float64) @ by_block


def _scored(row: Mapping[str, object], whole: Sums, again: Sums, metrics: Sequence[str]) -> list[dict[str, object]]:
    once, sampled = metrics_of(whole), metrics_of(again)
    tail = (1 - LEVEL) / 2
    out = []
    for metric in metrics:
        value = float(once[metric])
        if np.isfinite(value):
            sample = sampled[metric][np.isfinite(sampled[metric])]
            low, high = np.quantile(sample, [tail, 1 - tail]) if len(sample) else (np.nan, np.nan)
            count = int(whole[_COUNTS.get(metric, "n")])
            out.append({**row, "metric": metric, "value": value, "lo": low, "hi": high, "n": count})
    return out


def _ordinal(months: pd.Series) -> NDArray[np.int64]:
    return np.asarray(months.str.slice(0, 4).astype(int) * 12 + months.str.slice(5, 7).astype(int) - 1, dtype=np.int64)
