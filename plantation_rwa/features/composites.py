"""Scenes to monthly per-pixel medians: lazy, dask-backed xarray over one fused pass per block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.features.clouds import clear_mask, margin_pixels
from plantation_rwa.features.indices import INDICES, index_values, needed_bands
from plantation_rwa.features.reflectance import nearest, reflectance, spread
from plantation_rwa.grid import GridSpec, Window

if TYPE_CHECKING:
    import xarray as xr

#: edge of a block in pixels: what one task holds in memory
BLOCK = 512


class AssetLike(Protocol):
    """One band as it can be opened; see ``sources.base.Asset``."""

    @property
    def nodata(self) -> float | None:
        """Digital number that means no data."""
        ...


class SceneLike(Protocol):
    """What is used of a scene; see ``sources.base.Scene``. A scene without an ``SCL`` asset is masked by nodata alone."""

    @property
    def id(self) -> str: ...
    @property
    def datatake(self) -> str: ...
    @property
    def tile(self) -> str: ...
    @property
    def baseline(self) -> float | None: ...
    @property
    def acquired(self) -> pd.Timestamp: ...
    @property
    def created(self) -> pd.Timestamp | None: ...
    @property
    def known_at(self) -> pd.Timestamp: ...
    @property
    def footprint(self) -> BaseGeometry | None: ...
    @property
    def assets(self) -> Mapping[str, Any]: ...
    @property
    def scale(self) -> float: ...
    @property
    def offset(self) -> float: ...


class Reader(Protocol):
    """How pixels are read; see ``sources.base.BlockReader``."""

    def grid(self, asset: Any) -> GridSpec:
        """Grid of an asset."""
        ...

    def read(self, asset: Any, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window."""
        ...


class UnreadableSceneError(ReadError):
    """One band of one scene cannot be read."""

    def __init__(self, scene_id: str, band: str, message: str) -> None:
        super().__init__(f"scene {scene_id}, band {band}: {message}")
        self.scene_id, self.band, self.message = scene_id, band, message


@dataclass(frozen=True)
class Observation:
    """One datatake over one tile: usually a single scene, several where strips or reprocessings share the tile.

    The scenes are in order of precedence; a pixel is taken from the first that has data there.
    """

    datatake: str
    scenes: tuple[SceneLike, ...]


def observations(scenes: Sequence[SceneLike]) -> list[Observation]:
    """Scenes of one tile as observations, each datatake once, sorted by (acquired, datatake).

    Precedence within a datatake: newest baseline, latest created, lexical id (domain/yield.md 2.5).
    """

    def precedence(scene: SceneLike) -> tuple[float, float, str]:
        created = scene.created.timestamp() if scene.created is not None else 0.0
        return (-(scene.baseline or 0.0), -created, scene.id)

    groups: dict[str, list[SceneLike]] = {}
    for scene in scenes:
        groups.setdefault(scene.datatake, []).append(scene)
    found = [
        Observation(datatake, tuple(sorted(group, key=precedence))) for datatake, group in groups.items()
    ]
    return sorted(found, key=lambda o: (min(s.acquired for s in o.scenes), o.datatake))


def scene_grid(scene: SceneLike, band: str, reader: Reader) -> GridSpec:
    """Grid of a band, an unreadable file as :class:`UnreadableSceneError`."""
    try:
        return reader.grid(scene.assets[band])
    except ReadError as error:
        raise UnreadableSceneError(scene.id, band, str(error)) from None


def _pixels(
    scene: SceneLike, band: str, reader: Reader, target: GridSpec, fill: float
) -> NDArray[np.generic] | None:
    """Raw pixels of a band on a target grid, None if the band does not reach it."""
    window, rows, cols = nearest(scene_grid(scene, band, reader), target)
    if window is None:
        return None
    try:
        pixels = reader.read(scene.assets[band], window)
    except ReadError as error:
        raise UnreadableSceneError(scene.id, band, str(error)) from None
    return spread(pixels, rows, cols, fill)


def clear_pixels(observation: Observation, reader: Reader, grid: GridSpec, profile: str) -> NDArray[np.bool_]:
    """Clear pixels on a grid by scene classification; all clear for a source that has none."""
    classified = [s for s in observation.scenes if "SCL" in s.assets]
    if not classified:
        return np.ones((grid.height, grid.width), dtype=bool)
    native = scene_grid(classified[0], "SCL", reader)
    edge = (margin_pixels(native.pixel_size) + 1) * native.pixel_size
    xmin, ymin, xmax, ymax = grid.bounds
    window = native.window_of((xmin - edge, ymin - edge, xmax + edge, ymax + edge))
    if window is None:
        return np.zeros((grid.height, grid.width), dtype=bool)
    around = native.crop(window)
    classes = np.zeros((around.height, around.width), dtype=np.uint8)
    for scene in classified:
        found = _pixels(scene, "SCL", reader, around, 0)
        if found is not None:
            classes = np.where(classes == 0, found, classes)
        if classes.all():
            break
    mask = clear_mask(classes, native.pixel_size, profile)
    _, rows, cols = nearest(around, grid)
    inside = (rows >= 0)[:, None] & (cols >= 0)[None, :]
    return np.asarray(mask[np.maximum(rows, 0)[:, None], np.maximum(cols, 0)[None, :]] & inside)


