"""What scenes said over plantations, kept by month for the checks of the two years after it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from plantation_rwa.features.scene_checks import PastLines, SceneLines

#: month, and hash of the plantation's scenes in it
Own = tuple[str, str]


@dataclass(frozen=True)
class Told:
    """What the scenes of a month said of some plantations."""

    plantations: tuple[str, ...]
    lines: SceneLines

    @functools.cached_property
    def row(self) -> dict[str, int]:
        """Row of each plantation in the lines."""
        return {plantation: n for n, plantation in enumerate(self.plantations)}


@dataclass
class Records:
    """Records of plantations by month and what was seen of it; what is told later stands for what was told before."""

    _told: dict[Own, list[Told]] = field(default_factory=dict)

    def add(self, own: Own, told: Told) -> None:
        """Keep what was told of a month."""
        self._told.setdefault(own, []).append(told)

    def take(self, other: Records) -> None:
        """Keep what another one holds too."""
        for own, told in other:
            self.add(own, told)

    def __iter__(self) -> Iterator[tuple[Own, Told]]:
        return ((own, told) for own, every in self._told.items() for told in every)

    def past(self, plantations: tuple[str, ...], window: Sequence[Own]) -> list[PastLines]:
        """What the months of a window said of some plantations, in their order."""
        found: list[PastLines] = []
        for own in window:
            left = np.ones(len(plantations), bool)
            for told in reversed(self._told.get(own, [])):
                if told.plantations == plantations:
                    rows = np.arange(len(plantations))
                else:
                    rows = np.array([told.row.get(p, -1) for p in plantations], np.intp)
                rows = np.where(left, rows, -1)
                left &= rows < 0
                if (rows >= 0).any():
                    found.append((told.lines, rows))
        return found

    def of(self, plantations: Collection[str], window: Collection[Own]) -> Records:
        """Of some plantations and months: what a task needs."""
        found = Records()
        for own, told in self:
            rows = [n for n, p in enumerate(told.plantations) if p in plantations] if own in window else []
            if rows:
                names = tuple(told.plantations[n] for n in rows)
                found.add(own, Told(names, told.lines.take(np.array(rows, np.intp))))
        return found
