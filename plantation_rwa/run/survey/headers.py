"""Raster headers of a portfolio's scenes: which are opened, and what they say against their items."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import shapely
from pyproj.exceptions import ProjError

from plantation_rwa.errors import ReadError
from plantation_rwa.features.scene_claims import BELONG, grid_faults
from plantation_rwa.grid import reproject, zone_of
from plantation_rwa.run.survey.findings import Finding, counted
from plantation_rwa.sources.base import Asset, Scene
from plantation_rwa.sources.items import is_url, named
from plantation_rwa.sources.scenes import RasterHeader

KEY = "imagery.source"
#: bands of the newest scene of a tile that are shown, one of each pixel size
SHOWN = ("B04", "B8A", "SCL")
#: remote scenes beyond the newest of each tile of which one header is asked for: each is a request
REMOTE_SCENES = 64
#: headers asked for at once: waiting takes the time, not the machine
_AT_ONCE = 8
#: reflectance is uint16; the scene classification
_DTYPES = {"SCL": "uint8"}


class HeaderReader(Protocol):
    """Opens the header of an asset; raises :class:`ReadError` naming it."""

    def header(self, asset: Asset) -> RasterHeader:
        """What the file says of itself."""
        ...


@dataclass(frozen=True)
class Opened:
    """One header, or why there is none."""

    scene: Scene
    band: str
    header: RasterHeader | None
    error: str = ""


def open_headers(tiles: Sequence[Sequence[Scene]], reader: HeaderReader) -> list[list[Opened]]:
    """Headers by tile: every file of local scenes, of remote ones those shown and one of a bounded number of scenes.

    Parameters
    ----------
    tiles
        Scenes of each tile in order of time.
    reader
        Must bear several threads.
    """
    remote = [s for tile in tiles for s in tile[:-1] if any(map(_is_remote, s.assets.values()))]
    # evenly over tiles and time, whatever their number
    spread = {id(remote[k * len(remote) // REMOTE_SCENES]) for k in range(REMOTE_SCENES)} if remote else set()
    wanted: list[tuple[int, Scene, str]] = []
    for n, tile in enumerate(tiles):
        for scene in tile:
            local = [b for b, a in sorted(scene.assets.items()) if not _is_remote(a)]
            far = [b for b in (*SHOWN, *sorted(scene.assets)) if b in scene.assets and _is_remote(scene.assets[b])]
            asked = [b for b in far if b in SHOWN] if scene is tile[-1] else far[:1] if id(scene) in spread else []
            wanted += [(n, scene, band) for band in dict.fromkeys((*local, *asked))]
    found: list[list[Opened]] = [[] for _ in tiles]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for (n, *_), opened in zip(wanted, pool.map(lambda w: _open(w[1], w[2], reader), wanted), strict=True):
            found[n].append(opened)
    return found


def _is_remote(asset: Asset) -> bool:
    return is_url(asset.href)


def _open(scene: Scene, band: str, reader: HeaderReader) -> Opened:
    asset = scene.assets[band]
    try:
        return Opened(scene, band, reader.header(asset))
    except ReadError as error:
        return Opened(scene, band, None, str(error).removeprefix(f"{named(asset)}: "))


def faults(tiles: Sequence[Sequence[Scene]], opened: Sequence[Sequence[Opened]]) -> list[Finding]:
    """What headers, and items of which none was opened, contradict; one finding for all that say the same.

    A CRS or a place that is not the item's is an error: other ground would be used. A shape or a corner that the item
    states wrongly is a warning: the file's own counts.
    """
    found = [f for group in opened for one in group for f in _of(one)]
    looked = {(id(one.scene)) for group in opened for one in group if one.header is not None}
    found += [f for tile in tiles for s in tile if id(s) not in looked for f in _of_item(s)]
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.severity, finding.what, finding.remedy), []).append(finding)
    return [_merged(group) for group in groups.values()]


def _merged(group: Sequence[Finding]) -> Finding:
    first, others = group[0], len(group) - 1
    return replace(first, key=f"{first.key} and {counted(others, 'more file')}") if others else first


def _of(opened: Opened) -> Iterator[Finding]:
    scene, band, header = opened.scene, opened.band, opened.header
    key, asset = f"{scene.id} {band}", scene.assets[band]
    if header is None:
        if not is_url(asset.href) and not os.path.exists(asset.href):
            return  # told with all files that are not there
        remedy = "Check the file or the network; a run goes on without the scene."
        yield Finding("warning", KEY, key, opened.error, "an asset cannot be opened", remedy)
        return
    zone = zone_of(scene.tile)
    stated = grid_faults(asset, header.grid)
    if zone and header.grid.crs != zone:
        told = f"the file's CRS is not that of its tile {scene.tile}, {zone}"
        yield Finding("error", KEY, key, header.grid.crs, told, BELONG)
    elif "crs" in stated:
        yield Finding("error", KEY, key, stated["crs"], "the file's CRS is not that of its item", BELONG)
    elif _elsewhere(scene, header):
        told = "the file lies beside the footprint of its item"
        yield Finding("error", KEY, key, f"{header.grid.crs} {header.grid.bounds}", told, BELONG)
    for what in ("shape", "transform"):
        if what in stated:
            told = f"the file's grid is not what its item states as proj:{what}"
            remedy = "Mend the item; the file's own grid is used."
            yield Finding("warning", KEY, key, stated[what], told, remedy)
    expected = _DTYPES.get(band, "uint16")
    if header.dtype != expected and not (band != "SCL" and header.dtype == "int16"):
        remedy = "Give the provider's digital numbers, not reflectances or a picture."
        yield Finding("warning", KEY, key, header.dtype, f"the file's pixels are no {expected}", remedy)
    if header.nodata is not None and asset.nodata is not None and header.nodata != asset.nodata:
        told = f"the file's nodata is not the {asset.nodata:g} that the item states"
        yield Finding("warning", KEY, key, f"{header.nodata:g}", told, "Mend the item; both count as no data.")


def _of_item(scene: Scene) -> Iterator[Finding]:
    """Of a scene whose files were not opened: what its item says against itself."""
    zone = zone_of(scene.tile)
    for band, asset in sorted(scene.assets.items()):
        if zone and asset.crs and asset.crs != zone:
            told = f"the item's CRS is not that of its tile {scene.tile}, {zone}; its files were not opened"
            yield Finding("error", KEY, f"{scene.id} {band}", asset.crs, told, "Mend the item, or leave it out.")


def _elsewhere(scene: Scene, header: RasterHeader) -> bool:
    if scene.footprint is None:
        return False
    try:
        ground = reproject(shapely.box(*header.grid.bounds), header.grid.crs, "EPSG:4326")
    except ProjError:  # a grid of its own, such as a site plan's
        return True
    west, _, east, _ = ground.bounds
    # a raster over the antimeridian spans the globe when brought to longitudes
    return east - west < 180 and not ground.intersects(scene.footprint)


def shown(scene: Scene, opened: Sequence[Opened]) -> str:
    """The headers of one scene as a line."""
    held = {o.band: o for o in opened if o.scene is scene}
    told, crs = [], ""
    for band in (b for b in SHOWN if b in held):
        header = held[band].header
        if header is None:
            told.append(f"{band} unreachable")
            continue
        crs = header.grid.crs
        nodata = "no nodata" if header.nodata is None else f"nodata {header.nodata:g}"
        reduced = f"overviews {'/'.join(map(str, header.overviews))}" if header.overviews else "no overviews"
        told.append(
            f"{band} {header.driver} {header.grid.pixel_size:g} m {header.dtype} {nodata} {reduced} "
            f"blocks {header.block[0]}x{header.block[1]}"
        )
    return "; ".join([crs, *told] if crs else told)


def looked_at(tile: Sequence[Scene], opened: Sequence[Opened]) -> str:
    """How many scenes had a header opened, of how many, and how many files."""
    scenes = len({id(o.scene) for o in opened if o.header is not None})
    return f"{scenes} of {len(tile)} scenes, {sum(o.header is not None for o in opened)} files"
