"""JSON of others: nesting is refused before the parser meets it, brackets in strings are no nesting."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.json_text import MOST, parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
)


@given(VALUES)
def test_what_the_parser_reads_is_read(value: object) -> None:
    assert parsed(json.dumps(value)) == value


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_deep_nesting_is_refused_also_where_the_process_allows_it(opening: str) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(ValueError, match=f"nested more than {MOST} deep"):
            parsed(opening * 100_000)
    finally:
        sys.setrecursionlimit(before)


def test_the_limit_itself_and_brackets_in_strings_pass() -> None:
    assert parsed("[" * MOST + "]" * MOST)
    name = "[{" * 1000 + '\\"['
    assert parsed(json.dumps({"name": name})) == {"name": name}
    assert parsed(json.dumps({"name": name}).encode()) == {"name": name}
