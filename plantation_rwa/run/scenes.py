"""Which scenes belong to which plantation and local month, as known at a date."""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from plantation_rwa.config import ImageryConfig
from plantation_rwa.errors import SourceError
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.periods import Month
from plantation_rwa.run.partitions import Key
from plantation_rwa.run.session import Session, short
from plantation_rwa.sources.base import Asset, ImagerySource, Scene
from plantation_rwa.sources.items import is_url, named
from plantation_rwa.sources.stac_scenes import hrefs_of

#: first month of Sentinel-2 acquisitions; the search start when the configuration names none
FIRST_SCENES = Month(2015, 7)
#: no scene is later; ends a search that asks whether there is any
LAST_SCENES = Month(2099, 12)


#: outline, month and view of a unit
At = tuple[Key, str, str]


@dataclass(frozen=True)
class Seen:
    """Hashes of the scenes that decide a unit's row.

    Parameters
    ----------
    view
        Of all of them.
    own
        Of the plantation's scenes in the month.
    estate
        The view of the plantation's own unit of the month; a plantation's is ``view``.
    past
        Of the plantation's scenes in each month that the checks look at, oldest first.
    """

    view: str = ""
    own: str = ""
    estate: str = ""
    past: tuple[str, ...] = ()


class Unit(NamedTuple):
    """Imagery work for one outline and month; small enough to travel to a worker, and cheap: there are many.

    Two valuation dates may see different scenes of one month: then they have a unit each, told apart by its view.

    Parameters
    ----------
    judged_known_at
        When the last of the scenes became known that the checks of this month look at.
    seen
        What is seen of the month and of those its checks look at.
    """

    key: tuple[str, ...]
    month: str
    outline: bytes
    scenes: tuple[Scene, ...]
    profile: str
    edge_buffer: Literal["auto"] | float
    judged_known_at: pd.Timestamp | None
    seen: Seen = Seen()

    @property
    def at(self) -> At:
        """What tells the unit apart from all others."""
        return self.key, self.month, self.seen.view

    def window(self, rules: Rules) -> list[tuple[str, str]]:
        """Months that the checks look at, oldest first, each with the hash of what is seen of it."""
        months = window_months(self.month, rules)
        return list(zip(months, self.seen.past or [""] * len(months), strict=True))


def window_months(month: str, rules: Rules) -> list[str]:
    """Months before ``month`` whose scenes its checks look at, oldest first."""
    return list(_months_before(month, int(max(rules.haze_history_months, rules.missing_history_months))))


@functools.cache
def _months_before(month: str, count: int) -> tuple[str, ...]:
    return tuple(str(Month.parse(month) + -back) for back in range(count, 0, -1))


#: hash of the scenes of a month, and when the last of them became known
_Known = tuple[str, pd.Timestamp]


class SceneWindows:
    """The scenes that each plantation-month's checks look at: its own and those of the months before."""

    def __init__(self, scenes: Mapping[tuple[Key, str], tuple[Scene, ...]], rules: Rules) -> None:
        self._rules = rules
        # neighbours have the same scenes, most of them one object: what these say is found out once
        told: dict[tuple[int, ...], _Known] = {}
        held: dict[int, _Known] = {}
        self._months: dict[Key, dict[str, _Known]] = {}
        for (key, month), found in scenes.items():
            if id(found) not in held:
                versions = [s.versions for s in found]
                name = tuple(id(v) for of_one in versions for v in of_one)
                if name not in told:
                    latest = max(v.known_at for of_one in versions for v in of_one)
                    told[name] = short([[v.fingerprint for v in of_one] for of_one in versions]), latest
                held[id(found)] = told[name]
            self._months.setdefault(key, {})[month] = held[id(found)]
        numbers: dict[tuple[tuple[str, _Known], ...], int] = {}
        self._alike = {k: numbers.setdefault(tuple(m.items()), len(numbers)) for k, m in self._months.items()}
        self._identities: dict[tuple[int, str, str], str] = {}
        self._seen: dict[tuple[int, str, str], Seen] = {}
        self._judging: dict[tuple[int, str, int, str], tuple[Seen, pd.Timestamp | None]] = {}

    def identity(self, key: Key, month: str) -> str:
        """Hash of the scenes that decide a row; a block's row depends on its plantation's scenes too."""
        own = self._months.get(key, {}).get(month)
        if own is None:
            return short([])
        at = self._alike.get(key[:1], -1), month, own[0]
        if at not in self._identities:
            self._identities[at] = short([own[0], *self._hashes(key, month)])
        return self._identities[at]

    def judging(self, key: Key, month: str) -> tuple[Seen, pd.Timestamp | None]:
        """The hashes of a unit one by one, and when the last scene became known that judges its own of the month."""
        own = self._months.get(key, {}).get(month)
        at = self._alike.get(key[:1], -1), month, len(key), "" if own is None else own[0]
        if at not in self._judging:
            self._judging[at] = self._seen_of(key, month, at[3]), self._known_at(key, month)
        return self._judging[at]

    def _seen_of(self, key: Key, month: str, own: str) -> Seen:
        # one object for all that see the same: they are judged together
        at = self._alike.get(key[:1], -1), month, own
        if at not in self._seen:
            *past, last = self._hashes(key, month)
            self._seen[at] = Seen(self.identity(key, month), last, self.identity(key[:1], month), tuple(past))
        return self._seen[at]

    def _known_at(self, key: Key, month: str) -> pd.Timestamp | None:
        judged = self._judged(key, [*window_months(month, self._rules), *([month] if len(key) == 2 else [])])
        return max((known[1] for known in judged if known is not None), default=None)

    def _hashes(self, key: Key, month: str) -> list[str]:
        """Of the plantation's scenes in the months that the checks look at, and in the month itself."""
        judged = self._judged(key, (*window_months(month, self._rules), month))
        return ["" if known is None else known[0] for known in judged]

    def _judged(self, key: Key, months: Sequence[str]) -> list[_Known | None]:
        of_plantation = self._months.get(key[:1], {})
        return [of_plantation.get(m) for m in months]


