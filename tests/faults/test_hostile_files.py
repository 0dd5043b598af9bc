"""Hostile registers: refused or set aside in bounded time and memory, what is sound beside them is read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.guards import check_parquet, edge_pairs, href_fault, limit, unpacked, wkb_fault, wkt_fault
from plantation_rwa.sources.items import read_json
from tests.faults import hostile
from tests.faults.hostile import geojson, geopackage, nested_json, nested_wkb, nested_wkt, parquet, read_all, row
from tests.screening.plots import plots


def test_geometry_bombs_cost_their_row_and_nothing_else(tmp_path: Path) -> None:
    million = shapely.to_wkb(hostile.circle(1_000_000))
    files = {
        "vertices.parquet": (parquet(tmp_path / "vertices.parquet", million), "has 1000001 vertices, more than 200000"),
        "scribble.parquet": (
            parquet(tmp_path / "scribble.parquet", shapely.to_wkb(hostile.scribble(200_000 - 1))),
            "has edges that nearly all cross each other",
        ),
        "tangle.parquet": (
            parquet(tmp_path / "tangle.parquet", shapely.to_wkb(hostile.scribble(2000))),
            "crosses itself too often to be mended",
        ),
        "deep.parquet": (
            parquet(tmp_path / "deep.parquet", nested_wkb(1_000_000)),
            "nests collections more than 32 deep",
        ),
        "sideways.parquet": (
            parquet(tmp_path / "sideways.parquet", nested_wkb(500_000, sideways=True)),
            "nests collections more than 32 deep",
        ),
        "lie.parquet": (
            parquet(tmp_path / "lie.parquet", struct.pack("<BII", 1, 3, 2**31) + bytes(16)),
            "cannot be decoded as WKB",
        ),
        "many.parquet": (
            parquet(tmp_path / "many.parquet", struct.pack("<BII", 1, 7, 2**32 - 1) + bytes(64)),
            "cannot be decoded as WKB",
        ),
        "deep.geojson": (geojson(tmp_path / "deep.geojson", nested_json(400)), "nests collections too deep"),
        "huge.geojson": (
            geojson(tmp_path / "huge.geojson", '{"type":"Point","coordinates":[' + "9" * 4000 + ",2]}"),
            "is not a GeoJSON geometry",
        ),
        "infinite.geojson": (
            geojson(tmp_path / "infinite.geojson", '{"type":"Point","coordinates":[1e999,2]}'),
            "coordinates that are not finite",
        ),
    }  # fmt: skip
    found = read_all([path for path, _ in files.values()])
    for name, (_, reason) in files.items():
        kept, refused, told = found[name]
        assert (kept, refused) == (["P1"], ""), (name, refused)
        assert any(action == "rejected" and reason in text for action, text in told), (name, told)


def test_files_that_are_bombs_as_a_whole_are_refused(tmp_path: Path) -> None:
    ids = pa.array(["P"] * 1_000_001).dictionary_encode()
    rows = pa.table({"plantation_id": ids, "geometry": pa.nulls(1_000_001, pa.binary())})
    pq.write_table(rows, tmp_path / "rows.parquet", compression="zstd")
    deep = tmp_path / "brackets.geojson"
    deep.write_text("[" * 200_000 + "]" * 200_000)
    digits = geojson(tmp_path / "digits.geojson", '{"type":"Point","coordinates":[' + "9" * 5_000_000 + ",2]}")
    csv = tmp_path / "deep.csv"
    csv.write_text(f'plantation_id,country,planted_date,geometry\nP0,MY,2010-05-01,"{nested_wkt(20_000)}"\n')
    found = read_all([tmp_path / "rows.parquet", deep, digits, csv])
    assert "says it has 1000001 rows, more than 1000000" in found["rows.parquet"][1]
    assert "is not a GeoJSON FeatureCollection" in found["brackets.geojson"][1]
    assert "is not a GeoJSON FeatureCollection" in found["digits.geojson"][1]
    kept, refused, told = found["deep.csv"]
    assert (kept, refused) == ([], "")
    assert "nests collections more than 32 deep" in told[0][1]


_KML = """<?xml version="1.0"?><!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">
<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>&x;&c;</name><Polygon><outerBoundaryIs>
<LinearRing>
<coordinates>103,2 103.1,2 103.1,2.1 103,2</coordinates>
</LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>"""
_GML = _KML.replace("kml", "gml")
_VRT = """<OGRVRTDataSource><OGRVRTLayer name="register"><SrcDataSource>/vsicurl/http://127.0.0.1:9/x.gpkg</SrcDataSource>
</OGRVRTLayer></OGRVRTDataSource>"""


def test_xml_and_archives_are_refused_by_name_and_by_content(tmp_path: Path) -> None:
    bomb = {"x.shp": bytes(200 << 20), "../../escaped.shp": b"x", "/tmp/escaped.shp": b"x"}
    files = [hostile.zipped(tmp_path / "a.zip", bomb), hostile.zipped(tmp_path / "b.kmz", {"doc.kml": _KML.encode()})]
    for name, text in (("c.kml", _KML), ("d.gml", _GML), ("e.vrt", _VRT), ("f.xml", _VRT)):
        (tmp_path / name).write_text(text)
        files.append(tmp_path / name)
    named = read_all(files)
    for name, (kept, refused, _) in named.items():
        assert kept == []
        assert "cannot be read in this format" in refused, name
    inside = []
    for ending in ("shp", "gpkg", "geojson", "parquet"):
        for start, data in (("zip", files[0].read_bytes()), ("kml", _KML.encode()), ("vrt", _VRT.encode())):
            path = tmp_path / f"{start}.{ending}"
            path.write_bytes(data)
            inside.append(path)
    for name, (kept, refused, _) in read_all(inside).items():
        assert kept == []
        assert any(w in refused for w in ("inside", "is not a GeoJSON", "is not a readable Parquet")), (name, refused)
        assert "root:" not in refused
    assert not (tmp_path.parent / "escaped.shp").exists()
    assert not Path("/tmp/escaped.shp").exists()


def test_a_geopackage_whose_layer_is_a_program_is_refused(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    endless += "SELECT i AS fid, NULL AS geom, 'P' AS plantation_id FROM n"
    view = geopackage(tmp_path / "view.gpkg", f"ALTER TABLE register RENAME TO old; CREATE VIEW register AS {endless};")
    contents = geopackage(
        tmp_path / "contents.gpkg",
        f"ALTER TABLE gpkg_contents RENAME TO old; CREATE VIEW gpkg_contents AS {endless};",
    )
    torn = geopackage(tmp_path / "torn.gpkg", "UPDATE sqlite_master SET sql = 'rubbish' WHERE name = 'register';")
    whole = geopackage(tmp_path / "whole.gpkg", "")
    found = read_all([view, contents, torn, whole])
    assert "has a view where the table 'register' should be" in found["view.gpkg"][1]
    assert "has a view where the table 'gpkg_contents' should be" in found["contents.gpkg"][1]
    assert found["torn.gpkg"][0] == []
    assert found["torn.gpkg"][1] != ""
    assert found["whole.gpkg"][0] == ["P0"]


def test_a_shapefile_that_lies_about_its_size_is_bounded(tmp_path: Path) -> None:
    honest = hostile.shapefile(tmp_path / "honest.shp")
    for name, ending, at, value in (
        ("records", ".dbf", 4, struct.pack("<I", 2**31 - 1)),
        ("length", ".shp", 24, struct.pack(">i", 2**31 - 1)),
        ("points", ".shp", 100 + 8 + 4 + 32 + 4, struct.pack("<i", 2**31 - 1)),
    ):
        hostile.shapefile(tmp_path / f"{name}.shp")
        path = tmp_path / f"{name}{ending}"
        data = bytearray(path.read_bytes())
        data[at : at + 4] = value
        path.write_bytes(data)
    found = read_all([honest, *(tmp_path / f"{n}.shp" for n in ("records", "length", "points"))])
    assert found["honest.shp"][0] == ["P0"]
    assert all(f[1] or f[2] or f[0] for f in found.values())


def test_rows_of_formulas_and_paths_are_set_aside(tmp_path: Path) -> None:
    ids = [
        "=cmd|'/c calc'!A1",
        "@SUM(1)",
        "+1+cmd|x",
        "-2+3(",
        "../../etc/passwd",
        "a/b",
        "..",
        "a\\b",
        "x" * 300,
        "P\x00",
    ]
    features = [
        {
            "type": "Feature",
            "properties": {**row(name), "state": "=HYPERLINK(1)"},
            "geometry": json.loads(shapely.to_geojson(hostile.SQUARE)),
        }
        for name in [*ids, "GOOD"]
    ]
    path = tmp_path / "r.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    kept, refused, told = read_all([path])["r.geojson"]
    assert (kept, refused) == (["GOOD"], "")
    assert sum(action == "rejected" for action, _ in told) >= len(ids)
    assert any("spreadsheet formula" in text and action == "nulled" for action, text in told)


# guards --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 32, 33])
def test_nesting_is_counted_to_the_limit(levels: int) -> None:
    assert bool(wkb_fault(nested_wkb(levels))) is (levels > limit("nesting_max"))
    assert bool(wkt_fault(nested_wkt(levels))) is (levels > limit("nesting_max"))


@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_honest_wkb_of_every_kind_passes(flavor: str) -> None:
    texts = (
        "POINT Z (1 2 3)", "LINESTRING (0 0, 1 1)",
        "POLYGON ((0 0, 1 0, 1 1, 0 0), (0.1 0.1, 0.2 0.1, 0.2 0.2, 0.1 0.1))",
        "MULTIPOINT (1 2, 3 4)", "MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)), ((5 5 1, 6 5 1, 6 6 1, 5 5 1)))",
        "GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (POLYGON ((0 0, 1 0, 1 1, 0 0))))",
    )  # fmt: skip
    for text in texts:
        geometry = shapely.set_srid(shapely.from_wkt(text), 4326)
        for order in (0, 1):
            data = shapely.to_wkb(geometry, byte_order=order, flavor=flavor, include_srid=flavor == "extended")
            assert wkb_fault(data) == ""


def test_honest_outlines_have_hardly_any_edges_that_meet() -> None:
    for outline in plots(4711, 60):
        assert edge_pairs(outline) < limit("crossings_max") / 10
    assert edge_pairs(hostile.scribble(2000)) > limit("crossings_max")
    assert edge_pairs(hostile.circle(50_000)) < limit("crossings_max")


def test_a_parquet_file_says_how_much_it_unpacks_to(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    text = "x" * (1 << 20)
    pq.write_table(pa.table({"a": [text] * 40}), path, compression="zstd", use_dictionary=False)
    file = pq.ParquetFile(path)
    check_parquet(file, "t.parquet")
    with pytest.raises(SourceError, match=r"t\.parquet: says it has 40 rows, more than 39"):
        check_parquet(file, "t.parquet", 39)


def test_a_gzip_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    assert unpacked(hostile.gzip_bomb(1 << 20) + hostile.gzip_bomb(1 << 20), "x") == bytes(2 << 20)
    with pytest.raises(EOFError):
        unpacked(hostile.gzip_bomb(1 << 20)[:-20], "x")
    path = tmp_path / "catalog.json"
    path.write_bytes(hostile.gzip_bomb(320 << 20))
    code = (
        "import sys\n"
        "from plantation_rwa.errors import SourceError\n"
        "from plantation_rwa.sources.items import read_json\n"
        "try: read_json(sys.argv[1])\nexcept SourceError as error: print(error)"
    )
    done = hostile.child(["-c", code, str(path)])
    assert (done.returncode, done.stderr) == (0, "")
    assert "unpacks to more than 268435456 bytes" in done.stdout


@pytest.mark.parametrize(
    ("href", "base", "refused"),
    [
        ("B04.tif", "/data/items.json", False),
        ("../B04.tif", "/data/items.json", False),
        ("file:///data/B04.tif", "/data/items.json", False),
        ("https://example.org/B04.tif", "https://example.org/i.json", False),
        ("s3://bucket/B04.jp2", "https://example.org/i.json", False),
        ("file:///data/B04.tif", "http://127.0.0.1:8080/search", False),
        ("file:///etc/passwd", "https://example.org/i.json", True),
        ("file:///etc/passwd", "https://127.0.0.1.example.org/i.json", True),
        ("file:///etc/passwd", "https://127.0.0.1@example.org/i.json", True),
        ("FILE:///etc/passwd", "https://example.org/i.json", True),
        ("/vsicurl/http://169.254.169.254/latest", "/data/items.json", True),
        ("x/vsizip/a.zip/b.tif", "/data/items.json", True),
        ("zip+https://example.org/a.zip!b.tif", "/data/items.json", True),
        ("gopher://127.0.0.1/x", "https://example.org/i.json", True),
    ],
)
def test_hrefs_that_reach_elsewhere_are_not_followed(href: str, base: str, refused: bool) -> None:
    assert bool(href_fault(href, base)) is refused


def test_a_document_that_is_no_document_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        read_json(str(tmp_path / "deep.json"))
