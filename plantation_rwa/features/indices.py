"""Vegetation indices (domain/yield.md 2.1): what they need and how far they reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Index:
    """One index: the bands it needs and its bounds; the formulas stand in the engine's kernels."""

    name: str
    bands: tuple[str, ...]
    lower: float
    upper: float


INDICES: Mapping[str, Index] = {
    i.name: i
    for i in (
        Index("ndvi", ("B04", "B08"), -1.0, 1.0),
        Index("evi", ("B02", "B04", "B08"), -1.0, 1.5),
        Index("ndmi", ("B8A", "B11"), -1.0, 1.0),
        Index("ndre", ("B05", "B8A"), -1.0, 1.0),
        Index("cire", ("B05", "B07"), -1.0, 100.0),
        Index("nirv", ("B04", "B08"), -1.0, 1.0),
        Index("kndvi", ("B04", "B08"), 0.0, 1.0),
        Index("nbr", ("B12", "B8A"), -1.0, 1.0),
    )
}


def needed_bands(names: tuple[str, ...]) -> tuple[str, ...]:
    """Bands that a set of indices needs, sorted."""
    return tuple(sorted({b for name in names for b in INDICES[name].bands}))
