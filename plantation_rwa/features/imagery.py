"""Imagery features of one plantation and month: which scenes and windows to read, and what the pixels say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.composites import BLOCK, monthly_composite
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.features.zonal import coverage, weighted_mean, weighted_quantile
from plantation_rwa.grid import GridSpec, area_ha, edge_buffer_m, perimeter_m, reproject

#: effective pixels (sum of covered fractions) below which indices are withheld
MIN_PIXELS = 12.0
#: valid fraction below which a month is called few_clear and the lenient classes are tried
FEW_CLEAR = 0.3
_NAMES = tuple(INDICES)


@dataclass(frozen=True)
class _Tile:
    """Scenes of one tile in one CRS and the grid that holds them all at the finest resolution."""

    name: str
    grid: GridSpec
    scenes: tuple[SceneLike, ...]


@dataclass(frozen=True)
class _Sample:
    """Pixels of a polygon.

    ``values`` has one row per index and the clear count last, ``weights`` are covered areas in the finest pixel of the
    tiles, ``unseen`` is the ground that no tile reaches, in the same unit.
    """

    values: NDArray[np.float64]
    coverage: NDArray[np.float64]
    weights: NDArray[np.float64]
    unseen: float


def plantation_month(
    outline: BaseGeometry,
    month: str,
    scenes: Sequence[SceneLike],
    reader: Reader,
    *,
    profile: str = "strict",
    edge_buffer: Literal["auto"] | float = "auto",
) -> dict[str, object]:
    """Imagery columns of the ``features`` table for one outline and month.

    Each index per pixel and scene, the median over the month per pixel, then the coverage-weighted median of
    :func:`~plantation_rwa.features.zonal.weighted_quantile` over the outline shrunk by the edge buffer. A
    pixel belongs to one tile: the tile that covers most of the outline, then the next for what is left. A
    datatake counts once however many items hold it. ``valid_fraction`` and ``n_clear`` look at the bands of
    NDVI; ground that no tile reaches counts as not seen.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84, longitude and latitude.
    month
        ``YYYY-MM``, only named in errors.
    scenes
        Scenes of that local month that are known at the valuation date; those beside the outline are passed
        over.
    reader
        Block reader.
    profile
        ``strict``, or ``lenient``: where strict leaves less than 0.3 of the area, lenient classes are used
        for the month.
    edge_buffer
        Metres taken off the edge, or ``auto``: min(20 m, 0.15 x 2 area/perimeter), geodesic.

    Returns
    -------
    dict
        The imagery columns (NaN where unknown), ``known_at`` (latest of the scenes that touch the outline,
        None without any), ``flags`` (sorted codes) and ``problems`` (scene id, band, message of each
        unreadable scene).
    """
    if profile not in {"strict", "lenient"}:
        raise ValueError(f"{month}: no SCL profile '{profile}'; known: strict, lenient")
    near = [s for s in scenes if s.footprint is None or s.footprint.intersects(outline)]
    if outline.area == 0:
        return _row(None, [], None, {"point"}, [])
    problems: list[tuple[str, str, str]] = []
    lost: set[str] = set()
    while True:
        usable = [s for s in near if s.id not in lost]
        try:
            tiles = _tiles(outline, usable, reader)
            sample = _sample(outline, tiles, reader, "strict", edge_buffer)
            lenient = profile == "lenient" and bool(tiles) and _valid_fraction(sample) < FEW_CLEAR
            if lenient:
                sample = _sample(outline, tiles, reader, "lenient", edge_buffer)
            break
        except UnreadableSceneError as error:
            lost.add(error.scene_id)
            problems.append((error.scene_id, error.band, error.message))
    used = [s for tile in tiles for s in tile.scenes]
    flags = {"scene_unreadable"} if problems else set()
    if lenient:
        flags.add("scl_lenient")
    if any("SCL" not in s.assets for s in used):
        flags.add("no_scl")
    times = [s.known_at for s in used] + [s.known_at for s in near if s.id in lost]
    return _row(sample, used, max(times) if times else None, flags, sorted(problems))


def _tiles(outline: BaseGeometry, scenes: Sequence[SceneLike], reader: Reader) -> list[_Tile]:
    """Tiles that reach the outline, the one that covers most of it first, equal ones by name."""
    groups: dict[tuple[str, str], list[tuple[SceneLike, GridSpec]]] = {}
    wanted = needed_bands(_NAMES)
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        grids = [scene_grid(scene, band, reader) for band in wanted if band in scene.assets]
        if grids:
            finest = min(grids, key=lambda g: g.pixel_size)
            groups.setdefault((scene.tile, finest.crs), []).append((scene, finest))
    ranked = []
    for (name, crs), members in groups.items():
        shape = reproject(outline, "EPSG:4326", crs)
        members = [(s, g) for s, g in members if shape.intersects(shapely.box(*g.bounds))]
        if members:
            grid = _union([g for _, g in members])
            share = shape.intersection(shapely.box(*grid.bounds)).area / shape.area
            ranked.append((-round(share, 6), name, crs, _Tile(name, grid, tuple(s for s, _ in members))))
    return [tile for *_, tile in sorted(ranked, key=lambda r: r[:3])]


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


def _sample(
    outline: BaseGeometry,
    tiles: Sequence[_Tile],
    reader: Reader,
    profile: str,
    edge_buffer: Literal["auto"] | float,
) -> _Sample:
    """Pixels of the shrunk outline from all tiles, each piece of ground once."""
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
    rest, crs = outline, "EPSG:4326"
    for n, tile in enumerate(tiles):
        rest, crs = reproject(rest, crs, tile.grid.crs), tile.grid.crs
        if n == 0:
            rest = rest.buffer(-_edge(outline, edge_buffer))
        box = shapely.box(*tile.grid.bounds)
        piece, rest = (
            (rest, shapely.Polygon()) if box.contains(rest) else (rest.intersection(box), rest.difference(box))
        )
        found = None if piece.is_empty else tile.grid.window_of(piece.bounds)
        if found is not None:
            grid = tile.grid.crop(found)
            values, fractions = _gather(tile, grid, coverage(piece, grid), reader, profile)
            parts.append((values, fractions, grid.pixel_size**2))
        if rest.is_empty:
            break
    if not parts:
        return _Sample(np.empty((len(_NAMES) + 1, 0)), np.empty(0), np.empty(0), 0.0)
    unit = min(area for *_, area in parts)
    return _Sample(
        np.concatenate([v for v, *_ in parts], axis=1),
        np.concatenate([c for _, c, _ in parts]),
        np.concatenate([c * (area / unit) for _, c, area in parts]),
        rest.area / unit,
    )


def _gather(
    tile: _Tile, grid: GridSpec, fractions: NDArray[np.float64], reader: Reader, profile: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Composite values and covered fractions of the covered pixels, block by block to bound the memory."""
    lazy = monthly_composite(tile.scenes, reader, grid, _NAMES, profile=profile)
    values, weights = [], []
    for row in range(0, grid.height, BLOCK):
        for col in range(0, grid.width, BLOCK):
            part = fractions[row : row + BLOCK, col : col + BLOCK]
            inside = part > 0
            if inside.any():
                block = lazy.isel(y=slice(row, row + BLOCK), x=slice(col, col + BLOCK)).compute(scheduler="synchronous")
                values.append(np.stack([block[name].to_numpy()[inside] for name in (*_NAMES, "n_clear")]))
                weights.append(part[inside])
    return np.concatenate(values, axis=1), np.concatenate(weights)


