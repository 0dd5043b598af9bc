"""Like records on one line: counted, the first one shown, nothing lost."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.publish.report.grouping import grouped
from plantation_rwa.sources.base import Quarantine

COLUMNS = ["input", "file", "row", "column", "value", "reason", "action", "plantation_id"]


def records(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def test_numbers_in_a_reason_do_not_make_it_another_one() -> None:
    frame = records(
        ("harvest", "h.csv", 9, "ffb_t", "900", "makes 90 t per ha, more than 8", "rejected", "B"),
        ("harvest", "h.csv", 2, "ffb_t", "1716.5", "makes 1,716.5 t per ha, more than 8", "rejected", "A"),
        ("harvest", "h.csv", 3, "ffb_t", "-1", "is negative", "rejected", "A"),
    )
    found = grouped(frame)
    assert found["records"].tolist() == [2, 1]
    assert found["plantations"].tolist() == [2, 1]
    first = found.iloc[0]
    assert (first["row"], first["value"], first["plantation_id"]) == (2, "1716.5", "A")
    assert first["reason"] == "makes 1,716.5 t per ha, more than 8"


def test_another_input_file_column_action_or_reason_is_another_line() -> None:
    base = ("fx", "fx.csv", 1, "rate", "x", "no number", "rejected", "")
    others = [
        ("rates", *base[1:]),
        ("fx", "fx2.csv", *base[2:]),
        (*base[:3], "base", *base[4:]),
        (*base[:5], "empty", *base[6:]),
        (*base[:6], "nulled", ""),
    ]
    found = grouped(records(base, *others))
    assert len(found) == 6
    assert found["records"].tolist() == [1] * 6
    assert found["plantations"].tolist() == [0] * 6


def test_records_without_row_column_or_plantation_are_kept() -> None:
    quarantine = Quarantine()
    for scene in ("S2A_1", "S2B_2"):
        quarantine.add("imagery", "items.json", "cannot be read", "rejected", value=scene)
    found = grouped(quarantine.frame())
    assert found["records"].tolist() == [2]
    assert found["row"].isna().all()
    assert found["value"].tolist() == ["S2A_1"]


def test_an_empty_quarantine_has_no_lines() -> None:
    found = grouped(Quarantine().frame())
    assert len(found) == 0
    assert "records" in found


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["harvest", "fx"]),
        st.sampled_from(["a.csv", None]),
        st.one_of(st.none(), st.integers(1, 50)),
        st.sampled_from(["rate", "", None]),
        st.sampled_from(["1", None]),
        st.sampled_from(["row 1 repeats row 2", "row 11 repeats row 7", "bad"]),
        st.sampled_from(["rejected", "nulled"]),
        st.sampled_from(["P1", "P2", None]),
    ),
    max_size=30,
)


@given(_ROWS)
def test_counts_add_up_and_order_of_the_records_does_not_matter(rows: list[tuple[object, ...]]) -> None:
    frame = records(*rows)
    found = grouped(frame)
    assert found["records"].sum() == len(frame)
    pd.testing.assert_frame_equal(grouped(frame.iloc[::-1].reset_index(drop=True)), found)
