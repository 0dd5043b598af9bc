"""Times of sensor readings: any declared zone to UTC, and dates whose day and month must be told apart."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.sensor_order import by_order, day_numbers
from plantation_rwa.sources.tables import Sheet

Bools = NDArray[np.bool_]

#: loggers that lose their clock start again in 1970, 1980 or 2000; no satellite of this program flew before 2015
YEARS = (2001, 2200)
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)? ?(Z|[+-]\d{2}:?\d{2})?$"
_SLASHED = (
    r"^(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<year>\d{4})"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<second>:\d{2})? ?(?P<half>[AaPp][Mm])?)?"
    r" ?(?P<zone>Z|[+-]\d{2}:?\d{2})?$"
)
_DATE_ALONE = r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4})"
_WRITE = "write YYYY-MM-DDTHH:MM:SS, with Z or an offset"
_STATION = ["plantation_id", "station_id"]
_SERIES = [*_STATION, "sensor_id", "variable", "depth_m"]


def to_utc(sheet: Sheet, timezones: Mapping[str, str]) -> pd.Series:
    """Times in UTC, NaT where rejected.

    Parameters
    ----------
    sheet
        With ``time`` as text and the ids.
    timezones
        IANA zone of every plantation, empty text if it has none.

    Notes
    -----
    Every distinct text is read once. Dates of numbers with the year last are read by :func:`tell_days`.
    """
    texts = sheet.frame["time"]
    read = tell_days(sheet, texts)
    codes, unique = pd.factorize(read)
    zone = pd.Series(unique, dtype="str").str.extract(_ISO, expand=False)
    readable = pd.Series(unique, dtype="str").str.match(_ISO).to_numpy(bool)
    aware = readable & zone.notna().to_numpy(bool)
    stamps = pd.Series(unique, dtype="str").str.replace(r" (?=(?:Z|[+-]\d{2}:?\d{2})$)", "", regex=True)
    instant = pd.to_datetime(stamps.where(aware), utc=True, format="ISO8601", errors="coerce").astype(
        "datetime64[us, UTC]"
    )
    wall = pd.to_datetime(stamps.where(readable & ~aware), format="ISO8601", errors="coerce").astype("datetime64[us]")
    out, local = instant.take(codes).reset_index(drop=True), wall.take(codes).reset_index(drop=True)
    given = (read != "").to_numpy(bool)
    unread = given & out.isna().to_numpy(bool) & local.isna().to_numpy(bool)
    sheet.reject(unread, "time", f"time cannot be read; {_WRITE}", list(texts[unread]))
    naive = local.notna().to_numpy(bool, copy=True)
    zones = sheet.frame["plantation_id"].map(dict(timezones)).fillna("").astype("str")
    unplaced = naive & ~zones.isin([z for z in set(zones[naive]) if _is_zone(z)]).to_numpy(bool)
    told = (
        "time has no zone and the register has no timezone for the plantation; write Z or an offset, or fill 'timezone'"
    )
    sheet.reject(unplaced, "time", told, list(texts[unplaced]))
    naive &= ~unplaced
    for name in sorted(set(zones[naive])):
        here = naive & (zones == name).to_numpy(bool)
        placed = local[here].dt.tz_localize(name, ambiguous="NaT", nonexistent="NaT")
        out[here] = placed.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    early = out.notna().to_numpy(bool) & ~out.dt.year.between(*YEARS).to_numpy(bool)
    told = f"time lies outside the years {YEARS[0]} to {YEARS[1]}; has the logger's clock been reset?"
    sheet.reject(early, "time", told, list(texts[early]))
    cut = _cut_to_dates(sheet)
    told = f"several readings of a sensor under one date: the time of day was lost; {_WRITE}"
    sheet.reject(cut, "time", told, list(texts[cut]))
    out[cut] = pd.NaT
    lost = naive & out.isna().to_numpy(bool) & ~cut
    sheet.reject(lost, "time", "time falls into a clock change of its zone; write an offset", list(texts[lost]))
    return out


def _cut_to_dates(sheet: Sheet) -> Bools:
    """Rows dated without a time of day where the sensor has more than two differing readings under that date.

    Two are a conflict of a daily record, which is settled like any other.
    """
    frame = sheet.frame
    dated: Bools = frame["time"].str.fullmatch(_DATE_ALONE).to_numpy(bool, copy=True)
    if not dated.any():
        return dated
    groups = frame[dated].groupby([*_SERIES, "time"], dropna=False, sort=False)["value"]
    dated[dated] = (groups.transform("nunique") > 2).to_numpy(bool)
    return dated


def tell_days(sheet: Sheet, texts: pd.Series) -> pd.Series:
    """Texts with dates of the forms d/m/Y and m/d/Y rewritten year first; those that cannot be told are rejected.

    Notes
    -----
    A number above 12 can only be the day, and two equal ones leave no choice. The other dates of a station follow
    these certain ones, over all files, if they all have one order and its place in the file does not deny it. If they
    have both, a row is read as the order of its
    file allows (:func:`sensor_order.by_order`): of both readings only one may lie between those before and after it of
    the sensor. What is uncertain then, and all where no date is certain, is rejected. Nothing is concluded from one row
    for another station. So rows of such a file count for less when they are shuffled, but never otherwise.
    """
    slashed = texts.str.match(_SLASHED).to_numpy(bool)
    if not slashed.any():
        return texts
    rows = np.flatnonzero(slashed)
    parts = texts.iloc[rows].str.extract(_SLASHED).reset_index(drop=True)
    a, b = parts["a"].astype("int64").to_numpy(), parts["b"].astype("int64").to_numpy()
    day_first, month_first = (a > 12) & (b <= 12), (b > 12) & (a <= 12)
    station = sheet.frame.iloc[rows].groupby(_STATION, sort=True).ngroup().to_numpy()
    votes = pd.DataFrame({"d": day_first, "m": month_first}).groupby(station).transform("sum")
    says_d, says_m = (votes["d"] > 0).to_numpy(bool), (votes["m"] > 0).to_numpy(bool)
    open_ = (a <= 12) & (b <= 12) & (a != b)
    placed_d, placed_m = _by_place(sheet, rows, parts, open_ & (says_d | says_m))
    # what the station's certain dates say and the row's place denies is no date
    first_is_day = day_first | (a == b) | (open_ & says_d & (~says_m | placed_d) & ~placed_m)
    certain = first_is_day | month_first | (open_ & says_m & (~says_d | placed_m) & ~placed_d)
    reason = np.where(
        (says_d & says_m) | placed_d | placed_m,
        "the station's dates are written day first and month first, and its place in the file does not tell",
        "no date of the station tells the day from the month",
    )
    refused = np.zeros(len(texts), dtype=bool)
    refused[rows[open_ & ~certain]] = True
    told = [f"time cannot be read; {_WRITE}: {r}" for r in reason[open_ & ~certain]]
    sheet.reject(refused, "time", told, list(texts[refused]))
    out = texts.copy()
    out.iloc[rows] = _year_first(parts, np.where(first_is_day, a, b), np.where(first_is_day, b, a)).to_numpy()
    out[refused] = ""
    for chosen, order in ((certain & first_is_day & (a != b), "day/month"), (certain & ~first_is_day, "month/day")):
        _report(sheet, rows[chosen], station[chosen], f"dates are written {order}/year; read so, {_WRITE}")
    return out


def _by_place(sheet: Sheet, rows: NDArray[np.int64], parts: pd.DataFrame, asked: Bools) -> tuple[Bools, Bools]:
    """Which of the asked dates can only be day first, or month first, by the rows around them in their file."""
    if not asked.any():
        return asked, asked
    texts = sheet.frame["time"]
    plain = np.flatnonzero(texts.str.match(r"^\d{4}-\d{2}-\d{2}").to_numpy(bool))
    at = np.sort(np.r_[rows, plain])
    days = np.full((2, len(texts)), -1, dtype=np.int64)
    year, a, b = (parts[k].astype("int64").to_numpy() for k in ("year", "a", "b"))
    days[0, rows], days[1, rows] = day_numbers(year, b, a), day_numbers(year, a, b)
    lone = days[:, rows].max(axis=0)
    days[:, rows] = np.where(days[:, rows].min(axis=0) < 0, lone, days[:, rows])  # one reading is no date: certain
    days[:, plain] = (
        pd.to_datetime(texts.iloc[plain].str[:10], errors="coerce").to_numpy("datetime64[D]").astype("int64")
    )
    series = sheet.frame.iloc[at].groupby(["_file", *_STATION, "sensor_id", "variable"], sort=True).ngroup().to_numpy()
    placed = [np.zeros(len(texts), dtype=bool) for _ in range(2)]
    for mask, found in zip(placed, by_order(series, days[0, at], days[1, at]), strict=True):
        mask[at] = found
    return placed[0][rows] & asked, placed[1][rows] & asked


def _year_first(parts: pd.DataFrame, day: NDArray[np.int64], month: NDArray[np.int64]) -> pd.Series:
    hour = parts["hour"].fillna("0").astype("int64")
    half = parts["half"].fillna("").str.lower()
    hour = (hour % 12 + 12 * (half == "pm")).where(half != "", hour)
    two = [pd.Series(v).astype("str").str.zfill(2) for v in (month, day, hour)]
    clock = two[2] + ":" + parts["minute"].fillna("00") + parts["second"].fillna(":00")
    return parts["year"] + "-" + two[0] + "-" + two[1] + "T" + clock + parts["zone"].fillna("")


def _report(sheet: Sheet, rows: NDArray[np.int64], station: NDArray[np.int64], reason: str) -> None:
    """One record per station."""
    mask = np.zeros(len(sheet.frame), dtype=bool)
    mask[rows[np.unique(station, return_index=True)[1]]] = True
    sheet.fault(mask, "time", f"{reason}; all such rows of the station", "repaired")


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and zoneinfo.ZoneInfo(name).key == name
    except (KeyError, ValueError, OSError):
        return False
