"""Periods that a text names: marketing years, months, days, quarters, and those told by their distance."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from plantation_rwa.periods import Month

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NAME = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:19|20)\d\d"
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_ORDINAL = "|".join(_ORDINALS)
_COUNTS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
}
_COUNT = "|".join((*_COUNTS, *(str(n) for n in _COUNTS.values())))
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, 0 if kind in ("month_only", "short") else re.IGNORECASE))
    for kind, pattern in (
        ("days", rf"\b{_NAME}\s+\d{{1,2}}\s*(?:-|–|to)\s*\d{{1,2}}\b|\b\d{{1,2}}\s*(?:-|–|to)\s*\d{{1,2}}\s+{_NAME}"),
        ("days", rf"\bfirst\s+\w+\s+days\s+of\s+{_NAME}|\b(?:FY|fiscal\s+year|financial\s+year)\s?\d{{2,4}}\b"),
        ("iso", rf"(?<![\d-])({_YEAR})-(\d\d)-(\d\d)(?![\d-])"),
        ("mdy", rf"\b({_NAME})\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+({_YEAR})\b"),
        ("dmy", rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+({_NAME})\s+({_YEAR})\b"),
        ("months", rf"\b({_NAME})\s*(?:-|–|to|through|until)\s*({_NAME})\s*,?\s*({_YEAR})\b"),
        ("months", rf"\bbetween\s+({_NAME})\s+and\s+({_NAME})\s*,?\s*({_YEAR})\b"),
        ("first_months", rf"\bfirst\s+({_COUNT})\s+months\s+(?:of\s+)?({_YEAR})\b"),
        ("month", rf"\b({_NAME})[\s,-]+({_YEAR})\b(?!\s*/\s*\d)"),
        ("years", rf"(?<![\d/.,-])({_YEAR})\s*([/–-])\s*(\d\d(?:\d\d)?)\b(?![/.,-]?\d)"),
        ("quarter", rf"\b(?:Q([1-4])|({_ORDINAL})[\s-]+quarter)(?:\s+of|,)?\s+({_YEAR})\b"),
        ("half", rf"\b(?:H([12])|(first|second)\s+half)(?:\s+of|,)?\s+({_YEAR})\b"),
        ("short", r"\b([1-4])(Q|H)\s?(?:20)?(\d\d)\b"),
        ("year", rf"(?<![\d/.,$-])({_YEAR})(?![\d/–-]|[.,]\d|\s*(?:tons?|tonnes?|MT|ha|percent|%)\b)"),
        (
            "relative",
            r"\b(?:(?:a|one)\s+(?:year|month)\s+(?:ago|earlier|before)|(?:the\s+)?(?:same|corresponding)\s+(?:month"
            r"|period)"
            r"(?:\s+(?:of\s+)?(?:last|the\s+previous)\s+year|\s+a\s+year\s+(?:ago|earlier))?"
            r"|(?:the\s+)?(?:last|previous|prior|current|this|next|coming)\s+(?:marketing\s+year|month|year|season"
            r"|quarter)"
            r"|year[\s-]+(?:ago|earlier)|year-on-year|month-on-month)\b",
        ),
        ("day_only", rf"\b({_NAME})\s+(\d{{1,2}})\b(?![.,%]\d|\d|\s*[-–—]+\s|\))"),
        ("day_only", rf"\b(\d{{1,2}})\s+({_NAME})(?!\s*[-–—]+\s|\))"),
        (
            "month_only",
            r"\b(?:January|February|March|April|June|July|August|September|October|November|December)\b"
            r"|(?<=\bof )May\b|(?<=\bin )May\b|(?<=\bfor )May\b|(?<=\bfrom )May\b|(?<=\bend-)May\b"
            r"|\b(?:Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b(?!\.?\s+\d)",
        ),
    )
)


@dataclass(frozen=True)
class Period:
    """A period where it is named.

    Parameters
    ----------
    text
        ``YYYY/YY`` a marketing year, ``YYYY``, ``YYYY-MM``, ``YYYY-MM-DD``, ``YYYY-Qn``, ``YYYY-Hn``,
        ``YYYY-MM/YYYY-MM``; empty where it only tells a distance from another period.
    relative
        The words of a distance, lower case; empty for a period that has a date.
    """

    start: int
    end: int
    text: str
    relative: str = ""


def periods(text: str, start: int, end: int) -> Iterator[Period]:
    """Periods between two places of a text, in their order, none inside another; dates that do not exist are none."""
    taken: list[tuple[int, int]] = []
    found: list[Period] = []
    for kind, pattern in _PATTERNS:
        for m in pattern.finditer(text, start, end):
            if any(m.start() < b and a < m.end() for a, b in taken):
                continue
            taken.append(m.span())
            if kind in ("relative", "month_only", "day_only", "days"):
                found.append(Period(*m.span(), "", " ".join(m[0].lower().split())))
            elif told := _canonical(kind, m):
                found.append(Period(*m.span(), told))
    yield from sorted(found, key=lambda p: p.start)


def resolved(relative: str, published: dt.date | None, base: str, *, ahead: bool = False) -> str:
    """The period that a distance means, from the publication's date or from another period; empty if neither tells.

    Parameters
    ----------
    base
        Period that the sentence speaks of, empty if none.
    ahead
        Whether the sentence looks ahead: a month's name is then the nearest one, else the last one before publication.
    """
    words = relative.removeprefix("the ")
    name = re.sub(r"[\d.\s]", "", words)
    if any(m.startswith(name) for m in MONTHS):
        return "" if published is None else _nearest(name, re.sub(r"\D", "", words), published, ahead=ahead)
    if re.search(r"\d", words) or "days" in words:
        return ""  # part of a month, or a financial year that begins anywhere
    if words in ("last month", "this month", "current month"):
        return "" if published is None else str(Month.of(published) + (-1 if words == "last month" else 0))
    if words in ("last year", "this year", "current year", "next year", "coming year") and "/" not in base:
        step = {"last": -1, "next": 1, "coming": 1}.get(words.split()[0], 0)
        return "" if published is None else str(published.year + step)
    step = {"next": 1, "coming": 1, "current": 0, "this": 0}.get(words.split()[0], -1)
    months = "month" in words and not words.startswith(("same", "corresponding"))
    return shifted(base, step, months=months)


def shifted(period: str, years: int, *, months: bool = False) -> str:
    """A period some years later (or months, of a month); empty if that has no meaning for it."""
    if months:
        return str(Month.parse(period) + years) if re.fullmatch(r"\d{4}-\d\d", period) else ""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", period):
        period = period[:7]
    return re.sub(
        r"\d{4}(/\d\d\b(?!-))?",
        lambda m: f"{int(m[0][:4]) + years:04d}" + (f"/{(int(m[0][5:]) + years) % 100:02d}" if m[1] else ""),
        period,
    )


def last_day(period: str) -> dt.date | None:
    """Last day of a period; a marketing year of palm oil runs from October to September (USDA)."""
    years = [int(y) for y in re.findall(r"\d{4}", period)]
    if not years:
        return None
    if re.fullmatch(r"\d{4}/\d\d", period):
        return dt.date(years[0] + 1, 9, 30)
    if found := re.search(r"-Q([1-4])$", period):
        return Month(years[0], 3 * int(found[1])).last
    if found := re.search(r"-H([12])$", period):
        return Month(years[0], 6 * int(found[1])).last
    if found := re.search(r"(\d{4})-(\d\d)$", period):
        return Month(int(found[1]), int(found[2])).last
    if re.fullmatch(r"\d{4}-\d\d-\d\d", period):
        return dt.date.fromisoformat(period)
    return dt.date(years[0], 12, 31)


def month_number(name: str) -> int:
    """1 to 12 from the name of a month, short or long."""
    return next(n for n, full in enumerate(MONTHS, start=1) if full.startswith(name.lower()[:3]))


def _nearest(name: str, day: str, published: dt.date, *, ahead: bool) -> str:
    number = month_number(name)
    gap = (number - published.month) % 12
    month = Month.of(published) + (gap if gap == 0 or (ahead and gap <= 6) else gap - 12)
    try:
        return dt.date(month.year, number, int(day)).isoformat() if day else str(month)
    except ValueError:
        return ""


def _canonical(kind: str, m: re.Match[str]) -> str:
    if kind in ("iso", "mdy", "dmy"):
        year, month, day = {
            "iso": lambda: (m[1], int(m[2]), m[3]),
            "mdy": lambda: (m[3], month_number(m[1]), m[2]),
            "dmy": lambda: (m[3], month_number(m[2]), m[1]),
        }[kind]()
        try:
            return dt.date(int(year), month, int(day)).isoformat()
        except ValueError:
            return ""
    if kind == "months":
        return f"{m[3]}-{month_number(m[1]):02d}/{m[3]}-{month_number(m[2]):02d}"
    if kind == "first_months":
        return f"{m[2]}-01/{m[2]}-{_COUNTS.get(m[1].lower()) or int(m[1]):02d}"
    if kind == "short":
        return f"20{m[3]}-{m[2].upper()}{m[1]}" if m[2].upper() == "Q" or m[1] in "12" else ""
    if kind == "month":
        return f"{m[2]}-{month_number(m[1]):02d}"
    if kind == "years":
        first, second = int(m[1]), int(m[3])
        follows = second == first + 1 if len(m[3]) == 4 else second == (first + 1) % 100
        return f"{first}/{(first + 1) % 100:02d}" if follows else ""
    if kind == "quarter":
        return f"{m[3]}-Q{m[1] or _ORDINALS[m[2].lower()]}"
    if kind == "half":
        return f"{m[3]}-H{m[1] or _ORDINALS[m[2].lower()]}"
    return m[1]
