"""Which tiles supply which ground of many outlines, and the covered pixels, computed once per outline and grid."""

from __future__ import annotations

import operator
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.gathered import Spare
from plantation_rwa.features.engine.ground import Ground, Targets
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.engine.segments import Segments, segments_of
from plantation_rwa.features.engine.weights import Coverage, coverage_key, coverages
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError
from plantation_rwa.features.tiles import Tile, tiles_of
from plantation_rwa.grid import GridSpec, Window, reproject, split_at


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
    _last: dict[GridSpec, tuple[list[bytes], NDArray[np.float64], _Held]] = field(default_factory=dict)
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
        self, targets: Targets, bands: Sequence[str], reader: Reader
    ) -> tuple[NDArray[np.intp], Ground, dict[int, UnreadableSceneError]]:
        """Ground of the targets.

        Returns
        -------
        rows : numpy.ndarray
            Numbers of the targets whose ground is known, ascending.
        ground : Ground
            Theirs.
        failed : dict
            The scene that made the tiles of another target unknowable, by its number.
        """
        names = self._bytes_of(targets.outlines.tolist())
        ids = Encoded.by([tuple(sorted(s.id for s in own)) for own in targets.scenes.values], lambda name: name)
        found: list[tuple[NDArray[np.intp], Ground]] = []
        failed: dict[int, UnreadableSceneError] = {}
        for _, rows in ids.take(targets.scenes.places).groups():
            own = targets.take(rows)
            named = names if len(rows) == len(names) else [names[n] for n in rows.tolist()]
            tiles = self._tiles(own, named, bands, reader)
            for error, lost in ((v, n) for v, n in tiles.groups() if isinstance(v, UnreadableSceneError)):
                failed |= dict.fromkeys(rows[lost].tolist(), error)
            known = np.array([not isinstance(v, UnreadableSceneError) for v in tiles.values], bool)[tiles.places]
            if known.all():
                found.append((rows, self._supplied(own, named, tiles)))
            elif known.any():
                some = np.flatnonzero(known)
                ground = self._supplied(own.take(some), [named[n] for n in some.tolist()], tiles.take(some).compact())
                found.append((rows[some], ground))
        if len(found) == 1:
            return *found[0], failed
        every = np.concatenate([np.empty(0, np.intp), *(rows for rows, _ in found)])
        order = np.argsort(every)
        return every[order], Ground.joined([ground for _, ground in found]).take(order), failed

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

    def _supplied(self, targets: Targets, names: list[bytes], tiles: Encoded[Any]) -> Ground:
        """Ground of targets whose tiles are known.

        Most months have the same outlines under one tile: what was found for all of them is found again at once.
        """
        kinds = [own for own, _ in tiles.groups()]
        alone = kinds[0][0].grid if len(kinds) == 1 and len(kinds[0]) == 1 else None
        with self._lock:  # months that are read at the same time need the same ones
            last = None if alone is None else self._last.get(alone)
            if last is not None and last[0] == names and np.array_equal(last[1], targets.edges_m):
                held = last[2]
            else:
                number = np.array([self._number(tuple(tile.grid for tile in own)) for own in tiles.values], np.intp)
                keys = list(zip(names, targets.edges_m.tolist(), number[tiles.places].tolist(), strict=True))
                every = [own or () for own in tiles.tolist()]
                self._fill(list(zip(targets.outlines.tolist(), every, keys, strict=True)))
                held = _Held.of([self.kept[key] for key in keys])
                if alone is not None:
                    self._last[alone] = names, targets.edges_m, held
        return held.under(tiles)

    def _number(self, grids: tuple[GridSpec, ...]) -> int:
        return self._numbers.setdefault(grids, len(self._numbers))

    def _tiles(self, targets: Targets, names: Sequence[bytes], bands: Sequence[str], reader: Reader) -> Encoded[Any]:
        """Tiles of targets that use scenes of the same ids, or why they are not known.

        The usual case, one tile whose files all have one grid, is decided for all outlines together; ``names`` are
        these as bytes.
        """
        several = [own for own, _ in targets.scenes.groups()]
        scenes = several[0]
        if not scenes:
            return Encoded(((),), np.zeros(len(names), np.intp))
        if len({s.tile for s in scenes}) > 1 or any(own != scenes for own in several):
            return _one_by_one(targets, bands, reader)
        try:
            around = shapely.box(*shapely.total_bounds(targets.outlines))
            whole = tiles_of(around, scenes, bands, reader)
        except UnreadableSceneError:
            return _one_by_one(targets, bands, reader)
        grid = whole[0].grid if len(whole) == 1 and len(whole[0].scenes) == len(scenes) else None
        if grid is None or not _same_grid(scenes, bands, reader, grid):
            return _one_by_one(targets, bands, reader)
        meets = self._meets.setdefault(grid, {})
        new = {name: shape for name, shape in zip(names, targets.outlines, strict=True) if name not in meets}
        if new:
            hits = shapely.intersects(_projected(list(new.values()), grid.crs), shapely.box(*grid.bounds))
            meets |= zip(new, hits.tolist(), strict=True)
        return Encoded(((), (whole[0],)), np.array([meets[name] for name in names], np.intp))

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

    def _fill(self, wanted: Sequence[tuple[BaseGeometry, tuple[Tile, ...], Key]]) -> None:
        """Compute what is not kept yet, all polygons of one grid together."""
        missing: dict[Key, tuple[BaseGeometry, tuple[Tile, ...]]] = {}
        for outline, tiles, key in wanted:
            if key not in self.kept and key not in missing:
                missing[key] = outline, tiles
        first: dict[GridSpec, list[Key]] = {}
        for key, (_, tiles) in missing.items():
            if tiles:
                first.setdefault(tiles[0].grid, []).append(key)
            else:
                self.kept[key] = (), 0.0
        pieces: dict[GridSpec, list[tuple[Key, int, BaseGeometry]]] = {}
        unseen: dict[Key, float] = {}
        for grid, keys in first.items():
            rest = _projected([missing[k][0] for k in keys], grid.crs)
            rest = shapely.buffer(rest, -np.array([edge for _, edge, _ in keys]), quad_segs=16)
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


