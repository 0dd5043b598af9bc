"""Item documents as they come: malformed catalogs, odd addresses, compressed answers; one bad file stops nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.items import resolve
from tests.sources.stac_factory import Api, collection, item, scenes, serve, write


def catalog(*links: Any) -> dict[str, Any]:
    return {"type": "Catalog", "id": "c", "links": list(links)}


def link(href: str, rel: str = "item") -> dict[str, str]:
    return {"rel": rel, "href": href}


def test_a_link_that_is_none_is_quarantined(tmp_path: Path) -> None:
    write(tmp_path / "a.json", item("a"))
    bad = Quarantine()
    place = write(tmp_path / "catalog.json", catalog("abc", 7, link("a.json")))
    assert [s.id for s in scenes(place, quarantine=bad)] == ["a"]
    rows = bad.frame()
    assert list(rows["value"]) == ["7", "abc"]
    assert set(rows["file"]) == {"catalog.json"}
    assert set(rows["reason"]) == {"link of a catalog is no object; left out. Correct the catalog"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1]", "item cannot be read: it is no STAC document (None)"),
        ('"text"', "item cannot be read: it is no STAC document (None)"),
        ('{"type": "FeatureCollection", "features": {}}', "item cannot be read: it has features that are no list ({})"),
        ("[" * 100_000, "item cannot be read: it cannot be read as JSON ("),
    ],
)
def test_an_item_file_of_a_catalog_that_is_none(content: str, reason: str, tmp_path: Path) -> None:
    write(tmp_path / "a.json", item("a"))
    (tmp_path / "b.json").write_text(content)
    bad = Quarantine()
    place = write(tmp_path / "catalog.json", catalog(link("b.json"), link("a.json")))
    assert [s.id for s in scenes(place, quarantine=bad)] == ["a"]
    (row,) = bad.frame().itertuples()
    assert (row.file, row.action) == ("b.json", "rejected")
    assert row.reason.startswith(reason)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "FeatureCollection", "features": {}}, r"has features that are no list \(got \{\}\)"),
        ({"type": "FeatureCollection"}, r"has features that are no list \(got None\)"),
        ({"type": "Catalog", "links": "abc"}, r"has links that are no list \(got 'abc'\)"),
    ],
)
def test_a_source_that_cannot_be_walked_is_an_error(document: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"x.json: {message}"):
        scenes(write(tmp_path / "x.json", document))


def test_a_deep_catalog_and_one_that_bites_its_tail(tmp_path: Path) -> None:
    """Deeper than calls may be nested; the last points back to the first and to itself."""
    depth = 1500
    for n in range(depth):
        write(tmp_path / f"{n}.json", catalog(link(f"{n + 1}.json", "child")))
    write(tmp_path / f"{depth}.json", catalog(link("0.json", "child"), link(f"{depth}.json", "child"), link("a.json")))
    write(tmp_path / "a.json", item("a"))
    assert [s.id for s in scenes(str(tmp_path / "0.json"))] == ["a"]


@pytest.mark.parametrize("folder", ["with blank", "perak ö", "100%", "a%20b"])
def test_places_with_odd_characters(folder: str, tmp_path: Path) -> None:
    """A plain path, a URI reference and a file URI of one place lead to the same file."""
    pixels = tmp_path / folder / "B 04.tif"
    pixels.parent.mkdir()
    pixels.write_bytes(b"x")
    base = str(tmp_path / folder / "items.json")
    assert resolve("./B 04.tif", base) == str(pixels)
    assert resolve("./B%2004.tif", base) == str(pixels)
    assert resolve(pixels.as_uri(), base) == str(pixels)
    (pixels.parent / "B%2004.tif").write_bytes(b"y")
    assert resolve("./B%2004.tif", base) == str(pixels.parent / "B%2004.tif")  # the name as it stands comes first


@pytest.mark.parametrize("packed", [False, True])
def test_marked_and_packed_documents(packed: bool, tmp_path: Path) -> None:
    content = "\ufeff".encode() + json.dumps(collection(item("a"))).encode()
    path = tmp_path / "items.json"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert [s.id for s in scenes(str(path))] == ["a"]
    if packed:
        path.write_bytes(gzip.compress(content)[:-20])
        with pytest.raises(SourceError, match=r"items.json: cannot be read as JSON"):
            scenes(str(path))


def test_an_api_whose_links_are_none() -> None:
    class Odd(Api):
        def root(self) -> dict[str, Any]:
            return {**collection(item("a")), "links": ["abc"]}

    with serve(Odd([], 1)) as url:
        assert [s.id for s in scenes(url)] == ["a"]


@pytest.mark.parametrize("geo", [b"[1]", b"{", b'{"version": 3}'])
def test_stac_geoparquet_with_odd_metadata(geo: bytes, tmp_path: Path) -> None:
    """The geometry is WKB whatever the metadata say; a properties column that is no struct holds nothing."""
    import shapely

    entry = item("a")
    wkb = shapely.to_wkb(shapely.box(112, -2.3, 112.1, -2.2))
    columns: dict[str, list[Any]] = {"id": ["a"], "geometry": [wkb], "assets": [entry["assets"]], "properties": ["abc"]}
    columns |= {k: [v] for k, v in entry["properties"].items()} | {"collection": [entry["collection"]]}
    table = pa.table(columns).replace_schema_metadata({"geo": geo})
    pq.write_table(table, tmp_path / "items.parquet")
    (scene,) = scenes(str(tmp_path / "items.parquet"))
    assert (scene.id, scene.offset) == ("a", -1000.0)


def test_split_datastrips_stay_two_over_several_sources(tmp_path: Path) -> None:
    """Without outlines only the datastrip tells them apart; an API and a file together keep it."""
    strips = [
        item(f"s{n}", geometry=None, properties={"s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_X_S2024030{n}T031000_N05.11"})
        for n in (5, 6)
    ]
    place = write(tmp_path / "i.json", collection(*strips))
    with serve(Api(strips, page=10)) as url:
        assert [s.id for s in scenes(place, url)] == ["s5", "s6"]
