"""Discount factors, annuities and credit legs. Source: domain/valuation.md 9 (KAT-20, 22, 23)."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from plantation_rwa.valuation.discounting import Credit, ZeroCurve, forward_fx, present_value, survival

NODES = [(0, 0.030), (1, 0.0305), (2, 0.0312), (3, 0.0318), (5, 0.033), (10, 0.035)]
YEARLY = 0.20 * 100 * 20 * 818.8


@pytest.mark.parametrize(
    ("day", "factor"),
    [
        ("2026-06-30", 0.985112268651579),
        ("2028-07-15", 0.923061276147802),
        ("2030-12-31", 0.847817048670378),
        ("2033-01-01", 0.789078010915408),
    ],
)
def test_kat_20_discount_factors(day: str, factor: float) -> None:
    curve = ZeroCurve.of_tenors("MYR", dt.date(2025, 12, 31), NODES)
    assert curve.discount(dt.date.fromisoformat(day)) == pytest.approx(factor, abs=1e-14)


def flat(rate: float) -> ZeroCurve:
    return ZeroCurve("MYR", dt.date(2025, 12, 31), (1.0,), (rate,))


def test_kat_22_annuity_and_right_at_ten_percent() -> None:
    curve, riskless = flat(math.log(1.10)), Credit(0.0, 0.0)
    assert present_value([1.0] * 5, range(1, 6), curve, riskless) == pytest.approx(3.7907867694, abs=1e-10)
    assert pytest.approx(327_520) == YEARLY
    assert present_value([YEARLY] * 5, range(1, 6), curve, riskless) == pytest.approx(1_241_558.4827, abs=1e-4)
    middle = [t - 0.5 for t in range(1, 6)]
    assert present_value([YEARLY] * 5, middle, curve, riskless) == pytest.approx(1_302_157.5222, abs=1e-4)


@pytest.mark.parametrize(
    ("hazard", "lgd", "expected"),
    [(0.0, 1.0, 1_454_745.8343), (0.02, 1.0, 1_372_767.7418), (0.02, 0.6, 1_405_558.9788)],
)
def test_kat_22_hazard_and_recovery(hazard: float, lgd: float, expected: float) -> None:
    value = present_value([YEARLY] * 5, range(1, 6), flat(0.04), Credit(hazard, lgd))
    assert value == pytest.approx(expected, abs=1e-4)


def test_kat_23_survival_and_forward_exchange_rate() -> None:
    assert survival(0.02, 5) == pytest.approx(0.9048374180, abs=1e-10)
    assert forward_fx(4.20, 0.033, 0.042, 2) == pytest.approx(4.1250763359, abs=1e-10)


def test_spread_and_late_recovery_by_hand() -> None:
    # 0.9 recovered of what is missed in year 1, one year later: e^-.03 (e^-.02 + 0.9 (1 - e^-.02) e^-.03)
    weight = Credit(hazard=0.02, lgd=0.1, recovery_lag=1.0, spread=0.01).weight(flat(0.02), 1.0)
    assert weight == pytest.approx(math.exp(-0.03) * (math.exp(-0.02) + 0.9 * (1 - math.exp(-0.02)) * math.exp(-0.03)))
