"""The order of rows against pandas' own, and text columns out of few words."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.schema.row_order import in_order, ordered
from plantation_rwa.schema.texts import TEXT, chosen

words = st.one_of(st.none(), st.text("abzÄ é\U0001f334", max_size=3))
days = st.one_of(st.none(), st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 3)))
numbers = st.one_of(st.none(), st.integers(-2, 2))
rows = st.lists(st.tuples(words, days, numbers, st.floats(-1.0, 1.0) | st.just(np.nan)), max_size=30)


def table(given_rows: list[tuple[object, ...]]) -> pd.DataFrame:
    text, day, number, real = zip(*given_rows, strict=True) if given_rows else ((),) * 4
    return pd.DataFrame(
        {
            "text": pd.Series(text, dtype=TEXT),
            "day": pd.Series(day, dtype="object"),
            "number": pd.Series(number, dtype="Int64"),
            "real": pd.Series(real, dtype="float64"),
        }
    )


@given(rows, st.permutations(["text", "day", "number", "real"]), st.integers(1, 4))
def test_rows_are_ordered_as_pandas_orders_them(
    given_rows: list[tuple[object, ...]], names: list[str], keys: int
) -> None:
    frame = table(given_rows)
    order, repeated = ordered([frame[name] for name in names[:keys]])
    expected = frame.sort_values(names[:keys], kind="stable", na_position="last")
    assert order.tolist() == expected.index.tolist()
    assert repeated == bool(frame.duplicated(names[:keys]).any())
    assert in_order(frame, order).equals(expected.reset_index(drop=True))


def test_many_keys_of_many_values_do_not_run_over() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({str(n): rng.permutation(5000) // 2 for n in range(8)})
    frame.iloc[1:, :7] = frame.iloc[0, :7].to_numpy()  # the last key decides
    order, repeated = ordered([frame[c] for c in frame])
    assert order.tolist() == frame.sort_values(list(frame.columns), kind="stable").index.tolist()
    assert repeated
    wide = pd.DataFrame({str(n): rng.permutation(5000) for n in range(8)})
    assert ordered([wide[c] for c in wide])[0].tolist() == wide.sort_values(list(wide.columns)).index.tolist()


@given(st.lists(words, min_size=1, max_size=5), st.data())
def test_words_by_place(vocabulary: list[str | None], data: st.DataObject) -> None:
    places = np.array(data.draw(st.lists(st.integers(-1, len(vocabulary) - 1), max_size=20)), np.intp)
    column = pd.Series(chosen(vocabulary, places))
    assert column.dtype == TEXT
    expected = [None if n < 0 else vocabulary[n] for n in places.tolist()]
    assert column.astype(object).where(column.notna(), None).tolist() == expected


def test_text_parts_of_several_pieces_are_ordered() -> None:
    parts = [pd.Series(chosen(["b", "a", None], np.arange(3))), pd.Series(chosen(["a", "c"], np.arange(2)))]
    joined = pd.concat(parts, ignore_index=True)
    order, repeated = ordered([joined])
    assert order.tolist() == [1, 3, 0, 4, 2]
    assert repeated
