"""Climate inputs: daily grids, daily tables, and the ocean index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plantation_rwa.errors import SourceError
from plantation_rwa.periods import Month, end_of_month_utc
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_grid import open_grid
from plantation_rwa.sources.climate_units import VARIABLES
from plantation_rwa.sources.files import file_name, read_bytes
from plantation_rwa.sources.tables import ColumnSpec, Sheet, read_sheet

__all__ = ["open_grid", "read_daily", "read_index"]

#: Numbers at or below this mean "missing" in climate files (-999, -9999 ...).
FILL_BELOW = -900.0

#: The season centred on month m is published early in month m + 2: known this many days after the end of m + 1.
#: Source: release calendar of the NOAA Climate Prediction Center.
ONI_DAYS_AFTER_NEXT_MONTH = 10

#: weather before this year is of no use here, and a single such row would open decades of empty months
FIRST_YEAR = 1950
_SEASONS = ("DJF", "JFM", "FMA", "MAM", "AMJ", "MJJ", "JJA", "JAS", "ASO", "SON", "OND", "NDJ")
_DAILY = {
    "plantation_id": ColumnSpec("id", required=True),
    "date": ColumnSpec("date", required=True),
    **{name: ColumnSpec("float") for name in VARIABLES},
}
_INDEX = {
    "month": ColumnSpec("month", required=True),
    "index": ColumnSpec("text", required=True),
    "value": ColumnSpec("float", required=True),
    "known_at": ColumnSpec("instant"),
}


def read_daily(
    paths: Sequence[str] | None, register: pd.DataFrame, quarantine: Quarantine, *, known_lag_days: int = 0
) -> pd.DataFrame:
    """Daily climate per plantation from CSV or Parquet, in the contract's units.

    Parameters
    ----------
    paths
        Files with ``plantation_id, date`` and any of ``precipitation`` mm, ``t2m_min``, ``t2m_max`` degC, ``ssrd``
        MJ m-2 d-1, ``rh`` %, ``wind2m`` m s-1.
    register
        Its ``plantation_id`` are the known ones.
    known_lag_days
        Days after the end of a month until its climate counts as known; decides from when a bad row is reported.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, date`` and the six variables, NaN where missing, sorted by plantation and date.

    Notes
    -----
    Rejected: unknown plantation, repeated day (the first stays). Left out: fill values, impossible values, both
    temperatures when the minimum exceeds the maximum. Repaired: noise just beyond a bound.
    """
    sheet = read_sheet(paths, input="climate", columns=_DAILY, quarantine=quarantine)
    months = sheet.frame["date"].dt.strftime("%Y-%m")
    sheet.frame["known_at"] = (end_of_month_utc(months) + pd.Timedelta(days=known_lag_days)).astype(
        "datetime64[us, UTC]"
    )
    old = sheet.frame["date"].dt.year < FIRST_YEAR
    sheet.reject(old, "date", f"date lies before {FIRST_YEAR}; no such weather is used")
    reason = "is not in the register; add it there or correct the id"
    sheet.reject_unknown("plantation_id", list(register["plantation_id"]), reason, once=True)
    for name in VARIABLES:
        _check_values(sheet, name)
    crossed = sheet.frame["t2m_min"] > sheet.frame["t2m_max"]
    shown = [
        f"{low:g} > {high:g}" for low, high in sheet.frame.loc[crossed, ["t2m_min", "t2m_max"]].itertuples(index=False)
    ]
    sheet.fault(crossed, "t2m_min", "minimum temperature exceeds the maximum; both left out", "nulled", shown)
    sheet.frame.loc[crossed, ["t2m_min", "t2m_max"]] = np.nan
    sheet.reject_duplicates(["plantation_id", "date"], column="date")
    out = sheet.result()[["plantation_id", "date", *VARIABLES]]
    return out.sort_values(["plantation_id", "date"], kind="stable").reset_index(drop=True)


def read_index(paths: Sequence[str] | None, quarantine: Quarantine) -> pd.DataFrame:
    """Ocean index: NOAA's ``oni.ascii.txt`` as it is, or a table ``month, index, value, known_at``.

    Parameters
    ----------
    paths
        CSV or Parquet tables by their ending; any other file is read in NOAA's layout (``SEAS YR TOTAL ANOM``).

    Returns
    -------
    pandas.DataFrame
        ``month`` (the middle one of a three-month season), ``index`` (upper case), ``value``, ``known_at``, sorted.
        Without a ``known_at`` of its own a season counts as known :data:`ONI_DAYS_AFTER_NEXT_MONTH` days after the end
        of the month after its middle one.
    """
    tables = [p for p in paths or () if file_name(p).lower().endswith((".csv", ".parquet", ".pq"))]
    sheet = read_sheet(tables, input="climate_index", columns=_INDEX, quarantine=quarantine)
    frame = sheet.frame
    frame["known_at"] = (
        frame["known_at"].where(frame["known_at"].notna(), _published(frame["month"])).astype("datetime64[us, UTC]")
    )
    sheet.reject(frame["value"].abs() > 10.0, "value", "value is no anomaly in degC")
    parts = [sheet.result()[list(_INDEX)]]
    parts += [_noaa(p, quarantine) for p in paths or () if p not in tables]
    out = pd.concat(parts, ignore_index=True).assign(index=lambda f: f["index"].str.upper())
    return out.sort_values(["index", "month", "known_at"], kind="stable").reset_index(drop=True)


def _check_values(sheet: Sheet, name: str) -> None:
    spec, values = VARIABLES[name], sheet.frame[name]
    sheet.null(values <= FILL_BELOW, name, f"{name} is a fill value")
    values = sheet.frame[name]
    low, high = spec.lower - spec.slack, spec.upper + spec.slack
    sheet.null(
        (values < low) | (values > high),
        name,
        f"{name} is outside {spec.lower:g} to {spec.upper:g} {spec.unit}; check the unit",
    )
    values = sheet.frame[name]
    beyond = (values < spec.lower) | (values > spec.upper)
    sheet.fault(
        beyond,
        name,
        f"{name} is just outside {spec.lower:g} to {spec.upper:g} {spec.unit}; set to the bound",
        "repaired",
    )
    sheet.frame[name] = values.clip(spec.lower, spec.upper)


def _published(months: pd.Series) -> pd.Series:
    """Day on which the season centred on each month counts as known; NaT for an empty month."""
    lag = pd.Timedelta(days=ONI_DAYS_AFTER_NEXT_MONTH)
    distinct = sorted({m for m in months if m})
    ends = end_of_month_utc(pd.Series([str(Month.parse(m) + 1) for m in distinct], dtype="str")) + lag
    return months.map(dict(zip(distinct, ends, strict=True))).astype("datetime64[us, UTC]")


def _noaa(path: str, quarantine: Quarantine) -> pd.DataFrame:
    name = file_name(path)
    lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
    header = lines[0].split() if lines else []
    if header[:2] != ["SEAS", "YR"] or "ANOM" not in header:
        remedy = (
            "Give NOAA's oni.ascii.txt (SEAS YR TOTAL ANOM), or a CSV or Parquet table month, index, value, known_at."
        )
        raise SourceError.of(name, "is no ocean index in NOAA's layout", " ".join(header)[:80], remedy)
    rows = []
    for number, line in enumerate(lines[1:], start=1):
        words = line.split()
        if not words:
            continue
        fault, month, value = _season(words, header)
        if fault:
            quarantine.add(
                "climate_index",
                name,
                f"{fault}; row rejected",
                "rejected",
                row=number,
                value=line.strip(),
                known_at=_published(pd.Series([month])).iloc[0] if month else None,
            )
        else:
            rows.append((month, "ONI", value))
    frame = pd.DataFrame(rows, columns=["month", "index", "value"]).astype(
        {"month": "str", "index": "str", "value": "float64"}
    )
    again = frame.duplicated("month")
    for _, row in frame[again].iterrows():
        known = _published(pd.Series([row["month"]])).iloc[0]
        told = "the season occurs before; the first stays, row rejected"
        quarantine.add("climate_index", name, told, "rejected", column="SEAS", value=row["month"], known_at=known)
    frame = frame[~again].reset_index(drop=True)
    return frame.assign(known_at=_published(frame["month"]))


def _season(words: list[str], header: list[str]) -> tuple[str, str, float]:
    """Fault (empty if none), month and value of one line of NOAA's file."""
    if len(words) != len(header):
        return f"the row has {len(words)} fields where the header has {len(header)}", "", np.nan
    if words[0] not in _SEASONS or not (words[1].isascii() and words[1].isdigit() and 1800 < int(words[1]) < 2200):
        return "season or year cannot be read", "", np.nan
    month = f"{int(words[1]):04d}-{_SEASONS.index(words[0]) + 1:02d}"
    try:
        value = float(words[header.index("ANOM")])
    except ValueError:
        return "the anomaly is not a number", month, np.nan
    return ("the anomaly is a fill value", month, np.nan) if not abs(value) <= 10.0 else ("", month, value)
