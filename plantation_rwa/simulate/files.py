"""Writers of the simulated input files: same table, same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import xarray as xr
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

_PACKING = {"precipitation": 0.1, "t2m_min": 0.1, "t2m_max": 0.1, "ssrd": 0.1, "rh": 1.0}


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> Path:
    """Write JSON with sorted keys and LF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return path


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    """Write UTF-8 CSV with LF; missing values are empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(table.to_csv(index=False, lineterminator="\n").encode())
    return path


def write_parquet(path: Path, table: pd.DataFrame) -> Path:
    """Write zstd Parquet without pandas metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(arrow, path, compression="zstd", compression_level=19, row_group_size=1 << 20)
    return path


def write_register(path: Path, rows: list[dict[str, Any]], geometries: list[BaseGeometry | None]) -> Path:
    """Write attributes and outlines (WGS84, 7 decimals) as GeoJSON or GeoParquet, by extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = [None if g is None else shapely.set_precision(g, 1e-7) for g in geometries]
    if path.suffix == ".parquet":
        gpd.GeoDataFrame(pd.DataFrame(rows), geometry=coarse, crs="EPSG:4326").to_parquet(
            path, compression="zstd", index=False
        )
        return path
    features = [
        {"type": "Feature", "geometry": None if g is None else rounded(mapping(g)), "properties": row}
        for row, g in zip(rows, coarse, strict=True)
    ]
    return write_json(path, {"type": "FeatureCollection", "features": features}, indent=None)


def write_grid(path: Path, grid: xr.Dataset) -> Path:
    """Write a climate grid as packed NetCDF4; values are multiples of the packing step, so nothing is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding: dict[str, dict[str, Any]] = {
        str(name): {
            "dtype": "int16", "scale_factor": _PACKING[str(name)], "_FillValue": -32768, "zlib": True, "complevel": 9,
            "shuffle": True, "chunksizes": (min(grid.time.size, 1461), 1, 1),
        }
        for name in grid.data_vars
    }  # fmt: skip
    encoding["time"] = {"units": "days since 1970-01-01", "dtype": "int32"}
    grid.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


def rounded(value: Any) -> Any:
    """A JSON value with every float in it at seven decimals."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return round(value, 7) if isinstance(value, float) else value
