"""Skill and calibration of the forecast against the truth of simulated portfolios, seed by seed.

``python benchmarks/forecast_skill.py --seeds 6000-6009 [--step 4] [--without harvest imagery] [--drought 0]``

Each seed is a portfolio of 24 plantations in four regions with twelve years of harvest, in memory
(:mod:`plantation_rwa.simulate.panels`). Forecasts are made at month ends of the last years and set against what was
harvested and against the oracle, the expected yield without noise. ``share`` is (MSE_climatology - MSE_model) /
(MSE_climatology - MSE_oracle): the part of what can be known that the model knows; above 1 it knows part of the noise.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast import baselines
from plantation_rwa.forecast.backtest import (
    ABLATIONS,
    ANNUAL,
    Origin,
    SarimaRecord,
    sarima_records,
    sarima_rows,
    sarima_tasks,
)
from plantation_rwa.forecast.cube import Cube, build_cube
from plantation_rwa.forecast.intervals import conformal_margin, conformal_quantiles, conformity
from plantation_rwa.forecast.learners import design, held, training_rows
from plantation_rwa.forecast.members import fixed_of, ground_of
from plantation_rwa.forecast.prior import fit_prior, observed_deficit, water_of
from plantation_rwa.forecast.run import forecast
from plantation_rwa.forecast.scores import crps, interval_score
from plantation_rwa.forecast.stack import bucket_of
from plantation_rwa.periods import Month
from plantation_rwa.simulate.panels import World, simulated_world
from plantation_rwa.simulate.weather import GridError
from plantation_rwa.simulate.world import Channels, Effects

HORIZONS = np.arange(1, 13)
SHOWN = (1, 2, 3, 6, 9, 12)
LEVELS = [f"yield_q{round(100 * p):02d}_t_ha" for p in PROBABILITIES]
#: figures of a seed that are told at once
_TOLD = ("share h1-3", "share h12", "skill h1-3", "skill h12", "cover80", "cover90", "crps_gain_low", "beta")
#: panel columns that each missing input takes away
INPUTS = {
    "harvest": ("ffb_t", "yield_t_ha"),
    **{name: ABLATIONS[f"no_{name}"] for name in ("imagery", "sensors", "climate")},
}
#: months ahead of each bucket
BUCKETS = {"h1-3": (1, 3), "h4-6": (4, 6), "h7-12": (7, 12)}


@dataclass(frozen=True)
class Setting:
    """What is evaluated."""

    step: int = 4
    years: int = 4
    drought: float = 1.0
    coupling: float = 1.0
    without: tuple[str, ...] = ()
    sarima: bool = False
    cache: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    plantations: int = 24
    plain: bool = False
    grid_error: bool = False


def world_of(seed: int, setting: Setting) -> World:
    """The seed's portfolio; kept in a folder between calls if one is named."""
    effects = Effects(channels=Channels()).scaled(setting.coupling, setting.drought)
    kind = "-grid" if setting.grid_error else ""
    name = Path(setting.cache) / f"{seed}-{setting.plantations}-{setting.drought:g}-{setting.coupling:g}{kind}.pickle"
    if setting.cache and name.exists():
        with name.open("rb") as source:
            found: World = pickle.load(source)
            return found
    error = GridError() if setting.grid_error else None
    made = simulated_world(seed, effects=effects, plantations=setting.plantations, grid_error=error)
    if setting.cache:
        name.parent.mkdir(parents=True, exist_ok=True)
        with name.open("wb") as target:
            pickle.dump(made, target)
    return made


def origins(setting: Setting, end: Month) -> list[dt.date]:
    """Month ends of the evaluated years, the newest a year before the end of the record."""
    return [(end + (-12 - k)).last for k in range(12 * setting.years - 12, -1, -setting.step)]


