"""Many outlines in one month: what is read, and that nobody's figures depend on their company."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from plantation_rwa.features.engine.bits import STRICT
from plantation_rwa.features.engine.gathered import Spare
from plantation_rwa.features.engine.lanes import Lanes, OneLane
from plantation_rwa.features.engine.marks import marks_of
from plantation_rwa.features.engine.segments import segments_of
from plantation_rwa.features.engine.shares import Shares
from plantation_rwa.features.engine.weights import coverages
from plantation_rwa.features.imagery import Believed, Checks, MonthOfOutlines, Outline
from plantation_rwa.features.indices import INDICES
from plantation_rwa.features.scene_checks import Verdict
from plantation_rwa.features.scene_trail import item_hash
from tests.features.engine.test_agreement import COARSE, noisy
from tests.features.scene_factory import ORIGIN, RULES, MemoryReader, grid, outline, palm, rows_of


def rows(outlines: list[Outline], reader: MemoryReader, lanes: Lanes | None = None, **options: Any) -> list[Any]:
    found = MonthOfOutlines(outlines, "2024-03", reader, lanes=lanes or OneLane(), **options)
    made = rows_of(found, dict.fromkeys(range(len(outlines)), Checks(RULES)), lanes)
    return [made[n] for n in range(len(outlines))]


def test_nothing_to_see() -> None:
    reader = MemoryReader()
    assert rows([], reader) == []
    far = reader.scene("g", palm(), spec=grid(origin=(320_000.0, 200_000.0)))
    (row,) = rows([Outline(outline(50, 50, 350, 350), [far])], reader)
    assert (row["flags"], row["scenes"], reader.reads) == (["no_imagery"], 0, [])
    with pytest.raises(ValueError, match="2024-03: no SCL profile 'loose'"):
        rows([], reader, profile="loose")


def test_unreadable_scene_leaves_only_those_who_need_it() -> None:
    """A band of one scene is broken; a neighbour under that scene's clouds never asks for it."""
    rng, reader, spec = np.random.default_rng(2), MemoryReader(), grid(600, 600)
    good, bad = (noisy(rng, reader, n, spec, day=f"2024-03-0{k}") for k, n in ((1, "a"), (2, "b")))
    classes = np.full((300, 300), 4)
    classes[:, :100] = 9
    for name in ("a", "b"):
        place, _ = reader.files[f"{name}/SCL"]
        reader.files[f"{name}/SCL"] = place, (classes if name == "b" else classes * 0 + 4).astype("uint8")
    reader.broken.add("b/B11")
    shapes = [outline(100, 100, 600, 600), outline(4000, 100, 4600, 600)]
    under, open_ = rows([Outline(s, [good, bad]) for s in shapes], reader)
    assert under["problems"] == []
    assert open_["problems"] == [("b", "B11", "b/B11: cannot be read: bad block")]
    in_turn = rows([Outline(shapes[n], [good, bad]) for n in (1, 0, 0, 1)], reader)
    assert [repr(r) for r in in_turn] == [repr(r) for r in (open_, under, under, open_)]
    (alone,) = rows([Outline(shapes[1], [good])], reader)
    assert (alone["ndvi"], alone["ndmi"], alone["n_clear"]) == (open_["ndvi"], open_["ndmi"], open_["n_clear"])
    reader.broken.add("b/SCL")
    again = rows([Outline(s, [good, bad]) for s in shapes], reader)
    assert [r["problems"][0][:2] for r in again] == [("b", "SCL")] * 2


def test_figures_do_not_depend_on_company_order_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, reader, spec = np.random.default_rng(3), MemoryReader(), grid(1100, 1100)
    scenes = [
        noisy(rng, reader, f"s{k}", spec, day=f"2024-03-{k // 2 + 1:02d}", datatake=f"D{k // 2}", wedge=True)
        for k in range(6)
    ]
    shapes = [outline(x, y, x + 700, y + 500) for x, y in ((100, 100), (4800, 4900), (10_000, 10_000), (300, 300))]
    together = rows([Outline(s, scenes) for s in shapes], reader)
    alone = [rows([Outline(s, scenes[::-1])], reader)[0] for s in shapes]
    assert repr(together) == repr(alone)
    mirrored = rows([Outline(s, scenes) for s in shapes[::-1]], reader)[::-1]
    assert repr(together) == repr(mirrored)
    with ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr("plantation_rwa.features.engine.month.CHUNK", 5000)
        assert repr(rows([Outline(s, scenes) for s in shapes], reader, pool)) == repr(together)


def test_neighbours_under_different_scenes_and_offsets() -> None:
    """Three outlines of one block: one knows both scenes, one a single scene, one has other verdicts."""
    rng, reader, spec = np.random.default_rng(4), MemoryReader(), grid(300, 300)
    first, second = (noisy(rng, reader, n, spec, day=f"2024-03-0{k}", offset=-1000.0) for k, n in ((1, "a"), (2, "b")))
    shape = outline(100, 100, 900, 900)
    choices = [Outline(shape, [first, second]), Outline(shape, [first]), Outline(shape, [second])]
    together = rows(choices, reader)
    assert repr(together) == repr([rows([c], reader)[0] for c in choices])
    assert len({r["ndvi_mean"] for r in together}) == 3


