"""What words around a place of a sentence say of it: the country, the period, whether it is denied or expected."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from plantation_rwa.features.report_facts import Document
from plantation_rwa.features.report_periods import Period, last_day
from plantation_rwa.features.report_sentences import Sentence
from plantation_rwa.features.report_words import Mention

_UNLIKE = r"\b(?:compared\s+(?:to|with)|than|from|versus|against|vs\.?|since"
_BEFORE_PERIOD = re.compile(
    rf"{_UNLIKE}|over)\s+(?:(?!to\b)[\w'’-]+\s+){{0,3}}$"
    rf"|{_UNLIKE})\s+(?:(?!to\b)[\w'’$-]+\s+){{0,3}}\S{{0,3}}\d[\d.,]*%?\s*(?:(?!to\b)[\w/]+\s+){{0,5}}$",
    re.IGNORECASE,
)
#: what only dates the telling: data released on
_TOLD_ON = re.compile(
    r"\b(?:said|show(?:s|ed|n)|report(?:s|ed)|releas\w+|publish\w+|data|statement|dated)\b[^,.;]{0,30}$", re.IGNORECASE
)
#: a period in brackets over another figure: (May 2025: 1.77 million)
_IN_BRACKETS = re.compile(r"\s*:")
#: between an amount and the period that it is told for
AFTER = re.compile(
    r"\s*(?:\([^()]{0,40}\)\s*)?(?:,\s*)?(?:(?:for|in|during|of|by|at|on|from|effective|starting)\s+)?(?:the\s+)?(?:end\s+of\s+|end-|full\s+"
    r"|same\s+month\s+(?:in|of)\s+)?(?:marketing\s+year|market\s+year|MY|calendar\s+year|CY|season|crop\s+year)?\s*(?:\(MY\)\s*)?",
    re.IGNORECASE,
)
#: between what is told and the word that says it is only expected
_THEN = re.compile(r"(?:(?!\b(?:which|that|who)\b)[^,;:]){0,40}\s(?:(?:is|are|was|were)\s+)?(?:now\s+|also\s+)?")
_CAUSE = re.compile(r"\b(?:due\s+to|because\s+of|amid|as\s+a\s+result\s+of|thanks\s+to|following)\b", re.IGNORECASE)
_WHAT_IS_SAID = (
    r"(?:decisions?|plans?|proposals?|announcements?|statements?|claims?|reports?|regulations?|decrees?|orders?)"
)
#: what is told is not so, wherever the sentence says it
_FALSE = re.compile(
    r"\b(?:is|are|was|were|be|been|proved?|proven)\s+(?:(?!not\b)\w+\s+)?(?:false|untrue|incorrect|wrong|fake|mistaken"
    r"|withdrawn|retracted|rescinded|annulled|denied|dismissed|refuted|debunked)\b|\b(?:is|are|was|were)\s+not\s+(?:true|correct|the\s+case)\b"
    r"|\b(?:false|untrue|incorrect|wrong|fake|mistaken)(?:ly)?\s+(?:that\b|report|claim|rumou?r|news|said|stat|alleg)"
    r"|\b(?:withdr[ae]w\w*|retract\w*|rescind\w*)\b"
    rf"|\b(?:deny|denie[ds]|dismiss\w*|refut\w+|debunk\w*)\s+(?:\w+\s+){{0,3}}(?:{_WHAT_IS_SAID}|rumou?rs?|news)\b"
    rf"|\b(?:revok|revers|annul|abandon|dropp?|overturn|repeal)\w*\s+(?:\w+\s+){{0,3}}{_WHAT_IS_SAID}\b",
    re.IGNORECASE,
)
_UNREAL = re.compile(r"\b(?:would|could|should)\s+(?:\w+ly\s+|not\s+)?have\b|\bhad\s+it\s+not\b", re.IGNORECASE)
_CARRIES = re.compile(r"(?:This|That|These|It|Its)\b")
_SHIPPED_FROM = re.compile(
    r"\b(?:exports?|exported|shipments?|shipped)\b[^,;.]{0,40}\bfrom\s+(?:the\s+)?$", re.IGNORECASE
)
#: between a rate and the exports that it is laid on
_ON_TO = re.compile(
    r"(?:(?!\b(?:while|whereas|but|and|than|compared|against|versus|with|as|due|because|amid|after|who|which)\b)[^;:])"
    r"{0,120}",
    re.IGNORECASE,
)
_THE_SAME_YEAR = re.compile(r"\bfor\s+the\s+(?:year|period|month|season)\b", re.IGNORECASE)


@dataclass
class Context:
    """What the sentence before spoke of."""

    quantity: str = ""
    country: str = ""
    period: str = ""
    basis: str = ""
    #: the period over the text that a sentence without one can be of, and whether a heading set it
    standing: str = ""
    headed: bool = False
    #: the period last spoken of in so many words, which a distance such as a year earlier is reckoned from
    spoken: str = ""


def carries(sentence: Sentence, before: Context) -> Context:
    """What a sentence takes over from the one before: all of it if it begins with This or It, or tells of the year."""
    text = sentence.text
    speaks_on = _CARRIES.match(text, sentence.start) or _THE_SAME_YEAR.search(text, sentence.start, sentence.end)
    known = before if speaks_on else Context()
    return replace(known, standing=before.standing, headed=before.headed, spoken=before.spoken)


def denied(sentence: Sentence, place: int) -> bool:
    """Whether a denial stands before a place in its clause."""
    if _untrue(sentence, place):
        return True
    start, _ = sentence.clause(place)
    return any(start <= m.start < place for m in sentence.of("denied"))


def _untrue(sentence: Sentence, place: int) -> bool:
    """Whether a sentence says that what it tells is false or withdrawn, or would have been had something else been."""
    _, end = sentence.clause(place)
    return (
        _FALSE.search(sentence.text, sentence.start, sentence.end) is not None
        or _UNREAL.search(sentence.text, sentence.start, end) is not None
    )


def policy_denied(sentence: Sentence, place: int) -> bool:
    """Whether a denial stands anywhere in the clause of a policy: a ban that will not be repeated is none."""
    start, end = sentence.clause(place)
    return any(start <= m.start < end for m in sentence.of("denied"))


def country_of(document: Document, sentence: Sentence, start: int, end: int) -> tuple[str | None, bool]:
    """Country that a place of a sentence speaks of, and whether the sentence names it.

    Behind the place (19 million tons in Malaysia), else the last one before it that is no destination, else the
    document's. None where the sentence speaks of the world.
    """
    named = sentence.of("country")
    text = sentence.text
    for m in named:
        between = text[end : m.start]
        if m.start >= end and re.fullmatch(r"(?:\s*\([^)]*\))?\s+(?:in|from|for)\s+(?:the\s+)?", between):
            return _nation(m), True
    for m in named:
        if m.start >= end and _shipped_from(text, m) and _ON_TO.fullmatch(text, end, m.start):
            return _nation(m), True
    earlier = [m for m in named if m.end <= start and not _is_destination(text, m)]
    if earlier:
        return _nation(earlier[-1]), True
    later = [m for m in named if m.start >= end and re.match(r"['’]s?\b|\s+(?:palm|CPO)", text[m.end : m.end + 8])]
    if later:
        return _nation(later[0]), True
    return document.country, False


def _nation(m: Mention) -> str | None:
    return None if m.name == "world" else m.name


def _shipped_from(text: str, m: Mention) -> bool:
    """Whether a country is the one that exports leave: exports of crude palm oil from Indonesia."""
    return _SHIPPED_FROM.search(text, max(0, m.start - 80), m.start) is not None


def from_a_country(sentence: Sentence, place: int) -> bool:
    """Whether the word at a place is the from of a country: what follows is compared with nothing."""
    told = re.compile(r"from\s+(?:the\s+)?", re.IGNORECASE).match(sentence.text, place)
    return told is not None and any(
        m.start == told.end() and sentence.text[m.end : m.end + 1] not in ("'", "’") for m in sentence.of("country")
    )


def _is_destination(text: str, m: Mention) -> bool:
    return (
        not _shipped_from(text, m)
        and re.search(r"\b(?:to|into|towards?|from|by)\s+(?:the\s+)?$", text[max(0, m.start - 14) : m.start])
        is not None
    )


def based(sentence: Sentence, p: Period) -> bool:
    """Whether a period is only what another one is compared with."""
    if p.relative and p.relative.startswith(("year", "month-on", "a ", "one ", "same", "the same", "corresponding")):
        return True
    lead = sentence.text[max(sentence.start, p.start - 80) : p.start]
    if lead.endswith("(") and _IN_BRACKETS.match(sentence.text, p.end):
        return True
    if re.search(r"\bon\s+(?:\w+day,?\s+)?$", lead) and _TOLD_ON.search(lead[: lead.rindex("on")]):
        return True
    held = _BEFORE_PERIOD.search(lead)
    return held is not None and not from_a_country(sentence, p.start - len(lead) + held.start())


def nearest(free: list[Period], start: int, end: int) -> Period | None:
    """The last period before a place, else the first behind it."""
    earlier = [p for p in free if p.end <= start]
    later = [p for p in free if p.start >= end]
    return earlier[-1] if earlier else later[0] if later else None


def expectation(document: Document, sentence: Sentence, start: int, end: int, period: str) -> str:
    """``forecast`` or ``actual``: by the last word before a place that tells, else by whether the period is over."""
    causes = [m.end() for m in _CAUSE.finditer(sentence.text, sentence.start, start)]
    begin = causes[-1] if causes else sentence.start
    words = [m for m in sentence.of("forecast", "actual", "tentative") if begin <= m.start and m.end <= start]
    behind = any(
        m.start >= end and _THEN.fullmatch(sentence.text[end : m.start]) for m in sentence.of("forecast", "tentative")
    )
    if words:
        return "actual" if words[-1].kind == "actual" and not _perfect(words) else "forecast"
    if behind:
        return "forecast"
    last = last_day(period)
    return (
        "forecast"
        if last is not None and document.published_at is not None and last > document.published_at
        else "actual"
    )


def _perfect(words: list[Mention]) -> bool:
    """Expected to have fallen: the fall is expected all the same."""
    return len(words) > 1 and words[-2].kind != "actual" and words[-1].start - words[-2].end < 12
