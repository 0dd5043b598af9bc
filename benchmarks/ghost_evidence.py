"""Whether values of rights on plantations with long, short and no harvest records of their own cover what came.

``python benchmarks/ghost_evidence.py --seeds 9100-9109 [--origins 2017-12,2019-12] [--tenor 24] [--paths 2000]
[--spread 0.2]``

Each seed is a portfolio of 24 plantations in memory (:mod:`plantation_rwa.simulate.panels`) and a simulated market.
At each origin harvests are hidden as ``benchmarks/forecast_paths.py --evidence`` does, everything is forecast and
valued on what was known then, and a ghost right on every plantation (:mod:`plantation_rwa.valuation.ghost`) is held
against its harvests and the prices that came. All plantations of a vintage share its prices: what tells them apart is
the harvest, and what covers all of them or none is mostly the price. ``--spread`` is the log spread of the true levels
between plantations: 0.08 in the simulator, 0.20 in the literature (domain rules of the yield).
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.forecast_paths import left_with
from benchmarks.forecast_skill import seeds_of
from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.run import forecast
from plantation_rwa.periods import Month, as_of_instant
from plantation_rwa.simulate.panels import simulated_world
from plantation_rwa.simulate.world import Channels, Effects
from plantation_rwa.simulate.writers import write_market
from plantation_rwa.sources.base import Quarantine, known
from plantation_rwa.sources.futures import read_futures
from plantation_rwa.sources.fx import read_fx
from plantation_rwa.sources.market import read_fiscal, read_prices, read_rates
from plantation_rwa.valuation.ghost import Later, ghost_book, issue, tonnes_of
from plantation_rwa.valuation.run import Book, MarketTables

END = Month(2025, 12)
#: settlement days that are simulated: nine years
DAYS = 2250


def market_of(seed: int) -> MarketTables:
    """A simulated market as the sources deliver it."""
    with tempfile.TemporaryDirectory() as folder:
        write_market(Path(folder), seed, None, END, DAYS)
        files = {n: [f"{folder}/market/{n}.csv"] for n in ("futures", "prices", "fx", "rates")}
        bad = Quarantine()
        return MarketTables(
            futures=read_futures(files["futures"], bad),
            prices=read_prices(files["prices"], bad),
            fx=read_fx(files["fx"], bad),
            rates=read_rates(files["rates"], bad),
            fiscal=read_fiscal(None, bad),
        )


def known_at(market: MarketTables, date: dt.date) -> MarketTables:
    """The market as it could be seen at the end of a day."""
    tables = ("futures", "prices", "fx", "rates", "fiscal")
    return MarketTables(**{name: known(getattr(market, name), as_of_instant(date)) for name in tables})


def one_seed(seed: int, origins: Sequence[str], tenor: int, paths: int, spread: float) -> pd.DataFrame:
    """Ghost rights of a seed with the record that each plantation had."""
    effects = Effects(channels=Channels(), sd_plantation=spread)
    world = simulated_world(seed, effects=effects, plantations=24, climate_years=20, harvest_years=16, end=str(END))
    market, stand = market_of(seed), world.stand()
    assumptions = packaged().override({"ghost.tenor_months": tenor}, where="benchmark")
    harvested = world.truth.assign(ffb_t=world.truth["yield_t_ha"] * world.truth["area"])
    later = Later.of(tonnes_of(harvested), market, END.last)
    parts = []
    for turn, origin in enumerate(origins):
        date = Month.parse(origin).last
        panel, record = left_with(world.panel(date), date, turn)
        made = forecast(panel, stand, as_of=date, horizons=tenor, assumptions=assumptions)
        register = pd.DataFrame(world.register.drop(columns="geometry"))
        book = Book(
            made.forecasts, made.model, register, pd.DataFrame(), known_at(market, date), date, seed, paths, "MYR",
            assumptions,
        )  # fmt: skip
        # the banker's sheet needs a record, and is not what is scored here
        values, _ = issue(ghost_book(book, 0.2, assumptions), tonnes_of(world.panel(date)), later)
        parts.append(values.assign(seed=seed, record=values["plantation_id"].map(record)))
    return pd.concat(parts, ignore_index=True)


def coverage(values: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Share of realised values inside 80 and 90 %, mean of the PIT, width of the 80 % over the mean, rights."""
    seen = values["realised"]
    rows = values.assign(
        cover80=(seen >= values["q10"]) & (seen <= values["q90"]),
        cover90=(seen >= values["q05"]) & (seen <= values["q95"]),
        width=(values["q90"] - values["q10"]) / values["mean"],
        n=1,
    )
    how = {"cover80": "mean", "cover90": "mean", "pit": "mean", "width": "mean", "n": "sum"}
    return rows.groupby(list(by)).agg(how).round(3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="9100-9109")
    parser.add_argument("--origins", default="2017-12,2019-12,2021-12,2023-12")
    parser.add_argument("--tenor", type=int, default=24)
    parser.add_argument("--paths", type=int, default=2000)
    parser.add_argument("--spread", type=float, default=0.08)
    parser.add_argument("--out", default="")
    given = parser.parse_args()
    asked = given.origins.split(","), given.tenor, given.paths, given.spread
    parts = [one_seed(seed, *asked) for seed in seeds_of(given.seeds)]
    values = pd.concat(parts, ignore_index=True)
    if given.out:
        values.to_csv(given.out, index=False)
    print(coverage(values, ["seed"]).to_string())
    print(coverage(values, ["record"]).to_string())


if __name__ == "__main__":
    main()
