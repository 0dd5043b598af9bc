"""The published quantile function: knots, mean, and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.distributions import PROBABILITIES, extended_knots, mean_from_quantiles, quantile_values

#: quantiles of the uniform distribution on 0 .. 2
UNIFORM = 2 * PROBABILITIES

sorted_quantiles = st.lists(st.floats(0, 10), min_size=7, max_size=7).map(lambda v: np.array(sorted(v)))


def test_a_uniform_distribution_is_continued_to_its_ends() -> None:
    p, v = extended_knots(UNIFORM)
    assert p.tolist() == [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1]
    assert v == pytest.approx([0, 0.1, 0.2, 0.5, 1, 1.5, 1.8, 1.9, 2.0])
    assert mean_from_quantiles(UNIFORM) == pytest.approx(1.0)
    assert quantile_values(np.array([0.0, 0.3, 1.0]), UNIFORM) == pytest.approx([0.0, 0.6, 2.0])


def test_mean_by_hand() -> None:
    quantiles = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
    # ends: 1 - (2 - 1) = 0 and 8 + (8 - 6) = 10; trapezoids over 0 .05 .1 .25 .5 .75 .9 .95 1
    by_hand = 0.05 * 0.5 + 0.05 * 1.5 + 0.15 * 2.5 + 0.25 * 3.5 + 0.25 * 4.5 + 0.15 * 5.5 + 0.05 * 7 + 0.05 * 9
    assert mean_from_quantiles(quantiles) == pytest.approx(by_hand)


def test_a_yield_is_never_below_zero() -> None:
    quantiles = np.array([0.1, 0.8, 1.0, 1.2, 1.4, 1.6, 1.7])
    assert extended_knots(quantiles)[1][0] == 0.0
    assert (quantile_values(np.linspace(0, 1, 11), np.zeros(7)) == 0).all()


@given(sorted_quantiles)
def test_draws_reproduce_the_published_quantiles_and_mean(quantiles: np.ndarray) -> None:
    assert quantile_values(PROBABILITIES, quantiles) == pytest.approx(quantiles)
    u = (np.arange(4000) + 0.5) / 4000
    draws = quantile_values(u, quantiles)
    assert (np.diff(draws) >= -1e-12).all()
    assert draws.min() >= 0
    assert draws.mean() == pytest.approx(float(mean_from_quantiles(quantiles)), abs=2e-3 * (1 + quantiles[-1]))


def test_many_distributions_at_once() -> None:
    several = np.stack([UNIFORM, 3 * UNIFORM]).reshape(1, 2, 7)
    assert mean_from_quantiles(several) == pytest.approx(np.array([[1.0, 3.0]]))
    assert extended_knots(several)[1].shape == (1, 2, 9)
