"""Declared area, country, titles, documents and names, each held against what was supplied."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.screening.rules import Finding, State, worst

#: likeness of two names that differ, however little
_NOT_EQUAL = 0.999
#: dot and blank between single letters: P.T. is PT
_INITIALS = re.compile(r"\b(\w)\.\s?(?=\w\b)")
_LETTERS = re.compile(r"[\W_]+")
#: risk classes of Regulation (EU) 2023/1115, article 29, and what the rule makes of them
COUNTRY_CLASSES: Mapping[str, State] = {"low": "pass", "standard": "pass", "high": "more_info"}


@dataclass(frozen=True)
class Document:
    """One supplied document.

    Parameters
    ----------
    declared, found
        SHA-256 in lower case: as stated, and of the file; empty where there is none.
    fault
        Why the file could not be hashed, empty otherwise.
    valid_until
        Last day on which it is valid, None if it does not end.
    """

    name: str
    declared: str = ""
    found: str = ""
    fault: str = ""
    valid_until: dt.date | None = None


@dataclass(frozen=True)
class Title:
    """One supplied land title; dates None where it has none."""

    title: str
    holder: str
    valid_from: dt.date | None
    valid_to: dt.date | None


@dataclass(frozen=True)
class Listed:
    """A name on a supplied list."""

    name: str
    source: str = ""


@dataclass(frozen=True)
class Match:
    """Likeness of a name to the nearest one on a list, 1 if they are equal; no entry if none is like it."""

    score: float
    entry: Listed | None


def area_finding(
    plantation_id: str, declared_ha: float | None, measured_ha: float | None, assumptions: Assumptions
) -> Finding:
    """The rule ``area_declared``: |declared - geodesic| over geodesic area.

    Parameters
    ----------
    declared_ha
        None if the register declares none.
    measured_ha
        None for a point.
    """
    unseen = ("whether roads, buildings and unplanted land are in the declared area",)
    if declared_ha is None or measured_ha is None:
        what = "no area is declared" if declared_ha is None else "a point has no area to hold it against"
        return Finding(
            plantation_id, "area_declared", "not_checked", what, (), ("declared against measured area", *unseen)
        )
    off = abs(declared_ha - measured_ha) / measured_ha
    limit, far = assumptions.number("screening.area_more_info"), assumptions.number("screening.area_fail")
    state: State = "fail" if off > far else "more_info" if off > limit else "pass"
    return Finding(
        plantation_id,
        "area_declared",
        state,
        f"declared area is {100 * off:.1f} % off the outline's",
        (f"declared {declared_ha:.2f} ha, outline {measured_ha:.2f} ha (geodesic, WGS84)",),
        unseen,
        "high",
        off,
        limit,
        "1",
    )


def country_finding(
    plantation_id: str,
    country: str,
    inside: float | None,
    risk: str | None,
    risk_list: bool,
    assumptions: Assumptions,
) -> Finding:
    """The rule ``country``: where the outline lies, and the risk class of the country.

    Parameters
    ----------
    inside
        Share of the outline within the supplied boundaries of its country; None without boundaries.
    risk
        Class on the supplied list, None if the country is not on it.
    risk_list
        Whether a list was supplied.
    """
    limit = assumptions.number("screening.country_share_min")
    states: list[State] = []
    told, evidence, unseen = [], [], []
    if inside is None:
        unseen.append("whether the outline lies in its country (no boundaries supplied)")
    else:
        states.append("pass" if inside >= limit else "fail")
        told.append(f"{100 * inside:.2f} % of the outline lies in {country}")
    if not risk_list:
        unseen.append("risk class of the country (no list supplied)")
    elif risk is None:
        states.append("more_info")
        told.append(f"{country} is not on the supplied list of countries")
    else:
        states.append(COUNTRY_CLASSES[risk])
        told.append(f"{country} is of {risk} risk by the supplied list")
        evidence.append(f"{country}: {risk}")
    if not states:
        return Finding(
            plantation_id, "country", "not_checked", "neither boundaries nor a list were supplied", (), unseen
        )
    return Finding(
        plantation_id,
        "country",
        worst(states),
        "; ".join(told),
        (*told[:1], *evidence),
        (*unseen, "disputed borders"),
        "high" if len(states) == 2 else "medium",
        inside,
        limit if inside is not None else None,
        "1" if inside is not None else "",
    )


def documents_finding(plantation_id: str, documents: Sequence[Document], as_of: dt.date) -> Finding:
    """The rule ``documents``: each file is there, has its stated hash, and is valid on the date."""
    unseen = ("content and authenticity of the documents",)
    if not documents:
        told = "no document was supplied"
        return Finding(plantation_id, "documents", "not_checked", told, (), ("documents of the plantation", *unseen))
    states: list[State] = []
    evidence = []
    for d in sorted(documents, key=lambda d: (d.name, d.declared, d.found)):
        state, told = _document(d, as_of)
        states.append(state)
        evidence.append(f"{d.name}: {told}")
    bad = sum(s == "fail" for s in states)
    open_ = sum(s == "more_info" for s in states)
    return Finding(
        plantation_id,
        "documents",
        worst(states),
        f"{len(states)} document(s): {bad} missing or changed, {open_} without hash or no longer valid",
        evidence,
        unseen,
        "high",
        float(bad),
        0.0,
        "documents",
    )


def _document(document: Document, as_of: dt.date) -> tuple[State, str]:
    if document.fault:
        return "fail", document.fault
    if not document.declared:
        return "more_info", f"no hash was stated; SHA-256 {document.found}"
    if document.declared != document.found:
        return "fail", f"SHA-256 {document.found} is not the stated {document.declared}"
    if document.valid_until is not None and document.valid_until < as_of:
        return "more_info", f"hash as stated, valid until {document.valid_until}"
    return "pass", f"hash as stated ({document.found})"


def tenure_finding(
    plantation_id: str,
    titles: Sequence[Title],
    *,
    supplied: bool,
    tenure_end: dt.date | None,
    sponsor: str,
    as_of: dt.date,
    assumptions: Assumptions,
) -> Finding:
    """The rule ``tenure``: a title that is in force on the date and names the sponsor.

    Parameters
    ----------
    supplied
        Whether any list of titles was supplied.
    tenure_end
        Last day by the register, None if it says none.
    sponsor
        Name of the plantation's sponsor, empty if unknown.
    """
    unseen = ("land register itself", "claims of others on the land")
    declared = (f"register: tenure ends {tenure_end}",) if tenure_end is not None else ()
    if not supplied:
        told = "no list of titles was supplied"
        return Finding(plantation_id, "tenure", "not_checked", told, declared, ("title of the land", *unseen))
    if not titles:
        told = "the supplied list has no title of this plantation"
        return Finding(plantation_id, "tenure", "more_info", told, declared, unseen, "medium")
    states: list[State] = []
    evidence = list(declared)
    for t in sorted(titles, key=lambda t: (t.title, t.holder, str(t.valid_to))):
        span = f"{t.valid_from or 'open'} to {t.valid_to or 'open'}"
        if (t.valid_from and t.valid_from > as_of) or (t.valid_to and t.valid_to < as_of):
            states.append("fail")
            evidence.append(f"{t.title}: {span}, not in force")
        elif sponsor and t.holder and not same_name(t.holder, sponsor, assumptions):
            states.append("more_info")
            evidence.append(f"{t.title}: {span}, held by {t.holder}, the sponsor is {sponsor}")
        else:
            states.append("pass" if t.valid_to and t.holder else "more_info")
            evidence.append(f"{t.title}: {span}, held by {t.holder or 'nobody named'}")
    # one good title is enough: an older one that has ended beside it is history
    state: State = next((s for s in ("pass", "more_info") if s in states), "fail")
    told = {
        "pass": "a supplied title is in force and names the sponsor",
        "more_info": "a supplied title leaves holder or end open",
        "fail": "no supplied title is in force",
    }[state]
    return Finding(plantation_id, "tenure", state, told, evidence, unseen, "medium")


def sanctions_finding(
    plantation_id: str,
    names: Mapping[str, str],
    met: Mapping[str, Match] | None,
    assumptions: Assumptions,
) -> Finding:
    """The rule ``sanctions``: names as they stand against a supplied list; a match is a question, not an identity.

    Equal names (letters and digits only, legal forms off) fail; similar ones want a look.

    Parameters
    ----------
    names
        Name -> role, such as sponsor.
    met
        What the list has for each name, see :func:`names_met`; None if no list was supplied.
    """
    unseen = ("owners behind the names", "lists that were not supplied")
    if met is None or not names:
        told = "no list was supplied" if met is None else "no name of sponsor, mill or holder is known"
        return Finding(plantation_id, "sanctions", "not_checked", told, (), ("names against lists", *unseen))
    states: list[State] = ["pass"]
    evidence, best = [], Match(0.0, None)
    for name, role in sorted(names.items()):
        match = met[name]
        if match.entry is None:
            evidence.append(f"{role} {name}: no entry")
            continue
        equal = match.score == 1.0
        states.append("fail" if equal else "more_info")
        evidence.append(f"{role} {name}: {'equals' if equal else 'is like'} {match.entry.name} ({match.entry.source})")
        best = match if match.score > best.score else best
    state = worst(states)
    told = {
        "fail": "a name equals one on a supplied list",
        "more_info": "a name is like one on a supplied list",
        "pass": "no name is on a supplied list",
    }[state]
    return Finding(
        plantation_id,
        "sanctions",
        state,
        told,
        evidence,
        unseen,
        "medium",
        best.score,
        assumptions.number("screening.name_similar"),
        "1",
        other_id=best.entry.name if best.entry is not None else "",
    )


def names_met(names: Iterable[str], listed: Sequence[Listed], assumptions: Assumptions) -> dict[str, Match]:
    """The most similar entry of a list for each name, if any is similar enough; of equals the first by name."""
    limit = assumptions.number("screening.name_similar")
    entries = [(plain_name(e.name, assumptions), e) for e in sorted(listed, key=lambda e: (e.name, e.source))]
    return {name: _nearest(plain_name(name, assumptions), entries, limit) for name in sorted(set(names))}


def plain_name(name: str, assumptions: Assumptions) -> str:
    """A name as it is compared: accents, case, punctuation and legal forms off."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = _LETTERS.sub(" ", _INITIALS.sub(r"\1", letters.casefold())).split()
    forms = set(assumptions.table("screening.company_words"))
    return " ".join(w for w in words if w not in forms) or " ".join(words)


def same_name(a: str, b: str, assumptions: Assumptions) -> bool:
    """Whether two names are equal as they are compared."""
    return plain_name(a, assumptions) == plain_name(b, assumptions)


def _nearest(own: str, entries: Sequence[tuple[str, Listed]], limit: float) -> Match:
    best = Match(0.0, None)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(own)
    for other, entry in entries:
        if own and other == own:
            return Match(1.0, entry)
        matcher.set_seq1(other)
        least = max(limit, best.score)
        if other and matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least:
            score = min(matcher.ratio(), _NOT_EQUAL)
            if score >= limit and score > best.score:
                best = Match(score, entry)
    return best
