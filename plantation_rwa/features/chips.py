"""Small pictures of a plantation from one scene: what the eye sees, and the moisture index.

They are looked at, never computed with: colours under one fixed stretch, few of them, so that a page can carry
hundreds.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from shapely.geometry.base import BaseGeometry

from plantation_rwa.errors import ReadError
from plantation_rwa.features.clouds import CLEAR_CLASSES
from plantation_rwa.features.observations import Reader, SceneLike, scene_grid
from plantation_rwa.features.reflectance import nearest, spread
from plantation_rwa.grid import GEOD, GridSpec, reproject

#: most pixels along an edge, and least: a smaller plot is shown with what lies around it
SIDE, LEAST = 64, 24
#: edge of the square over the longer edge of the outline's box
_ROOM = 1.2
#: colours of the first picture, median cut
_COLOURS = 32
#: reflectance shown at full brightness, per band; the exponent lifts dark canopy (B04 0.03) to a readable tone
_WHITE = {"B02": 0.16, "B03": 0.16, "B04": 0.16, "B08": 0.55}
_GAMMA = 0.7
TRUE_COLOUR, INFRARED = ("B04", "B03", "B02"), ("B08", "B04", "B02")
_NDMI = ("B8A", "B11")
#: value of the lowest and the highest colour of the index, and colours in between
NDMI_RANGE = (-0.2, 0.6)
NDMI_ANCHORS = ("#7a4b1e", "#cfa76a", "#f1ecd9", "#7fb6bd", "#174f7d")
_NDMI_STEPS = 15
#: no data, or not seen clearly
GREY = "#b4b9b6"


@dataclass(frozen=True)
class Square:
    """The ground of a picture: a square on the scene's grid, north up."""

    grid: GridSpec

    @property
    def side(self) -> float:
        """Length of its sides in map units."""
        return self.grid.width * self.grid.pixel_size

    @property
    def side_m(self) -> float:
        """Length of its middle row on the ground, geodesic."""
        x0, y0, x1, y1 = self.grid.bounds
        ends = shapely.LineString([(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)])
        return float(GEOD.geometry_length(reproject(ends, self.grid.crs, "EPSG:4326")))


def square(outline: BaseGeometry, native: GridSpec) -> Square:
    """The square around an outline whose pixels are whole multiples of the scene's own.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    native
        Grid of the scene's finest band.
    """
    x0, y0, x1, y1 = reproject(outline, "EPSG:4326", native.crs).bounds
    size = native.pixel_size
    wanted = max(math.ceil(max(x1 - x0, y1 - y0) * _ROOM / size), LEAST)
    step = math.ceil(wanted / SIDE)
    count = math.ceil(wanted / step)
    col = round(((x0 + x1) / 2 - native.transform.c) / size - count * step / 2)
    row = round((native.transform.f - (y0 + y1) / 2) / size - count * step / 2)
    corner = native.transform @ Affine.translation(col, row) @ Affine.scale(step)
    return Square(GridSpec(native.crs, corner, count, count))


def chip(outline: BaseGeometry, scene: SceneLike, reader: Reader, offset: float, *, simulated: bool) -> dict[str, Any]:
    """Pictures of an outline and the square they show, as columns of ``chips``; ``reason`` says what is missing.

    Parameters
    ----------
    outline
        (Multi)Polygon on WGS84.
    scene
        Read in the blocks under the square alone.
    reader
        Block reader.
    offset
        Digital numbers: reflectance = (DN + offset) x scale.
    simulated
        Written into the pictures as a comment.
    """
    bands = next((b for b in (TRUE_COLOUR, INFRARED) if all(n in scene.assets for n in b)), None)
    if bands is None:
        return {"reason": "the scene lacks a visible band"}
    try:
        ground = square(outline, min((scene_grid(scene, n, reader) for n in bands), key=lambda g: g.pixel_size))
        pixels = _Pixels(scene, reader, ground.grid, offset)
        note = "simulated pixels" if simulated else f"modified Copernicus Sentinel data {scene.acquired.year}"
        planes = [pixels.reflectance(n) for n in bands]
        if not np.isfinite(np.stack(planes)).all(axis=0).any():
            return {"reason": "the scene has no pixel of the ground"}
        row = {
            "colour_bands": " ".join(bands),
            "colour_png": _coloured(planes, bands, note),
            "crs": ground.grid.crs,
            "left_edge": ground.grid.transform.c,
            "top_edge": ground.grid.transform.f,
            "side": ground.side,
            "side_m": ground.side_m,
            "reason": "",
        }
        missing = [n for n in _NDMI if n not in scene.assets]
        if missing:
            return row | {"reason": f"no moisture index: the scene lacks {' and '.join(missing)}"}
        nir, swir, clear = *map(pixels.reflectance, _NDMI), pixels.clear()
        if not (clear & np.isfinite(nir + swir)).any():
            return row | {"reason": "no moisture index: no pixel of the ground is seen clearly"}
        return row | {"ndmi_png": _indexed(nir, swir, clear=clear, note=note)}
    except ReadError as error:
        return {"reason": f"the scene cannot be read: {error}"}


