"""The lazy monthly composite: laziness, medians, windows, observations of several scenes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from plantation_rwa.features.composites import BLOCK, monthly_composite
from plantation_rwa.features.indices import INDICES
from plantation_rwa.features.observations import UnreadableSceneError, observations
from plantation_rwa.grid import Window
from tests.features.plain_pixels import composite_of
from tests.features.scene_factory import CRS, MemoryReader, grid, palm

_COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")


def test_lazy_with_crs_and_coordinates() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm(), coarse=_COARSE)
    composite = monthly_composite([scene], reader, grid())
    assert reader.reads == []
    assert set(composite.data_vars) == {*INDICES, "n_clear"}
    assert composite["ndvi"].chunks == ((40,), (40,))
    assert composite.rio.crs.to_string() == CRS
    assert composite.rio.transform() == grid().transform
    assert (float(composite.x[0]), float(composite.y[0])) == (300_005.0, 199_995.0)
    done = composite.compute(scheduler="synchronous")
    assert float(done["ndvi"].mean()) == pytest.approx(0.8436, abs=5e-5)
    assert float(done["cire"].mean()) == pytest.approx(3.1667, abs=5e-5)
    assert (done["n_clear"] == 1).all()


def test_only_blocks_under_the_grid_are_read() -> None:
    """Chunks end where the file's blocks end; bands are read only where the classification shows something clear."""
    reader, spec = MemoryReader(), grid(1100, 1100)
    scl = np.full((550, 550), 4)
    scl[:256] = 9
    scene = reader.scene("a", palm(SCL=scl), spec=spec, coarse=_COARSE)
    lazy = monthly_composite([scene], reader, spec.crop(Window(480, 20, 60, 40)), ["ndvi"])
    assert lazy["ndvi"].chunks == ((32, 28), (40,))
    lazy.compute(scheduler="synchronous")
    assert {href for href, _ in reader.reads} == {"a/B04", "a/B08", "a/SCL"}
    assert {w for href, w in reader.reads if href != "a/SCL"} == {Window(512, 0, 512, 512)}


