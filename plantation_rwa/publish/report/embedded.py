"""Numbers for the page's charts: whole tables of series as 16-bit integers, packed as text."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.periods import Month
from plantation_rwa.publish.report.markup import clean, is_missing

MISSING = -32768
_LARGEST = 32_767
#: months of history and of forecast that the charts show
HISTORY_MONTHS, FORECAST_MONTHS = 48, 60
FORECAST = {f"q{q}": (f"yield_q{q}_t_ha", 4) for q in ("05", "10", "25", "50", "75", "90", "95")}
HISTORY = {"yield": ("yield_t_ha", 4)}
FEATURES = {
    "ndvi": ("ndvi", 4),
    "ndmi": ("ndmi", 4),
    "n_clear": ("n_clear", 2),
    "seen": ("valid_fraction", 4),
    "rain": ("p_sum_mm", 1),
    "deficit": ("deficit_irho_mm", 1),
}


def packed(values: NDArray[np.float64], decimals: int) -> dict[str, Any]:
    """Numbers as base64 of little-endian 16-bit integers; a missing one is -32768.

    Parameters
    ----------
    values
        In any shape; read row by row.
    decimals
        Wanted; fewer are kept where the largest number would not fit.

    Returns
    -------
    dict
        ``b`` (text) and ``d``: a number is its integer times 10 ** -d.
    """
    finite = values[np.isfinite(values)]
    top = float(np.abs(finite).max()) if finite.size else 0.0
    while top * 10.0**decimals > _LARGEST:
        decimals -= 1
    whole = np.full(values.shape, MISSING, dtype="<i2")
    known = np.isfinite(values)
    whole[known] = np.rint(values[known] * 10.0**decimals)
    return {"b": base64.b64encode(whole.tobytes()).decode("ascii"), "d": decimals}


def series(
    frame: pd.DataFrame,
    names: Sequence[str],
    month: str,
    first: int,
    count: int,
    columns: Mapping[str, tuple[str, int]],
) -> dict[str, Any]:
    """Columns of a table as one row per plantation and one column per month.

    Parameters
    ----------
    frame
        With ``plantation_id``, the column ``month`` (YYYY-MM) and those named in ``columns``; of a repeated month the
        first row counts, a column that is not there is missing throughout.
    names
        Plantations in the order of the rows.
    first, count
        Ordinal of the first month, and how many.
    columns
        Name on the page -> column and decimals.
    """
    rows = frame["plantation_id"].astype("str").map({name: i for i, name in enumerate(names)})
    ordinals = {text: Month.parse(text).ordinal - first for text in {str(m) for m in frame[month]}}
    months = frame[month].astype("str").map(ordinals)
    again = pd.DataFrame({"row": rows, "month": months}).duplicated()
    inside = (rows.notna() & (months >= 0) & (months < count) & ~again).to_numpy(dtype=bool)
    at = rows.to_numpy(dtype="float64")[inside].astype(int), months.to_numpy(dtype="float64")[inside].astype(int)
    packs = {}
    for key, (column, decimals) in columns.items():
        values = np.full((len(names), count), np.nan)
        if column in frame:
            found = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)[inside]
            values[at] = found
        packs[key] = packed(values, decimals)
    return {"first": first, "count": count, "columns": packs}


def plain(value: Any, decimals: int | None = None) -> Any:
    """A number for JSON: null if it is missing, rounded to ``decimals``, whole where that is exact."""
    if is_missing(value):
        return None
    number = float(value) if decimals is None else round(float(value), decimals)
    return int(number) if number == math.floor(number) and abs(number) < 2**53 else number


def text(value: Any) -> str:
    """Text for JSON, without control and direction characters."""
    return clean(value, 200)


def json_block(content: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element: no character of it can end one."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for character in "<>&\u2028\u2029":
        body = body.replace(character, f"\\u{ord(character):04x}")
    return body
