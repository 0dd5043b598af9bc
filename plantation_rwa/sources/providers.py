"""What the imagery providers do differently: asset names, identities, and the radiometric offset."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: canonical band -> asset keys in order of preference; coarser twins (``red_20m``) and ``-jp2`` twins are
#: not listed
BAND_KEYS: Mapping[str, tuple[str, ...]] = {
    "B02": ("blue", "B02", "B02_10m"),
    "B03": ("green", "B03", "B03_10m"),
    "B04": ("red", "B04", "B04_10m"),
    "B05": ("rededge1", "B05", "B05_20m"),
    "B06": ("rededge2", "B06", "B06_20m"),
    "B07": ("rededge3", "B07", "B07_20m"),
    "B08": ("nir", "B08", "B08_10m"),
    "B8A": ("nir08", "B8A", "B8A_20m"),
    "B11": ("swir16", "B11", "B11_20m"),
    "B12": ("swir22", "B12", "B12_20m"),
    "SCL": ("scl", "SCL", "SCL_20m"),
}

#: first processing baseline whose digital numbers carry +1000 (domain/yield.md 2.4)
SHIFTED_FROM = 4.0
#: offsets in digital numbers that Sentinel-2 L2A products have had; any other is a mistake in the item
KNOWN_OFFSETS = (0.0, -1000.0)
#: reflectance per digital number of every Sentinel-2 L2A product: its quantification value is 10000, and the providers
#: that state a scale (Earth Search, CDSE) state this one
KNOWN_SCALE = 1e-4
_BASELINE_KEYS = (
    "s2:processing_baseline",
    "sentinel:processing_baseline",
    "processing:baseline",
    "processing:version",
)
_PRODUCT_KEYS = ("s2:product_uri", "s2:product_id", "sentinel:product_id", "title")
_DATATAKE_KEYS = ("s2:datatake_id", "eopf:datatake_id", "sentinel2:datatake_id")
_STRIP_KEYS = ("s2:datastrip_id", "eopf:datastrip_id")
_FLAG_KEYS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINE = re.compile(r"^N?(\d{1,2})\.?(\d{2})$|^N?(\d{1,2})(?:\.(\d))?$")
_PRODUCT = re.compile(r"(S2[A-Z])_MSIL\d[AC]_(\d{8}T\d{6})(?:_N(\d{4}))?")
_DATATAKE = re.compile(r"^G(S2[A-Z])_(\d{8}T\d{6})")
_GRANULE = re.compile(r"^(S2[A-Z])_OPER_MSI_L\dA_TL_.*_(A\d{6})_")
_TILE = re.compile(r"_T?(\d{2}[C-X][A-Z]{2})(?:_|$)")


@dataclass(frozen=True)
class Offset:
    """How digital numbers become reflectance: ``(DN + offset) * scale``; ``reason`` names the rule."""

    offset: float
    scale: float
    reason: str


class UnusableItemError(ValueError):
    """An item cannot become a scene; the text is the reason written to quarantine."""

    def __init__(self, reason: str, *, value: object = "") -> None:
        super().__init__(reason)
        self.value = value


def parse_baseline(value: object) -> float | None:
    """Processing baseline as a number: ``'04.00'``, ``'N0400'``, ``'05.11'``, ``4.0`` -> 4.0, 4.0, 5.11, 4.0.

    None for anything else and for ``99.99``, which marks products made outside the ground segment.
    """
    if isinstance(value, bool) or value is None:
        return None
    match = _BASELINE.match(str(value).strip())
    if match is None:
        return None
    major, minor = (match[1], match[2]) if match[1] else (match[3], (match[4] or "0") + "0")
    number = int(major) + int(minor) / 100.0
    return None if number > 99 else number


def baseline_of(item: Mapping[str, Any]) -> float | None:
    """Processing baseline of an item: its properties first, then the product name, then the datatake's suffix."""
    properties = item["properties"]
    for key in _BASELINE_KEYS:
        if properties.get(key) is not None:
            return parse_baseline(properties[key])
    for text in (*(properties.get(k) for k in _PRODUCT_KEYS), item.get("id")):
        match = _PRODUCT.search(str(text or ""))
        if match and match[3]:
            return parse_baseline(match[3])
    for key in _DATATAKE_KEYS:
        if "_N" in str(properties.get(key) or ""):
            return parse_baseline(str(properties[key]).rsplit("_N", 1)[1])
    return None


