"""Vector files (GeoParquet, GeoPackage, GeoJSON, Shapefile, plain tables) into a sheet and one outline per row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyproj import CRS

from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.json_text import parsed
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec, number_text
from plantation_rwa.sources.files import RawFile, file_name, load, one_line, read_bytes
from plantation_rwa.sources.geometry import (
    WGS84,
    Outline,
    RawGeometry,
    from_geojson,
    from_wkb,
    from_wkt,
    looks_geographic,
    outline,
    parse_crs,
    to_wgs84,
)
from plantation_rwa.sources.guards import check_container, check_parquet, check_tables, geopackage_tables, limit
from plantation_rwa.sources.tables import Sheet, sheet_of

_FORMATS = "Use GeoParquet (.parquet), GeoPackage (.gpkg), GeoJSON (.geojson) or Shapefile (.shp)."


@dataclass(frozen=True)
class _Vector:
    raw: RawFile
    geometries: list[RawGeometry]
    crs: CRS | None
    has_geometry: bool = True


def read_vectors(
    paths: Sequence[str],
    *,
    input: str,
    columns: Mapping[str, ColumnSpec],
    quarantine: Quarantine,
    geometry_required: bool,
) -> tuple[Sheet, list[Outline]]:
    """Read vector files, mend outlines, bring them to WGS84.

    Parameters
    ----------
    paths
        Files; where no geometry is required, CSV and Parquet without geometry are read too.
    columns
        What each attribute may hold.
    geometry_required
        Whether a file without geometry column is an error. Unusable geometries are left to the caller.

    Returns
    -------
    tuple
        The sheet, no geometry in it, and one outline per row of it.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a column, or has no CRS and no coordinates in degrees.
    """
    vectors, problems = [], list[Problem]()
    for path in paths:
        try:
            vector = _load(path, input, columns, quarantine)
            if geometry_required and not vector.has_geometry:
                raise SourceError.of(vector.raw.name, "has no geometry column", "", _FORMATS)
            _check_crs(vector, input, quarantine)
            vectors.append(vector)
        except SourceError as error:
            problems += error.problems
    sheet = sheet_of([v.raw for v in vectors], input=input, columns=columns, quarantine=quarantine, problems=problems)
    return sheet, [o for v in vectors for o in _outlines(v)]


def declared_crs(path: str, input: str, columns: Mapping[str, ColumnSpec]) -> str:
    """Coordinate system a vector file declares, as authority text or name; empty if none that can be used.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    vector = _load(path, input, columns, Quarantine())
    if vector.crs is None or not vector.has_geometry:
        return ""
    authority = vector.crs.to_authority()
    return ":".join(authority) if authority else str(vector.crs.name)


def _outlines(vector: _Vector) -> list[Outline]:
    transformer = to_wgs84(vector.crs) if vector.crs is not None else None
    return [outline(g, transformer) for g in vector.geometries]


def _check_crs(vector: _Vector, input: str, quarantine: Quarantine) -> None:
    if vector.crs is not None or not any(g.geometry is not None for g in vector.geometries):
        return
    if not any(looks_geographic(g.geometry) for g in vector.geometries):
        told = "has no usable CRS and its coordinates are not degrees"
        raise SourceError.of(vector.raw.name, told, "", "Declare the CRS (for a Shapefile: put the .prj beside it).")
    told = f"the file declares no usable CRS; its coordinates look like longitude and latitude and were read as {WGS84}"
    quarantine.add(input, vector.raw.name, told, "repaired", column="geometry")


def _load(path: str, input: str, columns: Mapping[str, ColumnSpec], quarantine: Quarantine) -> _Vector:
    name = file_name(path)
    ending = name.lower().rsplit(".", 1)[-1]
    if ending in {"parquet", "pq", "geoparquet"}:
        return _parquet(path, name)
    if ending in {"geojson", "json"}:
        return _geojson(name, read_bytes(path), list(columns))
    if ending in {"gpkg", "shp"}:
        return _ogr(path, name, input, truncated=ending == "shp")
    if ending == "csv":
        raw = load(path, input, columns, quarantine)
        index = next((i for i, n in enumerate(raw.table.column_names) if n.lower() in {"geometry", "wkt"}), None)
        texts = [] if index is None else raw.table.column(index).to_pylist()
        return _Vector(
            raw,
            [from_wkt(t) for t in texts] or [RawGeometry(None)] * len(raw.rows),
            CRS.from_epsg(4326),
            index is not None,
        )
    raise SourceError.of(name, f"{input} cannot be read in this format", f".{ending}", _FORMATS)


