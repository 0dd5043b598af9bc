"""Levies and duties told by trade reports as rows of the fiscal table for a person to accept; none is applied here."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pandas as pd

from plantation_rwa.features.report_periods import periods

#: the columns of the fiscal table first: a row can be moved there as it is
COLUMNS = (
    "schedule", "jurisdiction", "effective_from", "effective_to", "key", "value", "unit", "source", "known_at", "state",
    "in_force", "remark", "doc_id", "start", "end", "text",
)  # fmt: skip
_REFINED = re.compile(r"\b(?:refined|olein|stearin|RBD|products?\s+other|biodiesel|kernel)\b", re.IGNORECASE)
_CRUDE = re.compile(r"\b(?:crude|CPO)\b", re.IGNORECASE)
_TENTATIVE = re.compile(
    r"\b(?:consider|propos|plan(?:s|ned|ning)?\b|(?-i:may)\b|might|could|would|if\b|discuss|stud(?:y|ying)|weigh"
    r"|mull|call|urge"
    r"|suggest|rumou?r|speculat|expected|likely)",
    re.IGNORECASE,
)
_WINDFALL, _CESS = re.compile(r"\bwindfall\b", re.IGNORECASE), re.compile(r"\bcess\b", re.IGNORECASE)
_THRESHOLD = re.compile(r"\b(?:threshold|above|exceed)", re.IGNORECASE)
_STARTS = re.compile(
    r"\b(?:effective|from|starting|beginning|as\s+of|on|since|with\s+effect\s+from|takes?\s+effect"
    r"|in\s+force)\s+(?:from\s+|on\s+)?$",
    re.IGNORECASE,
)
#: what runs when a spreadsheet opens it
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def fiscal_proposals(signals: pd.DataFrame, fiscal: pd.DataFrame) -> pd.DataFrame:
    """Rows for the fiscal table that facts on levies and duties propose.

    Proposed is a rate or amount in force or announced, for crude palm oil, whose day stands in its sentence. What is
    only considered, replaced, of refined products or without a day is not.

    Parameters
    ----------
    signals
        Table ``signals``.
    fiscal
        The fiscal table as known, with ``effective_from``, ``effective_to`` and ``known_at``.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`, the first nine those of the fiscal table; ``state`` is ``new`` (the table has another value, or
        none, for that day) or ``in table``, ``in_force`` the value the table has then, ``remark`` what a person has to
        look at.
    """
    rows = []
    for fact in signals.to_dict("records"):
        if (
            fact["quantity"] not in ("levy", "duty")
            or fact["measure"] != "level"
            or fact["basis"] not in ("actual", "forecast")
        ):
            continue
        row = _row(fact)
        if row is not None:
            rows.append(row | _held_against(row, fiscal))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    keys = ["schedule", "jurisdiction", "effective_from", "key", "value"]
    frame = frame.sort_values([*keys, "known_at", "doc_id", "start"], kind="stable").drop_duplicates(keys)
    return frame.reset_index(drop=True)


def proposals_text(frame: pd.DataFrame) -> str:
    """The proposals as CSV; a cell that a spreadsheet would run begins with an apostrophe."""
    texts = frame.astype("object").map(_inert)
    return str(texts.to_csv(index=False, lineterminator="\n"))


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value


def _row(fact: dict[str, Any]) -> dict[str, Any] | None:
    text, value, unit = str(fact["text"]), float(fact["value"]), str(fact["unit"])
    day = _begins(text, str(fact["period"]))
    if day is None or _TENTATIVE.search(text) or not fact["country"] or _refined(text, value):
        return None
    rule = _rule(fact, text, value, unit)
    if rule is None:
        return None
    schedule, key, amount, told, remark = rule
    place = f"characters {fact['start']} to {fact['end']}"
    return {
        "schedule": schedule,
        "jurisdiction": fact["country"],
        "effective_from": day.isoformat(),
        "effective_to": "",
        "key": key,
        "value": amount,
        "unit": told,
        "source": f"{fact['doc_id']}, published {fact['published_at']}, {place}: {' '.join(text.split())}",
        "known_at": str(fact["known_at"]),
        "remark": remark,
        "doc_id": fact["doc_id"],
        "start": fact["start"],
        "end": fact["end"],
        "text": " ".join(text.split()),
    }


def _begins(text: str, period: str) -> dt.date | None:
    """Day from which a rule holds: a day or month that is told as its beginning, else the day of its period."""
    for p in periods(text, 0, len(text)):
        if _STARTS.search(text[: p.start]) and (day := _first_day(p.text)) is not None:
            return day
    return _first_day(period) if period and period[:4] in text else None


def _first_day(period: str) -> dt.date | None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", period):
        return dt.date.fromisoformat(period)
    return dt.date.fromisoformat(f"{period}-01") if re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])", period) else None


def _refined(text: str, value: float) -> bool:
    """Whether the words behind the number say that it is the rate of refined products, or of none but crude ones."""
    for m in re.finditer(rf"(?<![\d.,]){re.escape(f'{value:g}')}(?![\d.])", text):
        behind = re.split(r",| and ", text[m.end() : m.end() + 60])[0]
        if _CRUDE.search(behind):
            return False
        if _REFINED.search(behind):
            return True
    return _REFINED.search(text) is not None and _CRUDE.search(text) is None


def _rule(fact: dict[str, Any], text: str, value: float, unit: str) -> tuple[str, str, float, str, str] | None:
    """Schedule, key, value, unit and remark."""
    country, share = fact["country"], round(value / 100.0, 9)
    if fact["quantity"] == "levy" and _CESS.search(text) and unit == "MYR/t":
        return "cess", "cpo", value, "MYR per t CPO", ""
    if fact["quantity"] == "levy" and _WINDFALL.search(text):
        if unit == "%":
            return "windfall_levy", "rate", share, "fraction per t FFB", "which state it holds for is not read"
        ok = unit == "MYR/t" and _THRESHOLD.search(text)
        return (
            ("windfall_levy", "threshold_myr_t", value, "MYR per t CPO", "which state it holds for is not read")
            if ok
            else None
        )
    if fact["quantity"] == "levy" and country == "ID":
        if unit == "%":
            return "export_levy", "share_of_hr", share, "fraction of HR-CPO", ""
        if unit == "USD/t":
            return (
                "export_levy",
                "usd_t",
                value,
                "USD per t CPO",
                "a share_of_hr that is in force then wins over it: end that row",
            )
    if (
        fact["quantity"] == "duty"
        and (country, unit) in (("MY", "%"), ("ID", "USD/t"))
        and "import" not in text.lower()
    ):
        told = "the band of the reference price (<=X or >X) is not read: fill in key; a rate of one month is no rule"
        amount = (share, "fraction of the customs value in MYR per t") if unit == "%" else (value, "USD per t CPO")
        return "export_duty", "", *amount, told
    return None


def _held_against(row: dict[str, Any], fiscal: pd.DataFrame) -> dict[str, Any]:
    day = pd.Timestamp(row["effective_from"])
    same = fiscal[
        (fiscal["schedule"] == row["schedule"])
        & (fiscal["jurisdiction"].str.upper() == row["jurisdiction"])
        & (fiscal["key"] == row["key"])
        & (fiscal["effective_from"] <= day + pd.Timedelta(days=31))
        & ~(fiscal["effective_to"] < day)
    ]
    if same.empty:
        return {"state": "new", "in_force": None}
    last = same.sort_values(["effective_from", "known_at"], kind="stable").iloc[-1]
    near = abs((last["effective_from"] - day).days) <= 31 or last["effective_from"] <= day
    found = near and abs(float(last["value"]) - float(row["value"])) < 1e-9
    told = f"; the table has it from {last['effective_from'].date()}" if found else ""
    return {
        "state": "in table" if found else "new",
        "in_force": float(last["value"]),
        "remark": (row["remark"] + told).lstrip("; "),
    }
