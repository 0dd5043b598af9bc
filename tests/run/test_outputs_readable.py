"""Published Parquet in the hands of others: DuckDB, GeoPandas, pyarrow and pandas, without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely
from jsonschema import Draft7Validator
from pyproj.datadir import get_data_dir
from referencing import Registry
from referencing.jsonschema import DRAFT7

from plantation_rwa.publish.manifest import load
from plantation_rwa.schema.tables import TABLES, table

AS_OF = "2026-05-31"
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@pytest.fixture(scope="module")
def parquet(small_run: Path) -> list[Path]:
    """Every published Parquet file."""
    found = sorted(small_run.rglob("*.parquet"))
    assert {p.relative_to(small_run).parts[0] for p in found} == {*TABLES, "latest", "attestations"} & {
        p.name for p in small_run.iterdir()
    }
    assert len(found) > 60
    return found


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    """DuckDB as it comes: no extension may be fetched or loaded."""
    settings: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    return duckdb.connect(config=settings)


def table_name(path: Path, root: Path) -> str:
    first = path.relative_to(root).parts[0]
    return path.stem if first in ("latest", "attestations") else first


def test_every_file_has_the_rows_its_manifest_says_in_four_readers(
    small_run: Path, parquet: list[Path], database: duckdb.DuckDBPyConnection
) -> None:
    manifest = load(small_run, AS_OF)
    assert manifest is not None
    rows = {o.path: o.rows for o in manifest.outputs}
    seen = 0
    for path in parquet:
        relative = path.relative_to(small_run).as_posix()
        content = pq.read_table(path, partitioning=None)
        frame = pd.read_parquet(path, partitioning=None)
        counted = database.execute("select count(*) from read_parquet(?)", [str(path)]).fetchone()
        assert counted == (len(frame),) == (content.num_rows,)
        if not relative.startswith("latest/"):
            assert rows[relative] == len(frame)
            seen += 1
        if b"geo" in (content.schema.metadata or {}):
            shapes = gpd.read_parquet(path, partitioning=None)
            assert len(shapes) == len(frame)
            assert shapes.crs == "EPSG:4326"
            assert shapes.geometry.is_valid.all()
        assert list(frame.columns) == content.schema.names
    assert seen == len([p for p in rows if p.endswith(".parquet")])


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """The published schema of GeoParquet 1.1.0 metadata, with the one of its coordinate reference systems."""
    own = json.loads((Path(__file__).parents[1] / "schemas" / "geoparquet-1.1.0.json").read_text("utf-8"))
    crs = json.loads((Path(get_data_dir()) / "projjson.schema.json").read_text("utf-8"))
    address = own["properties"]["columns"]["patternProperties"][".+"]["properties"]["crs"]["oneOf"][0]["$ref"]
    registry: Registry[Any] = Registry().with_resource(address, DRAFT7.create_resource(crs))
    return Draft7Validator(own, registry=registry)


def test_geoparquet_metadata_is_version_1_1_with_covering_and_crs(
    small_run: Path, parquet: list[Path], official: Draft7Validator
) -> None:
    with_geometry = 0
    for path in parquet:
        schema = pq.read_schema(path)
        if not table(table_name(path, small_run)).has_geometry:
            assert b"geo" not in (schema.metadata or {})
            continue
        with_geometry += 1
        geo: dict[str, Any] = json.loads(schema.metadata[b"geo"])
        assert [error.message for error in official.iter_errors(geo)] == []
        column = geo["columns"]["geometry"]
        assert geo["version"] == "1.1.0"
        assert geo["primary_column"] == "geometry"
        assert column["encoding"] == "WKB"
        assert column["crs"]["id"] == {"authority": "EPSG", "code": 4326}
        assert column["covering"]["bbox"] == {corner: ["bbox", corner] for corner in CORNERS}
        assert set(column["geometry_types"]) <= {"Point", "Polygon", "MultiPolygon"}
    assert with_geometry > 55


@pytest.mark.parametrize(
    ("where", "value"),
    [("version", "1.0.0"), ("encoding", "WKT"), ("crs", {"type": "GeographicCRS"}), ("covering", {})],
)
def test_the_official_schema_would_object(
    parquet: list[Path], official: Draft7Validator, where: str, value: Any
) -> None:
    geo = next(json.loads(m[b"geo"]) for p in parquet if b"geo" in (m := pq.read_schema(p).metadata or {}))
    place = geo if where == "version" else geo["columns"]["geometry"]
    assert where in place
    place[where] = value
    assert list(official.iter_errors(geo))


def test_the_covering_is_that_of_the_geometry_in_every_row(
    small_run: Path, database: duckdb.DuckDBPyConnection
) -> None:
    path = small_run / "latest" / "valuations.parquet"
    columns = ", ".join(f"bbox.{corner}" for corner in CORNERS)
    boxes = database.execute(f"select {columns}, geometry::blob from read_parquet(?)", [str(path)]).fetchall()
    assert len(boxes) == 4
    for *box, wkb in boxes:
        assert tuple(box) == shapely.from_wkb(bytes(wkb)).bounds
    low = min(b[0] for b in boxes)
    found = database.execute("select count(*) from read_parquet(?) where bbox.xmin > ?", [str(path), low]).fetchone()
    assert found == (3,), "a filter on the covering needs no spatial extension"
    part = gpd.read_parquet(path, bbox=tuple(boxes[0][:4]))
    assert 1 <= len(part) < 4


def test_every_column_says_its_unit_and_meaning(parquet: list[Path]) -> None:
    columns = 0
    for path in parquet:
        for field in pq.read_schema(path):
            said = field.metadata or {}
            assert said.get(b"description", b"").decode().strip(), f"{path.name}: {field.name}"
            assert b"unit" in said, f"{path.name}: {field.name}"
            columns += 1
    assert columns > 1000


@pytest.mark.parametrize(
    ("name", "keys"),
    [("features", ("month", "vintage")), ("valuations", ("as_of",)), ("quarantine", ("as_of",))],
)
def test_the_folders_give_textual_partition_keys(
    small_run: Path, database: duckdb.DuckDBPyConnection, name: str, keys: tuple[str, ...]
) -> None:
    files = sorted((small_run / name).rglob("*.parquet"))
    expected = sorted({tuple(part.split("=", 1)[1] for part in p.relative_to(small_run).parts[1:-1]) for p in files})
    pattern = str(small_run / name / "**" / "*.parquet")
    chosen = ", ".join(keys)
    query = (
        f"select distinct {chosen}, typeof({keys[0]}) from "
        f"read_parquet(?, hive_partitioning = true, hive_types_autocast = false) order by {chosen}"
    )
    listed = database.execute(query, [pattern]).fetchall()
    assert listed == [(*values, "VARCHAR") for values in expected]
    arrow = ds.dataset(small_run / name, format="parquet", partitioning=ds.partitioning(flavor="hive")).to_table(
        columns=list(keys)
    )
    assert {str(arrow.schema.field(k).type) for k in keys} <= {
        "string",
        "dictionary<values=string, indices=int32, ordered=0>",
    }
    assert sorted({tuple(row[k] for k in keys) for row in arrow.to_pylist()}) == expected
    files_hold = set(pq.read_schema(files[0]).names)
    assert not files_hold & set(keys), "partition keys come from the path alone"


def test_latest_carries_the_keys_as_text_and_one_row_per_plantation_and_month(
    small_run: Path, database: duckdb.DuckDBPyConnection
) -> None:
    place = str(small_run / "latest" / "features.parquet")
    row = database.execute(
        "select count(*), count(distinct (plantation_id, month)), min(typeof(month)), min(typeof(vintage)), max(month) "
        "from read_parquet(?)",
        [place],
    ).fetchone()
    assert row == (53 * 4, 53 * 4, "VARCHAR", "VARCHAR", "2026-05")
    values = gpd.read_parquet(small_run / "latest" / "valuations.parquet")
    assert set(values["as_of"]) == {AS_OF}
    assert isinstance(values["as_of"].iloc[0], str)


def test_large_integers_stay_exact(small_run: Path, database: duckdb.DuckDBPyConnection) -> None:
    path = str(small_run / "latest" / "valuations.parquet")
    rows = database.execute(
        "select nav_total_int, decimals, unit_nav_int, unit_decimals, units, typeof(unit_nav_int) from read_parquet(?)",
        [path],
    ).fetchall()
    for total, decimals, unit, unit_decimals, units, kind in rows:
        assert kind == "DECIMAL(38,0)"
        exact = total * 10 ** (unit_decimals - decimals) // units
        assert int(unit) == exact


def test_every_file_of_a_simulated_portfolio_says_so_itself(small_run: Path) -> None:
    manifest = json.loads((small_run / "manifests" / "as_of=2026-05-31.json").read_text())
    files = [o["path"] for o in manifest["outputs"] if o["path"].endswith(".parquet")]
    assert files
    for path in files:
        metadata = pq.read_schema(small_run / path).metadata
        assert metadata[b"plantation_rwa.simulated"] == b"true", path
