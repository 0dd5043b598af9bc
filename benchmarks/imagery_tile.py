"""The tile that the imagery benchmarks read: scenes of one MGRS tile as COGs, items, and registers of plantations.

Everything is drawn from one seed and written once per folder; a second call with more scenes or bands adds to it. The
pixels are plausible, not physical: what matters is how they compress, and that clouds are correlated.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin
from scipy import ndimage
from shapely.geometry import box, mapping

from plantation_rwa.grid import reproject
from plantation_rwa.simulate import files, items
from plantation_rwa.streams import stream

SEED, EPSG, LEFT, TOP, TILE = 4817, "EPSG:32648", 300_000.0, 100_000.0, "48NUF"
FIRST = dt.date(2024, 1, 1)
PASSES = 3
CORE = ("B04", "B08", "SCL")
EIGHT = ("B02", "B04", "B05", "B07", "B08", "B8A", "B11", "B12", "SCL")
FINE = ("B02", "B04", "B08")
#: mean digital number over palms without the offset, relative spread of the ground, noise, and cloud's digital number
LOOKS = {
    "B02": (230, 0.10, 25, 5500),
    "B04": (290, 0.14, 28, 5600),
    "B05": (740, 0.10, 40, 5700),
    "B07": (2900, 0.08, 120, 5900),
    "B08": (3300, 0.10, 130, 6000),
    "B8A": (3450, 0.08, 130, 6000),
    "B11": (1500, 0.10, 70, 4500),
    "B12": (620, 0.10, 40, 3800),
}
SHIFT = 1000


@dataclass(frozen=True)
class Scale:
    """Size of a benchmark: edge of the tile in 10 m pixels, scenes, plantations dense and sparse, largest in ha."""

    edge: int
    scenes: int
    dense: int
    sparse: int
    largest_ha: float


SCALES = {"full": Scale(4096, 36, 400, 20, 2000.0), "small": Scale(1024, 12, 40, 5, 250.0)}


@dataclass(frozen=True)
class World:
    """What was written: item collection, registers by name, and the folder that holds them."""

    folder: Path
    scale: Scale

    def items(self, scenes: int, bands: Sequence[str], root: str = "") -> Path:
        """The first ``scenes`` scenes as an item collection; ``root`` stands before every href."""
        label = "eight" if len(bands) > len(CORE) else "core"
        path = self.folder / f"items-{label}-{scenes}{'-http' if root else ''}.json"
        features = [item_of(n, bands, self.scale, f"{root or '.'}/scenes/{n:03d}") for n in range(scenes)]
        files.write_json(path, items.collection(features), indent=None)
        return path

    def register(self, name: str) -> Path:
        """Register ``dense``, ``sparse``, ``parts`` (each dense plantation cut into ten) or ``smallholders``."""
        return self.folder / f"{name}.geojson"


def make(folder: Path, scale: Scale, scenes: int, bands: Sequence[str] = CORE) -> World:
    """Write what is missing in ``folder`` for so many scenes with these bands."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder, scale)
    if not world.register("smallholders").exists():
        write_registers(world)
    ground: dict[str, NDArray[np.float32]] = {}
    for n in range(scenes):
        missing = [b for b in bands if not (folder / "scenes" / f"{n:03d}" / f"{b}.tif").exists()]
        if missing:
            ground = ground or fields(scale)
            write_scene(folder / "scenes" / f"{n:03d}", n, missing, scale, ground)
    return world


