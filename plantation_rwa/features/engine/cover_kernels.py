"""Compiled inner loops of covered fractions.

Importing this module imports numba: import it where it is used, not at the top of a module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

#: pixels of a strip of rows that is worked on at once: as many as stay in the cache of a core
STRIP = 131_072


@compiled
def _put(line: NDArray[Any], left: float, right: float, height: float, width: int) -> None:
    """Add the part of an edge within one row: ``height`` rows high, from column ``left`` to ``right``.

    After summing along the row each pixel holds the ground east of the edge: all of the pixels behind it, and what it
    leaves of those it crosses. An edge west of the first column has all of them behind it, one beyond the last none.
    """
    if left < 0.0:
        share = 1.0 if right <= 0.0 else -left / (right - left)
        line[0] += height * share
        height, left = height * (1.0 - share), 0.0
    if right > width:
        if left >= width:
            return
        height, right = height * ((width - left) / (right - left)), float(width)
    if height == 0.0 or left >= width:
        return
    col = int(left)
    if right <= col + 1.0:
        beside = 0.5 * (left + right) - col
        line[col] += height * (1.0 - beside)
        line[col + 1] += height * beside
        return
    slope = height / (right - left)
    while left < right:
        end = min(col + 1.0, right)
        part, beside = slope * (end - left), 0.5 * (left + end) - col
        line[col] += part * (1.0 - beside)
        line[col + 1] += part * beside
        left, col = end, col + 1


@compiled
def _edges(points: NDArray[Any], rings: NDArray[Any], top: int, left: int, strip: NDArray[Any]) -> None:
    """Add all edges of a polygon's rings within a strip of rows."""
    height, width = strip.shape[0], strip.shape[1] - 1
    for ring in range(len(rings) - 1):
        for k in range(rings[ring], rings[ring + 1] - 1):
            x0, y0, x1, y1 = points[k, 0], points[k, 1] - top, points[k + 1, 0], points[k + 1, 1] - top
            if y0 == y1 or max(y0, y1) <= 0.0 or min(y0, y1) >= height:
                continue
            # downwards or upwards: which side the ground lies on
            sign = 1.0
            if y0 > y1:
                sign, x0, y0, x1, y1 = -1.0, x1, y1, x0, y0
            slope = (x1 - x0) / (y1 - y0)
            low, high = min(x0, x1) - left, max(x0, x1) - left
            begin = max(y0, 0.0)
            last = min(y1, float(height))
            row = int(begin)
            here = min(max(x0 - left + (begin - y0) * slope, low), high)
            while begin < last:
                end = min(row + 1.0, last)
                there = min(max(x0 - left + (end - y0) * slope, low), high)
                _put(strip[row], min(here, there), max(here, there), sign * (end - begin), width)
                begin, here, row = end, there, row + 1


@compiled
def _grown(held: NDArray[Any], used: int, more: int) -> NDArray[Any]:
    """An array with room for more rows, its used ones kept."""
    if used + more <= len(held):
        return held
    out = np.empty((max(2 * len(held), used + more), *held.shape[1:]), held.dtype)
    out[:used] = held[:used]
    return out


@compiled
def covers(
    points: NDArray[np.float64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    windows: NDArray[np.int64],
    sliver: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Covered fractions of the pixels under some shapes, each a set of disjoint polygons.

    Every edge adds, row by row, the ground east of it, with the sign of its direction; summed along a row what is left
    is the fraction of each pixel within the rings: the trapezium rule of polygon areas, exact but for rounding.

    Parameters
    ----------
    points
        Column and row of each corner in pixels of the grid, rings one after the other and closed: exteriors
        anticlockwise on the map, holes clockwise, so that the ground lies east of an edge that goes south.
    rings
        First corner of each ring, and the end.
    polygons
        First ring of each shape, and the end.
    windows
        First row, first column, last row + 1, last column + 1 of the pixels of each shape that are looked at.
    sliver
        Fractions less than this are none, those nearer to one than this are one.

    Returns
    -------
    runs : numpy.ndarray
        Row, first column, length of stretches of covered pixels, shape by shape; int64, shape (runs, 3).
    weights : numpy.ndarray
        Covered fraction of each pixel of the runs, float32.
    ends : numpy.ndarray
        Runs and pixels of all shapes up to and with each, int64, shape (shapes, 2).
    """
    runs, weights = np.empty((1024, 3), np.int64), np.empty(65_536, np.float32)
    ends = np.zeros((len(windows), 2), np.int64)
    count, filled = 0, 0
    for n in range(len(windows)):
        top, left, bottom, right = windows[n]
        width = right - left
        rows = max(STRIP // (width + 1), 1) if width > 0 else bottom - top
        own = rings[polygons[n] : polygons[n + 1] + 1]
        for start in range(top, bottom if width > 0 else top, max(rows, 1)):
            strip = np.zeros((min(rows, bottom - start), width + 1))
            _edges(points, own, start, left, strip)
            weights = _grown(weights, filled, strip.size)
            runs = _grown(runs, count, strip.size // 2 + len(strip))
            for row in range(len(strip)):
                total, length = 0.0, 0
                for col in range(width):
                    total += strip[row, col]
                    if total < sliver:
                        length = 0
                        continue
                    if length == 0:
                        runs[count, 0], runs[count, 1] = start + row, left + col
                        count += 1
                    length += 1
                    runs[count - 1, 2] = length
                    weights[filled] = 1.0 if total > 1.0 - sliver else total
                    filled += 1
        ends[n, 0], ends[n, 1] = count, filled
    return runs[:count].copy(), weights[:filled].copy(), ends
