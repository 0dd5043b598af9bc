"""Gridded climate to plantations: coverage-weighted means over the outline, hours first made days where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.features.climate_cells import CellWeights, cell_weights, weighted_mean
from plantation_rwa.features.climate_hours import days_of_hours
from plantation_rwa.units import CONVERSIONS, TEMPERATURE_UNITS, temperature_units, to_celsius

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Impossible", "cell_weights", "grid_to_plantations", "weighted_mean"]

Floats = NDArray[np.float64]

#: Beyond these a number in a grid is an undeclared fill (-999, -9999, 1e20), not a value.
FILL_BELOW, FILL_ABOVE = -900.0, 1e15

_FILL = "is a fill value that the file does not declare"

_CONVERTED = ": converted"

#: Hourly values held at a time; bounds memory, changes no value.
_HOURS_X_CELLS = 20_000_000


@dataclass(frozen=True)
class Impossible:
    """Values of one file, variable and month that no weather has in its unit, in cells that plantations touch.

    Parameters
    ----------
    month
        ``YYYY-MM``, as the file counts its days.
    count
        How many there are; they count as missing, or were converted where the reason says so.
    first
        Place and time of the first.
    value
        The first.
    """

    file: str
    variable: str
    month: str
    count: int
    first: str
    value: float
    reason: str


def grid_to_plantations(grid: xr.Dataset, register: pd.DataFrame) -> tuple[pd.DataFrame, list[Impossible]]:
    """Daily climate of each plantation from a regular longitude-latitude grid.

    Parameters
    ----------
    grid
        Variables of dims ``time, latitude, longitude``; cell centres evenly spaced, latitude descending, longitude
        ascending, as ``sources.climate.open_grid`` gives them, with its attributes. May be lazy: only cells that
        plantations touch are read.
    register
        ``plantation_id``, ``geometry`` on WGS84 and, for hourly grids, ``timezone``.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, date`` and the daily variables, sorted by plantation and date; days without any value and
        plantations outside the grid have no rows.
    list of Impossible
        What was left out because no weather has it.

    Raises
    ------
    ReadError
        If the file breaks off while it is read.

    Notes
    -----
    Mean weighted by the fraction of each cell that the outline covers (exactextract), see :mod:`climate_cells`. Days
    are made cell by cell before the mean is taken: extremes and humidity of a mean are not the mean of theirs. A
    plantation's values depend on no other plantation.
    """
    places = register.drop_duplicates("plantation_id").sort_values("plantation_id", kind="stable")
    outlines = np.asarray(places["geometry"], dtype=object)
    weights = cell_weights(grid["latitude"].to_numpy(), grid["longitude"].to_numpy(), outlines)
    hourly = grid.attrs.get("step") == "hour"
    zones = np.asarray(places["timezone"], dtype=object) if hourly else np.full(len(places), "", dtype=object)
    ids = np.asarray(places["plantation_id"], dtype=object)
    found: list[Impossible] = []
    parts = []
    for zone in sorted(set(zones)):
        group = [n for n in range(len(ids)) if zones[n] == zone and len(weights[n].cells)]
        if group:
            blocks = _blocks(grid, np.unique(np.concatenate([weights[n].cells for n in group])), zone, found)
            parts += [_frame(ids[group], [weights[n] for n in group], *block) for block in blocks]
    names = sorted(_daily_names(grid))
    frame = pd.concat(parts, ignore_index=True) if parts else _frame(ids[:0], [], *_nothing(names))
    frame = frame[frame[names].notna().any(axis=1)]
    frame = frame.sort_values(["plantation_id", "date"], kind="stable").reset_index(drop=True)
    return frame, _summed(found)


def _blocks(
    grid: xr.Dataset, cells: NDArray[np.int64], zone: str, found: list[Impossible]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.datetime64], dict[str, Floats]]]:
    """Cells, dates and daily values (days, cells) of each variable, a stretch of time after the other."""
    names = sorted(str(name) for name in grid.data_vars)
    if grid.attrs.get("step") != "hour":
        values = {name: _possible(grid[name], cells, _read_cells(grid[name], cells), found) for name in names}
        yield cells, grid["time"].to_numpy().astype("datetime64[us]"), _ordered(values, grid, cells, found)
        return
    times = grid["time"].to_numpy().astype("datetime64[h]").astype(np.int64)
    span = max(31, _HOURS_X_CELLS // (24 * len(cells) * len(names))) * 24
    for start in range(int(times[0]) // 24 * 24, int(times[-1]) + 1, span):
        # a day on either side, so that days of any zone that begin in this stretch are whole
        taken = np.flatnonzero((times >= start - 24) & (times <= start + span + 24))
        part = grid.isel(time=taken)
        inner = (times[taken] > start) & (times[taken] <= start + span)
        hours = {name: _possible(part[name], cells, _read_cells(part[name], cells), found, inner) for name in names}
        days, values = days_of_hours(times[taken], hours, zone, str(grid.attrs.get("accumulation", "")))
        own = (days.starts >= start) & (days.starts < start + span)
        yield cells, days.dates[own].astype("datetime64[us]"), {k: v[own] for k, v in values.items()}


def _frame(
    ids: NDArray[np.object_],
    weights: Sequence[CellWeights],
    cells: NDArray[np.int64],
    dates: NDArray[np.datetime64],
    values: dict[str, Floats],
) -> pd.DataFrame:
    columns = {
        name: np.concatenate([weighted_mean(of[:, np.searchsorted(cells, w.cells)], w) for w in weights])
        if weights
        else np.array([])
        for name, of in sorted(values.items())
    }
    out = pd.DataFrame(columns)
    out.insert(0, "plantation_id", pd.Series(np.repeat(ids, len(dates)), dtype="str"))
    out.insert(1, "date", np.tile(dates, len(ids)))
    return out


def _nothing(names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.datetime64], dict[str, Floats]]:
    none = np.array([], dtype=np.int64)
    return none, none.astype("datetime64[us]"), {name: np.zeros((0, 0)) for name in names}


def _daily_names(grid: xr.Dataset) -> list[str]:
    names = [str(name) for name in grid.data_vars]
    if grid.attrs.get("step") != "hour":
        return names
    none = {name: np.zeros((1, 0)) for name in names}
    return list(days_of_hours(np.zeros(1, dtype=np.int64), none, "UTC", "")[1])


def _possible(
    variable: xr.DataArray,
    cells: NDArray[np.int64],
    values: Floats,
    found: list[Impossible],
    told: NDArray[np.bool_] | None = None,
) -> Floats:
    """Fill values and impossible values to NaN, noise just beyond a bound to the bound; noted where ``told``."""
    here = np.ones((len(values), 1), dtype=bool) if told is None else told[:, None]
    fill = (values <= FILL_BELOW) | (values >= FILL_ABOVE)
    _note(variable, cells, values, fill & here, _FILL, found)
    values = np.where(fill, np.nan, values)
    if "lower" not in variable.attrs:
        return values
    if variable.attrs["unit"] == "degC":
        values = _in_celsius(variable, cells, values, here, found)
    low, high, slack = (float(variable.attrs[key]) for key in ("lower", "upper", "slack"))
    outside = (values < low - slack) | (values > high + slack)
    _note(variable, cells, values, outside & here, f"is outside {low:g} to {high:g} {variable.attrs['unit']}", found)
    return np.where(outside, np.nan, np.clip(values, low, high))


def _in_celsius(
    variable: xr.DataArray, cells: NDArray[np.int64], values: Floats, here: NDArray[np.bool_], found: list[Impossible]
) -> Floats:
    """Temperatures whose month can only be in another unit than the file states, month by month."""
    limits = (float(variable.attrs["month_min"]), float(variable.attrs["month_max"]))
    times = variable["time"].to_numpy()
    months, out = times.astype("datetime64[M]"), values.copy()
    for _, first, last, stated in variable.attrs["files"]:
        factor, offset = CONVERSIONS["degC"][stated]
        inside = (times >= first) & (times <= last)
        for month in np.unique(months[inside]):
            rows = ((months == month) & inside)[:, None] & np.isfinite(values)
            if not rows.any():
                continue
            middle = (np.median(values[rows]) - offset) / factor  # in the numbers of the file
            unit = str(temperature_units(np.array(middle), stated, limits))
            if unit == stated:
                continue
            own = (values - offset) / factor
            told = f"is in {TEMPERATURE_UNITS[unit]}, not {TEMPERATURE_UNITS[stated]}{_CONVERTED}"
            _note(variable, cells, own, rows & here, told, found, f"median {middle:.4g} in the month")
            out[rows] = to_celsius(own[rows], unit, stated, limits)
    return out


def _ordered(
    values: dict[str, Floats], grid: xr.Dataset, cells: NDArray[np.int64], found: list[Impossible]
) -> dict[str, Floats]:
    """Both extremes of a day whose minimum exceeds its maximum to NaN."""
    if not {"t2m_min", "t2m_max"} <= set(values):
        return values
    crossed = values["t2m_min"] > values["t2m_max"]
    told = "exceeds the maximum of the day; both left out"
    _note(grid["t2m_min"], cells, values["t2m_min"], crossed, told, found)
    return values | {name: np.where(crossed, np.nan, values[name]) for name in ("t2m_min", "t2m_max")}


def _note(
    variable: xr.DataArray,
    cells: NDArray[np.int64],
    values: Floats,
    wrong: NDArray[np.bool_],
    reason: str,
    found: list[Impossible],
    shown: str = "",
) -> None:
    if not wrong.any():
        return
    rows, columns = np.nonzero(wrong)
    times = variable["time"].to_numpy()[rows]
    files = np.array([_file_of(variable, time) for time in np.unique(times)], dtype=object)
    of_row = files[np.searchsorted(np.unique(times), times)]
    keys = np.char.add(np.char.add(of_row.astype(str), "|"), times.astype("datetime64[M]").astype(str))
    for key in np.unique(keys):
        same = np.flatnonzero(keys == key)
        row, column = rows[same[0]], columns[same[0]]
        lat, lon = np.divmod(cells[column], variable.sizes["longitude"])
        place = f"{float(variable['latitude'][lat]):g} N {float(variable['longitude'][lon]):g} E"
        moment = str(times[same[0]].astype("datetime64[m]"))
        file, month = str(key).rsplit("|", 1)
        value = float(values[row, column])
        told = f"{moment} at {place}" + (f", {shown}" if shown else "")
        found.append(Impossible(file, str(variable.name), month, len(same), told, value, reason))


def _summed(found: Sequence[Impossible]) -> list[Impossible]:
    """One entry per file, variable, month and reason; undeclared fills and other units in their first month only."""
    merged: dict[tuple[str, ...], Impossible] = {}
    for one in sorted(found, key=lambda i: (i.file, i.variable, i.reason, i.month, i.first)):
        once = one.reason == _FILL or one.reason.endswith(_CONVERTED)
        key = (one.file, one.variable, one.reason, "" if once else one.month)
        first = merged.setdefault(key, one)
        if first is not one and first.month == one.month:
            merged[key] = replace(first, count=first.count + one.count)
    return list(merged.values())


def _file_of(variable: xr.DataArray, time: np.datetime64) -> str:
    for name, first, last, *_ in variable.attrs.get("files", ()):
        if first <= time <= last:
            return str(name)
    return ""


def _read_cells(variable: xr.DataArray, cells: NDArray[np.int64]) -> Floats:
    import xarray as xr

    ordered = variable.transpose("time", "latitude", "longitude")
    rows, cols = np.divmod(cells, ordered.sizes["longitude"])
    picked = ordered.isel(latitude=xr.DataArray(rows, dims="cell"), longitude=xr.DataArray(cols, dims="cell"))
    try:
        return np.asarray(picked.compute(scheduler="synchronous").to_numpy(), dtype=np.float64)
    except (OSError, RuntimeError) as error:
        raise ReadError(f"climate grid: '{variable.name}' cannot be read: {error}. Fetch the file again.") from error
