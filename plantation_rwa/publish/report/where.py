"""What the page's map is drawn from: outlines as small whole numbers, areas to look at, colours by three measures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from plantation_rwa.publish.report.maps import NO_VALUE, RAMP, Site, clusters
from plantation_rwa.publish.report.markup import number
from plantation_rwa.publish.report.page import GRADES
from plantation_rwa.publish.report.view import View

#: Parts of a degree in which vertices are told: 1.1 m
PER_DEGREE = 100_000
#: An outline is drawn with deviations up to this share of its size
_DETAIL = 1 / 300
#: Neighbourhoods that get a button of their own
_MAX_AREAS = 12
#: Limits of the classes of the yield's anomaly, %, and their colours from low to high
ANOMALY_BREAKS = (-15.0, -5.0, 5.0, 15.0)
_ANOMALY_COLOURS = ("#a6501c", "#e0a877", "#e9e6df", "#8fc0b8", "#1f6f73")
_GRADE_COLOURS = ("#17693f", "#7fae4b", "#d69a3c", "#b04a3c")


def map_data(view: View) -> dict[str, Any]:
    """Outlines, centres, areas and colour classes of all plantations in the order of their numbers."""
    sites = [p.site for p in view.plantations]
    centres = [shapely.centroid(s.geometry) if s else None for s in sites]
    return {
        "per_degree": PER_DEGREE,
        "lon": [None if c is None else round(c.x, 5) for c in centres],
        "lat": [None if c is None else round(c.y, 5) for c in centres],
        "outlines": [outline(s) if s else [] for s in sites],
        "areas": _areas([s for s in sites if s]),
        "modes": {"value": _value_mode(view), "anomaly": _anomaly_mode(view), "grade": _grade_mode(view)},
    }


def outline(site: Site) -> list[list[list[int]]]:
    """Polygons of rings: first vertex, then steps, ``[x, y, dx, dy, ...]``; the outer ring first; none for a point."""
    west, south, east, north = shapely.bounds(site.geometry)
    simple = shapely.simplify(site.geometry, max(east - west, north - south) * _DETAIL, preserve_topology=True)
    polygons = []
    for part in (p for p in shapely.get_parts(simple) if p.geom_type == "Polygon"):
        rings = []
        for ring in (part.exterior, *part.interiors):
            whole = np.rint(shapely.get_coordinates(ring)[:-1] * PER_DEGREE).astype(int)
            steps = np.vstack([whole[:1], np.diff(whole, axis=0)])
            rings.append([int(v) for v in steps.ravel()])
        polygons.append(rings)
    return polygons


def _areas(sites: Sequence[Site]) -> list[dict[str, Any]]:
    """Boxes of neighbourhoods, the largest first, each with how many plantations it holds."""
    found = []
    for group in clusters(sites)[:_MAX_AREAS]:
        box = shapely.total_bounds(np.array([s.geometry for s in group], dtype=object))
        found.append({"count": len(group), "box": [round(float(v), 5) for v in box]})
    return found


def _value_mode(view: View) -> dict[str, Any]:
    """Six classes of as many plantations each, by fair value per ha; none where there are several currencies."""
    values = np.array([p.npv_per_ha for p in view.plantations], dtype="float64")
    title = f"Fair value, {view.money} per ha of mature area"
    if not view.money or not np.isfinite(values).any():
        return _mode(title, [], [], [None] * len(values))
    known = np.sort(values[np.isfinite(values)])
    cuts = sorted({float(known[len(known) * k // len(RAMP)]) for k in range(1, len(RAMP))} - {float(known[0])})
    colours = [RAMP[round(i * (len(RAMP) - 1) / max(len(cuts), 1))] for i in range(len(cuts) + 1)]
    return _classed(title, values, cuts, colours, 0)


def _anomaly_mode(view: View) -> dict[str, Any]:
    values = np.array([100 * p.anomaly for p in view.plantations], dtype="float64")
    title = "Expected yield of the next 12 months against the region's usual harvest, %"
    return _classed(title, values, list(ANOMALY_BREAKS), list(_ANOMALY_COLOURS), 0)


def _grade_mode(view: View) -> dict[str, Any]:
    classes = [GRADES.index(p.grade) if p.grade in GRADES else None for p in view.plantations]
    return _mode("Confidence grade, the lowest of its rights", list(GRADES), list(_GRADE_COLOURS), classes)


def _classed(title: str, values: np.ndarray, cuts: list[float], colours: list[str], places: int) -> dict[str, Any]:
    classes = [int(np.searchsorted(cuts, v, side="right")) if math.isfinite(v) else None for v in values]
    shown = [number(c, places) for c in cuts]
    if not shown:
        # all the same, or one alone: no class to tell apart
        return _mode(title, [number(float(v), places) for v in values if math.isfinite(v)][:1], colours, classes)
    labels = [f"under {shown[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(shown)), f"{shown[-1]} up"]
    return _mode(title, labels, colours, classes)


def _mode(title: str, labels: list[str], colours: list[str], classes: Sequence[int | None]) -> dict[str, Any]:
    return {"title": title, "labels": labels, "colours": colours, "none": NO_VALUE, "classes": list(classes)}


def where(view: View) -> str:
    """The map's place, with what it is coloured by and the neighbourhoods it can show."""
    sites = [p.site for p in view.plantations if p.site is not None]
    if not sites:
        return '<h2 id="map">Map</h2><p class="empty">No plantation has an outline.</p>'
    modes = (("value", "value per ha"), ("anomaly", "yield anomaly"), ("grade", "grade"))
    chosen = "value" if view.money else "grade"
    radios = "".join(
        f'<label><input type="radio" name="mode" value="{mode}"{" checked" if mode == chosen else ""}> {words}</label> '
        for mode, words in modes
    )
    lost = len(view.plantations) - len(sites)
    more = f" {lost} without an outline are in the table only." if lost else ""
    label = (
        f"Map of {len(sites)} plantations; the table of values below lists them all and can be used with the keyboard"
    )
    return (
        '<h2 id="map">Map</h2><p class="note">Outlines in longitude and latitude on WGS84, without a background, so '
        f"that nothing is loaded. Hover for figures, click to choose a plantation.{more}</p>"
        f'<div class="tools"><fieldset><legend>Coloured by</legend>{radios}</fieldset>'
        '<div id="areas" role="group" aria-label="Areas"></div></div>'
        f'<div class="chart tall" id="map-place" role="img" aria-label="{label}"></div>'
        '<p class="legend" id="map-key" aria-live="polite"></p>'
    )
