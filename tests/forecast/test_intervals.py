from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import PROBABILITIES, mean_from_quantiles
from plantation_rwa.forecast.intervals import (
    NORMAL,
    Spread,
    adapted_miss,
    calibrate,
    conformal_margin,
    conformal_quantiles,
    conformity,
    plantation_spread,
    predictive_quantiles,
)
from plantation_rwa.forecast.quantile_regression import fit_error_quantiles

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


def test_conformity_and_margin_on_a_toy() -> None:
    # interval [-1, 1] by the regression; nine errors, three of them outside by 0.5, 1 and 2
    errors = np.array([0.0, 0.5, -0.5, 0.9, -0.9, 0.2, 1.5, -2.0, 3.0])
    scores = conformity(np.full(9, -1.0), np.full(9, 1.0), errors)
    assert scores == pytest.approx([-1.0, -0.5, -0.5, -0.1, -0.1, -0.8, 0.5, 1.0, 2.0])
    # ceil(10 x .8) = 8th smallest, ceil(10 x .5) = 5th, ceil(10 x .95) = 10th: the largest of nine;
    # ceil(10 x .65) = 7th, where nine times .65 would give the 6th
    assert [conformal_margin(scores, a) for a in (0.2, 0.5, 0.05, 0.35)] == pytest.approx([1.0, -0.1, 2.0, 0.5])


def test_adaptation_by_hand() -> None:
    options = ASSUMPTIONS.override({"interval.aci_gamma": 0.1, "interval.aci_min_errors": 4}, where="tests")
    # month 0 gives margins; in month 1 both errors lie outside (missed 1), in month 2 none of two
    scores = np.array([1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 0.0, 0.0])
    months = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    first = 0.2 + 0.1 * (0.2 - 1.0)
    second = first + 0.1 * (0.2 - 0.0)
    assert adapted_miss(scores, months, 0.2, options) == pytest.approx(second)
    assert adapted_miss(scores[::-1], months[::-1], 0.2, options) == pytest.approx(second)
    assert adapted_miss(scores[:4], months[:4], 0.2, options) == 0.2


def _calibrated(errors: np.ndarray) -> Spread:
    months = np.arange(errors.shape[1])[:, None] + HORIZONS
    flat = np.broadcast_to(0.01 * NORMAL, (*errors.shape, 7))
    return calibrate(errors, flat, months, HORIZONS, ASSUMPTIONS)


def _quantiles(spread: Spread, mean: np.ndarray, scale: np.ndarray, variance: np.ndarray) -> np.ndarray:
    flat = np.broadcast_to(0.01 * NORMAL, (*mean.shape, 7))
    return predictive_quantiles(mean, spread, flat, scale, variance, HORIZONS)


def test_without_errors_the_assumed_spread() -> None:
    spread = _calibrated(np.empty((3, 0, 12)))
    assert spread.weight.tolist() == [0, 0, 0]
    assert spread.sd == pytest.approx(ASSUMPTIONS.number("interval.sd_month"))
    out = _quantiles(spread, np.ones((3, 12)), np.ones(3), np.zeros((3, 12)))
    assert (out[0, 0, 5] - out[0, 0, 1]) / 2 == pytest.approx(1.2816 * 0.25, rel=1e-3)


def test_many_errors_give_their_own_spread_around_the_forecast() -> None:
    rng = np.random.default_rng(5)
    errors = rng.normal(0.0, 0.2, (20, 40, 12))
    spread = _calibrated(errors)
    assert spread.sd == pytest.approx(0.2, rel=0.05)
    out = _quantiles(spread, np.full((1, 12), 2.0), np.ones(1), np.zeros((1, 12)))
    assert mean_from_quantiles(out) == pytest.approx(2.0, abs=1e-6)
    assert (out[..., 6] - out[..., 0]) / 2 == pytest.approx(2 * 1.645 * 0.2, rel=0.06)
    assert (out[..., 5] - out[..., 1]) / 2 == pytest.approx(2 * 1.2816 * 0.2, rel=0.06)


def test_a_bias_of_the_past_widens_and_does_not_move() -> None:
    errors = np.random.default_rng(5).normal(0.3, 0.2, (20, 40, 12))
    out = _quantiles(_calibrated(errors), np.ones((1, 12)), np.ones(1), np.zeros((1, 12)))
    assert mean_from_quantiles(out) == pytest.approx(1.0, abs=1e-6)
    assert (out[..., 6] - out[..., 0]).min() > 2 * 1.645 * 0.2 * 1.2


