from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from plantation_rwa import distributions
from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.drivers import Drivers, antithetic, autoregressive, month_times, yields
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.panels import TRUTH

AS_OF = dt.date(2026, 1, 31)
PATHS = 8000
NO_MEMORY = (0.0, 0.0, 0.0, 0.0)


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


def test_kat_17_every_month_with_and_without_the_shift_to_the_curve(assumptions: Assumptions) -> None:
    """Paths from the model's own state have its forwards as means; shifted ones those of the market's curve."""
    model, chi, xi = SchwartzSmith(1.2, 0.2072, 0.15, 0.30, 0.05, 0.02, -0.01125), 0.1, 8.2
    own = Drivers(5, AS_OF, 60, PATHS, assumptions, model)
    forwards = np.array([model.forward(float(t), chi, xi) for t in own.times])
    # without shift: exact steps of (chi, xi) under the pricing measure from the filtered state
    log_price, _ = model.simulate(own.times, antithetic(5, "price", "", 60, PATHS, 2))
    decay = np.exp(-model.kappa * own.times)
    mean = decay * chi + xi + model.mu_xi_star * own.times - (1 - decay) * model.lambda_chi / model.kappa
    unshifted = np.exp(log_price + mean[:, None])
    assert within_four_standard_errors(unshifted / forwards[:, None])
    # with shift: F_market / F_model times the same paths is the driver times the market's forward
    market = 4100.0 * np.exp(-0.03 * own.times)
    shifted = unshifted * (market / forwards)[:, None]
    assert within_four_standard_errors(shifted / market[:, None])
    assert shifted == pytest.approx(own.price * market[:, None], rel=1e-12)


def test_kat_18_both_measures_agree_on_what_a_forward_is_worth() -> None:
    # F e^{-rT} = E_P[S] e^{-(r + pi) T}, with pi the model's premium
    value = 4000 * math.exp(-0.036 * 2)
    assert value == pytest.approx(4000 * math.exp(0.05 * 2) * math.exp(-0.086 * 2), rel=1e-14)
    assert value == pytest.approx(3722.123583244815, abs=5e-11)
    for model in (SchwartzSmith(1.49, 0.286, 0.145, 0.3, 0.157, -0.0125, 0.0115), TRUTH):
        for t in (0.1, 1.0, 5.0, 10.0):
            forward, expected = model.forward(t, 0.1, 8.2), model.expected_spot(t, 0.1, 8.2)
            premium = math.log(model.premium(t)) / t
            assert forward * math.exp(-0.036 * t) == pytest.approx(
                expected * math.exp(-(0.036 + premium) * t), rel=1e-13
            )


def test_enso_moves_yields_after_its_lag_and_prices_the_exchange_rate(assumptions: Assumptions) -> None:
    a = assumptions.override({"drivers.correlation": {"cpo-enso": 0.5, "cpo-fx": 0.4, "pk-fx": 0.3}}, where="test")
    made = Drivers(3, AS_OF, 30, PATHS, a)
    common = made.yield_scores("P1", "R", (1.0, 0.0, 0.0, 0.0), NO_MEMORY)
    price = made.model.simulate(made.times, antithetic(3, "price", "", 30, PATHS, 2))[1]
    enso = made._shock("enso")

    def corr(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x, y)[0, 1])

    assert corr(enso[4], common[14]) == pytest.approx(-0.6 * math.sqrt(1 - 0.25), abs=0.04)
    assert abs(corr(enso[4], common[4])) < 0.15
    assert corr(price[4], enso[4]) == pytest.approx(0.5, abs=0.04)
    assert corr(price[3], common[3]) == pytest.approx(-0.2, abs=0.04)
    rate = np.diff(np.log(made.fx("USD", "MYR", "MYR")), axis=0)
    assert corr(price[5], rate[4]) == pytest.approx(0.4, abs=0.04)
    turned = Drivers(3, AS_OF, 30, PATHS, a)
    assert corr(price[5], np.diff(np.log(turned.fx("MYR", "USD", "MYR")), axis=0)[4]) == pytest.approx(-0.4, abs=0.04)
    apart = Drivers(3, AS_OF, 30, PATHS, a)
    assert abs(corr(price[5], np.diff(np.log(apart.fx("IDR", "USD", "MYR")), axis=0)[4])) < 0.04


