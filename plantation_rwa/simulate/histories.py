"""Land before it was palm: forest, clearing, bare soil, planting; monthly zonal series and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate import files, geography, pixels
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.world import Effects
from plantation_rwa.streams import stream

FIRST = Month(2017, 1)
#: soil lies bare for this long after a clearing, then palms are planted
BARE_MONTHS = 4
#: sd of one monthly zonal index, and the largest number of clear observations in a month (2 x 6 passes at p = .3)
NOISE, MOST_CLEAR = 0.012, 6


@dataclass(frozen=True)
class History:
    """A course of land cover.

    Parameters
    ----------
    before
        ``forest`` or ``palm``: cover up to the clearing.
    cleared
        Year range in which it is cleared; None: never.
    screening
        What a forest screening with the cut-off 31 December 2020 should say of it (domain/yield.md 6).
    """

    before: str
    cleared: tuple[int, int] | None
    screening: str


HISTORIES = {
    "deforested": History("forest", (2021, 2022), "high"),
    "replanted": History("palm", (2021, 2022), "low"),
    "forest kept": History("forest", None, "more_info_needed"),
    "cleared early": History("forest", (2018, 2019), "low"),
}


def assign(seed: int, estates: Sequence[Estate], names: Sequence[str]) -> list[Estate]:
    """Give the first estates a history each; their palms are as old as it leaves them and they have no harvests."""
    out = list(estates)
    for position, name in enumerate(names[: len(out)]):
        estate, course = out[position], HISTORIES[name]
        rng = stream(seed, "history", estate.plantation_id)
        cleared = None
        if course.cleared:
            cleared = Month(int(rng.integers(course.cleared[0], course.cleared[1] + 1)), int(rng.integers(2, 13)))
            estate = replace(estate, planted=(cleared + BARE_MONTHS).first)
        estate = replace(estate, history=name, cleared=cleared, harvest_years=0, blocks_published=False)
        out[position] = geography.with_blocks(estate, seed)
    return out


def cover(estate: Estate, month: Month) -> str:
    """``forest``, ``bare`` or ``palm`` in a month."""
    course = HISTORIES[estate.history]
    if estate.cleared is None or month < estate.cleared:
        return course.before
    return "bare" if month < estate.cleared + BARE_MONTHS else "palm"


def ground(estate: Estate, month: Month, effects: Effects) -> dict[str, float]:
    """Noise-free reflectance of an estate with a history; palms before a clearing are 22 years old at it."""
    kind = cover(estate, month)
    if kind != "palm":
        name = kind if kind == "forest" else "bare_peat" if estate.is_peat else "bare"
        return dict(zip(pixels.BANDS, pixels.CLASSES[name], strict=True))
    old = estate.cleared is not None and month < estate.cleared
    age = (
        22.0 - (estate.cleared - month) / 12.0 if old and estate.cleared else (month - Month.of(estate.planted)) / 12.0
    )
    return pixels.canopy(age, 0.0, 0.0, effects)


def write(directory: Path, seed: int, estates: Sequence[Estate], last: Month, effects: Effects) -> None:
    """``truth/land.csv`` (one row per history) and ``truth/land_monthly.parquet`` (what a sensor would have seen).

    The monthly table has cover, clear observations, the noise-free NDVI, NDMI and NBR and the seen ones, which are
    missing in a month without a clear observation; an average of n observations has noise / sqrt(n).
    """
    labels, rows = [], []
    for estate in estates:
        if not estate.history:
            continue
        course = HISTORIES[estate.history]
        rng = stream(seed, "history_seen", estate.plantation_id)
        labels.append(
            {
                "plantation_id": estate.plantation_id,
                "history": estate.history,
                "cleared": str(estate.cleared or ""),
                "planted": str(Month.of(estate.planted)) if estate.cleared else "",
                "forest_2020": cover(estate, Month(2020, 12)) == "forest",
                "screening": course.screening,
            }
        )
        for month in month_range(FIRST, last):
            true = pixels.indices(ground(estate, month, effects))
            seen = int(rng.binomial(MOST_CLEAR, 0.3))
            noise = NOISE / np.sqrt(max(seen, 1)) * rng.normal(0, 1, 3)
            row: dict[str, Any] = {
                "plantation_id": estate.plantation_id,
                "month": str(month),
                "cover": cover(estate, month),
            }
            row |= {"n_clear": seen, **{f"true_{k}": true[k] for k in ("ndvi", "ndmi", "nbr")}}
            for name, error in zip(("ndvi", "ndmi", "nbr"), noise, strict=True):
                row[name] = round(true[name] + float(error), 7) if seen else None
            rows.append(row)
    files.write_csv(directory / "truth/land.csv", pd.DataFrame(labels))
    files.write_parquet(directory / "truth/land_monthly.parquet", pd.DataFrame(rows))
