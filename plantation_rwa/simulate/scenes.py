"""Sentinel-2-like scenes over the estates: passes, pixels as COGs, items, and the noise-free truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry import box

from plantation_rwa.grid import reproject, utm_epsg
from plantation_rwa.periods import Month
from plantation_rwa.simulate import cogs, files, histories, items, pixels, scene_traps
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.items import Manner, Product
from plantation_rwa.simulate.world import Effects
from plantation_rwa.streams import stream

Style = Literal["earth-search", "planetary-computer", "earth-search-c1", "mixed"]
MARGIN_M = 60.0
BEFORE, AFTER, COLLECTION_1 = "03.01", "05.11", "05.00"
_MGRS = "CDEFGHJKLMNPQRSTUVWX"


@dataclass(frozen=True)
class Plan:
    """What to write: months, first month of the later baseline, passes kept, styles in turn, faults."""

    seed: int
    window: Sequence[Month]
    switch: Month
    passes: int
    styles: tuple[Style, ...]
    faults: bool
    wrong_flag: bool
    effects: Effects
    traps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chip:
    """Pixel grid about an estate: north-west corner in its UTM zone, 10 m shape, inside mask, block number."""

    epsg: str
    left: float
    top: float
    shape: tuple[int, int]
    inside: NDArray[np.bool_]
    block: NDArray[np.int64]

    def footprint(self, first_column: int = 0) -> shapely.Polygon:
        """Outline on WGS84 of the columns from ``first_column`` on."""
        right, bottom = self.left + 10.0 * self.shape[1], self.top - 10.0 * self.shape[0]
        return reproject(box(self.left + 10.0 * first_column, bottom, right, self.top), self.epsg, "EPSG:4326")


def chip_of(estate: Estate) -> Chip:
    """The chip that holds an estate and 60 m around it, on the 20 m lattice of its UTM zone."""
    centre = estate.geometry.centroid
    epsg = utm_epsg(centre.x, centre.y)
    outline = reproject(estate.geometry, "EPSG:4326", epsg)
    minx, miny, maxx, maxy = outline.bounds
    left, bottom = (np.floor((v - MARGIN_M) / 20.0) * 20.0 for v in (minx, miny))
    right, top = (np.ceil((v + MARGIN_M) / 20.0) * 20.0 for v in (maxx, maxy))
    shape = (round((top - bottom) / 10.0), round((right - left) / 10.0))
    xs, ys = np.meshgrid(left + 5.0 + 10.0 * np.arange(shape[1]), top - 5.0 - 10.0 * np.arange(shape[0]))
    inside = shapely.contains_xy(outline, xs, ys)
    block = np.zeros(shape, dtype=np.int64)
    for number, part in enumerate(estate.blocks):
        if part.geometry is not None:
            block[shapely.contains_xy(reproject(part.geometry, "EPSG:4326", epsg), xs, ys)] = number
    return Chip(epsg, float(left), float(top), shape, inside, block)


def write_scenes(
    directory: Path, plan: Plan, estates: Sequence[Estate], states: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write ``scenes/<plantation>/`` for every estate with imagery.

    Returns
    -------
    observed, listing : pandas.DataFrame
        Noise-free indices per plantation and month of the window (``true_ndvi`` ...); one row per item with its
        baseline, the offset its pixels really carry and the clear share of the estate.
    """
    observed: list[dict[str, Any]] = []
    listing: list[dict[str, Any]] = []
    log: list[tuple[str, str, str, str, str]] = []
    with_imagery = [e for e in estates if e.imagery]
    for turn, estate in enumerate(with_imagery):
        style = plan.styles[turn % len(plan.styles)]
        chip, root = chip_of(estate), directory / "scenes" / estate.plantation_id
        state = (
            states[estate.plantation_id].set_index("month")[["canopy_deficit", "nutrition"]].astype(float).T.to_dict()
        )
        features: list[dict[str, Any]] = []
        for month in plan.window:
            now = state[str(month)]
            rhos = [
                histories.ground(estate, month, plan.effects)
                if estate.history
                else pixels.canopy(
                    (month - Month.of(b.planted)) / 12.0, now["canopy_deficit"], now["nutrition"], plan.effects
                )
                for b in estate.blocks
            ]
            observed.append({"plantation_id": estate.plantation_id, "month": str(month), **_truth(rhos, chip)})
            for order, (product, cover) in enumerate(_passes(plan, estate, chip, style, month)):
                bands, clear = _bands(plan, estate, chip, rhos, product, cover)
                for made, item in _write_pass(root, _products(plan, chip, style, product, order), style, chip, bands):
                    features.append(item)
                    listing.append(_entry(estate, made, item, clear))
        if plan.traps:
            own = [row for row in listing if row["plantation_id"] == estate.plantation_id]
            log += _lay_traps(root, plan, estate, style, features, own, listing)
        _write_index(root, estate, style, features, plan.faults)
    if plan.traps:
        table = pd.DataFrame(log, columns=list(scene_traps.COLUMNS))
        files.write_csv(directory / "truth/traps.csv", table)
    return pd.DataFrame(observed), pd.DataFrame(listing)


