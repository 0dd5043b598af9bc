"""What the dictionary says of a stress is what the packaged assumptions make of it."""

from __future__ import annotations

import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.schema.shocks import STRESSES


@pytest.mark.parametrize("name", sorted(STRESSES))
def test_every_factor_of_a_stress_stands_in_its_words(name: str) -> None:
    times = packaged()[f"stress.{name}"].value.get("times", {})
    for driver, steps in times.items():
        for _, factor in steps:
            # a level, a loss, or a rise
            told = {f"{100 * factor:.4g} %", f"{100 * abs(1 - factor):.4g} %"}
            assert factor == 1.0 or any(text in STRESSES[name] for text in told), (driver, factor)
