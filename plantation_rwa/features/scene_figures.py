"""Pixels of each scene over a plantation to the figures that the checks of :mod:`scene_checks` judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plantation_rwa.features.engine.bits import FIGURES
from plantation_rwa.features.engine.gathered import key_of
from plantation_rwa.features.engine.month import Look
from plantation_rwa.features.engine.scene_pixels import scene_numbers
from plantation_rwa.features.observations import SceneLike
from plantation_rwa.features.scene_checks import NO_FIGURES, Figures, Rules, SceneRecord

#: decimals of published figures: a later month reads what was published
DECIMALS = 7


@dataclass(frozen=True)
class SceneFigures:
    """Record of a scene for the checks, and how much of the covered ground it shows and shows clearly (0-1)."""

    record: SceneRecord
    covered_share: float
    clear_share: float


def scene_figures(
    scenes: Sequence[Sequence[SceneLike]], looks: Sequence[Look], rules: Rules
) -> list[list[SceneFigures]]:
    """Figures of every scene of each look, in the order of ``scenes``.

    Pixels are those of SCL class vegetation that are clear by the strict profile. A pixel belongs to the first scene
    of its datatake that has data there, as in the composite, so that twins of one acquisition are not counted twice. A
    scene covers what it shows clearly and what it classifies as anything else: where it shows nothing clearly its
    bands are not read.

    Parameters
    ----------
    scenes
        Scenes of each look, also such as lie on none of its tiles: these get empty figures.
    looks
        What was gathered.
    rules
        Only ``removed_red`` is used.
    """
    found = []
    for own, look, numbers in zip(scenes, looks, scene_numbers(looks, rules.removed_red), strict=True):
        tiles = zip(look.share.tiles, look.share.coverages, strict=True)
        total = sum(c.whole_pixels * t.grid.pixel_size**2 for t, c in tiles)
        made = []
        for scene in own:
            held = numbers.get(key_of(scene))
            made.append(_figures(scene, [] if held is None else held.tolist(), total))
        found.append(made)
    return found


def _figures(scene: SceneLike, numbers: Sequence[float], total: float) -> SceneFigures:
    """Figures of one scene; ``total`` is the covered ground in m2."""
    covered, clear, pixels = numbers[:3] if numbers else (0.0, 0.0, 0.0)
    claimed = other = NO_FIGURES
    if pixels > 0:
        rounded = [round(v, DECIMALS) + 0.0 for v in numbers[3:]]
        claimed, other = Figures(*rounded[:FIGURES]), Figures(*rounded[FIGURES:])
    record = SceneRecord(
        scene.id,
        scene.datatake,
        scene.acquired,
        scene.offset,
        round(pixels, DECIMALS),
        claimed,
        other,
        "SCL" in scene.assets,
    )
    covered_share, clear_share = (min(round(v / total, DECIMALS), 1.0) if total > 0 else 0.0 for v in (covered, clear))
    return SceneFigures(record, covered_share, clear_share)
