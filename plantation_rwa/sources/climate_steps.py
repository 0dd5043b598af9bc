"""Grids of a step of several hours brought to hours: totals spread evenly, values of an instant joined by lines."""

from __future__ import annotations

import numpy as np
import xarray as xr

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_accumulation import hourly_rule

_HOUR = np.timedelta64(1, "h")


def hours_apart(times: xr.DataArray, where: str) -> int:
    """Hours between the times of a sub-daily file: the typical step, of which all others are multiples.

    Raises
    ------
    SourceError
        If a time does not fall on the step.
    """
    if times.size < 2:
        return 1
    steps = np.diff(np.sort(times.to_numpy())) / _HOUR
    step = round(float(np.median(steps)))
    odd = np.abs(steps - np.round(steps / step) * step) > 1e-3
    if odd.any():
        told = f"its times do not keep a step of {step} h"
        raise SourceError.of(where, told, f"{steps[odd][0]:g} h between two", "Give times of one even step.")
    return step


def totals_to_hours(
    array: xr.DataArray, step: int, declared: str, rate: bool, where: str, quarantine: Quarantine
) -> xr.DataArray:
    """Totals of the hour from totals of ``step`` hours that end at their time; sums over any whole steps stay.

    Parameters
    ----------
    array
        Dims ``time`` (UTC), ``latitude, longitude``; totals over the step, totals that run on from 00 UTC, or
        (``rate``) totals of an hour of the step's mean rate.
    declared
        Rule of accumulation that is declared, or empty: then the values tell, see :mod:`climate_accumulation`.

    Raises
    ------
    SourceError
        If neither declaration nor values tell how the totals accumulate, or they contradict each other.
    """
    hours = _hours(array, step, before=step - 1)

    def filled(values: xr.DataArray) -> xr.DataArray:
        return values.reindex(time=hours, method="bfill", tolerance=f"{step - 1}h")

    _note(where, step, quarantine)
    if rate:
        return filled(array)
    rule = hourly_rule(filled(array), declared, where, quarantine)
    if not rule:
        told = f"how its totals of every {step} h accumulate is not declared, and too few of its values tell"
        raise SourceError.of(where, told, "", "Set climate.accumulation to era5-land (since 00 UTC) or era5.")
    if rule == "era5-land":
        before = array.reindex(time=array["time"].to_numpy() - step * _HOUR).assign_coords(time=array["time"])
        fresh = array["time"].dt.hour == step % 24  # the first total after 00 UTC starts anew
        array = array - before.where(~fresh, 0.0)
    return filled(array) / step


def instants_to_hours(array: xr.DataArray, step: int) -> xr.DataArray:
    """Values of full hours on straight lines between those ``step`` hours apart; a gap stays one."""
    hours = _hours(array, step, before=0)
    near = f"{step - 1}h"
    left = array.reindex(time=hours, method="ffill", tolerance=near)
    right = array.reindex(time=hours, method="bfill", tolerance=near)
    passed = ((hours - array["time"].to_numpy()[0]) / _HOUR) % step / step
    share = xr.DataArray(passed, dims="time", coords={"time": hours})
    return (left * (1 - share) + right * share).transpose(*array.dims).rename(array.name)


def _hours(array: xr.DataArray, step: int, before: int) -> np.ndarray:
    times = array["time"].to_numpy()
    return np.arange(times[0] - before * _HOUR, times[-1] + _HOUR, _HOUR).astype("datetime64[ns]")


def _note(where: str, step: int, quarantine: Quarantine) -> None:
    file, column = where.rsplit(": ", 1)
    told = f"has a value every {step} h: taken as of the {step} hours that end then, spread evenly over them"
    quarantine.add("climate", file, told, "repaired", column=column)
