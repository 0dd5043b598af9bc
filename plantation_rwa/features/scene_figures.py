"""Pixels of scenes over plantations to the records that the checks of :mod:`scene_checks` judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.month import Looks
from plantation_rwa.features.engine.scene_pixels import scene_numbers
from plantation_rwa.features.observations import SceneLike
from plantation_rwa.features.scene_checks import Rules, SceneHead, SceneLines

#: decimals of published figures: a later month reads what was published
DECIMALS = 7


def scene_figures(scenes: Sequence[SceneLike], looks: Looks, rules: Rules) -> tuple[SceneLines, NDArray[np.float64]]:
    """Records of scenes over some outlines, and how much of the covered ground each shows and shows clearly (0-1).

    Pixels are those of SCL class vegetation that are clear by the strict profile. A pixel belongs to the first scene
    of its datatake that has data there, as in the composite, so that twins of one acquisition are not counted twice. A
    scene covers what it shows clearly and what it classifies as anything else: where it shows nothing clearly its
    bands are not read.

    Parameters
    ----------
    scenes
        All scenes of the looks, also such as lie on none of their tiles: these have no figures.
    looks
        What was gathered.
    rules
        Only ``removed_red`` is used.

    Returns
    -------
    lines : SceneLines
        A plantation per look.
    shares : numpy.ndarray
        Shape (looks, scenes, 2).
    """
    numbers = scene_numbers(looks, scenes, rules.removed_red)
    total = looks.ground.covered_m2
    figures = _rounded(numbers[..., 2:])
    figures[numbers[..., 2] == 0, 1:] = np.nan
    shares = np.zeros((*numbers.shape[:2], 2))
    ground = total > 0
    shares[ground] = np.minimum(_rounded(numbers[ground, :, :2] / total[ground, None, None]), 1.0)
    heads = tuple(SceneHead(s.id, s.datatake, s.acquired, s.offset, "SCL" in s.assets) for s in scenes)
    return SceneLines(heads, figures), shares


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers to :data:`DECIMALS`, negative zero removed; numpy multiplies first, which moves what is nearly a half."""
    out = np.round(values, DECIMALS)
    scaled = values * 10.0**DECIMALS
    halves = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-2
    out[halves] = [round(v, DECIMALS) for v in values[halves].tolist()]
    return out + 0.0
