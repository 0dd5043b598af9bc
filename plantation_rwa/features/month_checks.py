"""What the scenes of a month are checked by, over many outlines or over one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.scene_checks import PastLines, Rules, SceneLines, SceneRecord, Verdict


@dataclass(frozen=True)
class Judged:
    """Scenes are judged by rules and by the past of each outline.

    Parameters
    ----------
    rules
        Limits of :func:`~plantation_rwa.features.scene_checks.judge`.
    past
        What earlier scenes said of the outlines, in their order.
    """

    rules: Rules
    past: Sequence[PastLines] = ()

    def of(self, chosen: NDArray[np.intp]) -> Judged:
        """The same for some of the outlines."""
        return Judged(self.rules, [(lines, rows[chosen]) for lines, rows in self.past])


@dataclass(frozen=True)
class Believed:
    """Verdicts formed elsewhere: the blocks of a plantation use those of the plantation.

    Parameters
    ----------
    verdicts
        Of each outline, by the ``item_hash`` of :mod:`~plantation_rwa.features.scene_trail`; a scene without a verdict
        is believed.
    """

    verdicts: Sequence[Mapping[str, Verdict]]

    def of(self, chosen: NDArray[np.intp]) -> Believed:
        """The same for some of the outlines."""
        return Believed([self.verdicts[n] for n in chosen.tolist()])


@dataclass(frozen=True)
class Checks:
    """What the scenes of a plantation's month are checked by.

    Parameters
    ----------
    rules
        Limits of :func:`~plantation_rwa.features.scene_checks.judge`.
    history
        Records of the plantation's earlier scenes.
    verdicts
        Verdicts formed elsewhere, see :class:`Believed`. None judges here.
    """

    rules: Rules
    history: tuple[SceneRecord, ...] = ()
    verdicts: Mapping[str, Verdict] | None = None

    def of_outlines(self, count: int) -> Judged | Believed:
        """The same for so many outlines."""
        if self.verdicts is not None:
            return Believed([self.verdicts] * count)
        past = [(SceneLines.of(self.history), np.zeros(count, np.intp))] if self.history else []
        return Judged(self.rules, past)
