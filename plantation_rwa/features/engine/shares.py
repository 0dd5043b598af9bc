"""Which tiles supply which ground of many outlines, and the covered pixels, computed once per outline and grid."""

from __future__ import annotations

import operator
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.features.engine.gathered import Spare
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.engine.segments import Segments, segments_of
from plantation_rwa.features.engine.weights import Coverage, coverage_key, coverages
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError
from plantation_rwa.features.tiles import Tile, tiles_of
from plantation_rwa.grid import GridSpec, Window, reproject, split_at


class Share(NamedTuple):
    """Pixels of one outline.

    Parameters
    ----------
    tiles
        Tiles that supply ground, in order of preference.
    coverages
        Covered pixels on each tile's grid; a piece of ground belongs to one of them.
    unseen
        Ground that no tile reaches, m2.
    used
        All tiles that reach the outline, also those whose ground other tiles supply.
    """

    tiles: tuple[Tile, ...]
    coverages: tuple[Coverage, ...]
    unseen: float
    used: tuple[Tile, ...]


class KnownGrids:
    """A reader that asks each file for its grid once; failures are remembered too."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._grids: dict[Any, GridSpec | ReadError] = {}

    def ask(self, assets: Collection[Any], lanes: Lanes) -> None:
        """Ask for the grids of many assets side by side."""
        todo = sorted((a for a in assets if a not in self._grids), key=repr)
        self._grids |= zip(todo, lanes.map(self._ask, todo), strict=True)

    def _ask(self, asset: Any) -> GridSpec | ReadError:
        try:
            return self._reader.grid(asset)
        except ReadError as error:
            return error

    def grid(self, asset: Any) -> GridSpec:
        """Grid of an asset."""
        if asset not in self._grids:
            self._grids[asset] = self._ask(asset)
        found = self._grids[asset]
        if isinstance(found, ReadError):
            raise found
        return found

    def read(self, asset: Any, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window."""
        return self._reader.read(asset, window)

    def edge(self, asset: Any) -> int:
        """Edge of the squares that are read one by one."""
        return self._reader.edge(asset)


class Outlined(Protocol):
    """What is used of a target here."""

    @property
    def outline(self) -> BaseGeometry: ...
    @property
    def scenes(self) -> tuple[SceneLike, ...]: ...
    @property
    def edge_m(self) -> float: ...


class Store(Protocol):
    """Bytes by name; may forget."""

    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, data: bytes) -> None: ...


#: outline, edge, and number of the grids
Key = tuple[bytes, float, int]


