"""Outlines of a month and the ground that is seen of them, a column each."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.weights import Coverage
from plantation_rwa.features.observations import SceneLike
from plantation_rwa.features.tiles import Tile


class Targets(NamedTuple):
    """Outlines of a month.

    Parameters
    ----------
    outlines
        (Multi)Polygons on WGS84.
    scenes
        Scenes of the month whose footprint meets each outline, under their claimed offsets.
    edges_m
        Metres taken off the edge of each.
    """

    outlines: NDArray[Any]
    scenes: Encoded[tuple[SceneLike, ...]]
    edges_m: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> Targets:
        """Some outlines, by number."""
        return Targets(self.outlines[rows], self.scenes.take(rows), self.edges_m[rows])


@dataclass(frozen=True)
class Ground:
    """Pixels of some outlines.

    Parameters
    ----------
    tiles
        Tiles that supply ground, in order of preference.
    covers
        Covered pixels on the grid of each of an outline's tiles; a piece of ground belongs to one of them.
    unseen
        Ground that no tile reaches, m2.
    used
        All tiles that reach an outline, also those whose ground other tiles supply.
    """

    tiles: Encoded[tuple[Tile, ...]]
    covers: Sequence[tuple[Coverage, ...]]
    unseen: NDArray[np.float64]
    used: Encoded[tuple[Tile, ...]]

    @classmethod
    def joined(cls, parts: Sequence[Ground]) -> Ground:
        """The outlines of one after those of the other."""
        return cls(
            Encoded.joined([part.tiles for part in parts], id),
            [own for part in parts for own in part.covers],
            np.concatenate([np.empty(0), *(part.unseen for part in parts)]),
            Encoded.joined([part.used for part in parts], id),
        )

    def take(self, rows: NDArray[np.intp]) -> Ground:
        """Some outlines, by number."""
        covers = [self.covers[n] for n in rows.tolist()]
        return Ground(self.tiles.take(rows), covers, self.unseen[rows], self.used.take(rows))

    @functools.cached_property
    def weights(self) -> list[NDArray[np.float32]]:
        """Covered fractions of each piece: what one tile supplies of one outline, outline by outline."""
        return [cover.weights for own in self.covers for cover in own]

    @functools.cached_property
    def first(self) -> NDArray[np.intp]:
        """First piece of each outline, and the end."""
        tiles = np.array([len(own) for own in self.tiles.values], np.intp)
        return np.append(0, np.cumsum(tiles[self.tiles.places]))

    @functools.cached_property
    def owner(self) -> NDArray[np.intp]:
        """Outline of each piece."""
        return np.arange(len(self.covers)).repeat(np.diff(self.first))

    @functools.cached_property
    def area_m2(self) -> NDArray[np.float64]:
        """Area of a pixel of each piece."""
        found = np.empty(int(self.first[-1]))
        for tiles, rows in self.tiles.groups():
            for n, tile in enumerate(tiles):
                found[self.first[rows] + n] = tile.grid.pixel_size**2
        return found

    @functools.cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Covered pixels of each outline."""
        found = np.zeros(len(self.covers), np.int64)
        np.add.at(found, self.owner, [w.size for w in self.weights])
        return found

    @functools.cached_property
    def covered_m2(self) -> NDArray[np.float64]:
        """Covered ground of each outline."""
        found = np.zeros(len(self.covers))
        whole = np.array([cover.whole_pixels for own in self.covers for cover in own], np.float64)
        np.add.at(found, self.owner, whole * self.area_m2)
        return found
