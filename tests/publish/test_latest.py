"""The merged copies for desktop GIS."""

from __future__ import annotations

from pathlib import Path

import duckdb
import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.latest import write_latest
from tests.publish.portfolio import empty, features, mixed, shapes


def two_months() -> pd.DataFrame:
    ids = ["P-1", "P-2"]
    parts = [features(ids, shapes()[:2]).assign(month=f"2026-0{m}", vintage=f"2026-0{m + 1}-05") for m in (5, 4)]
    return pd.concat(parts, ignore_index=True)


def test_partition_keys_are_text_columns_with_a_description(tmp_path: Path) -> None:
    files = write_latest(
        tmp_path, {"valuations": mixed()["valuations"].assign(as_of="2026-05-31"), "features": two_months()}
    )
    assert [f.path for f in files] == ["latest/features.parquet", "latest/valuations.parquet"]
    assert [f.rows for f in files] == [4, 6]
    schema = pq.read_schema(tmp_path / "latest/features.parquet")
    for key in ("month", "vintage"):
        assert schema.field(key).type == pa.string()
        assert schema.field(key).metadata[b"description"]
        assert not schema.field(key).nullable
    frame = gpd.read_parquet(tmp_path / "latest/features.parquet")
    assert sorted(zip(frame["month"], frame["vintage"], frame["plantation_id"], strict=True)) == [
        ("2026-04", "2026-05-05", "P-1"),
        ("2026-04", "2026-05-05", "P-2"),
        ("2026-05", "2026-06-05", "P-1"),
        ("2026-05", "2026-06-05", "P-2"),
    ]
    months = duckdb.sql(f"select distinct month from '{tmp_path}/latest/features.parquet' order by 1").fetchall()
    assert months == [("2026-04",), ("2026-05",)]


def test_bytes_do_not_depend_on_row_or_column_order(tmp_path: Path) -> None:
    frame = two_months()
    first = write_latest(tmp_path / "a", {"features": frame})
    turned = frame.iloc[::-1][[*reversed(frame.columns)]]
    assert write_latest(tmp_path / "b", {"features": turned}) == first


def test_a_month_in_two_vintages_is_refused(tmp_path: Path) -> None:
    frame = pd.concat([two_months(), two_months().assign(vintage="2026-07-01")], ignore_index=True)
    text = r"latest/features\.parquet: 4 rows stand twice, the first is plantation_id P-1, month 2026-05\. Choose one"
    with pytest.raises(PublishError, match=text):
        write_latest(tmp_path, {"features": frame})
    assert not (tmp_path / "latest").exists()


def test_other_tables_and_missing_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"no merged copy of curves\. Known: features, forecasts, valuations"):
        write_latest(tmp_path, {"curves": mixed()["curves"]})
    with pytest.raises(PublishError, match=r"columns are not those of table 'valuations' \(\['as_of'\]\)"):
        write_latest(tmp_path, {"valuations": mixed()["valuations"]})


def test_an_empty_table_keeps_its_shape(tmp_path: Path) -> None:
    write_latest(tmp_path, {"forecasts": empty("forecasts").assign(as_of=pd.Series(dtype="str"))})
    frame = read_part(tmp_path / "latest/forecasts.parquet")
    assert len(frame) == 0
    assert list(frame.columns)[-1] == "as_of"
    assert write_latest(tmp_path, {}) == []
