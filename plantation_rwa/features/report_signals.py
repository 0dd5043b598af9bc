"""Trade reports as market facts: table ``signals``, one row per fact, each with the words it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from plantation_rwa.features.report_facts import Document, Extractor, Fact, facts_of
from plantation_rwa.features.report_grammar import Grammar

COLUMNS = (
    "doc_id", "published_at", "known_at", "country", "period", "quantity", "value", "unit", "direction", "text",
    "start", "end", "confidence", "measure", "basis",
)  # fmt: skip
_REFUSED = ("doc_id", "file", "known_at", "quantity", "value", "reason")


def document_of(row: Any) -> Document:
    """A document of table ``reports`` of the inputs."""
    return Document(
        doc_id=str(row.doc_id),
        text=str(row.text),
        title=str(row.title),
        published_at=row.published_at,
        country=str(row.country),
        commodity=str(row.commodity),
        aside=tuple(row.aside),
    )


def signals(
    documents: pd.DataFrame, extractors: Sequence[Extractor] = (Grammar(),)
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Facts of documents, and the claims that were refused.

    Every fact, whichever extractor it came from, has passed
    :func:`plantation_rwa.features.report_facts.checked`: its number and unit stand at the quoted place.

    Parameters
    ----------
    documents
        As :func:`plantation_rwa.sources.reports.read_reports` gives them, those known.

    Returns
    -------
    facts
        Columns of table ``signals``.
    refused
        ``doc_id, file, known_at, quantity, value, reason``.
    """
    rows: list[dict[str, Any]] = []
    refused: list[tuple[Any, ...]] = []
    for row in documents.itertuples(index=False):
        document = document_of(row)
        facts, wrong = facts_of(document, extractors)
        rows += [_row(row, fact) for fact in facts]
        refused += [
            (row.doc_id, row.file, row.known_at, c.quantity, "" if c.value is None else f"{c.value} {c.unit}", reason)
            for c, reason in wrong
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(refused, columns=list(_REFUSED))


def _row(document: Any, fact: Fact) -> dict[str, Any]:
    claim = fact.claim
    return {
        "doc_id": document.doc_id,
        "published_at": document.published_at,
        "known_at": document.known_at.date(),
        "country": claim.country,
        "period": claim.period,
        "quantity": claim.quantity,
        "value": None if claim.value is None else float(claim.value),
        "unit": claim.unit,
        "direction": claim.direction,
        "text": fact.text,
        "start": claim.at[0],
        "end": claim.at[1],
        "confidence": claim.confidence,
        "measure": claim.measure,
        "basis": claim.basis,
    }
