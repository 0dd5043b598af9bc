"""The definitions in whole arrays of float64, one step after the other: what the compiled loops are held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.clouds import CLEAR_CLASSES, GROWN_CLASSES, grow_pixels
from plantation_rwa.features.indices import INDICES
from plantation_rwa.features.reflectance import MIN_REFLECTANCE
from plantation_rwa.features.tiles import Tile
from plantation_rwa.features.zonal import coverage
from plantation_rwa.grid import GridSpec, reproject, split_at

Bands = Mapping[str, NDArray[np.float64]]
_TINY = 1e-6


def reflectance(dn: NDArray[np.generic], *, nodata: float | None, scale: float, offset: float) -> NDArray[np.float64]:
    """Surface reflectance ``(DN + offset) * scale``; nodata is decided on the digital number, before the
    offset.

    Parameters
    ----------
    dn
        Digital numbers, any shape and number type.
    nodata
        Digital number that means no data; None if every number is data.
    scale, offset
        Rule of the scene; -1000 from processing baseline 04.00 (domain/yield.md 2.4).

    Returns
    -------
    numpy.ndarray
        Reflectance 0-1, NaN for no data and for values below ``MIN_REFLECTANCE``.
    """
    values = dn.astype(np.float64)
    empty = np.zeros(values.shape, dtype=bool) if nodata is None else values == nodata
    out = (values + offset) * scale
    out[empty | ~(out >= MIN_REFLECTANCE)] = np.nan
    return np.asarray(out, dtype=np.float64)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """``top / bottom``, NaN where the denominator is below 1e-6."""
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom >= _TINY))


def _difference(a: str, b: str) -> Callable[[Bands], NDArray[np.float64]]:
    return lambda r: _ratio(r[a] - r[b], r[a] + r[b])


def _ndvi(r: Bands) -> NDArray[np.float64]:
    return np.clip(_ratio(r["B08"] - r["B04"], r["B08"] + r["B04"]), -1.0, 1.0)


#: formula of each index on reflectance by band
FORMULAS: Mapping[str, Callable[[Bands], NDArray[np.float64]]] = {
    "ndvi": _ndvi,
    "evi": lambda r: _ratio(2.5 * (r["B08"] - r["B04"]), r["B08"] + 6 * r["B04"] - 7.5 * r["B02"] + 1),
    "ndmi": _difference("B8A", "B11"),
    "ndre": _difference("B8A", "B05"),
    "cire": lambda r: _ratio(r["B07"], r["B05"]) - 1.0,
    "nirv": lambda r: _ndvi(r) * r["B08"],
    "kndvi": lambda r: np.tanh(_ndvi(r) ** 2),
    "nbr": _difference("B8A", "B12"),
}


def index_values(name: str, bands: Bands) -> NDArray[np.float64] | None:
    """Values of an index, clipped to its bounds; NaN where a band is missing or the denominator is below
    1e-6.

    Parameters
    ----------
    name
        Key of ``INDICES``.
    bands
        Reflectance (0-1, NaN for no data) by canonical band name, equal shapes.

    Returns
    -------
    numpy.ndarray or None
        None if a band that the index needs is absent.
    """
    index = INDICES[name]
    if any(b not in bands for b in index.bands):
        return None
    return np.clip(FORMULAS[name](bands), index.lower, index.upper)


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


@dataclass(frozen=True)
class Piece:
    """Ground that one tile supplies: a window of the tile and the covered fraction of each of its pixels."""

    tile: Tile
    grid: GridSpec
    fractions: NDArray[np.float64]


def pieces_of(outline: BaseGeometry, tiles: Sequence[Tile], edge_m: float) -> tuple[list[Piece], float]:
    """The shrunk outline cut into the tiles' pieces, each piece of ground once.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    tiles
        In order of preference, see :func:`tiles_of`.
    edge_m
        Metres taken off the edge, in the CRS of the first tile.

    Returns
    -------
    pieces : list of Piece
        Empty if the outline is too small for the edge.
    unseen : float
        Ground that no tile reaches, m2.
    """
    pieces: list[Piece] = []
    rest, crs = outline, "EPSG:4326"
    for n, tile in enumerate(tiles):
        rest, crs = reproject(rest, crs, tile.grid.crs), tile.grid.crs
        if n == 0:
            rest = rest.buffer(-edge_m)
        own, rest = split_at(rest, tile.grid.bounds)
        found = None if own.is_empty else tile.grid.window_of(own.bounds)
        if found is not None:
            grid = tile.grid.crop(found)
            pieces.append(Piece(tile, grid, coverage(own, grid)))
        if rest.is_empty:
            break
    return pieces, float(rest.area) if pieces else 0.0
