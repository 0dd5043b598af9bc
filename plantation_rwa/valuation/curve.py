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
from plantation_rwa.calendars import business_days, preceding_business_day
from plantation_rwa.periods import Month

CurveSource = Literal["settlement", "interpolated", "extrapolated"]

#: IFRS 13 level of a price input by where it comes from.
FV_LEVEL: dict[str, int] = {"settlement": 1, "interpolated": 2, "extrapolated": 3}


def last_trading_day(contract: Month, holidays: Set[dt.date]) -> dt.date:
    """Last trading day of an FCPO contract: the 15th, or the business day before it.

    Source: Bursa Malaysia Derivatives FCPO specification (domain/valuation.md 2.1).
    """
    return preceding_business_day(dt.date(contract.year, contract.number, 15), holidays)


def listed_contracts(day: dt.date, holidays: Set[dt.date]) -> list[Month]:
    """The 24 contracts listed on a day: spot and the next eleven months, then odd months (domain/valuation.md 2.1)."""
    spot = Month.of(day)
    if last_trading_day(spot, holidays) < day:
        spot += 1
    months = [spot + i for i in range(12)]
    later = spot + 12
    while len(months) < 24:
        if later.number % 2 == 1:
            months.append(later)
        later += 1
    return months


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


def flat_curve(symbol: str, currency: str, price: float, as_of: dt.date) -> ForwardCurve:
    """The fallback without futures: today's physical price for all months, Level 3 throughout."""
    return ForwardCurve(symbol, currency, (as_of.toordinal(),), (price,), (Month.of(as_of),), quoted=False)


def build_curve(
    futures: pd.DataFrame, as_of: dt.date, assumptions: Assumptions, holidays: Set[dt.date]
) -> ForwardCurve | None:
    """Forward curve from the newest day of settlements.

    Contracts already expired, a spot contract in its last trading days (delivery squeeze) and contracts
    beyond the last liquid one are left out; liquid means enough open interest or, where a day has none,
    one of the first contracts.

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

    Returns
    -------
    ForwardCurve or None
        None if no settlement can be used.
    """
    rows = futures[(futures["symbol"] == assumptions.text("curve.symbol")) & (futures["settle"] > 0)]
    rows = rows[rows["settle_date"] <= pd.Timestamp(as_of)]
    for day in sorted(rows["settle_date"].unique(), reverse=True):
        curve = _curve_of_day(rows[rows["settle_date"] == day], pd.Timestamp(day).date(), as_of, assumptions, holidays)
        if curve is not None:
            return curve
    return None


def _curve_of_day(
    rows: pd.DataFrame, settled: dt.date, as_of: dt.date, assumptions: Assumptions, holidays: Set[dt.date]
) -> ForwardCurve | None:
    rows = rows.sort_values(["contract", "settle"], kind="stable").drop_duplicates("contract", keep="last")
    nodes = []
    cells = (rows[c].tolist() for c in ("contract", "settle", "open_interest", "currency"))
    for name, settle, lots, currency in zip(*cells, strict=True):
        contract = Month.parse(str(name))
        expiry = last_trading_day(contract, holidays)
        if expiry >= settled:
            nodes.append((contract, expiry, float(settle), None if pd.isna(lots) else float(lots), str(currency)))
    liquid = _liquid(nodes, assumptions)
    nodes = nodes[: liquid + 1]
    if len(nodes) > 1 and business_days(settled, nodes[0][1], holidays) <= assumptions.number("curve.squeeze_days"):
        nodes = nodes[1:]
    alive = [n for n in nodes if n[1] > as_of]
    if not alive:
        return None
    nodes = alive
    cap = assumptions.number("curve.growth_cap")
    return ForwardCurve(
        symbol=assumptions.text("curve.symbol"),
        currency=nodes[0][4],
        days=tuple(n[1].toordinal() for n in nodes),
        prices=tuple(n[2] for n in nodes),
        contracts=tuple(n[0] for n in nodes),
        growth=min(max(assumptions.number("curve.growth"), -cap), cap),
    )


def _liquid(nodes: list[tuple[Month, dt.date, float, float | None, str]], assumptions: Assumptions) -> int:
    """Index of the last liquid node."""
    least = assumptions.number("curve.min_open_interest")
    enough = [i for i, node in enumerate(nodes) if node[3] is not None and node[3] >= least]
    return enough[-1] if enough else int(assumptions.number("curve.contracts_without_oi")) - 1
