"""The engine against the plain path: same figures, flags, problems and trail for every outline and month."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from shapely.geometry import Point

from plantation_rwa.features.imagery import Checks, MonthOfOutlines, Outline
from plantation_rwa.features.indices import INDICES
from plantation_rwa.grid import GridSpec, reproject
from plantation_rwa.sources.base import Scene
from tests.features import plain_path
from tests.features.definitions import weighted_mean, weighted_quantile
from tests.features.scene_factory import CRS, ORIGIN, PALM, RULES, MemoryReader, grid, outline, palm, rows_of, triangle

COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
#: of figures that rest on a quantile: one step between neighbouring pixels of the noisy worlds here
STEP = 2e-3


def noisy(
    rng: np.random.Generator, reader: MemoryReader, name: str, spec: GridSpec, *, wedge: bool = False, **options: Any
) -> Scene:
    """A scene of noisy palms under correlated clouds, with holes of nodata."""
    coarse, offset = options.setdefault("coarse", COARSE), options.get("offset", 0.0)
    lie = options.pop("lie", 0.0)
    bands: dict[str, Any] = {}
    for band, value in PALM.items():
        shape = (spec.height // 2, spec.width // 2) if band in coarse else (spec.height, spec.width)
        bands[band] = (value * 1e4 * rng.uniform(0.5, 1.5, shape) - offset + lie).round()
        bands[band][rng.random(shape) < 0.02] = 0
    shape = (spec.height // 2, spec.width // 2) if "SCL" in coarse else (spec.height, spec.width)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 4)
    ground = rng.choice([4, 5, 7, 2], shape, p=[0.8, 0.1, 0.06, 0.04])
    bands["SCL"] = np.where(field > np.quantile(field, rng.uniform(0.3, 1)), rng.choice([3, 8, 9, 10]), ground)
    if wedge:
        bands["SCL"][:, : rng.integers(1, shape[1])] = 0
    return reader.scene(
        name, {b: v for b, v in bands.items() if b not in options.pop("without", ())}, spec=spec, **options
    )


def agree(
    shapes: Sequence[Any],
    scenes: Sequence[Scene],
    reader: MemoryReader,
    profile: str = "strict",
    checks: Checks | None = None,
) -> list[dict[str, Any]]:
    """Assert that means agree to 1e-6 and quantiles to a step between neighbouring pixels; nothing else differs."""
    checks = checks or Checks(RULES)
    outlines = [Outline(s, scenes) for s in shapes]
    month = MonthOfOutlines(outlines, "2024-03", reader, profile=profile)
    found = rows_of(month, dict.fromkeys(range(len(shapes)), checks))
    for n, shape in enumerate(shapes):
        same(found[n], plain_path.plantation_month(shape, "2024-03", scenes, reader, checks=checks, profile=profile))
    return [found[n] for n in range(len(shapes))]


def same(found: Mapping[str, Any], plain: plain_path.PlainMonth) -> None:
    """Assert that a row says what the definitions say."""
    numbers: dict[str, tuple[float, float]] = {}
    for name in INDICES:
        numbers[name] = weighted_quantile(*plain.pixels(name), 0.5), STEP
    for name in ("ndvi", "ndmi"):
        numbers[f"{name}_mean"] = weighted_mean(*plain.pixels(name)), 1e-6
    for name, level in (("ndvi_p10", 0.1), ("ndvi_p90", 0.9)):
        numbers[name] = weighted_quantile(*plain.pixels("ndvi"), level), STEP
    for name in ("valid_fraction", "n_clear", "effective_pixels"):
        numbers[name] = getattr(plain, name), 1e-6
    for name, (value, step) in numbers.items():
        np.testing.assert_allclose(found[name], value, rtol=step, atol=step, err_msg=name)
    for name in ("scenes", "offset_inferred", "known_at"):
        assert found[name] == getattr(plain, name), name
    assert found["flags"] == sorted(plain.flags)
    assert found["problems"] == sorted(plain.problems)
    trails(found["trail"], plain.trail)
    told = {*numbers, "scenes", "offset_inferred", "known_at", "flags", "problems", "trail", "records"}
    assert set(found) == told
    assert [r.scene_id for r in found["records"]] == [r.scene_id for r in plain.records]


def trails(found: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> None:
    """Assert that the records of scenes agree: what was decided exactly, figures to the last published decimal."""
    assert [t["scene_id"] for t in found] == [t["scene_id"] for t in plain]
    for row, wanted in zip(found, plain, strict=True):
        assert list(row) == list(wanted)
        for column, value in wanted.items():
            if isinstance(value, float) and not math.isnan(value):
                assert row[column] == pytest.approx(value, abs=2e-7, rel=1e-6), column
            else:
                assert repr(row[column]) == repr(value), column


@pytest.mark.parametrize(("seed", "profile"), [(0, "strict"), (1, "lenient"), (2, "strict")])
def test_many_plantations_of_one_tile(seed: int, profile: str) -> None:
    """Across cells, blocks and the tile's edge; overlapping, with holes, with bands missing."""
    rng, reader, spec = np.random.default_rng(seed), MemoryReader(), grid(1100, 1200)
    without = [(), ("SCL",), ("B11",), ("B02", "B05")]
    scenes = [
        noisy(rng, reader, f"s{k}", spec, day=f"2024-03-{k + 1:02d}", offset=(0.0, -1000.0)[k % 2], without=without[k])
        for k in range(4)
    ]
    shapes = [triangle(*(tuple(rng.uniform(-300, 11_500, 2)) for _ in range(3)))]  # type: ignore[misc]
    corners = ((5020, 5020, 300), (10_100, 5050, 400), (11_800, 10_900, 300), (5050, 5050, 300), (200, 200, 60))
    agree([*shapes, *(outline(x, y, x + w, y + w) for x, y, w in corners)], scenes, reader, profile)
    believed = Checks(RULES, verdicts={})
    agree([*shapes, *(outline(x, y, x + w, y + w) for x, y, w in corners)], scenes, reader, profile, believed)


