"""Rows that wait packed until their month is published."""

from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.month_part import MonthPart
from plantation_rwa.features.scene_checks import SceneLines
from plantation_rwa.run import imagery_rows
from plantation_rwa.run.imagery_rows import Imagery, KeptRows, MonthRows, Part, RowsOfDate
from plantation_rwa.run.records import Records, Told
from tests.features.test_scene_checks import record


def given(month: str, *names: str, view: str = "", value: float = 1.0) -> MonthRows:
    """Rows of plantations, each with a problem."""
    count = len(names)
    problems = Encoded(tuple((("s", "B04", f"bad {n}"),) for n in names), np.arange(count))
    flags = Encoded(((),), np.zeros(count, np.intp))
    part = MonthPart(np.arange(count), {"ndvi": np.full(count, value)}, None, flags, problems)
    units = tuple(((n,), month, view) for n in names)
    return MonthRows.of(month, [(units, part)], {(("X",), month, view): "failed"}, Records())


def values(parts: list[Part]) -> dict[str, float]:
    return {at[0][0]: part.row(n)["ndvi"] for units, part in parts for n, at in enumerate(units)}


@pytest.mark.parametrize("room", [32_000_000, 10])
def test_rows_come_back_month_by_month(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """From memory and from a file."""
    monkeypatch.setattr(imagery_rows, "IN_MEMORY", room)
    found = Imagery()
    for month, names in (("2024-02", "BC"), ("2024-01", "A"), ("2024-02", "D")):
        found.add(given(month, *names))
    assert [at[0][0] for at, _ in found.rows.items()] == ["A", "B", "C", "D"]
    assert values(found.rows.of("2024-02")) == dict.fromkeys("BCD", 1.0)
    assert found.rows.of("2024-03") == []
    assert len(found.rows) == 4
    assert found.problems[(("B",), "2024-02", "")] == [("s", "B04", "bad B")]
    assert set(found.errors) == {(("X",), "2024-01", ""), (("X",), "2024-02", "")}


def test_a_date_sees_its_own_view_of_a_month() -> None:
    kept = KeptRows()
    kept.add(given("2024-01", "A", "B", view="early", value=0.5))
    kept.add(given("2024-01", "A", view="late", value=0.7))
    early, late = (RowsOfDate(kept, [((n,), "2024-01", v) for n in "AB"]) for v in ("early", "late"))
    seen = [
        {k[0]: part.row(n)["ndvi"] for keys, part in d.of("2024-01") for n, k in enumerate(keys)} for d in (early, late)
    ]
    assert seen == [{"A": 0.5, "B": 0.5}, {"A": 0.7}]


def test_rows_of_dates_that_are_past_are_forgotten() -> None:
    old, new = Imagery(), Imagery()
    old.add(given("2024-01", "A", "B"))
    new.add(given("2024-02", "A"))
    old.take(new)
    keep = (("B",), "2024-01", "")
    assert (("A",), "2024-02", "") in old.rows
    old.rows.keep({keep})
    assert dict(old.rows.items()).keys() == {keep}
    assert old.rows.of("2024-02") == []
    assert set(old.errors) == {(("X",), "2024-02", "")}


def test_a_unit_that_is_computed_again_has_its_last_row() -> None:
    kept = KeptRows()
    kept.add(given("2024-01", "A", "B", value=0.5))
    kept.add(given("2024-01", "B", value=0.7))
    found = kept.of("2024-01")
    assert values(found) == {"A": 0.5, "B": 0.7}
    assert sorted(at[0][0] for units, _ in found for at in units) == ["A", "B"]


def test_records_by_plantation_whoever_told_them_and_in_which_order() -> None:
    def lines(*days: str) -> SceneLines:
        own = [SceneLines.of([record(day, pixels=float(n)) for day in days]) for n in range(3)]
        return SceneLines(own[0].scenes, np.concatenate([o.numbers for o in own]))

    found, later = Records(), Records()
    found.add(("2024-01", "x"), Told(("A", "B", "C"), lines("2024-01-05")))
    found.add(("2024-02", "x"), Told(("A", "B", "C"), lines("2024-02-05", "2024-02-15")))
    later.add(("2024-01", "x"), Told(("C", "D", "E"), lines("2024-01-05")))
    found.take(later)
    past = found.past(("E", "C", "Z"), [("2024-01", "x"), ("2024-01", "y"), ("2024-02", "x")])
    assert [(len(told.scenes), rows.tolist()) for told, rows in past] == [(1, [2, 0, -1]), (2, [-1, 2, -1])]
    few = found.of({"C"}, {("2024-01", "x")})
    assert [(own, told.plantations) for own, told in few] == [(("2024-01", "x"), ("C",))] * 2
    ((told, rows),) = few.past(("C",), [("2024-01", "x")])
    assert told.numbers[rows[0], 0, 0] == 0.0
