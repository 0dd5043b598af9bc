"""Rain, humidity and radiation of a climate table held against what they add up to: the unit that explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.sources.climate_units import VARIABLES, normalised_unit, unit_text
from plantation_rwa.sources.tables import Sheet

Floats = NDArray[np.float64]

#: Numbers at or above it mean "missing".
_FILL_ABOVE = 1e15


@dataclass(frozen=True)
class _Candidates:
    """Other units a column comes in, the bands its mean must lie in (of any climate, and where palms grow), and how
    many days tell: of rain a year, for a season may be dry.
    """

    units: tuple[str, ...]
    any_climate: str
    palms: str
    days: int


_COLUMNS = {
    "precipitation": _Candidates(("m d-1", "in d-1"), "rain_any_climate", "rain_of_palms", 365),
    "rh": _Candidates(("1",), "humidity_any_climate", "humidity_of_palms", 20),
    "ssrd": _Candidates(("kWh m-2 d-1", "W m-2", "J m-2 d-1"), "radiation_any_climate", "radiation_of_palms", 20),
}


def settle_units(sheet: Sheet, declared: Mapping[str, str], assumptions: Assumptions) -> None:
    """Convert columns that only another unit explains, and leave out rain that adds up to no month of this Earth.

    A plantation's mean over all days known by a row's own instant tells: where it lies outside the band of any
    climate and one other unit brings it among palms, the rows are in that unit; rows that no unit explains are left
    out. Too few days tell nothing, and later data changes no earlier row.

    Parameters
    ----------
    declared
        Columns of a declared unit are left alone.
    assumptions
        Section ``plausibility``.
    """
    for name, candidates in _COLUMNS.items():
        if name not in declared:
            _settle(sheet, name, candidates, assumptions)
    _months_of_rain(sheet, assumptions.number("plausibility.rain_month_max_mm"))


def _band(assumptions: Assumptions, name: str) -> tuple[float, float]:
    low, high = assumptions.table(f"plausibility.{name}")
    return float(low), float(high)


def _settle(sheet: Sheet, name: str, candidates: _Candidates, assumptions: Assumptions) -> None:
    (least, most), (low, high) = (_band(assumptions, n) for n in (candidates.any_climate, candidates.palms))
    frame = sheet.frame
    values = _given(frame[name])
    mean, days = _known_mean(frame, values)
    odd = ~np.isnan(values) & (days >= candidates.days) & ((mean < least) | (mean > most))
    if not odd.any():
        return
    rules = {u: VARIABLES[name].units[normalised_unit(u)] for u in candidates.units}
    explains = {u: odd & (low <= mean * factor) & (mean * factor <= high) for u, (factor, _) in rules.items()}
    only = sum(mask.astype(int) for mask in explains.values()) == 1
    unit = VARIABLES[name].unit
    for other, mask in explains.items():
        read = mask & only
        told = f"unit inferred: {name} of this series is in {unit_text(other)} (mean {{:.3g}}), not {unit}; converted"
        first = _first(frame, read)
        sheet.fault(first, name, [told.format(m) for m in mean[first]], "repaired")
        frame.loc[read, name] = values[read] * rules[other][0]
    sheet.null(odd & ~only, name, f"{name} makes no climate in {unit} nor in any other unit; check it")


def _months_of_rain(sheet: Sheet, most: float) -> None:
    """Rain that adds up to more than any month's, as known at a row's own instant: a running total, say."""
    frame = sheet.frame
    rows = frame[["plantation_id", "date", "known_at"]].assign(
        month=frame["date"].dt.strftime("%Y-%m"), rain=_given(frame["precipitation"])
    )
    rows = rows[rows["rain"].notna()]
    crude = rows.groupby(["plantation_id", "month"])["rain"].transform("sum")
    beyond = np.zeros(len(frame), dtype=bool)
    for _, own in rows[crude > most].groupby(["plantation_id", "month"], sort=True):
        for instant, fresh in own.groupby("known_at", sort=True):
            # of revisions of a day the last one known counts, of rows that contradict each other the larger
            known = own[own["known_at"] <= instant].sort_values(["date", "known_at", "rain"], kind="stable")
            if math.fsum(known.drop_duplicates("date", keep="last")["rain"].tolist()) > most:
                beyond[fresh.index.to_numpy()] = True
    told = f"rain of the month adds up to more than {most:g} mm; is it a running total, or in another unit?"
    sheet.null(beyond, "precipitation", told)


def _given(column: pd.Series) -> Floats:
    values = column.to_numpy(np.float64)
    return np.where((values < 0) | (values >= _FILL_ABOVE), np.nan, values)


def _known_mean(frame: pd.DataFrame, values: Floats) -> tuple[Floats, Floats]:
    """Mean over the values of each row's plantation known at the row's own instant, and how many they are."""
    order = pd.DataFrame(
        {
            "owner": frame["plantation_id"].to_numpy(),
            "known": frame["known_at"].to_numpy("datetime64[us]").astype(np.int64),
        }
    )
    order["sum"], order["count"] = np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
    # sums of one instant in order of size, so that they do not depend on the order of rows
    steps = order.sort_values(["owner", "known", "sum"], kind="stable").groupby(["owner", "known"], sort=True)
    upto = steps[["sum", "count"]].sum().groupby(level="owner").cumsum()
    found = upto.reindex(pd.MultiIndex.from_frame(order[["owner", "known"]]))
    count = found["count"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(found["sum"].to_numpy() / count), count


def _first(frame: pd.DataFrame, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The earliest row of each file and plantation in a mask."""
    rows = frame.loc[mask, ["_file", "plantation_id", "date"]].sort_values("date", kind="stable")
    out = np.zeros(len(mask), dtype=bool)
    out[rows.drop_duplicates(["_file", "plantation_id"]).index.to_numpy()] = True
    return out
