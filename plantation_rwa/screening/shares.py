"""How much of a plot a map says yes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha


@dataclass(frozen=True)
class Share:
    """Parts of a plot, in any one unit: where a map says yes, where it says anything, the whole."""

    yes: float
    seen: float
    whole: float

    def __add__(self, other: Share) -> Share:
        return Share(self.yes + other.yes, self.seen + other.seen, self.whole + other.whole)

    @property
    def fractions(self) -> tuple[float, float]:
        """Yes over what is seen, and seen over the whole; 0 where nothing is."""
        yes = self.yes / self.seen if self.seen > 0 else 0.0
        return min(1.0, yes), min(1.0, self.seen / self.whole) if self.whole > 0 else 0.0


def pixel_share(weights: NDArray[np.float64], yes: NDArray[np.bool_], held: NDArray[np.bool_]) -> Share:
    """Share by pixels.

    Parameters
    ----------
    weights
        Fraction of each pixel that the plot covers, shape (height, width).
    yes, held
        Pixels that mean yes, and that hold a value; same shape.
    """
    return Share(float(weights[yes & held].sum()), float(weights[held].sum()), float(weights.sum()))


def polygon_share(
    plot: BaseGeometry, polygons: Sequence[BaseGeometry], tree: shapely.STRtree, extent: BaseGeometry | None
) -> Share:
    """Share by area; of a point 1 or 0.

    Parameters
    ----------
    tree
        Of the polygons.
    extent
        Ground that the polygons speak for.
    """
    if extent is None or not polygons:
        return Share(0.0, 0.0, 1.0)
    near = [polygons[i] for i in tree.query(plot, predicate="intersects")]
    if plot.geom_type == "Point":
        return Share(float(bool(near)), float(extent.intersects(plot)), 1.0)
    # beyond the extent nothing is said, also where polygons happen to lie
    inside = _area(shapely.intersection(plot, extent))
    common = shapely.union_all([shapely.intersection(shapely.intersection(plot, g), extent) for g in near])
    return Share(_area(common), inside, area_ha(plot))


def _area(geometry: BaseGeometry) -> float:
    parts = [g for g in shapely.get_parts(geometry) if g.geom_type == "Polygon" and not g.is_empty]
    return sum(area_ha(shapely.orient_polygons(g)) for g in parts)