@pytest.mark.parametrize("seed", range(4))
def test_split_datastrips_of_mixed_baselines(seed: int) -> None:
    rng, reader, spec = np.random.default_rng(seed), MemoryReader(), grid(600, 600)
    scenes = [
        noisy(
            rng, reader, f"d{d}p{p}", spec, wedge=True, datatake=f"D{d}", day=f"2024-03-{d + 1:02d}",
            offset=float(rng.choice([0, -1000])), baseline=float(rng.choice([4, 5.11])),
            lie=1000.0 * (seed == 3 and p == 0),
            without=("SCL",) if (seed, p) == (2, 1) else (), coarse=COARSE if p < 2 else ("B05", "SCL"),
        )
        for d in range(2) for p in range(3)
    ]  # fmt: skip
    shapes = [outline(x, y, x + w, y + w) for x, y, w in ((50, 50, 300), (4900, 4900, 500), (2000, 900, 900))]
    agree(shapes, scenes, reader)


def test_tiles_of_two_zones_share_the_ground() -> None:
    rng, reader = np.random.default_rng(0), MemoryReader()
    corner = reproject(Point(ORIGIN[0] + 2000, ORIGIN[1]), CRS, "EPSG:32747")
    specs = {
        "A": grid(400, 400),
        "B": grid(400, 400, origin=(ORIGIN[0] + 3000, ORIGIN[1] + 1000)),
        "C": grid(500, 500, origin=(round(corner.x, -1), round(corner.y, -1)), crs="EPSG:32747"),
    }
    scenes = [
        noisy(rng, reader, f"{n}{k}", spec, tile=n, datatake=f"D{k}", day=f"2024-03-{k + 1:02d}")
        for n, spec in specs.items()
        for k in range(2)
    ]
    shapes = [
        outline(x, y, x + w, y + h)
        for x, y, w, h in ((50, 50, 300, 300), (2500, 300, 3000, 900), (6800, -500, 700, 700))
    ]
    agree(shapes, scenes, reader)


def test_passes_that_only_a_neighbouring_tile_lists() -> None:
    """Both tiles of a zone cover part of the estate; some datatakes are listed for one of them, some for both."""
    rng, reader = np.random.default_rng(8), MemoryReader()
    specs = {"A": grid(300, 300), "B": grid(300, 300, origin=(ORIGIN[0] + 2000, ORIGIN[1] + 300))}
    feet = {"A": outline(0, 0, 3000, 3000), "B": outline(2000, -300, 5000, 2700)}
    scenes = [
        noisy(rng, reader, f"{t}{k}", specs[t], tile=t, datatake=f"D{k}", day=f"2024-03-{k + 1:02d}", footprint=feet[t])
        for k, tiles in enumerate(("AB", "A", "B", "AB"))
        for t in tiles
    ]
    shapes = [outline(x, 200, x + 1200, 1400) for x in (300, 1500, 2300, 3300)]
    agree(shapes, scenes, reader)