def _lay_traps(
    root: Path,
    plan: Plan,
    estate: Estate,
    style: Style,
    features: list[dict[str, Any]],
    own: Sequence[dict[str, Any]],
    listing: list[dict[str, Any]],
) -> list[tuple[str, str, str, str, str]]:
    """Lay the plan's traps; new items join the listing, changed pixels change their row of it."""
    folder = scene_traps.Folder(root, style, {row["item_id"]: row["dn_offset"] for row in own})
    west, south, east, north = estate.geometry.bounds
    names = [
        t for t in plan.traps if t not in scene_traps.PLACED or t in scene_traps.placed((west, south, east, north))
    ]
    rows = {row["item_id"]: row for row in own}
    made = scene_traps.lay(folder, features, names, plan.seed, estate.plantation_id, str(plan.switch))
    first = ""
    for _, item_id, *_ in made:
        if item_id in rows:
            first = item_id
            continue
        item = next(f for f in features if f["id"] == item_id)
        properties = item["properties"]
        rows[item_id] = {
            **rows[first],
            "item_id": item_id,
            "collection": item["collection"],
            "baseline": properties["s2:processing_baseline"],
            "claims_removed": bool(properties.get("earthsearch:boa_offset_applied", False)),
        }
        listing.append(rows[item_id])
    for item_id, row in rows.items():
        row["dn_offset"] = folder.offsets[item_id]
    return made


def _entry(estate: Estate, made: Product, item: Mapping[str, Any], clear: float) -> dict[str, Any]:
    return {
        "plantation_id": estate.plantation_id,
        "month": str(Month.of(made.acquired.date())),
        "item_id": made.id,
        "collection": item["collection"],
        "acquired": made.acquired.isoformat() + "Z",
        "baseline": made.baseline,
        "dn_offset": 1000 if made.shifted else 0,
        "claims_removed": made.claims_removed,
        "clear_fraction": round(clear, 4),
    }


def _truth(rhos: Sequence[Mapping[str, float]], chip: Chip) -> dict[str, float]:
    """Median over the estate's pixels of the noise-free indices, and the mean of NDVI and NDMI."""
    counts = np.bincount(chip.block[chip.inside], minlength=len(rhos))
    values = [pixels.indices(r) for r in rhos]
    out = {}
    for name in values[0]:
        each = np.repeat([v[name] for v in values], counts)
        out[f"true_{name}"] = float(np.median(each))
        if name in {"ndvi", "ndmi"}:
            out[f"true_{name}_mean"] = float(each.mean())
    return out


