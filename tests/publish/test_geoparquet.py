"""GeoParquet files: what other tools see, what the standard asks for, and what a crash leaves behind."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.geoparquet import (
    hilbert_distance,
    partition_values,
    read_part,
    read_parts,
    write_part,
)
from plantation_rwa.schema.tables import TABLES, table
from tests.publish.portfolio import empty, features, mixed, shapes, valuations

GEO_TABLES = [name for name, spec in TABLES.items() if spec.has_geometry]


def geo_metadata(path: Path) -> dict[str, object]:
    return dict(json.loads(pq.read_schema(path).metadata[b"geo"]))


def problems_of_geo(geo: dict[str, object], schema: pa.Schema) -> list[str]:
    """What GeoParquet 1.1.0 demands, written out from the specification; empty if all is well."""
    bad = []
    if geo.get("version") != "1.1.0":
        bad.append("version")
    columns = geo["columns"]
    if geo.get("primary_column") not in columns:
        bad.append("primary_column")
    for name, column in columns.items():
        field = schema.field(name)
        if column["encoding"] != "WKB" or field.type != pa.binary():
            bad.append("encoding")
        kind = re.compile(r"^(GeometryCollection|(Multi)?(Point|LineString|Polygon))( Z)?$")
        if len(set(column["geometry_types"])) != len(column["geometry_types"]) or not all(
            kind.match(t) for t in column["geometry_types"]
        ):
            bad.append("geometry_types")
        if column["crs"]["id"] != {"authority": "EPSG", "code": 4326} or "projjson" not in column["crs"]["$schema"]:
            bad.append("crs")
        if column.get("edges", "planar") not in {"planar", "spherical"}:
            bad.append("edges")
        if column.get("orientation", "counterclockwise") != "counterclockwise":
            bad.append("orientation")
        if "bbox" in column and (len(column["bbox"]) != 4 or not np.isfinite(column["bbox"]).all()):
            bad.append("bbox")
        covering = column["covering"]["bbox"]
        if covering != {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}:
            bad.append("covering")
        box = schema.field("bbox")
        if [f.name for f in box.type] != ["xmin", "ymin", "xmax", "ymax"] or {f.type for f in box.type} != {
            pa.float64()
        }:
            bad.append("bbox column")
        if box.nullable != field.nullable:
            bad.append("bbox repetition")
    return bad


@pytest.mark.parametrize("name", GEO_TABLES)
@pytest.mark.parametrize("rows", ["mixed", "empty"])
def test_metadata_is_geoparquet_1_1_0(tmp_path: Path, name: str, rows: str) -> None:
    frame = mixed().get(name, empty(name)) if rows == "mixed" else empty(name)
    path = tmp_path / "part-0.parquet"
    write_part(frame, name, path)
    assert problems_of_geo(geo_metadata(path), pq.read_schema(path)) == []


def test_metadata_tells_types_bounds_and_covering_of_the_rows(tmp_path: Path) -> None:
    write_part(mixed()["valuations"], "valuations", tmp_path / "v.parquet")
    column = geo_metadata(tmp_path / "v.parquet")["columns"]["geometry"]
    assert column["geometry_types"] == ["MultiPolygon", "Point", "Polygon"]
    present = [g for g in shapes() if g is not None and not g.is_empty]
    assert column["bbox"] == list(shapely.total_bounds(present))
    content = pq.read_table(tmp_path / "v.parquet")
    # a row has a box if and only if it has a geometry; an empty geometry is none
    assert [b is None for b in content["bbox"].to_pylist()] == [g is None for g in content["geometry"].to_pylist()]
    assert content["geometry"].null_count == 2
    for box, wkb in zip(content["bbox"].to_pylist(), content["geometry"].to_pylist(), strict=True):
        if wkb is not None:
            assert tuple(box.values()) == shapely.from_wkb(wkb).bounds


def test_metadata_of_an_empty_table_has_no_bounds(tmp_path: Path) -> None:
    write_part(empty("features"), "features", tmp_path / "f.parquet")
    column = geo_metadata(tmp_path / "f.parquet")["columns"]["geometry"]
    assert column["geometry_types"] == []
    assert "bbox" not in column
    assert gpd.read_parquet(tmp_path / "f.parquet").crs.to_epsg() == 4326


@pytest.mark.parametrize("name", list(TABLES))
def test_every_field_carries_unit_description_type_and_nullability(tmp_path: Path, name: str) -> None:
    write_part(mixed().get(name, empty(name)), name, tmp_path / "p.parquet")
    schema, spec = pq.read_schema(tmp_path / "p.parquet"), table(name)
    assert [f.name for f in schema if f.name != "bbox"] == list(spec.columns)
    for field in spec.fields:
        written = schema.field(field.name)
        assert written.metadata[b"unit"].decode() == field.unit
        assert written.metadata[b"description"].decode() == field.description
        assert written.type == field.arrow_type
        assert written.nullable == (field.name not in spec.required)
    if spec.has_geometry:
        assert schema.field("bbox").metadata[b"unit"] == b"degree"
    assert b"pandas" not in schema.metadata
    assert not {"month", "vintage", "as_of", "__index_level_0__"} & set(schema.names)


def test_files_are_zstd_with_page_checksums(tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    write_part(mixed()["valuations"], "valuations", path)
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
    damaged = bytearray(path.read_bytes())
    position = group.column(0).dictionary_page_offset + 40
    damaged[position] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(PublishError, match=r"v\.parquet: cannot be read .*Run the stage that writes it again"):
        read_part(path)


@pytest.mark.parametrize("name", ["features", "forecasts", "valuations", "quarantine", "curves"])
def test_what_is_read_is_what_was_written(tmp_path: Path, name: str) -> None:
    frame = mixed()[name]
    file = write_part(frame, name, tmp_path / "p.parquet")
    back = read_part(tmp_path / "p.parquet")
    assert (file.rows, file.bytes) == (len(frame), (tmp_path / "p.parquet").stat().st_size)
    key = list(table(name).key)
    left = pd.DataFrame(back.drop(columns="geometry", errors="ignore")).sort_values(key).reset_index(drop=True)
    right = pd.DataFrame(frame.drop(columns="geometry", errors="ignore")).sort_values(key).reset_index(drop=True)
    pd.testing.assert_frame_equal(left, right)
    if "geometry" in frame:
        order = frame.set_index(key)["geometry"]
        for row in back.set_index(key)["geometry"].items():
            wanted = order.loc[row[0]]
            assert (row[1] is None and (wanted is None or wanted.is_empty)) or row[1].equals(wanted)


@pytest.mark.parametrize("name", ["features", "valuations", "quarantine"])
def test_files_read_together_are_those_read_one_by_one(tmp_path: Path, name: str) -> None:
    """Whole, empty, and with columns that an earlier version did not have."""
    frame, paths = mixed()[name], [tmp_path / f"{i}.parquet" for i in range(3)]
    for part, path in zip((frame, frame.iloc[:0], frame.iloc[:1]), paths, strict=True):
        write_part(part, name, path)
    for chosen in (paths, paths[1:2]):
        parts = [read_part(path) for path in chosen]
        joined = read_parts(chosen)
        expected = pd.concat([p for p in parts if len(p)] or parts, ignore_index=True)
        assert type(joined) is type(expected)
        pd.testing.assert_frame_equal(pd.DataFrame(joined), pd.DataFrame(expected))
    older = pq.read_table(paths[2])
    pq.write_table(older.drop_columns([older.column_names[-1]]), paths[2])
    joined = read_parts(paths)
    again = pd.concat([p for p in map(read_part, paths) if len(p)], ignore_index=True)
    pd.testing.assert_frame_equal(pd.DataFrame(joined), pd.DataFrame(again))


def test_columns_can_be_chosen_and_a_missing_one_is_named(tmp_path: Path) -> None:
    write_part(mixed()["valuations"], "valuations", tmp_path / "v.parquet")
    plain = read_part(tmp_path / "v.parquet", ["npv_fair", "plantation_id"])
    assert list(plain.columns) == ["npv_fair", "plantation_id"]
    assert not isinstance(plain, gpd.GeoDataFrame)
    assert isinstance(read_part(tmp_path / "v.parquet", ["plantation_id", "geometry"]), gpd.GeoDataFrame)
    with pytest.raises(PublishError, match=r"no column npv\. It has: plantation_id, right_id"):
        read_part(tmp_path / "v.parquet", ["npv"])


def test_wide_integers_are_exact(tmp_path: Path) -> None:
    frame = mixed()["valuations"]
    frame["unit_nav_int"] = [333333333333333333333, 10**37, 0, 1, 2, 3]
    write_part(frame, "valuations", tmp_path / "v.parquet")
    back = read_part(tmp_path / "v.parquet").set_index("plantation_id")["unit_nav_int"]
    assert [back[f"P-{i}"] for i in range(6)] == [333333333333333333333, 10**37, 0, 1, 2, 3]
    assert pq.read_schema(tmp_path / "v.parquet").field("unit_nav_int").type == pa.decimal128(38, 0)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_bytes_do_not_depend_on_row_order(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("order")
    for name in ("valuations", "quarantine"):
        frame = mixed()[name]
        shuffled = frame.sample(frac=1.0, random_state=seed)
        first = write_part(frame, name, folder / "a.parquet")
        second = write_part(shuffled, name, folder / "b.parquet")
        assert first.sha256 == second.sha256


def test_rows_are_hilbert_sorted_on_the_world_and_null_geometry_comes_last(tmp_path: Path) -> None:
    write_part(mixed()["forecasts"], "forecasts", tmp_path / "f.parquet")
    back = read_part(tmp_path / "f.parquet")
    distance = hilbert_distance(back["geometry"].to_numpy(dtype=object))
    assert (np.diff(distance.astype("int64")) >= 0).all()
    assert back["geometry"].isna().to_numpy().nonzero()[0].tolist() == list(range(12, 18))
    for _, rows in back.groupby("plantation_id"):
        assert rows["target_month"].is_monotonic_increasing


def test_hilbert_place_does_not_depend_on_the_neighbours() -> None:
    # level 16: the first cell of the curve lies at the south-west corner of the world
    alone = hilbert_distance(np.array([shapely.Point(103.4, 1.9)], dtype=object))
    among = hilbert_distance(np.array([shapely.Point(-60, 40), None, shapely.Point(103.4, 1.9)], dtype=object))
    assert alone[0] == among[2]
    assert among[1] == np.iinfo(np.uint32).max
    assert hilbert_distance(np.array([shapely.Point(-180, -90)], dtype=object))[0] == 0


def test_outlines_are_two_dimensional_and_oriented(tmp_path: Path) -> None:
    clockwise = shapely.Polygon([(1, 1, 9), (1, 2, 9), (2, 2, 9), (2, 1, 9)])
    assert not clockwise.exterior.is_ccw
    write_part(valuations(["P-1"], [clockwise]), "valuations", tmp_path / "v.parquet")
    back = read_part(tmp_path / "v.parquet")["geometry"].iloc[0]
    assert back.exterior.is_ccw
    assert not back.has_z
    assert back.equals(shapely.force_2d(clockwise))


def test_each_table_has_its_own_outlines(tmp_path: Path) -> None:
    """Though those of the table before are still in memory, in the same places or in others."""
    a, b, c = (shapely.box(x, 1, x + 0.1, 1.1) for x in (101.0, 102.0, 103.0))
    for own in ([a, b], [a, c], [b, a], [a, None], [a, b]):
        write_part(valuations(["P-1", "P-2"], own), "valuations", tmp_path / "v.parquet")
        back = read_part(tmp_path / "v.parquet").set_index("plantation_id")["geometry"]
        assert [None if pd.isna(back[p]) else back[p].bounds for p in ("P-1", "P-2")] == [s and s.bounds for s in own]


# --- other tools -------------------------------------------------------------------------------------------------


def write_all(root: Path) -> dict[str, Path]:
    paths = {}
    for name, frame in mixed().items():
        folder = "month=2026-05/vintage=2026-06-03" if name == "features" else "as_of=2026-05-31"
        paths[name] = root / name / folder / "part-0.parquet"
        write_part(frame, name, paths[name])
    return paths


def test_geopandas_reads_every_table_with_geometry(tmp_path: Path) -> None:
    for name, path in write_all(tmp_path).items():
        if name not in GEO_TABLES:
            continue
        frame = gpd.read_parquet(path)
        assert frame.crs.to_epsg() == 4326
        assert set(frame.geom_type.dropna()) == {"Point", "Polygon", "MultiPolygon"}
        # the covering prunes rows without decoding them
        johor = gpd.read_parquet(path, bbox=(103.0, 1.0, 104.5, 2.5))
        assert set(johor["plantation_id"]) == {"P-0", "P-3"}


def test_geopandas_and_pyarrow_read_partitioned_folders_with_textual_keys(tmp_path: Path) -> None:
    write_all(tmp_path)
    write_part(
        features(["Q-1"], [None]), "features", tmp_path / "features/month=2026-04/vintage=2026-05-03/part-0.parquet"
    )
    frame = gpd.read_parquet(tmp_path / "features")
    assert sorted(set(frame["month"].astype("str"))) == ["2026-04", "2026-05"]
    assert sorted(set(frame["vintage"].astype("str"))) == ["2026-05-03", "2026-06-03"]
    dataset = ds.dataset(tmp_path / "features", partitioning="hive")
    assert dataset.schema.field("month").type == pa.string()
    assert dataset.schema.field("vintage").type == pa.string()
    assert dataset.to_table(filter=ds.field("month") == "2026-04").num_rows == 1


def test_pandas_reads_every_table_with_the_declared_types(tmp_path: Path) -> None:
    for name, path in write_all(tmp_path).items():
        frame = pd.read_parquet(path, dtype_backend="pyarrow", partitioning=None)
        for field in table(name).fields:
            assert frame[field.name].dtype.pyarrow_dtype == field.arrow_type
        assert isinstance(frame.index, pd.RangeIndex)


def test_duckdb_reads_every_table_with_the_declared_types(tmp_path: Path) -> None:
    duck = {
        "text": "VARCHAR",
        "int": "BIGINT",
        "float": "DOUBLE",
        "bool": "BOOLEAN",
        "date": "DATE",
        "decimal": "DECIMAL(38,0)",
    }
    for name, path in write_all(tmp_path).items():
        described = duckdb.sql(f"describe select * from read_parquet('{path}', hive_partitioning=false)").fetchall()
        types = {row[0]: row[1] for row in described}
        for field in table(name).fields:
            if field.kind == "geometry":
                assert types[field.name].startswith(("GEOMETRY", "BLOB"))
            else:
                assert types[field.name] == duck[field.kind], field.name
        count = duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall()[0]
        assert count == (len(mixed()[name]),)


def test_duckdb_reads_partition_keys_as_text_and_exact_decimals(tmp_path: Path) -> None:
    write_all(tmp_path)
    keys = duckdb.sql(
        f"select distinct month, vintage from read_parquet('{tmp_path}/features/*/*/*.parquet', "
        "hive_partitioning=true, hive_types_autocast=false)"
    ).fetchall()
    assert keys == [("2026-05", "2026-06-03")]
    total = duckdb.sql(
        f"select sum(unit_nav_int), max(bbox.xmax) from read_parquet('{tmp_path}/valuations/*/*.parquet')"
    ).fetchall()[0]
    assert total == (Decimal(sum(mixed()["valuations"]["unit_nav_int"])), 117.02)
    known = duckdb.sql(f"select max(known_at) from read_parquet('{tmp_path}/features/*/*/*.parquet')").fetchall()[0]
    assert known == (dt.date(2026, 6, 3),)


# --- several parts -----------------------------------------------------------------------------------------------


def test_parts_are_joined_with_their_path_keys_as_text(tmp_path: Path) -> None:
    paths = [f"features/month=2026-0{m}/vintage=2026-0{m + 1}-05/part-0.parquet" for m in (4, 5)]
    for path in paths:
        write_part(features(["P-1"], [shapes()[0]]), "features", tmp_path / path)
    both = read_parts([tmp_path / path for path in paths], keys=("month", "vintage"))
    assert isinstance(both, gpd.GeoDataFrame)
    assert both[["plantation_id", "month", "vintage"]].to_numpy().tolist() == [
        ["P-1", "2026-04", "2026-05-05"],
        ["P-1", "2026-05", "2026-06-05"],
    ]
    assert both["month"].dtype == "str"
    assert partition_values("a=1/as_of=2026-05-31/x=y.parquet") == {"as_of": "2026-05-31"}


def test_joining_keeps_types_when_a_part_is_empty(tmp_path: Path) -> None:
    write_part(empty("valuations"), "valuations", tmp_path / "valuations/as_of=2026-04-30/part-0.parquet")
    write_part(mixed()["valuations"], "valuations", tmp_path / "valuations/as_of=2026-05-31/part-0.parquet")
    names = [f"valuations/as_of={d}/part-0.parquet" for d in ("2026-04-30", "2026-05-31")]
    both = read_parts([tmp_path / name for name in names], keys=["as_of"])
    assert len(both) == 6
    assert both["tenor_months"].dtype == "Int64"
    assert set(both["as_of"]) == {"2026-05-31"}
    with pytest.raises(PublishError, match="no parts to read"):
        read_parts([])


# --- refusals and crashes ----------------------------------------------------------------------------------------


def test_a_table_that_was_not_finalised_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "as_of=2026-05-31" / "v.parquet"
    frame = mixed()["valuations"]
    with pytest.raises(PublishError, match=r"columns are not those of table 'valuations' \(\['npv_fair'\]\)"):
        write_part(frame.drop(columns="npv_fair"), "valuations", target)
    with pytest.raises(PublishError, match="column 'currency' has 1 nulls and may have none"):
        write_part(frame.assign(currency=[None, *["MYR"] * 5]), "valuations", target)
    with pytest.raises(PublishError, match=r"column 'units' is not int .*Pass it through finalise"):
        write_part(frame.assign(units=["many"] * 6), "valuations", target)
    with pytest.raises(PublishError, match=r"geometry is in WGS 84 / UTM zone 48N\. Reproject it to EPSG:4326"):
        write_part(frame.to_crs("EPSG:32648"), "valuations", target)
    assert list(tmp_path.rglob("*")) == []
