"""Values that contradict their declared unit: percent called a fraction, Fahrenheit called Celsius, signed depths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.tables import Sheet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """One unit a series may really be in.

    Parameters
    ----------
    label
        Name for messages.
    above, upto
        Values as declared that lie in ``(above, upto]`` speak for this unit.
    factor, offset
        To the canonical unit.
    """

    label: str
    above: float
    upto: float
    factor: float
    offset: float = 0.0


@dataclass(frozen=True)
class ScaleRule:
    """The units of one variable that its values tell apart.

    Parameters
    ----------
    scales
        In disjoint value ranges.
    strict
        Whether values of two units in one series reject it: so where a wrongly converted value would still be
        plausible. Otherwise the declared unit stands and range tests take out the rest.
    """

    scales: tuple[Scale, ...]
    strict: bool


_TEMPERATURES = (
    Scale("degC", -20.0, 60.0, 1.0),
    Scale("degF", 60.0, 200.0, 5 / 9, -160 / 9),
    Scale("K", 200.0, 400.0, 1.0, -273.15),
)

#: Saturated soil holds less than 1 m3 m-3 and no soil dries below 1 %; tropical air is never below 60 degF in degF.
RULES: Mapping[str, ScaleRule] = {
    "soil_moisture": ScaleRule((Scale("m3 m-3", 0.0, 1.0, 1.0), Scale("%", 1.0, 100.0, 0.01)), strict=True),
    "relative_humidity": ScaleRule((Scale("fraction", 0.0, 1.0, 100.0), Scale("%", 1.0, 103.0, 1.0)), strict=True),
    "soil_temperature": ScaleRule(_TEMPERATURES, strict=False),
    "air_temperature": ScaleRule(_TEMPERATURES, strict=False),
}

#: Readings of a series needed before its values are believed against its declaration.
MIN_READINGS = 12
#: Share of the readings that must speak for one unit.
CLEAR_SHARE = 0.95

_SERIES = ["plantation_id", "station_id", "sensor_id", "variable", "unit"]


def correct_scales(sheet: Sheet, factor: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Conversion factors with contradicted units corrected; series of mixed units rejected.

    Parameters
    ----------
    sheet
        Readings with ``time`` in UTC and values as declared.
    factor, offset
        To the canonical unit, by declaration, shape ``(rows,)``.

    Returns
    -------
    tuple of numpy.ndarray
        Corrected factor and offset, same shape.

    Notes
    -----
    A series is one sensor, variable and declared unit over all files. The decision for a UTC day rests on the
    readings up to the end of that day, so that later readings change no earlier value. It needs
    :data:`MIN_READINGS` readings; a unit holds when :data:`CLEAR_SHARE` of them speak for it. A water table whose
    readings are negative by that share is taken to be measured downwards as negative, and its sign is turned.
    """
    frame = sheet.frame
    factor, offset = factor.copy(), offset.copy()
    usable = sheet.accepted
    for variable, rule in RULES.items():
        rows = np.flatnonzero(usable & (frame["variable"] == variable).to_numpy(bool))
        if len(rows) == 0:
            continue
        values = frame["value"].to_numpy("float64")[rows]
        kind = np.full(len(rows), -1)
        for number, scale in enumerate(rule.scales):
            kind[(values > scale.above) & (values <= scale.upto)] = number
        verdict = _verdicts(frame.iloc[rows], kind, len(rule.scales))
        if rule.strict:
            _reject(sheet, rows[verdict == _MIXED], variable, [s.label for s in rule.scales])
        for number, scale in enumerate(rule.scales):
            chosen = rows[verdict == number]
            wrong = chosen[(factor[chosen] != scale.factor) | (offset[chosen] != scale.offset)]
            _report(
                sheet, wrong, f"values are in {scale.label}, not in the unit declared; converted from {scale.label}"
            )
            factor[wrong], offset[wrong] = scale.factor, scale.offset
    rows = np.flatnonzero(usable & (frame["variable"] == "water_table").to_numpy(bool))
    values = frame["value"].to_numpy("float64")[rows]
    turned = rows[_verdicts(frame.iloc[rows], np.where(values < 0, 0, np.where(values > 0, 1, -1)), 2) == 0]
    _report(sheet, turned, "depths are negative downwards; sign turned, positive is below the surface")
    factor[turned] *= -1.0
    return factor, offset


_UNDECIDED, _MIXED = -1, -2


def _verdicts(frame: pd.DataFrame, kind: NDArray[np.int64], kinds: int) -> NDArray[np.int64]:
    """Kind that each row's series clearly is by the end of the row's UTC day."""
    if frame.empty:
        return np.array([], dtype=np.int64)
    series = frame.groupby(_SERIES, sort=True).ngroup().to_numpy()
    day = frame["time"].to_numpy("datetime64[D]").astype(np.int64)
    keys = pd.DataFrame({"series": series, "day": day})
    votes = keys.assign(**{str(k): kind == k for k in range(kinds)}).groupby(["series", "day"], sort=True).sum()
    running = votes.groupby(level="series").cumsum().to_numpy("float64")
    total = running.sum(axis=1)
    share = running / np.maximum(total, 1.0)[:, None]
    verdict = np.where(share.max(axis=1) >= CLEAR_SHARE, running.argmax(axis=1), _MIXED)
    verdict = np.where(total < MIN_READINGS, _UNDECIDED, verdict)
    place = votes.index.get_indexer(pd.MultiIndex.from_frame(keys))
    return np.asarray(verdict[place], dtype=np.int64)


def _reject(sheet: Sheet, rows: NDArray[np.int64], variable: str, labels: list[str]) -> None:
    mask = np.zeros(len(sheet.frame), dtype=bool)
    mask[rows] = True
    sheet.reject(
        mask,
        "value",
        f"the sensor's {variable} mixes values in {' and '.join(labels)} under one declared unit; correct the units",
    )


def _report(sheet: Sheet, rows: NDArray[np.int64], reason: str) -> None:
    """One record per series, at its earliest reading."""
    if len(rows) == 0:
        return
    chosen = sheet.frame.iloc[rows].sort_values(["time", "_row"], kind="stable").drop_duplicates(_SERIES)
    mask = np.zeros(len(sheet.frame), dtype=bool)
    mask[chosen.index] = True
    sheet.fault(mask, "unit", f"{reason}; from here on in this series", "repaired")
