"""Seasonal forecasts of the Copernicus Climate Change Service: members and lead months of monthly means on a grid."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.periods import Month
from plantation_rwa.sources.climate_grid import _open
from plantation_rwa.sources.climate_units import normalised_unit

#: Variable -> canonical name, and what its unit is multiplied with and added to (rates: per second).
_VARIABLES = {"tprate": "p_sum_mm", "t2m": "tmean_c"}
_UNITS = {
    "tprate": {"m s-1": 1e3 * 86400.0, "kg m-2 s-1": 86400.0, "d-1 mm": 1.0},
    "t2m": {"k": -273.15, "degc": 0.0},
}
_AXES = {
    "issue": ("forecast_reference_time", "forecastReferenceTime", "time"),
    "lead": ("forecastMonth", "leadtime_month", "leadtime"),
    "member": ("number", "member", "realization"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}


def open_seasonal(paths: Sequence[str] | None) -> tuple[xr.Dataset, ...]:
    """Seasonal forecasts, one dataset per file.

    Parameters
    ----------
    paths
        NetCDF files of C3S monthly statistics: dims ``number, forecast_reference_time, forecastMonth, latitude,
        longitude`` in any order, variables ``tprate`` and ``t2m``.

    Returns
    -------
    tuple of xarray.Dataset
        ``p_sum_mm`` (mm in the target month) and ``tmean_c`` of dims ``time, latitude, longitude`` as other grids;
        ``time`` counts rows, whose coordinates ``issue`` and ``target`` (months, ``YYYY-MM``) and ``member`` say what
        each is. Lead month 1 is the month of the issue (C3S convention).

    Raises
    ------
    SourceError
        Naming the file: it cannot be opened, an axis is missing, a unit is unknown, or it holds neither variable.
    """
    found, problems = list[xr.Dataset](), list[Problem]()
    for path in paths or ():
        try:
            found.append(_file(path))
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    return tuple(found)


def _file(path: str) -> xr.Dataset:
    name = os.path.basename(path.rstrip("/"))
    with _open(path, name, {}) as opened:
        own = [v for v in _VARIABLES if v in opened.data_vars]
        if not own:
            seen = ", ".join(sorted(map(str, opened.data_vars))) or "none"
            raise SourceError.of(
                name, "holds no seasonal variable that is known", seen, f"Give {', '.join(_VARIABLES)}."
            )
        dataset = opened[own].load()
    names = {}
    for axis, known in _AXES.items():
        near = [d for d in known if d in dataset.dims]
        if not near:
            told = f"has no dimension that is its {axis}"
            raise SourceError.of(name, told, ", ".join(map(str, dataset.dims)), f"Name it {known[0]}.")
        names[near[0]] = axis
    dataset = dataset.rename(names)
    longitude = (dataset["longitude"].astype("float64") + 180.0) % 360.0 - 180.0
    dataset = dataset.assign_coords(longitude=longitude, latitude=dataset["latitude"].astype("float64"))
    dataset = dataset.sortby("longitude").sortby("latitude", ascending=False)
    issue = [Month.parse(str(t)[:7]) for t in dataset["issue"].to_numpy().astype("datetime64[M]")]
    leads = dataset["lead"].to_numpy()
    if not np.issubdtype(leads.dtype, np.integer) or leads.min() < 1:
        raise SourceError.of(name, "its lead months do not count from 1", str(leads[:3]), "Give monthly statistics.")
    target = [[i + (int(lead) - 1) for lead in leads] for i in issue]
    made = {}
    for variable in own:
        unit = str(dataset[variable].attrs.get("units", ""))
        rule = _UNITS[variable].get(normalised_unit(unit)) if unit else None
        if rule is None:
            units = ", ".join(sorted(_UNITS[variable]))
            raise SourceError.of(
                f"{name}: {variable}", "has no unit that is known", repr(unit), f"Use one of: {units}."
            )
        array = dataset[variable].transpose("issue", "lead", "member", "latitude", "longitude").astype("float64")
        if variable == "tprate":
            days = xr.DataArray([[float(m.days) for m in row] for row in target], dims=("issue", "lead"))
            array = array * rule * days
        else:
            array = array + rule
        made[_VARIABLES[variable]] = array.drop_attrs()
    flat = xr.Dataset(made).drop_vars(["issue", "lead"]).stack(time=("issue", "lead", "member"), create_index=False)
    shape = (len(issue), len(leads), dataset.sizes["member"])
    rows = flat.sizes["time"]
    issues = np.repeat([str(i) for i in issue], rows // len(issue))
    targets = np.repeat([str(m) for row in target for m in row], shape[2])
    members = np.tile(dataset["member"].to_numpy(), shape[0] * shape[1])
    flat = flat.drop_vars("member", errors="ignore").transpose("time", "latitude", "longitude")
    return flat.assign_coords(
        time=pd.to_datetime(targets + "-01").to_numpy().astype("datetime64[ns]"),
        issue=("time", issues),
        target=("time", targets),
        member=("time", members),
    ).assign_attrs(step="day", file=name)