@pytest.mark.parametrize(
    "reds",
    [(500, 300, 400), (500, 300), (500, 300, 400, 900), (500,)],
)
def test_median_of_index_over_scenes(reds: tuple[int, ...]) -> None:
    """The median is taken of the index, not of the bands: two scenes give the mean of two NDVI."""
    reader = MemoryReader()
    scenes = [reader.scene(f"s{n}", {"B04": red, "B08": 3000, "SCL": 4}) for n, red in enumerate(reds)]
    done = monthly_composite(scenes, reader, grid(4, 4), ["ndvi"]).compute(scheduler="synchronous")
    ndvi = sorted((3000 - r) / (3000 + r) for r in reds)
    middle = ndvi[(len(ndvi) - 1) // 2], ndvi[len(ndvi) // 2]
    assert done["ndvi"].to_numpy() == pytest.approx(np.full((4, 4), sum(middle) / 2), abs=1e-7)


def test_no_scene_gives_empty_planes() -> None:
    done = monthly_composite([], MemoryReader(), grid(3, 3), ["ndvi"]).compute(scheduler="synchronous")
    assert np.isnan(done["ndvi"]).all()
    assert (done["n_clear"] == 0).all()


def test_blocks_do_not_show() -> None:
    """A grid of four blocks gives what one block of each corner gives, clouds across the seams included."""
    rng = np.random.default_rng(7)
    side = BLOCK + 12
    spec = grid(side, side)
    scl = np.where(rng.random((side // 4, side // 4)) < 0.2, 9, 4).repeat(4, 0).repeat(4, 1)
    reader = MemoryReader()
    red = rng.integers(200, 900, (side, side))
    scene = reader.scene(
        "a", {"B04": red, "B08": 3000, "SCL": scl[: side // 2, : side // 2]}, spec=spec, coarse=("SCL",)
    )
    tiled = monthly_composite([scene], reader, spec, ["ndvi"]).compute(scheduler="synchronous")["ndvi"].to_numpy()
    whole = composite_of([scene], reader, spec, ("ndvi",), "strict")[0]
    np.testing.assert_allclose(tiled, whole, atol=1e-7)
    assert 0.05 < np.isnan(tiled).mean() < 0.95


def test_missing_asset_makes_only_its_indices_missing() -> None:
    reader = MemoryReader()
    scenes = [reader.scene("a", palm(B11=None)), reader.scene("b", palm(B07=None))]
    done = monthly_composite(scenes[:1], reader, grid(4, 4)).compute(scheduler="synchronous")
    assert np.isnan(done["ndmi"]).all()
    assert np.isfinite(done["cire"]).all()
    both = monthly_composite(scenes, reader, grid(4, 4)).compute(scheduler="synchronous")
    assert np.isfinite(both["ndmi"]).all()
    assert (both["n_clear"] == 2).all()


def test_nodata_of_one_band_hides_only_its_indices() -> None:
    swir = np.full((40, 40), 1550)
    swir[0, 0] = 0
    reader = MemoryReader()
    done = monthly_composite([reader.scene("a", palm(B11=swir))], reader, grid()).compute(scheduler="synchronous")
    assert np.isnan(done["ndmi"].to_numpy()[0, 0])
    assert np.isfinite(done["ndmi"].to_numpy()[0, 1])
    assert np.isfinite(done["ndvi"].to_numpy()[0, 0])


def test_source_without_classification_is_masked_by_nodata_alone() -> None:
    red = np.full((40, 40), 280)
    red[:, :20] = 0
    reader = MemoryReader()
    done = monthly_composite([reader.scene("a", palm(SCL=None, B04=red))], reader, grid()).compute(
        scheduler="synchronous"
    )
    assert done["n_clear"].to_numpy().mean(axis=0).tolist() == [0.0] * 20 + [1.0] * 20


def test_two_datastrips_join_into_one_observation() -> None:
    """Each strip fills the half the other lacks; the datatake counts once, not twice or as a mean."""
    left, right = (np.zeros((40, 40), int) for _ in range(2))
    left[:, :22], right[:, 18:] = 1, 1
    reader = MemoryReader()
    strips = [
        reader.scene(n, {"B04": half * red, "B08": half * 3000, "SCL": half * 4}, datatake="D", created=made)
        for n, half, red, made in (("l", left, 300, "2024-03-06"), ("r", right, 500, "2024-03-07"))
    ]
    done = monthly_composite(strips, reader, grid(), ["ndvi"]).compute(scheduler="synchronous")
    assert (done["n_clear"] == 1).all()
    row = done["ndvi"].to_numpy()[0]
    assert row[17] == pytest.approx(2700 / 3300)
    assert row[18:22] == pytest.approx([2500 / 3500] * 4)  # the later created strip wins the overlap


def test_precedence_inside_a_datatake() -> None:
    reader = MemoryReader()
    scenes = [
        reader.scene("old", palm(), datatake="D", baseline=2.14, created="2025-01-01"),
        reader.scene("new", palm(), datatake="D", baseline=5.0, created="2023-01-01"),
        reader.scene("latest", palm(), datatake="D", baseline=5.0, created="2024-01-01"),
        reader.scene("other", palm(), day="2024-03-01"),
    ]
    assert [[s.id for s in o.scenes] for o in observations(scenes)] == [["other"], ["latest", "new", "old"]]
    assert observations(scenes) == observations(scenes[::-1])


def test_offset_is_the_scenes_own() -> None:
    """The same ground before and after baseline 04.00 gives the same index: no step across the switch."""
    reader = MemoryReader()
    scenes = [reader.scene("before", palm()), reader.scene("after", palm(-1000.0), offset=-1000.0)]
    values = [
        float(monthly_composite([s], reader, grid(4, 4), ["ndvi"]).compute(scheduler="synchronous")["ndvi"].mean())
        for s in scenes
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-7)


def test_unreadable_band_names_scene_and_band() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm())
    reader.broken.add("a/B8A")
    lazy = monthly_composite([scene], reader, grid(4, 4))
    with pytest.raises(UnreadableSceneError, match="scene a, band B8A: a/B8A: cannot be read: bad block") as caught:
        lazy.compute(scheduler="synchronous")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.scene_id, again.band, str(again)) == ("a", "B8A", str(caught.value))


def test_band_in_another_crs_is_unreadable() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm())
    spec, pixels = reader.files["a/B04"]
    reader.files["a/B04"] = (grid(crs="EPSG:32749"), pixels)
    assert spec.crs == CRS
    with pytest.raises(UnreadableSceneError, match="band B04: lies in EPSG:32749"):
        monthly_composite([scene], reader, grid(4, 4), ["ndvi"]).compute(scheduler="synchronous")


def test_scene_classes_in_another_crs_leave_the_scene_out() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm())
    _, classes = reader.files["a/SCL"]
    reader.files["a/SCL"] = (grid(crs="EPSG:32749"), classes)
    with pytest.raises(UnreadableSceneError, match="scene a, band SCL: lies in EPSG:32749"):
        monthly_composite([scene], reader, grid(4, 4), ["ndvi"]).compute(scheduler="synchronous")
