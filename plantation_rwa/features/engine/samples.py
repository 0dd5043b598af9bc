"""Pixels of polygons over one month to the figures that the features table publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    pieces
        Of each polygon, tile by tile, covered fractions and the area of a pixel in m2.
    unseen_m2
        Ground of each polygon that no tile reaches: it counts as not seen.
    """

    values: NDArray[np.float32]
    seen: NDArray[np.uint16]
    pieces: Sequence[Sequence[tuple[NDArray[np.float32], float]]]
    unseen_m2: Sequence[float]


@dataclass(frozen=True)
class Figures:
    """What the pixels of a polygon say.

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

    pixels: float
    clear_pixels: float
    valid_fraction: float
    n_clear: float
    effective: Mapping[str, float]
    mean: Mapping[str, float]
    median: Mapping[str, float]
    p10: float
    p90: float


def figures_of(pixels: Pixels, present: Sequence[str], names: Sequence[str]) -> list[Figures]:
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

    groups = pixels.pieces
    units = [min((area for _, area in pieces), default=1.0) for pieces in groups]
    # covered area in the finest pixel of each polygon's tiles
    areas = [
        weights if area == unit else weights * np.float32(area / unit)
        for pieces, unit in zip(groups, units, strict=True)
        for weights, area in pieces
    ]
    weights = np.concatenate([np.empty(0, np.float32), *areas])
    starts = np.cumsum([0, *(sum(w.size for w, _ in pieces) for pieces in groups)]).astype(np.int64)
    levels = np.full((len(present), len(LEVELS)), np.nan)
    levels[:, 0] = LEVELS[0]
    levels[[n == "ndvi" for n in present]] = LEVELS
    out, sums = np.empty((len(groups), len(present), 2 + len(LEVELS))), np.empty((len(groups), 3))
    selection.summarise_all(pixels.values, pixels.seen, weights, starts, levels, out, sums)
    nothing, unknown = dict.fromkeys(names, 0.0), dict.fromkeys(names, float("nan"))
    found = []
    for n, (pieces, unit) in enumerate(zip(groups, units, strict=True)):
        plain, effective = sums[n], out[n, :, 0]
        if any(area != unit for _, area in pieces):
            plain, effective = _plain(pixels, n, int(starts[n]))
        total = float(sums[n, 0]) + pixels.unseen_m2[n] / unit
        ndvi = out[n, present.index("ndvi")] if "ndvi" in present else np.full(5, np.nan)
        found.append(
            Figures(
                float(plain[0]),
                float(plain[1]),
                float(sums[n, 1]) / total if total > 0 else float("nan"),
                float(sums[n, 2]) / total if total > 0 else float("nan"),
                nothing | dict(zip(present, effective.tolist(), strict=True)),
                unknown | dict(zip(present, out[n, :, 1].tolist(), strict=True)),
                unknown | dict(zip(present, out[n, :, 2].tolist(), strict=True)),
                float(ndvi[3]),
                float(ndvi[4]),
            )
        )
    return found


def _plain(pixels: Pixels, n: int, start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covered fractions in all, seen clearly, and with a value of each index, whatever the size of the pixels."""
    wide = np.concatenate([w for w, _ in pixels.pieces[n]]).astype(np.float64)
    chosen = slice(start, start + wide.size)
    values, seen = pixels.values[:, chosen], pixels.seen[chosen]
    effective = np.where(np.isfinite(values), wide, 0.0).sum(axis=1)
    return np.array([wide.sum(), wide[seen > 0].sum()]), effective
