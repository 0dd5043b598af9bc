"""Discount factors and forward exchange rates. Source: domain/valuation.md 9 (KAT-20, 23)."""

from __future__ import annotations

import datetime as dt

import pytest

from plantation_rwa.valuation.discounting import ZeroCurve, forward_fx

NODES = [(0, 0.030), (1, 0.0305), (2, 0.0312), (3, 0.0318), (5, 0.033), (10, 0.035)]


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


def test_kat_23_forward_exchange_rate() -> None:
    assert forward_fx(4.20, 0.033, 0.042, 2) == pytest.approx(4.1250763359, abs=1e-10)
