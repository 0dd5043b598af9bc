"""The imagery engine against the plantation-by-plantation path, and what it reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from shapely.geometry import Point

from plantation_rwa.features.engine.shares import Shares
from plantation_rwa.features.engine.units import Seen, Target, look
from plantation_rwa.features.imagery import MIN_PIXELS, Checks, plantation_month
from plantation_rwa.features.indices import INDICES
from plantation_rwa.features.observations import with_offset
from plantation_rwa.grid import GridSpec, area_ha, edge_buffer_m, perimeter_m, reproject
from plantation_rwa.sources.base import Scene
from tests.features.scene_factory import CRS, ORIGIN, PALM, RULES, MemoryReader, grid, outline, palm, triangle

COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")


def noisy(
    rng: np.random.Generator, reader: MemoryReader, name: str, spec: GridSpec, *, wedge: bool = False, **options: Any
) -> Scene:
    """A scene of noisy palms under correlated clouds, with holes of nodata."""
    coarse, offset = options.setdefault("coarse", COARSE), options.get("offset", 0.0)
    bands: dict[str, Any] = {}
    for band, value in PALM.items():
        shape = (spec.height // 2, spec.width // 2) if band in coarse else (spec.height, spec.width)
        bands[band] = (value * 1e4 * rng.uniform(0.5, 1.5, shape) - offset).round()
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


def targets(shapes: Sequence[Any], scenes: Sequence[Scene], edge: float | None = None) -> list[Target]:
    return [
        Target(s, tuple(scenes), edge_buffer_m(area_ha(s) * 1e4, perimeter_m(s)) if edge is None else edge)
        for s in shapes
    ]


def agree(shapes: Sequence[Any], scenes: Sequence[Scene], reader: MemoryReader, profile: str = "strict") -> list[Seen]:
    """Assert that means agree to 1e-6 and quantiles to a step between neighbouring pixels; nothing else differs."""
    found = look(targets(shapes, scenes), reader, profile=profile)
    for shape, seen in zip(shapes, found, strict=True):
        row = plantation_month(shape, "2024-03", scenes, reader, checks=Checks(RULES, verdicts={}), profile=profile)
        figures = seen.figures
        assert row["scenes"] == len({s.datatake for s in seen.scenes})
        assert ("scl_lenient" in row["flags"]) == seen.lenient
        assert row["problems"] == list(seen.problems)
        if seen.scenes:
            for name, value in (("valid_fraction", min(figures.valid_fraction, 1)), ("n_clear", figures.n_clear)):
                np.testing.assert_allclose(value, row[name], rtol=1e-6, atol=1e-6)
        columns = {n: (figures.median[n], n, 2e-3) for n in INDICES}
        columns |= {f"{n}_mean": (figures.mean[n], n, 1e-6) for n in ("ndvi", "ndmi")}
        columns |= {"ndvi_p10": (figures.p10, "ndvi", 2e-3), "ndvi_p90": (figures.p90, "ndvi", 2e-3)}
        for column, (value, index, step) in columns.items():
            shown = value if figures.effective[index] >= MIN_PIXELS else math.nan
            np.testing.assert_allclose(shown, row[column], rtol=step, atol=step, err_msg=column)
    return found


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


@pytest.mark.parametrize("seed", range(3))
def test_split_datastrips_of_mixed_baselines(seed: int) -> None:
    rng, reader, spec = np.random.default_rng(seed), MemoryReader(), grid(600, 600)
    scenes = [
        noisy(
            rng, reader, f"d{d}p{p}", spec, wedge=True, datatake=f"D{d}", day=f"2024-03-{d + 1:02d}",
            offset=float(rng.choice([0, -1000])), baseline=float(rng.choice([4, 5.11])),
            without=("SCL",) if (seed, p) == (2, 1) else (), coarse=COARSE if p < 2 else ("B05", "SCL"),
        )
        for d in range(2) for p in range(3)
    ]  # fmt: skip
    agree(
        [outline(x, y, x + w, y + w) for x, y, w in ((50, 50, 300), (4900, 4900, 500), (2000, 900, 900))],
        scenes,
        reader,
    )


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
    agree(
        [outline(x, y, x + w, y + w) for x, y, w in ((50, 50, 300), (-100, 300, 900), (3700, 3700, 500))],
        scenes,
        reader,
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_other_number_types(dtype: str) -> None:
    reader = MemoryReader()
    bands = {b: np.minimum(v, 200) if b != "SCL" else v for b, v in palm().items()} if dtype == "uint8" else palm()
    scenes = [reader.scene("a", bands, dtype=dtype), reader.scene("b", palm(), day="2024-03-09")]
    agree([outline(50, 50, 350, 350)], scenes, reader)


def test_nothing_to_see() -> None:
    reader = MemoryReader()
    far = reader.scene("g", palm(), spec=grid(origin=(320_000.0, 200_000.0)))
    agree([outline(50, 50, 350, 350)], [far], reader)
    agree([outline(50, 50, 350, 350)], [reader.scene("a", palm(B04=None))], reader)
    assert look([], reader) == []
    (none,) = look(targets([outline(50, 50, 350, 350)], []), reader)
    assert (none.scenes, none.problems) == ((), ())
    with pytest.raises(ValueError, match="no SCL profile 'loose'"):
        look([], reader, profile="loose")


def test_unreadable_scene_leaves_only_those_who_need_it() -> None:
    """A band of one scene is broken; a neighbour under that scene's clouds never asks for it."""
    rng, reader, spec = np.random.default_rng(2), MemoryReader(), grid(600, 600)
    good, bad = (noisy(rng, reader, n, spec, day=f"2024-03-0{k}") for k, n in ((1, "a"), (2, "b")))
    classes = np.full((300, 300), 4)
    classes[:, :100] = 9
    for name in ("a", "b"):
        reader.files[f"{name}/SCL"] = (
            reader.files[f"{name}/SCL"][0],
            (classes if name == "b" else classes * 0 + 4).astype("uint8"),
        )
    reader.broken.add("b/B11")
    cloudy, clear = outline(100, 100, 600, 600), outline(4000, 100, 4600, 600)
    under, open_ = look(targets([cloudy, clear], [good, bad]), reader)
    assert under.problems == ()
    assert open_.problems == (("b", "B11", "b/B11: cannot be read: bad block"),)
    (alone,) = look(targets([clear], [good]), reader)
    assert alone.figures == open_.figures
    reader.broken.add("b/SCL")
    again = look(targets([cloudy, clear], [good, bad]), reader)
    assert [s.problems[0][:2] for s in again] == [("b", "SCL")] * 2


