"""Documents for tests of the report grammar, and their facts in short."""

from __future__ import annotations

import datetime as dt

from plantation_rwa.features.report_facts import Document, Fact, facts_of
from plantation_rwa.features.report_grammar import Grammar

#: quantity, country, period, value, unit, direction, measure, basis
Told = tuple[str, str, str, float | None, str, str, str, str]


def document(text: str, country: str = "MY", published: str = "2025-06-10") -> Document:
    """A document on palm oil."""
    return Document("doc", text, published_at=dt.date.fromisoformat(published), country=country, commodity="palm oil")


def short(fact: Fact) -> Told:
    """A fact without its place."""
    c = fact.claim
    value = None if c.value is None else float(c.value)
    return (c.quantity, c.country, c.period, value, c.unit, c.direction, c.measure, c.basis)


def told(text: str, country: str = "MY", published: str = "2025-06-10") -> list[Told]:
    """Facts of a text in the order of their places."""
    facts, refused = facts_of(document(text, country, published), [Grammar()])
    assert refused == []
    return [short(f) for f in sorted(facts, key=lambda f: f.claim.number_at or f.claim.at)]


def numbers(text: str, country: str = "MY", published: str = "2025-06-10") -> list[Told]:
    """Facts with a number."""
    return [f for f in told(text, country, published) if f[3] is not None]