def test_buckets_do_not_mix() -> None:
    errors = np.random.default_rng(1).normal(size=(5, 30, 12)) * np.where(HORIZONS <= 3, 0.1, 0.5)
    spread = _calibrated(errors)
    assert spread.sd[0] < 0.15
    assert spread.sd[2] > 0.45
    assert (spread.margins[0] < 0.3 * spread.margins[2]).all()


def test_own_spread_is_shrunk_to_the_pooled_one() -> None:
    rng = np.random.default_rng(2)
    errors = np.full((3, 120), np.nan)
    errors[0], errors[1] = rng.normal(0, 0.1, 120), rng.normal(0, 0.5, 120)
    scale = plantation_spread(errors, errors, ASSUMPTIONS)
    assert scale[0] < 0.6 < 1.2 < scale[1]
    assert scale[2] == 1.0
    assert plantation_spread(np.full((2, 4), np.nan), np.full((2, 4), np.nan), ASSUMPTIONS).tolist() == [1.0, 1.0]


@given(st.floats(0, 5), st.floats(0, 2), st.floats(0.3, 3))
def test_quantiles_sorted_and_never_negative(mean: float, variance: float, scale: float) -> None:
    spread = _calibrated(np.random.default_rng(0).normal(0, 0.5, (2, 20, 12)))
    out = _quantiles(spread, np.full((1, 12), mean), np.array([scale]), np.full((1, 12), variance))
    assert (np.diff(out, axis=-1) >= 0).all()
    assert out.min() >= 0


def test_extra_variance_adds_to_the_spread() -> None:
    spread = _calibrated(np.empty((1, 0, 12)))
    mean, one = np.ones((1, 12)), np.ones(1)
    plain = _quantiles(spread, mean, one, np.zeros((1, 12)))
    wide = _quantiles(spread, mean, one, np.full((1, 12), 3 * 0.25**2))
    width = (wide[..., 5] - wide[..., 1]) / (plain[..., 5] - plain[..., 1])
    assert width == pytest.approx(2.0)


def test_a_plantation_of_double_spread_has_double_width() -> None:
    spread = _calibrated(np.empty((1, 0, 12)))
    out = _quantiles(spread, np.ones((2, 12)), np.array([1.0, 2.0]), np.zeros((2, 12)))
    assert out[1, 0, 5] - out[1, 0, 1] == pytest.approx(2 * (out[0, 0, 5] - out[0, 0, 1]))


def test_quantile_regression_finds_where_errors_are_wide_and_skewed() -> None:
    rng = np.random.default_rng(3)
    x = np.zeros((20_000, 6), dtype=np.float32)
    x[:, 1] = rng.uniform(0, 20, 20_000)
    errors = rng.normal(0, 1, 20_000) * np.where(x[:, 1] < 10, 0.1, 0.4)
    fitted = fit_error_quantiles(x, errors, ASSUMPTIONS)
    young, old = fitted.at(np.array([[0, 5, 0, 0, 0, 0], [0, 15, 0, 0, 0, 0]], dtype=np.float32))
    # a fifth of the weight is that of the spread of all
    pooled = np.diff(np.quantile(errors, [0.1, 0.9]))[0]
    assert young[5] - young[1] == pytest.approx(0.8 * 2 * 1.2816 * 0.1 + 0.2 * pooled, rel=0.1)
    assert old[5] - old[1] == pytest.approx(0.8 * 2 * 1.2816 * 0.4 + 0.2 * pooled, rel=0.1)
    again = fit_error_quantiles(x, errors, ASSUMPTIONS).at(x[:50])
    assert (again == fitted.at(x[:50])).all()


def test_few_errors_have_their_own_quantiles_everywhere() -> None:
    x = np.zeros((100, 6), dtype=np.float32)
    fitted = fit_error_quantiles(x, np.arange(100.0), ASSUMPTIONS)
    told = fitted.at(x[:1])[0]
    assert np.diff(told) == pytest.approx(np.diff(np.quantile(np.arange(100.0), PROBABILITIES)))
    assert mean_from_quantiles(1 + told) == pytest.approx(1.0, abs=1e-6)
    assert fit_error_quantiles(x[:0], np.empty(0), ASSUMPTIONS).at(x[:2]).tolist() == [[0.0] * 7] * 2


def test_a_bias_of_some_rows_is_no_spread() -> None:
    rng = np.random.default_rng(6)
    x = np.zeros((20_000, 6), dtype=np.float32)
    x[:, 1] = rng.uniform(0, 20, 20_000)
    fitted = fit_error_quantiles(x, rng.normal(0, 0.1, 20_000) + np.where(x[:, 1] < 10, 0.3, -0.3), ASSUMPTIONS)
    told = fitted.at(x[:200])
    assert mean_from_quantiles(1 + told) == pytest.approx(1.0, abs=1e-6)
