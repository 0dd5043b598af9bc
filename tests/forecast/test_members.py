from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.cube import Cube, build_cube
from plantation_rwa.forecast.members import HORIZONS, MEMBERS, fit_members, fixed_of, ground_of, members_of
from plantation_rwa.forecast.near_term import Past, near_term
from tests.forecast.portfolio import portfolio

#: equal weights: what is left is fitted fold by fold
ASSUMPTIONS = packaged().override({"boosting.max_iter": 20, "boosting.equal_months": 1e300}, where="tests")
MADE = portfolio(5, plantations=4, months=90, unharvested=1)
CUBE = build_cube(MADE.panel, MADE.stand, dt.date(2025, 12, 31), 12, ASSUMPTIONS)
LAST = CUBE.months - 1


@pytest.fixture(scope="module")
def past() -> Past:
    return near_term(CUBE, 36, ASSUMPTIONS)


def _with_yields(after: int, factor: float) -> Cube:
    yields = CUBE.yields.copy()
    yields[:, after + 1 :] *= factor
    return dataclasses.replace(CUBE, yields=yields)


def test_folds_start_36_24_and_12_months_back(past: Past) -> None:
    assert past.calibration_forecast.shape == (4, 36, 12)
    observed = past.calibration_observed
    assert observed[0, 0, 0] == CUBE.yields[0, LAST - 35]
    assert observed[0, 23, 11] == CUBE.yields[0, LAST - 1]
    assert np.isnan(observed[:, 25:, 11]).all()


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_fold_is_fitted_on_what_was_known_at_its_first_origin(past: Past, fold: int) -> None:
    start = LAST - 36 + 12 * fold
    known = start - CUBE.delays["yield"]
    changed = near_term(_with_yields(known, 1.5), 36, ASSUMPTIONS)
    row = 12 * fold
    assert (changed.calibration_prior[:, row] == past.calibration_prior[:, row]).all()
    assert (changed.calibration_forecast[:, row] == past.calibration_forecast[:, row]).all()
    assert (changed.calibration_forecast[:3, row + 1] != past.calibration_forecast[:3, row + 1]).any()


def test_who_gets_the_stack(past: Past) -> None:
    assert past.stacked.tolist() == [True, True, True, False]
    assert past.observed_months.tolist()[3] == 0
    assert (past.mean[3] == past.mu[3]).all()
    assert (past.mean[:3] != past.mu[:3]).any()
    assert past.mean.shape == past.mu.shape == (4, len(HORIZONS))


def test_too_little_history_for_a_fold_is_the_prior() -> None:
    made = portfolio(5, plantations=2, months=34)
    cube = build_cube(made.panel, made.stand, dt.date(2025, 12, 31), 12, ASSUMPTIONS)
    past = near_term(cube, 12, ASSUMPTIONS)
    assert past.stacked.tolist() == [False, False]
    assert past.calibration_observed.shape == (2, 0, 12)
    assert (past.mean == past.mu).all()


def test_without_a_harvest_the_level_is_the_portfolios(past: Past) -> None:
    assert past.levels.effect[3, -1] == past.levels.portfolio[-1] != 0.0
    assert np.isnan(past.errors[3]).all()


def test_weights_are_those_of_the_members_and_sum_to_one(past: Past) -> None:
    assert past.weights.shape == (3, len(MEMBERS))
    assert past.weights == pytest.approx(1.0 / len(MEMBERS), abs=1e-6)
    learned = near_term(CUBE, 36, packaged()).weights
    assert learned.sum(axis=1) == pytest.approx(1.0)
    assert learned.min() > 0


def test_naive_members_by_hand() -> None:
    stacked = np.array([True, True, True, False])
    origin = LAST - 14
    fixed, every = fixed_of(CUBE, ASSUMPTIONS), np.arange(4)
    ground = ground_of(CUBE, fixed, every, np.arange(CUBE.months), ASSUMPTIONS)
    fitted, told = fit_members(CUBE, fixed, ground, origin, stacked, ASSUMPTIONS)
    made = members_of(fitted, told.at(np.array([origin])), CUBE)
    usual, newest = made[MEMBERS.index("climatology")][0, 0], made[MEMBERS.index("last_year")][0, 0]
    # three months ahead: years 12, 24, ... months before the target; relative to the stand's potential
    months = np.arange(origin + 3 - 12, -1, -12)
    ratio = CUBE.yields[0, months] / CUBE.potential[0, months]
    assert usual[2] == pytest.approx(CUBE.potential[0, origin + 3] * np.nanmean(ratio))
    assert newest[2] == pytest.approx(CUBE.potential[0, origin + 3] * ratio[0])
    # twelve months ahead the same month's harvest of the origin is not yet known
    assert CUBE.delays["yield"] == 1
    before = CUBE.yields[0, origin - 12] / CUBE.potential[0, origin - 12]
    assert newest[11] == pytest.approx(CUBE.potential[0, origin + 12] * before)


def test_quantiles_of_the_errors_are_sorted_and_of_their_size(past: Past) -> None:
    assert past.shape.shape == (4, 12, 7)
    assert past.calibration_shape.shape == (4, 36, 12, 7)
    assert (np.diff(past.shape, axis=-1) >= 0).all()
    assert past.calibration_months[0].tolist() == (LAST - 36 + HORIZONS).tolist()
