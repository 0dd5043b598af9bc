"""Clear pixels of one observation over the blocks of a tile, from its classification, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.clouds import CLEAR_CLASSES, GROWN_CLASSES, grow_pixels, margin_pixels
from plantation_rwa.features.composites import classified_pixels
from plantation_rwa.features.engine.layers import CELL, Lattice, lattice_of, read_cells
from plantation_rwa.features.engine.segments import Segments
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.grid import GridSpec, Window

#: identity of a scene as it is used: id and offset
SceneKey = tuple[str, float]
Box = tuple[int, int, int, int]


@dataclass
class Masks:
    """Clear pixels by block, one bit each.

    Parameters
    ----------
    shift
        The mask's pixels are ``2 ** shift`` times those of the tile.
    edge
        Of a block in pixels of the mask.
    bits
        By number of the block; absent: nothing is clear.
    everywhere
        No scene has a classification: all is clear.
    failed
        Scene and message by segment that needs what cannot be read.
    """

    shift: int = 0
    edge: int = CELL
    bits: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    everywhere: bool = False
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)

    def of(self, block: int) -> NDArray[np.uint8] | None:
        """Clear pixels of a block, also beyond the tile's edge; None if it is clear everywhere."""
        if self.everywhere:
            return None
        held = self.bits.get(block)
        size = self.edge * self.edge
        flat = np.zeros(size, np.uint8) if held is None else np.unpackbits(held, count=size)
        return flat.reshape(self.edge, self.edge)

    def keep(self, block: int, mask: NDArray[np.uint8]) -> None:
        """Keep the mask of a block."""
        if mask.any():
            self.bits[block] = np.packbits(mask)


def masks_of(
    scenes: Sequence[SceneLike],
    reader: Reader,
    tile: GridSpec,
    segments: Segments,
    chosen: NDArray[np.bool_],
    profile: str,
) -> Masks:
    """Clear pixels of one observation, as :func:`plantation_rwa.features.clouds.clear_mask` defines them.

    Parameters
    ----------
    scenes
        Of one datatake, in order of precedence.
    tile
        Finest grid.
    chosen
        Segments that are to be looked at.
    """
    classified = [s for s in scenes if "SCL" in s.assets]
    if not classified:
        return Masks(everywhere=True)
    try:
        grids = [scene_grid(s, "SCL", reader) for s in classified]
    except UnreadableSceneError as error:
        return Masks(failed=dict.fromkeys(np.flatnonzero(chosen).tolist(), (error.scene_id, error.message)))
    places = [lattice_of(g, tile) if g.crs == tile.crs else None for g in grids]
    first = places[0]
    if first is None or any(p is None or p.shift != first.shift for p in places):
        return _cell_by_cell(scenes, reader, tile, segments, chosen, profile)
    lattices = [p for p in places if p is not None]
    return _whole(classified, grids, lattices, reader, segments, chosen, profile)