def test_files_of_other_extent_lattice_and_resolution() -> None:
    rng, reader = np.random.default_rng(1), MemoryReader()
    specs = [
        grid(400, 400),
        grid(500, 440, origin=(ORIGIN[0] - 130, ORIGIN[1] + 250)),
        grid(400, 400, origin=(ORIGIN[0] + 4, ORIGIN[1] - 3)),
        grid(200, 200, 20.0),
    ]
    scenes = [
        noisy(rng, reader, f"s{k}", s, day=f"2024-03-{k + 1:02d}", datatake=f"D{k % 3}") for k, s in enumerate(specs)
    ]
    shapes = [outline(x, y, x + w, y + w) for x, y, w in ((50, 50, 300), (-100, 300, 900), (3700, 3700, 500))]
    agree(shapes, scenes, reader)


def test_clouds_grow_across_cells_on_another_lattice() -> None:
    """The classification lies 3 m off; a cloud ends 20 m before the edge of a cell that an outline crosses."""
    rng, reader, spec = np.random.default_rng(6), MemoryReader(), grid(600, 600)
    scene = noisy(rng, reader, "a", spec)
    classes = np.full((300, 300), 4, np.uint8)
    classes[:, :255] = 9
    reader.files["a/SCL"] = (grid(300, 300, 20.0, origin=(ORIGIN[0] + 3, ORIGIN[1] - 3)), classes)
    agree([outline(4900, 300, 5400, 900)], [scene], reader)


def test_a_classification_that_reaches_beyond_the_bands() -> None:
    """Clouds beyond the bands' edge grow into them."""
    rng, reader, spec = np.random.default_rng(5), MemoryReader(), grid(400, 400)
    scene = noisy(rng, reader, "a", spec)
    wide = grid(220, 220, 20.0, origin=(ORIGIN[0] - 200, ORIGIN[1] + 200))
    classes = np.full((220, 220), 4, np.uint8)
    classes[:, :11] = 9  # up to 20 m into the bands
    reader.files["a/SCL"] = (wide, classes)
    agree([outline(20, 20, 900, 900)], [scene], reader)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_other_number_types(dtype: str) -> None:
    reader = MemoryReader()
    bands = {b: np.minimum(v, 200) if b != "SCL" else v for b, v in palm().items()} if dtype == "uint8" else palm()
    scenes = [reader.scene("a", bands, dtype=dtype), reader.scene("b", palm(), day="2024-03-09")]
    agree([outline(50, 50, 350, 350)], scenes, reader)


@pytest.mark.parametrize("seed", range(3))
def test_scenes_that_cannot_be_read(seed: int) -> None:
    """Broken where every outline shows clearly: header, classification, and bands."""
    rng, reader, spec = np.random.default_rng(seed), MemoryReader(), grid(600, 600)
    scenes = [noisy(rng, reader, f"s{k}", spec, day=f"2024-03-{k + 1:02d}", offset=-1000.0) for k in range(4)]
    reader.broken |= {"s0/B12", "s1/SCL", "s1/B04"}
    reader.closed.add("s2/B8A")
    shapes = [outline(x, y, x + 900, y + 900) for x, y in ((100, 100), (4900, 4900))]
    rows = agree(shapes, scenes, reader)
    assert [p[:2] for p in rows[0]["problems"]] == [("s0", "B12"), ("s1", "SCL"), ("s2", "B8A")]


def test_scenes_that_lie_about_their_offset_and_haze_by_the_past() -> None:
    """A history of two clear months judges a month with a liar and a veil."""
    rng, reader, spec = np.random.default_rng(7), MemoryReader(), grid(300, 300)
    shape = outline(100, 100, 2500, 2500)
    records: list[Any] = []
    for month in range(12):
        past = noisy(rng, reader, f"p{month}", spec, day=f"2023-{month + 1:02d}-05")
        records += agree([shape], [past], reader, checks=Checks(RULES, tuple(records)))[0]["records"]
    liar = noisy(rng, reader, "liar", spec, day="2024-03-02", lie=1000.0)
    veil = noisy(rng, reader, "veil", spec, day="2024-03-12")
    grid_of, blue = reader.files["veil/B02"]
    reader.files["veil/B02"] = (grid_of, (blue + 600).astype("uint16"))
    good = noisy(rng, reader, "good", spec, day="2024-03-22", offset=-1000.0)
    (row,) = agree([shape], [liar, veil, good], reader, checks=Checks(RULES, tuple(records)))
    assert {"offset_inferred", "haze_left_out"} <= set(row["flags"])
