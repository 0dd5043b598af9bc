"""Hourly climate to days of a time zone: totals by their rule of accumulation, extremes, humidity, wind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.features.evapotranspiration import mean_saturation_vapour_pressure, saturation_vapour_pressure

Floats = NDArray[np.float64]
Hours = NDArray[np.int64]

#: Hourly variable -> daily ones made of it.
_TOTALS = ("precipitation", "ssrd")
_MEANS = ("rh", "wind2m")


@dataclass(frozen=True)
class LocalDays:
    """Days of a time zone in UTC hours.

    Parameters
    ----------
    dates
        Local dates.
    starts, ends
        Hours since 1970 (UTC) at which each begins and ends; 23 to 25 hours apart where clocks change.
    """

    dates: NDArray[np.datetime64]
    starts: Hours
    ends: Hours


def local_days(first: int, last: int, zone: str) -> LocalDays:
    """Local days that lie wholly within ``first`` to ``last`` (hours since 1970, UTC).

    Parameters
    ----------
    zone
        IANA name. Where midnight is not a full hour of UTC (India, Myanmar) the day begins at the full hour before it.
    """
    dates = np.arange(first // 24 - 1, last // 24 + 3).astype("datetime64[D]")
    index = pd.DatetimeIndex(dates.astype("datetime64[s]"))
    local = index.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(index), dtype=bool))
    midnights = local.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[h]").astype(np.int64)
    starts, ends = midnights[:-1], midnights[1:]
    inside = (starts >= first) & (ends <= last)
    return LocalDays(dates[:-1][inside], starts[inside], ends[inside])


def days_of_hours(
    hours: Hours, values: Mapping[str, Floats], zone: str, rule: str
) -> tuple[LocalDays, dict[str, Floats]]:
    """Daily values from hourly ones.

    Parameters
    ----------
    hours
        Hours since 1970 (UTC), ascending, distinct; gaps are allowed. A total belongs to the hour that ends then.
    values
        Any of ``precipitation`` mm, ``ssrd`` MJ m-2, ``t2m``, ``d2m`` degC, ``u10``, ``v10``, ``wind2m`` m s-1 (at
        2 m), ``rh`` %, each of shape (hours, cells), NaN where missing.
    zone
        IANA name of the zone whose days are wanted.
    rule
        ``era5-land``: totals run on from 00 UTC and start anew after the value of 00 UTC, which is the total of the
        day before; ``era5``: totals of the hour.

    Returns
    -------
    LocalDays
        Days that the hours cover from beginning to end.
    dict
        ``precipitation``, ``ssrd`` (sums), ``t2m_min``, ``t2m_max``, ``rh``, ``wind2m`` where their hours are given,
        shape (days, cells). NaN on a day that lacks one of its hours; of running totals only the hours at its ends and
        at 00 UTC are needed.

    Notes
    -----
    Running totals ``A`` of a day from ``s`` to ``e``: ``sum A(M) over 00 UTC hours M in (s, e) + A(e) - A(s)``, the
    last term nil where ``s`` is 00 UTC. At UTC+8 this is ``[A(00 UTC d) - A(16 UTC d-1)] + A(16 UTC d)`` (ERA5-Land
    documentation, Munoz-Sabater et al. 2021). ``rh`` is the humidity that gives the day's mean vapour pressure at the
    mean saturation pressure of its extremes, so that FAO-56 equation 19 returns the vapour pressure measured.
    """
    days = local_days(int(hours[0]) - 1, int(hours[-1]), zone) if len(hours) else LocalDays(*_no_days())
    dense = {name: _Dense(hours, cells) for name, cells in values.items()}
    out: dict[str, Floats] = {}
    for name in _TOTALS:
        if name in dense:
            total = dense[name].running if rule == "era5-land" else dense[name].total
            out[name] = total(days)
    if "t2m" in dense:
        out["t2m_min"], out["t2m_max"] = dense["t2m"].extremes(days)
    if "d2m" in dense and "t2m" in dense:
        vapour = _Dense(hours, saturation_vapour_pressure(values["d2m"])).mean(days)
        saturated = mean_saturation_vapour_pressure(out["t2m_min"], out["t2m_max"])
        out["rh"] = np.minimum(100.0 * vapour / saturated, 100.0)
    if "u10" in dense and "v10" in dense:
        out["wind2m"] = _Dense(hours, np.hypot(values["u10"], values["v10"])).mean(days)
    for name in _MEANS:
        if name in dense and name not in out:
            out[name] = dense[name].mean(days)
    return days, out


def _no_days() -> tuple[NDArray[np.datetime64], Hours, Hours]:
    nothing = np.array([], dtype=np.int64)
    return nothing.astype("datetime64[D]"), nothing, nothing


class _Dense:
    """Hourly values without gaps in the axis: missing hours are NaN."""

    def __init__(self, hours: Hours, values: Floats) -> None:
        self.first = int(hours[0])
        self.values = np.full((int(hours[-1]) - self.first + 1, values.shape[1]), np.nan)
        self.values[hours - self.first] = values

    def at(self, hours: Hours) -> Floats:
        inside = (hours >= self.first) & (hours < self.first + len(self.values))
        out = np.full((len(hours), self.values.shape[1]), np.nan)
        out[inside] = self.values[hours[inside] - self.first]
        return out

    def total(self, days: LocalDays) -> Floats:
        """Sum of the hours that end after the start and no later than the end."""
        out = np.zeros((len(days.starts), self.values.shape[1]))
        for step in range(1, self._longest(days) + 1):
            inside = days.starts + step <= days.ends
            out[inside] += self.at(days.starts[inside] + step)
        return out

    def running(self, days: LocalDays) -> Floats:
        """As :meth:`total`, of totals that run on from 00 UTC."""
        out = self.at(days.ends)
        from_midnight = days.starts % 24 == 0
        out[~from_midnight] -= self.at(days.starts[~from_midnight])
        for step in range(1, self._longest(days)):
            midnight = days.starts + step
            inside = (midnight < days.ends) & (midnight % 24 == 0)
            out[inside] += self.at(midnight[inside])
        return out

    def mean(self, days: LocalDays) -> Floats:
        """Mean of the values at the hours from the start on, the end not included."""
        out, count = np.zeros((len(days.starts), self.values.shape[1])), (days.ends - days.starts)[:, None]
        for step in range(self._longest(days)):
            inside = days.starts + step < days.ends
            out[inside] += self.at(days.starts[inside] + step)
        return out / count

    def extremes(self, days: LocalDays) -> tuple[Floats, Floats]:
        """Least and greatest of the values that :meth:`mean` takes."""
        low = np.full((len(days.starts), self.values.shape[1]), np.inf)
        high = -low
        for step in range(self._longest(days)):
            inside = days.starts + step < days.ends
            here = self.at(days.starts[inside] + step)
            low[inside], high[inside] = np.minimum(low[inside], here), np.maximum(high[inside], here)
        return low, high

    def _longest(self, days: LocalDays) -> int:
        return int((days.ends - days.starts).max()) if len(days.starts) else 0
