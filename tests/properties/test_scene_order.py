"""The order of items, and how they are spread over files, says nothing; nor does the order of scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.sources.base import Quarantine, Scene
from tests.features.scene_factory import RULES, MemoryReader, outline, palm
from tests.properties.test_row_order import SHORT
from tests.sources.stac_factory import collection, item, scenes, write


def _strip(n: int) -> dict[str, str]:
    return {"s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_X_S2024030{n}T031000_N05.11"}


#: twins of every kind, two strips, one broken, one of a foreign collection, one listed twice
ITEMS = [
    item("plain"),
    item("twin", collection="sentinel-2-c1-l2a"),
    item("older", properties={"s2:processing_baseline": "02.14", "created": "2024-01-01T00:00:00Z"}),
    item("strip5", day="2024-03-08", properties=_strip(5)),
    item("strip6", day="2024-03-08", properties=_strip(6)),
    item("other", day="2024-03-10", properties={"grid:code": "MGRS-49MDU"}),
    item("same", day="2024-03-12"),
    item("same", day="2024-03-12"),
    item("broken", properties={"datetime": "soon"}),
    item("radar", collection="sentinel-1-grd"),
]


def read(folder: Path, parts: list[list[dict[str, Any]]], known_at: str) -> tuple[list[Any], list[Any]]:
    bad = Quarantine()
    places = [write(folder / f"{n}.json", collection(*part)) for n, part in enumerate(parts)]
    found = scenes(*places, quarantine=bad, collections=["sentinel-2-l2a", "sentinel-2-c1-l2a"], known_at=known_at)
    rows = bad.frame()[["column", "value", "reason", "action"]].drop_duplicates()
    return [(s.id, s.collection, s.fingerprint, s.known_at) for s in found], rows.to_numpy().tolist()


@pytest.mark.parametrize("known_at", ["acquired", "created"])
@given(order=st.permutations(ITEMS), cuts=st.tuples(st.integers(0, 10), st.integers(0, 10)))
@SHORT
def test_items_are_a_set(tmp_path: Path, known_at: str, order: list[dict[str, Any]], cuts: tuple[int, int]) -> None:
    first, second = sorted(cuts)
    expected = read(tmp_path, [ITEMS], known_at)
    assert read(tmp_path, [order[:first], order[first:second], order[second:]], known_at) == expected
    assert [name for name, *_ in expected[0] if name != "older"] == ["plain", "strip5", "strip6", "other", "same"]
    assert len(expected[1]) == 1


def _pixels() -> tuple[MemoryReader, list[Scene]]:
    """Two strips of one datatake, reprocessed twins, and single passes, all with noise and clouds of their own."""
    rng, reader = np.random.default_rng(11), MemoryReader()

    def noisy(name: str, **changes: Any) -> Scene:
        bands = palm(B04=rng.integers(200, 900, (40, 40)), SCL=rng.choice([0, 4, 4, 9], (40, 40)))
        return reader.scene(name, bands, **changes)

    found = [noisy(f"d{n}", day=f"2024-03-{10 + n}") for n in range(3)]
    found += [noisy("u", datatake="U"), noisy("v", datatake="U")]
    found += [noisy("old", datatake="T", baseline=2.14, day="2024-03-20")]
    found += [noisy("new", datatake="T", baseline=5.0, day="2024-03-20")]
    return reader, found


READER, PASSES = _pixels()
SQUARE = outline(50, 50, 350, 350)


def features(given: list[Scene]) -> str:
    return repr(plantation_month(SQUARE, "2024-03", given, READER, checks=Checks(RULES)))


@given(order=st.permutations(PASSES))
@SHORT
def test_scenes_are_a_set(order: list[Scene]) -> None:
    assert features(order) == features(PASSES)
    assert features(PASSES[1:]) != features(PASSES)