def provider_of(item: Mapping[str, Any]) -> str:
    """Provider of an item by what it says of itself: earth-search, planetary-computer, cdse, else ``safe``."""
    properties = item["properties"]
    texts = [str(link.get("href", "")) for link in item.get("links") or []]
    texts += [str(asset.get("href", "")) for asset in item["assets"].values()]
    if any(k.startswith(("earthsearch:", "sentinel:")) for k in properties):
        return "earth-search"
    for provider, marks in (
        ("earth-search", ("earth-search", "sentinel-cogs", "e84-earth-search")),
        ("planetary-computer", ("planetarycomputer", "sentinel2l2a01.blob")),
        ("cdse", ("dataspace.copernicus", "s3://eodata", "/eodata/")),
    ):
        if any(mark in text for text in texts for mark in marks):
            return provider
    if str(item.get("collection") or "").startswith(("sentinel-2-c1", "sentinel-2-pre-c1", "sentinel-s2")):
        return "earth-search"
    return "cdse" if "B02_10m" in item["assets"] else "safe"


def offset_of(item: Mapping[str, Any], provider: str) -> Offset:
    """Decide the radiometric offset of an item (domain/yield.md 2.4).

    In this order: a provider's statement that the offset is already removed from the pixels; the processing
    baseline (04.00 and later: -1000), never the acquisition date; where the baseline is unknown, the offset
    of ``raster:bands``. Nothing of these: the item is refused, because a wrong guess shifts NDVI by 0.3. So is
    an item whose reflectance bands state offsets that differ, or an offset or a scale that no product has.

    Raises
    ------
    UnusableItemError
        If nothing decides, or what is stated cannot be.
    """
    properties = item["properties"]
    stated = _stated(item)
    baseline = baseline_of(item)
    if any(properties.get(key) is True for key in _FLAG_KEYS) and provider == "earth-search":
        return Offset(0.0, KNOWN_SCALE, "provider states that the offset is already removed from the pixels")
    if baseline is not None:
        text = f"baseline {baseline:05.2f}"
        shift = -1000.0 if baseline >= SHIFTED_FROM else 0.0
        reason = f"{text} is 04.00 or later" if shift else f"{text} is before 04.00"
        if stated is not None and stated != shift:
            reason += f"; raster:bands states {stated:g} DN, the baseline decides"
        return Offset(shift, KNOWN_SCALE, reason)
    if stated is not None:
        return Offset(stated, KNOWN_SCALE, "baseline unknown; raster:bands states the offset")
    raise UnusableItemError(
        "the processing baseline is unknown and no raster:bands offset is given, so the radiometric offset cannot be"
        " decided; scene left out. Add s2:processing_baseline to the item"
    )


def _stated(item: Mapping[str, Any]) -> float | None:
    """Offset in digital numbers that the reflectance bands state; None if they state none."""
    offsets: dict[str, float] = {}
    scales: dict[str, float] = {}
    for band, asset in assets_of(item).items():
        if band == "SCL":
            continue
        entries = asset.get("raster:bands") or asset.get("bands") or [{}]
        entry = {**asset, **entries[0]} if isinstance(entries[0], Mapping) else asset
        scale = entry.get("scale", entry.get("raster:scale"))
        offset = entry.get("offset", entry.get("raster:offset"))
        if scale is not None:
            scales[band] = float(scale)
        if offset is not None:
            # + 0.0 because -0.0 would be written as "-0"
            offsets[band] = round(float(offset) / KNOWN_SCALE, 6) + 0.0
    if not all(math.isclose(v, KNOWN_SCALE, rel_tol=1e-6) for v in scales.values()):
        raise UnusableItemError(
            "raster:bands state a scale that no Sentinel-2 L2A product has; scene left out. Correct the item to 0.0001,"
            " and give the provider's digital numbers, not reflectances",
            value=_listed(scales),
        )
    if any(v not in KNOWN_OFFSETS for v in offsets.values()):
        raise UnusableItemError(
            "raster:bands state an offset that no Sentinel-2 L2A product has; scene left out. Correct the item to 0,"
            " or to -0.1 (-1000 digital numbers) where the pixels carry it",
            value=_listed(offsets),
        )
    if len(set(offsets.values())) > 1:
        raise UnusableItemError(
            "raster:bands state offsets that differ between reflectance bands; scene left out. Correct the item:"
            " one product has one offset",
            value=_listed(offsets),
        )
    return next(iter(offsets.values()), None)


def _listed(values: Mapping[str, float]) -> str:
    """Bands by the value they state, such as ``B04 B08: -1000; B02: 0``."""
    groups: dict[float, list[str]] = {}
    for band, value in values.items():
        groups.setdefault(value, []).append(band)
    return "; ".join(f"{' '.join(bands)}: {value:g}" for value, bands in groups.items())


