"""Ranges of valuation dates as a user gives them."""

from __future__ import annotations

import datetime as dt

from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.periods import Month, month_ends
from plantation_rwa.run.session import FIRST_YEAR


def dates_between(first: str | None, last: str | None, today: dt.date) -> list[dt.date]:
    """Month ends from one month to another, both ``YYYY-MM`` and included.

    Raises
    ------
    ConfigError
        If a month is missing, is none, lies in the future or before there was anything to value by; all at once.
    """
    problems, months = [], []
    for option, text in (("--from", first), ("--to", last)):
        if text is None:
            problems.append(Problem(option, "is missing", "", "Give --from and --to together, as YYYY-MM."))
            continue
        try:
            months.append(Month.parse(text))
        except ValueError as error:
            problems.append(Problem(option, str(error), "", "Give --from and --to together, as YYYY-MM."))
    if not problems and months[0] > months[1]:
        problems.append(Problem("--from", "is later than --to", f"{first} > {last}", "Swap them."))
    if not problems and months[1].last > today:
        problems.append(Problem("--to", "ends in the future", str(months[1]), "Choose a month that is over."))
    if not problems and months[0].year < FIRST_YEAR:
        remedy = f"Choose a month from {FIRST_YEAR} on."
        problems.append(Problem("--from", "is too long ago", str(months[0]), remedy))
    if problems:
        raise ConfigError(problems)
    return list(month_ends(months[0], months[1]))
