"""The product's own number against what came, in worlds no assumption was tuned on."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantation_rwa.config import load_config
from plantation_rwa.executor import Runner
from plantation_rwa.run import load_inputs
from plantation_rwa.run.ghost import run_ghosts
from plantation_rwa.testing import edit_config, tiny_portfolio


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("seed", [4101, 4202, 4303])
def test_values_of_unseen_worlds_are_calibrated_and_beat_the_bankers_sheet(tmp_path: Path, seed: int) -> None:
    """PIT within what chance explains at 90 %; CRPS at least 10 % below the sheet's, with 95 % confidence above 0."""
    made = tiny_portfolio(tmp_path / "world", seed=seed, plantations=6, settlement_days=500)
    changes = {"imagery": None, "sensors": None, "valuation.paths": 1000, "forecast.backtest_start": "2023-05"}
    config = load_config(edit_config(made.config, changes))
    assert config.as_of is not None
    near = Runner("threads", 2).map
    found = run_ghosts(config, load_inputs(config), config.as_of, tmp_path / "out", work=near, near=near)
    assert found.failures == []
    by = found.metrics.set_index("metric")
    assert by.loc["pit_distance", "value"] <= by.loc["pit_distance", "hi"]
    for sheet in ("sheet", "sheet_discounted"):
        assert by.loc[f"crps_gain_over_{sheet}", "value"] >= 0.10
        assert by.loc[f"crps_gain_over_{sheet}", "lo"] > 0
    assert (by["vintages"] == 24).all()
    lost = found.losses[found.losses["origin"] == "all"].set_index("advance_rate")
    assert lost["loss_share"].is_monotonic_increasing
    assert lost.loc[0.4, "loss_share"] < 0.01
