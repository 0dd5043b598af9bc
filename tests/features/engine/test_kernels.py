"""Compiled loops against the plain definitions of the features room."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from plantation_rwa.features.clouds import grow_pixels
from plantation_rwa.features.engine import growth, kernels, selection
from plantation_rwa.features.engine.bits import CLASSIFIED, LENIENT, STRICT, VEGETATION
from plantation_rwa.features.engine.marks import tables
from plantation_rwa.features.engine.month import FORMULAS
from plantation_rwa.features.indices import INDICES
from tests.features.definitions import clear_mask, index_values, weighted_mean, weighted_quantile


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=24),
        elements=st.sampled_from([4, 4, 5, 9, 3, 7, 0]),
    ),
    st.sampled_from([10.0, 20.0, 30.0, 60.0, 100.0]),
    st.sampled_from(["strict", "lenient"]),
)
def test_marks_are_the_clear_mask(scl: np.ndarray, size: float, profile: str) -> None:
    found = growth.marks_of_classes(scl, *tables(), grow_pixels(size))
    bit = STRICT if profile == "strict" else LENIENT
    np.testing.assert_array_equal(found & bit != 0, clear_mask(scl, size, profile))
    np.testing.assert_array_equal(found & VEGETATION != 0, scl == 4)
    np.testing.assert_array_equal(found & CLASSIFIED != 0, scl != 0)


@pytest.mark.parametrize("n", range(1, 21))
def test_network_sorts_every_pattern_of_zeros_and_ones(n: int) -> None:
    """A network that sorts all rows of 0 and 1 sorts everything (zero-one principle); sampled above 12 rows."""
    if n <= 12:
        rows = (np.arange(2**n) >> np.arange(n)[:, None]) & 1
    else:
        rows = np.random.default_rng(n).integers(0, 2, (n, 5000))
    for low, high in kernels.network(n):
        rows[low], rows[high] = np.minimum(rows[low], rows[high]), np.maximum(rows[low], rows[high])
    assert (np.diff(rows, axis=0) >= 0).all()


def _composite(numbers: np.ndarray, clear: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Composite of a stretch of pixels; numbers of shape (bands, observations, pixels), offset -1000, nodata 0."""
    bands = ("B04", "B08", "B02", "B05", "B07", "B8A", "B11", "B12")
    count, seen_in, size = numbers.shape
    slot = np.arange(count * seen_in).reshape(count, seen_in).T[:, None, :].copy()
    rule = np.tile(np.array([0, -1000, 500], np.float32), (seen_in, 1, count, 1))
    places = np.array([[bands.index(b) for b in (FORMULAS[n][1] * 2)[:3]] for n in names])
    out, seen = np.empty((len(names), size), np.float32), np.empty(size, np.uint16)
    kernels.composite(
        np.array([[0, 0, size]]), numbers.reshape(count * seen_in, size), np.empty((0, size), np.float32), slot, rule,
        np.ones((seen_in, 1), np.float32), np.full(seen_in, 1e-4, np.float32), clear.astype(np.uint8) * STRICT,
        np.arange(seen_in), STRICT, np.array([FORMULAS[n][0] for n in names]), places, *kernels.networks(seen_in),
        out, seen,
    )  # fmt: skip
    return out, seen


@pytest.mark.parametrize("observed", [1, 2, 5, 9])
def test_composite_is_the_median_of_the_indices(observed: int) -> None:
    """All eight formulas against the float64 ones; digital numbers down to 0, more pixels than one strip."""
    rng = np.random.default_rng(observed)
    numbers = rng.integers(1000, 5000, (8, observed, 1300)).astype(np.uint16)
    numbers[rng.random(numbers.shape) < 0.05] = 0
    numbers[rng.random(numbers.shape) < 0.05] = 499
    clear = rng.random((observed, 1300)) < 0.7
    names = tuple(INDICES)
    out, seen = _composite(numbers, clear, names)
    real = (numbers - 1000.0) * 1e-4
    real[(numbers == 0) | (real < -0.05)] = np.nan
    bands = dict(zip(("B04", "B08", "B02", "B05", "B07", "B8A", "B11", "B12"), real, strict=True))
    for n, name in enumerate(names):
        values = index_values(name, bands)
        assert values is not None
        with np.testing.suppress_warnings() as quiet:
            quiet.filter(RuntimeWarning)
            wanted = np.nanmedian(np.where(clear, values, np.nan), axis=0)
        np.testing.assert_allclose(out[n], wanted, rtol=3e-7, atol=3e-7, err_msg=name)
    np.testing.assert_array_equal(seen, (clear & ~np.isnan(bands["B04"]) & ~np.isnan(bands["B08"])).sum(axis=0))


