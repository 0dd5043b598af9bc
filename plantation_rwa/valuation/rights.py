"""The terms of a right as a value object, and the months it runs over."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plantation_rwa.periods import Month


def missing(value: Any) -> bool:
    """Whether a table cell is empty (None, NaN, NaT, NA, empty text)."""
    return value is None or bool(pd.isna(value)) or str(value) == ""


def _number(row: Mapping[str, Any], name: str) -> float | None:
    return None if missing(row.get(name)) else float(row[name])


def _text(row: Mapping[str, Any], name: str) -> str | None:
    return None if missing(row.get(name)) else str(row[name])


@dataclass(frozen=True)
class Right:
    """One revenue right; money per period and prices in the plantation's local currency.

    Parameters
    ----------
    start
        First accrual month as agreed; it may lie before the valuation date.
    issue_price
        Price paid for the whole right, in the currency it is valued in.
    terms_default
        Whether a term of the contract could not be used, so that a default stands in for it.
    """

    plantation_id: str
    right_id: str
    share: float
    base: str
    tenor_months: int
    start: Month
    step_up: float
    price_floor: float | None
    price_cap: float | None
    price_basis: str
    min_payment: float | None
    max_payment: float | None
    payment_lag_months: int
    frequency_months: int
    first_loss: float | None
    reserve_months: float
    issue_price: float | None
    units: int
    pool_id: str | None
    payor_id: str | None
    collection_route: str
    terms_default: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any], as_of: dt.date) -> Right:
        """From a row of the rights table, whose open terms the source has already filled."""
        start = _text(row, "start_month")
        return cls(
            plantation_id=str(row["plantation_id"]),
            right_id=str(row["right_id"]),
            share=float(row["share"]),
            base=str(row["base"]),
            tenor_months=int(row["tenor_months"]),
            start=Month.parse(start) if start else Month.of(as_of) + 1,
            step_up=float(row["step_up"]),
            price_floor=_number(row, "price_floor"),
            price_cap=_number(row, "price_cap"),
            price_basis=_text(row, "price_basis") or "ffb",
            min_payment=_number(row, "min_payment"),
            max_payment=_number(row, "max_payment"),
            payment_lag_months=int(row["payment_lag_months"]),
            frequency_months=max(1, int(row["frequency_months"])),
            first_loss=_number(row, "first_loss"),
            reserve_months=_number(row, "reserve_months") or 0.0,
            issue_price=_number(row, "issue_price"),
            units=int(row["units"]),
            pool_id=_text(row, "pool_id"),
            payor_id=_text(row, "payor_id"),
            collection_route=_text(row, "collection_route") or "sponsor",
            terms_default="terms_default" in (_text(row, "flags") or "").split(";"),
        )

    @property
    def bends(self) -> bool:
        """Whether a period's payment is bounded, so that it is not linear in the harvest."""
        return self.min_payment is not None or self.max_payment is not None

    @property
    def last(self) -> Month:
        """Last accrual month."""
        return self.start + (self.tenor_months - 1)

    def months(self, as_of: dt.date) -> list[Month]:
        """Accrual months still to come: those of the term after the month of ``as_of``."""
        first = max(self.start, Month.of(as_of) + 1)
        return [first + i for i in range(max(0, self.last - first + 1))]

    def share_in(self, month: Month) -> float:
        """Share of the base revenue in a month, stepped up once per year since the start."""
        return self.share * self.step_up ** ((month - self.start) // 12)

    def period(self, month: Month) -> int:
        """Payment period a month belongs to, counted from the start."""
        return (month - self.start) // self.frequency_months

    def cash_month(self, month: Month) -> Month:
        """Month in which the period of an accrual month is paid: its last month plus the lag."""
        end = min(self.start + ((self.period(month) + 1) * self.frequency_months - 1), self.last)
        return end + self.payment_lag_months


def tenure_fraction(month: Month, tenure_end: dt.date | None) -> float:
    """Share of a month's days before the land tenure ends (the last day counts)."""
    if tenure_end is None:
        return 1.0
    days = (tenure_end - month.first).days + 1
    return min(max(days / month.days, 0.0), 1.0)


def clipped(value: float | None, fallback: float) -> float:
    """A bound, or the fallback where none is agreed."""
    return fallback if value is None or math.isnan(value) else value
