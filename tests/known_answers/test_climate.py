"""Worked examples of FAO-56, published SPI values, and a pencil-sized area mean."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from shapely.geometry import Point, box

from plantation_rwa.features import evapotranspiration as et
from plantation_rwa.features.climate_grid import grid_to_plantations
from plantation_rwa.features.drought import GammaFit, expanding_gamma, rolling_sum, spi, standardised
from plantation_rwa.sources.climate_units import wind_at_2m


def _degrees(degree: float, minute: float) -> float:
    return degree + minute / 60.0


def _solar(ra: float, sunshine: float, latitude: float, day: int) -> float:
    """FAO-56 equation 35 with the recommended coefficients."""
    return (0.25 + 0.5 * sunshine / _daylight(latitude, day)) * ra


def _daylight(latitude: float, day: int) -> float:
    return float(24.0 / np.pi * et.sunset_hour_angle(latitude, day))


def test_fao56_example_17_bangkok_in_april() -> None:
    latitude, day, elevation, tmin, tmax, tmean, ea = _degrees(13, 44), 105, 2.0, 25.6, 34.8, 30.2, 2.85
    ra = float(et.extraterrestrial_radiation(latitude, day))
    rs, rso = _solar(ra, 8.5, latitude, day), float(et.clear_sky_radiation(ra, elevation))
    rn, es = et.net_radiation(rs, rso, tmin, tmax, ea), et.mean_saturation_vapour_pressure(tmin, tmax)
    assert ra == pytest.approx(38.06, abs=0.01)
    assert _daylight(latitude, day) == pytest.approx(12.31, abs=0.01)
    assert rs == pytest.approx(22.65, abs=0.01)
    assert rso == pytest.approx(28.54, abs=0.01)
    assert 0.77 * rs - rn == pytest.approx(3.11, abs=0.01)
    assert rn == pytest.approx(14.33, abs=0.01)
    assert es == pytest.approx(4.42, abs=0.01)
    assert es - ea == pytest.approx(1.57, abs=0.01)
    et0 = et.penman_monteith(tmean, rn, 2.0, es, ea, elevation, soil_heat=0.14)
    assert et0 == pytest.approx(5.716, abs=0.005)


def test_fao56_example_18_uccle_on_6_july() -> None:
    latitude, day, elevation, tmin, tmax = _degrees(50, 48), 187, 100.0, 12.3, 21.5
    u2 = wind_at_2m(10.0 / 3.6, 10.0)
    ea, es = et.actual_vapour_pressure(tmin, tmax, 84.0, 63.0), et.mean_saturation_vapour_pressure(tmin, tmax)
    ra = float(et.extraterrestrial_radiation(latitude, day))
    rs = _solar(ra, 9.25, latitude, day)
    rn = et.net_radiation(rs, et.clear_sky_radiation(ra, elevation), tmin, tmax, ea)
    assert u2 == pytest.approx(2.078, abs=0.001)
    assert ea == pytest.approx(1.409, abs=0.001)
    assert es == pytest.approx(1.997, abs=0.001)
    assert ra == pytest.approx(41.09, abs=0.01)
    assert rs == pytest.approx(22.07, abs=0.01)
    assert rn == pytest.approx(13.28, abs=0.01)
    assert et.penman_monteith((tmin + tmax) / 2, rn, u2, es, ea, elevation) == pytest.approx(3.88, abs=0.01)


def test_fao56_examples_2_and_4_pressure() -> None:
    assert et.atmospheric_pressure([1800.0, 1200.0]) == pytest.approx([81.8, 87.9], abs=0.05)


def test_fao56_examples_3_5_6_vapour_pressures() -> None:
    assert et.mean_saturation_vapour_pressure(15.0, 24.5) == pytest.approx(2.39, abs=0.005)
    ea, es = et.actual_vapour_pressure(18.0, 25.0, 82.0, 54.0), et.mean_saturation_vapour_pressure(18.0, 25.0)
    assert ea == pytest.approx(1.70, abs=0.005)
    assert es == pytest.approx(2.616, abs=0.001)
    assert es - ea == pytest.approx(0.91, abs=0.005)


def test_fao56_example_8_radiation_and_daylight_on_3_september_at_20_south() -> None:
    assert et.extraterrestrial_radiation(-20.0, 246) == pytest.approx(32.2, abs=0.05)
    assert _daylight(-20.0, 246) == pytest.approx(11.7, abs=0.05)


def test_fao56_example_20_hargreaves_lyon_in_july() -> None:
    ra = et.extraterrestrial_radiation(_degrees(45, 43), 196)
    assert et.hargreaves(14.8, 26.6, ra) == pytest.approx(5.0, abs=0.05)


@pytest.mark.parametrize(("temperature", "humidity", "vpd"), [(27, 85, 0.535), (32, 60, 1.902), (24, 95, 0.149)])
def test_vapour_pressure_deficit_at_one_temperature(temperature: float, humidity: float, vpd: float) -> None:
    es, ea = et.daily_vapour(np.array([temperature]), np.array([temperature]), np.array([humidity]))
    assert (es - ea)[0] == pytest.approx(vpd, abs=0.0006)


def test_vapour_pressure_deficit_is_taken_at_both_extremes_not_at_the_mean() -> None:
    es, ea = et.mean_saturation_vapour_pressure(23.5, 32.5), et.actual_vapour_pressure(23.5, 32.5, 97.0, 62.0)
    assert (es, ea, es - ea) == pytest.approx((3.893, 2.920, 0.973), abs=0.001)
    assert et.saturation_vapour_pressure(28.0) < es


def _thirty_years() -> np.ndarray:
    year, month = np.divmod(np.arange(360), 12)
    rain = 200 + 90 * np.sin(2 * np.pi * (month - 2) / 12) + 45 * np.sin(1.7 * year + 0.9 * month)
    return np.round(rain + 30 * np.cos(2.3 * year * (month + 1)), 1)[None, :]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (1, [-1.3492, 0.3872, 1.1650, 0.0848]),
        (3, [-1.6752, -1.4083, 0.8154, 1.1807]),
        (6, [-0.2570, -0.7744, -0.3093, 0.0833]),
    ],
)
def test_spi_of_the_deterministic_case_equals_climate_indices_and_xclim(window: int, expected: list[float]) -> None:
    """Values of climate_indices 3.1.0 and xclim 0.62, gamma APP, fitted on all 30 years."""
    rain = _thirty_years()
    assert (rain.sum(), rain.min(), rain.max()) == pytest.approx((71957.1, 36.9, 350.2))
    got = []
    for flat in (186, 240, 311, 359):
        values = rolling_sum(rain, window)[:, flat % 12 :: 12]
        fit = expanding_gamma(values)
        whole = GammaFit(*(part[:, -1:] for part in (fit.shape, fit.scale, fit.p_zero, fit.n)))
        got.append(standardised(values, whole)[0, flat // 12])
    assert got == pytest.approx(expected, abs=1e-4)


def test_the_last_expanding_spi_is_the_one_fitted_on_all_years() -> None:
    assert spi(_thirty_years(), window=3, min_years=8, limit=3.09)[0, 359] == pytest.approx(1.1807, abs=1e-4)


def _two_by_two() -> xr.Dataset:
    values = np.array([[[10.0, 20.0], [30.0, 40.0]]])
    axes = {"time": np.array(["2024-01-01"], dtype="datetime64[ns]"), "latitude": [1.5, 0.5], "longitude": [0.5, 1.5]}
    return xr.Dataset({"precipitation": (("time", "latitude", "longitude"), values)}, coords=axes)


def test_coverage_weighted_mean_by_hand() -> None:
    outlines = [box(0.5, 0.5, 1.75, 1.25), box(0.1, 0.1, 0.3, 0.2), Point(1.9, 1.9)]
    register = gpd.GeoDataFrame({"plantation_id": ["a", "b", "c"]}, geometry=outlines, crs="EPSG:4326")
    got = grid_to_plantations(_two_by_two(), register)[0]["precipitation"].tolist()
    assert got[0] == pytest.approx(29.3333, abs=5e-5)
    assert got[1:] == [30.0, 20.0]
