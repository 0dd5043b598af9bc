"""Published tables as GeoParquet 1.1.0, or plain Parquet without a geometry; byte for byte reproducible."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import OutputFile, write_atomically
from plantation_rwa.schema.fields import PARTITION_FIELDS, Field
from plantation_rwa.schema.row_order import in_order, ordered
from plantation_rwa.schema.tables import Table, table
from plantation_rwa.schema.texts import TEXT

GEOPARQUET_VERSION = "1.1.0"
CRS_TEXT = "EPSG:4326"
_WORLD = (-180.0, -90.0, 180.0, 90.0)
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_BBOX = pa.field(
    "bbox",
    pa.struct([pa.field(edge, pa.float64()) for edge in _EDGES]),
    metadata={
        "unit": "degree",
        "description": "Bounding box of the geometry, for filters that need not decode it.",
    },
)
_ROW_GROUP = 10_000
_DICTIONARY_BYTES = 8 * 1024 * 1024


def write_part(frame: pd.DataFrame, table_name: str, path: str | Path, *, simulated: bool = False) -> OutputFile:
    """Write one partition file of a published table.

    Rows are ordered along a Hilbert curve over the whole world and then by key (rows without a geometry last,
    tables without one by key alone), so equal rows give equal bytes whatever order they come in.

    Parameters
    ----------
    frame
        A table that went through :func:`plantation_rwa.schema.checks.finalise`; geometry in longitude and
        latitude on WGS84 (shapely objects or None; an empty geometry is written as null, a third dimension is
        dropped, rings are oriented).
    table_name
        See :data:`plantation_rwa.schema.tables.TABLES`.
    path
        Final file name.
    simulated
        Whether inputs are simulated; the file's metadata then says so (``plantation_rwa.simulated``).

    Returns
    -------
    OutputFile
        Path, SHA-256, bytes, rows.

    Raises
    ------
    PublishError
        If columns, types, nulls or the CRS are not as declared, or what was read back differs. Nothing is
        left behind then.
    """
    spec = table(table_name)
    return write_table(frame, spec, spec.fields, path, simulated=simulated)


def write_table(
    frame: pd.DataFrame, spec: Table, fields: Sequence[Field], path: str | Path, *, simulated: bool = False
) -> OutputFile:
    """Write ``frame`` with exactly ``fields``: those of the table, for ``latest`` partition keys too."""
    content = _arrow(frame, spec, fields, str(path))
    if simulated:
        content = content.replace_schema_metadata(
            {**(content.schema.metadata or {}), b"plantation_rwa.simulated": b"true"}
        )
    return write_atomically(path, lambda temporary: _write_and_compare(content, temporary, str(path)))


def read_part(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read one published file.

    Parameters
    ----------
    path
        File written by :func:`write_part`.
    columns
        Columns wanted, in this order; None for all. The ``bbox`` covering is never returned.

    Returns
    -------
    pandas.DataFrame
        A GeoDataFrame (EPSG:4326) if a geometry is among the columns. Texts are ``str``, integers ``Int64``,
        booleans ``boolean``, floats ``float64`` with NaN, dates :class:`datetime.date`, decimals ``int``.

    Raises
    ------
    PublishError
        If the file is missing, damaged, or lacks a column.
    """
    return _frame(_content(path, columns))


def read_parts(
    paths: Sequence[str | Path], columns: Sequence[str] | None = None, *, keys: Sequence[str] = ()
) -> pd.DataFrame:
    """Read several files of one table, in the order given.

    Parameters
    ----------
    paths
        At least one.
    columns
        Columns wanted of the files, partition keys not among them; None for all.
    keys
        Partition keys: the ``key=value`` folders of each path that become text columns at the end.
    """
    if not paths:
        raise PublishError("no parts to read. Run the stage that writes them first.")
    contents = []
    for path in paths:
        content, values = _content(path, columns), partition_values(str(path))
        for key in keys:
            content = content.append_column(key, pa.repeat(pa.scalar(values[key], pa.string()), content.num_rows))
        contents.append(content)
    filled = [c for c in contents if c.num_rows] or contents[:1]
    # a column of a frame costs as much for many rows as for a few: files that are alike are joined before
    alike = [list(group) for _, group in groupby(filled, lambda c: c.schema.remove_metadata())]
    frames = [_frame(pa.concat_tables(group).combine_chunks()) for group in alike]
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


