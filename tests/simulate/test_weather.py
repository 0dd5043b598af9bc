"""Simulated weather: shape, statistics, and independence of what is asked for."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from plantation_rwa.periods import Month
from plantation_rwa.simulate import weather
from plantation_rwa.simulate.geography import REGIONS, invent

FIRST, LAST = dt.date(1996, 1, 1), dt.date(2025, 12, 31)


@pytest.fixture(scope="module")
def calm():
    months = [str(Month(1996, 1) + i) for i in range(360)]
    return pd.Series(0.0, index=months)


@pytest.mark.parametrize("climate", sorted(REGIONS))
def test_monthly_rain_follows_the_normals(climate, calm):
    totals = np.mean(
        [
            weather.monthly_rain(days, values["precipitation"])["p_sum_mm"].to_numpy().reshape(-1, 12).mean(axis=0)
            for days, values in (weather.region_weather(seed, climate, calm, FIRST, LAST) for seed in range(3))
        ],
        axis=0,
    )
    normals = np.array(REGIONS[climate].rain_mm)
    assert totals.sum() == pytest.approx(normals.sum(), rel=0.08)
    assert np.corrcoef(totals, normals)[0, 1] > 0.9


def test_wet_days_persist(calm):
    _, values = weather.region_weather(1, "sabah", calm, FIRST, LAST)
    wet = values["precipitation"] >= 1.0
    after_wet, after_dry = wet[1:][wet[:-1]].mean(), wet[1:][~wet[:-1]].mean()
    assert after_wet - after_dry == pytest.approx(0.30, abs=0.08)


def test_el_nino_dries_july_to_november(calm):
    warm = calm + 2.0
    rain = [weather.region_weather(4, "central_kalimantan", oni, FIRST, LAST) for oni in (calm, warm)]
    monthly = [
        weather.monthly_rain(d, v["precipitation"])["p_sum_mm"].to_numpy().reshape(-1, 12).mean(axis=0) for d, v in rain
    ]
    ratio = monthly[1] / monthly[0]
    assert ratio[7:11].max() < 0.75
    assert ratio[:5].min() > 0.95


def test_enso_index_has_its_forced_event_and_real_spread():
    index = weather.enso(3, Month(1990, 1), Month(2025, 12))
    assert 2.2 <= index.max() <= 4.0
    assert 0.5 < np.mean([weather.enso(s, Month(1990, 1), Month(2025, 12)).std() for s in range(6)]) < 1.3


def test_index_text_reads_back():
    from plantation_rwa.simulate.sample import read_oni

    index = weather.enso(3, Month(2020, 1), Month(2021, 12))
    pd.testing.assert_series_equal(read_oni(weather.oni_text(index)), index)


def test_local_weather_is_physical(calm):
    _, values = weather.region_weather(2, "peninsular", calm, FIRST, LAST)
    local = weather.vary(2, "P", values)
    assert (local["t2m_max"] > local["t2m_min"]).mean() > 0.999
    assert local["rh"].min() >= 45
    assert local["rh"].max() <= 100
    assert (local["precipitation"] >= 0).all()


def test_grid_mean_over_an_estate_weights_by_overlap(calm):
    days, values = weather.region_weather(2, "sabah", calm, dt.date(2024, 1, 1), dt.date(2024, 3, 1))
    field = weather.grid(2, "sabah", days, values, (117.0, 5.0, 117.2, 5.1), 0.1)
    assert field.precipitation.shape == (61, 3, 4)
    estate = invent(1, 1, 0, 2026, (80, 100))[0]
    object.__setattr__(estate, "geometry", box(117.07, 5.02, 117.11, 5.06))
    mean = weather.over_estate(field, estate)["precipitation"]
    cells = field.precipitation.values[:, 1, 1:3].astype(float)
    np.testing.assert_allclose(mean, 0.75 * cells[:, 0] + 0.25 * cells[:, 1], atol=1e-6)


def test_a_product_of_rain_errs_as_told(calm):
    days, values = weather.region_weather(2, "sabah", calm, dt.date(2005, 1, 1), dt.date(2024, 12, 31))
    bounds, error = (117.0, 5.0, 117.2, 5.1), weather.GridError()
    got = weather.product(2, "sabah", days, values, bounds, 0.1, error)
    assert np.allclose(np.diff(got.longitude), 0.3)
    assert np.allclose(np.diff(got.latitude), -0.3)
    assert (got.longitude[0] - 0.15 <= 117.0) & (got.longitude[-1] + 0.15 >= 117.2)
    west, south = float(got.longitude[1]) - 0.15, float(got.latitude[1]) - 0.15
    inner = (west + 0.15, south + 0.15, west + 0.16, south + 0.16)
    fine = weather.grid(2, "sabah", days, values, inner, 0.1)
    true = fine.precipitation.mean(("latitude", "longitude")).to_numpy().astype(float)
    rain = got.precipitation[:, 1, 1].to_numpy().astype(float)
    wet = true > 0
    assert np.std(np.log(rain[wet & (true > 3)] / true[wet & (true > 3)])) == pytest.approx(0.3, abs=0.03)
    monthly = [rain[wet & (days.month == m)].sum() / true[wet & (days.month == m)].sum() - 1 for m in range(1, 13)]
    # three standard errors of a calendar month: 0.3 x 1.8 (heavy days weigh more) on about 200 wet days
    assert np.abs(monthly).max() < error.monthly_bias + 3 * 0.3 * 1.8 / np.sqrt(200)
    assert (rain[~wet] > 0).mean() == pytest.approx(0.14, abs=0.03)


def test_a_product_without_errors_is_the_mean_of_its_cells(calm):
    days, values = weather.region_weather(2, "sabah", calm, dt.date(2024, 1, 1), dt.date(2024, 3, 1))
    got = weather.product(
        2, "sabah", days, values, (117.0, 5.0, 117.2, 5.1), 0.1, weather.GridError(3, 0.0, 0.0, 0.0, 0.0)
    )
    lon, lat = float(got.longitude[1]), float(got.latitude[1])
    fine = weather.grid(2, "sabah", days, values, (lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01), 0.1)
    near = fine.sel(longitude=slice(lon - 0.14, lon + 0.14), latitude=slice(lat + 0.14, lat - 0.14))
    assert near.precipitation.shape[1:] == (3, 3)
    mean = near.precipitation.mean(("latitude", "longitude"))
    np.testing.assert_allclose(got.precipitation[:, 1, 1], mean, atol=0.051)


def test_a_cell_does_not_depend_on_the_extent(calm):
    days, values = weather.region_weather(2, "sabah", calm, dt.date(2024, 1, 1), dt.date(2024, 3, 1))
    small = weather.grid(2, "sabah", days, values, (117.0, 5.0, 117.1, 5.1), 0.1)
    large = weather.grid(2, "sabah", days, values, (116.9, 4.9, 117.2, 5.2), 0.1)
    cell = large.sel(latitude=small.latitude, longitude=small.longitude, method="nearest")
    np.testing.assert_array_equal(cell.precipitation.values, small.precipitation.values)
