"""Small registers written to files, for the tests of their readers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.register import read_register

SQUARE = box(103.0, 2.0, 103.01, 2.01)
BOWTIE = Polygon([(103, 2), (103.01, 2.01), (103.01, 2), (103, 2.01)])


def plantations(geometries: list[BaseGeometry | None], **columns: Any) -> gpd.GeoDataFrame:
    n = len(geometries)
    base: dict[str, Any] = {
        "plantation_id": [f"P{i}" for i in range(n)],
        "country": ["MY"] * n,
        "planted_date": ["2010-05-01"] * n,
    }
    return gpd.GeoDataFrame(base | columns, geometry=geometries, crs="EPSG:4326")


def write(frame: gpd.GeoDataFrame, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_file(path)
    return str(path)


def read(frame: gpd.GeoDataFrame, path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    quarantine = Quarantine()
    return read_register([write(frame, path)], quarantine), quarantine.frame()
