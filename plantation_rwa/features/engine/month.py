"""One month of many outlines: gathered once, then figures of its scenes, then medians and statistics."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.engine.bits import NOWHERE
from plantation_rwa.features.engine.gathered import Gathered, SceneKey, key_of
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.engine.samples import Figures, Pixels, figures_of
from plantation_rwa.features.engine.shares import KnownGrids, Share, Shares
from plantation_rwa.features.indices import needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, readable, with_offset

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


class Target(NamedTuple):
    """One outline of a month.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    scenes
        Scenes of the month whose footprint meets the outline, under their claimed offsets.
    edge_m
        Metres taken off the edge.
    """

    outline: BaseGeometry
    scenes: tuple[SceneLike, ...]
    edge_m: float


class Look(NamedTuple):
    """What was gathered of a target.

    Parameters
    ----------
    share
        Its tiles and covered pixels.
    pieces
        For each tile of the share what was gathered, and the target's number there.
    lost
        Band and message of each scene that could not be read, by its id; these are not in the share.
    """

    share: Share
    pieces: tuple[tuple[Gathered, int], ...]
    lost: Mapping[str, tuple[str, str]]

    @property
    def pixels(self) -> int:
        """Covered pixels."""
        return sum(c.pixels for c in self.share.coverages)


def gather_month(
    targets: Sequence[Target],
    known: KnownGrids,
    *,
    names: Sequence[str],
    bands: Sequence[str],
    lenient: bool,
    shares: Shares,
    lanes: Lanes,
) -> list[Look]:
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
    every = {id(s): s for scenes in {id(t.scenes): t.scenes for t in targets}.values() for s in scenes}
    known.ask(files_of(list(every.values()), bands), lanes)
    found: dict[int, Look] = {}
    lost: list[dict[str, tuple[str, str]]] = [{} for _ in targets]
    todo = list(range(len(targets)))
    while todo:
        usable = [_without(targets[n], lost[n]) if lost[n] else targets[n] for n in todo]
        ready: dict[int, Share] = {}
        again = []
        for n, share in zip(todo, shares.of(usable, needed_bands(tuple(names)), known), strict=True):
            if isinstance(share, UnreadableSceneError):
                lost[n][share.scene_id] = share.band, share.message
                again.append(n)
            else:
                ready[n] = share
        pieces = _gather(ready, bands, known, lenient, shares, lanes)
        for n, share in ready.items():
            failed = [gathered.losses[m] for gathered, m in pieces[n] if m in gathered.losses]
            if failed:
                lost[n] |= functools.reduce(operator.or_, failed)
                again.append(n)
            else:
                found[n] = Look(share, pieces[n], lost[n])
        todo = sorted(again)
    return [found[n] for n in range(len(targets))]


def files_of(scenes: Sequence[SceneLike], bands: Sequence[str]) -> set[Any]:
    """Assets of some scenes that a month may read."""
    return {s.assets[b] for s in scenes for b in (*bands, "SCL") if b in s.assets}


def _without(target: Target, lost: Mapping[str, Any]) -> Target:
    return target._replace(scenes=tuple(readable(target.scenes, lost)))


def _gather(
    ready: Mapping[int, Share], bands: Sequence[str], reader: Reader, lenient: bool, shares: Shares, lanes: Lanes
) -> dict[int, tuple[tuple[Gathered, int], ...]]:
    """Pieces of each target, tile by tile."""
    # many targets have the tiles of one object: they are told apart by it
    alike: dict[int, list[int]] = {}
    for n, share in ready.items():
        alike.setdefault(id(share.tiles), []).append(n)
    tiles: dict[tuple[str, object], list[tuple[int, int]]] = {}
    for numbers in alike.values():
        for k, held in enumerate(ready[numbers[0]].tiles):
            tiles.setdefault((held.name, held.grid), []).extend((n, k) for n in numbers)
    pieces: dict[int, dict[int, tuple[Gathered, int]]] = {n: {} for n in ready}
    for members in tiles.values():
        tile = ready[members[0][0]].tiles[members[0][1]]
        segments = shares.segments(tile.grid, [ready[n].coverages[k] for n, k in members])
        scenes = [ready[n].tiles[k].scenes for n, k in members]
        gathered = Gathered(
            tile.grid, segments, scenes, bands, reader, lenient=lenient, lanes=lanes, spare=shares.spare
        )
        for m, (n, k) in enumerate(members):
            pieces[n][k] = gathered, m
    return {n: tuple([own[k] for k in sorted(own)]) for n, own in pieces.items()}


def chunks_of(looks: Sequence[Look]) -> list[list[int]]:
    """Numbers of looks that go together through the kernels, at least one each."""
    found: list[list[int]] = []
    pixels = CHUNK
    for n, look in enumerate(looks):
        more = look.pixels
        if pixels + more > CHUNK or not found:
            found.append([])
            pixels = 0
        found[-1].append(n)
        pixels += more
    return found


def statistics(
    looks: Sequence[Look],
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
    weights = [c.weights for look in looks for c in look.share.coverages]
    ends = np.cumsum([0, *(w.size for w in weights)])
    pixels = int(ends[-1])
    present = _present(looks, names)
    values = np.full((len(present), pixels), np.nan, np.float32)
    seen, owner, area = np.zeros(pixels, np.uint16), np.empty(len(weights), np.intp), np.empty(len(weights))
    keys = [key_of(s) for s in scenes]
    choices, chosen = _choices(offsets)
    for gathered, users in by_gathered(looks).items():
        owner[users.piece], area[users.piece] = users.look, gathered.tile.pixel_size**2
        starts = gathered.segments.starts
        places = np.stack([starts[users.member], ends[users.piece], np.diff(starts)[users.member]], axis=1)
        ways = gathered.group[users.member] * len(choices) + chosen[users.look]
        for way in np.unique(ways).tolist():
            group, own = divmod(way, len(choices))
            choice = {key: v for key, v in zip(keys, choices[own], strict=True) if v == v}
            medians(gathered, group, choice, present, places[ways == way], bit, values, seen)
    unseen = np.array([look.share.unseen for look in looks], np.float64)
    return figures_of(Pixels(values, seen, weights, owner, area, unseen), present, names)


def _choices(offsets: NDArray[np.float64]) -> tuple[list[list[float]], NDArray[np.intp]]:
    """Distinct rows of some offsets, and which of them each row is."""
    found: dict[bytes, int] = {}
    chosen = [found.setdefault(row.tobytes(), len(found)) for row in offsets]
    first = {own: n for n, own in reversed(list(enumerate(chosen)))}
    return [offsets[first[own]].tolist() for own in range(len(found))], np.array(chosen, np.intp)


def _present(looks: Sequence[Look], names: Sequence[str]) -> list[str]:
    """Indices that some scene has all bands of: the pixels need not be asked for the others."""
    tiles = {id(tile): tile for look in looks for tile in look.share.tiles}
    bands = {b for tile in tiles.values() for s in tile.scenes for b in s.assets}
    return [n for n in names if bands.issuperset(FORMULAS[n][1])]


class Users(NamedTuple):
    """Who uses what was gathered together: look, number of the piece among all, and number in what was gathered."""

    look: NDArray[np.intp]
    piece: NDArray[np.intp]
    member: NDArray[np.intp]


def by_gathered(looks: Sequence[Look]) -> dict[Gathered, Users]:
    """Pieces of some looks by what was gathered together."""
    found: dict[Gathered, list[tuple[int, int, int]]] = {}
    piece = 0
    for n, look in enumerate(looks):
        for gathered, member in look.pieces:
            found.setdefault(gathered, []).append((n, piece, member))
            piece += 1
    return {gathered: Users(*np.array(users, np.intp).T) for gathered, users in found.items()}


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