def scenes_by_month(session: Session, outlines: pd.DataFrame) -> dict[tuple[tuple[str, ...], str], tuple[Scene, ...]]:
    """Scenes whose footprint meets an outline, by (key, local month), known at the session's date.

    Parameters
    ----------
    outlines
        Columns ``key`` (tuple), ``geometry``, ``timezone``.

    Raises
    ------
    SourceError
        If the source has no usable scene for any outline, neither until the session's date nor later: then the
        configuration or every item is wrong. One outline without scenes is no error; it is flagged.
    """
    source, config = session.known.imagery, session.config.imagery
    if source is None or config is None or outlines.empty:
        return {}
    first = Month.parse(config.start) if config.start else FIRST_SCENES
    found: dict[tuple[tuple[str, ...], str], tuple[Scene, ...]] = {}
    instant = session.instant
    for group in _neighbours(outlines):
        candidates = source.scenes(_box(group), first, session.month)
        months: dict[tuple[int, str], dict[str, tuple[Scene, ...]]] = {}
        for row, scenes in zip(group.itertuples(index=False), _touching(candidates, group, instant), strict=True):
            at = id(scenes), row.timezone
            if at not in months:
                months[at] = _local_months(scenes, row.timezone)
            for month, own in months[at].items():
                if str(first) <= month <= str(session.month):
                    found[(row.key, month)] = own
    if not found and not any(_ever(source, group, first) for group in _neighbours(outlines)):
        _no_scene_at_all(source, config, first, outlines)
    return found


def require_files(
    session: Session, outlines: pd.DataFrame, scenes: Mapping[tuple[Key, str], tuple[Scene, ...]]
) -> None:
    """Refuse imagery of which no file is there: all are local, of later scenes too.

    Parameters
    ----------
    outlines, scenes
        What :func:`scenes_by_month` was asked and found.

    Raises
    ------
    SourceError
        Naming the folder that was searched.
    """
    source, config = session.known.imagery, session.config.imagery
    if source is None or config is None or _any_file(s for group in scenes.values() for s in group):
        return
    first = Month.parse(config.start) if config.start else FIRST_SCENES
    every = [s for group in _neighbours(outlines) for s in source.scenes(_box(group), first, LAST_SCENES)]
    if every and not _any_file(every):
        _no_file_at_all(every)


def _touching(
    candidates: Sequence[Scene], outlines: pd.DataFrame, instant: pd.Timestamp
) -> Iterator[tuple[Scene, ...]]:
    """Of each outline what is known of the scenes that touch it; outlines under the same scenes get the same objects.

    Most scenes of a tile have one footprint: each is held against all outlines at once.
    """
    versions = [v for c in candidates for v in c.versions]
    footprints = {v.footprint.wkb: v.footprint for v in versions if v.footprint is not None}
    shapely.prepare(list(footprints.values()))
    shapes = outlines["geometry"].to_numpy()
    hits = {name: shapely.intersects(shape, shapes) for name, shape in footprints.items()}
    of_version = {id(v): None if v.footprint is None else hits[v.footprint.wkb] for v in versions}
    seen: dict[tuple[int, ...], Scene] = {}
    alike: dict[tuple[int, ...], tuple[Scene, ...]] = {}
    for n in range(len(outlines)):
        scenes = []
        for scene in candidates:
            held = [v for v in scene.versions if v.known_at <= instant and _hit(of_version[id(v)], n)]
            if held:
                name = tuple(id(v) for v in held)
                if name not in seen:
                    seen[name] = _best(held)
                scenes.append(seen[name])
        found = tuple(scenes)
        yield alike.setdefault(tuple(id(s) for s in found), found)


