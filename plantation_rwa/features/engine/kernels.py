"""Compiled inner loops of the imagery engine: cloud growth, and monthly composites over runs of pixels.

Importing this module imports numba: import it where it is used, not at the top of a module. All loops run in a fixed
order on one thread and release the interpreter lock, so that threads scale and the result never depends on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

#: pixels that go through the composite together: the work space of ten scenes stays in the second-level cache
STRIP = 512

#: kinds of index formula, see :func:`_formula`
DIFFERENCE, EVI, RATIO, NIRV, KNDVI = 0, 1, 2, 3, 4


@compiled
def _cross(
    above: NDArray[np.uint8], here: NDArray[np.uint8], below: NDArray[np.uint8], out: NDArray[np.uint8], all_of: bool
) -> None:
    """A row under a 3 x 3 cross, all or any of its five pixels; the two ends of ``out`` are left as they are.

    Slices from a fixed start let the compiler see that no index is negative: only then are the loops vectorised.
    """
    n = here.shape[0] - 2
    middle, left, right, up, down, to = here[1:], here[:n], here[2:], above[1:], below[1:], out[1:]
    if all_of:
        for x in range(n):
            to[x] = middle[x] & left[x] & right[x] & up[x] & down[x]
    else:
        for x in range(n):
            to[x] = middle[x] | left[x] | right[x] | up[x] | down[x]


@compiled
def opened(cloud: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cloud without specks: eroded, then dilated by a 3 x 3 cross; beyond the edge the border repeats."""
    height, width = cloud.shape
    padded = np.empty((height + 4, width + 4), np.uint8)
    for y in range(height + 4):
        source = min(max(y - 2, 0), height - 1)
        padded[y, 2 : width + 2] = cloud[source]
        padded[y, :2] = cloud[source, 0]
        padded[y, width + 2 :] = cloud[source, width - 1]
    eroded = np.zeros((height + 4, width + 4), np.uint8)
    for y in range(1, height + 3):
        _cross(padded[y - 1], padded[y], padded[y + 1], eroded[y], True)
    out = np.empty((height, width + 4), np.uint8)
    for y in range(height):
        _cross(eroded[y + 1], eroded[y + 2], eroded[y + 3], out[y], False)
    return out[:, 2 : width + 2]


@compiled
def clear_classes(
    classes: NDArray[np.uint8], clear: NDArray[np.uint8], grown: NDArray[np.uint8], grow: int
) -> NDArray[np.uint8]:
    """Clear pixels (1) of a scene classification; :func:`plantation_rwa.features.clouds.clear_mask` defines them.

    Parameters
    ----------
    classes
        Class codes, shape (rows, columns).
    clear, grown
        Per class code, 256 entries, 1 for a clear class and for a class that grows.
    grow
        Radius of the disk in pixels; 0 neither opens nor grows.
    """
    height, width = classes.shape
    out = np.empty((height, width), np.uint8)
    cloud = np.empty((height, width), np.uint8)
    clouds = False
    for y in range(height):
        for x in range(width):
            out[y, x] = clear[classes[y, x]]
            cloud[y, x] = grown[classes[y, x]]
            clouds |= cloud[y, x] != 0
    if grow < 1 or not clouds:
        return out
    padded = np.zeros((height + 2 * grow, width + 2 * grow), np.uint8)
    padded[grow : height + grow, grow : width + grow] = opened(cloud)
    near = np.empty(width, np.uint8)
    for y in range(height):
        near[:] = 0
        for dy in range(-grow, grow + 1):
            reach = 0
            while (reach + 1) * (reach + 1) + dy * dy <= grow * grow:
                reach += 1
            row = padded[y + dy + grow]
            for dx in range(grow - reach, grow + reach + 1):
                shifted = row[dx : dx + width]
                for x in range(width):
                    near[x] |= shifted[x]
        for x in range(width):
            out[y, x] &= 1 - near[x]
    return out


