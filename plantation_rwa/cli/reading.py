"""The command ``signals``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import result, say, table
from plantation_rwa.errors import SourceError
from plantation_rwa.features.report_facts import facts_of
from plantation_rwa.features.report_grammar import Grammar
from plantation_rwa.features.report_scores import KEY, Told, labelled, read_facts, scores
from plantation_rwa.features.report_signals import document_of
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.reports import read_reports

_DOMAIN = (
    "English reports on palm oil, whole sentences and simple tables. A fact is right if quantity, country, period, "
    "value, unit, "
    "direction, measure and basis all are."
)


def signals(paths: list[str], labels: Path | None) -> int:
    """Show the facts of documents, or hold them against labels; see ``plantation-rwa signals --help``."""
    for path in paths:
        if "://" not in path and not Path(path).exists():
            raise SourceError.of(path, "does not exist", "", "Give a document, or a folder of documents.")
    bad = Quarantine()
    documents = read_reports([str(Path(p)) for p in paths], 0, bad)
    aside = bad.frame()
    if len(aside):
        table(
            "not read",
            ["file", "action", "reason", "value"],
            aside[["file", "action", "reason", "value"]].values.tolist(),
        )
    result(not_read=aside[["file", "action", "reason", "value"]])
    if documents.empty and aside.empty:
        say(f"No documents in {', '.join(paths)}: .txt, .md, .html and .pdf are read.")
    read = [document_of(row) for row in documents.itertuples(index=False)]
    if labels is None:
        told: list[dict[str, object]] = []
        for document in read:
            facts, _ = facts_of(document, [Grammar()])
            own = {"doc_id": document.doc_id, "published_at": document.published_at}
            told += [{**own, **vars(f.claim), "words": f.text} for f in facts]
            rows = [[*map(str, _short(vars(f.claim))), " ".join(f.text.split())] for f in facts]
            table(f"\n{document.doc_id}, published {document.published_at}", [*KEY, "words"], rows)
        result(facts=told)
        return 0
    wanted = labelled(_labels(labels, [d.doc_id for d in read]))
    total = sum(len(v) for v in wanted.values())
    say(f"{len(read)} documents, {total} labelled facts. Domain: {_DOMAIN}")
    for title, left_out in (
        ("leave one document out: words that only the document itself has are taken away", True),
        ("all words", False),
    ):
        counted, misses = scores(read_facts(read, leave_one_out=left_out), wanted)
        result(**{"leave_one_out" if left_out else "all_words": counted})
        rows = [
            [
                *(
                    r["quantity"],
                    str(r["right"]),
                    str(r["read"]),
                    _share(r, "precision"),
                    str(r["labels"]),
                    _share(r, "recall"),
                ),
            ]
            for r in counted.to_dict("records")
        ]
        head = ["quantity", "right", "read", "precision (95 %, exact)", "labels", "recall (95 %, exact)"]
        table(f"\n{title}", head, rows, right=["right", "read", "labels"])
        table("\nmisses", ["what", "document", *KEY], [[what, doc, *fact] for what, doc, fact in misses])
    return 0


def _labels(path: Path, known: list[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise SourceError.of(
            path.name, "cannot be read", " ".join(str(error).split())[:200], "Give a CSV of labels."
        ) from None
    missing = [c for c in ("doc_id", *KEY) if c not in frame]
    if missing:
        raise SourceError.of(path.name, f"required column '{missing[0]}' is missing", "", "See docs/inputs.md.")
    strangers = sorted(set(frame["doc_id"]) - set(known))
    if strangers:
        raise SourceError.of(path.name, "labels a document that was not read", strangers[0], "Give its file too.")
    return frame


def _short(values: dict[str, object]) -> Told:
    return tuple("" if values[k] is None else f"{values[k]}" for k in KEY)


def _share(row: dict[str, float], name: str) -> str:
    if pd.isna(row[name]):
        return "none"
    return f"{row[name]:.2f} ({row[f'{name}_lo']:.2f} to {row[f'{name}_hi']:.2f})"
