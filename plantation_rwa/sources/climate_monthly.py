"""Monthly gridded climate as NASA POWER exports it: one row per parameter, year and cell, months side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.periods import Month, end_of_month_utc
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.files import file_name, read_bytes

Floats = NDArray[np.float64]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

#: POWER's parameter -> canonical name, canonical unit, bounds of a month's value.
_PARAMETERS = {
    "PRECTOTCORR_SUM": ("p_sum_mm", "mm", 0.0, 5000.0),
    "PRECTOTCORR": ("p_sum_mm", "mm", 0.0, 5000.0),
    "T2M": ("tmean_c", "degC", -60.0, 60.0),
    "T2M_MIN": ("tmin_c", "degC", -60.0, 60.0),
    "T2M_MAX": ("tmax_c", "degC", -60.0, 60.0),
}

#: Numbers at or below this mean "missing" (-999).
_FILL_BELOW = -900.0

#: How near the column ANN must lie to the sum or the mean of the months, as a share, and for how many rows.
_NEAR, _MOST = 0.01, 0.95


@dataclass(frozen=True)
class _Rows:
    file: str
    parameter: str
    years: NDArray[np.int64]
    latitude: Floats
    longitude: Floats
    months: Floats
    annual: Floats


def open_monthly(
    paths: Sequence[str] | None, quarantine: Quarantine, *, known_lag_days: int = 0
) -> tuple[xr.Dataset, ...]:
    """Monthly grids from NASA POWER's regional CSV exports, header block or not.

    Parameters
    ----------
    paths
        Files with the columns ``PARAMETER, YEAR, LAT, LON, JAN .. DEC`` and usually ``ANN``.
    quarantine
        Takes rows and cells that cannot be used, and the unit of rain where it had to be inferred.
    known_lag_days
        Days after the end of a month until it counts as known; decides from when a bad cell is reported.

    Returns
    -------
    tuple of xarray.Dataset
        One per lattice: any of ``p_sum_mm`` (mm in the month), ``tmean_c``, ``tmin_c``, ``tmax_c``, dims ``time``
        (first of the month), ``latitude`` falling, ``longitude`` rising.

    Raises
    ------
    SourceError
        Naming the file: not that layout, an unknown parameter, cells off a regular grid, or rain of which neither the
        annual column nor the header tells whether it is a monthly sum or a daily mean.

    Notes
    -----
    Rain is exported as ``PRECTOTCORR_SUM`` (sum of the month) and as ``PRECTOTCORR`` (mm per day), under headers that
    say mm/day for both. The column ``ANN`` decides: it is the sum of the months of sums, the mean of daily means.
    """
    parts, problems = list[xr.DataArray](), list[Problem]()
    for path in paths or ():
        try:
            for rows in _read(path, quarantine):
                parts.append(_grid(rows, quarantine, known_lag_days))
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    lattices: dict[tuple[float, ...], list[xr.DataArray]] = {}
    for part in parts:
        key = (*part["latitude"].to_numpy().tolist(), *part["longitude"].to_numpy().tolist())
        lattices.setdefault(key, []).append(part)
    return tuple(_joined(members, quarantine) for _, members in sorted(lattices.items()))


def _joined(members: list[xr.DataArray], quarantine: Quarantine) -> xr.Dataset:
    """Files of one lattice; of a month that occurs again the first file's stays."""
    series: dict[str, xr.DataArray] = {}
    for part in sorted(members, key=lambda a: (a.attrs["file"], str(a.name))):
        name, before = str(part.name), series.get(str(part.name))
        if before is not None:
            again = np.intersect1d(before["time"].to_numpy(), part["time"].to_numpy())
            for time in again:
                month = str(time)[:7]
                known = end_of_month_utc(pd.Series([month])).iloc[0]
                told = f"{name} of this month occurs before; the first file's stays, this one was left out"
                quarantine.add(
                    "climate_monthly", part.attrs["file"], told, "rejected", column="YEAR", value=month, known_at=known
                )
            fresh = ~np.isin(part["time"].to_numpy(), again)
            part = xr.concat([before, part.isel(time=np.flatnonzero(fresh))], dim="time").sortby("time")
        series[name] = part
    merged = xr.merge([s.drop_attrs() for s in series.values()], join="outer", compat="no_conflicts")
    return merged.assign_attrs(step="day")


