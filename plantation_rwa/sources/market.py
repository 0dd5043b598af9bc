"""Prices, zero curves and fiscal schedules, each row with the instant it became known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.periods import DAY_COUNTS, anniversary, end_of_month_utc, year_fraction
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.futures import outside, size_reason
from plantation_rwa.sources.price_levels import reject_off_market
from plantation_rwa.sources.tables import Sheet, read_sheet

_FRACTION = "write a fraction, 0.0305 for 3.05 %"
_CURRENCY = "use the ISO 4217 code, such as MYR"
_COUNTS = f"day count is not known; use one of {', '.join(DAY_COUNTS)}, or none for the first"

#: Price series -> currency it is quoted in; '' for a fraction.
SERIES: Mapping[str, str] = {
    "cpo_my": "MYR",
    "pk_my": "MYR",
    "cpo_id": "IDR",
    "pk_id": "IDR",
    "k_id": "",
    "shell_id": "IDR",
    "hr_cpo_usd": "USD",
}

PRICES_COLUMNS: Mapping[str, ColumnSpec] = {
    "date": ColumnSpec("date"),
    "month": ColumnSpec("month"),
    "series": ColumnSpec("choice", required=True, values=tuple(SERIES)),
    "value": ColumnSpec("float", required=True, lower=0.0),
    "currency": ColumnSpec("text", pattern="[A-Z]{3}", hint=_CURRENCY),
    "unit": ColumnSpec("text", required=True),
    "region": ColumnSpec("text"),
    "known_at": ColumnSpec("instant"),
}

RATES_COLUMNS: Mapping[str, ColumnSpec] = {
    "date": ColumnSpec("date", required=True),
    "currency": ColumnSpec("text", required=True, pattern="[A-Z]{3}", hint=_CURRENCY),
    "tenor_years": ColumnSpec("float", required=True, above=0.0, upper=100.0),
    "zero_rate": ColumnSpec("float", required=True, lower=-0.2, upper=0.5, hint=_FRACTION),
    "day_count": ColumnSpec("text"),
}

FISCAL_COLUMNS: Mapping[str, ColumnSpec] = {
    "schedule": ColumnSpec("text", required=True),
    "jurisdiction": ColumnSpec("text", required=True),
    "effective_from": ColumnSpec("date", required=True),
    "effective_to": ColumnSpec("date"),
    "key": ColumnSpec("text"),
    "value": ColumnSpec("float", required=True, lower=0.0),
    "unit": ColumnSpec("text", required=True),
    "source": ColumnSpec("text", required=True),
    "known_at": ColumnSpec("instant"),
}

_PER = re.compile(r"^(?:([A-Za-z]{3})\s*/\s*|per\s+|/\s*)?(t|mt|tonne|ton|kg)$", re.IGNORECASE)


def read_prices(
    paths: Sequence[str] | None,
    quarantine: Quarantine,
    monthly_known_lag_days: int | None = None,
    *,
    assumptions: Assumptions | None = None,
    futures: pd.DataFrame | None = None,
    fx: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Physical price series.

    Parameters
    ----------
    monthly_known_lag_days
        Days from the last day of a month until its value counts as known, where the row does not say; None
        for that of the assumptions. A dated value is known on its day.
    assumptions
        ``market.monthly_price_known_lag_days`` and section ``check``; the packaged ones if None.
    futures, fx
        Accepted settlements and exchange rates, which prices are held against.

    Returns
    -------
    pandas.DataFrame
        ``date`` (naive midnight; of a month its last day), ``month, series, value`` (currency per t; ``k_id``
        a fraction), ``currency`` ('' for ``k_id``), ``unit`` (t, or 1 for ``k_id``), ``region`` ('' for all),
        ``frequency`` (day, month), ``known_at``, in file order. Rows of one key with different ``known_at``
        are revisions.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a required column, or has neither ``date`` nor ``month``.
    """
    limits = assumptions or packaged()
    if monthly_known_lag_days is None:
        monthly_known_lag_days = int(limits.number("market.monthly_price_known_lag_days"))
    sheet = read_sheet(paths, input="prices", columns=PRICES_COLUMNS, quarantine=quarantine, one_of=("date", "month"))
    _settle_dates(sheet, monthly_known_lag_days)
    _settle_units(sheet)
    _reject_sizes(sheet, limits.table("check.price_per_t"))
    sheet.reject_duplicates(
        ["date", "frequency", "series", "region", "known_at"],
        column="series",
        hint="; a revision needs a later known_at",
    )
    if futures is not None and fx is not None:
        reject_off_market(sheet, futures, fx, limits)
    return sheet.result()[["date", "month", "series", "value", "currency", "unit", "region", "frequency", "known_at"]]


