"""Cells of input columns: what a column may hold, and text or Arrow values turned into it, fault by fault.

Every parser looks at one cell alone. A bad cell therefore never changes how its neighbours are read, which type
inference over a whole column would do.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from plantation_rwa.periods import Month

Kind = Literal["id", "text", "choice", "float", "int", "bool", "date", "month", "instant"]

#: Texts that mean "no value" in columns that do not hold text; ``NA`` in a text column is Namibia.
MISSING = ("", "na", "n/a", "nan", "nat", "null", "none", "<na>")

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE = re.compile(r"^(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$")
#: what GDAL makes of a time in a Shapefile, which has none: its text at midnight, so that no day is in doubt
_GDAL_DATE = re.compile(r"^(\d{4})/(\d{2})/(\d{2}) 00:00:00(?:\.0+)?(?:[+-]\d{2})?$")
_MONTH = re.compile(r"^(\d{4}-\d{2})(?:-01(?:[T ]00:00(?::00(?:\.0+)?)?Z?)?)?$")
_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: format (zero width, direction), private and half characters, spaces other than the plain one
_HIDDEN = {"Cf", "Co", "Cs", "Zs", "Zl", "Zp"}
#: what a spreadsheet runs when it opens the cell: = and @, or a sign before anything but a number
_FORMULA = re.compile(r"^(?:[=@]|[+-].*(?:[^\W\d_]|[(|!]))", re.DOTALL)
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
_YEARS = (1900, 2200)


@dataclass(frozen=True)
class ColumnSpec:
    """What one input column may hold.

    Parameters
    ----------
    kind
        ``id`` (text without path separators or control characters), ``text``, ``choice`` (one of ``values``, in any
        case), ``float``, ``int``, ``bool``, ``date`` (YYYY-MM-DD), ``month`` (YYYY-MM) or ``instant`` (date or date and
        time; UTC where no offset is written).
    required
        A bad or missing value rejects the row, and the file must have the column. Otherwise a bad value is left out.
    lower, upper
        Closed bounds of numbers, in the column's unit.
    above
        Open lower bound of numbers.
    values
        Allowed texts of a ``choice``.
    pattern
        Regular expression the upper-cased text of a ``text`` column must match in full.
    hint
        Remedy added to the reason when the value is out of bounds or does not match.
    """

    kind: Kind
    required: bool = False
    lower: float | None = None
    upper: float | None = None
    above: float | None = None
    values: tuple[str, ...] = ()
    pattern: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Cells:
    """One column after reading, a missing or bad cell as its kind's empty value.

    Parameters
    ----------
    values
        float64 (NaN), ``str`` (''), bool (False), naive or UTC ``datetime64[us]`` (NaT), shape
        ``(n,)``.
    missing
        Cells without a value.
    bad
        Cells with a value that cannot be used.
    reasons
        Row position -> what is wrong, for the bad cells.
    raw
        Row position -> value as found, for the bad cells.
    """

    values: pd.Series
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    reasons: dict[int, str]
    raw: dict[int, str]


def read_cells(column: pa.Array, spec: ColumnSpec) -> Cells:
    """Read one column by its specification.

    Parameters
    ----------
    column
        Values of any Arrow type; CSV columns come as strings.
    spec
        What the column may hold.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if spec.kind in {"float", "int"}:
        return _numbers(column, spec)
    text = as_text(column).dictionary_encode()
    found = [_parse(t, spec) for t in text.dictionary.to_pylist()]
    codes = pc.fill_null(text.indices, len(found)).to_numpy(zero_copy_only=False).astype(np.int64)
    outcomes = [*found, (_EMPTY[spec.kind], None)]
    missing_of = np.array([v is _EMPTY[spec.kind] and reason is None for v, reason in outcomes], dtype=bool)
    bad_of = np.array([reason is not None for _, reason in outcomes], dtype=bool)
    bad = bad_of[codes]
    rows = np.flatnonzero(bad)
    words = text.dictionary.to_pylist()
    return Cells(
        values=_series([v for v, _ in outcomes], spec.kind).take(codes).reset_index(drop=True),
        missing=missing_of[codes],
        bad=bad,
        reasons={int(r): str(outcomes[codes[r]][1]) for r in rows},
        raw={int(r): words[codes[r]] for r in rows},
    )


