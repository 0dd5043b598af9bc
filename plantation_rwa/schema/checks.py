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
from plantation_rwa.schema.row_order import in_order, ordered
from plantation_rwa.schema.tables import Table, table
from plantation_rwa.schema.texts import TEXT

if TYPE_CHECKING:
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

_DTYPES: dict[str, Any] = {
    "text": TEXT,
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
    given = frame.reset_index(drop=True)
    columns, failures = dict[str, Any](), []
    for field in spec.fields:
        try:
            columns[field.name] = _typed(given.get(field.name), field, given.index)
        except (TypeError, ValueError, ArithmeticError, pyarrow.ArrowException) as error:
            failures.append(f"column '{field.name}' is not {field.kind}: {' '.join(str(error).split())}")
    if failures:
        raise SchemaError(name, failures)
    columns |= {name: given[name] for name in extra}
    order, repeated = ordered([columns[key] for key in (*extra, *spec.key)])
    # a table of all columns at once: put in one by one each costs as much as many
    made = type(frame) if spec.has_geometry else pd.DataFrame
    out = in_order(made(columns, index=given.index), order)
    _check(out, name, partition, repeated=repeated)
    return out


def check(frame: pd.DataFrame, name: str, *, partition: str = "") -> None:
    """Validate a finalised table against bounds, allowed texts, nulls and key uniqueness.

    Pandera names what is wrong; a table in which nothing is, nearly every one, does without loading it.
    """
    _check(frame, name, partition, repeated=_repeated(frame, table(name), partition))


def _check(frame: pd.DataFrame, name: str, partition: str, *, repeated: bool) -> None:
    if _sound(frame, table(name), repeated=repeated):
        return
    from pandera.errors import SchemaErrors

    try:
        _pandera(name, partition).validate(frame, lazy=True)
    except SchemaErrors as error:
        raise SchemaError(name, _failures(error)) from None


def _repeated(frame: pd.DataFrame, spec: Table, partition: str) -> bool:
    """Whether two rows may have one key."""
    keys = [*filter(None, [partition]), *spec.key]
    declared = {f.name: _DTYPES[f.kind] for f in spec.fields}
    if any(key not in frame or frame[key].dtype != declared.get(key, frame[key].dtype) for key in keys):
        return True
    return ordered([frame[key] for key in keys])[1]


def _sound(frame: pd.DataFrame, spec: Table, *, repeated: bool) -> bool:
    """Whether a table passes for certain; one that does not need not be wrong."""
    if repeated and spec.name != "quarantine":
        return False
    return all(_column_sound(frame.get(f.name), f, spec) for f in spec.fields if f.kind != "geometry")


def _column_sound(column: pd.Series | None, field: Field, spec: Table) -> bool:
    if column is None or column.dtype != _DTYPES[field.kind]:
        return False
    if field.name in spec.required and column.isna().any():
        return False
    if field.kind == "text":
        return not field.values or set(column.dropna().unique()) <= set(field.values)
    # NaN is neither below nor above
    known = column.to_numpy() if field.kind == "float" else column.dropna()
    below = field.lower is not None and (known < field.lower).any()
    return not below and not (field.upper is not None and (known > field.upper).any())


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
