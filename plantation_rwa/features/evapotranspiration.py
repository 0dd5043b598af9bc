"""FAO-56 reference evapotranspiration and vapour pressures; arrays in, arrays out.

Source of every formula: Allen, Pereira, Raes, Smith (1998), FAO Irrigation and Drainage Paper 56; equation numbers are
given per function. Temperatures in degC, vapour pressures in kPa, radiation in MJ m-2 d-1, wind in m s-1 at 2 m.
All arguments broadcast against each other; missing values (NaN) stay missing unless a function says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_SOLAR_CONSTANT = 0.0820  # MJ m-2 min-1
_STEFAN_BOLTZMANN = 4.903e-9  # MJ K-4 m-2 d-1
_ALBEDO = 0.23  # of the reference grass
_MJ_TO_MM = 0.408  # 1 / latent heat of vaporisation


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def saturation_vapour_pressure(temperature: ArrayLike) -> Floats:
    """Saturation vapour pressure at an air temperature, kPa (equation 11)."""
    t = _floats(temperature)
    return _floats(0.6108 * np.exp(17.27 * t / (t + 237.3)))


def mean_saturation_vapour_pressure(tmin: ArrayLike, tmax: ArrayLike) -> Floats:
    """Daily saturation vapour pressure, kPa: mean of the two extremes, not that of the mean (equation 12)."""
    return (saturation_vapour_pressure(tmin) + saturation_vapour_pressure(tmax)) / 2.0


def actual_vapour_pressure(tmin: ArrayLike, tmax: ArrayLike, rh_at_tmin: ArrayLike, rh_at_tmax: ArrayLike) -> Floats:
    """Actual vapour pressure from relative humidity, kPa (equation 17).

    Humidity is highest at the minimum temperature. With the daily mean humidity given for both, this is equation 19.

    Parameters
    ----------
    tmin, tmax
        degC.
    rh_at_tmin, rh_at_tmax
        Relative humidity in %.
    """
    moist = saturation_vapour_pressure(tmin) * _floats(rh_at_tmin)
    dry = saturation_vapour_pressure(tmax) * _floats(rh_at_tmax)
    return (moist + dry) / 200.0


def vapour_pressure_slope(temperature: ArrayLike) -> Floats:
    """Slope of the saturation vapour pressure curve, kPa per degC (equation 13)."""
    t = _floats(temperature)
    return 4098.0 * saturation_vapour_pressure(t) / (t + 237.3) ** 2


def atmospheric_pressure(elevation: ArrayLike) -> Floats:
    """Mean atmospheric pressure at an elevation in metres, kPa (equation 7)."""
    return _floats(101.3 * ((293.0 - 0.0065 * _floats(elevation)) / 293.0) ** 5.26)


def sunset_hour_angle(latitude: ArrayLike, day_of_year: ArrayLike) -> Floats:
    """Sunset hour angle in radians (equation 25); daylight hours are 24/pi times it (equation 34).

    Parameters
    ----------
    latitude
        Degrees, south negative. Polar day and night are limited to pi and 0.
    day_of_year
        1 to 366.
    """
    phi = np.radians(_floats(latitude))
    return _floats(np.arccos(np.clip(-np.tan(phi) * np.tan(_declination(day_of_year)), -1.0, 1.0)))


def extraterrestrial_radiation(latitude: ArrayLike, day_of_year: ArrayLike) -> Floats:
    """Extraterrestrial radiation of a day, MJ m-2 d-1 (equation 21); arguments as in :func:`sunset_hour_angle`."""
    phi, delta = np.radians(_floats(latitude)), _declination(day_of_year)
    omega = sunset_hour_angle(latitude, day_of_year)
    distance = 1.0 + 0.033 * np.cos(2.0 * np.pi * _floats(day_of_year) / 365.0)
    geometry = omega * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(omega)
    return _floats(24.0 * 60.0 / np.pi * _SOLAR_CONSTANT * distance * geometry)


def clear_sky_radiation(ra: ArrayLike, elevation: ArrayLike) -> Floats:
    """Solar radiation under a clear sky, MJ m-2 d-1 (equation 37)."""
    return (0.75 + 2e-5 * _floats(elevation)) * _floats(ra)


def net_radiation(rs: ArrayLike, rso: ArrayLike, tmin: ArrayLike, tmax: ArrayLike, ea: ArrayLike) -> Floats:
    """Net radiation of the grass reference, MJ m-2 d-1 (equations 38 to 40).

    Parameters
    ----------
    rs, rso
        Solar radiation and its clear-sky value; their ratio is limited to 1 (0 where ``rso`` is 0).
    ea
        Actual vapour pressure, kPa.
    """
    rs, rso = _floats(rs), _floats(rso)
    with np.errstate(divide="ignore", invalid="ignore"):
        cloud = np.where(rso > 0.0, np.minimum(rs / rso, 1.0), np.where(np.isnan(rso), np.nan, 0.0))
    kelvin4 = ((_floats(tmax) + 273.16) ** 4 + (_floats(tmin) + 273.16) ** 4) / 2.0
    outgoing = _STEFAN_BOLTZMANN * kelvin4 * (0.34 - 0.14 * np.sqrt(_floats(ea))) * (1.35 * cloud - 0.35)
    return _floats((1.0 - _ALBEDO) * rs - outgoing)


def penman_monteith(
    tmean: ArrayLike,
    rn: ArrayLike,
    u2: ArrayLike,
    es: ArrayLike,
    ea: ArrayLike,
    elevation: ArrayLike,
    soil_heat: ArrayLike = 0.0,
) -> Floats:
    """Reference evapotranspiration of a day, mm (equation 6); negative values (dew) are cut at zero.

    Parameters
    ----------
    tmean
        Mean of the daily extremes, degC.
    rn, soil_heat
        Net radiation and soil heat flux, MJ m-2 d-1; the flux is nil for single days.
    u2
        Wind at 2 m, m s-1.
    es, ea
        Saturation and actual vapour pressure, kPa.
    elevation
        Metres.
    """
    delta, gamma = vapour_pressure_slope(tmean), 0.665e-3 * atmospheric_pressure(elevation)
    wind, t = _floats(u2), _floats(tmean)
    energy = _MJ_TO_MM * delta * (_floats(rn) - _floats(soil_heat))
    aerodynamic = gamma * 900.0 / (t + 273.0) * wind * (_floats(es) - _floats(ea))
    return _floats(np.maximum((energy + aerodynamic) / (delta + gamma * (1.0 + 0.34 * wind)), 0.0))


def hargreaves(tmin: ArrayLike, tmax: ArrayLike, ra: ArrayLike) -> Floats:
    """Reference evapotranspiration from temperatures alone, mm d-1 (equation 52), ``ra`` in MJ m-2 d-1."""
    low, high = _floats(tmin), _floats(tmax)
    spread = np.sqrt(np.maximum(high - low, 0.0))
    return _floats(np.maximum(0.0023 * ((low + high) / 2.0 + 17.8) * spread * _MJ_TO_MM * _floats(ra), 0.0))


def daily_vapour(tmin: Floats, tmax: Floats, rh: Floats) -> tuple[Floats, Floats]:
    """Saturation and actual vapour pressure of days, kPa.

    Where humidity is missing, the dew point is taken to be the minimum temperature (equation 48), which holds in the
    humid tropics.

    Parameters
    ----------
    tmin, tmax
        degC, any shape.
    rh
        Daily mean relative humidity in %, NaN where missing.
    """
    es = mean_saturation_vapour_pressure(tmin, tmax)
    measured = actual_vapour_pressure(tmin, tmax, rh, rh)
    return es, np.where(np.isnan(rh), np.minimum(saturation_vapour_pressure(tmin), es), measured)


def daily_et0(
    tmin: Floats,
    tmax: Floats,
    rh: Floats,
    ssrd: Floats,
    wind2m: Floats,
    *,
    latitude: Any,
    day_of_year: Any,
    elevation: float,
    wind_missing: float,
) -> Floats:
    """Reference evapotranspiration of days with whatever was measured, mm d-1.

    Penman-Monteith where there is radiation, with ``wind_missing`` for missing wind and the dew point rule of
    :func:`daily_vapour` for missing humidity; Hargreaves where radiation is missing; NaN where a temperature is.

    Parameters
    ----------
    tmin, tmax, rh, ssrd, wind2m
        Arrays of one shape (degC, degC, %, MJ m-2 d-1, m s-1), NaN where missing.
    latitude, day_of_year
        Broadcast to that shape.
    elevation
        Metres.
    wind_missing
        Wind at 2 m that stands for a missing one, m s-1.
    """
    ra = extraterrestrial_radiation(latitude, day_of_year)
    es, ea = daily_vapour(tmin, tmax, rh)
    rn = net_radiation(ssrd, clear_sky_radiation(ra, elevation), tmin, tmax, ea)
    wind = np.where(np.isnan(wind2m), wind_missing, wind2m)
    combined = penman_monteith((tmin + tmax) / 2.0, rn, wind, es, ea, elevation)
    return np.where(np.isnan(ssrd), hargreaves(tmin, tmax, ra), combined)


def _declination(day_of_year: ArrayLike) -> Floats:
    return _floats(0.409 * np.sin(2.0 * np.pi * _floats(day_of_year) / 365.0 - 1.39))
