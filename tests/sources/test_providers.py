"""Provider differences: baselines, offsets, names, identities."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.sources.providers import (
    UnusableItemError,
    assets_of,
    baseline_of,
    datastrip_of,
    datatake_of,
    is_level_2a,
    offset_of,
    parse_baseline,
    provider_of,
    tile_of,
)
from tests.sources.stac_factory import item


@pytest.mark.parametrize(
    ("text", "number"),
    [("04.00", 4.0), ("N0400", 4.0), ("0400", 4.0), ("05.11", 5.11), ("N0511", 5.11), ("4.0", 4.0), (4.0, 4.0),
     ("4", 4.0), ("02.14", 2.14), ("03.01", 3.01), ("99.99", None), ("N9999", None), ("", None), (None, None),
     ("latest", None), (True, None)],
)  # fmt: skip
def test_parse_baseline(text: object, number: float | None) -> None:
    assert parse_baseline(text) == number


@given(st.integers(0, 98), st.integers(0, 99))
def test_both_spellings_agree(major: int, minor: int) -> None:
    """Comparing texts would fail for '4.0'; comparing numbers must not."""
    assert (
        parse_baseline(f"{major:02d}.{minor:02d}") == parse_baseline(f"N{major:02d}{minor:02d}") == major + minor / 100
    )


@pytest.mark.parametrize(
    ("properties", "number"),
    [
        ({"s2:processing_baseline": "05.09"}, 5.09),
        ({"s2:processing_baseline": None, "sentinel:processing_baseline": "04.00"}, 4.0),
        ({"s2:processing_baseline": None, "processing:version": "05.10"}, 5.10),
        (
            {
                "s2:processing_baseline": None,
                "s2:product_uri": "S2A_MSIL2A_20200101T000000_N0214_R001_T49MDT_20200102T000000.SAFE",
            },
            2.14,
        ),
        ({"s2:processing_baseline": None, "s2:datatake_id": "GS2A_20200101T000000_000001_N02.13"}, 2.13),
        ({"s2:processing_baseline": None, "s2:datatake_id": None}, None),
    ],
)
def test_where_the_baseline_is_found(properties: dict[str, Any], number: float | None) -> None:
    assert baseline_of(item(properties=properties)) == number


_STATED = {"B04": {"href": "a.tif", "raster:bands": [{"scale": 0.0001, "offset": -0.1}]}}


@pytest.mark.parametrize(
    ("changes", "provider", "offset", "reason"),
    [
        ({"s2:processing_baseline": "04.00"}, "planetary-computer", -1000.0, "baseline 04.00 is 04.00 or later"),
        ({"s2:processing_baseline": "03.01"}, "planetary-computer", 0.0, "baseline 03.01 is before 04.00"),
        ({"s2:processing_baseline": "05.11"}, "cdse", -1000.0, "baseline 05.11 is 04.00 or later"),
        ({"earthsearch:boa_offset_applied": True}, "earth-search", 0.0, "already removed from the pixels"),
        ({"earthsearch:boa_offset_applied": False}, "earth-search", -1000.0, "baseline 05.11 is 04.00 or later"),
        (
            {"sentinel:boa_offset_applied": True, "s2:processing_baseline": "04.00"},
            "earth-search",
            0.0,
            "already removed",
        ),
        (
            {"sentinel:boa_offset_applied": False, "s2:processing_baseline": "02.14"},
            "earth-search",
            0.0,
            "before 04.00",
        ),
        ({}, "earth-search", -1000.0, "baseline 05.11 is 04.00 or later"),
    ],
)
def test_offset_rule(changes: dict[str, Any], provider: str, offset: float, reason: str) -> None:
    decided = offset_of(item(properties=changes), provider)
    assert (decided.offset, decided.scale) == (offset, 1e-4)
    assert reason in decided.reason


def test_date_does_not_decide() -> None:
    """Acquired in 2020 and reprocessed: shifted. Acquired in 2023 with an old baseline: not."""
    assert offset_of(item(day="2020-09-14", properties={"s2:processing_baseline": "05.00"}), "safe").offset == -1000.0
    assert offset_of(item(day="2023-01-01", properties={"s2:processing_baseline": "03.01"}), "safe").offset == 0.0


def test_contradiction_is_named_and_the_baseline_decides() -> None:
    decided = offset_of(item(assets=_STATED, properties={"s2:processing_baseline": "03.01"}), "safe")
    assert decided.offset == 0.0
    assert decided.reason.endswith("raster:bands states -1000 DN, the baseline decides")


def test_unknown_baseline_needs_a_stated_offset() -> None:
    unknown = {"s2:processing_baseline": None, "s2:datatake_id": None}
    assert offset_of(item(assets=_STATED, properties=unknown), "safe").offset == -1000.0
    with pytest.raises(
        UnusableItemError, match=r"baseline is unknown and no raster:bands offset .* Add s2:processing_baseline"
    ):
        offset_of(item(properties=unknown), "safe")


def _bands(**offsets: float) -> dict[str, Any]:
    return {b: {"href": f"{b}.tif", "raster:bands": [{"scale": 0.0001, "offset": v}]} for b, v in offsets.items()}


@pytest.mark.parametrize(
    ("bands", "value", "reason"),
    [
        (_bands(B04=-0.05, B08=-0.05), "B04 B08: -500", "an offset that no Sentinel-2 L2A product has"),
        (_bands(B04=-1000.0), "B04: -1e+07", "an offset that no Sentinel-2 L2A product has"),
        (_bands(B04=0.1), "B04: 1000", "an offset that no Sentinel-2 L2A product has"),
        (_bands(B02=0.0, B04=-0.1, B08=-0.1), "B02: 0; B04 B08: -1000", "offsets that differ between"),
        ({"B04": {"href": "a", "raster:bands": [{"scale": 0, "offset": 0}]}}, "B04: 0", "a scale that no"),
        (
            {"B04": {"href": "a", "raster:bands": [{"scale": 1}]}},
            "B04: 1",
            "a scale that no Sentinel-2 L2A product has",
        ),
        ({"B04": {"href": "a", "raster:bands": [{"scale": 2e-4}]}}, "B04: 0.0002", "a scale that no"),
        (
            {b: {"href": b, "raster:bands": [{"scale": s}]} for b, s in (("B04", 1e-4), ("B08", 1e-3))},
            "B04: 0.0001; B08: 0.001",
            "a scale that no Sentinel-2 L2A product has",
        ),
    ],
)
@pytest.mark.parametrize("flagged", [None, True])
def test_an_offset_that_cannot_be_is_refused(
    bands: dict[str, Any], value: str, reason: str, flagged: bool | None
) -> None:
    """Whatever baseline and flag say: who states 500 has shifted something nobody knows."""
    with pytest.raises(UnusableItemError, match=rf"raster:bands state {reason}.* scene left out\. Correct") as caught:
        offset_of(item(assets=bands, properties={"earthsearch:boa_offset_applied": flagged}), "earth-search")
    assert caught.value.value == value


def test_classification_states_no_offset_of_its_own() -> None:
    bands = _bands(B04=-0.1, B08=-0.1) | {"SCL": {"href": "s.tif", "raster:bands": [{"scale": 1, "offset": 0}]}}
    assert offset_of(item(assets=bands), "safe").offset == -1000.0


def test_stac_1_1_bands_and_asset_level_scale() -> None:
    unknown = {"s2:processing_baseline": None, "s2:datatake_id": None}
    for asset in (
        {"href": "a.jp2", "bands": [{"name": "B04", "raster:scale": 0.0001, "raster:offset": -0.1}]},
        {"href": "a.jp2", "raster:scale": 0.0001, "raster:offset": -0.1, "bands": [{"name": "B04"}]},
    ):
        assert offset_of(item(assets={"B04_10m": asset}, properties=unknown), "cdse").offset == -1000.0


@pytest.mark.parametrize(
    ("changes", "provider"),
    [
        ({"properties": {"earthsearch:boa_offset_applied": True}}, "earth-search"),
        ({"properties": {"sentinel:sequence": "0"}}, "earth-search"),
        ({"collection": "sentinel-2-c1-l2a"}, "earth-search"),
        ({"href": "https://sentinel-cogs.s3.us-west-2.amazonaws.com/{key}.tif"}, "earth-search"),
        ({"links": [{"rel": "self", "href": "https://planetarycomputer.microsoft.com/api/x"}]}, "planetary-computer"),
        ({"href": "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/{key}.tif"}, "planetary-computer"),
        ({"href": "s3://eodata/Sentinel-2/MSI/{key}.jp2"}, "cdse"),
        ({"keys": "B02_10m B05_20m SCL_20m"}, "cdse"),
        ({}, "safe"),
    ],
)
def test_provider(changes: dict[str, Any], provider: str) -> None:
    assert provider_of(item(**changes)) == provider


@pytest.mark.parametrize(
    ("keys", "bands"),
    [
        ("blue red nir nir08 rededge1 rededge3 swir16 swir22 scl", "B02 B04 B05 B07 B08 B11 B12 B8A SCL"),
        ("B02 B04 B05 B07 B08 B11 B12 B8A SCL", "B02 B04 B05 B07 B08 B11 B12 B8A SCL"),
        (
            "B02_10m B04_10m B05_20m B07_20m B08_10m B11_20m B12_20m B8A_20m SCL_20m",
            "B02 B04 B05 B07 B08 B11 B12 B8A SCL",
        ),
        ("red-jp2 nir-jp2 red_20m B04_60m visual preview thumbnail", ""),
    ],
)
def test_asset_names(keys: str, bands: str) -> None:
    assert sorted(assets_of(item(keys=keys))) == bands.split()


def test_finest_twin_is_taken() -> None:
    found = assets_of(item(keys="B04_60m B04_20m B04_10m red-jp2"))
    assert found["B04"]["href"] == "./B04_10m.tif"


def test_asset_without_href_is_absent() -> None:
    assert "B04" not in assets_of(item(assets={"B04": {"title": "red"}, "B08": None, "SCL": {"href": "s.tif"}}))


@pytest.mark.parametrize(
    ("changes", "tile"),
    [
        ({}, "49MDT"),
        ({"properties": {"grid:code": None, "s2:mgrs_tile": "49MDU"}}, "49MDU"),
        (
            {
                "properties": {
                    "grid:code": None,
                    "mgrs:utm_zone": 1,
                    "mgrs:latitude_band": "V",
                    "mgrs:grid_square": "CG",
                }
            },
            "01VCG",
        ),
        (
            {
                "properties": {
                    "grid:code": None,
                    "sentinel:utm_zone": 7,
                    "sentinel:latitude_band": "H",
                    "sentinel:grid_square": "FE",
                }
            },
            "07HFE",
        ),
        ({"name": "S2B_T24MUV_20250731T130245_L2A", "properties": {"grid:code": None}}, "24MUV"),
        ({"name": "x", "properties": {"grid:code": None, "proj:code": "EPSG:32749"}}, "EPSG:32749"),
    ],
)
def test_tile(changes: dict[str, Any], tile: str) -> None:
    assert tile_of(item(**changes)) == tile


@pytest.mark.parametrize(
    ("changes", "datatake"),
    [
        ({"properties": {"s2:datatake_id": "GS2B_20250731T130249_043879_N05.11"}}, "S2B_20250731T130249"),
        ({"properties": {"s2:datatake_id": "GS2B_20250731T130249_043879_N02.14"}}, "S2B_20250731T130249"),
        (
            {
                "properties": {
                    "s2:datatake_id": None,
                    "s2:product_uri": "S2B_MSIL2A_20250731T130249_N0511_R095_T24MUV_20250731T132745.SAFE",
                }
            },
            "S2B_20250731T130249",
        ),
        (
            {"name": "S2B_MSIL2A_20250731T130249_R095_T24MUV_20250731T132745", "properties": {"s2:datatake_id": None}},
            "S2B_20250731T130249",
        ),
        (
            {"name": "S2B_OPER_MSI_L2A_TL_S2RP_20230315T224658_A018417_T01VCG", "properties": {"s2:datatake_id": None}},
            "S2B_A018417",
        ),
        ({"properties": {"s2:datatake_id": None, "sat:relative_orbit": 95}}, "S2A_20240305_95"),
    ],
)
def test_datatake_is_the_same_over_reprocessings(changes: dict[str, Any], datatake: str) -> None:
    assert datatake_of(item(**changes)) == datatake


def test_datastrip() -> None:
    strip = "S2B_OPER_MSI_L2A_DS_2BPS_20250731T132745_S20250731T130245_N05.11"
    assert datastrip_of(item(properties={"s2:datastrip_id": strip})) == "20250731T130245"
    assert datastrip_of(item()) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"properties": {"s2:product_type": "S2MSI1C"}}, False),
        ({"properties": {"s2:product_type": None, "product:type": "S2MSI2A"}}, True),
        ({"name": "S2B_20EPT_20250731_0_L1C", "properties": {"s2:product_type": None}}, False),
        ({"name": "S1A_IW_GRDH", "properties": {"s2:product_type": None, "platform": "sentinel-1a"}}, False),
        ({"properties": {"s2:product_type": None}}, True),
    ],
)
def test_level(changes: dict[str, Any], expected: bool) -> None:
    assert is_level_2a(item(**changes)) is expected
