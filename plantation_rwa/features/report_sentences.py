"""A text as sentences, and what each sentence mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from plantation_rwa.features.report_amounts import Amount, Span, amounts
from plantation_rwa.features.report_facts import ROW, Document
from plantation_rwa.features.report_periods import Period, periods
from plantation_rwa.features.report_words import Cue, Mention, mentions

#: longest sentence that is read, characters; what is longer is no sentence
SENTENCE_MAX = 1200
_ABBREVIATION = re.compile(
    r"(?:\b(?:U\.S|U\.N|approx|vs|Mr|Mrs|Dr|No|Nos|Fig|est|ca|incl|e\.g|i\.e|Inc|Ltd|Co|Corp|St|Bhd|Sdn|Rp"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)|\b[A-Z])$"
)
_STOP = re.compile(r"[.!?][\"'”’)]*(?=\s)|\n[ \t]*\n|\n(?=[ \t]*(?:[-*•#>]|\d+[.)])\s)")
_HEADING = re.compile(r"^[ \t]*#[^\n]*\n", re.MULTILINE)
_CLAUSE = re.compile(r"[;:]|,\s+(?:but|while|whereas|although|though|as)\b|\s(?:but|while|whereas|although)\s|,(?=\s)")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a document and what stands in it, places counted in the document's text."""

    text: str
    start: int
    end: int
    cues: tuple[Cue, ...]

    @cached_property
    def amounts(self) -> tuple[Amount, ...]:
        """Numbers with units that are no part of a date."""
        dates = [(p.start, p.end) for p in self.periods if p.text]
        found = amounts(self.text, self.start, self.end)
        return tuple(a for a in found if not any(a.number_at[0] < b and s < a.number_at[1] for s, b in dates))

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        """Periods it names."""
        return tuple(periods(self.text, self.start, self.end))

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """Cues it has."""
        return tuple(mentions(self.cues, self.text, self.start, self.end))

    def of(self, *kinds: str) -> list[Mention]:
        """Mentions of some kinds."""
        return [m for m in self.mentions if m.kind in kinds]

    def clause(self, place: int) -> Span:
        """The stretch between commas, semicolons and joining words that holds a place."""
        breaks = [m.end() for m in _CLAUSE.finditer(self.text, self.start, self.end)]
        before = max((b for b in breaks if b <= place), default=self.start)
        after = min((b for b in breaks if b > place), default=self.end)
        return before, after


def sentences(document: Document, cues: tuple[Cue, ...]) -> Iterator[Sentence]:
    """Sentences of a document, those left out that touch what is set aside, are rows of a table, or are too long."""
    text, aside = document.text, document.aside
    for start, end in spans(text, tuple(end for _, end in aside if text[:end].endswith("\n"))):
        line = text[start:end]
        if end - start > SENTENCE_MAX or any(start < b and a < end for a, b in aside):
            continue
        if all(ROW.fullmatch(part) for part in line.split("\n")):
            continue
        yield Sentence(text, start, end, cues)


def spans(text: str, breaks: tuple[int, ...] = ()) -> Iterator[Span]:
    """Where sentences begin and end, white space around them left out; ``breaks`` end one wherever they fall."""
    stops = {
        m.end()
        for m in _STOP.finditer(text)
        if text[m.start()] != "." or not _ABBREVIATION.search(text, max(0, m.start() - 12), m.start())
    }
    stops |= {m.end() for m in _HEADING.finditer(text)}
    begin = 0
    for end in sorted({*stops, *breaks, len(text)}):
        yield from _trimmed(text, begin, end)
        begin = end


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    left, right = len(piece) - len(piece.lstrip()), len(piece.rstrip())
    if left < right:
        yield start + left, start + right
