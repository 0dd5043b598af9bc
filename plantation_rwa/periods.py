"""Calendar months and the instant ``as_of`` stands for."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

_MONTH = re.compile(r"^(\d{4})-(0[1-9]|1[0-2])$")


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month; its text form ``YYYY-MM`` is used in paths, tables, CLI and logs alike."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Parse ``YYYY-MM``; raise ``ValueError`` for anything else."""
        match = _MONTH.match(str(text).strip())
        if match is None:
            raise ValueError(f"'{text}' is not a month; write YYYY-MM, for example 2026-05")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: dt.date) -> Month:
        """The month a date lies in."""
        return cls(day.year, day.month)

    @classmethod
    def from_ordinal(cls, ordinal: int) -> Month:
        """Inverse of :attr:`ordinal`."""
        return cls(ordinal // 12, ordinal % 12 + 1)

    @property
    def ordinal(self) -> int:
        """Months since year 0, so that differences are month counts."""
        return self.year * 12 + self.number - 1

    @property
    def first(self) -> dt.date:
        """First day."""
        return dt.date(self.year, self.number, 1)

    @property
    def last(self) -> dt.date:
        """Last day."""
        return dt.date(self.year, self.number, self.days)

    @property
    def days(self) -> int:
        """Number of days."""
        return calendar.monthrange(self.year, self.number)[1]

    def __add__(self, months: int) -> Month:
        return Month.from_ordinal(self.ordinal + months)

    def __sub__(self, other: Month) -> int:
        return self.ordinal - other.ordinal

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def month_range(first: Month, last: Month) -> list[Month]:
    """All months from ``first`` to ``last``, both included; empty if ``last`` is earlier."""
    return [Month.from_ordinal(o) for o in range(first.ordinal, last.ordinal + 1)]


def month_ends(first: Month, last: Month) -> Iterator[dt.date]:
    """Month-end dates from ``first`` to ``last`` in order."""
    return (m.last for m in month_range(first, last))


def last_month_end(today: dt.date) -> dt.date:
    """The last month end strictly before ``today``."""
    return Month.of(today).first - dt.timedelta(days=1)


def as_of_instant(as_of: dt.date) -> pd.Timestamp:
    """Last microsecond of ``as_of`` in UTC: a record is visible when ``known_at <= as_of_instant``."""
    return pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)


def end_of_month_utc(months: pd.Series) -> pd.Series:
    """Last day (midnight, UTC) of each ``YYYY-MM`` text; the base to which a known-lag in days is added."""
    starts = pd.to_datetime(months.astype("str") + "-01", utc=True)
    return (starts + pd.offsets.MonthEnd(0)).astype("datetime64[us, UTC]")


def year_fraction(start: dt.date, end: dt.date) -> float:
    """ACT/365F year fraction."""
    return (end - start).days / 365.0
