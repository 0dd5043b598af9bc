"""CSV and Parquet tables: files into rows, each row checked against the columns it must have."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Action, Quarantine
from plantation_rwa.sources.cells import ColumnSpec, number_text, read_cells

__all__ = ["ColumnSpec", "RawFile", "Sheet", "empty_table", "read_sheet", "read_table", "sheet_of"]

KnownAt = Callable[[pd.DataFrame], pd.Series]


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


@dataclass(frozen=True)
class _Fault:
    rows: NDArray[np.int64]
    column: str
    values: Sequence[str]
    reasons: Sequence[str]
    action: Action


class Sheet:
    """Rows of one input while they are being checked.

    A rejected row stays until :meth:`result`, so that all of its faults are found. Faults go to the quarantine last, when
    the ``known_at`` of each row is settled.

    Parameters
    ----------
    input
        Configured input, e.g. ``harvest``.
    frame
        Converted columns and ``_file``, ``_row``; index ``0 .. n-1``.
    quarantine
        Where faults go.
    """

    def __init__(self, input: str, frame: pd.DataFrame, quarantine: Quarantine) -> None:
        self.input = input
        self.frame = frame
        self.quarantine = quarantine
        self._rejected = np.zeros(len(frame), dtype=bool)
        self._faults: list[_Fault] = []

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Rows not rejected so far, shape ``(n,)``."""
        return ~self._rejected

    def fault(self, mask: ArrayLike, column: str, reason: str | Sequence[str], action: Action, values: Sequence[str] | None = None) -> None:
        """Record a fault of the rows in ``mask`` without changing them.

        Parameters
        ----------
        mask
            Boolean, shape ``(n,)``.
        reason
            What is wrong; one text, or one for each row in the mask.
        values
            Value found for each row in the mask; the column's present value if None.
        """
        rows = np.flatnonzero(np.asarray(mask, dtype=bool))
        if len(rows) == 0:
            return
        if values is None:
            values = [_shown(v) for v in self.frame[column].iloc[rows]] if column in self.frame else [""] * len(rows)
        reasons = [reason] * len(rows) if isinstance(reason, str) else list(reason)
        self._faults.append(_Fault(rows, column, values, reasons, action))

    def reject(self, mask: ArrayLike, column: str, reason: str | Sequence[str], values: Sequence[str] | None = None) -> None:
        """Reject the rows in ``mask``; arguments as :meth:`fault`."""
        self.fault(mask, column, _ending(reason, "row rejected"), "rejected", values)
        self._rejected |= np.asarray(mask, dtype=bool)

    def null(self, mask: ArrayLike, column: str, reason: str | Sequence[str], *, empty: object = np.nan, values: Sequence[str] | None = None) -> None:
        """Leave out the column's value in the rows in ``mask``; ``empty`` is what stands there instead."""
        chosen = np.asarray(mask, dtype=bool)
        self.fault(chosen, column, _ending(reason, "value left out"), "nulled", values)
        if chosen.any():
            self.frame.loc[chosen, column] = empty

    def reject_duplicates(self, keys: Sequence[str], *, column: str = "", hint: str = "") -> None:
        """Keep the first accepted row of each key; later accepted ones are rejected, naming the row that stays."""
        rows = self.frame.loc[self.accepted, list(keys)]
        first = pd.Series(rows.index, index=rows.index).groupby([rows[k] for k in keys], dropna=False, sort=False).transform("first")
        again = np.zeros(len(self.frame), dtype=bool)
        again[rows.index[first.to_numpy() != rows.index.to_numpy()]] = True
        stays = first[again[rows.index]].to_numpy()
        where = [f"row {r} of {f}" for r, f in zip(self.frame["_row"].iloc[stays], self.frame["_file"].iloc[stays], strict=True)]
        told = " and ".join(k for k in keys if k != "known_at")
        self.reject(again, column or keys[0], [f"repeats {told} of {w}, which stays{hint}" for w in where])

    def reject_unknown(self, column: str, known: Sequence[str], reason: str) -> None:
        """Reject rows whose id is not among the known ones; an empty id is no fault of this kind."""
        values = self.frame[column]
        self.reject(~values.isin(set(known)) & (values != ""), column, reason)

    def result(self) -> pd.DataFrame:
        """Report the faults and return the accepted rows, index reset."""
        frame = self.frame
        plantations = frame["plantation_id"].to_numpy() if "plantation_id" in frame else None
        instants = frame["known_at"] if "known_at" in frame else None
        files, numbers = frame["_file"].to_numpy(), frame["_row"].to_numpy()
        for fault in self._faults:
            for row, value, reason in zip(fault.rows, fault.values, fault.reasons, strict=True):
                known = instants.iloc[row] if instants is not None else None
                self.quarantine.add(
                    self.input,
                    str(files[row]),
                    reason,
                    fault.action,
                    row=int(numbers[row]),
                    column=fault.column,
                    value=value,
                    plantation_id=str(plantations[row]) if plantations is not None else "",
                    known_at=None if known is None or pd.isna(known) else known,
                )
        self._faults = []
        return frame[self.accepted].reset_index(drop=True)


