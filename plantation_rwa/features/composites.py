"""Scenes to monthly per-pixel medians: lazy, dask-backed xarray over the kernels of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.bits import CHECKED, LENIENT, STRICT
from plantation_rwa.features.engine.gathered import Gathered, key_of
from plantation_rwa.features.engine.lanes import OneLane
from plantation_rwa.features.engine.layers import CELL, lattice_of
from plantation_rwa.features.engine.month import medians
from plantation_rwa.features.engine.segments import segments_of
from plantation_rwa.features.engine.weights import Coverage
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.grid import GridSpec, Window

if TYPE_CHECKING:
    import xarray as xr

#: edge of a chunk in pixels: what one task holds in memory
BLOCK = CELL


def monthly_composite(
    scenes: Sequence[SceneLike],
    reader: Reader,
    grid: GridSpec,
    names: Sequence[str] = tuple(INDICES),
    *,
    profile: str = "strict",
) -> xr.Dataset:
    """Monthly median of each index per pixel, lazily, by the kernels that make the features.

    Parameters
    ----------
    scenes
        Scenes of one tile and month, in the CRS of the grid; several of one datatake count once.
    reader
        Block reader; asked for the grid of one file now, and for blocks that hold pixels of the grid when the result
        is computed: the classification first, bands only where it shows something clear.
    grid
        Grid wanted.
    names
        Indices, keys of ``INDICES``.
    profile
        SCL profile, ``strict`` or ``lenient``.

    Returns
    -------
    xarray.Dataset
        One float32 variable per index and ``n_clear`` (clear observations in the bands of NDVI), dims (y, x),
        pixel-centre coordinates, CRS written by rioxarray, dask chunks of at most 512 x 512 pixels that lie like the
        file's blocks. Computing it raises UnreadableSceneError naming scene and band.
    """
    import dask.array as da
    import rioxarray  # noqa: F401  (registers the .rio accessor)
    import xarray as xr
    from dask.delayed import delayed

    keys = tuple(names)
    tile, row, col = _tile(scenes, reader, grid, keys)
    read = delayed(composite_block, pure=False, traverse=False)
    lines = []
    for r0, r1 in pairwise(_edges(row, grid.height)):
        line = []
        for c0, c1 in pairwise(_edges(col, grid.width)):
            part = read(tuple(scenes), reader, tile, Window(row + r0, col + c0, r1 - r0, c1 - c0), keys, profile)
            line.append(da.from_delayed(part, (len(keys) + 1, r1 - r0, c1 - c0), dtype=np.float32))
        lines.append(line)
    cube = da.block(lines)
    x = grid.transform.c + (np.arange(grid.width) + 0.5) * grid.pixel_size
    y = grid.transform.f - (np.arange(grid.height) + 0.5) * grid.pixel_size
    data = {name: (("y", "x"), cube[n]) for n, name in enumerate((*keys, "n_clear"))}
    dataset: xr.Dataset = xr.Dataset(data, coords={"y": y, "x": x}).rio.write_crs(grid.crs)
    return dataset


def composite_block(
    scenes: Sequence[SceneLike], reader: Reader, tile: GridSpec, window: Window, names: Sequence[str], profile: str
) -> NDArray[np.float32]:
    """Medians of each index and the count of clear observations last, shape (indices + 1, height, width).

    Parameters
    ----------
    tile
        Grid of the finest resolution.
    window
        Of the tile.

    Raises
    ------
    UnreadableSceneError
        Naming scene and band.
    """
    height, width = window.height, window.width
    rows = np.arange(window.row, window.row + height)
    runs = np.stack([rows, np.full(height, window.col), np.full(height, width)], axis=1).astype(np.int64)
    segments = segments_of([Coverage(runs, np.ones(height * width, np.float32))])
    bands = tuple(dict.fromkeys((*CHECKED[:2], *needed_bands(tuple(names)))))
    own, lanes = Encoded.by([tuple(sorted(scenes, key=lambda s: (s.acquired, s.id)))], id), OneLane()
    gathered = Gathered(tile, segments, own, bands, reader, lenient=profile == "lenient", lanes=lanes)
    for failed in gathered.losses.values():
        scene_id, (band, message) = min(failed.items())
        raise UnreadableSceneError(scene_id, band, message)
    values = np.full((len(names), height * width), np.nan, np.float32)
    seen = np.zeros(height * width, np.uint16)
    choice = {key_of(s): s.offset for s in scenes}
    bit = LENIENT if profile == "lenient" else STRICT
    medians(gathered, 0, choice, names, np.array([[0, 0, height * width]]), bit, values, seen)
    return np.concatenate([values, seen[None].astype(np.float32)]).reshape(-1, height, width)


def _tile(
    scenes: Sequence[SceneLike], reader: Reader, grid: GridSpec, names: tuple[str, ...]
) -> tuple[GridSpec, int, int]:
    """Grid of the file whose lattice the wanted grid lies on, else that grid itself; row and column of its corner."""
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        for band in (b for b in needed_bands(names) if b in scene.assets):
            own = scene_grid(scene, band, reader)
            place = lattice_of(own, grid) if own.crs == grid.crs else None
            if place is not None and place.shift == 0:
                inside = place.row >= 0 and place.col >= 0
                if inside and place.row + grid.height <= own.height and place.col + grid.width <= own.width:
                    return own, place.row, place.col
    return grid, 0, 0


def _edges(first: int, length: int) -> list[int]:
    """Edges of chunks along one axis: where the tile's blocks end."""
    lines = range(-(-(first + 1) // BLOCK) * BLOCK - first, length, BLOCK)
    return [0, *lines, length]