def one_seed(seed: int, setting: Setting) -> tuple[int, pd.DataFrame, dict[str, float]]:
    """Forecasts of one seed at all origins, with what was harvested and expected."""
    started = time.process_time()
    world = world_of(seed, setting)
    assumptions = packaged().override(setting.overrides, where="benchmark")
    stand = world.stand()
    truth = world.truth.set_index(["plantation_id", "month"])[["mu_t_ha", "yield_t_ha"]]
    parts = []
    beta = []
    records: list[SarimaRecord] = []
    for date in origins(setting, Month.parse(world.truth["month"].max())):
        panel = world.panel(date)
        full = build_cube(panel, stand, date, 12, assumptions)
        gone = [c for name in setting.without for c in INPUTS[name] if c in panel]
        panel = panel.assign(**dict.fromkeys(gone, np.nan))
        made = forecast(panel, stand, as_of=date, horizons=12, assumptions=assumptions)
        cube = build_cube(panel, stand, date, 12, assumptions)
        response = observed_deficit(cube, water_of(cube, assumptions), assumptions)
        beta.append(fit_prior(cube, response, cube.months - 1, assumptions).beta_unshrunk)
        rows = made.forecasts[["plantation_id", "target_month", "horizon_months", "yield_mean_t_ha", "prior_t_ha"]]
        rows = rows.assign(origin=str(date), **{c: made.forecasts[c] for c in LEVELS})
        keys = pd.MultiIndex.from_frame(rows[["plantation_id", "target_month"]])
        rows = rows.join(truth.reindex(keys).reset_index(drop=True))
        position = np.searchsorted(np.asarray(cube.ids), rows["plantation_id"].to_numpy(dtype=str))
        at = (position, rows["horizon_months"].to_numpy(np.int64) - 1)
        rows["region"] = np.asarray(cube.region, dtype=object)[position]
        for name, baseline in baselines.BASELINES.items():
            rows[name] = baseline(full.yields, full.first, HORIZONS)[at]
        if setting.sarima:
            records += sarima_records(Origin(date, world.panel(date), stand, seed, 36, assumptions, False))
        if setting.plain:
            plain = plain_boosting(cube, assumptions)[at]
            rows = rows.assign(**{f"plain_q{k}": plain[:, k] for k in (0, 1, 5, 6)})
        parts.append(rows)
    table = pd.concat(parts, ignore_index=True)
    if setting.sarima:
        table = table.merge(sarima_table(records), on=["plantation_id", "target_month", "origin"], how="left")
    table = table[table["yield_t_ha"].notna() & (table["yield_mean_t_ha"] > 0)].reset_index(drop=True)
    return seed, table, {"beta": beta[-1], "cpu_s": time.process_time() - started}


def sarima_table(records: Sequence[SarimaRecord]) -> pd.DataFrame:
    """Forecasts of the seasonal ARIMA, as the backtest makes them: parameters fitted once a year."""
    told = [sarima_rows(group, baselines.sarima(task)) for task, group in sarima_tasks(records)]
    rows = pd.concat(told, ignore_index=True)
    rows = rows[rows["horizon"] != ANNUAL]
    ends = [str(Month.parse(month).last) for month in rows["origin"]]
    return rows[["plantation_id", "target_month"]].assign(origin=ends, sarima=rows["mean"])


def plain_boosting(cube: Cube, assumptions: Assumptions) -> np.ndarray:
    """Quantiles ``(P, H, 7)`` of plain conformalised boosting on the same data: no prior, no memory, no stack.

    Direct quantile boosters of the yield on harvest lags, deficit sums, weather, indices, age and season, fitted on
    targets up to two years ago; the two years since give the margins per horizon bucket (CQR). Only the 80 and 90 %
    intervals are fitted.
    """
    last, every = cube.months - 1, np.arange(cube.months)
    told = ground_of(cube, fixed_of(cube, assumptions), np.arange(len(cube.ids)), every, assumptions)
    one = np.ones((len(cube.ids), cube.months, len(HORIZONS)))
    base = np.ones(cube.yields.shape)
    whole = design(cube, one, one, told.annual, told.bins, base, np.zeros(base.shape), every, HORIZONS)
    features = whole.only([n for n in held(whole) if n not in {"expected", "prior", "potential", "effect"}])
    used = [int(h) for h in assumptions.table("boosting.horizons")]
    p, s, h = training_rows(cube, one, every, HORIZONS, used, last - 24)
    x, y = features.rows(p, s, h), cube.yields[p, s + HORIZONS[h]]
    rows = training_rows(cube, one, every, HORIZONS, used, last)
    late = rows[1] + HORIZONS[rows[2]] > last - 24
    p, s, h = (v[late] for v in rows)
    calibration, seen, bucket = features.rows(p, s, h), cube.yields[p, s + HORIZONS[h]], bucket_of(HORIZONS[h])
    now = features.at(np.array([last])).block(len(HORIZONS))
    out = np.full((len(cube.ids) * len(HORIZONS), 7), np.nan)
    ahead = np.tile(bucket_of(HORIZONS), len(cube.ids))
    for low, high in ((0, 6), (1, 5)):
        ends = []
        for level in (low, high):
            model = HistGradientBoostingRegressor(
                loss="quantile", quantile=float(PROBABILITIES[level]), max_iter=200, learning_rate=0.04,
                max_leaf_nodes=8, min_samples_leaf=20, l2_regularization=5.0, early_stopping=False, random_state=0,
            )  # fmt: skip
            model.fit(x, y)
            ends.append((model.predict(calibration), model.predict(now)))
        scores = conformity(ends[0][0], ends[1][0], seen)
        margin = np.array([conformal_margin(scores[bucket == b], 2 * float(PROBABILITIES[low])) for b in range(3)])
        out[:, low], out[:, high] = ends[0][1] - margin[ahead], ends[1][1] + margin[ahead]
    return np.asarray(np.maximum(out, 0.0).reshape(len(cube.ids), len(HORIZONS), 7))


