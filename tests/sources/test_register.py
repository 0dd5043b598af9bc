"""Register and blocks: formats, CRS, outlines mended or refused, areas, duplicates, time zones."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import SourceError
from plantation_rwa.grid import area_ha
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.places import COUNTRIES, default_timezone, is_timezone, longitude_timezone
from plantation_rwa.sources.register import read_blocks, read_register

SQUARE = box(103.0, 2.0, 103.01, 2.01)
BOWTIE = Polygon([(103, 2), (103.01, 2.01), (103.01, 2), (103, 2.01)])


def plantations(geometries: list[BaseGeometry | None], **columns: Any) -> gpd.GeoDataFrame:
    n = len(geometries)
    base: dict[str, Any] = {
        "plantation_id": [f"P{i}" for i in range(n)],
        "country": ["MY"] * n,
        "planted_date": ["2010-05-01"] * n,
    }
    return gpd.GeoDataFrame(base | columns, geometry=geometries, crs="EPSG:4326")


def write(frame: gpd.GeoDataFrame, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_file(path)
    return str(path)


def read(frame: gpd.GeoDataFrame, path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    quarantine = Quarantine()
    return read_register([write(frame, path)], quarantine), quarantine.frame()


@pytest.mark.parametrize("name", ["r.parquet", "r.gpkg", "r.geojson", "r.shp"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32648"])
def test_every_format_and_crs_gives_the_same_register(tmp_path: Path, name: str, crs: str) -> None:
    frame = plantations(
        [SQUARE, box(101.0, 3.0, 101.02, 3.01)],
        plantation_id=["007", "B"],
        state=["Johor", "Pahang"],
        planted_area_ha=[123.0, 246.0],
        soil_class=["s1", "S3"],
        is_peat=[True, False],
        management_factor=[0.8, 1.1],
        tenure_end=["2040-12-31", None],
    ).to_crs(crs)
    register, bad = read(frame, tmp_path / name)
    assert bad.empty
    assert list(register["plantation_id"]) == ["007", "B"]
    assert list(register["soil_class"]) == ["S1", "S3"]
    assert list(register["is_peat"]) == [True, False]
    assert list(register["management_factor"]) == [0.8, 1.1]
    assert list(register["planted_date"]) == [pd.Timestamp("2010-05-01")] * 2
    assert register["tenure_end"].iloc[0] == pd.Timestamp("2040-12-31")
    assert pd.isna(register["tenure_end"].iloc[1])
    assert list(register["region"]) == ["MY:Johor", "MY:Pahang"]
    assert list(register["flags"]) == ["", ""]
    assert register.crs == "EPSG:4326"
    assert register.geometry.iloc[0].symmetric_difference(SQUARE).area < 1e-10 * SQUARE.area + 1e-12


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
        (Polygon([(103, 2), (np.inf, 2), (103, 3)]), "geometry has coordinates that are not finite numbers"),
    ],
)
def test_unusable_geometry_rejects_only_its_row(tmp_path: Path, geometry: BaseGeometry | None, reason: str) -> None:
    register, bad = read(plantations([SQUARE, geometry]), tmp_path / "r.parquet")
    assert list(register["plantation_id"]) == ["P0"]
    assert bad["reason"].iloc[0].startswith(reason)
    assert bad["reason"].iloc[0].endswith("; row rejected")
    assert (bad["row"].iloc[0], bad["column"].iloc[0], bad["plantation_id"].iloc[0]) == (2, "geometry", "P1")


def test_geometry_that_cannot_be_decoded_rejects_only_its_row(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    write(plantations([SQUARE, SQUARE]), path)
    table = pq.read_table(path)
    cells = [table.column("geometry")[0].as_py(), b"\x01\x03nonsense"]
    pq.write_table(table.set_column(table.column_names.index("geometry"), "geometry", pa.array(cells)), path)
    quarantine = Quarantine()
    assert list(read_register([str(path)], quarantine)["plantation_id"]) == ["P0"]
    assert quarantine.frame()["reason"].iloc[0] == "geometry cannot be decoded as WKB; row rejected"


def test_points_stand_for_small_plots_with_a_declared_area(tmp_path: Path) -> None:
    frame = plantations([Point(103, 2)] * 3, planted_area_ha=[4.0, 4.1, np.nan])
    register, bad = read(frame, tmp_path / "r.gpkg")
    assert list(register["plantation_id"]) == ["P0"]
    assert list(register["is_point"]) == [True]
    assert list(register["flags"]) == ["point"]
    assert np.isnan(register["area_geodesic_ha"].iloc[0])
    assert list(bad["reason"]) == [
        "a Point may stand for at most 4 ha; give the outline; row rejected",
        "a plantation given as a Point needs planted_area_ha; row rejected",
    ]


def test_area_flags(tmp_path: Path) -> None:
    true = area_ha(SQUARE)
    register, bad = read(
        plantations([SQUARE] * 4, planted_area_ha=[true * 1.09, true * 1.11, true * 0.89, None]), tmp_path / "r.geojson"
    )
    assert bad.empty
    assert list(register["flags"]) == ["", "area_mismatch", "area_mismatch", "area_unknown"]
    assert register["planted_area_ha"].iloc[3] == register["area_geodesic_ha"].iloc[3]
    assert register["planted_area_ha"].iloc[1] == true * 1.11


def test_bad_values_by_column(tmp_path: Path) -> None:
    frame = plantations(
        [SQUARE] * 3,
        country=["my", "UK", "Malaysia"],
        planted_date=["2010-05-01", "01/05/2010", "2010-05-01"],
        soil_class=["S9", "S1", "S1"],
        oer=[20.0, 0.2, 0.2],
        ker=[0.05, 0.05, 0.05],
        scheme=["estate", "", ""],
        timezone=["Asia/Borneo", "", ""],
    )
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["P0"]
    first = register.iloc[0]
    assert (first["country"], first["soil_class"], first["scheme"]) == ("MY", "", "")
    assert (first["timezone"], first["ker"]) == ("Asia/Kuala_Lumpur", 0.05)
    assert np.isnan(first["oer"])
    found = {(int(r), c): (a, t) for r, c, a, t in bad[["row", "column", "action", "reason"]].itertuples(index=False)}
    assert {k: v[0] for k, v in found.items()} == {
        (1, "oer"): "nulled",
        (1, "scheme"): "nulled",
        (1, "soil_class"): "nulled",
        (1, "timezone"): "nulled",
        (2, "country"): "rejected",
        (2, "planted_date"): "rejected",
        (3, "country"): "rejected",
    }
    assert found[1, "oer"][1] == "oer must be at most 0.3; write a fraction, 0.2 for 20 %; value left out"
    assert found[1, "timezone"][1].startswith("timezone is not an IANA name such as Asia/Jakarta")
    assert found[3, "country"][1].startswith("country is not valid; use the ISO 3166-1 alpha-2 code, such as MY")


def test_same_id_same_place_keeps_the_first_row(tmp_path: Path) -> None:
    rotated = Polygon([*SQUARE.exterior.coords[2:], *SQUARE.exterior.coords[1:3]])
    frame = plantations(
        [SQUARE, rotated, SQUARE],
        plantation_id=["A", "A", "B"],
        planted_date=["2010-05-01", "2011-05-01", "2012-05-01"],
    )
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["A", "B"]
    assert register["planted_date"].iloc[0] == pd.Timestamp("2010-05-01")
    assert list(bad["reason"]) == ["repeats plantation_id of row 1 of r.geojson, which stays; row rejected"]


def test_same_id_different_places_rejects_all(tmp_path: Path) -> None:
    frame = plantations([SQUARE, box(104, 2, 104.01, 2.01), SQUARE], plantation_id=["A", "A", "B"])
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["B"]
    assert list(bad["row"]) == [1, 2]
    assert set(bad["reason"]) == {
        "the same plantation_id stands for different geometries; all of these rows are left out; row rejected"
    }


def test_a_row_rejected_for_itself_does_not_count_as_duplicate(tmp_path: Path) -> None:
    register, bad = read(plantations([Polygon(), SQUARE], plantation_id=["A", "A"]), tmp_path / "r.parquet")
    assert list(register["plantation_id"]) == ["A"]
    assert list(bad["row"]) == [1]


def test_missing_crs_is_guessed_only_for_degrees(tmp_path: Path) -> None:
    frame = plantations([SQUARE, box(2.0, 103.0, 2.01, 103.01)])
    for name in ("r.shp", "r.parquet"):
        path = tmp_path / name
        write(frame.set_crs(None, allow_override=True), path)
        quarantine = Quarantine()
        register = read_register([str(path)], quarantine)
        bad = quarantine.frame()
        assert list(register["plantation_id"]) == ["P0"]
        assert list(bad["action"]) == ["rejected", "repaired"]
        assert "declares no usable CRS" in bad["reason"].iloc[1]
        assert pd.isna(bad["row"].iloc[1])
    metres = plantations([SQUARE]).to_crs("EPSG:32648").set_crs(None, allow_override=True)
    with pytest.raises(SourceError, match=r"m\.shp: has no usable CRS and its coordinates are not degrees"):
        read_register([write(metres, tmp_path / "m.shp")], Quarantine())


def test_unusable_files_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{not json")
    (tmp_path / "b.gpkg").write_bytes(b"nothing")
    write(plantations([SQUARE]).drop(columns="planted_date"), tmp_path / "c.geojson")
    pd.DataFrame({"plantation_id": ["A"]}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.kml").write_text("<kml/>")
    with pytest.raises(SourceError) as caught:
        read_register(
            [str(tmp_path / n) for n in ("a.geojson", "b.gpkg", "c.geojson", "d.parquet", "e.kml")], Quarantine()
        )
    text = str(caught.value)
    assert "a.geojson: is not a GeoJSON FeatureCollection" in text
    assert "b.gpkg: cannot be read" in text
    assert "c.geojson: required column 'planted_date' is missing" in text
    assert "d.parquet: has no geometry column" in text
    assert "e.kml: register cannot be read in this format (got .kml). Use GeoParquet" in text


def test_a_layer_must_be_named_when_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    plantations([SQUARE]).to_file(path, layer="one")
    plantations([SQUARE] * 2).to_file(path, layer="two")
    with pytest.raises(SourceError, match="has several layers"):
        read_register([str(path)], Quarantine())
    plantations([SQUARE] * 3).to_file(path, layer="register")
    assert len(read_register([str(path)], Quarantine())) == 3


def test_one_odd_geojson_value_does_not_change_how_others_are_read(tmp_path: Path) -> None:
    areas: list[Any] = [123.12345678901234, "about 100", 7]
    clean, _ = read(plantations([SQUARE], planted_area_ha=areas[:1]), tmp_path / "a.geojson")
    frame = plantations([SQUARE] * 3)
    document = json.loads(frame.to_json())
    for feature, area in zip(document["features"], areas, strict=True):
        feature["properties"]["planted_area_ha"] = area
        feature["properties"]["plantation_id"] = feature["properties"]["plantation_id"][1:]
    document["features"][2]["properties"]["plantation_id"] = 2.0
    (tmp_path / "b.geojson").write_text(json.dumps(document))
    register = read_register([str(tmp_path / "b.geojson")], Quarantine())
    assert register["planted_area_ha"].iloc[0] == clean["planted_area_ha"].iloc[0] == areas[0]
    assert register["flags"].iloc[1] == "area_unknown"
    assert list(register["plantation_id"]) == ["0", "1", "2"]


def test_no_features_is_an_empty_register(tmp_path: Path) -> None:
    (tmp_path / "r.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    register = read_register([str(tmp_path / "r.geojson")], Quarantine())
    full, _ = read(plantations([SQUARE]), tmp_path / "f.geojson")
    assert len(register) == 0
    assert list(register.columns) == list(full.columns)


@pytest.mark.parametrize(
    ("country", "state", "zone"),
    [
        ("MY", "Sabah", "Asia/Kuala_Lumpur"),
        ("ID", "Riau", "Asia/Jakarta"),
        ("ID", "Central Kalimantan", "Asia/Jakarta"),
        ("ID", "Kalimantan Tengah", "Asia/Jakarta"),
        ("ID", "Kalimantan Barat", "Asia/Jakarta"),
        ("ID", "KALIMANTAN  TIMUR", "Asia/Makassar"),
        ("ID", "ID-KS", "Asia/Makassar"),
        ("ID", "South Kalimantan", "Asia/Makassar"),
        ("ID", "Sulawesi Barat", "Asia/Makassar"),
        ("ID", "Papua Barat", "Asia/Jayapura"),
        ("ID", "", "Asia/Jakarta"),
        ("PG", "Bougainville", "Pacific/Bougainville"),
        ("TH", "Krabi", "Asia/Bangkok"),
        ("CO", "Meta", "America/Bogota"),
        ("BR", "Pará", "America/Belem"),
        ("DE", "Bayern", None),
    ],
)
def test_default_time_zone(country: str, state: str, zone: str | None) -> None:
    assert default_timezone(country, state) == zone


def test_every_default_zone_exists_and_countries_are_iso() -> None:
    zones = {default_timezone(c, "") for c in COUNTRIES} - {None}
    assert len(COUNTRIES) == 249
    assert len(zones) > 40
    assert all(is_timezone(str(z)) for z in zones)
    assert all(is_timezone(longitude_timezone(lon)) for lon in np.arange(-180.0, 181.0, 7.5))
    assert longitude_timezone(113.0) == "Etc/GMT-8"
    assert not is_timezone("../etc/passwd")


def test_zone_by_longitude_is_told(tmp_path: Path) -> None:
    register, bad = read(plantations([box(11, 48, 11.01, 48.01)], country=["DE"]), tmp_path / "r.geojson")
    assert register["timezone"].iloc[0] == "Etc/GMT-1"
    assert bad["reason"].iloc[0] == "no default time zone for DE: Etc/GMT-1 by longitude is used; give timezone"


def blocks_of(register: gpd.GeoDataFrame, frame: pd.DataFrame, path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    quarantine = Quarantine()
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
        text = str(path)
    else:
        text = write(gpd.GeoDataFrame(frame), path)
    return read_blocks([text], register, quarantine), quarantine.frame()


def test_blocks(tmp_path: Path) -> None:
    register, _ = read(plantations([SQUARE]), tmp_path / "r.geojson")
    far = box(110, 2, 110.1, 2.1)
    frame = gpd.GeoDataFrame(
        {
            "plantation_id": ["P0", "P0", "P9", "P0", "P0", "P0"],
            "block_id": ["1", "1", "1", "2", "3", "4"],
            "planted_date": ["2010-05-01"] * 6,
            "area_ha": [10.0, 11.0, 12.0, 0.0, 5.0, 6.0],
        },
        geometry=[SQUARE, SQUARE, SQUARE, SQUARE, far, Point(103, 2)],
        crs=4326,
    )
    blocks, bad = blocks_of(register, frame, tmp_path / "b.gpkg")
    assert list(blocks["block_id"]) == ["1", "3", "4"]
    assert [g is None for g in blocks.geometry] == [False, True, True]
    reasons = dict(zip(bad["row"], bad["reason"], strict=True))
    assert reasons[2] == "repeats plantation_id and block_id of row 1 of b.gpkg, which stays; row rejected"
    assert reasons[3] == "plantation_id is not in the register, or was rejected there; row rejected"
    assert reasons[4] == "area_ha must be greater than 0; row rejected"
    assert reasons[5] == "geometry does not touch the plantation's outline; value left out"
    assert reasons[6] == "geometry is a Point; a Polygon is needed; value left out"


def test_blocks_without_geometry_and_without_file(tmp_path: Path) -> None:
    register, _ = read(plantations([SQUARE]), tmp_path / "r.geojson")
    frame = pd.DataFrame(
        {"plantation_id": ["P0"], "block_id": ["01"], "planted_date": ["2010-05-01"], "area_ha": [3.5]}
    )
    blocks, bad = blocks_of(register, frame, tmp_path / "b.csv")
    assert bad.empty
    assert list(blocks["block_id"]) == ["01"]
    assert blocks.geometry.iloc[0] is None
    assert dict(read_blocks(None, register, Quarantine()).dtypes) == dict(blocks.dtypes)


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
