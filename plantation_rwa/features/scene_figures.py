"""Pixels of each scene over a plantation to the figures that the checks of :mod:`scene_checks` judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.composites import blocks_of, classified_pixels, read_band
from plantation_rwa.features.indices import index_values
from plantation_rwa.features.observations import Reader, SceneLike, observations
from plantation_rwa.features.scene_checks import NO_FIGURES, OTHER_OFFSET, Figures, Rules, SceneRecord
from plantation_rwa.features.tiles import Piece
from plantation_rwa.features.zonal import weighted_quantile
from plantation_rwa.grid import GridSpec

#: SCL class of vegetation
VEGETATION = 4
#: decimals of published figures: a later month reads what was published
DECIMALS = 7
_BANDS = ("B04", "B08", "B02", "B12")


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
    clear, classes = classified_pixels(scenes, reader, grid, "strict")
    free = fractions > 0
    for scene in scenes:
        bands = {b: read_band(scene, b, reader, grid) for b in _BANDS if b in scene.assets}
        red, infrared = bands.get("B04"), bands.get("B08")
        if red is None or infrared is None:
            continue
        own = free & ~np.isnan(red) & ~np.isnan(infrared)
        free &= ~own
        pixels = found[id(scene)]
        pixels.covered += float(fractions[own].sum()) * grid.pixel_size**2
        pixels.clear += float(fractions[own & clear].sum()) * grid.pixel_size**2
        if classes is not None:
            green = own & clear & (classes == VEGETATION)
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
