"""Compiled cloud growth: scene classifications to marks of clear pixels.

Importing this module imports numba: import it where it is used, not at the top of a module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled
from plantation_rwa.features.engine.bits import LENIENT, STRICT


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
def marks_of_classes(
    classes: NDArray[np.uint8], table: NDArray[np.uint8], grown: NDArray[np.uint8], grow: int
) -> NDArray[np.uint8]:
    """Marks of a scene classification: the table's, without the clear ones where a cloud or shadow reaches.

    Cloud and shadow lose specks by an opening of one pixel (a 3 x 3 cross) and then grow by a disk; beyond the edge the
    border repeats: a cloud cut by the edge is no speck.

    Parameters
    ----------
    classes
        Class codes, shape (rows, columns).
    table, grown
        Per class code, 256 entries: its marks, and 1 for a class that grows.
    grow
        Radius of the disk in pixels; 0 neither opens nor grows.
    """
    height, width = classes.shape
    out = np.empty((height, width), np.uint8)
    cloud = np.empty((height, width), np.uint8)
    clouds = False
    for y in range(height):
        for x in range(width):
            out[y, x] = table[classes[y, x]]
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
            out[y, x] &= 255 - near[x] * (STRICT | LENIENT)
    return out
