"""What a rule finds, how findings add up to one state, and the table they are published in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

State = Literal["pass", "fail", "more_info", "not_checked"]
Confidence = Literal["high", "medium", "low", "none"]

#: worst first: a fault that was found outweighs what was not looked at, and that outweighs an open question
ORDER: tuple[State, ...] = ("fail", "not_checked", "more_info", "pass")
#: rules that make up ``eudr_screen``; the plantation's own record votes inside ``eudr_land`` and never clears a plot
EUDR_RULES = ("eudr_geolocation", "eudr_land")


@dataclass(frozen=True)
class Finding:
    """Outcome of one rule for one plantation.

    Parameters
    ----------
    rule
        Name of the rule, see ``schema.screening_fields.RULES``.
    finding
        What was found, in one sentence.
    evidence
        What it rests on.
    not_checked
        What was not looked at; at least one entry, since no rule looks at everything.
    measure, threshold, unit
        The number that decided and its limit, None where none did.
    event_month
        First month of a disturbance, ``YYYY-MM``.
    other_id
        The other plantation, or the name that was met.
    """

    plantation_id: str
    rule: str
    state: State
    finding: str
    evidence: Sequence[str] = ()
    not_checked: Sequence[str] = ()
    confidence: Confidence = "none"
    measure: float | None = None
    threshold: float | None = None
    unit: str = ""
    event_month: str = ""
    other_id: str = ""


def worst(states: Iterable[State]) -> State:
    """The worst of some states; ``not_checked`` if there are none."""
    found = set(states)
    return next((s for s in ORDER if s in found), "not_checked")


def screening_rows(findings: Iterable[Finding], version: str) -> pd.DataFrame:
    """Findings as rows of the table ``screening``.

    Parameters
    ----------
    version
        Version of the rules.

    Raises
    ------
    ValueError
        If a finding does not say what was not checked.
    """
    rows = []
    for found in findings:
        if not any(found.not_checked):
            raise ValueError(f"{found.plantation_id}, {found.rule}: a finding must say what was not checked")
        rows.append(
            {
                "plantation_id": found.plantation_id,
                "rule": found.rule,
                "state": found.state,
                "in_eudr_screen": found.rule in EUDR_RULES,
                "finding": found.finding,
                "evidence": "; ".join(found.evidence),
                "not_checked": "; ".join(found.not_checked),
                "confidence": found.confidence,
                "measure": found.measure,
                "threshold": found.threshold,
                "unit": found.unit or None,
                "event_month": found.event_month or None,
                "other_id": found.other_id or None,
                "rule_version": version,
            }
        )
    return pd.DataFrame(rows)


def screened(rows: pd.DataFrame) -> pd.DataFrame:
    """What valuations carry of the screening.

    Parameters
    ----------
    rows
        Table ``screening`` as published.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, eudr_screen, overlap_max_frac``, one row per plantation, sorted. The fraction is the largest
        share of an overlap that was measured, null where neither rule could be applied.
    """
    out = []
    for plantation, own in rows.groupby("plantation_id", sort=True):
        counted = own["in_eudr_screen"].astype(bool)
        overlaps = own.loc[own["rule"].isin(["overlap_portfolio", "overlap_published"]), "measure"].dropna()
        out.append(
            {
                "plantation_id": plantation,
                "eudr_screen": worst(own.loc[counted, "state"]),
                "overlap_max_frac": float(overlaps.max()) if len(overlaps) else None,
            }
        )
    return pd.DataFrame(out, columns=["plantation_id", "eudr_screen", "overlap_max_frac"])
