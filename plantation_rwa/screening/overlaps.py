"""Overlap of outlines: land that two plantations claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.grid import area_ha
from plantation_rwa.screening.rules import Finding, State

#: grid of overlays in metres: snapping to it keeps them free of topology errors
_GRID_M = 1e-3
#: of latitude, at least
_METRES_PER_DEGREE = 110_574.0
#: a shape that covers so much of itself when turned by half a circle is as regular as a parcel of a grid
_SYMMETRIC = 0.97
#: WGS84
_RADIUS_M, _ECCENTRICITY2 = 6_378_137.0, 6.694379990141e-3

_UNKNOWN_OTHERS = ("plantations that nobody published or supplied", "land registers")


@dataclass(frozen=True)
class Plot:
    """An outline that claims land.

    Parameters
    ----------
    plantation_id
        Its id.
    geometry
        (Multi)Polygon, or a Point with ``declared_ha``: then a disc of that area stands for it.
    source
        Where it was published, empty for the register.
    """

    plantation_id: str
    geometry: BaseGeometry
    declared_ha: float = 0.0
    source: str = ""

    @property
    def estimated(self) -> bool:
        """Whether the outline is a guess."""
        return bool(self.geometry.geom_type == "Point")


@dataclass(frozen=True)
class Overlap:
    """Ground that two plots share.

    Parameters
    ----------
    first, second
        Positions in the two lists of plots.
    share
        Shared area over the smaller plot's.
    kept
        The same without strips narrower than ``screening.overlap_strip_m``.
    moved
        Corners of the outline that both have, if it is the same one moved; else 0.
    """

    first: int
    second: int
    area_ha: float
    share: float
    kept: float
    moved: int = 0


def overlaps(plots: Sequence[Plot], others: Sequence[Plot] | None, assumptions: Assumptions) -> list[Overlap]:
    """All pairs that share ground, each once, in order.

    Outlines are brought to local metres (scaled degrees at the pair's latitude), where a strip along a common edge
    is taken off by an erosion and a dilation of half its width.

    Parameters
    ----------
    plots
        Plots that are asked about.
    others
        Plots they are held against, pairs of one id left out; None: each other.
    """
    if not plots or (others is not None and not others):
        return []
    left = [_ground(p) for p in plots]
    right = left if others is None else [_ground(p) for p in others]
    tree = shapely.STRtree(np.array(right, dtype=object))
    # degrees of latitude are the shortest ones near the equator; farther away the search is a little wider in metres
    near = assumptions.number("screening.copy_within_m") / _METRES_PER_DEGREE
    pairs = np.asarray(tree.query(np.array(left, dtype=object), predicate="dwithin", distance=near))
    width = assumptions.number("screening.overlap_strip_m")
    fit = assumptions.number("screening.copy_fit_m")
    found = []
    for a, b in sorted(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True)):
        if others is None and a >= b:
            continue
        if others is not None and plots[a].plantation_id == others[b].plantation_id:
            continue
        shared = _shared(left[a], right[b], width) if left[a].intersects(right[b]) else None
        guessed = plots[a].estimated or (plots if others is None else others)[b].estimated
        moved = 0 if guessed else _moved_copy(left[a], right[b], fit)
        if shared is not None or moved:
            found.append(Overlap(a, b, *(shared or (0.0, 0.0, 0.0)), moved))
    return found


def overlap_findings(
    rule: str, plots: Sequence[Plot], others: Sequence[Plot] | None, compared: str, assumptions: Assumptions
) -> list[Finding]:
    """The rules ``overlap_portfolio`` and ``overlap_published``: one finding per plot.

    Above ``screening.overlap_fail`` of the smaller plot, strips left out, land may be pledged twice: ``fail``; for a
    point, whose outline is a guess, ``more_info``. The same irregular outline nearby is ``fail`` if strips count it so,
    since what a narrow plot shares with its copy is a strip, and without any shared ground if it has more corners than
    two plots have in common by chance (``screening.copy_corners``). Less is ``more_info``; strips alone ``pass``.

    Parameters
    ----------
    compared
        What the plots were held against, as evidence names it; empty: there is nothing, the rule is not checked.
    """
    if not compared:
        told = "nothing was published before or supplied to hold it against"
        unseen = ("plantations published before or elsewhere", *_UNKNOWN_OTHERS)
        return [Finding(p.plantation_id, rule, "not_checked", told, (), unseen) for p in plots]
    by_plot: dict[int, list[tuple[Overlap, Plot]]] = {}
    for o in overlaps(plots, others, assumptions):
        by_plot.setdefault(o.first, []).append((o, (plots if others is None else others)[o.second]))
        if others is None:
            by_plot.setdefault(o.second, []).append((o, plots[o.first]))
    return [_finding(rule, p, by_plot.get(n, []), compared, assumptions) for n, p in enumerate(plots)]


def _finding(
    rule: str, plot: Plot, met: Sequence[tuple[Overlap, Plot]], compared: str, assumptions: Assumptions
) -> Finding:
    limit, corners = assumptions.number("screening.overlap_fail"), int(assumptions.number("screening.copy_corners"))
    ranked = sorted(met, key=lambda m: (-m[0].kept, -m[0].moved, -m[0].share, m[1].plantation_id, m[1].source))
    evidence = [f"held against {compared}"]
    for o, other in ranked[:5]:
        place = f" of {other.source}" if other.source else ""
        guess = ", outline of a point guessed" if plot.estimated or other.estimated else ""
        copy = ", the same outline moved" if o.moved else ""
        told = f"{o.area_ha:.2f} ha, {100 * o.share:.2f} % of the smaller"
        evidence.append(f"{other.plantation_id}{place}: {told}{guess}{copy}")
    if len(ranked) > 5:
        evidence.append(f"{len(ranked) - 5} more")
    unseen = [*(["outline of the point"] if plot.estimated else []), *_UNKNOWN_OTHERS]
    states: list[State] = [_state(o, plot.estimated or other.estimated, limit, corners) for o, other in ranked]
    state: State = "fail" if "fail" in states else "more_info" if "more_info" in states else "pass"
    worst_share = max((o.share for o, _ in ranked), default=0.0)
    finding = {
        "fail": "shares ground, or its outline, with another plantation: the same land may be pledged twice",
        "more_info": "shares some ground, or its outline, with another plantation",
        "pass": "shares no ground with another plantation beyond strips along common edges",
    }[state]
    return Finding(
        plot.plantation_id,
        rule,
        state,
        finding,
        evidence,
        unseen,
        "low" if plot.estimated else "high",
        min(1.0, worst_share),
        limit,
        "1",
        other_id=ranked[0][1].plantation_id if ranked and state != "pass" else "",
    )


def _state(overlap: Overlap, estimated: bool, limit: float, corners: int) -> State:
    if overlap.kept > limit:
        return "more_info" if estimated else "fail"
    if overlap.moved and (overlap.share > limit or overlap.moved >= corners):
        return "fail"
    return "more_info" if overlap.kept > 0 or overlap.moved else "pass"


def _ground(plot: Plot) -> BaseGeometry:
    """Polygon of a plot; around a point a disc of its declared area."""
    if not plot.estimated:
        return plot.geometry
    x, y = _metres_per_degree(plot.geometry.y)
    radius = math.sqrt(max(plot.declared_ha, 0.0) * 1e4 / math.pi)
    disc = plot.geometry.buffer(1.0, quad_segs=16)
    return shapely.affinity.scale(disc, radius / x, radius / y, origin=plot.geometry)


def _shared(a: BaseGeometry, b: BaseGeometry, width: float) -> tuple[float, float, float] | None:
    """Shared area in ha, its share of the smaller polygon, the share without narrow strips; None if they only touch."""
    areas = [area_ha(g) for g in (a, b)]
    small = (a, b)[int(areas[1] < areas[0])]
    origin = shapely.centroid(small)
    scale = np.array(_metres_per_degree(origin.y))
    local = [shapely.transform(g, lambda c: (c - [origin.x, origin.y]) * scale) for g in (a, b)]
    # rounding may let a ring touch itself that was sound in degrees
    local = [g if g.is_valid else shapely.make_valid(g, method="structure", keep_collapsed=False) for g in local]
    common = shapely.intersection(*local, grid_size=_GRID_M)
    common = shapely.union_all([g for g in shapely.get_parts(common) if g.geom_type == "Polygon"])
    whole = min(local[0].area, local[1].area)
    if common.area <= 0 or whole <= 0:
        return None
    opened = common.buffer(-width / 2, join_style="mitre").buffer(width / 2, join_style="mitre")
    share = common.area / whole
    return share * min(areas), share, opened.area / whole


def _moved_copy(a: BaseGeometry, b: BaseGeometry, fit: float) -> int:
    """Corners of two outlines that are the same but for a move; 0 for others, and for shapes that fill the plane."""
    if shapely.get_num_coordinates(a) != shapely.get_num_coordinates(b):
        return 0
    corners = []
    for g in (a, b):
        centre = shapely.centroid(g)
        scale = np.array(_metres_per_degree(centre.y))
        local = shapely.transform(g, lambda c, o=centre, s=scale: (c - [o.x, o.y]) * s)
        # the smallest corner first: where a ring begins says nothing
        corners.append(shapely.get_coordinates(shapely.normalize(shapely.set_precision(local, fit / 4))))
    if corners[0].shape != corners[1].shape or np.abs(corners[0] - corners[1]).max() > fit:
        return 0
    whole = shapely.Polygon(corners[0]) if len(corners[0]) > 3 else None
    if whole is None or not whole.is_valid:
        return 0
    turned = shapely.affinity.rotate(whole, 180, origin=(0, 0))
    regular = whole.intersection(turned).area >= _SYMMETRIC * whole.area
    return 0 if regular else len(corners[0]) - 1


def _metres_per_degree(latitude: float) -> tuple[float, float]:
    """Metres per degree of longitude and latitude on WGS84 (radii of curvature of the ellipsoid)."""
    phi = math.radians(latitude)
    w2 = 1.0 - _ECCENTRICITY2 * math.sin(phi) ** 2
    east = _RADIUS_M / math.sqrt(w2) * math.cos(phi)
    north = _RADIUS_M * (1.0 - _ECCENTRICITY2) / w2**1.5
    return math.radians(max(east, 1e-6)), math.radians(north)
