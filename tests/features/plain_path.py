"""The plain path, plantation by plantation in float64: what the engine is held to.

Scenes are read as windows around one outline, masked, scaled and reduced step by step in whole arrays, as the
definitions say and nothing is saved. It judges scenes with the same rules; everything below them is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.features.clouds import clear_mask, margin_pixels
from plantation_rwa.features.imagery import FEW_CLEAR, MIN_PIXELS, Checks
from plantation_rwa.features.indices import INDICES, index_values, needed_bands
from plantation_rwa.features.observations import (
    Observation,
    Reader,
    SceneLike,
    UnreadableSceneError,
    observations,
    readable,
    scene_grid,
    versions_of,
    with_offset,
)
from plantation_rwa.features.reflectance import nearest, reflectance, spread
from plantation_rwa.features.scene_checks import NO_FIGURES, OTHER_OFFSET, Figures, Rules, SceneRecord, Verdict, judge
from plantation_rwa.features.scene_claims import item_faults, missing_bands
from plantation_rwa.features.scene_figures import DECIMALS, SceneFigures
from plantation_rwa.features.scene_trail import UNSEEN, idle_row, item_hash, repair_text, trail_row
from plantation_rwa.features.tiles import Piece, pieces_of, tiles_of
from plantation_rwa.features.zonal import weighted_mean, weighted_quantile
from plantation_rwa.grid import GridSpec, Window, area_ha, edge_buffer_m, perimeter_m

BLOCK = 512
VEGETATION = 4
_NAMES = tuple(INDICES)
_BANDS = ("B04", "B08", "B02", "B12")


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
        Ground and covered fractions, see :func:`~plantation_rwa.features.tiles.pieces_of`.
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
        bands = {b: read_band(scene, b, reader, grid) for b in _BANDS if b in scene.assets}
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
            found_bands = (missing if (numbers := bands.get(b)) is None else numbers for b in _BANDS)
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


@dataclass(frozen=True)
class _Look:
    """What one pass over the readable scenes found; ``scenes``, ``verdicts`` and (if judged here) ``figures`` match."""

    scenes: tuple[SceneLike, ...]
    touching: tuple[SceneLike, ...]
    figures: tuple[SceneFigures, ...]
    verdicts: tuple[Verdict, ...]
    sample: _Sample
    profile: str


def plantation_month(
    outline: BaseGeometry,
    month: str,
    scenes: Sequence[SceneLike],
    reader: Reader,
    *,
    checks: Checks,
    profile: str = "strict",
    edge_buffer: Literal["auto"] | float = "auto",
) -> dict[str, Any]:
    """Imagery columns of the ``features`` table for one outline and month.

    First every scene's claimed offset and air are checked, see :mod:`~plantation_rwa.features.scene_checks`: the
    offset is corrected, an observation in haze left out. Then each index per pixel and scene, the median over the
    month per pixel, then the coverage-weighted median of :func:`~plantation_rwa.features.zonal.weighted_quantile` over
    the outline shrunk by the edge buffer. A pixel belongs to one tile: the tile that covers most of the outline, then
    the next for what is left. A datatake counts once however many items hold it. ``valid_fraction`` and ``n_clear``
    look at the bands of NDVI; ground that no tile reaches counts as not seen.

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
    checks
        Rules and history of the checks, or verdicts formed elsewhere.
    profile
        ``strict``, or ``lenient``: where strict leaves less than 0.3 of the area, lenient classes are used
        for the month.
    edge_buffer
        Metres taken off the edge, or ``auto``: min(20 m, 0.15 x 2 area/perimeter), geodesic.

    Returns
    -------
    dict
        The imagery columns (NaN where unknown), ``known_at`` (latest of the scenes that touch the outline,
        None without any), ``flags`` (sorted codes), ``problems`` (scene id, band, message of each
        unreadable scene, and each corrected offset as band ``offset``); where the scenes were judged here also
        ``trail`` (columns of ``features_scenes``) and ``records`` (of the readable scenes, for later months).
    """
    if profile not in {"strict", "lenient"}:
        raise ValueError(f"{month}: no SCL profile '{profile}'; known: strict, lenient")
    near = [s for s in scenes if s.footprint is None or s.footprint.intersects(outline)]
    near.sort(key=lambda s: (s.acquired, s.id, s.fingerprint))
    if outline.area == 0:
        return _row(None, [], None, {"point"}, [])
    lost: dict[str, tuple[str, str, str]] = {}
    while True:
        try:
            found = _look(outline, readable(near, lost), reader, checks, profile, edge_buffer)
            break
        except UnreadableSceneError as error:
            lost[error.scene_id] = (error.scene_id, error.band, error.message)
    used = {s.id for s in found.scenes}
    idle = [v for s in near for v in versions_of(s) if v.id not in used]
    times = [s.known_at for s in (*found.touching, *idle)]
    row = _row(found.sample, found.touching, max(times) if times else None, _flags(found, bool(lost)), lost.values())
    row["offset_inferred"] = any(v.inferred and v.used for v in found.verdicts)
    row["records"] = tuple(f.record for f in found.figures)
    for scene, seen, verdict in zip(found.scenes, found.figures, found.verdicts, strict=False):
        row["trail"].append(trail_row(scene, seen, verdict, profile=found.profile))
        if verdict.inferred:
            row["problems"].append((scene.id, "offset", repair_text(row["trail"][-1])))
    if checks.verdicts is None:
        row["trail"] += [idle_row(s, "unreadable" if s.id in lost else "replaced") for s in idle]
        for scene, line in zip((*found.scenes, *idle), row["trail"], strict=True):
            bands = needed_bands(_NAMES)
            line["missing_bands"] = missing_bands(scene, bands)
            line["item_faults"] = item_faults(scene, bands, reader) if line["outcome"] not in UNSEEN else ""
    return row


def _flags(found: _Look, lost: bool) -> set[str]:
    checks = {
        "scene_unreadable": lost,
        "scl_lenient": found.profile == "lenient",
        "no_scl": any("SCL" not in s.assets for s in found.touching),
        "haze_left_out": any(v.air in {"haze", "ndvi_drop"} for v in found.verdicts),
        "offset_inferred": any(v.inferred and v.used for v in found.verdicts),
        "offset_untested": any(v.offset_check == "no_history" and v.used for v in found.verdicts),
    }
    return {name for name, raised in checks.items() if raised}


def _look(
    outline: BaseGeometry,
    scenes: Sequence[SceneLike],
    reader: Reader,
    checks: Checks,
    profile: str,
    edge_buffer: Literal["auto"] | float,
) -> _Look:
    """Check the scenes, then sample what is left of them."""
    tiles = tiles_of(outline, scenes, needed_bands(_NAMES), reader)
    pieces, unseen = pieces_of(outline, tiles, _edge(outline, edge_buffer))
    if checks.verdicts is None:
        figures = scene_figures(scenes, pieces, reader, checks.rules)
        verdicts = judge([f.record for f in figures], checks.history, checks.rules)
    else:
        figures = []
        verdicts = [checks.verdicts.get(item_hash(s), Verdict(s.offset, "not_tested")) for s in scenes]
    made = {id(s): with_offset(s, v.offset) for s, v in zip(scenes, verdicts, strict=True) if v.used}
    pieces = [
        replace(p, tile=replace(p.tile, scenes=tuple(made[id(s)] for s in p.tile.scenes if id(s) in made)))
        for p in pieces
    ]
    sample, used = _sample(pieces, unseen, reader, "strict"), "strict"
    if profile == "lenient" and bool(tiles) and _valid_fraction(sample) < FEW_CLEAR:
        sample, used = _sample(pieces, unseen, reader, "lenient"), "lenient"
    touching = tuple(s for tile in tiles for s in tile.scenes)
    return _Look(tuple(scenes), touching, tuple(figures), tuple(verdicts), sample, used)


def _sample(pieces: Sequence[Piece], unseen_m2: float, reader: Reader, profile: str) -> _Sample:
    """Pixels of all pieces."""
    if not pieces:
        return _Sample(np.empty((len(_NAMES) + 1, 0)), np.empty(0), np.empty(0), 0.0)
    parts = [(*_gather(piece, reader, profile), piece.grid.pixel_size**2) for piece in pieces]
    unit = min(area for *_, area in parts)
    return _Sample(
        np.concatenate([v for v, *_ in parts], axis=1),
        np.concatenate([c for _, c, _ in parts]),
        np.concatenate([c * (area / unit) for _, c, area in parts]),
        unseen_m2 / unit,
    )


def _gather(piece: Piece, reader: Reader, profile: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Composite values and covered fractions of the covered pixels, block by block to bound the memory."""
    values, weights = [], []
    for rows, cols, grid in blocks_of(piece.grid):
        part = piece.fractions[rows, cols]
        inside = part > 0
        if inside.any():
            values.append(composite_of(piece.tile.scenes, reader, grid, _NAMES, profile)[:, inside])
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
    touching: Sequence[SceneLike],
    known_at: pd.Timestamp | None,
    flags: set[str],
    problems: Iterable[tuple[str, str, str]],
) -> dict[str, Any]:
    names = (*_NAMES, "ndvi_mean", "ndmi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear", "effective_pixels")
    row: dict[str, Any] = dict.fromkeys(names, float("nan"))
    row |= {"scenes": len({s.datatake for s in touching}), "offset_inferred": False, "known_at": known_at}
    if sample is not None and not touching:
        row |= {"valid_fraction": 0.0, "n_clear": 0.0, "effective_pixels": 0.0}
        flags = flags | {"no_imagery"}
    elif sample is not None:
        flags = flags | _fill(row, sample)
    return {**row, "flags": sorted(flags), "problems": sorted(problems), "trail": [], "records": ()}


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
    clear = row["effective_pixels"] = float(sample.coverage[sample.values[-1] > 0].sum())
    if fraction == 0:
        flags.add("no_clear")
    elif fraction < FEW_CLEAR:
        flags.add("few_clear")
    if sample.coverage.sum() < MIN_PIXELS or 0 < clear < MIN_PIXELS:
        flags.add("few_pixels")
    return flags
