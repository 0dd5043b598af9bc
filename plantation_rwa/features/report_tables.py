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
#: longest caption, characters; a longer line before a table is text
CAPTION_MAX = 160
_CHANGE = re.compile(r"\b(?:change|growth|chg|y-o-y|yoy|diff|share|per cent of)", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """A cell and where it stands."""

    start: int
    end: int
    text: str


def table_claims(document: Document, cues: tuple[Cue, ...]) -> Iterator[Claim]:
    """Claims of every table of a document, cell by cell; a cell without period, quantity or unit is none.

    Periods stand in the head and quantities in the first column, or the other way round.
    """
    text = document.text
    for lines in _tables(document):
        head, told = _head(text, lines)
        over = [] if head is None else [_cells(text, lines[told - 1])[0]]
        caption = lines[0]
        if lines[0] not in lines[1:] and caption[1] - caption[0] <= CAPTION_MAX:
            over.append(Cell(*caption, text[slice(*caption)]))
        named = [m for c in over for m in mentions(cues, text, c.start, c.end)]
        nations = {m.name for m in named if m.kind == "country"}
        commodities = {m.name for m in named if m.kind == "commodity"}
        if commodities == {"other"} or len(nations) > 1 or "world" in nations:
            continue
        country = next(iter(nations), document.country)
        if head is None:
            yield from _by_rows(document, cues, lines, over, country)
            continue
        for line in lines[told:]:
            cells = _cells(text, line)
            if not cells:
                continue
            label = mentions(cues, text, cells[0].start, cells[0].end)
            nation = [m for m in label if m.kind == "country"]
            bought = any(re.search(r"\bto\s+$", text[max(cells[0].start, m.start - 4) : m.start]) for m in nation)
            if nation and not any(m.kind == "quantity" for m in label):
                country = nation[0].name
            of_row = nation[0].name if nation else country
            quantity = _one_quantity(label)
            if quantity and of_row != "world" and not bought:
                columns = _columns(text, lines[told - 1], head, cells)
                yield from _row(document, over, columns, cells, quantity, of_row)


def _by_rows(
    document: Document, cues: tuple[Cue, ...], lines: list[Span], over: list[Cell], country: str
) -> Iterator[Claim]:
    """Claims of a table whose rows are periods and whose columns are quantities."""
    text = document.text
    top = next((n for n, line in enumerate(lines) if n and _cells(text, line)), None)
    if top is None:
        return
    heads = _cells(text, lines[top])
    named = [
        "" if _CHANGE.search(c.text) else _one_quantity(mentions(cues, text, c.start, c.end), alone=True) for c in heads
    ]
    for line in lines[top + 1 :]:
        cells = _cells(text, line)
        told = list(periods(text, cells[0].start, cells[0].end)) if cells else []
        if len(cells) != len(heads) or len(told) != 1 or not told[0].text:
            continue
        expected = _EXPECTED.search(cells[0].text) is not None
        for cell, head, quantity in zip(cells[1:], heads[1:], named[1:], strict=True):
            unit_at = _unit(text, None, head, [heads[0], *over])
            if quantity and unit_at is not None:
                start = min(unit_at[0], head.start)
                yield from _claim(
                    document, cell, unit_at, (start, cells[-1].end), quantity, country, told[0].text, expected
                )


def _one_quantity(label: Sequence[Mention], *, alone: bool = False) -> str:
    """The quantity that a label names if it is one of palms, and of no country where it must be alone."""
    quantities = {m.name for m in label if m.kind == "quantity"}
    barred = any(
        m.kind == "other" or (m.kind == "commodity" and m.name == "other") or (alone and m.kind == "country")
        for m in label
    )
    return next(iter(quantities)) if len(quantities) == 1 and not barred else ""


def _columns(
    text: str, line: Span, head: list[tuple[str, bool]], cells: list[Cell]
) -> list[tuple[Cell | None, str, bool]] | None:
    """Cell of the head, period and whether expected for each cell of a row; None where they do not fit."""
    heads: list[Cell | None] = [*_cells(text, line)]
    told = [(c, *h) for c, h in zip(heads, head, strict=True)]
    # the label may have a head of its own or none
    if len(told) == len(cells):
        return told
    return [(None, "", False), *told] if len(told) + 1 == len(cells) else None


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
    over: list[Cell],
    columns: list[tuple[Cell | None, str, bool]] | None,
    cells: list[Cell],
    quantity: str,
    country: str,
) -> Iterator[Claim]:
    if columns is None:
        return
    for cell, (head, period, expected) in zip(cells[1:], columns[1:], strict=True):
        unit_at = _unit(document.text, cells[0], head, over)
        if unit_at is not None and period:
            quote = (min(unit_at[0], cells[0].start), cells[-1].end)
            yield from _claim(document, cell, unit_at, quote, quantity, country, period, expected)


def _claim(
    document: Document,
    cell: Cell,
    unit_at: Span,
    quote: Span,
    quantity: str,
    country: str,
    period: str,
    expected: bool,
) -> Iterator[Claim]:
    """The claim of a cell, none where it is no amount that the quantity can have."""
    number = _NUMBER.fullmatch(cell.text)
    amount = amount_at(document.text, (cell.start, cell.end), unit_at) if number else None
    if amount is None or quote[1] - quote[0] > QUOTE_MAX or amount.unit not in UNITS[quantity]:
        return
    if not in_table(document.text, amount) or (amount.unit == "%" and quantity not in ("OER", "levy", "duty")):
        return
    last, published = last_day(period), document.published_at
    ahead = expected or (last is not None and published is not None and last > published)
    yield Claim(
        quantity=quantity,
        at=quote,
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


def _unit(text: str, label: Cell | None, head: Cell | None, over: Sequence[Cell]) -> Span | None:
    """Where the unit of a cell stands: in the label of its row or the head of its column, else over the table.

    None where label and column name two, or where what stands over the table names several.
    """
    near = [m for c in (label, head) if c is not None for m in _UNIT.finditer(text, c.start, c.end)]
    if near:
        return near[0].span() if len({m[0].lower() for m in near}) == 1 else None
    for cell in over:
        found = list(_UNIT.finditer(text, cell.start, cell.end))
        if found:
            # several units over a table: which row has which is not told
            return found[0].span() if len({m[0].lower() for m in found}) == 1 else None
    return None
