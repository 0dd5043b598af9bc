"""What the ablation says of imagery: nothing where vegetation tells nothing of the harvest, something where it does."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from plantation_rwa.forecast.backtest import Fit, Origin, evaluate, predict
from plantation_rwa.simulate import world
from plantation_rwa.simulate.panels import simulated_world

#: not used for tuning
SEED = 4101
YEARS = range(2019, 2025)


def gain_of_imagery(coupling: float, pool: str) -> pd.DataFrame:
    """Rows ``mse_gain`` and ``crps_gain`` of the model over the one without imagery, December origins."""
    effects = world.Effects(channels=world.Channels()).scaled(coupling, 1.0)
    made = simulated_world(SEED, effects=effects, climate_years=16, harvest_years=12)
    parts = []
    for year in YEARS:
        date = dt.date(year, 12, 31)
        origin = Origin(date, made.panel(date), made.stand(), SEED, 36, made.assumptions, True)
        parts += [predict(Fit(origin)), predict(Fit(origin, "no_imagery"))]
    pooled = evaluate(parts, made.panel(dt.date(2026, 1, 31)), SEED).pooled
    here = pooled[(pooled["region"] == "all") & (pooled["model"] == "no_imagery") & (pooled["horizon"] == pool)]
    return here.set_index("metric")[["value", "lo", "hi"]]


@pytest.mark.long
def test_imagery_that_says_nothing_of_the_harvest_adds_nothing() -> None:
    found = gain_of_imagery(0.0, "1-12")
    assert found.loc["mse_gain", "lo"] < 0 < found.loc["mse_gain", "hi"], found


@pytest.mark.long
def test_imagery_that_shows_nutrition_adds_something() -> None:
    """Found by the CRPS; that of the mean alone (MSE) is too small to be told from zero by six Decembers."""
    found = gain_of_imagery(1.0, "1-12")
    assert found.loc["crps_gain", "lo"] > 0, found
    assert found.loc["mse_gain", "value"] > 0, found
