"""The words the grammar knows: which quantity, which country, up or down, expected or measured, and what denies it.

Each entry stands alone, so that an evaluation can take away those that only one document supports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Cue:
    """Words that mean something.

    Parameters
    ----------
    kind
        ``quantity``, ``other`` (a quantity that is none of ours), ``commodity``, ``country``, ``up``, ``down``,
        ``forecast``, ``actual``, ``tentative``, ``denied``, ``good``, ``bad``.
    name
        Which one of its kind.
    pattern
        Regular expression, upper and lower case alike, whole words.
    """

    kind: str
    name: str
    pattern: str


@dataclass(frozen=True)
class Mention:
    """A cue where it stands."""

    start: int
    end: int
    kind: str
    name: str


def _cues(kind: str, words: dict[str, str]) -> tuple[Cue, ...]:
    return tuple(Cue(kind, name, word) for name, several in words.items() for word in several.split(" | "))


_OF = r"(?:of\s+|on\s+)?(?:the\s+)?(?:its\s+)?(?:crude\s+)?(?:palm[\s-]oil\s+|CPO\s+|palm\s+)?"
CUES: tuple[Cue, ...] = (
    *_cues(
        "quantity",
        {
            "production": r"production | output | produc(?:es|ed|e|ing)",
            "exports": r"export(?:s|ed|ing)? | shipments? | shipped",
            "stocks": r"(?:ending\s+|closing\s+|carry-?over\s+)?stocks? | stockpiles? | inventor(?:y|ies)",
            "yield": r"(?:FFB\s+|bunch\s+|fruit\s+|average\s+)?yields?",
            "area": r"(?:harvested|planted|mature|cultivated|plantation)\s+areas? | areas?\s+(?:harvested|planted)"
            r" | acreage | hectarage | (?:were|was|been)\s+planted | planted",
            "OER": r"oil\s+extraction\s+rates? | extraction\s+rates? | OER",
            "price": r"prices? | priced | quoted | traded | futures | settled | benchmark",
            "levy": rf"lev(?:y|ies)\s+on\s+{_OF}(?:exports?|shipments?)"
            r" | (?:export\s+)?lev(?:y|ies) | windfall\s+(?:profit\s+)?(?:levy|tax) | cess | export\s+funds?",
            "duty": rf"(?:duty|duties|tax|taxes)\s+on\s+{_OF}(?:exports?|imports?|shipments?)"
            r" | (?:export|import)\s+(?:duty|duties|tax|taxes|tariffs?) | duty | duties | export\s+duty\s+rates?",
            "export policy": rf"export\s+bans? | (?:ban|moratorium|curbs?|restrictions?)\s+(?:on\s+)?{_OF}exports?"
            r" | export\s+(?:quotas?|curbs?|restrictions?|permits?|moratorium) | domestic\s+market\s+obligation | DMO"
            rf" | bann?(?:ed|s|ing)?\s+(?:all\s+|most\s+)?{_OF}(?:exports?|shipments)",
            "blending": r"blend(?:ing|ed|s)?(?:\s+(?:mandate|rate|target))?s? | (?:biodiesel\s+)?mandates?",
        },
    ),
    *_cues(
        "other",
        {
            "use": r"consumption | demand | domestic\s+use | usage | disappearance | sales | deliveries | offtake",
            "imports": r"imports? | imported | importing | purchases? | arrivals",
            "capacity": r"capacity | investments? | revenues? | earnings | profits? | costs? | income | GDP"
            r" | inflation",
            "crop trait": r"high[\s-]yield(?:ing)?\s+(?:seedlings?|varieties|planting|seeds?|clones?|palms?)",
            "share": r"share\s+of | market\s+share | accounts?\s+for | accounted\s+for | ratio | free\s+fatty\s+acid"
            r" | moisture\s+content | interest\s+rates?",
            "rain": r"rainfall",
        },
    ),
    *_cues(
        "commodity",
        {
            "palm": r"(?:crude\s+)?palm[\s-]oil | CPO | oil\s+palm | FFB | fresh\s+fruit\s+bunch(?:es)? | palm",
            "other": r"palm\s+kernel(?:\s+(?:oil|meal|cake))? | PKO | PKM | kernels? | soybeans?(?:\s+(?:oil|meal))?"
            r" | soyoil | rapeseed(?:\s+oil)? | canola(?:\s+oil)? | sunflower(?:seed)?(?:\s+oil)? | coconut(?:\s+oil)?"
            r" | copra | peanuts? | cottonseed | rubber | cocoa | coffee | corn | maize | wheat | rice | sugar"
            r" | biodiesel\s+(?=output|production|exports?|consumption|stocks?) | Brent | crude\s+oil | fertili[sz]ers?"
            r" | urea | tin | nickel | coal | lauric | tallow | used\s+cooking\s+oil | UCO | POME",
        },
    ),
    *_cues(
        "country",
        {
            "MY": r"Malaysian? | Malaysia | Sabah | Sarawak | Johor | Pahang",
            "ID": r"Indonesian? | Indonesia | Riau | Sumatra | Kalimantan | Jakarta",
            "TH": r"Thailand | Thai",
            "CO": r"Colombian? | Colombia",
            "NG": r"Nigerian? | Nigeria",
            "PG": r"Papua\s+New\s+Guinea(?:n)?",
            "GT": r"Guatemalan? | Guatemala",
            "HN": r"Honduran? | Honduras",
            "EC": r"Ecuador(?:ian|ean)? | Ecuador",
            "BR": r"Brazil(?:ian)?",
            "CI": r"C[oô]te\s+d['’]Ivoire | Ivory\s+Coast",
            "GH": r"Ghana(?:ian)?",
            "CM": r"Cameroon(?:ian)?",
            "PH": r"Philippines? | Filipino",
            "IN": r"Indian? | India",
            "CN": r"China | Chinese",
            "PK": r"Pakistan(?:i)?",
            "BD": r"Bangladesh(?:i)?",
            "US": r"United\s+States | American",
            "EU": r"European\s+Union | EU | Europe(?:an)?",
            "world": r"global(?:ly)? | world(?:wide)? | worldwide",
        },
    ),
    *_cues(
        "up",
        {
            "verb": r"increas(?:e[sd]?|ing) | ris(?:e[ns]?|ing) | rose | gr[eo]w(?:[ns]|ing)? | climb(?:ed|s|ing)?"
            r" | jump(?:ed|s)? | surg(?:e[ds]?|ing) | rais(?:e[ds]?|ing) | hik(?:e[ds]?|ing) | gain(?:ed|s)?"
            r" | expand(?:ed|s|ing)? | expansion | improv(?:e[ds]?|ing|ements?) | recover(?:ed|s|y|ing)?"
            r" | rebound(?:ed|s)?"
            r" | growth | up(?!\s+to\b) | soar(?:ed|s|ing)? | upgraded? | boost(?:ed|s)? | advanced?"
            r" | accelerat(?:e[ds]?|ing)",
            "adjective": r"higher | record(?:\s+highs?)? | stronger | larger | additional | more | high(?:est)?",
        },
    ),
    *_cues(
        "down",
        {
            "verb": r"decreas(?:e[sd]?|ing) | fall(?:s|en|ing)? | fell | drop(?:ped|s|ping)? | declin(?:e[ds]?|ing)"
            r" | reduc(?:e[ds]?|ing|tions?) | lower(?:ed|ing) | cut(?:s|ting)? | shr(?:ink|ank|unk)(?:ing|s)?"
            r" | slid(?:e[s]?)?"
            r" | slip(?:ped|s)? | slump(?:ed|s)? | plung(?:e[ds]?|ing) | eased? | down(?:\s+cycle)?"
            r" | contract(?:ed|ion)"
            r" | trim(?:med|s)? | downgraded? | tumbl(?:e[ds]?|ing) | weaken(?:ed|s|ing)? | halved",
            "adjective": r"lower(?!ed|ing) | weaker | smaller | less | fewer | low(?:est)?",
        },
    ),
    *_cues(
        "forecast",
        {
            "": r"forecast(?:s|ed|ing)? | expect(?:ed|s|ations?|ing)? | predict(?:s|ed|ions?)? | project(?:ed|s|ions?)"
            r" | estimat(?:e[ds]?|ing) | outlook | will | would | likely | anticipat(?:e[ds]?|ion) | seen\s+at"
            r" | target(?:s|ed)?"
            r" | should | set\s+to | poised\s+to | sees | pegged\s+at",
        },
    ),
    *_cues(
        "actual",
        {
            "": r"produced | exported | reached | fell | rose | dropped | grew | climbed | jumped | declined"
            r" | totall?ed"
            r" | stood | stand | stands | recorded | reported | received | was | were | averaged | shipped"
            r" | caused | slipped"
            r" | hit | settled | closed | ended | data\s+showed | surged | slumped | tumbled | plunged | eased",
        },
    ),
    *_cues(
        "tentative",
        {
            "": r"consider(?:s|ed|ing)? | propos(?:e[ds]?|als?|ing) | plan(?:s|ned|ning)? | (?-i:may) | might | could"
            r" | if | unless"
            r" | discuss(?:ed|ing|ions?)? | stud(?:y|ying) | weigh(?:s|ing)? | mull(?:s|ing)?"
            r" | calls?\s+(?:for|on) | urged?"
            r" | suggest(?:s|ed)? | rumou?rs? | speculation",
        },
    ),
    *_cues(
        "denied",
        {
            "": r"not(?!\s+only) | no | never | neither | nor | without | den(?:y|ies|ied) | reject(?:s|ed)?"
            r" | rul(?:ed|es)\s+out"
            r" | cancel(?:s|led|ed)? | scrapp?(?:ed|s)? | unlikely | instead\s+of | rather\s+than | fail(?:s|ed)?\s+to"
            r" | cannot | \w+n['’]t | postponed? | shelved?",
        },
    ),
    *_cues(
        "bad",
        {
            "weather": r"floods?(?:ing|ed)? | drought | dry\s+(?:weather|spell|season|conditions) | haze"
            r" | (?:heavy|excessive)"
            r"\s+rain(?:s|fall)? | (?:adverse|unfavou?rable|poor|bad|severe|hot)\s+weather | water\s+(?:deficit|stress)"
            r" | drier | dryness | storms?",
            "labour": r"(?:labou?r|workers?|manpower|harvesters?)(?:\s+\w+)?\s+shortages?"
            r" | shortages?\s+of\s+(?:labou?r|workers)"
            r" | lack\s+of\s+(?:labou?r|workers) | (?:labou?r|worker)\s+(?:problems|constraints|strikes?)",
            "export policy": r"impos(?:e[ds]?|ing) | introduc(?:e[ds]?|ing) | announc(?:e[ds]?|ing)"
            r" | tighten(?:ed|s|ing)?"
            r" | halt(?:ed|s)? | suspend(?:ed|s)? | bann(?:ed|ing) | bans",
        },
    ),
    *_cues(
        "good",
        {
            "weather": r"(?:favou?rable|conducive|good|ideal|better|improved|normal)\s+weather(?:\s+conditions)?"
            r" | (?:adequate|sufficient|good|favou?rable)\s+rain(?:s|fall)?",
            "labour": r"(?:improv(?:ed|ing)|better|easing)\s+(?:labou?r|worker)(?:\s+(?:situation|supply"
            r"|availability))?"
            r" | (?:labou?r|worker)\s+(?:situation|supply|availability|shortages?)\s+(?:has\s+|have\s+)?(?:improved"
            r"|eased)"
            r" | (?:return|arrival|influx)\s+of\s+(?:foreign\s+)?workers",
            "export policy": r"lift(?:ed|s|ing)? | end(?:ed|s|ing) | revok(?:e[ds]?|ing) | remov(?:e[ds]?|ing)"
            r" | eas(?:ed|es|ing)"
            r" | relax(?:ed|es|ing)? | resum(?:e[ds]?|ing)",
        },
    ),
    *_cues("neutral", {"weather": r"El\s+Ni[nñ]o | La\s+Ni[nñ]a | Indian\s+Ocean\s+Dipole | monsoon"}),
)


@cache
def _compiled(cues: tuple[Cue, ...]) -> dict[tuple[str, str], re.Pattern[str]]:
    """One pattern for the words of each kind and name."""
    words: dict[tuple[str, str], list[str]] = {}
    for cue in cues:
        words.setdefault((cue.kind, cue.name), []).append(cue.pattern)
    return {
        key: re.compile(rf"(?<![\w-])(?:{'|'.join(several)})(?!\w)", re.IGNORECASE) for key, several in words.items()
    }


def mentions(cues: tuple[Cue, ...], text: str, start: int, end: int) -> list[Mention]:
    """Cues between two places of a text in their order.

    Of quantities that overlap only the longest counts, and so of each other kind: the exports of an export levy are
    none.
    """
    found = [
        Mention(m.start(), m.end(), kind, name)
        for (kind, name), pattern in _compiled(cues).items()
        for m in pattern.finditer(text, start, end)
    ]
    kept: dict[str, list[Mention]] = {}
    for m in sorted(found, key=lambda m: (m.start - m.end, m.start, m.kind, m.name)):
        group = kept.setdefault("quantity" if m.kind == "other" else m.kind, [])
        if not any(m.start < k.end and k.start < m.end for k in group):
            group.append(m)
    return sorted((m for group in kept.values() for m in group), key=lambda m: (m.start, m.end, m.kind))


def attested(cues: tuple[Cue, ...], texts: Iterable[str]) -> tuple[Cue, ...]:
    """The cues that at least one of the texts has."""
    several = tuple(texts)
    return tuple(c for c in cues if any(next(iter(_compiled((c,)).values())).search(t) for t in several))