@dataclass
class Shares:
    """Shares of outlines, each computed once per outline, edge and grids.

    Parameters
    ----------
    store
        Keeps covered pixels longer than this object lives; what is damaged there is computed anew.
    spare
        Memory of gathered numbers, lent from month to month.

    Attributes
    ----------
    kept
        Computed ones: covered pixels of each tile, and the ground unseen.
    """

    kept: dict[Key, tuple[tuple[Coverage, ...], float]] = field(default_factory=dict, init=False)
    store: Store | None = None
    spare: Spare = field(default_factory=Spare)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _sorted: dict[GridSpec, tuple[list[Coverage], Segments]] = field(default_factory=dict)
    _last: dict[GridSpec, tuple[list[tuple[bytes, float]], list[tuple[tuple[Coverage, ...], float]]]] = field(
        default_factory=dict
    )
    _meets: dict[GridSpec, dict[bytes, bool]] = field(default_factory=dict)
    _names: dict[int, tuple[BaseGeometry, bytes]] = field(default_factory=dict)
    _numbers: dict[tuple[GridSpec, ...], int] = field(default_factory=dict)
    _outlines: tuple[Sequence[BaseGeometry], list[bytes]] = ((), [])

    def segments(self, grid: GridSpec, covers: list[Coverage]) -> Segments:
        """Covered pixels sorted by cell; those of the last month are kept, as most months have the same polygons."""
        with self._lock:
            held = self._sorted.get(grid)
            if held is None or not _same(held[0], covers):
                held = self._sorted[grid] = covers, segments_of(covers)
            return held[1]

    def of(
        self, targets: Sequence[Outlined], bands: Sequence[str], reader: Reader
    ) -> list[Share | UnreadableSceneError]:
        """Share of each target, or the scene that made its tiles unknowable."""
        found: list[Share | UnreadableSceneError | None] = [None] * len(targets)
        groups: dict[tuple[str, ...], list[int]] = {}
        ids = {id(t.scenes): tuple(sorted(s.id for s in t.scenes)) for t in {id(t.scenes): t for t in targets}.values()}
        for n, target in enumerate(targets):
            groups.setdefault(ids[id(target.scenes)], []).append(n)
        names = self._bytes_of([t.outline for t in targets])
        for members in groups.values():
            own = [targets[n] for n in members]
            tiles = self._tiles(own, [names[n] for n in members], bands, reader)
            known = [k for k, of_one in enumerate(tiles) if not isinstance(of_one, UnreadableSceneError)]
            shared = self._supplied([(own[k], names[members[k]], tiles[k]) for k in known])
            for n, of_one in zip(members, tiles, strict=True):
                found[n] = of_one if isinstance(of_one, UnreadableSceneError) else next(shared)
        return [share for share in found if share is not None]

    def _bytes_of(self, outlines: Sequence[BaseGeometry]) -> list[bytes]:
        """Outlines as bytes, those of objects that were asked for before from memory: most months have the same."""
        before, found = self._outlines
        if _same(before, outlines):
            return found
        new = {id(o): o for o in outlines if id(o) not in self._names}
        if new:
            shapes = list(new.values())
            told = zip(shapes, shapely.to_wkb(np.array(shapes)).tolist(), strict=True)
            self._names |= zip(new, told, strict=True)  # the objects too: no other one gets their number
        found = [self._names[id(o)][1] for o in outlines]
        self._outlines = outlines, found
        return found

    def _supplied(self, wanted: Sequence[tuple[Outlined, bytes, Any]]) -> Iterator[Share]:
        """Shares of targets whose tiles are known.

        Most months have the same outlines under one tile: what was found for all of them is found again at once.
        """
        if not wanted:
            return
        tiles = wanted[0][2]
        alone = tiles[0].grid if len(tiles) == 1 and all(t is tiles for *_, t in wanted) else None
        names = [(name, target.edge_m) for target, name, _ in wanted]
        with self._lock:  # months that are read at the same time need the same ones
            last = None if alone is None else self._last.get(alone)
            if last is not None and last[0] == names:
                held = last[1]
            else:
                alike = {id(t): t for *_, t in wanted}
                number = {i: self._number(tuple(tile.grid for tile in t)) for i, t in alike.items()}
                keys = [(*name, number[id(t)]) for name, (*_, t) in zip(names, wanted, strict=True)]
                self._fill([(target, t, key) for (target, _, t), key in zip(wanted, keys, strict=True)])
                held = [self.kept[key] for key in keys]
                if alone is not None:
                    self._last[alone] = names, held
        for (_, _, own), (covers, unseen) in zip(wanted, held, strict=True):
            if all(c.pixels for c in covers):
                yield Share(own, covers, unseen, own)
                continue
            pairs = [(t, c) for t, c in zip(own, covers, strict=True) if c.pixels]
            yield Share(tuple(t for t, _ in pairs), tuple(c for _, c in pairs), unseen, own)

    def _number(self, grids: tuple[GridSpec, ...]) -> int:
        return self._numbers.setdefault(grids, len(self._numbers))

    def _tiles(
        self, targets: Sequence[Outlined], names: Sequence[bytes], bands: Sequence[str], reader: Reader
    ) -> list[tuple[Tile, ...] | UnreadableSceneError]:
        """Tiles of targets that use the same scenes; ``names`` are their outlines as bytes.

        The usual case, one tile whose files all have one grid, is decided for all outlines together.
        """
        scenes = targets[0].scenes
        if not scenes:
            return [() for _ in targets]
        if len({s.tile for s in scenes}) > 1 or any(t.scenes is not scenes and t.scenes != scenes for t in targets):
            return [_tiles_of_one(t, bands, reader) for t in targets]
        try:
            around = shapely.box(*shapely.total_bounds(np.array([t.outline for t in targets])))
            whole = tiles_of(around, scenes, bands, reader)
        except UnreadableSceneError:
            return [_tiles_of_one(t, bands, reader) for t in targets]
        grid = whole[0].grid if len(whole) == 1 and len(whole[0].scenes) == len(scenes) else None
        if grid is None or not _same_grid(scenes, bands, reader, grid):
            return [_tiles_of_one(t, bands, reader) for t in targets]
        meets = self._meets.setdefault(grid, {})
        new = {name: t.outline for name, t in zip(names, targets, strict=True) if name not in meets}
        if new:
            hits = shapely.intersects(_projected(list(new.values()), grid.crs), shapely.box(*grid.bounds))
            meets |= zip(new, hits.tolist(), strict=True)
        # one object for all: what has the same tiles is told by it
        both = {True: (whole[0],), False: ()}
        return [both[meets[name]] for name in names]

    def _covers(self, geometries: Sequence[BaseGeometry], grid: GridSpec) -> list[Coverage]:
        """Covered pixels, those of the store where it has them whole."""
        if self.store is None:
            return coverages(geometries, grid)
        names = [coverage_key(g, grid) for g in geometries]
        found = [self._kept_cover(self.store, name) for name in names]
        missing = [n for n, cover in enumerate(found) if cover is None]
        for n, cover in zip(missing, coverages([geometries[n] for n in missing], grid), strict=True):
            found[n] = cover
            self.store.put(names[n], cover.to_bytes())
        return [cover for cover in found if cover is not None]

    def _kept_cover(self, store: Store, name: str) -> Coverage | None:
        data = store.get(name)
        try:
            return None if data is None else Coverage.from_bytes(data)
        except ValueError:
            return None

    def _fill(self, wanted: Sequence[tuple[Outlined, tuple[Tile, ...], Key]]) -> None:
        """Compute what is not kept yet, all polygons of one grid together."""
        missing: dict[Key, tuple[Outlined, tuple[Tile, ...]]] = {}
        for target, tiles, key in wanted:
            if key not in self.kept and key not in missing:
                missing[key] = target, tiles
        first: dict[GridSpec, list[Key]] = {}
        for key, (_, tiles) in missing.items():
            if tiles:
                first.setdefault(tiles[0].grid, []).append(key)
            else:
                self.kept[key] = (), 0.0
        pieces: dict[GridSpec, list[tuple[Key, int, BaseGeometry]]] = {}
        unseen: dict[Key, float] = {}
        for grid, keys in first.items():
            chosen = [missing[k][0] for k in keys]
            rest = _projected([t.outline for t in chosen], grid.crs)
            rest = shapely.buffer(rest, -np.array([t.edge_m for t in chosen]), quad_segs=16)
            inside = shapely.contains(shapely.box(*grid.bounds), rest)
            for key, geometry, whole in zip(keys, rest, inside, strict=True):
                if whole:
                    pieces.setdefault(grid, []).append((key, 0, geometry))
                    unseen[key] = 0.0
                else:
                    unseen[key] = _cut(geometry, missing[key][1], key, pieces)
        parts: dict[Key, dict[int, Coverage]] = {key: {} for key in unseen}
        for grid, listed in pieces.items():
            for (key, n, _), cover in zip(listed, self._covers([g for *_, g in listed], grid), strict=True):
                parts[key][n] = cover
        empty = Coverage(np.empty((0, 3), np.int64), np.empty(0, np.float32))
        for key, found in parts.items():
            covers = tuple(found.get(n, empty) for n in range(len(missing[key][1])))
            self.kept[key] = covers, unseen[key] if any(c.pixels for c in covers) else 0.0


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two sequences hold the same objects in the same order."""
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _cut(
    rest: BaseGeometry, tiles: Sequence[Tile], key: Key, pieces: dict[GridSpec, list[tuple[Key, int, BaseGeometry]]]
) -> float:
    """Share the ground between tiles, each piece once; returns what is left over, m2."""
    crs = tiles[0].grid.crs
    for n, tile in enumerate(tiles):
        rest, crs = reproject(rest, crs, tile.grid.crs) if crs != tile.grid.crs else rest, tile.grid.crs
        own, rest = split_at(rest, tile.grid.bounds)
        if not own.is_empty:
            pieces.setdefault(tile.grid, []).append((key, n, own))
        if rest.is_empty:
            break
    return float(rest.area)


def _projected(outlines: Sequence[BaseGeometry], crs: str) -> NDArray[Any]:
    """Outlines on WGS84 in another CRS, all at once: making a transformation costs more than many points."""
    whole = reproject(shapely.GeometryCollection(list(outlines)), "EPSG:4326", crs)
    parts: NDArray[Any] = shapely.get_parts(np.array([whole]))
    return parts


def _tiles_of_one(target: Outlined, bands: Sequence[str], reader: Reader) -> tuple[Tile, ...] | UnreadableSceneError:
    try:
        return tuple(tiles_of(target.outline, target.scenes, bands, reader))
    except UnreadableSceneError as error:
        return error


def _same_grid(scenes: Sequence[SceneLike], bands: Sequence[str], reader: Reader, grid: GridSpec) -> bool:
    """Whether the finest band of every scene lies on the grid."""
    finest = [
        min((reader.grid(s.assets[b]) for b in bands if b in s.assets), key=lambda g: g.pixel_size) for s in scenes
    ]
    return all(g == grid for g in finest)
