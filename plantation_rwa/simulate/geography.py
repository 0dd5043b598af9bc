"""Who lives in the simulated world: estates, their outlines, blocks and attributes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha
from plantation_rwa.periods import Month
from plantation_rwa.streams import stream


@dataclass(frozen=True)
class Climate:
    """Rain, season and place of one simulated region.

    Parameters
    ----------
    rain_mm
        Monthly normals, January first (domain/yield.md 3.2; Peninsular and Sabah rounded from station normals).
    season
        Seasonal index of harvest, renormalised to mean 1 (domain/yield.md 1.3).
    enso
        Strength ``a`` of rain x exp(-a ONI) in July to November (domain/yield.md 7.1 item 3).
    centre
        Longitude and latitude about which estates are invented.
    """

    rain_mm: tuple[float, ...]
    season: tuple[float, ...]
    enso: float
    centre: tuple[float, float]
    country: str
    state: str
    scheme: str
    timezone: str


REGIONS: Mapping[str, Climate] = {
    "central_kalimantan": Climate(
        (407, 363, 346, 332, 284, 235, 186, 148, 144, 216, 348, 413),
        (0.95, 0.86, 0.93, 0.95, 0.95, 0.92, 0.98, 1.06, 1.13, 1.17, 1.08, 1.02),
        0.40, (112.35, -2.25), "ID", "Central Kalimantan", "id_plasma", "Asia/Jakarta",
    ),
    "peninsular": Climate(
        (150, 105, 165, 190, 165, 125, 130, 145, 165, 205, 235, 215),
        (0.84, 0.80, 0.86, 0.92, 1.04, 1.04, 1.10, 1.16, 1.17, 1.15, 1.03, 0.89),
        0.25, (103.3, 2.1), "MY", "Johor", "my_netback", "Asia/Kuala_Lumpur",
    ),
    "sabah": Climate(
        (250, 170, 140, 125, 180, 185, 190, 200, 195, 225, 250, 300),
        (0.96, 0.86, 0.93, 0.93, 1.00, 0.96, 0.98, 1.04, 1.10, 1.15, 1.07, 1.02),
        0.25, (117.8, 5.3), "MY", "Sabah", "my_netback", "Asia/Kuala_Lumpur",
    ),
    "north_sumatra": Climate(
        (208, 195, 193, 273, 244, 252, 248, 283, 316, 320, 329, 294),
        (0.88, 0.80, 0.88, 0.92, 0.97, 0.99, 1.06, 1.13, 1.18, 1.17, 1.06, 0.96),
        0.12, (98.9, 2.9), "ID", "North Sumatra", "id_plasma", "Asia/Jakarta",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Part of an estate with its own planting; ``published`` geometry may be withheld."""

    block_id: str
    planted: dt.date
    area_ha: float
    soil_class: str
    geometry: BaseGeometry | None


@dataclass(frozen=True)
class Estate:
    """One simulated plantation: register attributes, and which data exist for it."""

    plantation_id: str
    geometry: BaseGeometry
    climate: str
    planted: dt.date
    state: str = ""
    scheme: str = ""
    soil_class: str = "S2"
    is_peat: bool = False
    management_factor: float = 0.8
    oer: float | None = None
    ker: float | None = None
    sponsor_id: str = "SPONSOR-A"
    mill_id: str = "MILL-1"
    tenure_end: dt.date | None = None
    harvest_years: int = 8
    imagery: bool = False
    sensors: bool = False
    n_blocks: int = 1
    blocks_published: bool = False
    blocks_geometry: bool = True
    blocks: tuple[Block, ...] = field(default=())
    history: str = ""
    cleared: Month | None = None

    @property
    def region(self) -> Climate:
        """Its climate region."""
        return REGIONS[self.climate]

    @property
    def area_ha(self) -> float:
        """Geodesic area of the outline in hectares."""
        return area_ha(self.geometry)

    def register_row(self) -> dict[str, Any]:
        """Columns of the contract's register; planted area is the geodesic one to 0.01 ha."""
        return {
            "plantation_id": self.plantation_id,
            "country": self.region.country,
            "state": self.state or self.region.state,
            "region": self.climate,
            "sponsor_id": self.sponsor_id,
            "mill_id": self.mill_id,
            "planted_date": self.planted.isoformat(),
            "planted_area_ha": round(self.area_ha, 2),
            "soil_class": self.soil_class,
            "is_peat": self.is_peat,
            "management_factor": self.management_factor,
            "oer": self.oer,
            "ker": self.ker,
            "scheme": self.scheme or self.region.scheme,
            "timezone": self.region.timezone,
            "tenure_end": self.tenure_end.isoformat() if self.tenure_end else None,
        }