def read_rates(
    paths: Sequence[str] | None, quarantine: Quarantine, *, assumptions: Assumptions | None = None
) -> pd.DataFrame:
    """Zero curves.

    Parameters
    ----------
    assumptions
        ``check.zero_rate``; the packaged ones if None.

    Returns
    -------
    pandas.DataFrame
        ``date, currency, tenor_years, zero_rate`` (continuous, ACT/365F, fraction per year, whatever day count it came
        in), ``known_at`` = date, in file order.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column.
    """
    sheet = read_sheet(paths, input="rates", columns=RATES_COLUMNS, quarantine=quarantine)
    sheet.frame["known_at"] = _utc(sheet.frame["date"])
    counts = sheet.frame["day_count"].str.strip().str.upper()
    sheet.frame["day_count"] = counts.where(counts != "", DAY_COUNTS[0])
    sheet.reject((~sheet.frame["day_count"].isin(DAY_COUNTS)).to_numpy(bool), "day_count", _COUNTS)
    _reject_rates(sheet, (assumptions or packaged()).table("check.zero_rate"))
    sheet.reject_duplicates(["date", "currency", "tenor_years"], column="tenor_years")
    table = sheet.result()
    table["zero_rate"] = _fixed(table)
    return table[["date", "currency", "tenor_years", "zero_rate", "known_at"]]


def _reject_rates(sheet: Sheet, bounds: Mapping[str, Sequence[float]]) -> None:
    """Reject rates that the currency has not had: percentages under 1 look like fractions."""
    frame, told = sheet.frame, dict[int, str]()
    for name, rows in frame[sheet.accepted].groupby("currency", sort=True):
        low, high = (float(v) for v in bounds.get(str(name), bounds["other"]))
        for i, _ in outside(rows["zero_rate"], low, high):
            told[i] = f"zero rate of {name} lies outside {low:g} to {high:g} a year; {_FRACTION}"
    mask = np.zeros(len(frame), dtype=bool)
    mask[list(told)] = True
    sheet.reject(mask, "zero_rate", [told[i] for i in np.flatnonzero(mask).tolist()])


def _fixed(rates: pd.DataFrame) -> pd.Series:
    """Continuous rates under ACT/365F that give the discount factors of the rates under their own day counts.

    A tenor of n years ends on the n-th anniversary of the date.
    """
    out = rates["zero_rate"].copy()
    other = rates["day_count"] != DAY_COUNTS[0]
    for i in np.flatnonzero(other.to_numpy(bool)).tolist():
        row = rates.iloc[i]
        first = row["date"].date()
        last = anniversary(first, float(row["tenor_years"]))
        out.iloc[i] *= year_fraction(first, last, str(row["day_count"])) / year_fraction(first, last)
    return out


def read_fiscal(paths: Sequence[str] | None, quarantine: Quarantine) -> pd.DataFrame:
    """Taxes, levies, duties and thresholds by date.

    Parameters
    ----------
    paths
        CSV or Parquet; None for the maintained file of the package.

    Returns
    -------
    pandas.DataFrame
        The contract's columns and ``known_at`` (``effective_from`` where not given); ``effective_to`` NaT
        while in force.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column.
    """
    if paths is None:
        with resources.as_file(resources.files("plantation_rwa").joinpath("data/fiscal.csv")) as file:
            sheet = read_sheet([str(file)], input="fiscal", columns=FISCAL_COLUMNS, quarantine=quarantine)
    else:
        sheet = read_sheet(paths, input="fiscal", columns=FISCAL_COLUMNS, quarantine=quarantine)
    frame = sheet.frame
    frame["known_at"] = frame["known_at"].fillna(_utc(frame["effective_from"]))
    backwards = (frame["effective_to"] < frame["effective_from"]).to_numpy(bool)
    sheet.reject(backwards, "effective_to", "effective_to lies before effective_from")
    _settle_fiscal(sheet)
    sheet.reject_duplicates(["schedule", "jurisdiction", "key", "effective_from", "known_at"], column="key")
    return sheet.result()[list(FISCAL_COLUMNS)]


def _settle_fiscal(sheet: Sheet) -> None:
    """Bring percentages to fractions, and reject shares above one and bands that cannot be read."""
    frame = sheet.frame
    schedule, key = frame["schedule"].str.strip().str.lower(), frame["key"].str.strip()
    frame["schedule"], frame["key"] = schedule, key
    percent = frame["unit"].str.strip().str.lower().isin(["%", "percent"])
    frame["value"] = frame["value"].where(~percent, frame["value"] / 100.0)
    duty = schedule == "export_duty"
    share = (schedule == "sales_tax") | ((schedule == "windfall_levy") & (key == "rate")) | (key == "share_of_hr")
    share |= duty & (frame["jurisdiction"].str.strip().str.upper() == "MY")
    told = "a share lies between 0 and 1; write 0.075 for 7.5 %, or unit %"
    sheet.reject((share & (frame["value"] > 1)).to_numpy(bool), "value", told)
    unread = duty & ~key.str.fullmatch(r"(<=|>)\s*\d+(\.\d+)?")
    sheet.reject(unread.to_numpy(bool), "key", "a band of export_duty is written <=680 or >1430")


