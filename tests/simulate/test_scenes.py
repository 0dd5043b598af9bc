"""Scenes: what pixels carry, what items say, and that both lead back to the noise-free truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy import ndimage

from plantation_rwa.simulate import items, pixels, scenes
from plantation_rwa.simulate.world import Effects
from plantation_rwa.testing import tiny_portfolio

PALM = dict(zip(pixels.BANDS, pixels.CLASSES["palm_8_18"], strict=True))


def _features(root):
    for folder in sorted((root / "scenes").iterdir()):
        if (folder / "catalog.json").exists():
            for link in json.loads((folder / "catalog.json").read_text())["links"]:
                if link["rel"] == "item":
                    file = folder / link["href"]
                    yield file, json.loads(file.read_text())
        else:
            for feature in json.loads((folder / "items.json").read_text())["features"]:
                yield folder / "items.json", feature


def _read(file, feature, band):
    names = (band, items._COMMON[band])
    href = next(feature["assets"][n]["href"] for n in names if n in feature["assets"])
    with rasterio.open(file.parent / href) as source:
        return source.read(1)


def test_indices_known_answers():
    # domain/yield.md 2.1: palm of 8-18 years
    found = pixels.indices(PALM)
    assert round(found["ndvi"], 4) == 0.8436
    assert round(found["evi"], 4) == 0.5664
    assert round(found["kndvi"], 4) == 0.6117
    assert round(found["ndmi"], 4) == 0.3800
    assert round(found["ndre"], 4) == 0.6547
    assert round(found["cire"], 4) == 3.1667
    assert round(found["nbr"], 4) == 0.6953


def test_couplings_move_the_index_they_name_and_by_their_size():
    effects = Effects()
    calm = pixels.indices(pixels.canopy(12.0, 0.0, 0.0, effects))
    dry = pixels.indices(pixels.canopy(12.0, 2.0, 0.0, effects))
    fed = pixels.indices(pixels.canopy(12.0, 0.0, 1.0, effects))
    assert calm["ndvi"] == pytest.approx(pixels.indices(PALM)["ndvi"])
    assert dry["ndmi"] - calm["ndmi"] == pytest.approx(-0.08)
    assert dry["ndvi"] == pytest.approx(calm["ndvi"])
    assert fed["cire"] - calm["cire"] == pytest.approx(0.25)
    assert fed["ndvi"] - calm["ndvi"] == pytest.approx(0.004)


def test_noise_is_standard_and_correlated():
    noise = pixels._noise(np.random.default_rng(1), (400, 400), 1.3)
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] > 0.7


def test_sky_without_clouds_is_clear_and_with_clouds_mislabelled_only_at_the_edge():
    clear = pixels.sky(np.random.default_rng(1), (60, 60), 0.0, False)
    assert (clear.scl == 4).all()
    for seed in range(6):
        sky = pixels.sky(np.random.default_rng(seed), (80, 80), 0.5, False)
        named = np.isin(sky.scl, [3, 8, 9])
        reach = ndimage.distance_transform_edt(~named)
        dirty = sky.cloud | sky.haze | sky.shadow
        inner = np.zeros_like(dirty)
        inner[3:-3, 3:-3] = True  # nearer to the edge the cloud itself may lie outside
        assert (reach[dirty & inner] > 3.0).mean() < 0.002  # a mask dilated by 60 m holds nearly everything
        assert (sky.scl[~dirty] == 4).all()


def test_items_describe_their_files(made):
    for file, feature in _features(made.directory):
        assert feature["stac_version"] in {"1.0.0", "1.1.0"}
        code = feature["properties"].get("proj:code") or f"EPSG:{feature['properties']['proj:epsg']}"
        for key, asset in feature["assets"].items():
            assert not asset["href"].startswith("/")
            with rasterio.open(file.parent / asset["href"]) as source:
                assert source.crs.to_string() == code
                assert source.nodata == 0
                assert source.profile["compress"] == "zstd"
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                coarse = key in {
                    "SCL",
                    "scl",
                    "rededge1",
                    "rededge3",
                    "nir08",
                    "swir16",
                    "swir22",
                    "B05",
                    "B07",
                    "B8A",
                    "B11",
                    "B12",
                }
                assert source.res == ((20.0, 20.0) if coarse else (10.0, 10.0))
                assert source.dtypes[0] == ("uint8" if key in {"SCL", "scl"} else "uint16")


def test_all_styles_occur(made):
    kinds = {
        (f["collection"], "B04" in f["assets"], f["properties"].get("earthsearch:boa_offset_applied"))
        for _, f in _features(made.directory)
    }
    assert ("sentinel-2-l2a", True, None) in kinds  # Planetary Computer
    assert ("sentinel-2-c1-l2a", False, None) in kinds  # Earth Search, collection 1
    assert ("sentinel-2-l2a", False, True) in kinds  # Earth Search, offset removed
    assert ("sentinel-2-l2a", False, False) in kinds  # Earth Search before the switch


def test_offset_follows_baseline_and_provider(made):
    listing = made.scenes
    earth_search = listing["item_id"].str.endswith("_L2A") & (listing["collection"] == "sentinel-2-l2a")
    late = listing["baseline"].astype(float) >= 4.0
    assert (listing.loc[earth_search, "dn_offset"] == 0).all()
    assert (listing.loc[~earth_search & late, "dn_offset"] == 1000).all()
    assert (listing.loc[~late, "dn_offset"] == 0).all()
    assert set(listing["baseline"]) == {"03.01", "05.00", "05.11"}


def _estimate(made, plantation, month):
    """Median NDVI of the month by the listed offsets and a plain mask: no code of the features room in between."""
    offsets = made.scenes.set_index("item_id")["dn_offset"]
    chip = scenes.chip_of(next(e for e in made.estates if e.plantation_id == plantation))
    inner = ndimage.binary_erosion(chip.inside, iterations=2)
    layers = {}
    for file, feature in _features(made.directory):
        if plantation not in file.as_posix() or feature["properties"]["datetime"][:7] != month:
            continue
        if feature["properties"].get("grid:code", feature["properties"].get("s2:mgrs_tile", "")).endswith("SN"):
            continue
        b4, b8 = (_read(file, feature, b).astype(float) - offsets.loc[feature["id"]] for b in ("B04", "B08"))
        scl = _read(file, feature, "SCL")
        near = ndimage.distance_transform_edt(~np.isin(scl, [0, 3, 8, 9]))
        clear = np.kron((near > 4) & (scl == 4), np.ones((2, 2))).astype(bool) & inner
        layers[feature["id"]] = np.where(clear, (b8 - b4) / np.where(clear, b8 + b4, 1.0), np.nan)
    stack = np.array([v for v in layers.values() if np.isfinite(v).sum() > 200])
    return float(np.nanmedian(np.concatenate([s[np.isfinite(s)] for s in stack]))) if len(stack) else np.nan


def test_pixels_lead_back_to_the_truth_across_the_switch(made):
    truth = made.monthly.dropna(subset="true_ndvi")
    errors = []
    for row in truth.itertuples():
        estimate = _estimate(made, row.plantation_id, row.month)
        if np.isfinite(estimate):
            errors.append((row.plantation_id, row.month, estimate - row.true_ndvi))
    table = pd.DataFrame(errors, columns=["plantation_id", "month", "error"])
    assert len(table) > 12
    assert np.sqrt((table["error"] ** 2).mean()) < 0.01
    late = table["month"] >= str(json.loads((made.directory / "truth/truth.json").read_text())["baseline_switch"])
    assert 0 < late.sum() < len(table)
    assert abs(table.loc[late, "error"].mean() - table.loc[~late, "error"].mean()) < 0.01


def test_truth_of_an_index_is_a_median_over_pixels_of_one_canopy(made):
    estate = next(e for e in made.estates if e.imagery and not e.blocks_published)
    truth = made.monthly[(made.monthly["plantation_id"] == estate.plantation_id)].dropna(subset="true_ndvi")
    assert (truth["true_ndvi"] - truth["true_ndvi_mean"]).abs().max() < 1e-12
    np.testing.assert_allclose(np.tanh(truth["true_ndvi"] ** 2), truth["true_kndvi"])
    ages = (pd.to_datetime(truth["month"]) - pd.Timestamp(estate.planted)).dt.days / 365.25
    base = np.array([pixels.indices(pixels.canopy(a, 0, 0, Effects()))["ndmi"] for a in ages])
    np.testing.assert_allclose(truth["true_ndmi"], base - 0.04 * truth["canopy_deficit"], atol=1e-3)


def test_a_product_is_listed_twice_once_and_passes_are_few(made):
    repeats = 0
    for folder in (made.directory / "scenes").iterdir():
        if (folder / "items.json").exists():
            ids = [f["id"] for f in json.loads((folder / "items.json").read_text())["features"]]
            repeats += len(ids) - len(set(ids))
    assert repeats == 2
    days = made.scenes.assign(day=made.scenes["acquired"].str[:10]).groupby(["plantation_id", "month"])["day"].nunique()
    assert days.max() <= 2


def test_reprocessed_twin_and_overlapping_tile_share_their_datatake(made):
    seen = {}
    for file, feature in _features(made.directory):
        properties = feature["properties"]
        plantation = next(e.plantation_id for e in made.estates if e.plantation_id in file.as_posix())
        take = properties["s2:datatake_id"].rsplit("_N", 1)[0]
        key = (take, properties.get("grid:code") or properties.get("s2:mgrs_tile"))
        seen.setdefault((plantation, take), set()).add((feature["id"], key[1], properties["s2:processing_baseline"]))
    groups = [g for g in seen.values() if len(g) > 1]
    assert any(len({tile for _, tile, _ in g}) == 2 for g in groups)
    assert any(len({baseline for *_, baseline in g}) == 2 for g in groups)


def test_wrong_flag_is_one_item_whose_pixels_contradict_it(tmp_path):
    made = tiny_portfolio(tmp_path, seed=3, plantations=1, months=6, wrong_offset_flag=True, passes_per_month=3)
    wrong = made.scenes[made.scenes["claims_removed"] & (made.scenes["dn_offset"] == 1000)]
    assert len(wrong) == 1
    scene = next(f for f in (made.directory / "scenes").rglob("B04.tif") if wrong["item_id"].iloc[0] in f.as_posix())
    with rasterio.open(scene) as source:
        pixels_10m = source.read(1)
    assert pixels_10m[pixels_10m > 0].min() >= 1000


def test_missing_month_of_switch_defaults_to_the_middle(made):
    notes = json.loads((made.directory / "truth/truth.json").read_text())
    assert notes["baseline_switch"] == "2026-02"