@dataclass(frozen=True)
class _Held:
    """What is kept of some outlines: covered pixels on each of their tiles, and the ground unseen.

    ``whole`` says that no tile goes away empty.
    """

    covers: list[tuple[Coverage, ...]]
    unseen: NDArray[np.float64]
    whole: bool

    @classmethod
    def of(cls, kept: Sequence[tuple[tuple[Coverage, ...], float]]) -> _Held:
        covers = [own for own, _ in kept]
        unseen = np.array([ground for _, ground in kept], np.float64)
        return cls(covers, unseen, all(cover.pixels for own in covers for cover in own))

    def under(self, tiles: Encoded[tuple[Tile, ...]]) -> Ground:
        """The ground of the outlines under a month's tiles; those that supply none of it are used all the same."""
        if self.whole:
            return Ground(tiles, self.covers, self.unseen, tiles)
        shown = [tuple(cover.pixels > 0 for cover in own) for own in self.covers]
        both = Encoded.together(tiles, Encoded.by(shown, lambda flags: flags))
        supply = tuple(tuple(t for t, yes in zip(own, flags, strict=True) if yes) for own, flags in both.values)
        covers = [tuple(c for c in own if c.pixels) for own in self.covers]
        return Ground(Encoded(supply, both.places), covers, self.unseen, tiles)


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


def _one_by_one(targets: Targets, bands: Sequence[str], reader: Reader) -> Encoded[Any]:
    """Tiles of each target, or the scene that makes them unknowable."""
    pairs = zip(targets.outlines.tolist(), targets.scenes.tolist(), strict=True)
    return Encoded.by([_tiles_of_one(outline, scenes or (), bands, reader) for outline, scenes in pairs], id)


def _tiles_of_one(
    outline: BaseGeometry, scenes: Sequence[SceneLike], bands: Sequence[str], reader: Reader
) -> tuple[Tile, ...] | UnreadableSceneError:
    try:
        return tuple(tiles_of(outline, scenes, bands, reader))
    except UnreadableSceneError as error:
        return error


def _same_grid(scenes: Sequence[SceneLike], bands: Sequence[str], reader: Reader, grid: GridSpec) -> bool:
    """Whether the finest band of every scene lies on the grid."""
    finest = [
        min((reader.grid(s.assets[b]) for b in bands if b in s.assets), key=lambda g: g.pixel_size) for s in scenes
    ]
    return all(g == grid for g in finest)
