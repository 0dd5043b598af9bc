"""Scenes and readers held in memory, for tests of the features room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from affine import Affine
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import ReadError
from plantation_rwa.features.engine.lanes import Lanes
from plantation_rwa.features.imagery import Checks, MonthOfOutlines
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.grid import GridSpec, Window, reproject
from plantation_rwa.sources.base import Asset, Scene

CRS = "EPSG:32748"
RULES = Rules.of(packaged())
ORIGIN = (300_000.0, 200_000.0)
#: reflectances of mature palm, domain/yield.md 2.1
PALM = {
    "B02": 0.022, "B03": 0.045, "B04": 0.028, "B05": 0.072, "B06": 0.230, "B07": 0.300,
    "B08": 0.330, "B8A": 0.345, "B11": 0.155, "B12": 0.062,
}  # fmt: skip


def grid(
    height: int = 40, width: int = 40, pixel: float = 10.0, *, origin: tuple[float, float] = ORIGIN, crs: str = CRS
) -> GridSpec:
    return GridSpec(crs, Affine(pixel, 0, origin[0], 0, -pixel, origin[1]), height, width)


def outline(x0: float, y0: float, x1: float, y1: float, crs: str = CRS) -> BaseGeometry:
    """Rectangle given in metres right of and below the origin, on WGS84."""
    return reproject(box(ORIGIN[0] + x0, ORIGIN[1] - y1, ORIGIN[0] + x1, ORIGIN[1] - y0), crs, "EPSG:4326")


class MemoryReader:
    """Block reader over arrays; remembers what was read and can refuse chosen files."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[GridSpec, np.ndarray[Any, Any]]] = {}
        self.broken: set[str] = set()
        self.closed: set[str] = set()
        self.reads: list[tuple[str, Window]] = []
        self.square = 0

    def grid(self, asset: Asset) -> GridSpec:
        if asset.href in self.closed:
            raise ReadError(f"{asset.href}: cannot be read: no header")
        return self.files[asset.href][0]

    def edge(self, asset: Asset) -> int:
        return self.square

    def read(self, asset: Asset, window: Window) -> np.ndarray[Any, Any]:
        if asset.href in self.broken:
            raise ReadError(f"{asset.href}: cannot be read: bad block")
        self.reads.append((asset.href, window))
        spec, pixels = self.files[asset.href]
        assert window.row >= 0
        assert window.col >= 0
        assert window.row + window.height <= spec.height
        assert window.col + window.width <= spec.width
        return pixels[window.row : window.row + window.height, window.col : window.col + window.width]

    def scene(
        self,
        name: str,
        bands: Mapping[str, Any],
        *,
        day: str = "2024-03-05",
        tile: str = "48MXX",
        spec: GridSpec | None = None,
        coarse: tuple[str, ...] = (),
        offset: float = 0.0,
        datatake: str | None = None,
        baseline: float | None = 5.11,
        created: str | None = None,
        footprint: BaseGeometry | None = None,
        dtype: str = "uint16",
    ) -> Scene:
        """A scene whose bands are constants or arrays of digital numbers; bands in ``coarse`` have double pixels."""
        fine = spec or grid()
        assets = {}
        for band, value in bands.items():
            half = band in coarse
            size = fine.pixel_size * (2 if half else 1)
            shape = (fine.height // 2, fine.width // 2) if half else (fine.height, fine.width)
            own = GridSpec(fine.crs, Affine(size, 0, fine.transform.c, 0, -size, fine.transform.f), *shape)
            pixels = np.broadcast_to(np.asarray(value), shape).astype("uint8" if band == "SCL" else dtype)
            self.files[f"{name}/{band}"] = (own, pixels)
            assets[band] = Asset(f"{name}/{band}")
        acquired = pd.Timestamp(f"{day}T03:10:00", tz="UTC")
        return Scene(
            id=name,
            collection="sentinel-2-l2a",
            platform="sentinel-2a",
            datatake=datatake or name,
            tile=tile,
            baseline=baseline,
            acquired=acquired,
            created=None if created is None else pd.Timestamp(created, tz="UTC"),
            known_at=acquired + pd.Timedelta(days=3),
            cloud_cover=10.0,
            footprint=footprint,
            assets=assets,
            offset=offset,
        )


def palm(offset: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Digital numbers of mature palm with a clear SCL; keyword arguments replace or (None) remove bands."""
    bands: dict[str, Any] = {b: round(r * 1e4 - offset) for b, r in PALM.items()}
    bands |= {"SCL": 4, **changes}
    return {b: v for b, v in bands.items() if v is not None}


def triangle(*corners: tuple[float, float]) -> BaseGeometry:
    """Polygon of corners in metres right of and below the origin, on WGS84."""
    return reproject(Polygon([(ORIGIN[0] + x, ORIGIN[1] - y) for x, y in corners]), CRS, "EPSG:4326")


def rows_of(month: MonthOfOutlines, checks: Mapping[int, Checks], cores: Lanes | None = None) -> dict[int, Any]:
    """Rows of outlines by number, those under the same checks computed together."""
    groups: dict[int, list[int]] = {}
    for n, own in checks.items():
        groups.setdefault(id(own), []).append(n)
    found: dict[int, Any] = {}
    for numbers in groups.values():
        parts = month.parts(numbers, checks[numbers[0]].of_outlines(len(numbers)), cores)
        found |= {n: part.row(k) for part in parts for k, n in enumerate(part.outlines.tolist())}
    return found
