"""The door: no fact without its words, whoever claims it, whatever the document holds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.features.report_facts import Claim, ClaimRefused, Document, checked, facts_of
from plantation_rwa.features.report_grammar import Grammar
from tests.features.report_documents import document

TEXT = "Palm oil production reached 20.5 million tons in 2024, while stocks fell 3 percent."
REAL = "\n\n".join(p.read_text("utf-8") for p in sorted(Path("data/sample/real/texts").glob("gain-*.md")))


def claim(**changes: object) -> Claim:
    start = TEXT.index("20.5")
    plain = Claim(
        "production",
        (0, len(TEXT)),
        (start, start + 4),
        (start + 5, start + 17),
        Decimal("20500000"),
        "t",
        "MY",
        "2024",
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_a_claim_that_stands_there_passes_with_its_words() -> None:
    fact = checked(document(TEXT), claim())
    assert fact.text == TEXT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": Decimal("21500000")}, "stands there, not"),
        ({"value": Decimal("20.5")}, "stands there, not"),
        ({"unit": "ha"}, "stands there, not"),
        ({"number_at": (TEXT.index("20.5") + 1, TEXT.index("20.5") + 4)}, "no number"),
        ({"number_at": (TEXT.index("20.5"), TEXT.index("20.5") + 2)}, "no number"),
        ({"number_at": None}, "names no place"),
        ({"unit_at": None}, "names no place"),
        ({"at": (0, 20)}, "outside the quote"),
        ({"at": (0, 10_000)}, "quotes no place"),
        ({"at": (-5, 40)}, "quotes no place"),
        ({"at": (30, 30)}, "quotes no place"),
        ({"period": "2019"}, "period"),
        ({"period": "last year"}, "period"),
        ({"quantity": "profit"}, "quantity"),
        ({"quantity": "weather"}, "is not told in t"),
        ({"direction": "sideways"}, "direction"),
        ({"measure": "state"}, "names no place"),
        ({"value": None}, "no number"),
        (
            {"number_at": (TEXT.index("2024"), TEXT.index("2024") + 4), "value": Decimal(2024000000)},
            "not that of the number",
        ),
        (
            {"number_at": (TEXT.index("3 per"), TEXT.index("3 per") + 1), "value": Decimal(3000000)},
            "not that of the number",
        ),
    ],
)
def test_a_claim_that_does_not_stand_there_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ClaimRefused, match=reason):
        checked(document(TEXT), claim(**changes))


def test_what_is_set_aside_is_not_quoted() -> None:
    closed = dataclasses.replace(document(TEXT), aside=((10, 12),))
    with pytest.raises(ClaimRefused, match="not read"):
        checked(closed, claim())
    assert facts_of(closed, [Grammar()]) == ([], [])


class Liar:
    """An extractor that claims what it likes."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = list(claims)

    def claims(self, document: Document) -> Iterable[Claim]:
        return self._claims


def test_another_extractor_goes_through_the_same_door() -> None:
    facts, refused = facts_of(document(TEXT), [Liar([claim(), claim(value=Decimal(99))])])
    assert [f.claim for f in facts] == [claim()]
    assert [r for _, r in refused] == ["20500000.0 t stands there, not 99 t"]


places = st.tuples(st.integers(-3, len(TEXT) + 3), st.integers(-3, len(TEXT) + 3))
claims = st.builds(
    Claim,
    quantity=st.sampled_from(("production", "stocks", "yield", "weather", "none")),
    at=st.just((0, len(TEXT))) | places,
    number_at=st.none() | places,
    unit_at=st.none() | places,
    value=st.none() | st.decimals(0, 1e9, places=1) | st.sampled_from([Decimal(20500000), Decimal(3), Decimal("0.5")]),
    unit=st.sampled_from(("t", "%", "ha", "")),
    period=st.sampled_from(("2024", "1987", "")),
    measure=st.sampled_from(("level", "change", "state")),
)


def stands(text: str, fact_text: str, value: Decimal, unit: str) -> bool:
    """Read independently of the code: the quote holds a number that makes the value, and the unit's word."""
    words = {
        "t": r"t\b|tons?|tonnes?|mt|mmt|kmt|tmt|kt",
        "%": r"%|per\s?cent|pct|\bB\d",
        "ha": "ha|hectare",
        "pp": "point|pp",
    }
    named = words.get(unit, r"\$|usd|rm|myr|idr|rp|eur|€|thb|baht|ringgit|rupiah|dollar|euro|ha|hectare")
    written = [Decimal(n.replace(",", "")) for n in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", fact_text)]
    return (
        fact_text in text
        and re.search(named, fact_text, re.IGNORECASE) is not None
        and any(value == n * 10**k for n in written for k in (0, 3, 6, 9))
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(claims, max_size=6))
def test_no_liar_brings_a_number_that_does_not_stand_there(made: list[Claim]) -> None:
    facts, _ = facts_of(document(TEXT), [Liar(made)])
    for fact in facts:
        assert fact.claim.value is None or stands(TEXT, fact.text, fact.claim.value, fact.claim.unit)


mutations = st.lists(
    st.tuples(
        st.integers(0, len(REAL) - 1),
        st.integers(0, 12),
        st.text(max_size=8)
        | st.sampled_from(["1,2", "20.5", "%", " million tons ", ".", "\n|", "2019/20", "B99", "from ", "to ", "\x00"]),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(REAL) - 1), mutations)
def test_mutated_documents_give_no_number_without_its_words(start: int, edits: list[tuple[int, int, str]]) -> None:
    text = REAL[start : start + 1500]
    for place, gone, put in edits:
        at = place % (len(text) + 1)
        text = text[:at] + put + text[at + gone :]
    facts, refused = facts_of(document(text), [Grammar()])
    assert refused == []
    for fact in facts:
        start, end = fact.claim.at
        assert fact.text == text[start:end]
        assert fact.claim.value is None or stands(text, fact.text, fact.claim.value, fact.claim.unit)


def test_a_half_told_with_two_digits_stands_in_the_document() -> None:
    facts, refused = facts_of(document("Palm oil exports were 7.1 million tonnes in 1H16."), [Grammar()])
    assert [f.claim.period for f in facts] == ["2016-H1"]
    assert refused == []
    # an hour is no half of a year
    facts, refused = facts_of(document("At 1h 16 palm oil exports were 7.1 million tonnes."), [Grammar()])
    assert [f.claim.period for f in facts] == [""]
    assert refused == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_no_text_makes_the_grammar_fail(text: str) -> None:
    facts_of(document(f"palm {text}"), [Grammar()])


@pytest.mark.parametrize(
    ("text", "number", "value"),
    [
        ("Palm oil exports were 19.\u200b4 million tonnes.", "4 million", "4000000"),
        ("Palm oil exports were 1\u00a0600\u00a0000 tonnes.", "000", "0"),
        ("Palm oil exports were -5 million tonnes.", "5 million", "5000000"),
    ],
)
def test_a_part_of_a_number_is_refused_whoever_claims_it(text: str, number: str, value: str) -> None:
    start, unit = text.index(number), text.index("tonnes")
    made = Claim("exports", (0, len(text)), (start, start + len(number)), (unit, unit + 6), Decimal(value), "t")
    with pytest.raises(ClaimRefused, match="no number"):
        checked(document(text), made)