def test_even_count_takes_the_mean_of_the_two_middle_values() -> None:
    """NDVI 0.5 and 0.8 from (3000, 1000) and (3600, 400): 0.65; a cloud over the second leaves 0.5."""
    numbers = np.full((8, 2, 2), 2000, np.uint16)
    numbers[0], numbers[1] = [[2000], [1400]], [[4000], [4600]]
    out, seen = _composite(numbers, np.array([[1, 1], [1, 0]]), ("ndvi",))
    np.testing.assert_allclose(out[0], [0.65, 0.5], atol=1e-7)
    assert seen.tolist() == [2, 1]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 9000), st.integers(0, 4), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_summary_is_the_tie_stable_definition(size: int, decimals: int, seed: int, q: float) -> None:
    """Exactly the same value as by sorting, with ties, gaps, zero weights and an outlier."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0.7, 0.1, size), decimals).astype(np.float32)
    values[rng.random(size) < 0.1] = np.nan
    values[0] *= 1e5 if seed % 3 == 0 else 1
    weights = rng.choice(np.array([0, 0.25, 1], np.float32), size, p=[0.1, 0.2, 0.7])
    out = np.empty(4)
    selection.summarise(values, weights, np.array([q, 0.5]), out)
    wide, held = values.astype(np.float64), weights.astype(np.float64)
    assert out[0] == held[np.isfinite(wide)].sum()
    np.testing.assert_allclose(out[1], weighted_mean(wide, held), rtol=1e-12)
    np.testing.assert_array_equal(out[2:], [weighted_quantile(wide, held, level) for level in (q, 0.5)])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 5000), st.booleans(), st.integers(0, 2**32 - 1))
def test_median_of_numbers_is_the_median(size: int, wide: int, whole: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.integers(1000, 1000 + wide, size) if whole else rng.normal(1300, wide, size)).astype(np.float32)
    values[rng.random(size) < 0.2] = np.nan
    weights = rng.choice(np.array([0.25, 1], np.float32), size)
    wanted = weighted_quantile(values.astype(np.float64), weights.astype(np.float64), 0.5)
    np.testing.assert_array_equal(selection.median_number(values, weights), wanted)


def test_totals_weigh_what_was_seen() -> None:
    out = np.empty(3)
    selection.totals(np.array([0, 2, 1], np.uint16), np.array([0.5, 0.25, 1], np.float32), out)
    assert out.tolist() == [1.75, 1.25, 1.5]


def test_importing_the_engine_does_not_import_numba() -> None:
    """Start-up is a cost: the compiler is loaded at the first block."""
    code = "import sys, plantation_rwa.features.imagery; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 19), st.integers(1, 12)), max_size=8),
    st.sampled_from([0, 1]),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_pixels_of_a_layer_come_to_the_places_of_their_runs(
    stretches: list[tuple[int, int, int]], shift: int, kind: type, corner: tuple[int, int]
) -> None:
    """Whatever the first pixel of a run is: the left or the right half of a double one."""
    row, col = corner
    pixels = (np.arange(11 * 34).reshape(11, 34) % 251).astype(kind)[:, ::2]  # neighbours do not lie side by side
    runs = [(r + (row << shift), c + (col << shift), min(n, (17 << shift) - c)) for r, c, n in stretches if c < 17]
    places = np.cumsum([3, *(n for *_, n in runs)])
    out = np.full(int(places[-1]) + 1, 99, kind)
    table = np.array([(*run, at) for run, at in zip(runs, places, strict=False)], np.int64).reshape(-1, 4)
    kernels.gather(table, pixels, row, col, shift, out)
    wanted = [pixels[(r >> shift) - row, (c + i >> shift) - col] for r, c, n in runs for i in range(n)]
    assert out.tolist() == [99] * 3 + wanted + [99]
