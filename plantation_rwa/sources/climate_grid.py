"""Gridded climate (NetCDF, Zarr) under one set of names, units and axes; nothing is read but headers, axes and, of
hourly totals, as many hours as tell how they accumulate."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask
import numpy as np
import pandas as pd
import xarray as xr

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_accumulation import declared_rule, hourly_rule, rule_of_several
from plantation_rwa.sources.climate_axes import Step, lattice, on_axes, step_of
from plantation_rwa.sources.climate_inference import rain_unit
from plantation_rwa.sources.climate_steps import hours_apart, instants_to_hours, totals_to_hours
from plantation_rwa.sources.climate_units import (
    TOTALS,
    VARIABLES,
    VARIABLES_AND_HOURLY,
    hourly_variable_of,
    is_rate,
    normalised_unit,
    to_canonical,
    variable_of,
)

#: Size of the blocks in which a grid is read; bounds memory, changes no value.
_CHUNK = "32MiB"


@dataclass(frozen=True)
class ClimateGrids:
    """Everything ``climate.grid`` holds, as far apart as it must be kept.

    Parameters
    ----------
    parts
        One dataset for each lattice, step, kind and rule of accumulation, the finest lattice first, of one lattice
        finals before preliminaries. Dims ``time, latitude, longitude``; attributes ``step`` (``day``: dates at
        midnight; ``hour``: UTC, end of the hour), ``preliminary`` (bool) and, of hourly totals, ``accumulation``
        (``era5-land``: since 00 UTC, ``era5``: over the hour). A variable's attributes are its bounds ``lower, upper,
        slack`` in the canonical unit and ``files``: name, first and last time, stated unit of each; of temperatures
        also ``month_min, month_max``, the medians of a month that palms live in.
    """

    parts: tuple[xr.Dataset, ...] = field(default=())

    def __getitem__(self, axis: str) -> xr.DataArray:
        """All days (``time``), or an axis of the first lattice."""
        if axis != "time":
            return self.parts[0][axis]
        days = np.unique(np.concatenate([p["time"].to_numpy().astype("datetime64[D]") for p in self.parts]))
        return xr.DataArray(days.astype("datetime64[ns]"), dims="time", name="time")

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the axes that :meth:`__getitem__` gives."""
        return {axis: self[axis].size for axis in ("time", "latitude", "longitude")}


@dataclass(frozen=True)
class _Part:
    """One variable of one file; ``own`` is its name there, ``unit`` the normalised one that it states."""

    file: str
    own: str
    array: xr.DataArray
    step: Step
    preliminary: bool
    rule: str
    unit: str

    @property
    def group(self) -> tuple[Any, ...]:
        return (lattice(self.array), self.step, self.preliminary, self.rule)


def open_grid(
    paths: Sequence[str] | None, quarantine: Quarantine, *, accumulation: str = "auto"
) -> ClimateGrids | None:
    """Open climate grids lazily and bring them into the canonical form.

    Parameters
    ----------
    paths
        NetCDF files or Zarr stores, daily or hourly; files may split the variables, the years, or both, and need not
        share a lattice. A file is preliminary if its name, or its attribute ``kind``, ``status`` or ``title``, says so.
    quarantine
        Takes times that a second file repeats (the first stays), and what was inferred.
    accumulation
        How hourly totals accumulate: ``era5-land``, ``era5``, or ``auto``: the file's attribute ``accumulation``, else
        the values themselves decide (:func:`climate_accumulation.hourly_rule`).

    Returns
    -------
    ClimateGrids or None
        Dask-backed float variables: ``precipitation`` mm, ``t2m_min``, ``t2m_max`` degC, ``ssrd`` MJ m-2, ``rh`` %,
        ``wind2m`` m s-1 and, hourly, ``t2m``, ``d2m`` degC, ``u10``, ``v10`` m s-1 (brought to 2 m). None without
        paths.

    Raises
    ------
    SourceError
        Naming the file: it cannot be opened; axes are missing, uneven, neither daily nor hourly; a unit is unknown; how
        hours accumulate cannot be told or contradicts what is declared; there is no precipitation in any file.
    """
    if not paths:
        return None
    parts: list[_Part] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            parts += _file(path, quarantine, accumulation)
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    if not any(p.array.name == "precipitation" for p in parts):
        raise SourceError.of(
            parts[0].file,
            "the climate grid has no precipitation among its variables",
            ", ".join(_held(paths)),
            "Call the rain 'precipitation', or add it in mm.",
        )
    groups: dict[tuple[Any, ...], list[_Part]] = {}
    for part in _settled(parts, quarantine):
        groups.setdefault(part.group, []).append(part)
    made = [_dataset(members, quarantine) for members in groups.values()]
    return ClimateGrids(tuple(sorted(made, key=_order)))


