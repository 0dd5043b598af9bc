"""Baselines on series whose forecasts can be told by looking at them."""

from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.forecast.baselines import (
    SarimaTask,
    climatology,
    last_year,
    regional_climatology,
    sarima,
    sarima_training,
)

FIRST = 2020 * 12  # January 2020
HORIZONS = np.arange(1, 13)


def test_climatology_is_the_mean_of_the_calendar_month() -> None:
    """26 months from January 2020: January and February have three years, the others two."""
    yields = np.arange(26, dtype=float)[None, :]
    got = climatology(yields, FIRST, HORIZONS)[0]
    # horizon 1 is March 2022: months 2 and 14; horizon 11 is January 2023: months 0, 12, 24
    assert got[0] == pytest.approx(8.0)
    assert got[10] == pytest.approx(12.0)
    yields[0, 14] = np.nan
    assert climatology(yields, FIRST, HORIZONS)[0, 0] == pytest.approx(2.0)
    yields[0, 2] = np.nan
    assert np.isnan(climatology(yields, FIRST, HORIZONS)[0, 0])


def test_last_year_takes_the_newest_known_harvest_of_the_month() -> None:
    yields = np.arange(26, dtype=float)[None, :]
    got = last_year(yields, FIRST, HORIZONS)[0]
    assert got == pytest.approx(np.arange(14, 26))
    yields[0, 25] = np.nan  # February 2022 has not come in: February 2021 stands for February 2023
    assert last_year(yields, FIRST, HORIZONS)[0, 11] == pytest.approx(13.0)


def test_a_plantation_without_harvests_gets_the_mean_of_its_region() -> None:
    yields = np.stack([np.full(24, 1.0), np.full(24, 3.0), np.full(24, 8.0), np.full(24, np.nan), np.full(24, np.nan)])
    got = regional_climatology(yields, FIRST, HORIZONS, ("north", "north", "south", "north", "east"))
    assert got[:, 0] == pytest.approx([2, 2, 8, 2, 4])


def ahead(series: np.ndarray) -> np.ndarray:
    ends = sarima_training(series, FIRST)
    assert ends is not None
    return sarima(SarimaTask(series[ends[0] : ends[1]], (series[ends[0] :],)))[0]


def test_sarima_continues_a_season_and_needs_five_years() -> None:
    rng = np.random.default_rng(2)
    season = 2 + np.sin(2 * np.pi * np.arange(96) / 12)
    assert ahead(season + rng.normal(0, 0.05, 96)) == pytest.approx(season[:12], abs=0.2)
    assert sarima_training(np.where(np.arange(96) < 60, np.nan, season), FIRST) is None


def test_sarima_steps_over_gaps_and_leaves_constant_records_alone() -> None:
    rng = np.random.default_rng(4)
    season = 2 + np.sin(2 * np.pi * np.arange(108) / 12) + rng.normal(0, 0.05, 108)
    season[rng.choice(108, 20, replace=False)] = np.nan
    assert ahead(season) == pytest.approx(2 + np.sin(2 * np.pi * np.arange(12) / 12), abs=0.25)
    assert sarima_training(np.zeros(100), FIRST) is None
    # 50 months of nothing before the first harvest are not part of the record
    assert sarima_training(np.concatenate([np.full(50, np.nan), np.arange(70.0)]), FIRST) == (50, 120)


def test_sarima_parameters_do_not_see_the_running_year() -> None:
    """Two records that differ in the running year alone share the parameters of the December before."""
    rng = np.random.default_rng(3)
    series = 2 + np.sin(2 * np.pi * np.arange(90) / 12) + rng.normal(0, 0.1, 90)
    wild = series.copy()
    wild[85] = 9.0
    assert sarima_training(series, FIRST) == (0, 84)
    assert not np.allclose(ahead(series), ahead(wild))
    # the same filter is linear in the data: an outlier of +d moves the forecast as much as one of -d
    other = 2 * series - wild
    assert ahead(series) - ahead(other) == pytest.approx(ahead(wild) - ahead(series), abs=1e-6)
