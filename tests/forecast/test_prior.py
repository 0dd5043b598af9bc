from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.agronomy import kernel_of
from plantation_rwa.forecast.cube import DEFICIT, Cube, build_cube
from plantation_rwa.forecast.prior import (
    base_yield,
    expected_deficit,
    fit_prior,
    observed_deficit,
    ocean_deficit,
    plantation_effects,
    prior_yield,
    water_of,
)
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged()
KERNEL = kernel_of(ASSUMPTIONS)
TYPICAL = ASSUMPTIONS.number("deficit.typical_mm") / 12


def _cube(seed: int = 1, **options: float) -> Cube:
    made = portfolio(seed, plantations=8, months=120, **options)  # type: ignore[arg-type]
    return build_cube(made.panel, made.stand, dt.date(2026, 3, 31), 12, ASSUMPTIONS)


CUBE = _cube()
WATER = water_of(CUBE, ASSUMPTIONS)
ANNUAL = observed_deficit(CUBE, WATER, ASSUMPTIONS)


def test_without_climate_the_typical_deficit() -> None:
    bare = dataclasses.replace(CUBE, features={})
    water = water_of(bare, ASSUMPTIONS)
    assert water.filled == pytest.approx(TYPICAL)
    assert observed_deficit(bare, water, ASSUMPTIONS) == pytest.approx(0.585)


def test_normals_use_no_later_month() -> None:
    raw = CUBE.features[DEFICIT].copy()
    raw[:, 60:] = 999.0
    later = water_of(dataclasses.replace(CUBE, features={DEFICIT: raw}), ASSUMPTIONS)
    assert (later.normal[:, :60] == WATER.normal[:, :60]).all()
    assert (later.normal[:, 75] > WATER.normal[:, 75]).any()


def test_expected_deficit_is_the_observed_one_where_every_lag_is_known() -> None:
    # beyond its delay a lag-40 weight only ever meets known months
    weights = np.zeros((1, 41))
    weights[0, 40] = 1.0
    out = expected_deficit(CUBE, WATER, weights, np.array([80]), np.array([5]), TYPICAL)
    assert out[0, :, 0, 0].tolist() == WATER.filled[:, 80 + 5 - 40].tolist()


def test_expected_deficit_takes_normals_for_months_ahead() -> None:
    weights = np.zeros((1, 37))
    weights[0, 0] = 1.0
    out = expected_deficit(CUBE, WATER, weights, np.array([80]), np.array([3]), TYPICAL)
    assert out[0, :, 0, 0].tolist() == WATER.normal[:, 80, (CUBE.first + 83) % 12].tolist()
    before = expected_deficit(CUBE, WATER, np.eye(1, 37, 36), np.array([10]), np.array([1]), 7.5)
    assert (before == 7.5).all()


def test_expected_deficit_ignores_what_follows_the_origin() -> None:
    raw = CUBE.features[DEFICIT].copy()
    raw[:, 81 - CUBE.delays[DEFICIT] :] = 500.0
    changed = dataclasses.replace(CUBE, features={DEFICIT: raw})
    every, origin = np.arange(1, 13), np.array([80])
    args = (KERNEL[None, :], origin, every, TYPICAL)
    assert (
        expected_deficit(CUBE, WATER, *args) == expected_deficit(changed, water_of(changed, ASSUMPTIONS), *args)
    ).all()


@pytest.mark.parametrize("beta", [0.0, 0.2])
def test_deficit_response_moves_towards_the_truth(beta: float) -> None:
    cube = _cube(7, beta=beta, noise=0.10)
    annual = observed_deficit(cube, water_of(cube, ASSUMPTIONS), ASSUMPTIONS)
    fitted = fit_prior(cube, annual, cube.months - 1, ASSUMPTIONS).beta
    assert abs(fitted - beta) < abs(0.10 - beta)


def test_fit_sees_nothing_after_the_cutoff() -> None:
    yields = CUBE.yields.copy()
    yields[:, 61:] *= 3
    changed = dataclasses.replace(CUBE, yields=yields)
    one, two = (fit_prior(c, ANNUAL, 60, ASSUMPTIONS) for c in (CUBE, changed))
    assert one.beta == two.beta
    assert (one.season == two.season).all()
    assert fit_prior(changed, ANNUAL, 80, ASSUMPTIONS).beta != one.beta


