"""Runs of covered pixels sorted by cell: what a pass over a tile walks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.layers import CELL
from plantation_rwa.features.engine.weights import Coverage, cut


@dataclass(frozen=True)
class Segments:
    """Covered pixels of some polygons by cell of the finest lattice.

    A segment is what one polygon covers in one cell: the unit for which reading is decided.

    Parameters
    ----------
    starts
        Place of each polygon's first pixel, and the end.
    runs
        Row, column, length, place of the first pixel; cell by cell, in a cell polygon by polygon; shape (runs, 4).
    segment
        Segment of each run.
    member
        Polygon of each segment.
    cell
        Number of the cell of each segment.
    cells
        Row and column of each cell, shape (cells, 2).
    cell_runs
        First run of each cell, and the end.
    box
        First row, first column, last row + 1, last column + 1 of each segment's pixels, shape (segments, 4).
    """

    starts: NDArray[np.int64]
    runs: NDArray[np.int64]
    segment: NDArray[np.int64]
    member: NDArray[np.int64]
    cell: NDArray[np.int64]
    cells: NDArray[np.int64]
    cell_runs: NDArray[np.int64]
    box: NDArray[np.int64]

    @property
    def pixels(self) -> int:
        """Covered pixels of all polygons."""
        return int(self.starts[-1])

    def runs_of(self, cell: int) -> NDArray[np.int64]:
        """Runs of one cell by its number."""
        return self.runs[self.cell_runs[cell] : self.cell_runs[cell + 1]]


def segments_of(coverages: Sequence[Coverage]) -> Segments:
    """Sort the pixels of some polygons on one grid by cell."""
    starts = np.cumsum([0, *(c.pixels for c in coverages)]).astype(np.int64)
    runs, origin = cut(np.concatenate([np.empty((0, 3), np.int64), *(c.runs for c in coverages)]), CELL)
    member = np.repeat(np.arange(len(coverages)), [len(c.runs) for c in coverages])[origin]
    keys = np.stack([*(runs[:, :2] // CELL).T, member], axis=1)
    order = np.lexsort(keys.T[::-1])
    runs, keys = runs[order], keys[order]
    heads, segment = _groups(keys)
    first, cell = _groups(keys[heads, :2])
    box = np.empty((len(heads), 4), np.int64)
    if len(heads):
        box[:, :2] = np.minimum.reduceat(runs[:, :2], heads)
        box[:, 2] = np.maximum.reduceat(runs[:, 0] + 1, heads)
        box[:, 3] = np.maximum.reduceat(runs[:, 1] + runs[:, 2], heads)
    edges = np.append(heads[first], len(runs)).astype(np.int64)
    return Segments(starts, runs, segment, keys[heads, 2], cell, keys[heads[first], :2], edges, box)


def _groups(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each group of equal neighbours, and the group of each row."""
    new = np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)][: len(keys)]
    return np.flatnonzero(new), np.cumsum(new) - 1
