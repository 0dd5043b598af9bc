"""Layers of one block of a tile: cells of bands read when first needed, several scenes of a datatake joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.layers import CELL, Lattice, Rule, joined, lattice_of, read_cells, read_nearest
from plantation_rwa.features.engine.segments import Block
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.grid import GridSpec, Window


@dataclass
class Losses:
    """Scenes that a member needed and could not read: the first band and message of each."""

    found: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)

    def add(self, members: NDArray[np.int64], scene_id: str, band: str, message: str) -> None:
        """Note a failure; the classification goes before the bands, the bands by name."""
        for member in members.tolist():
            held = self.found.get((member, scene_id))
            if held is None or (band != "SCL", band) < (held[0] != "SCL", held[0]):
                self.found[(member, scene_id)] = (band, message)


class Stack:
    """Layers by slot on the lattice of the tile and on the one of double pixels, as the kernels take them."""

    def __init__(self, edge: int, dtype: type[np.generic]) -> None:
        self._edge, self._dtype = edge, dtype
        self._layers: tuple[list[NDArray[Any]], list[NDArray[Any]]] = ([], [])

    def add(self, shift: int, layer: NDArray[Any]) -> int:
        """Slot of a new layer: n is fine, -2 - n coarse."""
        self._layers[shift].append(layer)
        n = len(self._layers[shift]) - 1
        return n if shift == 0 else -2 - n

    def put(self, slot: int, layer: NDArray[Any]) -> None:
        """Another array in the place of a layer."""
        self._layers[int(slot < 0)][slot if slot >= 0 else -2 - slot] = layer

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fine and coarse layers, shape (slots, edge, edge), both in float32 if any layer is."""
        plain = any(layer.dtype == np.float32 for group in self._layers for layer in group)
        fine, coarse = (
            np.empty((len(group), self._edge >> shift, self._edge >> shift), np.float32 if plain else self._dtype)
            for shift, group in enumerate(self._layers)
        )
        for out, group in ((fine, self._layers[0]), (coarse, self._layers[1])):
            for n, layer in enumerate(group):
                out[n] = layer
        return fine, coarse


@dataclass
class _Held:
    """One band of one scene in a block, as far as it was read."""

    grid: GridSpec
    place: Lattice | None
    fill: float
    pixels: NDArray[Any]
    read: NDArray[np.bool_]
    failed: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def shift(self) -> int:
        return self.place.shift if self.place else 0