def test_effects_are_causal_delayed_and_shrunk() -> None:
    fit = fit_prior(CUBE, ANNUAL, CUBE.months - 1, ASSUMPTIONS)
    base = base_yield(CUBE, fit, ANNUAL)
    doubled = dataclasses.replace(CUBE, yields=np.where(np.isfinite(CUBE.yields), 2 * base, np.nan))
    levels = plantation_effects(doubled, base, ASSUMPTIONS)
    effect, portfolio_level, years = levels.effect, levels.portfolio, levels.years
    delay = CUBE.delays["yield"]
    assert (effect[:, :delay] == 0).all()
    n = years[0, -1]
    mature = np.isfinite(CUBE.yields).sum(axis=1) / 12
    assert years[:, -1] == pytest.approx(mature)
    # eight plantations of the same level against an assumed spread of .20 that is worth five
    assert levels.sd[-1] == pytest.approx(0.20 * np.sqrt(5 / 13))
    tau2 = levels.sd[-1] ** 2
    weight = n * tau2 / (n * tau2 + 0.16 / 12)
    assert effect[0, -1] == pytest.approx(portfolio_level[-1] + weight * (np.log(2) - portfolio_level[-1]))
    assert 0 < portfolio_level[-1] < np.log(2)
    cut = doubled.yields.copy()
    cut[:, 50:] = 0.01
    again = plantation_effects(dataclasses.replace(doubled, yields=cut), base, ASSUMPTIONS).effect
    assert (again[:, : 50 + delay] == effect[:, : 50 + delay]).all()
    assert (again[:, 51 + delay] < effect[:, 51 + delay]).all()


def test_prior_multiplies_its_parts() -> None:
    fit = fit_prior(CUBE, ANNUAL, -1, ASSUMPTIONS)
    assert fit.beta == ASSUMPTIONS.number("deficit.beta")
    origins, horizons = np.array([100]), np.array([2])
    mu = prior_yield(CUBE, fit, np.full((8, 1, 1), 1.5), np.full((8, 1, 1), 0.2), origins, horizons)
    month = (CUBE.first + 102) % 12
    by_hand = CUBE.potential[:, 102] * fit.season[:, month] * np.exp(-0.15 + 0.2)
    assert mu[:, 0, 0] == pytest.approx(by_hand)


@pytest.mark.parametrize("truth", [0.0, 0.4])
def test_the_spread_of_levels_is_learned(truth: float) -> None:
    rng = np.random.default_rng(5)
    plantations, months = 200, 96
    level = rng.normal(0, truth, plantations)[:, None]
    yields = np.exp(level + rng.normal(0, 0.40, (plantations, months)) - 0.08)
    cube = dataclasses.replace(
        CUBE,
        ids=tuple(f"{i:03d}" for i in range(plantations)),
        yields=yields,
        idle=np.zeros(yields.shape, dtype=np.bool_),
        delays={"yield": 0},
    )
    levels = plantation_effects(cube, np.ones(yields.shape), ASSUMPTIONS)
    assert levels.sd[0] == ASSUMPTIONS.number("plantation_effect.sd")
    assert levels.sd[-1] == pytest.approx(truth, abs=0.05)
    error = ((levels.effect[:, -1] - level[:, 0]) ** 2).mean()
    assert error <= ((yields.mean(axis=1) - 1.0 - level[:, 0]) ** 2).mean()


def _ocean(index: np.ndarray, rain: bool = False) -> np.ndarray:
    shape = CUBE.yields.shape
    features = {"oni_known": np.broadcast_to(index, shape)}
    if rain:
        features["deficit_irho_mm"] = np.zeros(shape)
    cube = dataclasses.replace(CUBE, features=features, delays={**CUBE.delays, "oni_known": 0})
    return ocean_deficit(cube, np.array([90]), np.arange(1, 13), ASSUMPTIONS)[0, 0]


def test_the_ocean_stands_in_for_missing_rain() -> None:
    index = np.zeros(CUBE.months)
    index[78:87] = 2.0  # nine months, known two months after they were: seasons 76 to 84
    told = _ocean(index)
    assert told[0] == pytest.approx(_by_hand(index, 91))
    assert told[0] == pytest.approx(0.6 * 1.5 * 8 / 9)
    assert _ocean(index, rain=True).tolist() == [0.0] * 12
    assert _ocean(np.full(CUBE.months, -2.0))[0] == pytest.approx(0.20)
    assert _ocean(np.zeros(CUBE.months)).tolist() == [0.0] * 12
    # the newest season known is two months old: twelve months ahead only lag 14 is known, the rest is neutral
    assert _ocean(np.full(CUBE.months, 2.5))[11] == pytest.approx(1.2 / 9)


def _by_hand(index: np.ndarray, target: int) -> float:
    return float(np.mean([0.6 * max(index[target - lag + 2] - 0.5, 0.0) for lag in range(6, 15)]))


def test_two_degrees_held_for_nine_months_cost_nine_per_cent() -> None:
    shape = CUBE.yields.shape
    index = np.zeros(CUBE.months)
    index[78:87] = 2.0
    cube = dataclasses.replace(CUBE, features={"oni_known": np.broadcast_to(index, shape)}, delays=dict(CUBE.delays))
    loss = ocean_deficit(cube, np.array([90]), np.zeros(1, dtype=np.int64), ASSUMPTIONS)[0, 0, 0]
    assert np.exp(-ASSUMPTIONS.number("deficit.beta") * loss) == pytest.approx(np.exp(-0.09))
