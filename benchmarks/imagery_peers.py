"""What a competent user would write to get monthly NDVI per plantation, and the floor below all of it.

``python benchmarks/imagery_peers.py PEER ITEMS REGISTER OUT``: each is a process of its own, started and measured by
``imagery.py``. The answer is a Parquet table ``plantation_id, month, ndvi_mean, ndvi, valid_fraction``; the floor has
none.

The peers mask by class and nodata; ``--dilate`` also removes specks and grows cloud and shadow by 60 m, as this
project does. They are timed without (that is less work for them) and compared with.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from numpy.typing import NDArray

THREADS = 2
#: of all products here: baseline 05.11, nothing removed from the pixels
SHIFT = 1000
#: for GDAL over HTTP, what its own guide to cloud access recommends
GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MAX_RETRY": "4",
    "VSI_CACHE": "TRUE",
}


def hrefs(path: Path) -> dict[str, Any]:
    """The item collection with absolute hrefs."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for item in document["features"]:
        for asset in item["assets"].values():
            if not urlsplit(asset["href"]).scheme:
                asset["href"] = str((path.parent / asset["href"]).resolve())
    return document


def clear_of(scl: NDArray[Any], *, dilate: bool) -> NDArray[np.bool_]:
    """Clear pixels of a classification, shape (rows, columns) at 20 m."""
    clear = (scl == 4) | (scl == 5)
    if not dilate:
        return clear
    from scipy import ndimage

    cross = ndimage.generate_binary_structure(2, 1)
    cloud = np.pad(np.isin(scl, (3, 8, 9, 10)), 2, mode="edge")
    cloud = ndimage.binary_dilation(ndimage.binary_erosion(cloud, cross), cross)[2:-2, 2:-2]
    rows, cols = np.mgrid[-3:4, -3:4]
    return np.asarray(clear & ~ndimage.binary_dilation(cloud, rows**2 + cols**2 <= 9))


def composites(items: Path, *, dilate: bool) -> Any:
    """Monthly median NDVI and whether anything was clear: xarray.Dataset, dims (month, y, x)."""
    import dask
    import odc.stac
    import pystac
    import xarray as xr
    from affine import Affine
    from odc.geo.geobox import GeoBox

    found = [pystac.Item.from_dict(i) for i in hrefs(items)["features"]]
    odc.stac.configure_rio(cloud_defaults=True, **GDAL)
    kinds = {"*": {"data_type": "uint16", "nodata": 0}, "SCL": {"data_type": "uint8", "nodata": 0}}
    red = found[0].assets["B04"].extra_fields
    fine = GeoBox(red["proj:shape"], Affine(*red["proj:transform"]), f"EPSG:{found[0].properties['proj:epsg']}")
    options: dict[str, Any] = {"stac_cfg": {"sentinel-2-l2a": {"assets": kinds}}, "groupby": "id"}
    data = odc.stac.load(found, bands=["B04", "B08"], geobox=fine, chunks={"x": 1024, "y": 1024}, **options)
    coarse = fine.zoom_out(2)
    classes = odc.stac.load(found, bands=["SCL"], geobox=coarse, chunks={"x": -1, "y": -1}, **options).SCL
    flags = xr.apply_ufunc(
        lambda block: np.stack([clear_of(scene, dilate=dilate) for scene in block]),
        classes,
        dask="parallelized",
        output_dtypes=[bool],
    )
    wide = flags.data.repeat(2, axis=1).repeat(2, axis=2).rechunk((1, 1024, 1024))
    clear = xr.DataArray(wide, dims=data.B04.dims, coords=data.B04.coords)
    visible, infrared = data.B04.astype("float32"), data.B08.astype("float32")
    ndvi = ((infrared - visible) / (infrared + visible - 2 * SHIFT)).where(clear & (data.B04 > 0) & (data.B08 > 0))
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        median = ndvi.resample(time="MS").median().compute()
    return median


def with_rasterstats(items: Path, register: Path, *, dilate: bool) -> pd.DataFrame:
    """odc-stac, xarray, rasterstats: a pixel counts if its centre lies in the polygon."""
    import geopandas as gpd
    from rasterstats import zonal_stats

    median = composites(items, dilate=dilate)
    frame = gpd.read_file(register).to_crs(median.odc.crs.to_epsg())
    frames = []
    for layer in median:
        stats = zonal_stats(
            frame.geometry,
            layer.to_numpy(),
            affine=median.odc.affine,
            nodata=np.nan,
            stats=["mean", "median", "count", "nan"],
        )
        table = pd.DataFrame(stats)
        table["total"] = table["count"] + table["nan"]
        frames.append(
            _rows(frame["plantation_id"], layer, table["mean"], table["median"], table["count"], table["total"])
        )
    return pd.concat(frames, ignore_index=True)


def with_exactextract(items: Path, register: Path, *, dilate: bool) -> pd.DataFrame:
    """odc-stac, xarray, exactextract: pixels weighted by covered area."""
    import geopandas as gpd
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    median = composites(items, dilate=dilate)
    frame = gpd.read_file(register).to_crs(median.odc.crs.to_epsg())
    xmin, ymin, xmax, ymax = median.odc.geobox.boundingbox
    frames = []
    for layer in median:
        raster = NumPyRasterSource(layer.to_numpy(), xmin, ymin, xmax, ymax, nodata=np.nan, srs_wkt=frame.crs.to_wkt())
        table = exact_extract(raster, frame, ["mean", "median", "count"], output="pandas")
        pixels = frame.geometry.area / abs(median.odc.affine.a) ** 2
        frames.append(_rows(frame["plantation_id"], layer, table["mean"], table["median"], table["count"], pixels))
    return pd.concat(frames, ignore_index=True)


def _rows(ids: Any, layer: Any, mean: Any, median: Any, count: Any, total: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plantation_id": ids,
            "month": str(layer.time.dt.strftime("%Y-%m").item()),
            "ndvi_mean": pd.to_numeric(mean),
            "ndvi": pd.to_numeric(median),
            "valid_fraction": pd.to_numeric(count).fillna(0) / pd.to_numeric(total),
        }
    )


def decode_all(items: Path, register: Path, *, dilate: bool) -> None:
    """The floor: rasterio decodes every block of every asset, and nothing else."""
    import rasterio

    paths = [asset["href"] for item in hrefs(items)["features"] for asset in item["assets"].values()]

    def one(path: str) -> int:
        pixels = 0
        with rasterio.Env(**GDAL), rasterio.open(path) as source:
            for _, window in source.block_windows(1):
                pixels += source.read(1, window=window).size
        return pixels

    with ThreadPoolExecutor(THREADS) as pool:
        print(sum(pool.map(one, paths)) / 1e6, "million pixels")


PEERS: dict[str, Callable[..., pd.DataFrame | None]] = {
    "odc+rasterstats": with_rasterstats,
    "odc+exactextract": with_exactextract,
    "decode": decode_all,
}


def main() -> None:
    """Run one peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("items", type=Path)
    parser.add_argument("register", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dilate", action="store_true")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    answer = PEERS[options.peer](options.items, options.register, dilate=options.dilate)
    if answer is not None:
        answer.to_parquet(options.out)


if __name__ == "__main__":
    main()
