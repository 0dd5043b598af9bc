"""``latest/``: one merged file per table for desktop GIS, partition keys as text columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import OutputFile
from plantation_rwa.publish.geoparquet import write_table
from plantation_rwa.schema.fields import PARTITION_FIELDS
from plantation_rwa.schema.tables import table

#: Tables that have a merged copy.
LATEST_TABLES = ("features", "forecasts", "valuations")


def write_latest(root: str | Path, tables: Mapping[str, pd.DataFrame]) -> list[OutputFile]:
    """Write ``latest/<table>.parquet`` for each table given.

    Parameters
    ----------
    root
        Output folder.
    tables
        Table name to rows as :func:`plantation_rwa.publish.geoparquet.read_parts` returns them: the table's
        columns, then its partition keys (``month`` and ``vintage``, or ``as_of``) as text. For features only
        the vintages that the newest date uses: one row per plantation and month.

    Returns
    -------
    list of OutputFile
        In the order of :data:`LATEST_TABLES`; paths relative to ``root``.

    Raises
    ------
    PublishError
        For a table that has no merged copy, or a month that stands in two vintages.
    """
    unknown = sorted(set(tables) - set(LATEST_TABLES))
    if unknown:
        raise PublishError(f"latest/: no merged copy of {', '.join(unknown)}. Known: {', '.join(LATEST_TABLES)}.")
    written = []
    for name in LATEST_TABLES:
        if name not in tables:
            continue
        spec, frame = table(name), tables[name]
        fields = (*spec.fields, *(PARTITION_FIELDS[key] for key in spec.partitions))
        relative = f"latest/{name}.parquet"
        identity = [*spec.key, *(key for key in spec.partitions if key != "vintage")]
        _no_repeats(frame, identity, relative)
        file = write_table(frame[[f.name for f in fields if f.name in frame]], spec, fields, Path(root) / relative)
        written.append(OutputFile(relative, file.sha256, file.bytes, file.rows))
    return written


def _no_repeats(frame: pd.DataFrame, identity: list[str], relative: str) -> None:
    present = [c for c in identity if c in frame]
    repeated = frame[frame.duplicated(subset=present)] if len(present) == len(identity) else frame.iloc[:0]
    if len(repeated):
        row = ", ".join(f"{c} {repeated.iloc[0][c]}" for c in identity)
        raise PublishError(
            f"{relative}: {len(repeated)} rows stand twice, the first is {row}. Choose one vintage per month."
        )
