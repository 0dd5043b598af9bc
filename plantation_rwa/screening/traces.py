"""Outlines in the form the EU information system takes: GeoJSON, six decimals, polygons without holes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.grid import area_ha

_DECIMALS = 6
_HEAD, _TAIL = '{"type":"FeatureCollection","features":[\n', "\n]}\n"


@dataclass(frozen=True)
class Place:
    """A plot to be exported.

    Parameters
    ----------
    area_ha
        Geodesic area of a polygon, declared area of a point.
    """

    plantation_id: str
    geometry: BaseGeometry
    area_ha: float
    country: str
    producer: str


@dataclass(frozen=True)
class Export:
    """Files of an export, each a FeatureCollection, and why a plantation is in none of them."""

    files: tuple[str, ...]
    left_out: dict[str, str]


def traces_export(places: Iterable[Place], assumptions: Assumptions) -> Export:
    """Plots as GeoJSON texts, none larger than ``traces.file_bytes_max``.

    A point up to four hectares carries ``Area``; of a polygon its parts are features of their own, cut where a hole
    is, so that together they are the same ground. Coordinates are written with six decimals, longitude first
    (RFC 7946). A plot that cannot be written so is left out, with the reason.

    Returns
    -------
    Export
        Plots in the order of their ids; texts are the same for the same plots in any order.
    """
    limit = int(assumptions.number("traces.file_bytes_max"))
    files: list[str] = []
    left_out: dict[str, str] = {}
    batch: list[str] = []
    size = len(_HEAD) + len(_TAIL)
    for place in sorted(places, key=lambda p: p.plantation_id):
        pieces, reason = _pieces(place, assumptions)
        features = [_feature(place, g, n, len(pieces)) for n, g in enumerate(pieces, start=1)]
        added = sum(len(f.encode()) + 2 for f in features)
        if not reason and added + len(_HEAD) + len(_TAIL) > limit:
            reason = f"its {len(features)} pieces need more than {limit} bytes"
        if reason:
            left_out[place.plantation_id] = reason
            continue
        if size + added > limit:
            files.append(_HEAD + ",\n".join(batch) + _TAIL)
            batch, size = [], len(_HEAD) + len(_TAIL)
        batch += features
        size += added
    if batch:
        files.append(_HEAD + ",\n".join(batch) + _TAIL)
    return Export(tuple(files), left_out)


def _pieces(place: Place, assumptions: Assumptions) -> tuple[Sequence[BaseGeometry], str]:
    """Points or polygons without holes on the grid of six decimals; or why there are none."""
    if not place.producer or not place.country:
        return [], "it has no producer" if place.country else "it has no country"
    if place.geometry.geom_type == "Point":
        most = assumptions.number("screening.polygon_above_ha")
        return ([place.geometry], "") if place.area_ha <= most else ([], f"a point of more than {most:g} ha")
    rounded = shapely.set_precision(place.geometry, 10.0**-_DECIMALS)
    most_parts = int(assumptions.number("traces.parts_max"))
    open_, done = [g for g in shapely.get_parts(rounded) if not g.is_empty], list[BaseGeometry]()
    while open_:
        if len(open_) + len(done) > most_parts:
            return [], f"it falls into more than {most_parts} pieces without holes"
        part = open_.pop()
        if part.interiors:
            open_ += _cut(part)
        else:
            done.append(part)
    done = [shapely.orient_polygons(shapely.normalize(g)) for g in done if g.area > 0]
    done.sort(key=lambda g: (g.bounds, g.wkb))
    if not done or any(not g.is_valid or len(g.exterior.coords) < 4 for g in done):
        return [], "it is no sound polygon any more when rounded to six decimals"
    change = abs(sum(area_ha(g) for g in done) / place.area_ha - 1.0)
    if change > assumptions.number("traces.area_change_max"):
        return [], f"rounding to six decimals changes its area by {100 * change:.2f} %"
    return done, ""


def _cut(polygon: BaseGeometry) -> list[BaseGeometry]:
    """A polygon cut along a meridian through the middle of its first hole, on the grid of six decimals."""
    x0, y0, x1, y1 = polygon.bounds
    left, _, right, _ = polygon.interiors[0].bounds
    x = round((left + right) / 2, _DECIMALS)
    halves = [shapely.box(x0 - 1, y0 - 1, x, y1 + 1), shapely.box(x, y0 - 1, x1 + 1, y1 + 1)]
    cut = [shapely.intersection(polygon, half, grid_size=10.0**-_DECIMALS) for half in halves]
    return [p for g in cut for p in shapely.get_parts(g) if p.geom_type == "Polygon" and p.area > 0]


def _feature(place: Place, geometry: BaseGeometry, number: int, of: int) -> str:
    name = place.plantation_id if of == 1 else f"{place.plantation_id} ({number} of {of})"
    properties: dict[str, object] = {
        "ProducerName": place.producer,
        "ProducerCountry": place.country,
        "ProductionPlace": name,
    }
    if geometry.geom_type == "Point":
        properties["Area"] = round(place.area_ha, 4)
        coordinates = _position(geometry.x, geometry.y)
    else:
        coordinates = f"[[{','.join(_position(x, y) for x, y in geometry.exterior.coords)}]]"
    told = json.dumps(properties, ensure_ascii=False, separators=(",", ":"))
    shape = f'{{"type":"{geometry.geom_type}","coordinates":{coordinates}}}'
    return f'{{"type":"Feature","properties":{told},"geometry":{shape}}}'


def _position(x: float, y: float) -> str:
    return f"[{x + 0.0:.{_DECIMALS}f},{y + 0.0:.{_DECIMALS}f}]"
