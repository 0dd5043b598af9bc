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


#: day counts that a rate may be quoted in; ISDA 2006 definitions 4.16 (b), (d), (e), (f)
DAY_COUNTS = ("ACT/365F", "ACT/360", "ACT/ACT", "30/360")


def year_fraction(start: dt.date, end: dt.date, day_count: str = "ACT/365F") -> float:
    """Years from ``start`` to ``end``.

    Parameters
    ----------
    day_count
        One of :data:`DAY_COUNTS`; ``ACT/ACT`` counts days of leap years over 366 and others over 365, ``30/360`` is the
        bond basis.

    Raises
    ------
    ValueError
        For any other day count.
    """
    days = (end - start).days
    if day_count == "ACT/365F":
        return days / 365.0
    if day_count == "ACT/360":
        return days / 360.0
    if day_count == "ACT/ACT":
        return end.year - start.year + _passed(end) - _passed(start)
    if day_count == "30/360":
        first = min(start.day, 30)
        last = 30 if end.day == 31 and first == 30 else end.day
        return (360 * (end.year - start.year) + 30 * (end.month - start.month) + last - first) / 360.0
    raise ValueError(f"day count {day_count!r} is none of {', '.join(DAY_COUNTS)}")


def _passed(day: dt.date) -> float:
    """Part of a date's calendar year that has passed."""
    return (day - dt.date(day.year, 1, 1)).days / (366.0 if calendar.isleap(day.year) else 365.0)


def anniversary(day: dt.date, years: float) -> dt.date:
    """The date ``years`` later; whole months count as months, the rest as days of 1/365 year."""
    months = round(years * 12)
    if abs(years * 12 - months) < 1e-9:
        moved: dt.date = (pd.Timestamp(day) + pd.DateOffset(months=months)).date()
        return moved
    return day + dt.timedelta(days=round(years * 365))
