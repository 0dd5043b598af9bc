"""The forecast against known truth, on portfolios that no number was tuned on (domain/yield.md 7.3).

Evaluated by ``benchmarks/forecast_skill.py``, which prints every seed: a few here, ten and twenty in the long runs.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecast_skill import BUCKETS, INPUTS, Setting, evaluate
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.prior import fit_prior, observed_deficit, water_of
from plantation_rwa.forecast.run import forecast
from plantation_rwa.simulate.panels import simulated_world
from plantation_rwa.simulate.world import Channels, Effects

FEW = Setting(step=18, plain=True)


def _gates(figures: pd.DataFrame, baselines: tuple[str, ...]) -> None:
    """Shares, gains and coverage; what is no median holds on every seed."""
    told = figures.round(3).to_string()
    median = figures.median()
    assert median["share h1-3"] >= 0.6, told
    assert median["share h12"] >= 0.5, told
    for name in baselines:
        assert median[f"over_{name} h1-3"] > 0, told
        assert median[f"over_{name} h12"] > 0, told
        assert median[f"crps_gain {name}"] > 0, told
    assert median["crps_gain_low"] > 0, told
    assert figures["worst_region"].min() > 0, told
    assert (figures["beta"] - 0.10).abs().median() <= 0.03, told
    assert 0.77 <= figures["cover80"].mean() <= 0.83, told
    assert 0.88 <= figures["cover90"].mean() <= 0.92, told
    assert figures["score80_over_plain"].mean() <= 1.0, told
    assert figures["score90_over_plain"].mean() <= 1.0, told


@pytest.mark.long
@pytest.mark.slow
def test_the_gates_on_three_unseen_portfolios() -> None:
    _gates(evaluate([7001, 7002, 7003], FEW), ("climatology", "last_year", "prior_t_ha"))


@pytest.mark.slow
@pytest.mark.long
def test_the_gates_on_ten_unseen_portfolios() -> None:
    setting = Setting(step=6, plain=True, sarima=True)
    _gates(evaluate(range(7000, 7010), setting, told=print), ("climatology", "last_year", "prior_t_ha", "sarima"))


@pytest.mark.slow
@pytest.mark.long
def test_coverage_pooled_over_twenty_unseen_portfolios() -> None:
    figures = evaluate(range(7000, 7020), Setting(step=12), told=print)
    assert 0.77 <= figures["cover80"].mean() <= 0.83, figures["cover80"].round(3).to_dict()
    assert 0.88 <= figures["cover90"].mean() <= 0.92, figures["cover90"].round(3).to_dict()


@pytest.mark.slow
def test_without_an_effect_of_drought_none_is_found() -> None:
    found = []
    for seed in (7001, 7002, 7003):
        world = simulated_world(seed, effects=Effects(channels=Channels()).scaled(1.0, 0.0))
        date = dt.date(2025, 12, 31)
        cube = build_cube(world.panel(date), world.stand(), date, 12, world.assumptions)
        annual = observed_deficit(cube, water_of(cube, world.assumptions), world.assumptions)
        fit = fit_prior(cube, annual, cube.months - 1, world.assumptions)
        found.append(abs(fit.beta_unshrunk))
        assert fit.beta < 0.10 / 2
    assert np.median(found) < 0.02, found


EVERYTHING = ("climate", "harvest", "imagery", "sensors")
CASES = [*((name,) for name in EVERYTHING), EVERYTHING]


def _widths(figures: pd.DataFrame) -> pd.Series:
    """Mean width of the 80 and 90 % intervals by months ahead."""
    return figures[[f"width{level} {bucket}" for level in (80, 90) for bucket in BUCKETS]].mean()


@pytest.mark.slow
def test_each_missing_input_and_all_at_once_widen_every_month_ahead() -> None:
    """One portfolio at one date, on average over plantations: always wider, never a crash."""
    world = simulated_world(7005)
    date = dt.date(2023, 12, 31)
    panel, found = world.panel(date), {}
    for case in [(), *CASES]:
        gone = [c for name in case for c in INPUTS[name] if c in panel]
        told = forecast(
            panel.assign(**dict.fromkeys(gone, np.nan)), world.stand(), as_of=date, horizons=36,
            assumptions=world.assumptions,
        ).forecasts  # fmt: skip
        assert np.isfinite(told["yield_mean_t_ha"]).all()
        told["width"] = told["yield_q90_t_ha"] - told["yield_q10_t_ha"]
        ahead = pd.cut(told["horizon_months"], [0, 3, 6, 12, 36])
        found[case] = told.groupby(ahead, observed=True)[["width", "yield_mean_t_ha"]].mean()
    for case in CASES:
        ratio = found[case]["width"] / found[()]["width"]
        assert (ratio > 1.0).all(), (case, ratio)
    # against the mean: without climate and harvests the means themselves are others
    share = {case: table["width"] / table["yield_mean_t_ha"] for case, table in found.items()}
    for name in EVERYTHING:
        assert (share[EVERYTHING] >= share[(name,)]).all(), (name, share[EVERYTHING] / share[(name,)])


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("grid_error", [False, True])
def test_what_is_missing_widens_the_forecast_which_still_covers(grid_error: bool) -> None:
    """Both where the grid has the field's rain, so that gauges tell nothing new, and where it has not."""
    seeds = [7005, 7006, 7007, 7008]
    whole = evaluate(seeds, Setting(step=18, grid_error=grid_error), told=print)
    for case in CASES:
        figures = evaluate(seeds, Setting(step=18, grid_error=grid_error, without=case), told=print)
        assert (_widths(figures) >= _widths(whole)).all(), (case, _widths(figures) / _widths(whole))
        for level in (80, 90):
            columns = [f"cover{level}", *(f"cover{level} {bucket}" for bucket in BUCKETS)]
            assert (figures[columns].mean() >= level / 100 - 0.03).all(), (case, figures[columns].mean().to_dict())