def spread_of_errors(table: pd.DataFrame, name: str) -> np.ndarray:
    """Quantiles of a point forecast from the relative errors of its earlier origins, NaN with fewer than 24."""
    out = np.full((len(table), 7), np.nan)
    relative = (table["yield_t_ha"] / table[name] - 1.0).to_numpy(np.float64)
    point = table[name].to_numpy(np.float64)
    origin, target = table["origin"].str[:7].to_numpy(dtype=str), table["target_month"].to_numpy(dtype=str)
    horizon = table["horizon_months"].to_numpy(np.int64)
    for date in sorted(set(origin)):
        for h in HORIZONS:
            past = relative[(target < date) & (horizon == h) & np.isfinite(relative)]
            if len(past) >= 24:
                here = (origin == date) & (horizon == h)
                spread = np.maximum(1.0 + conformal_quantiles(past, PROBABILITIES), 0.0)
                out[here] = point[here, None] * spread[None, :]
    return out


def skill(table: pd.DataFrame) -> dict[str, float]:
    """Figures of one seed, see the module's text."""
    out: dict[str, float] = {}
    y = table["yield_t_ha"].to_numpy(np.float64)
    names = [n for n in ("climatology", "last_year", "sarima", "prior_t_ha") if n in table]
    usable = np.isfinite(table[["climatology", "last_year"]].to_numpy()).all(axis=1)
    square = {n: (table[n].to_numpy(np.float64) - y) ** 2 for n in (*names, "yield_mean_t_ha", "mu_t_ha")}
    h = table["horizon_months"].to_numpy(np.int64)
    groups = {**{f"h{k}": h == k for k in SHOWN}, "h1-3": h <= 3}
    for label, rows in groups.items():
        use = rows & usable
        mse = {n: float(np.nanmean(v[use])) for n, v in square.items()}
        known = mse["climatology"] - mse["mu_t_ha"]
        out[f"share {label}"] = (mse["climatology"] - mse["yield_mean_t_ha"]) / known
        out[f"share_prior {label}"] = (mse["climatology"] - mse["prior_t_ha"]) / known
        out[f"skill {label}"] = 1 - mse["yield_mean_t_ha"] / mse["climatology"]
        out[f"oracle {label}"] = 1 - mse["mu_t_ha"] / mse["climatology"]
        for n in names:
            both = use & np.isfinite(square[n])
            out[f"over_{n} {label}"] = 1 - float(square["yield_mean_t_ha"][both].mean() / square[n][both].mean())
    regions = table["region"].to_numpy(dtype=str)
    gains = [
        1
        - np.mean(square["yield_mean_t_ha"][usable & (regions == r)])
        / np.mean(square["climatology"][usable & (regions == r)])
        for r in sorted(set(regions))
    ]
    out["worst_region"] = float(min(gains))
    q = table[LEVELS].to_numpy(np.float64)
    for label, low, high in (("80", 1, 5), ("90", 0, 6)):
        inside = (y >= q[:, low]) & (y <= q[:, high])
        out[f"cover{label}"] = float(inside.mean())
        for name, (first, last) in BUCKETS.items():
            rows = (h >= first) & (h <= last)
            out[f"cover{label} {name}"] = float(inside[rows].mean())
            out[f"width{label} {name}"] = float((q[rows, high] - q[rows, low]).mean())
        out[f"score{label}"] = float(interval_score(q[:, low], q[:, high], y, int(label) / 100).mean())
        out[f"width{label}"] = float((q[:, high] - q[:, low]).mean())
        if f"plain_q{low}" in table:
            left, right = table[f"plain_q{low}"].to_numpy(), table[f"plain_q{high}"].to_numpy()
            theirs = interval_score(left, right, y, int(label) / 100).mean()
            out[f"score{label}_over_plain"] = out[f"score{label}"] / float(theirs)
            out[f"plain_cover{label}"] = float(((y >= left) & (y <= right)).mean())
    own = crps(q, y)
    best, gain = np.inf, np.zeros(len(y))
    for n in names:
        other = spread_of_errors(table, n)
        sure = np.isfinite(other).all(axis=1)
        theirs = crps(np.where(sure[:, None], other, 0.0), y)
        out[f"crps_gain {n}"] = 1 - float(own[sure].sum() / theirs[sure].sum())
        if theirs[sure].mean() / own[sure].mean() < best:
            best = theirs[sure].mean() / own[sure].mean()
            gain = np.where(sure, theirs - own, np.nan)
    out["crps_gain_low"] = lower_bound(gain, table)
    return out