def _parquet(path: str, name: str) -> _Vector:
    try:
        file = pq.ParquetFile(pa.BufferReader(read_bytes(path)))
        check_parquet(file, name, limit("vector_rows_max"))
        table = file.read()
        meta = json.loads((table.schema.metadata or {}).get(b"geo", b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError.of(name, "is not a readable Parquet file", one_line(error), "Write it again.") from None
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    column = str(meta.get("primary_column", "geometry"))
    info = meta.get("columns", {}).get(column, {})
    if column not in table.column_names:
        return _Vector(RawFile(name, table, rows), [RawGeometry(None)] * len(rows), None, has_geometry=False)
    binary = pa.types.is_binary(table.schema.field(column).type) or pa.types.is_large_binary(
        table.schema.field(column).type
    )
    if not binary or str(info.get("encoding", "WKB")).upper() != "WKB":
        raise SourceError.of(
            name,
            f"column '{column}' is not encoded as WKB",
            str(info.get("encoding", "")),
            "Write GeoParquet with WKB.",
        )
    geometries = [from_wkb(v) for v in table.column(column).to_pylist()]
    # GeoParquet: an absent crs means longitude and latitude, an explicit null means unknown
    crs = parse_crs(info.get("crs", "OGC:CRS84")) if info else None
    return _Vector(RawFile(name, table.drop_columns([column]), rows), geometries, crs)


def _geojson(name: str, data: bytes, expected: list[str]) -> _Vector:
    most = limit("json_bytes_max")
    if len(data) > most:
        raise SourceError.of(name, f"has {len(data)} bytes, more than {most}", "", "Use GeoParquet, or split it.")
    try:
        document = parsed(data.decode("utf-8-sig"))
        features = document["features"] if document["type"] == "FeatureCollection" else [document]
        records = [(dict(f.get("properties") or {}), f.get("geometry")) for f in features]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError.of(name, "is not a GeoJSON FeatureCollection", one_line(error), "Write it again.") from None
    # without features there are no columns to miss
    names = list(dict.fromkeys(k for properties, _ in records for k in properties)) if records else expected
    # JSON values keep their own type: one odd value must not change how the column's others are read
    columns = {n: pa.array([_json_text(p.get(n)) for p, _ in records], type=pa.string()) for n in names}
    table = pa.table(columns) if names else pa.table({"": pa.nulls(len(records), pa.string())})
    crs = parse_crs(_geojson_crs(document))
    rows = np.arange(1, len(records) + 1, dtype=np.int64)
    return _Vector(RawFile(name, table, rows), [from_geojson(g) for _, g in records], crs)


def _geojson_crs(document: Mapping[str, Any]) -> Any:
    if "crs" not in document:
        return WGS84
    member = document["crs"]
    properties = member.get("properties") if isinstance(member, Mapping) else None
    return properties.get("name") if isinstance(properties, Mapping) else None


def _json_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return str(value) if isinstance(value, int) else json.dumps(value)


def _ogr(path: str, name: str, input: str, *, truncated: bool) -> _Vector:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    check_container(path, name)
    try:
        layers = [str(layer) for layer, kind in pyogrio.list_layers(path) if kind is not None] or [
            str(layer) for layer, _ in pyogrio.list_layers(path)
        ]
        if len(layers) > 1 and input not in layers:
            raise SourceError.of(
                name, "has several layers", ", ".join(layers), f"Keep one, or name the one to read '{input}'."
            )
        layer = input if input in layers else layers[0]
        if not truncated:
            check_tables(name, [layer], geopackage_tables(path, name))
        rows_told = int(pyogrio.read_info(path, layer=layer)["features"])
        if rows_told > limit("vector_rows_max"):
            most = limit("vector_rows_max")
            raise SourceError.of(name, f"says it has {rows_told} rows, more than {most}", "", "Split the file.")
        meta, table = pyogrio.read_arrow(path, layer=layer)
    except (DataSourceError, DataLayerError, OSError, ValueError, IndexError, pa.ArrowException) as error:
        raise SourceError.of(name, "cannot be read", one_line(error), _FORMATS) from None
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    column = meta["geometry_name"] or "wkb_geometry"
    if column not in table.column_names:
        return _Vector(RawFile(name, table, rows, truncated), [RawGeometry(None)] * len(rows), None, has_geometry=False)
    geometries = [from_wkb(v) for v in table.column(column).to_pylist()]
    return _Vector(RawFile(name, table.drop_columns([column]), rows, truncated), geometries, parse_crs(meta["crs"]))
