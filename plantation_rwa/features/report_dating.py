"""Which period an amount is told for: its own, its sentence's, or that of a heading or of the sentence before."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plantation_rwa.features.report_context import AFTER, Context, based, nearest
from plantation_rwa.features.report_facts import Claim, Document
from plantation_rwa.features.report_periods import Period, last_day, resolved
from plantation_rwa.features.report_sentences import Sentence

#: quantities whose percentage is a rate that holds from a day on
RATES = frozenset({"OER", "levy", "duty", "blending"})
#: longest heading, words
HEADING_MAX = 14
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NOW = re.compile(
    r"\b(?:stands?|currently|now|today|yesterday|settled|closed|traded|futures|contract)\b", re.IGNORECASE
)
#: a rate or reference price is fixed before it holds
_SET = re.compile(r"\b(?:set|fixed|calculated|determined)\b", re.IGNORECASE)
_WAS_EXPECTED = re.compile(
    r"\bhad\s+(?:been\s+)?(?:expected|forecast|predicted|projected|estimated)\b|\b(?:polls?|surveys?|consensus)\b",
    re.IGNORECASE,
)
_HELD_BY = re.compile(r"(?:['’]s?)?[\s:]*")
_BULLET = re.compile(r"[-*•]\s")


def period_of(
    document: Document, sentence: Sentence, n: int, quantity: str, basis: str, before: Context, made: Sequence[Claim]
) -> tuple[str, bool]:
    """Period of an amount and whether the sentence names it beside the amount or for the whole sentence.

    Parameters
    ----------
    basis
        ``comparison`` or ``superseded`` of an amount that is only held against another, else empty.
    before
        What the sentence carries on from the one before, and the period that stands over it.
    """
    amount, all_amounts = sentence.amounts[n], sentence.amounts
    following = all_amounts[n + 1].start if n + 1 < len(all_amounts) else sentence.end
    main = next((c.period for c in reversed(made) if c.basis in ("actual", "forecast")), before.period)
    over = standing_over(document, sentence, amount.start, before)
    ahead = bool(sentence.of("forecast", "tentative"))
    for p in sentence.periods:
        if amount.end <= p.start < following and AFTER.fullmatch(sentence.text, amount.end, p.start):
            if not basis and based(sentence, p) and not (quantity in RATES and p.text):
                continue
            base = main or next((q.text for q in sentence.periods if q.text), before.spoken) or over
            return p.text or resolved(p.relative, document.published_at, written(document, base), ahead=ahead), True
    if basis == "comparison":
        told = [
            p
            for p in sentence.periods
            if (p.relative and amount.end <= p.start < following)
            or (p.end <= amount.start and _HELD_BY.fullmatch(sentence.text, p.end, amount.start))
        ]
        if not told:
            return "", False
        base = written(document, main or over)
        return told[0].text or resolved(told[0].relative, document.published_at, base), False
    free = [p for p in sentence.periods if not based(sentence, p)]
    chosen = nearest(free, amount.start, amount.end)
    if chosen is not None and chosen.relative and chosen.start - amount.end > 40:
        chosen = None
    if chosen is not None:
        if chosen.text:
            return chosen.text, True
        base = written(document, main or before.spoken or over)
        return resolved(chosen.relative, document.published_at, base, ahead=ahead), True
    if made or before.period:
        return main, False
    return ("", False) if free else (over if quantity not in RATES or before.headed else "", False)


def written(document: Document, period: str) -> str:
    """A period if its years stand in the document or are that of its date, else none: no distance from a distance."""
    years = set(re.findall(r"\d{4}", f"{document.title} {document.text} {document.published_at or ''}"))
    return period if set(re.findall(r"\d{4}", period.split("/")[0])) <= years else ""


def unclear(sentence: Sentence, period: str, basis: str) -> bool:
    """Whether an amount has no period though its sentence names some, or though it is there to be compared with."""
    return not period and (basis == "comparison" or any(not based(sentence, p) for p in sentence.periods))


def standing_over(document: Document, sentence: Sentence, place: int, before: Context) -> str:
    """The period over a sentence that names none itself, if the sentence can be of it; empty if it cannot.

    What is told of now, of a day's trade, or of what is still expected is not of a month that is over; and what is
    measured is not of a year to come.
    """
    period, last, published = before.standing, last_day(before.standing), document.published_at
    if last is None or published is None or _NOW.search(sentence.text, sentence.start, sentence.end):
        return ""
    if _BULLET.match(sentence.text, sentence.start) and not before.headed:
        return ""
    words = [m for m in sentence.of("forecast", "actual", "tentative") if m.end <= place]
    expected = bool(words) and words[-1].kind != "actual"
    if expected and last <= published:
        return period if _WAS_EXPECTED.search(sentence.text, sentence.start, sentence.end) else ""
    measured = bool(words) and not expected and not _SET.search(sentence.text, sentence.start, place)
    return "" if last > published and measured and not before.headed else period


def next_context(document: Document, sentence: Sentence, made: Sequence[Claim], before: Context) -> Context:
    """What the next sentence can carry on: the newest level or change, and the period that now stands over the text.

    A heading sets that period; a sentence of one period sets it, one of several leaves none, as does one that tells of
    another time without a fact.
    """
    told = [c for c in made if c.basis in ("actual", "forecast")]
    standing, headed = before.standing, before.headed
    named = {p.text for p in sentence.periods if p.text and not based(sentence, p)}
    of_facts = {c.period for c in told if c.period}
    one = next(iter(of_facts if of_facts else named), "")
    if of_facts or (named and not told):
        heading = not sentence.amounts and len(sentence.text[sentence.start : sentence.end].split()) <= HEADING_MAX
        if len(of_facts or named) > 1 or (not of_facts and not heading):
            standing, headed = "", False
        elif not _DAY.fullmatch(one) and one != standing:
            standing, headed = one, heading
    if not told:
        return Context(before.quantity, before.country, before.period, before.basis, standing, headed, before.spoken)
    last = told[-1]
    spoken = written(document, last.period)
    return Context(last.quantity, last.country, last.period, last.basis, standing, headed, spoken)


def opening(document: Document, named: Sequence[Period]) -> Context:
    """What stands over the first sentence: the one period that the title names."""
    dated = {p.text for p in named if p.text and not _DAY.fullmatch(p.text)}
    return Context(standing=next(iter(dated)), headed=True) if len(dated) == 1 else Context()
