"""Numbers with their units where they stand in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

Span = tuple[int, int]

#: number words and letters that multiply what stands before them
_SCALES = {"thousand": 1_000, "million": 1_000_000, "mln": 1_000_000, "mn": 1_000_000, "billion": 10**9, "bn": 10**9}
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,15})(?:\.\d{1,9})?"
_GLUED = "|".join(f"(?<={c})" for c in ("RM", "USD", "IDR", "MYR", "EUR", "THB", "Rp"))
_NUMBER = rf"(?:(?<![\w.,])|{_GLUED})(?<!\d/){_DIGITS}(?![A-LN-Za-ln-z\d]|[.,]\d|/\d)"
_SCALE = r"(?:thousand|million|mln|mn|billion|bn)"
_TONNE = r"(?:metric\s+)?(?:tons?|tonnes?)\b|[Mm][Tt]\b|t\b"
_TONNES = rf"(?:{_TONNE})(?:\s*\(\s*(?:MMT|MT|mt|t|tons?|tonnes?)\s*\))?"
_PER = r"\s*(?:/|\bper\b|\ba\b)\s*"
_FRUIT = r"(?:\s*(?:of\s+)?(?:Fresh\s+Fruit\s+Bunch(?:es)?|FFB|CPO|palm\s+oil|fruit)(?:\s*\(FFB\))?)*"
_HECTARE = r"(?:hectares?|ha)\b"
_MONEY = r"(?:US\s?\$|USD|\$|RM|MYR|IDR|Rp\.?|EUR|€|THB)"
_NAMED = r"(?:US\s+dollars?|dollars?|ringgit|rupiah|euros?|baht|USD|MYR|IDR|EUR|THB)"
#: what money is named by -> ISO 4217
CURRENCIES = {
    "us$": "USD", "usd": "USD", "$": "USD", "usdollar": "USD", "usdollars": "USD", "dollar": "USD", "dollars": "USD",
    "rm": "MYR", "myr": "MYR", "ringgit": "MYR", "idr": "IDR", "rp": "IDR", "rp.": "IDR", "rupiah": "IDR",
    "eur": "EUR", "€": "EUR", "euro": "EUR", "euros": "EUR", "thb": "THB", "baht": "THB",
}  # fmt: skip

#: a unit as it may stand behind a number, and what it is; the first that fits counts
_UNITS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, 0 if name == "Mt" else re.IGNORECASE))
    for name, pattern in (
        ("t/ha", rf"(?:{_SCALE}\s+)?(?:{_TONNES}){_FRUIT}{_PER}{_HECTARE}"),
        ("money", rf"(?:{_SCALE}\s+)?{_NAMED}{_PER}(?:metric\s+ton(?:ne)?|tonne|ton|mt|t|kg|kilogram|kilo)\b"),
        ("pp", r"-?\s*(?:percentage|percent|%)[\s-]*points?\b|\bpp\b"),
        ("%", r"-?(?:%|percent\b|per\s+cent\b|pct\b)"),
        ("ha", rf"(?:{_SCALE}[\s-]+)?{_HECTARE}"),
        ("MMT", r"(?:MMT|mmt)\b"),
        ("KMT", r"(?:KMT|TMT|kt)\b"),
        ("Mt", r"Mt\b"),
        ("t", rf"-?(?:{_SCALE}[\s-]+)?(?:{_TONNES})"),
        ("t", r"m(?:\s+|(?=t))(?:tons?|tonnes?|t)\b"),
    )
)
#: behind a unit: a rate of something else, which is none of these units
_OTHER_RATE = re.compile(
    rf"{_FRUIT}\s*(?:/|\bper\b|\ban?\b)\s*(?!year|annum|yr)(?:acre|month|day|hour|week|capita|person|palm|tree|h\b|d\b"
    r"|barrel|bbl|lb|pound|lit|gallon|bunch|worker)|\s*-?(?:bag|truck|ship|vessel|lorry|car\b)",
    re.IGNORECASE,
)
_BASIS = re.compile(rf"(?:\s*{_SCALE})?{_PER}(metric\s+ton(?:ne)?|tonne|ton|mt|t|kg|kilogram|kilo)\b", re.IGNORECASE)
_CURRENCY = re.compile(rf"(?<![\w$]){_MONEY}\s*$", re.IGNORECASE)
_BLEND = re.compile(r"\b(B)-?(\d{1,3})\b(?![/.,-]?\d)")
_NUMBERS, _DIGITS_ONLY = re.compile(_NUMBER), re.compile(_DIGITS)
_SCALED = re.compile(rf"\s*-?{_SCALE}\b", re.IGNORECASE)
#: groups of three digits with a space or an apostrophe between, which may be one number or two
_SPLIT = re.compile(r"(?<![\d.,])\d{1,3}(?:[ \n\u00a0\u202f\u2009\u2007'’]\d{3})+(?!\d)")
_MINUS = re.compile(r"(?:^|[^\w)%])[-\u2010\u2011\u2013\uff0d]$|\u2212\s?$|\bminus\s$", re.IGNORECASE)
#: between a number and the unit that it shares with the next one, or had from the one before
_TO_NEXT = re.compile(
    rf"\s*(?:-|–|—|to|and|or|,\s*and)\s*(?:(?:over|about|around|nearly|some|{_MONEY})\s*)*", re.IGNORECASE
)
_FROM_BEFORE = re.compile(
    r"\)?(?:\s+(?:in|for|during)\s+(?:[A-Z]\w{1,8}\.?\s+)?\d{4}(?:/\d{2,4})?)?\s*,?\s*\(?(?:which\s+is\s+)?(?:up|down|rising|falling|higher|lower|an?\s+(?:increase|decrease|rise|drop|fall))?"
    r"\s*(?:from|than|compared\s+(?:with|to)|versus|vs\.?|against|over|on)\s+(?:the\s+)?",
    re.IGNORECASE,
)
_PLAIN = re.compile(rf"(?P<number>{_DIGITS})(?:\s*-?(?P<scale>{_SCALE}))?", re.IGNORECASE)
_WEIGHT = r"(?:metric\s+ton(?:ne)?|tonne|ton|mt|t|kg|kilogram|kilo)"
_PRICED = re.compile(
    rf"(?P<sign>{_MONEY})\s*(?:{_DIGITS})?(?:\s*(?P<scale>{_SCALE}))?{_PER}(?P<of>{_WEIGHT})"
    rf"|(?:(?P<scale_name>{_SCALE})\s+)?(?P<name>{_NAMED}){_PER}(?P<of_name>{_WEIGHT})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Amount:
    """A number and its unit, as found.

    Parameters
    ----------
    number_at, unit_at
        Where number and unit stand in the text.
    value
        In ``unit``, powers of ten and kilograms worked in.
    unit
        ``t``, ``ha``, ``t/ha``, ``%``, ``pp`` (percentage points) or a currency per tonne such as ``USD/t``.
    """

    number_at: Span
    unit_at: Span
    value: Decimal
    unit: str

    @property
    def start(self) -> int:
        """First character of the number, or of its currency."""
        around = self.unit_at[0] <= self.number_at[0] < self.unit_at[1]
        return self.unit_at[0] if around else self.number_at[0]

    @property
    def end(self) -> int:
        """Behind the unit where it is beside the number, else behind the number."""
        around = self.unit_at[0] <= self.number_at[0] < self.unit_at[1]
        beside = 0 <= self.unit_at[0] - self.number_at[1] <= 3
        return self.unit_at[1] if around or beside else self.number_at[1]


def read_number(text: str) -> Decimal | None:
    """Value of a text that is a number, with a word such as million behind it or none; None if it is no number."""
    found = _PLAIN.fullmatch(text.strip())
    if found is None:
        return None
    scale = _SCALES[found["scale"].lower()] if found["scale"] else 1
    return Decimal(found["number"].replace(",", "")) * scale


_HEADED = re.compile(r"(?:1,?000|'000|000)\s+(?P<unit>.*)", re.IGNORECASE)


def read_unit(text: str) -> tuple[str, Decimal] | None:
    """Unit that a text is, and the factor to it: ``million MT`` is t and 1,000,000; None if it is no unit.

    Of money the text may hold the number between currency and tonne: ``$1,000/ton`` is USD/t and 1.
    """
    plain = text.strip()
    if plain == "B":
        return "%", Decimal(1)
    headed = _HEADED.fullmatch(plain)  # as tables write it: 1,000 MT
    if headed is not None:
        found = read_unit(headed["unit"])
        return None if found is None else (found[0], found[1] * 1000)
    priced = _money(plain)
    if priced is not None:
        return priced
    for name, pattern in _UNITS:
        if pattern.fullmatch(plain):
            return _meaning(name, plain)
    return None


def amounts(text: str, start: int = 0, end: int | None = None) -> Iterator[Amount]:
    """Numbers with a unit between two places of a text, in their order; a number without a unit is none."""
    stop = len(text) if end is None else end
    numbers = [m.span() for m in _NUMBERS.finditer(text, start, stop)]
    own = {at: unit for at in numbers if (unit := _unit_of(text, at, start, stop)) is not None}
    for n, at in enumerate(numbers):
        number_at, unit_at = at, own.get(at)
        if unit_at is None:
            scaled = _SCALED.match(text, at[1], stop)
            number_at = (at[0], scaled.end()) if scaled else at
            unit_at = _shared(text, number_at, numbers, own, n)
        if unit_at is not None:
            found = amount_at(text, number_at, unit_at)
            if found is not None:
                yield found
    for blend in _BLEND.finditer(text, start, stop):
        yield Amount(blend.span(2), blend.span(1), Decimal(blend[2]), "%")


def amount_at(text: str, number_at: Span, unit_at: Span) -> Amount | None:
    """The amount that stands at two places of a text; None if no number, or no unit, stands there as a whole."""
    blend = text[slice(*unit_at)] == "B"
    whole = (_BLEND.match(text, unit_at[0]) if blend else _NUMBERS.match(text, number_at[0])) is not None
    digits = _DIGITS_ONLY.match(text, number_at[0])
    if not whole or digits is None or (number_at[1] < digits.end()):
        return None
    if any(_unseen(text, *at) for at in (number_at, unit_at)) or (not blend and _in_doubt(text, number_at, unit_at)):
        return None
    value, unit = read_number(text[slice(*number_at)]), read_unit(text[slice(*unit_at)])
    if value is None or unit is None:
        return None
    return Amount(number_at, unit_at, value * unit[1], unit[0])


def joined(text: str, number_at: Span, unit_at: Span) -> bool:
    """Whether a unit is that of a number: beside it, around it, or shared with the number next to it."""
    if unit_at[0] <= number_at[0] and number_at[1] <= unit_at[1]:
        return True
    if unit_at[1] <= number_at[0]:
        between = text[unit_at[1] : number_at[0]]
        return between.strip(" -") == "" or _FROM_BEFORE.fullmatch(between) is not None
    between = text[number_at[1] : unit_at[0]]
    if between.strip(" \t\n-") == "":
        return True
    link = _TO_NEXT.match(between)
    if link is None:
        return False
    rest = _PLAIN.match(between, link.end())
    return rest is not None and between[rest.end() :].strip(" -") == ""


def _unseen(text: str, start: int, end: int) -> bool:
    """Whether a character that has no place of its own stands in or at a stretch: what is read is not what is seen."""
    around = text[max(0, start - 2) : end + 2]
    return not around.isascii() and any(unicodedata.category(c) in ("Cf", "Mn", "Me") for c in around)


def _in_doubt(text: str, number_at: Span, unit_at: Span) -> bool:
    """Whether a number has a minus before it, or is a part of digits that spaces part."""
    first = min(number_at[0], unit_at[0]) if unit_at[0] < number_at[0] < unit_at[0] + 12 else number_at[0]
    if any(_MINUS.search(text[max(0, at - 8) : at]) for at in (first, number_at[0])):
        return True
    around = _SPLIT.finditer(text, max(0, number_at[0] - 24), number_at[1] + 24)
    return any(m.start() < number_at[1] and number_at[0] < m.end() for m in around)


def _unit_of(text: str, at: Span, start: int, stop: int) -> Span | None:
    """Where the unit of a number stands that is beside it; None if none is."""
    before = _CURRENCY.search(text, max(start, at[0] - 8), at[0])
    if before is not None:
        basis = _BASIS.match(text, at[1], stop)
        return (before.start(), basis.end()) if basis is not None else None
    gap = re.compile(r"[ \t\n]*").match(text, at[1], stop)
    place = gap.end() if gap else at[1]
    for _, pattern in _UNITS:
        found = pattern.match(text, place, stop)
        if found is not None:
            return None if _OTHER_RATE.match(text, found.end(), stop) else found.span()
    return None


def _shared(text: str, at: Span, numbers: list[Span], own: dict[Span, Span], n: int) -> Span | None:
    """Unit of the next number where the two are a pair, or of the one before where that is compared with this."""
    if n + 1 < len(numbers):
        after = numbers[n + 1]
        unit = own.get(after)
        if unit is not None and _TO_NEXT.fullmatch(text, at[1], max(at[1], min(after[0], unit[0]))):
            return unit if unit[0] < after[0] or "scale" not in _parts(text, at) else _bare(text, unit)
        if unit is not None and unit[0] < after[0] and _TO_NEXT.fullmatch(text, at[1], after[0]):
            return unit
    # a year may stand between: 20.5 million tons in 2024, up from 19.1
    told = next((k for k in reversed(numbers[max(0, n - 3) : n]) if k in own), None)
    if told is not None and own[told][0] > told[0] and _FROM_BEFORE.fullmatch(text, own[told][1], at[0]):
        return own[told] if "scale" not in _parts(text, at) else _bare(text, own[told])
    return None


def _parts(text: str, at: Span) -> set[str]:
    found = _PLAIN.fullmatch(text, *at)
    return {k for k, v in found.groupdict().items() if v} if found else set()


def _bare(text: str, unit: Span) -> Span:
    """A unit without the word million, which the number has itself."""
    scale = re.compile(rf"-?{_SCALE}[\s-]+", re.IGNORECASE).match(text, *unit)
    return (scale.end(), unit[1]) if scale else unit


def _money(text: str) -> tuple[str, Decimal] | None:
    """Meaning of ``USD 1,000 per ton``, ``$ per kg``, ``ringgit per tonne``."""
    found = _PRICED.fullmatch(text)
    if found is None:
        return None
    name = CURRENCIES[re.sub(r"\s+", "", found["sign"] or found["name"]).lower()]
    factor = Decimal(1000 if (found["of"] or found["of_name"]).lower().startswith("k") else 1)
    word = found["scale"] or found["scale_name"]
    return f"{name}/t", factor * (_SCALES[word.lower()] if word else 1)


def _meaning(name: str, text: str) -> tuple[str, Decimal]:
    if name in ("MMT", "Mt"):
        return "t", Decimal(1_000_000)
    if name == "KMT":
        return "t", Decimal(1_000)
    word = next((w for w in re.findall(r"[a-z]+", text.lower()) if w in _SCALES), None)
    if word is None and re.match(r"m(?:\s|t(?:on|\b))", text) and not re.fullmatch(r"[Mm][Tt]\b.*|mt", text, re.DOTALL):
        word = "million"
    return name, Decimal(_SCALES[word] if word else 1)