def invented_outline(rng: np.random.Generator, centre: tuple[float, float], hectares: float) -> Polygon:
    """A star-shaped outline of about ``hectares`` around ``centre`` (longitude, latitude), WGS84, 7 decimals."""
    angles = np.linspace(0.0, 2 * np.pi, 17)[:-1]
    radii = 1.0 + 0.22 * rng.uniform(-1, 1, angles.size)
    scale = np.cos(np.radians(centre[1]))
    unit = Polygon(
        [
            (centre[0] + r * np.cos(a) / scale / 1e3, centre[1] + r * np.sin(a) / 1e3)
            for a, r in zip(angles, radii, strict=True)
        ]
    )
    factor = float(np.sqrt(hectares / area_ha(unit)))
    return shapely.set_precision(shapely.affinity.scale(unit, factor, factor, origin=centre), 1e-7)


def with_blocks(estate: Estate, seed: int) -> Estate:
    """The estate with its blocks: strips from west to east, planting years scattered when blocks are published."""
    rng = stream(seed, "blocks", estate.plantation_id)
    west, south, east, north = estate.geometry.bounds
    edges = np.linspace(west, east, estate.n_blocks + 1)
    blocks = []
    for number in range(estate.n_blocks):
        part = estate.geometry.intersection(box(edges[number], south, edges[number + 1], north))
        shift = int(rng.integers(-2, 3)) if estate.blocks_published and number else 0
        planted = estate.planted.replace(year=estate.planted.year + shift)
        blocks.append(
            Block(
                f"{estate.plantation_id}-B{number + 1:02d}", planted, round(area_ha(part), 2), estate.soil_class,
                shapely.set_precision(part, 1e-7) if estate.blocks_geometry else None,
            )
        )  # fmt: skip
    values = {**{k: getattr(estate, k) for k in estate.__dataclass_fields__}, "blocks": tuple(blocks)}
    return Estate(**values)


def invent(
    seed: int, plantations: int, imagery_plantations: int, end_year: int, hectares: tuple[float, float]
) -> list[Estate]:
    """Estates with invented outlines, spread over the regions in turn.

    Parameters
    ----------
    seed
        Every attribute is drawn from a stream keyed by the plantation's id, so more plantations change none.
    plantations, imagery_plantations
        How many, and how many of the first have scenes (those are 25 to 60 ha).
    end_year
        Last year of the simulation; planting dates lie 5 to 22 years before it.
    hectares
        Range of the areas of plantations without scenes.
    """
    estates = []
    for number in range(plantations):
        name = f"SIM-{number + 1:03d}"
        rng = stream(seed, "estate", name)
        climate = list(REGIONS)[number % len(REGIONS)]
        lon, lat = REGIONS[climate].centre
        centre = (round(lon + rng.uniform(-0.15, 0.15), 4), round(lat + rng.uniform(-0.15, 0.15), 4))
        imagery = number < imagery_plantations
        area = float(np.exp(rng.uniform(*np.log([25, 60] if imagery else hectares))))
        planted = dt.date(end_year - int(rng.integers(5, 23)), int(rng.integers(1, 13)), 1)
        soil = str(rng.choice(["S1", "S2", "S3"], p=[0.3, 0.5, 0.2]))
        management = round(float(np.exp(rng.normal(np.log(0.78), 0.08))), 3)
        estates.append(
            Estate(
                name, invented_outline(rng, centre, area), climate, planted,
                soil_class=soil, management_factor=management,
                harvest_years=0 if number % 4 == 3 else 8 + int(rng.integers(0, 3)),
                sponsor_id=f"SPONSOR-{'ABC'[number % 3]}", mill_id=f"MILL-{1 + number % 2}",
                imagery=imagery, sensors=number < 5, n_blocks=6 if number < 2 else 4,
                blocks_published=number < 2, blocks_geometry=number == 0,
            )
        )  # fmt: skip
    return [with_blocks(e, seed) for e in estates]
