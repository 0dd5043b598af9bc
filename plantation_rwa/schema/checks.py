"""Bring a table into its declared shape and check it: the border every published table crosses."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow

from plantation_rwa.errors import SchemaError
from plantation_rwa.schema.fields import Field
from plantation_rwa.schema.tables import Table, table

if TYPE_CHECKING:
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

_DTYPES: dict[str, Any] = {
    "text": pd.StringDtype("pyarrow", na_value=np.nan),
    "int": pd.Int64Dtype(),
    "float": np.dtype("float64"),
    "bool": pd.BooleanDtype(),
    "date": np.dtype("object"),
    "decimal": np.dtype("object"),
    "geometry": None,
    "png": np.dtype("object"),
}
#: first bytes of every PNG file (ISO/IEC 15948, 5.2)
_PNG = b"\x89PNG\r\n\x1a\n"


def finalise(frame: pd.DataFrame, name: str, *, partition: str = "") -> pd.DataFrame:
    """Order, type, round and check a table for publication.

    Columns that later versions fill are added as nulls; a column the registry does not know is an error.

    Parameters
    ----------
    frame
        Rows with any subset of the nullable columns; a GeoDataFrame where the table has a geometry.
    name
        Table name, see :data:`plantation_rwa.schema.tables.TABLES`.
    partition
        Partition key that the frame carries as a column, so that many partitions are checked in one go;
        it stays as the last column and is part of the row key.

    Returns
    -------
    pandas.DataFrame
        Registry columns in registry order, values rounded to the registry's decimals, sorted by key.

    Raises
    ------
    SchemaError
        Listing every failing column, check, value and row.
    """
    spec = table(name)
    extra = [partition] if partition else []
    unknown = sorted(set(frame.columns) - {*spec.columns, *extra})
    if unknown:
        raise SchemaError(name, [f"unknown column '{c}'" for c in unknown])
    out, failures = frame.reset_index(drop=True), []
    for field in spec.fields:
        try:
            out[field.name] = _typed(out.get(field.name), field, out.index)
        except (TypeError, ValueError, ArithmeticError, pyarrow.ArrowException) as error:
            failures.append(f"column '{field.name}' is not {field.kind}: {' '.join(str(error).split())}")
    if failures:
        raise SchemaError(name, failures)
    out = out[[*spec.columns, *extra]].sort_values([*extra, *spec.key], kind="stable", na_position="last")
    out = out.reset_index(drop=True)
    check(out, name, partition=partition)
    return out


def check(frame: pd.DataFrame, name: str, *, partition: str = "") -> None:
    """Validate a finalised table against bounds, allowed texts, nulls and key uniqueness.

    Pandera names what is wrong; a table in which nothing is, nearly every one, does without loading it.
    """
    if _sound(frame, table(name), partition):
        return
    from pandera.errors import SchemaErrors

    try:
        _pandera(name, partition).validate(frame, lazy=True)
    except SchemaErrors as error:
        raise SchemaError(name, _failures(error)) from None


def _sound(frame: pd.DataFrame, spec: Table, partition: str) -> bool:
    """Whether a table passes for certain; one that does not need not be wrong."""
    for field in (f for f in spec.fields if f.kind != "geometry"):
        column = frame.get(field.name)
        if column is None or column.dtype != _DTYPES[field.kind]:
            return False
        known = column.dropna()
        if field.name in spec.required and len(known) < len(column):
            return False
        if field.lower is not None and not (known >= field.lower).all():
            return False
        if field.upper is not None and not (known <= field.upper).all():
            return False
        if field.values and not known.isin(list(field.values)).all():
            return False
    keys = [*filter(None, [partition]), *spec.key]
    return spec.name == "quarantine" or not frame.duplicated(keys).any()


def rounded(values: Any, field: Field) -> Any:
    """Values rounded to the field's decimals, negative zero removed."""
    if field.kind != "float" or field.decimals is None:
        return values
    return np.round(values, field.decimals) + 0.0


def _typed(values: pd.Series | None, field: Field, index: pd.Index) -> Any:
    if field.kind == "geometry":
        return values
    if values is None:
        if field.kind == "float":
            return pd.Series(np.nan, index=index, dtype="float64")
        return pd.Series([None] * len(index), index=index, dtype=_DTYPES[field.kind])
    if field.kind == "float":
        numbers = pd.to_numeric(values, errors="raise").astype("float64").to_numpy(na_value=np.nan)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        return pd.Series(rounded(numbers, field), index=index)
    if field.kind == "date":
        given = list(values)  # few days, many rows
        days = {v: None if pd.isna(v) else _day(v) for v in dict.fromkeys(given)}
        return pd.Series([days[v] for v in given], index=index, dtype="object")
    if field.kind in {"decimal", "png"}:
        convert = _integer if field.kind == "decimal" else _picture
        return pd.Series([None if pd.isna(v) else convert(v) for v in values], index=index, dtype="object")
    return values.astype(_DTYPES[field.kind])


def _picture(value: Any) -> bytes:
    """The bytes of a PNG file, told by their signature."""
    if not isinstance(value, bytes) or not value.startswith(_PNG):
        raise TypeError(f"{type(value).__name__} is not the bytes of a PNG file")
    return value


def _day(value: Any) -> dt.date:
    """A calendar date; an instant with a time zone counts in UTC, whatever zone it was given in."""
    if isinstance(value, str | dt.datetime | np.datetime64):
        instant = pd.Timestamp(value)
        day: dt.date = (instant if instant.tzinfo is None else instant.tz_convert("UTC")).date()
        return day
    if isinstance(value, dt.date):
        return value
    raise TypeError(f"{value!r} is not a date")


def _integer(value: Any) -> int:
    """An exact integer; a float has already lost digits and is refused."""
    if isinstance(value, float | np.floating | bool) or int(value) != value:
        raise TypeError(f"{value!r} is not an exact integer")
    return int(value)


@cache
def _pandera(name: str, partition: str) -> pa.DataFrameSchema:
    import pandera.pandas as pa

    spec = table(name)
    columns = {f.name: _column(f, spec) for f in spec.fields if f.kind != "geometry"}
    unique = [*filter(None, [partition]), *spec.key] if name != "quarantine" else None
    return pa.DataFrameSchema(columns, unique=unique, strict=False, name=name)


def _column(field: Field, spec: Table) -> pa.Column:
    import pandera.pandas as pa

    checks = []
    if field.lower is not None:
        checks.append(pa.Check.ge(field.lower))
    if field.upper is not None:
        checks.append(pa.Check.le(field.upper))
    if field.values:
        checks.append(pa.Check.isin(list(field.values)))
    return pa.Column(_DTYPES[field.kind], checks=checks, nullable=field.name not in spec.required, name=field.name)


def _failures(error: SchemaErrors) -> list[str]:
    """At most twenty failures in words, values as plain Python shows them."""
    cases = error.failure_cases
    texts = []
    for column, test, value, index in zip(
        *(cases[c].head(20) for c in ("column", "check", "failure_case", "index")), strict=True
    ):
        plain = value.item() if isinstance(value, np.generic) else value
        row = f", row {int(index)}" if pd.notna(index) else ""
        texts.append(f"column '{column}', check {test}, value {plain!r}{row}")
    return texts + ([f"and {len(cases) - 20} more"] if len(cases) > 20 else [])