def read_table(
    paths: Sequence[str] | None,
    *,
    input: str,
    columns: Mapping[str, ColumnSpec],
    quarantine: Quarantine,
    known_at: KnownAt | None = None,
) -> pd.DataFrame:
    """Read CSV or Parquet files into one table.

    Parameters
    ----------
    paths
        Files; None or none gives an empty table.
    input
        Configured input, used in messages and the quarantine.
    columns
        What each column may hold; other columns of the files are left alone.
    known_at
        Called with all rows, bad cells already emptied; returns the instant each became known (NaT where that cannot be
        told), which becomes the column ``known_at``.

    Returns
    -------
    pandas.DataFrame
        The columns in the given order, ``_file`` (name) and ``_row`` (1-based data row). Missing values: NaN, NaT, '' or False.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column; all such problems at once.
    """
    sheet = read_sheet(paths, input=input, columns=columns, quarantine=quarantine)
    if known_at is not None:
        sheet.frame["known_at"] = known_at(sheet.frame)
    return sheet.result()


def read_sheet(paths: Sequence[str] | None, *, input: str, columns: Mapping[str, ColumnSpec], quarantine: Quarantine) -> Sheet:
    """As :func:`read_table`, but before rows are dropped: for readers that check more."""
    raws, problems = [], []
    for path in paths or ():
        try:
            raws.append(load(path, input, columns, quarantine))
        except SourceError as error:
            problems += error.problems
    return sheet_of(raws, input=input, columns=columns, quarantine=quarantine, problems=problems)


def sheet_of(
    raws: Sequence[RawFile],
    *,
    input: str,
    columns: Mapping[str, ColumnSpec],
    quarantine: Quarantine,
    problems: Sequence[Problem] = (),
) -> Sheet:
    """Check raw files against the columns; ``problems`` found before are raised together with those found here."""
    found_problems, parts, faults, offset = list(problems), [empty_table(columns)], [], 0
    for raw in raws:
        names, wrong = match_columns(raw, columns)
        found_problems += wrong
        if wrong:
            continue
        _report_near_misses(raw, names, columns, input, quarantine)
        part = {}
        for name, spec in columns.items():
            cells = read_cells(_column(raw, names.get(name)), spec)
            part[name] = cells.values
            if spec.required and cells.missing.any():
                faults.append((np.flatnonzero(cells.missing) + offset, name, None, "is missing", True))
            if cells.reasons:
                rows = np.array(sorted(cells.reasons), dtype=np.int64)
                texts, reasons = [cells.raw[r] for r in rows], [cells.reasons[r] for r in rows]
                faults.append((rows + offset, name, texts, reasons, spec.required))
        parts.append(pd.DataFrame({**part, "_file": raw.name, "_row": raw.rows}))
        offset += len(raw.rows)
    if found_problems:
        raise SourceError(found_problems)
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    frame["_file"] = frame["_file"].astype("str")
    sheet = Sheet(input, frame, quarantine)
    for rows, name, texts, reasons, required in faults:
        mask = np.zeros(len(frame), dtype=bool)
        mask[rows] = True
        reason = [f"{name} {r}" for r in reasons] if isinstance(reasons, list) else f"{name} {reasons}"
        if required:
            sheet.reject(mask, name, reason, texts if texts is not None else [""] * len(rows))
        else:
            sheet.fault(mask, name, _ending(reason, "value left out"), "nulled", texts)
    return sheet


def empty_table(columns: Mapping[str, ColumnSpec]) -> pd.DataFrame:
    """A table without rows, with the columns and types :func:`read_table` gives."""
    nothing = {name: read_cells(pa.array([], type=pa.string()), spec).values for name, spec in columns.items()}
    return pd.DataFrame({**nothing, "_file": pd.Series([], dtype="str"), "_row": pd.Series([], dtype="int64")})


