"""The data dictionary, generated from the registry."""

from __future__ import annotations

from functools import cache

import pandas as pd

from plantation_rwa.schema.classification import classification
from plantation_rwa.schema.fields import PARTITION_FIELDS
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.schema.tables import TABLES, Table, table

#: columns of the dictionary
_COLUMNS = ("table", "column", "type", "unit", "meaning", "null", "classification")


def dictionary(name: str | None = None) -> pd.DataFrame:
    """Columns of one table, or of all: table, column, type, unit, meaning, whether it may be null, classification.

    Parameters
    ----------
    name
        Table name; None for every table.
    """
    rows = [row for spec in ([table(name)] if name else TABLES.values()) for row in _rows(spec)]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _rows(spec: Table) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key in spec.partitions:
        rows.append((spec.name, key, "text (path)", "", PARTITION_FIELDS[key].description, "never", "public"))
    for field in spec.fields:
        null = "never" if field.name in spec.required else "if unknown"
        kind = classification(spec.name, field.name)
        rows.append((spec.name, field.name, field.kind, field.unit, field.description, null, kind))
    return rows


@cache
def dictionary_markdown() -> str:
    """The dictionary as the page ``docs/data-dictionary.md``."""
    lines = ["# Data dictionary", "", "Generated from the field registry by `make docs`; do not edit.", ""]
    for spec in TABLES.values():
        parts = [spec.name, *(f"{p}=..." for p in spec.partitions), "part-*.parquet"]
        path = spec.file or ("/".join(parts) if spec.partitions else f"{spec.name}.parquet")
        lines += [
            f"## {spec.name}",
            "",
            f"{spec.description} Path: `{path}`. Key: {', '.join(spec.key)}.",
            "",
        ]
        lines += ["| column | type | unit | meaning | null | class |", "| --- | --- | --- | --- | --- | --- |"]
        for _, column, kind, unit, meaning, *rest in _rows(spec):
            lines.append(f"| `{column}` | {kind} | {unit or '-'} | {meaning} | {' | '.join(rest)} |")
        lines.append("")
    lines += ["## Codes of `quality_flag`", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in FLAGS.items()]
    return "\n".join(lines) + "\n"
