"""The data dictionary, generated from the registry."""

from __future__ import annotations

import pandas as pd

from plantation_rwa.schema.fields import PARTITION_FIELDS
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.schema.tables import TABLES, table


def dictionary(name: str | None = None) -> pd.DataFrame:
    """Columns of one table, or of all: table, column, type, unit, meaning, whether it may be null.

    Parameters
    ----------
    name
        Table name; None for every table.
    """
    rows = []
    for spec in [table(name)] if name else list(TABLES.values()):
        for key in spec.partitions:
            field = PARTITION_FIELDS[key]
            rows.append((spec.name, key, "text (path)", "", field.description, "never"))
        for field in spec.fields:
            null = "never" if field.name in spec.required else "if unknown"
            rows.append((spec.name, field.name, field.kind, field.unit, field.description, null))
    return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "meaning", "null"])


def dictionary_markdown() -> str:
    """The dictionary as the page ``docs/data-dictionary.md``."""
    lines = ["# Data dictionary", "", "Generated from the field registry by `make docs`; do not edit.", ""]
    for spec in TABLES.values():
        parts = [spec.name, *(f"{p}=..." for p in spec.partitions), "part-*.parquet"]
        path = "/".join(parts) if spec.partitions else f"{spec.name}.parquet"
        lines += [
            f"## {spec.name}",
            "",
            f"{spec.description} Path: `{path}`. Key: {', '.join(spec.key)}.",
            "",
        ]
        lines += ["| column | type | unit | meaning | null |", "| --- | --- | --- | --- | --- |"]
        columns = ["column", "type", "unit", "meaning", "null"]
        for column, kind, unit, meaning, null in dictionary(spec.name)[columns].itertuples(index=False, name=None):
            lines.append(f"| `{column}` | {kind} | {unit or '-'} | {meaning} | {null} |")
        lines.append("")
    lines += ["## Codes of `quality_flag`", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in FLAGS.items()]
    return "\n".join(lines) + "\n"
