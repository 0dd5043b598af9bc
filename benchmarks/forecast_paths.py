"""Whether sums of the joint yield paths over one, three and five years cover what was harvested.

``python benchmarks/forecast_paths.py --seeds 7000-7009 [--origins 2018-12,2020-12] [--paths 2000]``

Each seed is a simulated portfolio (:mod:`plantation_rwa.simulate.panels`). At each origin the forecast runs sixty
months ahead and paths are drawn as the valuation draws them: with the own shock as one AR(1) (``ar1_own``), and as a
slow level and monthly noise (``level_share``, ``ar1_level``, ``ar1_month``), which is what the valuation uses.
``marginal`` is the largest gap between a month's share of paths below a published quantile and its level.

With ``--evidence`` the harvests of one plantation in three are hidden, and of another all but the last three years
before the origin: sums of plantations with a long, a short and no record of their own are told apart (``record``).
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

from benchmarks.forecast_skill import LEVELS, seeds_of
from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.run import forecast
from plantation_rwa.periods import Month
from plantation_rwa.simulate.panels import simulated_world
from plantation_rwa.simulate.world import Channels, Effects
from plantation_rwa.valuation.drivers import Drivers, Four, yields

SUMS = (12, 36, 60)
#: records of every three plantations in turn: months of harvest before the origin that are left, None for all
RECORDS: dict[str, int | None] = {"long": None, "short": 36, "none": 0}


def left_with(panel: pd.DataFrame, date: dt.date, turn: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """The panel with the harvests that each plantation's record keeps, and which record each plantation has."""
    ids, names = sorted(panel["plantation_id"].unique()), list(RECORDS)
    record = {p: names[(i + turn) % len(names)] for i, p in enumerate(ids)}
    last_gone = {name: "" if n is None else str(Month.of(date) + -n) for name, n in RECORDS.items()}
    gone = panel["month"] <= panel["plantation_id"].map(record).map(last_gone)
    return panel.assign(**{c: panel[c].mask(gone) for c in ("ffb_t", "yield_t_ha")}), record


def one_seed(seed: int, origins: Sequence[str], paths: int, plantations: int, evidence: bool = False) -> pd.DataFrame:
    """Rows of plantation, origin, law and months: where the harvested sum lies among the paths' sums."""
    world = simulated_world(
        seed, effects=Effects(channels=Channels()), plantations=plantations, climate_years=20, harvest_years=16
    )
    truth = world.truth.pivot(index="plantation_id", columns="month", values="yield_t_ha")
    assumptions, rows = packaged(), []
    for turn, origin in enumerate(origins):
        date = Month.parse(origin).last
        panel, record = world.panel(date), dict[str, str]()
        if evidence:
            panel, record = left_with(panel, date, turn)
        made = forecast(panel, world.stand(), as_of=date, horizons=SUMS[-1], assumptions=assumptions)
        months = [str(Month.parse(origin) + k) for k in range(1, SUMS[-1] + 1)]
        drivers = Drivers(seed, date, SUMS[-1], paths, assumptions)
        for row in made.model.to_dict("records"):
            plantation = str(row["plantation_id"])
            told = made.forecasts[made.forecasts["plantation_id"] == plantation].sort_values("target_month")
            quantiles, harvested = told[LEVELS].to_numpy(np.float64), truth.loc[plantation].reindex(months).to_numpy()
            if not np.isfinite(harvested).all() or (quantiles[:, -1] <= 0).any():
                continue
            for law, (loadings, ar1) in _laws(row).items():
                drawn = yields(drivers.yield_scores(plantation, str(row["region"]), loadings, ar1), quantiles)
                below = (drawn[:, None, :] <= quantiles[:, :, None]).mean(axis=-1)
                gap = float(np.abs(below - PROBABILITIES).max())
                for months_ahead in SUMS:
                    total, seen = drawn[:months_ahead].sum(axis=0), float(harvested[:months_ahead].sum())
                    low, high = np.quantile(total, [0.1, 0.9])
                    rows.append(
                        {"seed": seed, "origin": origin, "record": record.get(plantation, "long"), "law": law,
                         "months": months_ahead, "marginal": gap,
                         "rank": float((total <= seen).mean()), "width": (high - low) / total.mean()}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def _laws(row: dict[str, float]) -> dict[str, tuple[Four, Four]]:
    own, share = row["loading_own"], row["level_share"]
    common, region = row["loading_common"], row["loading_region"]
    slow, rest = own * math.sqrt(share), own * math.sqrt(1.0 - share)
    factors = row["ar1_common"], row["ar1_region"]
    return {
        "one AR(1)": ((common, region, 0.0, own), (*factors, 0.0, row["ar1_own"])),
        "level and noise": ((common, region, slow, rest), (*factors, row["ar1_level"], row["ar1_month"])),
    }


def evaluate(
    seeds: Sequence[int],
    origins: Sequence[str],
    paths: int = 2000,
    plantations: int = 24,
    workers: int = 2,
    evidence: bool = False,
) -> pd.DataFrame:
    """Rows of all seeds."""
    with ProcessPoolExecutor(min(workers, len(seeds))) as pool:
        n = len(seeds)
        settings = ([origins] * n, [paths] * n, [plantations] * n, [evidence] * n)
        parts = list(pool.map(one_seed, seeds, *settings))
    return pd.concat(parts, ignore_index=True)


def coverage(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Share of sums within the central 80 and 90 %, mean rank, width of the 80 % over the mean, sums behind it."""
    inside = rows.assign(cover80=rows["rank"].between(0.1, 0.9), cover90=rows["rank"].between(0.05, 0.95), n=1)
    how = {"cover80": "mean", "cover90": "mean", "rank": "mean", "width": "mean", "marginal": "max", "n": "sum"}
    return inside.groupby(list(by)).agg(how).round(3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="7000-7009")
    parser.add_argument("--origins", default="2018-12,2020-12")
    parser.add_argument("--paths", type=int, default=2000)
    parser.add_argument("--plantations", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--evidence", action="store_true")
    given = parser.parse_args()
    rows = evaluate(
        seeds_of(given.seeds), given.origins.split(","), given.paths, given.plantations, given.workers, given.evidence
    )
    if given.evidence:
        print(coverage(rows, ("law", "record", "months")).to_string())
    print(coverage(rows, ("law", "months", "seed"))[["cover80", "cover90"]].unstack("seed").to_string())
    print(coverage(rows, ("law", "months")).to_string())


if __name__ == "__main__":
    main()
