"""Daily weather of the simulated world: Markov rain, temperature, radiation, humidity under an ENSO index."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry import box

from plantation_rwa.periods import Month
from plantation_rwa.simulate.geography import REGIONS, Estate
from plantation_rwa.streams import stream

VARIABLES = ("precipitation", "t2m_min", "t2m_max", "ssrd", "rh")
UNITS = {"precipitation": "mm d-1", "t2m_min": "degC", "t2m_max": "degC", "ssrd": "MJ m-2 d-1", "rh": "%"}
SEASONS = ("DJF", "JFM", "FMA", "MAM", "AMJ", "MJJ", "JJA", "JAS", "ASO", "SON", "OND", "NDJ")
_JASON = np.array([0, 0, 0, 0, 0, 0.5, 1, 1, 1, 1, 1, 0.5])

Weather = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class GridError:
    """How a published grid of rain differs from the rain that fell.

    Parameters
    ----------
    cells
        Cells of the true grid along each side of a published cell, which holds their mean.
    wet_sd
        Log standard deviation of the factor on each cell and wet day, mean 1.
    monthly_bias
        Largest systematic relative error of a calendar month, drawn evenly from both signs.
    drizzle_share, drizzle_mm
        Share of dry days that get rain all the same, and its mean, exponential.

    Notes
    -----
    The defaults are assumptions: cells a little coarser than those of ERA5 (0.25 degrees); bias and noise of products
    that are adjusted to gauges. Against 41 gauges in Malaysia such products overestimate monthly rain slightly and see
    rain on days with less than 1 mm (Remote Sensing 2020, 12(4), 613).
    """

    cells: int = 3
    wet_sd: float = 0.3
    monthly_bias: float = 0.05
    drizzle_share: float = 0.15
    drizzle_mm: float = 0.7


def enso(seed: int, first: Month, last: Month) -> pd.Series:
    """Monthly ENSO index, AR(2) with one event forced to 2.3 degC (domain/yield.md 7.1 item 2).

    Returns
    -------
    pandas.Series
        Indexed by ``YYYY-MM``, degC, two decimals.
    """
    rng = stream(seed, "enso")
    count = last - first + 1
    values = np.zeros(count + 240)
    shocks = rng.normal(0.0, 0.0642, values.size)
    for t in range(2, values.size):
        values[t] = 1.86 * values[t - 1] - 0.885 * values[t - 2] + shocks[t]
    months = [first + i for i in range(count)]
    winter = np.array([1.0 + 0.25 * np.cos(2 * np.pi * (m.number - 12) / 12) for m in months])
    index = values[240:] * winter
    peak = int(rng.integers(count // 3, max(2 * count // 3, count // 3 + 1)))
    event = 2.3 * np.exp(-0.5 * ((np.arange(count) - peak) / 4.0) ** 2)
    weight = event / 2.3
    return pd.Series(np.round(index * (1 - weight) + event, 2), index=[str(m) for m in months])


def oni_text(index: pd.Series) -> str:
    """An index in the layout of CPC's ``oni.ascii.txt``; months are the centres of the seasons."""
    lines = [" SEAS  YR   TOTAL   ANOM"]
    for month, value in index.items():
        m = Month.parse(str(month))
        lines.append(f"  {SEASONS[m.number - 1]} {m.year} {26.5 + value:6.2f} {value:6.2f}")
    return "\n".join(lines) + "\n"


