"""Outlines of plantations: mended, refused, measured."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.register import read_register
from tests.sources.register_files import BOWTIE, SQUARE, plantations, read, write


def test_geodesic_area_of_one_degree_at_the_equator(tmp_path: Path) -> None:
    # WGS84: the cell 0..1 E, 0..1 N holds 12,308.778 km2 (Karney, GeographicLib Planimeter)
    register, _ = read(plantations([box(0, 0, 1, 1)], country=["GA"]), tmp_path / "r.geojson")
    assert register["area_geodesic_ha"].iloc[0] == pytest.approx(1_230_877.8, rel=1e-6)


def test_holes_are_subtracted_whichever_way_rings_run(tmp_path: Path) -> None:
    hole = [(103.002, 2.002), (103.008, 2.002), (103.008, 2.008), (103.002, 2.008)]
    shells = [list(SQUARE.exterior.coords), list(SQUARE.exterior.coords)[::-1]]
    rings = [Polygon(s, [h]) for s in shells for h in (hole, hole[::-1])]
    register, bad = read(plantations(list(rings)), tmp_path / "r.geojson")
    assert bad.empty
    expected = area_ha(SQUARE) - area_ha(shapely.orient_polygons(Polygon(hole)))
    assert register["area_geodesic_ha"].to_numpy() == pytest.approx([expected] * 4, rel=1e-12)


def test_bow_tie_is_repaired_and_flagged(tmp_path: Path) -> None:
    register, bad = read(plantations([BOWTIE]), tmp_path / "r.parquet")
    assert register.geometry.iloc[0].is_valid
    assert register["area_geodesic_ha"].iloc[0] == pytest.approx(area_ha(SQUARE) / 2, rel=1e-4)
    assert register["flags"].iloc[0] == "area_unknown;geometry_repaired"
    assert list(bad["action"]) == ["repaired"]
    assert (
        bad["reason"].iloc[0].startswith("geometry: self-intersection at 103.005 2.005: rings rebuilt, 2 part(s), 61.5")
    )


def test_overlapping_parts_are_merged_not_cancelled(tmp_path: Path) -> None:
    overlap = MultiPolygon([SQUARE, box(103.005, 2.0, 103.015, 2.01)])
    register, _ = read(plantations([overlap]), tmp_path / "r.parquet")
    assert register["area_geodesic_ha"].iloc[0] == pytest.approx(1.5 * area_ha(SQUARE), rel=1e-4)


def test_a_hole_that_leaves_its_shell_is_cut_off_there(tmp_path: Path) -> None:
    leaving = Polygon(SQUARE.exterior.coords, [box(103.005, 2.004, 103.015, 2.006).exterior.coords])
    register, bad = read(plantations([leaving]), tmp_path / "r.parquet")
    assert register["area_geodesic_ha"].iloc[0] == pytest.approx(0.9 * area_ha(SQUARE), rel=1e-4)
    assert bad["reason"].iloc[0].startswith("geometry: self-intersection at 103.01 2.00")


def test_repeated_vertices_are_removed(tmp_path: Path) -> None:
    ring = [(103, 2), (103.01, 2), (103.01, 2), (103.01, 2.01), (103, 2.01)]
    register, bad = read(plantations([Polygon(ring)]), tmp_path / "r.gpkg")
    assert len(register.geometry.iloc[0].exterior.coords) == 5
    assert "1 repeated vertices removed" in bad["reason"].iloc[0]


def test_heights_are_dropped_without_a_word(tmp_path: Path) -> None:
    register, bad = read(plantations([shapely.force_3d(SQUARE, 5.0)]), tmp_path / "r.parquet")
    assert not register.geometry.iloc[0].has_z
    assert bad.empty


def test_polygons_are_taken_out_of_a_collection(tmp_path: Path) -> None:
    mixed = GeometryCollection([SQUARE, LineString([(103, 2), (104, 2)])])
    register, bad = read(plantations([mixed]), tmp_path / "r.parquet")
    assert register.geometry.iloc[0].geom_type in {"Polygon", "MultiPolygon"}
    assert "parts without area were removed" in bad["reason"].iloc[0]


def test_unclosed_rings_are_closed(tmp_path: Path) -> None:
    corners = [(103.0, 2.0), (103.01, 2.0), (103.01, 2.01), (103.0, 2.01)]
    wkb = struct.pack("<BIII", 1, 3, 1, len(corners)) + b"".join(struct.pack("<dd", *c) for c in corners)
    with_wkb = tmp_path / "r.parquet"
    write(plantations([SQUARE]), with_wkb)
    table = pq.read_table(with_wkb)
    pq.write_table(table.set_column(table.column_names.index("geometry"), "geometry", pa.array([wkb])), with_wkb)
    feature = {
        "type": "Feature",
        "properties": {"plantation_id": "P0", "country": "MY", "planted_date": "2010-05-01"},
        "geometry": {"type": "Polygon", "coordinates": [corners]},
    }
    with_json = tmp_path / "r.geojson"
    with_json.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    for path in (with_wkb, with_json):
        quarantine = Quarantine()
        register = read_register([str(path)], quarantine)
        assert register["area_geodesic_ha"].iloc[0] == pytest.approx(area_ha(SQUARE))
        assert quarantine.frame()["reason"].iloc[0] == "geometry: a ring was not closed: closed"


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (None, "geometry is missing or empty"),
        (Polygon(), "geometry is missing or empty"),
        (LineString([(103, 2), (104, 2)]), "geometry is a LineString; a Polygon, MultiPolygon or Point is needed"),
        (Polygon([(103, 2), (104, 3), (105, 4)]), "geometry has no area (self-intersection"),
        (Polygon([(103, 2), (103, 2), (103, 2)]), "geometry has no area"),
        (
            box(2.0, 103.0, 2.01, 103.01),
            "geometry lies outside longitude -180..180 and latitude -90..90 (x 2.0 to 2.01",
        ),
        (box(-180, 2, 180, 3), "geometry spans more than 180 degrees of longitude however it is read"),
        (
            Polygon([(-170, 2), (170, 2), (170, 3), (1, 3), (-1, 3), (-170, 3)]),
            "geometry spans more than 180 degrees of longitude however it is read",
        ),
        # 0.01 x 0.01 units of a metre: degrees that were declared as UTM
        (box(103.0, 2.0, 103.00005, 2.00005), "geometry has 0.0031 ha, less than 0.01 ha; are its coordinates degrees"),
        (Polygon([(103, 2), (np.inf, 2), (103, 3)]), "geometry has coordinates that are not finite numbers"),
    ],
)
def test_unusable_geometry_rejects_only_its_row(tmp_path: Path, geometry: BaseGeometry | None, reason: str) -> None:
    register, bad = read(plantations([SQUARE, geometry]), tmp_path / "r.parquet")
    assert list(register["plantation_id"]) == ["P0"]
    assert bad["reason"].iloc[0].startswith(reason)
    assert bad["reason"].iloc[0].endswith("; row rejected")
    assert (bad["row"].iloc[0], bad["column"].iloc[0], bad["plantation_id"].iloc[0]) == (2, "geometry", "P1")


def test_a_ring_over_the_antimeridian_is_cut_there(tmp_path: Path) -> None:
    """Half of the square lies on each side; read in plain longitudes it is a belt round the world."""
    east = box(179.995, -16.0, 180.0, -15.99)
    west = box(-180.0, -16.0, -179.995, -15.99)
    ring = Polygon([(179.995, -16.0), (-179.995, -16.0), (-179.995, -15.99), (179.995, -15.99)])
    register, bad = read(plantations([ring, shapely.union(east, west)], country=["FJ", "FJ"]), tmp_path / "r.parquet")
    cut, split = register.geometry
    assert shapely.equals(cut, split)
    assert cut.geom_type == "MultiPolygon"
    assert register["area_geodesic_ha"].iloc[0] == pytest.approx(area_ha(east) + area_ha(west), rel=1e-9)
    assert "geometry_repaired" in register["flags"].iloc[0]
    (reason,) = bad.loc[bad["column"] == "geometry", "reason"]
    assert reason == ("geometry: wider than 180 degrees: read as lying over the antimeridian and cut there, 2 part(s)")


def test_degrees_declared_as_metres_are_refused(tmp_path: Path) -> None:
    frame = plantations([SQUARE]).set_crs("EPSG:32648", allow_override=True)
    register, bad = read(frame, tmp_path / "r.gpkg")
    assert register.empty
    assert "less than 0.01 ha; are its coordinates degrees, but declared as another CRS?" in bad["reason"].iloc[0]


def test_geometry_that_cannot_be_decoded_rejects_only_its_row(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    write(plantations([SQUARE, SQUARE]), path)
    table = pq.read_table(path)
    cells = [table.column("geometry")[0].as_py(), b"\x01\x03nonsense"]
    pq.write_table(table.set_column(table.column_names.index("geometry"), "geometry", pa.array(cells)), path)
    quarantine = Quarantine()
    assert list(read_register([str(path)], quarantine)["plantation_id"]) == ["P0"]
    assert quarantine.frame()["reason"].iloc[0] == "geometry cannot be decoded as WKB; row rejected"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=4, max_size=9))
def test_any_ring_ends_valid_or_refused(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]) -> None:
    ring = Polygon([(103 + x / 1000, 2 + y / 1000) for x, y in steps])
    path = tmp_path_factory.mktemp("ring") / "r.geojson"
    register, bad = read(plantations([ring, SQUARE]), path)
    assert "P1" in set(register["plantation_id"])
    kept = register[register["plantation_id"] == "P0"]
    hull = area_ha(shapely.orient_polygons(ring.convex_hull)) if ring.convex_hull.geom_type == "Polygon" else 0.0
    if kept.empty:
        assert "rejected" in set(bad["action"])
        return
    outline = kept.geometry.iloc[0]
    assert outline.is_valid
    assert outline.geom_type in {"Polygon", "MultiPolygon"}
    # edges are geodesics: more vertices on the hull's straight edges in degrees move its area by some 1e-6 (2 km edges)
    assert 0 < kept["area_geodesic_ha"].iloc[0] <= hull * (1 + 1e-5)
    if ring.is_valid and not len(bad):
        assert outline.equals(ring)
    else:
        assert "geometry_repaired" in kept["flags"].iloc[0]
