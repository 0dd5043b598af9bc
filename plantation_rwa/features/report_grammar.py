"""Facts with a number: which quantity, country and period an amount of a sentence belongs to, and what it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plantation_rwa.features.report_amounts import Amount
from plantation_rwa.features.report_context import (
    AFTER,
    Context,
    based,
    carries,
    country_of,
    denied,
    expectation,
    nearest,
)
from plantation_rwa.features.report_facts import UNITS, Claim, Document
from plantation_rwa.features.report_periods import resolved
from plantation_rwa.features.report_sentences import Sentence, sentences
from plantation_rwa.features.report_states import states
from plantation_rwa.features.report_tables import table_claims
from plantation_rwa.features.report_words import CUES, Cue, Mention

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
    rf"(?:{_ABOUT})*(?:[A-Z]{{2,3}}|\$)?\s*$",
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
_OF_WHAT = re.compile(r"[^,;:.()]{0,60}")
_UP_FROM = re.compile(
    r"\)?(?:\s+(?:in|for|during)\s+(?:MY\s*)?(?:[A-Z]\w{1,8}\.?\s+)?\d{4}(?:/\d{2,4})?)?\s*,?\s*\(?(up|down|higher"
    r"|lower)"
    r"\s+(?:from|than)\b"
)
#: quantities of which a percentage can be the level
_RATES = frozenset({"OER", "levy", "duty", "blending"})


class Grammar:
    """The extractor of this program: deterministic, local, English.

    Parameters
    ----------
    cues
        The words it knows; all of them, or those that an evaluation leaves it.
    """

    def __init__(self, cues: tuple[Cue, ...] = CUES) -> None:
        self._cues = cues

    def claims(self, document: Document) -> Iterator[Claim]:
        """Claims of sentences and of tables in the text; none of a document that never speaks of palms."""
        if (
            re.search(
                r"\bpalms?\b|\bCPO\b|\bFFB\b", f"{document.commodity} {document.title} {document.text}", re.IGNORECASE
            )
            is None
        ):
            return
        yield from table_claims(document, self._cues)
        before = Context()
        for sentence in sentences(document, self._cues):
            made = list(_amount_claims(document, sentence, before))
            yield from made
            yield from states(document, sentence, made, before)
            before = _next_context(made, before)


def _next_context(made: list[Claim], before: Context) -> Context:
    """The newest level or change carries on; a sentence without any leaves the context as it is."""
    told = [c for c in made if c.basis in ("actual", "forecast")]
    return Context(told[-1].quantity, told[-1].country, told[-1].period, told[-1].basis) if told else before


def _amount_claims(document: Document, sentence: Sentence, before: Context) -> Iterator[Claim]:
    made: list[Claim] = []
    for n, amount in enumerate(sentence.amounts):
        claim = _claim(document, sentence, n, amount, before, made)
        if claim is not None:
            made.append(claim)
    yield from _led_by_changes(sentence, made)


def _claim(
    document: Document, sentence: Sentence, n: int, amount: Amount, before: Context, made: list[Claim]
) -> Claim | None:
    if denied(sentence, amount.start):
        return None
    spoken, before = before.period, carries(sentence, before)
    cue = _quantity_cue(sentence, amount)
    quantity = _quantity(sentence, amount, cue) or (before.quantity if cue is None else "")
    if not quantity or amount.unit not in UNITS[quantity]:
        return None
    if not _of_palms(sentence, amount, cue) or _to_a_destination(sentence, amount, cue):
        return None
    basis, old = _standing(sentence, n, amount, quantity)
    measure = _measure(sentence, amount, quantity) if basis == "" else "level"
    direction = _direction(sentence, amount, measure) if basis == "" else ""
    if measure == "" or (measure == "change" and direction == ""):
        return None
    country, country_near = country_of(document, sentence, amount.start, amount.end)
    if country is None:
        return None
    period, period_near = _period(document, sentence, n, basis, before, made, spoken)
    near = (cue is not None) + country_near + period_near
    return Claim(
        quantity=quantity,
        at=(sentence.start, sentence.end),
        number_at=amount.number_at,
        unit_at=amount.unit_at,
        value=amount.value,
        unit=amount.unit,
        country=country,
        period=period if old is None else old,
        direction=direction,
        measure=measure,
        basis=basis
        or (before.basis if cue is None else "")
        or expectation(document, sentence, amount.start, amount.end, period),
        confidence=("low", "low", "medium", "high")[near],
    )


def _quantity_cue(sentence: Sentence, amount: Amount) -> Mention | None:
    """The quantity named right behind an amount (of exports), else the last one before it, else the first behind."""
    named = [m for m in sentence.of("quantity", "other") if m.kind == "other" or _fits(m.name, amount)]
    behind = _OF_WHAT.match(sentence.text, amount.end, sentence.end)
    stop = behind.end() if behind else amount.end
    following = next((a.start for a in sentence.amounts if a.start >= amount.end), sentence.end)
    for m in named:
        if amount.end <= m.start < min(stop, following):
            between = sentence.text[amount.end : m.start]
            if re.match(r"\s*(?:\w+\s+){0,2}(?:of|in)\s", between) and not re.search(
                r"\bper\b|\bas\b|\bon\b|\band\b", between
            ):
                return m
            if re.fullmatch(r"[\s-]*(?:(?:export|CPO|palm|oil|crude)\s+)*", between):
                return m
    earlier = [m for m in named if m.end <= amount.start]
    if earlier:
        return earlier[-1]
    later = [m for m in named if amount.end <= m.start < min(following, amount.end + 80)]
    return later[0] if later else None


def _fits(quantity: str, amount: Amount) -> bool:
    return amount.unit in UNITS.get(quantity, frozenset()) or (amount.unit == "t/ha" and quantity == "production")


def _quantity(sentence: Sentence, amount: Amount, cue: Mention | None) -> str:
    if sentence.text[slice(*amount.unit_at)] == "B":
        return "blending"
    if amount.unit == "t/ha":
        return "" if cue is not None and cue.kind == "other" else "yield"
    return "" if cue is None or cue.kind == "other" else cue.name


def _of_palms(sentence: Sentence, amount: Amount, cue: Mention | None) -> bool:
    """Whether the amount is one of palms: the commodity named behind it or last before it is no other one."""
    named = sentence.of("commodity")
    behind = [
        m
        for m in named
        if m.start >= amount.end
        and re.fullmatch(r"\s*(?:\([^)]*\)\s*)?(?:of|in)\s+(?:[\w'’]+\s+){0,2}", sentence.text[amount.end : m.start])
    ]
    if behind:
        return behind[0].name == "palm"
    earlier = [m for m in named if m.end <= amount.start]
    if cue is not None and cue.start > amount.end:
        earlier = [m for m in named if m.start < cue.start]
    return not earlier or _covering(earlier) == "palm"


def _covering(named: list[Mention]) -> str:
    """The last commodity, the longer one where two overlap: palm kernel oil is no palm oil."""
    last = named[-1]
    return max((m for m in named if m.end > last.start), key=lambda m: m.end - m.start).name


def _to_a_destination(sentence: Sentence, amount: Amount, cue: Mention | None) -> bool:
    """Whether an amount of exports is only that of one destination."""
    if cue is None or cue.name != "exports":
        return False
    low, high = sorted((cue.end, amount.start))
    stop = min(sentence.clause(amount.end)[1], amount.end + 30)
    for m in sentence.of("country"):
        inside = low <= m.start < high or amount.end <= m.start < stop
        if inside and re.search(r"\b(?:to|into)\s+(?:the\s+)?$", sentence.text[max(0, m.start - 12) : m.start]):
            return True
    return False


def _standing(sentence: Sentence, n: int, amount: Amount, quantity: str) -> tuple[str, str | None]:
    """Whether an amount is only what another is held against, or one that no longer holds; and its period if told so.

    Returns
    -------
    basis, period
        Empty basis for an amount in its own right; period None where the usual rules find it.
    """
    text, all_amounts = sentence.text, sentence.amounts
    since = all_amounts[n - 1].end if n else sentence.start
    lead = text[max(since, amount.start - 90) : amount.start]
    if _OLD.search(lead):
        return "superseded", None
    against = _AGAINST.search(lead)
    if against is None:
        return "", None
    paired = n + 1 < len(all_amounts) and re.fullmatch(
        r"\s*(?:,\s*)?(?:million\s+)?(?:tons?\s+)?to\s+(?:[A-Z]{0,3}\$?\s*)?",
        text[amount.number_at[1] : all_amounts[n + 1].start],
    )
    unit_gap = n + 1 < len(all_amounts) and re.fullmatch(
        r"\s*,?\s*to\s+\S{0,4}\s*", text[amount.end : all_amounts[n + 1].start]
    )
    replaced = quantity in _RATES or _REVISED.search(text, sentence.start, sentence.end) is not None
    if against[0].lower().startswith("from") and (paired or unit_gap):
        return ("superseded", None) if replaced else ("comparison", "")
    if quantity in _RATES and against[0].lower().startswith("from"):
        return "superseded", None
    if re.search(r"\b(?:estimate|forecast|projection)s?\b", against[0], re.IGNORECASE):
        return "superseded", None
    return "comparison", None


def _measure(sentence: Sentence, amount: Amount, quantity: str) -> str:
    """``level``, ``change``, or empty for a percentage that is neither."""
    text = sentence.text
    lead = text[sentence.start : amount.start]
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
    if amount.unit != "%" or quantity in _RATES:
        return "level"
    # the share of a quantity is no change of it
    return (
        "change"
        if moved and moved[-1].start >= sentence.clause(amount.start)[0] and not re.search(r"\bof\s*$", lead[-4:])
        else ""
    )


def _direction(sentence: Sentence, amount: Amount, measure: str) -> str:
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


def _period(
    document: Document, sentence: Sentence, n: int, basis: str, before: Context, made: list[Claim], spoken: str
) -> tuple[str, bool]:
    """Period of an amount and whether the sentence names it beside the amount or for the whole sentence."""
    amount, all_amounts = sentence.amounts[n], sentence.amounts
    following = all_amounts[n + 1].start if n + 1 < len(all_amounts) else sentence.end
    main = next((c.period for c in reversed(made) if c.basis in ("actual", "forecast")), before.period)
    for p in sentence.periods:
        if amount.end <= p.start < following and AFTER.fullmatch(sentence.text, amount.end, p.start):
            base = main or next((q.text for q in sentence.periods if q.text), spoken)
            return p.text or resolved(p.relative, document.published_at, base), True
    if basis == "comparison":
        told = [p for p in sentence.periods if p.relative and amount.end <= p.start < following]
        return (resolved(told[0].relative, document.published_at, main), False) if told else ("", False)
    free = [p for p in sentence.periods if not based(sentence, p)]
    chosen = nearest(free, amount.start, amount.end)
    if chosen is not None and chosen.relative and chosen.start - amount.end > 40:
        chosen = None
    if chosen is not None:
        if chosen.text:
            return chosen.text, True
        return resolved(chosen.relative, document.published_at, main or spoken), True
    return (main, False) if made or before.period else ("", False)


def _led_by_changes(sentence: Sentence, made: list[Claim]) -> Iterator[Claim]:
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


def _moved(claim: Claim, direction: str) -> Claim:
    return Claim(**{**vars(claim), "direction": direction})
