"""One pass over the blocks of a tile: classification first, needed cells of the bands once, composites by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.engine.layers import CELL, Rule
from plantation_rwa.features.engine.masks import Masks, SceneKey, masks_of
from plantation_rwa.features.engine.segments import segments_of
from plantation_rwa.features.engine.stacks import BlockLayers, Losses, Stack
from plantation_rwa.features.engine.weights import Coverage
from plantation_rwa.features.indices import needed_bands
from plantation_rwa.features.observations import Observation, Reader, SceneLike, observations
from plantation_rwa.grid import GridSpec

#: edge of a block in pixels: two cells of the finest lattice, one of the lattice of double pixels
EDGE = 2 * CELL
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


@dataclass(frozen=True)
class Member:
    """One polygon's share of a tile: covered pixels, and the scenes that are used there with the offsets decided."""

    coverage: Coverage
    scenes: tuple[SceneLike, ...]


@dataclass(frozen=True)
class Composites:
    """Pixels of all members of a tile, one member after the other in the order of its coverage.

    Parameters
    ----------
    values
        Monthly median of each index, float32, shape (indices, pixels); NaN where there is none.
    seen
        Clear observations in the bands of NDVI, shape (pixels,).
    starts
        Place of the first pixel of each member, and the end: length members + 1.
    losses
        Members whose pixels are not to be used, with the scenes they lost.
    """

    values: NDArray[np.float32]
    seen: NDArray[np.uint16]
    starts: NDArray[np.int64]
    losses: Losses


def composites_of(
    members: Sequence[Member], tile: GridSpec, reader: Reader, names: Sequence[str], profile: str
) -> Composites:
    """Monthly composites of the pixels of some polygons on one tile.

    The classification is read first, around the polygons as far as clouds grow. A cell of a band is read only if a
    polygon has a clear pixel in it, and once. A pixel of several polygons is computed for each, since their scenes
    may differ.

    Parameters
    ----------
    members
        Their coverages lie on ``tile``.
    tile
        Grid of the finest resolution.
    reader
        Block reader.
    names
        Keys of ``INDICES``.
    profile
        SCL profile, ``strict`` or ``lenient``.
    """
    return _Pass(members, tile, reader, tuple(names), profile).run()


class _Pass:
    """Members of a tile sorted by what they use, and the walk through the blocks."""

    def __init__(
        self, members: Sequence[Member], tile: GridSpec, reader: Reader, names: Sequence[str], profile: str
    ) -> None:
        self.tile, self.reader, self.profile = tile, reader, profile
        # the count of clear observations looks at the first two
        self.bands = tuple(dict.fromkeys(("B04", "B08", *needed_bands(tuple(names)))))
        self.kinds = np.array([FORMULAS[n][0] for n in names], np.int64)
        padded = [(FORMULAS[n][1] * 2)[:3] for n in names]
        self.places = np.array([[self.bands.index(b) for b in bands] for bands in padded], np.int64).reshape(-1, 3)
        groups: dict[tuple[SceneKey, ...], int] = {}
        self.observed: list[list[Observation]] = []
        for member in members:
            key = _used(member.scenes)
            if key not in groups:
                groups[key] = len(groups)
                self.observed.append(observations(member.scenes))
        self.group_of = np.array([groups[_used(m.scenes)] for m in members], np.int64)
        self.segments = segments_of([m.coverage for m in members], EDGE)
        self.losses = Losses()

    def run(self) -> Composites:
        starts = self.segments.starts
        values = np.full((len(self.kinds), int(starts[-1])), np.nan, np.float32)
        seen = np.zeros(int(starts[-1]), np.uint16)
        masks = self._masks()
        for n in range(len(self.segments.blocks)):
            self._block(n, masks, values, seen)
        return Composites(values, seen, starts, self.losses)

    def _masks(self) -> dict[tuple[str, ...], Masks]:
        """Clear pixels of every observation in every block, each classification read once."""
        users: dict[tuple[str, ...], tuple[Observation, set[int]]] = {}
        for group, seen in enumerate(self.observed):
            for observation in seen:
                users.setdefault(_ids(observation), (observation, set()))[1].add(group)
        found: dict[tuple[str, ...], Masks] = {}
        for key, (observation, groups) in users.items():
            chosen = np.isin(self.group_of[self.segments.member], sorted(groups))
            found[key] = masks_of(observation.scenes, self.reader, self.tile, self.segments, chosen, self.profile)
            for segment, (scene_id, message) in found[key].failed.items():
                self.losses.add(self.segments.member[[segment]], scene_id, "SCL", message)
        return found

    def _block(
        self, n: int, masks: Mapping[tuple[str, ...], Masks], values: NDArray[np.float32], seen: NDArray[np.uint16]
    ) -> None:
        """Composites of the pixels of one block."""
        from plantation_rwa.features.engine import kernels

        block = self.segments.blocks[n]
        member = self.segments.member[block.segments]
        group = self.group_of[member]
        groups = np.unique(group).tolist()
        clear: dict[tuple[str, ...], NDArray[np.bool_]] = {}
        marks, mask_slot = Stack(EDGE, np.uint8), {}
        for key in {_ids(o): None for g in groups for o in self.observed[g]}:
            mask, shift = masks[key].of(n), masks[key].shift
            found = np.full(len(member), mask is None, np.uint8)
            if mask is not None:
                kernels.any_clear(block.runs, block.segment, mask, shift, found)
            clear[key] = found != 0
            mask_slot[key] = -1 if mask is None or not found.any() else marks.add(shift, mask)
        layers = BlockLayers(self.reader, self.tile, EDGE, block, member, self.losses)
        used: dict[int, list[Observation]] = {}
        held: dict[tuple[tuple[SceneKey, ...], str], tuple[int, Rule] | None] = {}
        for g in groups:
            used[g] = [o for o in self.observed[g] if (clear[_ids(o)] & (group == g)).any()]
            for observation in used[g]:
                for band in self.bands:
                    needed = clear[_ids(observation)] & (group == g)
                    held[(_used(observation.scenes), band)] = layers.add(observation.scenes, band, needed)
        fine, coarse = layers.arrays()
        mask_fine, mask_coarse = marks.arrays()
        for g, seen_here in used.items():
            if not seen_here:
                continue
            slot = np.full((len(seen_here), len(self.bands)), -1, np.int64)
            rule = np.zeros((len(seen_here), len(self.bands), 3), np.float32)
            for o, observation in enumerate(seen_here):
                for b, band in enumerate(self.bands):
                    layer = held[(_used(observation.scenes), band)]
                    if layer is not None:
                        slot[o, b], rule[o, b] = layer[0], layer[1].numbers
            scale = np.array([o.scenes[0].scale for o in seen_here], np.float32)
            mask = np.array([mask_slot[_ids(o)] for o in seen_here], np.int64)
            runs = block.runs[group[block.segment] == g]
            kernels.composite(
                runs, fine, coarse, slot, rule, scale, mask_fine, mask_coarse, mask, self.kinds, self.places,
                kernels.network(len(seen_here)), values, seen,
            )  # fmt: skip


def _used(scenes: Sequence[SceneLike]) -> tuple[SceneKey, ...]:
    return tuple((s.id, s.offset) for s in scenes)


def _ids(observation: Observation) -> tuple[str, ...]:
    return tuple(s.id for s in observation.scenes)
