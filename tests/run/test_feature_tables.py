"""Rows of several months that are checked together go to the months they belong to."""

from __future__ import annotations

import datetime as dt

import pandas as pd
from shapely.geometry import box

from plantation_rwa.run.feature_tables import _split


def month(name: str, plantations: list[str], ndvi: float) -> pd.DataFrame:
    count = len(plantations)
    return pd.DataFrame(
        {
            "month": [name] * count,
            "plantation_id": plantations,
            "block_id": [""] * count,
            "geometry": [box(k, 0, k + 1, 1) for k in range(count)],
            "ndvi": [ndvi] * count,
            "known_at": [dt.date(2024, 5, 1)] * count,
            "quality_flag": [""] * count,
        }
    )


def test_every_row_goes_to_the_part_of_its_month() -> None:
    """Months of unequal length, given in any order, plantations too."""
    given = [month("2024-03", ["B", "A", "C"], 0.3), month("2024-01", ["C"], 0.1), month("2024-02", ["B", "A"], 0.2)]
    found = dict(_split("features", given))
    assert {m: part["plantation_id"].tolist() for m, part in found.items()} == {
        "2024-01": ["C"],
        "2024-02": ["A", "B"],
        "2024-03": ["A", "B", "C"],
    }
    assert {m: set(part["ndvi"]) for m, part in found.items()} == {"2024-01": {0.1}, "2024-02": {0.2}, "2024-03": {0.3}}
    assert all("month" not in part and part.index.tolist() == list(range(len(part))) for part in found.values())
    assert found["2024-03"].geometry.iloc[1].equals(box(0, 0, 1, 1))