class BlockLayers:
    """Layers of one block.

    Parameters
    ----------
    reader
        Block reader.
    tile
        Finest grid.
    edge
        Of the block in pixels.
    block
        Its segments.
    member
        Polygon of each segment.
    losses
        Takes what could not be read.
    """

    def __init__(
        self, reader: Reader, tile: GridSpec, edge: int, block: Block, member: NDArray[np.int64], losses: Losses
    ) -> None:
        self._reader, self._tile, self._block, self._member, self._losses = reader, tile, block, member, losses
        row, col = block.row * edge, block.col * edge
        self._window = Window(row, col, min(edge, tile.height - row), min(edge, tile.width - col))
        self._edge = edge
        self._stack = Stack(edge, np.uint16)
        self._held: dict[tuple[str, str], _Held | None] = {}
        self._slots: dict[tuple[str, str], int] = {}

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fine and coarse layers by slot."""
        for key, slot in self._slots.items():
            held = self._held[key]
            assert held is not None
            self._stack.put(slot, held.pixels)
        return self._stack.arrays()

    def add(self, scenes: Sequence[SceneLike], band: str, needed: NDArray[np.bool_]) -> tuple[int, Rule] | None:
        """Slot and rule of one band of an observation, None if no scene has it.

        Parameters
        ----------
        scenes
            Of one datatake, in order of precedence.
        needed
            Segments that have a clear pixel.
        """
        found: tuple[int, NDArray[Any], Rule] | None = None
        single = len([s for s in scenes if band in s.assets]) == 1
        for scene in scenes:
            if band not in scene.assets:
                continue
            held = self._open(scene, band, needed)
            if held is None:
                continue
            missing = needed if found is None else needed & self._holes(*found)
            self._read(scene, band, held, missing)
            rule = Rule.of(scene, band, whole=held.pixels.dtype != np.float32)
            if single:
                key = (scene.id, band)
                if key not in self._slots:
                    self._slots[key] = self._stack.add(held.shift, held.pixels)
                return self._slots[key], rule
            if found is None:
                found = held.shift, held.pixels, rule
            elif found[0] == held.shift:
                found = found[0], *joined(found[1], found[2], held.pixels, rule)
            else:
                first, second = (_finer(p, s) for s, p in ((found[0], found[1]), (held.shift, held.pixels)))
                found = 0, *joined(first, found[2], second, rule)
        return None if found is None else (self._stack.add(found[0], found[1]), found[2])

    def _open(self, scene: SceneLike, band: str, needed: NDArray[np.bool_]) -> _Held | None:
        key = (scene.id, band)
        if key not in self._held:
            self._held[key] = None
            try:
                grid = scene_grid(scene, band, self._reader)
                if grid.crs != self._tile.crs:
                    message = f"lies in {grid.crs}, other bands of the scene in {self._tile.crs}"
                    raise UnreadableSceneError(scene.id, band, message)
            except UnreadableSceneError as error:
                self._losses.add(self._member[needed], scene.id, band, error.message)
                return None
            place = lattice_of(grid, self._tile)
            size = self._edge >> (place.shift if place else 0)
            nodata = scene.assets[band].nodata
            fill = float("nan") if nodata is None else float(nodata)
            whole = (fill.is_integer() and 0 <= fill <= 65535) or self._inside(grid, place)
            pixels = np.full((size, size), fill if fill == fill or not whole else 0, np.uint16 if whole else np.float32)
            read = np.zeros((-(-size // CELL), -(-size // CELL)), bool)
            self._held[key] = _Held(grid, place, fill, pixels, read)
        return self._held[key]

    def _inside(self, grid: GridSpec, place: Lattice | None) -> bool:
        """Whether the file covers all of the block."""
        if place is None:
            return False
        row, col = self._origin(place)
        height, width = (-(-n >> place.shift) for n in (self._window.height, self._window.width))
        return row >= 0 and col >= 0 and row + height <= grid.height and col + width <= grid.width

    def _origin(self, place: Lattice) -> tuple[int, int]:
        return place.row + (self._window.row >> place.shift), place.col + (self._window.col >> place.shift)

    def _cells(self, shift: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, cols = (self._block.cell >> shift).T
        return rows, cols

    def _read(self, scene: SceneLike, band: str, held: _Held, needed: NDArray[np.bool_]) -> None:
        """Read the cells of the needed segments that were not read yet."""
        rows, cols = self._cells(held.shift)
        wanted = np.zeros_like(held.read)
        wanted[rows[needed], cols[needed]] = True
        asset, new = scene.assets[band], wanted & ~held.read
        if held.place is not None:
            held.pixels, failed = read_cells(self._reader, asset, held.grid, self._origin(held.place), new, held.pixels)
        else:
            block = self._tile.crop(self._window)
            held.pixels, failed = read_nearest(self._reader, asset, held.grid, block, new, held.pixels, held.fill)
        held.read |= new
        held.failed |= failed
        for (r, c), message in held.failed.items():
            self._losses.add(self._member[needed & (rows == r) & (cols == c)], scene.id, band, message)

    def _holes(self, shift: int, pixels: NDArray[Any], rule: Rule) -> NDArray[np.bool_]:
        """Segments that have a pixel without data in their box."""
        known = rule.known(pixels)
        low, high = self._block.box[:, :2] >> shift, ((self._block.box[:, 2:] - 1) >> shift) + 1
        boxes = np.concatenate([low, high], axis=1).tolist()
        return np.array([not known[r0:r1, c0:c1].all() for r0, c0, r1, c1 in boxes], bool)


def _finer(pixels: NDArray[Any], shift: int) -> NDArray[Any]:
    return np.repeat(np.repeat(pixels, 1 << shift, axis=0), 1 << shift, axis=1)