def load(path: str, input: str, columns: Mapping[str, ColumnSpec], quarantine: Quarantine) -> RawFile:
    """Read one CSV or Parquet file; rows of a CSV with the wrong number of fields go to the quarantine."""
    name = file_name(path)
    data = read_bytes(path)
    if name.lower().endswith(".csv"):
        return _csv(name, data, input, quarantine)
    if name.lower().endswith((".parquet", ".pq")):
        try:
            file = pq.ParquetFile(pa.BufferReader(data))
            wanted, _ = match_columns(RawFile(name, file.schema_arrow.empty_table(), np.array([], dtype=np.int64)), columns)
            near = [c for c in file.schema_arrow.names if not pa.types.is_nested(file.schema_arrow.field(c).type)]
            table = file.read(columns=sorted({*wanted.values(), *near}))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError.of(name, "is not a readable Parquet file", _line(error), "Write it again.") from None
        return RawFile(name, table, np.arange(1, table.num_rows + 1, dtype=np.int64))
    raise SourceError.of(name, f"{input} must be a CSV or Parquet file", PurePosixPath(name).suffix or name, "Name it .csv or .parquet.")


def file_name(path: str) -> str:
    """Name of a file without its folder, for local paths and URLs."""
    return PurePosixPath(path.replace("\\", "/").rstrip("/")).name


def read_bytes(path: str) -> bytes:
    """Content of a local file or URL; :class:`SourceError` naming it if that fails."""
    try:
        if "://" in path:
            import fsspec

            with fsspec.open(path, "rb") as remote:
                return bytes(remote.read())
        with open(path, "rb") as local:
            return local.read()
    except (OSError, ImportError, ValueError) as error:
        raise SourceError.of(file_name(path), "cannot be read", _line(error), "Check that the file exists and may be read.") from None


def match_columns(raw: RawFile, columns: Mapping[str, ColumnSpec]) -> tuple[dict[str, str], list[Problem]]:
    """Which column of the file is which, upper and lower case alike, and the problems that stop the file."""
    found, problems = {}, []
    names = raw.table.column_names
    for name, spec in columns.items():
        wanted = name[:10] if raw.truncated else name
        alike = [n for n in names if n == name] or [n for n in names if n.strip().lower() in {name, wanted}]
        if len(alike) > 1 or names.count(name) > 1:
            problems.append(Problem(raw.name, f"column '{name}' occurs more than once", ", ".join(alike), "Keep one of them."))
        elif alike:
            found[name] = alike[0]
        elif spec.required:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
            remedy = f"Did you mean '{close[0]}'?" if close else f"Columns found: {', '.join(names) or 'none'}."
            problems.append(Problem(raw.name, f"required column '{name}' is missing", "", remedy))
    return found, problems


def _report_near_misses(raw: RawFile, names: Mapping[str, str], columns: Mapping[str, ColumnSpec], input: str, quarantine: Quarantine) -> None:
    absent = [c for c in columns if c not in names]
    for other in sorted(set(raw.table.column_names) - set(names.values())):
        close = difflib.get_close_matches(other.strip().lower(), absent, n=1, cutoff=0.9)
        if close:
            quarantine.add(input, raw.name, f"column is not known and was not read; rename it '{close[0]}' if that is meant", "nulled", column=other)


def _column(raw: RawFile, name: str | None) -> pa.Array:
    if name is None:
        return pa.nulls(len(raw.rows), type=pa.string())
    column = raw.table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


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
            convert_options=pacsv.ConvertOptions(column_types={str(i): pa.string() for i in range(len(header))}, strings_can_be_null=False),
        )
    except (pa.ArrowException, ValueError) as error:
        raise SourceError.of(name, "is not a readable CSV file", _line(error), "Check quotes and separators.") from None
    table = table.slice(1).rename_columns(header)
    for row, text, actual, expected in wrong:
        told = f"the row has {actual} fields where the header has {expected}; check separators and quotes; row rejected"
        quarantine.add(input, name, told, "rejected", row=row, value=text)
    skipped = {row for row, *_ in wrong}
    rows = [r for r in range(1, table.num_rows + len(skipped) + 1) if r not in skipped]
    return RawFile(name, table, np.array(rows, dtype=np.int64))


def _ending(reason: str | Sequence[str], ending: str) -> str | list[str]:
    return f"{reason}; {ending}" if isinstance(reason, str) else [f"{r}; {ending}" for r in reason]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else number_text(value)
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else value.isoformat()
    return "" if value is None or value is pd.NaT else str(value)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