def region_weather(
    seed: int, climate: str, oni: pd.Series, first: dt.date, last: dt.date
) -> tuple[pd.DatetimeIndex, Weather]:
    """Daily weather of a region's centre.

    Rain occurrence is a two-state Markov chain with persistence P(w|w) - P(w|d) = 0.30 scaled to the month's
    rain days, amounts are gamma with shape 0.8; July to November follow the ENSO index; one drought of four
    months, a milder one within the last 30 months, and one flood month are put in (domain/yield.md 7.1 items 3 and 4).
    """
    region = REGIONS[climate]
    rng = stream(seed, "weather", climate)
    days = pd.date_range(first, last, freq="D")
    month = days.month.to_numpy() - 1
    serial = days.year.to_numpy() * 12 + month
    serials = np.unique(serial)
    spread = np.exp(0.28 * rng.normal(0, 1, serials.size) - 0.0392)
    lookup = {int(s): i for i, s in enumerate(serials)}
    which = np.array([lookup[int(s)] for s in serial])
    index = np.array([oni.get(f"{s // 12:04d}-{s % 12 + 1:02d}", 0.0) for s in serials])
    target = np.array(region.rain_mm)[serials % 12] * spread * np.exp(-region.enso * index * _JASON[serials % 12])
    drought = int(rng.integers(serials.size // 3, serials.size - 40)) if serials.size > 80 else serials.size // 3
    target[drought : drought + 4] *= 0.18
    late = serials.size - int(rng.integers(16, 30))
    target[late : late + 4] *= 0.30
    flood = int(rng.integers(serials.size // 4, serials.size))
    target[flood] *= 1.8
    wet_share = np.clip((2.0 + 0.06 * target) / 30.4, 0.02, 0.92)
    dry_to_wet = wet_share * 0.70
    uniform = rng.random(days.size)
    wet = np.zeros(days.size, dtype=bool)
    state = False
    for i, w in enumerate(which):
        state = bool(uniform[i] < dry_to_wet[w] + (0.30 if state else 0.0))
        wet[i] = state
    mean = target[which] / (30.4 * wet_share[which])
    rain = np.where(wet, 1.0 + rng.gamma(0.8, np.maximum(mean - 1.0, 0.5) / 0.8), 0.0)
    haze = np.where((index > 1.2) & np.isin(serials % 12, [8, 9]), 0.65, 1.0)
    warm = rng.normal(0, 1, days.size)
    tmax = 32.4 - 1.2 * wet + 0.35 * index[which] + 0.9 * warm
    tmin = 23.5 + 0.5 * rng.normal(0, 1, days.size) + 0.2 * wet
    ssrd = np.clip((17.2 - 2.6 * wet + 1.6 * rng.normal(0, 1, days.size)) * haze[which], 4, 26)
    rh = np.clip(81 + 6.5 * wet - 1.2 * (tmax - 32) + 1.5 * rng.normal(0, 1, days.size), 50, 99)
    return days, {"precipitation": rain, "t2m_min": tmin, "t2m_max": tmax, "ssrd": ssrd, "rh": rh}


def vary(seed: int, key: str, weather: Weather) -> Weather:
    """Weather of one place in a region: rain x log-normal per day, temperatures a little off; one decimal."""
    rng = stream(seed, "local_weather", key)
    count = weather["precipitation"].size
    rain = weather["precipitation"] * np.exp(0.35 * rng.normal(0, 1, count) - 0.06125)
    shift = float(rng.normal(0, 0.3))
    local = {
        "precipitation": rain,
        "t2m_min": weather["t2m_min"] + shift + 0.2 * rng.normal(0, 1, count),
        "t2m_max": weather["t2m_max"] + shift + 0.2 * rng.normal(0, 1, count),
        "ssrd": np.clip(weather["ssrd"] + 0.5 * rng.normal(0, 1, count), 3, 28),
        "rh": np.clip(weather["rh"] + rng.normal(0, 1, count), 45, 100),
    }
    return {k: np.round(v, 1 if k != "rh" else 0) for k, v in local.items()}


def grid(
    seed: int, climate: str, days: pd.DatetimeIndex, weather: Weather, bounds: Sequence[float], step: float
) -> xr.Dataset:
    """Daily grid around ``bounds`` (west, south, east, north), each cell a variation of the region's weather.

    Returns
    -------
    xarray.Dataset
        ``time, latitude (north to south), longitude``; cell centres on multiples of ``step`` plus half a step, a
        ring of cells around the bounds included.
    """
    west, south = (np.floor(b / step - 1) * step for b in bounds[:2])
    east, north = (np.ceil(b / step + 1) * step for b in bounds[2:])
    lons = np.round(np.arange(west + step / 2, east, step), 6)
    lats = np.round(np.arange(north - step / 2, south, -step), 6)
    data = {v: np.empty((days.size, lats.size, lons.size), dtype=np.float32) for v in VARIABLES}
    for i, lat in enumerate(lats):
        for j, lon in enumerate(lons):
            cell = vary(seed, f"{climate}:{lat:.4f}:{lon:.4f}", weather)
            for v in VARIABLES:
                data[v][:, i, j] = cell[v]
    variables = {v: (("time", "latitude", "longitude"), data[v], {"units": UNITS[v]}) for v in VARIABLES}
    coords = {
        "time": days.to_numpy().astype("datetime64[ns]"),
        "latitude": ("latitude", lats, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", lons, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return xr.Dataset(variables, coords, attrs={"title": "simulated daily climate", "Conventions": "CF-1.8"})


def product(
    seed: int,
    climate: str,
    days: pd.DatetimeIndex,
    weather: Weather,
    bounds: Sequence[float],
    step: float,
    error: GridError,
) -> xr.Dataset:
    """The grid of :func:`grid` as a product of rain would publish it: coarser cells, noise, bias and drizzle.

    Returns
    -------
    xarray.Dataset
        As :func:`grid`, cells of ``error.cells * step`` degrees; all variables are means of the true cells, rain has
        the errors besides. A cell's numbers do not depend on ``bounds``.
    """
    coarse = error.cells * step
    # half a cell beyond the ring that the fine grid adds, so that its edges are those of coarse cells
    lower = [np.floor(b / coarse - 1) * coarse + 1.5 * step for b in bounds[:2]]
    upper = [np.ceil(b / coarse + 1) * coarse - 1.5 * step for b in bounds[2:]]
    fine = grid(seed, climate, days, weather, [*lower, *upper], step)
    out = fine.coarsen(latitude=error.cells, longitude=error.cells).mean()
    out = out.assign_coords({axis: out[axis].round(6) for axis in ("latitude", "longitude")})
    rain = out["precipitation"].to_numpy().astype(np.float64)
    for i, lat in enumerate(out.latitude.to_numpy()):
        for j, lon in enumerate(out.longitude.to_numpy()):
            rain[:, i, j] = misread(seed, climate, f"{lat:.4f}:{lon:.4f}", days, rain[:, i, j], error)
    return out.assign(precipitation=out["precipitation"].copy(data=np.round(rain, 1).astype(np.float32)))


def misread(
    seed: int, climate: str, place: str, days: pd.DatetimeIndex, rain: NDArray[np.float64], error: GridError
) -> NDArray[np.float64]:
    """Daily rain, mm, with the noise of a place, the bias of its region's calendar months, and drizzle on dry days."""
    bias = stream(seed, "grid_bias", climate).uniform(-error.monthly_bias, error.monthly_bias, 12)
    rng = stream(seed, "grid_error", f"{climate}:{place}")
    factor = np.exp(error.wet_sd * rng.normal(0, 1, days.size) - error.wet_sd**2 / 2)
    drizzle = (rng.random(days.size) < error.drizzle_share) * rng.exponential(error.drizzle_mm, days.size)
    return np.asarray(np.where(rain > 0, rain * factor * (1 + bias[days.month - 1]), drizzle))


def over_estate(field: xr.Dataset, estate: Estate) -> Weather:
    """Coverage-weighted mean of the grid over an estate, the simulator's own reckoning by polygon overlap."""
    half = abs(float(field.longitude[1] - field.longitude[0])) / 2
    weights = np.zeros((field.latitude.size, field.longitude.size))
    for i, lat in enumerate(field.latitude.values):
        for j, lon in enumerate(field.longitude.values):
            weights[i, j] = estate.geometry.intersection(box(lon - half, lat - half, lon + half, lat + half)).area
    weights /= weights.sum()
    return {v: np.einsum("tij,ij->t", field[v].values.astype(np.float64), weights) for v in VARIABLES}


def monthly_light(days: pd.DatetimeIndex, ssrd: NDArray[np.float64]) -> pd.Series:
    """Mean radiation of each month over that of its calendar month in all years, indexed by ``YYYY-MM``."""
    monthly = pd.Series(ssrd).groupby(np.asarray(days.strftime("%Y-%m")), sort=True).mean()
    return monthly / monthly.groupby(monthly.index.str[5:]).transform("mean")


def monthly_rain(days: pd.DatetimeIndex, rain: NDArray[np.float64]) -> pd.DataFrame:
    """Sum [mm] and days of at least 1 mm per month, indexed by ``YYYY-MM``."""
    months = days.strftime("%Y-%m")
    frame = pd.DataFrame({"p_sum_mm": rain, "rain_days": (rain >= 1.0).astype(np.int64)})
    return frame.groupby(np.asarray(months), sort=True).sum()
