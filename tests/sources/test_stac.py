"""Imagery sources: the four forms of input, what is refused, twins, points in time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import shapely

from plantation_rwa.errors import SourceError
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine, Scene
from tests.sources.stac_factory import BOX, collection, item, scenes, source, write, write_catalog


def test_item_collection(tmp_path: Path) -> None:
    (scene,) = scenes(write(tmp_path / "deep" / "items.json", collection(item(href="../pixels/{key}.tif"))))
    assert scene.assets["B04"].href == str(tmp_path / "pixels" / "B04.tif")
    assert (scene.id, scene.collection, scene.tile, scene.datatake) == (
        "S2A_X",
        "sentinel-2-l2a",
        "49MDT",
        "S2A_20240305T031000",
    )
    assert (scene.baseline, scene.offset, scene.cloud_cover, scene.file) == (5.11, -1000.0, 20.0, "items.json")
    assert scene.acquired == pd.Timestamp("2024-03-05T03:10", tz="UTC")
    assert scene.footprint is not None
    assert scene.footprint.bounds == BOX


def test_single_item_and_absolute_hrefs(tmp_path: Path) -> None:
    place = write(tmp_path / "a.json", item(href="https://example.org/{key}.tif"))
    assert scenes(place)[0].assets["B08"].href == "https://example.org/B08.tif"


def test_static_catalog(tmp_path: Path) -> None:
    place = write_catalog(tmp_path, [item("a"), item("b", day="2024-03-10")])
    found = scenes(place)
    assert [s.id for s in found] == ["a", "b"]
    assert found[0].assets["B04"].href == str(tmp_path / "sub" / "items" / "B04.tif")
    assert [s.id for s in scenes(str(tmp_path))] == ["a", "b"]  # a folder stands for its catalog.json


def test_catalog_with_a_missing_item_and_a_loop(tmp_path: Path) -> None:
    place = write_catalog(tmp_path, [item("a"), item("b")])
    (tmp_path / "sub" / "items" / "b.json").unlink()
    looped = json.loads((tmp_path / "sub" / "collection.json").read_text())
    looped["links"].append({"rel": "child", "href": "../catalog.json"})
    write(tmp_path / "sub" / "collection.json", looped)
    quarantine = Quarantine()
    assert [s.id for s in scenes(place, quarantine=quarantine)] == ["a"]
    (row,) = quarantine.frame().itertuples()
    assert (row.input, row.file, row.action) == ("imagery", "b.json", "rejected")
    assert row.reason.startswith("item cannot be read: ")


def test_catalog_with_a_missing_branch_stops(tmp_path: Path) -> None:
    place = write_catalog(tmp_path, [item("a")])
    (tmp_path / "sub" / "collection.json").unlink()
    with pytest.raises(SourceError, match=r"collection.json: cannot be read as JSON"):
        scenes(place)


def _comparable(scene: Scene) -> tuple[Any, ...]:
    identity = (scene.id, scene.collection, scene.tile, scene.datatake, scene.baseline, scene.cloud_cover)
    times = (scene.acquired, scene.created, scene.known_at)
    return (*identity, *times, scene.assets, scene.scale, scene.offset, scene.offset_reason)


async def _to_parquet(path: str, features: list[dict[str, Any]]) -> None:
    import rustac

    await rustac.write(path, features)


def test_geoparquet_gives_the_scenes_of_the_item_collection(tmp_path: Path) -> None:
    """A file made by another program (rustac), real items of two providers: nothing is lost on the way."""
    real = Path(__file__).parents[2] / "data" / "sample" / "real" / "stac"
    for name in (
        "planetary-computer/site2-2020_jun_jul-35MNM.geojson",
        "earth-search-v1/search_mixed_collections_20250731_page1.json",
    ):
        features = json.loads((real / name).read_text("utf-8"))["features"]
        features = [f for f in features if f["collection"].startswith("sentinel-2")]
        place = write(tmp_path / "items.json", collection(*features))
        asyncio.run(_to_parquet(str(tmp_path / "items.parquet"), features))
        options: dict[str, Any] = {"collections": ["sentinel-2-l2a"], "max_cloud_cover": 100}
        from_json, from_parquet = scenes(place, **options), scenes(str(tmp_path / "items.parquet"), **options)
        assert len(from_parquet) in {2, 13}
        assert [_comparable(s) for s in from_parquet] == [_comparable(s) for s in from_json]
        pairs = zip(from_parquet, from_json, strict=True)
        assert all(shapely.equals_exact(a.footprint, b.footprint, 1e-9) for a, b in pairs)


def test_geoparquet_that_is_none(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"x.parquet: lacks the columns of stac-geoparquet \(got geometry, assets\)"):
        scenes(str(tmp_path / "x.parquet"))
    (tmp_path / "y.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match=r"y.parquet: cannot be read as Parquet"):
        scenes(str(tmp_path / "y.parquet"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ('{"type": "Polygon"}', "is no STAC document"),
        ("[1]", "is no STAC document"),
    ],
)
def test_documents_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SourceError, match=rf"x.json: {message}"):
        scenes(str(tmp_path / "x.json"))


def test_missing_file() -> None:
    with pytest.raises(SourceError, match=r"gone.json: cannot be read as JSON"):
        scenes("/nowhere/gone.json")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (item(properties={"datetime": "5th of March"}), "item has no readable datetime"),
        (item(properties={"datetime": None}), "item has no readable datetime"),
        (item(keys="visual preview"), "item has no asset of a known band"),
        (
            item(properties={"s2:processing_baseline": None, "s2:datatake_id": None}),
            "the processing baseline is unknown",
        ),
        ({**item(), "assets": None}, "item has no properties or no assets"),
        ({**item(), "id": ""}, "item has no id"),
        ("text", "item has no id"),
        (None, "item has no id"),
    ],
)
def test_unusable_item_is_quarantined_and_the_rest_stays(tmp_path: Path, broken: Any, reason: str) -> None:
    quarantine = Quarantine()
    place = write(tmp_path / "items.json", collection(broken, item("good", day="2024-03-10")))
    assert [s.id for s in scenes(place, quarantine=quarantine)] == ["good"]
    (row,) = quarantine.frame().itertuples()
    assert (row.input, row.file, row.row, row.action) == ("imagery", "items.json", 1, "rejected")
    assert row.reason.startswith(reason)
    assert row.column == (broken["id"] if isinstance(broken, dict) else "")


def test_quarantined_scene_is_not_known_before_its_date(tmp_path: Path) -> None:
    quarantine = Quarantine()
    scenes(write(tmp_path / "i.json", item(keys="visual")), quarantine=quarantine, known_lag_days=3)
    assert len(quarantine.frame(pd.Timestamp("2024-03-08T03:00", tz="UTC"))) == 0
    assert len(quarantine.frame(pd.Timestamp("2024-03-08T03:10", tz="UTC"))) == 1


def test_other_collections_and_levels_are_passed_over(tmp_path: Path) -> None:
    quarantine = Quarantine()
    radar = item(
        "S1A",
        collection="sentinel-1-grd",
        keys="vv vh",
        properties={"s2:product_type": None, "platform": "sentinel-1a"},
    )
    place = write(
        tmp_path / "i.json",
        collection(item("c1", collection="sentinel-2-c1-l2a"), radar, {**radar, "collection": None}),
    )
    assert scenes(place, quarantine=quarantine) == []
    assert len(quarantine) == 0


def test_item_without_collection_counts_if_it_is_level_2a(tmp_path: Path) -> None:
    assert [s.id for s in scenes(write(tmp_path / "i.json", collection(item("a", collection=None))))] == ["a"]


def test_of_twins_the_one_whose_files_are_there_stays(tmp_path: Path) -> None:
    """The newer item names files that do not exist."""
    for name in ("red.tif", "scl.tif"):
        (tmp_path / name).write_bytes(b"")
    old, new = item("a", keys="B04 SCL"), item("a", keys="B04 SCL", properties={"created": "2024-05-01T00:00:00Z"})
    for asset, name in zip(old["assets"].values(), ("red.tif", "scl.tif"), strict=True):
        asset["href"] = name
    for order in ((old, new), (new, old)):
        (scene,) = scenes(write(tmp_path / "i.json", collection(*order)))
        assert scene.assets["B04"].href.endswith("red.tif")


def test_source_without_classification(tmp_path: Path) -> None:
    (scene,) = scenes(write(tmp_path / "i.json", item(keys="B04 B08")))
    assert sorted(scene.assets) == ["B04", "B08"]


def test_known_at(tmp_path: Path) -> None:
    place = write(tmp_path / "i.json", item(properties={"created": "2024-04-01T00:00:00Z"}))
    assert scenes(place, known_lag_days=5)[0].known_at == pd.Timestamp("2024-03-10T03:10", tz="UTC")
    assert scenes(place, known_at="created", known_lag_days=5)[0].known_at == pd.Timestamp("2024-04-06", tz="UTC")
    other = write(tmp_path / "j.json", item(properties={"created": None, "s2:generation_time": "2024-03-07T00:00:00Z"}))
    assert scenes(other, known_at="created", known_lag_days=0)[0].known_at == pd.Timestamp("2024-03-07", tz="UTC")
    none = write(tmp_path / "k.json", item(properties={"created": None}))
    assert scenes(none, known_at="created", known_lag_days=0)[0].known_at == pd.Timestamp("2024-03-05T03:10", tz="UTC")


def test_no_scene_is_known_before_it_is_taken(tmp_path: Path) -> None:
    """An item that was made in 2020 tells nothing of March 2024; neither does the row of one that is refused."""
    early = {"created": "2020-01-01T00:00:00Z"}
    place = write(tmp_path / "i.json", item(properties=early))
    assert scenes(place, known_at="created", known_lag_days=5)[0].known_at == pd.Timestamp("2024-03-10T03:10", tz="UTC")
    quarantine = Quarantine()
    broken = write(tmp_path / "j.json", item(keys="visual", properties=early))
    scenes(broken, quarantine=quarantine, known_at="created", known_lag_days=5)
    assert len(quarantine.frame(pd.Timestamp("2024-03-10T03:00", tz="UTC"))) == 0
    assert len(quarantine.frame(pd.Timestamp("2024-03-10T03:10", tz="UTC"))) == 1


@pytest.mark.parametrize(
    ("names", "key", "day"),
    [
        ({}, "s2:datatake_id", "2024-03-05"),
        (
            {
                "s2:datatake_id": None,
                "s2:product_uri": "S2A_MSIL2A_20240302T031000_N0511_R075_T49MDT_20240302T060000.SAFE",
            },
            "s2:product_uri",
            "2024-03-02",
        ),
    ],
)
def test_a_time_that_its_own_names_contradict_is_refused(
    tmp_path: Path, names: dict[str, Any], key: str, day: str
) -> None:
    """Two days off is another acquisition, one may be the other side of midnight."""
    quarantine = Quarantine()
    after = (pd.Timestamp(day) + pd.DateOffset(days=1)).date()
    late = (pd.Timestamp(day) + pd.DateOffset(days=2)).date()
    near = item("near", properties={**names, "datetime": f"{after}T23:50:00Z"})
    far = item("far", href="./far/{key}.tif", properties={**names, "datetime": f"{late}T00:05:00Z"})
    place = write(tmp_path / "i.json", collection(near, far))
    assert [s.id for s in scenes(place, quarantine=quarantine)] == ["near"]
    (row,) = quarantine.frame().itertuples()
    assert (row.column, row.action) == ("far", "rejected")
    assert f"more than 1 d off the acquisition of its own {key}, {day}; scene left out" in row.reason


@pytest.mark.parametrize("stated", [float("nan"), -1, 100.5, 1e9, "12", True])
def test_a_cloud_cover_that_is_no_percentage_is_unknown(tmp_path: Path, stated: Any) -> None:
    quarantine = Quarantine()
    place = write(tmp_path / "i.json", item(properties={"eo:cloud_cover": stated}))
    (scene,) = scenes(place, quarantine=quarantine)
    assert scene.cloud_cover is None
    (row,) = quarantine.frame().itertuples()
    assert (row.input, row.column, row.action) == ("imagery", "eo:cloud_cover", "nulled")
    assert row.reason == "eo:cloud_cover of S2A_X is no percentage of 0 to 100; taken as unknown, the scene is kept"


def test_clouds_months_and_box(tmp_path: Path) -> None:
    days = {"feb": "2024-02-28", "eve": "2024-02-29", "mid": "2024-03-15", "after": "2024-04-01", "apr": "2024-04-03"}
    made = [item(n, day=d) for n, d in days.items()] + [
        item("cloudy", day="2024-03-20", properties={"eo:cloud_cover": 90.1})
    ]
    place = write(tmp_path / "i.json", collection(*made))
    march = Month(2024, 3)
    assert [s.id for s in source(place).scenes(BOX, march, march)] == ["eve", "mid", "after"]
    assert [s.id for s in source(place, max_cloud_cover=100).scenes(BOX, march, march)] == [
        "eve",
        "mid",
        "cloudy",
        "after",
    ]
    assert source(place).scenes((100.0, 0.0, 101.0, 1.0), march, march) == []
    assert [s.id for s in source(place, start="2024-04").scenes(BOX, march, Month(2024, 5))] == ["after", "apr"]


def test_item_without_geometry_lies_in_its_bbox(tmp_path: Path) -> None:
    place = write(tmp_path / "i.json", item(geometry=None, bbox=[179.5, 60.0, -179.5, 61.0]))
    period = (Month(2024, 3), Month(2024, 3))
    for west in (179.6, -179.7):
        assert len(source(place).scenes((west, 60.2, west + 0.1, 60.3), *period)) == 1
    assert source(place).scenes((0.0, 60.2, 1.0, 60.3), *period) == []


def test_item_without_cloud_cover_geometry_or_bbox_is_kept(tmp_path: Path) -> None:
    place = write(tmp_path / "i.json", item(geometry=None, bbox=None, properties={"eo:cloud_cover": None}))
    (scene,) = scenes(place)
    assert (scene.cloud_cover, scene.footprint) == (None, None)


def test_footprint_over_the_antimeridian(tmp_path: Path) -> None:
    ring = [[179.5, 60.0], [-179.5, 60.0], [-179.5, 61.0], [179.5, 61.0], [179.5, 60.0]]
    place = write(tmp_path / "i.json", item(geometry={"type": "Polygon", "coordinates": [ring]}))
    period = (Month(2024, 3), Month(2024, 3))
    assert len(source(place).scenes((179.6, 60.2, 179.7, 60.3), *period)) == 1
    assert len(source(place).scenes((-179.7, 60.2, -179.6, 60.3), *period)) == 1
    assert source(place).scenes((0.0, 60.2, 1.0, 60.3), *period) == []


@pytest.mark.parametrize("middle", [[], [[90.0, -90.0], [0.0, -90.0], [-90.0, -90.0]]])
def test_a_footprint_round_the_globe_is_unknown(tmp_path: Path, middle: list[list[float]]) -> None:
    """Read as a ring over the antimeridian it would be a line, or touch nothing."""
    ring = [[-180.0, 90.0], [180.0, 90.0], [180.0, -90.0], *middle, [-180.0, -90.0], [-180.0, 90.0]]
    place = write(tmp_path / "i.json", item(geometry={"type": "Polygon", "coordinates": [ring]}))
    assert scenes(place)[0].footprint is None
    assert len(source(place).scenes(BOX, Month(2024, 3), Month(2024, 3))) == 1