def test_figures_do_not_depend_on_company_or_order() -> None:
    rng, reader, spec = np.random.default_rng(3), MemoryReader(), grid(1100, 1100)
    scenes = [noisy(rng, reader, f"s{k}", spec, day=f"2024-03-{k + 1:02d}") for k in range(3)]
    shapes = [outline(x, y, x + 700, y + 500) for x, y in ((100, 100), (4800, 4900), (10_000, 10_000), (300, 300))]
    together = look(targets(shapes, scenes), reader)
    alone = [look(targets([s], scenes[::-1]), reader)[0] for s in shapes]
    assert [s.figures for s in together] == [s.figures for s in alone]
    mirrored = look(targets(shapes[::-1], scenes), reader)[::-1]
    assert [s.figures for s in together] == [s.figures for s in mirrored]


def test_offsets_and_left_out_scenes_are_each_targets_own() -> None:
    """Three neighbours in one block use one scene as claimed, corrected, and not at all."""
    rng, reader, spec = np.random.default_rng(4), MemoryReader(), grid(300, 300)
    first, second = (noisy(rng, reader, n, spec, day=f"2024-03-0{k}", offset=-1000.0) for k, n in ((1, "a"), (2, "b")))
    shape = outline(100, 100, 900, 900)
    choices = [(first, second), (first, with_offset(second, 0.0)), (first,)]
    together = look([Target(shape, c, 10.0) for c in choices], reader)
    alone = [look([Target(shape, c, 10.0)], reader)[0] for c in choices]
    assert [t.figures for t in together] == [a.figures for a in alone]
    assert len({t.figures.mean["ndvi"] for t in together}) == 3


def test_cloudy_cells_are_not_read_and_no_pixel_twice() -> None:
    reader, spec = MemoryReader(), grid(1100, 1100)
    scl = np.full((550, 550), 4)
    scl[:, :270] = 9
    scene = reader.scene("a", palm(SCL=scl), spec=spec, coarse=COARSE)
    shapes = [outline(x, y, x + 900, y + 900) for x, y in ((300, 300), (6000, 300), (6300, 500), (4700, 4700))]
    kept = Shares()
    look(targets(shapes, [scene]), reader, shares=kept)
    read: Counter[tuple[str, int, int]] = Counter()
    for href, window in reader.reads:
        rows, cols = range(window.row, window.row + window.height), range(window.col, window.col + window.width)
        read.update((href, r, c) for r in rows[::16] for c in cols[::16])
    assert max(read.values()) == 1
    assert {c for href, r, c in read if href == "a/B08" and r < 512} == set(range(512, 1024, 16))
    assert not {r for href, r, _ in read if href == "a/B08" and r >= 1024}
    assert len(kept.kept) == len(shapes)