def test_neighbours_under_different_verdicts() -> None:
    """The same ground three times: as claimed, with an offset corrected, with a scene left out."""
    rng, reader, spec = np.random.default_rng(6), MemoryReader(), grid(300, 300)
    first, second = (noisy(rng, reader, n, spec, day=f"2024-03-0{k}", offset=-1000.0) for k, n in ((1, "a"), (2, "b")))
    first, second = replace(first, fingerprint="a"), replace(second, fingerprint="b")
    shape = outline(100, 100, 900, 900)
    said = [
        {},
        {"b": Verdict(0.0, "already_removed")},
        {"b": Verdict(-1000.0, "plausible", "haze")},
    ]
    checks = {n: Checks(RULES, verdicts=verdicts) for n, verdicts in enumerate(said)}
    gathered = MonthOfOutlines([Outline(shape, [first, second])] * 3, "2024-03", reader)
    (part,) = gathered.parts([0, 1, 2], Believed(said))
    together = {n: part.row(n) for n in range(3)}
    for n, own in checks.items():
        alone = rows_of(MonthOfOutlines([Outline(shape, [first, second])], "2024-03", reader), {0: own})[0]
        assert repr(together[n]) == repr(alone)
    assert len({r["ndvi_mean"] for r in together.values()}) == 3


def test_cloudy_cells_are_not_read_and_no_pixel_twice() -> None:
    reader, spec = MemoryReader(), grid(1100, 1100)
    scl = np.full((550, 550), 4)
    scl[:, :270] = 9
    scene = reader.scene("a", palm(SCL=scl), spec=spec, coarse=COARSE)
    shapes = [outline(x, y, x + 900, y + 900) for x, y in ((300, 300), (6000, 300), (6300, 500), (4700, 4700))]
    kept = Shares()
    rows([Outline(s, [scene]) for s in shapes], reader, shares=kept)
    read: Counter[tuple[str, int, int]] = Counter()
    for href, window in reader.reads:
        lines, columns = range(window.row, window.row + window.height), range(window.col, window.col + window.width)
        read.update((href, r, c) for r in lines[::16] for c in columns[::16])
    assert max(read.values()) == 1
    assert {c for href, r, c in read if href == "a/B08" and r < 512} == set(range(512, 1024, 16))
    assert not {r for href, r, _ in read if href == "a/B08" and r >= 1024}
    assert len(kept.kept) == len(shapes)


@pytest.mark.parametrize("square", [256, 512, 1024, 300])
def test_squares_that_are_read_one_by_one_change_no_figure(square: int) -> None:
    """Squares of whole cells are asked for singly, in a file that lies on the tile's cells; nothing is read twice."""
    rng, reader = np.random.default_rng(4), MemoryReader()
    scene = noisy(rng, reader, "a", grid(1100, 1100))
    wide = grid(1300, 1300, origin=(ORIGIN[0] - 120, ORIGIN[1] + 240))
    reader.files["a/B04"] = wide, rng.integers(1100, 1500, (1300, 1300)).astype("uint16")
    outlines = [Outline(outline(x, y, x + 6000, y + 6000), [scene]) for x, y in ((200, 200), (4700, 4700))]
    plain = rows(outlines, reader)
    reader.reads.clear()
    reader.square = square
    assert repr(rows(outlines, reader)) == repr(plain)
    largest = {b: max((w.height, w.width) for href, w in reader.reads if href == f"a/{b}") for b in ("B08", "B04")}
    assert largest["B08"] == {256: (512, 512), 512: (512, 512), 1024: (1024, 1024), 300: (1100, 1100)}[square]
    assert largest["B04"][0] > 1100
    assert len(set(reader.reads)) == len(reader.reads)


def test_two_versions_of_one_scene_of_which_one_cannot_be_opened() -> None:
    """As two valuation dates may see it: the same id, another file."""
    reader = MemoryReader()
    first = noisy(np.random.default_rng(0), reader, "v", grid(300, 300))
    moved = replace(first.assets["B08"], href="gone")
    reader.files["gone"] = reader.files["v/B08"]
    reader.closed.add("gone")
    second = replace(first, fingerprint="2", assets={**first.assets, "B08": moved})
    shape = outline(100, 100, 900, 900)
    of_both = rows([Outline(shape, [first]), Outline(shape, [second])], reader)
    assert [r["problems"] for r in of_both] == [[], [("v", "B08", "gone: cannot be read: no header")]]
    assert repr(of_both) == repr([rows([Outline(shape, [s])], reader)[0] for s in (first, second)])


