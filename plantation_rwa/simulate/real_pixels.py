"""Cuts the real pixels of ``data/sample/real/sentinel2`` out of their sources and writes items and outlines
for them.

Run once, with the folder that holds ``southtyrol-20220612`` and ``29RKH-20200219-crop``:

    python -m plantation_rwa.simulate.real_pixels SOURCE_FOLDER data/sample/real/sentinel2
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: rows and columns of the South Tyrol cut: valley floor, orchards and forest, little shadow
TYROL_ROWS, TYROL_COLS = slice(100, 612), slice(200, 712)
TYROL_BANDS = {"red": 1, "green": 2, "blue": 3, "nir": 4, "scl": 5}
TYROL_NAMES = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08", "scl": "SCL"}
DESERT_BANDS = ("B02", "B04", "B05", "B08", "B11", "B12", "B8A", "SCL")


def build(source: Path, target: Path) -> list[Path]:
    """Write cut COGs, items, the item collection and the outlines.

    Parameters
    ----------
    source
        Folder with the two source folders.
    target
        Output folder; files there are replaced.

    Returns
    -------
    list of Path
        Files written, sorted.
    """
    target.mkdir(parents=True, exist_ok=True)
    items = [_south_tyrol(source / "southtyrol-20220612", target), _desert(source / "29RKH-20200219-crop", target)]
    for name, item in zip(("southtyrol.json", "29RKH.json"), items, strict=True):
        _json(target / name, item)
    _json(target / "items.json", {"type": "FeatureCollection", "features": items})
    _json(target / "polygons.geojson", {"type": "FeatureCollection", "features": outlines()})
    return sorted(p for p in target.rglob("*") if p.is_file())


def outlines() -> list[dict[str, Any]]:
    """Outlines over the two cuts as a register: not oil palm, the planting dates are place holders."""
    tyrol = ("EPSG:32632", "IT", "Trentino-Alto Adige", "Europe/Rome")
    desert = ("EPSG:32629", "MR", "Tiris Zemmour", "Africa/Nouakchott")
    shapes = {
        "REAL-TYROL-1": (tyrol, [(678105, 5152303), (678842, 5152411), (678951, 5151702), (678233, 5151588)]),
        "REAL-TYROL-2": (tyrol, [(679903, 5150713), (680707, 5150918), (680994, 5150207), (680418, 5149822),
                                 (679966, 5150111)]),
        "REAL-TYROL-3": (tyrol, [(677211, 5149401), (677806, 5149508), (677711, 5149003), (677304, 5148942)]),
        "REAL-29RKH-1": (desert, [(242415, 2758233), (247388, 2759112), (248107, 2755024), (243011, 2754187)]),
        "REAL-29RKH-2": (desert, [(251204, 2747411), (257093, 2747988), (256311, 2741877), (253120, 2743033),
                                  (250987, 2742105)]),
    }  # fmt: skip
    from shapely.geometry import Polygon

    from plantation_rwa.grid import reproject

    features = []
    for name, ((crs, country, state, zone), corners) in shapes.items():
        ring = [[round(x, 7), round(y, 7)] for x, y in reproject(Polygon(corners), crs, "EPSG:4326").exterior.coords]
        properties = {
            "plantation_id": name,
            "country": country,
            "state": state,
            "timezone": zone,
            "planted_date": "2010-01-01",
        }
        features.append(
            {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        )
    return features


def _south_tyrol(folder: Path, target: Path) -> dict[str, Any]:
    import rasterio
    from rasterio.windows import Window

    (target / "southtyrol").mkdir(exist_ok=True)
    assets = {}
    with rasterio.open(folder / "S2_L2A_sample.tif") as source:
        window = Window.from_slices(TYROL_ROWS, TYROL_COLS)
        transform, crs = source.window_transform(window), source.crs
        for key, band in TYROL_BANDS.items():
            pixels = source.read(band, window=window)
            file = Path("southtyrol") / f"{TYROL_NAMES[key]}.tif"
            _cog(target / file, pixels.astype(np.uint8) if key == "scl" else pixels, transform, crs)
            assets[key] = _asset(file, 10, None if key == "scl" else -0.1)
    properties = {
        "platform": "sentinel-2",
        "datetime": "2022-06-12T00:00:00Z",
        "description": "Day without time in the source; offset of baseline 04.00 already removed from the pixels.",
        "s2:processing_baseline": "04.00",
        "s2:product_type": "S2MSI2A",
        "earthsearch:boa_offset_applied": True,
        "grid:code": "MGRS-32TPS",
        "eo:cloud_cover": 0,
    }
    return _item("southtyrol-20220612", properties, assets, _footprint(target, assets), crs)


def _desert(folder: Path, target: Path) -> dict[str, Any]:
    import rasterio

    (target / "29RKH").mkdir(exist_ok=True)
    assets = {}
    for band in DESERT_BANDS:
        file = Path("29RKH") / f"{band}.tif"
        with rasterio.open(folder / f"{band}.tif") as source:
            _cog(target / file, source.read(1), source.transform, source.crs)
            assets[band] = _asset(file, source.res[0], None)
            crs = source.crs
    properties = {
        "platform": "sentinel-2",
        "datetime": "2020-02-19T00:00:00Z",
        "description": "Day without time in the source; a tile thinned to pixels of 100 m and 200 m.",
        "s2:processing_baseline": "02.14",
        "s2:product_type": "S2MSI2A",
        "grid:code": "MGRS-29RKH",
        "eo:cloud_cover": 0,
    }
    return _item("29RKH-20200219", properties, assets, _footprint(target, assets), crs)


def _cog(path: Path, pixels: NDArray[np.generic], transform: Any, crs: Any) -> None:
    import rasterio
    import rasterio.shutil
    from rasterio.io import MemoryFile

    profile = {"height": pixels.shape[0], "width": pixels.shape[1], "count": 1, "dtype": pixels.dtype, "crs": crs}
    options = {
        "compress": "zstd",
        "level": 15,
        "predictor": "yes",
        "blocksize": 256,
        "overviews": "none",
        "num_threads": 1,
    }
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=transform, nodata=0, **profile) as copy:
            copy.write(pixels, 1)
        with memory.open() as copy, rasterio.Env(GDAL_NUM_THREADS=1):
            rasterio.shutil.copy(copy, path, driver="COG", **options)


def _asset(file: Path, gsd: float, offset: float | None) -> dict[str, Any]:
    band: dict[str, Any] = {"nodata": 0, "spatial_resolution": gsd}
    if offset is not None:
        band |= {"scale": 0.0001, "offset": offset}
    media = "image/tiff; application=geotiff; profile=cloud-optimized"
    return {"href": f"./{file.as_posix()}", "type": media, "roles": ["data"], "gsd": gsd, "raster:bands": [band]}


def _footprint(target: Path, assets: Mapping[str, Any]) -> list[list[float]]:
    import rasterio
    from shapely.geometry import box

    from plantation_rwa.grid import reproject

    with rasterio.open(target / next(iter(assets.values()))["href"]) as source:
        outline = reproject(box(*source.bounds), source.crs.to_string(), "EPSG:4326")
    return [[round(x, 6), round(y, 6)] for x, y in outline.exterior.coords]


def _item(
    name: str, properties: Mapping[str, Any], assets: Mapping[str, Any], ring: Sequence[list[float]], crs: Any
) -> dict[str, Any]:
    corners = np.array(ring)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": "sentinel-2-l2a",
        "bbox": [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()],
        "geometry": {"type": "Polygon", "coordinates": [list(ring)]},
        "properties": {**properties, "proj:epsg": crs.to_epsg()},
        "links": [],
        "assets": dict(assets),
    }


def _json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for written in build(Path(sys.argv[1]), Path(sys.argv[2])):
        print(f"{written}  {written.stat().st_size} bytes")