def as_text(column: pa.Array) -> pa.Array:
    """Any column as trimmed text: whole floats without ``.0``, dates and times in ISO form; nulls stay null."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.utf8_trim_whitespace(column.cast(pa.string()))
    if pa.types.is_floating(kind):
        values = _widened(column).to_pandas().to_numpy(dtype="float64", na_value=np.nan)
        return pa.array([None if np.isnan(v) else number_text(v) for v in values], type=pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array(
            [None if v is None else v.decode("utf-8", "replace").strip() for v in column.to_pylist()], type=pa.string()
        )
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], type=pa.string())


def number_text(value: float) -> str:
    """Shortest text of a number, whole numbers without a decimal point."""
    return str(int(value)) if np.isfinite(value) and value == int(value) and abs(value) < 2**53 else repr(float(value))


def _widened(column: pa.Array) -> pa.Array:
    """Single precision by its shortest decimal, as a CSV of the same numbers has it; other types as they are."""
    return column.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(column.type) else column


def _numbers(column: pa.Array, spec: ColumnSpec) -> Cells:
    n, reasons, raw = len(column), dict[int, str](), dict[int, str]()
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = (
            _widened(column)
            .cast(pa.float64(), safe=False)
            .to_pandas()
            .to_numpy(dtype="float64", na_value=np.nan)
            .copy()
        )
        missing, bad = np.isnan(values), np.isinf(values)
    else:
        text = as_text(column)
        lowered = pc.utf8_lower(text)
        missing = _flags(pc.or_kleene(pc.is_null(text), pc.is_in(lowered, value_set=pa.array(MISSING))))
        numeric = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
        if pa.types.is_boolean(kind):
            numeric = pa.array(np.zeros(n, dtype=bool))
        unsigned = pc.utf8_ltrim(text, characters="+")
        cast = pc.if_else(numeric, unsigned, pa.scalar(None, pa.string())).cast(pa.float64())
        values = cast.to_pandas().to_numpy(dtype="float64", na_value=np.nan).copy()
        bad = ~missing & ~np.isfinite(values)
    for row in np.flatnonzero(bad):
        reasons[int(row)] = "is not a number; write digits with a decimal point, without separators or units"
    words = as_text(column.take(pa.array(np.flatnonzero(bad)))).to_pylist()
    raw.update(zip((int(r) for r in np.flatnonzero(bad)), words, strict=True))
    for wrong, reason in _bounds(values, spec):
        for row in np.flatnonzero(wrong & ~bad & ~missing):
            reasons[int(row)] = reason + (f"; {spec.hint}" if spec.hint else "")
            raw[int(row)] = number_text(values[row])
        bad |= wrong & ~missing
    values[bad] = np.nan
    return Cells(pd.Series(values, dtype="float64"), missing, bad, reasons, raw)


def _bounds(values: NDArray[np.float64], spec: ColumnSpec) -> list[tuple[NDArray[np.bool_], str]]:
    with np.errstate(invalid="ignore"):
        checks = []
        if spec.kind == "int":
            checks.append((values != np.round(values), "is not a whole number"))
        if spec.above is not None:
            checks.append((values <= spec.above, f"must be greater than {number_text(spec.above)}"))
        if spec.lower is not None:
            checks.append((values < spec.lower, f"must be at least {number_text(spec.lower)}"))
        if spec.upper is not None:
            checks.append((values > spec.upper, f"must be at most {number_text(spec.upper)}"))
    return checks


def _flags(mask: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), dtype=bool)


def _series(values: list[Any], kind: Kind) -> pd.Series:
    if kind == "date":
        return pd.Series(pd.to_datetime(pd.Series(values, dtype="object")), dtype="datetime64[us]")
    if kind == "instant":
        return pd.Series(pd.to_datetime(pd.Series(values, dtype="object"), utc=True), dtype="datetime64[us, UTC]")
    return pd.Series(values, dtype="bool" if kind == "bool" else "str")


_EMPTY: dict[str, Any] = {"id": "", "text": "", "choice": "", "month": "", "bool": False, "date": None, "instant": None}


def _parse(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    empty = _EMPTY[spec.kind]
    if text == "" or (spec.kind not in {"id", "text", "choice"} and text.lower() in MISSING):
        return empty, None
    if "\ufffd" in text:
        return empty, "is not valid UTF-8; save the file as UTF-8"
    return _PARSERS[spec.kind](text, spec)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula and run it."""
    return _FORMULA.match(text) is not None


def _id(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    if is_formula(text):
        return "", "must not begin like a spreadsheet formula"
    if "/" in text or "\\" in text or text in {".", ".."}:
        return "", "must not hold path separators"
    if _CONTROL.search(text):
        return "", "must not hold control characters"
    hidden = next((c for c in text if c != " " and unicodedata.category(c) in _HIDDEN), None)
    if hidden is not None:
        return "", f"must not hold characters that are not seen (U+{ord(hidden):04X}); type the id anew"
    if len(text) > 200:
        return "", "is longer than 200 characters"
    return text, None


def _text(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    if spec.pattern:
        text = text.upper()
        if re.fullmatch(spec.pattern, text) is None:
            return "", f"is not valid; {spec.hint}" if spec.hint else "is not valid"
    plain = " ".join(_CONTROL.sub(" ", text).split())
    return ("", "begins like a spreadsheet formula") if is_formula(plain) else (plain, None)


def _choice(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    match = next((v for v in spec.values if v.lower() == text.lower()), None)
    if match is None:
        return "", f"is not known; use one of {', '.join(spec.values)}" + (f"; {spec.hint}" if spec.hint else "")
    return match, None


def _bool(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    lowered = text.lower()
    if lowered in _TRUE or lowered in _FALSE:
        # not the interned empty value: a written "false" is no missing cell
        return np.bool_(lowered in _TRUE), None
    return False, "is not true or false"


def _date(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    match = _DATE.match(text) or _GDAL_DATE.match(text)
    if match is None:
        return None, "is not a date; write YYYY-MM-DD"
    try:
        day = dt.datetime(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None, "is not a day of the calendar"
    return (
        (day, None)
        if _YEARS[0] <= day.year <= _YEARS[1]
        else (None, f"lies outside the years {_YEARS[0]} to {_YEARS[1]}")
    )


def _month(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    match = _MONTH.match(text)
    try:
        month = Month.parse(match[1] if match else text)
    except ValueError:
        return "", "is not a month; write YYYY-MM"
    return (
        (str(month), None)
        if _YEARS[0] <= month.year <= _YEARS[1]
        else ("", f"lies outside the years {_YEARS[0]} to {_YEARS[1]}")
    )


def _instant(text: str, spec: ColumnSpec) -> tuple[Any, str | None]:
    if _INSTANT.match(text) is None:
        return None, "is not a date or time; write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None, "is not a day and time of the calendar"
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        return None, f"lies outside the years {_YEARS[0]} to {_YEARS[1]}"
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return moment.astimezone(dt.UTC), None


_PARSERS: dict[str, Callable[[str, ColumnSpec], tuple[Any, str | None]]] = {
    "id": _id,
    "text": _text,
    "choice": _choice,
    "bool": _bool,
    "date": _date,
    "month": _month,
    "instant": _instant,
}
