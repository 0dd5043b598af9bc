"""Outlines on maps: an overview, one panel per neighbourhood, a small outline per plantation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from plantation_rwa.grid import GEOD
from plantation_rwa.publish.report.markup import clean, coordinate, element, esc
from plantation_rwa.publish.report.svg import INK, MUTED, drawing, text

#: Plantations whose centres are this close (degrees) share a panel.
_NEAR = 0.6
_SIZE = 360.0
_EDGE = 18.0
_ROOMY = 42.0
_STEPS = tuple(m * 10.0**e for e in range(-4, 2) for m in (1, 2, 5))


@dataclass(frozen=True)
class Site:
    """One plantation on a map.

    Parameters
    ----------
    number
        Number in the table of values, used as label.
    name
        Plantation id.
    geometry
        Outline or point in longitude and latitude.
    colour
        Fill.
    """

    number: int
    name: str
    geometry: Any
    colour: str


@dataclass(frozen=True)
class Projection:
    """Equirectangular drawing of a box, true to shape at its middle latitude."""

    west: float
    south: float
    east: float
    north: float
    width: float
    height: float

    @classmethod
    def around(cls, bounds: Sequence[float], width: float, height: float, margin: float, least: float) -> Projection:
        """The smallest box of the drawing's proportions around ``bounds`` with a margin (share), ``least`` degrees."""
        west, south, east, north = (float(v) for v in bounds)
        cos = max(math.cos(math.radians((south + north) / 2)), 0.05)
        span = max((east - west) * cos, (north - south) * width / height, least) * (1 + 2 * margin)
        x, y = (west + east) / 2, (south + north) / 2
        half_x, half_y = span / cos / 2, span * height / width / 2
        return cls(x - half_x, y - half_y, x + half_x, y + half_y, width, height)

    def xy(self, lon: float, lat: float) -> tuple[float, float]:
        """Position in the drawing."""
        return (
            (lon - self.west) / (self.east - self.west) * self.width,
            (self.north - lat) / (self.north - self.south) * self.height,
        )

    @property
    def degrees_per_unit(self) -> float:
        """Latitude degrees of one drawing unit."""
        return (self.north - self.south) / self.height

    def path(self, geometry: Any) -> str:
        """Path data of polygons, generalised to what the drawing can show; holes too small to see are dropped."""
        simple = shapely.simplify(geometry, 0.35 * self.degrees_per_unit, preserve_topology=False)
        simple = geometry if simple.is_empty else simple
        pieces = []
        for polygon in (p for p in shapely.get_parts(simple) if p.geom_type == "Polygon"):
            for i, ring in enumerate([polygon.exterior, *polygon.interiors]):
                if i and shapely.Polygon(ring).area < 4 * self.degrees_per_unit**2:
                    continue
                xy = [self.xy(x, y) for x, y in shapely.get_coordinates(ring)[:-1]]
                pieces.append("M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in xy) + "Z")
        return "".join(pieces)


def clusters(sites: Sequence[Site]) -> list[list[Site]]:
    """Neighbourhoods, those with the most plantations first, sites by number."""
    if not sites:
        return []
    centres = shapely.centroid(np.array([s.geometry for s in sites], dtype=object))
    left, right = shapely.STRtree(centres).query(centres, predicate="dwithin", distance=_NEAR)
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(sites), len(sites)))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[Site]] = {}
    for label, site in zip(labels, sites, strict=True):
        groups.setdefault(int(label), []).append(site)
    return sorted((sorted(g, key=lambda s: s.number) for g in groups.values()), key=lambda g: (-len(g), g[0].number))


