"""Brings what screening looks at into its terms: shares of maps, outlines, names, series."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.features.zonal import coverage
from plantation_rwa.grid import reproject, split_at
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.session import Session
from plantation_rwa.screening.disturbance import NOTHING, Unit, records_by
from plantation_rwa.screening.eudr import CLASSES, LayerShare, WhispResult
from plantation_rwa.screening.overlaps import Plot
from plantation_rwa.screening.shares import Share, pixel_share, polygon_share
from plantation_rwa.sources.compliance import INDICATORS, Evidence
from plantation_rwa.sources.land_layers import LandLayer

_WGS84 = "EPSG:4326"


def layer_shares(
    layers: Sequence[LandLayer], outlines: Mapping[str, BaseGeometry], assumptions: Assumptions
) -> dict[str, list[LayerShare]]:
    """Share of each outline that each map says yes to."""
    pixels_max = int(assumptions.number("screening.layer_pixels_max"))
    found: dict[str, list[LayerShare]] = {plantation: [] for plantation in outlines}
    for layer in layers:
        tree = shapely.STRtree(np.array(layer.polygons, dtype=object))
        for plantation, outline in outlines.items():
            if layer.tiles:
                share = _raster_share(layer, outline, pixels_max)
            else:
                share = polygon_share(outline, layer.polygons, tree, layer.extent)
            found[plantation].append(LayerShare(layer.kind, layer.label, *share.fractions))
    return found


def _raster_share(layer: LandLayer, outline: BaseGeometry, pixels_max: int) -> Share:
    """Over all tiles of a map, each piece of ground looked up in the first tile that holds it."""
    point = outline.geom_type == "Point"
    left: dict[str, BaseGeometry] = {}
    total = Share(0.0, 0.0, 1.0 if point else 0.0)
    whole = outline
    for tile in layer.tiles:
        here = left.get(tile.grid.crs) or _projected(whole, tile.grid.crs)
        inside, outside = (here, here) if point else split_at(here, tile.grid.bounds)
        if inside.is_empty:
            continue
        pixels = layer.window(inside.buffer(tile.grid.pixel_size / 100) if point else inside, tile, pixels_max)
        if pixels is None:
            continue
        if point:
            row, col = _pixel_of(inside, pixels.grid.transform)
            if 0 <= row < pixels.grid.height and 0 <= col < pixels.grid.width and pixels.held[row, col]:
                return Share(float(pixels.yes[row, col]), 1.0, 1.0)
            continue
        weights = coverage(inside, pixels.grid)
        scale = _hectares_per_pixel(inside, tile.grid.crs, weights)
        part = pixel_share(weights, pixels.yes, pixels.held)
        total += Share(part.yes * scale, part.seen * scale, 0.0)
        whole = _projected(outside, _WGS84, tile.grid.crs)
        left = {tile.grid.crs: outside}
        if outside.is_empty:
            break
    return total if point else Share(total.yes, total.seen, _area(outline))


def _hectares_per_pixel(ground: BaseGeometry, crs: str, weights: Any) -> float:
    covered = float(weights.sum())
    return _area(_projected(ground, _WGS84, crs)) / covered if covered > 0 else 0.0


def _area(geometry: BaseGeometry) -> float:
    from plantation_rwa.grid import area_ha

    return sum(area_ha(shapely.orient_polygons(p)) for p in shapely.get_parts(geometry) if p.geom_type == "Polygon")


def _projected(geometry: BaseGeometry, target: str, source: str = _WGS84) -> BaseGeometry:
    if CRS.from_user_input(source) == CRS.from_user_input(target):
        return geometry
    return reproject(geometry, source, target)


def _pixel_of(point: BaseGeometry, transform: Any) -> tuple[int, int]:
    col, row = ~transform @ (point.x, point.y)
    return int(np.floor(row)), int(np.floor(col))


def whisp_results(evidence: Evidence) -> dict[str, WhispResult]:
    """Supplied Whisp rows by plantation."""
    if evidence.whisp is None:
        return {}
    answer = {"yes": True, "no": False}
    return {
        str(row["plantation_id"]): WhispResult(
            {kind: answer.get(str(row[column])) for kind, column in zip(CLASSES, INDICATORS, strict=True)},
            str(row["risk_pcrop"]),
            str(row["version"]),
        )
        for row in evidence.whisp.to_dict("records")
    }


def land_units(
    register: pd.DataFrame, blocks: pd.DataFrame, features: pd.DataFrame, by_block: pd.DataFrame
) -> dict[str, list[Unit]]:
    """Vegetation records by plantation: its own first, its blocks' behind; none for points."""
    series, inner = records_by(features, "plantation_id"), records_by(by_block, "plantation_id", "block_id")
    found: dict[str, list[Unit]] = {}
    for row in register.itertuples(index=False):
        if row.is_point:
            found[row.plantation_id] = []
            continue
        own = Unit("plantation", float(row.area_geodesic_ha), _year(row), series.get(row.plantation_id, NOTHING))
        found[row.plantation_id] = [own]
    for row in blocks.itertuples(index=False):
        record = inner.get((row.plantation_id, row.block_id))
        if record is not None and found.get(row.plantation_id):
            unit = Unit(f"block {row.block_id}", float(row.area_ha), _year(row), record)
            found[row.plantation_id].append(unit)
    return found


