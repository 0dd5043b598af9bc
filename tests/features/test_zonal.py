"""Properties of coverage fractions and weighted statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from plantation_rwa.features.zonal import coverage
from tests.features.compiled_values import weighted_mean, weighted_quantile
from tests.features.scene_factory import grid

_PAIRS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.75]), st.floats(0.01, 1.0)), min_size=1, max_size=12
)
_LEVELS = st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.75, 0.9])


def _arrays(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    values, weights = zip(*pairs, strict=True)
    return np.array(values), np.array(weights)


def test_coverage_sums_to_the_area() -> None:
    shape = Polygon([(300_013, 199_990), (300_377, 199_941), (300_301, 199_612), (300_111, 199_655)])
    fractions = coverage(shape, grid())
    assert fractions.sum() * 100 == pytest.approx(shape.area, rel=1e-9)
    assert fractions.min() >= 0
    assert fractions.max() <= 1


def test_coverage_of_a_multipolygon_and_of_nothing() -> None:
    two = MultiPolygon([box(300_000, 199_990, 300_010, 200_000), box(300_020, 199_995, 300_030, 200_000)])
    assert coverage(two, grid(1, 3)).tolist() == [[1.0, 0.0, 0.5]]
    assert coverage(Polygon(), grid(1, 3)).tolist() == [[0.0, 0.0, 0.0]]


def test_coverage_ignores_ground_beside_the_grid() -> None:
    assert coverage(box(299_000, 199_000, 301_000, 201_000), grid(2, 2)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_nothing_to_summarise() -> None:
    empty, nan = np.empty(0), np.array([np.nan])
    assert math.isnan(weighted_mean(empty, empty))
    assert math.isnan(weighted_quantile(empty, empty, 0.5))
    assert math.isnan(weighted_mean(nan, np.ones(1)))
    assert math.isnan(weighted_quantile(np.ones(1), np.zeros(1), 0.5))


@given(_PAIRS, _LEVELS, st.randoms(use_true_random=False))
def test_quantile_does_not_depend_on_the_order_of_pixels(
    pairs: list[tuple[float, float]], q: float, random: object
) -> None:
    mixed = list(pairs)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert weighted_quantile(*_arrays(mixed), q) == weighted_quantile(*_arrays(pairs), q)


@given(_PAIRS, _LEVELS)
def test_splitting_a_pixel_changes_nothing(pairs: list[tuple[float, float]], q: float) -> None:
    split = [(v, w / 2) for v, w in pairs for _ in range(2)]
    assert weighted_quantile(*_arrays(split), q) == weighted_quantile(*_arrays(pairs), q)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_equal_weights_give_the_ordinary_median(values: list[float]) -> None:
    found = weighted_quantile(np.array(values), np.ones(len(values)), 0.5)
    assert found == pytest.approx(float(np.median(values)), abs=1e-15)


@given(_PAIRS)
def test_quantiles_are_monotone_and_inside(pairs: list[tuple[float, float]]) -> None:
    values, weights = _arrays(pairs)
    found = [weighted_quantile(values, weights, q) for q in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (values.min(), values.max())


@settings(max_examples=30, deadline=None)
@given(st.floats(5, 300), st.floats(5, 300), st.floats(20, 90), st.floats(20, 90))
def test_two_halves_cover_what_the_whole_covers(x: float, y: float, w: float, h: float) -> None:
    """A polygon cut anywhere covers each pixel by the sum of what its halves cover."""
    left, top = 300_000 + x, 200_000 - y
    whole, middle = box(left, top - h, left + w, top), left + w / 3
    halves = coverage(box(left, top - h, middle, top), grid()) + coverage(box(middle, top - h, left + w, top), grid())
    assert np.abs(halves - coverage(whole, grid())).max() < 1e-6