@compiled
def any_clear(
    runs: NDArray[np.int64],
    group: NDArray[np.int64],
    mask: NDArray[np.uint8],
    shift: int,
    out: NDArray[np.uint8],
) -> None:
    """Mark in ``out`` the groups of runs that have a clear pixel.

    Parameters
    ----------
    runs
        Row, column, length, shape (n, >= 3), in pixels of the finest grid.
    group
        Group of each run.
    mask
        Clear pixels on the grid that is ``2 ** shift`` times coarser.
    """
    for k in range(runs.shape[0]):
        if out[group[k]] == 0:
            row = runs[k, 0] >> shift
            for col in range(runs[k, 1] >> shift, ((runs[k, 1] + runs[k, 2] - 1) >> shift) + 1):
                if mask[row, col] != 0:
                    out[group[k]] = 1
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
def composite(
    runs: NDArray[np.int64],
    fine: NDArray[Any],
    coarse: NDArray[Any],
    slot: NDArray[np.int64],
    rule: NDArray[np.float32],
    scale: NDArray[np.float32],
    mask_fine: NDArray[np.uint8],
    mask_coarse: NDArray[np.uint8],
    mask: NDArray[np.int64],
    kinds: NDArray[np.int64],
    places: NDArray[np.int64],
    pairs: NDArray[np.int64],
    out: NDArray[np.float32],
    seen: NDArray[np.uint16],
) -> None:
    """Monthly median of each index, and the number of clear observations, for the pixels of some runs.

    Parameters
    ----------
    runs
        Row and column in the block, length, and place of the first pixel in ``out``; shape (n, 4).
    fine, coarse
        Digital numbers by slot on the block's grid and on the one of double pixels, shape (slots, rows, columns), same
        number type.
    slot
        Slot of each observation and band: n is fine, -2 - n coarse, -1 missing; shape (observations, bands). The first
        two bands are those of NDVI.
    rule
        Nodata (NaN: none), offset, and smallest digital number believed; shape (observations, bands, 3).
    scale
        Reflectance of one digital number, per observation.
    mask_fine, mask_coarse, mask
        Clear pixels in the same way; mask -1: clear everywhere.
    kinds, places
        Formula of each index, and its bands as columns of ``slot``, shape (indices, 3).
    pairs
        Comparators of the network for that many observations, see :func:`network`.
    out
        Medians, shape (indices, places), written.
    seen
        Clear observations, shape (places,), written.
    """
    observations, bands = slot.shape
    numbers = np.empty((bands, observations, STRIP), np.float32)
    clear = np.empty((observations, STRIP), np.uint8)
    values = np.empty((observations, STRIP), np.float32)
    count, median = np.empty(STRIP, np.int64), np.empty(STRIP, np.float32)
    pieces = np.empty((STRIP, 5), np.int64)
    none = np.float32(np.nan)
    run = done = 0
    while run < runs.shape[0]:
        size = parts = 0
        while run < runs.shape[0] and size < STRIP:
            length = min(runs[run, 2] - done, STRIP - size)
            pieces[parts, 0], pieces[parts, 1] = runs[run, 0], runs[run, 1] + done
            pieces[parts, 2], pieces[parts, 3], pieces[parts, 4] = length, runs[run, 3] + done, size
            parts, size, done = parts + 1, size + length, done + length
            if done == runs[run, 2]:
                run, done = run + 1, 0
        for o in range(observations):
            m = mask[o]
            some = False
            for p in range(parts):
                y, x, n, s0 = pieces[p, 0], pieces[p, 1], pieces[p, 2], pieces[p, 4]
                if m == -1:
                    clear[o, s0 : s0 + n] = 1
                    some = True
                elif m >= 0:
                    marks, to = mask_fine[m, y, x : x + n], clear[o, s0 : s0 + n]
                    for i in range(n):
                        to[i] = marks[i]
                        some |= marks[i] != 0
                else:
                    marks, to, odd = mask_coarse[-2 - m, y >> 1, x >> 1 :], clear[o, s0 : s0 + n], x & 1
                    for i in range(n):
                        to[i] = marks[(i + odd) >> 1]
                        some |= to[i] != 0
            for b in range(bands):
                k = slot[o, b]
                line = numbers[b, o]
                if k == -1 or not some:
                    line[:size] = none
                    continue
                nodata, offset, least = rule[o, b, 0], rule[o, b, 1], rule[o, b, 2]
                for p in range(parts):
                    y, x, n, s0 = pieces[p, 0], pieces[p, 1], pieces[p, 2], pieces[p, 4]
                    filled, is_clear = line[s0 : s0 + n], clear[o, s0 : s0 + n]
                    if k >= 0:
                        row = fine[k, y, x : x + n]
                        for i in range(n):
                            v = np.float32(row[i])
                            filled[i] = v + offset if (v != nodata) & (v >= least) & (is_clear[i] != 0) else none
                    else:
                        row, odd = coarse[-2 - k, y >> 1, x >> 1 :], x & 1
                        for i in range(n):
                            v = np.float32(row[(i + odd) >> 1])
                            filled[i] = v + offset if (v != nodata) & (v >= least) & (is_clear[i] != 0) else none
        for s in range(size):
            count[s] = 0
        for o in range(observations):
            first, second = numbers[0, o], numbers[1, o]
            for s in range(size):
                count[s] += 1 if first[s] == first[s] and second[s] == second[s] else 0
        for p in range(parts):
            n, o0, s0 = pieces[p, 2], pieces[p, 3], pieces[p, 4]
            for i in range(n):
                seen[o0 + i] = count[s0 + i]
        for k in range(kinds.shape[0]):
            a, b, c = places[k, 0], places[k, 1], places[k, 2]
            for o in range(observations):
                _formula(
                    kinds[k],
                    numbers[a, o, :size],
                    numbers[b, o, :size],
                    numbers[c, o, :size],
                    scale[o],
                    values[o, :size],
                )
            _medians(values[:, :size], pairs, count, median)
            for p in range(parts):
                n, o0, s0 = pieces[p, 2], pieces[p, 3], pieces[p, 4]
                for i in range(n):
                    out[k, o0 + i] = median[s0 + i]


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
