"""The forecast against known truth, on portfolios that no number was tuned on (domain/yield.md 7.3).

Evaluated by ``benchmarks/forecast_skill.py``, which prints every seed: a few here, ten and twenty in the long runs.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecast_skill import Setting, evaluate
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.prior import fit_prior, observed_deficit, water_of
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


@pytest.mark.slow
def test_the_gates_on_three_unseen_portfolios() -> None:
    _gates(evaluate([7001, 7002, 7003], FEW), ("climatology", "last_year", "prior_t_ha"))


@pytest.mark.slow
@pytest.mark.long
def test_the_gates_on_ten_unseen_portfolios() -> None:
    setting = Setting(step=6, plain=True, sarima=True)
    _gates(evaluate(range(6000, 6010), setting), ("climatology", "last_year", "prior_t_ha", "sarima"))


@pytest.mark.slow
@pytest.mark.long
def test_coverage_pooled_over_twenty_unseen_portfolios() -> None:
    figures = evaluate(range(6000, 6020), Setting(step=12))
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


@pytest.mark.long
@pytest.mark.slow
def test_what_is_missing_widens_the_forecast_which_still_covers() -> None:
    seeds = [7001, 7002]
    whole = evaluate(seeds, Setting(step=36))
    cases = [(name,) for name in EVERYTHING] + [EVERYTHING]
    for case in cases:
        figures = evaluate(seeds, Setting(step=36, without=case))
        assert figures["cover80"].mean() >= 0.77, (case, figures["cover80"].to_dict())
        assert figures["cover90"].mean() >= 0.87, (case, figures["cover90"].to_dict())
        # sensors carry nothing in this world that rain does not: their loss must not narrow the forecast
        least = 0.99 if case == ("sensors",) else 1.0
        assert figures["width80"].mean() > least * whole["width80"].mean(), case
