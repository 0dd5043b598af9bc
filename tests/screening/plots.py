"""Plots of many shapes and sizes, copies of them as a second seller would file them, and neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha, reproject, utm_epsg
from plantation_rwa.screening.overlaps import Plot
from plantation_rwa.sources.geometry import RawGeometry, outline


def star(rng: np.random.Generator, hectares: float, centre: tuple[float, float]) -> Polygon:
    """An outline of 8 to 60 corners, up to three times as long as wide, of a given area."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(8, 60))))
    radii = rng.uniform(0.6, 1.4, angles.size)
    ring = Polygon(np.column_stack([radii * np.cos(angles) * rng.uniform(1, 3), radii * np.sin(angles)]))
    ring = shapely.affinity.rotate(ring.buffer(0) if not ring.is_valid else ring, float(rng.uniform(0, 180)))
    part = max(shapely.get_parts(ring), key=lambda g: g.area)
    factor = np.sqrt(hectares * 1e4 / part.area) / 111_000
    turned = shapely.affinity.scale(part, factor, factor, origin=(0, 0))
    return shapely.set_precision(shapely.affinity.translate(turned, *centre), 1e-7)


def stairs(rng: np.random.Generator, hectares: float, centre: tuple[float, float]) -> Polygon:
    """An outline along pixel edges with holes, as maps of oil palm have it."""
    side = int(rng.integers(8, 20))
    full = rng.uniform(size=(side, side)) < 0.8
    cells = [shapely.box(x, y, x + 1, y + 1) for y, x in zip(*np.nonzero(full), strict=True)]
    part = max(shapely.get_parts(shapely.union_all(cells)), key=lambda g: g.area)
    factor = np.sqrt(hectares * 1e4 / part.area) / 111_000
    return shapely.affinity.translate(shapely.affinity.scale(part, factor, factor, origin=(0, 0)), *centre)


def plots(seed: int, count: int) -> list[Polygon]:
    """Outlines of 0.5 to 3,000 ha, far from each other."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        centre = (95.0 + 0.5 * (n % 40), -5.0 + 0.5 * (n // 40))
        make = stairs if n % 3 == 2 else star
        found.append(make(rng, float(np.exp(rng.uniform(np.log(0.5), np.log(3000)))), centre))
    return found


def in_metres(geometry: BaseGeometry, change: Callable[[BaseGeometry], BaseGeometry]) -> BaseGeometry:
    """A change in metres on the ground."""
    local = utm_epsg(geometry.centroid.x, geometry.centroid.y)
    changed = change(reproject(geometry, "EPSG:4326", local))
    return reproject(changed, local, "EPSG:4326")


def copies(outline: Polygon, rng: np.random.Generator) -> dict[str, list[BaseGeometry]]:
    """The outline as it would be filed again: moved, turned, simplified, in pieces, in a larger one."""
    angle = float(rng.uniform(0, 2 * np.pi))
    size = np.sqrt(area_ha(shapely.orient_polygons(outline)) * 1e4)
    x0, y0, x1, y1 = outline.bounds
    middle = (x0 + x1) / 2
    halves = [outline.intersection(shapely.box(a, y0 - 1, b, y1 + 1)) for a, b in ((x0 - 1, middle), (middle, x1 + 1))]
    beside = shapely.box(x1 - (x1 - x0) / 50, y0, x1 + (x1 - x0) / 2, y1)
    return {
        "moved 30 m": [
            in_metres(outline, lambda g: shapely.affinity.translate(g, 30 * np.cos(angle), 30 * np.sin(angle)))
        ],
        "turned 2 degrees": [in_metres(outline, lambda g: shapely.affinity.rotate(g, 2.0))],
        "simplified": [in_metres(outline, lambda g: g.simplify(size / 20))],
        "split": [_areas(h) for h in halves],
        "merged": [_areas(outline.union(beside))],
    }


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    return MultiPolygon([g for g in shapely.get_parts(geometry) if g.geom_type == "Polygon"])


def neighbours(seed: int, count: int, metres: float) -> list[Polygon]:
    """Cells that fill a square of ground, so that all edges are shared; on average 50 ha each.

    Parameters
    ----------
    metres
        Each corner of each cell is measured anew with an error up to this; 0: edges are the same to the last bit.
    """
    rng = np.random.default_rng(seed)
    side = np.sqrt(count * 50.0 * 1e4) / 111_000
    corners = rng.uniform(0, side, (count, 2))
    points = shapely.multipoints(np.add(corners, [101.0, 0.5]))
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=points.envelope))
    cells = [c.intersection(points.envelope) for c in cells]

    def measured(corners: np.ndarray) -> np.ndarray:
        # what closes a ring is the same corner
        turn, far = rng.uniform(0, 2 * np.pi, len(corners)), metres * rng.uniform(0, 1, len(corners))
        error = np.column_stack([far * np.cos(turn), far * np.sin(turn)]) / 111_320
        error[-1] = error[0]
        return corners + error

    if not metres:
        return cells
    # a short edge may turn over by its error: mended as the register mends it
    rings = [outline(RawGeometry(Polygon(measured(np.array(c.exterior.coords)))), None) for c in cells]
    return [r.geometry for r in rings if r.geometry is not None]


def named(outlines: list[BaseGeometry], prefix: str = "P") -> list[Plot]:
    return [Plot(f"{prefix}{n}", g) for n, g in enumerate(outlines)]
