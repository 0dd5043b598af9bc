from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.dependence import (
    Dependence,
    Levels,
    annual_ratio,
    annual_sd,
    default_dependence,
    estimate_dependence,
    estimate_levels,
    own_shares,
)
from plantation_rwa.valuation.drivers import Drivers, yields

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
    one = Levels(0.0, 0.0, default.ar1[2])
    assert annual_sd(np.array([month]), default, one, np.zeros(1))[0] == pytest.approx(
        np.sqrt(0.066**2 + 0.06**2 + 0.12**2)
    )
    # a level that never changes has no monthly noise to average out
    still = annual_sd(np.array([month]), default, Levels(1.0, 1.0, 0.0), np.ones(1))[0]
    assert still == pytest.approx(np.sqrt(0.066**2 + 0.06**2 + (month * default.loadings[2]) ** 2))


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


def _own_errors(seed: int, share: float, years: int = 30) -> np.ndarray:
    """Errors of forecasts a year apart: a level that stays within the year, and monthly noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(40, years, 12))
    for k in range(1, 12):
        noise[..., k] = 0.37 * noise[..., k - 1] + np.sqrt(1 - 0.37**2) * noise[..., k]
    return 0.2 * (np.sqrt(share) * rng.normal(size=(40, years, 1)) + np.sqrt(1 - share) * noise)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_slow_share_of_the_own_shock_is_recovered(share: float) -> None:
    free = ASSUMPTIONS.override({"dependence.shrinkage_years": 0.0}, where="tests")
    errors = _own_errors(1, share)
    common = np.random.default_rng(2).normal(0, 0.1, (1, 30, 12))
    assert estimate_levels(errors + common, free).share == pytest.approx(share, abs=0.04)
    errors[:, ::2, 3:] = np.nan
    assert estimate_levels(errors, free).share == pytest.approx(share, abs=0.06)


def test_a_common_level_is_no_slow_share_of_the_own_shock() -> None:
    free = ASSUMPTIONS.override({"dependence.shrinkage_years": 0.0}, where="tests")
    errors = _own_errors(1, 0.0) + np.random.default_rng(2).normal(0, 0.3, (1, 30, 1))
    assert estimate_levels(errors, free).share < 0.05


def test_little_record_leaves_the_assumed_slow_share() -> None:
    assert estimate_levels(np.full((5, 3, 12), np.nan), ASSUMPTIONS).share == ASSUMPTIONS.number(
        "dependence.level_share"
    )
    shrunk = estimate_levels(_own_errors(1, 0.6, years=1), ASSUMPTIONS).share
    assert 0.12 < shrunk < 0.25


def test_what_is_unknown_of_a_level_is_slow_by_hand() -> None:
    """Own share of variance 0.8: 0.8 x 0.05 x 0.12 = 0.0048 of 0.04 is slow; 0.02 unknown makes 0.0248 of 0.056."""
    levels, law = Levels(0.12, 0.98, 0.37), Dependence((np.sqrt(0.1), np.sqrt(0.1), np.sqrt(0.8)), (0.9, 0.9, 0.6))
    month, unknown = np.full(4, 0.05), np.array([0.0, 0.02, -0.001, -1.0])
    found = own_shares(levels, law, month, unknown, np.array([0.0, 0.02, 0.0, 0.0]))
    assert found == pytest.approx([0.12, 0.0248 / 0.056, 0.0038 / 0.04, 0.0])
    # nothing known of the errors, and a level that is all that is unknown
    assert own_shares(levels, law, np.zeros(2), np.array([0.0, 0.1]), np.array([0.0, 0.1])) == pytest.approx(
        [0.12, 0.95]
    )


def test_the_assumed_slow_share_gives_the_assumed_annual_spread() -> None:
    share, month = (ASSUMPTIONS.number(f"dependence.{n}") for n in ("level_share", "ar1_month"))
    level = ASSUMPTIONS.number("dependence.ar1_level")
    annual = 0.23 * np.sqrt(share * annual_ratio(level) ** 2 + (1 - share) * annual_ratio(month) ** 2)
    assert annual == pytest.approx(ASSUMPTIONS.number("dependence.annual_sd_own"), rel=0.05)


def test_joint_paths_have_the_published_quantiles_and_correlations() -> None:
    loadings, ar1 = (0.4, 0.5, 0.3, np.sqrt(1 - 0.5)), (0.9, 0.9, 0.98, 0.37)
    quantiles = np.array([[0.4, 0.6, 0.9, 1.2, 1.5, 1.9, 2.1]] * 24) * np.linspace(0.8, 1.3, 24)[:, None]
    drivers = Drivers(7, dt.date(2025, 12, 31), 24, 20_000, ASSUMPTIONS)
    scores = {
        name: drivers.yield_scores(name, region, loadings, ar1) for name, region in (("a", "x"), ("b", "x"), ("c", "y"))
    }
    paths = {name: yields(z, quantiles) for name, z in scores.items()}
    for values in paths.values():
        below = (values[:, None, :] <= quantiles[:, :, None]).mean(axis=-1)
        # four standard errors of 20,000 paths
        assert np.abs(below - PROBABILITIES).max() < 4 * np.sqrt(0.25 / 20_000)

    def correlation(one: str, two: str) -> float:
        return float(np.mean([np.corrcoef(scores[one][k], scores[two][k])[0, 1] for k in range(24)]))

    assert correlation("a", "b") == pytest.approx(0.4**2 + 0.5**2, abs=0.02)
    assert correlation("a", "c") == pytest.approx(0.4**2, abs=0.02)
