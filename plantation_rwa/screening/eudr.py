"""Geolocation rules of Regulation (EU) 2023/1115, and Whisp's decision tree for perennial crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.screening.rules import Confidence, Finding, State, worst

Risk = Literal["low", "more_info_needed", "high"]

#: the four questions of the tree, in its order, and how evidence names them
CLASSES: Mapping[str, str] = {
    "treecover_2020": "tree cover at the end of 2020",
    "commodity_2020": "commodity (palm) in 2020",
    "disturbance_before_2020": "disturbance up to the end of 2020",
    "disturbance_after_2020": "disturbance after 2020",
}
STATE_OF: Mapping[Risk, State] = {"low": "pass", "more_info_needed": "more_info", "high": "fail"}

_NOT_ON_MAPS = (
    "legality of production (land title, consent, labour, tax)",
    "ground truth",
    "errors of the maps",
)
#: digits after which a coordinate is a rounding of binary numbers, not a measurement
_DECIMALS_SEEN = 9


@dataclass(frozen=True)
class LayerShare:
    """How much of a plot a data set says yes to.

    Parameters
    ----------
    kind
        One of :data:`CLASSES`.
    share
        Covered area over the plot's; of a point 1 or 0.
    seen
        Share of the plot that the data set shows at all.
    """

    kind: str
    name: str
    share: float
    seen: float


@dataclass(frozen=True)
class WhispResult:
    """A supplied row of Whisp: answers by class (None where it has none) and the risk it states, empty if none."""

    answers: Mapping[str, bool | None]
    risk: str
    version: str = ""


def perennial_crop_risk(treecover: bool, commodity: bool, before: bool, after: bool) -> Risk:
    """Whisp's tree for perennial crops.

    Parameters
    ----------
    treecover, commodity, before, after
        Answers to :data:`CLASSES`.

    References
    ----------
    FAO (2024), Whisp, doi:10.4060/cd0957en; column ``risk_pcrop`` of openforis-whisp.
    """
    if not treecover or commodity or before:
        return "low"
    return "high" if after else "more_info_needed"


def decimals_of(geometry: BaseGeometry) -> int:
    """Decimals that the coordinates of a geometry need, at most 9: those of the finest of them."""
    values = shapely.get_coordinates(geometry).ravel()
    for digits in range(_DECIMALS_SEEN):
        if np.all(np.abs(values - np.round(values, digits)) < 1e-11):
            return digits
    return _DECIMALS_SEEN


def geolocation_finding(
    plantation_id: str,
    geometry: BaseGeometry,
    area_ha: float,
    *,
    repaired: bool,
    country: str,
    assumptions: Assumptions,
) -> Finding:
    """The rule ``eudr_geolocation``: point or polygon by size, decimals, a sound ring.

    Parameters
    ----------
    geometry
        Outline as read: longitude and latitude on WGS84.
    area_ha
        Geodesic area of a polygon, declared area of a point.
    repaired
        Whether the supplied outline had to be mended.
    """
    limit, needed = (
        assumptions.number("screening.polygon_above_ha"),
        int(assumptions.number("screening.coordinate_decimals")),
    )
    point = geometry.geom_type == "Point"
    decimals = decimals_of(geometry)
    faults, doubts = [], []
    if point and area_ha > limit:
        faults.append(f"a point stands for {area_ha:g} ha; above {limit:g} ha a polygon is needed")
    if decimals < needed:
        faults.append(f"coordinates have {decimals} decimals; {needed} are needed")
    if not geometry.is_valid:
        faults.append("the ring crosses itself")
    if repaired:
        doubts.append("the supplied outline was mended; what was mended stands in the quarantine")
    if not country:
        faults.append("no country of production")
    evidence = [f"{geometry.geom_type}, {area_ha:.4f} ha, {decimals} decimals, WGS84"]
    if not point:
        holes = sum(len(p.interiors) for p in shapely.get_parts(geometry))
        parts, corners = shapely.get_num_geometries(geometry), shapely.get_num_coordinates(geometry)
        evidence.append(f"{parts} part(s), {corners} positions, {holes} hole(s)")
    state: State = "fail" if faults else "more_info" if doubts else "pass"
    return Finding(
        plantation_id,
        "eudr_geolocation",
        state,
        "; ".join(faults or doubts) or "point or polygon, decimals and rings are as the regulation asks",
        (*evidence, *(doubts if faults else ())),
        (
            "accuracy of the survey: six decimals are a form, not a measurement",
            "whether all plots of a delivery are here",
        ),
        "high",
        float(decimals),
        float(needed),
        "decimals",
    )


def land_finding(
    plantation_id: str,
    shares: Sequence[LayerShare],
    whisp: WhispResult | None,
    own_vote: bool | None,
    *,
    point: bool,
    assumptions: Assumptions,
) -> Finding:
    """The rule ``eudr_land``: the tree on supplied maps, on a supplied result, or on both.

    A question that no data set answers leaves the tree unanswered, whatever the others say. The plantation's own
    record is one more data set on disturbance after 2020. Where maps and result disagree the worse of both counts.

    Parameters
    ----------
    shares
        Of all supplied maps for this plot.
    own_vote
        Whether the own record shows vegetation that was no palm lost after the cut-off; None where it cannot tell.
    """
    answers, told, near, split = _answers(shares, own_vote, point, assumptions)
    missing = [c for c in CLASSES if answers[c] is None]
    mapped = None if missing else _tree(answers)
    stated, said = _stated(whisp, own_vote)
    unseen = [f"{CLASSES[c]}: no data set" for c in missing] if mapped is None else []
    unseen += [f"{s.name}: shows {100 * s.seen:.1f} % of the plot, not used" for s in shares if _blind(s, assumptions)]
    unseen += ["own record of disturbance after 2020"] if own_vote is None else []
    evidence = [*told, *said]
    common: dict[str, Any] = {"plantation_id": plantation_id, "rule": "eudr_land", "evidence": evidence}
    threshold = 0.0 if point else assumptions.number("screening.indicator_share")
    decisive = _decisive(shares, assumptions)
    if mapped is None and stated is None:
        names = ", ".join(CLASSES[c] for c in missing)
        return Finding(
            **common,
            state="not_checked",
            finding=f"the tree cannot be answered: nothing tells {names}",
            not_checked=(*unseen, *_NOT_ON_MAPS),
        )
    found: list[Risk] = [r for r in (mapped, stated) if r is not None]
    state = worst(STATE_OF[r] for r in found)
    confidence: Confidence = "low" if near or split else "medium" if _single(shares) else "high"
    finding = f"risk class {_risk_of(state)} by {_by(mapped, stated)}"
    if len(set(found)) == 2:
        finding = f"maps say {mapped}, the supplied Whisp result says {stated}: they disagree, the worse counts"
        confidence = "low"
    return Finding(
        **common,
        state=state,
        finding=finding,
        not_checked=(*unseen, *_NOT_ON_MAPS),
        confidence=confidence,
        measure=decisive,
        threshold=threshold,
        unit="1",
    )


def _answers(
    shares: Sequence[LayerShare], own_vote: bool | None, point: bool, assumptions: Assumptions
) -> tuple[dict[str, bool | None], list[str], bool, bool]:
    """Answer per class (None: no data set), evidence, whether a share is near the limit, whether data sets disagree."""
    limit = 0.0 if point else assumptions.number("screening.indicator_share")
    margin = assumptions.number("screening.indicator_margin")
    answers: dict[str, bool | None] = dict.fromkeys(CLASSES)
    told, near, split = [], False, False
    for kind in CLASSES:
        usable = [s for s in shares if s.kind == kind and not _blind(s, assumptions)]
        votes = [s.share > limit for s in usable]
        near |= not point and any(abs(s.share - limit) < margin for s in usable)
        told += [
            f"{kind}: {s.name} {100 * s.share:.2f} % ({'yes' if v else 'no'})"
            for s, v in zip(usable, votes, strict=True)
        ]
        if kind == "disturbance_after_2020" and own_vote is not None:
            votes.append(own_vote)
            told.append(f"{kind}: own record ({'yes' if own_vote else 'no'})")
        split |= len(set(votes)) == 2
        answers[kind] = any(votes) if votes else None
    return answers, told, near, split


def _stated(whisp: WhispResult | None, own_vote: bool | None) -> tuple[Risk | None, list[str]]:
    """Risk of a supplied result with the own vote, and how evidence tells it."""
    if whisp is None:
        return None, []
    name = f"Whisp result{f' {whisp.version}' if whisp.version else ''}"
    given = ", ".join(f"{k} {'yes' if v else 'no'}" for k, v in whisp.answers.items() if v is not None)
    told = [f"{name}: {given or 'no indicators'}{f', risk {whisp.risk}' if whisp.risk else ''}"]
    risk = next((r for r in STATE_OF if r == whisp.risk), None)
    if any(v is None for v in whisp.answers.values()) or not whisp.answers:
        return (risk, told) if risk else (None, [*told, f"{name}: indicators are missing, no risk is stated: not used"])
    counted = _tree(whisp.answers)
    if risk is not None and counted != risk:
        told.append(f"{name}: its indicators make {counted}, it states {risk}: the worse counts")
        counted = _risk_of(worst([STATE_OF[counted], STATE_OF[risk]]))
    raised = _tree({**whisp.answers, "disturbance_after_2020": True}) if own_vote else counted
    if raised != counted:
        told.append(f"own record of disturbance after 2020 raises it from {counted} to {raised}")
    return _risk_of(worst([STATE_OF[counted], STATE_OF[raised]])), told


def _tree(answers: Mapping[str, bool | None]) -> Risk:
    return perennial_crop_risk(*(bool(answers[c]) for c in CLASSES))


def _risk_of(state: State) -> Risk:
    return next(r for r, s in STATE_OF.items() if s == state)


def _blind(share: LayerShare, assumptions: Assumptions) -> bool:
    return not share.seen >= assumptions.number("screening.layer_seen_min")


def _single(shares: Sequence[LayerShare]) -> bool:
    """Whether some question rests on one map alone."""
    return any(sum(s.kind == kind for s in shares) < 2 for kind in CLASSES)


def _decisive(shares: Sequence[LayerShare], assumptions: Assumptions) -> float | None:
    """Largest share of tree cover that a map shows, the first question of the tree."""
    seen = [s.share for s in shares if s.kind == "treecover_2020" and not _blind(s, assumptions)]
    return max(seen) if seen else None


def _by(mapped: Risk | None, stated: Risk | None) -> str:
    names = [n for n, r in (("supplied maps", mapped), ("the supplied Whisp result", stated)) if r is not None]
    return " and ".join(names)
