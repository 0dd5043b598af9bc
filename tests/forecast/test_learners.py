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
    predict_boosting,
    trailing_mean,
    training_rows,
)
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged()
MADE = portfolio(3, plantations=4, months=60)
CUBE = build_cube(MADE.panel, MADE.stand, dt.date(2026, 1, 31), 12, ASSUMPTIONS)
HORIZONS = np.arange(1, 13)
EVERY = np.arange(CUBE.months)


def _design(cube: object = CUBE) -> Design:
    shape = (4, CUBE.months, 12)
    mu = np.broadcast_to(CUBE.potential[:, EVERY[:, None] + HORIZONS], shape)
    base = CUBE.potential[:, : CUBE.months]
    return design(cube, mu, np.ones(shape), np.ones((7, *shape)), base, np.zeros(base.shape), EVERY, HORIZONS)  # type: ignore[arg-type]


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
    same = (plain.values == other.values) | (np.isnan(plain.values) & np.isnan(other.values))
    assert same[:, : origin + 1].all()
    moved = {name for k, name in enumerate(plain.names) if not same[:, origin + 1, :, k].all()}
    assert {"ratio_lag0", "ndmi_3"} <= moved


def test_same_month_last_year_only_where_known() -> None:
    made = _design()
    values = made.values[..., made.names.index("ratio_same_month_12")]
    # twelve months ahead, last year's month is the origin's own, whose harvest is not yet known
    assert CUBE.delays["yield"] == 1
    assert np.isnan(values[:, :, 11]).all()
    expected = CUBE.yields[0, 40 + 5 - 12] / CUBE.potential[0, 40 + 5 - 12]
    assert values[0, 40, 4] == pytest.approx(expected, rel=1e-6)


def test_columns_without_any_value_are_left_out() -> None:
    names = _design().names
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
    models = [fit_boosting(x, y, mu, form, ASSUMPTIONS) for _ in range(2)]  # type: ignore[arg-type]
    one, two = (predict_boosting(m, x, mu, form) for m in models)  # type: ignore[arg-type]
    assert (one == two).all()
    assert ((one - y) ** 2).mean() < 0.3 * ((mu - y) ** 2).mean()


def test_predictions_stay_in_bounds_and_without_rows_are_the_prior() -> None:
    x, mu = np.arange(80, dtype=np.float32)[:, None], np.ones(80)
    high = predict_boosting(fit_boosting(x, np.full(80, 90.0), mu, "residual", ASSUMPTIONS), x, mu, "residual")
    assert high == pytest.approx(RATIO_MAX)
    low = predict_boosting(fit_boosting(x, np.full(80, -5.0), mu, "direct", ASSUMPTIONS), x, mu, "direct")
    assert low.tolist() == [0.0] * 80
    assert fit_boosting(x[:0], mu[:0], mu[:0], "direct", ASSUMPTIONS) is None
    assert predict_boosting(None, x, mu, "direct").tolist() == mu.tolist()


def test_columns_that_say_nothing_are_not_fitted() -> None:
    x = np.stack([np.arange(200.0), np.full(200, 3.0), np.full(200, np.nan)], axis=1).astype(np.float32)
    mu = np.ones(200)
    model = fit_boosting(x, np.where(x[:, 0] > 99, 2.0, 1.0), mu, "direct", ASSUMPTIONS)
    changed = x.copy()
    changed[:, 1:] = -7.0
    assert (predict_boosting(model, x, mu, "direct") == predict_boosting(model, changed, mu, "direct")).all()
    assert fit_boosting(x[:, 1:], mu, mu, "direct", ASSUMPTIONS) is None
