from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.learners import (
    DEFICIT_BINS,
    RATIO_MAX,
    Design,
    bin_weights,
    design,
    fit_boosting,
    held,
    predict_boosting,
    sample,
    trailing_mean,
    training_rows,
)
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged()
MADE = portfolio(3, plantations=4, months=60)
CUBE = build_cube(MADE.panel, MADE.stand, dt.date(2026, 1, 31), 12, ASSUMPTIONS)
HORIZONS = np.arange(1, 13)
EVERY = np.arange(CUBE.months)
#: names of columns without meaning
NAMES = ("a", "b", "c")


def _design(cube: object = CUBE) -> Design:
    shape = (4, CUBE.months, 12)
    mu = np.broadcast_to(CUBE.potential[:, EVERY[:, None] + HORIZONS], shape)
    base = CUBE.potential[:, : CUBE.months]
    bins = np.ones((7, *shape), dtype=np.float32)
    return design(cube, mu, mu, np.ones(shape), bins, base, np.zeros(base.shape), EVERY, HORIZONS)  # type: ignore[arg-type]


def _values(made: Design) -> np.ndarray:
    return made.block(12).reshape(4, CUBE.months, 12, len(made.names))


def test_rows_are_gathered_from_what_each_feature_hangs_on() -> None:
    made = _design()
    p, s, h = np.array([2, 0]), np.array([30, 31]), np.array([5, 11])
    rows = dict(zip(made.names, made.rows(p, s, h).T, strict=True))
    assert rows["horizon"].tolist() == [6.0, 12.0]
    assert rows["age"] == pytest.approx([CUBE.age[2, 36], CUBE.age[0, 43]])
    assert rows["expected"] == pytest.approx([CUBE.potential[2, 36], CUBE.potential[0, 43]])
    assert rows["peat"].tolist() == [0.0, 0.0]
    assert rows["month_cos"][0] == pytest.approx(np.cos(2 * np.pi * ((CUBE.first + 36) % 12) / 12), abs=1e-6)
    assert made.only(["age", "no such feature", "horizon"]).names == ("age", "horizon")


def test_a_sample_is_even_over_horizons_and_repeats_itself() -> None:
    h = np.repeat(np.arange(4), [400, 400, 800, 2400])
    rows = (np.arange(4000), np.zeros(4000, dtype=np.int64), h)
    chosen = [sample(rows, 1000, "x")[0] for _ in range(2)]
    assert (chosen[0] == chosen[1]).all()
    assert np.bincount(h[chosen[0]]).tolist() == [100, 100, 200, 600]
    assert sample(rows, 4000, "x")[0] is rows[0]
    assert (sample(rows, 1000, "y")[0] != chosen[0]).any()


def test_bins_cover_every_lag_once() -> None:
    weights = bin_weights(37)
    assert weights.sum(axis=0).tolist() == [1.0] * 37
    assert weights.sum(axis=1).tolist() == [high - low + 1 for low, high in DEFICIT_BINS]


def test_trailing_mean_by_hand() -> None:
    out = trailing_mean(np.array([[1.0, np.nan, 3.0, 5.0, np.nan]]), 3, 2)[0]
    assert np.isnan(out[:2]).all()
    assert out[2:].tolist() == [2.0, 4.0, 4.0]


def test_no_feature_moves_when_the_future_does() -> None:
    origin = 40
    plain = _design()
    yields = CUBE.yields.copy()
    yields[:, origin + 1 - CUBE.delays["yield"] :] += 1.0
    features = {}
    for name, values in CUBE.features.items():
        changed = values.copy()
        changed[:, origin + 1 - CUBE.delays[name] :] += 100.0
        features[name] = changed
    other = _design(dataclasses.replace(CUBE, yields=yields, features=features))
    assert plain.names == other.names
    one, two = _values(plain), _values(other)
    same = (one == two) | (np.isnan(one) & np.isnan(two))
    assert same[:, : origin + 1].all()
    moved = {name for k, name in enumerate(plain.names) if not same[:, origin + 1, :, k].all()}
    assert {"ratio_lag0", "ndmi_3"} <= moved


