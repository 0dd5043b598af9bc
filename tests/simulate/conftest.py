from __future__ import annotations

import pytest

from plantation_rwa.simulate.portfolio import simulate


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A small portfolio with all styles of scenes, and every fault."""
    return simulate(
        tmp_path_factory.mktemp("simulated"),
        seed=77,
        plantations=5,
        months=8,
        imagery_plantations=3,
        climate_years=12,
        settlement_days=60,
        sensor_months=6,
        passes_per_month=2,
        climate_style="mixed",
    )
