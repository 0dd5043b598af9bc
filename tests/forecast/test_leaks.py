"""Leak detectors: planted leaks are found loudly, honest forecasts pass, and what cannot be told is said."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.backtest import Fit, Origin, predict
from plantation_rwa.forecast.leaks import (
    FIRED,
    PASSED,
    UNTESTED,
    harvest_in_features,
    same_to_the_bit,
    shuffled_harvests,
    skill_on_shuffled,
    with_harvests,
)
from tests.forecast.portfolio import Portfolio, portfolio


@pytest.fixture(scope="module")
def lots() -> Portfolio:
    return portfolio(seed=11, plantations=6, months=96, end="2025-12")


def next_harvest(panel: pd.DataFrame) -> pd.Series:
    """The target one month later, as a feature."""
    return panel.groupby("plantation_id")["yield_t_ha"].shift(-1)


def test_an_honest_panel_passes_and_the_planted_copy_was_found(lots: Portfolio) -> None:
    verdict = harvest_in_features(lots.panel)
    assert verdict.outcome == PASSED
    assert verdict.value < 0.9
    assert "a planted copy gave 1.00" in verdict.detail


@pytest.mark.parametrize(("scale", "noise"), [(1.0, 0.0), (-3.5, 0.0), (1.0, 0.1)])
def test_the_target_shifted_into_a_feature_fires(lots: Portfolio, scale: float, noise: float) -> None:
    """Also inverted, in another unit, or with noise of about a third of the harvest's own."""
    rng = np.random.default_rng(1)
    leak = scale * next_harvest(lots.panel) + rng.normal(0, noise, len(lots.panel))
    verdict = harvest_in_features(lots.panel.assign(tmin_c=leak))
    assert verdict.outcome == FIRED
    assert "tmin_c and the harvest of 1 month later, not yet known then" in verdict.detail


def test_a_leak_at_one_plantation_alone_fires_and_is_named(lots: Portfolio) -> None:
    leak = next_harvest(lots.panel).where(lots.panel["plantation_id"] == "P003", lots.panel["p_sum_mm"])
    verdict = harvest_in_features(lots.panel.assign(p_sum_mm=leak))
    assert (verdict.outcome, "P003" in verdict.detail) == (FIRED, True)


def test_a_copy_of_harvests_already_known_is_no_leak(lots: Portfolio) -> None:
    """The same column, but each value known only after the harvest it copies."""
    panel = lots.panel.assign(tmin_c=next_harvest(lots.panel))
    panel["features_known_at"] = panel["harvest_known_at"] + pd.Timedelta(days=40)
    assert harvest_in_features(panel).outcome == PASSED


def test_two_years_of_harvest_cannot_tell(lots: Portfolio) -> None:
    short = lots.panel[lots.panel["month"] >= "2024-01"]
    assert harvest_in_features(short).outcome == UNTESTED


def test_shuffling_keeps_each_calendar_month(lots: Portfolio) -> None:
    dealt = shuffled_harvests(lots.panel, seed=3)
    both = dealt.merge(lots.panel, on=["plantation_id", "month"], suffixes=("", "_was"))
    assert (both["yield_t_ha"] != both["yield_t_ha_was"]).mean() > 0.7
    cell = [both["plantation_id"], both["month"].str.slice(5, 7)]
    for name in ("yield_t_ha", "yield_t_ha_was"):
        both[f"{name}_sorted"] = both.groupby(cell)[name].transform(lambda s: np.sort(s.to_numpy()))
    assert (both["yield_t_ha_sorted"] == both["yield_t_ha_was_sorted"]).all()
    january = both[(both["plantation_id"] == "P000") & both["month"].str.endswith("-01")]
    assert january["variance"].to_numpy() == pytest.approx(january["yield_t_ha_was"].var(ddof=1))
    pd.testing.assert_frame_equal(dealt, shuffled_harvests(lots.panel.sample(frac=1, random_state=1), seed=3))
    assert not dealt.equals(shuffled_harvests(lots.panel, seed=4))


def shuffled_forecasts(lots: Portfolio) -> tuple[pd.DataFrame, pd.DataFrame]:
    dealt = shuffled_harvests(lots.panel, seed=3)
    parts = []
    for year in range(2022, 2025):
        date = dt.date(year, 12, 31)
        origin = Origin(date, lots.panel, lots.stand, 7, 36, packaged(), True)
        origin = with_harvests(origin, dealt)
        parts.append(predict(Fit(origin)))
    return pd.concat(parts, ignore_index=True), dealt


@pytest.mark.slow
def test_shuffled_harvests_leave_no_skill(lots: Portfolio) -> None:
    verdict = skill_on_shuffled(*shuffled_forecasts(lots), 5)
    assert verdict.outcome == PASSED
    assert verdict.value < 0.0


def test_skill_on_shuffled_harvests_fires(lots: Portfolio) -> None:
    """A forecaster that sees half of each deviation has skill 3/4; one that says the calendar month's mean has none."""
    dealt = shuffled_harvests(lots.panel, seed=3)
    rows = dealt[dealt["month"] >= "2022-01"].rename(columns={"month": "target_month", "yield_t_ha": "mean"})
    rows = rows.assign(model="model", origin="2021-12", horizon="6").drop(columns="variance")
    cell = [dealt["plantation_id"], dealt["month"].str.slice(5, 7)]
    mean = dealt.groupby(cell)["yield_t_ha"].transform("mean").reindex(rows.index)
    fired = skill_on_shuffled(rows.assign(mean=(rows["mean"] + mean) / 2), dealt, 5)
    assert fired.outcome == FIRED
    assert 0.6 < fired.value < 0.8
    usual = dealt[dealt["month"] < "2022-01"]
    past = usual.groupby([usual["plantation_id"], usual["month"].str.slice(5, 7)])["yield_t_ha"].mean()
    honest = [past[p, m[5:]] for p, m in zip(rows["plantation_id"], rows["target_month"], strict=True)]
    assert skill_on_shuffled(rows.assign(mean=honest), dealt, 5).outcome == PASSED
    assert skill_on_shuffled(rows.head(5), dealt, 5).outcome == UNTESTED


def test_one_bit_is_enough() -> None:
    rows = pd.DataFrame(
        {
            "plantation_id": ["A", "B"],
            "target_month": "2024-02",
            "model": "model",
            "mean": [1.0, 2.0],
            "q50": [np.nan] * 2,
        }
    )
    assert same_to_the_bit(rows, rows.copy(), "2024-01", 9).outcome == PASSED
    other = rows.assign(mean=[1.0, np.nextafter(2.0, 3.0)])
    verdict = same_to_the_bit(rows, other, "2024-01", 9)
    assert (verdict.outcome, verdict.value) == (FIRED, 1.0)
    assert "1 of 2 forecasts at 2024-01 change with inputs that came later; first B 2024-02" in verdict.detail
    assert same_to_the_bit(rows, rows.head(1), "2024-01", 9).outcome == FIRED
    assert same_to_the_bit(rows, rows.copy(), "2024-01", 0).outcome == UNTESTED
