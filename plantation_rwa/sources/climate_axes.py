"""Axes of gridded climate: which dimension is which, days and hours, one order, longitudes without a break."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from plantation_rwa.errors import SourceError

Step = Literal["day", "hour"]

#: steps in hours that divide a day
_SUB_DAILY = (1, 2, 3, 4, 6, 8, 12)
_AXES = {
    "time": ({"time", "valid_time", "date"}, {"time"}),
    "latitude": ({"latitude", "lat", "y"}, {"latitude", "degrees_north", "degree_north"}),
    "longitude": ({"longitude", "lon", "x"}, {"longitude", "degrees_east", "degree_east"}),
}


def step_of(dataset: xr.Dataset, file: str) -> Step:
    """Whether a file's time axis counts days or hours, also several at a step; a single time counts as a day.

    Raises
    ------
    SourceError
        If the calendar is not the standard one or the typical step is neither.
    """
    name = next((d for d in dataset.dims if d in dataset.coords and _is_axis(dataset[d], "time")), None)
    if name is None:
        return "day"  # told with its remedy when the axes are read
    time = dataset[name]
    if not np.issubdtype(time.dtype, np.datetime64):
        raise SourceError.of(
            file, "its time is not on the standard calendar", _calendar(time), "Convert it to the standard calendar."
        )
    if time.size < 2:
        return "day"
    hours = float(np.median(np.abs(np.diff(time.to_numpy())) / np.timedelta64(1, "h")))
    if 23.0 <= hours <= 25.0:
        return "day"
    if round(hours) in _SUB_DAILY and abs(hours - round(hours)) < 1e-6:
        return "hour"
    remedy = "Give daily values, or such of full hours that divide a day; monthly ones under climate.monthly."
    raise SourceError.of(
        file, "is neither daily nor of full hours that divide a day", f"typical step {hours:g} h", remedy
    )


def on_axes(array: xr.DataArray, where: str, step: Step) -> xr.DataArray:
    """A variable with dims ``time`` (days at midnight, or UTC hours), ``latitude`` falling, ``longitude`` rising.

    Longitudes are -180 to 180, or go on beyond 180 where the grid lies across the antimeridian. Of the two production
    streams of ERA5 in one file (``expver``), the final one stands where it has values.

    Raises
    ------
    SourceError
        If axes are missing, uneven, without extent, or the variable has further dimensions.
    """
    names = {}
    for axis in _AXES:
        near = [str(d) for d in array.dims if str(d).lower() in _AXES[axis][0]]
        near = near or [str(d) for d in array.dims if d in array.coords and _is_axis(array[d], axis)]
        if len(near) != 1:
            remedy = "Dimensions must be time, latitude, longitude."
            raise SourceError.of(where, f"has no dimension that is its {axis}", ", ".join(map(str, array.dims)), remedy)
        names[near[0]] = axis
    if "expver" in array.dims and array.sizes["expver"] == 2:
        ordered = array.sortby("expver")
        array = ordered.isel(expver=0, drop=True).fillna(ordered.isel(expver=1, drop=True))
    extra = [str(d) for d in array.dims if str(d) not in names]
    long = [d for d in extra if array.sizes[d] != 1]
    if long:
        told = f"has a further dimension '{long[0]}' of length {array.sizes[long[0]]}"
        raise SourceError.of(where, told, "", "Select or average along it first.")
    array = array.isel(dict.fromkeys(extra, 0)).reset_coords(drop=True).rename(names)
    missing = [a for a in _AXES if a not in array.coords]
    if missing:
        raise SourceError.of(where, f"has no coordinate {missing[0]}", "", "Write the axis into the file.")
    array = array.assign_coords(time=_times(array["time"], where, step))
    array = array.assign_coords(longitude=_longitudes(array["longitude"].to_numpy().astype("float64")))
    array = array.assign_coords(latitude=array["latitude"].astype("float64"))
    array = array.sortby("longitude").sortby("latitude", ascending=False).transpose("time", "latitude", "longitude")
    sizes = (array.sizes["latitude"], array.sizes["longitude"])
    if min(sizes) == 0 or array.sizes["time"] == 0 or max(sizes) < 2:
        raise SourceError.of(
            where, "the grid has no extent", f"{sizes[0]} x {sizes[1]} cells", "Give a grid, or a climate table."
        )
    for axis in ("latitude", "longitude"):
        steps = np.diff(array[axis].to_numpy())
        if len(steps) and (np.abs(steps - steps.mean()).max() > 0.01 * abs(steps.mean()) or steps.mean() == 0):
            raise SourceError.of(
                where, f"{axis} is not evenly spaced", "", "Bring the data onto a regular longitude-latitude grid."
            )
    return array


def lattice(array: xr.DataArray) -> tuple[float, ...]:
    """What two variables must share to lie on one lattice: corners and numbers of cells, to a ten-thousandth degree."""
    found: list[float] = []
    for axis in ("latitude", "longitude"):
        values = array[axis].to_numpy()
        found += [round(float(values[0]), 4), round(float(values[-1]), 4), float(len(values))]
    return tuple(found)


def _is_axis(coordinate: xr.DataArray, axis: str) -> bool:
    known, marks = _AXES[axis]
    return (
        str(coordinate.name).lower() in known
        or str(coordinate.attrs.get("standard_name", "")).lower() in marks
        or str(coordinate.attrs.get("units", "")).lower() in marks
    )


def _calendar(time: xr.DataArray) -> str:
    return str(time.encoding.get("calendar") or time.dtype)


def _times(time: xr.DataArray, where: str, step: Step) -> NDArray[np.datetime64]:
    if not np.issubdtype(time.dtype, np.datetime64):
        raise SourceError.of(
            where, "its time is not on the standard calendar", _calendar(time), "Convert it to the standard calendar."
        )
    instants = time.to_numpy()
    if step == "day":
        return instants.astype("datetime64[D]").astype("datetime64[ns]")
    hours = instants.astype("datetime64[h]")
    if (np.abs(instants - hours) > np.timedelta64(1, "s")).any():
        odd = str(instants[np.argmax(np.abs(instants - hours) > np.timedelta64(1, "s"))])[:16]
        remedy = "Hourly values need the full hour (UTC) at which the hour ends, as ERA5 has it."
        raise SourceError.of(where, "its hours are not full hours", odd, remedy)
    return hours.astype("datetime64[ns]")


def _longitudes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes in -180 to 180; if the axis breaks there, those after its widest gap go on beyond 180."""
    folded = (values + 180.0) % 360.0 - 180.0
    order = np.sort(folded)
    if len(order) < 2:
        return folded
    gaps = np.diff(order)
    widest = int(np.argmax(gaps))
    if gaps[widest] > order[0] + 360.0 - order[-1] + 1e-6:
        folded = np.where(folded <= order[widest], folded + 360.0, folded)
    return folded
