from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.dependence import annual_ratio, annual_sd, default_dependence, estimate_dependence

ASSUMPTIONS = packaged()


def _factors(rng: np.random.Generator, months: int, loadings: tuple[float, float, float], phi: float) -> np.ndarray:
    def series(count: int) -> np.ndarray:
        out = rng.normal(size=(count, months))
        for t in range(1, months):
            out[:, t] = phi * out[:, t - 1] + np.sqrt(1 - phi**2) * out[:, t]
        return out

    region = np.repeat(series(2), 5, axis=0)
    return loadings[0] * series(1) + loadings[1] * region + loadings[2] * series(10)


def test_annual_ratio_of_independent_and_of_constant_shocks() -> None:
    assert annual_ratio(0.0) == pytest.approx(1 / np.sqrt(12))
    assert annual_ratio(1.0) == pytest.approx(1.0)


def test_defaults_give_the_assumed_annual_spreads() -> None:
    default = default_dependence(ASSUMPTIONS)
    assert sum(v * v for v in default.loadings) == pytest.approx(1.0)
    annual = np.array([v * annual_ratio(a) for v, a in zip(default.loadings, default.ar1, strict=True)])
    assert annual / annual[2] == pytest.approx([0.066 / 0.12, 0.06 / 0.12, 1.0])
    month = 0.12 / annual[2]
    assert 0.22 < month < 0.28
    assert annual_sd(np.array([month]), default)[0] == pytest.approx(np.sqrt(0.066**2 + 0.06**2 + 0.12**2))


def test_without_errors_the_defaults() -> None:
    out, default = (
        estimate_dependence(np.full((2, 40), np.nan), ["a", "b"], ASSUMPTIONS),
        default_dependence(ASSUMPTIONS),
    )
    assert out.loadings == pytest.approx(default.loadings)
    assert out.ar1 == default.ar1


def test_one_plantation_cannot_move_the_loadings() -> None:
    errors = np.random.default_rng(0).normal(size=(1, 100))
    out = estimate_dependence(errors, ["a"], ASSUMPTIONS)
    assert out.loadings == pytest.approx(default_dependence(ASSUMPTIONS).loadings)


def test_a_long_record_recovers_the_factors() -> None:
    truth = (0.6, 0.4, float(np.sqrt(1 - 0.36 - 0.16)))
    errors = 0.2 * _factors(np.random.default_rng(4), 6000, truth, 0.5)
    out = estimate_dependence(errors, ["a"] * 5 + ["b"] * 5, ASSUMPTIONS)
    assert out.loadings == pytest.approx(truth, abs=0.06)
    assert out.ar1 == pytest.approx((0.5, 0.5, 0.5), abs=0.06)


def test_squares_of_the_loadings_sum_to_one_on_short_noise() -> None:
    for seed in range(20):
        errors = np.random.default_rng(seed).normal(size=(4, 30))
        out = estimate_dependence(errors, ["a", "a", "b", "b"], ASSUMPTIONS)
        assert sum(v * v for v in out.loadings) == pytest.approx(1.0)
        assert min(out.loadings) >= 0
        assert all(0 <= a < 1 for a in out.ar1)
