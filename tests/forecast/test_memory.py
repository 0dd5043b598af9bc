from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.cube import Cube, build_cube
from plantation_rwa.forecast.memory import (
    KINDS,
    NAMES,
    Regressors,
    anomalies,
    canopy_departure,
    fit_memory,
    learned_variance,
    light_departure,
    remembered,
)
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged()
HORIZONS = np.arange(1, 13)
MADE = portfolio(2, plantations=8, months=120)
PLAIN = build_cube(MADE.panel, MADE.stand, dt.date(2025, 12, 31), 12, ASSUMPTIONS)
T = PLAIN.months
DELAY = PLAIN.delays["yield"]


def _cube(anomaly: np.ndarray, **features: np.ndarray) -> Cube:
    """A flat stand whose harvest is 1 + anomaly."""
    delays = {**PLAIN.delays, **dict.fromkeys(features, 0)}
    return dataclasses.replace(
        PLAIN,
        yields=1.0 + anomaly,
        potential=np.ones(PLAIN.potential.shape),
        features=features,
        delays=delays,
        age=np.full(PLAIN.age.shape, 12.0),
    )


def _regressors(cube: Cube) -> Regressors:
    base = cube.potential[:, :T]
    seen = anomalies(cube, base, np.zeros(base.shape))
    return Regressors(cube, seen, canopy_departure(cube), light_departure(cube))


def _at(cube: Cube, origin: int, horizon: int) -> dict[str, float]:
    values = _regressors(cube).at(np.array([origin]), horizon)[0, 0]
    return dict(zip(NAMES, values.tolist(), strict=True))


def test_regressors_by_hand() -> None:
    anomaly = np.zeros((8, T))
    anomaly[0] = np.arange(T) / 1000.0
    cube = _cube(anomaly)
    assert DELAY == 1
    found = _at(cube, 100, 3)
    # the origin's own harvest is not known yet
    assert found["last_month"] == pytest.approx(0.099)
    assert found["third_month"] == pytest.approx(0.097)
    assert found["mean_6"] == pytest.approx(np.mean([0.094, 0.095, 0.096, 0.097, 0.098, 0.099]))
    # target 103: lags 8 to 13 are months 90 to 95, lags 22 to 26 months 77 to 81
    assert found["drawn_8_13"] == pytest.approx(0.0925)
    assert found["drawn_22_26"] == pytest.approx(0.079)
    # twelve months ahead lags 8 to 12 are not known: of 99 to 104 month 99 remains
    assert _at(cube, 100, 12)["drawn_8_13"] == pytest.approx(0.099)
    members = sum(r == cube.region[0] for r in cube.region)
    assert found["region_3"] == pytest.approx(0.098 / max(members, 3))


def test_unknown_is_zero() -> None:
    found = _at(_cube(np.full((8, T), np.nan)), 50, 6)
    assert set(found.values()) == {0.0}
    assert _at(_cube(np.zeros((8, T))), 2, 12)["chlorophyll"] == 0.0


def test_nothing_after_the_origin_enters() -> None:
    rng = np.random.default_rng(0)
    anomaly, cire = rng.normal(0, 0.2, (8, T)), rng.normal(3, 0.3, (8, T))
    light = rng.normal(16, 1, (8, T))
    one = _regressors(_cube(anomaly, cire=cire, ssrd_mean_mj_m2=light))
    later = [v.copy() for v in (anomaly, cire, light)]
    later[0][:, 101 - DELAY :] += 0.5
    later[1][:, 101:] += 1.0
    later[2][:, 101:] += 5.0
    two = _regressors(_cube(later[0], cire=later[1], ssrd_mean_mj_m2=later[2]))
    for h in (1, 6, 12):
        assert (one.at(np.arange(101), h) == two.at(np.arange(101), h)).all()
        assert (one.at(np.array([101]), h) != two.at(np.array([101]), h)).any()


def _recovered(anomaly: np.ndarray, **features: np.ndarray) -> tuple[Cube, np.ndarray]:
    cube = _cube(anomaly, **features)
    mu = np.ones((8, T, 12))
    memory = fit_memory(_regressors(cube), cube, mu, HORIZONS, T - 1, ASSUMPTIONS)
    return cube, memory.coefficients


