"""Imagery work cut into tasks: plantations that share blocks go together, as many as the memory of a worker holds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from plantation_rwa.features.engine.memory import Size, fits
from plantation_rwa.features.scene_checks import Rules, Verdict
from plantation_rwa.grid import GEOD
from plantation_rwa.run.records import Records
from plantation_rwa.run.scenes import Unit

#: edge in degrees of the squares by which neighbours are put in order: a block of 512 pixels of 10 m
_SQUARE_DEG = 0.046
#: pixels of 10 m in a hectare
_PIXELS_HA = 100.0
#: covered pixels of a tile below which it is not cut for more workers: one task reads and computes on all cores of its
#: process, and what two tasks share they decode twice (13 % of all blocks where 400 plantations cover half a tile)
_WORTH = 12_000_000
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Machine:
    """What tasks are cut for; changes no result.

    Parameters
    ----------
    workers
        Tasks that run at the same time.
    memory
        Bytes of one worker.
    """

    workers: int = 1
    memory: int = 2 * 10**9

    @classmethod
    def of(cls, workers: int, memory_limit: str) -> Machine:
        """The machine of a configuration's ``compute``."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s?([KMG]i?)B", memory_limit)
        if match is None:
            raise ValueError(f"compute.memory_limit: '{memory_limit}' is no size such as 2GB")
        return cls(workers, int(float(match[1]) * _UNITS[match[2]]))


#: plantation, month, and hash of all that decides its row
Estate = tuple[str, str, str]


@dataclass(frozen=True)
class Batch:
    """One task: all units of some plantations and their blocks, worked through month by month.

    Parameters
    ----------
    history
        Known records of months that are not computed now.
    verdicts
        Known verdicts by item hash, for blocks whose plantation is not computed now: by plantation, month and view.
    ahead
        Months that are read at the same time.
    kept
        Where months that are finished wait until they are published; see :mod:`plantation_rwa.run.kept_months`.
    """

    units: tuple[Unit, ...]
    rules: Rules
    history: Records
    verdicts: Mapping[Estate, Mapping[str, Verdict]]
    ahead: int = 1
    kept: str = ""


def groups_of(units: Sequence[Unit], machine: Machine) -> list[tuple[list[Unit], int]]:
    """Units of plantations that go together, in a fixed order, and how many months to read at the same time."""
    by_plantation: dict[str, list[Unit]] = {}
    for unit in units:
        by_plantation.setdefault(unit.key[0], []).append(unit)
    areas, centres = _grounds(list({u.outline for u in units}))
    tiles: dict[str, list[tuple[tuple[int, int], str]]] = {}
    # neighbours have the same scenes, most of them one object: what these say is found out once
    told: dict[tuple[int, ...], tuple[str, int]] = {}
    sizes_of: dict[str, Size] = {}
    for plantation, own in by_plantation.items():
        name = tuple(id(u.scenes) for u in own)
        if name not in told:
            told[name] = tile_of(own), max(sum(len(s.assets) for s in u.scenes) for u in own)
        tile, layers = told[name]
        tiles.setdefault(tile, []).append((_square(*centres[own[0].outline]), plantation))
        sizes_of[plantation] = _size(own, areas, layers)
    found: list[tuple[list[Unit], int]] = []
    for tile in sorted(tiles):
        names = [p for _, p in sorted(tiles[tile])]
        order, sizes = [by_plantation[p] for p in names], [sizes_of[p] for p in names]
        parts = min(machine.workers, int(sum(s.pixels for s in sizes) // _WORTH) + 1)
        for chosen, ahead in fits(sizes, machine.memory, parts):
            found.append(([u for own in order[chosen] for u in own], ahead))
    return found


def _grounds(outlines: Sequence[bytes]) -> tuple[dict[bytes, float], dict[bytes, tuple[float, float]]]:
    """Area in hectares as on a sphere, good enough to foresee memory, and longitude and latitude of the centre."""
    shapes = shapely.from_wkb(np.array(outlines, object))
    x, y = shapely.get_coordinates(shapely.centroid(shapes)).T
    side = math.radians(1.0) * GEOD.a
    areas = shapely.area(shapes) * side**2 * np.cos(np.radians(y)) / 1e4
    centres = zip(x.tolist(), y.tolist(), strict=True)
    return dict(zip(outlines, areas.tolist(), strict=True)), dict(zip(outlines, centres, strict=True))


def tile_of(units: Sequence[Unit]) -> str:
    """The tile that most scenes lie in."""
    count: dict[str, int] = {}
    for unit in units:
        for scene in unit.scenes:
            count[scene.tile] = count.get(scene.tile, 0) + 1
    return min(count, key=lambda t: (-count[t], t))


def _square(x: float, y: float) -> tuple[int, int]:
    """Row and column of a square grid, row by row and every other row backwards: neighbours follow one another."""
    row, col = math.floor(-y / _SQUARE_DEG), math.floor(x / _SQUARE_DEG)
    return row, col if row % 2 == 0 else -col


def _size(units: Sequence[Unit], areas: Mapping[bytes, float], layers: int) -> Size:
    """Pixels of a plantation and its blocks, the most layers they have in a month, and their months."""
    outlines = {u.key: u.outline for u in units}
    # a month that several dates see differently is gathered once for each
    views = max(Counter([(u.key, u.month) for u in units]).values())
    return Size(int(sum(areas[o] for o in outlines.values()) * _PIXELS_HA * views), layers, len(units))
