"""Which scenes belong to which plantation and local month, as known at a date."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.imagery import plantation_month
from plantation_rwa.periods import Month
from plantation_rwa.run.session import Session
from plantation_rwa.sources.base import Scene
from plantation_rwa.sources.scenes import RasterReader

#: first month of Sentinel-2 acquisitions; the search start when the configuration names none
FIRST_SCENES = Month(2015, 7)


@dataclass(frozen=True)
class Unit:
    """Imagery work for one outline and month; small enough to travel to a worker."""

    key: tuple[str, ...]
    month: str
    outline: bytes
    scenes: tuple[Scene, ...]
    profile: str
    edge_buffer: Literal["auto"] | float


def scenes_by_month(session: Session, outlines: pd.DataFrame) -> dict[tuple[tuple[str, ...], str], tuple[Scene, ...]]:
    """Scenes whose footprint meets an outline, by (key, local month), known at the session's date.

    Parameters
    ----------
    outlines
        Columns ``key`` (tuple), ``geometry``, ``timezone``.
    """
    source, config = session.known.imagery, session.config.imagery
    if source is None or config is None or outlines.empty:
        return {}
    first = Month.parse(config.start) if config.start else FIRST_SCENES
    found: dict[tuple[tuple[str, ...], str], tuple[Scene, ...]] = {}
    for group in _neighbours(outlines):
        west, south, east, north = (float(v) for v in shapely.total_bounds(group["geometry"].to_numpy()))
        candidates = source.scenes((west, south, east, north), first, session.month)
        known = [s for s in candidates if s.known_at <= session.instant]
        for row in group.itertuples(index=False):
            touching = [s for s in known if s.footprint is None or s.footprint.intersects(row.geometry)]
            for month, scenes in _local_months(touching, row.timezone).items():
                if str(first) <= month <= str(session.month):
                    found[(row.key, month)] = scenes
    return found


def imagery_chunk(units: Sequence[Unit]) -> list[dict[str, Any]]:
    """Vegetation columns of some units; runs on any worker."""
    reader = RasterReader()
    return [
        plantation_month(_outline(u.outline), u.month, u.scenes, reader, profile=u.profile, edge_buffer=u.edge_buffer)
        for u in units
    ]


def _outline(data: bytes) -> BaseGeometry:
    return shapely.from_wkb(data)


def _neighbours(outlines: pd.DataFrame) -> list[pd.DataFrame]:
    cells = [(math.floor(g.centroid.x), math.floor(g.centroid.y)) for g in outlines["geometry"]]
    return [group for _, group in outlines.groupby(pd.Series(cells, index=outlines.index), sort=True)]


def _local_months(scenes: Sequence[Scene], timezone: str) -> dict[str, tuple[Scene, ...]]:
    found: dict[str, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        found.setdefault(scene.acquired.tz_convert(timezone).strftime("%Y-%m"), []).append(scene)
    return {month: tuple(group) for month, group in found.items()}
