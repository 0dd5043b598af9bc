"""Grid cells under an outline: which, with which weight, and the mean over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellWeights:
    """Cells that an outline touches.

    Parameters
    ----------
    cells
        Row-major cell numbers of the grid, ascending.
    weights
        Fraction of each cell that the outline covers.
    area
        Area of the outline in cells, the part outside the grid included; 0 for a point.
    """

    cells: NDArray[np.int64]
    weights: Floats
    area: float


#: Share of an outline that cells with data must cover, else the day has no value.
COVERED_MIN_FRACTION = 0.5


def cell_weights(latitude: Floats, longitude: Floats, outlines: NDArray[np.object_]) -> list[CellWeights]:
    """Coverage of grid cells by each outline.

    Parameters
    ----------
    latitude, longitude
        Cell centres in degrees, evenly spaced, descending and ascending; at least two along one of the axes.
    outlines
        (Multi)Polygons or Points on WGS84; parts beyond the antimeridian are found where the grid has them.

    Returns
    -------
    list of CellWeights
        In the order of ``outlines``; no cells for one outside the grid, or for a missing outline.
    """
    dx, dy = _step(longitude, latitude), _step(latitude, longitude)
    west, north = float(longitude[0]) - dx / 2, float(latitude[0]) + dy / 2
    shape = (len(latitude), len(longitude))
    out = [CellWeights(np.array([], dtype=np.int64), np.array([]), 0.0)] * len(outlines)
    east, south = west + dx * shape[1], north - dy * shape[0]
    polygons, placed = [], outlines.copy()
    for number, outline in enumerate(outlines):
        if outline is None or shapely.is_empty(outline):
            continue
        if outline.geom_type == "Point":
            row, col = int((north - outline.y) // dy), int(((outline.x - west) % 360.0) // dx)
            if 0 <= row < shape[0] and 0 <= col < shape[1]:
                out[number] = CellWeights(np.array([row * shape[1] + col]), np.ones(1), 0.0)
        else:
            polygons.append(number)
            placed[number] = _turned(outline, west, east)
    if polygons:
        covered = _coverage(placed[polygons], shape, (west, south, east, north))
        for number, (cells, weights) in zip(polygons, covered, strict=True):
            area = shapely.area(outlines[number]) / (dx * dy)
            out[number] = CellWeights(cells, weights, float(area))
    return out


def _turned(outline: BaseGeometry, west: float, east: float) -> BaseGeometry:
    """The outline with what lies outside the grid's longitudes turned once round the globe, if that is inside them."""
    low, _, high, _ = outline.bounds
    if low >= west and high <= east:
        return outline
    turns = [shapely.transform(outline, lambda xy, by=by: xy + np.array([by, 0.0])) for by in (-360.0, 0.0, 360.0)]
    band = shapely.box(west, -90.0, east, 90.0)
    parts = [part for turn in turns if shapely.area(part := shapely.intersection(turn, band)) > 0.0]
    return shapely.union_all(parts) if len(parts) > 1 else parts[0] if parts else outline


def weighted_mean(values: Floats, weight: CellWeights) -> Floats:
    """Weighted mean over cells for each day; ``values`` has shape (days, cells of the outline), NaN where missing.

    NaN on days on which cells with data cover less than :data:`COVERED_MIN_FRACTION` of the outline.
    """
    if len(weight.cells) == 1 and weight.area * COVERED_MIN_FRACTION <= weight.weights[0]:
        return values[:, 0].astype(np.float64)
    valid = ~np.isnan(values)
    total, covered = np.zeros(len(values)), np.zeros(len(values))
    for cell, share in enumerate(weight.weights):  # fixed order of additions
        total += np.where(valid[:, cell], values[:, cell], 0.0) * share
        covered += np.where(valid[:, cell], share, 0.0)
    enough = (covered > 0.0) & (covered >= COVERED_MIN_FRACTION * weight.area)
    return np.where(enough, total / np.where(enough, covered, 1.0), np.nan)


def _coverage(
    outlines: NDArray[np.object_], shape: tuple[int, int], bounds: tuple[float, float, float, float]
) -> list[tuple[NDArray[np.int64], Floats]]:
    import geopandas as gpd
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    west, south, east, north = bounds
    frame = gpd.GeoDataFrame({"number": range(len(outlines))}, geometry=list(outlines), crs="EPSG:4326")
    wkt = frame.crs.to_wkt()
    raster = NumPyRasterSource(np.zeros(shape, dtype=np.uint8), west, south, east, north, srs_wkt=wkt)
    found: Any = exact_extract(raster, frame, ["cell_id", "coverage"], include_cols=["number"], output="pandas")
    found = found.set_index("number").reindex(range(len(outlines)))
    out = []
    for cells, coverage in zip(found["cell_id"], found["coverage"], strict=True):
        numbers, shares = np.asarray(cells, dtype=np.int64).ravel(), np.asarray(coverage, dtype=np.float64).ravel()
        keep = shares > 0.0
        order = np.argsort(numbers[keep], kind="stable")
        out.append((numbers[keep][order], shares[keep][order]))
    return out


def _step(along: Floats, across: Floats) -> float:
    axis = along if len(along) > 1 else across
    return abs(float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
