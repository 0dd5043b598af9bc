"""Declared areas, countries, documents, titles and names against what was supplied."""

from __future__ import annotations

import datetime as dt

import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.screening.papers import (
    Document,
    Listed,
    Title,
    area_finding,
    country_finding,
    documents_finding,
    names_met,
    plain_name,
    sanctions_finding,
    tenure_finding,
)
from plantation_rwa.screening.rules import Finding

RULES = packaged()
TODAY = dt.date(2026, 5, 31)
HASH, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("declared", "state"),
    [
        (100.0, "pass"),
        (110.0, "pass"),
        (90.0, "pass"),
        (110.1, "more_info"),
        (75.0, "more_info"),
        (125.1, "fail"),
        (74.0, "fail"),
    ],
)
def test_declared_area(declared: float, state: str) -> None:
    found = area_finding("P", declared, 100.0, RULES)
    assert (found.state, found.threshold) == (state, 0.10)
    assert found.measure == pytest.approx(abs(declared - 100) / 100)


def test_an_area_that_nobody_declared_is_not_checked() -> None:
    assert area_finding("P", None, 100.0, RULES).state == "not_checked"
    assert area_finding("P", 3.0, None, RULES).state == "not_checked"


@pytest.mark.parametrize(
    ("inside", "risk", "listed", "state"),
    [
        (None, None, False, "not_checked"),
        (1.0, "standard", True, "pass"),
        (0.99, "low", True, "pass"),
        (0.98, "low", True, "fail"),
        (1.0, "high", True, "more_info"),
        (1.0, None, True, "more_info"),
        (1.0, None, False, "pass"),
        (None, "low", True, "pass"),
    ],
)
def test_country(inside: float | None, risk: str | None, listed: bool, state: str) -> None:
    found = country_finding("P", "MY", inside, risk, listed, RULES)
    assert found.state == state
    assert any("no boundaries" in n for n in found.not_checked) is (inside is None)
    assert any("no list" in n for n in found.not_checked) is not listed


def documents(*given: Document) -> Finding:
    return documents_finding("P", given, TODAY)


def test_documents() -> None:
    good = Document("title", HASH, HASH)
    assert documents().state == "not_checked"
    assert documents(good).state == "pass"
    assert documents(good, Document("permit", HASH, OTHER)).state == "fail"
    assert documents(good, Document("permit", HASH, "", "file is missing")).state == "fail"
    assert documents(good, Document("permit", "", OTHER)).state == "more_info"
    assert documents(Document("permit", HASH, HASH, valid_until=dt.date(2026, 5, 30))).state == "more_info"
    assert documents(Document("permit", HASH, HASH, valid_until=TODAY)).state == "pass"
    assert f"permit: SHA-256 {OTHER} is not the stated {HASH}" in documents(Document("permit", HASH, OTHER)).evidence


def tenure(*titles: Title, supplied: bool = True, sponsor: str = "Sawit Jaya PT") -> Finding:
    return tenure_finding(
        "P", titles, supplied=supplied, tenure_end=dt.date(2040, 1, 1), sponsor=sponsor, as_of=TODAY, assumptions=RULES
    )


def test_titles() -> None:
    def title(holder: str = "PT. Sawit Jaya", begin: int = 2010, end: int | None = 2040) -> Title:
        return Title(f"HGU {begin}", holder, dt.date(begin, 1, 1), None if end is None else dt.date(end, 1, 1))

    assert tenure(supplied=False).state == "not_checked"
    assert tenure().state == "more_info"
    assert tenure(title()).state == "pass"
    assert tenure(title(end=2025)).state == "fail"
    assert tenure(title(begin=2027)).state == "fail"
    assert tenure(title(end=2025), title()).state == "pass"
    assert tenure(title(holder="Somebody Else")).state == "more_info"
    assert tenure(title(end=None)).state == "more_info"
    assert tenure(title(holder="")).state == "more_info"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("Evil Palm Sdn. Bhd.", "fail"),
        ("PT EVIL PALM Tbk", "fail"),
        ("Évil  Pálm", "fail"),
        ("Evil Palms Ltd", "more_info"),
        ("Honest Palm", "pass"),
        ("Sdn Bhd", "pass"),
        ("棕榈有限公司", "fail"),
        ("棕榈", "pass"),
        ("---", "pass"),
    ],
)
def test_names_on_a_list(name: str, state: str) -> None:
    listed = [Listed("Evil Palm Berhad", "list A"), Listed("棕榈有限公司", "list B"), Listed("!!!", "list C")]
    met = names_met([name], listed, RULES)
    found = sanctions_finding("P", {name: "sponsor"}, met, RULES)
    assert found.state == state, found
    assert bool(found.other_id) is (state != "pass")


def test_without_a_list_or_a_name_sanctions_are_not_checked() -> None:
    assert sanctions_finding("P", {"A": "mill"}, None, RULES).state == "not_checked"
    assert sanctions_finding("P", {}, {}, RULES).state == "not_checked"


def test_names_are_compared_without_legal_forms_unless_nothing_is_left() -> None:
    assert plain_name("P.T. Sawit-Jaya (Persero), Tbk.", RULES) == "sawit jaya"
    assert plain_name("PT Sawit Jaya", RULES) == "sawit jaya"
    assert plain_name("Limited", RULES) == "limited"
