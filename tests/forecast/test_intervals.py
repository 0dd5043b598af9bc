from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import PROBABILITIES, mean_from_quantiles
from plantation_rwa.forecast.intervals import calibrate, conformal_quantiles, plantation_spread, predictive_quantiles

ASSUMPTIONS = packaged()
HORIZONS = np.arange(1, 13)


def test_conformal_ranks_by_hand() -> None:
    # n = 19: (n + 1) p = 1, 2, 5, 10, 15, 18, 19
    assert conformal_quantiles(np.arange(1.0, 20.0)[::-1], PROBABILITIES).tolist() == [1, 2, 5, 10, 15, 18, 19]
    # n = 10: 0.55, 1.1, 2.75, 5.5, 8.25, 9.9, 10.45 -> outwards, kept inside the sample
    assert conformal_quantiles(np.arange(1.0, 11.0), PROBABILITIES).tolist() == [1, 1, 2, 5.5, 9, 10, 10]


@given(st.integers(0, 500), st.integers(9, 60))
def test_conformal_interval_covers_at_least_the_nominal_share(seed: int, n: int) -> None:
    errors = np.random.default_rng(seed).normal(size=n)
    low, high = conformal_quantiles(errors, np.array([0.25, 0.75]))
    assert ((errors >= low) & (errors <= high)).mean() >= 0.5


def test_without_errors_the_assumed_spread() -> None:
    spread = calibrate(np.empty((3, 0, 12)), HORIZONS, ASSUMPTIONS)
    assert spread.count.tolist() == [0, 0, 0]
    assert spread.sd == pytest.approx(ASSUMPTIONS.number("interval.sd_month"))
    assert (spread.quantiles[:, -2] - spread.quantiles[:, 1]) / 2 == pytest.approx(1.2816 * 0.25, rel=1e-3)


def test_many_errors_give_their_own_spread_and_bias_widens_instead_of_moving() -> None:
    rng = np.random.default_rng(5)
    errors = rng.normal(0.0, 0.4, (20, 40, 12))
    centred = calibrate(errors, HORIZONS, ASSUMPTIONS)
    assert centred.sd == pytest.approx(0.4, rel=0.05)
    shifted = calibrate(errors + 0.3, HORIZONS, ASSUMPTIONS)
    assert shifted.sd == pytest.approx(0.5, rel=0.05)
    for quantiles in (*centred.quantiles, *shifted.quantiles):
        assert mean_from_quantiles(1 + quantiles) == pytest.approx(1.0, abs=1e-6)


def test_buckets_do_not_mix() -> None:
    errors = np.random.default_rng(1).normal(size=(5, 30, 12)) * np.where(HORIZONS <= 3, 0.1, 0.5)
    spread = calibrate(errors, HORIZONS, ASSUMPTIONS)
    assert spread.sd[0] < 0.15
    assert spread.sd[2] > 0.45


def test_own_spread_is_shrunk_to_the_pooled_one() -> None:
    rng = np.random.default_rng(2)
    errors = np.full((3, 120), np.nan)
    errors[0], errors[1] = rng.normal(0, 0.1, 120), rng.normal(0, 0.5, 120)
    scale = plantation_spread(errors, np.array([120.0, 120.0, 0.0]), ASSUMPTIONS)
    assert scale[0] < 0.6 < 1.2 < scale[1]
    assert scale[2] == 1.0
    assert plantation_spread(np.full((2, 4), np.nan), np.zeros(2), ASSUMPTIONS).tolist() == [1.0, 1.0]


@given(st.floats(0, 5), st.floats(0, 2), st.floats(0.3, 3))
def test_quantiles_sorted_and_never_negative(mean: float, variance: float, scale: float) -> None:
    spread = calibrate(np.random.default_rng(0).normal(0, 0.5, (2, 20, 12)), HORIZONS, ASSUMPTIONS)
    out = predictive_quantiles(np.full((1, 12), mean), spread, np.array([scale]), np.full((1, 12), variance), HORIZONS)
    assert (np.diff(out, axis=-1) >= 0).all()
    assert out.min() >= 0


def test_extra_variance_adds_to_the_spread() -> None:
    spread = calibrate(np.empty((1, 0, 12)), HORIZONS, ASSUMPTIONS)
    mean, one = np.ones((1, 12)), np.ones(1)
    plain = predictive_quantiles(mean, spread, one, np.zeros((1, 12)), HORIZONS)
    wide = predictive_quantiles(mean, spread, one, np.full((1, 12), 3 * 0.25**2), HORIZONS)
    width = (wide[..., -1] - wide[..., 0]) / (plain[..., -1] - plain[..., 0])
    assert width == pytest.approx(2.0)


def test_a_plantation_of_double_spread_has_double_width() -> None:
    spread = calibrate(np.empty((1, 0, 12)), HORIZONS, ASSUMPTIONS)
    out = predictive_quantiles(np.ones((2, 12)), spread, np.array([1.0, 2.0]), np.zeros((2, 12)), HORIZONS)
    assert out[1, 0, 5] - out[1, 0, 1] == pytest.approx(2 * (out[0, 0, 5] - out[0, 0, 1]))
