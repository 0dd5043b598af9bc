"""Clear-sky mask from the scene classification (SCL)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

#: SCL classes that count as clear: 4 vegetation, 5 bare; lenient adds 2 dark and 7 unclassified
#: (domain/yield.md 2.3)
CLEAR_CLASSES: Mapping[str, tuple[int, ...]] = {"strict": (4, 5), "lenient": (2, 4, 5, 7)}
#: classes that are grown: 3 cloud shadow, 8 and 9 cloud, 10 cirrus
GROWN_CLASSES = (3, 8, 9, 10)
#: SCL class of vegetation
VEGETATION_CLASS = 4
GROW_M = 60.0


def grow_pixels(pixel_size: float) -> int:
    """Pixels by which cloud and shadow grow: floor(60 m / SCL pixel size); 3 at 20 m, 0 above 60 m."""
    return int(np.floor(GROW_M / pixel_size + 1e-9))


def margin_pixels(pixel_size: float) -> int:
    """Pixels around a window that can change the mask inside it."""
    grow = grow_pixels(pixel_size)
    return grow + 2 if grow else 0


def clear_mask(scl: NDArray[np.generic], pixel_size: float, profile: str = "strict") -> NDArray[np.bool_]:
    """Clear pixels of a scene classification.

    Cloud and shadow lose specks by an opening of one pixel (a 3 x 3 cross) and then grow by 60 m (a disk);
    both only where 60 m is at least one pixel. A pixel is clear if its own class is clear and no grown
    cloud reaches it.

    Parameters
    ----------
    scl
        Class codes 0-11, shape (rows, columns).
    pixel_size
        Pixel edge in metres.
    profile
        ``strict`` or ``lenient``.
    """
    clear = np.isin(scl, CLEAR_CLASSES[profile])
    grow = grow_pixels(pixel_size)
    cloud = np.isin(scl, GROWN_CLASSES)
    if grow < 1 or not cloud.any():
        return clear
    from scipy import ndimage

    cross = ndimage.generate_binary_structure(2, 1)
    # beyond the edge the border repeats: a cloud cut by the edge is no speck
    padded = np.pad(cloud, 2, mode="edge")
    opened = ndimage.binary_dilation(ndimage.binary_erosion(padded, cross), cross)[2:-2, 2:-2]
    if not opened.any():
        return clear
    # the Euclidean distance to the nearest cloud pixel decides: the same as dilating with a disk of that
    # radius
    distance = ndimage.distance_transform_edt(~opened)
    return np.asarray(clear & (distance > grow + 1e-9))
