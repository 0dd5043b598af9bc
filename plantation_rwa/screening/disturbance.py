"""Disturbance since the cut-off in the own vegetation record: a vote that can raise a flag, never clear one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.screening.rules import Confidence, Finding

Outcome = Literal["clearing", "replanting", "none", "unknown"]

_SEEN_ELSEWHERE = (
    "ground truth",
    "clearings of less than half of the outline (or block) that its median does not show",
    "what stood before 2020",
)


@dataclass(frozen=True)
class Record:
    """What was seen of a piece of ground, one entry per month with a value of NBR, in order of time.

    Parameters
    ----------
    months
        ``Month.ordinal``, shape ``(n,)``.
    nbr, ndmi, clear
        Indices and mean count of clear observations, ``(n,)``; ``ndmi`` may be NaN.
    """

    months: NDArray[np.int64]
    nbr: NDArray[np.float64]
    ndmi: NDArray[np.float64]
    clear: NDArray[np.float64]


NOTHING = Record(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0))


def records_by(series: pd.DataFrame, *keys: str) -> dict[Any, Record]:
    """Records by one key, or by several as a tuple.

    Parameters
    ----------
    series
        ``month`` (YYYY-MM), ``nbr``, ``ndmi``, ``n_clear`` and the keys: one row per month.
    """
    seen = series[series["nbr"].notna()]
    ordinal = {m: Month.parse(str(m)).ordinal for m in seen["month"].unique()}
    months = seen["month"].map(ordinal).to_numpy(np.int64)
    nbr, ndmi = (seen[name].to_numpy(float, na_value=np.nan) for name in ("nbr", "ndmi"))
    clear = np.nan_to_num(seen["n_clear"].to_numpy(float, na_value=np.nan))
    found = {}
    for key, at in seen.groupby(keys[0] if len(keys) == 1 else list(keys), sort=False).indices.items():
        rows = at[np.argsort(months[at], kind="stable")]
        found[key] = Record(months[rows], nbr[rows], ndmi[rows], clear[rows])
    return found


@dataclass(frozen=True)
class Unit:
    """A piece of ground with one record: a plantation, or a block of it.

    Parameters
    ----------
    name
        How evidence names it.
    area_ha
        Its area.
    planted_year
        Year its palms were planted by what is declared, None if unknown.
    record
        Its months.
    """

    name: str
    area_ha: float
    planted_year: int | None
    record: Record


@dataclass(frozen=True)
class Disturbance:
    """What a unit's record shows.

    Parameters
    ----------
    outcome
        ``clearing`` (vegetation that was no palm, gone after the cut-off), ``replanting``, ``none``, or ``unknown``
        where the record cannot tell.
    month
        First month of the event.
    """

    name: str
    outcome: Outcome
    told: str
    confidence: Confidence = "none"
    month: str = ""
    area_ha: float = 0.0


def disturbance(unit: Unit, until: Month, assumptions: Assumptions) -> Disturbance:
    """Look for a lasting fall of NBR below its median of the cut-off year.

    An event is a run of observed months, all more than ``screening.event_nbr_drop`` below that median, with enough
    clear observations over enough days; it counts where it begins after the cut-off. Palms planted before
    ``screening.palm_before_year``, or a baseline as dry as palm (NDMI), make it a replanting.

    Parameters
    ----------
    until
        Month of the valuation date.
    assumptions
        Section ``screening``.

    References
    ----------
    Rule of three confirming observations after Reiche et al. (2021), RADD alerts, Environmental Research Letters 16.
    """
    number = assumptions.number
    cut_off = Month.parse(assumptions.text("screening.cut_off"))
    months, nbr, clear = unit.record.months, unit.record.nbr, unit.record.clear
    year, later = months // 12 == cut_off.year, months > cut_off.ordinal
    before, needed = float(clear[year].sum()), number("screening.baseline_clear_min")
    if before < needed:
        told = f"no baseline: {before:g} clear observations in {cut_off.year}, {needed:g} are needed"
        return Disturbance(unit.name, "unknown", told)
    if not later.any():
        return Disturbance(unit.name, "unknown", f"no clear observation after {cut_off}")
    base = float(np.median(nbr[year]))
    found = _first_run(months, nbr, base - number("screening.event_nbr_drop"), clear, assumptions)
    told = f"NBR {base:.2f} in {cut_off.year} ({before:g} clear)"
    gap = int(np.diff(months[(year | later) & (clear > 0)], append=until.ordinal).max(initial=0))
    observed = float(clear[later].sum()) / max(1, until - cut_off) * 12
    confidence = _confidence(min(before, observed), assumptions)
    if found is None or unit.area_ha < number("screening.event_area_min_ha"):
        if gap > number("screening.monitoring_gap_max_months"):
            return Disturbance(unit.name, "unknown", f"{told}; {gap} months without a clear observation since")
        what = "no lasting fall" if found is None else "a fall on less than the least area"
        return Disturbance(unit.name, "none", f"{told}, {what} to {Month.from_ordinal(int(months[-1]))}", confidence)
    first, low = found
    told += f", {low:.2f} from {first}"
    if first <= cut_off:
        return Disturbance(unit.name, "none", f"{told}, before the cut-off", confidence, str(first), unit.area_ha)
    kind, why, sure = _kind(unit, float(np.nanmedian(unit.record.ndmi[year])), confidence, assumptions)
    return Disturbance(unit.name, kind, f"{told}; {why}", sure, str(first), unit.area_ha)


def disturbance_finding(
    plantation_id: str, units: Sequence[Unit], until: Month, assumptions: Assumptions
) -> tuple[Finding, bool | None]:
    """The rule ``eudr_disturbance`` over a plantation and its blocks, and its vote on disturbance after the cut-off.

    Parameters
    ----------
    units
        The plantation first, its blocks behind; none for a point, which has no pixel statistics.

    Returns
    -------
    finding : Finding
        Area of the cleared units in ha as measure.
    vote : bool or None
        None where the record cannot tell.
    """
    seen = [disturbance(unit, until, assumptions) for unit in units]
    by_outcome: Mapping[str, list[Disturbance]] = {
        o: [d for d in seen if d.outcome == o] for o in ("clearing", "replanting", "none", "unknown")
    }
    evidence = tuple(f"{d.name}: {d.told}" for d in seen if d.outcome != "none") or tuple(
        f"{d.name}: {d.told}" for d in seen[:1]
    )
    unknown = tuple(f"vegetation record of {d.name}" for d in by_outcome["unknown"])
    common: dict[str, Any] = {"plantation_id": plantation_id, "rule": "eudr_disturbance", "unit": "ha"}
    limit = assumptions.number("screening.event_area_min_ha")
    if by_outcome["clearing"]:
        events = by_outcome["clearing"]
        blocks = [d for d in events if d.name != seen[0].name]
        area = sum(d.area_ha for d in blocks or events)
        first = min(d.month for d in events)
        told = f"vegetation that was no palm was lost after the cut-off, first in {first}, on about {area:.1f} ha"
        sure: Confidence = "high" if any(d.confidence == "high" for d in events) else events[0].confidence
        return (
            Finding(
                **common,
                state="more_info",
                finding=told,
                evidence=evidence,
                not_checked=(*unknown, *_SEEN_ELSEWHERE),
                confidence=sure,
                measure=area,
                threshold=limit,
                event_month=first,
            ),
            True,
        )
    if not seen or seen[0].outcome == "unknown":
        reason = seen[0].told if seen else "a point has no vegetation record"
        return (
            Finding(
                **common,
                state="not_checked",
                finding=f"disturbance since the cut-off cannot be told: {reason}",
                evidence=evidence if seen else (),
                not_checked=("disturbance after the cut-off", *_SEEN_ELSEWHERE),
            ),
            None,
        )
    events = by_outcome["replanting"]
    told = "no lasting loss of vegetation after the cut-off"
    if events:
        told = f"palms were replanted after the cut-off, first in {min(d.month for d in events)}"
    return (
        Finding(
            **common,
            state="pass",
            finding=told,
            evidence=evidence,
            not_checked=(*unknown, *_SEEN_ELSEWHERE),
            confidence=(events or seen)[0].confidence,
            measure=0.0,
            threshold=limit,
            event_month=min((d.month for d in events), default=""),
        ),
        False,
    )


def _first_run(
    months: NDArray[np.int64],
    nbr: NDArray[np.float64],
    limit: float,
    clear: NDArray[np.float64],
    assumptions: Assumptions,
) -> tuple[Month, float] | None:
    """First month, and median NBR, of the first run below the limit that lasts; one of earlier years is none."""
    year = Month.parse(assumptions.text("screening.cut_off")).year
    low = np.flatnonzero((nbr < limit) & (months // 12 >= year))
    for run in np.split(low, np.flatnonzero(np.diff(low) > 1) + 1) if len(low) else []:
        first, last = (Month.from_ordinal(int(months[i])) for i in (run[0], run[-1]))
        if _lasts(first, last, float(clear[run].sum()), assumptions):
            return first, float(np.median(nbr[run]))
    return None


def _lasts(first: Month, last: Month, clear: float, assumptions: Assumptions) -> bool:
    days = (last.last - first.first).days + 1
    enough = clear >= assumptions.number("screening.event_clear_min")
    return enough and days >= assumptions.number("screening.event_days_min")


def _kind(unit: Unit, ndmi: float, confidence: Confidence, assumptions: Assumptions) -> tuple[Outcome, str, Confidence]:
    year = int(assumptions.number("screening.palm_before_year"))
    if unit.planted_year is not None and unit.planted_year < year:
        return "replanting", f"palms of {unit.planted_year} by the register: a replanting, if that is true", "low"
    limit = assumptions.number("screening.palm_ndmi_max")
    if ndmi < limit:
        return "replanting", f"NDMI {ndmi:.3f} is that of palm (below {limit:g}): a replanting", "low"
    return "clearing", f"NDMI {ndmi:.3f} is not that of palm (below {limit:g})", confidence


def _confidence(observations: float, assumptions: Assumptions) -> Confidence:
    if observations >= assumptions.number("screening.clear_high"):
        return "high"
    return "medium" if observations >= assumptions.number("screening.clear_medium") else "low"
