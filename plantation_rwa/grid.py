"""Geometry as value objects: raster grids, geodesic areas, the edge buffer, local map projections."""

from __future__ import annotations

import math
from dataclasses import dataclass

import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from shapely import transform as shapely_transform
from shapely.geometry.base import BaseGeometry

GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels; rows grow downwards."""

    row: int
    col: int
    height: int
    width: int


@dataclass(frozen=True)
class GridSpec:
    """A raster grid: CRS, north-up affine transform, shape in pixels.

    Parameters
    ----------
    crs
        Authority text such as ``EPSG:32748``.
    transform
        Pixel (col, row) to map (x, y), metres for projected grids.
    height, width
        Pixels.
    """

    crs: str
    transform: Affine
    height: int
    width: int

    @property
    def pixel_size(self) -> float:
        """Pixel edge in map units (square pixels)."""
        return float(self.transform.a)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) in map units."""
        x0, y1 = self.transform @ (0, 0)
        x1, y0 = self.transform @ (self.width, self.height)
        return (x0, y0, x1, y1)

    def crop(self, window: Window) -> GridSpec:
        """The grid of a window of this one."""
        shifted = self.transform @ Affine.translation(window.col, window.row)
        return GridSpec(self.crs, shifted, window.height, window.width)

    def window_of(self, bounds: tuple[float, float, float, float], multiple: int = 1) -> Window | None:
        """Smallest window that covers map bounds, its edges on multiples of ``multiple`` pixels; None if disjoint."""
        inverse = ~self.transform
        c0, r0 = inverse @ (bounds[0], bounds[3])
        c1, r1 = inverse @ (bounds[2], bounds[1])
        top, left = max(0, math.floor(r0 + 1e-9)), max(0, math.floor(c0 + 1e-9))
        bottom, right = min(self.height, math.ceil(r1 - 1e-9)), min(self.width, math.ceil(c1 - 1e-9))
        # asked before the edges move to multiples: a box beside the grid must not catch its last block
        if bottom <= top or right <= left:
            return None
        row0, col0 = top // multiple * multiple, left // multiple * multiple
        row1 = min(self.height, math.ceil(bottom / multiple) * multiple)
        col1 = min(self.width, math.ceil(right / multiple) * multiple)
        return Window(row0, col0, row1 - row0, col1 - col0)


def is_mgrs(tile: str) -> bool:
    """Whether a grid code is that of an MGRS tile, such as ``48NUG``."""
    return len(tile) == 5 and tile[:2].isdigit() and tile[2:].isalpha()


def zone_of(tile: str) -> str:
    """CRS of an MGRS tile: UTM, northern from band N on; empty for any other grid code."""
    return f"EPSG:{(32600 if tile[2].upper() >= 'N' else 32700) + int(tile[:2])}" if is_mgrs(tile) else ""


def area_ha(geometry: BaseGeometry) -> float:
    """Geodesic area on WGS84 in hectares, holes subtracted. The geometry is in longitude/latitude degrees."""
    return abs(GEOD.geometry_area_perimeter(geometry)[0]) / 1e4


def perimeter_m(geometry: BaseGeometry) -> float:
    """Geodesic length of all rings on WGS84 in metres, holes included."""
    return abs(GEOD.geometry_area_perimeter(geometry)[1])


def edge_buffer_m(area: float, perimeter: float) -> float:
    """Edge buffer in metres of the contract's ``auto`` rule: min(20 m, 0.15 x 2 area/perimeter).

    Parameters
    ----------
    area
        Square metres.
    perimeter
        Metres.
    """
    return min(20.0, 0.15 * 2.0 * area / perimeter) if perimeter > 0 else 0.0


def reproject(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    """Reproject a geometry, always in (x, y) = (longitude, latitude) axis order."""
    transformer = Transformer.from_crs(CRS.from_user_input(source), CRS.from_user_input(target), always_xy=True)
    return shapely_transform(geometry, transformer.transform, interleaved=False)


def utm_epsg(longitude: float, latitude: float) -> str:
    """Authority text of the UTM zone of a point, hemisphere included."""
    zone = int((longitude + 180.0) // 6.0) % 60 + 1
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"


def split_at(geometry: BaseGeometry, bounds: tuple[float, float, float, float]) -> tuple[BaseGeometry, BaseGeometry]:
    """The ground of a polygon within map bounds and beyond them.

    Only areas are kept: along a shared edge an intersection holds lines too. What was cut in one CRS and brought to
    another may touch itself by rounding; it is made valid first.

    Parameters
    ----------
    geometry
        (Multi)Polygon in the CRS of the bounds.
    bounds
        (xmin, ymin, xmax, ymax).

    Returns
    -------
    inside, outside : shapely geometry
        (Multi)Polygons, empty where nothing lies.
    """
    box = shapely.box(*bounds)
    whole = geometry if geometry.is_valid else _areas(shapely.make_valid(geometry))
    if box.contains(whole):
        return whole, shapely.Polygon()
    return _areas(whole.intersection(box)), _areas(whole.difference(box))


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry of any kind."""
    parts = [p for p in shapely.get_parts(shapely.get_parts(geometry)) if isinstance(p, shapely.Polygon)]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
