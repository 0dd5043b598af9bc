"""Cross-checks of time: does an input reach the valuation date, where are its gaps, what overlaps."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.survey.findings import Finding, counted, some

_STAYS = re.compile(r"\brow \d+ of (?P<file>.+?)(?: at the same time)?, which (?:stays|replaces)")


def due_month(as_of: dt.date, lag_days: int) -> Month:
    """Last month whose records are known at a date: its last day and the lag have passed."""
    month = Month.of(as_of)
    while month.last + dt.timedelta(days=lag_days) > as_of:
        month += -1
    return month


def months_reached(key: str, last: Mapping[str, str], due: Month, *, noun: str, what: str) -> list[Finding]:
    """Series of months that end before the last month that should be known.

    Parameters
    ----------
    last
        Last month, ``YYYY-MM``, of each series (a plantation, a price series).
    noun
        What one series is, such as ``plantation``.
    what
        What the months hold, such as ``harvest``.
    """
    late = {name: month for name, month in last.items() if month < str(due)}
    if not late:
        return []
    shown = some(f"{name} {month}" for name, month in sorted(late.items(), key=lambda e: (e[1], e[0])))
    told = f"{what} of {counted(len(late), noun)} ends before {due}, the last month that should be known"
    return [Finding("warning", key, "month", shown, told, "Bring the file up to date, or raise its known_lag_days.")]


def days_reached(
    key: str, column: str, last: Mapping[str, pd.Timestamp], due: dt.date, slack_days: int, what: str
) -> list[Finding]:
    """Daily series whose last day lies more than ``slack_days`` before the day they should reach."""
    limit = pd.Timestamp(due) - pd.Timedelta(days=slack_days)
    late = {name: day for name, day in last.items() if day < limit}
    if not late:
        return []
    shown = some(f"{n} {d.date()}".strip() for n, d in sorted(late.items(), key=lambda e: (e[1], e[0])))
    told = f"{what} ends more than {slack_days} days before {due}"
    return [Finding("warning", key, column, shown, told, "Bring the file up to date.")]


def missing_months(key: str, months: Mapping[str, Iterable[str]], *, noun: str, what: str) -> list[Finding]:
    """Months between the first and the last of a series that it does not have."""
    gaps = {}
    for name, held in months.items():
        present = {m for m in held if m}
        if not present:
            continue
        whole = month_range(Month.parse(min(present)), Month.parse(max(present)))
        gaps[name] = [str(m) for m in whole if str(m) not in present]
    gaps = {name: lost for name, lost in sorted(gaps.items()) if lost}
    if not gaps:
        return []
    total = sum(len(lost) for lost in gaps.values())
    shown = some(f"{name} {_from(lost)}".strip() for name, lost in gaps.items())
    told = f"{counted(total, 'month')} missing between first and last {what} of {counted(len(gaps), noun)}"
    return [Finding("warning", key, "month", shown, told, "Add the months; a run treats them as unknown, not as zero.")]


def missing_days(key: str, column: str, days: Mapping[str, pd.Series], what: str, remedy: str) -> list[Finding]:
    """Days between the first and the last of a daily series that it does not have."""
    lost = {}
    for name, series in days.items():
        held = pd.DatetimeIndex(series.dropna().unique())
        if len(held):
            gap = pd.date_range(held.min(), held.max(), freq="D").difference(held)
            if len(gap):
                lost[name] = gap
    if not lost:
        return []
    total = sum(len(gap) for gap in lost.values())
    shown = some(f"{n} {g[0].date()}".strip() + (f" to {g[-1].date()}" if len(g) > 1 else "") for n, g in lost.items())
    return [Finding("warning", key, column, shown, f"{counted(total, 'day')} missing in {what}", remedy)]


def quote_gaps(key: str, column: str, days: Mapping[str, pd.Series], longest: int, what: str) -> list[Finding]:
    """Quiet stretches of a series of trading days that are longer than holidays explain.

    Parameters
    ----------
    days
        Days of each series.
    longest
        Days from one quote to the next that need no explanation.
    """
    gaps = []
    for name, series in sorted(days.items()):
        held = pd.Series(pd.DatetimeIndex(series.dropna().unique()).sort_values())
        wide = held.diff().dt.days > longest
        gaps += [f"{name} {held[i - 1].date()} to {held[i].date()}".strip() for i in held.index[wide]]
    if not gaps:
        return []
    told = f"{counted(len(gaps), 'stretch')} of more than {longest} days without {what}"
    return [Finding("warning", key, column, some(gaps), told, "Add the days, or make sure that there was no quote.")]


def repeats_between_files(quarantine: pd.DataFrame, keys: Mapping[str, str]) -> list[Finding]:
    """Rows of one file that another file of the same input has too: overlapping periods.

    Parameters
    ----------
    quarantine
        Table ``quarantine``; the readers name the file whose row stays.
    keys
        Input of the quarantine -> configuration key.
    """
    pairs: dict[tuple[str, str, str], int] = {}
    for name, file, reason in zip(quarantine["input"], quarantine["file"], quarantine["reason"], strict=True):
        match = _STAYS.search(reason)
        if match and match["file"] != file:
            pair = (name, file, match["file"])
            pairs[pair] = pairs.get(pair, 0) + 1
    remedy = "Let the files join without overlap, or give later versions a later known_at."
    return [
        Finding(
            "warning",
            keys.get(name, name),
            "",
            other,
            f"{counted(n, 'row')} of this file repeat rows of another",
            remedy,
            file,
        )
        for (name, file, other), n in sorted(pairs.items())
    ]


def common_period(spans: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """The months that all inputs have; spans are first and last month, ``YYYY-MM``, by configuration key."""
    if len(spans) < 2:
        return []
    first_key, first = max(((k, s[0]) for k, s in spans.items()), key=lambda e: e[1])
    last_key, last = min(((k, s[1]) for k, s in spans.items()), key=lambda e: e[1])
    names = ", ".join(spans)
    if first > last:
        told = "no month is common to them: the one begins after the other has ended"
        value = f"{first_key} from {first}, {last_key} to {last}"
        return [Finding("warning", names, "", value, told, "Check the dates and the periods of these inputs.")]
    count = Month.parse(last) - Month.parse(first) + 1
    told = f"common period of these inputs, begun by {first_key}, ended by {last_key}"
    return [Finding("note", names, "", f"{first} to {last}, {counted(count, 'month')}", told, "")]


def dates_of_the_register(register: pd.DataFrame, blocks: pd.DataFrame, as_of: dt.date) -> list[Finding]:
    """Palms planted after the valuation date, and tenure that has ended before it."""
    day, found = pd.Timestamp(as_of), []
    for key, frame, column in (
        ("portfolio.register", register, "plantation_id"),
        ("portfolio.blocks", blocks, "block_id"),
    ):
        late = frame[frame["planted_date"] > day]
        if len(late):
            shown = some(f"{i} {d.date()}" for i, d in zip(late[column], late["planted_date"], strict=True))
            noun = "plantation" if column == "plantation_id" else "block"
            told = f"{counted(len(late), noun)} planted after the valuation date {as_of}"
            found.append(
                Finding("warning", key, "planted_date", shown, told, "Check the date, or value at a later one.")
            )
    over = register[register["tenure_end"] < day]
    if len(over):
        shown = some(f"{i} {d.date()}" for i, d in zip(over["plantation_id"], over["tenure_end"], strict=True))
        told = f"tenure of {counted(len(over), 'plantation')} ended before {as_of}, so their rights have no value"
        found.append(
            Finding("warning", "portfolio.register", "tenure_end", shown, told, "Check the date, or leave them out.")
        )
    return found


def _from(lost: Sequence[str]) -> str:
    """Missing months in few words: ``2021-03``, or ``2021-03 and 4 more``."""
    return lost[0] + (f" and {len(lost) - 1} more" if len(lost) > 1 else "")
