"""The command ``describe``."""

from __future__ import annotations

import difflib

from plantation_rwa.cli.console import result, say, table
from plantation_rwa.errors import PlantationError
from plantation_rwa.schema.dictionary import dictionary
from plantation_rwa.schema.tables import TABLES


def describe(name: str | None) -> int:
    """Print the data dictionary; see ``plantation-rwa describe --help``."""
    if name is not None and name not in TABLES:
        close = difflib.get_close_matches(name, list(TABLES), n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Tables: {', '.join(sorted(TABLES))}."
        raise PlantationError(f"describe: no table '{name}'. {hint}")
    told = []
    for table_name in [name] if name else list(TABLES):
        frame = dictionary(table_name)
        columns = frame.drop(columns="table")
        told.append({"table": table_name, "description": TABLES[table_name].description, "columns": columns})
        rows = [[r.column, r.type, r.unit or "-", r.null, r.meaning] for r in frame.itertuples(index=False)]
        table(
            f"{table_name}: {TABLES[table_name].description}",
            ["column", "type", "unit", "null", "meaning"],
            rows,
        )
        say("")
    result(tables=told)
    return 0