def _year(row: Any) -> int | None:
    """Year of the palms that stood at the cut-off by what is declared: a replanting later says there were some."""
    return int(pd.Timestamp(row.planted_date).year) if not pd.isna(row.planted_date) else None


def register_plots(register: pd.DataFrame) -> list[Plot]:
    """Outlines of the register, in its order."""
    return [Plot(str(r.plantation_id), r.geometry, float(r.planted_area_ha)) for r in register.itertuples(index=False)]


def published_plots(session: Session) -> tuple[list[Plot], str]:
    """Outlines that were published before the date, here or in supplied folders and files; and how that is told.

    An outline that several dates hold is one plot, of its last date.
    """
    evidence: Evidence = session.known.evidence
    found: dict[tuple[str, str, bytes], Plot] = {}
    told = []
    for folder, name in ((session.reuse[-1], ""), *((Path(f), Path(f).name) for f in evidence.folders)):
        # a reduced profile has coarse outlines or none: they would share ground with everything near
        manifests = [m for m in session.published_before(folder) if m.profile == "full"]
        for manifest in manifests:
            for output in manifest.tables("valuations"):
                if not (folder / output.path).exists():
                    continue
                frame = read_part(folder / output.path, columns=["plantation_id", "geometry"])
                for row in frame.itertuples(index=False):
                    if row.geometry is None or row.geometry.geom_type == "Point":
                        continue
                    source = f"{name or 'this folder'} of {manifest.as_of}"
                    key = (name, str(row.plantation_id), row.geometry.wkb)
                    found[key] = Plot(str(row.plantation_id), row.geometry, source=source)
        if manifests:
            told.append(f"{name or 'this folder'}: {len(manifests)} earlier date(s) up to {manifests[-1].as_of}")
    if evidence.published is not None:
        for row in evidence.published.itertuples(index=False):
            found[(row.source, str(row.plantation_id), row.geometry.wkb)] = Plot(
                str(row.plantation_id), row.geometry, source=str(row.source)
            )
        told += sorted(set(evidence.published["source"]))
    return [found[k] for k in sorted(found)], ", ".join(told)


def plots_hash(plots: Iterable[Plot], told: str) -> str:
    """Hash of outlines and of what they were taken from."""
    digest = hashlib.sha256(told.encode())
    for plot in plots:
        digest.update(f"{plot.plantation_id}|{plot.source}|".encode() + plot.geometry.wkb)
    return digest.hexdigest()[:16]
