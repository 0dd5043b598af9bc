"""Settlements of a day to the nodes of a curve: expired, squeezed and illiquid contracts left out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import business_days, last_trading_day
from plantation_rwa.periods import Month

#: days whose cells are taken out of the table together: a curve needs the newest day only, a calibration hundreds
_TOGETHER = 32


@dataclass(frozen=True)
class Node:
    """One settlement that can be used: price per t, and the contract's last trading day."""

    contract: Month
    expiry: dt.date
    settle: float
    currency: str


@dataclass(frozen=True)
class NodeRules:
    """Which settlements are nodes.

    Parameters
    ----------
    symbol
        Futures symbol.
    squeeze_days
        The spot contract is left out in its last trading days, this many: delivery squeeze.
    min_open_interest
        Lots of a liquid contract; contracts beyond the last liquid one are left out.
    contracts_without_oi
        Contracts taken as liquid on a day without any open interest.
    holidays
        Closing days of the exchange.
    """

    symbol: str
    squeeze_days: int
    min_open_interest: float
    contracts_without_oi: int
    holidays: Set[dt.date]

    @classmethod
    def of(cls, assumptions: Assumptions, holidays: Set[dt.date]) -> NodeRules:
        """Rules of the section ``curve``."""
        return cls(
            assumptions.text("curve.symbol"),
            int(assumptions.number("curve.squeeze_days")),
            assumptions.number("curve.min_open_interest"),
            int(assumptions.number("curve.contracts_without_oi")),
            holidays,
        )


def usable(futures: pd.DataFrame, rules: NodeRules, as_of: dt.date) -> pd.DataFrame:
    """Settlements of the symbol up to a day, by day."""
    rows = futures[(futures["symbol"] == rules.symbol) & (futures["settle"] > 0)]
    rows = rows[rows["settle_date"] <= pd.Timestamp(as_of)]
    return rows.sort_values("settle_date", kind="stable")


def days_of(rows: pd.DataFrame, rules: NodeRules) -> Iterator[tuple[dt.date, list[Node]]]:
    """Nodes of each settlement day, the newest day first; days without any node are passed over.

    Of a contract that is settled twice on a day the higher settlement counts.

    Parameters
    ----------
    rows
        Of :func:`usable`.
    """
    stamps = rows["settle_date"].to_numpy()
    edges = [0, *(np.flatnonzero(stamps[1:] != stamps[:-1]) + 1).tolist(), len(stamps)]
    expiry = cache(lambda name: _expiry(name, rules))
    for last in range(len(edges) - 1 if len(rows) else 0, 0, -_TOGETHER):
        first = max(last - _TOGETHER, 0)
        start = edges[first]
        some = rows.iloc[start : edges[last]]
        cells = list(zip(*(some[c].tolist() for c in ("contract", "settle", "open_interest", "currency")), strict=True))
        for n in range(last, first, -1):
            settled = pd.Timestamp(stamps[edges[n - 1]]).date()
            own = {cell[0]: cell for cell in sorted(cells[edges[n - 1] - start : edges[n] - start], key=_place)}
            nodes = _nodes(settled, [(*expiry(c), s, _lots(oi), str(cur)) for c, s, oi, cur in own.values()], rules)
            if nodes:
                yield settled, nodes


def _place(cell: tuple[Any, ...]) -> tuple[str, float]:
    return str(cell[0]), float(cell[1])


def _expiry(name: str, rules: NodeRules) -> tuple[Month, dt.date]:
    contract = Month.parse(str(name))
    return contract, last_trading_day(contract, rules.holidays)


def _lots(value: float) -> float:
    return math.nan if pd.isna(value) else float(value)


def _nodes(settled: dt.date, rows: Sequence[tuple[Month, dt.date, float, float, str]], rules: NodeRules) -> list[Node]:
    alive = [row for row in rows if row[1] >= settled]
    alive = alive[: _liquid([row[3] for row in alive], rules)]
    nodes = [Node(contract, expiry, settle, currency) for contract, expiry, settle, _, currency in alive]
    if len(nodes) > 1 and business_days(settled, nodes[0].expiry, rules.holidays) <= rules.squeeze_days:
        nodes = nodes[1:]
    return nodes


def _liquid(lots: Sequence[float], rules: NodeRules) -> int:
    """Contracts up to the last liquid one; none where open interest is given and too small everywhere."""
    if all(math.isnan(n) for n in lots):
        return rules.contracts_without_oi
    return max((i + 1 for i, n in enumerate(lots) if n >= rules.min_open_interest), default=0)
