"""What a document says, and the one door through which every fact read from it has to pass."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from plantation_rwa.features.report_amounts import Amount, Span, amount_at, joined

QUANTITIES = (
    "production", "exports", "stocks", "yield", "area", "OER", "price", "levy", "duty", "export policy", "blending",
    "weather", "labour",
)  # fmt: skip
#: units a quantity can have; a fact in another one is none
UNITS: dict[str, frozenset[str]] = {
    "production": frozenset({"t", "%"}),
    "exports": frozenset({"t", "%"}),
    "stocks": frozenset({"t", "%"}),
    "yield": frozenset({"t/ha", "%"}),
    "area": frozenset({"ha", "%"}),
    "OER": frozenset({"%", "pp"}),
    "price": frozenset({"%", "USD/t", "MYR/t", "IDR/t", "EUR/t", "THB/t"}),
    "levy": frozenset({"%", "pp", "USD/t", "MYR/t", "IDR/t"}),
    "duty": frozenset({"%", "pp", "USD/t", "MYR/t", "IDR/t"}),
    "export policy": frozenset(),
    "blending": frozenset({"%", "pp"}),
    "weather": frozenset(),
    "labour": frozenset(),
}
DIRECTIONS = ("up", "down", "")
MEASURES = ("level", "change", "state")
BASES = ("actual", "forecast", "superseded", "comparison")
CONFIDENCES = ("high", "medium", "low")
#: longest quote, characters: a whole page is no place
QUOTE_MAX = 1500


@dataclass(frozen=True)
class Document:
    """A document as it was read.

    Parameters
    ----------
    text
        All of it; places are counted in its characters.
    country
        ISO 3166-1 alpha-2 of the country it is about, empty if it does not say.
    commodity
        What it is about by its own account, empty if it does not say.
    aside
        Places that are not read for facts: what stands before the text, other languages, instructions.
    """

    doc_id: str
    text: str
    title: str = ""
    published_at: dt.date | None = None
    country: str = ""
    commodity: str = ""
    aside: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What an extractor says that a document says.

    Parameters
    ----------
    at
        The quote: start, and end behind its last character.
    number_at, unit_at
        Where number and unit stand within the quote; None for a fact without a number.
    value, unit
        What the extractor takes them to be, in the units of :data:`UNITS`; None and empty without a number.
    """

    quantity: str
    at: Span
    number_at: Span | None = None
    unit_at: Span | None = None
    value: Decimal | None = None
    unit: str = ""
    country: str = ""
    period: str = ""
    direction: str = ""
    measure: str = "level"
    basis: str = "actual"
    confidence: str = "low"


@dataclass(frozen=True)
class Fact:
    """A claim that passed :func:`checked`."""

    claim: Claim
    text: str


class Extractor(Protocol):
    """Reads claims out of a document: the grammar of this program, or a language model."""

    def claims(self, document: Document) -> Iterable[Claim]:
        """Claims in any order; what they are worth is decided by :func:`checked`."""
        ...


class ClaimRefused(ValueError):
    """A claim that does not stand in its document; the text says why."""


def checked(document: Document, claim: Claim) -> Fact:
    """The fact that a claim is, if its value and unit stand at the quoted place.

    The number is read again from its place, whole, with the unit that is joined to it there, and both must be what the
    claim says. So must the year of the period stand in the document, or follow from its date.

    Raises
    ------
    ClaimRefused
        With the reason.
    """
    start, end = claim.at
    if not 0 <= start < end <= len(document.text) or end - start > QUOTE_MAX:
        raise ClaimRefused("quotes no place of the document")
    if any(start < b and a < end for a, b in document.aside):
        raise ClaimRefused("quotes what is not read for facts")
    allowed = {
        "quantity": (claim.quantity, QUANTITIES),
        "direction": (claim.direction, DIRECTIONS),
        "measure": (claim.measure, MEASURES),
        "basis": (claim.basis, BASES),
        "confidence": (claim.confidence, CONFIDENCES),
    }
    for name, (given, values) in allowed.items():
        if given not in values:
            raise ClaimRefused(f"{name} '{given}' is not known")
    if claim.value is None:
        if claim.measure != "state" or claim.unit or claim.number_at or claim.unit_at:
            raise ClaimRefused("has a unit or a measure but no number")
    else:
        _check_amount(document.text, claim)
    if not _dated(document, claim.period):
        raise ClaimRefused(f"period '{claim.period}' does not stand in the document")
    return Fact(claim, document.text[start:end])


