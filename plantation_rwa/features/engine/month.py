"""One month of many outlines: gathered once, then figures of its scenes, then medians and statistics."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.bits import NOWHERE
from plantation_rwa.features.engine.gathered import Gathered, SceneKey, key_of
from plantation_rwa.features.engine.ground import Ground, Targets
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.engine.samples import Figures, Pixels, figures_of
from plantation_rwa.features.engine.shares import KnownGrids, Shares
from plantation_rwa.features.indices import needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, readable, with_offset
from plantation_rwa.features.tiles import Tile

#: formula of each index in the kernels, and its bands in the order that the formula takes them
FORMULAS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "ndvi": (0, ("B08", "B04")),
    "evi": (1, ("B08", "B04", "B02")),
    "ndmi": (0, ("B8A", "B11")),
    "ndre": (0, ("B8A", "B05")),
    "cire": (2, ("B07", "B05")),
    "nirv": (3, ("B08", "B04")),
    "kndvi": (4, ("B08", "B04")),
    "nbr": (0, ("B8A", "B12")),
}
#: pixels whose medians and statistics are computed together: what one lane holds besides the gathered numbers
CHUNK = 500_000
#: offset by scene of those that are used
Choice = Mapping[SceneKey, float]


class Users(NamedTuple):
    """Who uses what was gathered together: look, number among the look's tiles, and number in what was gathered."""

    look: NDArray[np.intp]
    tile: NDArray[np.intp]
    member: NDArray[np.intp]


@dataclass(frozen=True)
class Looks:
    """What was gathered of some outlines.

    Parameters
    ----------
    ground
        Their tiles and covered pixels.
    pieces
        What was gathered, tile by tile, and who uses it.
    lost
        Scenes that could not be read, with band and message, of each outline; these are not in its ground.
    """

    ground: Ground
    pieces: Sequence[tuple[Gathered, Users]]
    lost: Encoded[tuple[tuple[str, tuple[str, str]], ...]]

    @classmethod
    def joined(cls, parts: Sequence[Looks]) -> Looks:
        """The outlines of one after those of the other."""
        ground, pieces, start = Ground.joined([part.ground for part in parts]), [], 0
        for part in parts:
            pieces += [(gathered, users._replace(look=users.look + start)) for gathered, users in part.pieces]
            start += len(part)
        return cls(ground, pieces, Encoded.joined([part.lost for part in parts], lambda lost: lost))

    def __len__(self) -> int:
        return len(self.ground.covers)

    def take(self, rows: NDArray[np.intp]) -> Looks:
        """Some outlines, by number."""
        number = np.full(len(self), -1)
        number[rows] = np.arange(len(rows))
        pieces = []
        for gathered, (look, tile, member) in self.pieces:
            used = np.flatnonzero(number[look] >= 0)
            if used.size:
                pieces.append((gathered, Users(number[look[used]], tile[used], member[used])))
        return Looks(self.ground.take(rows), pieces, self.lost.take(rows))


