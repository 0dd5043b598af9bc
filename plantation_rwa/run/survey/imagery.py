"""What the scenes of a portfolio are: tiles, months, offsets, headers, and which plantations they miss."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import shapely

from plantation_rwa.errors import ReadError
from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.survey.findings import Finding, counted, some
from plantation_rwa.sources.base import Asset, Scene
from plantation_rwa.sources.items import file_name, is_url
from plantation_rwa.sources.scenes import RasterHeader

KEY = "imagery.source"
#: bands whose headers are looked at, one of each pixel size
_BANDS = ("B04", "B8A", "SCL")
#: reflectance, and the scene classification
_DTYPES = {"SCL": "uint8"}
#: share of an outline that may lie outside all footprints: they are simplified outlines themselves
_COVERED = 0.99

ByPlantation = Mapping[str, Mapping[str, Sequence[Scene]]]


class HeaderReader(Protocol):
    """Opens the header of an asset; raises :class:`ReadError` naming it."""

    def header(self, asset: Asset) -> RasterHeader:
        """What the file says of itself."""
        ...


@dataclass(frozen=True)
class ImageryLine:
    """Scenes of one collection and tile; all texts as they are shown."""

    collection: str
    tile: str
    scenes: str
    plantations: str
    each: str
    first: str
    last: str
    monthly: str
    offsets: str
    headers: str


def imagery_lines(scenes: ByPlantation, reader: HeaderReader) -> tuple[list[ImageryLine], list[Finding]]:
    """One line per collection and tile, and what the headers of its newest scene contradict.

    Parameters
    ----------
    scenes
        Plantation -> local month -> scenes.
    """
    lines, found = [], []
    groups: dict[tuple[str, str], dict[str, Scene]] = {}
    users: dict[tuple[str, str], Counter[str]] = {}
    for plantation, months in scenes.items():
        for scene in (s for group in months.values() for s in group):
            groups.setdefault((scene.collection, scene.tile), {})[scene.id] = scene
            users.setdefault((scene.collection, scene.tile), Counter())[plantation] += 1
    for (collection, tile), group in sorted(groups.items()):
        ordered = sorted(group.values(), key=lambda s: (s.acquired, s.id))
        # the newest scene stands for its tile: every header would be a request
        headers, problems = _headers(ordered[-1], reader)
        found += problems
        held = Counter(s.acquired.strftime("%Y-%m") for s in ordered)
        whole = month_range(Month.parse(min(held)), Month.parse(max(held)))
        lines.append(
            ImageryLine(
                collection=collection or "none named",
                tile=tile or "none named",
                scenes=str(len(ordered)),
                plantations=str(len(users[collection, tile])),
                each=_span(list(users[collection, tile].values())),
                first=ordered[0].acquired.date().isoformat(),
                last=ordered[-1].acquired.date().isoformat(),
                monthly=_span([held[str(m)] for m in whole]),
                offsets=_offsets(ordered),
                headers=headers,
            )
        )
    return lines, found


def coverage(scenes: ByPlantation, register: pd.DataFrame) -> list[Finding]:
    """Plantations that no scene shows, and those of which a part lies outside all footprints."""
    none = [p for p in register["plantation_id"] if not scenes.get(p)]
    if len(none) == len(register):
        told = "the source holds no scene of any plantation in the period"
        remedy = "Check imagery.collections, imagery.start, max_cloud_cover and the place of the outlines."
        return [Finding("error", KEY, "", f"{len(none)} of {len(register)}", told, remedy)]
    found = []
    if none:
        told = f"{counted(len(none), 'plantation')} without scenes"
        remedy = "Add scenes of their tiles; without them the forecast has no imagery features."
        found.append(Finding("warning", KEY, "geometry", some(none), told, remedy))
    part = []
    for plantation, place in zip(register["plantation_id"], register["geometry"], strict=True):
        footprints = {
            s.footprint.wkb: s.footprint
            for months in (scenes.get(plantation) or {}).values()
            for s in months
            if s.footprint is not None
        }
        if not footprints or place.geom_type == "Point":
            continue
        seen = shapely.union_all(list(footprints.values())).intersection(place).area / place.area
        if seen < _COVERED:
            part.append(f"{plantation} {seen:.0%}")
    if part:
        told = f"{counted(len(part), 'plantation')} of which a part lies outside all scenes"
        found.append(Finding("warning", KEY, "geometry", some(part), told, "Add scenes of the neighbouring tile."))
    return found


def contradictions(scenes: ByPlantation) -> list[Finding]:
    """Scenes whose item states another offset than their processing baseline has."""
    odd = {s.id: s for m in scenes.values() for g in m.values() for s in g if "raster:bands states" in s.offset_reason}
    odd = {i: s for i, s in odd.items() if s.baseline is not None}
    if not odd:
        return []
    first = odd[min(odd)]
    told = f"the offset that {counted(len(odd), 'item')} state is not that of their processing baseline"
    value = f"{first.id}: {first.offset_reason}"
    return [Finding("warning", KEY, "raster:bands", value, told, "Mend the items; the baseline is used.")]


def missing_assets(scenes: ByPlantation) -> list[Finding]:
    """Local files that items name and that are not there."""
    everything = {(s.collection, s.id): s for months in scenes.values() for group in months.values() for s in group}
    lost = [
        f"{scene.id} {band}"
        for _, scene in sorted(everything.items())
        for band, asset in sorted(scene.assets.items())
        if not is_url(asset.href) and not os.path.exists(asset.href)
    ]
    if not lost:
        return []
    told = f"{counted(len(lost), 'asset')} whose file is not there"
    return [Finding("warning", KEY, "assets", some(lost), told, "Fetch the files again, or mend the hrefs.")]


def _headers(scene: Scene, reader: HeaderReader) -> tuple[str, list[Finding]]:
    told, found, crs = [], list[Finding](), ""
    for band in (b for b in _BANDS if b in scene.assets):
        asset = scene.assets[band]
        try:
            header = reader.header(asset)
        except ReadError as error:
            message = str(error).removeprefix(f"{file_name(asset.href)}: ")
            remedy = "Check the file or the network; a run goes on without the scene."
            found.append(Finding("warning", KEY, f"{scene.id} {band}", message, "an asset cannot be opened", remedy))
            told.append(f"{band} unreachable")
            continue
        crs = header.grid.crs
        nodata = "no nodata" if header.nodata is None else f"nodata {header.nodata:g}"
        reduced = f"overviews {'/'.join(map(str, header.overviews))}" if header.overviews else "no overviews"
        told.append(
            f"{band} {header.driver} {header.grid.pixel_size:g} m {header.dtype} {nodata} {reduced} "
            f"blocks {header.block[0]}x{header.block[1]}"
        )
        found += _header_faults(scene, band, asset, header)
    return "; ".join([crs, *told] if crs else told), found


def _header_faults(scene: Scene, band: str, asset: Asset, header: RasterHeader) -> list[Finding]:
    found = []
    key = f"{scene.id} {band}"
    zone = _zone(scene.tile)
    if zone and header.grid.crs != zone:
        told = f"the file's CRS is not that of its tile {scene.tile}, {zone}"
        found.append(Finding("warning", KEY, key, header.grid.crs, told, "Check that href and item belong together."))
    expected = _DTYPES.get(band, "uint16")
    if header.dtype != expected and not (band != "SCL" and header.dtype == "int16"):
        told = f"the file's pixels are no {expected}"
        remedy = "Give the provider's digital numbers, not reflectances or a picture."
        found.append(Finding("warning", KEY, key, header.dtype, told, remedy))
    if header.nodata is not None and asset.nodata is not None and header.nodata != asset.nodata:
        told = f"the file's nodata is not the {asset.nodata:g} that the item states"
        remedy = "Mend the item; the item's value is used."
        found.append(Finding("warning", KEY, key, f"{header.nodata:g}", told, remedy))
    return found


def _zone(tile: str) -> str:
    """CRS of an MGRS tile; empty for any other grid code."""
    if len(tile) != 5 or not tile[:2].isdigit() or not tile[2:].isalpha():
        return ""
    return f"EPSG:{(32600 if tile[2].upper() >= 'N' else 32700) + int(tile[:2])}"


def _offsets(scenes: Sequence[Scene]) -> str:
    """How many scenes of each baseline have which offset; one that the baseline does not explain is marked."""
    counts = Counter((s.baseline, s.offset, "provider states" in s.offset_reason) for s in scenes)
    ordered = sorted(counts.items(), key=lambda e: (e[0][0] or 0.0, e[0][1]))
    return ", ".join(
        f"{'unknown' if baseline is None else f'{baseline:05.2f}'}: {offset:g}{' as stated' if stated else ''} ({n})"
        for (baseline, offset, stated), n in ordered
    )


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
