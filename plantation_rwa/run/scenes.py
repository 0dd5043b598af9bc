"""Which scenes belong to which plantation and local month, as known at a date."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import pandas as pd
import shapely

from plantation_rwa.config import ImageryConfig
from plantation_rwa.errors import SourceError
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.periods import Month
from plantation_rwa.run.partitions import Key
from plantation_rwa.run.session import Session, short
from plantation_rwa.sources.base import ImagerySource, Scene

#: first month of Sentinel-2 acquisitions; the search start when the configuration names none
FIRST_SCENES = Month(2015, 7)
#: no scene is later; ends a search that asks whether there is any
LAST_SCENES = Month(2099, 12)


@dataclass(frozen=True)
class Unit:
    """Imagery work for one outline and month; small enough to travel to a worker.

    Parameters
    ----------
    judged_known_at
        When the last of the scenes became known that the checks of this month look at.
    """

    key: tuple[str, ...]
    month: str
    outline: bytes
    scenes: tuple[Scene, ...]
    profile: str
    edge_buffer: Literal["auto"] | float
    judged_known_at: pd.Timestamp | None


def window_months(month: str, rules: Rules) -> list[str]:
    """Months before ``month`` whose scenes its checks look at, oldest first."""
    longest = int(max(rules.haze_history_months, rules.missing_history_months))
    return [str(Month.parse(month) + -back) for back in range(longest, 0, -1)]


class SceneWindows:
    """The scenes that each plantation-month's checks look at: its own and those of the months before."""

    def __init__(self, scenes: Mapping[tuple[Key, str], tuple[Scene, ...]], rules: Rules) -> None:
        self._scenes, self._rules = scenes, rules
        self._hashes = {at: short([s.fingerprint for s in found]) for at, found in scenes.items()}

    def identity(self, key: Key, month: str) -> str:
        """Hash of the scenes that decide a row; a block's row depends on its plantation's scenes too."""
        own = self._hashes.get((key, month))
        if own is None:
            return short([])
        judged = [self._hashes.get((key[:1], m), "") for m in (*window_months(month, self._rules), month)]
        return short([own, *judged])

    def known_at(self, key: Key, month: str) -> pd.Timestamp | None:
        """When the last of the scenes became known that judge the scenes of a month, its own plantation's left out."""
        months = window_months(month, self._rules) + ([month] if len(key) == 2 else [])
        times = [s.known_at for m in months for s in self._scenes.get((key[:1], m), ())]
        return max(times, default=None)


def scenes_by_month(session: Session, outlines: pd.DataFrame) -> dict[tuple[tuple[str, ...], str], tuple[Scene, ...]]:
    """Scenes whose footprint meets an outline, by (key, local month), known at the session's date.

    Parameters
    ----------
    outlines
        Columns ``key`` (tuple), ``geometry``, ``timezone``.

    Raises
    ------
    SourceError
        If the source has no scene for any outline, neither until the session's date nor later, and none was
        rejected: then the configuration is wrong. One outline without scenes is no error; it is flagged.
    """
    source, config = session.known.imagery, session.config.imagery
    if source is None or config is None or outlines.empty:
        return {}
    first = Month.parse(config.start) if config.start else FIRST_SCENES
    found: dict[tuple[tuple[str, ...], str], tuple[Scene, ...]] = {}
    nothing = True
    for group in _neighbours(outlines):
        candidates = source.scenes(_box(group), first, session.month)
        nothing = nothing and not candidates
        known = [s for s in candidates if s.known_at <= session.instant]
        for row in group.itertuples(index=False):
            touching = [s for s in known if s.footprint is None or s.footprint.intersects(row.geometry)]
            for month, scenes in _local_months(touching, row.timezone).items():
                if str(first) <= month <= str(session.month):
                    found[(row.key, month)] = scenes
    rejected = session.known.quarantine.frame()["input"].eq("imagery").any()
    if nothing and not rejected and not any(_ever(source, group, first) for group in _neighbours(outlines)):
        _no_scene_at_all(config, first, outlines)
    return found


def _box(outlines: pd.DataFrame) -> tuple[float, float, float, float]:
    west, south, east, north = (float(v) for v in shapely.total_bounds(outlines["geometry"].to_numpy()))
    return west, south, east, north


def _ever(source: ImagerySource, outlines: pd.DataFrame, first: Month) -> bool:
    """Whether a source has scenes of the outlines at any time from a month on: an early date may have none yet."""
    return bool(source.scenes(_box(outlines), first, LAST_SCENES))


def _no_scene_at_all(config: ImageryConfig, first: Month, outlines: pd.DataFrame) -> NoReturn:
    box = ", ".join(f"{v:.4f}" for v in _box(outlines))
    raise SourceError.of(
        "imagery.source",
        "has no scene of any plantation",
        f"collections {', '.join(config.collections)}; from {first}; west, south, east, north {box};"
        f" cloud cover up to {config.max_cloud_cover:g} %",
        "Check imagery.collections against the names the source uses, imagery.start, imagery.max_cloud_cover and the"
        " register's coordinates; leave the section imagery out to run without scenes.",
    )


def _neighbours(outlines: pd.DataFrame) -> list[pd.DataFrame]:
    cells = [(math.floor(g.centroid.x), math.floor(g.centroid.y)) for g in outlines["geometry"]]
    return [group for _, group in outlines.groupby(pd.Series(cells, index=outlines.index), sort=True)]


def _local_months(scenes: Sequence[Scene], timezone: str) -> dict[str, tuple[Scene, ...]]:
    found: dict[str, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        found.setdefault(scene.acquired.tz_convert(timezone).strftime("%Y-%m"), []).append(scene)
    return {month: tuple(group) for month, group in found.items()}
