"""Gridded daily climate to plantations: coverage-weighted means over the outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError

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


def grid_to_plantations(grid: xr.Dataset, register: pd.DataFrame) -> pd.DataFrame:
    """Daily climate of each plantation from a regular longitude-latitude grid.

    Parameters
    ----------
    grid
        Variables of dims ``time, latitude, longitude``; cell centres evenly spaced, latitude descending, longitude
        ascending, as ``sources.climate.open_grid`` gives them. May be lazy: only cells that plantations touch are read.
    register
        ``plantation_id`` and ``geometry`` on WGS84.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, date`` and the grid's variables, sorted by plantation and date; days without any value and
        plantations outside the grid have no rows.

    Raises
    ------
    ReadError
        If the file breaks off while it is read.

    Notes
    -----
    Mean weighted by the fraction of each cell that the outline covers (exactextract). Cells without data drop from
    numerator and denominator; cells with data must cover :data:`COVERED_MIN_FRACTION` of the outline. A point, or an
    outline inside one cell, takes that cell's value unchanged. A plantation's values depend on no other plantation.
    """
    names = sorted(str(name) for name in grid.data_vars)
    places = register.drop_duplicates("plantation_id").sort_values("plantation_id", kind="stable")
    weights = cell_weights(
        grid["latitude"].to_numpy(), grid["longitude"].to_numpy(), np.asarray(places["geometry"], dtype=object)
    )
    cells = np.unique(np.concatenate([w.cells for w in weights])) if weights else np.array([], dtype=np.int64)
    dates = grid["time"].to_numpy().astype("datetime64[us]")
    columns: dict[str, list[Floats]] = {name: [] for name in names}
    for name in names:
        values = _read_cells(grid[name], cells)
        for weight in weights:
            if len(weight.cells):
                picked = values[:, np.searchsorted(cells, weight.cells)]
                columns[name].append(weighted_mean(picked, weight))
    ids = [i for i, w in zip(places["plantation_id"], weights, strict=True) if len(w.cells)]
    out = pd.DataFrame({name: np.concatenate(parts) if parts else np.array([]) for name, parts in columns.items()})
    out.insert(0, "plantation_id", pd.Series(np.repeat(np.asarray(ids, dtype=object), len(dates)), dtype="str"))
    out.insert(1, "date", np.tile(dates, len(ids)))
    return out[out[names].notna().any(axis=1)].reset_index(drop=True)


def cell_weights(latitude: Floats, longitude: Floats, outlines: NDArray[np.object_]) -> list[CellWeights]:
    """Coverage of grid cells by each outline.

    Parameters
    ----------
    latitude, longitude
        Cell centres in degrees, evenly spaced, descending and ascending; at least two along one of the axes.
    outlines
        (Multi)Polygons or Points on WGS84.

    Returns
    -------
    list of CellWeights
        In the order of ``outlines``; no cells for one outside the grid, or for a missing outline.
    """
    dx, dy = _step(longitude, latitude), _step(latitude, longitude)
    west, north = float(longitude[0]) - dx / 2, float(latitude[0]) + dy / 2
    shape = (len(latitude), len(longitude))
    out = [CellWeights(np.array([], dtype=np.int64), np.array([]), 0.0)] * len(outlines)
    polygons = []
    for number, outline in enumerate(outlines):
        if outline is None or shapely.is_empty(outline):
            continue
        if outline.geom_type == "Point":
            row, col = int((north - outline.y) // dy), int((outline.x - west) // dx)
            if 0 <= row < shape[0] and 0 <= col < shape[1]:
                out[number] = CellWeights(np.array([row * shape[1] + col]), np.ones(1), 0.0)
        else:
            polygons.append(number)
    if polygons:
        east, south = west + dx * shape[1], north - dy * shape[0]
        covered = _coverage(outlines[polygons], shape, (west, south, east, north))
        for number, (cells, weights) in zip(polygons, covered, strict=True):
            area = shapely.area(outlines[number]) / (dx * dy)
            out[number] = CellWeights(cells, weights, float(area))
    return out


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


def _read_cells(variable: xr.DataArray, cells: NDArray[np.int64]) -> Floats:
    ordered = variable.transpose("time", "latitude", "longitude")
    rows, cols = np.divmod(cells, ordered.sizes["longitude"])
    picked = ordered.isel(latitude=xr.DataArray(rows, dims="cell"), longitude=xr.DataArray(cols, dims="cell"))
    try:
        return np.asarray(picked.compute(scheduler="synchronous").to_numpy(), dtype=np.float64)
    except (OSError, RuntimeError) as error:
        raise ReadError(f"climate grid: '{variable.name}' cannot be read: {error}. Fetch the file again.") from error


def _step(along: Floats, across: Floats) -> float:
    axis = along if len(along) > 1 else across
    return abs(float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
