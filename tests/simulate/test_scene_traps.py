"""Traps among scenes: each does to pixels and items what the list of traps says, and to nothing else."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import rasterio

from plantation_rwa.simulate import atlas, geography, pixels, scene_traps
from plantation_rwa.simulate.portfolio import Inputs, simulate

STYLES = ("earth-search", "planetary-computer", "earth-search-c1")
SMALL = {
    "plantations": 3,
    "imagery_plantations": 3,
    "months": 8,
    "climate_years": 3,
    "settlement_days": 5,
    "sensor_months": 1,
    "passes_per_month": 3,
    "provider_styles": STYLES,
    "faults": False,
}


@pytest.fixture(scope="module")
def estates():
    special = atlas.invent(61, 3, 3, 2026, (200.0, 3000.0))
    return [geography.with_blocks(e, 61) for e in special]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, estates):
    """The same world without and with traps."""
    return [
        simulate(tmp_path_factory.mktemp("traps"), seed=61, traps=traps, inputs=Inputs(estates=estates), **SMALL)
        for traps in ((), tuple(scene_traps.TRAPS))
    ]


@pytest.fixture(scope="module")
def log(pair):
    return pd.read_csv(pair[1].directory / "truth/traps.csv")


def _item(made, plantation, item_id):
    root = made.directory / "scenes" / plantation
    if (root / "items.json").exists():
        return next(f for f in json.loads((root / "items.json").read_text())["features"] if f["id"] == item_id)
    return json.loads((root / item_id / f"{item_id}.json").read_text())


def _pixels(made, plantation, item_id, band):
    with rasterio.open(made.directory / "scenes" / plantation / item_id / f"{band}.tif") as source:
        return source.read(1), source


def test_every_trap_is_laid_and_told_with_what_should_become_of_it(log):
    assert set(log["trap"]) == set(scene_traps.TRAPS)
    assert (log["expected"] == log["trap"].map({k: v for k, (_, v) in scene_traps.TRAPS.items()})).all()


def test_one_scene_has_one_trap(log):
    assert (log.groupby(["plantation_id", "item_id"])["trap"].nunique() == 1).all()


def test_scenes_without_a_trap_keep_their_bytes(pair, log):
    plain, trapped = (p.directory / "scenes" for p in pair)
    touched = set(log["item_id"])
    same = [f for f in plain.rglob("*.tif") if f.parent.name not in touched]
    assert len(same) > 200
    assert all(f.read_bytes() == (trapped / f.relative_to(plain)).read_bytes() for f in same)


def _only(log, trap):
    rows = log[log["trap"] == trap]
    return [(p, list(g["item_id"])) for p, g in rows.groupby("plantation_id")]


def test_haze_brightens_by_its_formula_and_is_labelled_clear(pair, log):
    for plantation, (item_id,) in _only(log, "thin haze"):
        before, _ = _pixels(pair[0], plantation, item_id, "B02")
        after, _ = _pixels(pair[1], plantation, item_id, "B02")
        offset = pair[0].scenes.set_index("item_id").at[item_id, "dn_offset"]
        veil = (after - offset - (before - offset).astype(float)) / (3500.0 - (before - offset))
        steady = np.abs(before - offset - 3500.0) > 1000
        assert 0.145 < np.median(veil[steady]) < 0.355
        assert veil[steady].std() < 0.01
        scl, _ = _pixels(pair[1], plantation, item_id, "SCL")
        old, _ = _pixels(pair[0], plantation, item_id, "SCL")
        assert set(np.unique(scl[old == 4])) == {4, 7}


def test_beyond_the_swath_no_band_has_data(pair, log):
    for plantation, (item_id,) in _only(log, "swath edge"):
        empty = {b: (_pixels(pair[1], plantation, item_id, b)[0] == 0).mean() for b in ("B04", "B11", "SCL")}
        assert all(0.2 < share < 0.6 for share in empty.values())


def test_contrary_pixels_contradict_the_item_by_exactly_1000(pair, log):
    for plantation, (item_id,) in _only(log, "contrary pixels"):
        (before, _), (after, _) = (_pixels(p, plantation, item_id, "B08") for p in pair)
        assert set(np.unique(after.astype(int) - before)) <= {1000, -1000}
        truth = pair[1].scenes.set_index("item_id").at[item_id, "dn_offset"]
        assert truth != pair[0].scenes.set_index("item_id").at[item_id, "dn_offset"]
        assert _item(pair[1], plantation, item_id)["properties"] == _item(pair[0], plantation, item_id)["properties"]


def test_halves_of_a_split_datastrip_make_the_whole(pair, log):
    for plantation, names in _only(log, "split datastrip"):
        halves = [_pixels(pair[1], plantation, n, "B04")[0] for n in names]
        whole, _ = _pixels(pair[0], plantation, names[0], "B04")
        assert ((halves[0] > 0) & (halves[1] > 0)).sum() == 0
        assert np.array_equal(halves[0] + halves[1], whole)
        strips = {_item(pair[1], plantation, n)["properties"]["s2:datastrip_id"] for n in names}
        assert len(strips) == 2


@pytest.mark.parametrize("trap", ["tile pair", "other hemisphere", "next zone"])
def test_the_second_tile_is_of_the_same_datatake(pair, log, trap):
    for plantation, names in _only(log, trap):
        first, second = (_item(pair[1], plantation, n)["properties"] for n in names)
        assert first["s2:datatake_id"] == second["s2:datatake_id"]
        tiles = {p.get("grid:code") or p["s2:mgrs_tile"] for p in (first, second)}
        assert len(tiles) == 2


def test_false_northings_differ_by_ten_million_metres(pair, log):
    ((plantation, names),) = _only(log, "other hemisphere")
    (north, a), (south, b) = (_pixels(pair[1], plantation, n, "B08") for n in names)
    codes = sorted(int(s.crs.to_epsg()) for s in (a, b))
    assert codes[1] - codes[0] == 100
    assert abs(a.bounds.top - b.bounds.top) == pytest.approx(1e7, abs=20)
    assert np.bincount(south[south > 0]).argmax() == np.bincount(north[north > 0]).argmax()


def test_the_next_zone_holds_the_same_pixels_elsewhere(pair, log):
    ((plantation, names),) = _only(log, "next zone")
    (one, a), (other, b) = (_pixels(pair[1], plantation, n, "B08") for n in names)
    assert abs(a.crs.to_epsg() - b.crs.to_epsg()) == 1
    assert np.median(other[other > 0]) == pytest.approx(np.median(one), rel=0.02)


def test_two_collections_list_one_product(pair, log):
    for plantation, names in _only(log, "two collections"):
        items = [_item(pair[1], plantation, n) for n in names]
        assert len({i["properties"]["s2:product_uri"] for i in items}) == 1
    earth_search = [_item(pair[1], "SIM-001", n)["collection"] for n in dict(_only(log, "two collections"))["SIM-001"]]
    assert sorted(earth_search) == ["sentinel-2-c1-l2a", "sentinel-2-l2a"]


def test_reprocessing_comes_later_and_says_so(pair, log):
    for plantation, names in _only(log, "reprocessed"):
        old, new = (_item(pair[1], plantation, n)["properties"] for n in names)
        assert float(old["s2:processing_baseline"]) < float(new["s2:processing_baseline"]) == 5.11
        assert new["s2:generation_time"] > old["s2:generation_time"]
        listing = pair[1].scenes.set_index("item_id")
        assert listing.at[names[1], "baseline"] == "05.11"


def test_a_late_scene_was_made_75_days_after_it_was_taken(pair, log):
    for plantation, (name,) in _only(log, "late known"):
        found = _item(pair[1], plantation, name)["properties"]
        made = pd.Timestamp(found["s2:generation_time"]) - pd.Timestamp(found["datetime"])
        assert made == pd.Timedelta(days=75)


def test_a_corrupt_file_cannot_be_read(pair, log):
    for plantation, (name,) in _only(log, "corrupt file"):
        with pytest.raises(rasterio.errors.RasterioError):
            _pixels(pair[1], plantation, name, "B04")


def test_missing_bands_and_a_lying_shape_stand_in_the_item(pair, log):
    for plantation, (name,) in _only(log, "bands missing"):
        assert not {"B11", "B12", "swir16", "swir22"} & set(_item(pair[1], plantation, name)["assets"])
    for plantation, (name,) in _only(log, "lying shape"):
        asset = next(a for k, a in _item(pair[1], plantation, name)["assets"].items() if k in {"B04", "red"})
        _, source = _pixels(pair[1], plantation, name, "B04")
        assert asset["proj:shape"] == [10980, 10980] != list(source.shape)


def test_traps_of_places_are_laid_there_only(log):
    where = log.groupby("trap")["plantation_id"].unique()
    for trap in scene_traps.PLACED:
        assert list(where[trap]) == ["SIM-001"]


@pytest.mark.parametrize(
    ("bounds", "names"),
    [
        ((101.9, -0.1, 102.1, 0.1), ["other hemisphere", "next zone"]),
        ((103.0, -0.1, 103.1, 0.1), ["other hemisphere"]),
        ((101.9, 2.0, 102.1, 2.1), ["next zone"]),
        ((103.0, 2.0, 103.1, 2.1), []),
        ((102.0, 0.0, 102.1, 0.1), []),
    ],
)
def test_places_known_answers(bounds, names):
    assert scene_traps.placed(bounds) == names


def test_bare_soil_is_called_cloud_and_cloud_edges_vegetation_at_the_stated_rates():
    bare = pixels.sky(np.random.default_rng(5), (600, 600), 0.0, True)
    assert (bare.scl == 8).mean() == pytest.approx(0.03, abs=0.002)
    cloudy = [pixels.sky(np.random.default_rng(s), (300, 300), 0.4, False) for s in range(4)]
    from scipy import ndimage

    square = np.ones((3, 3))
    hit = edge = 0
    for sky in cloudy:
        rim = (sky.cloud & ~ndimage.binary_erosion(sky.cloud, square))[2:-2, 2:-2]
        edge, hit = edge + int(rim.sum()), hit + int((sky.scl[2:-2, 2:-2][rim] == 4).sum())
    assert hit / edge == pytest.approx(0.08, abs=0.015)
