"""Twins that stand in for each other, passes that only a neighbouring tile lists, and a row for every item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.features.scene_claims import grid_faults, missing_bands
from plantation_rwa.features.scene_trail import UNSEEN, record_of
from plantation_rwa.sources.base import Asset, Scene
from tests.features.scene_factory import CRS, ORIGIN, RULES, MemoryReader, grid, outline, palm

_SQUARE = outline(50, 50, 350, 350)


def month(reader: MemoryReader, *scenes: Scene, ground: Any = _SQUARE, **options: Any) -> dict[str, Any]:
    return plantation_month(ground, "2024-03", scenes, reader, checks=Checks(RULES), **options)


def outcomes(row: dict[str, Any]) -> dict[str, str]:
    found = {t["scene_id"]: t["outcome"] for t in row["trail"]}
    assert len(found) == len(row["trail"])
    return found


def product(reader: MemoryReader, **created: str) -> Scene:
    """One product of as many items as are named, the first the best; each B04 is another."""
    made = [
        reader.scene(name, palm(B04=280 + 40 * n), datatake="D", created=day)
        for n, (name, day) in enumerate(created.items())
    ]
    return replace(made[0], twins=tuple(made[1:]))


def test_the_best_version_is_read_alone_and_the_others_are_named() -> None:
    reader = MemoryReader()
    row = month(reader, product(reader, new="2024-03-09", old="2024-03-06"))
    assert outcomes(row) == {"new": "used", "old": "replaced"}
    assert (row["ndvi"], row["flags"], row["scenes"]) == (pytest.approx((3300 - 280) / 3580, abs=1e-7), [], 1)
    assert {asset.split("/")[0] for asset, _ in reader.reads} == {"new"}
    assert [r.scene_id for r in row["records"]] == ["new"]
    assert [record_of(t).scene_id for t in row["trail"] if t["outcome"] not in UNSEEN] == ["new"]


@pytest.mark.parametrize(
    ("broken", "used", "expected"),
    [
        (("new",), "old", {"new": "unreadable", "old": "used", "oldest": "replaced"}),
        (("new", "old"), "oldest", {"new": "unreadable", "old": "unreadable", "oldest": "used"}),
        (("new", "old", "oldest"), None, dict.fromkeys(("new", "old", "oldest"), "unreadable")),
    ],
    ids=["first", "two", "all"],
)
def test_a_dead_twin_gives_way_to_a_living_one(
    broken: tuple[str, ...], used: str | None, expected: dict[str, str]
) -> None:
    """The values are those of the version that can be read, as if there were no other."""
    reader = MemoryReader()
    whole = product(reader, new="2024-03-09", old="2024-03-06", oldest="2024-03-05")
    reader.broken = {f"{name}/B11" for name in broken}
    row = month(reader, whole)
    assert outcomes(row) == expected
    assert "scene_unreadable" in row["flags"]
    assert sorted(p[0] for p in row["problems"]) == sorted(broken)
    if used is None:
        assert row["valid_fraction"] == 0.0
    else:
        alone = month(reader, next(replace(v, twins=()) for v in whole.versions if v.id == used))
        assert (row["ndvi"], row["n_clear"]) == (alone["ndvi"], 1.0)


def test_a_twin_that_became_known_later_dates_the_row() -> None:
    reader = MemoryReader()
    whole = product(reader, new="2024-03-09", old="2024-03-06")
    late = replace(whole.twins[0], known_at=whole.known_at.replace(year=2025))
    assert month(reader, replace(whole, twins=(late,)))["known_at"] == late.known_at


def _footprint(x0: float, x1: float) -> Any:
    return outline(x0, -100, x1, 500)


def test_a_pass_that_only_the_neighbouring_tile_lists_is_used() -> None:
    """Both tiles cover the ground; each pass counts once, wherever it is listed."""
    reader = MemoryReader()
    beside = grid(40, 60, origin=(ORIGIN[0] - 100, ORIGIN[1]))
    one, two = reader.scene("a1", palm(), tile="48MXA"), reader.scene("a2", palm(), tile="48MXA", day="2024-03-10")
    same = reader.scene("b1", palm(), tile="48MXB", datatake="a1", spec=beside)
    only = reader.scene("b3", palm(B04=400), tile="48MXB", day="2024-03-15", spec=beside)
    row = month(reader, one, two, same, only)
    assert (row["n_clear"], row["scenes"]) == (pytest.approx(3.0), 3)
    assert outcomes(row) == {"a1": "used", "a2": "used", "b1": "no_pixels", "b3": "used"}
    middle = month(reader, one, two, replace(only, tile="48MXA"))
    assert row["ndvi"] == middle["ndvi"]


def test_ground_that_a_datatake_shows_in_the_neighbouring_tile_only_is_used() -> None:
    """The own tile's item of the pass ends within the estate, the neighbour's does not."""
    reader = MemoryReader()
    west = reader.scene("w", palm(), tile="48MXA", datatake="D", footprint=_footprint(0, 200))
    for band in west.assets:
        spec, pixels = reader.files[f"w/{band}"]
        cut = pixels.copy()
        cut[:, 20:] = 0
        reader.files[f"w/{band}"] = (spec, cut)
    whole = reader.scene("w2", palm(), tile="48MXA", day="2024-03-10", footprint=_footprint(-100, 500))
    east = reader.scene("x", palm(), tile="48MXB", datatake="D", footprint=_footprint(150, 500))
    row = month(reader, west, whole, east)
    assert (row["n_clear"], row["scenes"]) == (pytest.approx(2.0), 2)
    assert outcomes(row) == {"w": "used", "w2": "used", "x": "used"}
    assert month(reader, west, whole)["n_clear"] == pytest.approx(1.5)


def test_bands_that_an_item_lacks_are_named() -> None:
    reader = MemoryReader()
    row = month(reader, reader.scene("a", palm(B11=None, B12=None)), reader.scene("b", palm(), day="2024-03-10"))
    assert {t["scene_id"]: t["missing_bands"] for t in row["trail"]} == {"a": "B11 B12", "b": ""}
    assert missing_bands(reader.scene("c", palm(SCL=None)), ("B04",)) == "SCL"


def test_what_an_item_says_of_its_grid_is_held_against_the_file() -> None:
    spec = grid(30, 20)
    place = (10.0, 0.0, ORIGIN[0], 0.0, -10.0, ORIGIN[1])
    assert grid_faults(Asset("a"), spec) == {}
    assert grid_faults(Asset("a", crs=CRS, shape=(30, 20), transform=place), spec) == {}
    lie = Asset("a", crs="EPSG:32649", shape=(10980, 10980), transform=(10.0, 0.0, 600000.0, 0.0, -10.0, 1e7))
    assert grid_faults(lie, spec) == {
        "crs": "item says EPSG:32649, the file has EPSG:32748",
        "shape": "item says 10980 x 10980 pixels, the file has 30 x 20",
        "transform": "item says 10 m pixels from (600000, 10000000), the file has 10 m from (300000, 200000)",
    }


def test_a_lying_shape_is_named_and_changes_nothing() -> None:
    reader = MemoryReader()
    honest = reader.scene("a", palm())
    lying = replace(honest, assets={b: replace(a, shape=(10980, 10980)) for b, a in honest.assets.items()})
    row, plain = month(reader, lying), month(reader, honest)
    assert row["ndvi"] == plain["ndvi"]
    bands = "B02 B04 B05 B07 B08 B11 B12 B8A SCL"
    assert row["trail"][0]["item_faults"] == f"{bands}: item says 10980 x 10980 pixels, the file has 40 x 40"
    assert plain["trail"][0]["item_faults"] == ""


def test_a_pass_that_both_tiles_show_is_read_from_one() -> None:
    reader = MemoryReader()
    beside = grid(40, 60, origin=(ORIGIN[0] - 100, ORIGIN[1]))
    one = reader.scene("a", palm(), tile="48MXA", datatake="D", footprint=_footprint(-100, 500))
    two = reader.scene("b", palm(), tile="48MXB", datatake="D", spec=beside, footprint=_footprint(-100, 500))
    month(reader, one, two)
    assert {asset.split("/")[0] for asset, _ in reader.reads} == {"a"}
