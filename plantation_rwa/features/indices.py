"""Vegetation indices from surface reflectance (domain/yield.md 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bands = Mapping[str, NDArray[np.float64]]
_TINY = 1e-6


@dataclass(frozen=True)
class Index:
    """One index: the bands it needs, its bounds, and its formula on reflectance."""

    name: str
    bands: tuple[str, ...]
    lower: float
    upper: float
    formula: Callable[[Bands], NDArray[np.float64]]


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """``top / bottom``, NaN where the denominator is below 1e-6."""
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom >= _TINY))


def _difference(a: str, b: str) -> Callable[[Bands], NDArray[np.float64]]:
    return lambda r: _ratio(r[a] - r[b], r[a] + r[b])


def _ndvi(r: Bands) -> NDArray[np.float64]:
    return np.clip(_ratio(r["B08"] - r["B04"], r["B08"] + r["B04"]), -1.0, 1.0)


INDICES: Mapping[str, Index] = {
    i.name: i
    for i in (
        Index("ndvi", ("B04", "B08"), -1.0, 1.0, _ndvi),
        Index(
            "evi",
            ("B02", "B04", "B08"),
            -1.0,
            1.5,
            lambda r: _ratio(2.5 * (r["B08"] - r["B04"]), r["B08"] + 6 * r["B04"] - 7.5 * r["B02"] + 1),
        ),
        Index("ndmi", ("B8A", "B11"), -1.0, 1.0, _difference("B8A", "B11")),
        Index("ndre", ("B05", "B8A"), -1.0, 1.0, _difference("B8A", "B05")),
        Index("cire", ("B05", "B07"), -1.0, 100.0, lambda r: _ratio(r["B07"], r["B05"]) - 1.0),
        Index("nirv", ("B04", "B08"), -1.0, 1.0, lambda r: _ndvi(r) * r["B08"]),
        Index("kndvi", ("B04", "B08"), 0.0, 1.0, lambda r: np.tanh(_ndvi(r) ** 2)),
        Index("nbr", ("B12", "B8A"), -1.0, 1.0, _difference("B8A", "B12")),
    )
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
    return np.clip(index.formula(bands), index.lower, index.upper)


def needed_bands(names: tuple[str, ...]) -> tuple[str, ...]:
    """Bands that a set of indices needs, sorted."""
    return tuple(sorted({b for name in names for b in INDICES[name].bands}))
