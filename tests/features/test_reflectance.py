"""Reflectance and nearest-neighbour maps between resolutions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.features.reflectance import nearest, spread
from plantation_rwa.grid import GridSpec, Window
from tests.features.compiled_values import reflectance
from tests.features.scene_factory import grid


def test_nodata_is_decided_before_the_offset() -> None:
    """DN 1000 at baseline 04.00 is reflectance 0 and valid; DN 0 is nodata, not -0.1."""
    out = reflectance(np.array([0, 1000, 1001], "uint16"), nodata=0, scale=1e-4, offset=-1000)
    assert np.isnan(out[0])
    assert out[1:].tolist() == [0.0, pytest.approx(1e-4)]


def test_no_nodata_value_keeps_zero() -> None:
    assert reflectance(np.array([0], "uint16"), nodata=None, scale=1e-4, offset=0)[0] == 0.0


@given(st.integers(1, 65535), st.sampled_from([0.0, -1000.0]))
def test_reflectance_inverts(dn: int, offset: float) -> None:
    value = reflectance(np.array([dn], "uint16"), nodata=0, scale=1e-4, offset=offset)[0]
    if (dn + offset) * 1e-4 < -0.05:
        assert np.isnan(value)
    else:
        assert round(value * 1e4 - offset) == dn


def test_coarse_pixels_double() -> None:
    coarse, fine = grid(2, 2, 20.0), grid(4, 4, 10.0)
    window, rows, cols = nearest(coarse, fine)
    assert window == Window(0, 0, 2, 2)
    assert spread(np.array([[1, 2], [3, 4]]), rows, cols, 0).tolist() == [
        [1, 1, 2, 2],
        [1, 1, 2, 2],
        [3, 3, 4, 4],
        [3, 3, 4, 4],
    ]


def test_window_is_only_what_is_wanted() -> None:
    """A 3 x 3 window of 10 m pixels that starts inside a 20 m pixel needs two coarse rows and columns, no more."""
    wanted = grid(40, 40).crop(Window(11, 20, 3, 3))
    window, rows, cols = nearest(grid(20, 20, 20.0), wanted)
    assert window == Window(5, 10, 2, 2)
    assert rows.tolist() == [0, 1, 1]
    assert cols.tolist() == [0, 0, 1]


def test_beyond_the_source_is_filled() -> None:
    target = grid(2, 4, 10.0, origin=(299_980.0, 200_010.0))
    window, rows, cols = nearest(grid(2, 2, 10.0), target)
    assert window == Window(0, 0, 1, 2)
    assert spread(np.array([[7, 8]], "uint16"), rows, cols, 0).tolist() == [[0, 0, 0, 0], [0, 0, 7, 8]]


def test_grids_that_do_not_meet() -> None:
    assert nearest(grid(2, 2), grid(2, 2, origin=(400_000.0, 200_000.0)))[0] is None


def test_other_crs_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot map EPSG:32749 to EPSG:32748"):
        nearest(grid(crs="EPSG:32749"), grid())


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9))
def test_same_grid_is_identity(row: int, col: int, height: int, width: int) -> None:
    source: GridSpec = grid()
    asked = Window(row, col, height, width)
    window, rows, cols = nearest(source, source.crop(asked))
    assert window == asked
    assert rows.tolist() == list(range(height))
    assert cols.tolist() == list(range(width))
