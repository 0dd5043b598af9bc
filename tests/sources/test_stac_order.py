"""Imagery sources: twins, order, pages and copies: which of the same items count, and what changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.errors import SourceError
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from tests.sources.stac_factory import BOX, RING, Api, collection, item, scenes, serve, source, write, write_catalog


def _twin(name: str, baseline: str, created: str, **changes: Any) -> dict[str, Any]:
    return item(
        name,
        properties={"s2:processing_baseline": baseline, "created": created, **changes.pop("properties", {})},
        **changes,
    )


def test_reprocessed_product_counts_once_newest_baseline_first(tmp_path: Path) -> None:
    twins = [
        _twin("old", "02.14", "2024-06-01T00:00:00Z"),
        _twin("new", "05.00", "2024-05-01T00:00:00Z"),
        _twin("newer", "05.00", "2024-05-02T00:00:00Z"),
    ]
    for order in (twins, twins[::-1]):
        assert [s.id for s in scenes(write(tmp_path / "i.json", collection(*order)))] == ["newer"]


def test_first_configured_collection_before_later_creation(tmp_path: Path) -> None:
    pair = [
        _twin("c1", "05.11", "2024-03-05T12:00:00Z", collection="sentinel-2-c1-l2a"),
        _twin("l2a", "05.11", "2024-03-05T13:00:00Z"),
    ]
    place = write(tmp_path / "i.json", collection(*pair))
    for first, second in (("sentinel-2-l2a", "sentinel-2-c1-l2a"), ("sentinel-2-c1-l2a", "sentinel-2-l2a")):
        assert [s.collection for s in scenes(place, collections=[first, second])] == [first]


def test_reprocessing_that_was_not_yet_known_does_not_hide_its_predecessor(tmp_path: Path) -> None:
    """With known_at: created, a run before the reprocessing still finds the old version."""
    pair = [_twin("old", "02.14", "2024-03-06T00:00:00Z"), _twin("new", "05.00", "2025-01-01T00:00:00Z")]
    place = write(tmp_path / "i.json", collection(*pair))
    assert [s.id for s in scenes(place, known_at="created")] == ["new", "old"]
    assert [s.id for s in scenes(place)] == ["new"]


def test_datastrips_and_cuts_of_one_tile_are_not_twins(tmp_path: Path) -> None:
    strip = "S2A_OPER_MSI_L2A_DS_2BPS_20240305T100000_S20240305T{}_N05.11"
    strips = [item(n, properties={"s2:datastrip_id": strip.format(t)}) for n, t in (("a", "031001"), ("b", "031015"))]
    assert len(scenes(write(tmp_path / "i.json", collection(*strips)))) == 2
    moved = [[x + 0.5, y] for x, y in RING]
    cuts = [item("a"), item("a", geometry={"type": "Polygon", "coordinates": [moved]})]
    assert len(scenes(write(tmp_path / "j.json", collection(*cuts)))) == 2


def test_two_files_hold_the_same_item(tmp_path: Path) -> None:
    places = [write(tmp_path / name, collection(item())) for name in ("a.json", "b.json")]
    assert len(scenes(*places)) == 1


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "i.json", item())
        (tmp_path / folder / "B04.tif").write_bytes(b"pixels" * 30000)
    one, two = (scenes(str(tmp_path / f / "i.json"))[0].fingerprint for f in ("one", "two"))
    assert one == two
    (tmp_path / "two" / "B04.tif").write_bytes(b"pixels" * 29999 + b"PIXELS")
    assert scenes(str(tmp_path / "two" / "i.json"))[0].fingerprint != one
    write(tmp_path / "one" / "i.json", item(properties={"eo:cloud_cover": 21.0}))
    assert scenes(str(tmp_path / "one" / "i.json"))[0].fingerprint != one


def test_order_of_items_changes_nothing(tmp_path: Path) -> None:
    made = [item(f"s{n}", day=f"2024-03-{n + 1:02d}") for n in range(6)]
    forward = scenes(write(tmp_path / "i.json", collection(*made)))
    assert scenes(write(tmp_path / "i.json", collection(*made[::-1]))) == forward


def test_api_follows_pages_that_repeat_items() -> None:
    made = [item(f"s{n}", day=f"2024-03-{n + 1:02d}", href="https://example.org/{day}/{key}.tif") for n in range(7)]
    api = Api(made, page=3)
    with serve(api) as url:
        quarantine = Quarantine()
        opened = source(url, quarantine=quarantine)
        march = Month(2024, 3)
        found = opened.scenes(BOX, march, march)
        assert [s.id for s in found] == [f"s{n}" for n in range(7)]
        asked = len(api.searches)
        assert asked >= 3
        assert opened.scenes(BOX, march, march) == found
        assert len(api.searches) == asked  # remembered
    assert api.searches[0]["collections"] == ["sentinel-2-l2a"]
    assert api.searches[0]["bbox"] == list(BOX)
    assert api.searches[0]["datetime"] == "2024-02-29T00:00:00Z/2024-04-02T00:00:00Z"
    assert len(quarantine) == 0


def test_api_that_fails_names_its_url() -> None:
    api = Api([item()], page=5, status=400)
    with serve(api) as url:
        opened = source(url)
        with pytest.raises(SourceError, match=rf"{url}: the STAC API does not answer as expected"):
            opened.scenes(BOX, Month(2024, 3), Month(2024, 3))
    with pytest.raises(SourceError, match=r"^http://127.0.0.1:9/: does not answer .got .*refused"):
        source("http://127.0.0.1:9/")


def test_api_and_files_together(tmp_path: Path) -> None:
    place = write(tmp_path / "i.json", collection(item("here"), item("both", day="2024-03-08")))
    api = Api([item("both", day="2024-03-08"), item("there", day="2024-03-09")], page=10)
    with serve(api) as url:
        found = source(place, url).scenes(BOX, Month(2024, 3), Month(2024, 3))
    assert [s.id for s in found] == ["here", "both", "there"]


def test_catalog_at_a_url_is_walked(tmp_path: Path) -> None:
    """A document on the web that is no API is read as static STAC."""

    class Static(Api):
        def root(self) -> dict[str, Any]:
            return collection(item(href="pixels/{key}.tif"))

    with serve(Static([], 1)) as url:
        (scene,) = scenes(f"{url}folder/items.json")
    assert scene.assets["B04"].href == f"{url}folder/pixels/B04.tif"


def test_copied_folder_gives_the_same_scenes(tmp_path: Path) -> None:
    write_catalog(tmp_path / "a", [item("x"), item("y", day="2024-03-10")])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    a, b = scenes(str(tmp_path / "a")), scenes(str(tmp_path / "b"))
    assert [(s.id, s.fingerprint, s.file) for s in a] == [(s.id, s.fingerprint, s.file) for s in b]
