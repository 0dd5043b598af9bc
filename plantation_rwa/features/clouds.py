"""What the classes of a scene classification (SCL) mean, and how far cloud and shadow grow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
