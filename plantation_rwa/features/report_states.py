"""Facts without a number: higher yields, labour shortages, a drought, an export ban."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from plantation_rwa.features.report_context import (
    AFTER,
    Context,
    based,
    carries,
    country_of,
    denied,
    expectation,
    policy_denied,
)
from plantation_rwa.features.report_facts import Claim, Document
from plantation_rwa.features.report_periods import resolved
from plantation_rwa.features.report_sentences import Sentence
from plantation_rwa.features.report_words import Mention

#: quantities that can be told as more or less without a number
_MOVING = frozenset({"production", "exports", "stocks", "yield", "area", "OER", "price", "levy", "duty"})
#: quantities that are told by what happens, in the order of an ear: the worse counts
_HAPPENING = ("weather", "labour", "export policy")
_LINK = re.compile(
    r"(?:[\w'’-]+\s+){0,3}(?:palm[\s-]oil\s+|CPO\s+|FFB\s+)?(?:production\s+and\s+|exports\s+and\s+|yields?\s+and\s+)?",
    re.IGNORECASE,
)
_JUST_BEFORE = re.compile(r"\s+(?:\w+\s+){0,2}")
_BREAK = re.compile(
    r"[;:,()]|\b(?:because|due\s+to|as\s+a\s+result|on\s+the\s+back|thanks\s+to|by|which|who|that)\b", re.IGNORECASE
)


def states(document: Document, sentence: Sentence, made: Sequence[Claim], before: Context) -> Iterator[Claim]:
    """Claims without a number of a sentence.

    Parameters
    ----------
    made
        Claims with a number of the same sentence: what they tell of a quantity is not told twice.
    before
        What the sentence before spoke of.
    """
    carried = carries(sentence, before)
    told = {c.quantity for c in made}
    for name in _HAPPENING:
        found = _happening(sentence, name)
        if found is not None and not denied(sentence, found[0].start):
            if name == "export policy" and policy_denied(sentence, found[0].start):
                continue
            yield _claim(document, sentence, name, found[0], found[1], carried, before.spoken, happening=True)
    seen: set[str] = set()
    for cue in sentence.of("quantity"):
        if cue.name not in _MOVING or cue.name in told | seen or not _of_palms(sentence, cue):
            continue
        word = _movement(sentence, cue)
        if cue.name in ("levy", "duty") and policy_denied(sentence, cue.start):
            continue
        if word is not None and not denied(sentence, max(word.start, cue.start)):
            seen.add(cue.name)
            yield _claim(document, sentence, cue.name, cue, word.kind, carried, before.spoken, word=word)


def _happening(sentence: Sentence, name: str) -> tuple[Mention, str] | None:
    """What tells of weather, labour or policy in a sentence, and its direction: worse for palms or trade is down."""
    bad = [m for m in sentence.of("bad") if m.name == name]
    good = [m for m in sentence.of("good") if m.name == name]
    if name == "export policy":
        named = [m for m in sentence.of("quantity") if m.name == name]
        if not named:
            return None
        return named[0], "up" if good else "down" if bad else ""
    if good and bad and any(g.start < b.end and b.start < g.end for g in good for b in bad):
        return good[0], "up"
    if bad:
        return bad[0], "down"
    neutral = [m for m in sentence.of("neutral") if m.name == name]
    return (good[0], "up") if good else (neutral[0], "") if neutral else None


def _movement(sentence: Sentence, cue: Mention) -> Mention | None:
    """The word that says a quantity is more or less: before it (higher yields), or behind it (exports will fall)."""
    text, words = sentence.text, sentence.of("up", "down")
    own = [a for a in sentence.amounts if a.unit in ("t", "%", "t/ha", "ha")]
    for m in reversed(words):
        if (
            m.end <= cue.start
            and _LINK.fullmatch(text[m.end : cue.start].lstrip())
            and not _other_between(sentence, m.end, cue)
        ):
            return m
    for m in words:
        between = text[cue.end : m.start]
        if m.start < cue.end or len(between) > 70 or any(cue.end <= a.start < m.start for a in own):
            continue
        if _BREAK.search(between) is None and not _other_behind(sentence, cue, m.start):
            return m
    return None


def _other_between(sentence: Sentence, start: int, cue: Mention) -> bool:
    """Whether the word of movement before a quantity is already that of one that stands between."""
    between = [m for m in sentence.of("quantity", "other") if start <= m.start and m.end <= cue.start]
    return any(
        not re.fullmatch(r"\s*(?:,|and|or)\s+(?:[\w'’-]+\s+){0,1}", sentence.text[m.end : cue.start]) for m in between
    )


def _other_behind(sentence: Sentence, cue: Mention, stop: int) -> bool:
    """Whether another quantity stands between one and the word of movement, that is not joined to it by and."""
    between = [m for m in sentence.of("quantity", "other") if cue.end <= m.start < stop]
    return any(
        not re.fullmatch(r"\s*(?:,|and|or)\s+(?:[\w'’-]+\s+){0,1}", sentence.text[cue.end : m.start]) for m in between
    )


def _of_palms(sentence: Sentence, cue: Mention) -> bool:
    """Whether no other commodity was named last before a quantity."""
    start, _ = sentence.clause(cue.start)
    earlier = [m for m in sentence.of("commodity") if start <= m.start and m.end <= cue.end + 1]
    if not earlier:
        return True
    last = earlier[-1]
    return max((m for m in earlier if m.end > last.start), key=lambda m: m.end - m.start).name == "palm"


def _claim(
    document: Document,
    sentence: Sentence,
    quantity: str,
    cue: Mention,
    direction: str,
    before: Context,
    spoken: str,
    *,
    word: Mention | None = None,
    happening: bool = False,
) -> Claim:
    country, near = country_of(document, sentence, cue.start, cue.end)
    period = _period(document, sentence, cue, before, spoken)
    if happening:
        expected = any(_JUST_BEFORE.fullmatch(sentence.text[m.end : cue.start]) for m in sentence.of("forecast"))
        basis = "forecast" if expected else "actual"
    else:
        basis = _basis(document, sentence, cue, word, period)
    confidence = "high" if near and period else "medium" if near or period else "low"
    return Claim(
        quantity=quantity,
        at=(sentence.start, sentence.end),
        country=country or "",
        period=period,
        direction=direction,
        measure="state",
        basis=basis,
        confidence=confidence,
    )


def _basis(document: Document, sentence: Sentence, cue: Mention, word: Mention | None, period: str) -> str:
    start, end = (cue.start, cue.end) if word is None else (min(cue.start, word.start), max(cue.end, word.end))
    if any(m.start < end and start <= m.start for m in sentence.of("forecast", "tentative")):
        return "forecast"
    if not [m for m in sentence.of("forecast", "actual", "tentative") if m.end <= start]:
        return "actual"
    return expectation(document, sentence, start, sentence.end, period)


def _period(document: Document, sentence: Sentence, cue: Mention, before: Context, spoken: str) -> str:
    """The period nearest to what is told, else what the sentence carries on; a distance without a base is none."""
    own = [p for p in sentence.periods if not based(sentence, p) and not _aside(sentence.text[cue.end : p.start])]
    free = [p for p in own if not _of_an_amount(sentence, p.start)]
    if not free:
        told = own
        alone = told[0] if len(told) == 1 else None
        return before.period if alone is None else alone.text or resolved(alone.relative, document.published_at, spoken)
    near = min(free, key=lambda p: min(abs(p.start - cue.end), abs(cue.start - p.end)))
    if near.text:
        return near.text
    apart = max(near.start - cue.end, cue.start - near.end)
    return resolved(near.relative, document.published_at, spoken) if apart < 60 else ""


def _aside(between: str) -> bool:
    """Whether a period behind a quantity is that of its cause: prices, which peaked in February."""
    return re.search(r"\b(?:as\s+a\s+result\s+of|due\s+to|because)\b.*,\s+which\b", between, re.DOTALL) is not None


def _of_an_amount(sentence: Sentence, place: int) -> bool:
    """Whether the period at a place is told for an amount that stands before it."""
    earlier = [a.end for a in sentence.amounts if a.end <= place]
    return bool(earlier) and AFTER.fullmatch(sentence.text, earlier[-1], place) is not None
