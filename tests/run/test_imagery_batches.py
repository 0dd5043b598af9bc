"""Imagery work cut into tasks: neighbours together, bounded, and none takes another with it."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from plantation_rwa.executor import Outcome, attempt
from plantation_rwa.features import imagery
from plantation_rwa.features.engine.memory import RESIDENT, unit_bytes
from plantation_rwa.grid import GridSpec
from plantation_rwa.run.batches import Batch, Machine, groups_of
from plantation_rwa.run.imagery import compute_imagery, imagery_batch
from plantation_rwa.run.records import Records
from plantation_rwa.run.scenes import Unit
from plantation_rwa.sources.base import Asset
from tests.features.scene_factory import RULES, MemoryReader, grid, outline, palm

MONTHS = ("2024-01", "2024-02", "2024-03")


def here(function: Any, batches: Any) -> Any:
    return (attempt(function, batch) for batch in batches)


def portfolio(reader: MemoryReader, count: int, tile: str = "48MXX") -> list[Unit]:
    """Plantations of 300 m in a row, each with a block, three months."""
    scenes = {m: (reader.scene(f"{tile}{m}", palm(), spec=grid(100, 600), day=f"{m}-05", tile=tile),) for m in MONTHS}
    return [
        Unit(key, month, outline(x, 50, x + 300, 350).wkb, scenes[month], "strict", "auto", None)
        for n, x in enumerate(range(50, 50 + 400 * count, 400))
        for key in ((f"P{n}",), (f"P{n}", "B"))
        for month in MONTHS
    ]


def test_sizes_of_the_configuration() -> None:
    found = [Machine.of(1, t).memory for t in ("2GB", "1.5 GiB", "600MB")]
    assert found == [2 * 10**9, 3 * 2**29, 600 * 10**6]
    with pytest.raises(ValueError, match="'2TB' is no size"):
        Machine.of(1, "2TB")


def test_plantations_of_a_tile_go_together_with_their_blocks() -> None:
    reader = MemoryReader()
    units = portfolio(reader, 3) + [
        Unit(("Q",), u.month, u.outline, u.scenes, "strict", "auto", None) for u in portfolio(reader, 1, "48MYX")[:3]
    ]
    groups = groups_of(units, Machine())
    assert [{u.key[0] for u in g} for g, _ in groups] == [{"P0", "P1", "P2"}, {"Q"}]
    assert sorted((u.key, u.month) for g, _ in groups for u in g) == sorted((u.key, u.month) for u in units)


def test_tasks_are_cut_by_memory_and_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    units = portfolio(reader, 4)
    # a plantation of 9 ha and its block: 1,800 pixels under eleven bands of one scene
    tight = Machine(1, RESIDENT + unit_bytes(4000, 11, 1))
    assert [len({u.key[0] for u in g}) for g, _ in groups_of(units, tight)] == [2, 2]
    together = compute_imagery(units, [], RULES, here, lambda _: None)
    cut = compute_imagery(units, [], RULES, here, lambda _: None, tight)
    assert together.errors == {}
    assert len(together.rows) == len(units)
    assert {k: repr(v) for k, v in cut.rows.items()} == {k: repr(v) for k, v in together.rows.items()}
    mixed = compute_imagery(units[::-1], [], RULES, here, lambda _: None)
    assert {k: repr(v) for k, v in mixed.rows.items()} == {k: repr(v) for k, v in together.rows.items()}


def test_batches_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    batch = Batch(tuple(portfolio(reader, 2)), RULES, Records(), {}, 2)
    there = pickle.loads(pickle.dumps(batch))
    assert repr(imagery_batch(there)) == repr(imagery_batch(batch))


def test_one_outline_that_fails_takes_no_neighbour_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program, not of a scene: its plantation and blocks fail, the others are as ever."""
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    units = portfolio(reader, 3)
    clean = compute_imagery(units, [], RULES, here, lambda _: None)
    bad = next(u.outline for u in units if u.key == ("P1",))
    whole = imagery._auto_edge

    def edge(outline: bytes) -> float:
        if outline == bad:
            raise ArithmeticError("no edge")
        return whole(outline)

    monkeypatch.setattr(imagery, "_auto_edge", edge)
    found = compute_imagery(units, [], RULES, here, lambda _: None)
    assert {key[0] for key, *_ in found.errors} == {"P1"}
    assert found.errors[(("P1",), MONTHS[0], "")] == "ArithmeticError: no edge"
    assert {k: repr(v) for k, v in found.rows.items()} == {k: repr(v) for k, v in clean.rows.items() if k[0][0] != "P1"}


class Watched(MemoryReader):
    """Tells which thread asked for which file; asking beforehand may be made to fail."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.fails = fails

    def grid(self, asset: Asset) -> GridSpec:
        thread = threading.current_thread().name
        self.asked.append((thread.rpartition("_")[0], asset.href))
        if self.fails and thread.startswith("grids"):
            raise ArithmeticError("no memory")
        return super().grid(asset)


@pytest.mark.parametrize(("tile", "local"), [("48MXX", True), ("https://there/48MXX", False)])
def test_only_local_files_are_opened_while_the_month_before_is_read(
    monkeypatch: pytest.MonkeyPatch, tile: str, local: bool
) -> None:
    """Files of a server would be opened again: more than may be open wait for their month."""
    reader = Watched()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    found = compute_imagery(portfolio(reader, 1, tile), [], RULES, here, lambda _: None)
    assert found.errors == {}
    assert {thread for thread, _ in reader.asked} == ({"grids"} if local else {"lane"})
    assert len(reader.asked) == len({href for _, href in reader.asked}), "each file once"


def test_what_fails_when_asked_beforehand_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for reader in (Watched(), Watched(fails=True)):
        monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda r=reader: r)
        found = compute_imagery(portfolio(reader, 1)[:3], [], RULES, here, lambda _: None)
        assert found.errors == {}
        rows.append({k: repr(v) for k, v in found.rows.items()})
    assert rows[0] == rows[1]


def test_a_task_that_dies_is_told_of_each_unit() -> None:
    units = portfolio(MemoryReader(), 1)
    dead = compute_imagery(units, [], RULES, lambda f, b: iter([Outcome(None, "killed")] * len(b)), lambda _: None)
    assert dead.errors[(("P0",), MONTHS[0], "")] == "killed"
    assert dead.errors[(("P0", "B"), MONTHS[0], "")] == "waits for its plantation: killed"
