"""What climate grids say of themselves before anything is converted: variables, units, axes, calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from plantation_rwa.sources import climate_grid
from plantation_rwa.sources.climate_units import hourly_variable_of, variable_of
from plantation_rwa.sources.files import file_name


@dataclass(frozen=True)
class GridHeader:
    """One variable as one file declares it, or as several do alike.

    Parameters
    ----------
    files
        Names of the files.
    variable
        Name in the file.
    read_as
        Canonical name; empty if it is not read.
    unit
        Text of the attribute ``units``, empty if there is none.
    dims
        Dimensions with their lengths but that of time, such as ``time, lat 9, lon 13``.
    calendar
        Calendar of the time axis, empty if it states none.
    first, last
        First and last time; NaT if the axis cannot be read.
    step_hours
        Typical step of the time axis, NaN if there is only one.
    """

    files: tuple[str, ...]
    variable: str
    read_as: str
    unit: str
    dims: str
    calendar: str
    first: np.datetime64
    last: np.datetime64
    step_hours: float


def grid_headers(path: str) -> list[GridHeader]:
    """Variables of a NetCDF file or Zarr store; only header and axes are read.

    Raises
    ------
    SourceError
        If the file cannot be opened.
    """
    name = file_name(path)
    with climate_grid._open(path, name, {}) as dataset:
        return [_header(dataset[v], name) for v in dataset.data_vars if dataset[v].ndim > 1]


def merged(headers: Sequence[GridHeader]) -> list[GridHeader]:
    """Variables that several files declare alike as one, over all their times; in the order of first occurrence."""
    groups: dict[tuple[object, ...], list[GridHeader]] = {}
    for h in headers:
        key = (h.variable, h.read_as, h.unit, h.dims, h.calendar, str(h.step_hours))
        groups.setdefault(key, []).append(h)
    return [
        replace(
            group[0],
            files=tuple(f for h in group for f in h.files),
            first=min((h.first for h in group), key=str),
            last=max((h.last for h in group if not np.isnat(h.last)), key=str, default=group[0].last),
        )
        for group in groups.values()
    ]


def _header(array: xr.DataArray, file: str) -> GridHeader:
    first, last, step, calendar = np.datetime64("NaT"), np.datetime64("NaT"), float("nan"), ""
    time = next((array[d] for d in array.dims if d in array.coords and array[d].dtype.kind == "M"), None)
    if time is not None and time.size:
        instants = np.sort(time.to_numpy())
        first, last = instants[0], instants[-1]
        calendar = str(time.encoding.get("calendar", ""))
        if len(instants) > 1:
            step = float(np.median(np.diff(instants) / np.timedelta64(1, "h")))
    named = hourly_variable_of if step < 23.0 else variable_of
    return GridHeader(
        files=(file,),
        variable=str(array.name),
        read_as=named(str(array.name), str(array.attrs.get("standard_name", ""))) or "",
        unit=str(array.attrs.get("units", "")),
        dims=", ".join(str(d) if time is not None and d == time.name else f"{d} {n}" for d, n in array.sizes.items()),
        calendar=calendar,
        first=first,
        last=last,
        step_hours=step,
    )
