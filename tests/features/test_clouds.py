"""The clear mask: classes, growth of 60 m, opening, resolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plantation_rwa.features.clouds import grow_pixels, margin_pixels
from tests.features.compiled_values import clear_mask


@pytest.mark.parametrize(("size", "pixels"), [(10.0, 6), (20.0, 3), (60.0, 1), (60.1, 0), (100.0, 0), (200.0, 0)])
def test_growth_is_sixty_metres(size: float, pixels: int) -> None:
    assert grow_pixels(size) == pixels
    assert margin_pixels(size) == (pixels + 2 if pixels else 0)


def test_classes() -> None:
    every = np.arange(12, dtype="uint8")[None, :]
    assert np.flatnonzero(clear_mask(every, 200.0)[0]).tolist() == [4, 5]
    assert np.flatnonzero(clear_mask(every, 200.0, "lenient")[0]).tolist() == [2, 4, 5, 7]


@pytest.mark.parametrize("cloud", [3, 8, 9, 10])
def test_cloud_grows_by_a_disk_of_three_pixels(cloud: int) -> None:
    scl = np.full((21, 21), 4, "uint8")
    scl[9:12, 9:12] = cloud
    mask = clear_mask(scl, 20.0)
    # the opening by a cross keeps the cross of a 3 x 3 block; its centre row reaches three pixels beyond the block
    assert np.flatnonzero(~mask[10]).tolist() == list(range(6, 15))
    assert np.flatnonzero(~mask[:, 10]).tolist() == list(range(6, 15))
    assert mask[6, 6]
    assert not mask[8, 8]


@pytest.mark.parametrize("still", [1, 2, 6, 7, 11])
def test_other_classes_do_not_grow(still: int) -> None:
    scl = np.full((21, 21), 4, "uint8")
    scl[8:13, 8:13] = still
    assert (~clear_mask(scl, 20.0)).sum() == 25


def test_speck_is_masked_but_does_not_grow() -> None:
    scl = np.full((21, 21), 4, "uint8")
    scl[10, 10:12] = 9
    assert np.argwhere(~clear_mask(scl, 20.0)).tolist() == [[10, 10], [10, 11]]


def test_cloud_cut_by_the_edge_grows() -> None:
    scl = np.full((21, 21), 4, "uint8")
    scl[:, 0] = 9
    assert np.flatnonzero(~clear_mask(scl, 20.0)[10]).tolist() == [0, 1, 2, 3]


def test_no_growth_at_200_metres() -> None:
    scl = np.full((9, 9), 5, "uint8")
    scl[4, 4] = 9
    assert (~clear_mask(scl, 200.0)).sum() == 1


@settings(max_examples=40, deadline=None)
@given(arrays("uint8", (18, 18), elements=st.sampled_from([0, 2, 4, 5, 7, 8, 9])), st.sampled_from([20.0, 30.0, 100.0]))
def test_margin_is_enough(scl: np.ndarray, size: float) -> None:
    """Inside a window, the mask of the window with its margin is the mask of the whole."""
    edge = margin_pixels(size)
    whole = clear_mask(scl, size)
    part = clear_mask(scl[9 - edge : 11 + edge, 9 - edge : 11 + edge], size)
    assert (part[edge : edge + 2, edge : edge + 2] == whole[9:11, 9:11]).all()


@settings(max_examples=40, deadline=None)
@given(arrays("uint8", (12, 12), elements=st.integers(0, 11)))
def test_mask_only_takes_away(scl: np.ndarray) -> None:
    strict, lenient = clear_mask(scl, 20.0), clear_mask(scl, 20.0, "lenient")
    assert not (strict & ~np.isin(scl, (4, 5))).any()
    assert not (strict & ~lenient).any()
