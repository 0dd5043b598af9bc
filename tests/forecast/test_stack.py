from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.forecast.stack import (
    bucket_of,
    combine,
    level_ratio,
    ratio_beyond,
    simplex_weights,
    stack_weights,
)

HORIZONS = np.arange(1, 13)


def test_buckets_and_what_lies_beyond() -> None:
    assert bucket_of(np.array([1, 3, 4, 6, 7, 12, 13, 60])).tolist() == [0, 0, 1, 1, 2, 2, 2, 2]


def test_the_perfect_member_takes_all() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(2, 1, 200)
    members = np.stack([y + rng.normal(0, 1, 200), y, y + 1.0], axis=1)
    assert simplex_weights(members, y) == pytest.approx([0, 1, 0], abs=1e-4)


def test_equal_independent_errors_share_equally_and_opposite_ones_cancel() -> None:
    y = np.zeros(4)
    assert simplex_weights(np.array([[1.0, -1], [-1, 1], [1, -1], [-1, 1]]), y) == pytest.approx([0.5, 0.5])


@given(st.integers(0, 1000))
def test_no_other_point_of_the_simplex_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, members = rng.normal(size=30), rng.normal(size=(30, 3))
    best = simplex_weights(members, y)
    loss = ((members @ best - y) ** 2).mean()
    assert best.sum() == pytest.approx(1.0)
    assert best.min() >= 0
    for other in rng.dirichlet(np.ones(3), 50):
        assert loss <= ((members @ other - y) ** 2).mean() + 1e-6


def test_no_rows_equal_weights() -> None:
    assert simplex_weights(np.empty((0, 3)), np.empty(0)).tolist() == [1 / 3] * 3


def test_stack_weights_are_shrunk_by_the_origins_compared_and_differ_by_bucket() -> None:
    observed = np.ones((1, 6, 12))
    right, wrong = np.ones((1, 6, 12)), np.full((1, 6, 12), 3.0)
    early = np.where(HORIZONS <= 3, right, wrong)
    late = np.where(HORIZONS <= 3, wrong, right)
    # six origins against equal weights worth six: half and half
    weights = stack_weights(np.stack([early, late]), observed, np.ones((1, 6, 12)), HORIZONS, 6.0)
    assert weights[0] == pytest.approx([0.75, 0.25])
    assert weights[1] == pytest.approx([0.25, 0.75])
    out = combine(np.stack([early, late]), weights, HORIZONS)
    assert out[0, 0, 0] == pytest.approx(0.75 * 1 + 0.25 * 3)
    observed[:, 2:] = np.nan
    few = stack_weights(np.stack([early, late]), observed, np.ones((1, 6, 12)), HORIZONS, 6.0)
    assert few[0] == pytest.approx([0.625, 0.375])


def test_the_months_beyond_go_from_the_last_ratio_to_the_level() -> None:
    mu = np.full((1, 12), 2.0)
    stacked = np.full((1, 12), 2.2)
    stacked[0, 11] = 3.4
    level = level_ratio(stacked, mu, HORIZONS)[0]
    assert np.exp(level) == pytest.approx((5 * 2.2 + 3.4) / 12)
    beyond = ratio_beyond(stacked, mu, HORIZONS, np.array([13, 14, 16, 40]))[0]
    own = np.log(1.7)
    assert beyond == pytest.approx([0.75 * own + 0.25 * level, 0.5 * own + 0.5 * level, level, level])


def test_level_without_mature_area_is_one() -> None:
    assert level_ratio(np.zeros((1, 12)), np.zeros((1, 12)), HORIZONS).tolist() == [0.0]
    assert ratio_beyond(np.zeros((1, 12)), np.zeros((1, 12)), HORIZONS, np.array([13])).tolist() == [[0.0]]
