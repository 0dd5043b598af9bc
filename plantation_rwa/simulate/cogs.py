"""The one writer of simulated raster files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def write_cog(path: Path, values: NDArray[Any], epsg: str, left: float, top: float, size: int) -> None:
    """Write one band as a Cloud Optimized GeoTIFF of a single zstd block, nodata 0."""
    import rasterio
    from rasterio.transform import from_origin

    path.parent.mkdir(parents=True, exist_ok=True)
    block = max(128, -(-max(values.shape) // 16) * 16)
    options = {
        "compress": "ZSTD",
        "level": 9,
        "predictor": "NO",
        "blocksize": block,
        "overviews": "NONE",
        "num_threads": 1,
    }
    with rasterio.open(
        path, "w", driver="COG", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype, crs=epsg,
        transform=from_origin(left, top, size, size), nodata=0, **options,
    ) as target:  # fmt: skip
        target.write(values, 1)