def _content(path: str | Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = [n for n in file.schema_arrow.names if n != "bbox"]
        missing = sorted(set(columns or ()) - set(names))
        if missing:
            raise PublishError(f"{path}: no column {', '.join(missing)}. It has: {', '.join(names)}.")
        content = file.read(columns=list(names if columns is None else columns))
    except (OSError, pa.ArrowException) as error:
        raise PublishError(f"{path}: cannot be read ({error}). Run the stage that writes it again.") from error
    return content.select(names if columns is None else list(columns))


def _frame(content: pa.Table) -> pd.DataFrame:
    data = {name: _series(content.column(name), name) for name in content.column_names}
    frame = pd.DataFrame(data, index=pd.RangeIndex(content.num_rows), columns=content.column_names)
    is_geo = "geometry" in data and b"geo" in (content.schema.metadata or {})
    return gpd.GeoDataFrame(frame, geometry="geometry", crs=CRS_TEXT) if is_geo else frame


def partition_values(rel_path: str) -> dict[str, str]:
    """Partition keys in a path, e.g. ``features/month=2026-05/vintage=2026-06-03/part-0.parquet``."""
    pairs = (part.split("=", 1) for part in Path(rel_path).parts[:-1] if "=" in part)
    return {key: value for key, value in pairs if key in PARTITION_FIELDS}


def hilbert_distance(geometry: NDArray[Any]) -> NDArray[np.uint32]:
    """Distance of each bounding-box centre along a level-16 Hilbert curve over the world; null: the maximum.

    The bounds are fixed, so a plantation keeps its place whatever else is in the file.
    """
    out = np.full(len(geometry), np.iinfo(np.uint32).max, dtype=np.uint32)
    present = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    if present.any():
        series = gpd.GeoSeries(geometry[present], crs=CRS_TEXT)
        out[present] = series.hilbert_distance(total_bounds=_WORLD, level=16).to_numpy()
    return out


def _arrow(frame: pd.DataFrame, spec: Table, fields: Sequence[Field], path: str) -> pa.Table:
    expected = [f.name for f in fields]
    if list(frame.columns) != expected:
        unlike = sorted(set(expected) ^ set(frame.columns)) or "their order"
        raise PublishError(
            f"{path}: columns are not those of table '{spec.name}' ({unlike}). Pass it through finalise."
        )
    frame = in_order(frame, _order(frame, spec))
    required = {*spec.required, *(f.name for f in fields if f.name in PARTITION_FIELDS)}
    columns: list[pa.Array] = []
    declared: list[pa.Field] = []
    metadata = {b"plantation_rwa.table": spec.name.encode()}
    for field in fields:
        if field.kind == "geometry":
            _require_crs(frame, path)
            outlines, boxes, metadata[b"geo"] = _geometries(_Shapes.of(frame))
            columns += [outlines, boxes]
            declared += [field.arrow(), _BBOX]
            continue
        try:
            values = pa.array(frame[field.name], type=field.arrow_type, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise PublishError(
                f"{path}: column '{field.name}' is not {field.kind} ({error}). Pass it through finalise."
            ) from error
        if values.null_count and field.name in required:
            raise PublishError(f"{path}: column '{field.name}' has {values.null_count} nulls and may have none.")
        columns.append(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
        declared.append(field.arrow().with_nullable(field.name not in required))
    return pa.Table.from_arrays(columns, schema=pa.schema(declared, metadata=metadata))


def _order(frame: pd.DataFrame, spec: Table) -> NDArray[np.intp]:
    """Positions of the rows in published order: Hilbert distance, key, then what else tells rows apart."""
    keys = [*(k for k in PARTITION_FIELDS if k in frame.columns), *spec.key]
    along = [_along(_Shapes.of(frame))] if spec.has_geometry else []
    order, repeated = ordered([*along, *(frame[key] for key in keys)])
    if not repeated:
        return order
    others = [f.name for f in spec.fields if f.kind in {"text", "int"} and f.name not in keys]
    return ordered([*along, *(frame[key] for key in (*keys, *others))])[0]


def _require_crs(frame: pd.DataFrame, path: str) -> None:
    crs = getattr(frame["geometry"], "crs", None)
    if crs is not None and CRS.from_user_input(crs).to_epsg() != 4326:
        raise PublishError(f"{path}: geometry is in {CRS.from_user_input(crs).name}. Reproject it to {CRS_TEXT}.")


class _Shapes:
    """A column of geometries, equal to another one of the same objects, which stay as they are."""

    def __init__(self, geometry: NDArray[Any]) -> None:
        self.geometry = geometry
        self._objects = tuple(map(id, geometry))

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Shapes:
        return cls(frame["geometry"].to_numpy(dtype=object, copy=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shapes) and self._objects == other._objects

    def __hash__(self) -> int:
        return hash(self._objects)


@lru_cache(maxsize=4)
def _along(shapes: _Shapes) -> NDArray[np.uint32]:
    """Distances of a column: most months have the outlines of the month before."""
    found = hilbert_distance(shapes.geometry)
    found.setflags(write=False)  # it is handed out again
    return found


@lru_cache(maxsize=4)
def _geometries(shapes: _Shapes) -> tuple[pa.Array, pa.StructArray, bytes]:
    """Outlines as WKB, their bounding boxes, and what the file's metadata say of them."""
    geometry = shapes.geometry.copy()
    geometry[pd.isna(geometry) | shapely.is_empty(geometry)] = None
    geometry = np.asarray(shapely.orient_polygons(geometry), dtype=object)
    outlines = pa.array(shapely.to_wkb(geometry, output_dimension=2, byte_order=1), pa.binary())
    return outlines, _boxes(geometry), _geo_metadata(geometry)


def _boxes(geometry: NDArray[Any]) -> pa.StructArray:
    bounds = shapely.bounds(geometry).reshape(-1, 4)
    children = [pa.array(bounds[:, i], pa.float64()) for i in range(4)]
    return pa.StructArray.from_arrays(
        children, fields=list(_BBOX.type), mask=pa.array(shapely.is_missing(geometry), pa.bool_())
    )


def _geo_metadata(geometry: NDArray[Any]) -> bytes:
    present = geometry[~shapely.is_missing(geometry)]
    _, of_each_type = np.unique(shapely.get_type_id(present), return_index=True)
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(present[n].geom_type for n in of_each_type),
        "crs": _projjson(),
        "orientation": "counterclockwise",
        "edges": "planar",
        "covering": {"bbox": {edge: ["bbox", edge] for edge in _EDGES}},
    }
    if len(present):
        column["bbox"] = [float(v) for v in shapely.total_bounds(present)]
    geo = {"version": GEOPARQUET_VERSION, "primary_column": "geometry", "columns": {"geometry": column}}
    return json.dumps(geo, sort_keys=True, separators=(",", ":")).encode()


@lru_cache(maxsize=1)
def _projjson() -> dict[str, Any]:
    return dict(CRS.from_user_input(CRS_TEXT).to_json_dict())


def _write_and_compare(content: pa.Table, temporary: Path, path: str) -> int:
    pq.write_table(
        content,
        temporary,
        compression="zstd",
        # level 6 makes files 1 % smaller and takes half as long again
        compression_level=3,
        row_group_size=_ROW_GROUP,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        # measured numbers hardly repeat: a dictionary of them takes a quarter of the time and makes files 6 % larger
        use_dictionary=_leaf_paths(pa.schema([f for f in content.schema if not _measured(f.type)])),
        # the smallest and the largest outline or picture say nothing and would be stored once more
        write_statistics=_leaf_paths(pa.schema([f for f in content.schema if not pa.types.is_binary(f.type)])),
        write_page_checksum=True,
        store_schema=True,
    )
    back = pq.ParquetFile(temporary, page_checksum_verification=True).read()
    same = back.schema.remove_metadata().equals(content.schema.remove_metadata())
    if back.num_rows != content.num_rows or not same or not back.equals(content):
        raise PublishError(f"{path}: what was read back is not what was written. Check the disk.")
    return int(back.num_rows)


def _measured(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_struct(kind))


def _leaf_paths(schema: pa.Schema) -> list[str]:
    return [
        p for f in schema for p in ([f"{f.name}.{c.name}" for c in f.type] if pa.types.is_struct(f.type) else [f.name])
    ]


def _series(column: pa.ChunkedArray, name: str) -> Any:
    kind = column.type
    if pa.types.is_binary(kind) and name != "geometry":
        return pd.Series(column.to_pylist(), dtype="object")
    if pa.types.is_binary(kind):
        return pd.Series(shapely.from_wkb(column.to_numpy(zero_copy_only=False)), dtype="object")
    if pa.types.is_decimal(kind):
        return pd.Series([None if v is None else int(v) for v in column.to_pylist()], dtype="object")
    if pa.types.is_date(kind):
        values: list[dt.date | None] = column.to_pylist()
        return pd.Series(values, dtype="object")
    if pa.types.is_string(kind):
        return column.to_pandas(types_mapper={pa.string(): TEXT}.get)
    mapper = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return column.to_pandas(types_mapper=mapper.get)
