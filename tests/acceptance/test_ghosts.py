"""The product's own number against what came, in worlds no assumption was tuned on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.config import load_config
from plantation_rwa.executor import Runner
from plantation_rwa.run import load_inputs
from plantation_rwa.run.ghost import Ghosts, run_ghosts
from plantation_rwa.testing import edit_config, tiny_portfolio
from plantation_rwa.valuation.ghost_scores import pit_band

pytestmark = [pytest.mark.slow, pytest.mark.long]
SEEDS = (8117, 8231, 8353)
#: vintages that a term of a year lasts, and empty ones that keep the blocks of two worlds apart
TERM, APART = 4, 6


def issued(directory: Path, seed: int) -> Ghosts:
    """Rights of a year issued at the end of every third month of six and a half years."""
    made = tiny_portfolio(directory / "world", seed=seed, plantations=6, settlement_days=2100, climate_years=16)
    changes = {
        "imagery": None, "sensors": None, "valuation.paths": 1000, "forecast.backtest_start": "2018-11",
        "valuation.assumptions": {"ghost.every_months": 3},
    }  # fmt: skip
    config = load_config(edit_config(made.config, changes))
    assert config.as_of is not None
    near = Runner("threads", 2).map
    return run_ghosts(config, load_inputs(config), config.as_of, directory / "out", work=near, near=near)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Ghosts]:
    return {seed: issued(tmp_path_factory.mktemp(f"world{seed}"), seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_values_of_unseen_worlds_are_calibrated_and_beat_the_bankers_sheet(
    worlds: dict[int, Ghosts], seed: int
) -> None:
    """PIT within what chance explains at 90 %; CRPS at least 10 % below the sheet's, with 95 % confidence above 0."""
    found = worlds[seed]
    assert found.failures == []
    by = found.metrics.set_index("metric")
    lost = found.losses[found.losses["origin"] == "all"].set_index("advance_rate")
    print(f"\nseed {seed}\n{found.metrics.round(3).to_string()}\n{lost.round(4).to_string()}")
    assert (by["blocks"] >= 4).all(), "how many vintages there are hangs on the harvest records of the world"
    assert by.loc["pit_distance", "value"] <= by.loc["pit_distance", "hi"]
    for sheet in ("sheet", "sheet_discounted"):
        assert by.loc[f"crps_gain_over_{sheet}", "value"] >= 0.10
        assert by.loc[f"crps_gain_over_{sheet}", "lo"] > 0
    assert lost["loss_share"].is_monotonic_increasing
    assert lost.loc[0.4, "loss_share"] < 0.01


def test_all_worlds_together_are_calibrated(worlds: dict[int, Ghosts]) -> None:
    """Three histories of prices tell more than one: the band is narrower, and the values are still inside."""
    parts, at = [], []
    for found in worlds.values():
        origins = sorted(found.values["origin"].unique())
        first = at[-1].max() + 1 + APART if at else 0
        at.append(first + found.values["origin"].map({o: i for i, o in enumerate(origins)}).to_numpy())
        parts.append(found.values["pit"])
    places = np.concatenate(at)
    distance, band = pit_band(pd.concat(parts).to_numpy(np.float64), places, int(places.max()) + 1, TERM, 1)
    print(f"\nall worlds: distance {distance:.3f}, band {band:.3f}")
    assert distance <= band
    assert band < 0.20
