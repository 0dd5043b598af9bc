"""Facts with a number: which quantity, country and period an amount of a sentence belongs to, and what it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plantation_rwa.features.report_amounts import Amount
from plantation_rwa.features.report_context import Context, carries, country_of, denied, expectation, policy_denied
from plantation_rwa.features.report_dating import next_context, opening, period_of, unclear
from plantation_rwa.features.report_facts import UNITS, Claim, Document
from plantation_rwa.features.report_periods import periods
from plantation_rwa.features.report_sentences import Sentence, sentences
from plantation_rwa.features.report_standing import direction_of, led_by_changes, measure_of, revised, standing
from plantation_rwa.features.report_states import states
from plantation_rwa.features.report_tables import table_claims
from plantation_rwa.features.report_words import CUES, Cue, Mention

_OF_WHAT = re.compile(r"[^,;:.()]{0,60}")
_OF_THE = re.compile(r"\s*of\s+(?:[\w'’-]+\s+){0,4}")
_POLICY = frozenset({"levy", "duty", "blending"})
#: what speaks of a ladder of rates, whose steps are no level of now
_LADDER = re.compile(
    r"\b(?:brackets?|tiers?|ladder|structure|starts?\s+(?:at|from)|starting\s+(?:at|from)|maximum|minimum|ceiling"
    r"|floor|capped|progressive|sliding|rang(?:e|es|ing)|(?:when|if|where)\s+(?:the\s+)?(?:\w+\s+){0,3}prices?)\b",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"\b(?:between|range\s+(?:of|from|between)|ranging\s+(?:from|between))\s+(?:\S+\s+){0,7}$", re.IGNORECASE
)


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
        before = opening(document, list(periods(document.title, 0, len(document.title))))
        for sentence in sentences(document, self._cues):
            made = list(_amount_claims(document, sentence, before))
            yield from made
            yield from states(document, sentence, made, before)
            before = next_context(document, sentence, made, before)


def _amount_claims(document: Document, sentence: Sentence, before: Context) -> Iterator[Claim]:
    made: list[Claim] = []
    for n, amount in enumerate(sentence.amounts):
        claim = _claim(document, sentence, n, amount, before, made)
        if claim is not None:
            made.append(claim)
    yield from led_by_changes(sentence, made)


def _claim(
    document: Document, sentence: Sentence, n: int, amount: Amount, before: Context, made: list[Claim]
) -> Claim | None:
    if denied(sentence, amount.start):
        return None
    before = carries(sentence, before)
    cue = _quantity_cue(sentence, amount)
    quantity = _quantity(sentence, amount, cue) or (before.quantity if cue is None else "")
    if not quantity or amount.unit not in UNITS[quantity]:
        return None
    if not _of_palms(sentence, amount, cue) or _to_a_destination(sentence, amount, cue):
        return None
    if _is_step(sentence, amount, quantity):
        return None
    if quantity in _POLICY and any(policy_denied(sentence, m.start) for m in (amount, cue) if m is not None):
        return None
    basis = standing(sentence, n, amount, quantity)
    measure = measure_of(sentence, amount, quantity) if basis == "" else "level"
    direction = direction_of(sentence, amount, measure) if basis == "" else ""
    if measure == "" or (measure == "change" and direction == ""):
        return None
    country, country_near = country_of(document, sentence, amount.start, amount.end)
    if country is None:
        return None
    period, period_near = period_of(document, sentence, n, quantity, basis, before, made)
    if unclear(sentence, period, basis):
        return None
    near = (cue is not None) + country_near + period_near
    return Claim(
        quantity=quantity,
        at=(sentence.start, sentence.end),
        number_at=amount.number_at,
        unit_at=amount.unit_at,
        value=amount.value,
        unit=amount.unit,
        country=country,
        period=period,
        direction=direction,
        measure=measure,
        basis=basis
        or (before.basis if cue is None else "")
        or ("forecast" if revised(sentence, amount) else "")
        or expectation(document, sentence, amount.start, amount.end, period),
        confidence=("low", "low", "medium", "high")[near if period else 0],
    )


def _quantity_cue(sentence: Sentence, amount: Amount) -> Mention | None:
    """The quantity named right behind an amount (of exports), else the last one before it, else the first behind."""
    named = [m for m in sentence.of("quantity", "other") if m.kind == "other" or _fits(m.name, amount)]
    if amount.unit == "%":  # a rate of 14 percent of the reference price tells no price
        named = [m for m in named if m.name != "price" or not _OF_THE.fullmatch(sentence.text[amount.end : m.start])]
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


def _is_step(sentence: Sentence, amount: Amount, quantity: str) -> bool:
    """Whether an amount is a step of a ladder of rates, or an end of a range that is told as one."""
    of_rates = quantity in ("levy", "duty") or any(m.name in ("levy", "duty") for m in sentence.of("quantity"))
    if of_rates and _LADDER.search(sentence.text, sentence.start, sentence.end):
        return True
    lead = _RANGE.search(sentence.text, sentence.start, amount.start)
    return lead is not None and not re.search(r"[,;]\s", lead[0])


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
