"""Business days of an exchange, and the contracts of palm oil futures: listed months and last trading days."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Set
from functools import cache
from importlib import resources

from plantation_rwa.periods import Month


@cache
def packaged_holidays(country: str) -> frozenset[dt.date]:
    """Closing days of the country's exchange from ``data/holidays_<country>.csv``, weekends left out."""
    file = resources.files("plantation_rwa").joinpath(f"data/holidays_{country.lower()}.csv")
    rows = csv.DictReader(file.read_text("utf-8").splitlines())
    return frozenset(dt.date.fromisoformat(row["date"]) for row in rows)


def is_business_day(day: dt.date, holidays: Set[dt.date]) -> bool:
    """Whether the exchange is open: neither Saturday, Sunday nor a holiday."""
    return day.weekday() < 5 and day not in holidays


def preceding_business_day(day: dt.date, holidays: Set[dt.date]) -> dt.date:
    """The day itself if it is a business day, else the last one before it."""
    while not is_business_day(day, holidays):
        day -= dt.timedelta(days=1)
    return day


def business_days(first: dt.date, last: dt.date, holidays: Set[dt.date]) -> int:
    """Number of business days from ``first`` to ``last``, both included; 0 if ``last`` is earlier."""
    days = range(max(0, (last - first).days + 1))
    return sum(is_business_day(first + dt.timedelta(days=d), holidays) for d in days)


def last_trading_day(contract: Month, holidays: Set[dt.date]) -> dt.date:
    """Last trading day of an FCPO contract: the 15th, or the business day before it.

    Source: Bursa Malaysia Derivatives FCPO specification (domain/valuation.md 2.1).
    """
    return preceding_business_day(dt.date(contract.year, contract.number, 15), holidays)


def listed_contracts(
    day: dt.date, holidays: Set[dt.date], *, every_month: int = 12, listed: int = 24, odd: bool = True
) -> list[Month]:
    """Contracts listed on a day: spot and the following months, then every other month (domain/valuation.md 2.1).

    Parameters
    ----------
    every_month
        Contracts before the alternate months begin.
    listed
        Contracts in all.
    odd
        Whether the alternate months are January, March and so on, or February, April and so on.
    """
    spot = Month.of(day)
    if last_trading_day(spot, holidays) < day:
        spot += 1
    months = [spot + i for i in range(every_month)]
    later = spot + every_month
    while len(months) < listed:
        if (later.number % 2 == 1) == odd:
            months.append(later)
        later += 1
    return months
