"""Which pixels of a grid a polygon covers, and how much of each: computed once, kept as runs along rows."""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import GridSpec

#: first bytes of a kept coverage; another layout gets another number
MAGIC = b"COV2"
#: fractions this near to none or all are rounding of coordinates: without, a polygon along pixel edges would have ties
#: in its quantiles or not by the last bit of a coordinate
SLIVER = 1e-6


@dataclass(frozen=True)
class Coverage:
    """Covered pixels of one polygon on one grid, row by row from the top.

    Parameters
    ----------
    runs
        Row, first column, length of each stretch of neighbours, int64, shape (runs, 3).
    weights
        Covered fraction of each pixel, in the order of the runs, float32.
    """

    runs: NDArray[np.int64]
    weights: NDArray[np.float32]

    @functools.cached_property
    def pixels(self) -> int:
        """Covered pixels, each counted as one."""
        return int(self.weights.size)

    @functools.cached_property
    def whole_pixels(self) -> float:
        """Sum of the fractions."""
        return float(self.weights.sum(dtype=np.float64))

    def to_bytes(self) -> bytes:
        """Compact form for a store: run ends and the fractions of the rim; whole pixels cost nothing."""
        rim = np.flatnonzero(self.weights != 1)
        head = np.array([len(self.runs), self.pixels, rim.size], "<i8").tobytes()
        steps = np.diff(self.runs, axis=0, prepend=np.zeros((1, 3), np.int64)).astype("<i4")
        body = (
            steps.T.tobytes()
            + np.diff(rim, prepend=0).astype("<i4").tobytes()
            + self.weights[rim].astype("<f4").tobytes()
        )
        return MAGIC + zlib.compress(head + body, 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Coverage:
        """The coverage that :meth:`to_bytes` wrote.

        Raises
        ------
        ValueError
            If the bytes are not whole or are of another layout: compute the coverage anew.
        """
        if data[:4] != MAGIC:
            raise ValueError("not a kept coverage of this version")
        try:
            raw = zlib.decompress(data[4:])
            count, pixels, rim = (int(v) for v in np.frombuffer(raw, "<i8", 3))
            steps = np.frombuffer(raw, "<i4", 3 * count, 24).reshape(3, count).T
            places = np.frombuffer(raw, "<i4", rim, 24 + 12 * count)
            fractions = np.frombuffer(raw, "<f4", rim, 24 + 12 * count + 4 * rim)
        except (zlib.error, ValueError) as error:
            raise ValueError(f"a kept coverage is damaged: {error}") from None
        weights = np.ones(pixels, np.float32)
        weights[np.cumsum(places)] = fractions
        return cls(np.cumsum(steps, axis=0, dtype=np.int64), weights)


def coverages(geometries: Sequence[BaseGeometry], grid: GridSpec) -> list[Coverage]:
    """Covered pixels of many polygons on one grid.

    Parameters
    ----------
    geometries
        Valid (Multi)Polygons in the grid's CRS; empty ones and those beside the grid cover nothing.
    grid
        Pixel grid.
    """
    if not len(geometries):
        return []
    from plantation_rwa.features.engine.cover_kernels import covers

    shapes, owner = shapely.get_parts(shapely.orient_polygons(np.array(geometries, object)), return_index=True)
    owner, shapes = owner[~shapely.is_empty(shapes)], shapes[~shapely.is_empty(shapes)]
    points, ring = shapely.get_coordinates(rings_of := shapely.get_rings(shapes), return_index=True)
    first = np.searchsorted(ring, np.arange(len(rings_of) + 1))
    rings = np.cumsum([0, *(shapely.get_num_interior_rings(shapes) + 1)])
    polygons = rings[np.searchsorted(owner, np.arange(len(geometries) + 1))]
    west, _, _, north = grid.bounds
    points = (points - (west, north)) / (grid.transform.a, grid.transform.e)
    runs, weights, ends = covers(points, first, polygons, _windows(points, first[polygons], grid), SLIVER)
    begins = np.concatenate([np.zeros((1, 2), np.int64), ends[:-1]])
    return [Coverage(runs[a:b], weights[c:d]) for (a, c), (b, d) in zip(begins.tolist(), ends.tolist(), strict=True)]


def _windows(points: NDArray[np.float64], starts: NDArray[np.int64], grid: GridSpec) -> NDArray[np.int64]:
    """Pixels of the grid that the box around some corners reaches: first row and column, last row and column + 1."""
    found = np.zeros((len(starts) - 1, 4), np.int64)
    some = np.flatnonzero(np.diff(starts) > 0)
    if len(some):
        low, high = (f.reduceat(points, starts[some]) for f in (np.minimum, np.maximum))
        edges = np.concatenate([np.floor(low[:, ::-1]), np.ceil(high[:, ::-1])], axis=1)
        found[some] = np.clip(edges, 0, [grid.height, grid.width] * 2)
    return found


def cut(runs: NDArray[np.int64], edge: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs cut where they cross the lines of a lattice of ``edge`` x ``edge`` pixels.

    Parameters
    ----------
    runs
        Row, first column, length; of one coverage or of several, one after the other.

    Returns
    -------
    parts : numpy.ndarray
        Row, first column, length, and place of the first pixel in the order of the runs; shape (parts, 4).
    run : numpy.ndarray
        Run that each part was cut from.
    """
    start, length = runs[:, 1], runs[:, 2]
    place = np.cumsum(length) - length
    count = (start + length - 1) // edge - start // edge + 1
    run = np.repeat(np.arange(len(runs)), count)
    nth = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    line = (start[run] // edge + nth) * edge
    first = np.maximum(start[run], line)
    last = np.minimum(start[run] + length[run], line + edge)
    return np.stack([runs[run, 0], first, last - first, place[run] + first - start[run]], axis=1), run


def coverage_key(geometry: BaseGeometry, grid: GridSpec) -> str:
    """Name of a coverage in a store: the same for the same outline on the same lattice, hexadecimal."""
    lattice = f"{MAGIC!r}|{grid.crs}|{tuple(grid.transform)[:6]}|{grid.height}|{grid.width}"
    return hashlib.sha256(lattice.encode() + shapely.to_wkb(geometry)).hexdigest()
