"""Ids that look like others, and dates as GDAL writes them into a Shapefile."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec, read_cells
from plantation_rwa.sources.register import read_register

ID, DATE = ColumnSpec("id", required=True), ColumnSpec("date", required=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SIM\u200b-001", "200B"),
        ("SIM-001\u200d", "200D"),
        ("\u202eSIM-001", "202E"),
        ("\ufeffSIM-001", "FEFF"),
        ("SIM\u00a0001", "00A0"),
        ("SIM\u3000001", "3000"),
        ("SIM\u00ad001", "00AD"),
        ("SIM\ue000001", "E000"),
    ],
)
def test_an_id_with_a_character_nobody_sees_is_refused(text: str, code: str) -> None:
    cells = read_cells(pa.array(["SIM-001", text]), ID)
    assert list(cells.values) == ["SIM-001", ""]
    assert cells.reasons == {1: f"must not hold characters that are not seen (U+{code}); type the id anew"}


@pytest.mark.parametrize("text", ["SIM 001", "Ladang-Çağ", "种植园-7", "สวน 12", "a" * 200, "x:y_z.1"])
def test_ids_in_any_script_are_kept(text: str) -> None:
    cells = read_cells(pa.array([text]), ID)
    assert (list(cells.values), cells.reasons) == ([text], {})


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2008/01/31 00:00:00", True),
        ("2008/01/31 00:00:00+00", True),
        ("2008/01/31 00:00:00.000", True),
        ("2008-01-31T00:00:00", True),
        ("2008-01-31 00:00:00.000Z", True),
        ("2008/01/31", False),
        ("2008/01/31 07:00:00", False),
        ("31/01/2008 00:00:00", False),
        ("2008/31/01 00:00:00", False),
    ],
)
def test_a_time_at_midnight_is_a_date(text: str, good: bool) -> None:
    cells = read_cells(pa.array([text]), DATE)
    assert list(cells.values) == ([pd.Timestamp("2008-01-31")] if good else [pd.NaT])
    assert bool(cells.reasons) is not good


@pytest.mark.parametrize("ending", ["shp", "gpkg"])
def test_a_register_whose_dates_are_times(ending: str, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {"plantation_id": ["A"], "country": ["MY"], "planted_date": pd.to_datetime(["2008-01-31"])},
        geometry=[shapely.box(102.0, 2.0, 102.01, 2.01)],
        crs=4326,
    )
    cut = frame.rename(columns={"plantation_id": "plantation", "planted_date": "planted_da"})
    (cut if ending == "shp" else frame).to_file(tmp_path / f"r.{ending}")
    bad = Quarantine()
    register = read_register([str(tmp_path / f"r.{ending}")], bad)
    assert list(register["planted_date"]) == [pd.Timestamp("2008-01-31")]
    assert len(bad) == 0
