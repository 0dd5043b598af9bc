"""Columns of few values against plain lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.features.encoded import Encoded

words = st.lists(st.sampled_from("abcde"), max_size=12)


def same(text: str) -> str:
    return text


@given(words)
def test_values_stand_in_the_order_of_their_first_appearance(items: list[str]) -> None:
    found = Encoded.by(items, same)
    assert found.tolist() == items
    assert found.values == tuple(dict.fromkeys(items))
    assert {value: rows.tolist() for value, rows in found.groups()} == {
        word: [n for n, item in enumerate(items) if item == word] for word in items
    }


def test_objects_are_told_apart_by_what_they_are() -> None:
    one, other = [1], [1]
    found = Encoded.by([one, other, one], id)
    assert found.places.tolist() == [0, 1, 0]
    assert [value is held for value, held in zip(found.values, (one, other), strict=True)] == [True, True]


@given(st.lists(words, max_size=4))
def test_one_column_after_the_other_has_each_value_once(parts: list[list[str]]) -> None:
    found = Encoded.joined([Encoded.by(part, same) for part in parts], same)
    assert found.tolist() == [item for part in parts for item in part]
    assert len(set(found.values)) == len(found.values)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=12))
def test_columns_side_by_side(rows: list[tuple[str, str | None]]) -> None:
    first = Encoded.by([a for a, _ in rows], same)
    second = Encoded(("y", "x"), np.array([{"y": 0, "x": 1, None: -1}[b] for _, b in rows], np.intp))
    found = Encoded.together(first, second)
    assert found.tolist() == rows
    assert found.values == tuple(dict.fromkeys(rows))


@given(words.filter(len), st.data())
def test_rows_by_number_and_none_for_a_row_that_is_not_there(items: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(-1, len(items) - 1)))
    found = Encoded.by(items, same).take(np.array(rows, np.intp))
    assert found.tolist() == [None if n < 0 else items[n] for n in rows]
    assert [found.at(k) for k in range(len(rows))] == found.tolist()
    assert found.compact().tolist() == found.tolist()
    assert set(found.compact().values) == set(found.tolist()) - {None}
    assert sorted(k for _, own in found.groups() for k in own.tolist()) == [k for k, n in enumerate(rows) if n >= 0]
