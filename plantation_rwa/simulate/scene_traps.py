"""Traps in scene lists: what real archives do to a pipeline, one scene each, with what should become of it."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from plantation_rwa.simulate import cogs, pixels
from plantation_rwa.streams import stream

Item = dict[str, Any]
COLUMNS = ("plantation_id", "item_id", "month", "trap", "expected")
_SHIFT = 1000


@dataclass(frozen=True)
class Folder:
    """Scenes of one plantation as they were written: items, and files at ``<root>/<item id>/<band>.tif``.

    Parameters
    ----------
    style
        ``earth-search``, ``planetary-computer`` or ``earth-search-c1``.
    offsets
        DN that the pixels of each item carry beyond reflectance x 10,000.
    """

    root: Path
    style: str
    offsets: dict[str, int]

    def files(self, item: Mapping[str, Any]) -> dict[str, Path]:
        """Files of an item by band."""
        return {p.stem: p for p in sorted((self.root / item["id"]).glob("*.tif"))}

    def rewrite(self, item: Mapping[str, Any], change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> None:
        """Replace the pixels of every band; the grid and the nodata value stay."""
        for band, path in self.files(item).items():
            values, profile = _read(path)
            _write(path, change(band, values), profile["crs"], profile["transform"])

    def twin(self, item: Item, ending: str) -> Item:
        """A copy of an item and of its files under another id."""
        other = copy.deepcopy(item)
        other["id"] = item["id"] + ending
        for asset in other["assets"].values():
            asset["href"] = asset["href"].replace(f"./{item['id']}/", f"./{other['id']}/")
        for path in self.files(item).values():
            target = self.root / other["id"] / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        self.offsets[other["id"]] = self.offsets[item["id"]]
        return other


Trap = Callable[[Folder, Item, np.random.Generator], list[Item]]


def thin_haze(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """A veil over the whole chip, labelled vegetation or unclassified (domain/yield.md 7.2)."""
    veil, base = float(rng.uniform(0.15, 0.35)), folder.offsets[item["id"]]

    def change(band: str, values: NDArray[Any]) -> NDArray[Any]:
        if band == "SCL":
            seven = rng.random(values.shape) < 0.2
            return np.where((values == 4) & seven, 7, values).astype(values.dtype)
        bright = 0.35 if band in pixels.VISIBLE else 0.33 if band in pixels.INFRARED else 0.10
        seen = (values.astype(float) - base) * (1 - veil) + veil * bright * 1e4 + base
        return np.where(values > 0, np.maximum(np.round(seen), 1), 0).astype(values.dtype)

    folder.rewrite(item, change)
    return []


def swath_edge(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The swath ends in a slanted line through the chip: no data beyond it, in every band."""
    reach, slope = float(rng.uniform(0.5, 0.7)), float(rng.uniform(0.15, 0.3))

    def change(band: str, values: NDArray[Any]) -> NDArray[Any]:
        del band
        rows, columns = np.meshgrid(*(np.linspace(0, 1, n) for n in values.shape), indexing="ij")
        return np.where(columns < reach + slope * (rows - 0.5), values, 0).astype(values.dtype)

    folder.rewrite(item, change)
    return []