def _passes(plan: Plan, estate: Estate, chip: Chip, style: Style, month: Month) -> list[tuple[Product, float]]:
    """The least cloudy candidates of a month, in order of time; a candidate every five days."""
    rng = stream(plan.seed, "passes", f"{estate.plantation_id}:{month}")
    phase = int(stream(plan.seed, "orbit", estate.plantation_id).integers(0, 5))
    days = [d for d in range(1, month.days + 1) if (dt.date(month.year, month.number, d).toordinal() - phase) % 5 == 0]
    rain = np.array(estate.region.rain_mm)
    wet = rain[month.number - 1] / rain.max()
    clear = rng.beta(1.5, 1.2 + 1.3 * wet, len(days))
    centre = estate.geometry.centroid
    band = _MGRS[int((centre.y + 80) // 8)]
    tile = f"{chip.epsg[-2:]}{band}SM"
    kept = sorted(sorted(range(len(days)), key=lambda i: (-clear[i], i))[: plan.passes])
    manner: Manner
    if style == "mixed":
        manner = "planetary-computer" if month.year % 2 else "earth-search"
    else:
        manner = style
    baseline = (COLLECTION_1 if manner == "earth-search-c1" else BEFORE) if month < plan.switch else AFTER
    shifted = float(baseline) >= 4.0 and manner != "earth-search"
    out = []
    for i in kept:
        acquired = dt.datetime(month.year, month.number, days[i], 3, 10, int(rng.integers(0, 60)))
        created = acquired + dt.timedelta(hours=int(rng.integers(6, 40)))
        platform = "S2A" if dt.date(month.year, month.number, days[i]).toordinal() // 5 % 2 else "S2B"
        product = Product(
            manner, acquired, created, platform, 30 + phase, tile, chip.epsg, baseline, shifted,
            manner == "earth-search" and float(baseline) >= 4.0, 100.0 * (1 - clear[i]), chip.footprint(),
        )  # fmt: skip
        out.append((product, float(1 - clear[i])))
    return out


def _write_pass(
    root: Path, products: Sequence[tuple[Product, int]], style: Style, chip: Chip, bands: Mapping[str, NDArray[Any]]
) -> list[tuple[Product, dict[str, Any]]]:
    """Write the files and items of one pass: of each product the columns from its first one on."""
    written = []
    for made, column in products:
        folder = root / made.id
        for name, values in bands.items():
            size = 10 if name in pixels.FINE else 20
            part = values[:, column * 10 // size :]
            if made.shifted and name != "SCL":
                part = np.where(part > 0, part + 1000, 0).astype(np.uint16)
            cogs.write_cog(folder / f"{name}.tif", part, made.epsg, chip.left + 10.0 * column, chip.top, size)
        written.append((made, items.item(made, list(bands), "." if style == "earth-search" else f"./{made.id}")))
    return written


def _bands(
    plan: Plan, estate: Estate, chip: Chip, rhos: Sequence[Mapping[str, float]], product: Product, cover: float
) -> tuple[dict[str, NDArray[Any]], float]:
    """Pixels of a pass without offset, and the share of the estate that is free of cloud, haze and shadow.

    Four per cent of the passes end within the chip (nodata beyond); six per cent of the Planetary Computer's lack B12.
    """
    rng = stream(plan.seed, "pixels", f"{estate.plantation_id}:{product.acquired:%Y%m%d}")
    forest = dict(zip(pixels.BANDS, pixels.CLASSES["forest"], strict=True))
    ground = {b: np.where(chip.inside, np.array([r[b] for r in rhos])[chip.block], forest[b]) for b in pixels.BANDS}
    month = Month.of(product.acquired.date())
    young = min((month - Month.of(b.planted)) / 12.0 for b in estate.blocks) < 2.0
    if estate.history and histories.cover(estate, month) == "forest":
        young = False
    coarse = (chip.shape[0] // 2, chip.shape[1] // 2)
    above = pixels.sky(rng, coarse, cover, young)
    bands: dict[str, NDArray[Any]] = {**pixels.observe(rng, ground, above), "SCL": above.scl}
    seen = ~(above.cloud | above.haze | above.shadow)
    if rng.random() < 0.04:
        cut = int(rng.integers(coarse[1] // 2, coarse[1]))
        seen[:, cut:] = False
        for name, values in bands.items():
            values[:, cut * (2 if name in pixels.FINE else 1) :] = 0
    if product.manner == "planetary-computer" and rng.random() < 0.06:
        del bands["B12"]
    return bands, float(np.kron(seen, np.ones((2, 2))).astype(bool)[chip.inside].mean())


def _products(plan: Plan, chip: Chip, style: Style, product: Product, order: int) -> list[tuple[Product, int]]:
    """Products made of one pass, each with the first column it covers.

    The first pass of some months (``order`` 0) is also reprocessed later, or lies in a second tile that overlaps.
    """
    month = Month.of(product.acquired.date())
    if plan.wrong_flag and style == "earth-search" and month == plan.switch + 1 and order == 0:
        return [(replace(product, shifted=True), 0)]
    products = [(product, 0)]
    if plan.faults and plan.window.index(month) % 9 == 3 and order == 0:
        if style == "earth-search" and product.baseline == BEFORE:
            later = product.created + dt.timedelta(days=400)
            products.append((replace(product, baseline=AFTER, created=later, claims_removed=True), 0))
        if style == "planetary-computer":
            column = chip.shape[1] * 2 // 5 // 2 * 2
            products.append((replace(product, tile=product.tile[:-1] + "N", footprint=chip.footprint(column)), column))
    return products


def _write_index(root: Path, estate: Estate, style: Style, features: list[dict[str, Any]], faults: bool) -> None:
    """A static catalog with a file per item, or one item collection; there one product is listed twice."""
    if style == "earth-search":
        for feature in features:
            files.write_json(root / feature["id"] / f"{feature['id']}.json", feature, indent=None)
        files.write_json(
            root / "catalog.json", items.catalog(estate.plantation_id, [f["id"] for f in features]), indent=None
        )
        return
    if faults and features:
        features = [*features, features[len(features) // 2]]
    files.write_json(root / "items.json", items.collection(features), indent=None)
