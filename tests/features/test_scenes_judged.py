"""Whether a scene's claimed offset and its air are believed, on pixels: the rules meet the decoding."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.features.scene_checks import SceneRecord, Verdict, judge
from plantation_rwa.features.scene_trail import record_of, verdict_of
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.tables import table
from tests.features.scene_factory import RULES, MemoryReader, grid, outline, palm

_SQUARE = outline(50, 50, 350, 350)


def _month(reader: MemoryReader, scenes: list[Any], history: tuple[SceneRecord, ...] = ()) -> dict[str, Any]:
    return plantation_month(_SQUARE, "2024-03", scenes, reader, checks=Checks(RULES, history))


def _history(reader: MemoryReader) -> tuple[SceneRecord, ...]:
    days = ("2024-01-05", "2024-01-15", "2024-02-05", "2024-02-15")
    return tuple(_month(reader, [reader.scene(f"h{d}", palm(), day=d) for d in days])["records"])


@pytest.mark.parametrize(
    ("claimed", "carried", "check"),
    [
        (0.0, 0.0, "plausible"),
        (-1000.0, -1000.0, "plausible"),
        (0.0, -1000.0, "missing"),
        (-1000.0, 0.0, "already_removed"),
    ],
)
def test_pixels_decide_over_the_claim(claimed: float, carried: float, check: str) -> None:
    """Whatever the item claims, NDVI is that of palm."""
    reader = MemoryReader()
    scene = reader.scene("a", palm(carried), offset=claimed)
    row = _month(reader, [scene], _history(reader))
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)
    assert row["offset_inferred"] == (claimed != carried)
    assert ("offset_inferred" in row["flags"]) == (claimed != carried)
    (trail,) = row["trail"]
    assert (trail["offset_claimed_dn"], trail["offset_dn"], trail["offset_check"]) == (claimed, carried, check)
    assert trail["red_median"] == pytest.approx(0.028, abs=1e-6)
    assert [(s, b) for s, b, _ in row["problems"]] == ([("a", "offset")] if claimed != carried else [])
    if claimed != carried:
        text = row["problems"][0][2]
        assert text.startswith(f"claimed offset {claimed:g} DN contradicts the plantation's own vegetation pixels: ")
        assert text.endswith(f"{carried:g} DN was applied")


def test_one_liar_among_the_scenes_is_found_alone() -> None:
    reader = MemoryReader()
    good, liar = reader.scene("good", palm()), reader.scene("liar", palm(-1000.0), day="2024-03-10")
    row = _month(reader, [good, liar], _history(reader))
    assert {t["scene_id"]: t["offset_inferred"] for t in row["trail"]} == {"good": False, "liar": True}
    assert (row["n_clear"], row["ndvi"]) == (2.0, pytest.approx(0.8436, abs=5e-5))


def test_haze_is_left_out_of_values_and_counts_but_not_of_scenes() -> None:
    reader = MemoryReader()
    good = reader.scene("good", palm())
    hazy = reader.scene("hazy", palm(B02=700, B04=800), day="2024-03-10")
    row, alone = _month(reader, [good, hazy], _history(reader)), _month(reader, [good], _history(reader))
    assert (row["flags"], row["n_clear"], row["scenes"]) == (["haze_left_out"], 1.0, 2)
    assert row["ndvi"] == alone["ndvi"]
    assert [t["outcome"] for t in row["trail"]] == ["used", "haze"]
    only_haze = _month(reader, [hazy], _history(reader))
    assert (only_haze["flags"], only_haze["valid_fraction"]) == (["haze_left_out", "no_clear"], 0.0)
    assert math.isnan(only_haze["ndvi"])


def test_bare_soil_is_not_called_haze() -> None:
    """Cleared land is class 5: with too little vegetation left, the scene is believed."""
    reader = MemoryReader()
    bare = reader.scene("bare", palm(SCL=5, B02=700, B04=1300, B08=2200))
    row = _month(reader, [bare], _history(reader))
    assert (row["flags"], row["trail"][0]["offset_check"], row["trail"][0]["outcome"]) == ([], "few_pixels", "used")
    assert row["ndvi"] == pytest.approx(0.2571, abs=1e-4)


def test_pixels_of_twins_count_once_and_cloud_edges_not_at_all() -> None:
    scl = np.full((40, 40), 4)
    scl[:, :8] = 9
    reader = MemoryReader()
    first = reader.scene("a", palm(SCL=scl), datatake="D", baseline=5.11)
    twin = reader.scene("b", palm(), datatake="D", baseline=5.09)
    seen = {t["scene_id"]: t for t in _month(reader, [first, twin])["trail"]}
    # 300 m square less 20 m: rows 7 to 32, columns 7 to 32; cloud of columns 0 to 7 grown by 6 pixels reaches column 13
    assert (seen["a"]["judged_pixels"], seen["a"]["outcome"]) == (pytest.approx(26 * 19, abs=1e-6), "used")
    assert (seen["a"]["covered_share"], seen["a"]["clear_share"]) == (1.0, pytest.approx(19 / 26, abs=1e-6))
    assert (seen["b"]["judged_pixels"], seen["b"]["outcome"]) == (0.0, "no_pixels")


def test_a_swath_edge_is_neither_clear_nor_cloud() -> None:
    """Beyond the edge of the swath a datatake covers nothing; the other one is counted there alone."""
    half = np.full((40, 40), 1)
    half[:, 20:] = 0
    reader = MemoryReader()
    cut = reader.scene("cut", {b: v * half for b, v in palm().items()})
    whole = reader.scene("whole", palm(), day="2024-03-10")
    row = _month(reader, [cut, whole])
    seen = {t["scene_id"]: t for t in row["trail"]}
    assert (row["valid_fraction"], row["n_clear"], row["scenes"]) == (1.0, pytest.approx(1.5), 2)
    assert (seen["cut"]["covered_share"], seen["cut"]["clear_share"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert seen["cut"]["judged_pixels"] == pytest.approx(26 * 13)
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)


def test_a_scene_in_which_nothing_is_clear_is_cloudy_beyond_the_swath_it_has_no_pixels() -> None:
    """The ground is covered by a cloud, by a clear sky, and not at all; by the lenient profile a cloud may be used."""
    reader = MemoryReader()
    cloud, clear = reader.scene("cloud", palm(SCL=9)), reader.scene("clear", palm(), day="2024-03-10")
    none = reader.scene("none", palm(SCL=0), day="2024-03-20")
    row = _month(reader, [cloud, clear, none])
    told = {t["scene_id"]: (t["outcome"], t["covered_share"], t["clear_share"]) for t in row["trail"]}
    whole = pytest.approx(1.0)
    assert told == {
        "cloud": ("cloudy", whole, 0.0),
        "clear": ("used", whole, whole),
        "none": ("no_pixels", 0.0, 0.0),
    }
    lenient = plantation_month(_SQUARE, "2024-03", [cloud], reader, checks=Checks(RULES, ()), profile="lenient")
    assert (lenient["trail"][0]["outcome"], lenient["trail"][0]["scl_profile"]) == ("used", "lenient")


def test_unreadable_scenes_stand_in_the_trail_and_are_no_history() -> None:
    reader = MemoryReader()
    scenes = [reader.scene("a", palm()), reader.scene("b", palm(), day="2024-03-10")]
    reader.broken.add("b/B11")
    row = _month(reader, scenes)
    assert [(t["scene_id"], t["outcome"]) for t in row["trail"]] == [("a", "used"), ("b", "unreadable")]
    assert [r.scene_id for r in row["records"]] == ["a"]


def test_a_scene_that_lies_nowhere_is_lost_alone() -> None:
    reader = MemoryReader()
    site = grid(crs='LOCAL_CS["site grid",UNIT["metre",1]]')
    row = _month(reader, [reader.scene("a", palm()), reader.scene("site", palm(), spec=site, day="2024-03-10")])
    assert (row["flags"], row["n_clear"]) == (["scene_unreadable"], 1.0)
    ((name, _, message),) = row["problems"]
    assert name == "site"
    assert message.startswith("its coordinates cannot be related to longitude and latitude (")


@pytest.mark.parametrize(
    ("tile", "said", "told"),
    [
        ("48NXX", "", "SCL: the file's CRS EPSG:32748 is not that of its tile 48NXX, EPSG:32648"),
        ("X", "EPSG:4326", "SCL: the file's CRS EPSG:32748 is not that of its item, EPSG:4326"),
        ("48MXX", "EPSG:32748", ""),
    ],
)
def test_files_in_another_crs_are_told(tile: str, said: str, told: str) -> None:
    """As check tells them; they are used where they lie."""
    reader = MemoryReader()
    scene = reader.scene("a", palm(), tile=tile)
    scene = replace(scene, assets={b: replace(a, crs=said) for b, a in scene.assets.items()})
    row = _month(reader, [scene], _history(reader))
    assert row["ndvi"] == pytest.approx(0.8436, abs=5e-5)
    assert ("scene_crs" in row["flags"]) == bool(told)
    assert [(s, b) for s, b, _ in row["problems"]] == ([("a", "crs")] if told else [])
    if told:
        assert told in row["problems"][0][2]


def test_a_published_row_gives_back_its_record_and_verdict() -> None:
    reader = MemoryReader()
    scenes = [
        reader.scene("good", palm()),
        reader.scene("liar", palm(-1000.0), day="2024-03-10"),
        reader.scene("cloudy", palm(SCL=9), day="2024-03-15"),
        reader.scene("plain", palm(SCL=None), day="2024-03-20"),
    ]
    row = _month(reader, scenes, _history(reader))
    rows = [{**t, "plantation_id": "P", "known_at": row["known_at"].date()} for t in row["trail"]]
    assert set(rows[0]) == set(table("features_scenes").columns)
    frame = finalise(pd.DataFrame(rows), "features_scenes")
    back = frame.to_dict("records")
    assert [repr(record_of(r)) for r in back] == [repr(r) for r in row["records"]]
    assert [verdict_of(r) for r in back] == judge(row["records"], _history(reader), RULES)


def test_blocks_follow_the_verdicts_of_their_plantation() -> None:
    """A block of bare soil could not tell the lie; its plantation could, and the block believes it."""
    reader = MemoryReader()
    scene = replace(reader.scene("a", palm(-1000.0, SCL=5)), fingerprint="f" * 64)
    believed = _month(reader, [scene], _history(reader))
    known = {"f" * 16: Verdict(-1000.0, "missing", "clear")}
    block = plantation_month(_SQUARE, "2024-03", [scene], reader, checks=Checks(RULES, (), known))
    assert believed["ndvi"] == pytest.approx(0.5412, abs=5e-5)
    assert (block["ndvi"], block["offset_inferred"]) == (pytest.approx(0.8436, abs=5e-5), True)
    assert (block["trail"], block["problems"], block["records"]) == ([], [], ())
    left_out = Checks(RULES, (), {"f" * 16: Verdict(0.0, "plausible", "haze")})
    assert plantation_month(_SQUARE, "2024-03", [scene], reader, checks=left_out)["valid_fraction"] == 0.0


@pytest.mark.parametrize(
    ("spoiled", "outcome", "told"),
    [
        (
            {"B04": palm()["B08"], "B08": palm()["B04"]},
            "negative_ndvi",
            "NDVI is -0.8436, which no vegetation has: red",
        ),
        ({b: v / 1e4 for b, v in palm().items() if b != "SCL"}, "infrared_out_of_range", "B08 reflectance is 3.3e-05"),
        ({b: v * 255 // 1e4 for b, v in palm().items() if b != "SCL"}, "infrared_out_of_range", "is 0.0084"),
    ],
)
def test_files_that_show_no_vegetation_are_left_out(spoiled: dict[str, Any], outcome: str, told: str) -> None:
    """Exchanged bands, reflectances, a picture: the rest of the month is what it is without them."""
    reader = MemoryReader()
    good = reader.scene("good", palm())
    bad = reader.scene("bad", palm() | spoiled, day="2024-03-15", dtype="float32")
    row = _month(reader, [good, bad], _history(reader))
    (problem,) = row["problems"]
    assert problem[:2] == ("bad", "bands")
    assert told in problem[2]
    assert [(r["scene_id"], r["outcome"], r["bands_check"]) for r in row["trail"]] == [
        ("good", "used", "plausible"),
        ("bad", outcome, outcome),
    ]
    assert "bands_left_out" in row["flags"]
    alone = _month(reader, [good], _history(reader))
    assert [row[n] for n in ("ndvi", "evi", "nirv", "n_clear")] == [
        alone[n] for n in ("ndvi", "evi", "nirv", "n_clear")
    ]
    assert [verdict_of(r) for r in row["trail"]] == judge(row["records"], _history(reader), RULES)


def test_looking_twice_reads_once() -> None:
    reader = MemoryReader()
    _month(reader, [reader.scene("a", palm(), coarse=("B05", "B07", "B8A", "B11", "B12", "SCL"))])
    assert len(reader.reads) == len(set(reader.reads))
