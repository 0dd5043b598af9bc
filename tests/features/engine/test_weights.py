"""Covered pixels as runs."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

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


def test_fractions_are_those_of_each_polygon_alone() -> None:
    spec = grid()
    for shape, found in zip(_SHAPES, coverages(_SHAPES, spec), strict=True):
        np.testing.assert_array_equal(_dense(found, 40, 40), coverage(shape, spec))


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
