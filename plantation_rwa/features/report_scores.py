"""How well facts are read: precision and recall against labels, with exact intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
from scipy.stats import beta

from plantation_rwa.features.report_facts import QUANTITIES, Document, facts_of
from plantation_rwa.features.report_grammar import Grammar
from plantation_rwa.features.report_words import CUES, attested

#: what makes a fact right: all of it
KEY = ("quantity", "country", "period", "value", "unit", "direction", "measure", "basis")
Told = tuple[str, ...]


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a binomial share (Clopper and Pearson 1934, Biometrika 26); 0 to 1 without trials.

    Parameters
    ----------
    level
        Coverage, at least.
    """
    tail = (1.0 - level) / 2.0
    low = float(beta.ppf(tail, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def read_facts(documents: Sequence[Document], *, leave_one_out: bool) -> dict[str, list[Told]]:
    """Facts of each document as :data:`KEY`.

    Parameters
    ----------
    leave_one_out
        Read each document with the words alone that one of the others has, so that no word serves the only document it
        was taken from. Rules of numbers, units, dates and sentences have nothing to be left out.
    """
    found = {}
    for document in documents:
        others = [d.text for d in documents if d.doc_id != document.doc_id]
        grammar = Grammar(attested(CUES, others)) if leave_one_out else Grammar()
        facts, _ = facts_of(document, [grammar])
        found[document.doc_id] = [_told(vars(f.claim)) for f in facts]
    return found


def labelled(labels: pd.DataFrame) -> dict[str, list[Told]]:
    """Labels of each document as :data:`KEY`; the table holds texts."""
    found: dict[str, list[Told]] = {}
    for row in labels.to_dict("records"):
        value = Decimal(row["value"]) if row["value"] else None
        found.setdefault(str(row["doc_id"]), []).append(_told({**row, "value": value}))
    return found


def scores(
    found: Mapping[str, Sequence[Told]], labels: Mapping[str, Sequence[Told]]
) -> tuple[pd.DataFrame, list[tuple[str, str, Told]]]:
    """Precision and recall per quantity and in all, and every fact that is wrong or missed.

    Returns
    -------
    table
        ``quantity, right, read, precision, precision_lo, precision_hi, labels, recall, recall_lo, recall_hi``;
        intervals of 95 %, facts taken as independent.
    misses
        ``read, not labelled`` or ``labelled, not read``, document, fact.
    """
    right: Counter[str] = Counter()
    read: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    misses: list[tuple[str, str, Told]] = []
    for doc in sorted({*found, *labels}):
        got, want = Counter(found.get(doc, ())), Counter(labels.get(doc, ()))
        for fact, times in got.items():
            read[fact[0]] += times
            right[fact[0]] += min(times, want[fact])
        for fact, times in want.items():
            wanted[fact[0]] += times
        misses += [("read, not labelled", doc, f) for f in sorted((got - want).elements())]
        misses += [("labelled, not read", doc, f) for f in sorted((want - got).elements())]
    rows = [_row(q, right[q], read[q], wanted[q]) for q in QUANTITIES if read[q] or wanted[q]]
    rows.append(_row("all", right.total(), read.total(), wanted.total()))
    return pd.DataFrame(rows), misses


def _row(quantity: str, right: int, read: int, wanted: int) -> dict[str, Any]:
    row: dict[str, Any] = {"quantity": quantity, "right": right, "read": read, "labels": wanted}
    for name, trials in (("precision", read), ("recall", wanted)):
        low, high = clopper_pearson(right, trials)
        row |= {name: right / trials if trials else float("nan"), f"{name}_lo": low, f"{name}_hi": high}
    return row


def _told(values: Mapping[str, Any]) -> Told:
    value = values["value"]
    plain = "" if value is None else format(Decimal(value).normalize(), "f")
    return tuple(plain if name == "value" else str(values[name]) for name in KEY)
