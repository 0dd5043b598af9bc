"""Closed forms with the published parameters of Schwartz and Smith (2000). Source: domain/valuation.md 9."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from plantation_rwa.assumptions import packaged
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

OIL = SchwartzSmith(1.49, 0.286, 0.145, 0.300, 0.157, -0.0125, 0.0115)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (1 / 12, -0.006476388355), (5 / 12, -0.025940762830), (9 / 12, -0.036519576014), (13 / 12, -0.040679873092),
        (17 / 12, -0.040559673190), (1, -0.040114357012), (5, 0.026823604500),
    ],
)  # fmt: skip
def test_kat_11_a_term(t: float, expected: float) -> None:
    assert OIL.a_term(t) == pytest.approx(expected, abs=1e-11)


def test_kat_11_variance() -> None:
    assert OIL.log_variance(1) == pytest.approx(0.060014900849, abs=1e-11)
    assert OIL.log_variance(5) == pytest.approx(0.149262932042, abs=1e-11)


@pytest.mark.parametrize(
    ("t", "forward", "expected"),
    [
        (0.5, 17.8887092548, 18.6811787764), (1, 17.1792968789, 18.1982747646),
        (2, 16.9228796463, 17.8264562940), (5, 17.8837556647, 17.6229258160),
    ],
)  # fmt: skip
def test_kat_12_forward_and_real_world_expectation(t: float, forward: float, expected: float) -> None:
    assert OIL.forward(t, 0.119, 2.857) == pytest.approx(forward, abs=1e-9)
    assert OIL.expected_spot(t, 0.119, 2.857) == pytest.approx(expected, abs=1e-9)
    assert OIL.premium(t) == pytest.approx(expected / forward, rel=1e-10)


def test_kat_12_tenth_and_ninetieth_percentile_of_the_price_in_a_year() -> None:
    """The published ones (NFCP) lie about the mean; those of the lognormal price about its median, lower by Var/2."""
    middle = math.exp(-OIL.kappa) * 0.119 + 2.857 + OIL.mu_xi
    spread = math.sqrt(OIL.log_variance(1)) * norm.ppf(0.90)
    published = np.array([13.2948012775, 24.9102786491])
    mean = OIL.expected_spot(1, 0.119, 2.857)
    assert mean * np.exp([-spread, spread]) == pytest.approx(published, abs=1e-9)
    lower = published * math.exp(-OIL.log_variance(1) / 2)
    assert np.exp([middle - spread, middle + spread]) == pytest.approx(lower, abs=1e-9)


def test_prior_has_the_stated_volatilities() -> None:
    """Front volatility 29.0 %, sd of ln S 22.3 / 31.7 / 38.2 % at 1, 3, 5 years (domain/valuation.md 2.3)."""
    prior = SchwartzSmith.prior(packaged())
    assert prior.front_volatility() == pytest.approx(0.290, abs=5e-5)
    for years, sd in ((1, 0.223), (3, 0.317), (5, 0.382)):
        assert math.sqrt(prior.log_variance(years)) == pytest.approx(sd, abs=5e-4)
    assert prior.mu_xi_star == pytest.approx(-(prior.sigma_xi**2) / 2)