def lower_bound(gain: np.ndarray, table: pd.DataFrame) -> float:
    """Lower 90 % bound of a mean gain: bootstrap of blocks of one plantation and twelve months of targets."""
    sure = np.isfinite(gain)
    year = table["target_month"].str[:4]
    sums = pd.DataFrame({"gain": gain, "n": 1.0})[sure].groupby((table["plantation_id"] + year)[sure]).sum().to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(sums), (400, len(sums)))
    means = sums[drawn, 0].sum(axis=1) / sums[drawn, 1].sum(axis=1)
    return float(np.quantile(means, 0.05))


def evaluate(
    seeds: Sequence[int], setting: Setting, workers: int = 2, told: Callable[[str], None] = lambda text: None
) -> pd.DataFrame:
    """One row of figures per seed; ``told`` hears of each as it comes."""
    rows = []
    with ProcessPoolExecutor(min(workers, len(seeds))) as pool:
        for seed, table, extra in pool.map(one_seed, seeds, [setting] * len(seeds)):
            rows.append({"seed": seed, **extra, **skill(table)})
            told(f"{seed}: " + ", ".join(f"{name} {rows[-1][name]:.3f}" for name in _TOLD))
    return pd.DataFrame(rows).set_index("seed")


def seeds_of(text: str) -> list[int]:
    """Seeds of ``6000-6009`` or ``100,103``."""
    out: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        out += range(int(low), int(high or low) + 1)
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="6000-6009")
    parser.add_argument("--step", type=int, default=4, help="months between origins (default 4)")
    parser.add_argument("--years", type=int, default=4, help="years of targets (default 4)")
    parser.add_argument("--drought", type=float, default=1.0, help="as of simulate")
    parser.add_argument("--coupling", type=float, default=1.0, help="as of simulate")
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(INPUTS))
    parser.add_argument("--sarima", action="store_true", help="also the seasonal ARIMA (slow)")
    parser.add_argument("--plain", action="store_true", help="also plain conformalised boosting")
    parser.add_argument("--grid-error", action="store_true", help="the climate's rain is not quite the field's")
    parser.add_argument("--plantations", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", default=os.environ.get("FORECAST_SKILL_CACHE", ""), help="folder for worlds")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=NUMBER", help="assumptions to replace")
    given = parser.parse_args()
    overrides = {k: float(v) for k, _, v in (s.partition("=") for s in given.set)}
    setting = Setting(
        given.step, given.years, given.drought, given.coupling, tuple(given.without), given.sarima, given.cache,
        overrides, given.plantations, given.plain, given.grid_error,
    )  # fmt: skip
    figures = evaluate(seeds_of(given.seeds), setting, given.workers, lambda text: print(text, flush=True))
    with pd.option_context("display.width", 200, "display.max_rows", 200, "display.max_columns", 40):
        print(figures.T.assign(median=figures.median()).round(3).to_string())


if __name__ == "__main__":
    main()
