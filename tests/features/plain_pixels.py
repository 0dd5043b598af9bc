"""Pixels of the plain path: scenes as windows on one grid, monthly medians in float64, figures of single scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.features.clouds import margin_pixels
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.observations import (
    Observation,
    Reader,
    SceneLike,
    UnreadableSceneError,
    observations,
    scene_grid,
)
from plantation_rwa.features.reflectance import nearest, spread
from plantation_rwa.features.scene_checks import NO_FIGURES, OTHER_OFFSET, Figures, Rules, SceneRecord
from plantation_rwa.features.scene_figures import DECIMALS
from plantation_rwa.grid import GridSpec, Window
from tests.features.definitions import Piece, clear_mask, index_values, reflectance, weighted_quantile

BLOCK = 512
VEGETATION = 4
NAMES = tuple(INDICES)
BANDS = ("B04", "B08", "B02", "B12")


def _pixels(scene: SceneLike, band: str, reader: Reader, target: GridSpec, fill: float) -> NDArray[np.generic] | None:
    """Raw pixels of a band on a target grid, None if the band does not reach it."""
    source = scene_grid(scene, band, reader)
    if source.crs != target.crs:
        raise UnreadableSceneError(scene.id, band, f"lies in {source.crs}, other bands of the scene in {target.crs}")
    window, rows, cols = nearest(source, target)
    if window is None:
        return None
    try:
        pixels = reader.read(scene.assets[band], window)
    except ReadError as error:
        raise UnreadableSceneError(scene.id, band, str(error)) from None
    return spread(pixels, rows, cols, fill)


def read_band(scene: SceneLike, band: str, reader: Reader, grid: GridSpec) -> NDArray[np.float64] | None:
    """Digital numbers of a band on a grid, NaN for no data; None if the band does not reach it."""
    nodata = scene.assets[band].nodata
    raw = _pixels(scene, band, reader, grid, 0.0 if nodata is None else nodata)
    if raw is None:
        return None
    values = raw.astype(np.float64)
    if nodata is not None:
        values[raw == nodata] = np.nan
    return values


def classified_pixels(
    scenes: Sequence[SceneLike], reader: Reader, grid: GridSpec, profile: str
) -> tuple[NDArray[np.bool_], NDArray[np.uint8] | None, NDArray[np.uint8]]:
    """Clear pixels and SCL classes of one observation on a grid, and which of the scenes classified them.

    A source without classification is clear everywhere and has no classes; a pixel that no scene classifies has
    class 0 and is not clear.
    """
    classified = [s for s in scenes if "SCL" in s.assets]
    shape = (grid.height, grid.width)
    if not classified:
        return np.ones(shape, dtype=bool), None, np.zeros(shape, np.uint8)
    nothing = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.uint8), np.zeros(shape, np.uint8)
    native = scene_grid(classified[0], "SCL", reader)
    if native.crs != grid.crs:
        raise UnreadableSceneError(classified[0].id, "SCL", f"lies in {native.crs}, its bands in {grid.crs}")
    edge = (margin_pixels(native.pixel_size) + 1) * native.pixel_size
    xmin, ymin, xmax, ymax = grid.bounds
    window = native.window_of((xmin - edge, ymin - edge, xmax + edge, ymax + edge))
    if window is None:
        return nothing
    around = native.crop(window)
    classes = np.zeros((around.height, around.width), dtype=np.uint8)
    supplier = np.zeros_like(classes)
    for scene in classified:
        found = _pixels(scene, "SCL", reader, around, 0)
        if found is not None:
            supplier[(classes == 0) & (found != 0)] = scenes.index(scene)
            classes = np.where(classes == 0, found, classes).astype(np.uint8)
        if classes.all():
            break
    mask = clear_mask(classes, native.pixel_size, profile)
    inner, rows, cols = nearest(around, grid)
    if inner is None:
        return nothing
    inside = (slice(inner.row, inner.row + inner.height), slice(inner.col, inner.col + inner.width))
    clear = spread(mask[inside].astype(np.uint8), rows, cols, 0) == 1
    layers = [spread(layer[inside], rows, cols, 0).astype(np.uint8) for layer in (classes, supplier)]
    return np.asarray(clear), layers[0], layers[1]


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
        Shape (len(names) + 1, height, width): each index, NaN where it is not clear or not defined; last
        the number of clear observations (0 or 1): clear by SCL and both bands of NDVI present.

    Raises
    ------
    UnreadableSceneError
        Naming scene and band.
    """
    clear, _, _ = classified_pixels(observation.scenes, reader, grid, profile)
    bands: dict[str, NDArray[np.float64]] = {}
    for band in needed_bands(names):
        for scene in observation.scenes:
            if band not in scene.assets or (band in bands and not np.isnan(bands[band]).any()):
                continue
            asset = scene.assets[band]
            raw = _pixels(scene, band, reader, grid, 0.0 if asset.nodata is None else asset.nodata)
            if raw is not None:
                values = reflectance(raw, nodata=asset.nodata, scale=scene.scale, offset=scene.offset)
                bands[band] = np.where(np.isnan(bands[band]), values, bands[band]) if band in bands else values
    out = np.full((len(names) + 1, grid.height, grid.width), np.nan)
    for n, name in enumerate(names):
        index = index_values(name, bands)
        if index is not None:
            out[n] = np.where(clear, index, np.nan)
    seen = clear.copy()
    for band in INDICES["ndvi"].bands:
        seen &= ~np.isnan(bands[band]) if band in bands else False
    out[-1] = seen
    return out