def test_persistence_and_its_loss_with_the_horizon_are_recovered() -> None:
    rng = np.random.default_rng(1)
    anomaly = rng.normal(0, 0.2, (8, T))
    for t in range(1, T):
        anomaly[:, t] = 0.5 * anomaly[:, t - 1] + np.sqrt(0.75) * anomaly[:, t]
    cube = _cube(anomaly)
    regressors = _regressors(cube)
    memory = fit_memory(regressors, cube, np.ones((8, T, 12)), HORIZONS, T - 1, ASSUMPTIONS)
    told = remembered(memory, regressors, np.arange(40, T - 12), HORIZONS)[..., 0]
    # the harvest of the month before the origin is the newest: one month ahead is two steps, .25
    now = anomaly[:, 39 : T - 13]
    slope = [(told[..., k] * now).sum() / (now**2).sum() for k in (0, 11)]
    assert slope[0] == pytest.approx(0.25, abs=0.08)
    assert abs(slope[1]) < 0.1


def test_the_canopy_is_found_at_its_lag_and_not_in_noise() -> None:
    rng = np.random.default_rng(2)
    nutrition = np.zeros((8, T))
    for t in range(1, T):
        nutrition[:, t] = 0.97 * nutrition[:, t - 1] + 0.24 * rng.normal(size=8)
    lagged = np.concatenate([np.zeros((8, 9)), nutrition[:, :-9]], axis=1)
    cire = 3.0 + 0.25 * nutrition + rng.normal(0, 0.05, (8, T))
    noise = rng.normal(0, 0.2, (8, T))
    _, found = _recovered(0.06 * lagged + noise, cire=cire)
    at = NAMES.index("chlorophyll")
    # .06 of yield per .25 of CIre
    assert found[:6, at] == pytest.approx(0.24, abs=0.12)
    _, nothing = _recovered(noise, cire=cire)
    assert np.abs(nothing[:6, at]).max() < 0.12


def test_the_spread_of_the_canopys_effect_is_learned_by_hand() -> None:
    """One regressor, 400 pieces of evidence: variance of the estimate 1/400, so .06 leaves .06^2 - .05^2."""

    def learned(slope: float, sd: float = 0.1) -> float:
        return learned_variance(np.array([[400.0]]), np.array([400.0 * slope]), np.array([sd**2]), 0)

    assert learned(0.06) == pytest.approx(0.06**2 - 0.05**2)
    assert learned(0.04) == learned(-0.06) == 0.0
    assert learned(0.3) == pytest.approx(0.1**2)
    # one that shares its evidence with another is judged by what is left of it
    gram = np.array([[400.0, 396.0], [396.0, 400.0]])
    alone = learned_variance(gram, gram @ np.array([0.0, 0.06]), np.array([1e6, 0.01]), 1)
    assert alone == 0.0


def test_departures_are_causal_and_relative_to_the_past() -> None:
    cire = np.full((8, T), 3.0)
    cire[0, 60:] = 3.4
    departure = canopy_departure(_cube(np.zeros((8, T)), cire=cire))
    assert departure[0, :60].tolist() == [0.0] * 60
    assert departure[0, 62] > 0.3
    assert (canopy_departure(_cube(np.zeros((8, T)))) == 0).all()
    light = np.full((8, T), 16.0)
    light[:, 100] = 12.0
    dim = light_departure(_cube(np.zeros((8, T)), ssrd_mean_mj_m2=light))
    assert np.isnan(dim[:, :24]).all()
    assert dim[0, 99] == 0.0
    assert dim[0, 100] == pytest.approx(12.0 / ((16.0 * 8 + 12.0) / 9) - 1.0)


def test_too_few_rows_say_nothing_and_kinds_sum_to_the_whole() -> None:
    anomaly = np.full((8, T), np.nan)
    anomaly[:, -10:] = 0.5
    cube, coefficients = _recovered(anomaly)
    assert (coefficients == 0).all()
    rng = np.random.default_rng(3)
    cube = _cube(rng.normal(0, 0.3, (8, T)))
    regressors = _regressors(cube)
    memory = fit_memory(regressors, cube, np.ones((8, T, 12)), HORIZONS, T - 1, ASSUMPTIONS)
    whole = remembered(memory, regressors, np.arange(T), HORIZONS)[..., 0]
    kinds = remembered(memory, regressors, np.arange(T), HORIZONS, KINDS)
    assert kinds.sum(axis=-1) == pytest.approx(whole, abs=1e-12)
    assert sorted(n for kind in KINDS for n in kind) == sorted(NAMES)


def test_harvests_of_nothing_leave_no_memory_and_no_division_by_zero() -> None:
    with np.errstate(all="raise"):
        _, coefficients = _recovered(np.full((8, T), -1.0))
    assert (coefficients == 0).all()
