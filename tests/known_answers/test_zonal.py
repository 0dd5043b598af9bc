"""Known answers of domain/yield.md 3.3 (area weighting), and of the weighted median by hand."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import Polygon, box

from plantation_rwa.features.zonal import coverage
from plantation_rwa.grid import GridSpec
from tests.features.compiled_values import weighted_mean, weighted_quantile

_GRID = GridSpec("EPSG:32748", Affine(1, 0, 0, 0, -1, 2), 2, 2)
_RASTER = np.array([[10.0, 20.0], [30.0, 40.0]])


def test_rectangle_over_four_cells() -> None:
    """Polygon (0.5,0.5)-(1.75,1.25): coverage 0.9375, mean 29.3333, sum 27.5."""
    fractions = coverage(box(0.5, 0.5, 1.75, 1.25), _GRID)
    assert fractions.tolist() == [[0.125, 0.1875], [0.25, 0.375]]
    assert fractions.sum() == pytest.approx(0.9375, abs=1e-12)
    assert weighted_mean(_RASTER, fractions) == pytest.approx(29.333333, abs=1e-6)
    assert (_RASTER * fractions).sum() == pytest.approx(27.5, abs=1e-12)


def test_polygon_in_one_cell_gives_that_cell() -> None:
    fractions = coverage(box(1.2, 0.2, 1.4, 0.4), _GRID)
    assert weighted_mean(_RASTER, fractions) == 40.0
    assert weighted_quantile(_RASTER, fractions, 0.5) == 40.0


def test_missing_cells_leave_numerator_and_denominator() -> None:
    raster = _RASTER.copy()
    raster[1, 1] = np.nan
    fractions = coverage(box(0.5, 0.5, 1.75, 1.25), _GRID)
    assert weighted_mean(raster, fractions) == pytest.approx((10 * 0.125 + 20 * 0.1875 + 30 * 0.25) / 0.5625, abs=1e-12)


def test_hole_is_not_covered() -> None:
    ring = Polygon([(0, 0), (2, 0), (2, 2), (0, 2)], [[(0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (0.5, 1.5)]])
    assert coverage(ring, _GRID).tolist() == [[0.75, 0.75], [0.75, 0.75]]


@pytest.mark.parametrize(
    ("values", "weights", "q", "expected"),
    [
        ([3, 1, 2], [1, 1, 1], 0.5, 2.0),
        ([4, 1, 3, 2], [1, 1, 1, 1], 0.5, 2.5),
        ([1, 2, 3], [0.2, 0.2, 0.6], 0.5, 3.0),
        ([1, 2, 3], [0.5, 0.25, 0.25], 0.5, 1.5),
        ([1, 1, 2, 2], [0.1, 0.4, 0.3, 0.2], 0.5, 1.5),
        ([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], 0.1, 1.0),
        ([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], 0.2, 1.5),
        ([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], 0.9, 5.0),
        ([7, 9], [0.0, 1.0], 0.5, 9.0),
        ([1, 2], [1, 1], 0.0, 1.0),
        ([1, 2], [1, 1], 1.0, 2.0),
    ],
)
def test_averaged_inverted_distribution(values: list[float], weights: list[float], q: float, expected: float) -> None:
    assert weighted_quantile(np.array(values, float), np.array(weights, float), q) == expected
