"""Files of tables as they are read, before anything is checked: bytes, CSV and Parquet, which column is which."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.guards import check_parquet
from plantation_rwa.sources.remote import get


@dataclass(frozen=True)
class RawFile:
    """One file as it was read, nothing checked yet.

    Parameters
    ----------
    name
        File name without folder.
    table
        Columns as found, any Arrow type.
    rows
        1-based data row of each record.
    truncated
        Whether the format cuts column names to ten characters (Shapefile).
    """

    name: str
    table: pa.Table
    rows: NDArray[np.int64]
    truncated: bool = False


def load(path: str, input: str, columns: Mapping[str, ColumnSpec], quarantine: Quarantine) -> RawFile:
    """Read one CSV or Parquet file; rows of a CSV with the wrong number of fields go to the quarantine."""
    name = file_name(path)
    data = read_bytes(path)
    if name.lower().endswith(".csv"):
        return _csv(name, data, input, quarantine)
    if name.lower().endswith((".parquet", ".pq")):
        try:
            file = pq.ParquetFile(pa.BufferReader(data))
            check_parquet(file, name)
            wanted, _ = match_columns(
                RawFile(name, file.schema_arrow.empty_table(), np.array([], dtype=np.int64)), columns
            )
            near = [c for c in file.schema_arrow.names if not pa.types.is_nested(file.schema_arrow.field(c).type)]
            table = file.read(columns=sorted({*wanted.values(), *near}))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError.of(name, "is not a readable Parquet file", one_line(error), "Write it again.") from None
        return RawFile(name, table, np.arange(1, table.num_rows + 1, dtype=np.int64))
    raise SourceError.of(
        name, f"{input} must be a CSV or Parquet file", PurePosixPath(name).suffix or name, "Name it .csv or .parquet."
    )


def file_name(path: str) -> str:
    """Name of a file without its folder, for local paths and URLs."""
    return PurePosixPath(path.replace("\\", "/").rstrip("/")).name


def read_bytes(path: str) -> bytes:
    """Content of a local file or URL; :class:`SourceError` naming it if that fails."""
    try:
        if "://" in path:
            return get(path)
        with open(path, "rb") as local:
            return local.read()
    except (OSError, ValueError) as error:  # those of web servers are OSErrors too
        raise SourceError.of(
            file_name(path), "cannot be read", one_line(error), "Check that the file exists and may be read."
        ) from None


def match_columns(raw: RawFile, columns: Mapping[str, ColumnSpec]) -> tuple[dict[str, str], list[Problem]]:
    """Which column of the file is which, upper and lower case alike, and the problems that stop the file."""
    found, problems = {}, []
    names = raw.table.column_names
    for name, spec in columns.items():
        wanted = name[:10] if raw.truncated else name
        alike = [n for n in names if n == name] or [n for n in names if n.strip().lower() in {name, wanted}]
        if len(alike) > 1 or names.count(name) > 1:
            problems.append(
                Problem(raw.name, f"column '{name}' occurs more than once", ", ".join(alike), "Keep one of them.")
            )
        elif alike:
            found[name] = alike[0]
        elif spec.required:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
            remedy = f"Did you mean '{close[0]}'?" if close else f"Columns found: {', '.join(names) or 'none'}."
            problems.append(Problem(raw.name, f"required column '{name}' is missing", "", remedy))
    return found, problems


def report_near_misses(
    raw: RawFile, names: Mapping[str, str], columns: Mapping[str, ColumnSpec], input: str, quarantine: Quarantine
) -> None:
    """Note columns that look like a misspelt optional one, which would otherwise be missed in silence."""
    absent = [c for c in columns if c not in names]
    for other in sorted(set(raw.table.column_names) - set(names.values())):
        close = difflib.get_close_matches(other.strip().lower(), absent, n=1, cutoff=0.85)
        if close:
            quarantine.add(
                input,
                raw.name,
                f"column is not known and was not read; rename it '{close[0]}' if that is meant",
                "nulled",
                column=other,
            )


def one_line(error: BaseException) -> str:
    """Text of an error on one line, cut to 200 characters."""
    return " ".join(str(error).split())[:200]


def _csv(name: str, data: bytes, input: str, quarantine: Quarantine) -> RawFile:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\x00" in data[:4096]:
        raise SourceError.of(name, "is not UTF-8 text", "", "Save it as CSV in UTF-8.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").encode("utf-8")
    head = data[: 1 << 20].decode("utf-8-sig", "replace")
    header = next((r for r in csv.reader(io.StringIO(head)) if r), None)
    if header is None:
        raise SourceError.of(name, "is empty", "", "Give at least a header line.")
    header = [h.strip() for h in header]
    if len(header) == 1:
        other = next((c for c in ";\t|" if c in header[0]), "")
        if other:
            shown = "a tab" if other == "\t" else f"'{other}'"
            raise SourceError.of(name, f"separates its fields by {shown}", header[0][:100], "Save it with commas.")
    wrong: list[tuple[int, str, int, int]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        wrong.append((int(row.number) - 1, row.text, row.actual_columns, row.expected_columns))
        return "skip"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            # one thread: only then rows are numbered
            read_options=pacsv.ReadOptions(use_threads=False, column_names=[str(i) for i in range(len(header))]),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pacsv.ConvertOptions(
                column_types={str(i): pa.string() for i in range(len(header))}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        raise SourceError.of(
            name, "is not a readable CSV file", one_line(error), "Check quotes and separators."
        ) from None
    table = table.slice(1).rename_columns(header)
    for row, text, actual, expected in wrong:
        told = f"the row has {actual} fields where the header has {expected}; check separators and quotes; row rejected"
        quarantine.add(input, name, told, "rejected", row=row, value=text)
    skipped = {row for row, *_ in wrong}
    rows = [r for r in range(1, table.num_rows + len(skipped) + 1) if r not in skipped]
    again = np.ones(table.num_rows, dtype=bool)
    for column, title in zip(table.columns, header, strict=True):
        again &= pc.equal(pc.utf8_trim_whitespace(column), title).to_numpy(zero_copy_only=False).astype(bool)
    if again.any():
        lines = np.flatnonzero(again)
        told = f"header repeated; row left out ({len(lines)} such in the file)"
        quarantine.add(input, name, told, "rejected", row=rows[lines[0]], value=",".join(header))
        table = table.filter(pa.array(~again))
    return RawFile(name, table, np.array(rows, dtype=np.int64)[~again])
