"""What the features room asks of scenes and readers, and scenes grouped into observations."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GridSpec, Window


class SceneLike(Protocol):
    """What is used of a scene (``sources.base.Scene``); one without an ``SCL`` asset is masked by nodata alone."""

    @property
    def id(self) -> str: ...
    @property
    def datatake(self) -> str: ...
    @property
    def tile(self) -> str: ...
    @property
    def baseline(self) -> float | None: ...
    @property
    def acquired(self) -> pd.Timestamp: ...
    @property
    def created(self) -> pd.Timestamp | None: ...
    @property
    def known_at(self) -> pd.Timestamp: ...
    @property
    def footprint(self) -> BaseGeometry | None: ...
    @property
    def assets(self) -> Mapping[str, Any]: ...
    @property
    def scale(self) -> float: ...
    @property
    def offset(self) -> float: ...
    @property
    def offset_reason(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def twins(self) -> tuple[SceneLike, ...]: ...


class Reader(Protocol):
    """How pixels are read; see ``sources.base.BlockReader``."""

    def grid(self, asset: Any) -> GridSpec:
        """Grid of an asset."""
        ...

    def read(self, asset: Any, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window."""
        ...

    def edge(self, asset: Any) -> int:
        """Edge in pixels of the squares that cost no more one by one than together; 0 if there are none."""
        ...


class UnreadableSceneError(ReadError):
    """One band of one scene cannot be read."""

    def __init__(self, scene_id: str, band: str, message: str) -> None:
        super().__init__(f"scene {scene_id}, band {band}: {message}")
        self.scene_id, self.band, self.message = scene_id, band, message

    def __reduce__(self) -> tuple[type[UnreadableSceneError], tuple[str, str, str]]:
        return type(self), (self.scene_id, self.band, self.message)


def versions_of(scene: SceneLike) -> tuple[SceneLike, ...]:
    """The scene and its twins, the best first."""
    return (scene, *scene.twins)


def readable(scenes: Sequence[SceneLike], lost: Container[str]) -> list[SceneLike]:
    """Of each scene the best version whose id is not lost; scenes that have lost all are left out."""
    best = (next((v for v in versions_of(s) if v.id not in lost), None) for s in scenes)
    return [version for version in best if version is not None]


@dataclass(frozen=True)
class Observation:
    """One datatake over one tile.

    Usually a single scene, several where datastrips or reprocessings share the tile. The scenes are in order of
    precedence; a pixel is taken from the first that has data there.
    """

    datatake: str
    scenes: tuple[SceneLike, ...]


def observations(scenes: Sequence[SceneLike]) -> list[Observation]:
    """Scenes of one tile as observations, each datatake once, sorted by (acquired, datatake).

    Precedence within a datatake: newest baseline, latest created, lexical id (domain/yield.md 2.5).
    """

    def precedence(scene: SceneLike) -> tuple[float, float, str]:
        created = scene.created.timestamp() if scene.created is not None else 0.0
        return (-(scene.baseline or 0.0), -created, scene.id)

    groups: dict[str, list[SceneLike]] = {}
    for scene in scenes:
        groups.setdefault(scene.datatake, []).append(scene)
    found = [Observation(datatake, tuple(sorted(group, key=precedence))) for datatake, group in groups.items()]
    return sorted(found, key=lambda o: (min(s.acquired for s in o.scenes), o.datatake))


def with_offset(scene: SceneLike, offset: float) -> SceneLike:
    """The same scene under another offset; scenes are frozen dataclasses."""
    if scene.offset == offset:
        return scene
    corrected: SceneLike = replace(cast(Any, scene), offset=offset)
    return corrected


def scene_grid(scene: SceneLike, band: str, reader: Reader) -> GridSpec:
    """Grid of a band, an unreadable file as :class:`UnreadableSceneError`."""
    try:
        return reader.grid(scene.assets[band])
    except ReadError as error:
        raise UnreadableSceneError(scene.id, band, str(error)) from None
