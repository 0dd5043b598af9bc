"""The data dictionary says everything the registry knows."""

from __future__ import annotations

import pytest

from plantation_rwa.schema.dictionary import dictionary, dictionary_markdown
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.schema.tables import TABLES


def test_one_row_per_column_and_partition_key() -> None:
    rows = dictionary("features")
    assert list(rows.columns) == ["table", "column", "type", "unit", "meaning", "null", "classification"]
    assert rows["column"].tolist() == ["month", "vintage", *TABLES["features"].columns]
    by_column = rows.set_index("column")
    rain = by_column.loc["p_sum_mm"].tolist()
    assert rain[:-1] == ["features", "float", "mm", "Rain of the month.", "if unknown"]
    assert set(rows["classification"]) <= {"public", "commercial", "issuer", "personal", "sensitive_location"}
    assert by_column.loc["month", "type"] == "text (path)"
    assert by_column.loc["plantation_id", "null"] == "never"


def test_all_tables_together() -> None:
    assert len(dictionary()) == sum(len(t.columns) + len(t.partitions) for t in TABLES.values())
    with pytest.raises(KeyError, match="no table 'nix'"):
        dictionary("nix")


def test_the_page_has_every_table_column_and_flag() -> None:
    lines = dictionary_markdown().splitlines()
    for name, spec in TABLES.items():
        start = lines.index(f"## {name}")
        section = lines[start : start + 7 + len(spec.partitions) + len(spec.columns)]
        for column in (*spec.partitions, *spec.columns):
            assert sum(line.startswith(f"| `{column}` |") for line in section) == 1, (name, column)
    for code, meaning in FLAGS.items():
        assert f"| `{code}` | {meaning} |" in lines
    # every row of a table has as many cells as its head
    assert {line.count(" | ") for line in lines if line.startswith("| `")} == {5, 1}