def _edge(outline: BaseGeometry, edge_buffer: Literal["auto"] | float) -> float:
    if edge_buffer == "auto":
        return edge_buffer_m(area_ha(outline) * 1e4, perimeter_m(outline))
    return float(edge_buffer)


def _valid_fraction(sample: _Sample) -> float:
    total = float(sample.weights.sum()) + sample.unseen
    return float(sample.weights[sample.values[-1] > 0].sum()) / total if total > 0 else float("nan")


def _row(
    sample: _Sample | None,
    used: Sequence[SceneLike],
    known_at: pd.Timestamp | None,
    flags: set[str],
    problems: list[tuple[str, str, str]],
) -> dict[str, object]:
    names = (*_NAMES, "ndvi_mean", "ndmi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear")
    row: dict[str, Any] = dict.fromkeys(names, float("nan"))
    row |= {"scenes": len({s.datatake for s in used}), "offset_inferred": False, "known_at": known_at}
    if sample is not None and not used:
        row |= {"valid_fraction": 0.0, "n_clear": 0.0}
        flags = flags | {"no_imagery"}
    elif sample is not None:
        flags = flags | _fill(row, sample)
    return {**row, "flags": sorted(flags), "problems": problems}


def _fill(row: dict[str, Any], sample: _Sample) -> set[str]:
    """Statistics of a sample into a row; returns the flags they raise."""
    fraction, total = _valid_fraction(sample), float(sample.weights.sum()) + sample.unseen
    row["valid_fraction"] = min(fraction, 1.0)
    row["n_clear"] = float((sample.weights * sample.values[-1]).sum()) / total if total > 0 else float("nan")
    for n, name in enumerate(_NAMES):
        values = sample.values[n]
        if sample.coverage[np.isfinite(values)].sum() < MIN_PIXELS:
            continue
        row[name] = weighted_quantile(values, sample.weights, 0.5)
        if f"{name}_mean" in row:
            row[f"{name}_mean"] = weighted_mean(values, sample.weights)
        if name == "ndvi":
            row["ndvi_p10"] = weighted_quantile(values, sample.weights, 0.1)
            row["ndvi_p90"] = weighted_quantile(values, sample.weights, 0.9)
    flags = set()
    clear = float(sample.coverage[sample.values[-1] > 0].sum())
    if fraction == 0:
        flags.add("no_clear")
    elif fraction < FEW_CLEAR:
        flags.add("few_clear")
    if sample.coverage.sum() < MIN_PIXELS or 0 < clear < MIN_PIXELS:
        flags.add("few_pixels")
    return flags
