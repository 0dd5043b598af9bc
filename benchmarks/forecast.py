"""How long the forecast of a large portfolio takes, stage by stage, and how much memory.

``python benchmarks/forecast.py [--plantations 1000] [--years 15] [--horizons 84]``: an invented panel (growth, season,
deficits, noise, vegetation indices; blocks of mixed ages) is fitted and forecast in one process. CPU seconds are
printed beside wall seconds: on a busy machine only the first say something.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import pstats
import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.run import forecast
from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_range

STATES = (("MY", "Sabah"), ("MY", "Johor"), ("ID", "Riau"), ("ID", "Central Kalimantan"), ("MY", "Sarawak"))
#: functions of the forecast room whose share is shown
STAGES = {
    "cube": ("cube.py", "build_cube"),
    "water, canopy, light": ("members.py", "fixed_of"),
    "deficit sums": ("members.py", "ground_of"),
    "fits of all folds": ("members.py", "fit_members"),
    "errors of the past": ("near_term.py", "_errors"),
    "all plantations now": ("near_term.py", "_now"),
    "prior": ("prior.py", "fit_prior"),
    "plantation effect": ("prior.py", "plantation_effects"),
    "memory": ("memory.py", "fit_memory"),
    "memory's forecasts": ("memory.py", "remembered"),
    "boosting, fit": ("learners.py", "fit_boosting"),
    "boosting, forecast": ("learners.py", "predict_boosting"),
    "rows of features": ("learners.py", "rows"),
    "quantile regression": ("quantile_regression.py", "fit_error_quantiles"),
    "stack": ("stack.py", "stack_weights"),
    "conformal margins": ("intervals.py", "calibrate"),
    "years ahead": ("ahead.py", "look_ahead"),
    "quantiles": ("intervals.py", "predictive_quantiles"),
    "dependence": ("dependence.py", "estimate_dependence"),
    "explanations": ("explain.py", "explain"),
    "tables": ("run.py", "_forecast_table"),
}


@dataclass(frozen=True)
class Plots:
    """What is invented: numbers of plantations from ``first`` on, years of record, their areas and blocks."""

    plantations: int
    years: int
    end: str = "2025-12"
    hectares: tuple[float, float] = (200.0, 3000.0)
    blocks: int = 4
    first: int = 0


def invented(given: Plots) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Panel and stand."""
    plantations, years = given.plantations, given.years
    rng = np.random.default_rng(1 + given.first)
    last = Month.parse(given.end)
    span = month_range(last + (1 - 12 * years), last)
    months = [str(m) for m in span]
    ids = [f"P{given.first + i:07d}" for i in range(plantations)]
    place = [STATES[i % len(STATES)] for i in range(plantations)]
    register = pd.DataFrame(
        {
            "plantation_id": ids,
            "country": [c for c, _ in place],
            "state": [s for _, s in place],
            "region": [s for _, s in place],
            "planted_date": pd.to_datetime([f"{y}-06-01" for y in rng.integers(2001, 2020, plantations)]),
            "planted_area_ha": rng.uniform(*given.hectares, plantations).round(1),
            "soil_class": rng.choice(["S1", "S2", "S3"], plantations),
        }
    )
    blocks = pd.DataFrame(
        {
            "plantation_id": np.repeat(ids, given.blocks),
            "block_id": [f"{p}-{k}" for p in ids for k in range(given.blocks)],
            "planted_date": register["planted_date"].repeat(given.blocks).to_numpy()
            + pd.to_timedelta(rng.integers(-700, 700, plantations * given.blocks), unit="D"),
            "area_ha": register["planted_area_ha"].repeat(given.blocks).to_numpy() / given.blocks,
            "soil_class": register["soil_class"].repeat(given.blocks).to_numpy(),
        }
    )
    stand = stand_table(register, blocks)
    shape = (plantations, len(months))
    number = np.array([m.number for m in span])
    year = np.array([m.year for m in span])
    deficit = np.where(np.isin(number, (7, 8, 9)), rng.gamma(0.7, 40, (plantations, year.max() + 1))[:, year], 0.0)
    noise = rng.normal(0, 0.25, shape)
    for t in range(1, len(months)):
        noise[:, t] = 0.35 * noise[:, t - 1] + 0.94 * noise[:, t]
    age = (
        np.array([m.year + m.number / 12 for m in span])[None, :] - register["planted_date"].dt.year.to_numpy()[:, None]
    )
    level = (
        1.7 * np.clip((age - 2) / 6, 0.05, 1.0) * np.exp(-0.1 * deficit / 100) * rng.lognormal(0, 0.2, (plantations, 1))
    )
    yields = np.maximum(level * (1 + 0.15 * np.sin(2 * np.pi * (number - 6) / 12)) * (1 + noise), 0.05)
    known = pd.to_datetime([m.last for m in span]) + pd.Timedelta(days=25)
    flat = {"plantation_id": np.repeat(ids, len(months)), "month": np.tile(months, plantations)}
    features = pd.DataFrame(
        flat
        | {
            "deficit_irho_mm": deficit.ravel(),
            "p_sum_mm": 200 - deficit.ravel() + rng.normal(0, 30, deficit.size),
            "vpd_mean_kpa": rng.normal(1.0, 0.2, deficit.size),
            "ssrd_mean_mj_m2": rng.normal(16, 1, deficit.size),
            "spi3": rng.normal(0, 1, deficit.size),
            "oni_known": np.tile(np.sin(np.arange(len(months)) / 7), plantations),
            **{name: rng.normal(0.5, 0.05, deficit.size) for name in ("ndvi", "evi", "ndmi", "cire")},
            "known_at": np.tile(known, plantations),
        }
    )
    area = register["planted_area_ha"].to_numpy()[:, None]
    harvest = pd.DataFrame(
        flat
        | {
            "block_id": "",
            "ffb_t": (yields * area).ravel(),
            "area_mature_ha": np.nan,
            "known_at": pd.to_datetime(np.tile(known - pd.Timedelta(days=15), plantations), utc=True),
        }
    )
    return build_panel(features, harvest, stand, months, mature_age_months=36), stand


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plantations", type=int, default=1000)
    parser.add_argument("--years", type=int, default=15)
    parser.add_argument("--horizons", type=int, default=84)
    given = parser.parse_args()
    panel, stand = invented(Plots(given.plantations, given.years))
    before = peak_mib()
    profile, wall, cpu = cProfile.Profile(), time.perf_counter(), time.process_time()
    made = profile.runcall(
        forecast, panel, stand, as_of=dt.date(2025, 12, 31), horizons=given.horizons, assumptions=packaged()
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    print(f"{'stage':<22}{'calls':>7}{'seconds':>10}")
    for name, (file, function) in STAGES.items():
        found = [v for k, v in stats.items() if k[0].endswith(f"forecast/{file}") and k[2] == function]
        if found:
            print(f"{name:<22}{found[0][0]:>7}{found[0][3]:>10.1f}")
    print(f"{given.plantations} plantations x {given.years} years, {len(made.forecasts)} rows of forecast")
    print(f"in all {cpu:.1f} CPU s, {wall:.1f} s wall, peak {peak_mib():.0f} MiB (before: {before:.0f})")


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