def test_what_a_mill_pays_a_plantation_differs_by_plantation_and_is_right_on_average(drivers: Drivers) -> None:
    one, other = drivers.realised("P1"), drivers.realised("P2")
    assert within_four_standard_errors(np.vstack([one, other]))
    assert np.log(one).std() == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_a_wrong_drift_would_be_seen(drivers: Drivers) -> None:
    assert not within_four_standard_errors(drivers.price * np.exp(0.02 * drivers.times)[:, None])


def test_longer_runs_continue_shorter_ones_bit_by_bit(drivers: Drivers, assumptions: Assumptions) -> None:
    short = Drivers(3, AS_OF, 24, PATHS, assumptions)
    for name in ("price", "kernel", "premium"):
        assert np.array_equal(getattr(short, name), getattr(drivers, name)[:24])
    assert np.array_equal(short.fx("IDR", "MYR"), drivers.fx("IDR", "MYR")[:24])
    assert np.array_equal(short.k_index(0.92), drivers.k_index(0.92)[:24])
    key = ("P1", "R", (0.5, 0.5, 0.5, 0.5), (0.4, 0.3, 0.9, 0.2))
    assert np.array_equal(short.yield_scores(*key), drivers.yield_scores(*key)[:24])


def test_second_half_mirrors_the_first_and_odd_numbers_work() -> None:
    paths = antithetic(1, "x", "", 3, 5)
    assert paths.shape == (3, 1, 5)
    assert np.array_equal(paths[:, :, :2], -paths[:, :, 3:])


def test_scores_have_unit_variance_and_the_stated_correlations(drivers: Drivers) -> None:
    loadings, ar1 = (0.5, 0.5, 0.5, 0.5), (0.6, 0.6, 0.6, 0.6)
    a = drivers.yield_scores("P1", "R", loadings, ar1)
    b = drivers.yield_scores("P2", "R", loadings, ar1)
    c = drivers.yield_scores("P3", "S", loadings, ar1)
    assert np.abs(a.std(axis=1) - 1).max() < 0.05
    assert np.corrcoef(a[30], b[30])[0, 1] == pytest.approx(0.50, abs=0.05)
    assert np.corrcoef(a[30], c[30])[0, 1] == pytest.approx(0.25, abs=0.05)
    assert np.corrcoef(a[30], a[31])[0, 1] == pytest.approx(0.60, abs=0.05)


def test_the_own_shock_is_a_level_and_monthly_noise(drivers: Drivers) -> None:
    """Correlation by hand: 0.3 x 0.98^k + 0.7 x 0.37^k; one AR(1) would have forgotten by a year."""
    scores = drivers.yield_scores("P1", "R", (0.0, 0.0, math.sqrt(0.3), math.sqrt(0.7)), (0.0, 0.0, 0.98, 0.37))
    assert np.abs(scores.std(axis=1) - 1).max() < 0.05
    for apart in (1, 3, 12, 24):
        told = float(np.mean([np.corrcoef(scores[k], scores[k + apart])[0, 1] for k in range(0, 36, 3)]))
        assert told == pytest.approx(0.3 * 0.98**apart + 0.7 * 0.37**apart, abs=0.015), apart


def test_common_yield_shock_moves_against_the_price(drivers: Drivers) -> None:
    common = drivers.yield_scores("P1", "R", (1.0, 0.0, 0.0, 0.0), NO_MEMORY)
    own = drivers.yield_scores("P1", "R", (0.0, 0.0, 0.0, 1.0), NO_MEMORY)
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
    scores = drivers.yield_scores("P1", "R", (0.5, 0.5, 0.5, 0.5), (0.4, 0.3, 0.9, 0.2))
    paths = yields(scores, np.tile(q, (60, 1)))
    assert np.quantile(paths[5], distributions.PROBABILITIES) == pytest.approx(q, rel=0.05)
    assert within_four_standard_errors(paths, float(distributions.mean_from_quantiles(q)))


def test_months_without_forecast_yield_nothing() -> None:
    paths = yields(np.zeros((2, 4)), np.vstack([np.full(7, np.nan), np.full(7, 1.5)]))
    assert paths.tolist() == [[0.0] * 4, [1.5] * 4]
