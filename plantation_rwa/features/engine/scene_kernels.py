"""Compiled figures of single scenes over polygons, from gathered digital numbers.

Importing this module imports numba: import it where it is used, not at the top of a module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled
from plantation_rwa.features.engine.bits import CLASSIFIED, FIGURES, NOWHERE, STRICT, SUPPLIER, VEGETATION
from plantation_rwa.features.engine.selection import median_number, quantile

#: columns of what :func:`scene_figures` writes: covered, clear and vegetation pixels, then the figures under the
#: claimed offset and those under the other
COLUMNS = 3 + 2 * FIGURES


@compiled
def _number(
    whole: NDArray[np.uint16], plain: NDArray[np.float32], slot: int, place: int, nodata: np.float32
) -> np.float32:
    """Digital number of one layer at a place, NaN for no data."""
    if slot == NOWHERE:
        return np.float32(np.nan)
    v = np.float32(whole[slot, place]) if slot >= 0 else plain[-2 - slot, place]
    return v if v != nodata else np.float32(np.nan)


@compiled
def _under(
    red: NDArray[np.float32],
    infrared: NDArray[np.float32],
    weights: NDArray[np.float32],
    total: float,
    scale: float,
    offset: float,
    dark: float,
    out: NDArray[np.float64],
) -> None:
    """Figures under one offset; ``total`` is the sum of the weights.

    Impossible reflectances count: they are what gives a wrong offset away. Of single bands ``out`` holds the medians of
    the digital numbers.
    """
    n, valid, below = red.shape[0], 0, 0
    ndvi, own = np.empty(n, np.float64), weights
    for i in range(n):  # nothing here hangs on the pixel before: the compiler takes several at a time
        r, f = (np.float64(red[i]) + offset) * scale, (np.float64(infrared[i]) + offset) * scale
        ndvi[i] = min(max((f - r) / (f + r), -1.0), 1.0)
        valid += 1 if f + r >= 1e-6 else 0
        below += 1 if r < dark else 0
    summed = total
    if valid < n:
        own, m, summed = np.empty(n, np.float32), 0, 0.0
        for i in range(n):
            r, f = (np.float64(red[i]) + offset) * scale, (np.float64(infrared[i]) + offset) * scale
            if f + r >= 1e-6:
                ndvi[m], own[m] = ndvi[i], weights[i]
                summed += np.float64(weights[i])
                m += 1
    impossible = 0.0
    if below > 0:
        for i in range(n):
            impossible += np.float64(weights[i]) if (np.float64(red[i]) + offset) * scale < dark else 0.0
    out[0] = impossible / total
    for k in (1, 2, 4):
        out[k] = (out[k] + offset) * scale
    low, high = 1.0, -1.0
    for i in range(valid):
        low, high = min(low, ndvi[i]), max(high, ndvi[i])
    out[3] = quantile(ndvi[:valid], own[:valid], low, high, summed, 0.5) if valid > 0 else np.nan


@compiled
def vegetation(
    numbers: NDArray[np.float32],
    weights: NDArray[np.float32],
    scale: float,
    offset: NDArray[np.float64],
    dark: float,
    out: NDArray[np.float64],
) -> None:
    """Vegetation pixels and their figures under two offsets, from the third column of :func:`scene_figures` on.

    Parameters
    ----------
    numbers
        Digital numbers by band and pixel, bands those of ``CHECKED``; as many count as there are weights.
    """
    m, total = weights.shape[0], 0.0
    for i in range(m):
        total += weights[i]
    out[2] = total
    red, infrared = numbers[0, :m], numbers[1, :m]
    reds, blue = median_number(red, weights), median_number(numbers[2, :m], weights)
    swir = median_number(numbers[3, :m], weights)
    for c in range(2):
        figures = out[3 + FIGURES * c : 3 + FIGURES * (c + 1)]
        figures[1], figures[2], figures[4] = reds, blue, swir
        _under(red, infrared, weights, total, scale, offset[c], dark, figures)


@compiled
def scene_figures(
    ranges: NDArray[np.int64],
    weights: NDArray[np.float32],
    whole: NDArray[np.uint16],
    plain: NDArray[np.float32],
    slot: NDArray[np.int64],
    nodata: NDArray[np.float32],
    known: NDArray[np.bool_],
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
    marks: NDArray[np.uint8],
    mark: NDArray[np.int64],
    dark: float,
    out: NDArray[np.float64],
) -> None:
    """What each scene of each observation shows of some polygons, and what its vegetation says.

    A clear pixel belongs to the first scene of the datatake that has red and infrared there, a cloudy one to the scene
    that classified it.

    Parameters
    ----------
    ranges
        First gathered pixel of each polygon, its place in ``weights``, and the number of pixels; shape (polygons, 3).
    weights
        Covered fractions.
    whole, plain
        Gathered digital numbers.
    slot
        Slot of each observation, scene, and band (those of ``CHECKED``), as in :func:`kernels.composite`.
    nodata, known
        No data of each; and whether the scene has red and infrared at all.
    offset
        Claimed and other offset, shape (observations, scenes, 2).
    scale
        Shape (observations, scenes).
    marks, mark
        Marks of the gathered pixels, and the row of each observation.
    dark
        Red reflectance below which vegetation is impossible.
    out
        Shape (polygons, observations, scenes, ``COLUMNS``), written.
    """
    observations, depth, bands = slot.shape
    for p in range(ranges.shape[0]):
        start, n = ranges[p, 0], ranges[p, 2]
        w = weights[ranges[p, 1] : ranges[p, 1] + n]
        held = np.empty((bands, n), np.float32)
        own, free, place = np.empty(n, np.float32), np.empty(n, np.bool_), np.empty(n, np.int64)
        for o in range(observations):
            row = marks[mark[o], start : start + n]
            free[:] = True
            for k in range(depth):
                found = out[p, o, k]
                found[:3] = 0.0
                found[3:] = np.nan
                if not known[o, k]:
                    continue
                m = 0
                covered = clear = 0.0
                for i in range(n):
                    mark_here = row[i]
                    if mark_here & STRICT:
                        if not free[i]:
                            continue
                        red = _number(whole, plain, slot[o, k, 0], start + i, nodata[o, k, 0])
                        infrared = _number(whole, plain, slot[o, k, 1], start + i, nodata[o, k, 1])
                        if red == red and infrared == infrared:
                            free[i] = False
                            covered += np.float64(w[i])
                            clear += np.float64(w[i])
                            if mark_here & VEGETATION:
                                held[0, m], held[1, m], own[m], place[m] = red, infrared, w[i], i
                                m += 1
                    elif mark_here & CLASSIFIED and mark_here >> SUPPLIER == k:
                        covered += np.float64(w[i])
                found[0], found[1] = covered, clear
                if m == 0:
                    continue
                for b in range(2, bands):
                    for j in range(m):
                        held[b, j] = _number(whole, plain, slot[o, k, b], start + place[j], nodata[o, k, b])
                vegetation(held, own[:m], scale[o, k], offset[o, k], dark, found)
