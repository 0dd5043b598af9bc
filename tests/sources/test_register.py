"""Register and blocks: formats, CRS, areas, duplicates, time zones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, Polygon, box

from plantation_rwa.errors import SourceError
from plantation_rwa.grid import area_ha
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.places import COUNTRIES, default_timezone, is_timezone, longitude_timezone
from plantation_rwa.sources.register import read_blocks, read_register
from tests.sources.register_files import SQUARE, plantations, read, write


@pytest.mark.parametrize("name", ["r.parquet", "r.gpkg", "r.geojson", "r.shp"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32648"])
def test_every_format_and_crs_gives_the_same_register(tmp_path: Path, name: str, crs: str) -> None:
    frame = plantations(
        [SQUARE, box(101.0, 3.0, 101.02, 3.01)],
        plantation_id=["007", "B"],
        state=["Johor", "Pahang"],
        planted_area_ha=[123.0, 246.0],
        soil_class=["s1", "S3"],
        is_peat=[True, False],
        management_factor=[0.8, 1.1],
        tenure_end=["2040-12-31", None],
    ).to_crs(crs)
    register, bad = read(frame, tmp_path / name)
    assert bad.empty
    assert list(register["plantation_id"]) == ["007", "B"]
    assert list(register["soil_class"]) == ["S1", "S3"]
    assert list(register["is_peat"]) == [True, False]
    assert list(register["management_factor"]) == [0.8, 1.1]
    assert list(register["planted_date"]) == [pd.Timestamp("2010-05-01")] * 2
    assert register["tenure_end"].iloc[0] == pd.Timestamp("2040-12-31")
    assert pd.isna(register["tenure_end"].iloc[1])
    assert list(register["region"]) == ["MY:Johor", "MY:Pahang"]
    assert list(register["flags"]) == ["", ""]
    assert register.crs == "EPSG:4326"
    assert register.geometry.iloc[0].symmetric_difference(SQUARE).area < 1e-10 * SQUARE.area + 1e-12


def test_points_stand_for_small_plots_with_a_declared_area(tmp_path: Path) -> None:
    frame = plantations([Point(103, 2)] * 3, planted_area_ha=[4.0, 4.1, np.nan])
    register, bad = read(frame, tmp_path / "r.gpkg")
    assert list(register["plantation_id"]) == ["P0"]
    assert list(register["is_point"]) == [True]
    assert list(register["flags"]) == ["point"]
    assert np.isnan(register["area_geodesic_ha"].iloc[0])
    assert list(bad["reason"]) == [
        "a Point may stand for at most 4 ha; give the outline; row rejected",
        "a plantation given as a Point needs planted_area_ha; row rejected",
    ]


def test_area_flags(tmp_path: Path) -> None:
    true = area_ha(SQUARE)
    register, bad = read(
        plantations([SQUARE] * 4, planted_area_ha=[true * 1.09, true * 1.11, true * 0.89, None]), tmp_path / "r.geojson"
    )
    assert list(bad["row"]) == [2]
    assert list(register["flags"]) == ["", "area_mismatch", "area_mismatch", "area_unknown"]
    assert register["planted_area_ha"].iloc[3] == register["area_geodesic_ha"].iloc[3]
    assert register["planted_area_ha"].iloc[2] == true * 0.89


@pytest.mark.parametrize("declared", [1e9, 1.11])
def test_more_than_the_outline_can_hold_is_left_out_and_its_area_used(tmp_path: Path, declared: float) -> None:
    true = area_ha(SQUARE)
    area = declared if declared > 2 else true * declared
    register, bad = read(plantations([SQUARE], planted_area_ha=[area]), tmp_path / "r.geojson")
    assert register["planted_area_ha"].iloc[0] == register["area_geodesic_ha"].iloc[0] == true
    assert register["declared_area_ha"].iloc[0] == area
    assert (bad["column"].iloc[0], bad["action"].iloc[0]) == ("planted_area_ha", "nulled")
    assert "ha is more than the outline can hold" in bad["reason"].iloc[0]
    assert "area_mismatch" in register["flags"].iloc[0]


def test_blocks_that_have_no_room_in_the_outline_are_rejected_in_the_order_of_the_file(tmp_path: Path) -> None:
    register, _ = read(plantations([SQUARE]), tmp_path / "r.geojson")
    true = area_ha(SQUARE)
    frame = pd.DataFrame(
        {
            "plantation_id": "P0", "block_id": ["1", "2", "3", "4"], "planted_date": "2010-05-01",
            "area_ha": [true * 0.7, 1e9, true * 0.45, true * 0.4],
        }
    )  # fmt: skip
    blocks, bad = blocks_of(register, frame, tmp_path / "b.csv")
    assert list(blocks["block_id"]) == ["1", "4"]
    assert list(bad["row"]) == [2, 3]
    assert bad["reason"].str.contains("more than the plantation's outline can hold").all()


def test_bad_values_by_column(tmp_path: Path) -> None:
    frame = plantations(
        [SQUARE] * 3,
        country=["my", "UK", "Malaysia"],
        planted_date=["2010-05-01", "01/05/2010", "2010-05-01"],
        soil_class=["S9", "S1", "S1"],
        oer=[20.0, 0.2, 0.2],
        ker=[0.05, 0.05, 0.05],
        scheme=["estate", "", ""],
        timezone=["Asia/Borneo", "", ""],
    )
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["P0"]
    first = register.iloc[0]
    assert (first["country"], first["soil_class"], first["scheme"]) == ("MY", "", "")
    assert (first["timezone"], first["ker"]) == ("Asia/Kuala_Lumpur", 0.05)
    assert np.isnan(first["oer"])
    found = {(int(r), c): (a, t) for r, c, a, t in bad[["row", "column", "action", "reason"]].itertuples(index=False)}
    assert {k: v[0] for k, v in found.items()} == {
        (1, "oer"): "nulled",
        (1, "scheme"): "nulled",
        (1, "soil_class"): "nulled",
        (1, "timezone"): "nulled",
        (2, "country"): "rejected",
        (2, "planted_date"): "rejected",
        (3, "country"): "rejected",
    }
    assert found[1, "oer"][1] == "oer must be at most 0.3; write a fraction, 0.2 for 20 %; value left out"
    assert found[1, "timezone"][1].startswith("timezone is not an IANA name such as Asia/Jakarta")
    assert found[3, "country"][1].startswith("country is not valid; use the ISO 3166-1 alpha-2 code, such as MY")


def test_same_id_same_place_keeps_the_first_row(tmp_path: Path) -> None:
    rotated = Polygon([*SQUARE.exterior.coords[2:], *SQUARE.exterior.coords[1:3]])
    frame = plantations(
        [SQUARE, rotated, SQUARE],
        plantation_id=["A", "A", "B"],
        planted_date=["2010-05-01", "2011-05-01", "2012-05-01"],
    )
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["A", "B"]
    assert register["planted_date"].iloc[0] == pd.Timestamp("2010-05-01")
    assert list(bad["reason"]) == ["repeats plantation_id of row 1 of r.geojson, which stays; row rejected"]


def test_same_id_different_places_rejects_all(tmp_path: Path) -> None:
    frame = plantations([SQUARE, box(104, 2, 104.01, 2.01), SQUARE], plantation_id=["A", "A", "B"])
    register, bad = read(frame, tmp_path / "r.geojson")
    assert list(register["plantation_id"]) == ["B"]
    assert list(bad["row"]) == [1, 2]
    assert set(bad["reason"]) == {
        "the same plantation_id stands for different geometries; all of these rows are left out; row rejected"
    }


def test_a_row_rejected_for_itself_does_not_count_as_duplicate(tmp_path: Path) -> None:
    register, bad = read(plantations([Polygon(), SQUARE], plantation_id=["A", "A"]), tmp_path / "r.parquet")
    assert list(register["plantation_id"]) == ["A"]
    assert list(bad["row"]) == [1]


def test_missing_crs_is_guessed_only_for_degrees(tmp_path: Path) -> None:
    frame = plantations([SQUARE, box(2.0, 103.0, 2.01, 103.01)])
    for name in ("r.shp", "r.parquet"):
        path = tmp_path / name
        write(frame.set_crs(None, allow_override=True), path)
        quarantine = Quarantine()
        register = read_register([str(path)], quarantine)
        bad = quarantine.frame()
        assert list(register["plantation_id"]) == ["P0"]
        assert list(bad["action"]) == ["rejected", "repaired"]
        assert "declares no usable CRS" in bad["reason"].iloc[1]
        assert pd.isna(bad["row"].iloc[1])
    metres = plantations([SQUARE]).to_crs("EPSG:32648").set_crs(None, allow_override=True)
    with pytest.raises(SourceError, match=r"m\.shp: has no usable CRS and its coordinates are not degrees"):
        read_register([write(metres, tmp_path / "m.shp")], Quarantine())


def test_unusable_files_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{not json")
    (tmp_path / "b.gpkg").write_bytes(b"nothing")
    write(plantations([SQUARE]).drop(columns="planted_date"), tmp_path / "c.geojson")
    pd.DataFrame({"plantation_id": ["A"]}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.kml").write_text("<kml/>")
    with pytest.raises(SourceError) as caught:
        read_register(
            [str(tmp_path / n) for n in ("a.geojson", "b.gpkg", "c.geojson", "d.parquet", "e.kml")], Quarantine()
        )
    text = str(caught.value)
    assert "a.geojson: is not a GeoJSON FeatureCollection" in text
    assert "b.gpkg: cannot be read" in text
    assert "c.geojson: required column 'planted_date' is missing" in text
    assert "d.parquet: has no geometry column" in text
    assert "e.kml: register cannot be read in this format (got .kml). Use GeoParquet" in text


def test_a_layer_must_be_named_when_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    plantations([SQUARE]).to_file(path, layer="one")
    plantations([SQUARE] * 2).to_file(path, layer="two")
    with pytest.raises(SourceError, match="has several layers"):
        read_register([str(path)], Quarantine())
    plantations([SQUARE] * 3).to_file(path, layer="register")
    assert len(read_register([str(path)], Quarantine())) == 3


def test_one_odd_geojson_value_does_not_change_how_others_are_read(tmp_path: Path) -> None:
    areas: list[Any] = [123.12345678901234, "about 100", 7]
    clean, _ = read(plantations([SQUARE], planted_area_ha=areas[:1]), tmp_path / "a.geojson")
    frame = plantations([SQUARE] * 3)
    document = json.loads(frame.to_json())
    for feature, area in zip(document["features"], areas, strict=True):
        feature["properties"]["planted_area_ha"] = area
        feature["properties"]["plantation_id"] = feature["properties"]["plantation_id"][1:]
    document["features"][2]["properties"]["plantation_id"] = 2.0
    (tmp_path / "b.geojson").write_text(json.dumps(document))
    register = read_register([str(tmp_path / "b.geojson")], Quarantine())
    assert register["planted_area_ha"].iloc[0] == clean["planted_area_ha"].iloc[0] == areas[0]
    assert register["flags"].iloc[1] == "area_unknown"
    assert list(register["plantation_id"]) == ["0", "1", "2"]


def test_no_features_is_an_empty_register(tmp_path: Path) -> None:
    (tmp_path / "r.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    register = read_register([str(tmp_path / "r.geojson")], Quarantine())
    full, _ = read(plantations([SQUARE]), tmp_path / "f.geojson")
    assert len(register) == 0
    assert list(register.columns) == list(full.columns)


@pytest.mark.parametrize(
    ("country", "state", "zone"),
    [
        ("MY", "Sabah", "Asia/Kuala_Lumpur"),
        ("ID", "Riau", "Asia/Jakarta"),
        ("ID", "Central Kalimantan", "Asia/Jakarta"),
        ("ID", "Kalimantan Tengah", "Asia/Jakarta"),
        ("ID", "Kalimantan Barat", "Asia/Jakarta"),
        ("ID", "KALIMANTAN  TIMUR", "Asia/Makassar"),
        ("ID", "ID-KS", "Asia/Makassar"),
        ("ID", "South Kalimantan", "Asia/Makassar"),
        ("ID", "Sulawesi Barat", "Asia/Makassar"),
        ("ID", "Papua Barat", "Asia/Jayapura"),
        ("ID", "", "Asia/Jakarta"),
        ("PG", "Bougainville", "Pacific/Bougainville"),
        ("TH", "Krabi", "Asia/Bangkok"),
        ("CO", "Meta", "America/Bogota"),
        ("BR", "Pará", "America/Belem"),
        ("DE", "Bayern", None),
    ],
)
def test_default_time_zone(country: str, state: str, zone: str | None) -> None:
    assert default_timezone(country, state) == zone


def test_every_default_zone_exists_and_countries_are_iso() -> None:
    zones = {default_timezone(c, "") for c in COUNTRIES} - {None}
    assert len(COUNTRIES) == 249
    assert len(zones) > 40
    assert all(is_timezone(str(z)) for z in zones)
    assert all(is_timezone(longitude_timezone(lon)) for lon in np.arange(-180.0, 181.0, 7.5))
    assert longitude_timezone(113.0) == "Etc/GMT-8"
    assert not is_timezone("../etc/passwd")


def test_zone_by_longitude_is_told(tmp_path: Path) -> None:
    register, bad = read(plantations([box(11, 48, 11.01, 48.01)], country=["DE"]), tmp_path / "r.geojson")
    assert register["timezone"].iloc[0] == "Etc/GMT-1"
    assert bad["reason"].iloc[0] == "no default time zone for DE: Etc/GMT-1 by longitude is used; give timezone"


def blocks_of(register: gpd.GeoDataFrame, frame: pd.DataFrame, path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    quarantine = Quarantine()
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
        text = str(path)
    else:
        text = write(gpd.GeoDataFrame(frame), path)
    return read_blocks([text], register, quarantine), quarantine.frame()


def test_blocks(tmp_path: Path) -> None:
    register, _ = read(plantations([SQUARE]), tmp_path / "r.geojson")
    far = box(110, 2, 110.1, 2.1)
    frame = gpd.GeoDataFrame(
        {
            "plantation_id": ["P0", "P0", "P9", "P0", "P0", "P0"],
            "block_id": ["1", "1", "1", "2", "3", "4"],
            "planted_date": ["2010-05-01"] * 6,
            "area_ha": [10.0, 11.0, 12.0, 0.0, 5.0, 6.0],
        },
        geometry=[SQUARE, SQUARE, SQUARE, SQUARE, far, Point(103, 2)],
        crs=4326,
    )
    blocks, bad = blocks_of(register, frame, tmp_path / "b.gpkg")
    assert list(blocks["block_id"]) == ["1", "3", "4"]
    assert [g is None for g in blocks.geometry] == [False, True, True]
    reasons = dict(zip(bad["row"], bad["reason"], strict=True))
    assert reasons[2] == "repeats plantation_id and block_id of row 1 of b.gpkg, which stays; row rejected"
    assert reasons[3] == "plantation_id is not in the register, or was rejected there; row rejected"
    assert reasons[4] == "area_ha must be greater than 0; row rejected"
    assert reasons[5] == "geometry does not touch the plantation's outline; value left out"
    assert reasons[6] == "geometry is a Point; a Polygon is needed; value left out"


def test_blocks_without_geometry_and_without_file(tmp_path: Path) -> None:
    register, _ = read(plantations([SQUARE]), tmp_path / "r.geojson")
    frame = pd.DataFrame(
        {"plantation_id": ["P0"], "block_id": ["01"], "planted_date": ["2010-05-01"], "area_ha": [3.5]}
    )
    blocks, bad = blocks_of(register, frame, tmp_path / "b.csv")
    assert bad.empty
    assert list(blocks["block_id"]) == ["01"]
    assert blocks.geometry.iloc[0] is None
    assert dict(read_blocks(None, register, Quarantine()).dtypes) == dict(blocks.dtypes)
