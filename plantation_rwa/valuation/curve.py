"""The forward curve of palm oil: log-linear between settlements, flat or slowly growing beyond them."""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation.nodes import NodeRules, days_of, usable

CurveSource = Literal["settlement", "interpolated", "extrapolated"]

#: IFRS 13 level of a price input by where it comes from.
FV_LEVEL: dict[str, int] = {"settlement": 1, "interpolated": 2, "extrapolated": 3}


@dataclass(frozen=True)
class ForwardCurve:
    """Forward prices by delivery date, major currency units per t.

    Parameters
    ----------
    symbol, currency
        Futures symbol, or the price series of a flat curve; ISO 4217 code.
    days
        Last trading days of the nodes as ordinals, ascending.
    prices
        Settlements at the nodes.
    contracts
        Delivery month of each node.
    settled
        Day of the settlements, or of the price.
    growth
        Continuous growth per year beyond the last node (ACT/365F).
    quoted
        False for a flat curve at a physical price: then every month is extrapolated.
    """

    symbol: str
    currency: str
    days: tuple[int, ...]
    prices: tuple[float, ...]
    contracts: tuple[Month, ...]
    settled: dt.date
    growth: float = 0.0
    quoted: bool = True

    def at(self, day: dt.date) -> float:
        """Forward for delivery on a day: flat before the first node, log-linear in days between, growing beyond."""
        x = day.toordinal()
        if x <= self.days[0]:
            return self.prices[0]
        if x >= self.days[-1]:
            return self.prices[-1] * math.exp(self.growth * (x - self.days[-1]) / 365.0)
        right = bisect_right(self.days, x)
        x0, x1 = self.days[right - 1], self.days[right]
        weight = (x - x0) / (x1 - x0)
        return math.exp((1 - weight) * math.log(self.prices[right - 1]) + weight * math.log(self.prices[right]))

    def month(self, month: Month) -> float:
        """Forward of a month's average price: the curve at its 15th."""
        return self.at(dt.date(month.year, month.number, 15))

    def source(self, month: Month) -> CurveSource:
        """Whether the month's forward is a settlement, lies between settlements, or beyond the last.

        The forward is taken at the 15th: it is a settlement only where the contract's last trading day is the 15th.
        """
        if not self.quoted or month > self.contracts[-1]:
            return "extrapolated"
        return "settlement" if dt.date(month.year, month.number, 15).toordinal() in self.days else "interpolated"


def flat_curve(symbol: str, currency: str, price: float, as_of: dt.date, day: dt.date | None = None) -> ForwardCurve:
    """The fallback without futures: the last physical price, of ``day``, for all months, Level 3 throughout."""
    days, contracts = (as_of.toordinal(),), (Month.of(as_of),)
    return ForwardCurve(symbol, currency, days, (price,), contracts, settled=day or as_of, quoted=False)


def build_curve(
    futures: pd.DataFrame,
    as_of: dt.date,
    assumptions: Assumptions,
    holidays: Set[dt.date],
    growth: float | None = None,
) -> ForwardCurve | None:
    """Forward curve from the newest day of settlements.

    Contracts already expired, a spot contract in its last trading days (delivery squeeze) and contracts
    beyond the last liquid one are left out; liquid means enough open interest or, where a day has none,
    one of the first contracts. A curve is of one day: a contract missing on it is not taken from a day before.

    Parameters
    ----------
    futures
        ``settle_date``, ``symbol``, ``contract`` (YYYY-MM), ``settle`` (per t), ``currency``, ``open_interest``.
    as_of
        Valuation date; later settlements are not used.
    assumptions
        Section ``curve``.
    holidays
        Closing days of the exchange.
    growth
        Continuous growth per year beyond the last node, of the calibrated price model; None for the assumed one.
        Either is held within the assumed cap.

    Returns
    -------
    ForwardCurve or None
        None if no settlement can be used.
    """
    rules = NodeRules.of(assumptions, holidays)
    cap = assumptions.number("curve.growth_cap")
    growth = assumptions.number("curve.growth") if growth is None else growth
    for settled, nodes in days_of(usable(futures, rules, as_of), rules):
        alive = [n for n in nodes if n.expiry > as_of]
        if alive:
            return ForwardCurve(
                symbol=rules.symbol,
                currency=alive[0].currency,
                days=tuple(n.expiry.toordinal() for n in alive),
                prices=tuple(n.settle for n in alive),
                contracts=tuple(n.contract for n in alive),
                settled=settled,
                growth=min(max(growth, -cap), cap),
            )
    return None


def curve_flags(
    curve: ForwardCurve | None,
    as_of: dt.date,
    price: tuple[float, str] | None,
    assumptions: Assumptions,
    *,
    calibrated: bool,
) -> set[str]:
    """What there is to say about a curve: none, old, at odds with the price, its price model not calibrated.

    Parameters
    ----------
    price
        Last physical price per t and its currency ('' for the curve's), None if unknown.
    calibrated
        Whether the price model is.
    """
    if curve is None or not curve.quoted:
        return {"curve_missing"}
    flags = set[str]() if calibrated else {"price_prior"}
    if (as_of - curve.settled).days > assumptions.number("curve.stale_days"):
        flags.add("curve_stale")
    if price is not None and price[1] in ("", curve.currency):
        off = abs(math.log(curve.prices[0] / price[0]))
        if off > math.log(assumptions.number("curve.spot_factor_max")):
            flags.add("curve_off_price")
    return flags