def gather_month(
    targets: Targets,
    known: KnownGrids,
    *,
    names: Sequence[str],
    bands: Sequence[str],
    lenient: bool,
    shares: Shares,
    lanes: Lanes,
) -> Looks:
    """Gather the numbers under all targets, each block decoded once.

    What is gathered for a target depends on its own outline and scenes alone, whatever targets go with it. A scene
    that a target needs and that cannot be read is left out of that target, which is then gathered anew.

    Parameters
    ----------
    targets
        Those that share blocks should go together: what they share is read once.
    known
        Block reader.
    names
        Keys of ``INDICES``: the finest of their bands gives the grid.
    bands
        Bands to gather, those of NDVI first.
    lenient
        Whether lenient classes may be used.
    shares
        Keeps covered pixels from month to month.
    lanes
        Runs the reads.
    """
    known.ask(files_of([s for own in targets.scenes.values for s in own], bands), lanes)
    lost: dict[int, dict[str, tuple[str, str]]] = {}
    done: list[tuple[NDArray[np.intp], Looks]] = []
    todo = np.arange(len(targets.outlines))
    while todo.size:
        rows, ground, failed = shares.of(_without(targets, todo, lost), needed_bands(tuple(names)), known)
        for n, error in failed.items():
            lost.setdefault(int(todo[n]), {})[error.scene_id] = error.band, error.message
        pieces, usable = _gather(ground, bands, known, lenient, shares, lanes), np.ones(len(rows), bool)
        failures = [(int(users.look[m]), int(users.tile[m]), own) for g, users in pieces for m, own in g.losses.items()]
        for look, _, own in sorted(failures, key=lambda failure: failure[:2]):
            usable[look] = False
            lost.setdefault(int(todo[rows[look]]), {}).update(own)
        kept = np.flatnonzero(usable)
        numbers = todo[rows[kept]]
        told = Encoded.by([tuple(lost.get(n, {}).items()) for n in todo[rows].tolist()], lambda own: own)
        whole = Looks(ground, pieces, told)
        done.append((numbers, whole if usable.all() else whole.take(kept)))
        todo = np.setdiff1d(todo, numbers)
    if len(done) == 1:
        return done[0][1]
    order = np.argsort(np.concatenate([np.empty(0, np.intp), *(numbers for numbers, _ in done)]))
    return Looks.joined([looks for _, looks in done]).take(order)


def files_of(scenes: Sequence[SceneLike], bands: Sequence[str]) -> set[Any]:
    """Assets of some scenes that a month may read."""
    return {s.assets[b] for s in scenes for b in (*bands, "SCL") if b in s.assets}


def _without(targets: Targets, numbers: NDArray[np.intp], lost: Mapping[int, Mapping[str, tuple[str, str]]]) -> Targets:
    """Some targets without the scenes that they lost."""
    if not lost:
        return targets
    own = targets.take(numbers)
    pairs = zip(numbers.tolist(), own.scenes.tolist(), strict=True)
    left = [tuple(readable(scenes or (), lost[n])) if n in lost else scenes or () for n, scenes in pairs]
    return own._replace(scenes=Encoded.by(left, id))


def _gather(
    ground: Ground, bands: Sequence[str], reader: Reader, lenient: bool, shares: Shares, lanes: Lanes
) -> list[tuple[Gathered, Users]]:
    """What is gathered tile by tile, its users in the order of its members."""
    tiles: dict[tuple[str, object], list[tuple[Tile, int, NDArray[np.intp]]]] = {}
    for own, rows in ground.tiles.groups():
        for n, tile in enumerate(own):
            tiles.setdefault((tile.name, tile.grid), []).append((tile, n, rows))
    pieces = []
    for kinds in tiles.values():
        look = np.concatenate([rows for *_, rows in kinds])
        kind = np.arange(len(kinds)).repeat([len(rows) for *_, rows in kinds])
        number = np.array([n for _, n, _ in kinds], np.intp)[kind]
        covers = [ground.covers[n][k] for n, k in zip(look.tolist(), number.tolist(), strict=True)]
        grid, scenes = kinds[0][0].grid, Encoded(tuple(tile.scenes for tile, *_ in kinds), kind)
        segments = shares.segments(grid, covers)
        gathered = Gathered(grid, segments, scenes, bands, reader, lenient=lenient, lanes=lanes, spare=shares.spare)
        pieces.append((gathered, Users(look, number, np.arange(len(look)))))
    return pieces


def chunks_of(pixels: Sequence[int]) -> list[slice]:
    """Outlines of so many pixels that go together through the kernels, at least one each."""
    edges, held = [0], 0
    for n, more in enumerate(pixels):
        if n > edges[-1] and held + more > CHUNK:
            edges.append(n)
            held = 0
        held += more
    return [slice(a, b) for a, b in itertools.pairwise([*edges, len(pixels)]) if a < b]