def assets_of(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The item's assets by canonical band name, finest resolution; empty if it has none that is known."""
    found = {}
    for band, keys in BAND_KEYS.items():
        key = next(
            (k for k in keys if isinstance(item["assets"].get(k), Mapping) and item["assets"][k].get("href")),
            None,
        )
        if key is not None:
            found[band] = item["assets"][key]
    return found


def is_level_2a(item: Mapping[str, Any]) -> bool:
    """Whether the item is a Sentinel-2 L2A product, or does not say that it is something else."""
    properties = item["properties"]
    kind = str(properties.get("s2:product_type") or properties.get("product:type") or "")
    if kind:
        return "2A" in kind
    text = " ".join([str(item.get("id")), *(str(properties.get(k) or "") for k in _PRODUCT_KEYS)])
    if "MSIL1C" in text or "_L1C" in text:
        return False
    platform = str(properties.get("platform") or "sentinel-2").lower()
    return platform.startswith(("sentinel-2", "sentinel2", "s2"))


def tile_of(item: Mapping[str, Any]) -> str:
    """MGRS tile such as ``48NUG``, else the provider's grid code, else the CRS of the item, else empty."""
    properties = item["properties"]
    code = str(properties.get("grid:code") or "")
    if code:
        return code.removeprefix("MGRS-")
    if properties.get("s2:mgrs_tile"):
        return str(properties["s2:mgrs_tile"])
    for prefix in ("mgrs", "sentinel"):
        parts = [properties.get(f"{prefix}:{k}") for k in ("utm_zone", "latitude_band", "grid_square")]
        if all(parts):
            return f"{int(str(parts[0])):02d}{parts[1]}{parts[2]}"
    for text in (str(properties.get("s2:product_uri") or ""), str(item.get("id"))):
        match = _TILE.search(text)
        if match:
            return match[1]
    return str(properties.get("proj:code") or properties.get("proj:epsg") or "")


def crs_of(fields: Mapping[str, Any]) -> str:
    """CRS as ``EPSG:...`` that an item or an asset declares; empty if it declares none, or another kind."""
    code = fields.get("proj:code") or fields.get("proj:epsg")
    text = str(code or "").strip().upper().removeprefix("EPSG:").removesuffix(".0")
    return f"EPSG:{text}" if text.isdigit() else ""


def numbers_of(value: Any, count: int) -> tuple[float, ...] | None:
    """The first ``count`` numbers of a list; None if it is no list of as many numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) < count:
        return None
    found = value[:count]
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in found):
        return None
    return tuple(float(v) for v in found)


def datatake_of(item: Mapping[str, Any]) -> str:
    """Identity of the acquisition over all its tiles and reprocessings: platform and sensing start.

    From the datatake id without its baseline suffix, or the product name; failing both the absolute orbit
    of the granule id; failing that platform, day and relative orbit.
    """
    properties = item["properties"]
    for key in _DATATAKE_KEYS:
        match = _DATATAKE.match(str(properties.get(key) or ""))
        if match:
            return f"{match[1]}_{match[2]}"
    for text in (*(properties.get(k) for k in _PRODUCT_KEYS), item.get("id")):
        match = _PRODUCT.search(str(text or ""))
        if match:
            return f"{match[1]}_{match[2]}"
    match = _GRANULE.match(str(item.get("id")))
    if match:
        return f"{match[1]}_{match[2]}"
    platform = str(properties.get("platform") or "").lower().replace("sentinel-", "S").upper()
    day = str(properties.get("datetime") or properties.get("start_datetime") or "")[:10].replace("-", "")
    return "_".join(p for p in (platform, day, str(properties.get("sat:relative_orbit") or "")) if p)


def sensing_starts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every name of the item that tells when the acquisition began, and that time as ``YYYYMMDDTHHMMSS``."""
    properties = item["properties"]
    told = [(key, _DATATAKE.match(str(properties.get(key) or ""))) for key in _DATATAKE_KEYS]
    told += [(key, _PRODUCT.search(str(properties.get(key) or ""))) for key in _PRODUCT_KEYS]
    told.append(("id", _PRODUCT.search(str(item.get("id") or ""))))
    return [(key, match[2]) for key, match in told if match is not None]


def datastrip_of(item: Mapping[str, Any]) -> str:
    """Sensing start of the datastrip, empty if unknown: two strips of one datatake can share a tile."""
    for key in _STRIP_KEYS:
        match = re.search(r"_S(\d{8}T\d{6})", str(item["properties"].get(key) or ""))
        if match:
            return match[1]
    return ""