def facts_of(document: Document, extractors: Sequence[Extractor]) -> tuple[list[Fact], list[tuple[Claim, str]]]:
    """Facts of a document in the order of their places, each once, and the refused claims, with the reason."""
    found: dict[tuple[object, ...], Fact] = {}
    refused = []
    for claim in _claims(document, extractors):
        try:
            fact = checked(document, claim)
        except ClaimRefused as error:
            refused.append((claim, str(error)))
        else:
            found.setdefault(_identity(claim), fact)
    return [found[key] for key in sorted(found, key=repr)], refused


def _claims(document: Document, extractors: Sequence[Extractor]) -> Iterator[Claim]:
    for extractor in extractors:
        yield from extractor.claims(document)


def _identity(claim: Claim) -> tuple[object, ...]:
    value = "" if claim.value is None else str(claim.value.normalize())
    said = (claim.quantity, claim.country, claim.period, value, claim.unit, claim.direction, claim.measure, claim.basis)
    return (f"{claim.at[0]:09d}", f"{claim.at[1]:09d}", *said)


def _check_amount(text: str, claim: Claim) -> None:
    if claim.measure == "state" or claim.number_at is None or claim.unit_at is None:
        raise ClaimRefused("has a value but names no place of its number and unit")
    for a, b in (claim.number_at, claim.unit_at):
        if not claim.at[0] <= a < b <= claim.at[1]:
            raise ClaimRefused("number or unit lies outside the quote")
    standing = amount_at(text, claim.number_at, claim.unit_at)
    if standing is None:
        raise ClaimRefused("no number with a unit stands at the place")
    if (standing.value, standing.unit) != (claim.value, claim.unit):
        raise ClaimRefused(f"{standing.value} {standing.unit} stands there, not {claim.value} {claim.unit}")
    if claim.unit not in UNITS[claim.quantity]:
        raise ClaimRefused(f"{claim.quantity} is not told in {claim.unit}")
    if not (joined(text, claim.number_at, claim.unit_at) or in_table(text, standing)):
        raise ClaimRefused("the unit is not that of the number")


#: a row of a table: cells parted by bars, tabs or two spaces and more
ROW = re.compile(r"[^\n]*(?:\||\t|\S {2,}(?=\S))[^\n]*")


def in_table(text: str, amount: Amount) -> bool:
    """Whether the number is a cell of a table and the unit stands in the label of its row, its head or its caption.

    Between the line of the unit and that of the number lie rows of the table only; a caption may stand over it.
    """
    start = text.rfind("\n", 0, amount.number_at[0]) + 1
    row = ROW.match(text, start)
    if row is None or row.end() < amount.number_at[1]:
        return False
    above = text[text.rfind("\n", 0, amount.unit_at[0]) + 1 : start]
    lines = above.split("\n")[:-1] if above else []
    return amount.unit_at[1] <= amount.number_at[0] and all(not line.strip() or ROW.match(line) for line in lines[1:])


def _dated(document: Document, period: str) -> bool:
    """Whether the years of a period stand in the document or its title, or are those around its date."""
    years = {int(y) for y in re.findall(r"\d{4}", period)}
    if not years:
        return period == ""
    text = f"{document.title} {document.text}"
    written = {int(y) for y in re.findall(r"(?:19|20)\d\d", text)}
    # a quarter or a half is told with two digits: 1H16
    written |= {2000 + int(y) for y in re.findall(r"\b[1-4][QH]\s?(\d\d)\b", text)}
    if document.published_at is not None:
        written.add(document.published_at.year)
    # 'a year earlier' and 'next year' tell a year by its distance from one that is written
    return all(any(abs(year - w) <= 1 for w in written) for year in years)
