"""STAC items of simulated scenes in the manner of three collections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from plantation_rwa.simulate import files

Manner = Literal["earth-search", "planetary-computer", "earth-search-c1"]
_COMMON = {
    "B02": "blue",
    "B04": "red",
    "B05": "rededge1",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
}
_TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class Product:
    """One product: where, when, how processed, and what its pixels really carry.

    Parameters
    ----------
    baseline
        Processing baseline such as ``05.11``.
    shifted
        Whether the pixels carry the +1000 of baselines from 04.00 on.
    claims_removed
        What Earth Search's flag says; differs from the truth in one faulty item.
    """

    manner: Manner
    acquired: dt.datetime
    created: dt.datetime
    platform: str
    orbit: int
    tile: str
    epsg: str
    baseline: str
    shifted: bool
    claims_removed: bool
    cloud_cover: float
    footprint: BaseGeometry

    @property
    def stamp(self) -> str:
        """Sensing start as in product names."""
        return self.acquired.strftime("%Y%m%dT%H%M%S")

    @property
    def name(self) -> str:
        """SAFE name without its ending."""
        made = self.created.strftime("%Y%m%dT%H%M%S")
        processed = f"N{self.baseline.replace('.', '')}"
        return f"{self.platform}_MSIL2A_{self.stamp}_{processed}_R{self.orbit:03d}_T{self.tile}_{made}"

    @property
    def id(self) -> str:
        """Item id in the manner of the collection."""
        day = self.acquired.strftime("%Y%m%d")
        if self.manner == "earth-search":
            return f"{self.platform}_{self.tile}_{day}_{self.baseline[:2]}_L2A"
        if self.manner == "earth-search-c1":
            return f"{self.platform}_T{self.tile}_{self.stamp}_L2A"
        return self.name.replace(f"_N{self.baseline.replace('.', '')}", "")


def item(product: Product, bands: Sequence[str], folder: str) -> dict[str, Any]:
    """The STAC item; assets are ``<folder>/<band>.tif``, relative to the file that will hold it."""
    datatake = f"G{product.platform}_{product.stamp}_{product.orbit:06d}_N{product.baseline}"
    properties: dict[str, Any] = {
        "datetime": _iso(product.acquired),
        "eo:cloud_cover": round(product.cloud_cover, 2),
        "s2:processing_baseline": product.baseline,
        "s2:datatake_id": datatake,
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": f"{product.name}.SAFE",
        "s2:generation_time": _iso(product.created),
        "simulated": True,
    }
    number = product.epsg.removeprefix("EPSG:")
    if product.manner == "planetary-computer":
        properties |= {
            "platform": f"Sentinel-{product.platform[1:]}",
            "proj:epsg": int(number),
            "s2:mgrs_tile": product.tile,
        }
    else:
        properties |= {
            "platform": f"sentinel-{product.platform[1:].lower()}",
            "grid:code": f"MGRS-{product.tile}",
            "created": _iso(product.created),
        }
        properties |= {"proj:code": product.epsg} if product.manner == "earth-search-c1" else {"proj:epsg": int(number)}
    if product.manner == "earth-search":
        properties |= {"earthsearch:boa_offset_applied": product.claims_removed}
    minx, miny, maxx, maxy = (round(v, 7) for v in product.footprint.bounds)
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if product.manner == "earth-search-c1" else "1.0.0",
        "id": product.id,
        "collection": "sentinel-2-c1-l2a" if product.manner == "earth-search-c1" else "sentinel-2-l2a",
        "geometry": files.rounded(mapping(product.footprint)),
        "bbox": [minx, miny, maxx, maxy],
        "properties": properties,
        "links": [],
        "assets": {_key(b, product.manner): _asset(b, product, folder) for b in bands},
    }


def _key(band: str, manner: Manner) -> str:
    return band if manner == "planetary-computer" else _COMMON[band]


def _asset(band: str, product: Product, folder: str) -> dict[str, Any]:
    asset: dict[str, Any] = {"href": f"{folder}/{band}.tif", "type": _TIFF, "roles": ["data"]}
    if product.manner != "planetary-computer" and band != "SCL":
        offset = -0.1 if float(product.baseline) >= 4.0 else 0.0
        asset["raster:bands"] = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": offset}]
    return asset


def collection(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An item collection."""
    return {"type": "FeatureCollection", "features": list(features)}


def catalog(name: str, ids: Sequence[str]) -> dict[str, Any]:
    """A static catalog whose items lie at ``./<id>/<id>.json``."""
    links = [{"rel": "item", "type": "application/geo+json", "href": f"./{i}/{i}.json"} for i in ids]
    root = {"rel": "root", "type": "application/json", "href": "./catalog.json"}
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": name,
        "description": "simulated Sentinel-2 scenes",
        "links": [root, *links],
    }


def _iso(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
