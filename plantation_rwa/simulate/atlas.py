"""The whole map: 24 estates in four regions, one on the equator and a zone edge, one in two tiles."""

from __future__ import annotations

import datetime as dt

import numpy as np

from plantation_rwa.simulate.geography import Estate, invented_outline, with_blocks
from plantation_rwa.streams import stream

#: region by turn, its centre (longitude, latitude; domain/yield.md 7.1 item 1)
CENTRES = {
    "north_sumatra": (98.7, 2.9),
    "peninsular": (103.4, 2.0),
    "sabah": (117.8, 5.3),
    "central_kalimantan": (112.5, -2.3),
}
#: corner of zones 47 and 48 and of both hemispheres, in Riau; and where 100 km squares of zone 48 meet
CORNER = (102.0, 0.0)
SQUARES = (103.2019, 1.8092)
_SPREAD = 0.35


def invent(
    seed: int, plantations: int, imagery_plantations: int, end_year: int, hectares: tuple[float, float]
) -> list[Estate]:
    """Estates of the whole map; as :func:`plantation_rwa.simulate.geography.invent`, and with special places first.

    The first estate straddles the equator and the edge of UTM zones 47 and 48 (its weather is North Sumatra's), the
    second lies in two MGRS tiles. Those with scenes have 25 to 60 ha and 4 blocks; the others ``hectares``, 10 to 40
    blocks, every fourth estate in Kalimantan on peat. Areas of the map as a whole: 200 to 3,000 ha.
    """
    estates = []
    for number in range(plantations):
        name = f"SIM-{number + 1:03d}"
        rng = stream(seed, "atlas", name)
        climate = list(CENTRES)[number % len(CENTRES)]
        lon, lat = CENTRES[climate]
        spread = rng.uniform(-_SPREAD, _SPREAD, 2)
        centre = (round(lon + float(spread[0]), 4), round(lat + float(spread[1]), 4))
        centre = CORNER if number == 0 else SQUARES if number == 1 else centre
        imagery = number < imagery_plantations
        area = float(np.exp(rng.uniform(*np.log([25, 60] if imagery else hectares))))
        peat = climate == "central_kalimantan" and number // len(CENTRES) % 4 == 1
        estates.append(
            Estate(
                name, invented_outline(rng, centre, area), climate,
                dt.date(end_year - int(rng.integers(6, 23)), int(rng.integers(1, 13)), 1),
                state="Riau" if number == 0 else "",
                soil_class=str(rng.choice(["S1", "S2", "S3"], p=[0.3, 0.5, 0.2])), is_peat=peat,
                management_factor=round(float(np.exp(rng.normal(np.log(0.78), 0.08))), 3),
                harvest_years=8 + int(rng.integers(0, 5)),
                sponsor_id=f"SPONSOR-{'ABC'[number % 3]}", mill_id=f"MILL-{1 + number % 2}",
                imagery=imagery, sensors=number < 5, n_blocks=4 if imagery else int(rng.integers(10, 41)),
                blocks_published=True, blocks_geometry=number % 3 == 0,
            )
        )  # fmt: skip
    return [with_blocks(e, seed) for e in estates]