def contrary_pixels(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """Pixels shifted where the item says they are not, or the other way round."""
    del rng
    turn = -_SHIFT if folder.offsets[item["id"]] else _SHIFT

    def change(band: str, values: NDArray[Any]) -> NDArray[Any]:
        moved = np.maximum(values.astype(int) + turn, 1)
        return values if band == "SCL" else np.where(values > 0, moved, 0).astype(values.dtype)

    folder.rewrite(item, change)
    folder.offsets[item["id"]] += turn
    return []


def split_datastrip(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """One tile and datatake in two items, each empty where the other has pixels."""
    del rng
    other = folder.twin(item, "_STRIP2")
    stamp = item["properties"]["s2:datatake_id"].split("_")[1]
    later = (dt.datetime.strptime(stamp, "%Y%m%dT%H%M%S") + dt.timedelta(seconds=18)).strftime("%Y%m%dT%H%M%S")
    baseline = item["properties"]["s2:processing_baseline"].replace(".", "")
    for one, start in ((item, stamp), (other, later)):
        name = f"S2A_OPER_MSI_L2A_DS_SIML_{start}_S{start}_N{baseline[:2]}.{baseline[2:]}"
        one["properties"]["s2:datastrip_id"] = name
    for one, upper in ((item, True), (other, False)):
        folder.rewrite(one, _half(upper))
    return [other]


def _half(upper: bool) -> Callable[[str, NDArray[Any]], NDArray[Any]]:
    def change(band: str, values: NDArray[Any]) -> NDArray[Any]:
        cut = values.shape[0] // 2 if band == "SCL" or band not in pixels.FINE else values.shape[0] // 4 * 2
        kept = np.zeros_like(values)
        part = slice(0, cut) if upper else slice(cut, None)
        kept[part] = values[part]
        return kept

    return change


def tile_pair(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The same datatake in the tile beside it, which covers the estate too."""
    del rng
    other = folder.twin(item, "_TILE2")
    properties = other["properties"]
    for key in ("grid:code", "s2:mgrs_tile"):
        if key in properties:
            properties[key] = properties[key][:-1] + ("P" if properties[key][-1] != "P" else "Q")
    return [other]


def other_hemisphere(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The same datatake in the UTM zone of the other hemisphere: northings differ by 10,000 km exactly."""
    del rng
    return [_second_grid(folder, item, "_HEMI2", lambda code: code - 100 if code > 32700 else code + 100)]


def next_zone(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The same datatake in the UTM zone to the west or east, resampled by nearest neighbour."""
    del rng
    west = item["bbox"][0] < -180 + 6 * (_epsg(item) % 100 - 1) + 3
    return [_second_grid(folder, item, "_ZONE2", lambda code: code - 1 if west else code + 1)]


def _second_grid(folder: Folder, item: Item, ending: str, zone: Callable[[int], int]) -> Item:
    other = folder.twin(item, ending)
    code = zone(_epsg(item))
    for path in folder.files(other).values():
        values, profile = _read(path)
        size = float(profile["transform"].a)
        moved, transform = _resampled(values, profile["crs"], profile["transform"], f"EPSG:{code}", size)
        _write(path, moved, f"EPSG:{code}", transform)
    properties = other["properties"]
    band = "N" if code < 32700 else "M"
    for key, value in {"proj:epsg": code, "proj:code": f"EPSG:{code}"}.items():
        if key in properties:
            properties[key] = value
    for key, prefix in {"grid:code": "MGRS-", "s2:mgrs_tile": ""}.items():
        if key in properties:
            properties[key] = f"{prefix}{code % 100}{band}SV"
    return other


def _resampled(values: NDArray[Any], crs: Any, transform: Any, target: str, size: float) -> tuple[NDArray[Any], Any]:
    from rasterio.transform import from_origin
    from rasterio.warp import transform_bounds

    height, width = values.shape
    bounds = rasterio.transform.array_bounds(height, width, transform)
    west, south, east, north = transform_bounds(crs, target, *bounds)
    west, north = np.floor(west / 20) * 20, np.ceil(north / 20) * 20
    shape = (round(np.ceil((north - south) / 20) * 20 / size), round(np.ceil((east - west) / 20) * 20 / size))
    made = from_origin(west, north, size, size)
    out = np.zeros(shape, dtype=values.dtype)
    reproject(values, out, transform, src_crs=crs, dst_transform=made, dst_crs=target, resampling=Resampling.nearest,
              src_nodata=0, dst_nodata=0)  # fmt: skip
    return out, made


def two_collections(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """One product in both collections of Earth Search, or the same item listed twice elsewhere."""
    del rng
    if folder.style != "earth-search":
        return [copy.deepcopy(item)]
    other = folder.twin(item, "_C1")
    other["collection"] = "sentinel-2-c1-l2a"
    other["properties"].pop("earthsearch:boa_offset_applied", None)
    if float(item["properties"]["s2:processing_baseline"]) >= 4.0 and not folder.offsets[other["id"]]:
        contrary_pixels(folder, other, np.random.default_rng(0))
    return [other]


def reprocessed(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The same datatake again at baseline 05.11, processed a year later, its pixels shifted as that baseline says."""
    del rng
    other = folder.twin(item, "_AGAIN")
    properties = other["properties"]
    old = properties["s2:processing_baseline"]
    made = _later(properties, 400)
    properties["s2:processing_baseline"] = "05.11"
    properties["s2:datatake_id"] = properties["s2:datatake_id"].replace(f"N{old}", "N05.11")
    properties["s2:product_uri"] = properties["s2:product_uri"].replace(f"N{old.replace('.', '')}", "N0511")
    properties |= {k: made for k in ("created", "s2:generation_time") if k in properties}
    if folder.style == "earth-search":
        properties["earthsearch:boa_offset_applied"] = True
    elif not folder.offsets[other["id"]]:
        contrary_pixels(folder, other, np.random.default_rng(0))
    for asset in other["assets"].values():
        for band in asset.get("raster:bands", []):
            band["offset"] = -0.1
    return [other]


def late_known(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """Processed 75 days after it was taken."""
    del folder, rng
    properties = item["properties"]
    properties |= {k: _later(properties, 75) for k in ("created", "s2:generation_time") if k in properties}
    return []


def _later(properties: Mapping[str, Any], days: int) -> str:
    acquired = dt.datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00"))
    return (acquired + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def corrupt_file(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The red band's download broke off after half of its bytes."""
    del rng
    path = folder.files(item)["B04"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return []


def bands_missing(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """The item lacks both shortwave bands."""
    del folder, rng
    for key in ("B11", "B12", "swir16", "swir22"):
        item["assets"].pop(key, None)
    return []


def lying_shape(folder: Folder, item: Item, rng: np.random.Generator) -> list[Item]:
    """``proj:shape`` and ``proj:transform`` of a whole tile, while the files hold a chip."""
    del folder, rng
    for key, asset in item["assets"].items():
        size = 10 if key in {"B02", "B04", "B08", "blue", "red", "nir"} else 20
        asset["proj:shape"] = [109800 // size, 109800 // size]
        asset["proj:transform"] = [size, 0, 600000, 0, -size, 100000]
    return []


#: trap, its maker, and what should become of the scene
TRAPS: Mapping[str, tuple[Trap, str]] = {
    "thin haze": (thin_haze, "left out by the plantation's own past"),
    "swath edge": (swath_edge, "used where it has data"),
    "contrary pixels": (contrary_pixels, "offset inferred from the pixels"),
    "split datastrip": (split_datastrip, "both halves used, counted once"),
    "tile pair": (tile_pair, "counted once"),
    "two collections": (two_collections, "counted once"),
    "reprocessed": (reprocessed, "the later baseline used, counted once"),
    "late known": (late_known, "not used before it was made where known_at is created"),
    "corrupt file": (corrupt_file, "left out or without the indices of its band, and said so"),
    "bands missing": (bands_missing, "without the indices of its bands"),
    "lying shape": (lying_shape, "the file's own grid used"),
    "other hemisphere": (other_hemisphere, "counted once"),
    "next zone": (next_zone, "counted once"),
}
#: they need an estate on the equator, or on the edge of a UTM zone
PLACED = ("other hemisphere", "next zone")


def lay(
    folder: Folder, features: list[Item], traps: Sequence[str], seed: int, plantation: str, switch: str
) -> list[tuple[str, str, str, str, str]]:
    """Lay traps among the items of one plantation, at most one per item, evenly over its months.

    Parameters
    ----------
    folder
        Where its files lie; changed in place, as are the items of ``features``.
    features
        Items in order of time; new ones are put behind the one they were made of.
    traps
        Names of :data:`TRAPS`; PLACED ones only where the estate's bounds call for them.
    switch
        First month of the later baseline; reprocessing strikes before it.

    Returns
    -------
    list of tuple
        Rows of :data:`COLUMNS`.
    """
    rng = stream(seed, "scene_traps", plantation)
    log, free = [], list(range(len(features)))
    added: dict[int, list[Item]] = {}
    for name in traps:
        make, expected = TRAPS[name]
        # the first observations found a plantation's own past: haze among them is no trap but a lie
        able = [
            i for i in free if _fits(name, features[i], switch) and (name != "thin haze" or i >= len(features) // 2)
        ]
        if not able:
            continue
        at = able[int(rng.integers(len(able)))]
        free.remove(at)
        item = features[at]
        added[at] = make(folder, item, rng)
        month = item["properties"]["datetime"][:7]
        log += [(plantation, one["id"], month, name, expected) for one in (item, *added[at])]
    for at in sorted(added, reverse=True):
        features[at + 1 : at + 1] = added[at]
    return log


def placed(bounds: tuple[float, float, float, float]) -> list[str]:
    """The traps that an outline's bounds (west, south, east, north; degrees) call for."""
    west, south, east, north = bounds
    out = [PLACED[0]] if south < 0 < north else []
    return out + ([PLACED[1]] if west // 6 != east // 6 else [])


def _fits(name: str, item: Item, switch: str) -> bool:
    month = item["properties"]["datetime"][:7]
    return month < switch if name == "reprocessed" else month >= switch if name == "contrary pixels" else True


def _epsg(item: Mapping[str, Any]) -> int:
    properties = item["properties"]
    return int(properties.get("proj:epsg") or properties["proj:code"].removeprefix("EPSG:"))


def _read(path: Path) -> tuple[NDArray[Any], Any]:
    with rasterio.open(path) as source:
        return source.read(1), source.profile


def _write(path: Path, values: NDArray[Any], crs: Any, transform: Any) -> None:
    cogs.write_cog(path, values, str(crs), float(transform.c), float(transform.f), round(transform.a))