def _utc(days: pd.Series) -> pd.Series:
    instants: pd.Series = days.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    return instants


def _settle_dates(sheet: Sheet, lag_days: int) -> None:
    frame = sheet.frame
    daily = frame["date"].notna().to_numpy(bool)
    monthly = ~daily & (frame["month"] != "").to_numpy(bool)
    other = (
        daily
        & (frame["month"] != "").to_numpy(bool)
        & (frame["month"] != frame["date"].dt.strftime("%Y-%m")).to_numpy(bool)
    )
    sheet.reject(other, "month", "month is not the month of date")
    sheet.reject(~daily & ~monthly, "date", "neither date nor month is given")
    ends = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    ends[monthly] = end_of_month_utc(frame.loc[monthly, "month"])
    frame["date"] = frame["date"].fillna(ends.dt.tz_localize(None))
    frame["month"] = frame["date"].dt.strftime("%Y-%m").fillna("").astype("str")
    frame["frequency"] = pd.Series(np.where(monthly, "month", "day"), dtype="str")
    own = _utc(frame["date"])
    # other series are announced for a coming period; these two are averages of days gone by
    averages = frame["series"].isin(["cpo_my", "pk_my"]).to_numpy(bool)
    early = averages & (frame["known_at"] < own).to_numpy(bool)
    given = [v.date().isoformat() for v in frame["known_at"][early]]
    default = own + pd.to_timedelta(np.where(monthly, lag_days, 0), unit="D")
    frame["known_at"] = frame["known_at"].mask(early, pd.NaT).fillna(default).astype("datetime64[us, UTC]")
    sheet.fault(
        early,
        "known_at",
        "known_at lies before the date or the end of the month; the usual lag is used",
        "nulled",
        given,
    )


def _settle_units(sheet: Sheet) -> None:
    """Bring ``value`` to currency per t (K to a fraction); a unit that fits neither series nor currency rejects."""
    frame = sheet.frame
    factor, told, wrong = np.ones(len(frame)), [], np.zeros(len(frame), dtype=bool)
    keys = list(zip(frame["series"], frame["unit"], frame["currency"], strict=True))
    rules = {key: _unit_rule(*key) for key in set(keys)}
    for row, key in enumerate(keys):
        rule = rules[key]
        if isinstance(rule, str):
            wrong[row] = True
            told.append(rule)
        else:
            factor[row] = rule
    sheet.reject(wrong, "unit", told)
    scaled = frame["value"].to_numpy(float) * factor
    ratio = (frame["series"] == "k_id").to_numpy(bool)
    with np.errstate(invalid="ignore"):
        impossible = ratio & ((scaled <= 0) | (scaled > 1)) & ~wrong
        worthless = ~ratio & (scaled <= 0) & (frame["series"] != "shell_id").to_numpy(bool)
    sheet.reject(impossible, "value", "K must lie above 0 and at most 1")
    sheet.reject(worthless, "value", "a price must be greater than 0")
    frame["value"] = scaled
    frame["currency"] = frame["series"].map(SERIES).fillna("").astype("str")
    frame["unit"] = pd.Series(np.where(ratio, "1", "t"), dtype="str")


def _reject_sizes(sheet: Sheet, bounds: Mapping[str, Sequence[float]]) -> None:
    """Reject prices outside what was ever paid: another unit than the row says."""
    frame, told = sheet.frame, dict[int, str]()
    for name, rows in frame[sheet.accepted].groupby("series", sort=True):
        series = str(name)
        if series not in bounds:
            continue
        low, high = (float(v) for v in bounds[series])
        # shells are worth nothing at some mills
        values = rows["value"][(rows["value"] != 0) | (series != "shell_id")]
        for i, value in outside(values, low, high):
            told[i] = size_reason(series, value, low, high, f"{SERIES[series]} per t")
    mask = np.zeros(len(frame), dtype=bool)
    mask[list(told)] = True
    sheet.reject(mask, "value", [told[i] for i in np.flatnonzero(mask).tolist()])


def _unit_rule(series: str, unit: str, currency: str) -> float | str:
    if series == "" or unit == "":
        return 1.0
    own = SERIES[series]
    if own == "":
        fractions = {"1": 1.0, "fraction": 1.0, "-": 1.0, "%": 0.01, "percent": 0.01}
        return fractions.get(unit.lower(), f"unit of {series} must be fraction or %")
    match = _PER.match(unit)
    if match is None:
        return f"unit is not known; write {own}/t or {own}/kg"
    stated = (match[1] or currency).upper()
    if match[1] and currency and stated != currency:
        return f"unit and currency contradict each other ({stated} against {currency})"
    if stated and stated != own:
        return f"{series} is quoted in {own}, not {stated}"
    return 1000.0 if match[2].lower() == "kg" else 1.0
