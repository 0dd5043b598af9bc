"""One unit of imagery work: plantations of one neighbourhood and month, every block of theirs decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.engine.blocks import Member, composites_of
from plantation_rwa.features.engine.samples import Figures, Piece, figures_of
from plantation_rwa.features.engine.shares import KnownGrids, Share, Shares
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError

#: valid fraction below which a month is called few_clear and the lenient classes are tried
FEW_CLEAR = 0.3
#: polygons whose pixels are copied side by side for their statistics
_TOGETHER = 64


@dataclass(frozen=True)
class Target:
    """One outline and what may be used of one month.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    scenes
        Scenes of the month whose footprint meets the outline, with the offsets that are to be applied; scenes that
        are to be left out are absent.
    edge_m
        Metres taken off the edge.
    """

    outline: BaseGeometry
    scenes: tuple[SceneLike, ...]
    edge_m: float


@dataclass(frozen=True)
class Seen:
    """What the pixels of a target say.

    Parameters
    ----------
    figures
        Statistics of its pixels.
    scenes
        Scenes of the tiles that reach it.
    lenient
        Whether the lenient classes were used.
    problems
        Scene id, band and message of each scene that could not be read; these were left out.
    """

    figures: Figures
    scenes: tuple[SceneLike, ...]
    lenient: bool
    problems: tuple[tuple[str, str, str], ...]


def look(
    targets: Sequence[Target],
    reader: Reader,
    *,
    names: Sequence[str] = tuple(INDICES),
    profile: str = "strict",
    shares: Shares | None = None,
) -> list[Seen]:
    """Monthly figures of every target, in their order.

    A target's figures depend on its own outline and scenes alone, whatever targets go with it. A scene that a target
    needs and that cannot be read is left out of that target, which is then computed anew.

    Parameters
    ----------
    targets
        Those that share blocks should go together: what they share is read once.
    reader
        Block reader.
    names
        Keys of ``INDICES``.
    profile
        ``strict``, or ``lenient``: lenient classes where strict leaves less than 0.3 of the ground.
    shares
        Keeps covered pixels from month to month.
    """
    if profile not in {"strict", "lenient"}:
        raise ValueError(f"no SCL profile '{profile}'; known: strict, lenient")
    known, shares = KnownGrids(reader), shares if shares is not None else Shares()
    found: list[Seen | None] = [None] * len(targets)
    lost: list[dict[str, tuple[str, str]]] = [{} for _ in targets]
    todo = list(range(len(targets)))
    while todo:
        usable = [_without(targets[n], lost[n]) if lost[n] else targets[n] for n in todo]
        results = _attempt(usable, known, tuple(names), profile, shares)
        again = []
        for n, result in zip(todo, results, strict=True):
            if isinstance(result, Seen):
                problems = tuple(sorted((scene, *why) for scene, why in lost[n].items()))
                found[n] = replace(result, problems=problems) if problems else result
            else:
                lost[n] |= result
                again.append(n)
        todo = again
    return [seen for seen in found if seen is not None]


def _without(target: Target, lost: dict[str, tuple[str, str]]) -> Target:
    return replace(target, scenes=tuple(s for s in target.scenes if s.id not in lost))


Lost = dict[str, tuple[str, str]]


def _attempt(
    targets: Sequence[Target], reader: KnownGrids, names: tuple[str, ...], profile: str, shares: Shares
) -> list[Seen | Lost]:
    """Figures, or the scenes that could not be read, of each target."""
    of = shares.of(targets, needed_bands(names), reader)
    found: list[Seen | Lost | None] = [None] * len(targets)
    ready: dict[int, Share] = {}
    for n, share in enumerate(of):
        if isinstance(share, UnreadableSceneError):
            found[n] = {share.scene_id: (share.band, share.message)}
        else:
            ready[n] = share
    for classes in ("strict", "lenient"):
        for n, result in _pass(ready, reader, names, classes).items():
            used = tuple(s for tile in ready[n].used for s in tile.scenes)
            found[n] = Seen(result, used, classes == "lenient", ()) if isinstance(result, Figures) else result
        if profile == "strict":
            break
        ready = {
            n: share
            for n, share in ready.items()
            if isinstance(seen := found[n], Seen) and share.used and seen.figures.valid_fraction < FEW_CLEAR
        }
    return [result for result in found if result is not None]


def _pass(shares: dict[int, Share], reader: Reader, names: tuple[str, ...], classes: str) -> dict[int, Figures | Lost]:
    """Figures of some shares under one set of classes, tile by tile."""
    tiles: dict[tuple[str, object], list[tuple[int, int]]] = {}
    for n, share in shares.items():
        for k, held in enumerate(share.tiles):
            tiles.setdefault((held.name, held.grid), []).append((n, k))
    pieces: dict[int, dict[int, Piece]] = {n: {} for n in shares}
    lost: dict[int, Lost] = {}
    for members in tiles.values():
        tile = shares[members[0][0]].tiles[members[0][1]]
        given = [Member(shares[n].coverages[k], shares[n].tiles[k].scenes) for n, k in members]
        done = composites_of(given, tile.grid, reader, names, classes)
        for (m, scene), why in done.losses.found.items():
            lost.setdefault(members[m][0], {})[scene] = why
        for m, (n, k) in enumerate(members):
            chosen = slice(int(done.starts[m]), int(done.starts[m + 1]))
            weights = np.ascontiguousarray(given[m].coverage.weights)
            pieces[n][k] = Piece(done.values[:, chosen], done.seen[chosen], weights, tile.grid.pixel_size**2)
    found: dict[int, Figures | Lost] = {**lost}
    whole = [n for n in shares if n not in lost]
    for k in range(0, len(whole), _TOGETHER):
        some = whole[k : k + _TOGETHER]
        groups = [[pieces[n][m] for m in sorted(pieces[n])] for n in some]
        found |= dict(zip(some, figures_of(groups, [shares[n].unseen for n in some], names), strict=True))
    return found
