"""Outlines as they arrive: read from WKB or GeoJSON, brought to WGS84, mended or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.errors import GEOSException, ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import packaged
from plantation_rwa.grid import area_ha
from plantation_rwa.sources.guards import outline_fault, too_tangled, wkb_fault, wkt_fault

WGS84 = "EPSG:4326"


@dataclass(frozen=True)
class Outline:
    """One geometry after reading.

    Parameters
    ----------
    geometry
        Polygon, MultiPolygon or Point, longitude and latitude on WGS84, shells counter-clockwise; None if refused.
    refused
        Why there is no geometry, empty otherwise.
    repairs
        What was mended, in order.
    """

    geometry: BaseGeometry | None
    refused: str = ""
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawGeometry:
    """A geometry as the file holds it, in the file's CRS.

    Parameters
    ----------
    geometry
        None if the file has none or it cannot be decoded.
    unclosed
        Whether a ring's last vertex was not its first.
    broken
        Why it cannot be decoded.
    """

    geometry: BaseGeometry | None
    unclosed: bool = False
    broken: str = ""


def from_wkb(data: bytes | None) -> RawGeometry:
    """Decode WKB or EWKB; rings that are not closed are closed and marked."""
    if not data:
        return RawGeometry(None)
    if fault := wkb_fault(data):
        return RawGeometry(None, broken=fault)
    strict = shapely.from_wkb(data, on_invalid="ignore")
    if strict is not None:
        return RawGeometry(strict)
    closed = shapely.from_wkb(data, on_invalid="fix")
    return (
        RawGeometry(closed, unclosed=True)
        if closed is not None
        else RawGeometry(None, broken="cannot be decoded as WKB")
    )


def from_geojson(value: Any) -> RawGeometry:
    """Decode the ``geometry`` member of a GeoJSON feature."""
    if value is None or value == {}:
        return RawGeometry(None)
    try:
        geometry = shape(value)
        return RawGeometry(geometry, unclosed=_unclosed(value))
    except RecursionError:
        return RawGeometry(None, broken="nests collections too deep")
    except (ShapelyError, ValueError, TypeError, AttributeError, KeyError, IndexError, ArithmeticError) as error:
        return RawGeometry(None, broken=f"is not a GeoJSON geometry: {' '.join(str(error).split())[:120]}")


def from_wkt(text: str | None) -> RawGeometry:
    """Decode WKT; blank text is no geometry."""
    if not text or not text.strip():
        return RawGeometry(None)
    if fault := wkt_fault(text):
        return RawGeometry(None, broken=fault)
    try:
        return RawGeometry(shapely.from_wkt(text))
    except ShapelyError:
        return RawGeometry(None, broken="cannot be decoded as WKT")


def to_wgs84(crs: CRS) -> Transformer | None:
    """Transformer from a CRS to longitude and latitude on WGS84; None if it is that already.

    Raises
    ------
    CRSError, ProjError
        If the CRS has no place on the Earth (an engineering CRS, say).
    """
    horizontal = crs.to_2d()
    if horizontal.equals(CRS.from_epsg(4326), ignore_axis_order=True) or horizontal.to_authority() == ("OGC", "CRS84"):
        return None
    return Transformer.from_crs(horizontal, CRS.from_epsg(4326), always_xy=True)


def parse_crs(value: Any) -> CRS | None:
    """CRS from PROJJSON, WKT or authority text; None if there is none or it cannot be understood."""
    if value is None or value == "" or value == {}:
        return None
    try:
        crs = CRS.from_json_dict(dict(value)) if isinstance(value, Mapping) else CRS.from_user_input(value)
        to_wgs84(crs)
    except (CRSError, ProjError):
        return None
    return crs


def looks_geographic(geometry: BaseGeometry | None) -> bool:
    """Whether all coordinates could be longitude and latitude in degrees."""
    if geometry is None or geometry.is_empty:
        return False
    x0, y0, x1, y1 = geometry.bounds
    return bool(x0 >= -180 and x1 <= 180 and y0 >= -90 and y1 <= 90)


def outline(raw: RawGeometry, transformer: Transformer | None) -> Outline:
    """Bring a geometry to WGS84 and mend it.

    Heights are dropped. Rings that jump over the antimeridian are cut there. Unclosed rings are closed, repeated
    vertices removed, self-crossing rings taken apart (shells first, then holes: OGC structure), and only parts with an
    area are kept. Nothing is simplified or moved.

    Parameters
    ----------
    raw
        Geometry in the file's CRS.
    transformer
        To longitude and latitude, see :func:`to_wgs84`.
    """
    geometry = raw.geometry
    if raw.broken:
        return Outline(None, raw.broken)
    if geometry is None or geometry.is_empty:
        return Outline(None, "is missing or empty")
    if fault := outline_fault(geometry):
        return Outline(None, fault)
    geometry = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return Outline(None, "has coordinates that are not finite numbers")
    if transformer is not None:
        geometry = shapely.transform(geometry, transformer.transform, interleaved=False)
        if not np.isfinite(shapely.get_coordinates(geometry)).all():
            return Outline(None, "lies outside the area in which its CRS can be used")
    if not looks_geographic(geometry):
        x0, y0, x1, y1 = (round(v, 3) for v in geometry.bounds)
        found = f"x {x0} to {x1}, y {y0} to {y1}"
        told = f"lies outside longitude -180..180 and latitude -90..90 ({found}); check the CRS and the axis order"
        return Outline(None, told)
    if geometry.geom_type == "MultiPoint" and len(geometry.geoms) == 1:
        geometry = geometry.geoms[0]
    if geometry.geom_type == "Point":
        return Outline(geometry)
    if not _polygons(geometry):
        return Outline(None, f"is a {geometry.geom_type}; a Polygon, MultiPolygon or Point is needed")
    repairs = ["a ring was not closed: closed"] if raw.unclosed else []
    if not any(_width(p) > 180 for p in _polygons(geometry)):
        return _mended(geometry, repairs)
    turned = shapely.transform(geometry, lambda xy: np.column_stack([xy[:, 0] + 360 * (xy[:, 0] < 0), xy[:, 1]]))
    if not 0 < _width(turned) <= 180:
        return Outline(None, "spans more than 180 degrees of longitude however it is read; check its coordinates")
    return _cut(_mended(turned, repairs))


def same_place(a: BaseGeometry, b: BaseGeometry) -> bool:
    """Whether two mended geometries are the same, wherever their rings start (1e-9 degree, about 0.1 mm)."""
    return bool(shapely.equals_exact(shapely.normalize(a), shapely.normalize(b), tolerance=1e-9))


def _mended(geometry: BaseGeometry, repairs: list[str]) -> Outline:
    if geometry.geom_type == "GeometryCollection":
        repairs.append("parts without area were removed from a GeometryCollection")
        geometry = shapely.multipolygons(_polygons(geometry))
    if geometry.is_valid:
        lean = shapely.remove_repeated_points(geometry)
        repeated = int(shapely.get_num_coordinates(geometry) - shapely.get_num_coordinates(lean))
        if repeated:
            geometry = lean
            repairs.append(f"{repeated} repeated vertices removed")
    else:
        why, where = _reason(geometry)
        if too_tangled(geometry):
            return Outline(None, f"crosses itself too often to be mended ({why}{where}); draw it anew")
        try:
            rebuilt = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
        except GEOSException as error:
            return Outline(None, f"cannot be repaired ({why}{where}): {' '.join(str(error).split())[:120]}")
        parts = [p for p in _polygons(rebuilt) if area_ha(shapely.orient_polygons(p)) > 0]
        if not parts:
            return Outline(None, f"has no area ({why}{where})")
        # parts that share an edge are one polygon; side by side in one MultiPolygon they would be invalid again
        geometry = shapely.union_all(parts)
        total = area_ha(shapely.orient_polygons(geometry))
        repairs.append(f"{why}{where}: rings rebuilt, {shapely.get_num_geometries(geometry)} part(s), {total:.2f} ha")
    geometry = shapely.orient_polygons(geometry)
    area, least = area_ha(geometry), packaged().number("plausibility.outline_area_min_ha")
    if area <= 0:
        return Outline(None, "has no area")
    if area < least:
        told = f"has {area:.2g} ha, less than {least:g} ha; are its coordinates degrees, but declared as another CRS?"
        return Outline(None, told)
    return Outline(geometry, "", tuple(repairs))


def _width(geometry: BaseGeometry) -> float:
    west, _, east, _ = geometry.bounds
    return float(east - west)


def _cut(found: Outline) -> Outline:
    """An outline in longitudes of 0 to 360 with what lies beyond the antimeridian brought back to the west."""
    if found.geometry is None:
        return found
    beyond = shapely.intersection(found.geometry, shapely.box(180, -90, 360, 90))
    back = shapely.transform(beyond, lambda xy: xy - np.array([360.0, 0.0]))
    parts = [*_polygons(shapely.intersection(found.geometry, shapely.box(0, -90, 180, 90))), *_polygons(back)]
    told = f"wider than 180 degrees: read as lying over the antimeridian and cut there, {len(parts)} part(s)"
    return Outline(shapely.orient_polygons(shapely.multipolygons(parts)), "", (*found.repairs, told))


def _polygons(geometry: BaseGeometry) -> list[BaseGeometry]:
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    if geometry.geom_type in {"MultiPolygon", "GeometryCollection"}:
        return [p for g in geometry.geoms for p in _polygons(g)]
    return []


def _reason(geometry: BaseGeometry) -> tuple[str, str]:
    text = shapely.is_valid_reason(geometry)
    why, _, where = text.partition("[")
    return why.strip().lower(), f" at {where.rstrip(']')}" if where else ""


def _unclosed(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    if kind == "GeometryCollection":
        return any(_unclosed(g) for g in value.get("geometries", []))
    polygons = {"Polygon": [value.get("coordinates", [])], "MultiPolygon": value.get("coordinates", [])}.get(
        str(kind), []
    )
    return any(list(ring[0]) != list(ring[-1]) for polygon in polygons for ring in polygon if ring)
