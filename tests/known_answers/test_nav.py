"""Integer values and empirical tail measures. Source: domain/valuation.md 4.3, 9 (KAT-31, 32, 45)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from plantation_rwa.units import minor_units, unit_value
from plantation_rwa.valuation.measures import expected_shortfall, herfindahl, quantile_sorted, value_at_risk


@pytest.mark.parametrize(("total", "units", "expected"), [(1000, 100, 10), (2700, 300, 9), (1200, 150, 8)])
def test_kat_45_unit_value(total: int, units: int, expected: int) -> None:
    assert unit_value(minor_units(float(total), 2), units, 2) == expected * 10**18


def test_kat_45_unit_value_rounds_down() -> None:
    assert unit_value(100_000, 3, 2) == 333333333333333333333


def test_minor_units_are_the_floor_of_the_decimal_text() -> None:
    assert minor_units(0.29, 2) == 29
    assert minor_units(1241558.4899, 2) == 124155848
    assert minor_units(-0.011, 2) == -2


def test_kat_32_empirical_losses_1_to_100() -> None:
    losses = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))
    assert value_at_risk(losses, 0.95) == 95
    assert expected_shortfall(losses, 0.95) == 98


def test_expected_shortfall_with_a_fractional_tail() -> None:
    # 10 losses at 75 %: the two worst whole and half of the third, (10 + 9 + 8 / 2) / 2.5
    assert expected_shortfall(np.arange(1.0, 11.0), 0.75) == pytest.approx(9.2)
    assert value_at_risk(np.arange(1.0, 11.0), 0.75) == 8


def test_kat_31_normal_tail() -> None:
    losses = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert value_at_risk(losses, 0.95) == pytest.approx(1.6448536, abs=1e-4)
    assert expected_shortfall(losses, 0.95) == pytest.approx(2.0627128, abs=1e-3)
    assert expected_shortfall(losses, 0.975) == pytest.approx(2.3378028, abs=1e-3)


def test_kat_33_concentration() -> None:
    index = herfindahl([50.0, 30.0, 20.0])
    assert index == pytest.approx(0.38)
    assert 1 / (index or 0) == pytest.approx(2.6315789, abs=1e-7)
    assert herfindahl([0.0, 0.0]) is None


@pytest.mark.parametrize(
    ("n", "p", "position"), [(2000, 0.05, 100), (2000, 0.95, 1900), (400, 0.975, 390), (10, 0.05, 1), (7, 0.5, 4)]
)
def test_inverted_cdf_takes_an_observed_value(n: int, p: float, position: int) -> None:
    assert float(quantile_sorted(np.arange(1.0, n + 1), p)) == position
    assert float(np.quantile(np.arange(1.0, n + 1), p, method="inverted_cdf")) == position
