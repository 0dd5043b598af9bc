"""Which tiles reach an outline, and which piece of ground each of them supplies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.grid import GridSpec, reproject


@dataclass(frozen=True)
class Tile:
    """Scenes of one tile in one CRS and the grid that holds them all at the finest resolution."""

    name: str
    grid: GridSpec
    scenes: tuple[SceneLike, ...]


def tiles_of(outline: BaseGeometry, scenes: Sequence[SceneLike], bands: Sequence[str], reader: Reader) -> list[Tile]:
    """Tiles that reach the outline, the one that covers most of it first, equal ones by name.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    scenes
        Any scenes; those without one of the ``bands``, or beside the outline, are passed over.
    bands
        Bands whose files give the grid, the finest of them.
    reader
        Block reader.

    Raises
    ------
    UnreadableSceneError
        If a file cannot be opened, or lies in a CRS that has no relation to longitude and latitude.
    """
    groups: dict[tuple[str, str], list[tuple[SceneLike, GridSpec]]] = {}
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        grids = [(scene_grid(scene, band, reader), band) for band in bands if band in scene.assets]
        if grids:
            finest, band = min(grids, key=lambda g: g[0].pixel_size)
            _check_crs(scene, band, finest.crs)
            groups.setdefault((scene.tile, finest.crs), []).append((scene, finest))
    ranked = []
    for (name, crs), members in groups.items():
        shape = reproject(outline, "EPSG:4326", crs)
        members = [(s, g) for s, g in members if shape.intersects(shapely.box(*g.bounds))]
        if members:
            grid = _union([g for _, g in members])
            share = shape.intersection(shapely.box(*grid.bounds)).area / shape.area
            ranked.append((-round(share, 6), name, crs, Tile(name, grid, tuple(s for s, _ in members))))
    tiles = [tile for *_, tile in sorted(ranked, key=lambda r: r[:3])]
    return [_with_neighbours(tile, tiles, outline) for tile in tiles]


def _with_neighbours(tile: Tile, tiles: Sequence[Tile], outline: BaseGeometry) -> Tile:
    """A tile with the scenes of other tiles in its CRS that show ground of it which its own of the datatake do not.

    A pass may be listed for one of two tiles only: then the ground that both cover is seen by the other's scenes.
    """
    box = reproject(shapely.box(*tile.grid.bounds), tile.grid.crs, "EPSG:4326")
    ground = outline.intersection(box)
    left: dict[str, BaseGeometry] = {}
    for scene in tile.scenes:
        rest = left.get(scene.datatake, ground)
        left[scene.datatake] = shapely.Polygon() if scene.footprint is None else rest.difference(scene.footprint)
    more = []
    for other in (t for t in tiles if t is not tile and t.grid.crs == tile.grid.crs):
        for scene in other.scenes:
            rest = left.get(scene.datatake, ground)
            if not rest.is_empty and (scene.footprint is None or scene.footprint.intersects(rest)):
                more.append(scene)
    return replace(tile, scenes=(*tile.scenes, *more)) if more else tile


def _check_crs(scene: SceneLike, band: str, crs: str) -> None:
    """A grid of its own, such as a site plan's, has a CRS that nothing on Earth can be brought to."""
    try:
        reproject(shapely.Point(0, 0), "EPSG:4326", crs)
    except ProjError as error:
        text = " ".join(str(error).split()).split(":")[-1].strip(" )")
        message = f"its coordinates cannot be related to longitude and latitude ({text})"
        raise UnreadableSceneError(scene.id, band, message) from None


def _union(grids: Sequence[GridSpec]) -> GridSpec:
    """Grid at the finest resolution, on the lattice of the first finest one, that holds all grids."""
    first = min(grids, key=lambda g: g.pixel_size)
    if all(g == first for g in grids):
        return first
    boxes = np.array([g.bounds for g in grids])
    (xmin, ymin), (xmax, ymax) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    size, x0, y0 = first.pixel_size, first.transform.c, first.transform.f
    left, top = int(np.floor((xmin - x0) / size + 1e-6)), int(np.floor((y0 - ymax) / size + 1e-6))
    right, bottom = int(np.ceil((xmax - x0) / size - 1e-6)), int(np.ceil((y0 - ymin) / size - 1e-6))
    shift = first.transform @ type(first.transform).translation(left, top)
    return GridSpec(first.crs, shift, bottom - top, right - left)
