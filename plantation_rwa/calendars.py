"""Business days: weekends and a dated holiday list that ships with the package."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Set
from functools import cache
from importlib import resources


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
