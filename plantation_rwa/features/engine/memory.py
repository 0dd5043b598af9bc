"""How much memory a unit of imagery work takes, said beforehand, and units cut to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: interpreter, imported libraries, the raster library's own cache, and what the lanes hold, bytes. Measured on Linux: a
#: year of 400 plantations in a unit of 320 MB peaked at 1020 MB, the same year of 20 small ones at 560 MB
RESIDENT = 700_000_000
#: months read ahead at most: enough for eight requests in flight where a month has three scenes
AHEAD = 3
#: a month of a plantation with the trail of its scenes, packed: 1.3 kB with three scenes
ROW = 2_000
#: bytes above which one month ahead must do: so much keeps all cores decoding
LARGE = 100_000_000


@dataclass(frozen=True)
class Size:
    """Covered pixels of a polygon, layers (bands of scenes) that one month has over it, and the rows it will give."""

    pixels: int
    layers: int
    rows: int = 0


def unit_bytes(pixels: int, layers: int, ahead: int, rows: int = 0) -> int:
    """Bytes that a unit holds at its peak, beyond :data:`RESIDENT`.

    Parameters
    ----------
    pixels
        Covered pixels of all its polygons; one that two polygons cover counts twice.
    layers
        Bands of scenes of its fullest month.
    ahead
        Months that are read while another one is finished.
    rows
        Months of all its polygons, packed until the unit is done.
    """
    # a digital number of 16 bits for each layer; weights, runs and their order once
    return pixels * (2 * layers * (ahead + 1) + 16) + rows * ROW


def fits(sizes: Sequence[Size], limit: int, parts: int = 1) -> list[tuple[slice, int]]:
    """Consecutive polygons put together as far as a limit of bytes allows, at least one each.

    Parameters
    ----------
    sizes
        Of each polygon, in the order in which neighbours follow one another.
    limit
        Bytes of one worker, ``compute.memory_limit``.
    parts
        Units wanted at least, of about equal size, as long as there are polygons.

    Returns
    -------
    list of (slice, int)
        Polygons of each unit, and the months that may be read ahead.
    """
    found: list[tuple[slice, int]] = []
    room, fair = max(limit - RESIDENT, 0), -(-sum(s.pixels for s in sizes) // max(parts, 1))
    start, total, layers, rows = 0, 0, 0, 0
    for n, size in enumerate(sizes):
        more, most, all_rows = total + size.pixels, max(layers, size.layers), rows + size.rows
        full = unit_bytes(more, most, 1, all_rows) > room or total >= fair
        if n > start and full:
            found.append((slice(start, n), _ahead(total, layers, room)))
            start, more, most, all_rows = n, size.pixels, size.layers, size.rows
        total, layers, rows = more, most, all_rows
    return [*found, (slice(start, len(sizes)), _ahead(total, layers, room))] if sizes else []


def _ahead(pixels: int, layers: int, room: int) -> int:
    if unit_bytes(pixels, layers, 1) > room:
        return 0
    return max((a for a in range(1, AHEAD + 1) if unit_bytes(pixels, layers, a) <= LARGE), default=1)
