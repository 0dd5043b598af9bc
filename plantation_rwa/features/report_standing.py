"""What an amount is in its sentence: a level or a change, up or down, holding, superseded or only compared with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from plantation_rwa.features.report_amounts import Amount
from plantation_rwa.features.report_context import AFTER, from_a_country
from plantation_rwa.features.report_dating import RATES
from plantation_rwa.features.report_facts import Claim
from plantation_rwa.features.report_sentences import Sentence
from plantation_rwa.features.report_words import Mention

_ABOUT = (
    r"(?:about|around|approximately|nearly|some|over|only|just|almost|as\s+much\s+as|up\s+to|an?|another|roughly)\s+"
)
_MORE_OF = re.compile(
    r"\b(?:increase|rise|decrease|decline|drop|fall|growth|gain|cut|reduction|jump|hike|shortfall|recovery"
    r"|rebound)s?\s+of\s+"
    rf"(?:{_ABOUT})*$|\bby\s+(?:{_ABOUT})*(?:an?\s+)?(?:additional\s+|further\s+)?(?:{_ABOUT})*$"
    rf"|\b(?:additional|extra|further)\s+(?:{_ABOUT})*$",
    re.IGNORECASE,
)
_MORE_AFTER = re.compile(
    r"[\s-]*(?:year-on-year\s+|annual\s+)?(?:increase|decrease|rise|drop|decline|fall|growth|gain|jump|reduction|cut"
    r"|more\b|less\b"
    r"|fewer\b|higher\b|lower\b|up\b|down\b|year-on-year|month-on-month|above\b|below\b)",
    re.IGNORECASE,
)
_MOVED = re.compile(rf"^\s*(?:\w+ly\s+)?(?:{_ABOUT})*$", re.IGNORECASE)
_AGAINST = re.compile(
    r"\b(?:from|compared\s+(?:with|to)|versus|vs\.?|against|than)\s+(?:the\s+|an?\s+)?(?:(?!to\b)[\w'’-]+\s+){0,4}?"
    rf"(?:{_ABOUT})*(?:USD|MYR|RM|IDR|Rp|EUR|THB|US\$|\$)?\s*$",
    re.IGNORECASE,
)
_OLD = re.compile(
    r"\b(?:initial|previous|prior|earlier|last|original|old|former)\s+(?:\w+\s+)?(?:estimate|forecast|projection"
    r"|outlook|figure"
    r"|rate)s?\s+(?:of|at)\s+$",
    re.IGNORECASE,
)
_REVISED = re.compile(
    r"\b(?:revis|reduc|lower|rais|cut|upgrad|downgrad|trim|adjust)\w*\b[^.;]*\b(?:forecast|estimate|projection|outlook)"
    r"|\b(?:forecast|estimate|projection|outlook)s?\b[^.;]*\b(?:revis|reduc|lower|rais|cut|upgrad|downgrad|trim"
    r"|adjust)",
    re.IGNORECASE,
)
_FORECAST_REVISED = re.compile(
    r"\b(?:revis|lower|rais|cut|upgrad|downgrad|trim|slash|lift|nudg)\w*\b[^.;]{0,80}\b(?:forecast|projection|outlook)"
    r"|\b(?:forecast|projection|outlook)s?\b[^.;]{0,80}\b(?:revis|lower|rais|cut|upgrad|downgrad|trim|slash|lift|nudg)",
    re.IGNORECASE,
)
#: a quantity in tonnes that is lowered is one on paper: the estimate of it
_LOWERED = re.compile(
    r"\b(?:is|are)\s+(?:\w+ly\s+)?(?:lowered|raised|revised|cut|trimmed|upgraded|downgraded)\b[^;]*$", re.IGNORECASE
)
#: a bound is no level: prices fell below RM3,900
_BOUND = re.compile(rf"\b(?:below|under|beneath|above|beyond)\s+(?:the\s+)?(?:{_ABOUT})*$", re.IGNORECASE)
#: the figure of another time in brackets: (May 2025: 1.77 million)
_BRACKETED = re.compile(r"\([\w\s'’-]{3,24}:\s*(?:[A-Z]{2,3}|US\$|\$)?\s*$")
_POLL = re.compile(
    r"\b(?:polls?|surveys?|consensus|analysts?['’]?|traders?['’]?|market|expectations?|expected)\b", re.IGNORECASE
)
_TO_THE_CHANGE = re.compile(
    r"[^;.,]{0,60},?\s+(?:(?:or|which\s+(?:is|was))\s+)?(?:up|down|higher|lower|an?\s+\w+\s+of)"
    r"\s+(?:by\s+)?(?:about\s+|around\s+|nearly\s+)?"
    r"|[^;.,]{0,60},\s+(?:or\s+)?(?:about\s+|around\s+|nearly\s+)?"
    r"|[^;.,]{0,30}\s?\((?:up|down|[+-])?\s*",
    re.IGNORECASE,
)
_UP_FROM = re.compile(
    r"\)?(?:\s+(?:in|for|during)\s+(?:MY\s*)?(?:[A-Z]\w{1,8}\.?\s+)?\d{4}(?:/\d{2,4})?)?\s*,?\s*\(?(up|down|higher"
    r"|lower)"
    r"\s+(?:from|than)\b"
)


def standing(sentence: Sentence, n: int, amount: Amount, quantity: str) -> str:
    """Basis of an amount that another is held against, or that no longer holds; empty for one in its own right."""
    text, all_amounts = sentence.text, sentence.amounts
    since = all_amounts[n - 1].end if n else sentence.start
    begin = max(since, amount.start - 90)
    lead = text[begin : amount.start]
    if _OLD.search(lead):
        return "superseded"
    if _BRACKETED.search(lead):
        return "comparison"
    against = _AGAINST.search(lead)
    while against is not None and from_a_country(sentence, begin + against.start()):
        against = _AGAINST.search(lead, against.start() + len("from"))
    if against is None:
        return ""
    if _POLL.search(against[0]):
        return "forecast"
    moved_from = against[0].lower().startswith("from")
    if moved_from and revised(sentence, amount) and not _dated_apart(sentence, n):
        return "superseded"
    paired = n + 1 < len(all_amounts) and re.fullmatch(
        r"\s*(?:,\s*)?(?:million\s+)?(?:tons?\s+)?to\s+(?:[A-Z]{0,3}\$?\s*)?",
        text[amount.number_at[1] : all_amounts[n + 1].start],
    )
    unit_gap = n + 1 < len(all_amounts) and re.fullmatch(
        r"\s*,?\s*to\s+\S{0,4}\s*", text[amount.end : all_amounts[n + 1].start]
    )
    replaced = quantity in RATES or _REVISED.search(text, sentence.start, sentence.end) is not None
    if moved_from and (paired or unit_gap):
        return "superseded" if replaced else "comparison"
    if quantity in RATES and moved_from:
        return "superseded"
    if re.search(r"\b(?:estimate|forecast|projection)s?\b", against[0], re.IGNORECASE):
        return "superseded"
    return "comparison"


def revised(sentence: Sentence, amount: Amount) -> bool:
    """Whether a sentence revises what is expected: a forecast cut to an amount, or stocks that are lowered to it."""
    return amount.unit == "t" and (
        _FORECAST_REVISED.search(sentence.text, sentence.start, sentence.end) is not None
        or _LOWERED.search(sentence.text, sentence.start, amount.start) is not None
    )


def _dated_apart(sentence: Sentence, n: int) -> bool:
    """Whether an amount has a year of its own behind it while the sentence names another."""
    amount = sentence.amounts[n]
    own = [p for p in sentence.periods if AFTER.fullmatch(sentence.text, amount.end, max(amount.end, p.start))]
    return bool(own) and any(p.text != own[0].text for p in sentence.periods)


def measure_of(sentence: Sentence, amount: Amount, quantity: str) -> str:
    """``level``, ``change``, or empty for a bound, and for a percentage that is neither."""
    text = sentence.text
    lead = text[sentence.start : amount.start]
    if _BOUND.search(lead):
        return ""
    if sentence.text[slice(*amount.unit_at)] == "B":
        return "level"
    behind = _MORE_AFTER.match(text, amount.end, sentence.end)
    if _MORE_OF.search(lead) or behind:
        return "change"
    moved = [m for m in sentence.of("up", "down") if m.end <= amount.start]
    if moved and _MOVED.match(text[moved[-1].end : amount.start]):
        return "change"
    if amount.unit == "pp":
        return "change"
    if amount.unit != "%" or quantity in RATES:
        return "level"
    # the share of a quantity is no change of it
    return (
        "change"
        if moved and moved[-1].start >= sentence.clause(amount.start)[0] and not re.search(r"\bof\s*$", lead[-4:])
        else ""
    )


def direction_of(sentence: Sentence, amount: Amount, measure: str) -> str:
    text = sentence.text
    if text[slice(*amount.unit_at)] == "B":
        return ""
    behind = _MORE_AFTER.match(text, amount.end, sentence.end)
    if behind is not None and measure == "change":
        word = next((m for m in sentence.of("up", "down") if amount.end <= m.start < behind.end()), None)
        if word is not None:
            return word.kind
        if behind[0].strip(" -").lower() == "above":
            return "up"
        if behind[0].strip(" -").lower() == "below":
            return "down"
    words = [m for m in sentence.of("up", "down") if m.end <= amount.start and not _named_between(sentence, m, amount)]
    verbs = [m for m in words if _verb_of(text, m, amount, measure)]
    return verbs[-1].kind if verbs else ""


def _named_between(sentence: Sentence, word: Mention, amount: Amount) -> bool:
    """Whether two other quantities are named between a word of movement and an amount."""
    return sum(word.end <= m.start < amount.start for m in sentence.of("quantity", "other")) > 1


def _verb_of(text: str, word: Mention, amount: Amount, measure: str) -> bool:
    """Whether a word of movement is that of the amount: it moves to it, or by it, and nothing else is named between."""
    between = text[word.end : amount.start]
    if measure == "change":
        return len(between) < 70 and ";" not in between
    return len(between) < 130 and re.search(r"\b(?:to|towards)\b", between) is not None and ";" not in between


def led_by_changes(sentence: Sentence, made: list[Claim]) -> Iterator[Claim]:
    """Levels with the direction of the change told behind them, and none that the figure compared with contradicts."""
    led = list(_led(sentence, made))
    for claim, after in zip_longest(led, led[1:]):
        yield _moved(claim, "") if _contradicted(claim, after) else claim


def _led(sentence: Sentence, made: list[Claim]) -> Iterator[Claim]:
    """A level takes the direction of the change told right behind it: to 20.3 million tons, an increase of ..."""
    for n, claim in enumerate(made):
        after = made[n + 1] if n + 1 < len(made) else None
        if claim.measure == "level" and not claim.direction and claim.basis in ("actual", "forecast") and claim.unit_at:
            behind = sentence.text[claim.unit_at[1] : claim.unit_at[1] + 60]
            if (
                after is not None
                and after.measure == "change"
                and re.match(r"\s*(?:\(\w+\)\s*)?,\s+an?\b|\s*,?\s+(?:up|down)\b", behind)
            ):
                yield _moved(claim, after.direction)
                continue
            if (
                after is not None
                and (after.quantity, after.measure) == (claim.quantity, "change")
                and after.number_at is not None
                and after.period == claim.period
                and _TO_THE_CHANGE.fullmatch(sentence.text, claim.unit_at[1], after.number_at[0])
            ):
                yield _moved(claim, after.direction)
                continue
            told = _UP_FROM.match(behind)
            led = re.search(
                r"an?\s+(?:\w+\s+)?(increase|rise|jump|decrease|drop|decline|fall)\s+from\b",
                sentence.text[claim.unit_at[1] : sentence.end],
            )
            if told is not None:
                yield _moved(claim, "up" if told[1] in ("up", "higher") else "down")
                continue
            if led is not None and after is not None and after.basis == "comparison":
                yield _moved(claim, "up" if led[1] in ("increase", "rise", "jump") else "down")
                continue
        yield claim


def _contradicted(claim: Claim, after: Claim | None) -> bool:
    """Whether a level is told to have risen from more, or fallen from less: which word is wrong is not told."""
    if after is None or after.basis not in ("comparison", "superseded") or claim.value is None or after.value is None:
        return False
    if (after.quantity, after.unit, after.country) != (claim.quantity, claim.unit, claim.country):
        return False
    return claim.measure == "level" and claim.direction == ("up" if claim.value < after.value else "down")


def _moved(claim: Claim, direction: str) -> Claim:
    return replace(claim, direction=direction)
