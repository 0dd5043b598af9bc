"""Which pixels of a grid a polygon covers, and how much of each: computed once, kept as runs along rows."""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import GridSpec

#: first bytes of a kept coverage; another layout gets another number
MAGIC = b"COV1"
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
        Covered fraction of each pixel, in the order of the runs, float32; exactextract computes no finer.
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
    """Covered pixels of many polygons on one grid, in one pass of exactextract.

    Parameters
    ----------
    geometries
        (Multi)Polygons in the grid's CRS; empty ones and those beside the grid cover nothing.
    grid
        Pixel grid.
    """
    found = [Coverage(np.empty((0, 3), np.int64), np.empty(0, np.float32)) for _ in geometries]
    box = shapely.box(*grid.bounds)
    near = [n for n, g in enumerate(geometries) if not g.is_empty and g.intersects(box)]
    if not near:
        return found
    from exactextract import exact_extract
    from exactextract.feature import JSONFeature, JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    class Binary(JSONFeature):
        """A feature that gives its geometry as WKB: a third faster than as text."""

        def geometry(self) -> bytes:
            return bytes(self.feature["geometry"])

    class Source(JSONFeatureSource):
        """Such features."""

        def __iter__(self) -> Iterator[Binary]:
            return (Binary(feature) for feature in self.src)

    xmin, ymin, xmax, ymax = grid.bounds
    # the values are never looked at: a broadcast zero stands in for the raster
    raster = NumPyRasterSource(np.broadcast_to(np.uint8(0), (grid.height, grid.width)), xmin, ymin, xmax, ymax)
    shapes = shapely.to_wkb(np.array([geometries[n] for n in near]))
    features = [{"geometry": shape, "properties": {"n": n}} for n, shape in zip(near, shapes, strict=True)]
    results = exact_extract(raster, Source(features), ["cell_id", "coverage"], include_cols=["n"])
    for result in results:
        cells, weights = (np.asarray(result["properties"][name]) for name in ("cell_id", "coverage"))
        found[int(result["properties"]["n"])] = _runs(cells.astype(np.int64), weights.astype(np.float32), grid.width)
    return found


def _runs(cells: NDArray[np.int64], weights: NDArray[np.float32], width: int) -> Coverage:
    weights[weights > 1 - SLIVER] = 1
    held = weights >= SLIVER
    order = np.argsort(cells[held], kind="stable")
    cells, weights = cells[held][order], weights[held][order]
    row, col = np.divmod(cells, width)
    new = np.ones(cells.size, bool)
    new[1:] = (np.diff(cells) != 1) | (col[1:] == 0)
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=cells.size)
    return Coverage(np.stack([row[starts], col[starts], lengths], axis=1).astype(np.int64), weights)


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
