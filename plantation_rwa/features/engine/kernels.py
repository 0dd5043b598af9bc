"""Compiled inner loops of the imagery engine: gathering of covered pixels, and monthly composites.

Importing this module imports numba: import it where it is used, not at the top of a module. All loops run in a fixed
order on one thread and release the interpreter lock, so that threads scale and the result never depends on them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled
from plantation_rwa.features.engine.bits import NOWHERE

#: pixels that go through the composite together: the work space of ten scenes stays in the second-level cache
STRIP = 512

#: kinds of index formula, see :func:`_formula`
DIFFERENCE, EVI, RATIO, NIRV, KNDVI = 0, 1, 2, 3, 4


@compiled
def gather(runs: NDArray[np.int64], pixels: NDArray[Any], row: int, col: int, shift: int, out: NDArray[Any]) -> None:
    """Copy the pixels under some runs to their places.

    Parameters
    ----------
    runs
        Row, column, length in pixels of the finest grid, and place of the first; shape (n, 4).
    pixels
        Part of a layer on the grid that is ``2 ** shift`` times coarser, its corner at ``row``, ``col`` of that grid.
    out
        Same number type; written.
    """
    if shift == 0:
        _copied(runs, pixels, row, col, 0, out)
    elif runs.shape[0]:
        # double pixels: doubled once for all runs, which then copy neighbours
        top, bottom, left, right = runs[0, 0], runs[0, 0], runs[0, 1], runs[0, 1]
        for k in range(runs.shape[0]):
            top, bottom = min(top, runs[k, 0]), max(bottom, runs[k, 0])
            left, right = min(left, runs[k, 1]), max(right, runs[k, 1] + runs[k, 2] - 1)
        top, bottom, left, right = top >> 1, bottom >> 1, left >> 1, right >> 1
        wide = np.empty((bottom - top + 1, 2 * (right - left + 1)), pixels.dtype)
        for y in range(wide.shape[0]):
            line, to = pixels[top - row + y, left - col : right - col + 1], wide[y]
            for i in range(line.shape[0]):
                to[2 * i] = line[i]
                to[2 * i + 1] = line[i]
        _copied(runs, wide, top, 2 * left, 1, out)


@compiled
def _copied(runs: NDArray[np.int64], pixels: NDArray[Any], row: int, col: int, shift: int, out: NDArray[Any]) -> None:
    """:func:`gather` from pixels whose lines alone are of the coarser grid."""
    for k in range(runs.shape[0]):
        y, x, n, to = (runs[k, 0] >> shift) - row, runs[k, 1] - col, runs[k, 2], out[runs[k, 3] :]
        line = pixels[y, x : x + n]
        for i in range(n):
            to[i] = line[i]


@compiled
def any_marked(
    runs: NDArray[np.int64], segment: NDArray[np.int64], marks: NDArray[np.uint8], bit: int, out: NDArray[np.bool_]
) -> None:
    """Note in ``out`` the segments of runs that have a pixel with a mark; runs as in :func:`gather`."""
    for k in range(runs.shape[0]):
        if not out[segment[k]]:
            for p in range(runs[k, 3], runs[k, 3] + runs[k, 2]):
                if marks[p] & bit:
                    out[segment[k]] = True
                    break


@compiled
def any_hole(
    runs: NDArray[np.int64],
    segment: NDArray[np.int64],
    marks: NDArray[np.uint8],
    bit: int,
    numbers: NDArray[Any],
    nodata: float,
    least: float,
    out: NDArray[np.bool_],
) -> None:
    """Note in ``out`` the segments that have a marked pixel without data; runs as in :func:`gather`."""
    for k in range(runs.shape[0]):
        if not out[segment[k]]:
            for p in range(runs[k, 3], runs[k, 3] + runs[k, 2]):
                v = np.float64(numbers[p])
                if marks[p] & bit and not ((v != nodata) & (v >= least)):
                    out[segment[k]] = True
                    break


@compiled
def _tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent on [0, 1] by its continued fraction, off by no more than float32 rounding."""
    q = x * x
    top = x * (np.float32(135135.0) + q * (np.float32(17325.0) + q * (np.float32(378.0) + q)))
    bottom = np.float32(135135.0) + q * (np.float32(62370.0) + q * (np.float32(3150.0) + q * np.float32(28.0)))
    return top / bottom


