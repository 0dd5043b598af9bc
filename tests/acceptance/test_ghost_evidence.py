"""Values of rights with long, short and no harvest records of the plantation's own, on seeds no number was tuned on."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.ghost_evidence import coverage, one_seed

SEEDS = (9100, 9101, 9103)
ORIGINS = ("2017-12", "2019-12", "2021-12", "2023-12")


@pytest.mark.slow
@pytest.mark.long
def test_values_cover_what_came_whatever_the_record_and_are_wider_without_one() -> None:
    """Twelve vintages of 24 months share their prices, so that single shares are no better than 0.1."""
    values = pd.concat([one_seed(seed, ORIGINS, 24, 1000, 0.08) for seed in SEEDS], ignore_index=True)
    found = coverage(values, ["record"])
    told = found.to_string()
    print(f"\n{told}")
    assert found["n"].min() > 60, told
    assert found["cover80"].between(0.70, 0.95).all(), told
    assert found["cover90"].between(0.82, 0.99).all(), told
    width = found["width"]
    assert width["none"] > 1.12 * width["long"], told
    assert width["long"] < width["short"] < width["none"], told
