"""Pixels of polygons over one month to the figures that the features table publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

#: quantiles that are published of NDVI; of the other indices the first
LEVELS = (0.5, 0.1, 0.9)


@dataclass(frozen=True)
class Pixels:
    """Pixels of some polygons, one polygon after the other, of a polygon tile by tile.

    Parameters
    ----------
    values
        Medians, float32, shape (indices, pixels).
    seen
        Clear observations of each pixel.
    weights
        Covered fractions, piece by piece; a piece is what one tile supplies of one polygon.
    owner, area_m2
        Polygon of each piece, and the area of a pixel there.
    unseen_m2
        Ground of each polygon that no tile reaches: it counts as not seen.
    """

    values: NDArray[np.float32]
    seen: NDArray[np.uint16]
    weights: Sequence[NDArray[np.float32]]
    owner: NDArray[np.intp]
    area_m2: NDArray[np.float64]
    unseen_m2: NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """What the pixels of some polygons say, one number a polygon each.

    Parameters
    ----------
    pixels
        Sum of covered fractions.
    clear_pixels
        The same of pixels that were seen clearly at least once.
    valid_fraction, n_clear
        Covered area seen clearly, and the mean count of clear observations; NaN without any ground.
    effective
        By index, the covered fractions of the pixels that have a value.
    mean, median, p10, p90
        By index; NaN without any value, the last two only of NDVI.
    """

    pixels: NDArray[np.float64]
    clear_pixels: NDArray[np.float64]
    valid_fraction: NDArray[np.float64]
    n_clear: NDArray[np.float64]
    effective: Mapping[str, NDArray[np.float64]]
    mean: Mapping[str, NDArray[np.float64]]
    median: Mapping[str, NDArray[np.float64]]
    p10: NDArray[np.float64]
    p90: NDArray[np.float64]

    def put(self, polygons: NDArray[np.intp], other: Figures) -> None:
        """Take the figures of some polygons from others."""
        for field in fields(self):
            own, new = getattr(self, field.name), getattr(other, field.name)
            for to, values in ((own[k], new[k]) for k in own) if isinstance(own, dict) else ((own, new),):
                to[polygons] = values


def figures_of(pixels: Pixels, present: Sequence[str], names: Sequence[str]) -> Figures:
    """Figures of polygons from the pixels of all their tiles.

    Parameters
    ----------
    pixels
        Each piece of ground once.
    present
        Index of each row of the values.
    names
        Indices to give figures of: one that is not present has no value.
    """
    from plantation_rwa.features.engine import selection

    count = len(pixels.unseen_m2)
    unit = np.full(count, np.inf)
    np.minimum.at(unit, pixels.owner, pixels.area_m2)
    unit[np.isinf(unit)] = 1.0
    # covered area in the finest pixel of each polygon's tiles
    share = pixels.area_m2 / unit[pixels.owner]
    weights = list(pixels.weights)
    for n in np.flatnonzero(share != 1).tolist():
        weights[n] = weights[n] * np.float32(share[n])
    sizes = np.zeros(count, np.int64)
    np.add.at(sizes, pixels.owner, [w.size for w in weights])
    starts = np.append(0, np.cumsum(sizes))
    levels = np.full((len(present), len(LEVELS)), np.nan)
    levels[:, 0] = LEVELS[0]
    levels[[n == "ndvi" for n in present]] = LEVELS
    out, sums = np.empty((count, len(present), 2 + len(LEVELS))), np.empty((count, 3))
    flat = np.concatenate([np.empty(0, np.float32), *weights])
    selection.summarise_all(pixels.values, pixels.seen, flat, starts, levels, out, sums)
    total = sums[:, 0] + pixels.unseen_m2 / unit
    ground = total > 0
    valid, clear = (np.divide(sums[:, k], total, out=np.full(count, np.nan), where=ground) for k in (1, 2))
    for n in np.unique(pixels.owner[share != 1]).tolist():
        sums[n, :2], out[n, :, 0] = _plain(pixels, n, int(starts[n]))

    def by_index(column: int, missing: float) -> dict[str, NDArray[np.float64]]:
        nothing = np.full(count, missing)
        return {name: out[:, present.index(name), column] if name in present else nothing for name in names}

    ndvi = out[:, present.index("ndvi")] if "ndvi" in present else np.full((count, 5), np.nan)
    return Figures(
        sums[:, 0], sums[:, 1], valid, clear, by_index(0, 0.0), by_index(1, np.nan), by_index(2, np.nan), ndvi[:, 3],
        ndvi[:, 4],
    )  # fmt: skip


def _plain(pixels: Pixels, n: int, start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covered fractions in all, seen clearly, and with a value of each index, whatever the size of the pixels."""
    own = np.flatnonzero(pixels.owner == n).tolist()
    wide = np.concatenate([pixels.weights[k] for k in own]).astype(np.float64)
    chosen = slice(start, start + wide.size)
    values, seen = pixels.values[:, chosen], pixels.seen[chosen]
    effective = np.where(np.isfinite(values), wide, 0.0).sum(axis=1)
    return np.array([wide.sum(), wide[seen > 0].sum()]), effective
