"""Facts in tables that stand in a text: rows of cells parted by bars, tabs or wide gaps, periods in their head."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plantation_rwa.features.report_amounts import Span, amount_at
from plantation_rwa.features.report_facts import QUOTE_MAX, ROW, UNITS, Claim, Document, in_table
from plantation_rwa.features.report_periods import last_day, periods
from plantation_rwa.features.report_words import Cue, Mention, mentions

#: a unit in a label, a head or a caption of a table
_UNIT = re.compile(
    r"(?:million|thousand)\s+(?:metric\s+)?(?:tons?|tonnes?|MT|t|ha|hectares)\b"
    r"|\b(?:MMT|KMT|TMT)\b|(?<![\d,.])(?:1,?000|'000|000)\s+(?:metric\s+)?(?:MT|tons?|tonnes?|t|ha|hectares?)\b"
    r"|\b(?:metric\s+tons?|tonnes|tons|MT|hectares)\b(?:\s*/\s*ha\b)?|\bt/ha\b|(?<=[(\s])(?:t|ha)(?=[)\s,|])|%|\bpercent\b"
    r"|\b(?:USD|MYR|RM|IDR)\s*(?:/|per)\s*(?:tonne|ton|MT|t|kg)\b",
    re.IGNORECASE,
)
_CELL = re.compile(r"[^|\t\n]+?(?=\s{2,}|[|\t\n]|$)")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_EXPECTED = re.compile(
    r"\b(?:forecast|projected|estimate[ds]?|proj|fcst|outlook)\b|(?<=\d)[fFeE]\b|\(f\)", re.IGNORECASE
)
_CHANGE = re.compile(r"\b(?:change|growth|chg|y-o-y|yoy|diff)", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """A cell and where it stands."""

    start: int
    end: int
    text: str


def table_claims(document: Document, cues: tuple[Cue, ...]) -> Iterator[Claim]:
    """Claims of every table of a document, cell by cell; a cell without period, quantity or unit is none."""
    for lines in _tables(document):
        head, told = _head(document.text, lines)
        if head is None:
            continue
        country = document.country
        for line in lines[told:]:
            cells = _cells(document.text, line)
            if not cells:
                continue
            label = mentions(cues, document.text, cells[0].start, cells[0].end)
            named = [m for m in label if m.kind == "country"]
            country = named[0].name if named else country
            yield from _row(document, lines[0], head, cells, label, country)


def _tables(document: Document) -> Iterator[list[Span]]:
    """Runs of rows, each with the line before it, which may be a caption."""
    text, run, before, at = document.text, [], None, 0
    for line in text.split("\n"):
        span = (at, at + len(line))
        at += len(line) + 1
        if ROW.fullmatch(line) and not any(span[0] < b and a < span[1] for a, b in document.aside):
            run.append(span)
            continue
        if len(run) >= 2:
            yield [before or run[0], *run]
        run, before = [], span if line.strip() else before
    if len(run) >= 2:
        yield [before or run[0], *run]


def _cells(text: str, line: Span) -> list[Cell]:
    found = []
    for m in _CELL.finditer(text, *line):
        piece = m[0].strip()
        if piece and not re.fullmatch(r"[-:=\s]+", piece):
            start = m.start() + m[0].index(piece[0])
            found.append(Cell(start, start + len(piece), piece))
    return found


def _head(text: str, lines: list[Span]) -> tuple[list[tuple[str, bool]] | None, int]:
    """Per column the period and whether it is expected, and which line the rows begin at."""
    for n, line in enumerate(lines[:4]):
        cells = _cells(text, line)
        told = [list(periods(text, c.start, c.end)) for c in cells]
        dated = [bool(p) and bool(p[0].text) for p in told]
        if sum(dated) and n and all(not _NUMBER.fullmatch(c.text) or d for c, d in zip(cells, dated, strict=True)):
            columns = [
                ("" if not d or _CHANGE.search(c.text) else p[0].text, _EXPECTED.search(c.text) is not None)
                for c, p, d in zip(cells, told, dated, strict=True)
            ]
            return columns, n + 1
    return None, 0


def _row(
    document: Document,
    first: Span,
    head: list[tuple[str, bool]],
    cells: list[Cell],
    label: Sequence[Mention],
    country: str,
) -> Iterator[Claim]:
    quantities = [m.name for m in label if m.kind == "quantity"]
    others = [m for m in label if m.kind == "other"]
    foreign = [m for m in label if m.kind == "commodity" and m.name == "other"]
    if len(set(quantities)) != 1 or others or foreign or country == "world":
        return
    unit_at = _unit(document.text, first, head, cells)
    if unit_at is None:
        return
    # the label may have a head of its own or none
    columns = head if len(head) == len(cells) else [("", False), *head]
    if len(columns) != len(cells):
        return
    for cell, (period, expected) in zip(cells[1:], columns[1:], strict=True):
        number = _NUMBER.fullmatch(cell.text)
        start, end = min(unit_at[0], cells[0].start), cells[-1].end
        amount = amount_at(document.text, (cell.start, cell.end), unit_at) if number and period else None
        if amount is None or end - start > QUOTE_MAX or amount.unit not in UNITS[quantities[0]]:
            continue
        if not in_table(document.text, amount) or (amount.unit == "%" and quantities[0] not in ("OER", "levy", "duty")):
            continue
        last, published = last_day(period), document.published_at
        ahead = expected or (last is not None and published is not None and last > published)
        yield Claim(
            quantity=quantities[0],
            at=(start, end),
            number_at=amount.number_at,
            unit_at=amount.unit_at,
            value=amount.value,
            unit=amount.unit,
            country=country,
            period=period,
            measure="level",
            basis="forecast" if ahead else "actual",
            confidence="medium",
        )


def _unit(text: str, first: Span, head: list[tuple[str, bool]], cells: list[Cell]) -> Span | None:
    """Where the unit of a row stands: in its label, else in what stands over the table down to the row."""
    own = _UNIT.search(text, cells[0].start, cells[0].end)
    if own is not None:
        return own.span()
    over = list(_UNIT.finditer(text, first[0], text.rfind("\n", 0, cells[0].start) + 1))
    # several units over a table: which row has which is not told
    return over[0].span() if len({m[0].lower() for m in over}) == 1 else None
