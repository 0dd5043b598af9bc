"""Climate inputs: daily grids, daily tables, and the ocean index."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import SourceError
from plantation_rwa.periods import Month, end_of_month_utc
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_table_sums import settle_units
from plantation_rwa.sources.climate_table_units import convert_declared, infer
from plantation_rwa.sources.climate_units import VARIABLES
from plantation_rwa.sources.files import file_name, read_bytes
from plantation_rwa.sources.tables import ColumnSpec, Sheet, read_sheet

if TYPE_CHECKING:
    from plantation_rwa.sources.climate_grid import open_grid
    from plantation_rwa.sources.climate_monthly import open_monthly
    from plantation_rwa.sources.climate_seasonal import open_seasonal

__all__ = ["open_grid", "open_monthly", "open_seasonal", "read_daily", "read_index"]

#: readers of grids and their modules: these load xarray and dask, which a run without grids does not need
_OF_GRIDS = {"open_grid": "climate_grid", "open_monthly": "climate_monthly", "open_seasonal": "climate_seasonal"}

#: Numbers at or below the one, at or above the other, mean "missing" in climate files (-999, -9999, 1e20 ...).
FILL_BELOW, FILL_ABOVE = -900.0, 1e15

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
    "known_at": ColumnSpec("instant"),
}
_INDEX_TYPES = {"month": "str", "index": "str", "value": "float64", "known_at": "datetime64[us, UTC]"}
_INDEX = {
    "month": ColumnSpec("month", required=True),
    "index": ColumnSpec("text", required=True),
    "value": ColumnSpec("float", required=True),
    "known_at": ColumnSpec("instant"),
}


def __getattr__(name: str) -> Any:
    if name not in _OF_GRIDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"plantation_rwa.sources.{_OF_GRIDS[name]}"), name)


def read_daily(
    paths: Sequence[str] | None,
    register: pd.DataFrame,
    quarantine: Quarantine,
    *,
    known_lag_days: int = 0,
    units: Mapping[str, str] | None = None,
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
        Days after the end of a month until its climate counts as known, where a row has no ``known_at`` of its own.
    units
        Column -> unit, for columns that are not in the contract's unit.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, date``, the six variables, NaN where missing, ``known_at``, ``preliminary`` (false) and
        ``layer`` (0: a table wins over grids), sorted by plantation and date. Rows of one day with different
        ``known_at`` are revisions.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a required column, or a declared unit is not known.

    Notes
    -----
    Rejected: unknown plantation; rows of one day and ``known_at`` that give different values, all of them; repeats
    that do not (one stays, with what the others add). Left out: fill values, impossible values, both
    temperatures when the minimum exceeds the maximum. Repaired: noise just beyond a bound, and units that only the
    values tell (:func:`climate_table_units.infer`, :func:`climate_table_sums.settle_units`).
    """
    sheet = read_sheet(paths, input="climate", columns=_DAILY, quarantine=quarantine)
    months = sheet.frame["date"].dt.strftime("%Y-%m")
    own, day = sheet.frame["known_at"], sheet.frame["date"].dt.tz_localize("UTC")
    early = (own < day).to_numpy()
    sheet.fault(early, "known_at", "known_at lies before the day itself; value left out", "nulled")
    usual = end_of_month_utc(months) + pd.Timedelta(days=known_lag_days)
    sheet.frame["known_at"] = own.where(own.notna() & ~early, usual).astype("datetime64[us, UTC]")
    old = sheet.frame["date"].dt.year < FIRST_YEAR
    sheet.reject(old, "date", f"date lies before {FIRST_YEAR}; no such weather is used")
    reason = "is not in the register; add it there or correct the id"
    sheet.reject_unknown("plantation_id", list(register["plantation_id"]), reason, once=True)
    convert_declared(sheet, units or {})
    infer(sheet, units or {}, packaged())
    settle_units(sheet, units or {}, packaged())
    for name in VARIABLES:
        _check_values(sheet, name)
    keys = ["plantation_id", "date", "known_at"]
    sheet.reject_unlike(keys, list(VARIABLES), column="date")
    crossed = sheet.frame["t2m_min"] > sheet.frame["t2m_max"]
    shown = [
        f"{low:g} > {high:g}" for low, high in sheet.frame.loc[crossed, ["t2m_min", "t2m_max"]].itertuples(index=False)
    ]
    sheet.fault(crossed, "t2m_min", "minimum temperature exceeds the maximum; both left out", "nulled", shown)
    sheet.frame.loc[crossed, ["t2m_min", "t2m_max"]] = np.nan
    sheet.reject_duplicates(keys, column="date")
    out = sheet.result()[["plantation_id", "date", *VARIABLES, "known_at"]].assign(preliminary=False, layer=0)
    return out.sort_values(["plantation_id", "date", "known_at"], kind="stable").reset_index(drop=True)


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
        of the month after its middle one. NOAA revises the newest seasons for two months: of several of its files, as
        kept over time, the oldest that has a season gives its first value, and a later one revises it from the day its
        own newest season was published.
    """
    tables = [p for p in paths or () if file_name(p).lower().endswith((".csv", ".parquet", ".pq"))]
    sheet = read_sheet(tables, input="climate_index", columns=_INDEX, quarantine=quarantine)
    frame = sheet.frame
    frame["known_at"] = (
        frame["known_at"].where(frame["known_at"].notna(), _published(frame["month"])).astype("datetime64[us, UTC]")
    )
    sheet.reject(frame["value"].abs() > 10.0, "value", "value is no anomaly in degC")
    parts = [sheet.result()[list(_INDEX)]]
    parts.append(_vintages([_noaa(p, quarantine) for p in paths or () if p not in tables]))
    out = pd.concat(parts, ignore_index=True).assign(index=lambda f: f["index"].str.upper())
    return out.sort_values(["index", "month", "known_at"], kind="stable").reset_index(drop=True)


def _check_values(sheet: Sheet, name: str) -> None:
    spec, values = VARIABLES[name], sheet.frame[name]
    sheet.null((values <= FILL_BELOW) | (values >= FILL_ABOVE), name, f"{name} is a fill value")
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


def _vintages(files: list[pd.DataFrame]) -> pd.DataFrame:
    """First values and revisions of several of NOAA's files, the vintage of each being that of its newest season."""
    held = sorted((f for f in files if len(f)), key=lambda f: f["month"].max())
    if not held:
        return pd.DataFrame({c: pd.Series(dtype=t) for c, t in _INDEX_TYPES.items()})
    out = held[0]
    for newer in held[1:]:
        before = out.drop_duplicates("month", keep="last").set_index("month")["value"]
        last = newer["month"].map(before)
        revised = newer[last.notna() & (last != newer["value"])].assign(known_at=newer["known_at"].max())
        out = pd.concat([out, newer[last.isna()], revised], ignore_index=True)
    return out


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
