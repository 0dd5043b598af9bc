"""Runs of covered pixels sorted by block, cut by cell: what a pass over a tile walks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.layers import CELL
from plantation_rwa.features.engine.weights import Coverage, cut


@dataclass(frozen=True)
class Block:
    """Covered pixels of one block.

    Parameters
    ----------
    row, col
        Block's place, counted in blocks.
    segments
        First and last + 1 of its segments.
    runs
        Row and column inside the block, length, place of the first pixel in the output; shape (runs, 4).
    segment
        Segment of each run, counted inside the block.
    cell
        Cell of each segment inside the block, shape (segments, 2).
    box
        First row, first column, last row + 1, last column + 1 of each segment inside the block.
    """

    row: int
    col: int
    segments: slice
    runs: NDArray[np.int64]
    segment: NDArray[np.int64]
    cell: NDArray[np.int64]
    box: NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """Covered pixels of some polygons by block.

    A segment is what one polygon covers in one cell: the unit for which reading is decided.

    Parameters
    ----------
    starts
        Place of each polygon's first pixel in the output, and the end.
    blocks
        Row by row.
    edge
        Of a block in pixels.
    member
        Polygon of each segment.
    box
        First row, first column, last row + 1, last column + 1 of each segment's pixels in the tile, shape (n, 4).
    """

    starts: NDArray[np.int64]
    blocks: tuple[Block, ...]
    edge: int
    member: NDArray[np.int64]
    box: NDArray[np.int64]


def segments_of(coverages: Sequence[Coverage], edge: int) -> Segments:
    """Sort the pixels of some polygons on one grid by block.

    Parameters
    ----------
    coverages
        One per polygon.
    edge
        Of a block in pixels, a multiple of ``CELL``.
    """
    starts = np.cumsum([0, *(c.pixels for c in coverages)]).astype(np.int64)
    runs, origin = cut(np.concatenate([np.empty((0, 3), np.int64), *(c.runs for c in coverages)]), CELL)
    member = np.repeat(np.arange(len(coverages)), [len(c.runs) for c in coverages])[origin]
    keys = np.stack([*(runs[:, :2] // edge).T, member, *(runs[:, :2] // CELL).T], axis=1)
    order = np.lexsort(keys.T[::-1])
    runs, keys = runs[order], keys[order]
    new = np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)][: len(keys)]
    heads = np.flatnonzero(new)
    segment = np.cumsum(new) - 1
    box = np.empty((len(heads), 4), np.int64)
    if len(heads):
        box[:, :2] = np.minimum.reduceat(runs[:, :2], heads)
        box[:, 2] = np.maximum.reduceat(runs[:, 0] + 1, heads)
        box[:, 3] = np.maximum.reduceat(runs[:, 1] + runs[:, 2], heads)
    of_block = keys[heads, :2]
    edges = np.flatnonzero(np.r_[True, (np.diff(of_block, axis=0) != 0).any(axis=1)][: len(heads)])
    blocks = []
    for first, last in zip(edges.tolist(), [*edges[1:].tolist(), len(heads)], strict=True):
        row, col = (int(v) for v in of_block[first])
        chosen = slice(int(heads[first]), int(heads[last]) if last < len(heads) else len(runs))
        local = runs[chosen] - np.array([row * edge, col * edge, 0, 0])
        cells = keys[heads[first:last], 3:] - np.array([row, col]) * (edge // CELL)
        inside = box[first:last] - np.array([row, col, row, col]) * edge
        blocks.append(Block(row, col, slice(first, last), local, segment[chosen] - first, cells, inside))
    return Segments(starts, tuple(blocks), edge, keys[heads, 2], box)