def statistics(
    looks: Looks,
    scenes: Sequence[SceneLike],
    offsets: NDArray[np.float64],
    names: Sequence[str],
    bit: int,
) -> Figures:
    """Monthly figures of looks under the offsets chosen.

    Parameters
    ----------
    scenes
        All scenes of the looks.
    offsets
        Offset of each scene for each look, NaN for one that is not used; shape (looks, scenes).
    names
        Keys of ``INDICES``.
    bit
        Mark of a clear pixel, ``STRICT`` or ``LENIENT``.
    """
    ground = looks.ground
    ends = np.cumsum([0, *(w.size for w in ground.weights)])
    pixels = int(ends[-1])
    present = _present(ground, names)
    values, seen = np.full((len(present), pixels), np.nan, np.float32), np.zeros(pixels, np.uint16)
    keys = [key_of(s) for s in scenes]
    choices, chosen = _choices(offsets)
    for gathered, users in looks.pieces:
        starts, places = gathered.segments.starts, ends[ground.first[users.look] + users.tile]
        ranges = np.stack([starts[users.member], places, np.diff(starts)[users.member]], axis=1)
        ways = gathered.group[users.member] * len(choices) + chosen[users.look]
        for way in np.unique(ways).tolist():
            group, own = divmod(way, len(choices))
            choice = {key: v for key, v in zip(keys, choices[own], strict=True) if v == v}
            medians(gathered, group, choice, present, ranges[ways == way], bit, values, seen)
    pieces = Pixels(values, seen, ground.weights, ground.owner, ground.area_m2, ground.unseen)
    return figures_of(pieces, present, names)


def _choices(offsets: NDArray[np.float64]) -> tuple[list[list[float]], NDArray[np.intp]]:
    """Distinct rows of some offsets, and which of them each row is."""
    found: dict[bytes, int] = {}
    chosen = [found.setdefault(row.tobytes(), len(found)) for row in offsets]
    first = {own: n for n, own in reversed(list(enumerate(chosen)))}
    return [offsets[first[own]].tolist() for own in range(len(found))], np.array(chosen, np.intp)


def _present(ground: Ground, names: Sequence[str]) -> list[str]:
    """Indices that some scene has all bands of: the pixels need not be asked for the others."""
    bands = {b for own, _ in ground.tiles.groups() for tile in own for s in tile.scenes for b in s.assets}
    return [n for n in names if bands.issuperset(FORMULAS[n][1])]


def medians(
    gathered: Gathered,
    group: int,
    choice: Choice,
    names: Sequence[str],
    ranges: NDArray[np.int64],
    bit: int,
    values: NDArray[np.float32],
    seen: NDArray[np.uint16],
) -> None:
    """Monthly medians of members of one group under one choice.

    Parameters
    ----------
    ranges
        First gathered pixel, its place in the results, and length; shape (members, 3).
    values, seen
        Medians by index and place, and clear observations by place; written.
    """
    from plantation_rwa.features.engine import kernels

    observed = []
    for observation in gathered.observed[group]:
        used = [with_offset(s, choice[key_of(s)]) for s in observation.scenes if key_of(s) in choice]
        if used:
            observed.append((gathered.row_of(observation), used))
    if not observed:
        return
    depth, bands = max(len(used) for _, used in observed), gathered.bands
    slot = np.full((len(observed), depth, len(bands)), NOWHERE, np.int64)
    rule = np.zeros((*slot.shape, 3), np.float32)
    ratio = np.ones(slot.shape[:2], np.float32)
    for o, (_, used) in enumerate(observed):
        for k, scene in enumerate(used):
            ratio[o, k] = scene.scale / used[0].scale
            for b, band in enumerate(bands):
                layer = gathered.rule_of(scene, band)
                if layer is not None:
                    slot[o, k, b], rule[o, k, b] = layer[0], layer[1].numbers
    kinds = np.array([FORMULAS[n][0] for n in names], np.int64)
    columns = np.array([[bands.index(b) for b in (FORMULAS[n][1] * 2)[:3]] for n in names], np.int64).reshape(-1, 3)
    scale = np.array([used[0].scale for _, used in observed], np.float32)
    rows = np.array([row for row, _ in observed], np.int64)
    kernels.composite(
        ranges, gathered.whole, gathered.plain, slot, rule, ratio, scale, gathered.marks, rows, bit,
        kinds, columns, *kernels.networks(len(observed)), values, seen,
    )  # fmt: skip
