"""One pass over a tile and month: every block decoded once, the numbers under all polygons kept side by side."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.bits import CHECKED, LENIENT, STRICT
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.engine.layers import Cell, OnTile, Part, Rule, bundles, lattice_of
from plantation_rwa.features.engine.marks import Failed, marks_of
from plantation_rwa.features.engine.segments import Segments
from plantation_rwa.features.observations import (
    Observation,
    Reader,
    SceneLike,
    UnreadableSceneError,
    observations,
    scene_grid,
)
from plantation_rwa.grid import GridSpec

#: what tells two scenes apart, whatever their ids
SceneKey = tuple[str, str]


def key_of(scene: SceneLike) -> SceneKey:
    """Identity of a scene, its offset left out."""
    return scene.id, scene.fingerprint


class Spare:
    """Memory of gathered numbers lent from month to month: fresh memory costs as much as filling it."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint16]] = []

    def lend(self, to: object, shape: tuple[int, int]) -> NDArray[np.uint16]:
        """An array of a shape, its numbers arbitrary; it comes back when the object that it is lent to is gone."""
        size = shape[0] * shape[1]
        fitting = [k for k, free in enumerate(self._free) if size <= free.size <= 2 * size]
        held = self._free.pop(fitting[0]) if fitting else np.empty(size, np.uint16)
        self._free.clear()  # of another size: of no use for the months to come
        weakref.finalize(to, self._free.append, held)
        return held[:size].reshape(shape)


@dataclass
class _Layer:
    """One band of one scene, as far as it was read.

    Parameters
    ----------
    slot
        Row of the gathered numbers: n of the whole ones, -2 - n of the others.
    failed
        Message by cell that cannot be read.
    """

    file: OnTile
    slot: int
    read: set[Cell] = field(default_factory=set)
    failed: dict[Cell, str] = field(default_factory=dict)


