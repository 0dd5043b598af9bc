"""CSV and Parquet tables: files into rows, each row checked against the columns it must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Action, Quarantine
from plantation_rwa.sources.cells import ColumnSpec, Kind, number_text, read_cells
from plantation_rwa.sources.files import RawFile, file_name, load, match_columns, read_bytes, report_near_misses

__all__ = [
    "ColumnSpec",
    "Sheet",
    "empty_table",
    "file_name",
    "read_bytes",
    "read_sheet",
    "read_table",
    "sheet_of",
]

KnownAt = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class _Fault:
    rows: NDArray[np.int64]
    column: str
    values: Sequence[str]
    reasons: Sequence[str]
    action: Action


class Sheet:
    """Rows of one input while they are being checked.

    A rejected row stays until :meth:`result`, so that all of its faults are found. Faults go to the quarantine
    last, when the ``known_at`` of each row is settled.

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

    def fault(
        self,
        mask: ArrayLike,
        column: str,
        reason: str | Sequence[str],
        action: Action,
        values: Sequence[str] | None = None,
    ) -> None:
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

    def reject(
        self, mask: ArrayLike, column: str, reason: str | Sequence[str], values: Sequence[str] | None = None
    ) -> None:
        """Reject the rows in ``mask``; arguments as :meth:`fault`."""
        self.fault(mask, column, _ending(reason, "row rejected"), "rejected", values)
        self._rejected |= np.asarray(mask, dtype=bool)

    def reject_once(self, mask: ArrayLike, keys: Sequence[str], column: str, reason: str) -> None:
        """Reject the rows in ``mask`` and report one of each file and key, the one known first."""
        rows = np.flatnonzero(np.asarray(mask, dtype=bool))
        ordered = self.frame.iloc[rows].sort_values("known_at", kind="stable")
        first = np.zeros(len(self.frame), dtype=bool)
        first[ordered.drop_duplicates(["_file", *keys]).index.to_numpy()] = True
        self.fault(first, column, f"{reason}; all such rows in the file rejected", "rejected")
        self._rejected[rows] = True

    def null(
        self,
        mask: ArrayLike,
        column: str,
        reason: str | Sequence[str],
        *,
        empty: Any = np.nan,
        values: Sequence[str] | None = None,
    ) -> None:
        """Leave out the column's value in the rows in ``mask``; ``empty`` is what stands there instead."""
        chosen = np.asarray(mask, dtype=bool)
        self.fault(chosen, column, _ending(reason, "value left out"), "nulled", values)
        if chosen.any():
            self.frame.loc[chosen, column] = empty

    @contextmanager
    def without(self, mask: ArrayLike) -> Iterator[None]:
        """While it lasts the rows in ``mask`` count as rejected; what happens to them then is forgotten."""
        chosen, before = np.asarray(mask, dtype=bool), self._rejected.copy()
        self._rejected |= chosen
        yield
        self._rejected = np.where(chosen, before, self._rejected)

    @property
    def nulled(self) -> NDArray[np.bool_]:
        """Rows of which a value was left out so far, shape ``(n,)``."""
        out = np.zeros(len(self.frame), dtype=bool)
        for fault in self._faults:
            if fault.action == "nulled":
                out[fault.rows] = True
        return out

    def reject_duplicates(self, keys: Sequence[str], *, column: str = "", hint: str = "") -> None:
        """Keep the first accepted row of each key; later accepted ones are rejected, naming the row that stays."""
        rows = self.frame.loc[self.accepted, list(keys)]
        first = (
            pd.Series(rows.index, index=rows.index)
            .groupby([rows[k] for k in keys], dropna=False, sort=False)
            .transform("first")
        )
        again = np.zeros(len(self.frame), dtype=bool)
        again[rows.index[first.to_numpy() != rows.index.to_numpy()]] = True
        stays = first[again[rows.index]].to_numpy()
        where = [
            f"row {r} of {f}"
            for r, f in zip(self.frame["_row"].iloc[stays], self.frame["_file"].iloc[stays], strict=True)
        ]
        told = " and ".join(k for k in keys if k != "known_at")
        self.reject(again, column or keys[0], [f"repeats {told} of {w}, which stays{hint}" for w in where])

    def reject_unlike(self, keys: Sequence[str], names: Sequence[str], *, column: str) -> None:
        """Of rows of one key that differ in a number none is believed: all are rejected, whatever their order.

        Rows that differ in no number which both have complete each other: each takes what it lacks from the others.
        """
        rows = self.frame.loc[self.accepted]
        rows = rows[rows.duplicated(list(keys), keep=False)]
        if rows.empty:
            return
        groups = rows[list(names)].groupby([rows[k] for k in keys], dropna=False, sort=False)
        low, high = groups.transform("min"), groups.transform("max")
        differ = low < high
        unlike = differ.any(axis=1)
        chosen = rows.index[unlike]
        first = [(row, str(name)) for row, name in differ.loc[chosen].idxmax(axis=1).items()]
        told = "repeats " + " and ".join(k for k in keys if k != "known_at") + " with another value"
        ends = [(name, _shown(float(low.at[row, name])), _shown(float(high.at[row, name]))) for row, name in first]
        reasons = [f"{told} ({name} {least} and {most}); none is believed" for name, least, most in ends]
        mask = np.zeros(len(self.frame), dtype=bool)
        mask[chosen] = True
        self.reject(mask, column, reasons, [_shown(float(rows.at[row, name])) for row, name in first])
        self.frame.loc[rows.index[~unlike], list(names)] = low[~unlike]

    def reject_unknown(self, column: str, known: Sequence[str], reason: str, *, once: bool = False) -> None:
        """Reject rows whose id is not among the known ones; an empty id is no fault of this kind.

        Parameters
        ----------
        once
            Report one row for each file and id, the one known first, instead of every row: for series with
            thousands of rows an id.
        """
        values = self.frame[column]
        unknown = np.asarray(~values.isin(set(known)) & (values != ""))
        if not once:
            self.reject(unknown, column, reason)
            return
        places = self.frame.loc[unknown, ["_file", column]].assign(position=np.flatnonzero(unknown))
        if "known_at" in self.frame:
            places = places.assign(known=self.frame.loc[unknown, "known_at"]).sort_values("known", kind="stable")
        first = np.zeros(len(values), dtype=bool)
        first[places.drop_duplicates(["_file", column])["position"].to_numpy()] = True
        self.fault(first, column, f"{reason}; all rows of this id in the file rejected", "rejected")
        self._rejected |= unknown

    def result(self) -> pd.DataFrame:
        """Report the faults and return the accepted rows, index reset."""
        frame = self.frame
        plantations = frame["plantation_id"].to_numpy() if "plantation_id" in frame else None
        instants = frame.get("known_at")
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
        The columns in the given order, ``_file`` (name) and ``_row`` (1-based data row). Missing
        values: NaN, NaT, '' or False.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column; all such problems at once.
    """
    sheet = read_sheet(paths, input=input, columns=columns, quarantine=quarantine)
    if known_at is not None:
        sheet.frame["known_at"] = known_at(sheet.frame)
    return sheet.result()


def read_sheet(
    paths: Sequence[str] | None,
    *,
    input: str,
    columns: Mapping[str, ColumnSpec],
    quarantine: Quarantine,
    one_of: Sequence[str] = (),
) -> Sheet:
    """As :func:`read_table`, but before rows are dropped: for readers that check more.

    ``one_of`` names columns of which every file must have at least one.
    """
    raws, problems = list[RawFile](), list[Problem]()
    for path in paths or ():
        try:
            raw = load(path, input, columns, quarantine)
        except SourceError as error:
            problems += error.problems
            continue
        raws.append(raw)
        if one_of and not set(one_of) & set(match_columns(raw, columns)[0]):
            told = f"has none of the columns {', '.join(one_of)}"
            problems.append(Problem(raw.name, told, ", ".join(raw.table.column_names), "Add one of them."))
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
    found_problems, parts, offset = list(problems), [empty_table(columns)], 0
    faults = list[tuple[NDArray[np.int64], str, list[str], list[str], bool]]()
    for raw in raws:
        names, wrong = match_columns(raw, columns)
        found_problems += wrong
        if wrong:
            continue
        report_near_misses(raw, names, columns, input, quarantine)
        part = {}
        for name, spec in columns.items():
            cells = read_cells(_column(raw, names.get(name)), spec)
            part[name] = cells.values
            if spec.required and cells.missing.any():
                empty = np.flatnonzero(cells.missing)
                faults.append((empty + offset, name, [""] * len(empty), ["is missing"] * len(empty), True))
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
        told = [f"{name} {reason}" for reason in reasons]
        if required:
            sheet.reject(mask, name, told, texts)
        else:
            sheet.fault(mask, name, _ending(told, "value left out"), "nulled", texts)
    return sheet


def empty_table(columns: Mapping[str, ColumnSpec]) -> pd.DataFrame:
    """A table without rows, with the columns and types :func:`read_table` gives."""
    nothing = {name: _no_cells(spec.kind) for name, spec in columns.items()}
    return pd.DataFrame({**nothing, "_file": pd.Series([], dtype="str"), "_row": pd.Series([], dtype="int64")})


@cache
def _no_cells(kind: Kind) -> pd.Series:
    """A column of a kind without rows."""
    return read_cells(pa.array([], type=pa.string()), ColumnSpec(kind)).values


def _column(raw: RawFile, name: str | None) -> pa.Array:
    if name is None:
        return pa.nulls(len(raw.rows), type=pa.string())
    column = raw.table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _ending(reason: str | Sequence[str], ending: str) -> str | list[str]:
    return f"{reason}; {ending}" if isinstance(reason, str) else [f"{r}; {ending}" for r in reason]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else number_text(value)
    if isinstance(value, pd.Timestamp):
        return str(value.date().isoformat() if value == value.normalize() else value.isoformat())
    return "" if value is None or value is pd.NaT else str(value)
