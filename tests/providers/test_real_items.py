"""Every real item of data/sample/real/stac: the offset decided and why; a product listed twice counts once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.providers import assets_of, is_level_2a, offset_of, provider_of
from tests.sources.stac_factory import scenes

ROOT = Path(__file__).parents[2] / "data" / "sample" / "real" / "stac"
_FLAG = "provider states that the offset is already removed from the pixels"
_LATE = "baseline {} is 04.00 or later"
_EARLY = "baseline {} is before 04.00"
_ES, _PC, _SAFE = "earth-search", "planetary-computer", "safe"

#: item -> (provider, offset in digital numbers, reason); None: no Sentinel-2 L2A item
EXPECTED: dict[str, tuple[str, float, str] | None] = {
    # Earth Search v1: the twin of collection sentinel-2-c1-l2a has raster:bands.offset -0.1 and no flag: it applies;
    # the item of sentinel-2-l2a states the same -0.1 but its pixels are already shifted
    "S2B_T20EPT_20250731T131905_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_20EPT_20250731_0_L2A": (_ES, 0.0, _FLAG),
    "S2B_T24MUV_20250731T130245_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_24MUV_20250731_0_L2A": (_ES, 0.0, _FLAG),
    "S2B_T24MVV_20250731T130245_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_24MVV_20250731_0_L2A": (_ES, 0.0, _FLAG),
    "S2B_T24MWV_20250731T130245_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_24MWV_20250731_0_L2A": (_ES, 0.0, _FLAG),
    "S2B_T24MXV_20250731T130245_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_24MXV_20250731_0_L2A": (_ES, 0.0, _FLAG),
    "S2B_T24MUA_20250731T130245_L2A": (_ES, -1000.0, _LATE.format("05.11")),
    "S2B_24MUA_20250731_0_L2A": (_ES, 0.0, _FLAG),
    # L1C twins of the same search, and Sentinel-1
    "S2B_20EPT_20250731_0_L1C": None,
    "S2B_24MUV_20250731_0_L1C": None,
    "S2B_24MVV_20250731_0_L1C": None,
    "S2B_24MWV_20250731_0_L1C": None,
    "S2B_24MXV_20250731_0_L1C": None,
    "S1A_IW_GRDH_1SSH_20250731T135702_20250731T135722_060328_077F7E": None,
    "S1A_IW_GRDH_1SSH_20250731T135637_20250731T135702_060328_077F7E": None,
    "S1A_IW_GRDH_1SSH_20250731T135608_20250731T135637_060328_077F7E": None,
    # Planetary Computer states no offset at all: the baseline decides
    "S2B_MSIL2A_20220612T182919_R027_T24XWR_20220613T123251": (_PC, -1000.0, _LATE.format("04.00")),
    **{
        f"{satellite}_MSIL2A_{sensed}_R078_T35MNM_{made}": (_PC, 0.0, _EARLY.format("02.12"))
        for satellite, sensed, made in (
            ("S2A", "20200731T080611", "20200818T062751"),
            ("S2B", "20200726T080609", "20200908T180357"),
            ("S2A", "20200721T080611", "20200908T180356"),
            ("S2B", "20200716T080609", "20200816T092511"),
            ("S2A", "20200711T080611", "20201101T145944"),
            ("S2B", "20200706T080609", "20201027T081700"),
            ("S2A", "20200701T080611", "20200824T191001"),
            ("S2B", "20200626T080609", "20200824T052748"),
            ("S2A", "20200621T080611", "20200823T125142"),
            ("S2B", "20200616T080609", "20201027T073925"),
            ("S2A", "20200611T080611", "20200826T230619"),
            ("S2B", "20200606T080609", "20200826T094900"),
            ("S2A", "20200601T080611", "20201027T072253"),
        )
    },
    # SAFE products: acquired in 2019 at 02.12; acquired in 2020 but reprocessed as 05.00; 04.00
    "S2A_T07HFE_20190212T192646_L2A": (_SAFE, 0.0, _EARLY.format("02.12")),
    "S2B_OPER_MSI_L2A_TL_S2RP_20230315T224658_A018417_T01VCG": (_SAFE, -1000.0, _LATE.format("05.00")),
    "S2B_T33XWJ_20220413T150756_L2A": (_SAFE, -1000.0, _LATE.format("04.00")),
}


def _files() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*json") if "collection" not in p.name or "search" in p.name)


def _items() -> list[dict[str, Any]]:
    documents = [json.loads(path.read_text("utf-8")) for path in _files()]
    return [entry for d in documents for entry in (d["features"] if d["type"] == "FeatureCollection" else [d])]


def test_every_item_is_in_the_table() -> None:
    assert {entry["id"] for entry in _items()} == set(EXPECTED)
    assert len(_items()) == 37


@pytest.mark.parametrize("entry", _items(), ids=lambda entry: str(entry["id"]))
def test_offset_decision(entry: dict[str, Any]) -> None:
    expected = EXPECTED[entry["id"]]
    assert is_level_2a(entry) == (expected is not None)
    if expected is None:
        return
    provider, offset, reason = expected
    assert provider_of(entry) == provider
    decided = offset_of(entry, provider)
    assert (decided.offset, decided.scale, decided.reason) == (offset, 1e-4, reason)
    assert sorted(assets_of(entry)) == ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12", "B8A", "SCL"]


@pytest.mark.parametrize(
    ("collections", "first"),
    [
        (["sentinel-2-l2a", "sentinel-2-c1-l2a"], "sentinel-2-l2a"),
        (["sentinel-2-c1-l2a", "sentinel-2-l2a"], "sentinel-2-c1-l2a"),
    ],
)
def test_product_listed_twice_counts_once(collections: list[str], first: str) -> None:
    """Two pages hold six products, each in both collections, beside L1C and Sentinel-1."""
    pages = [str(p) for p in _files() if "search_mixed" in p.name]
    quarantine = Quarantine()
    found = scenes(*pages, collections=collections, max_cloud_cover=100, quarantine=quarantine)
    assert [s.collection for s in found] == [first] * 6
    assert sorted(s.tile for s in found) == ["20EPT", "24MUA", "24MUV", "24MVV", "24MWV", "24MXV"]
    assert {s.datatake for s in found} == {"S2B_20250731T131909", "S2B_20250731T130249"}
    assert len(quarantine) == 0


def test_one_collection_alone() -> None:
    pages = [str(p) for p in _files() if "search_mixed" in p.name]
    assert {s.offset for s in scenes(*pages, max_cloud_cover=100)} == {0.0}
    assert {s.offset for s in scenes(*pages, collections=["sentinel-2-c1-l2a"], max_cloud_cover=100)} == {-1000.0}


def test_level_1c_in_a_configured_collection_is_quarantined() -> None:
    pages = [str(p) for p in _files() if "search_mixed" in p.name]
    quarantine = Quarantine()
    found = scenes(*pages, collections=["sentinel-2-l2a", "sentinel-2-l1c"], max_cloud_cover=100, quarantine=quarantine)
    rows = quarantine.frame()
    assert len(found) == 6
    assert sorted(rows["column"]) == sorted(k for k, v in EXPECTED.items() if v is None and k.endswith("L1C"))
    assert set(rows["reason"]) == {
        "item of a configured collection is no Sentinel-2 L2A product; scene left out. Give its L2A"
    }


def test_time_series_and_cloud_filter() -> None:
    series = str(next(p for p in _files() if "35MNM" in p.name))
    every = scenes(series, max_cloud_cover=100)
    assert len(every) == 13
    assert [s.id for s in every] == [s.id for s in sorted(every, key=lambda s: (s.acquired, s.id))]
    cloudy = [s for s in every if s.cloud_cover is not None and s.cloud_cover > 50]
    assert len(scenes(series, max_cloud_cover=50)) == 13 - len(cloudy)


def test_relative_hrefs_of_safe_items() -> None:
    file = next(p for p in _files() if "T07HFE" in p.name)
    (scene,) = scenes(str(file))
    assert scene.assets["B04"].href == str(
        file.parent / "GRANULE/L2A_T07HFE_A019029_20190212T192646/IMG_DATA/R10m/T07HFE_20190212T192651_B04_10m.tif"
    )
