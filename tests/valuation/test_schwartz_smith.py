from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

MODEL = SchwartzSmith(1.2, 0.2072, 0.15, 0.30, 0.05, 0.01, -0.01125)


def test_paths_have_the_closed_form_variance() -> None:
    times = np.array([0.04, 0.5, 1.0, 3.0, 5.0])
    normals = np.random.default_rng(5).standard_normal((5, 2, 100_000))
    log_price, shocks = MODEL.simulate(times, normals)
    variances = [MODEL.log_variance(float(t)) for t in times]
    assert np.abs(log_price.var(axis=1) / variances - 1).max() < 4 * np.sqrt(2 / 100_000)
    assert np.abs(log_price.mean(axis=1) / np.sqrt(variances)).max() < 4 / np.sqrt(100_000)
    assert np.abs(shocks.std(axis=1) - 1).max() < 0.01


def test_one_long_step_has_the_variance_of_many_short_ones() -> None:
    # the exact step: no Euler error
    var_chi, var_xi, cov = MODEL.step_covariance(3.0)
    assert var_chi + var_xi + 2 * cov == pytest.approx(MODEL.log_variance(3.0), rel=1e-12)


def test_forward_at_time_zero_is_the_spot_and_premium_one() -> None:
    assert MODEL.forward(0.0, 0.1, 8.0) == pytest.approx(np.exp(8.1))
    assert MODEL.premium(0.0) == 1.0


def test_without_premia_expectation_and_forward_agree() -> None:
    neutral = SchwartzSmith(1.2, 0.2, 0.15, 0.3, 0.0, -0.01, -0.01)
    assert neutral.expected_spot(4.0, 0.2, 8.0) == pytest.approx(neutral.forward(4.0, 0.2, 8.0), rel=1e-14)
