"""What the scenes of a portfolio are: tiles, months, offsets, headers, and which plantations they miss."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import shapely

from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.survey import headers
from plantation_rwa.run.survey.findings import Finding, counted, some
from plantation_rwa.run.survey.headers import HeaderReader, faults, looked_at, open_headers, shown
from plantation_rwa.sources.base import Scene
from plantation_rwa.sources.items import is_url, named

#: share of an outline that may lie outside all footprints: they are simplified outlines themselves
_COVERED = 0.99

KEY = headers.KEY

ByPlantation = Mapping[str, Mapping[str, Sequence[Scene]]]


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
    opened: str


def imagery_lines(scenes: ByPlantation, reader: HeaderReader) -> tuple[list[ImageryLine], list[Finding]]:
    """One line per collection and tile, and what the headers of their scenes contradict, see :mod:`headers`.

    Parameters
    ----------
    scenes
        Plantation -> local month -> scenes.
    """
    lines = []
    groups: dict[tuple[str, str], dict[str, Scene]] = {}
    users: dict[tuple[str, str], Counter[str]] = {}
    for plantation, months in scenes.items():
        for scene in (s for group in months.values() for s in group):
            groups.setdefault((scene.collection, scene.tile), {})[scene.id] = scene
            users.setdefault((scene.collection, scene.tile), Counter())[plantation] += 1
    tiles = [sorted(group.values(), key=lambda s: (s.acquired, s.id)) for _, group in sorted(groups.items())]
    looked = open_headers(tiles, reader)
    for (collection, tile), ordered, opened in zip(sorted(groups), tiles, looked, strict=True):
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
                headers=shown(ordered[-1], opened),
                opened=looked_at(ordered, opened),
            )
        )
    return lines, faults(tiles, looked)


def coverage(scenes: ByPlantation, register: pd.DataFrame) -> list[Finding]:
    """Plantations that no scene shows, and those of which a part lies outside all footprints."""
    none = [p for p in register["plantation_id"] if not scenes.get(p)]
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
        f"{scene.id} {band}: {named(asset)}"
        for _, scene in sorted(everything.items())
        for band, asset in sorted(scene.assets.items())
        if not is_url(asset.href) and not os.path.exists(asset.href)
    ]
    if not lost:
        return []
    told = f"{counted(len(lost), 'asset')} whose file is not there"
    return [Finding("warning", KEY, "assets", some(lost), told, "Fetch the files again, or mend the hrefs.")]


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
