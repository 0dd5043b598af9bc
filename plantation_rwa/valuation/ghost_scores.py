"""Scores of ghost issuance: calibration, sharpness against the banker's sheet, losses by vintage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.streams import stream

FloatArray = NDArray[np.float64]
BOOTSTRAPS, LEVEL = 1000, 0.90
SHEETS = ("sheet", "sheet_discounted")


def score(values: pd.DataFrame, tenor: int, seed: int) -> pd.DataFrame:
    """Metrics of all vintages with block-bootstrap intervals.

    Vintages of overlapping terms share harvests and prices, and all plantations share the market: a block is as many
    vintages in a row as the term has months, with all their plantations. ``blocks``, vintages over term, is the
    effective sample size.

    Parameters
    ----------
    values
        As :func:`plantation_rwa.valuation.ghost.issue` returns them, all vintages.

    Returns
    -------
    pandas.DataFrame
        ``metric, value, lo, hi, n, vintages, blocks``.
    """
    origins = sorted(values["origin"].unique())
    blocks = max(len(origins) / tenor, 1.0)
    draws = block_draws(len(origins), tenor, seed)
    at = values["origin"].map({o: i for i, o in enumerate(origins)}).to_numpy()
    scale = values.groupby("plantation_id")["sheet_discounted"].transform("mean").to_numpy(np.float64)
    observed = values["realised"].to_numpy(np.float64)
    rows: list[tuple[str, float, float, float]] = []

    def add(name: str, top: FloatArray, bottom: FloatArray, finish: Callable[[FloatArray], FloatArray]) -> None:
        sums = np.stack([np.bincount(at, x, len(origins)) for x in (top, bottom)])
        told = finish(sums[0].sum() / sums[1].sum())
        again = finish(sums[0][draws].sum(axis=1) / sums[1][draws].sum(axis=1))
        low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rows.append((name, float(told), float(low), float(high)))

    one = np.ones(len(values))
    for level, low, high in ((50, "q25", "q75"), (80, "q10", "q90"), (90, "q05", "q95")):
        inside = (observed >= values[low].to_numpy()) & (observed <= values[high].to_numpy())
        add(f"coverage{level}", inside.astype(np.float64), one, lambda x: x)
    crps = values["crps"].to_numpy(np.float64) / scale
    add("crps", crps, one, lambda x: x)
    for sheet in SHEETS:
        error = np.abs(values[sheet].to_numpy(np.float64) - observed) / scale
        add(f"crps_{sheet}", error, one, lambda x: x)
        add(f"crps_gain_over_{sheet}", crps, error, lambda x: 1 - x)
    add("bias", (values["mean"].to_numpy(np.float64) - observed) / scale, one, lambda x: x)
    distance, band = pit_band(values["pit"].to_numpy(np.float64), at, len(origins), draws)
    rows.append(("pit_distance", distance, 0.0, band))
    frame = pd.DataFrame(rows, columns=["metric", "value", "lo", "hi"])
    return frame.assign(n=len(values), vintages=len(origins), blocks=blocks)


def block_draws(vintages: int, tenor: int, seed: int) -> NDArray[np.int64]:
    """Vintages of each bootstrap sample, ``(BOOTSTRAPS, vintages)``: circular blocks of the length of the term."""
    length = min(tenor, vintages)
    count = -(-vintages // length)
    starts = stream(seed, "ghost_bootstrap").integers(0, vintages, (BOOTSTRAPS, count))
    places = (starts[:, :, None] + np.arange(length)[None, None, :]) % vintages
    return np.asarray(places.reshape(BOOTSTRAPS, -1)[:, :vintages], dtype=np.int64)


def pit_band(pit: FloatArray, at: NDArray[np.int64], vintages: int, draws: NDArray[np.int64]) -> tuple[float, float]:
    """Largest distance of the values' probability transforms from uniform, and the distance chance alone explains.

    The band is the quantile at :data:`LEVEL` of the same distance between bootstrap samples and the sample itself.
    """
    levels = np.linspace(0.05, 0.95, 19)
    below = (pit[:, None] <= levels[None, :]).astype(np.float64)
    counts = np.bincount(at, minlength=vintages).astype(np.float64)
    sums = np.stack([np.bincount(at, column, vintages) for column in below.T], axis=1)
    told = sums.sum(axis=0) / counts.sum()
    again = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)[:, None]
    band = np.quantile(np.abs(again - told).max(axis=1), LEVEL)
    return float(np.abs(told - levels).max()), float(band)


def loss_table(losses: pd.DataFrame) -> pd.DataFrame:
    """Per vintage, and for ``all``, and advance rate: how often and how much service was missed, and what was lost.

    Returns
    -------
    pandas.DataFrame
        ``origin, advance_rate, n, shortfall_frequency, missed_share, loss_frequency, loss_share``; a loss is more than
        0.5 % of the advance still owed at the end, valued at issue.
    """
    table = losses.assign(loss=losses["owed"] / losses["advance"])
    both = pd.concat([table, table.assign(origin="all")], ignore_index=True)
    groups = both.groupby(["origin", "advance_rate"], sort=True)
    out = groups.agg(
        n=("loss", "size"),
        shortfall_frequency=("missed", lambda x: float((x > 1e-9).mean())),
        missed_share=("missed", "mean"),
        loss_frequency=("loss", lambda x: float((x > 0.005).mean())),
        loss_share=("loss", "mean"),
    )
    return out.reset_index()
