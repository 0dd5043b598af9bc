"""Supplied maps of land: rasters read window by window, polygons as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from plantation_rwa.config_compliance import LayerConfig
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.grid import GridSpec
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.files import file_name, one_line
from plantation_rwa.sources.vectors import read_vectors

_RASTERS = (".tif", ".tiff")


@dataclass(frozen=True)
class Tile:
    """One raster file of a layer."""

    path: str
    name: str
    grid: GridSpec
    nodata: float | None


@dataclass(frozen=True)
class Pixels:
    """A window of a raster: its grid, which pixels mean yes, which hold anything; shape (height, width)."""

    grid: GridSpec
    yes: NDArray[np.bool_]
    held: NDArray[np.bool_]


@dataclass(frozen=True)
class LandLayer:
    """One supplied map.

    Parameters
    ----------
    label
        Name and version, as evidence names it.
    kind
        The question of the perennial-crop tree that it answers.
    sha256
        Hash of its files' content.
    tiles
        Raster files; empty for polygons.
    polygons
        WGS84; empty for rasters.
    extent
        Ground (WGS84) that polygons speak for; None for rasters and where there are no polygons.
    """

    label: str
    kind: str
    licence: str
    known_at: Any
    sha256: str
    tiles: tuple[Tile, ...] = ()
    polygons: tuple[BaseGeometry, ...] = ()
    extent: BaseGeometry | None = None
    values: tuple[float, ...] | None = None
    lower: float | None = None
    upper: float | None = None

    def says_yes(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Which pixels mean yes."""
        if self.values is not None:
            return np.isin(pixels, np.array(self.values))
        yes = np.ones(pixels.shape, dtype=bool) if (self.lower, self.upper) != (None, None) else pixels > 0
        if self.lower is not None:
            yes &= pixels >= self.lower
        if self.upper is not None:
            yes &= pixels <= self.upper
        return np.asarray(yes, dtype=bool)

    def window(self, geometry: BaseGeometry, tile: Tile, pixels_max: int) -> Pixels | None:
        """Pixels of a tile under a geometry in its CRS; None if there are none, or too many.

        Raises
        ------
        SourceError
            If the file cannot be read.
        """
        import rasterio
        from rasterio.errors import RasterioError

        window = tile.grid.window_of(geometry.bounds)
        if window is None or window.height * window.width > pixels_max:
            return None
        try:
            with rasterio.open(tile.path, driver="GTiff") as source:
                place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
                pixels = source.read(1, window=place)
        except (RasterioError, OSError, ValueError) as error:
            told = f"pixels of {self.label} cannot be read"
            raise SourceError.of(tile.name, told, one_line(error), "Get the file again.") from None
        held = np.isfinite(pixels) if pixels.dtype.kind == "f" else np.ones(pixels.shape, dtype=bool)
        if tile.nodata is not None and np.isfinite(tile.nodata):
            held &= pixels != tile.nodata
        return Pixels(tile.grid.crop(window), self.says_yes(pixels), held)


def open_layers(layers: Sequence[LayerConfig], quarantine: Quarantine) -> tuple[LandLayer, ...]:
    """Open the supplied maps: headers of rasters, all polygons.

    Raises
    ------
    SourceError
        With every file that cannot be used.
    """
    found, problems = [], list[Problem]()
    for layer in layers:
        try:
            found.append(_open(layer, quarantine))
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    return tuple(found)


def _open(layer: LayerConfig, quarantine: Quarantine) -> LandLayer:
    remote = next((p for p in layer.path if "://" in p), None)
    if remote is not None:
        raise SourceError.of(layer.name, "is not a local file", remote, "Download the layer first.")
    kinds = {file_name(p).lower().endswith(_RASTERS) for p in layer.path}
    if len(kinds) > 1:
        raise SourceError.of(layer.name, "mixes rasters and polygons", "", "Give them as two layers.")
    common: dict[str, Any] = {
        "label": f"{layer.name} {layer.version}".strip(),
        "kind": layer.kind,
        "licence": layer.licence,
        "known_at": layer.known_at,
        "sha256": files_hash(layer.path),
    }
    if kinds == {True}:
        chosen = None if layer.values is None else tuple(layer.values)
        tiles = tuple(_tile(p) for p in layer.path)
        return LandLayer(**common, tiles=tiles, values=chosen, lower=layer.lower, upper=layer.upper)
    _, outlines = read_vectors(
        layer.path, input="compliance.layers", columns={}, quarantine=quarantine, geometry_required=True
    )
    for n, outline in enumerate(outlines, start=1):
        if outline.refused:
            told = f"polygon of {layer.name} {outline.refused}; left out"
            quarantine.add("compliance.layers", file_name(layer.path[0]), told, "rejected", row=n, column="geometry")
    polygons = tuple(o.geometry for o in outlines if o.geometry is not None and o.geometry.geom_type != "Point")
    box = layer.extent or (list(shapely.total_bounds(np.array(polygons, dtype=object))) if polygons else None)
    return LandLayer(**common, polygons=polygons, extent=shapely.box(*box) if box else None)


def _tile(path: str) -> Tile:
    import rasterio
    from rasterio.errors import RasterioError

    name = file_name(path)
    try:
        # by its format, not by its content: a text that only points to other files is no map
        with rasterio.open(path, driver="GTiff") as source:
            crs, transform, nodata = source.crs, source.transform, source.nodata
            height, width = source.height, source.width
    except (RasterioError, OSError) as error:
        raise SourceError.of(name, "is not a readable GeoTIFF", one_line(error), "Get the file again.") from None
    if crs is None or transform == Affine.identity():
        raise SourceError.of(name, "has no place on the ground", "", "Declare CRS and transform.")
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise SourceError.of(name, "is not north up", "", "Warp it with gdalwarp.")
    return Tile(path, name, GridSpec(CRS.from_user_input(crs).to_string(), transform, height, width), nodata)


def files_hash(paths: Sequence[str]) -> str:
    """SHA-256 over the hashes of files' content, in any order.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    hashes = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise SourceError.of(file_name(path), "cannot be read", one_line(error), "Check the file.") from None
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
