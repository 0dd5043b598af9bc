"""What an item says of its files, held against the files: bands that it lacks, and grids that are not what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plantation_rwa.errors import ReadError
from plantation_rwa.features.observations import Reader, SceneLike
from plantation_rwa.grid import GridSpec, zone_of

#: places agree to this share of a pixel
_PLACE = 1e-3
#: what to do about a file of other ground than its item's
BELONG = "Check that href and item belong together."


def missing_bands(scene: SceneLike, needed: Sequence[str]) -> str:
    """Of the bands that the indices need, and the classification, those that a scene has no asset of."""
    return " ".join(b for b in (*needed, "SCL") if b not in scene.assets)


def grid_faults(asset: Any, grid: GridSpec) -> dict[str, str]:
    """By what (``crs``, ``shape``, ``transform``) how a file's grid differs from what its item says; empty if not.

    The file's own grid is what is used.

    Parameters
    ----------
    asset
        Its ``crs``, ``shape`` and ``transform`` are those of the item, empty or None where it is silent.
    grid
        Of the file.
    """
    found = {}
    if asset.crs and asset.crs != grid.crs:
        found["crs"] = f"item says {asset.crs}, the file has {_short(grid.crs)}"
    if asset.shape is not None and tuple(asset.shape) != (grid.height, grid.width):
        rows, columns = asset.shape
        found["shape"] = f"item says {rows} x {columns} pixels, the file has {grid.height} x {grid.width}"
    if asset.transform is not None:
        own = np.array(grid.transform[:6])
        if np.abs(own - np.array(asset.transform)).max() > _PLACE * grid.pixel_size:
            size, _, left, _, _, top = asset.transform
            told = f"item says {size:g} m pixels from ({left:.10g}, {top:.10g})"
            found["transform"] = f"{told}, the file has {grid.pixel_size:g} m from ({own[2]:.10g}, {own[5]:.10g})"
    return found


def item_faults(scene: SceneLike, bands: Sequence[str], reader: Reader) -> str:
    """All faults of a scene's grids in words, bands that share one together; files that cannot be opened are silent."""
    groups: dict[str, list[str]] = {}
    for band in (b for b in (*bands, "SCL") if b in scene.assets):
        try:
            faults: Mapping[str, str] = grid_faults(scene.assets[band], reader.grid(scene.assets[band]))
        except ReadError:
            continue
        for text in faults.values():
            groups.setdefault(text, []).append(band)
    return "; ".join(f"{' '.join(members)}: {text}" for text, members in groups.items())


def crs_faults(scene: SceneLike, bands: Sequence[str], reader: Reader) -> str:
    """Files of a scene that lie in another CRS than its tile, or else its item, has; empty if none does.

    They are used where they say that they lie, which is other ground than the scene's if they are wrong.
    """
    zone, groups = zone_of(scene.tile), dict[str, list[str]]()
    for band in (b for b in (*bands, "SCL") if b in scene.assets):
        asset = scene.assets[band]
        try:
            crs = reader.grid(asset).crs
        except ReadError:
            continue
        said, of = (zone, f"its tile {scene.tile}") if zone else (asset.crs, "its item")
        if said and crs != said:
            groups.setdefault(f"the file's CRS {_short(crs)} is not that of {of}, {said}", []).append(band)
    told = [f"{' '.join(members)}: {text}" for text, members in groups.items()]
    return f"{'; '.join(told)}. {BELONG} The files' own place is used" if told else ""


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else f"{crs[:37]}..."
