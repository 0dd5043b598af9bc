"""Evidence behind the values: land screening with what was not checked, and how old the data are."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import FEATURES
from plantation_rwa.publish.report.markup import DASH, clean, esc, number, table
from plantation_rwa.publish.report.view import View, with_yield
from plantation_rwa.publish.report.words import STATES
from plantation_rwa.schema.screening_fields import RULES

_MAX_FINDINGS = 40
_MAX_GAPS = 4
#: kind of record -> column of the features that is null in a month without it
_KINDS = {
    "satellite, clear": FEATURES["ndvi"][0],
    "rain": FEATURES["rain"][0],
    "field sensors": "completeness_sensors",
}


def screening(data: SummaryData) -> str:
    """States by rule, what was found, and what nobody looked at."""
    head = '<h2 id="land">Land</h2>'
    frame = data.screening
    if not len(frame):
        return f'{head}<p class="empty">No land screening was made: whether the land is fit is not known.</p>'
    rows = []
    for rule, what in RULES.items():
        own = frame[frame["rule"] == rule]
        if not len(own):
            continue
        counts = own["state"].value_counts()
        gaps = _gaps(own["not_checked"], len(own))
        cells = [number(int(counts[s])) if s in counts else DASH for s in STATES]
        rows.append([f"<b>{esc(what)}</b><small>{esc(rule)}</small>", *cells, gaps])
    columns = [
        "What was looked at",
        *(f"{w}<small>plantations</small>" for w in STATES.values()),
        "What was not checked",
    ]
    body = table(columns, rows, numeric=(1, 2, 3, 4), classes="long wide-last", label="Land screening by rule")
    note = (
        "Evidence, never a verdict. Nothing found means nothing in what was looked at; the last column says what "
        "nobody looked at, and for how many plantations."
    )
    return f'{head}<p class="note">{note}</p>{body}{_findings(frame)}'


def _gaps(texts: pd.Series, of: int) -> str:
    """The entries of ``not_checked``, the commonest first, with its count where it is not all of them."""
    entries = texts.fillna("").astype("str").str.split("; ").explode()
    counts = entries[entries != ""].value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    counted = [(esc(what, 220), f" <small>({int(n)} of {of})</small>" if n < of else "") for what, n in ranked]
    listed = "".join(f"<li>{what}{count}</li>" for what, count in counted[:_MAX_GAPS])
    more = f"<li>and {len(ranked) - _MAX_GAPS} more</li>" if len(ranked) > _MAX_GAPS else ""
    return f"<ul>{listed}{more}</ul>" if listed else DASH


def _findings(frame: pd.DataFrame) -> str:
    found = frame[frame["state"].isin(["fail", "more_info"])].sort_values(["state", "plantation_id", "rule"])
    if not len(found):
        return ""
    rows = [
        [
            f"<bdi>{esc(r['plantation_id'], 60)}</bdi>",
            esc(r["rule"]),
            esc(STATES[str(r["state"])]),
            esc(r["finding"], 300),
            esc(r.get("confidence")) or DASH,
        ]
        for r in found.head(_MAX_FINDINGS).to_dict("records")
    ]
    body = table(["Plantation", "Rule", "State", "Finding", "Confidence"], rows, classes="long", label="Findings")
    what = (
        f"The first {_MAX_FINDINGS} of {number(len(found))} findings" if len(found) > _MAX_FINDINGS else "All findings"
    )
    return f"<details open><summary>{what}</summary>{body}</details>"


def ages(view: View, data: SummaryData) -> str:
    """The newest record of each kind, its age at the valuation date, and how many plantations have none."""
    head = '<h2 id="ages">Age of the data</h2>'
    as_of = dt.date.fromisoformat(str(data.meta["as_of"]))
    names = {p.name for p in view.plantations}
    rows = []
    rows.append(_age("harvest", with_yield(data.history).dropna(subset=["yield_t_ha"]), as_of, names))
    for kind, column in _KINDS.items():
        own = data.features.iloc[:0]
        if column in data.features:
            own = data.features.dropna(subset=[column])
            # a month of a plantation without sensors is zero per cent complete
            own = own[own[column] > 0] if kind == "field sensors" else own
        rows.append(_age(kind, own, as_of, names))
    settled = [clean(d)[:10] for d in data.curve["settle_date"].dropna()] if "settle_date" in data.curve else []
    if settled:
        day = dt.date.fromisoformat(max(settled))
        rows.append(["futures settlements", day.isoformat(), f"{(as_of - day).days}", DASH, DASH])
    columns = ["Kind", "Newest", "Age<small>days</small>", "Plantations with it", "Plantations without any"]
    body = table(columns, rows, numeric=(2, 3, 4), label="Age of the data by kind")
    note = (
        "A month's record counts as of its last day. The column newest data of the values gives for each right the age "
        "of the oldest of its newest records."
    )
    return f'{head}<p class="note">{note}</p>{body}'


def _age(kind: str, rows: pd.DataFrame, as_of: dt.date, names: set[str]) -> list[str]:
    own = rows[rows["plantation_id"].astype("str").isin(names)]
    if not len(own):
        return [esc(kind), "none", DASH, "0", number(len(names))]
    month = max(str(m) for m in own["month"])
    end = (pd.Period(month, freq="M").end_time).date()
    have = own["plantation_id"].nunique()
    return [esc(kind), esc(month), number(max((as_of - end).days, 0)), number(have), number(len(names) - have)]
