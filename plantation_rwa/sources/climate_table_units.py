"""Units of a climate table: declared, or inferred month by month where the values leave no doubt, and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.climate_units import VARIABLES, normalised_unit, unit_text
from plantation_rwa.sources.tables import Sheet
from plantation_rwa.units import TEMPERATURE_UNITS, temperature_units, to_celsius

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

_TEMPERATURES = ("t2m_min", "t2m_max")

#: Numbers at or below this mean "missing".
_FILL_BELOW = -900.0


def convert_declared(sheet: Sheet, units: Mapping[str, str]) -> None:
    """Bring the columns whose unit is declared to the canonical unit; temperatures are left to :func:`infer`.

    Parameters
    ----------
    units
        Column -> unit, as configured under ``climate.units``.

    Raises
    ------
    SourceError
        If a column is none of the climate table or a unit is not known for it; all such at once.
    """
    problems = []
    for name, unit in sorted(units.items()):
        if name not in VARIABLES:
            remedy = f"Use one of: {', '.join(VARIABLES)}."
            problems.append(Problem(name, "is no variable of the climate table", "", remedy))
            continue
        rule = VARIABLES[name].units.get(normalised_unit(unit))
        if rule is None:
            known = ", ".join(unit_text(u) for u in VARIABLES[name].units)
            told = f"unit cannot be converted to {VARIABLES[name].unit}"
            problems.append(Problem(name, told, repr(unit), f"Use one of: {known}."))
            continue
        if name not in _TEMPERATURES:
            values = sheet.frame[name]
            sheet.frame[name] = values.where(values <= _FILL_BELOW, values * rule[0] + rule[1])
    if problems:
        raise SourceError(problems)


def infer(sheet: Sheet, declared: Mapping[str, str], assumptions: Assumptions) -> None:
    """Bring temperatures to degC, by the month in the only unit that makes a climate of them; rain beside Fahrenheit.

    Their unit is the declared one, or degC, unless that makes no climate of a month's median and another does. A
    plantation's month counts by itself, over all files, as far as it was known when the row was: neither a later
    month nor a later revision changes what was read before, nor does the file a row stands in. A value that the unit
    does not explain stays as it is. Rain beside Fahrenheit is in inches where its mean so far is too little for palms
    as mm and is not as inches; where neither can be told it is left out. The first row of each file is noted.

    Parameters
    ----------
    declared
        Column -> unit, where it is declared; rain of a declared unit is left alone.
    assumptions
        ``plausibility.temperature_month_min_c`` and ``_max_c``: medians of a month where palms grow;
        ``plausibility.rain_mean_min_mm_d`` and ``plausibility.rain_mean_max_mm_d``: mean daily rain where palms grow.
    """
    frame = sheet.frame
    limits = (
        assumptions.number("plausibility.temperature_month_min_c"),
        assumptions.number("plausibility.temperature_month_max_c"),
    )
    series = [frame["_file"], frame["plantation_id"]]
    # the days since 1970 that the months begin on
    months = frame["date"].to_numpy("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    instants = frame["known_at"].to_numpy("datetime64[us]").astype(np.int64)
    owners = frame["plantation_id"].to_numpy()
    imperial = np.zeros(len(frame), dtype=bool)
    for name in _TEMPERATURES:
        stated = normalised_unit(declared.get(name, VARIABLES[name].unit))
        values = frame[name].where(frame[name] > _FILL_BELOW).to_numpy()
        celsius = to_celsius(values, stated, stated, limits)
        if ((celsius < limits[0]) | (celsius > limits[1])).any():
            median = _by_then(values, owners, months, instants, np.median, whole_past=False)
            units = temperature_units(median, stated, limits)
            for unit in sorted(set(units[units != stated])):
                read = to_celsius(values, unit, stated, limits)
                mask = (units == unit) & (read != celsius) & ~np.isnan(values)
                told = (
                    f"unit inferred: {name} of this series is in {TEMPERATURE_UNITS[unit]} (median {{:g}} in the month)"
                )
                told += f", not {TEMPERATURE_UNITS[stated]} as declared" if name in declared else ""
                first = _first(mask, series, frame["date"])
                shown = [f"{told.format(round(float(m), 1))}; converted to degC" for m in median[first]]
                sheet.fault(first, name, shown, "repaired")
                celsius = np.where(mask, read, celsius)
                imperial |= mask if unit == "degf" else False
        frame[name] = np.where(np.isnan(values), frame[name], celsius)
    if "precipitation" not in declared and imperial.any():
        rain = frame["precipitation"].where((frame["precipitation"] >= 0.0) & imperial)
        mean = _by_then(rain.to_numpy(), owners, months, instants, np.mean, whole_past=True)
        _rain(sheet, rain, mean, series, assumptions)


def _by_then(
    values: Floats, owners: np.ndarray, months: Longs, instants: Longs, of: Callable[[Floats], Any], *, whole_past: bool
) -> Floats:
    """Median or mean of the values of each row's plantation and month that were known when the row was.

    ``whole_past`` takes the months before as well. NaN where there are none.
    """
    out = np.full(len(values), np.nan)
    for owner in sorted(set(owners)):
        place = np.flatnonzero(owners == owner)
        month, instant, own = months[place], instants[place], values[place]
        for then, known in sorted(set(zip(month.tolist(), instant.tolist(), strict=True))):
            of_months = month <= then if whole_past else month == then
            seen = own[of_months & (instant <= known) & ~np.isnan(own)]
            # in order of size: a sum of floats must not depend on the order of rows
            value = of(np.sort(seen)) if len(seen) else np.nan
            out[place[(month == then) & (instant == known)]] = value
    return out


def _rain(sheet: Sheet, own: pd.Series, mean: Floats, series: list[pd.Series], assumptions: Assumptions) -> None:
    frame = sheet.frame
    least = assumptions.number("plausibility.rain_mean_min_mm_d")
    most = assumptions.number("plausibility.rain_mean_max_mm_d") / 25.4
    given = own.notna().to_numpy()
    inches, unclear = given & (mean < most) & (mean < least), given & (mean >= most) & (mean < least)
    told = "unit inferred: precipitation of this series is in inches (Fahrenheit beside it, {:.2g} a day); now mm"
    first = _first(inches, series, frame["date"])
    sheet.fault(first, "precipitation", [told.format(m) for m in mean[first]], "repaired")
    frame.loc[inches, "precipitation"] = own[inches] * 25.4
    reason = "rain beside Fahrenheit may be inches or mm; declare climate.units"
    sheet.null(unclear, "precipitation", reason)


def _first(mask: np.ndarray, series: list[pd.Series], dates: pd.Series) -> np.ndarray:
    """The earliest row of each series in a mask."""
    rows = pd.DataFrame({"a": series[0], "b": series[1], "date": dates})[mask].sort_values("date", kind="stable")
    out = np.zeros(len(mask), dtype=bool)
    out[rows.drop_duplicates(["a", "b"]).index.to_numpy()] = True
    return out