def _hit(hits: NDArray[np.bool_] | None, n: int) -> bool:
    """Whether a version touches an outline; one without a footprint may touch any."""
    return hits is None or bool(hits[n])


def _best(versions: Sequence[Scene]) -> Scene:
    """The first of some versions of a scene, the others as its twins."""
    first, rest = versions[0], tuple(versions[1:])
    same = len(first.twins) == len(rest) and all(a is b for a, b in zip(first.twins, rest, strict=True))
    return first if same else replace(first, twins=rest)


def _box(outlines: pd.DataFrame) -> tuple[float, float, float, float]:
    west, south, east, north = (float(v) for v in shapely.total_bounds(outlines["geometry"].to_numpy()))
    return west, south, east, north


def _ever(source: ImagerySource, outlines: pd.DataFrame, first: Month) -> bool:
    """Whether a source has scenes of the outlines at any time from a month on: an early date may have none yet."""
    candidates = source.scenes(_box(outlines), first, LAST_SCENES)
    end = pd.Timestamp.max.tz_localize("UTC")
    for row, touching in zip(outlines.itertuples(index=False), _touching(candidates, outlines, end), strict=True):
        if any(month >= str(first) for month in _local_months(touching, row.timezone)):
            return True
    return False


def _no_scene_at_all(source: ImagerySource, config: ImageryConfig, first: Month, outlines: pd.DataFrame) -> NoReturn:
    held = source.holdings()
    box = ", ".join(f"{v:.4f}" for v in _box(outlines))
    raise SourceError.of(
        "imagery.source",
        "has no scene of any plantation that can be used; asked for were"
        f" collections {', '.join(config.collections)}; from {first}; west, south, east, north {box};"
        f" cloud cover up to {config.max_cloud_cover:g} %",
        held.told(),
        held.remedy(config.collections, pd.Timestamp(first.first, tz="UTC"), _box(outlines))
        + " Leave the section imagery out to run without scenes.",
    )


def _files(scenes: Iterable[Scene]) -> Iterator[Asset]:
    return (asset for scene in scenes for version in scene.versions for asset in version.assets.values())


def _any_file(scenes: Iterable[Scene]) -> bool:
    """Whether one file of the scenes is there; one on a web server is found out when it is read."""
    return any(not a.absent if is_url(a.href) else os.path.exists(a.href) for a in _files(scenes))


def _no_file_at_all(scenes: Sequence[Scene]) -> NoReturn:
    assets = list(_files(scenes))
    places = [a.href if is_url(a.href) else os.path.abspath(a.href) for a in assets]
    parts = zip(*(place.split("/")[:-1] for place in places), strict=False)
    folder = "/".join(part[0] for part in itertools.takewhile(lambda part: len(set(part)) == 1, parts))
    raise SourceError.of(
        f"imagery.source: {', '.join(dict.fromkeys(scene.file for scene in scenes))}",
        f"none of the {len(assets)} files of its {len(scenes)} scene{'' if len(scenes) == 1 else 's'} is there",
        f"first {named(assets[0])}; searched in {folder}",
        "Fetch the files, or mend the hrefs, which are relative to the file of the item.",
    )


def _neighbours(outlines: pd.DataFrame) -> list[pd.DataFrame]:
    cells = [(math.floor(g.centroid.x), math.floor(g.centroid.y)) for g in outlines["geometry"]]
    return [group for _, group in outlines.groupby(pd.Series(cells, index=outlines.index), sort=True)]


def _local_months(scenes: Sequence[Scene], timezone: str) -> dict[str, tuple[Scene, ...]]:
    found: dict[str, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        found.setdefault(scene.acquired.tz_convert(timezone).strftime("%Y-%m"), []).append(scene)
    return {month: _told_apart(group) for month, group in found.items()}


def _told_apart(scenes: Sequence[Scene]) -> tuple[Scene, ...]:
    """Scenes whose ids are distinct: different items under one id get the start of their hash behind it."""
    every = [v for s in scenes for v in s.versions]
    counts = Counter(v.id for v in every)
    if len(counts) == len(every):
        return tuple(scenes)
    names: dict[int, str] = {}
    for version in sorted(every, key=lambda v: (v.fingerprint, hrefs_of(v))):
        if counts[version.id] > 1:
            name = f"{version.id}@{version.fingerprint[:8]}"
            again = sum(n == name or n.startswith(f"{name}.") for n in names.values())
            names[id(version)] = f"{name}.{again + 1}" if again else name

    def named(scene: Scene) -> Scene:
        return replace(scene, id=names.get(id(scene), scene.id), twins=tuple(map(named, scene.twins)))

    return tuple(map(named, scenes))
