"""Bands and classifications of scenes as arrays on the lattice of a tile, read by whole cells of the lattice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.features.observations import Reader, SceneLike
from plantation_rwa.features.reflectance import MIN_REFLECTANCE, nearest, spread
from plantation_rwa.grid import GridSpec, Window

#: edge of a cell in pixels of its lattice: what is read or left out as a whole; the blocks of the providers' COGs are
#: of this size or a multiple
CELL = 512
#: relative shift of two grids below which they are one lattice
_CLOSE = 1e-6


@dataclass(frozen=True)
class Lattice:
    """How a file's grid lies in a tile's: pixels ``2 ** shift`` times as large, tile pixel (0, 0) at (row, col)."""

    shift: int
    row: int
    col: int


def lattice_of(grid: GridSpec, tile: GridSpec) -> Lattice | None:
    """Place of a file's grid in a tile's grid, None if it is neither the same lattice nor the one of double pixels."""
    for shift in (0, 1):
        size = tile.pixel_size * 2**shift
        if abs(grid.pixel_size - size) <= _CLOSE * size:
            col, row = (tile.transform.c - grid.transform.c) / size, (grid.transform.f - tile.transform.f) / size
            if abs(col - round(col)) <= _CLOSE and abs(row - round(row)) <= _CLOSE:
                return Lattice(shift, round(row), round(col))
    return None


def stretches(needed: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles (row, column, rows, columns) of cells that hold the needed ones and no other, each once."""
    left = needed.copy()
    for r, c in zip(*np.nonzero(needed), strict=True):
        if left[r, c]:
            width = int(np.argmin(np.r_[left[r, c:], False]))
            height = 1
            while r + height < len(left) and left[r + height, c : c + width].all():
                height += 1
            left[r : r + height, c : c + width] = False
            yield int(r), int(c), height, width


def read_cells(
    reader: Reader,
    asset: Any,
    grid: GridSpec,
    origin: tuple[int, int],
    needed: NDArray[np.bool_],
    out: NDArray[Any],
) -> tuple[NDArray[Any], dict[tuple[int, int], str]]:
    """Read needed cells of a file into an array on the same lattice.

    Neighbouring cells are asked for together; where that fails they are asked for one by one, so that which cells
    fail does not depend on which others are wanted.

    Parameters
    ----------
    grid
        Of the file.
    origin
        Row and column of the file at ``out[0, 0]``; may lie outside.
    needed
        Cells of ``CELL`` pixels of ``out``, row by row.
    out
        Filled with what stands for no data; written where the file has pixels. One of another number type is
        returned if the file's numbers do not fit.

    Returns
    -------
    out : numpy.ndarray
    failed : dict
        Message by cell (row, column).
    """
    failed: dict[tuple[int, int], str] = {}

    def read(r: int, c: int, rows: int, cols: int) -> None:
        nonlocal out
        top, left = max(origin[0] + r * CELL, 0), max(origin[1] + c * CELL, 0)
        bottom = min(origin[0] + min((r + rows) * CELL, out.shape[0]), grid.height)
        right = min(origin[1] + min((c + cols) * CELL, out.shape[1]), grid.width)
        if bottom > top and right > left:
            pixels = reader.read(asset, Window(top, left, bottom - top, right - left))
            if not np.can_cast(pixels.dtype, out.dtype):
                out = out.astype(np.float32)
            out[top - origin[0] : bottom - origin[0], left - origin[1] : right - origin[1]] = pixels

    for r, c, rows, cols in stretches(needed):
        try:
            read(r, c, rows, cols)
        except ReadError as error:
            if rows == cols == 1:
                failed[(r, c)] = str(error)
                continue
            for row in range(r, r + rows):
                for col in range(c, c + cols):
                    try:
                        read(row, col, 1, 1)
                    except ReadError as again:
                        failed[(row, col)] = str(again)
    return out, failed


def read_nearest(
    reader: Reader,
    asset: Any,
    grid: GridSpec,
    block: GridSpec,
    needed: NDArray[np.bool_],
    out: NDArray[Any],
    fill: float,
) -> tuple[NDArray[Any], dict[tuple[int, int], str]]:
    """As :func:`read_cells` for a file on any other grid of the CRS: nearest neighbour, cell by cell."""
    failed: dict[tuple[int, int], str] = {}
    for r, c in zip(*np.nonzero(needed), strict=True):
        row, col = int(r) * CELL, int(c) * CELL
        height, width = min(CELL, block.height - row), min(CELL, block.width - col)
        window, rows, cols = nearest(grid, block.crop(Window(row, col, height, width)))
        if window is None:
            continue
        try:
            pixels = spread(reader.read(asset, window), rows, cols, fill)
        except ReadError as error:
            failed[(int(r), int(c))] = str(error)
            continue
        if not np.can_cast(pixels.dtype, out.dtype):
            out = out.astype(np.float32)
        out[row : row + height, col : col + width] = pixels
    return out, failed


@dataclass(frozen=True)
class Rule:
    """How digital numbers of a layer are read: no data (NaN: none), offset, smallest number believed, scale."""

    nodata: float
    offset: float
    least: float
    scale: float

    @classmethod
    def of(cls, scene: SceneLike, band: str, *, whole: bool) -> Rule:
        """The rule of a scene's band, as :func:`plantation_rwa.features.reflectance.reflectance` has it.

        ``whole`` numbers are compared with the smallest one that passes in the arithmetic of that function.
        """
        nodata = scene.assets[band].nodata
        least = MIN_REFLECTANCE / scene.scale - scene.offset
        if whole:
            least = float(np.ceil(least))
            least += float((least + scene.offset) * scene.scale < MIN_REFLECTANCE)
            least -= float((least - 1 + scene.offset) * scene.scale >= MIN_REFLECTANCE)
        return cls(float("nan") if nodata is None else nodata, scene.offset, least, scene.scale)

    @property
    def numbers(self) -> tuple[float, float, float]:
        """No data, offset, smallest number believed: what the kernel takes."""
        return self.nodata, self.offset, self.least

    def known(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        """Where the numbers are data."""
        return np.asarray((numbers != self.nodata) & (numbers >= self.least))


def joined(first: NDArray[Any], rule: Rule, second: NDArray[Any], other: Rule) -> tuple[NDArray[Any], Rule]:
    """One layer of two scenes of a datatake: the second where the first has no data, in the terms of the first.

    Both lie on one lattice. Where the numbers of the second cannot be said in the first's type, the result is in
    float32 with the offset added.
    """
    holes = ~rule.known(first) & other.known(second)
    if not holes.any():
        return first, rule
    wanted = (second[holes].astype(np.float64) + other.offset) * (other.scale / rule.scale) - rule.offset
    if first.dtype != np.float32:
        limits = np.iinfo(first.dtype)
        whole = (wanted == np.round(wanted)) & (wanted >= limits.min) & (wanted <= limits.max)
        if whole.all() and rule.known(wanted).all():
            out = first.copy()
            out[holes] = wanted.astype(first.dtype)
            return out, rule
    plain = np.where(rule.known(first), first.astype(np.float64) + rule.offset, np.nan).astype(np.float32)
    plain[holes] = wanted + rule.offset
    return plain, Rule(float("nan"), 0.0, float("-inf"), rule.scale)