class _Pixels:
    """Bands of a scene on one grid."""

    def __init__(self, scene: SceneLike, reader: Reader, grid: GridSpec, offset: float) -> None:
        self._scene, self._reader, self._grid, self._offset = scene, reader, grid, offset

    def reflectance(self, band: str) -> NDArray[np.float64]:
        """Reflectance; NaN where there is none."""
        fill = self._scene.assets[band].nodata or 0.0
        found = self._raw(band, fill).astype("float64")
        return np.where(found == fill, np.nan, (found + self._offset) * self._scene.scale)

    def clear(self) -> NDArray[np.bool_]:
        """Pixels of the strict clear classes; all of them in a scene without classification."""
        if "SCL" not in self._scene.assets:
            return np.ones((self._grid.height, self._grid.width), dtype=bool)
        return np.isin(self._raw("SCL", 0), CLEAR_CLASSES["strict"])

    def _raw(self, band: str, fill: float) -> NDArray[np.generic]:
        native = scene_grid(self._scene, band, self._reader)
        if native.crs != self._grid.crs:
            raise ReadError(f"scene {self._scene.id}, band {band}: lies in {native.crs}, not in {self._grid.crs}")
        window, rows, cols = nearest(native, self._grid)
        if window is None:
            return np.full((self._grid.height, self._grid.width), fill)
        return spread(self._reader.read(self._scene.assets[band], window), rows, cols, fill)


def _coloured(planes: Sequence[NDArray[np.float64]], bands: Sequence[str], note: str) -> bytes:
    """Three reflectances as a picture of few colours."""
    known: NDArray[np.bool_] = np.all(np.isfinite(np.stack(planes)), axis=0)
    tones = []
    for plane, band in zip(planes, bands, strict=True):
        share = np.clip(np.where(known, plane, 0.0) / _WHITE[band], 0.0, 1.0) ** _GAMMA
        tones.append(np.rint(255 * share).astype(np.uint8))
    colours = np.where(known[..., None], np.stack(tones, axis=-1), _rgb(GREY))
    whole = Image.fromarray(colours.astype(np.uint8))
    return _png(whole.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE), note)


def _indexed(*planes: NDArray[np.float64], clear: NDArray[np.bool_], note: str) -> bytes:
    """The normalised difference in equal steps of :data:`NDMI_RANGE`."""
    nir, swir = planes
    total = nir + swir
    known = clear & np.isfinite(total) & (total > 0)
    index = np.divide(nir - swir, total, out=np.zeros_like(total), where=known)
    low, high = NDMI_RANGE
    steps = np.clip(np.floor((index - low) / (high - low) * _NDMI_STEPS), 0, _NDMI_STEPS - 1)
    picture = Image.fromarray(np.where(known, steps, _NDMI_STEPS).astype(np.uint8)).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette(np.vstack([ndmi_colours(), _rgb(GREY)]).astype(np.uint8).tobytes())
    return _png(picture, note)


def ndmi_colours() -> NDArray[np.int64]:
    """Colours of the index from its lowest step to its highest, shape ``(steps, 3)``."""
    anchors = np.array([_rgb(c) for c in NDMI_ANCHORS], dtype="float64")
    at = np.linspace(0, len(anchors) - 1, _NDMI_STEPS)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, k]) for k in range(3)]
    colours: NDArray[np.int64] = np.rint(np.column_stack(channels)).astype(np.int64)
    return colours


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _png(picture: Image.Image, note: str) -> bytes:
    text, out = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text("Comment", note)
    picture.save(out, "PNG", optimize=True, pnginfo=text)
    return out.getvalue()


def chosen(trail: Sequence[Mapping[str, Any]], least: float) -> Mapping[str, Any] | None:
    """The scene to show among rows of ``features_scenes`` with ``month``; None if none is clear enough.

    The latest month in which a used scene shows at least ``least`` of the ground clearly; in it the one that shows
    most, of equal ones the later.
    """
    fit = [r for r in trail if r["outcome"] == "used" and r["clear_share"] >= least]
    return max(fit, key=lambda r: (r["month"], r["clear_share"], r["acquired"], r["scene_id"]), default=None)
