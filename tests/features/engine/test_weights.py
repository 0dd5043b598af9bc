"""Covered pixels as runs."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.engine.segments import segments_of
from plantation_rwa.features.engine.weights import Coverage, coverage_key, coverages, cut
from plantation_rwa.features.zonal import coverage
from tests.features.scene_factory import ORIGIN, grid


def _shape(*corners: tuple[float, float]) -> shapely.Polygon:
    return shapely.Polygon([(ORIGIN[0] + x, ORIGIN[1] - y) for x, y in corners])


def _dense(found: Coverage, height: int, width: int) -> np.ndarray:
    out, k = np.zeros((height, width)), 0
    for row, col, length in found.runs.tolist():
        out[row, col : col + length] = found.weights[k : k + length]
        k += length
    return out


_HOLED = shapely.Polygon(
    _shape((15, 15), (300, 20), (250, 350)).exterior, [_shape((150, 60), (200, 60), (190, 120)).exterior]
)
_SHAPES = [
    _HOLED,
    shapely.MultiPolygon([_shape((0, 0), (25, 0), (0, 25)), _shape((100, 100), (400, 100), (100, 400))]),
    _shape((-50, 390), (450, 390), (450, 900)),
    shapely.Polygon(),
    _shape((5000, 5000), (5100, 5000), (5000, 5100)),
]


def _ground(shape: BaseGeometry, height: int = 40, width: int = 40) -> np.ndarray:
    """Fraction of each pixel by cutting the shape with it."""
    x, y = np.meshgrid(ORIGIN[0] + 10.0 * np.arange(width), ORIGIN[1] - 10.0 * np.arange(height))
    found: np.ndarray = shapely.area(shapely.intersection(shape, shapely.box(x, y - 10, x + 10, y))) / 100.0
    return found


def test_fractions_are_the_ground_that_each_pixel_shares_with_the_polygon() -> None:
    spec = grid()
    for shape, found in zip(_SHAPES, coverages(_SHAPES, spec), strict=True):
        np.testing.assert_allclose(_dense(found, 40, 40), _ground(shape), rtol=0, atol=1.1e-6)
        # exactextract computes in single precision
        np.testing.assert_allclose(_dense(found, 40, 40), coverage(shape, spec), rtol=0, atol=1e-6)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(3, 9), min_size=1, max_size=3))
def test_any_valid_shape_covers_what_it_shares_with_each_pixel(seed: int, corners: list[int]) -> None:
    """Rings that cross themselves or one another become shells, holes and parts of all kinds once they are valid.

    Corners are drawn: where edges of two rings lie on one another GEOS and exactextract both err in a pixel at times.
    """
    rng = np.random.default_rng(seed)
    rings = [_shape(*rng.uniform(-80, 480, (count, 2)).tolist()) for count in corners]
    valid = [shapely.make_valid(ring, method="structure") for ring in rings]
    for shape in (shapely.union_all(valid), valid[0].difference(shapely.union_all(valid[1:]))):
        whole = shapely.MultiPolygon([p for p in shapely.get_parts([shape]) if p.geom_type == "Polygon"])
        for found in coverages([whole, whole.reverse()], grid()):
            np.testing.assert_allclose(_dense(found, 40, 40), _ground(whole), rtol=0, atol=1.1e-6)
            np.testing.assert_allclose(_dense(found, 40, 40), coverage(whole, grid()), rtol=0, atol=1.1e-6)


def test_a_large_shape_is_worked_on_in_strips_of_rows() -> None:
    """Five thousand pixels wide: strips of 26 rows. A triangle, so that every row and pixel of the rim is another."""
    spec = grid(3000, 5000)
    shape = _shape((3, 7), (49_991, 12_345), (1_234, 29_983))
    (found,) = coverages([shape], spec)
    assert found.whole_pixels == pytest.approx(shape.area / 100, rel=1e-9)
    rows, weights = found.runs[:, 0], np.add.reduceat(found.weights, np.cumsum(found.runs[:, 2]) - found.runs[:, 2])
    bands = shapely.box(ORIGIN[0], ORIGIN[1] - 10 * rows - 10, ORIGIN[0] + 50_000, ORIGIN[1] - 10 * rows)
    np.testing.assert_allclose(weights, shapely.area(shapely.intersection(shape, bands)) / 100, rtol=1e-6)


def test_known_answer() -> None:
    """A rectangle of 15 m x 10 m from a pixel corner: one whole pixel and one half."""
    (found,) = coverages([_shape((20, 30), (35, 30), (35, 40), (20, 40))], grid())
    assert found.runs.tolist() == [[3, 2, 2]]
    assert found.weights.tolist() == [1.0, 0.5]


def test_bytes_keep_every_fraction() -> None:
    for found in coverages(_SHAPES, grid()):
        again = Coverage.from_bytes(found.to_bytes())
        np.testing.assert_array_equal(again.runs, found.runs)
        np.testing.assert_array_equal(again.weights, found.weights)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:20], lambda b: b"COV0" + b[4:], lambda b: b[:4] + b"\0" + b[5:], lambda b: b""]
)
def test_damaged_bytes_are_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    (found,) = coverages([_HOLED], grid())
    with pytest.raises(ValueError, match="kept coverage"):
        Coverage.from_bytes(spoil(found.to_bytes()))


def test_key_tells_outlines_and_lattices_apart() -> None:
    keys = {coverage_key(s, g) for s in _SHAPES for g in (grid(), grid(40, 41), grid(pixel=20.0))}
    assert len(keys) == 15
    assert coverage_key(_SHAPES[0], grid()) in keys


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1500), st.integers(1, 900)), min_size=1, max_size=8),
    st.integers(1, 700),
)
def test_cut_runs_stay_in_their_cells_and_lose_nothing(runs: list[tuple[int, int, int]], edge: int) -> None:
    parts, run = cut(np.array(runs), edge)
    assert (parts[:, 0] == np.array(runs)[run, 0]).all()
    assert (parts[:, 1] // edge == (parts[:, 1] + parts[:, 2] - 1) // edge).all()
    assert parts[:, 3].tolist() == (np.cumsum(parts[:, 2]) - parts[:, 2]).tolist()
    pixels = [(r, c + i) for r, c, n in runs for i in range(n)]
    assert [(r, c + i) for r, c, n, _ in parts.tolist() for i in range(n)] == pixels


def test_segments_hold_every_pixel_once_in_its_cell() -> None:
    shapes = [_shape((4000, 4000), (12_000, 4500), (6000, 13_000)), _shape((9000, 100), (11_500, 100), (11_000, 9000))]
    found = coverages(shapes, grid(1300, 1300))
    segments = segments_of(found)
    places: list[int] = []
    for cell, at in enumerate(segments.cells):
        runs = segments.runs_of(cell)
        assert (runs[:, :2] // 512 == at).all()
        assert ((runs[:, 1] + runs[:, 2] - 1) // 512 == at[1]).all()
        places += [p + i for _, _, n, p in runs.tolist() for i in range(n)]
    assert sorted(places) == list(range(segments.pixels))
    for k, edges in enumerate(segments.box):
        own = segments.runs[segments.segment == k]
        assert (own[:, :2] // 512 == segments.cells[segments.cell[k]]).all()
        assert (own[:, 0].min(), own[:, 1].min()) == tuple(edges[:2])
        assert (own[:, 0].max() + 1, (own[:, 1] + own[:, 2]).max()) == tuple(edges[2:])
    assert segments.starts.tolist() == [0, found[0].pixels, found[0].pixels + found[1].pixels]


def test_rounding_of_coordinates_makes_no_slivers() -> None:
    """A rectangle a hundredth of a micrometre off the pixel edges covers its pixels whole and no others."""
    x, y = 300_100.0, 199_900.0
    found = coverages([box(x - 1e-8, y - 40 + 1e-8, x + 60 + 1e-8, y + 1e-8)], grid())[0]
    assert found.weights.tolist() == [1.0] * 24