def day_of(n: int) -> dt.datetime:
    """Acquisition of scene ``n``: the 5th, 15th and 25th of each month."""
    months = FIRST.month - 1 + n // PASSES
    return dt.datetime(FIRST.year + months // 12, months % 12 + 1, 5 + 10 * (n % PASSES), 3, 20)


def clear_fraction(n: int) -> float:
    """Share of scene ``n`` without cloud, 0.00 to 0.91, mean about 0.41; one scene in twelve is all cloud."""
    if n % 12 == 5:
        return 0.0
    return round(0.91 * float(stream(SEED, "clear", str(n)).beta(0.9, 1.1)), 4)


def item_of(n: int, bands: Sequence[str], scale: Scale, folder: str) -> dict[str, Any]:
    """STAC item of a scene with the projection of every asset, as the live catalogs give it."""
    acquired = day_of(n)
    side = scale.edge * 10.0
    outline = reproject(box(LEFT, TOP - side, LEFT + side, TOP), EPSG, "EPSG:4326")
    product = items.Product(
        "planetary-computer", acquired, acquired + dt.timedelta(hours=9), "S2A" if n % 2 else "S2B", 118, TILE, EPSG,
        "05.11", True, False, 100.0 * (1.0 - clear_fraction(n)), outline,
    )  # fmt: skip
    item = items.item(product, bands, folder)
    for band in bands:
        size = 10 if band in FINE else 20
        edge = scale.edge * 10 // size
        item["assets"][band] |= {"proj:shape": [edge, edge], "proj:transform": [size, 0, LEFT, 0, -size, TOP]}
    return item


def fields(scale: Scale) -> dict[str, NDArray[np.float32]]:
    """Ground and noise that all scenes share: the ground as it is, the noise shifted from scene to scene."""
    found = {}
    for name, sigma in (("ground", 40.0), ("a", 0.0), ("b", 0.0)):
        rng = stream(SEED, "fields", name)
        values = rng.standard_normal((scale.edge, scale.edge), dtype=np.float32)
        if sigma:
            values = ndimage.gaussian_filter(values, sigma, mode="wrap")
            values /= values.std()
        found[name] = values
    return found


def write_scene(
    folder: Path, n: int, bands: Sequence[str], scale: Scale, ground: dict[str, NDArray[np.float32]]
) -> None:
    """Write bands of one scene."""
    scl = classes_of(n, scale)
    for band in bands:
        if band == "SCL":
            write_cog(folder / "SCL.tif", scl, 20)
            continue
        mean, spread, noise, cloud = LOOKS[band]
        rng = stream(SEED, "scene", f"{n}-{band}")
        season = 1.0 + 0.04 * math.sin(2 * math.pi * n / 36.0)
        roll = tuple(int(v) for v in rng.integers(0, scale.edge, 2))
        values = mean * season * (1.0 + spread * np.clip(ground["ground"], -3, 3))
        values += noise * np.roll(ground["a" if n % 2 else "b"], roll, axis=(0, 1))
        wide = scl.repeat(2, axis=0).repeat(2, axis=1)
        veil = np.isin(wide, (8, 9, 10))
        values[veil] = cloud * (1.0 + 0.1 * ground["ground"][veil]) + 3.0 * values[veil] * 0.1
        values[wide == 3] *= 0.45
        made = np.clip(np.round(values), 1, 60000) + SHIFT
        made[wide == 0] = 0
        if band not in FINE:
            made = made[::2, ::2]
        write_cog(folder / f"{band}.tif", made.astype(np.uint16), 10 if band in FINE else 20)


def classes_of(n: int, scale: Scale) -> NDArray[np.uint8]:
    """Scene classification: a correlated cloud field, its shadow, bare patches, and a wedge without data."""
    rng = stream(SEED, "clouds", str(n))
    edge = scale.edge // 2
    coarse = ndimage.gaussian_filter(rng.standard_normal((edge // 8, edge // 8)), rng.uniform(2.5, 7.0), mode="wrap")
    field = ndimage.zoom(coarse, 8, order=1, mode="grid-wrap", grid_mode=True)
    field += 0.05 * field.std() * rng.standard_normal(field.shape)
    clear = clear_fraction(n)
    cloud = field > (np.quantile(field, clear) if clear > 0 else -np.inf)
    scl = np.full((edge, edge), 4, np.uint8)
    scl[rng.random(scl.shape) < 0.01] = 5
    scl[np.roll(cloud, (-12, -9), axis=(0, 1))] = 3
    scl[cloud] = 9
    scl[field > np.quantile(field, 0.5 + clear / 2)] = 8
    if n % 7 == 3:
        rows, cols = np.mgrid[:edge, :edge]
        scl[cols > 0.55 * edge + 0.35 * rows] = 0
    return scl


def write_cog(path: Path, values: NDArray[Any], size: int) -> None:
    """One band: deflate, predictor 2, 512 blocks, overviews."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="COG", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype, crs=EPSG,
        transform=from_origin(LEFT, TOP, size, size), nodata=0, compress="DEFLATE", predictor="YES", blocksize=512,
        overviews="AUTO", num_threads="1",
    ) as target:  # fmt: skip
        target.write(values, 1)


def write_registers(world: World) -> None:
    """Four registers on the same ground."""
    scale = world.scale
    share = scale.edge**2 / 4096**2
    dense = list(blobs("dense", scale, scale.dense, median_ha=61.0, spread=1.42, largest_ha=scale.largest_ha))
    small = list(blobs("smallholders", scale, round(4000 * share), median_ha=5.0, spread=0.9, largest_ha=60.0))
    sparse = list(blobs("sparse", scale, scale.sparse, median_ha=11.0, spread=0.8, largest_ha=50.0))
    shared = {"country": "ID", "state": "Riau", "planted_date": "2012-01-01", "simulated": True}
    for name, shapes in (
        ("dense", [d[0] for d in dense]),
        ("parts", [part for shape, centre in dense for part in sectors(shape, centre, 10)]),
        ("sparse", [s[0] for s in sparse]),
        ("smallholders", [s[0] for s in small]),
    ):
        features = [
            {
                "type": "Feature",
                "properties": {"plantation_id": f"P{n:04d}", **shared},
                "geometry": mapping(reproject(shape, EPSG, "EPSG:4326")),
            }
            for n, shape in enumerate(shapes)
        ]
        document = {"type": "FeatureCollection", "features": features}
        world.register(name).write_text(json.dumps(document), "utf-8")


def blobs(
    name: str, scale: Scale, count: int, *, median_ha: float, spread: float, largest_ha: float
) -> Iterator[tuple[shapely.Polygon, tuple[float, float]]]:
    """Star-shaped outlines that do not overlap, with their centres, largest first; lognormal areas."""
    rng = stream(SEED, "outlines", name)
    sizes = np.sort(np.clip(median_ha * np.exp(spread * rng.standard_normal(count)), median_ha / 61.0, largest_ha))
    side = scale.edge * 10.0
    kept: NDArray[np.float64] = np.empty((0, 3))
    for area in sizes[::-1] * 1e4:
        radius = math.sqrt(area / math.pi)
        reach = radius * 1.09 + 20.0
        for _ in range(4000):
            x, y = rng.uniform(reach + 100.0, side - reach - 100.0, 2)
            if not len(kept) or (np.hypot(kept[:, 0] - x, kept[:, 1] - y) > kept[:, 2] + reach).all():
                break
        else:
            continue  # no room is left for this size; the next are smaller
        kept = np.vstack([kept, [x, y, reach]])
        angles = np.linspace(0.0, 2.0 * math.pi, 49)[:-1]
        phases = rng.uniform(0, 2 * math.pi, 3)
        wave = 1.0 + sum(0.03 * np.sin((k + 2) * angles + p) for k, p in enumerate(phases))
        xs, ys = LEFT + x + radius * wave * np.cos(angles), TOP - side + y + radius * wave * np.sin(angles)
        yield shapely.Polygon(np.column_stack([xs, ys])), (LEFT + x, TOP - side + y)


def sectors(shape: shapely.Polygon, centre: tuple[float, float], count: int) -> list[shapely.Polygon]:
    """A star-shaped outline cut from its centre into so many parts, each of whole edges."""
    ring = shapely.get_coordinates(shape.exterior)
    cuts = np.linspace(0, len(ring) - 1, count + 1).round().astype(int)
    return [shapely.Polygon([centre, *ring[a : b + 1], centre]) for a, b in pairwise(cuts)]
