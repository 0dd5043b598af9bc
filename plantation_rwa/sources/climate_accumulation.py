"""How hourly totals accumulate: over the hour (ERA5) or since 00 UTC (ERA5-Land), which must not be mixed up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine

Floats = NDArray[np.float64]

RULES = ("era5-land", "era5")
_TOLD = {"era5-land": "since 00 UTC, as in ERA5-Land", "era5": "over each hour, as in ERA5"}

#: Days whose hours are looked at in one go, and cells along each axis.
_DAYS, _CELLS = 31, 8

#: Days with rain or sun, in cells, that must agree before the values decide.
_ENOUGH = 3

#: Share of such days that never fall between 01 and 24 UTC: above it totals run on, below the other they start anew.
_RUNNING, _ANEW = 0.98, 0.60


def declared_rule(dataset: xr.Dataset, variable: str, configured: str, file: str) -> str:
    """Rule that is declared for a variable: by the configuration, the variable or the file; empty if by none.

    Raises
    ------
    SourceError
        If the file declares something else than :data:`RULES`, or not what the configuration says.
    """
    own = dataset[variable].attrs.get("accumulation", dataset.attrs.get("accumulation", ""))
    text = str(own).strip().lower().replace("_", "-")
    if text and text not in RULES:
        raise SourceError.of(
            f"{file}: {variable}", "accumulation is not known", repr(own), f"Use one of: {', '.join(RULES)}."
        )
    if text and configured in RULES and configured != text:
        remedy = "Set climate.accumulation to auto, or mend the file's attribute."
        raise SourceError.of(f"{file}: {variable}", f"the file says accumulation {text}", configured, remedy)
    return text or (configured if configured in RULES else "")


def hourly_rule(array: xr.DataArray, declared: str, where: str, quarantine: Quarantine) -> str:
    """Rule by which an hourly total accumulates.

    A total that runs on from 00 UTC never falls between 01 and 24 UTC; one that starts anew each hour falls whenever
    rain stops or the sun sinks. The first days that show it decide, so that later data changes nothing.

    Parameters
    ----------
    array
        Dims ``time`` (UTC hours), ``latitude, longitude``.
    declared
        Rule that is declared, or empty.
    where
        File and variable, for the message.
    quarantine
        Told when the rule was inferred.

    Raises
    ------
    SourceError
        If the values contradict the declared rule, show both, or show too little to tell.
    """
    running, seen = 0, 0
    for values in _days(array):
        windows, rising = _evidence(values)
        running, seen = running + rising, seen + windows
        if seen >= _ENOUGH:
            break
    share = running / seen if seen else np.nan
    shown = f"{running} of {seen} days never fall between 01 and 24 UTC"
    found = "era5-land" if share >= _RUNNING else "era5" if share <= _ANEW else ""
    remedy = f"Set climate.accumulation to one of {', '.join(RULES)}, and give files of one kind."
    if seen >= _ENOUGH and declared and found and declared != found:
        told = f"declared to accumulate {_TOLD[declared]}, but its hours do so {_TOLD[found]}"
        raise SourceError.of(where, told, shown, remedy)
    if declared:
        return declared
    if seen == 0:
        return "era5"  # nothing but zeros: both rules give the same totals
    if seen < _ENOUGH or not found:
        raise SourceError.of(where, "how its hours accumulate cannot be told from its values", shown, remedy)
    column = where.rsplit(": ", 1)
    told = f"accumulation is not declared; taken {_TOLD[found]}, for {shown}"
    quarantine.add("climate", column[0], told, "repaired", column=column[-1])
    return found


def _days(array: xr.DataArray) -> Iterator[Floats]:
    """Whole UTC days 01 to 24 h of a sample of cells, shape (days, 24, cells), a month of days at a time."""
    strides = {axis: slice(None, None, -(-array.sizes[axis] // _CELLS)) for axis in ("latitude", "longitude")}
    sample = array.isel(strides)
    hours = array["time"].to_numpy().astype("datetime64[h]").astype(np.int64)
    first_day, last_day = -(-(int(hours[0]) - 1) // 24), int(hours[-1]) // 24
    for start in range(first_day, last_day, _DAYS):
        stop = min(start + _DAYS, last_day)
        inside = (hours > start * 24) & (hours <= stop * 24)
        part = sample.isel(time=np.flatnonzero(inside)).compute(scheduler="synchronous").to_numpy()
        full = np.full(((stop - start) * 24, part[0].size if len(part) else 0), np.nan)
        if len(part):
            full[hours[inside] - start * 24 - 1] = part.reshape(len(part), -1)
            yield full.reshape(stop - start, 24, -1)


def _evidence(values: Floats) -> tuple[int, int]:
    """Windows that could tell (complete, something fell before the last hour), and those of them that never fall."""
    values = np.where(np.abs(values) < 1e-6, 0.0, values)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(values).all(axis=1) & (values >= 0.0).all(axis=1) & (values[:, :-1] > 0.0).any(axis=1)
        tolerance = 1e-4 * np.nanmax(np.where(np.isfinite(values), values, 0.0), axis=1, keepdims=True)
        never = (np.diff(values, axis=1) >= -tolerance).all(axis=1)
    return int(whole.sum()), int((whole & never).sum())
