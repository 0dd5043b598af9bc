"""What the ablation says of imagery: no gain where vegetation tells nothing of the harvest, one where it does.

The gain is small (imagery explains a few hundredths of the squared error), so that one portfolio cannot tell it from
nothing: the forecasts of several are scored together, as those of one backtest.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.forecast.backtest import Fit, Origin, evaluate, predict
from plantation_rwa.forecast.scores import QUANTILES, crps
from plantation_rwa.simulate import world
from plantation_rwa.simulate.panels import simulated_world
from plantation_rwa.streams import stream

#: not used for tuning
SEEDS = (4111, 4112)
DATES = [dt.date(year, month, day) for year in range(2020, 2025) for month, day in ((6, 30), (12, 31))]


def of_seed(seed: int, coupling: float) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Forecasts with and without imagery at every date, and what was harvested; plantations named by the seed."""
    effects = world.Effects(channels=world.Channels()).scaled(coupling, 1.0)
    made = simulated_world(seed, effects=effects, climate_years=16, harvest_years=12)
    parts = []
    for date in DATES:
        origin = Origin(date, made.panel(date), made.stand(), seed, 36, made.assumptions, True)
        told = predict(Fit(origin))
        parts += [told[told["model"] == "model"], predict(Fit(origin, "no_imagery"))]
    named = [p.assign(plantation_id=f"{seed}-" + p["plantation_id"].astype(str)) for p in parts]
    seen = made.panel(dt.date(2026, 1, 31))
    return named, seen.assign(plantation_id=f"{seed}-" + seen["plantation_id"].astype(str))


def gain_of_imagery(coupling: float) -> pd.DataFrame:
    """Rows ``mse_gain`` and ``crps_gain`` over all months ahead, with two 90 % intervals.

    ``lo, hi`` as the backtest prints them (blocks of one plantation and year); ``lo_whole, hi_whole`` with each
    plantation's whole record as one block; ``score`` is the error without imagery.
    """
    told: list[pd.DataFrame] = []
    seen = []
    for seed in SEEDS:
        parts, panel = of_seed(seed, coupling)
        told += parts
        seen.append(panel)
    found = evaluate(told, pd.concat(seen, ignore_index=True), SEEDS[0])
    here = found.pooled
    here = here[(here["region"] == "all") & (here["model"] == "no_imagery") & (here["horizon"] == "1-12")]
    out = here.set_index("metric").loc[["mse_gain", "crps_gain"], ["value", "lo", "hi"]]
    scores = here.set_index("metric")["value"]
    out["score"] = [scores["rmse"] ** 2, scores["crps"]]
    ends = by_plantation(found.predictions)
    return out.assign(lo_whole=[ends[m][0] for m in out.index], hi_whole=[ends[m][1] for m in out.index])


def by_plantation(predictions: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Intervals of the mean gains, plantations drawn with their whole records."""
    keys = ["plantation_id", "origin", "target_month"]
    rows = predictions[predictions["horizon"] != "annual"]
    error = rows["mean"] - rows["observed"]
    score = crps(rows[list(QUANTILES)].to_numpy(np.float64), rows["observed"].to_numpy(np.float64))
    rows = rows[[*keys, "model"]].assign(mse_gain=error**2, crps_gain=score)
    without, whole = (rows[rows["model"] == m].set_index(keys) for m in ("no_imagery", "model"))
    names = ["mse_gain", "crps_gain"]
    gain = (without[names] - whole[names]).assign(n=1.0).groupby(level=0).sum()
    drawn = stream(1, "whole_plantations").integers(0, len(gain), (2000, len(gain)))
    again = gain.to_numpy()[drawn].sum(axis=1)
    low, high = np.quantile(again[:, :2] / again[:, 2:], [0.05, 0.95], axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


@pytest.mark.slow
@pytest.mark.long
def test_imagery_that_says_nothing_of_the_harvest_is_credited_with_nothing() -> None:
    found = gain_of_imagery(0.0)
    for name in ("mse_gain", "crps_gain"):
        assert found.loc[name, "lo"] < 0 < found.loc[name, "hi"], found
        assert found.loc[name, "lo_whole"] < 0 < found.loc[name, "hi_whole"], found


@pytest.mark.slow
@pytest.mark.long
def test_imagery_that_shows_nutrition_adds_something() -> None:
    found = gain_of_imagery(1.0)
    for name in ("mse_gain", "crps_gain"):
        assert found.loc[name, "lo"] > 0, found
        assert found.loc[name, "lo_whole"] > 0, found
