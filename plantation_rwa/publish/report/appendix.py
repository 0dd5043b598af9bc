"""The back of the page: rejected records, assumptions, inputs, and how the run was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from plantation_rwa.publish.report.grouping import grouped
from plantation_rwa.publish.report.markup import DASH, clean, esc, number, table

_MAX_ROWS = 50
_ACTIONS = ("rejected", "nulled", "repaired")
_HEADER_KEYS = {"portfolio", "as_of", "simulated"}


def quarantine(frame: pd.DataFrame, *, opened: bool = False) -> str:
    """Counts by input and action, then the kinds of records with their reasons and an example of each.

    ``opened``: whether the kinds are shown without being asked for.
    """
    if not len(frame):
        return '<h2 id="quality">Data quality</h2><p class="empty">No record was rejected, nulled or repaired.</p>'
    counts = frame.groupby(["input", "action"], sort=True).size()
    rows = []
    for name in sorted({str(i) for i in frame["input"]}):
        rows.append([esc(name), *(number(counts.get((name, action), 0)) for action in _ACTIONS)])
    if len(rows) > 1:
        totals = (number(int((frame["action"] == action).sum())) for action in _ACTIONS)
        rows.append(["<b>all inputs</b>", *(f"<b>{t}</b>" for t in totals)])
    summary = table(
        ["Input", *(f"{a}<small>records</small>" for a in _ACTIONS)],
        rows,
        numeric=(1, 2, 3),
        label="Records by input and action",
    )
    kinds = grouped(frame)
    columns = ("input", "file", "column", "action", "records", "row", "value", "reason", "plantation_id")
    listed = [
        [DASH if not clean(record[c]) else f"<bdi>{esc(record[c], 200)}</bdi>" for c in columns]
        for record in kinds.head(_MAX_ROWS).to_dict("records")
    ]
    example = "<small>of the first</small>"
    head = [
        *("Input", "File", "Column", "Action", "Records", "Row<small>first</small>"),
        *(f"{name}{example}" for name in ("Value", "Reason", "Plantation")),
    ]
    records = "1 record" if len(frame) == 1 else f"{number(len(frame))} records"
    what = (
        f"The first {_MAX_ROWS} of {number(len(kinds))} kinds of problems in {records}"
        if len(kinds) > _MAX_ROWS
        else f"All {records} by kind of problem"
    )
    kinds_table = table(head, listed, classes="long", numeric=(4, 5), label="Kinds of problems")
    return (
        '<h2 id="quality">Data quality</h2><p class="note">Rejected: the row was left out. '
        "Nulled: the value was left out. "
        f"Repaired: the value was mended as the reason says. Row is the 1-based data row of the file. Every single "
        f"record stands in the table quarantine of this date.</p>{summary}"
        f"<details{' open' if opened else ''}><summary>{what}</summary>{kinds_table}</details>"
    )


def assumptions(frame: pd.DataFrame) -> str:
    """Every business assumption with unit and source."""
    if not len(frame):
        return ""
    rows = [
        [
            f'<span class="mono">{esc(r["key"])}</span>',
            esc(_value(r["value"]), 160),
            esc(r["unit"]) or DASH,
            esc(r["source"], 400),
        ]
        for r in frame.sort_values("key", kind="stable").to_dict("records")
    ]
    body = table(["Assumption", "Value", "Unit", "Source"], rows, classes="long", label="Assumptions")
    title = f"All {len(rows)} assumptions with their sources"
    return f'<h2 id="assumptions">Assumptions</h2><details><summary>{title}</summary>{body}</details>'


def inputs(hashes: Mapping[str, str]) -> str:
    """Every input with its hash."""
    if not hashes:
        return ""
    rows = [[esc(name), f'<span class="mono">{esc(sha)}</span>'] for name, sha in sorted(hashes.items())]
    body = table(["Input", "SHA-256"], rows, classes="long", label="Inputs")
    return f"<h2>Inputs</h2><details><summary>{len(rows)} inputs</summary>{body}</details>"


def footer(meta: Mapping[str, Any]) -> str:
    """How the run was made, and what the page is not."""
    facts = "".join(
        f"<dt>{esc(key.replace('_', ' '))}</dt><dd>{esc(_value(value), 200)}</dd>"
        for key, value in sorted(meta.items())
        if key not in _HEADER_KEYS
    )
    note = (
        "Model output for people who check it, not an offer, advice or a confirmation of land rights. Every figure "
        "stands in the published tables of the same date; the data dictionary explains their columns."
    )
    return f'<footer><div class="in"><p>{note}</p><dl class="facts">{facts}</dl></div></footer>'


def _value(value: Any) -> str:
    return (
        json.dumps(value, sort_keys=True, ensure_ascii=False)
        if isinstance(value, list | dict | tuple)
        else clean(value)
    )
