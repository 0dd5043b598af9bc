"""The IRHO balance beyond its known answers: conservation, gaps, spin-up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plantation_rwa.features.water_balance import IrhoParameters, irho

SURRE = IrhoParameters(etp_dry_mm=150.0, etp_wet_mm=120.0, dry_max_rain_days=10, spin_up_months=12)
QUICK = settings(max_examples=50, deadline=None)
RAIN = arrays(np.float64, (3, 30), elements=st.integers(0, 600).map(float))
DAYS = arrays(np.float64, (3, 30), elements=st.integers(0, 31).map(float))


@QUICK
@given(RAIN, DAYS, st.sampled_from([100.0, 200.0, 300.0]))
def test_water_is_conserved(rain: np.ndarray, days: np.ndarray, full: float) -> None:
    got = irho(rain, days, full, SURRE)
    stored = got.reserve[:, -1] - full
    flows = rain.sum(axis=1) - got.etp.sum(axis=1) + got.deficit.sum(axis=1) - got.drainage.sum(axis=1)
    np.testing.assert_array_equal(stored, flows)  # whole numbers: exact


@QUICK
@given(RAIN, DAYS)
def test_bounds_and_exclusion(rain: np.ndarray, days: np.ndarray) -> None:
    got = irho(rain, days, 200.0, SURRE)
    assert ((got.reserve >= 0) & (got.reserve <= 200)).all()
    assert ((got.deficit == 0) | (got.reserve == 0)).all()
    assert ((got.drainage == 0) | (got.reserve == 200)).all()


@QUICK
@given(RAIN, DAYS, st.integers(1, 29))
def test_a_later_month_changes_nothing_before_it(rain: np.ndarray, days: np.ndarray, cut: int) -> None:
    whole, part = irho(rain, days, 200.0, SURRE), irho(rain[:, :cut], days[:, :cut], 200.0, SURRE)
    np.testing.assert_array_equal(whole.deficit[:, :cut], part.deficit)
    np.testing.assert_array_equal(whole.settled[:, :cut], part.settled)


@QUICK
@given(RAIN, DAYS)
def test_a_plantation_does_not_depend_on_its_neighbours(rain: np.ndarray, days: np.ndarray) -> None:
    together, alone = irho(rain, days, [100.0, 200.0, 300.0], SURRE), irho(rain[1], days[1], 200.0, SURRE)
    np.testing.assert_array_equal(together.reserve[1], alone.reserve[0])
    np.testing.assert_array_equal(together.settled[1], alone.settled[0])


@QUICK
@given(RAIN, DAYS, arrays(np.float64, 3, elements=st.integers(0, 600).map(float)), st.integers(0, 31))
def test_settled_values_after_a_gap_are_right_whatever_fell_in_it(
    rain: np.ndarray, days: np.ndarray, fell: np.ndarray, fell_days: int
) -> None:
    gap_rain, truth_rain, truth_days = rain.copy(), rain.copy(), days.copy()
    gap_rain[:, 14] = np.nan
    truth_rain[:, 14], truth_days[:, 14] = fell, fell_days
    got, truth = irho(gap_rain, days, 200.0, SURRE), irho(truth_rain, truth_days, 200.0, SURRE)
    assert not got.settled[:, 14].any()
    np.testing.assert_array_equal(got.deficit[got.settled], truth.deficit[got.settled])
    np.testing.assert_array_equal(got.reserve[got.settled], truth.reserve[got.settled])


def test_the_threshold_of_rain_days_is_inclusive() -> None:
    assert irho([[0.0, 0.0]], [[10, 11]], 200.0, SURRE).etp[0].tolist() == [150.0, 120.0]


def test_spin_up_ends_after_twelve_months_and_starts_with_the_record() -> None:
    rain = np.full((2, 15), 100.0)
    rain[1, :2] = np.nan  # the second record begins two months later
    got = irho(rain, np.full((2, 15), 5.0), 200.0, SURRE)
    assert got.settled[0].tolist() == [False] * 12 + [True] * 3
    assert got.settled[1].tolist() == [False] * 14 + [True]
    assert got.reserve[1, 2] == pytest.approx(150.0)


def test_after_a_gap_a_filling_month_settles_the_balance() -> None:
    rain = np.full((1, 18), 100.0)
    rain[0, 13], rain[0, 16] = np.nan, 400.0
    got = irho(rain, np.full((1, 18), 5.0), 200.0, SURRE)
    # 100 mm against 150: from empty a deficit of 50, from full none; 400 mm fills both
    assert got.settled[0, 12:].tolist() == [True, False, False, False, True, True]
    assert np.isnan(got.deficit[0, 13])
    assert got.reserve[0, 16:].tolist() == [200.0, 150.0]