@compiled
def _formula(
    kind: int,
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    c: NDArray[np.float32],
    scale: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Index values of a strip from digital numbers with the offset added, NaN for no data.

    The formulas of :mod:`plantation_rwa.features.indices`, multiplied by 1 / scale above and below the line: whole
    numbers up to 2 ** 24 are exact in float32, so that each value is rounded once or twice and no more.
    """
    least = np.float32(1e-6) / scale
    one = np.float32(1.0)
    none = np.float32(np.nan)
    if kind == DIFFERENCE:
        for s in range(out.shape[0]):
            below = a[s] + b[s]
            v = (a[s] - b[s]) / below
            out[s] = min(max(v, -one), one) if below >= least else none
    elif kind == EVI:
        unit = one / scale
        for s in range(out.shape[0]):
            below = a[s] + np.float32(6.0) * b[s] - np.float32(7.5) * c[s] + unit
            v = np.float32(2.5) * (a[s] - b[s]) / below
            out[s] = min(max(v, -one), np.float32(1.5)) if below >= least else none
    elif kind == RATIO:
        for s in range(out.shape[0]):
            v = a[s] / b[s] - one
            v = min(max(v, -one), np.float32(100.0)) if b[s] >= least else none
            out[s] = v if a[s] == a[s] else none
    elif kind == NIRV:
        for s in range(out.shape[0]):
            below = a[s] + b[s]
            v = min(max((a[s] - b[s]) / below, -one), one) * (a[s] * scale)
            out[s] = min(max(v, -one), one) if below >= least else none
    else:
        for s in range(out.shape[0]):
            below = a[s] + b[s]
            v = min(max((a[s] - b[s]) / below, -one), one)
            out[s] = _tanh(v * v) if below >= least else none


@compiled
def _medians(
    values: NDArray[np.float32], pairs: NDArray[np.int64], count: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Median down each column of a strip, NaN left out: a sorting network over rows.

    ``values`` is overwritten. An even count gives the mean of the two middle values, none gives NaN.
    """
    n, size = values.shape
    infinite = np.float32(np.inf)
    for s in range(size):
        count[s] = 0
    for o in range(n):
        row = values[o]
        for s in range(size):
            there = row[s] == row[s]
            count[s] += 1 if there else 0
            row[s] = row[s] if there else infinite
    for p in range(pairs.shape[0]):
        low, high = values[pairs[p, 0]], values[pairs[p, 1]]
        for s in range(size):
            x, y = low[s], high[s]
            low[s] = x if x < y else y
            high[s] = y if x < y else x
    for s in range(size):
        if count[s] == 0:
            out[s] = np.float32(np.nan)
        else:
            out[s] = (values[(count[s] - 1) // 2, s] + values[count[s] // 2, s]) * np.float32(0.5)


@compiled
def fill(
    numbers: NDArray[Any],
    marks: NDArray[np.uint8],
    bit: int,
    nodata: np.float32,
    offset: np.float32,
    least: np.float32,
    ratio: np.float32,
    first: bool,
    out: NDArray[np.float32],
) -> None:
    """Digital numbers with the offset added, NaN where a pixel lacks the mark or data.

    A scene that is not the ``first`` of its datatake fills only what the ones before left, in their scale.
    """
    none = np.float32(np.nan)
    if first:
        for i in range(out.shape[0]):
            v = np.float32(numbers[i])
            out[i] = v + offset if (v != nodata) & (v >= least) & (marks[i] & bit != 0) else none
    else:
        for i in range(out.shape[0]):
            v = np.float32(numbers[i])
            if out[i] != out[i] and (v != nodata) & (v >= least) & (marks[i] & bit != 0):
                out[i] = (v + offset) * ratio


@compiled
def composite(
    ranges: NDArray[np.int64],
    whole: NDArray[np.uint16],
    plain: NDArray[np.float32],
    slot: NDArray[np.int64],
    rule: NDArray[np.float32],
    ratio: NDArray[np.float32],
    scale: NDArray[np.float32],
    marks: NDArray[np.uint8],
    mark: NDArray[np.int64],
    bit: int,
    kinds: NDArray[np.int64],
    places: NDArray[np.int64],
    pairs: NDArray[np.int64],
    sizes: NDArray[np.int64],
    out: NDArray[np.float32],
    seen: NDArray[np.uint16],
) -> None:
    """Monthly median of each index, and the number of clear observations, for stretches of gathered pixels.

    Parameters
    ----------
    ranges
        First pixel, its place in ``out``, and length of each stretch; shape (n, 3).
    whole, plain
        Gathered digital numbers by slot, shape (slots, pixels).
    slot
        Slot of each observation, scene of its datatake, and band: n is whole, -2 - n plain, -1 nowhere; shape
        (observations, scenes, bands). The first two bands are those of NDVI.
    rule
        Nodata (NaN: none), offset, and smallest digital number believed; shape (observations, scenes, bands, 3).
    ratio
        Scale of each scene over that of the first of its datatake, shape (observations, scenes).
    scale
        Reflectance of one digital number, per observation.
    marks, mark
        Marks of the gathered pixels, and the row of each observation.
    bit
        Mark of a clear pixel.
    kinds, places
        Formula of each index, and its bands as columns of ``slot``, shape (indices, 3).
    pairs, sizes
        Comparators by number of observations, see :func:`networks`.
    out
        Medians, shape (indices, places), written but for those of an index whose bands no observation has.
    seen
        Clear observations, shape (places,), written.
    """
    observations, depth, bands = slot.shape
    numbers = np.empty((bands, observations, STRIP), np.float32)
    values = np.empty((observations, STRIP), np.float32)
    live = np.empty(observations, np.int64)
    count, median = np.empty(STRIP, np.int64), np.empty(STRIP, np.float32)
    none = np.float32(np.nan)
    there = np.zeros(bands, np.bool_)
    for o in range(observations):
        for k in range(depth):
            for b in range(bands):
                there[b] |= slot[o, k, b] != NOWHERE
    for r in range(ranges.shape[0]):
        for start in range(0, ranges[r, 2], STRIP):
            size = min(STRIP, ranges[r, 2] - start)
            source, target = ranges[r, 0] + start, ranges[r, 1] + start
            n = 0
            for o in range(observations):
                some = 0
                row = marks[mark[o], source : source + size]
                for s in range(size):
                    some |= row[s]
                if some & bit:
                    live[n] = o
                    n += 1
            for j in range(n):
                o = live[j]
                row = marks[mark[o], source : source + size]
                for b in range(bands):
                    line, first = numbers[b, j, :size], True
                    for k in range(depth):
                        held, limits, times = slot[o, k, b], rule[o, k, b], ratio[o, k]
                        if held >= 0:
                            layer = whole[held, source : source + size]
                            fill(layer, row, bit, limits[0], limits[1], limits[2], times, first, line)
                        elif held < NOWHERE:
                            other = plain[-2 - held, source : source + size]
                            fill(other, row, bit, limits[0], limits[1], limits[2], times, first, line)
                        first = first and held == NOWHERE
                    if first:
                        line[:] = none
            for s in range(size):
                count[s] = 0
            for j in range(n):
                one, two = numbers[0, j], numbers[1, j]
                for s in range(size):
                    count[s] += 1 if one[s] == one[s] and two[s] == two[s] else 0
            for s in range(size):
                seen[target + s] = count[s]
            for k in range(kinds.shape[0]):
                a, b, c = places[k, 0], places[k, 1], places[k, 2]
                if not (there[a] and there[b] and there[c]):
                    continue
                for j in range(n):
                    _formula(
                        kinds[k], numbers[a, j, :size], numbers[b, j, :size], numbers[c, j, :size], scale[live[j]],
                        values[j, :size],
                    )  # fmt: skip
                if n == 1:  # a cloudy month
                    for s in range(size):
                        out[k, target + s] = values[0, s]
                    continue
                _medians(values[:n, :size], pairs[n, : sizes[n]], count, median)
                for s in range(size):
                    out[k, target + s] = median[s]


def network(n: int) -> NDArray[np.int64]:
    """Comparators (lower row, upper row) that sort ``n`` rows, shape (comparators, 2).

    Batcher's odd-even merge for any count (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@functools.cache
def networks(most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Networks of 0 to ``most`` rows, shape (most + 1, comparators, 2), and how many comparators each has."""
    found = [network(n) for n in range(most + 1)]
    sizes = np.array([len(f) for f in found], np.int64)
    pairs = np.zeros((most + 1, int(sizes.max(initial=0)), 2), np.int64)
    for n, f in enumerate(found):
        pairs[n, : len(f)] = f
    return pairs, sizes
