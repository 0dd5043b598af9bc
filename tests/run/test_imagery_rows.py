"""Rows that wait packed until their month is published."""

from __future__ import annotations

from typing import Any

import pytest

from plantation_rwa.run import imagery_rows
from plantation_rwa.run.imagery_rows import Imagery, KeptRows, MonthRows, RowsOfDate

Row = dict[str, Any]


def given(month: str, *names: str, view: str = "", value: float = 1.0) -> MonthRows:
    """Rows of plantations, each with a problem."""
    rows: dict[Any, Row] = {((n,), month, view): {"ndvi": value, "problems": [("s", "B04", f"bad {n}")]} for n in names}
    return MonthRows.of(month, rows, {(("X",), month, view): "failed"}, {("P", month, "own"): ()})


@pytest.mark.parametrize("room", [32_000_000, 10])
def test_rows_come_back_month_by_month(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """From memory and from a file."""
    monkeypatch.setattr(imagery_rows, "IN_MEMORY", room)
    found = Imagery()
    for month, names in (("2024-02", "BC"), ("2024-01", "A"), ("2024-02", "D")):
        found.add(given(month, *names))
    assert [at[0][0] for at, _ in found.rows.items()] == ["A", "B", "C", "D"]
    assert {key[0]: row["ndvi"] for (key, *_), row in found.rows.of("2024-02").items()} == dict.fromkeys("BCD", 1.0)
    assert found.rows.of("2024-03") == {}
    assert len(found.rows) == 4
    assert found.problems[(("B",), "2024-02", "")] == [("s", "B04", "bad B")]
    assert set(found.errors) == {(("X",), "2024-01", ""), (("X",), "2024-02", "")}


def test_a_date_sees_its_own_view_of_a_month() -> None:
    kept = KeptRows()
    kept.add(given("2024-01", "A", "B", view="early", value=0.5))
    kept.add(given("2024-01", "A", view="late", value=0.7))
    early, late = (RowsOfDate(kept, [((n,), "2024-01", v) for n in "AB"]) for v in ("early", "late"))
    assert {k[0]: r["ndvi"] for k, r in early.of("2024-01").items()} == {"A": 0.5, "B": 0.5}
    assert {k[0]: r["ndvi"] for k, r in late.of("2024-01").items()} == {"A": 0.7}


def test_rows_of_dates_that_are_past_are_forgotten() -> None:
    old, new = Imagery(), Imagery()
    old.add(given("2024-01", "A", "B"))
    new.add(given("2024-02", "A"))
    old.take(new)
    keep = (("B",), "2024-01", "")
    assert (("A",), "2024-02", "") in old.rows
    old.rows.keep({keep})
    assert dict(old.rows.items()).keys() == {keep}
    assert old.rows.of("2024-02") == {}
    assert set(old.errors) == {(("X",), "2024-02", "")}
