"""Files of scenes on the lattice of a tile, read by whole cells of the lattice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.features.observations import Reader, SceneLike
from plantation_rwa.features.reflectance import MIN_REFLECTANCE, nearest, spread
from plantation_rwa.features.scene_checks import OTHER_OFFSET
from plantation_rwa.grid import GridSpec, Window

#: edge of a cell in pixels of its lattice: what is read or left out as a whole; the blocks of the providers' COGs are
#: of this size or a multiple
CELL = 512
#: cells along the edge of what is asked for at once; blocks of up to so many cells are decoded once
TOGETHER = 4
#: relative shift of two grids below which they are one lattice
_CLOSE = 1e-6

Cell = tuple[int, int]


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


@dataclass(frozen=True)
class Part:
    """Pixels of a rectangle of cells; its corner in pixels of the file's lattice, counted from the tile's."""

    row: int
    col: int
    pixels: NDArray[Any]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class OnTile:
    """A file as it lies on a tile.

    Parameters
    ----------
    asset, grid
        The file and its grid.
    place
        None if it shares no lattice with the tile: then it goes to the tile's own by nearest neighbour.
    tile
        Grid of the finest resolution.
    fill
        What stands for no data beyond the file.
    edge
        See :meth:`~plantation_rwa.features.observations.Reader.edge`.
    """

    asset: Any
    grid: GridSpec
    place: Lattice | None
    tile: GridSpec
    fill: float
    edge: int = 0

    @property
    def shift(self) -> int:
        """Pixels are ``2 ** shift`` times those of the tile."""
        return self.place.shift if self.place else 0

    @property
    def covers(self) -> bool:
        """Whether the file holds every pixel of the tile."""
        if self.place is None:
            return False
        height, width = -(-self.tile.height >> self.shift), -(-self.tile.width >> self.shift)
        inside = self.place.row >= 0 and self.place.col >= 0
        return inside and self.place.row + height <= self.grid.height and self.place.col + width <= self.grid.width

    @property
    def reach(self) -> tuple[int, int, int, int]:
        """First row and column, last row + 1 and column + 1 of the tile and the file together, in the file's pixels."""
        height, width = -(-self.tile.height >> self.shift), -(-self.tile.width >> self.shift)
        if self.place is None:
            return 0, 0, height, width
        row, col = self.place.row, self.place.col
        return min(0, -row), min(0, -col), max(height, self.grid.height - row), max(width, self.grid.width - col)

    @property
    def together(self) -> int:
        """Cells along the edge of what is asked for at once: a block if blocks are whole cells, else ``TOGETHER``."""
        if self.place is None or not self.edge or (CELL % self.edge and self.edge % CELL):
            return TOGETHER
        begun = self.place.row % self.edge == 0 and self.place.col % self.edge == 0
        return min(max(self.edge // CELL, 1), TOGETHER) if begun else TOGETHER

    def parts(self, reader: Reader, cells: Iterable[Cell]) -> Iterator[Part | tuple[Cell, str]]:
        """Read cells: pixels, or the cell and the message where they cannot be read.

        Neighbouring cells are asked for together; where that fails they are asked for one by one, so that which cells
        fail does not depend on which others are wanted.
        """
        if self.place is None:
            for cell in sorted(cells):
                yield self._attempt(reader, (*cell, 1, 1))
            return
        for row, col, rows, cols in rectangles(cells, self.together):
            found = self._attempt(reader, (row, col, rows, cols))
            if isinstance(found, Part) or rows == cols == 1:
                yield found
                continue
            for r in range(row, row + rows):
                for c in range(col, col + cols):
                    yield self._attempt(reader, (r, c, 1, 1))

    def _attempt(self, reader: Reader, box: tuple[int, int, int, int]) -> Part | tuple[Cell, str]:
        row, col, rows, cols = box
        top, left, bottom, right = self.reach
        r0, c0 = max(row * CELL, top), max(col * CELL, left)
        r1, c1 = min((row + rows) * CELL, bottom), min((col + cols) * CELL, right)
        window = Window(r0, c0, r1 - r0, c1 - c0)
        try:
            pixels = self._near(reader, window) if self.place is None else self._own(reader, window, self.place)
        except ReadError as error:
            return (row, col), str(error)
        cells = tuple((r, c) for r in range(row, row + rows) for c in range(col, col + cols))
        return Part(window.row, window.col, pixels, cells)

    def _own(self, reader: Reader, window: Window, place: Lattice) -> NDArray[Any]:
        """Pixels of the file's own lattice, beyond the file filled."""
        top, left = window.row + place.row, window.col + place.col
        r0, c0 = max(top, 0), max(left, 0)
        r1, c1 = min(top + window.height, self.grid.height), min(left + window.width, self.grid.width)
        if r1 <= r0 or c1 <= c0:
            return np.full((window.height, window.width), self.fill, np.min_scalar_type(self.fill))
        pixels = reader.read(self.asset, Window(r0, c0, r1 - r0, c1 - c0))
        if pixels.shape == (window.height, window.width):
            return np.ascontiguousarray(pixels)
        dtype = np.result_type(pixels.dtype, np.min_scalar_type(self.fill))
        out = np.full((window.height, window.width), self.fill, dtype)
        out[r0 - top : r1 - top, c0 - left : c1 - left] = pixels
        return out

    def _near(self, reader: Reader, window: Window) -> NDArray[Any]:
        """Pixels of the tile's lattice by nearest neighbour."""
        source, rows, cols = nearest(self.grid, self.tile.crop(window))
        if source is None:
            return np.full((window.height, window.width), self.fill, np.min_scalar_type(self.fill))
        return np.ascontiguousarray(spread(reader.read(self.asset, source), rows, cols, self.fill))


def bundles(cells: Iterable[Cell], together: int = TOGETHER) -> list[list[Cell]]:
    """Cells by the square of so many cells they lie in, in order."""
    found: dict[Cell, list[Cell]] = {}
    for r, c in sorted(cells):
        found.setdefault((r // together, c // together), []).append((r, c))
    return [found[key] for key in sorted(found)]


def rectangles(cells: Iterable[Cell], together: int = TOGETHER) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles (row, column, rows, columns) that hold these cells and no other, each once, none over a bundle."""
    for bundle in bundles(cells, together):
        left = set(bundle)
        for r, c in bundle:
            if (r, c) in left:
                width = height = 1
                while (r, c + width) in left:
                    width += 1
                while all((r + height, x) in left for x in range(c, c + width)):
                    height += 1
                left -= {(y, x) for y in range(r, r + height) for x in range(c, c + width)}
                yield r, c, height, width


@dataclass(frozen=True)
class Rule:
    """How digital numbers of a layer are read: no data (NaN: none), offset, smallest number believed, scale."""

    nodata: float
    offset: float
    least: float
    scale: float

    @classmethod
    def of(cls, scene: SceneLike, band: str, *, whole: bool) -> Rule:
        """The rule of a scene's band: a reflectance, (number + offset) * scale, below ``MIN_REFLECTANCE`` is no data.

        ``whole`` numbers are compared with the smallest one that passes in float64.
        """
        nodata = scene.assets[band].nodata
        return cls(
            float("nan") if nodata is None else float(nodata),
            scene.offset,
            _least(scene.scale, scene.offset, whole=whole),
            scene.scale,
        )

    @property
    def numbers(self) -> tuple[float, float, float]:
        """No data, offset, smallest number believed: what the kernels take."""
        return self.nodata, self.offset, self.least

    def strictest(self, *, whole: bool) -> float:
        """Smallest number believed under this offset and under the other one that such a product can carry."""
        other = OTHER_OFFSET.get(self.offset, self.offset)
        return max(self.least, _least(self.scale, other, whole=whole))


def _least(scale: float, offset: float, *, whole: bool) -> float:
    least = MIN_REFLECTANCE / scale - offset
    if whole:
        least = float(np.ceil(least))
        least += float((least + offset) * scale < MIN_REFLECTANCE)
        least -= float((least - 1 + offset) * scale >= MIN_REFLECTANCE)
    return least
