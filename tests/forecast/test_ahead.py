from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.ahead import look_ahead, sampled_factors
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.near_term import near_term
from plantation_rwa.forecast.prior import Water
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged().override({"boosting.max_iter": 10}, where="tests")
MADE = portfolio(11, plantations=3, months=100)
MONTHS = np.arange(1, 73)
CUBE = build_cube(MADE.panel, MADE.stand, dt.date(2025, 12, 31), 72, ASSUMPTIONS)


def _water(filled: np.ndarray, delay: int = 0) -> Water:
    return Water(filled, np.zeros((*filled.shape, 12)), delay)


def test_a_climate_year_goes_round_by_hand() -> None:
    # two years, the second with 120 mm in its first month; kernel: all weight on the harvest month itself
    filled = np.zeros((1, 24))
    filled[0, 12] = 120.0
    factors = sampled_factors(_water(filled), np.array([1.0]), 0.1, 24, np.array([1, 2, 13, 25]), 0.0)
    assert factors is not None
    dry = np.exp(-0.1 * 0.12 * 120.0)
    assert factors[:, 0] == pytest.approx(np.array([[1, 1, dry, 1], [dry, 1, 1, dry]]))


def test_known_months_are_the_same_in_every_year() -> None:
    filled = np.arange(36.0)[None]
    kernel = np.zeros(13)
    kernel[12] = 1.0
    factors = sampled_factors(_water(filled, delay=1), kernel, 0.1, 36, np.array([11, 12]), 5.0)
    assert factors is not None
    assert factors.shape == (2, 1, 2)
    # eleven months ahead lag 12 is month 34, the newest known; twelve ahead it is not known yet
    assert factors[:, 0, 0] == pytest.approx(np.exp(-0.1 * 0.12 * 34.0))
    assert factors[0, 0, 1] != factors[1, 0, 1]
    assert sampled_factors(_water(filled[:, :11]), kernel, 0.1, 11, np.array([1]), 5.0) is None


def test_level_fades_and_years_differ_more_the_further_ahead() -> None:
    past = near_term(CUBE, 36, ASSUMPTIONS)
    ahead = look_ahead(CUBE, past, MONTHS, ASSUMPTIONS)
    assert (ahead.mean[:, :12] == past.mean).all()
    departure = ahead.effect - past.levels.portfolio[-1]
    assert departure[:, 23] == pytest.approx(0.8 * departure[:, 11])
    assert departure[:, 71] == pytest.approx(0.8**5 * departure[:, 11])
    assert (ahead.climate_variance[:, :12] == 0).all()
    assert (ahead.climate_variance[:, 40:] > 0).any()
    # the same seasons under the same years: from three years on nothing of today's weather is left
    assert ahead.climate_variance[:, 48:60] == pytest.approx(ahead.climate_variance[:, 60:72], abs=1e-12)


def test_without_an_effect_of_drought_years_do_not_differ() -> None:
    past = near_term(CUBE, 36, ASSUMPTIONS)
    calm = dataclasses.replace(past, fit=dataclasses.replace(past.fit, beta=0.0))
    ahead = look_ahead(CUBE, calm, MONTHS, ASSUMPTIONS)
    assert (ahead.climate_variance == 0).all()
    assert np.isfinite(ahead.annual).all()