def _read(path: str, quarantine: Quarantine) -> list[_Rows]:
    name = file_name(path)
    lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
    start = next((n for n, line in enumerate(lines) if line.replace(" ", "").upper().startswith("PARAMETER,")), None)
    if start is None:
        remedy = "Give NASA POWER's monthly regional CSV: PARAMETER, YEAR, LAT, LON, JAN .. DEC, ANN."
        raise SourceError.of(name, "is no monthly grid in NASA POWER's layout", lines[0][:80] if lines else "", remedy)
    header = [h.strip().upper() for h in lines[start].split(",")]
    missing = [c for c in ("PARAMETER", "YEAR", "LAT", "LON", *_MONTHS) if c not in header]
    if missing:
        raise SourceError.of(name, f"lacks the column {missing[0]}", ", ".join(header), "Export it again.")
    kept: dict[str, list[list[float]]] = {}
    unknown: dict[str, int] = {}
    seen: set[tuple[str, float, float, float]] = set()
    for number, cells in enumerate(csv.reader(io.StringIO("\n".join(lines[start + 1 :]))), start=1):
        if not any(c.strip() for c in cells):
            continue
        row, fault = _row(cells, header)
        parameter = cells[0].strip().upper() if cells else ""
        key = (parameter, row[0], row[1], row[2]) if not fault else ("", 0.0, 0.0, 0.0)
        if not fault and parameter not in _PARAMETERS:
            unknown.setdefault(parameter, number)
        elif fault or key in seen:
            told = f"{fault or 'repeats parameter, year and cell of a row above, which stays'}; row rejected"
            quarantine.add("climate_monthly", name, told, "rejected", row=number, value=",".join(cells)[:80])
        else:
            seen.add(key)
            kept.setdefault(parameter, []).append(row)
    for parameter, number in sorted(unknown.items()):
        told = f"parameter is not read; those that are: {', '.join(_PARAMETERS)}"
        quarantine.add("climate_monthly", name, told, "nulled", row=number, column="PARAMETER", value=parameter)
    if not kept:
        raise SourceError.of(
            name, "holds no parameter that is known", ", ".join(unknown), f"Give {', '.join(_PARAMETERS)}."
        )
    tables = {parameter: np.asarray(rows) for parameter, rows in kept.items()}
    return [
        _Rows(name, parameter, t[:, 0].astype(np.int64), t[:, 1], t[:, 2], t[:, 3:15], t[:, 15])
        for parameter, t in tables.items()
    ]


def _row(cells: list[str], header: list[str]) -> tuple[list[float], str]:
    """Year, latitude, longitude, twelve months and the annual value of one line, and what is wrong with it."""
    if len(cells) != len(header):
        return [], f"the row has {len(cells)} fields where the header has {len(header)}"
    of = dict(zip(header, cells, strict=True))
    try:
        place = [float(of[c]) for c in ("YEAR", "LAT", "LON")]
        months = [float(of[m]) if of[m].strip() else np.nan for m in _MONTHS]
        annual = float(of["ANN"]) if of.get("ANN", "").strip() else np.nan
    except ValueError:
        return [], "holds a cell that is not a number"
    if not (place[0] == int(place[0]) and 1950 <= place[0] < 2200 and abs(place[1]) <= 90 and abs(place[2]) <= 360):
        return [], "year or place is impossible"
    return [*place, *months, annual], ""


