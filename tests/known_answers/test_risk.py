"""Known answers of risk measures, attribution and scores: domain/valuation.md section 9, KAT-30 to KAT-36."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from plantation_rwa.valuation.bridge import sequential, shapley
from plantation_rwa.valuation.ghost import crps_of_paths
from plantation_rwa.valuation.measures import (
    advance_rate,
    euler_contributions,
    expected_shortfall,
    internal_rate,
    mirrored_error,
    over_collateralisation,
    quantile_sorted,
    tail_weights,
    value_at_risk,
)

N = 1_000_000
Z = norm.ppf((np.arange(N) + 0.5) / N)


def test_kat_23_internal_rate() -> None:
    rates = internal_rate(1000.0, np.array([[250.0, 200.0]] * 5), np.arange(1.0, 6.0))
    assert rates[0] == pytest.approx(0.07930826116, abs=1e-10)
    assert rates[1] == pytest.approx(0.0, abs=1e-10)


def test_kat_30_lognormal_present_value() -> None:
    """Mean 1e6, log sd 0.25, on a grid of a million equally likely values."""
    pv = 1e6 * np.exp(0.25 * Z - 0.25**2 / 2)
    assert float(quantile_sorted(pv, 0.10)) == pytest.approx(703_534.8319, rel=1e-5)
    assert float(quantile_sorted(pv, 0.50)) == pytest.approx(969_233.2345, rel=1e-5)
    assert float(quantile_sorted(pv, 0.90)) == pytest.approx(1_335_275.8389, rel=1e-5)
    losses = 1e6 - pv
    assert value_at_risk(losses, 0.95) == pytest.approx(357_548.1501, rel=2e-5)
    assert 1e6 - expected_shortfall(losses, 0.95) == pytest.approx(581_117.9624, rel=2e-5)


@pytest.mark.parametrize(("alpha", "var", "es"), [(0.95, 1.6448536, 2.0627128), (0.99, 2.3263479, 2.6652142)])
def test_kat_31_normal(alpha: float, var: float, es: float) -> None:
    assert value_at_risk(Z, alpha) == pytest.approx(var, abs=1e-4)
    assert expected_shortfall(Z, alpha) == pytest.approx(es, abs=1e-4)


def test_kat_33_pool_spread_and_contributions() -> None:
    """sd_n = sigma sqrt(1/n + (1 - 1/n) rho), and Euler contributions that add up."""
    for n, expected in ((10, 0.1216552506), (100, 0.1108151614)):
        assert 0.2 * math.sqrt(1 / n + (1 - 1 / n) * 0.3) == pytest.approx(expected, abs=1e-10)
    rng = np.random.default_rng(5)
    common, own = rng.normal(size=20_000), rng.normal(size=(10, 20_000))
    pv = 100 * (1 + 0.2 * (math.sqrt(0.3) * common + math.sqrt(0.7) * own))
    assert pv.mean(axis=0).std() / 100 == pytest.approx(0.1216552506, rel=0.02)
    parts = euler_contributions(np.full(10, 100.0), pv, 0.95)
    assert parts.sum() == pytest.approx(expected_shortfall(1000 - pv.sum(axis=0), 0.95), rel=1e-12)


def test_tail_weights_reproduce_the_shortfall_with_a_fractional_tail() -> None:
    losses = np.array([3.0, 10.0, 1.0, 9.0, 8.0, 2.0, 4.0, 5.0, 6.0, 7.0])
    weights = tail_weights(losses, 0.75)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights * losses).sum() == pytest.approx(9.2)


def test_kat_34_crps_of_an_ensemble() -> None:
    """{1, 2, 3} at 2: 2/9, fair 0 (scoringrules), and a dense normal ensemble at 0 and 1."""
    found, error = crps_of_paths(np.array([1.0, 2.0, 3.0]), 2.0), 2 / 3
    assert found == pytest.approx(2 / 9, abs=1e-15)
    # the fair score takes the spread from pairs of different members: 3/2 of that of all pairs
    assert error - 1.5 * (error - found) == pytest.approx(0.0, abs=1e-15)
    dense = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert crps_of_paths(dense, 0.0) == pytest.approx(0.2336949773, abs=2e-5)
    assert crps_of_paths(dense, 1.0) == pytest.approx(0.6024413576, abs=2e-5)
    assert crps_of_paths(np.array([5.0]), 2.0) == 3.0


def test_kat_35_bridge_of_a_product() -> None:
    """V = a b from (2, 3) to (3, 5): one after the other 3 and 6, Shapley 4 and 5."""
    old, new = (2.0, 3.0), (3.0, 5.0)

    def value(state: tuple[bool, ...]) -> float:
        a, b = (n if s else o for s, o, n in zip(state, old, new, strict=True))
        return a * b

    assert sequential(value, 2) == [3.0, 6.0]
    assert shapley(value, 2) == [4.0, 5.0]
    with pytest.raises(ValueError, match="at most 8"):
        shapley(lambda state: 0.0, 9)


def test_advance_rate_is_the_smallest_of_three() -> None:
    """domain/valuation.md 3.3."""
    assert advance_rate(100.0, 30.0, 0.6) == 0.6
    assert advance_rate(100.0, 55.0, 0.6) == pytest.approx(0.45)
    assert advance_rate(100.0, 30.0, 0.6, 40.0) == pytest.approx(0.40)
    assert advance_rate(100.0, 130.0, 0.6) == 0.0
    assert advance_rate(0.0, 30.0, 0.6) is None
    assert over_collateralisation(0.4) == pytest.approx(1.5)
    assert over_collateralisation(0.0) is None


def test_monte_carlo_error_of_mirrored_paths() -> None:
    """Linear: mirrors cancel, no error. Squares: both of a pair are equal, sqrt(2 / pairs). An odd path is left out."""
    z = np.random.default_rng(5).standard_normal(20_001)
    for paths in (40_000, 40_001):
        half = (paths + 1) // 2
        mirrored = np.concatenate([z[:half], -z[:half]])[:paths]
        assert mirrored_error(3.0 + 2.0 * mirrored) == pytest.approx(0.0, abs=1e-12)
        assert mirrored_error(mirrored**2) == pytest.approx(math.sqrt(2 / (paths // 2)), rel=0.03)
    assert mirrored_error(np.array([1.0, 2.0, 3.0])) is None


def test_monte_carlo_error_covers_the_mean_of_many_runs() -> None:
    """Lognormal values: means of 400 runs spread as the error of one says."""
    rng = np.random.default_rng(6)
    runs = [np.exp(0.5 * np.concatenate([z, -z])) for z in rng.standard_normal((400, 200))]
    errors = [float(mirrored_error(r) or 0.0) for r in runs]
    assert np.std([r.mean() for r in runs]) == pytest.approx(np.mean(errors), rel=0.1)
