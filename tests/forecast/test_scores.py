"""Scores: published known answers, pencil cases, and a table computed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.scores import (
    CALIBRATION,
    QUANTILES,
    contributions,
    crps,
    crps_of_knots,
    interval_score,
    metrics_of,
    pinball,
    pit,
    pooled_table,
    score_table,
)


@pytest.mark.parametrize(
    ("mean", "sd", "y", "answer"), [(0, 1, 0, 0.23369), (0, 1, 1, 0.60244), (2, 0.5, 1.2, 0.54115)]
)
def test_crps_of_a_normal(mean: float, sd: float, y: float, answer: float) -> None:
    """domain/yield.md 5.5; the closed form of the normal, approached with 4001 knots."""
    p = np.linspace(0, 1, 4001)
    inside = np.clip(p, 1e-7, 1 - 1e-7)
    got = crps_of_knots(p, norm.ppf(inside, mean, sd)[None, :], np.array([y]))
    assert got[0] == pytest.approx(answer, abs=2e-4)


def test_crps_of_an_ensemble() -> None:
    """Ensemble {1, 2, 4}, y = 3 gives 2/3 (domain/yield.md 5.5): steps as segments of no width."""
    p = np.array([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1.0])
    v = np.array([[1.0, 1, 2, 2, 4, 4]])
    assert crps_of_knots(p, v, np.array([3.0]))[0] == pytest.approx(2 / 3, abs=1e-12)


def test_crps_of_a_point_is_its_absolute_error() -> None:
    q = np.full((3, 7), 2.0)
    assert crps(q, np.array([1.5, 2.0, 4.0])) == pytest.approx([0.5, 0.0, 2.0])


def test_crps_of_a_uniform() -> None:
    """F linear on [0, 1]: y = 0 gives 1/3, y = 1/2 gives 1/12, y = 2 gives 1/3 + 1."""
    p, v = np.array([0.0, 1.0]), np.array([[0.0, 1.0]] * 3)
    assert crps_of_knots(p, v, np.array([0.0, 0.5, 2.0])) == pytest.approx([1 / 3, 1 / 12, 4 / 3])


def test_pinball_and_interval_score_by_hand() -> None:
    q = np.array([[0.0, 0, 0, 1, 2, 2, 2]])
    # at y = 1: .05 + .10 + .25 below, 0, and (1 - .75) + (1 - .9) + (1 - .95) above, over seven
    assert pinball(q, np.array([1.0]))[0] == pytest.approx((0.4 + 0.4) / 7)
    low, high = np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0])
    assert interval_score(low, high, np.array([2.0, 0.5, 4.0]), 0.8) == pytest.approx([2, 7, 12])


def test_pit_reads_the_published_distribution() -> None:
    q = PROBABILITIES[None, :] * 10
    assert pit(np.repeat(q, 4, axis=0), np.array([-1.0, 2.5, 5.0, 12.0])) == pytest.approx([0, 0.25, 0.5, 1])


def predictions(model: str, mean: list[float], spread: float | None = 1.0) -> pd.DataFrame:
    n = len(mean)
    frame = pd.DataFrame(
        {
            "protocol": "walk_forward",
            "plantation_id": ["A", "A", "B", "B"][:n],
            "region": ["north", "north", "south", "south"][:n],
            "origin": "2024-01",
            "target_month": ["2024-02", "2025-02"] * (n // 2),
            "horizon": "1",
            "model": model,
            "observed": [2.0, 1.0, 4.0, 1.0][:n],
            "mean": mean,
        }
    )
    for name, p in zip(QUANTILES, PROBABILITIES, strict=True):
        frame[name] = np.nan if spread is None else frame["mean"] + spread * (p - 0.5)
    return frame


def test_a_table_of_four_predictions_by_hand() -> None:
    model = predictions("model", [1.5, 1.5, 3.0, 2.0])
    usual = predictions("climatology", [3.0, 2.0, 2.0, 2.0], None)
    table = score_table(pd.concat([model, usual], ignore_index=True), seed=1)
    got = table.set_index(["model", "region", "metric"])["value"]
    # errors -.5 .5 -1 1: squares .25 .25 1 1; climatology 1 1 4 1; observed sum 8
    assert got["model", "all", "rmse"] == pytest.approx(np.sqrt(2.5 / 4))
    assert got["model", "all", "mae"] == pytest.approx(0.75)
    assert got["model", "all", "wmape"] == pytest.approx(3 / 8)
    assert got["model", "all", "bias"] == pytest.approx(0.0)
    assert got["model", "all", "skill"] == pytest.approx(1 - 2.5 / 7)
    assert got["model", "north", "skill"] == pytest.approx(1 - 0.5 / 2)
    assert got["climatology", "all", "skill"] == pytest.approx(0.0)
    # mean +- .4 at 80 %, +- .45 at 90 %: nothing within
    assert got["model", "all", "coverage90"] == 0.0
    assert got["model", "all", "interval_score80"] == pytest.approx(0.8 + 10 * (0.1 + 0.1 + 0.6 + 0.6) / 4)
    assert ("climatology", "all", "crps") not in got.index
    assert set(table["n"]) == {4, 2}


def test_intervals_hold_the_value_and_do_not_depend_on_row_order() -> None:
    rng = np.random.default_rng(5)
    months = [f"{2018 + k // 12}-{k % 12 + 1:02d}" for k in range(60)]
    frames = []
    for plantation in "ABCDE":
        frame = pd.DataFrame({"target_month": months, "observed": rng.normal(2, 0.5, 60)})
        frame["mean"] = 2.0
        frame[["plantation_id", "region", "origin", "horizon"]] = [plantation, "r", "2017-12", "3"]
        frame[["protocol", "model"]] = ["walk_forward", "climatology"]
        for name, p in zip(QUANTILES, PROBABILITIES, strict=True):
            frame[name] = norm.ppf(p, 2, 0.5)
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    table = score_table(rows, seed=3)
    shuffled = score_table(rows.sample(frac=1, random_state=1), seed=3)
    pd.testing.assert_frame_equal(table.reset_index(drop=True), shuffled.reset_index(drop=True))
    every = table[table["region"] == "all"].set_index("metric")
    assert (every["lo"] <= every["value"]).all()
    assert (every["value"] <= every["hi"]).all()
    assert every.loc["coverage80", "value"] == pytest.approx(0.8, abs=0.06)
    assert 0.02 < every.loc["rmse", "hi"] - every.loc["rmse", "lo"] < 0.2
    assert not np.allclose(score_table(rows, seed=4)["lo"], table["lo"])


@given(
    st.lists(st.floats(0.1, 20), min_size=7, max_size=7),
    st.floats(0, 25),
)
def test_crps_is_never_negative_and_at_most_the_largest_distance(values: list[float], y: float) -> None:
    q = np.sort(np.array(values))[None, :]
    got = crps(q, np.array([y]))[0]
    assert -1e-12 <= got <= abs(y - q).max() + (q[0, -1] - q[0, 0]) + 1e-9


def test_metrics_of_nothing_are_no_numbers() -> None:
    rows = predictions("m", [1.0, 1.0]).assign(climatology=1.0, rival_square=np.nan, rival_crps=np.nan)
    nothing = {name: np.array(0.0) for name in contributions(rows)}
    assert all(np.isnan(v) for v in metrics_of(nothing).values())


def test_gains_of_the_model_by_hand() -> None:
    """Squares of model .25 .25 1 1, of the other 1 0 4 9: less by (14 - 2.5) / 4; one row it does not share."""
    model = predictions("model", [1.5, 1.5, 3.0, 2.0], 0.0)
    other = predictions("no_climate", [3.0, 1.0, 2.0, 4.0], 0.0)
    alone = predictions("no_climate", [9.0, 9.0]).iloc[:1].assign(origin="2020-01")
    table = score_table(pd.concat([model, other, alone], ignore_index=True), seed=1)
    got = table.set_index(["model", "region", "metric"])
    assert got.loc[("no_climate", "all", "mse_gain"), "value"] == pytest.approx(11.5 / 4)
    # a point's CRPS is its absolute error: 1 0 2 3 against .5 .5 1 1
    assert got.loc[("no_climate", "all", "crps_gain"), "value"] == pytest.approx(3 / 4)
    assert got.loc[("no_climate", "all", "mse_gain"), "n"] == 4
    assert got.loc[("no_climate", "all", "rmse"), "n"] == 5
    assert ("model", "all", "mse_gain") not in got.index


def test_few_blocks_give_no_interval() -> None:
    rows = predictions("climatology", [3.0, 2.0, 2.0, 2.0])
    assert score_table(rows, seed=1)[["lo", "hi"]].isna().all(axis=None)


def test_a_record_of_zeros_has_no_relative_error() -> None:
    table = score_table(predictions("climatology", [1.0, 2.0]).assign(observed=0.0), seed=1).set_index("metric")
    assert "wmape" not in table.index
    assert table.loc["mae", "value"].tolist() == pytest.approx([1.5, 1.5])  # all, and the one region


def test_calibration_by_hand() -> None:
    """Uniform forecasts on [0, 1]: harvests at .03, .2, .5 and .97 have just these PIT."""
    rows = predictions("model", [0.5] * 4).assign(observed=[0.03, 0.2, 0.5, 0.97])
    table = pooled_table(rows, seed=1).set_index(["horizon", "region", "metric"])["value"]
    of = {metric: table["1-3", "all", metric] for metric in (*CALIBRATION, "pit_mean", "pit_sd")}
    assert [of[f"below_{q}"] for q in QUANTILES] == pytest.approx([0.25, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75])
    bins = [of[f"pit_bin{k:02d}"] for k in range(1, 11)]
    assert bins == pytest.approx([0.25, 0, 0.25, 0, 0, 0.25, 0, 0, 0, 0.25])
    assert of["pit_mean"] == pytest.approx(0.425)
    assert of["pit_sd"] == pytest.approx(np.std([0.03, 0.2, 0.5, 0.97]))


def test_horizons_are_pooled_by_bucket() -> None:
    frames = [predictions("model", [3.0, 2.0, 4.0, 1.0]).assign(horizon=h) for h in ("1", "3", "4", "12", "annual")]
    table = pooled_table(pd.concat(frames, ignore_index=True), seed=1)
    n = table[(table["metric"] == "rmse") & (table["region"] == "all")].set_index("horizon")["n"]
    assert dict(n) == {"1-3": 8, "4-6": 4, "7-12": 4, "1-12": 16, "annual": 4}