def _whole(
    scenes: Sequence[SceneLike],
    grids: Sequence[GridSpec],
    places: Sequence[Lattice],
    reader: Reader,
    segments: Segments,
    chosen: NDArray[np.bool_],
    profile: str,
) -> Masks:
    """All needed cells of classifications that share a lattice, then the mask block by block."""
    from plantation_rwa.features.engine import kernels

    shift, size = places[0].shift, grids[0].pixel_size
    wide = segments.edge >> shift
    masks, margin = Masks(shift, wide), margin_pixels(size)
    box = segments.box[chosen]
    if not len(box):
        return masks
    # pixels of the classification that can change the mask of a segment, and the cells they lie in
    around = np.concatenate([(box[:, :2] >> shift) - margin, ((box[:, 2:] - 1) >> shift) + 1 + margin], axis=1)
    cells = np.concatenate([around[:, :2] // CELL, -(-around[:, 2:] // CELL)], axis=1)
    top, left = (int(v) for v in cells[:, :2].min(axis=0))
    bottom, right = (int(v) for v in cells[:, 2:].max(axis=0))
    shape = (bottom - top, right - left)
    classes = np.zeros((shape[0] * CELL, shape[1] * CELL), np.uint8)
    looking = np.ones(len(box), bool)
    for n, (scene, grid, place) in enumerate(zip(scenes, grids, places, strict=True)):
        if n > 0:
            # the next scene of the datatake is asked where one of a segment's pixels is not classified yet
            local = (np.maximum(around, (top * CELL, left * CELL) * 2) - (top * CELL, left * CELL) * 2).tolist()
            looking &= np.array([not classes[r0:r1, c0:c1].all() for r0, c0, r1, c1 in local], bool)
        if not looking.any():
            break
        wanted = np.zeros(shape, bool)
        for r0, c0, r1, c1 in np.unique(cells[looking] - (top, left) * 2, axis=0).tolist():
            wanted[r0:r1, c0:c1] = True
        layer = classes if n == 0 else np.zeros_like(classes)
        origin = (place.row + top * CELL, place.col + left * CELL)
        found, failed = read_cells(reader, scene.assets["SCL"], grid, origin, wanted, layer)
        found = found.astype(np.uint8, copy=False)
        classes = found if n == 0 else np.where(classes == 0, found, classes)
        for (r, c), message in failed.items():
            r, c = r + top, c + left
            hit = looking & (cells[:, 0] <= r) & (r < cells[:, 2]) & (cells[:, 1] <= c) & (c < cells[:, 3])
            for segment in np.flatnonzero(chosen)[hit].tolist():
                masks.failed.setdefault(segment, (scene.id, message))
    clear, grown = (_table(c) for c in (CLEAR_CLASSES[profile], GROWN_CLASSES))
    # the file's own edge is where the border repeats
    edge: Box = (-places[0].row, -places[0].col, grids[0].height - places[0].row, grids[0].width - places[0].col)
    for n, block in enumerate(segments.blocks):
        if not chosen[block.segments].any():
            continue
        r0, c0, r1, c1 = _inside(edge, (block.row * wide, block.col * wide), wide, margin)
        r0, c0, r1, c1 = max(r0, top * CELL), max(c0, left * CELL), min(r1, bottom * CELL), min(c1, right * CELL)
        if r1 <= r0 or c1 <= c0:
            continue
        part = classes[r0 - top * CELL : r1 - top * CELL, c0 - left * CELL : c1 - left * CELL]
        mask = kernels.clear_classes(np.ascontiguousarray(part), clear, grown, grow_pixels(size))
        full = np.zeros((wide, wide), np.uint8)
        y0, x0 = max(r0, block.row * wide), max(c0, block.col * wide)
        y1, x1 = min(r1, (block.row + 1) * wide), min(c1, (block.col + 1) * wide)
        full[y0 - block.row * wide : y1 - block.row * wide, x0 - block.col * wide : x1 - block.col * wide] = mask[
            y0 - r0 : y1 - r0, x0 - c0 : x1 - c0
        ]
        masks.keep(n, full)
    return masks


def _inside(edge: Box, origin: tuple[int, int], wide: int, margin: int) -> Box:
    """A block with its margin, as far as the file goes."""
    return (
        max(origin[0] - margin, edge[0]),
        max(origin[1] - margin, edge[1]),
        min(origin[0] + wide + margin, edge[2]),
        min(origin[1] + wide + margin, edge[3]),
    )


def _table(classes: Sequence[int]) -> NDArray[np.uint8]:
    out = np.zeros(256, np.uint8)
    out[list(classes)] = 1
    return out


def _cell_by_cell(
    scenes: Sequence[SceneLike],
    reader: Reader,
    tile: GridSpec,
    segments: Segments,
    chosen: NDArray[np.bool_],
    profile: str,
) -> Masks:
    """The same for classifications on other lattices: on the tile's own pixels, each cell by itself."""
    masks = Masks(0, segments.edge)
    for n, block in enumerate(segments.blocks):
        full = np.zeros((masks.edge, masks.edge), np.uint8)
        own = np.flatnonzero(chosen[block.segments])
        for r, c in np.unique(block.cell[own], axis=0).tolist():
            row, col = block.row * segments.edge + r * CELL, block.col * segments.edge + c * CELL
            window = Window(row, col, min(CELL, tile.height - row), min(CELL, tile.width - col))
            try:
                clear, _ = classified_pixels(scenes, reader, tile.crop(window), profile)
            except UnreadableSceneError as error:
                for segment in own[(block.cell[own] == (r, c)).all(axis=1)].tolist():
                    masks.failed[block.segments.start + segment] = (error.scene_id, error.message)
                continue
            full[r * CELL : r * CELL + window.height, c * CELL : c * CELL + window.width] = clear
        masks.keep(n, full)
    return masks
