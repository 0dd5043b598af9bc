"""Columns of the facts read from trade reports."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, real, text, whole

SIGNAL_FIELDS: tuple[Field, ...] = (
    text("doc_id", "Document: the doc_id it gives itself, or its file name."),
    Field("published_at", "date", "", "Day the document was published, by its metadata or the file beside it."),
    Field("known_at", "date", "", "Day from which the document counts as known: publication and the configured lag."),
    text("country", "Country the fact is about, ISO 3166-1 alpha-2; empty if neither sentence nor document names one."),
    text(
        "period",
        "What the fact is told for: YYYY/YY marketing year, YYYY, YYYY-Hn, YYYY-Qn, YYYY-MM, YYYY-MM/YYYY-MM, "
        "YYYY-MM-DD; "
        "of a levy or duty the day it takes effect; empty if not told.",
    ),
    text(
        "quantity",
        "What is told; of palm oil and its fruit. weather and labour: conditions for production.",
        (
            "production",
            "exports",
            "stocks",
            "yield",
            "area",
            "OER",
            "price",
            "levy",
            "duty",
            "export policy",
            "blending",
            "weather",
            "labour",
        ),
    ),
    real(
        "value",
        "unit of the row",
        "Number as it stands in text, powers of ten and kilograms worked in; null for words.",
        6,
        0.0,
    ),
    text(
        "unit",
        "Unit of value: t, ha, t/ha, % (of a change: of what it was before), pp (percentage points), or currency per "
        "t.",
        ("", "t", "ha", "t/ha", "%", "pp", "USD/t", "MYR/t", "IDR/t", "EUR/t", "THB/t"),
    ),
    text(
        "direction",
        "Movement the words tell: up or down; of weather and labour better or worse, of export policy eased or "
        "tightened; "
        "empty if none.",
        ("", "up", "down"),
    ),
    text("text", "The words: characters start to end of the document's text. Never an instruction to anyone."),
    whole("start", "1", "Place of the first character in the document's text, from 0.", 0),
    whole("end", "1", "Place behind the last character.", 1),
    text(
        "confidence",
        "By rule, no probability. high: quantity, country and period stand in the sentence; medium: one of them is "
        "taken from "
        "around it, or the fact from a table; low: two or more.",
        ("high", "medium", "low"),
    ),
    text(
        "measure",
        "level: the quantity itself; change: by how much; state: words without a number.",
        ("level", "change", "state"),
    ),
    text(
        "basis",
        "actual: measured or in force; forecast: expected, estimated, planned or proposed; superseded: an earlier "
        "forecast or "
        "rate that is replaced in the sentence; comparison: what another value is held against.",
        ("actual", "forecast", "superseded", "comparison"),
    ),
)
