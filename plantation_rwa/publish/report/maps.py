"""Outlines on maps: an overview, one panel per neighbourhood, a small outline per plantation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from plantation_rwa.grid import GEOD
from plantation_rwa.publish.report.markup import coordinate, element, esc
from plantation_rwa.publish.report.svg import INK, drawing, text

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
    """

    number: int
    name: str
    geometry: Any


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


def inset(site: Site) -> str:
    """The outline of one plantation alone with its own scale bar; a ring for a point."""
    size = 120.0
    view = Projection.around(shapely.bounds(site.geometry), size, size, 0.16, 0.001)
    shape = _dot(view, site, 6.0) if site.geometry.geom_type in {"Point", "MultiPoint"} else _outline(view, site)
    bar = "" if site.geometry.geom_type in {"Point", "MultiPoint"} else _scale_bar(view)
    return drawing(size, size, shape + bar, f"Outline of {site.name}", "inset")


#: Fill of a single outline
FILL = "#b9d7c5"
#: Light to dark, readable in grey and by colour-blind people.
RAMP = ("#e8f3c9", "#b7dda0", "#74c08a", "#2f9b84", "#13697a", "#123a5c")
NO_VALUE = "#c9cfcc"


def _outline(view: Projection, site: Site) -> str:
    title = f"<title>{esc(site.name)}</title>"
    return element(
        "path",
        title,
        d=view.path(site.geometry),
        fill=FILL,
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
        fill=FILL,
        stroke=INK,
        stroke_width=0.8,
    )


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