def _grid(rows: _Rows, quarantine: Quarantine, lag: int) -> xr.DataArray:
    variable, unit, low, high = _PARAMETERS[rows.parameter]
    values = np.where(rows.months <= _FILL_BELOW, np.nan, rows.months)
    if variable == "p_sum_mm":
        values = values * _rain_factor(rows, values, quarantine)
    outside = (values < low) | (values > high)
    for row, column in zip(*np.nonzero(outside), strict=True):
        month = f"{rows.years[row]:04d}-{column + 1:02d}"
        known = end_of_month_utc(pd.Series([month])).iloc[0] + pd.Timedelta(days=lag)
        told = f"{rows.parameter} is outside {low:g} to {high:g} {unit}; value left out"
        quarantine.add(
            "climate_monthly",
            rows.file,
            told,
            "nulled",
            column=_MONTHS[column],
            value=f"{values[row, column]:g} at {rows.latitude[row]:g} N {rows.longitude[row]:g} E, {month}",
            known_at=known,
        )
    values = np.where(outside, np.nan, values)
    folded = (rows.longitude + 180.0) % 360.0 - 180.0
    lats, lons = np.unique(rows.latitude)[::-1], np.unique(folded)
    for axis, along in (("latitude", lats), ("longitude", lons)):
        steps = np.abs(np.diff(along))
        if len(steps) and np.abs(steps - steps[0]).max() > 0.01 * steps[0]:
            raise SourceError.of(rows.file, f"{axis} is not evenly spaced", "", "Export a whole rectangle of cells.")
    if max(len(lats), len(lons)) < 2:
        raise SourceError.of(rows.file, "the grid has no extent", "1 x 1 cells", "Export a region, not a point.")
    first, last = int(rows.years.min()), int(rows.years.max())
    cube = np.full(((last - first + 1) * 12, len(lats), len(lons)), np.nan)
    place = (np.searchsorted(-lats, -rows.latitude), np.searchsorted(lons, folded))
    for column in range(12):
        cube[(rows.years - first) * 12 + column, place[0], place[1]] = values[:, column]
    times = np.array([f"{Month(first, 1) + n}" for n in range(len(cube))], dtype="datetime64[M]")
    held = np.isfinite(cube).any(axis=(1, 2))  # months to come are not there yet
    axes = {"time": times[held].astype("datetime64[ns]"), "latitude": lats, "longitude": lons}
    dims = ("time", "latitude", "longitude")
    return xr.DataArray(cube[held], coords=axes, dims=dims, name=variable, attrs={"file": rows.file})


def _rain_factor(rows: _Rows, values: Floats, quarantine: Quarantine) -> Floats:
    """What brings rain to a month's sum: 1 for sums, the days of each month for means per day."""
    whole = np.isfinite(values).all(axis=1) & np.isfinite(rows.annual) & (rows.annual > 0.0)
    total, annual = values[whole].sum(axis=1), rows.annual[whole]
    sums = float(np.mean(np.abs(total - annual) <= _NEAR * annual)) if len(annual) else 0.0
    means = float(np.mean(np.abs(total / 12.0 - annual) <= 5 * _NEAR * annual)) if len(annual) else 0.0
    if max(sums, means) < _MOST:
        told = "rain is a monthly sum or a mean per day, and its column ANN does not tell which"
        shown = f"{sums:.0%} of {int(whole.sum())} whole years add up to ANN, {means:.0%} average to it"
        raise SourceError.of(rows.file, told, shown, "Export it again with its annual column.")
    seen = f"{max(sums, means):.0%} of {int(whole.sum())} whole years"
    if sums >= _MOST:
        told = f"unit inferred: {rows.parameter} are sums of the month in mm, since in {seen} the months add up to ANN"
        days = np.ones((len(rows.years), 12))
    else:
        told = f"unit inferred: {rows.parameter} are mm per day, since in {seen} the months average to ANN"
        days = np.array([[Month(int(y), m).days for m in range(1, 13)] for y in rows.years], dtype=np.float64)
    quarantine.add("climate_monthly", rows.file, told, "repaired", column=rows.parameter)
    return days
