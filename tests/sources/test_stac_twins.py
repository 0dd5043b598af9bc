"""Several items of one product, items of one id, and items that name each other's files."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from shapely.geometry import box

from plantation_rwa.config import ImageryConfig
from plantation_rwa.periods import Month, as_of_instant
from plantation_rwa.run import scenes as run_scenes
from plantation_rwa.run.scenes import SceneWindows, scenes_by_month
from plantation_rwa.run.session import Session
from plantation_rwa.sources.base import Quarantine, Scene
from tests.features.scene_factory import RULES
from tests.sources.stac_factory import BOX, RING, collection, item, scenes, source, write

OUTLINES = pd.DataFrame({"key": [("P",)], "geometry": [box(*BOX)], "timezone": ["Asia/Jakarta"]})


def known(place: str, as_of: str, outlines: pd.DataFrame = OUTLINES, **options: Any) -> list[Scene]:
    """Scenes of March 2024 over the outline as known at the end of a day."""
    day = dt.date.fromisoformat(as_of)
    inputs = SimpleNamespace(imagery=source(place, **options), quarantine=Quarantine())
    config = SimpleNamespace(imagery=ImageryConfig(source=[place], **options))
    session = SimpleNamespace(known=inputs, config=config, month=Month.of(day), instant=as_of_instant(day))
    return list(scenes_by_month(cast(Session, session), outlines).get((("P",), "2024-03"), ()))


def version(name: str, baseline: str, created: str = "2024-03-05T12:00:00Z", **changes: Any) -> dict[str, Any]:
    properties = {"s2:processing_baseline": baseline, "created": created, **changes.pop("properties", {})}
    return item(name, href=f"./{name}/{{key}}.tif", properties=properties, **changes)


def test_twins_go_with_the_best_of_them_in_order_of_preference(tmp_path: Path) -> None:
    made = [version("old", "02.14"), version("new", "05.00"), version("newest", "05.11")]
    for order in (made, made[::-1]):
        (scene,) = scenes(write(tmp_path / "i.json", collection(*order)))
        assert [v.id for v in scene.versions] == ["newest", "new", "old"]
        assert all(v.twins == () for v in scene.twins)


def test_twins_of_several_sources_are_one_list(tmp_path: Path) -> None:
    places = [write(tmp_path / f"{n}.json", collection(version(n, b))) for n, b in (("a", "05.00"), ("b", "05.11"))]
    (scene,) = scenes(*places)
    assert [v.id for v in scene.versions] == ["b", "a"]


def test_the_very_same_item_twice_is_one_and_has_no_twin(tmp_path: Path) -> None:
    (scene,) = scenes(write(tmp_path / "i.json", collection(item(), item())))
    assert scene.twins == ()


def test_a_twin_that_is_not_known_yet_is_not_there(tmp_path: Path) -> None:
    """The worse version appears later: until then it is no twin; the identity of the month tells both states apart."""
    late = version("late", "02.14", "2024-05-24T00:00:00Z")
    place = write(tmp_path / "i.json", collection(version("new", "05.11"), late))
    options: dict[str, Any] = {"known_at": "created", "known_lag_days": 0}
    before, after = (known(place, day, **options) for day in ("2024-05-23", "2024-05-24"))
    assert [[v.id for v in s.versions] for s in before] == [["new"]]
    assert [[v.id for v in s.versions] for s in after] == [["new", "late"]]
    at = (("P",), "2024-03")
    states = [SceneWindows({at: tuple(found)}, RULES).identity(*at) for found in (before, after)]
    assert states[0] != states[1]


def test_a_twin_over_the_outline_counts_where_the_best_is_beside_it(tmp_path: Path) -> None:
    """The newer version was cut to the west of the tile; the ground in the east is the older one's."""
    ring = [[[x + 0.04 if x > 112.05 else x, y] for x, y in RING]]
    wide = version("wide", "05.00", geometry={"type": "Polygon", "coordinates": ring})
    place = write(tmp_path / "i.json", collection(version("new", "05.11"), wide))
    east = OUTLINES.assign(geometry=[box(112.11, -2.28, 112.13, -2.22)])
    assert [[v.id for v in s.versions] for s in known(place, "2024-04-30", east)] == [["wide"]]
    assert [[v.id for v in s.versions] for s in known(place, "2024-04-30")] == [["new", "wide"]]


