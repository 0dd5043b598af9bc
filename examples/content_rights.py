"""A third asset class: shares of short dramas' income, most of which never recoup.

Income of a title in month t = hit size x decay (1 + t / tau)^-a x (1 - platform fee), less what recoups the traffic
spend first; hit size lognormal with a Pareto tail. The median title loses money, so quantiles and the pool decide, not
means. All numbers are invented. Rights, measures, stresses, pools and waterfall are the product's.
"""

import datetime as dt

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import packaged
from plantation_rwa.periods import Month
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.cashflows import BASE, Driver, Facts, Revenue
from plantation_rwa.valuation.disasters import mirrored_normals
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.pools import pools_table
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import value_rights
from plantation_rwa.valuation.valuer import Valuer

AS_OF, FEE, SPEND, TAU = dt.date(2026, 1, 31), 0.30, 60_000.0, 2.0
TITLES = tuple(f"DRAMA-{i:02d}" for i in range(1, 21))
STRESSES = {"stress.gfc2008": {"times": {"ad_yield": [[0, 0.6]]}}, "stress.combo": {"plus": {"decay": 0.5}}}


class ContentRights:
    """Cash-flow model of a catalogue: titles share the audience's mood, each has its own luck."""

    def __init__(self, grid: Drivers) -> None:
        self.grid, self.mood = grid, mirrored_normals(grid.seed, "mood", "", grid.paths)

    def drivers(self):
        return Driver("ad_yield", "USD per view", 0.10), Driver("decay", "1", 0.1, absolute=True)

    def revenue(self, right: Right, shock=BASE) -> Revenue:
        months, asset = self.grid.months, right.plantation_id
        luck = 0.4 * self.mood + np.sqrt(1 - 0.4**2) * mirrored_normals(self.grid.seed, "hit", asset, self.grid.paths)
        hit = 30_000.0 * np.exp(1.2 * luck) * np.where(luck > 2.0, np.exp(1.5 * (luck - 2.0)), 1.0)
        age = np.arange(months)[:, None]
        decay = (1 + age / TAU) ** -(1.6 + shock.addition("decay"))
        income = hit * decay * (1 - FEE) * shock.factor("ad_yield", months)[:, None]
        beyond = np.maximum(np.cumsum(income, axis=0) - SPEND, 0.0)
        money = np.diff(beyond, axis=0, prepend=0.0)
        one = np.ones((months, 1))
        return Revenue(money[:, None, :], one, one, None, None, lambda measure: money, shared=False)

    def facts(self, right: Right) -> Facts:
        n = self.grid.months
        return Facts(
            "USD", "USD", frozenset(), False, ("extrapolated",) * n, (3,) * n, np.zeros(n), np.ones(n, dtype=bool),
            None, None, np.ones(n), "ad_yield", "ad_yield",
        )  # fmt: skip

    def hardship(self, shock, measure: str):
        return np.zeros((self.grid.months, self.grid.paths), dtype=bool)


def main(paths: int = 4000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Value half of twenty titles for two years, one by one and as a pool with a first loss of 40 %."""
    numbers = packaged().override({**STRESSES, "disaster.rate_per_year": 0.0}, where="examples/content_rights.py")
    grid = Drivers(7, AS_OF, 36, paths, numbers)
    rates = pd.DataFrame({"date": [pd.Timestamp(AS_OF)], "currency": "USD", "tenor_years": 2.0, "zero_rate": 0.038})
    valuer = Valuer(ContentRights(grid), grid, numbers, "USD", {}, {}, {}, rates)
    rights = [
        Right(title, "R1", 0.50, "gross_mill_gate", 24, Month(2026, 2), 1.0, None, None, "ffb", None, None, 1, 1, 0.4,
              0.0, 8_000.0, 1000, "CATALOGUE", None, "controlled_account") for title in TITLES
    ]  # fmt: skip
    part = value_rights(valuer, rights, {}, {}, tranched=frozenset((t, "R1") for t in TITLES))
    tables = pd.DataFrame(part.rows), pools_table(part.pools, numbers)
    return finalise(tables[0], "valuations"), finalise(tables[1], "pools")


if __name__ == "__main__":
    titles, pool = main()
    shown = ["plantation_id", "npv_fair", "npv_q50", "npv_q95", "prob_loss", "stress_gfc2008", "stress_combo"]
    print(titles[shown].to_string(), pool.T.to_string(), sep="\n\n")
