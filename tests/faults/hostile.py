"""Files that were made to do harm, and a process that reads them with little memory and little time."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.geometry import box

ROOT = Path(__file__).parents[2]
#: address space of a child; the libraries alone map about one
MEMORY = 3 << 30
SECONDS = 60
#: CPU seconds that one file may take
EACH = 10.0
SQUARE = box(103.0, 2.0, 103.01, 2.01)

_CHILD = """
import json, sys, time
from plantation_rwa.errors import PlantationError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.register import read_register
for path in sys.argv[1:]:
    bad, start = Quarantine(), time.process_time()
    try:
        kept, refused = list(read_register([path], bad)["plantation_id"]), ""
    except PlantationError as error:
        kept, refused = [], str(error)
    rows = bad.frame()
    told = [list(r) for r in rows[["action", "reason"]].itertuples(index=False, name=None)]
    print(json.dumps([path, kept, refused, told, time.process_time() - start]), flush=True)
"""


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def child(arguments: list[str], *, seconds: int = SECONDS) -> subprocess.CompletedProcess[str]:
    """A Python process with :data:`MEMORY` of address space, ended after so many seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, timeout=seconds, env=environment, preexec_fn=_limited, check=False,
    )  # fmt: skip


def read_all(paths: list[Path]) -> dict[str, tuple[list[str], str, list[list[str]]]]:
    """Each register read in one limited child: accepted ids, refusal of the file, quarantine; time is asserted."""
    done = child(["-c", _CHILD, *map(str, paths)])
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}\n{done.stdout[-500:]}"
    out = {}
    for line in done.stdout.splitlines():
        path, kept, refused, told, seconds = json.loads(line)
        assert seconds < EACH, (path, seconds)
        out[Path(path).name] = (kept, refused, told)
    assert len(out) == len(paths)
    return out


def row(name: str = "P0") -> dict[str, str]:
    return {"plantation_id": name, "country": "MY", "planted_date": "2010-05-01"}


def parquet(path: Path, *wkb: bytes) -> Path:
    """A GeoParquet register of these geometries, as bytes, and a sound one behind them."""
    cells = [*wkb, shapely.to_wkb(SQUARE)]
    columns: dict[str, list[Any]] = {k: [v] * len(cells) for k, v in row().items()}
    columns["plantation_id"] = [f"P{n}" for n in range(len(cells))]
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table({**columns, "geometry": pa.array(cells, pa.binary())})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def geojson(path: Path, *geometries: Any) -> Path:
    """A GeoJSON register of these geometry members and a sound one behind them."""
    every = [*geometries, json.loads(shapely.to_geojson(SQUARE))]
    texts = [g if isinstance(g, str) else json.dumps(g) for g in every]
    text = ",".join(
        f'{{"type":"Feature","properties":{json.dumps(row(f"P{n}"))},"geometry":{g}}}' for n, g in enumerate(texts)
    )
    path.write_text('{"type":"FeatureCollection","features":[' + text + "]}")
    return path


def circle(vertices: int) -> shapely.Polygon:
    angles = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    return shapely.Polygon(np.column_stack([103 + 0.05 * np.cos(angles), 2 + 0.05 * np.sin(angles)]))


def scribble(vertices: int) -> shapely.Polygon:
    """A ring through random points: nearly every edge crosses every other."""
    return shapely.Polygon(np.random.default_rng(5).uniform([103, 2], [103.01, 2.01], (vertices, 2)))


def nested_wkb(levels: int, *, sideways: bool = False) -> bytes:
    """Collections in collections; sideways: each holds a point first, so that the depth lies in the second child."""
    point = struct.pack("<BIdd", 1, 1, 103.0, 2.0)
    head = struct.pack("<BII", 1, 7, 2) + point if sideways else struct.pack("<BII", 1, 7, 1)
    return head * levels + point


def nested_json(levels: int) -> str:
    return (
        '{"type":"GeometryCollection","geometries":[' * levels
        + json.dumps({"type": "Point", "coordinates": [103, 2]})
        + "]}" * levels
    )


def nested_wkt(levels: int) -> str:
    return "GEOMETRYCOLLECTION(" * levels + "POINT(103 2)" + ")" * levels


def geopackage(path: Path, script: str) -> Path:
    """A GeoPackage whose schema was changed by hand."""
    gpd.GeoDataFrame([row()], geometry=[SQUARE], crs="EPSG:4326").to_file(path, layer="register", driver="GPKG")
    with sqlite3.connect(path) as base:
        for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            base.execute(f'DROP TRIGGER "{name}"')
        base.executescript("PRAGMA writable_schema = 1;" + script)
    return path


def shapefile(path: Path) -> Path:
    frame = gpd.GeoDataFrame(
        [{"plantation": "P0", "country": "MY", "planted_da": "2010-05-01"}], geometry=[SQUARE], crs="EPSG:4326"
    )
    frame.to_file(path)
    return path


def zipped(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def gzip_bomb(size: int) -> bytes:
    """Zeros that take a thousandth of their size."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