class Gathered:
    """Digital numbers of one month under some polygons of a tile, gathered from the blocks that show them clearly.

    The classification is read first. A cell of a band is read only if a polygon has a clear pixel in it. Of the scenes
    of one datatake a later one is read where those before have no data. A pixel of several polygons is kept for each.

    Parameters
    ----------
    tile
        Grid of the finest resolution; the segments lie on it.
    segments
        Covered pixels of the polygons.
    scenes
        Scenes of each polygon; every value occurs.
    bands
        Wanted, those of NDVI first.
    reader
        Block reader.
    lenient
        Whether pixels that are clear by the lenient profile only are wanted too.
    lanes
        Runs the reads.
    spare
        Where the memory of an earlier month lies that is not used any more, and where this one's goes.

    Attributes
    ----------
    observed
        Observations of each group of polygons that use the same scenes, and the group of each polygon: ``group``.
    marks
        Marks by place, one row per observation, see :meth:`row_of`.
    whole, plain
        Gathered numbers, shape (slots, places): digital numbers of 16 bits, and those that do not fit in them.
    losses
        Polygons whose pixels are not to be used, with the scenes they lost: band and message.
    """

    def __init__(
        self,
        tile: GridSpec,
        segments: Segments,
        scenes: Encoded[tuple[SceneLike, ...]],
        bands: Sequence[str],
        reader: Reader,
        *,
        lenient: bool,
        lanes: Lanes,
        spare: Spare | None = None,
    ) -> None:
        self.tile, self.segments, self.bands, self._reader, self._lanes = tile, segments, tuple(bands), reader, lanes
        self.bit = LENIENT if lenient else STRICT
        self.losses: dict[int, dict[str, tuple[str, str]]] = {}
        groups: dict[tuple[SceneKey, ...], int] = {}
        self.observed: list[list[Observation]] = []
        number = []
        for own in scenes.values:
            key = tuple(key_of(s) for s in own)
            if key not in groups:
                groups[key] = len(groups)
                self.observed.append(observations(own))
            number.append(groups[key])
        self.group = np.array(number, np.int64)[scenes.places]
        self._users: dict[tuple[SceneKey, ...], tuple[Observation, list[int]]] = {}
        for n, seen in enumerate(self.observed):
            for observation in seen:
                self._users.setdefault(_names(observation), (observation, []))[1].append(n)
        self._row = {name: row for row, name in enumerate(self._users)}
        self._cell = {(int(r), int(c)): n for n, (r, c) in enumerate(segments.cells)}
        # rows that are never written take no memory
        most = len({name for own in groups for name in own}) * len(self.bands)
        self.whole = (spare or Spare()).lend(self, (most, segments.pixels))
        self.plain = np.empty((0, segments.pixels), np.float32)
        self._free = 0
        self._layers: dict[tuple[SceneKey, str], _Layer | str] = {}
        self._needed = self._read_marks()
        self._read_bands()

    def row_of(self, observation: Observation) -> int:
        """Row of the marks of an observation."""
        return self._row[_names(observation)]

    def rule_of(self, scene: SceneLike, band: str) -> tuple[int, Rule] | None:
        """Slot of a band, and the rule by which it is read under the scene's offset; None if it was not needed."""
        layer = self._layers.get((key_of(scene), band))
        if not isinstance(layer, _Layer):
            return None
        return layer.slot, Rule.of(scene, band, whole=layer.slot >= 0)

    def _read_marks(self) -> list[NDArray[np.bool_]]:
        """Marks of every observation; segments that have a clear pixel in each."""
        from plantation_rwa.features.engine import kernels

        segments, users = self.segments, list(self._users.values())
        self.marks = np.zeros((len(users), segments.pixels), np.uint8)

        def one(row: int) -> tuple[Failed, NDArray[np.bool_]]:
            observation, groups = users[row]
            chosen = np.isin(self.group[segments.member], groups)
            failed = marks_of(observation.scenes, self._reader, self.tile, segments, chosen, self.marks[row])
            clear = np.zeros(len(segments.member), bool)
            kernels.any_marked(segments.runs, segments.segment, self.marks[row], self.bit, clear)
            return failed, clear & chosen

        needed = []
        for failed, clear in self._lanes.map(one, range(len(users))):
            for segment, (scene, message) in failed.items():
                self._lose(np.array([segment]), scene, "SCL", message)
                clear[segment] = False
            needed.append(clear)
        return needed

    def _read_bands(self) -> None:
        """Layers scene by scene of the datatakes: a later one where those before leave holes."""
        users = [observation for observation, _ in self._users.values()]
        # what is not read of these has no data, also where another polygon has them alone
        later = {key_of(s) for observation in users for s in observation.scenes[1:]}
        for depth in range(max((len(o.scenes) for o in users), default=0)):
            wanted: dict[tuple[SceneKey, str], tuple[SceneLike, NDArray[np.bool_]]] = {}
            # numbers of a cell that could not be read say nothing: who lost it is gathered anew without the scene
            whole = ~np.isin(self.segments.member, list(self.losses))
            for row, observation in enumerate(users):
                if depth >= len(observation.scenes):
                    continue
                scene = observation.scenes[depth]
                for band in (b for b in self.bands if b in scene.assets):
                    needed, key = self._holes(row, observation, depth, band) & whole, (key_of(scene), band)
                    if needed.any():
                        wanted[key] = scene, wanted[key][1] | needed if key in wanted else needed
            for (_, band), (scene, _) in wanted.items():
                self._open(scene, band, filled=key_of(scene) in later)
            self._read(wanted)

    def _holes(self, row: int, observation: Observation, depth: int, band: str) -> NDArray[np.bool_]:
        """Segments for which a scene of a datatake must be read: those that the scenes before it do not fill.

        Whichever of two offsets will be found to hold, and whether or not a scene without classification is used.
        """
        from plantation_rwa.features.engine import kernels

        needed, scene = self._needed[row], observation.scenes[depth]
        # the checks take a pixel's bands from one scene: the first that has both bands of NDVI
        together = {band, *CHECKED[:2]} if band in CHECKED else {band}
        for before in observation.scenes[:depth]:
            found = [self.rule_of(before, b) for b in sorted(together)]
            if None in found or ("SCL" in scene.assets and "SCL" not in before.assets):
                continue
            holes = np.zeros(len(needed), bool)
            for slot, rule in (f for f in found if f is not None):
                kernels.any_hole(
                    self.segments.runs, self.segments.segment, self.marks[row], self.bit, self._numbers(slot),
                    rule.nodata, rule.strictest(whole=slot >= 0), holes,
                )  # fmt: skip
            needed = needed & holes
        return needed

    def _open(self, scene: SceneLike, band: str, *, filled: bool) -> None:
        """Give a band its slot; what is wrong with its file is kept as text."""
        key = (key_of(scene), band)
        if key in self._layers:
            return
        try:
            grid = scene_grid(scene, band, self._reader)
        except UnreadableSceneError as error:
            self._layers[key] = error.message
            return
        if grid.crs != self.tile.crs:
            self._layers[key] = f"lies in {grid.crs}, other bands of the scene in {self.tile.crs}"
            return
        nodata = scene.assets[band].nodata
        fill = float("nan") if nodata is None else float(nodata)
        fill = int(fill) if fill.is_integer() else fill
        edge = self._reader.edge(scene.assets[band])
        file = OnTile(scene.assets[band], grid, lattice_of(grid, self.tile), self.tile, fill, edge)
        filled = filled or not file.covers
        whole = 0 <= fill <= 65535 if isinstance(fill, int) else nodata is None and not filled
        layer = self._layers[key] = _Layer(file, self._slot(whole=whole))
        if filled:
            self._numbers(layer.slot)[:] = fill

    def _slot(self, *, whole: bool) -> int:
        if whole:
            self._free += 1
            return self._free - 1
        more = np.empty((1, self.segments.pixels), np.float32)
        self.plain = np.concatenate([self.plain, more])
        return -1 - len(self.plain)

    def _numbers(self, slot: int) -> NDArray[Any]:
        found: NDArray[Any] = self.whole[slot] if slot >= 0 else self.plain[-2 - slot]
        return found

    def _read(self, wanted: dict[tuple[SceneKey, str], tuple[SceneLike, NDArray[np.bool_]]]) -> None:
        """Read the cells of some segments that were not read yet."""
        segments, tasks = self.segments, []
        for key, (_, needed) in wanted.items():
            layer = self._layers[key]
            if isinstance(layer, _Layer):
                cells = np.unique(segments.cells[np.unique(segments.cell[needed])] >> layer.file.shift, axis=0)
                new = {(int(r), int(c)) for r, c in cells} - layer.read
                tasks += [(layer, bundle) for bundle in bundles(new)]
        wide: list[_Layer] = []
        for (layer, cells_read), fits in zip(tasks, self._lanes.map(self._fetch, tasks), strict=True):
            layer.read |= set(cells_read)
            wide += [layer] if not fits and layer not in wide else []
        for layer in wide:
            layer.slot = self._slot(whole=False)
            self._numbers(layer.slot)[:] = layer.file.fill
        again = [(layer, bundle) for layer in wide for bundle in bundles(layer.read)]
        list(self._lanes.map(self._fetch, again))
        for (_, band), (scene, needed) in wanted.items():
            held = self._layers[(key_of(scene), band)]
            if isinstance(held, str):
                self._lose(np.flatnonzero(needed), scene, band, held)
                continue
            cell = segments.cells[segments.cell] >> held.file.shift
            for at, message in sorted(held.failed.items()):
                self._lose(np.flatnonzero(needed & (cell == at).all(axis=1)), scene, band, message)

    def _fetch(self, task: tuple[_Layer, list[Cell]]) -> bool:
        """Read some cells of a layer and gather what is covered; False if its numbers do not fit in 16 bits."""
        from plantation_rwa.features.engine import kernels

        layer, cells = task
        shift, out = layer.file.shift, self._numbers(layer.slot)
        for part in layer.file.parts(self._reader, cells):
            if not isinstance(part, Part):
                layer.failed[part[0]] = part[1]
                continue
            if not np.can_cast(part.pixels.dtype, out.dtype) and out.dtype != np.float32:
                return False
            pixels = part.pixels.astype(out.dtype, copy=False)
            for r, c in part.cells:
                for fine in np.ndindex(1 << shift, 1 << shift):
                    cell = self._cell.get(((r << shift) + fine[0], (c << shift) + fine[1]))
                    if cell is not None:
                        kernels.gather(self.segments.runs_of(cell), pixels, part.row, part.col, shift, out)
        return True

    def _lose(self, segments: NDArray[np.intp], scene: SceneLike, band: str, message: str) -> None:
        """Note a failure; the classification goes before the bands, the bands by name."""
        for member in np.unique(self.segments.member[segments]).tolist():
            lost = self.losses.setdefault(member, {})
            held = lost.get(scene.id)
            if held is None or (band != "SCL", band) < (held[0] != "SCL", held[0]):
                lost[scene.id] = (band, message)


def _names(observation: Observation) -> tuple[SceneKey, ...]:
    return tuple(key_of(s) for s in observation.scenes)