def test_same_month_last_year_only_where_known() -> None:
    made = _design()
    values = _values(made)[..., made.names.index("ratio_same_month_12")]
    # twelve months ahead, last year's month is the origin's own, whose harvest is not yet known
    assert CUBE.delays["yield"] == 1
    assert np.isnan(values[:, :, 11]).all()
    expected = CUBE.yields[0, 40 + 5 - 12] / CUBE.potential[0, 40 + 5 - 12]
    assert values[0, 40, 4] == pytest.approx(expected, rel=1e-6)


def test_columns_without_any_value_are_left_out() -> None:
    made = _design()
    assert len(set(made.names)) == len(made.names)
    names = held(made)
    assert "cire_3" not in names
    assert "soil_moisture_m3m3_3" not in names
    assert len(names) == len(set(names)) <= 40


def test_training_rows_end_at_the_embargo() -> None:
    mu = np.ones((4, CUBE.months, 12))
    p, s, h = training_rows(CUBE, mu, EVERY, HORIZONS, [1, 6, 12], cutoff=50)
    target = s + HORIZONS[h]
    assert set(HORIZONS[h]) == {1, 6, 12}
    assert target.max() == 50
    assert s[HORIZONS[h] == 12].max() == 38
    assert np.isfinite(CUBE.yields[p, target]).all()


@pytest.mark.parametrize("form", ["direct", "residual"])
def test_boosting_learns_and_repeats_itself(form: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3)).astype(np.float32)
    x[::7, 2] = np.nan
    mu = rng.uniform(1, 2, 600)
    x[:, 1] = mu
    y = mu * (1 + 0.3 * (x[:, 0] > 0))
    models = [fit_boosting(x, y, mu, form, NAMES, ASSUMPTIONS) for _ in range(2)]  # type: ignore[arg-type]
    one, two = (predict_boosting(m, x, mu, form) for m in models)  # type: ignore[arg-type]
    assert (one == two).all()
    assert ((one - y) ** 2).mean() < 0.3 * ((mu - y) ** 2).mean()


def test_predictions_stay_in_bounds_and_without_rows_are_the_prior() -> None:
    x, mu = np.arange(80, dtype=np.float32)[:, None], np.ones(80)
    high = predict_boosting(fit_boosting(x, np.full(80, 90.0), mu, "residual", NAMES, ASSUMPTIONS), x, mu, "residual")
    assert high == pytest.approx(RATIO_MAX)
    low = predict_boosting(fit_boosting(x, np.full(80, -5.0), mu, "direct", NAMES, ASSUMPTIONS), x, mu, "direct")
    assert low.tolist() == [0.0] * 80
    assert fit_boosting(x[:0], mu[:0], mu[:0], "direct", NAMES, ASSUMPTIONS) is None
    assert predict_boosting(None, x, mu, "direct").tolist() == mu.tolist()


def test_columns_that_say_nothing_are_not_fitted() -> None:
    x = np.stack([np.arange(200.0), np.full(200, 3.0), np.full(200, np.nan)], axis=1).astype(np.float32)
    mu = np.ones(200)
    model = fit_boosting(x, np.where(x[:, 0] > 99, 2.0, 1.0), mu, "direct", NAMES, ASSUMPTIONS)
    changed = x.copy()
    changed[:, 1:] = -7.0
    assert (predict_boosting(model, x, mu, "direct") == predict_boosting(model, changed, mu, "direct")).all()
    assert fit_boosting(x[:, 1:], mu, mu, "direct", NAMES, ASSUMPTIONS) is None


def test_the_direct_form_rises_with_the_expected_yield_and_never_with_a_deficit() -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(0, 1, (2000, 2)).astype(np.float32)
    y = 1.0 - 0.5 * x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.05, 2000)  # the opposite of both constraints
    model = fit_boosting(x, y, np.ones(2000), "direct", ("expected", "deficit_0_3"), ASSUMPTIONS)
    grid = np.stack([np.linspace(0, 1, 50), np.full(50, 0.5)], axis=1).astype(np.float32)
    assert (np.diff(predict_boosting(model, grid, np.ones(50), "direct")) >= 0).all()
    assert (np.diff(predict_boosting(model, grid[:, ::-1].copy(), np.ones(50), "direct")) <= 0).all()
    free = fit_boosting(x, y, np.ones(2000), "residual", ("expected", "deficit_0_3"), ASSUMPTIONS)
    assert predict_boosting(free, grid[[0, -1]], np.ones(2), "residual").tolist()[0] > 1.1