def observe(
    observation: Observation, reader: Reader, grid: GridSpec, names: tuple[str, ...], profile: str
) -> NDArray[np.float64]:
    """Indices of one observation on a grid.

    Parameters
    ----------
    observation
        Scenes of one datatake and tile, all in the CRS of the grid.
    reader
        Block reader.
    grid
        Window of the tile at the finest resolution; coarser bands go there by nearest neighbour.
    names
        Keys of ``INDICES``.
    profile
        SCL profile.

    Returns
    -------
    numpy.ndarray
        Shape (len(names) + 1, height, width): each index, NaN where it is not clear or not defined; last the number of
        clear observations (0 or 1) in the bands of NDVI, clear by SCL alone where the source lacks those bands.

    Raises
    ------
    UnreadableSceneError
        Naming scene and band.
    """
    clear = clear_pixels(observation, reader, grid, profile)
    bands: dict[str, NDArray[np.float64]] = {}
    for band in needed_bands(names):
        for scene in observation.scenes:
            if band not in scene.assets or (band in bands and not np.isnan(bands[band]).any()):
                continue
            asset = scene.assets[band]
            raw = _pixels(scene, band, reader, grid, 0.0 if asset.nodata is None else asset.nodata)
            if raw is not None:
                values = reflectance(raw, nodata=asset.nodata, scale=scene.scale, offset=scene.offset)
                bands[band] = (
                    np.where(np.isnan(bands[band]), values, bands[band]) if band in bands else values
                )
    out = np.full((len(names) + 1, grid.height, grid.width), np.nan)
    for n, name in enumerate(names):
        values_of = index_values(name, bands)
        if values_of is not None:
            out[n] = np.where(clear, values_of, np.nan)
    seen = clear.copy()
    for band in INDICES["ndvi"].bands:
        seen &= ~np.isnan(bands[band]) if band in bands else False
    out[-1] = seen
    return out


def median_over_time(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the first axis without NaN; an even count gives the mean of the two middle values, none gives NaN."""
    ordered = np.sort(stack, axis=0)  # NaN last
    count = (~np.isnan(stack)).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(
        ordered, (count // 2 - (count == stack.shape[0]) * (count // 2 == stack.shape[0]))[None], axis=0
    )[0]
    return np.where(count % 2 == 1, low, (low + high) / 2)


def _reduce(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Block of shape (time, index + 1, y, x) to (index + 1, y, x): medians, and the sum of the last plane."""
    return np.concatenate([median_over_time(stack[:, :-1]), stack[:, -1:].sum(axis=0)])


def monthly_composite(
    scenes: Sequence[SceneLike],
    reader: Reader,
    grid: GridSpec,
    names: Sequence[str] = tuple(INDICES),
    *,
    profile: str = "strict",
) -> xr.Dataset:
    """Monthly median of each index per pixel, lazily.

    Parameters
    ----------
    scenes
        Scenes of one tile and month, in the CRS of the grid; several of one datatake count once.
    reader
        Block reader; called when the result is computed, for windows of the grid only.
    grid
        Grid wanted.
    names
        Indices, keys of ``INDICES``.
    profile
        SCL profile, ``strict`` or ``lenient``.

    Returns
    -------
    xarray.Dataset
        One variable per index and ``n_clear`` (clear observations in the bands of NDVI), dims (y, x), pixel-centre
        coordinates, CRS written by rioxarray, dask chunks of at most 512 x 512 pixels.
    """
    import dask
    import dask.array as da
    import rioxarray  # noqa: F401  (registers the .rio accessor)
    import xarray as xr

    keys = tuple(names)
    read = dask.delayed(observe, pure=False, traverse=False)
    rows = _edges(grid.height)
    cols = _edges(grid.width)
    seen = observations(scenes)
    lines = []
    for r0, r1 in rows:
        line = []
        for c0, c1 in cols:
            part = grid.crop(Window(r0, c0, r1 - r0, c1 - c0))
            shape = (len(keys) + 1, r1 - r0, c1 - c0)
            layers = [
                da.from_delayed(read(o, reader, part, keys, profile), shape, dtype=np.float64) for o in seen
            ]
            stack = da.stack(layers).rechunk({0: -1}) if layers else da.full((1, *shape), np.nan)
            line.append(
                stack.map_blocks(_reduce, drop_axis=0, dtype=np.float64, chunks=tuple((s,) for s in shape))
            )
        lines.append(line)
    cube = da.block([[b for b in line] for line in lines])
    x = grid.transform.c + (np.arange(grid.width) + 0.5) * grid.pixel_size
    y = grid.transform.f - (np.arange(grid.height) + 0.5) * grid.pixel_size
    data = {name: (("y", "x"), cube[n]) for n, name in enumerate((*keys, "n_clear"))}
    return xr.Dataset(data, coords={"y": y, "x": x}).rio.write_crs(grid.crs)


def _edges(length: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
