"""Exchange rates as central banks publish them, brought to rows of the contract."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from plantation_rwa.periods import Month
from plantation_rwa.sources.files import RawFile

_CODE = re.compile(r"^[A-Z]{3}$")
#: cells without a quote
_NO_QUOTE = {"", "N/A", "NaN", "nan", "-", "ND"}
#: names of the Federal Reserve's monthly table -> currency; rates are units per US dollar
_OF_COUNTRY = {
    "china": "CNY", "euro": "EUR", "india": "INR", "malaysia": "MYR", "singapore": "SGD", "thailand": "THB",
}  # fmt: skip
_MONTHLY = {"date", "country", "exchange rate"}


def as_rows(raw: RawFile, monthly_lag_days: int) -> RawFile:
    """A file in a published layout as rows ``date, base, quote, rate, known_at``; any other file as it is.

    - European Central Bank, euro reference rates: ``Date`` and one column for each currency, units per euro.
    - Federal Reserve, monthly means (H.10/G.5): ``Date`` (first of the month), ``Country``, ``Exchange rate`` in units
      per US dollar. A mean is dated the last day of its month, because it holds rates up to then.

    Parameters
    ----------
    monthly_lag_days
        Days from the end of a month until its mean is known.
    """
    names = {n.strip().lower(): n for n in raw.table.column_names}
    if names.keys() >= _MONTHLY and not {"base", "quote"} & names.keys():
        return _monthly(raw, names, monthly_lag_days)
    codes = [n for n in raw.table.column_names if _CODE.match(n.strip())]
    if codes and "date" in names and not {"base", "quote", "rate"} & names.keys():
        return _columns(raw, names["date"], codes)
    return raw


def _columns(raw: RawFile, date: str, codes: list[str]) -> RawFile:
    dates = raw.table.column(date).to_pylist()
    cells = {code: raw.table.column(code).to_pylist() for code in codes}
    rows = [
        (None if day is None else str(day)[:10], "EUR", code.strip(), str(cells[code][i]), None, int(raw.rows[i]))
        for i, day in enumerate(dates)
        for code in codes
        if cells[code][i] is not None and str(cells[code][i]).strip() not in _NO_QUOTE
    ]
    return _table(raw.name, rows)


def _monthly(raw: RawFile, names: dict[str, str], lag: int) -> RawFile:
    """Countries that are not known keep their name as currency: the row is rejected and says so."""
    columns = (raw.table.column(names[n]).to_pylist() for n in ("date", "country", "exchange rate"))
    rows: list[tuple[str | None, str, str, str, str | None, int]] = []
    for i, (day, country, rate) in enumerate(zip(*columns, strict=True)):
        if rate is None or str(rate).strip() in _NO_QUOTE:
            continue
        name = "" if country is None else str(country).strip()
        end = _month_end(day)
        known = None if end is None else (end + dt.timedelta(days=lag)).isoformat()
        told = end.isoformat() if end is not None else None if day is None else str(day)
        rows.append((told, "USD", _OF_COUNTRY.get(name.casefold(), name), str(rate), known, int(raw.rows[i])))
    return _table(raw.name, rows)


def _month_end(day: object) -> dt.date | None:
    try:
        return Month.of(dt.date.fromisoformat(str(day).strip()[:10])).last
    except ValueError:
        return None


def _table(name: str, rows: Sequence[tuple[str | None, str, str, str, str | None, int]]) -> RawFile:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    labels = ("date", "base", "quote", "rate", "known_at")
    table = pa.table({label: pa.array(columns[k], type=pa.string()) for k, label in enumerate(labels)})
    return RawFile(name, table, np.array(columns[5], dtype=np.int64))
