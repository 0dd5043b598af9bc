"""Canonical JSON and the hashes of rows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point

from plantation_rwa.attest.hashing import (
    LARGEST,
    bytes32,
    canonical,
    cell_text,
    frame_hash,
    hash_of,
    row_hash,
    rows_hash,
)


def test_canonical_json_of_the_standard() -> None:
    """RFC 8785: members sorted, no spaces, texts escaped no more than needed."""
    assert canonical({"b": 1, "a": ["\u20ac", 'x"\n']}) == '{"a":["\u20ac","x\\"\\n"],"b":1}'.encode()


@pytest.mark.parametrize("value", [0.5, None, True, LARGEST + 1])
def test_anything_but_texts_and_exact_integers_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=r"^a\.b\[1\]: "):
        canonical({"a": {"b": [1, value]}})


names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8).filter(lambda n: n[0] != "_")


@given(st.dictionaries(names, st.text(min_size=1, max_size=20), max_size=6))
def test_the_quick_hash_of_a_row_is_that_of_the_standard(row: dict[str, str]) -> None:
    try:
        expected = hash_of(row)
    except ValueError:
        return  # a lone surrogate is no text
    assert row_hash(row) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (np.float64(0.1), "0.1"), (np.int64(7), "7"), (-0.0, "0"), (1e300, "1e+300"),
        (pd.Timestamp("2026-05-31T08:00+08:00"), "2026-05-31T00:00:00"), (dt.date(2026, 5, 31), "2026-05-31"),
        (np.bool_(True), "true"), (float("nan"), None), (pd.NA, None), (pd.NaT, None), (None, None),
    ],
)  # fmt: skip
def test_a_cell_is_the_same_text_however_it_is_held(value: object, text: str | None) -> None:
    assert cell_text(value) == text


def test_a_geometry_counts_by_its_coordinates() -> None:
    assert cell_text(Point(1, 2)) != cell_text(Point(2, 1))


def test_the_order_of_rows_does_not_count_and_repetition_does() -> None:
    one, two = {"a": 1}, {"a": 2}
    assert rows_hash([one, two]) == rows_hash([two, one])
    assert rows_hash([one, two]) != rows_hash([one, two, two])
    assert frame_hash(pd.DataFrame({"a": [2, 1]})) == rows_hash([one, two])


def test_where_a_row_stood_does_not_count() -> None:
    assert row_hash({"a": 1, "_row": 4, "b": None}) == row_hash({"a": 1, "_row": 5})


@pytest.mark.parametrize("text", ["0x12", "12" * 32, 5, None, "0x" + "zz" * 32])
def test_bytes32_refuses(text: object) -> None:
    with pytest.raises(ValueError):
        bytes32(text)
