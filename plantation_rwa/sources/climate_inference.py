"""Unit of a grid's daily rain held against what it adds up to: inferred where none is stated, or refused."""

from __future__ import annotations

import numpy as np
import xarray as xr

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate_units import VARIABLES, normalised_unit

#: days from the first one on that are looked at, so that later data changes nothing, and cells along each axis
_DAYS, _CELLS = 366, 8
#: days that tell a climate; fewer may be one season's
_ENOUGH = 90
#: units that rain comes in, so far apart that one alone explains a mean
_UNITS = ("mm d-1", "m d-1", "mm s-1", "m s-1", "in d-1")


def rain_unit(array: xr.DataArray, unit: str | None, where: str, quarantine: Quarantine) -> str | None:
    """Unit of daily rain: the stated one if its numbers can be rain, else the only one that explains them.

    Parameters
    ----------
    array
        Daily rain as in the file, dim ``time`` or another first.
    unit
        As stated; None or empty if it is not.
    where
        File and variable, for messages.
    quarantine
        Told when the unit was inferred.

    Returns
    -------
    str or None
        None if none is stated and less than 90 days are there.

    Raises
    ------
    SourceError
        If the stated unit makes no climate of the numbers and another does, or none is stated and none does.
    """
    stated = str(unit or "").strip()
    mean, days = _mean(array)
    if days < _ENOUGH:
        return stated or None
    factors, known = VARIABLES["precipitation"].units, packaged()
    low, high = (known.number(f"plausibility.palm_rain_{end}_mm_d") for end in ("min", "max"))
    explained = [u for u in _UNITS if low <= mean * factors[normalised_unit(u)][0] <= high]
    shown = f"mean {mean:.3g} over {days} days"
    if not stated:
        if not explained:
            remedy = "Set its attribute 'units', for example 'mm d-1'."
            raise SourceError.of(where, "has no unit, and no unit makes a palm climate of its rain", shown, remedy)
        file, column = where.rsplit(": ", 1)
        told = f"rain has no unit; taken as {explained[0]}, the only one that makes a palm climate of it ({shown})"
        quarantine.add("climate", file, told, "repaired", column=column)
        return explained[0]
    rule = factors.get(normalised_unit(stated))
    least, most = (known.number(f"plausibility.{name}_mm_d") for name in ("rain_year_min", "rain_first_year_max"))
    if rule is not None and explained and not least <= mean * rule[0] <= most:
        told = f"unit {stated!r} makes {mean * rule[0]:.3g} mm a day of its rain"
        told += f", {explained[0]!r} would make a palm climate"
        raise SourceError.of(where, told, shown, "Mend its attribute 'units'.")
    return stated


def _mean(array: xr.DataArray) -> tuple[float, int]:
    """Mean of the first year of a sample of cells, in the file's numbers, and how many days it is of."""
    first = str(array.dims[0])
    strides = {d: slice(None, None, -(-n // _CELLS)) for d, n in array.sizes.items() if d != first}
    sample = array.isel({first: slice(0, _DAYS), **strides}).compute(scheduler="synchronous").to_numpy()
    values = np.asarray(sample, dtype=np.float64).reshape(len(sample), -1)
    values = np.where((values < 0) | (values > 1e15), np.nan, values)
    seen = np.isfinite(values)
    return (float(values[seen].mean()) if seen.any() else float("nan")), int(seen.any(axis=1).sum())
