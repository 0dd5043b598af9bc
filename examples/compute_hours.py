"""A second asset class in one cash-flow model: a share of what rented computers earn.

Revenue = units x hours x (utilisation x rental price - kW x PUE x tariff), units dying as hardware ages. Rental price:
log-OU about a decaying trend; utilisation: logit-OU. All numbers are invented; the rest is the product's.
"""

import datetime as dt

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import packaged
from plantation_rwa.periods import Month
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.cashflows import BASE, Driver, Facts, Revenue
from plantation_rwa.valuation.drivers import Drivers, antithetic, autoregressive
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import value_rights
from plantation_rwa.valuation.valuer import Valuer

AS_OF, HOURS, KW, PUE = dt.date(2026, 1, 31), 730.0, 0.7, 1.3
ASSETS = {"RACK-1": {"units": 512, "price": 2.20, "util": 0.72, "decay": 0.35, "failure": 0.10}}
STRESSES = {
    "stress.gfc2008": {"times": {"rental_price": [[0, 1.0], [12, 0.5]]}},
    "stress.combo": {"times": {"utilisation": [[0, 0.7]], "tariff": [[0, 1.5]]}},
}


class ComputeHours:
    """Cash-flow model of rented computers."""

    def __init__(self, grid: Drivers) -> None:
        self.grid, n = grid, (grid.months, grid.paths)
        price, use = (antithetic(grid.seed, d, "", *n)[:, 0] for d in ("rental_price", "utilisation"))
        self.price, self.use = 0.25 * autoregressive(price, 0.9), 0.5 * autoregressive(use, 0.8)

    def drivers(self):
        return tuple(Driver(name, unit, 0.10) for name, unit in (("rental_price", "USD h-1"), ("utilisation", "1")))

    def revenue(self, right: Right, shock=BASE) -> Revenue:
        a, t, n = ASSETS[right.plantation_id], self.grid.times[:, None], self.grid.months
        move = {d: shock.factor(d, n)[:, None] for d in ("rental_price", "utilisation", "tariff")}
        price = a["price"] * np.exp(-a["decay"] * t + self.price - 0.25**2 / 2) * move["rental_price"]
        level = np.log(a["util"] / (1 - a["util"])) + self.use
        use = np.minimum(move["utilisation"] / (1 + np.exp(-level)), 1.0)
        units = a["units"] * (1 - a["failure"]) ** t
        money = np.maximum(units * HOURS * (use * price - KW * PUE * 0.12 * move["tariff"]), 0.0)
        one = np.ones((n, 1))
        return Revenue(money[:, None, :], one, one, None, None, lambda measure: money, shared=False)

    def facts(self, right: Right) -> Facts:
        a, n = ASSETS[right.plantation_id], self.grid.months
        price = a["price"] * np.exp(-a["decay"] * self.grid.times)
        hours = np.full(n, a["units"] * HOURS * a["util"])
        return Facts(
            "USD", "USD", frozenset(), False, ("extrapolated",) * n, (3,) * n, hours, np.ones(n, dtype=bool),
            a["price"], None, price, "rental_price", "utilisation",
        )  # fmt: skip

    def hardship(self, shock, measure: str):
        return np.zeros((self.grid.months, self.grid.paths), dtype=bool)


def main(paths: int = 2000) -> pd.DataFrame:
    """Value 30 % of a rack's income for two years; the table is the one that plantations publish."""
    numbers = packaged().override({**STRESSES, "disaster.rate_per_year": 0.0}, where="examples/compute_hours.py")
    grid = Drivers(7, AS_OF, 36, paths, numbers)
    rates = pd.DataFrame({"date": [pd.Timestamp(AS_OF)], "currency": "USD", "tenor_years": 2.0, "zero_rate": 0.038})
    valuer = Valuer(ComputeHours(grid), grid, numbers, "USD", {}, {}, {}, rates)
    right = Right(
        "RACK-1", "R1", 0.30, "gross_mill_gate", 24, Month(2026, 2), 1.0, None, None, "ffb", None, None, 1, 1, None,
        0.0, 1_500_000.0, 1000, None, None, "controlled_account",
    )  # fmt: skip
    part = value_rights(valuer, [right], {}, {})
    return finalise(pd.DataFrame(part.rows), "valuations")


if __name__ == "__main__":
    print(main().T.dropna().to_string())
