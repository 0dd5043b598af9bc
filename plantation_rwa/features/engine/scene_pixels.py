"""What each scene shows of many outlines, and what its vegetation says, from the gathered numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.bits import CHECKED, NOWHERE, STRICT, VEGETATION
from plantation_rwa.features.engine.gathered import Gathered, key_of
from plantation_rwa.features.engine.month import Looks
from plantation_rwa.features.observations import Observation, SceneLike
from plantation_rwa.features.scene_checks import OTHER_OFFSET


@dataclass(frozen=True)
class _Part:
    """What a scene says of an outline in one tile, and where it stands among the scenes of its datatake there."""

    columns: NDArray[np.float64]
    gathered: Gathered
    member: int
    weights: NDArray[np.float32]
    observation: Observation
    place: int


def scene_numbers(looks: Looks, scenes: Sequence[SceneLike], dark: float) -> NDArray[np.float64]:
    """Of each look's scenes: area covered and seen clearly in m2, vegetation pixels, and figures under two offsets.

    Parameters
    ----------
    looks
        What was gathered.
    scenes
        Asked for; of one that lies on none of a look's tiles the areas are 0 and the figures NaN.
    dark
        Red reflectance below which vegetation is impossible.

    Returns
    -------
    numpy.ndarray
        Shape (looks, scenes, ``COLUMNS`` of :mod:`scene_kernels`).
    """
    from plantation_rwa.features.engine.scene_kernels import COLUMNS

    place = {key_of(s): n for n, s in enumerate(scenes)}
    found = np.full((len(looks), len(scenes), COLUMNS), np.nan)
    found[..., :3] = 0.0
    parts: dict[tuple[int, int], dict[int, _Part]] = {}
    ground = looks.ground
    alone = np.diff(ground.first) == 1
    for gathered, users in looks.pieces:
        groups = gathered.group[users.member]
        for group in np.unique(groups).tolist():
            rows, tiles, members = (of[groups == group] for of in users)
            covers = [ground.weights[n] for n in (ground.first[rows] + tiles).tolist()]
            columns = _columns(gathered, group, members, covers, dark)
            whole = np.flatnonzero(alone[rows])  # nearly all outlines
            several = np.flatnonzero(~alone[rows]).tolist()
            for o, observation in enumerate(gathered.observed[group]):
                for k, scene in enumerate(observation.scenes):
                    found[rows[whole], place[key_of(scene)]] = columns[whole, o, k]
                    for m in several:
                        part = _Part(columns[m, o, k], gathered, int(members[m]), covers[m], observation, k)
                        parts.setdefault((int(rows[m]), place[key_of(scene)]), {})[int(tiles[m])] = part
    for at, own in parts.items():
        found[at] = _joined([own[n] for n in sorted(own)], dark)
    return found


def _columns(
    gathered: Gathered, group: int, members: NDArray[np.intp], covers: Sequence[NDArray[np.float32]], dark: float
) -> NDArray[np.float64]:
    """Columns of members that use the same scenes, the first two in m2; shape (members, observations, scenes, n)."""
    from plantation_rwa.features.engine import scene_kernels

    seen = gathered.observed[group]
    depth = max((len(o.scenes) for o in seen), default=0)
    slot = np.full((len(seen), depth, len(CHECKED)), NOWHERE, np.int64)
    nodata = np.full(slot.shape, np.nan, np.float32)
    known, scale = np.zeros(slot.shape[:2], bool), np.ones(slot.shape[:2])
    offset = np.zeros((*slot.shape[:2], 2))
    for o, observation in enumerate(seen):
        for k, scene in enumerate(observation.scenes):
            known[o, k] = "B04" in scene.assets and "B08" in scene.assets
            scale[o, k], offset[o, k] = scene.scale, _offsets(scene)
            for b, band in enumerate(CHECKED):
                layer = gathered.rule_of(scene, band)
                if layer is not None:
                    slot[o, k, b], nodata[o, k, b] = layer[0], layer[1].nodata
    sizes = np.array([c.size for c in covers])
    ranges = np.stack([gathered.segments.starts[members], np.cumsum(sizes) - sizes, sizes], axis=1)
    out = np.zeros((len(members), *slot.shape[:2], scene_kernels.COLUMNS))
    marks = np.array([gathered.row_of(o) for o in seen], np.int64)
    scene_kernels.scene_figures(
        ranges, np.concatenate(covers), gathered.whole, gathered.plain, slot, nodata, known, offset, scale,
        gathered.marks, marks, dark, out,
    )  # fmt: skip
    out[..., :2] *= gathered.tile.pixel_size**2
    return out


def _offsets(scene: SceneLike) -> tuple[float, float]:
    return scene.offset, OTHER_OFFSET.get(scene.offset, scene.offset)


def _joined(parts: Sequence[_Part], dark: float) -> NDArray[np.float64]:
    """One scene's columns over all tiles in which it supplies ground; its medians are those of all its pixels."""
    if len(parts) == 1:
        return parts[0].columns
    green = [p for p in parts if p.columns[2] > 0]
    found: NDArray[np.float64] = (green or parts)[0].columns.copy()
    found[:2] = np.sum([p.columns[:2] for p in parts], axis=0)
    if len(green) > 1:
        from plantation_rwa.features.engine import scene_kernels

        pixels = [_vegetation(p) for p in green]
        numbers, weights = (np.ascontiguousarray(np.concatenate(v, axis=-1)) for v in zip(*pixels, strict=True))
        scene = green[0].observation.scenes[green[0].place]
        scene_kernels.vegetation(numbers, weights, scene.scale, np.array(_offsets(scene)), dark, found)
    return found


def _vegetation(part: _Part) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Digital numbers by band, and weights, of the vegetation pixels that a scene supplies in one tile."""
    gathered, start = part.gathered, int(part.gathered.segments.starts[part.member])
    chosen = slice(start, start + part.weights.size)
    marks = gathered.marks[gathered.row_of(part.observation), chosen]
    free, own = marks & STRICT != 0, np.zeros(part.weights.size, bool)
    lines: list[NDArray[np.float32]] = []
    for scene in part.observation.scenes[: part.place + 1]:
        lines = [_line(gathered, scene, band, chosen) for band in CHECKED]
        own = free & ~np.isnan(lines[0]) & ~np.isnan(lines[1])
        free = free & ~own
    own &= marks & VEGETATION != 0
    return np.stack([line[own] for line in lines]), part.weights[own]


def _line(gathered: Gathered, scene: SceneLike, band: str, chosen: slice) -> NDArray[np.float32]:
    """Digital numbers of a band, NaN for no data."""
    layer = gathered.rule_of(scene, band)
    if layer is None:
        return np.full(chosen.stop - chosen.start, np.nan, np.float32)
    slot, rule = layer
    numbers = (gathered.whole[slot] if slot >= 0 else gathered.plain[-2 - slot])[chosen].astype(np.float32)
    return np.where(numbers == np.float32(rule.nodata), np.float32(np.nan), numbers)