def overview(groups: Sequence[Sequence[Site]], names: Sequence[str]) -> str:
    """All plantations as dots, each neighbourhood's box with its letter."""
    boxes = [_bounds(group) for group in groups]
    whole = (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
    view = Projection.around(whole, _SIZE, _SIZE * 0.72, 0.12, 1.0)
    parts = [_graticule(view)]
    taken: list[tuple[float, float, float, float]] = []
    for group, box, name in zip(groups, boxes, names, strict=True):
        x0, y0 = view.xy(box[0], box[3])
        x1, y1 = view.xy(box[2], box[1])
        pad = 6.0
        parts.append(
            element(
                "rect",
                x=x0 - pad,
                y=y0 - pad,
                width=x1 - x0 + 2 * pad,
                height=y1 - y0 + 2 * pad,
                rx=3.0,
                fill="#1b7a4b",
                fill_opacity=0.12,
                stroke=INK,
            )
        )
        parts += [_dot(view, site, 2.4) for site in group]
        parts.append(
            _label(
                view,
                (x0 + x1) / 2,
                (y0 + y1) / 2,
                max((x1 - x0) / 2, (y1 - y0) / 2) + pad + 2,
                name,
                taken,
                bold=True,
            )
        )
    parts.append(_scale_bar(view))
    return drawing(view.width, view.height, "".join(parts), "Overview map of all plantations", "map")


def panel(group: Sequence[Site], title: str) -> str:
    """Outlines of one neighbourhood, coloured, numbered, with coordinates and a scale bar."""
    view = Projection.around(_bounds(group), _SIZE, _SIZE * 0.72, 0.14, 0.01)
    parts = [_graticule(view)]
    taken: list[tuple[float, float, float, float]] = []
    marks: list[tuple[float, float, float, Site]] = []
    # large ones first, so that none hides a small one
    for site in sorted(group, key=lambda s: -s.geometry.area):
        box = shapely.bounds(site.geometry)
        x0, y0 = view.xy(box[0], box[3])
        x1, y1 = view.xy(box[2], box[1])
        small = max(x1 - x0, y1 - y0) < 7
        parts.append(_dot(view, site, 4.0) if small else _outline(view, site))
        radius = 5.0 if small else max(x1 - x0, y1 - y0) / 2
        cx, cy = view.xy(*shapely.get_coordinates(shapely.centroid(site.geometry))[0])
        marks.append((cx, cy, radius, site))
        if radius + 2 <= _ROOMY:
            half = 4.0 if small else 3.0
            taken.append((cx - half, cy - half, cx + half, cy + half))
    for cx, cy, radius, site in sorted(marks, key=lambda mark: mark[3].number):
        parts.append(
            _label(
                view,
                cx,
                cy,
                radius + 2,
                f"{site.number} {clean(site.name, 16)}",
                taken,
                short=str(site.number),
            )
        )
    parts.append(_scale_bar(view))
    return drawing(view.width, view.height, "".join(parts), title, "map")


def inset(site: Site) -> str:
    """The outline of one plantation alone with its own scale bar; a ring for a point."""
    size = 120.0
    view = Projection.around(shapely.bounds(site.geometry), size, size, 0.16, 0.001)
    shape = _dot(view, site, 6.0) if site.geometry.geom_type in {"Point", "MultiPoint"} else _outline(view, site)
    bar = "" if site.geometry.geom_type in {"Point", "MultiPoint"} else _scale_bar(view)
    return drawing(size, size, shape + bar, f"Outline of {site.name}", "inset")


def colours(values: Mapping[str, float]) -> dict[str, str]:
    """Colour of each finite value on a scale of equal steps between the smallest and the largest; grey otherwise."""
    finite = sorted(v for v in values.values() if math.isfinite(v))
    low, high = (finite[0], finite[-1]) if finite else (0.0, 0.0)
    out = {}
    for name, value in values.items():
        if not math.isfinite(value):
            out[name] = NO_VALUE
        else:
            share = (value - low) / (high - low) if high > low else 0.5
            out[name] = RAMP[min(int(share * len(RAMP)), len(RAMP) - 1)]
    return out


#: Light to dark, readable in grey and by colour-blind people.
RAMP = ("#e8f3c9", "#b7dda0", "#74c08a", "#2f9b84", "#13697a", "#123a5c")
NO_VALUE = "#c9cfcc"


def _bounds(group: Sequence[Site]) -> tuple[float, float, float, float]:
    west, south, east, north = shapely.total_bounds(np.array([s.geometry for s in group], dtype=object))
    return float(west), float(south), float(east), float(north)


def _outline(view: Projection, site: Site) -> str:
    title = f"<title>{esc(site.name)}</title>"
    return element(
        "path",
        title,
        d=view.path(site.geometry),
        fill=site.colour,
        stroke=INK,
        stroke_width=0.8,
        fill_rule="evenodd",
    )


def _dot(view: Projection, site: Site, radius: float) -> str:
    x, y = view.xy(*shapely.get_coordinates(shapely.centroid(site.geometry))[0])
    return element(
        "circle",
        f"<title>{esc(site.name)}</title>",
        cx=x,
        cy=y,
        r=radius,
        fill=site.colour,
        stroke=INK,
        stroke_width=0.8,
    )


def _label(
    view: Projection,
    x: float,
    y: float,
    away: float,
    content: str,
    taken: list[tuple[float, float, float, float]],
    *,
    short: str = "",
    bold: bool = False,
) -> str:
    """Put a label at the first of four places where it covers nothing; the short form, then nothing, otherwise."""
    for label in [content] + ([short] if short else []):
        width = 5.9 * len(label) + 2
        beside = [(away, 4.0, "start"), (-away, 4.0, "end"), (0.0, -away - 2, "middle"), (0.0, away + 9, "middle")]
        # a large outline has room for its own label
        for dx, dy, anchor in [(0.0, 4.0, "middle"), *beside] if away > _ROOMY else beside:
            left = x + dx - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = (left, y + dy - 9, left + width, y + dy + 3)
            inside = box[0] >= 2 and box[2] <= view.width - 2 and box[1] >= 2 and box[3] <= view.height - _EDGE
            if inside and not any(a < box[2] and c > box[0] and b < box[3] and d > box[1] for a, b, c, d in taken):
                taken.append(box)
                halo = element(
                    "g",
                    text(x + dx, y + dy, label, anchor=anchor, weight="600" if bold else None),
                    class_="halo",
                )
                return halo
    return ""


def _graticule(view: Projection) -> str:
    span = min(view.east - view.west, view.north - view.south)
    step = next((s for s in _STEPS if span / s <= 4), _STEPS[-1])
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    parts = [
        element(
            "rect",
            x=0.5,
            y=0.5,
            width=view.width - 1,
            height=view.height - 1,
            fill="#f6f9f7",
            stroke="#cfd8d3",
        )
    ]
    for i in range(math.ceil(view.west / step), math.floor(view.east / step) + 1):
        x, _ = view.xy(i * step, view.south)
        parts.append(element("line", x1=x, x2=x, y1=0.5, y2=view.height - 0.5, stroke="#dde5e0"))
        if 24 < x < view.width - 110:
            parts.append(
                text(
                    x,
                    view.height - 5,
                    _degrees(i * step, places, "E", "W"),
                    anchor="middle",
                    fill=MUTED,
                    size=9,
                )
            )
    for i in range(math.ceil(view.south / step), math.floor(view.north / step) + 1):
        _, y = view.xy(view.west, i * step)
        parts.append(element("line", x1=0.5, x2=view.width - 0.5, y1=y, y2=y, stroke="#dde5e0"))
        if 12 < y < view.height - 24:
            parts.append(text(4, y - 3, _degrees(i * step, places, "N", "S"), fill=MUTED, size=9))
    return "".join(parts)


def _degrees(value: float, places: int, positive: str, negative: str) -> str:
    text_value = f"{abs(value):.{places}f}"
    zero = float(text_value) == 0
    return f"{text_value}°{'' if zero else positive if value > 0 else negative}"


def _scale_bar(view: Projection) -> str:
    middle = (view.south + view.north) / 2
    metres = GEOD.inv(view.west, middle, view.east, middle)[2] if view.east - view.west < 170 else math.nan
    if not math.isfinite(metres) or metres <= 0:
        return ""
    length = max((m * 10.0**e for e in range(7) for m in (1, 2, 5) if m * 10.0**e <= metres * 0.28), default=1.0)
    units = length / metres * view.width
    x1, y = view.width - 8, view.height - 8
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    bar = element(
        "path",
        d=f"M{coordinate(x1 - units)} {coordinate(y - 3)}v3H{coordinate(x1)}v-3",
        fill="none",
        stroke=INK,
    )
    return bar + element("g", text(x1 - units / 2, y - 5, label, anchor="middle", size=9), class_="halo")
