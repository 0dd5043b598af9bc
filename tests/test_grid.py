"""Grids, geodesic areas, the edge buffer and projections against figures from elsewhere."""

from __future__ import annotations

import math

import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from plantation_rwa.grid import GridSpec, Window, area_ha, edge_buffer_m, perimeter_m, reproject, utm_epsg

GRID = GridSpec("EPSG:32748", Affine(10, 0, 500_000, 0, -10, 9_800_000), 100, 200)


def test_grid_corners() -> None:
    assert GRID.bounds == (500_000, 9_799_000, 502_000, 9_800_000)
    assert GRID.pixel_size == 10
    part = GRID.crop(Window(10, 20, 5, 6))
    assert part.bounds == (500_200, 9_799_850, 500_260, 9_799_900)
    assert (part.height, part.width, part.crs) == (5, 6, "EPSG:32748")


def test_the_window_of_a_box_covers_it_and_no_more() -> None:
    assert GRID.window_of((500_205, 9_799_855, 500_255, 9_799_895)) == Window(10, 20, 5, 6)
    # edges that lie on pixel edges take no pixel beyond
    assert GRID.window_of((500_200, 9_799_850, 500_260, 9_799_900)) == Window(10, 20, 5, 6)
    assert GRID.window_of((500_205, 9_799_855, 500_255, 9_799_895), multiple=4) == Window(8, 20, 8, 8)
    assert GRID.window_of((0, 0, 1e7, 1e8)) == Window(0, 0, 100, 200)
    assert GRID.window_of((600_000, 9_799_000, 600_100, 9_799_100)) is None
    # touching from outside is no overlap
    assert GRID.window_of((502_000, 9_799_000, 502_100, 9_799_100)) is None


@given(
    x=st.integers(-500, 2500),
    y=st.integers(-500, 1500),
    w=st.integers(1, 900),
    h=st.integers(1, 900),
    m=st.sampled_from([1, 2, 7]),
)
def test_a_window_always_covers_the_overlap(x: int, y: int, w: int, h: int, m: int) -> None:
    bounds = (500_000.0 + x, 9_799_000.0 + y, 500_000.0 + x + w, 9_799_000.0 + y + h)
    window = GRID.window_of(bounds, m)
    overlap = box(*GRID.bounds).intersection(box(*bounds))
    if overlap.area == 0:
        assert window is None
        return
    assert window is not None
    assert box(*GRID.crop(window).bounds).buffer(1e-6).covers(overlap)
    assert window.row % m == 0
    assert window.col % m == 0
    assert window.row + window.height <= GRID.height
    assert window.col + window.width <= GRID.width


def test_geodesic_area_known_answers() -> None:
    # one degree by one degree at the equator on WGS84: 12308.778 km2 (closed form of the ellipsoidal zone)
    assert area_ha(box(0, 0, 1, 1)) == pytest.approx(1_230_877.8, rel=1e-6)
    # orientation does not matter, holes are subtracted
    ring = box(103, 1, 103.01, 1.01)
    hole = box(103.002, 1.002, 103.004, 1.004)
    assert area_ha(Polygon(list(ring.exterior.coords)[::-1])) == pytest.approx(area_ha(ring))
    assert area_ha(ring.difference(hole)) == pytest.approx(area_ha(ring) - area_ha(hole), rel=1e-9)
    two = shapely.MultiPolygon([ring, box(104, 1, 104.01, 1.01)])
    assert area_ha(two) == pytest.approx(2 * area_ha(ring), rel=1e-9)
    assert area_ha(Point(1, 1)) == 0


def test_geodesic_length_known_answer() -> None:
    # a quarter of the equator's degree and of the meridian's: 111319.491 m and 110574.389 m per degree at the equator
    assert perimeter_m(box(0, 0, 1, 1)) == pytest.approx(111_319.491 + 111_302.649 + 2 * 110_574.389, abs=1.0)


def test_edge_buffer_known_answers() -> None:
    # a square of 1 km: 2 A/P = 500 m, 15 % of it is 75 m: capped at 20 m
    assert edge_buffer_m(1e6, 4000) == 20.0
    # a square of 200 m: 2 A/P = 100 m: 15 m
    assert edge_buffer_m(40_000, 800) == pytest.approx(15.0)
    # a strip of 40 x 1000 m: 2 A/P = 38.46 m: 5.77 m, so that the strip keeps most of its width
    assert edge_buffer_m(40_000, 2080) == pytest.approx(0.15 * 2 * 40_000 / 2080)
    assert edge_buffer_m(0, 0) == 0


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (103.8, 1.3, "EPSG:32648"),
        (113.9, -2.2, "EPSG:32749"),
        (117.9, 5.4, "EPSG:32650"),
        (0.0, 0.0, "EPSG:32631"),
        (-180.0, -1.0, "EPSG:32701"),
        (180.0, 1.0, "EPSG:32601"),
        (102.0, 1.0, "EPSG:32648"),
        (101.9999, 1.0, "EPSG:32647"),
    ],
)
def test_utm_zone_by_place(lon: float, lat: float, epsg: str) -> None:
    assert utm_epsg(lon, lat) == epsg


def test_reprojection_keeps_longitude_first() -> None:
    # the false easting of a zone's middle meridian, on the equator
    point = reproject(Point(105.0, 0.0), "EPSG:4326", "EPSG:32648")
    assert (point.x, point.y) == pytest.approx((500_000.0, 0.0), abs=1e-6)
    south = reproject(Point(105.0, 0.0), "EPSG:4326", "EPSG:32748")
    assert south.y == pytest.approx(10_000_000.0, abs=1e-6)
    ring = box(103.4, 1.9, 103.41, 1.91)
    back = reproject(reproject(ring, "EPSG:4326", "EPSG:32648"), "EPSG:32648", "EPSG:4326")
    assert back.equals_exact(ring, 1e-9)
    # area on the map and on the ellipsoid differ by the scale factor only
    assert math.isclose(reproject(ring, "EPSG:4326", "EPSG:32648").area / 1e4, area_ha(ring), rel_tol=1e-3)