class Filled(Spare):
    """Lends memory in which every number is the same."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def lend(self, to: object, shape: tuple[int, int]) -> np.ndarray:
        lent = super().lend(to, shape)
        lent[:] = self._number
        return lent


def test_what_lay_in_memory_before_decides_nothing() -> None:
    """The first scene of a datatake cannot be read: its numbers do not tell where the second one is needed.

    Nor are there numbers where the second one was not read because the first shows all, though the first is left out
    then and a neighbour has the second alone.
    """
    found, pixels = [], palm(-1000.0, B04=1500)
    for number in (0, 5000):
        reader, spec = MemoryReader(), grid(1100, 1100)
        first, second, third = (
            replace(reader.scene(name, pixels, spec=spec, datatake=take, offset=-1000.0), fingerprint=name)
            for name, take in (("a", "D"), ("b", "D"), ("c", "E"))
        )
        reader.broken |= {"a/B04", "b/B08"}
        west, east = outline(100, 100, 900, 900), outline(6000, 6000, 6900, 6900)
        made = rows([Outline(west, [first, second, third])], reader, shares=Shares(spare=Filled(number)))
        reads = sorted(map(str, reader.reads))
        reader.broken.clear()
        outlines = [Outline(west, [first, second]), Outline(east, [second])]
        month = MonthOfOutlines(outlines, "2024-03", reader, shares=Shares(spare=Filled(number)))
        hazy = Checks(RULES, verdicts={item_hash(first): Verdict(-1000.0, "plausible", "haze")})
        found.append((repr(made), reads, repr(rows_of(month, dict.fromkeys((0, 1), hazy)))))
    assert found[0] == found[1]


def test_a_later_scene_of_a_datatake_is_read_only_where_those_before_have_holes() -> None:
    reader, spec = MemoryReader(), grid(1100, 1100)
    red = np.full((1100, 1100), 1280)
    red[:512, :512] = 0
    whole = reader.scene("a", palm(-1000.0, B04=red), spec=spec, datatake="D", offset=-1000.0, baseline=5.11)
    twin = reader.scene("b", palm(-1000.0, B04=1500), spec=spec, datatake="D", offset=-1000.0, baseline=4.0)
    rows([Outline(outline(100, 100, 10_900, 10_900), [whole, twin])], reader)
    windows = [w for href, w in reader.reads if href == "b/B04"]
    assert [(w.row, w.col, w.height, w.width) for w in windows] == [(0, 0, 512, 512)]
    assert not [href for href, _ in reader.reads if href == "b/B11"]


def test_indices_that_no_scene_of_an_outline_has_are_left_out_for_it_alone() -> None:
    """Two outlines computed together: the scene of one lacks B11 and B8A, that of the other has all bands."""
    reader, spec = MemoryReader(), grid(100, 100)
    poor = reader.scene("poor", palm(B11=None, B8A=None), spec=spec)
    rich = reader.scene("rich", palm(), spec=spec, day="2024-03-06")
    shape = outline(100, 100, 600, 600)
    of_poor, of_rich, of_both = rows([Outline(shape, s) for s in ([poor], [rich], [poor, rich])], reader)
    lacking = {"ndmi", "ndre", "nbr"}
    assert {n for n in INDICES if np.isnan(of_poor[n])} == lacking
    assert np.isnan(of_poor["ndmi_mean"])
    assert not any(np.isnan(of_rich[n]) for n in INDICES)
    assert [of_both[n] for n in sorted(lacking)] == [of_rich[n] for n in sorted(lacking)]
    (alone,) = rows([Outline(shape, [poor])], reader)
    assert repr(alone) == repr(of_poor)
    wanted = {href.partition("/")[2] for href, _ in reader.reads if href.startswith("poor/")}
    assert wanted.isdisjoint({"B11", "B8A"})


def test_a_datatake_of_one_scene_is_marked_like_one_with_a_second_that_shows_nothing() -> None:
    """The short way for the usual datatake: same marks, holes of the classification left without any."""
    rng, reader, spec = np.random.default_rng(11), MemoryReader(), grid(700, 700)
    one = noisy(rng, reader, "one", spec, wedge=True)
    empty = reader.scene("two", {**palm(), "SCL": 0}, spec=spec, coarse=COARSE)
    (cover,) = coverages([box(300_050, 193_600, 306_400, 199_950)], spec)
    segments = segments_of([cover])
    every, found = np.ones(len(segments.member), bool), []
    for scenes in ((one,), (one, empty)):
        marks = np.zeros(segments.pixels, np.uint8)
        assert marks_of(scenes, reader, spec, segments, every, marks) == {}
        found.append(marks)
    np.testing.assert_array_equal(*found)
    assert 0 < (found[0] == 0).mean() < 0.9
    assert (found[0] & STRICT != 0).any()


def test_memory_is_lent_again_when_its_month_is_gone() -> None:
    class Month:
        pass

    spare, first = Spare(), Month()
    lent = spare.lend(first, (3, 1000))
    place = lent.__array_interface__["data"][0]
    second = Month()
    assert spare.lend(second, (3, 1000)).__array_interface__["data"][0] != place
    del lent, first
    third = Month()
    again = spare.lend(third, (2, 900))
    assert (again.shape, again.__array_interface__["data"][0]) == ((2, 900), place)