def _held(paths: Sequence[str]) -> list[str]:
    """Names of all variables of the files, as they stand there."""
    names: set[str] = set()
    for path in paths:
        with _open(path, os.path.basename(path.rstrip("/")), {}) as dataset:
            names |= {str(name) for name in dataset.data_vars}
    return sorted(names)


def _settled(parts: list[_Part], quarantine: Quarantine) -> list[_Part]:
    """The parts with a rule for the hourly totals of files that alone show too little to tell theirs."""
    alike: dict[tuple[Any, ...], list[_Part]] = {}
    for part in parts:
        if part.step == "hour" and part.array.name in TOTALS:
            alike.setdefault((part.array.name, *part.group[:3]), []).append(part)
    rules: dict[int, str] = {}
    for members in alike.values():
        open_ = [p for p in members if not p.rule]
        if open_:
            others, where = {p.rule for p in members if p.rule}, [f"{p.file}: {p.own}" for p in open_]
            rule = rule_of_several([p.array for p in open_], others, where, quarantine)
            rules |= {id(p): rule for p in open_}
    return [replace(p, rule=rules.get(id(p), p.rule)) for p in parts]


def _order(dataset: xr.Dataset) -> tuple[Any, ...]:
    """Finest lattice first, finals before preliminaries, days before hours, then by file name."""
    cell = 1.0
    for axis in ("latitude", "longitude"):
        values = dataset[axis].to_numpy()
        cell *= abs(values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 1.0
    names = sorted(f for v in dataset.data_vars for f, *_ in dataset[v].attrs["files"])
    return (round(float(cell), 6), dataset.attrs["preliminary"], dataset.attrs["step"], names)


def _file(path: str, quarantine: Quarantine, accumulation: str) -> list[_Part]:
    name = os.path.basename(path.rstrip("/"))
    with _open(path, name, {}) as dataset:
        step = step_of(dataset, name)
        wanted, others = _wanted(dataset, step, name)
        preliminary = _is_preliminary(name, dataset.attrs)
        declared = {own: declared_rule(dataset, own, accumulation, name) for own in wanted}
    with dask.config.set({"array.chunk-size": _CHUNK}):
        dataset = _open(path, name, {"drop_variables": others, "chunks": "auto"})
    parts = []
    for own, variable in sorted(wanted.items()):
        given = dataset[own]
        if variable == "precipitation" and step == "day":
            unit = rain_unit(given, given.attrs.get("units"), f"{name}: {own}", quarantine)
            given = given.assign_attrs({} if unit is None else {"units": unit})
        array, rule = _canonical(given, variable, name, step), ""
        where, rate = f"{name}: {own}", is_rate(dataset[own].attrs.get("units"))
        if step == "hour":
            array, apart = array.sortby("time"), hours_apart(array["time"], where)
            array = array / 24.0 if variable in TOTALS and rate else array
            if apart > 1 and variable in TOTALS:
                array, rate = totals_to_hours(array, apart, declared[own], rate, where, quarantine), True
            elif apart > 1:
                array = instants_to_hours(array, apart)
        if variable in TOTALS and step == "hour":
            rule = "era5" if rate else hourly_rule(array, declared[own], where, quarantine)
        elif variable in TOTALS and declared[own] == "era5-land":
            array = _day_before(array, name, own, quarantine)
        unit = normalised_unit(str(given.attrs.get("units") or VARIABLES_AND_HOURLY[variable].unit))
        parts.append(_Part(name, own, array, step, preliminary, rule, unit))
    return parts


def _wanted(dataset: xr.Dataset, step: Step, file: str) -> tuple[dict[str, str], list[str]]:
    """Own name -> canonical name of the variables that are read, and the names of the others."""
    known = hourly_variable_of if step == "hour" else variable_of
    wanted = {
        str(k): v for k in dataset.data_vars if (v := known(str(k), str(dataset[k].attrs.get("standard_name", ""))))
    }
    if not wanted:
        seen = ", ".join(sorted(str(k) for k in dataset.data_vars)) or "none"
        raise SourceError.of(
            file, "holds no climate variable that is known", seen, f"Name them {', '.join(VARIABLES)}."
        )
    twice = sorted({v for v in wanted.values() if list(wanted.values()).count(v) > 1})
    if twice:
        raise SourceError.of(file, f"holds {twice[0]} more than once", ", ".join(sorted(wanted)), "Keep one of them.")
    return wanted, [str(k) for k in dataset.data_vars if str(k) not in wanted]


def _is_preliminary(name: str, attributes: Mapping[Any, Any]) -> bool:
    told = [name, *(str(attributes.get(key, "")) for key in ("kind", "status", "title"))]
    return any("prelim" in text.lower() for text in told)


def _open(path: str, name: str, options: dict[str, Any]) -> xr.Dataset:
    engine = "zarr" if os.path.isdir(path) or path.rstrip("/").lower().endswith(".zarr") else "netcdf4"
    try:
        return xr.open_dataset(path, engine=engine, decode_timedelta=False, **options)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        raise SourceError.of(
            name, "cannot be opened as NetCDF or Zarr", text, "Fetch or write the file again."
        ) from None


def _canonical(array: xr.DataArray, variable: str, file: str, step: Step) -> xr.DataArray:
    where = f"{file}: {array.name}"
    factor, offset = to_canonical(variable, str(array.name), array.attrs.get("units"), where=where)
    array = on_axes(array, where, step)
    values = array.astype("float64")
    values = (values * factor + offset) if (factor, offset) != (1.0, 0.0) else values
    return values.rename(variable).drop_attrs()


def _day_before(array: xr.DataArray, file: str, own: str, quarantine: Quarantine) -> xr.DataArray:
    """Daily files that keep the 00 UTC value only: it is the total of the day before."""
    told = (
        f"{own} accumulates from 00 UTC: the value of a date is the total of the day before and was moved there; it is "
        "the day in UTC, not the local one"
    )
    quarantine.add("climate", file, told, "repaired", column=own)
    return array.assign_coords(time=array["time"] - np.timedelta64(1, "D"))


def _dataset(members: list[_Part], quarantine: Quarantine) -> xr.Dataset:
    first = members[0]
    axes = {axis: first.array[axis] for axis in ("latitude", "longitude")}
    series, attributes = {}, {}
    for variable in sorted({str(p.array.name) for p in members}):
        own = [p for p in members if p.array.name == variable]
        spec = VARIABLES_AND_HOURLY[variable]
        files = tuple((p.file, p.array["time"].to_numpy().min(), p.array["time"].to_numpy().max(), p.unit) for p in own)
        attributes[variable] = {k: getattr(spec, k) for k in ("lower", "upper", "slack", "unit")} | {"files": files}
        if spec.unit == "degC":
            attributes[variable] |= {
                f"month_{k}": packaged().number(f"plausibility.temperature_month_{k}_c") for k in ("min", "max")
            }
        parts = [(p.file, p.array.assign_coords(axes)) for p in own]
        series[variable] = _one_series(parts, first.step, quarantine)
    grid = xr.merge(series.values(), join="outer", compat="no_conflicts", combine_attrs="drop")
    grid = grid.assign({v: grid[v].assign_attrs(attributes[v]) for v in series})
    return grid.assign_attrs(step=first.step, preliminary=first.preliminary, accumulation=first.rule)


def _one_series(parts: list[tuple[str, xr.DataArray]], step: Step, quarantine: Quarantine) -> xr.DataArray:
    """Join the files of one variable along time; a day or hour that occurs again is left out."""
    parts = sorted(parts, key=lambda p: (p[1]["time"].to_numpy()[0], p[0]))
    seen: set[int] = set()
    kept = []
    for name, array in parts:
        times = array["time"].to_numpy().astype("datetime64[h]").astype(np.int64)
        fresh = np.zeros(len(times), dtype=bool)
        for position, time in enumerate(times.tolist()):
            fresh[position] = time not in seen
            seen.add(time)
        for day in np.unique(times[~fresh] // 24):
            date = pd.Timestamp(int(day), unit="D", tz="UTC")
            of = "day" if step == "day" else "day (or hours of it)"
            told = f"{array.name} of this {of} occurs before; the first stays, this one was left out"
            month_end = date + pd.offsets.MonthEnd(0)
            quarantine.add("climate", name, told, "rejected", column="time", value=date.date(), known_at=month_end)
        kept.append(array.isel(time=np.flatnonzero(fresh)))
    return xr.concat(kept, dim="time").sortby("time")
