"""Statistics of pixels over a polygon, each pixel weighted by its covered fraction."""

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


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted mean of the finite values, NaN if their weights sum to zero; values and weights of equal shape."""
    keep = np.isfinite(values) & (weights > 0)
    total = float(weights[keep].sum())
    return float((values[keep] * weights[keep]).sum() / total) if total > 0 else float("nan")


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], q: float) -> float:
    """Weighted quantile by the averaged inverted distribution function, stable under ties.

    Finite values with positive weight are sorted and equal values merged into one with the sum of their
    weights W_i. With C_k the cumulative weights and target T = q * C_n, the quantile is the first value
    whose C_k exceeds T, or the mean of that value and the one before it if C_(k-1) equals T (to 1e-9 of the
    total). With equal weights and q = 0.5 this is the ordinary median. Merging ties first makes the result
    independent of the order of pixels, which the common weighted medians are not.

    Parameters
    ----------
    values, weights
        Equal shapes; weights are covered fractions.
    q
        Level in [0, 1].

    Returns
    -------
    float
        NaN if there is no value.
    """
    keep = np.isfinite(values) & (weights > 0)
    found, place = np.unique(values[keep], return_inverse=True)
    if found.size == 0:
        return float("nan")
    merged = np.bincount(place, weights=weights[keep], minlength=found.size)
    cumulative = np.cumsum(merged)
    target, slack = q * cumulative[-1], 1e-9 * cumulative[-1]
    k = int(np.searchsorted(cumulative, target - slack, side="left"))
    k = min(k, found.size - 1)
    if abs(cumulative[k] - target) <= slack and k + 1 < found.size:
        return float((found[k] + found[k + 1]) / 2)
    return float(found[k])
