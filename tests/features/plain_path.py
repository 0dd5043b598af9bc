"""The plain path, plantation by plantation in float64: what the engine is held to.

Scenes are read as windows around one outline, masked, scaled and reduced step by step in whole arrays, as the
definitions say and nothing is saved. It judges scenes with the same rules; everything below them is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.imagery import Checks
from plantation_rwa.features.indices import needed_bands
from plantation_rwa.features.observations import (
    Reader,
    SceneLike,
    UnreadableSceneError,
    readable,
    versions_of,
    with_offset,
)
from plantation_rwa.features.scene_checks import SceneRecord, Verdict, judge
from plantation_rwa.features.scene_claims import crs_faults, item_faults, missing_bands
from plantation_rwa.features.scene_trail import UNSEEN, item_hash, problems_of
from plantation_rwa.features.tiles import tiles_of
from plantation_rwa.grid import area_ha, edge_buffer_m, perimeter_m
from tests.features.definitions import Piece, pieces_of
from tests.features.plain_pixels import NAMES, SceneFigures, blocks_of, composite_of, scene_figures
from tests.features.plain_trail import idle_row, trail_row

#: effective pixels below which an index is withheld, and valid fraction below which a month is few_clear
TWELVE, FEW = 12.0, 0.3
NOTHING = float("nan")


@dataclass(frozen=True)
class PlainMonth:
    """What the definitions say of an outline and month.

    Parameters
    ----------
    scenes
        Datatakes that touch the outline.
    sample
        Its pixels; None for a point.
    known_at, flags, problems, offset_inferred, trail, records
        As :meth:`~plantation_rwa.features.imagery.MonthOfOutlines.rows` describes them.
    """

    scenes: int
    sample: _Sample | None
    known_at: pd.Timestamp | None
    flags: set[str]
    problems: list[tuple[str, str, str]]
    offset_inferred: bool = False
    trail: Sequence[Mapping[str, Any]] = ()
    records: tuple[SceneRecord, ...] = ()

    def pixels(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of an index and their weights, none where too few pixels have one."""
        if self.sample is None or not self.scenes:
            return np.empty(0), np.empty(0)
        values = self.sample.values[NAMES.index(name)]
        few = self.sample.coverage[np.isfinite(values)].sum() < TWELVE
        return (np.empty(0), np.empty(0)) if few else (values, self.sample.weights)

    @property
    def valid_fraction(self) -> float:
        """Covered ground seen clearly."""
        if self.sample is None:
            return NOTHING
        return min(_valid_fraction(self.sample), 1.0) if self.scenes else 0.0

    @property
    def n_clear(self) -> float:
        """Mean count of clear observations."""
        if self.sample is None or not self.scenes:
            return NOTHING if self.sample is None else 0.0
        total = float(self.sample.weights.sum()) + self.sample.unseen
        return float((self.sample.weights * self.sample.values[-1]).sum()) / total if total > 0 else NOTHING

    @property
    def effective_pixels(self) -> float:
        """Covered fractions of the pixels seen clearly."""
        if self.sample is None or not self.scenes:
            return NOTHING if self.sample is None else 0.0
        return float(self.sample.coverage[self.sample.values[-1] > 0].sum())


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
) -> PlainMonth:
    """One outline and month by the definitions.

    First every scene's claimed offset and air are checked, see :mod:`~plantation_rwa.features.scene_checks`: the
    offset is corrected, an observation in haze left out. Then each index per pixel and scene, the median over the
    month per pixel, then the coverage-weighted median of :func:`~tests.features.definitions.weighted_quantile` over
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
    """
    if profile not in {"strict", "lenient"}:
        raise ValueError(f"{month}: no SCL profile '{profile}'; known: strict, lenient")
    near = [s for s in scenes if s.footprint is None or s.footprint.intersects(outline)]
    near.sort(key=lambda s: (s.acquired, s.id, s.fingerprint))
    if outline.area == 0:
        return PlainMonth(0, None, None, {"point"}, [])
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
    trail: list[dict[str, Any]] = []
    problems = list(lost.values())
    flags = _flags(found, bool(lost)) | _sample_flags(found)
    for scene, seen, verdict in zip(found.scenes, found.figures, found.verdicts, strict=False):
        trail.append(trail_row(scene, seen, verdict, profile=found.profile))
        problems += problems_of(trail[-1])
    if checks.verdicts is None:
        trail += [idle_row(s, "unreadable" if s.id in lost else "replaced") for s in idle]
        for scene, line in zip((*found.scenes, *idle), trail, strict=True):
            bands = needed_bands(NAMES)
            line["missing_bands"] = missing_bands(scene, bands)
            line["item_faults"] = item_faults(scene, bands, reader) if line["outcome"] not in UNSEEN else ""
            elsewhere = crs_faults(scene, bands, reader)
            if line["outcome"] not in UNSEEN and elsewhere:
                problems.append((scene.id, "crs", elsewhere))
                flags.add("scene_crs")
    return PlainMonth(
        len({s.datatake for s in found.touching}), found.sample, max(times, default=None), flags, problems,
        any(v.inferred and v.used for v in found.verdicts), trail, tuple(f.record for f in found.figures),
    )  # fmt: skip


def _flags(found: _Look, lost: bool) -> set[str]:
    checks = {
        "scene_unreadable": lost,
        "scl_lenient": found.profile == "lenient",
        "no_scl": any("SCL" not in s.assets for s in found.touching),
        "haze_left_out": any(v.air in {"haze", "ndvi_drop"} for v in found.verdicts),
        "bands_left_out": any(v.bands != "plausible" for v in found.verdicts),
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
    tiles = tiles_of(outline, scenes, needed_bands(NAMES), reader)
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
    if profile == "lenient" and bool(tiles) and _valid_fraction(sample) < FEW:
        sample, used = _sample(pieces, unseen, reader, "lenient"), "lenient"
    touching = tuple(s for tile in tiles for s in tile.scenes)
    return _Look(tuple(scenes), touching, tuple(figures), tuple(verdicts), sample, used)


def _sample(pieces: Sequence[Piece], unseen_m2: float, reader: Reader, profile: str) -> _Sample:
    """Pixels of all pieces."""
    if not pieces:
        return _Sample(np.empty((len(NAMES) + 1, 0)), np.empty(0), np.empty(0), 0.0)
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
            values.append(composite_of(piece.tile.scenes, reader, grid, NAMES, profile)[:, inside])
            weights.append(part[inside])
    return np.concatenate(values, axis=1), np.concatenate(weights)


def _edge(outline: BaseGeometry, edge_buffer: Literal["auto"] | float) -> float:
    if edge_buffer == "auto":
        return edge_buffer_m(area_ha(outline) * 1e4, perimeter_m(outline))
    return float(edge_buffer)


def _valid_fraction(sample: _Sample) -> float:
    total = float(sample.weights.sum()) + sample.unseen
    return float(sample.weights[sample.values[-1] > 0].sum()) / total if total > 0 else float("nan")


def _sample_flags(found: _Look) -> set[str]:
    """What the pixels alone say."""
    if not found.touching:
        return {"no_imagery"}
    sample, fraction = found.sample, _valid_fraction(found.sample)
    clear, every = float(sample.coverage[sample.values[-1] > 0].sum()), float(sample.coverage.sum())
    said = {
        "no_clear": fraction == 0,
        "few_clear": 0 < fraction < FEW,
        "few_pixels": every < TWELVE or 0 < clear < TWELVE,
    }
    return {name for name, true in said.items() if true}
