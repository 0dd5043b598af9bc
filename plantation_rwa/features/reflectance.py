"""The smallest reflectance believed, and bands of any resolution to one grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.grid import GridSpec, Window

#: below this a reflectance is not physical: the offset was taken off twice, or the pixel is broken
MIN_REFLECTANCE = -0.05


def nearest(source: GridSpec, target: GridSpec) -> tuple[Window | None, NDArray[np.intp], NDArray[np.intp]]:
    """Nearest-neighbour map from a target grid to a source grid of the same CRS.

    Parameters
    ----------
    source
        Grid of the band as it lies in its file.
    target
        Grid wanted, usually finer and a window of the tile.

    Returns
    -------
    window
        Smallest window of ``source`` that holds every pixel wanted; None if the grids do not meet.
    rows, cols
        Row (column) inside the window of each target row (column); -1 where the source has no pixel.

    Raises
    ------
    ValueError
        If the CRS differ.
    """
    if source.crs != target.crs:
        raise ValueError(f"cannot map {source.crs} to {target.crs} by nearest neighbour")
    cols = _index(
        target.transform.c,
        target.pixel_size,
        target.width,
        source.transform.c,
        source.pixel_size,
        source.width,
    )
    rows = _index(
        -target.transform.f,
        target.pixel_size,
        target.height,
        -source.transform.f,
        source.pixel_size,
        source.height,
    )
    if not (rows >= 0).any() or not (cols >= 0).any():
        return None, np.full(target.height, -1), np.full(target.width, -1)
    row0, col0 = int(rows[rows >= 0].min()), int(cols[cols >= 0].min())
    window = Window(row0, col0, int(rows.max()) - row0 + 1, int(cols.max()) - col0 + 1)
    return window, np.where(rows >= 0, rows - row0, -1), np.where(cols >= 0, cols - col0, -1)


def _index(start: float, step: float, count: int, origin: float, size: float, limit: int) -> NDArray[np.intp]:
    """Source index of each target pixel centre along one axis that grows away from ``origin``; -1 outside."""
    centres = start + (np.arange(count) + 0.5) * step
    index = np.floor((centres - origin) / size + 1e-9).astype(np.intp)
    return np.where((index >= 0) & (index < limit), index, -1)


def spread(
    pixels: NDArray[np.generic], rows: NDArray[np.intp], cols: NDArray[np.intp], fill: float
) -> NDArray[np.generic]:
    """Pixels of a source window on the target grid of :func:`nearest`; ``fill`` where there is none."""
    out = pixels[np.maximum(rows, 0)[:, None], np.maximum(cols, 0)[None, :]]
    outside = (rows < 0)[:, None] | (cols < 0)[None, :]
    if outside.any():
        out = out.astype(np.result_type(out.dtype, np.min_scalar_type(fill)))
        out[outside] = fill
    return out
