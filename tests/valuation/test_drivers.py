from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from plantation_rwa import distributions
from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.drivers import Drivers, antithetic, autoregressive, month_times, yields

AS_OF = dt.date(2026, 1, 31)
PATHS = 8000


@pytest.fixture(scope="module")
def drivers(assumptions: Assumptions) -> Drivers:
    return Drivers(3, AS_OF, 60, PATHS, assumptions)


def within_four_standard_errors(paths: np.ndarray, expected: float = 1.0) -> bool:
    half = paths.shape[1] // 2
    pairs = (paths[:, :half] + paths[:, half:]) / 2
    errors = pairs.std(axis=1, ddof=1) / math.sqrt(half)
    return bool((np.abs(pairs.mean(axis=1) - expected) < 4 * errors + 1e-12).all())


def test_times_run_to_the_15th() -> None:
    assert month_times(AS_OF, 2).tolist() == [15 / 365, 43 / 365]


def test_kat_17_price_kernel_and_exchange_rate_are_martingales(drivers: Drivers) -> None:
    assert within_four_standard_errors(drivers.price)
    assert within_four_standard_errors(drivers.kernel)
    assert within_four_standard_errors(drivers.fx("IDR", "MYR"))


def test_a_wrong_drift_would_be_seen(drivers: Drivers) -> None:
    assert not within_four_standard_errors(drivers.price * np.exp(0.02 * drivers.times)[:, None])


def test_longer_runs_continue_shorter_ones_bit_by_bit(drivers: Drivers, assumptions: Assumptions) -> None:
    short = Drivers(3, AS_OF, 24, PATHS, assumptions)
    for name in ("price", "kernel", "premium"):
        assert np.array_equal(getattr(short, name), getattr(drivers, name)[:24])
    assert np.array_equal(short.fx("IDR", "MYR"), drivers.fx("IDR", "MYR")[:24])
    assert np.array_equal(short.k_index(0.92), drivers.k_index(0.92)[:24])
    key = ("P1", "R", (0.5, 0.5, math.sqrt(0.5)), (0.4, 0.3, 0.2))
    assert np.array_equal(short.yield_scores(*key), drivers.yield_scores(*key)[:24])


def test_second_half_mirrors_the_first_and_odd_numbers_work() -> None:
    paths = antithetic(1, "x", "", 3, 5)
    assert paths.shape == (3, 1, 5)
    assert np.array_equal(paths[:, :, :2], -paths[:, :, 3:])


def test_scores_have_unit_variance_and_the_stated_correlations(drivers: Drivers) -> None:
    loadings, ar1 = (0.5, 0.5, math.sqrt(0.5)), (0.6, 0.6, 0.6)
    a = drivers.yield_scores("P1", "R", loadings, ar1)
    b = drivers.yield_scores("P2", "R", loadings, ar1)
    c = drivers.yield_scores("P3", "S", loadings, ar1)
    assert np.abs(a.std(axis=1) - 1).max() < 0.05
    assert np.corrcoef(a[30], b[30])[0, 1] == pytest.approx(0.50, abs=0.05)
    assert np.corrcoef(a[30], c[30])[0, 1] == pytest.approx(0.25, abs=0.05)
    assert np.corrcoef(a[30], a[31])[0, 1] == pytest.approx(0.60, abs=0.05)


def test_common_yield_shock_moves_against_the_price(drivers: Drivers) -> None:
    common = drivers.yield_scores("P1", "R", (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    own = drivers.yield_scores("P1", "R", (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    first_price_shock = np.log(drivers.price[0])
    assert np.corrcoef(common[0], first_price_shock)[0, 1] == pytest.approx(-0.2, abs=0.05)
    assert abs(np.corrcoef(own[0], first_price_shock)[0, 1]) < 0.05


def test_autoregression_with_coefficient_one_stands_still() -> None:
    noise = antithetic(1, "x", "", 4, 6)[:, 0]
    assert np.array_equal(autoregressive(noise, 1.0), np.repeat(noise[:1], 4, axis=0))
    assert np.array_equal(autoregressive(noise, 0.0), noise)


def test_kernel_ratio_returns_to_its_long_run_mean(drivers: Drivers) -> None:
    mean = drivers.kernel_mean(0.96)
    assert mean[0] == pytest.approx(0.96, rel=0.02)
    assert mean[-1] == pytest.approx(0.65, rel=0.005)
    assert (np.diff(mean) < 0).all()
    assert drivers.kernel_mean(0.65) == pytest.approx(np.full(60, 0.65))


def test_k_stays_within_its_published_range(drivers: Drivers) -> None:
    k = drivers.k_index(0.93)
    assert k.min() >= 0.88
    assert k.max() <= 0.935
    assert drivers.k_index(0.91).mean() == pytest.approx(0.91, abs=0.001)


def test_yields_follow_the_published_quantiles(drivers: Drivers) -> None:
    q = np.array([0.9, 1.0, 1.2, 1.5, 1.8, 2.2, 2.5])
    scores = drivers.yield_scores("P1", "R", (0.5, 0.5, math.sqrt(0.5)), (0.4, 0.3, 0.2))
    paths = yields(scores, np.tile(q, (60, 1)))
    assert np.quantile(paths[5], distributions.PROBABILITIES) == pytest.approx(q, rel=0.05)
    assert within_four_standard_errors(paths, float(distributions.mean_from_quantiles(q)))


def test_months_without_forecast_yield_nothing() -> None:
    paths = yields(np.zeros((2, 4)), np.vstack([np.full(7, np.nan), np.full(7, 1.5)]))
    assert paths.tolist() == [[0.0] * 4, [1.5] * 4]
