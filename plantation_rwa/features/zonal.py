"""Covered fraction of each pixel under a polygon, as a whole array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.engine.weights import SLIVER
from plantation_rwa.grid import GridSpec


def coverage(geometry: BaseGeometry, grid: GridSpec) -> NDArray[np.float64]:
    """Fraction of each pixel that a polygon covers, computed exactly.

    Parameters
    ----------
    geometry
        (Multi)Polygon in the grid's CRS; may be empty.
    grid
        Pixel grid of shape (height, width).

    Returns
    -------
    numpy.ndarray
        Fractions 0-1, shape (height, width).
    """
    out = np.zeros((grid.height, grid.width))
    if geometry.is_empty:
        return out
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    xmin, ymin, xmax, ymax = grid.bounds
    # the values are never looked at: a broadcast zero stands in for the raster
    raster = NumPyRasterSource(np.broadcast_to(np.uint8(0), out.shape), xmin, ymin, xmax, ymax)
    feature = JSONFeatureSource({"type": "Feature", "geometry": geometry.__geo_interface__, "properties": {}})
    result = exact_extract(raster, feature, ["cell_id", "coverage"])[0]["properties"]
    out.ravel()[np.asarray(result["cell_id"], dtype=np.intp)] = result["coverage"]
    return np.where(out < SLIVER, 0.0, np.where(out > 1 - SLIVER, 1.0, out))