def median_over_time(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the first axis, NaN left out.

    An even count gives the mean of the two middle values, none gives NaN. Equal to ``numpy.nanmedian``, which takes
    ten times as long because it goes pixel by pixel.
    """
    ordered = np.sort(stack, axis=0)  # NaN last
    count = (~np.isnan(stack)).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, (count // 2)[None], axis=0)[0]
    return np.asarray(np.where(count % 2 == 1, low, (low + high) / 2))


def _reduce(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Block of shape (time, index + 1, y, x) to (index + 1, y, x): medians, and the sum of the last plane."""
    return np.concatenate([median_over_time(stack[:, :-1]), np.nansum(stack[:, -1:], axis=0)])


def composite_of(
    scenes: Sequence[SceneLike], reader: Reader, grid: GridSpec, names: tuple[str, ...], profile: str
) -> NDArray[np.float64]:
    """Medians of each index and the clear count last, shape (indices + 1, height, width)."""
    layers = [observe(o, reader, grid, names, profile) for o in observations(scenes)]
    return _reduce(np.stack(layers or [np.full((len(names) + 1, grid.height, grid.width), np.nan)]))


def blocks_of(grid: GridSpec) -> Iterator[tuple[slice, slice, GridSpec]]:
    """Blocks of a grid in the order of rows: row slice, column slice and grid of each."""
    for r0, r1 in _edges(grid.height):
        for c0, c1 in _edges(grid.width):
            yield slice(r0, r1), slice(c0, c1), grid.crop(Window(r0, c0, r1 - r0, c1 - c0))


def _edges(length: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]


@dataclass
class _Pixels:
    """What one scene supplies: digital numbers of the bands and covered fractions, block by block."""

    numbers: list[NDArray[np.float64]] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    covered: float = 0.0
    clear: float = 0.0


@dataclass(frozen=True)
class SceneFigures:
    """Record of a scene for the checks, and how much of the covered ground it shows and shows clearly (0-1)."""

    record: SceneRecord
    covered_share: float
    clear_share: float


def scene_figures(
    scenes: Sequence[SceneLike], pieces: Sequence[Piece], reader: Reader, rules: Rules
) -> list[SceneFigures]:
    """Figures of every scene, in the order of ``scenes``.

    Pixels are those of SCL class vegetation that are clear by the strict profile. A pixel belongs to the first scene
    of its datatake that has data there, as in the composite, so that twins of one acquisition are not counted twice.

    Parameters
    ----------
    scenes
        Scenes of the pieces' tiles, and others: these get empty figures.
    pieces
        Ground and covered fractions, see :func:`~tests.features.definitions.pieces_of`.
    reader
        Block reader.
    rules
        Only ``removed_red`` is used.

    Raises
    ------
    UnreadableSceneError
        Naming scene and band.
    """
    found = {id(scene): _Pixels() for scene in scenes}
    total = sum(float(p.fractions.sum()) * p.grid.pixel_size**2 for p in pieces)
    for piece in pieces:
        for rows, cols, grid in blocks_of(piece.grid):
            fractions = piece.fractions[rows, cols]
            if (fractions > 0).any():
                for observation in observations(piece.tile.scenes):
                    _collect(observation.scenes, reader, grid, fractions, found)
    return [_figures(scene, found[id(scene)], total, rules) for scene in scenes]


def _collect(
    scenes: tuple[SceneLike, ...],
    reader: Reader,
    grid: GridSpec,
    fractions: NDArray[np.float64],
    found: dict[int, _Pixels],
) -> None:
    """Add what each scene of one observation supplies of a block."""
    clear, classes, supplier = classified_pixels(scenes, reader, grid, "strict")
    free = (fractions > 0) & clear
    for k, scene in enumerate(scenes):
        bands = {b: read_band(scene, b, reader, grid) for b in BANDS if b in scene.assets}
        red, infrared = bands.get("B04"), bands.get("B08")
        if red is None or infrared is None:
            continue
        own = free & ~np.isnan(red) & ~np.isnan(infrared)
        free &= ~own
        cloudy = ~clear & (supplier == k) & (classes != 0 if classes is not None else False)
        pixels = found[id(scene)]
        pixels.covered += float(fractions[own | cloudy].sum()) * grid.pixel_size**2
        pixels.clear += float(fractions[own].sum()) * grid.pixel_size**2
        if classes is not None:
            green = own & (classes == VEGETATION)
            missing = np.full(red.shape, np.nan)
            found_bands = (missing if (numbers := bands.get(b)) is None else numbers for b in BANDS)
            pixels.numbers.append(np.stack([numbers[green] for numbers in found_bands]))
            pixels.weights.append(fractions[green])


def _figures(scene: SceneLike, pixels: _Pixels, total: float, rules: Rules) -> SceneFigures:
    shares = [min(round(area / total, DECIMALS), 1.0) if total > 0 else 0.0 for area in (pixels.covered, pixels.clear)]
    weights = np.concatenate(pixels.weights) if pixels.weights else np.empty(0)
    claimed = other = NO_FIGURES
    if weights.size:
        numbers = np.concatenate(pixels.numbers, axis=1)
        claimed = _under(numbers, weights, scene.scale, scene.offset, rules)
        other = _under(numbers, weights, scene.scale, OTHER_OFFSET.get(scene.offset, scene.offset), rules)
    record = SceneRecord(
        scene.id,
        scene.datatake,
        scene.acquired,
        scene.offset,
        round(float(weights.sum()), DECIMALS),
        claimed,
        other,
        "SCL" in scene.assets,
    )
    return SceneFigures(record, *shares)


def _under(
    numbers: NDArray[np.float64], weights: NDArray[np.float64], scale: float, offset: float, rules: Rules
) -> Figures:
    """Figures under one offset; impossible reflectances count, they are what gives a wrong offset away."""
    red, infrared, blue, swir = (numbers + offset) * scale
    ndvi = index_values("ndvi", {"B04": red, "B08": infrared})
    assert ndvi is not None
    found = (
        float(weights[red < rules.removed_red].sum() / weights.sum()),
        weighted_quantile(red, weights, 0.5),
        weighted_quantile(blue, weights, 0.5),
        weighted_quantile(ndvi, weights, 0.5),
        weighted_quantile(swir, weights, 0.5),
    )
    return Figures(*(round(value, DECIMALS) + 0.0 for value in found))
