"""Zero curves and forward exchange rates: what money at a date is worth today."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import anniversary, year_fraction


@dataclass(frozen=True)
class ZeroCurve:
    """Zero rates of one currency: continuous, ACT/365F, linear in the rate, flat beyond the ends.

    Parameters
    ----------
    currency
        ISO 4217 code.
    start
        Date at which time is zero.
    times, rates
        Node times in years, ascending, and zero rates per year.
    assumed
        Whether the curve is an assumption because the rates table has none.
    """

    currency: str
    start: dt.date
    times: tuple[float, ...]
    rates: tuple[float, ...]
    assumed: bool = False

    @classmethod
    def of_tenors(
        cls, currency: str, start: dt.date, nodes: Sequence[tuple[float, float]], *, assumed: bool = False
    ) -> ZeroCurve:
        """From (tenor in years, rate); a tenor of n years ends on the n-th anniversary of ``start``."""
        ordered = sorted((float(t), float(r)) for t, r in nodes)
        times = tuple(year_fraction(start, anniversary(start, t)) for t, _ in ordered)
        return cls(currency, start, times, tuple(r for _, r in ordered), assumed)

    def rate(self, t: float) -> float:
        """Zero rate for t years."""
        return float(np.interp(t, self.times, self.rates))

    def factor(self, t: float) -> float:
        """Discount factor for t years; 1 for payments due."""
        return math.exp(-self.rate(t) * t) if t > 0 else 1.0

    def discount(self, day: dt.date) -> float:
        """Discount factor of a date."""
        return self.factor(year_fraction(self.start, day))


def known_curve(rates: pd.DataFrame, currency: str, as_of: dt.date) -> ZeroCurve | None:
    """The newest zero curve of a currency in the rates table, None if it has none."""
    rows = rates[(rates["currency"] == currency) & (rates["date"] <= pd.Timestamp(as_of))]
    if rows.empty:
        return None
    rows = rows[rows["date"] == rows["date"].max()].sort_values(["tenor_years", "zero_rate"], kind="stable")
    rows = rows.drop_duplicates("tenor_years", keep="last")
    return ZeroCurve.of_tenors(currency, as_of, list(zip(rows["tenor_years"], rows["zero_rate"], strict=True)))


def curve_or_assumed(rates: pd.DataFrame, currency: str, as_of: dt.date, assumptions: Assumptions) -> ZeroCurve:
    """The known curve, else the assumed one of the currency (``assumed`` is then true)."""
    curve = known_curve(rates, currency, as_of)
    if curve is not None:
        return curve
    table = assumptions.table("discount.assumed_zero")
    nodes = table.get(currency, assumptions.table("discount.assumed_zero_other"))
    return ZeroCurve.of_tenors(currency, as_of, [(t, r) for t, r in nodes], assumed=True)


def forward_fx(spot: float, rate_quote: float, rate_base: float, t: float) -> float:
    """Forward exchange rate, quote per base, by covered interest parity (domain/valuation.md 2.2)."""
    return spot * math.exp((rate_quote - rate_base) * t)
