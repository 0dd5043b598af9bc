"""Real pixels: NDVI of polygons equals an independent calculation with rasterio and shapely to 1e-6."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from pyproj import Geod, Transformer
from shapely.geometry import shape

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.chips import chip, ndmi_colours
from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.periods import Month
from plantation_rwa.sources.scenes import RasterReader
from tests.sources.stac_factory import source

ROOT = Path(__file__).parents[2] / "data" / "sample" / "real" / "sentinel2"
_POLYGONS = json.loads((ROOT / "polygons.geojson").read_text("utf-8"))["features"]
_BANDS = {"TYROL": "southtyrol", "29RKH": "29RKH"}


def _independent(polygon: Any, folder: str, buffer: float | None) -> dict[str, float]:
    """Mean NDVI, valid fraction and weight sum, pixel by pixel: intersection areas by shapely, no package code."""
    with rasterio.open(ROOT / folder / "B04.tif") as red, rasterio.open(ROOT / folder / "B08.tif") as nir:
        crs, transform, size = red.crs, red.transform, red.res[0]
        r, n = red.read(1).astype(float), nir.read(1).astype(float)
    with rasterio.open(ROOT / folder / "SCL.tif") as classes:
        scl = classes.read(1).repeat(r.shape[0] // classes.height, 0).repeat(r.shape[1] // classes.width, 1)
    assert not np.isin(scl, (3, 8, 9, 10)).any()  # no cloud: nothing grows
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    flat = shapely.transform(polygon, lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])))
    if buffer is None:
        area, length = Geod(ellps="WGS84").geometry_area_perimeter(polygon)
        buffer = min(20.0, 0.15 * 2 * abs(area) / length)
    flat = flat.buffer(-buffer)
    xmin, ymin, xmax, ymax = flat.bounds
    cols = range(int((xmin - transform.c) // size), int((xmax - transform.c) // size) + 1)
    rows = range(int((transform.f - ymax) // size), int((transform.f - ymin) // size) + 1)
    total = seen = summed = 0.0
    for row in rows:
        left, top = transform.c + np.array(cols) * size, transform.f - row * size
        weights = shapely.area(shapely.intersection(shapely.box(left, top - size, left + size, top), flat)) / size**2
        for col, weight in zip(cols, weights, strict=True):
            total += weight
            if weight > 0 and scl[row, col] in (4, 5) and r[row, col] and n[row, col]:
                seen += weight
                summed += weight * (n[row, col] - r[row, col]) / (n[row, col] + r[row, col])
    return {"ndvi_mean": summed / seen, "valid_fraction": seen / total, "pixels": total}


@pytest.mark.parametrize("edge_buffer", ["auto", 0.0])
@pytest.mark.parametrize("feature", _POLYGONS, ids=lambda f: f["properties"]["plantation_id"])
def test_ndvi_of_real_pixels(feature: dict[str, Any], edge_buffer: Any) -> None:
    polygon = shape(feature["geometry"])
    folder = _BANDS[feature["properties"]["plantation_id"].split("-")[1]]
    scenes = source(str(ROOT / "items.json")).scenes(polygon.bounds, Month(2020, 1), Month(2022, 12))
    assert [s.assets["B04"].href for s in scenes] == [str(ROOT / folder / "B04.tif")]
    month = str(Month.of(scenes[0].acquired.date()))
    checks = Checks(Rules.of(packaged()))
    row = plantation_month(polygon, month, scenes, RasterReader(), checks=checks, edge_buffer=edge_buffer)
    expected = _independent(polygon, folder, None if edge_buffer == "auto" else edge_buffer)
    assert row["ndvi_mean"] == pytest.approx(expected["ndvi_mean"], abs=1e-6)
    assert row["valid_fraction"] == pytest.approx(expected["valid_fraction"], abs=1e-6)
    assert expected["pixels"] > 100
    missing = ("ndmi", "ndmi_mean", "ndre", "cire", "nbr") if folder == "southtyrol" else ("cire",)
    assert all(math.isnan(row[name]) for name in missing)
    present = set(row) & {"ndvi", "evi", "ndmi", "ndre", "cire", "nirv", "kndvi", "nbr"} - set(missing)
    assert all(math.isfinite(row[name]) for name in present)
    assert (row["scenes"], row["flags"], row["problems"]) == (1, [], [])


def test_offsets_of_the_two_items() -> None:
    """South Tyrol is baseline 04.00 with the offset taken off; the desert crop is older than 04.00."""
    found = {}
    for feature in _POLYGONS:
        for s in source(str(ROOT / "items.json")).scenes(
            shape(feature["geometry"]).bounds, Month(2020, 1), Month(2022, 12)
        ):
            found[s.id] = (s.baseline, s.offset, s.acquired.date().isoformat())
    assert found == {"southtyrol-20220612": (4.0, 0.0, "2022-06-12"), "29RKH-20200219": (2.14, 0.0, "2020-02-19")}


def test_single_items_are_those_of_the_collection() -> None:
    every = json.loads((ROOT / "items.json").read_text("utf-8"))["features"]
    assert every == [json.loads((ROOT / f"{n}.json").read_text("utf-8")) for n in ("southtyrol", "29RKH")]


def test_files_are_small_and_complete() -> None:
    sizes = {p.relative_to(ROOT).as_posix(): p.stat().st_size for p in ROOT.rglob("*.tif")}
    assert len(sizes) == 13
    assert max(sizes.values()) < 3_000_000
    with rasterio.open(ROOT / "southtyrol" / "B04.tif") as band:
        assert (band.profile["compress"], band.profile["tiled"], band.nodata) == ("zstd", True, 0)


@pytest.mark.parametrize("feature", [_POLYGONS[0], _POLYGONS[-1]], ids=lambda f: f["properties"]["plantation_id"])
def test_pictures_of_real_pixels(feature: dict[str, Any]) -> None:
    """Tones and index colours of a picture are those of the files, read anew pixel by pixel."""
    polygon = shape(feature["geometry"])
    folder = _BANDS[feature["properties"]["plantation_id"].split("-")[1]]
    (scene,) = source(str(ROOT / "items.json")).scenes(polygon.bounds, Month(2020, 1), Month(2022, 12))
    row = chip(polygon, scene, RasterReader(), scene.offset, simulated=False)
    no_index = "no moisture index: the scene lacks B8A and B11"
    wanted = {"southtyrol": ("B04 B03 B02", no_index), "29RKH": ("B08 B04 B02", "")}
    assert (row["colour_bands"], row["reason"]) == wanted[folder]
    shown = np.asarray(Image.open(io.BytesIO(row["colour_png"])).convert("RGB")).astype("float64")
    middle = (np.arange(len(shown)) + 0.5) * row["side"] / len(shown)
    x, y = row["left_edge"] + middle, row["top_edge"] - middle
    for k, (band, white) in enumerate(zip(row["colour_bands"].split(), (0.55, 0.16, 0.16), strict=True)):
        full = white if folder == "29RKH" else 0.16
        tone = 255 * np.clip(_reflectance(folder, band, x, y) / full, 0, 1) ** 0.7
        # thirty-two colours stand for all
        assert np.nanmean(np.abs(shown[..., k] - tone)) < 8
    if folder == "29RKH":
        nir, swir = (_reflectance(folder, band, x, y) for band in ("B8A", "B11"))
        step = np.clip(np.floor(((nir - swir) / (nir + swir) + 0.2) / 0.8 * 15), 0, 14)
        index = np.asarray(Image.open(io.BytesIO(row["ndmi_png"])).convert("RGB"))
        seen = np.isfinite(step) & ~(index == (0xB4, 0xB9, 0xB6)).all(axis=-1)
        assert seen.mean() > 0.5
        np.testing.assert_array_equal(index[seen], ndmi_colours()[step[seen].astype(int)])


def _reflectance(folder: str, band: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pixels of a file that hold the given places, NaN beyond it and where it has none."""
    with rasterio.open(ROOT / folder / f"{band}.tif") as file:
        pixels, start, size = file.read(1), file.transform, file.res[0]
    cols, rows = ((x - start.c) // size).astype(int), ((start.f - y) // size).astype(int)
    held = np.pad(pixels.astype("float64"), 400)[np.ix_(rows + 400, cols + 400)] * 1e-4
    return np.where(held == 0, np.nan, held)
