"""Field sensors: long tables of readings in any declared unit and zone to canonical units and UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import packaged
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensor_ids import confirm_owners, refuse_unknown, settle_strays
from plantation_rwa.sources.sensor_revisions import revisions, settle_known
from plantation_rwa.sources.sensor_scales import correct_scales
from plantation_rwa.sources.sensor_series import (
    KEYS,
    difference_totals,
    settle_repeats,
)
from plantation_rwa.sources.sensor_times import to_utc
from plantation_rwa.sources.sensor_totals import find_totals
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

COLUMNS = (*KEYS, "time", "value", "unit", "known_at", "qc_flag")

_SPECS = {
    "plantation_id": ColumnSpec("id", required=True),
    "station_id": ColumnSpec("id", required=True),
    "sensor_id": ColumnSpec("id", required=True),
    "variable": ColumnSpec("choice", required=True, values=tuple(UNITS)),
    "depth_m": ColumnSpec("float", lower=0.0, upper=20.0, hint="give metres below the surface; was it cm?"),
    "time": ColumnSpec("text", required=True),
    "value": ColumnSpec("float", required=True),
    "unit": ColumnSpec("text", required=True),
    "known_at": ColumnSpec("instant"),
}
_SOIL = ("soil_moisture", "soil_temperature")
#: Before a unit of rain: the value is a running total.
_TOTAL = "total "


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
        Columns :data:`COLUMNS`; ``time`` UTC, ``value`` in ``unit`` (:data:`UNITS`), ``known_at`` = ``time`` where not
        given later; sorted by series, time and ``known_at``: of one series and time a later row revises the one before
        from the instant on at which it is known. ``qc_flag`` holds what is known of a reading from the files
        alone: ``dup_conflict``, ``unit_inferred``. Values are not range-tested here.

    Notes
    -----
    Rejected: unknown plantation, variable or unit; a time that cannot be read, has no zone, or falls into a clock
    change (:mod:`sensor_times`); a series that mixes two units (:func:`sensor_scales.correct_scales`); an id damaged
    on the way that nothing puts right (:mod:`sensor_ids`); repeated and conflicting readings, the first reading of a
    counter (:mod:`sensor_series`), a month in which a gauge may or may not be one (:mod:`sensor_totals`). What a row
    becomes does not depend on the order of rows or on the file it stands in, but for one thing: where a station writes
    dates day first and month first, those nothing else tells apart are read by their place in the file, or refused.
    """
    sheet = read_sheet(paths, input="sensors", columns=_SPECS, quarantine=quarantine)
    written = refuse_unknown(sheet, list(timezones))
    sheet.frame["time"] = to_utc(sheet, timezones)
    confirm_owners(sheet, written)
    settle_known(sheet)
    deepest = packaged().number("plausibility.soil_probe_max_m")
    deep = (sheet.frame["variable"].isin(_SOIL) & (sheet.frame["depth_m"] > deepest)).to_numpy(bool)
    told = f"soil probes lie at 0 to {deepest:g} m; give metres below the surface. Was it cm?"
    sheet.reject_once(deep & sheet.accepted, KEYS, "depth_m", told)
    totals = sheet.frame["unit"].str.lower().str.startswith(_TOTAL).to_numpy(bool)
    declared = _declared(sheet)
    revised = revisions(sheet)
    with sheet.without(revised.rows):
        factor, offset = correct_scales(sheet, *declared)
        factor, offset = revised.like_first(factor), revised.like_first(offset)
        inferred = (factor != declared[0]) | (offset != declared[1])
        sheet.frame["value"] = sheet.frame["value"] * factor + offset
        settle_strays(sheet)
        disputed = settle_repeats(sheet)
        running = find_totals(sheet, totals, timezones)
        inferred |= running.inferred
        difference_totals(sheet, running.rows, running.reset_min, running.capacity_mm)
    revised.settle(sheet, running.rows)
    texts = np.array(["", "dup_conflict", "unit_inferred", "dup_conflict;unit_inferred"], dtype=object)
    sheet.frame["qc_flag"] = pd.Series(texts[disputed + 2 * inferred], dtype="str")
    out = sheet.result()
    out["unit"] = out["variable"].map(dict(UNITS)).astype("str")
    return out[list(COLUMNS)].sort_values([*KEYS, "time", "known_at"], kind="stable").reset_index(drop=True)


def _declared(sheet: Sheet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and offset of each row by its declared unit; rows of an unknown unit are rejected."""
    frame = sheet.frame
    factor, offset = np.ones(len(frame)), np.zeros(len(frame))
    pairs = frame[["variable", "unit"]].drop_duplicates().sort_values(["variable", "unit"])
    for variable, unit in pairs[(pairs["variable"] != "") & (pairs["unit"] != "")].itertuples(index=False):
        rows = ((frame["variable"] == variable) & (frame["unit"] == unit)).to_numpy(bool)
        running = variable == "rain" and unit.lower().startswith(_TOTAL)
        rule = conversion(unit[len(_TOTAL) :] if running else unit, UNITS[variable])
        if rule is None:
            known = ", ".join(sorted(CONVERSIONS[UNITS[variable]]))
            sheet.reject(rows, "unit", f"unit cannot be converted to {UNITS[variable]}; use one of {known}")
        else:
            factor[rows], offset[rows] = rule
    return factor, offset