@pytest.mark.parametrize("seed", range(3))
def test_different_scenes_of_one_id_are_told_apart(tmp_path: Path, seed: int) -> None:
    """Two passes under one id: both count, under names that their content alone decides."""
    made = [item("same"), item("same", day="2024-03-10"), item("own", day="2024-03-15")]
    random.Random(seed).shuffle(made)
    found = known(write(tmp_path / "i.json", collection(*made)), "2024-04-30")
    assert [s.acquired.day for s in found] == [5, 10, 15]
    assert [s.id for s in found] == [*(f"same@{s.fingerprint[:8]}" for s in found[:2]), "own"]


def test_twins_of_one_id_are_told_apart(tmp_path: Path) -> None:
    """One can be read when the other cannot, so they must not be lost together."""
    place = write(tmp_path / "i.json", collection(version("a", "05.11"), {**version("b", "05.00"), "id": "a"}))
    (scene,) = known(place, "2024-04-30")
    names = [v.id for v in scene.versions]
    assert names == [f"a@{v.fingerprint[:8]}" for v in scene.versions]
    assert len(set(names)) == 2
    copies = [write(tmp_path / f / "i.json", item("a", href="./{key}.tif")) for f in ("one", "two")]
    (scene,) = scenes(*copies)  # the same words about files in two places
    assert [v.fingerprint for v in scene.versions] == [scene.fingerprint] * 2
    assert [v.id for v in run_scenes._told_apart([scene])[0].versions] == [
        name := f"a@{scene.fingerprint[:8]}",
        name + ".2",
    ]


def refused(quarantine: Quarantine) -> dict[str, str]:
    return {row.column: row.reason for row in quarantine.frame().itertuples()}


def test_two_items_that_name_one_file_as_of_two_days_are_both_refused(tmp_path: Path) -> None:
    quarantine = Quarantine()
    files = {"href": "./pixels/{key}.tif"}
    made = [item("a", **files), item("b", day="2024-03-10", **files), item("c", day="2024-03-20")]
    options: dict[str, Any] = {"known_at": "created", "known_lag_days": 0}
    for one in made:
        one["properties"]["created"] = "2024-03-21T00:00:00Z"
    found = scenes(write(tmp_path / "i.json", collection(*made)), quarantine=quarantine, **options)
    assert [s.id for s in found] == ["c"]
    told = refused(quarantine)
    assert set(told) == {"a", "b"}
    assert told["a"] == (
        "names the same files as b (i.json), but as of another time: 2024-03-10T03:10:00+00:00; one file is of one"
        " acquisition. Mend the item's hrefs"
    )


def test_of_two_items_that_name_one_file_the_one_known_before_stays(tmp_path: Path) -> None:
    """Whether the later one comes or not changes nothing of the earlier dates."""
    quarantine = Quarantine()
    files = {"href": "./pixels/{key}.tif"}
    later = item("b", day="2024-03-10", properties={"grid:code": "MGRS-49MDU"}, **files)
    same = item("c", **files, properties={"grid:code": "MGRS-49MDU"})
    for order in ([item("a", **files), later], [later, item("a", **files)]):
        found = scenes(write(tmp_path / "i.json", collection(*order)), quarantine=quarantine)
        assert [s.id for s in found] == ["a"]
    assert set(refused(quarantine)) == {"b"}
    both = Quarantine()
    assert scenes(write(tmp_path / "j.json", collection(item("a", **files), same)), quarantine=both) == []
    assert "as of another tile: 49MD" in refused(both)["c"]


def test_one_product_in_two_catalogs_is_no_contradiction(tmp_path: Path) -> None:
    """Times of the datatake's start and the tile's middle, a tile code and none: the same files, one product."""
    twin = item("b", href="./{key}.tif", properties={"datetime": "2024-03-05T03:14:30Z"})
    (scene,) = scenes(write(tmp_path / "i.json", collection(item("a"), twin)))
    assert [v.id for v in scene.versions] == ["a", "b"]
