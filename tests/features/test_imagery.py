"""Imagery features of one plantation and month."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, box

from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.grid import reproject
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.schema.tables import table
from tests.features.scene_factory import CRS, ORIGIN, RULES, MemoryReader, grid, outline, palm, triangle

_COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
_SQUARE = outline(50, 50, 350, 350)
CHECKS = Checks(RULES)


def _month(shape, scenes, reader, *, checks=CHECKS, **options):  # type: ignore[no-untyped-def]
    return plantation_month(shape, "2024-03", scenes, reader, checks=checks, **options)


def test_columns_are_those_of_the_table() -> None:
    reader = MemoryReader()
    row = _month(_SQUARE, [reader.scene("a", palm(), coarse=_COARSE)], reader)
    columns = set(table("features").columns)
    assert set(row) - {"flags", "problems", "trail", "records"} <= columns
    assert {c for c in columns if c.startswith(("nd", "evi", "cire", "nirv", "kndvi", "nbr"))} <= set(row)
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)
    assert row["ndmi"] == pytest.approx(0.3800, abs=5e-5)
    assert row["ndvi_mean"] == pytest.approx(row["ndvi"], abs=1e-9)
    assert (row["valid_fraction"], row["n_clear"], row["scenes"], row["offset_inferred"]) == (1.0, 1.0, 1, False)
    assert row["known_at"] == pd.Timestamp("2024-03-08T03:10", tz="UTC")
    assert (row["flags"], row["problems"]) == ([], [])


def test_edge_buffer_keeps_the_rim_out() -> None:
    """A rim of 20 m of bare soil disappears with 20 m of buffer and shows without."""
    red = np.full((40, 40), 2000)
    red[7:33, 7:33] = 280
    reader = MemoryReader()
    scene = reader.scene("a", palm(B04=red))
    auto, none = _month(_SQUARE, [scene], reader), _month(_SQUARE, [scene], reader, edge_buffer=0.0)
    assert auto["ndvi_mean"] == pytest.approx(0.8436, abs=1e-4)  # 300 m square: min(20, 0.15 * 2 * 300 / 4) = 20 m
    assert none["ndvi_mean"] < 0.75
    assert _month(_SQUARE, [scene], reader, edge_buffer=20.0)["ndvi_mean"] == pytest.approx(auto["ndvi_mean"], abs=1e-5)


def test_partial_clouds_weigh_valid_fraction_and_n_clear() -> None:
    """Left half cloudy in one of two scenes: every pixel seen at least once, 1.5 times on average."""
    scl = np.full((40, 40), 4)
    scl[:, :20] = 7
    reader = MemoryReader()
    scenes = [reader.scene("a", palm(SCL=scl)), reader.scene("b", palm(), day="2024-03-10")]
    row = _month(outline(50, 50, 350, 350), scenes, reader, edge_buffer=0.0)
    assert row["valid_fraction"] == pytest.approx(1.0, abs=1e-6)
    assert row["n_clear"] == pytest.approx(1.5, abs=1e-3)
    one = _month(outline(50, 50, 350, 350), scenes[:1], reader, edge_buffer=0.0)
    assert one["valid_fraction"] == pytest.approx(0.5, abs=1e-3)
    assert one["n_clear"] == pytest.approx(0.5, abs=1e-3)


def test_order_of_scenes_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    reader = MemoryReader()
    scenes = [
        reader.scene(
            f"s{n}",
            palm(B04=rng.integers(200, 900, (40, 40)), SCL=rng.choice([4, 4, 9], (40, 40))),
            day=f"2024-03-{n + 1:02d}",
        )
        for n in range(5)
    ]
    shape = triangle((60, 70), (360, 100), (130, 330))
    first = _month(shape, scenes, reader)
    for seed in range(3):
        mixed = random.Random(seed).sample(scenes, len(scenes))
        assert repr(_month(shape, mixed, reader)) == repr(first)


def test_datatake_counts_once() -> None:
    reader = MemoryReader()
    twins = [reader.scene(n, palm(), datatake="D", created=f"2024-03-0{k}") for n, k in (("a", 6), ("b", 7))]
    row = _month(_SQUARE, twins, reader)
    assert (row["scenes"], row["n_clear"]) == (1, 1.0)


@pytest.mark.parametrize(
    ("size", "flags"),
    [(30, ["few_pixels"]), (34.5, ["few_pixels"]), (34.8, []), (60, [])],
)
def test_twelve_effective_pixels(size: float, flags: list[str]) -> None:
    """Squares of 9.0, 11.9, 12.1 and 36 pixels of 10 m, lying across pixel edges."""
    reader = MemoryReader()
    row = _month(outline(103, 103, 103 + size, 103 + size), [reader.scene("a", palm())], reader, edge_buffer=0.0)
    assert row["flags"] == flags
    assert math.isnan(row["ndvi"]) == bool(flags)
    assert row["valid_fraction"] == pytest.approx(1.0)


def test_buffer_larger_than_the_plantation() -> None:
    reader = MemoryReader()
    row = _month(outline(100, 100, 150, 150), [reader.scene("a", palm())], reader, edge_buffer=30.0)
    assert row["flags"] == ["few_pixels"]
    assert math.isnan(row["ndvi"])
    assert math.isnan(row["valid_fraction"])


def test_no_clear_few_clear_and_no_imagery() -> None:
    scl = np.full((40, 40), 9)
    scl[:, 30:] = 4
    reader = MemoryReader()
    cloudy, partly = reader.scene("a", palm(SCL=9)), reader.scene("b", palm(SCL=np.where(scl == 9, 6, scl)))
    row = _month(_SQUARE, [cloudy], reader)
    assert (row["flags"], row["valid_fraction"], row["scenes"]) == (["no_clear"], 0.0, 1)
    assert row["known_at"] is not None
    few = _month(_SQUARE, [partly], reader)
    assert few["flags"] == ["few_clear"]
    assert few["ndvi"] == pytest.approx(0.8436, abs=5e-5)
    none = _month(_SQUARE, [], reader)
    assert (none["flags"], none["scenes"], none["known_at"], none["valid_fraction"]) == (["no_imagery"], 0, None, 0.0)


def test_lenient_only_where_strict_leaves_too_little() -> None:
    reader = MemoryReader()
    dark = reader.scene("a", palm(SCL=7))
    assert _month(_SQUARE, [dark], reader)["flags"] == ["no_clear"]
    row = _month(_SQUARE, [dark], reader, profile="lenient")
    assert (row["flags"], row["valid_fraction"]) == (["scl_lenient"], 1.0)
    clear = _month(_SQUARE, [reader.scene("b", palm()), dark], reader, profile="lenient")
    assert (clear["flags"], clear["n_clear"]) == ([], 1.0)
    with pytest.raises(ValueError, match="2024-03: no SCL profile 'loose'"):
        _month(_SQUARE, [dark], reader, profile="loose")


def test_source_without_classification_is_flagged() -> None:
    reader = MemoryReader()
    row = _month(_SQUARE, [reader.scene("a", palm(SCL=None))], reader)
    assert row["flags"] == ["no_scl"]
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)


def test_a_scene_without_classification_is_left_out_beside_one_that_has_it() -> None:
    """Under the lost classification lies a cloud: it must not count as ground."""
    reader = MemoryReader()
    cloud = reader.scene("a", palm(SCL=None, B04=6600, B08=7000))
    good = reader.scene("b", palm())
    row = _month(_SQUARE, [cloud, good], reader)
    assert row["flags"] == ["no_scl"]
    assert (row["ndvi"], row["n_clear"]) == (pytest.approx(0.8436, abs=5e-5), 1.0)
    outcomes = {t["scene_id"]: t["outcome"] for t in row["trail"]}
    assert outcomes == {"a": "unclassified", "b": "used"}
    later = _month(_SQUARE, [cloud], reader, checks=Checks(RULES, history=row["records"][1:]))
    assert later["valid_fraction"] == 0.0


def test_a_first_scene_that_looks_shifted_is_believed_and_flagged() -> None:
    """+1000 in every band under a claim of 0: NDVI 0.54, and no past that could tell."""
    reader = MemoryReader()
    shifted = {b: v + 1000 for b, v in palm().items() if b != "SCL"}
    seen = _month(_SQUARE, [reader.scene("a", palm(**shifted))], reader)
    assert (seen["flags"], seen["ndvi"]) == (["offset_inferred"], pytest.approx(0.8436, abs=5e-5))  # B12 tells
    row = _month(_SQUARE, [reader.scene("b", palm(**{**shifted, "B12": None}))], reader)
    assert row["flags"] == ["offset_untested"]
    assert row["ndvi"] == pytest.approx(0.5412, abs=1e-4)
    assert row["offset_inferred"] is False


def test_unreadable_scene_is_dropped_and_reported() -> None:
    """The rest is exactly as without the scene, but its knowledge date counts: the flag came with it."""
    reader = MemoryReader()
    good, bad = reader.scene("a", palm()), reader.scene("b", palm(B04=900), day="2024-03-20")
    reader.broken.add("b/B11")
    row, alone = _month(_SQUARE, [good, bad], reader), _month(_SQUARE, [good], reader)
    assert row["flags"] == ["scene_unreadable"]
    assert row["problems"] == [("b", "B11", "b/B11: cannot be read: bad block")]
    assert row["known_at"] == bad.known_at
    differs = {"flags", "problems", "known_at", "trail"}
    assert repr({k: v for k, v in row.items() if k not in differs}) == repr(
        {k: v for k, v in alone.items() if k not in differs}
    )


def test_only_unreadable_scenes() -> None:
    reader = MemoryReader()
    scenes = [reader.scene(n, palm()) for n in "ab"]
    reader.broken |= {"a/B04", "b/SCL"}
    row = _month(_SQUARE, scenes, reader)
    assert row["flags"] == ["no_imagery", "scene_unreadable"]
    assert [(p[0], p[1]) for p in row["problems"]] == [("a", "B04"), ("b", "SCL")]


def test_scenes_beside_the_outline_are_passed_over() -> None:
    reader = MemoryReader()
    far_footprint = reader.scene("f", palm(), footprint=box(0, 0, 1, 1))
    far_grid = reader.scene("g", palm(), spec=grid(origin=(320_000.0, 200_000.0)))
    row = _month(_SQUARE, [far_footprint, far_grid], reader)
    assert (row["scenes"], row["flags"], reader.reads) == (0, ["no_imagery"], [])


def test_point_has_no_pixels() -> None:
    reader = MemoryReader()
    row = _month(Point(_SQUARE.centroid), [reader.scene("a", palm())], reader)
    assert (row["flags"], row["scenes"], reader.reads) == (["point"], 0, [])


def test_two_tiles_share_the_ground_once() -> None:
    """Two tiles meet inside the outline and overlap by 100 m: each pixel counts once, whole area covered."""
    reader = MemoryReader()
    west = reader.scene("w", palm(B04=300), tile="48MXA", datatake="D", spec=grid(40, 25))
    east = reader.scene(
        "e", palm(B04=500), tile="48MXB", datatake="D", spec=grid(40, 25, origin=(ORIGIN[0] + 150, ORIGIN[1]))
    )
    row = _month(_SQUARE, [west, east], reader, edge_buffer=0.0)
    assert (row["scenes"], row["n_clear"], row["valid_fraction"]) == (1, pytest.approx(1.0), pytest.approx(1.0))
    low, high = (3300 - 500) / (3300 + 500), (3300 - 300) / (3300 + 300)
    # both tiles cover two thirds; equal, so the first by name takes 200 of 300 m
    assert row["ndvi_mean"] == pytest.approx((2 * high + low) / 3, abs=1e-4)


def test_tiles_of_two_utm_zones() -> None:
    """The same ground from the next zone alone gives the same value; both together no double count."""
    reader = MemoryReader()
    corner = reproject(Point(*ORIGIN), CRS, "EPSG:32747")
    far = grid(60, 60, origin=(round(corner.x, -1) - 100, round(corner.y, -1) + 100), crs="EPSG:32747")
    here, there = (
        reader.scene("h", palm(), tile="48MXX"),
        reader.scene("t", palm(), tile="47MYY", datatake="h", spec=far),
    )
    rows = [_month(_SQUARE, scenes, reader) for scenes in ([here], [there], [here, there])]
    assert [r["ndvi"] for r in rows] == pytest.approx([rows[0]["ndvi"]] * 3, abs=1e-12)
    assert [r["n_clear"] for r in rows] == [1.0, 1.0, 1.0]
    assert [r["scenes"] for r in rows] == [1, 1, 1]


def test_ground_beyond_all_tiles_counts_as_not_seen() -> None:
    reader = MemoryReader()
    row = _month(outline(200, 100, 600, 300), [reader.scene("a", palm())], reader, edge_buffer=0.0)
    assert row["valid_fraction"] == pytest.approx(0.5, abs=1e-3)


def test_scenes_of_different_extent_share_one_lattice() -> None:
    reader = MemoryReader()
    small = reader.scene("s", palm(B04=300), spec=grid(20, 40))
    large = reader.scene(
        "l", palm(B04=300), spec=grid(60, 60, origin=(ORIGIN[0] - 100, ORIGIN[1] + 100)), day="2024-03-09"
    )
    row = _month(outline(50, 50, 350, 350), [small, large], reader, edge_buffer=0.0)
    assert row["valid_fraction"] == pytest.approx(1.0, abs=1e-6)
    assert row["n_clear"] == pytest.approx(1.5, abs=1e-3)


def test_coarse_grid_is_used_as_it_is() -> None:
    """Bands of 100 m and 200 m (thinned tiles): the finest grid present, no growth of clouds."""
    scl = np.full((30, 30), 5)
    scl[0, 0] = 9
    reader = MemoryReader()
    scene = reader.scene("a", palm(SCL=scl, B03=None, B06=None, B07=None), spec=grid(60, 60, 100.0), coarse=_COARSE)
    row = _month(outline(100, 100, 3000, 3000), [scene], reader, edge_buffer=0.0)
    assert row["valid_fraction"] == pytest.approx(1 - 1 / 29**2, abs=1e-4)
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)
    assert math.isnan(row["cire"])


def test_flags_are_in_the_dictionary() -> None:
    known = {"few_clear", "no_clear", "no_imagery", "few_pixels", "scl_lenient", "no_scl", "point", "scene_unreadable"}
    assert known <= set(FLAGS)
