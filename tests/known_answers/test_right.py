"""Known answers of a right's value: floors as puts, premium, default of obligors; domain/valuation.md section 9."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from plantation_rwa.assumptions import packaged
from plantation_rwa.periods import year_fraction
from plantation_rwa.valuation.defaults import NEVER, Defaults, Party, Terms, operational_time, stressed_years
from plantation_rwa.valuation.discounting import ZeroCurve
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import Book
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.conftest import make_forecast, make_market, make_model, make_prices, make_register, make_rights

YEARLY = 0.20 * 100 * 20 * 818.8


def put(forward: float, strike: float, t: float, sigma: float, rate: float) -> float:
    """Black (1976)."""
    d1 = math.log(forward / strike) / (sigma * math.sqrt(t)) + sigma * math.sqrt(t) / 2
    d2 = d1 - sigma * math.sqrt(t)
    return math.exp(-rate * t) * (strike * norm.cdf(-d2) - forward * norm.cdf(-d1))


def test_kat_15_the_oracle_itself() -> None:
    """Hull's 20-20 put, Haug's 19-19 option, and a palm oil put."""
    assert put(20, 20, 4 / 12, 0.25, 0.09) == pytest.approx(1.1166414566, abs=1e-9)
    assert put(19, 19, 0.75, 0.28, 0.10) == pytest.approx(1.7010507252, abs=1e-9)
    assert put(3900, 3200, 2, 0.28, 0.036) == pytest.approx(255.0800833649, abs=1e-9)


def test_kat_16_floor_strip_of_the_oracle() -> None:
    strip = [put(4000 * math.exp(-0.01 * t), 3200, t, 0.28, 0.036) for t in range(1, 6)]
    assert strip == pytest.approx([122.989607, 250.423948, 349.537651, 428.587367, 492.681857], abs=1e-6)
    assert sum(strip) == pytest.approx(1644.220430, abs=1e-6)


def oil_right(**terms: Any) -> tuple[Book, Right]:
    """A right on 1 t of palm oil a month: OER 1, no kernel or costs, certain harvest, flat curve, one factor."""
    plain = packaged().override(
        {
            "price_model.sigma_chi": 1e-9, "price_model.rho": 0.0, "price_model.sigma_xi": 0.28, "pk.sigma": 0.0,
            "price_model.mu_xi_star": -0.28**2 / 2, "farm_gate.realised_sd": 0.0, "disaster.rate_per_year": 0.0,
            "netback.freight_myr_t": 0, "netback.milling_myr_t": 0, "netback.haulage_myr_t": 0, "discount.hazard": 0.0,
            "discount.spread_production": 0.0, "discount.spread_liquidity": 0.0,
        },
        where="test",
    )  # fmt: skip
    forecasts = make_forecast("P1", 36)
    forecasts[[c for c in forecasts if c.startswith("yield_")]] = 0.01
    market = make_market(
        futures=make_market().futures.iloc[:0],
        fiscal=make_market().fiscal.iloc[:0],
        prices=make_prices(cpo_my=("2025-12-31", 4000.0, "MYR"), pk_my=("2025-12-31", 2600.0, "MYR")),
        rates=make_market().rates.iloc[:2].assign(zero_rate=0.036),
    )
    rights = make_rights(("P1",), share=1.0, tenor_months=36, frequency_months=1, payment_lag_months=0, **terms)
    book = Book(
        forecasts.assign(ffb_mean_t=1.0), pd.DataFrame([make_model("P1")]), make_register(oer=1.0, ker=0.0), rights,
        market, dt.date(2026, 1, 31), 11, 20_000, "MYR", plain,
    )  # fmt: skip
    return book, book.terms()[0]


def test_a_floor_is_worth_its_strip_of_puts() -> None:
    """Value with floor less value without = sum of Black-76 puts, volume being certain; likewise a cap, by parity."""
    terms = ({}, {"price_floor": 3200.0, "price_basis": "cpo"}, {"price_cap": 3200.0, "price_basis": "cpo"})
    plain, floored, capped = ((b.valuer(36), r) for b, r in (oil_right(**t) for t in terms))
    valuer, right = plain
    values = [v.fair(r) for v, r in (plain, floored, capped)]
    schedule = valuer.schedule(right, "MYR")
    strip = 0.0
    for t, paid in zip(valuer.drivers.times, schedule.paid, strict=True):
        strip += paid * put(4000, 3200, t, 0.28, 0.0)
    assert values[1] - values[0] == pytest.approx(strip, rel=0.03)
    # floor + cap = price + strike, on every path
    strikes = 3200 * math.fsum(schedule.paid.tolist())
    assert values[1] + values[2] == pytest.approx(values[0] + strikes, rel=1e-12)


def test_kat_18_premium_in_the_price_or_in_the_rate() -> None:
    """F e^(-rT) = E_P e^(-(r + pi) T): 4000 at 3.6 %, premium 5 %, two years."""
    model = SchwartzSmith(1.2, 1e-9, 1e-9, 0.0, 0.0, 0.05, 0.0)
    expected = 4000 * model.premium(2.0)
    assert 4000 * math.exp(-0.036 * 2) == pytest.approx(3722.123583244823, abs=1e-9)
    assert expected * math.exp(-(0.036 + 0.05) * 2) == pytest.approx(3722.123583244823, abs=1e-9)


@pytest.mark.parametrize(
    ("day_count", "years"),
    [("ACT/365F", 2.252054794520548), ("ACT/ACT", 2.251717942959802), ("ACT/360", 822 / 360), ("30/360", 2.25)],
)
def test_kat_21_day_counts(day_count: str, years: float) -> None:
    found = year_fraction(dt.date(2025, 11, 15), dt.date(2028, 2, 15), day_count)
    assert found == pytest.approx(years, abs=1e-12)
    assert year_fraction(dt.date(2025, 11, 15), dt.date(2028, 2, 15), "ACT/360") == pytest.approx(2.283333333, abs=1e-9)


def test_a_day_count_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="'ACT/252' is none of ACT/365F"):
        year_fraction(dt.date(2025, 11, 15), dt.date(2028, 2, 15), "ACT/252")


def weights(hazard: float, lgd: float, rate: float = 0.04) -> np.ndarray:
    """Value today of 1 at the end of each of five years, paid with its accrual, recovered without delay."""
    time = np.arange(0, 61)[:, None] / 12.0
    terms = Terms(np.arange(12, 61, 12), np.arange(12, 61, 12), Party("S", hazard, lgd), None, 1.0)
    paid = np.exp(-rate * np.arange(1, 6))
    return Defaults(1, time).expected_weights(terms, paid, paid)[:, 0]


def test_kat_22_annuity_and_right_at_ten_percent() -> None:
    riskless = weights(0.0, 0.0, math.log(1.10))
    assert riskless.sum() == pytest.approx(3.7907867694, abs=1e-10)
    assert pytest.approx(327_520) == YEARLY
    assert YEARLY * riskless.sum() == pytest.approx(1_241_558.4827, abs=1e-4)
    middle = 1.10 ** -(np.arange(1, 6) - 0.5)
    assert YEARLY * middle.sum() == pytest.approx(1_302_157.5222, abs=1e-4)


@pytest.mark.parametrize(
    ("hazard", "lgd", "expected"),
    [(0.0, 1.0, 1_454_745.8343), (0.02, 1.0, 1_372_767.7418), (0.02, 0.6, 1_405_558.9788)],
)
def test_kat_22_hazard_and_recovery(hazard: float, lgd: float, expected: float) -> None:
    assert YEARLY * weights(hazard, lgd).sum() == pytest.approx(expected, abs=1e-4)


def test_kat_23_survival() -> None:
    assert weights(0.02, 1.0, 0.0)[4] == pytest.approx(0.9048374180, abs=1e-10)


def test_spread_and_late_recovery_by_hand() -> None:
    # 0.9 recovered of what is missed in year 1, one year later: e^-.03 (e^-.02 + 0.9 (1 - e^-.02) e^-.03)
    terms = Terms(np.array([12]), np.array([12]), Party("S", 0.02, 0.1), None, 1.0)
    found = Defaults(1, np.arange(0, 25)[:, None] / 12.0).expected_weights(
        terms, np.array([math.exp(-0.03)]), np.array([math.exp(-0.06)])
    )
    expected = math.exp(-0.03) * (math.exp(-0.02) + 0.9 * (1 - math.exp(-0.02)) * math.exp(-0.03))
    assert found[0, 0] == pytest.approx(expected)


def test_kat_23_discount_curve_is_continuous() -> None:
    assert ZeroCurve("MYR", dt.date(2025, 12, 31), (1.0,), (0.04,)).factor(5.0) == pytest.approx(math.exp(-0.2))


@pytest.mark.parametrize("transit", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("mill", [None, Party("M", 0.5, 0.4)])
def test_expected_weights_are_the_mean_of_what_happens(transit: float, mill: Party | None) -> None:
    """Closed form against 200,000 simulated default times, stressed years included."""
    paths = 200_000
    stressed = np.zeros((48, paths), dtype=bool)
    stressed[12:24, ::2] = True
    defaults = Defaults(3, operational_time(stressed, 3.0))
    accrual = np.arange(1, 31)
    terms = Terms(accrual, accrual + 3, Party("S", 0.3, 0.6), mill, transit)
    paid, late = np.exp(-0.05 * terms.cash / 12), np.exp(-0.05 * (terms.cash / 12 + 1))
    expected = defaults.expected_weights(terms, paid, late).mean(axis=1)
    on_time, late_share = defaults.realised(terms)
    found = (paid[:, None] * on_time + late[:, None] * late_share).mean(axis=1)
    assert found == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(paths))


def test_all_rights_of_one_sponsor_fail_in_the_same_month() -> None:
    time = np.arange(0, 61)[:, None] / 12.0 * np.ones(1000)
    mine, same = (Defaults(3, time).month(Party("S", 0.05, lgd), sponsor=True) for lgd in (0.6, 0.2))
    other = Defaults(3, time).month(Party("T", 0.05, 0.6), sponsor=True)
    assert (mine == same).all()
    assert (mine != other).any()
    assert 0.15 < (mine < NEVER).mean() < 0.30


def test_cover_below_one_by_hand() -> None:
    """Price 900, share 20 %: (900 - 180 - charges) / 180 < 1 where charges exceed 540, on average over the year."""
    price = np.full((12, 3), 900.0)
    charges = np.array([530.0, 540.0, 550.0])[None, :] * np.ones((12, 1))
    assert stressed_years(price, charges, 0.20)[0].tolist() == [False, False, True]
