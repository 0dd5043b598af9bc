"""Gridded daily climate (NetCDF, Zarr) under one set of names, units and axes; nothing is read but headers and axes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import dask
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_units import VARIABLES, to_canonical, variable_of

#: Size of the blocks in which a grid is read; bounds memory, changes no value.
_CHUNK = "32MiB"

_AXES = {
    "time": ({"time", "valid_time", "date"}, {"time"}),
    "latitude": ({"latitude", "lat", "y"}, {"latitude", "degrees_north", "degree_north"}),
    "longitude": ({"longitude", "lon", "x"}, {"longitude", "degrees_east", "degree_east"}),
}


def open_grid(paths: Sequence[str] | None, quarantine: Quarantine) -> xr.Dataset | None:
    """Open climate grids lazily and bring them into the canonical form.

    Parameters
    ----------
    paths
        NetCDF files or Zarr stores; files may split the variables, the years, or both, on one spatial grid.
    quarantine
        Takes days that a second file repeats (the first stays).

    Returns
    -------
    xarray.Dataset or None
        Dask-backed float variables of dims ``time`` (days at midnight, ascending), ``latitude`` (descending),
        ``longitude`` (ascending, -180 to 180): ``precipitation`` mm d-1 and, where given, ``t2m_min``, ``t2m_max``
        degC, ``ssrd`` MJ m-2 d-1, ``rh`` %, ``wind2m`` m s-1. Fill values, impossible values, and both temperatures of
        a day whose minimum exceeds its maximum are NaN. None without paths.

    Raises
    ------
    SourceError
        Naming the file: it cannot be opened; axes are missing, uneven or not daily; a unit is unknown; the grids of
        two files differ; there is no precipitation.
    """
    if not paths:
        return None
    parts: list[tuple[str, xr.DataArray]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            parts += _file(path)
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    reference, first = parts[0][0], parts[0][1]
    for name, array in parts:
        for axis in ("latitude", "longitude"):
            same = array.sizes[axis] == first.sizes[axis]
            if not same or not np.allclose(array[axis], first[axis], atol=1e-6):
                told = f"its {axis} differs from that of {reference}"
                raise SourceError.of(name, told, "", "Bring all climate grids onto one grid, or give a climate table.")
    found = sorted({str(a.name) for _, a in parts})
    if "precipitation" not in found:
        raise SourceError.of(
            reference,
            "the climate grid has no precipitation",
            ", ".join(found),
            "Add a variable 'precipitation' in mm.",
        )
    axes = {axis: first[axis] for axis in ("latitude", "longitude")}
    series = {v: _one_series([(n, a.assign_coords(axes)) for n, a in parts if a.name == v], quarantine) for v in found}
    grid = xr.merge(series.values(), join="outer", compat="no_conflicts", combine_attrs="drop")
    return _possible(grid)


def _file(path: str) -> list[tuple[str, xr.DataArray]]:
    name = os.path.basename(path.rstrip("/"))
    dataset = _open(path, name, {})
    wanted = {
        str(k): v
        for k in dataset.data_vars
        if (v := variable_of(str(k), str(dataset[k].attrs.get("standard_name", ""))))
    }
    if not wanted:
        seen = ", ".join(sorted(str(k) for k in dataset.data_vars)) or "none"
        raise SourceError.of(
            name, "holds no climate variable that is known", seen, f"Name them {', '.join(VARIABLES)}."
        )
    twice = sorted({v for v in wanted.values() if list(wanted.values()).count(v) > 1})
    if twice:
        raise SourceError.of(name, f"holds {twice[0]} more than once", ", ".join(sorted(wanted)), "Keep one of them.")
    others = [str(k) for k in dataset.data_vars if str(k) not in wanted]
    dataset.close()
    with dask.config.set({"array.chunk-size": _CHUNK}):
        dataset = _open(path, name, {"drop_variables": others, "chunks": "auto"})
    return [(name, _canonical(dataset[own], variable, name)) for own, variable in sorted(wanted.items())]


def _open(path: str, name: str, options: dict[str, Any]) -> xr.Dataset:
    engine = "zarr" if os.path.isdir(path) or path.rstrip("/").lower().endswith(".zarr") else "netcdf4"
    try:
        return xr.open_dataset(path, engine=engine, decode_timedelta=False, **options)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        raise SourceError.of(
            name, "cannot be opened as NetCDF or Zarr", text, "Fetch or write the file again."
        ) from None


def _canonical(array: xr.DataArray, variable: str, file: str) -> xr.DataArray:
    where = f"{file}: {array.name}"
    factor, offset = to_canonical(variable, str(array.name), array.attrs.get("units"), where=where)
    array = _axes(array, where)
    values = array.astype("float64")
    values = (values * factor + offset) if (factor, offset) != (1.0, 0.0) else values
    return values.rename(variable).drop_attrs()


def _axes(array: xr.DataArray, where: str) -> xr.DataArray:
    names = {}
    for axis, (known, marks) in _AXES.items():
        near = [str(d) for d in array.dims if str(d).lower() in known]
        near = near or [str(d) for d in array.dims if d in array.coords and _marked(array[d], marks)]
        if len(near) != 1:
            remedy = "Dimensions must be time, latitude, longitude."
            raise SourceError.of(where, f"has no dimension that is its {axis}", ", ".join(map(str, array.dims)), remedy)
        names[near[0]] = axis
    extra = [str(d) for d in array.dims if str(d) not in names]
    long = [d for d in extra if array.sizes[d] != 1]
    if long:
        told = f"has a further dimension '{long[0]}' of length {array.sizes[long[0]]}"
        raise SourceError.of(where, told, "", "Select or average along it first.")
    array = array.isel(dict.fromkeys(extra, 0)).reset_coords(drop=True).rename(names)
    missing = [a for a in _AXES if a not in array.coords]
    if missing:
        raise SourceError.of(where, f"has no coordinate {missing[0]}", "", "Write the axis into the file.")
    array = array.assign_coords(time=_days(array["time"], where))
    array = array.assign_coords(longitude=(array["longitude"].astype("float64") + 180.0) % 360.0 - 180.0)
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


def _marked(coordinate: xr.DataArray, marks: set[str]) -> bool:
    return (
        str(coordinate.attrs.get("standard_name", "")).lower() in marks
        or str(coordinate.attrs.get("units", "")).lower() in marks
    )


def _days(time: xr.DataArray, where: str) -> NDArray[np.datetime64]:
    if not np.issubdtype(time.dtype, np.datetime64):
        raise SourceError.of(
            where, "its time is not on the standard calendar", str(time.dtype), "Convert it to the standard calendar."
        )
    instants = time.to_numpy()
    if len(instants) > 1:
        step = float(np.median(np.abs(np.diff(instants)) / np.timedelta64(1, "h")))
        if step < 23.0 or step > 25.0:
            remedy = "Give daily values; sum or average hours over the local day first."
            raise SourceError.of(where, "is not daily", f"typical step {step:g} h", remedy)
    return instants.astype("datetime64[D]").astype("datetime64[ns]")


def _one_series(parts: list[tuple[str, xr.DataArray]], quarantine: Quarantine) -> xr.DataArray:
    """Join the files of one variable along time; a day that occurs again is left out."""
    parts = sorted(parts, key=lambda p: (p[1]["time"].to_numpy()[0], p[0]))
    seen: set[int] = set()
    kept = []
    for name, array in parts:
        days = array["time"].to_numpy().astype("datetime64[D]").astype(np.int64)
        fresh = np.zeros(len(days), dtype=bool)
        for position, day in enumerate(days.tolist()):
            fresh[position] = day not in seen
            seen.add(day)
        for day in days[~fresh]:
            date = pd.Timestamp(day, unit="D", tz="UTC")
            told = f"{array.name} of this day occurs before; the first stays, this one was left out"
            month_end = date + pd.offsets.MonthEnd(0)
            quarantine.add("climate", name, told, "rejected", column="time", value=date.date(), known_at=month_end)
        kept.append(array.isel(time=np.flatnonzero(fresh)))
    return xr.concat(kept, dim="time").sortby("time")


def _possible(grid: xr.Dataset) -> xr.Dataset:
    """Impossible values to NaN, noise just beyond a bound to the bound."""
    out = {}
    for name, values in grid.data_vars.items():
        spec = VARIABLES[str(name)]
        inside = (values >= spec.lower - spec.slack) & (values <= spec.upper + spec.slack)
        out[str(name)] = values.where(inside).clip(spec.lower, spec.upper)
    if "t2m_min" in out and "t2m_max" in out:
        ordered = ~(out["t2m_min"] > out["t2m_max"])
        out["t2m_min"], out["t2m_max"] = out["t2m_min"].where(ordered), out["t2m_max"].where(ordered)
    return grid.assign(out)
