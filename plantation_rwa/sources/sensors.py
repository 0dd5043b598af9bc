"""Field sensors: long tables of readings in any declared unit and zone to canonical units and UTC."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensor_scales import correct_scales
from plantation_rwa.sources.tables import ColumnSpec, Sheet, read_sheet
from plantation_rwa.units import CONVERSIONS, conversion

#: Canonical unit of each variable; a water table is depth below the surface, positive downwards.
UNITS: Mapping[str, str] = {
    "soil_moisture": "m3 m-3",
    "soil_temperature": "degC",
    "rain": "mm",
    "air_temperature": "degC",
    "relative_humidity": "%",
    "radiation": "W m-2",
    "wind": "m s-1",
    "water_table": "cm",
}

KEYS = ("plantation_id", "station_id", "sensor_id", "variable", "depth_m")
COLUMNS = (*KEYS, "time", "value", "unit", "known_at")

_SPECS = {
    "plantation_id": ColumnSpec("id", required=True),
    "station_id": ColumnSpec("id", required=True),
    "sensor_id": ColumnSpec("id", required=True),
    "variable": ColumnSpec("choice", required=True, values=tuple(UNITS)),
    "depth_m": ColumnSpec("float", lower=0.0, upper=20.0, hint="give metres below the surface"),
    "time": ColumnSpec("text", required=True),
    "value": ColumnSpec("float", required=True),
    "unit": ColumnSpec("text", required=True),
}
#: no logger of this program's world recorded before or after; other years come from a clock that was reset
_YEARS = (1990, 2200)
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)? ?(Z|[+-]\d{2}:?\d{2})?$"


def read_sensors(paths: Sequence[str] | None, timezones: Mapping[str, str], quarantine: Quarantine) -> pd.DataFrame:
    """Read sensor readings, CSV or Parquet, in the contract's long layout.

    Parameters
    ----------
    paths
        Files; None or none gives an empty table.
    timezones
        IANA zone of every plantation of the register, empty text if it has none. Naive times are local in it.
    quarantine
        Takes every row that is rejected, and one record per series whose unit or sign was corrected.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`; ``time`` UTC, ``value`` in ``unit`` (:data:`UNITS`), ``known_at`` = ``time``; sorted by
        series and time, one row per series and time. Values are not range-tested here.

    Notes
    -----
    Rejected: unknown plantation, variable or unit; a time that cannot be read, has no zone, or falls into a clock
    change; a series that mixes two units (:func:`sensor_scales.correct_scales`). Of readings of one series at one time,
    equal ones count once (the first stays); of differing ones the last in reading order replaces the others.
    """
    sheet = read_sheet(paths, input="sensors", columns=_SPECS, quarantine=quarantine)
    reason = "is not in the register; add it there or correct the id"
    sheet.reject_unknown("plantation_id", list(timezones), reason, once=True)
    texts = sheet.frame["time"]
    sheet.frame["time"] = _utc(sheet, texts, timezones)
    sheet.frame["known_at"] = sheet.frame["time"]
    factor, offset = _declared(sheet)
    factor, offset = correct_scales(sheet, factor, offset)
    sheet.frame["value"] = sheet.frame["value"] * factor + offset
    _settle_repeats(sheet)
    out = sheet.result()
    out["unit"] = out["variable"].map(dict(UNITS)).astype("str")
    return out[list(COLUMNS)].sort_values([*KEYS, "time"], kind="stable").reset_index(drop=True)


def _utc(sheet: Sheet, texts: pd.Series, timezones: Mapping[str, str]) -> pd.Series:
    """Times in UTC, NaT where rejected. Every distinct text is read once."""
    codes, unique = pd.factorize(texts)
    zone = pd.Series(unique, dtype="str").str.extract(_ISO, expand=False)
    readable = pd.Series(unique, dtype="str").str.match(_ISO).to_numpy(bool)
    aware = readable & zone.notna().to_numpy(bool)
    stamps = pd.Series(unique, dtype="str").str.replace(r" (?=(?:Z|[+-]\d{2}:?\d{2})$)", "", regex=True)
    instant = pd.to_datetime(stamps.where(aware), utc=True, format="ISO8601", errors="coerce").astype(
        "datetime64[us, UTC]"
    )
    wall = pd.to_datetime(stamps.where(readable & ~aware), format="ISO8601", errors="coerce").astype("datetime64[us]")
    out, local = instant.take(codes).reset_index(drop=True), wall.take(codes).reset_index(drop=True)
    given = (texts != "").to_numpy(bool)
    unread = given & out.isna().to_numpy(bool) & local.isna().to_numpy(bool)
    sheet.reject(
        unread, "time", "time cannot be read; write YYYY-MM-DDTHH:MM:SS, with Z or an offset", list(texts[unread])
    )
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
    early = out.notna().to_numpy(bool) & ~out.dt.year.between(*_YEARS).to_numpy(bool)
    told = f"time lies outside the years {_YEARS[0]} to {_YEARS[1]}; has the logger's clock been reset?"
    sheet.reject(early, "time", told, list(texts[early]))
    lost = naive & out.isna().to_numpy(bool)
    sheet.reject(lost, "time", "time falls into a clock change of its zone; write an offset", list(texts[lost]))
    return out


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and zoneinfo.ZoneInfo(name).key == name
    except (KeyError, ValueError, OSError):
        return False


def _declared(sheet: Sheet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and offset of each row by its declared unit; rows of an unknown unit are rejected."""
    frame = sheet.frame
    factor, offset = np.ones(len(frame)), np.zeros(len(frame))
    pairs = frame[["variable", "unit"]].drop_duplicates().sort_values(["variable", "unit"])
    for variable, unit in pairs[(pairs["variable"] != "") & (pairs["unit"] != "")].itertuples(index=False):
        rows = ((frame["variable"] == variable) & (frame["unit"] == unit)).to_numpy(bool)
        rule = conversion(unit, UNITS[variable])
        if rule is None:
            known = ", ".join(sorted(CONVERSIONS[UNITS[variable]]))
            sheet.reject(rows, "unit", f"unit cannot be converted to {UNITS[variable]}; use one of {known}")
        else:
            factor[rows], offset[rows] = rule
    return factor, offset


def _settle_repeats(sheet: Sheet) -> None:
    frame = sheet.frame
    ok = sheet.accepted
    keys = [*KEYS, "time"]
    twice = frame[ok & frame.loc[ok].duplicated(keys, keep=False).reindex(frame.index, fill_value=False).to_numpy(bool)]
    if twice.empty:
        return
    groups = twice.groupby(keys, dropna=False, sort=False)["value"]
    differ = groups.transform("nunique") > 1
    position = pd.Series(twice.index, index=twice.index).groupby([twice[k] for k in keys], dropna=False, sort=False)
    stays = position.transform("last").where(differ, position.transform("first"))
    gone = twice.index.to_numpy() != stays.to_numpy()
    for mask, reason in (
        (gone & ~differ.to_numpy(), "repeats the reading of row {} of {}, which stays"),
        (gone & differ.to_numpy(), "differs from row {} of {} at the same time, which replaces it"),
    ):
        rows, kept = twice.index[mask], stays[mask].to_numpy()
        chosen = np.zeros(len(frame), dtype=bool)
        chosen[rows] = True
        names = zip(frame["_row"].iloc[kept], frame["_file"].iloc[kept], strict=True)
        sheet.reject(chosen, "value", [reason.format(*n) for n in names])
