"""How hourly totals accumulate: over the hour (ERA5) or since 00 UTC (ERA5-Land), which must not be mixed up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

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

#: Totals up to this are none.
_NOTHING = 1e-6

_REMEDY = f"Set climate.accumulation to one of {', '.join(RULES)}, and give files of one kind."


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
    """Rule by which an hourly total of one file accumulates; empty if the file alone shows too little to tell.

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
        If the values contradict the declared rule, or show both.
    """
    running, seen = _shown([array])
    found = _rule(running, seen)
    if seen >= _ENOUGH and declared and found and declared != found:
        told = f"declared to accumulate {_TOLD[declared]}, but its hours do so {_TOLD[found]}"
        raise SourceError.of(where, told, _words(running, seen), _REMEDY)
    if declared or seen < _ENOUGH:
        return declared
    if not found:
        raise _untold(where, running, seen)
    _note(where, found, _words(running, seen), quarantine)
    return found


def rule_of_several(
    arrays: Sequence[xr.DataArray], others: Collection[str], where: Sequence[str], quarantine: Quarantine
) -> str:
    """Rule of files that tell nothing alone: a dry month, or one day per file, which never holds 01 to 24 UTC.

    Parameters
    ----------
    arrays
        One variable of one lattice from each such file.
    others
        Rules that further files of the variable and lattice have.
    where
        File and variable of each array, for messages.
    quarantine
        Told when the rule was inferred from values.

    Returns
    -------
    str
        That of the other files if they agree; else what the files show joined along time; ``era5`` if they hold
        nothing but zeros, whose totals are the same by both rules.

    Raises
    ------
    SourceError
        If neither tells.
    """
    if len(set(others)) == 1:
        return next(iter(others))
    arrays = [a for _, a in sorted(zip(where, arrays, strict=True), key=lambda p: (p[1]["time"].to_numpy()[0], p[0]))]
    running, seen = _shown(arrays)
    found = _rule(running, seen)
    if seen >= _ENOUGH and found:
        for name in where:
            _note(name, found, f"{_words(running, seen)} in all such files", quarantine)
        return found
    if seen == 0 and not any(bool((np.abs(a) > _NOTHING).any()) for a in arrays):
        return "era5"
    raise _untold(min(where), running, seen)


def _shown(arrays: Sequence[xr.DataArray]) -> tuple[int, int]:
    """Days that never fall and days that could tell, of files joined along time; no more than are enough."""
    running, seen = 0, 0
    for values in _days(arrays):
        windows, rising = _evidence(values)
        running, seen = running + rising, seen + windows
        if seen >= _ENOUGH:
            break
    return running, seen


def _rule(running: int, seen: int) -> str:
    share = running / seen if seen else np.nan
    return "era5-land" if share >= _RUNNING else "era5" if share <= _ANEW else ""


def _words(running: int, seen: int) -> str:
    return f"{running} of {seen} days never fall between 01 and 24 UTC"


def _untold(where: str, running: int, seen: int) -> SourceError:
    told = "how its hours accumulate cannot be told from its values"
    return SourceError.of(where, told, _words(running, seen), _REMEDY)


def _note(where: str, found: str, shown: str, quarantine: Quarantine) -> None:
    file, column = where.rsplit(": ", 1)
    told = f"accumulation is not declared; taken {_TOLD[found]}, for {shown}"
    quarantine.add("climate", file, told, "repaired", column=column)


def _days(arrays: Sequence[xr.DataArray]) -> Iterator[Floats]:
    """Whole UTC days 01 to 24 h of a sample of cells, shape (days, 24, cells), a month of days at a time.

    The arrays share a lattice and follow each other in time; of an hour that occurs again the first counts.
    """
    axes = {axis: arrays[0].sizes[axis] for axis in ("latitude", "longitude")}
    strides = {axis: slice(None, None, -(-size // _CELLS)) for axis, size in axes.items()}
    held: list[tuple[NDArray[np.int64], xr.DataArray]] = [
        (a["time"].to_numpy().astype("datetime64[h]").astype(np.int64), a.isel(strides)) for a in arrays
    ]
    first_day = -(-(min(int(h.min()) for h, _ in held) - 1) // 24)
    last_day = max(int(h.max()) for h, _ in held) // 24
    for start in range(first_day, last_day, _DAYS):
        stop = min(start + _DAYS, last_day)
        full, empty = np.empty(0), True
        for hours, sample in reversed(held):
            inside = (hours > start * 24) & (hours <= stop * 24)
            if not inside.any():
                continue
            part = sample.isel(time=np.flatnonzero(inside)).compute(scheduler="synchronous").to_numpy()
            if empty:
                full, empty = np.full(((stop - start) * 24, part[0].size), np.nan), False
            full[hours[inside] - start * 24 - 1] = part.reshape(len(part), -1)
        if not empty:
            yield full.reshape(stop - start, 24, -1)


def _evidence(values: Floats) -> tuple[int, int]:
    """Windows that could tell (complete, something fell before the last hour), and those of them that never fall."""
    values = np.where(np.abs(values) < _NOTHING, 0.0, values)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(values).all(axis=1) & (values >= 0.0).all(axis=1) & (values[:, :-1] > 0.0).any(axis=1)
        tolerance = 1e-4 * np.nanmax(np.where(np.isfinite(values), values, 0.0), axis=1, keepdims=True)
        never = (np.diff(values, axis=1) >= -tolerance).all(axis=1)
    return int(whole.sum()), int((whole & never).sum())
