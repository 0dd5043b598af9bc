"""How much memory a unit of imagery work takes, said beforehand, and units cut to fit."""

from __future__ import annotations

from collections.abc import Sequence

from plantation_rwa.features.engine.blocks import EDGE
from plantation_rwa.features.engine.layers import CELL
from plantation_rwa.features.indices import INDICES

#: interpreter, imported libraries and the raster library's own cache, bytes; an engineering default
RESIDENT = 400_000_000
#: edge of a tile's classification in pixels of 20 m
_CLASSES = 5490


def unit_bytes(
    pixels: int, observations: int, names: Sequence[str] = tuple(INDICES), *, tile_edge: int = _CLASSES
) -> int:
    """Bytes that a unit holds at its peak, beyond :data:`RESIDENT`.

    Parameters
    ----------
    pixels
        Covered pixels of all its polygons; one that two polygons cover counts twice.
    observations
        Largest number of datatakes of one tile in the month.
    names
        Indices.
    tile_edge
        Pixels of a classification along one edge of what the polygons span.
    """
    fine = {"B02", "B04", "B08"}
    bands = {b for n in names for b in INDICES[n].bands} | {"B04", "B08"}
    block = sum(EDGE**2 * 2 if b in fine else CELL**2 * 2 for b in bands)
    # read and copied side by side, with the mask; bits of all masks; one classification with its mask
    reading = observations * (2 * block + 2 * CELL**2) + observations * tile_edge**2 // 8 + 3 * tile_edge**2
    # medians, counts, weights, runs
    held = pixels * (4 * len(names) + 2 + 4 + 2)
    return reading + held


def fits(pixels: Sequence[int], observations: int, limit: int, names: Sequence[str] = tuple(INDICES)) -> list[slice]:
    """Consecutive polygons put together as far as a limit of bytes allows, at least one each.

    Parameters
    ----------
    pixels
        Covered pixels of each polygon, in the order in which neighbours follow one another.
    observations
        Largest number of datatakes.
    limit
        Bytes of one worker, ``compute.memory_limit``.
    """
    found, start, total = [], 0, 0
    for n, own in enumerate(pixels):
        if n > start and RESIDENT + unit_bytes(total + own, observations, names) > limit:
            found.append(slice(start, n))
            start, total = n, 0
        total += own
    return [*found, slice(start, len(pixels))] if pixels else []
