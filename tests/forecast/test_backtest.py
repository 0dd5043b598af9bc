"""The backtest on three lots recomputed by hand, and what an origin may not see."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.backtest import (
    ABLATIONS,
    Origin,
    evaluate,
    fits_of,
    predict,
    sarima_records,
    sarima_rows,
    sarima_tasks,
    with_error_quantiles,
)
from plantation_rwa.forecast.baselines import sarima
from plantation_rwa.forecast.scores import QUANTILES
from plantation_rwa.panel.build import FEATURE_COLUMNS
from plantation_rwa.periods import Month, month_ends
from tests.forecast.portfolio import Portfolio, portfolio


@pytest.fixture(scope="module")
def lots() -> Portfolio:
    """Three lots with four years of harvest, too few for boosting: the prior and the baselines."""
    return portfolio(seed=4, plantations=3, months=48, end="2024-12")


def origin_of(lots: Portfolio, as_of: dt.date, panel: pd.DataFrame | None = None, *, full: bool = False) -> Origin:
    return Origin(as_of, lots.panel if panel is None else panel, lots.stand, 7, 60, packaged(), full)


def said_at(origin: Origin) -> pd.DataFrame:
    return pd.concat([predict(fit) for fit in fits_of(origin)], ignore_index=True)


@pytest.fixture(scope="module")
def told(lots: Portfolio) -> list[pd.DataFrame]:
    return [said_at(origin_of(lots, d)) for d in month_ends(Month(2023, 10), Month(2024, 3))]


def test_three_lots_by_hand(lots: Portfolio, told: list[pd.DataFrame]) -> None:
    found = evaluate(told, lots.panel, seed=7)
    series = lots.panel.set_index(["plantation_id", "month"])["yield_t_ha"]
    origins = [str(m) for m in (Month(2023, 10) + k for k in range(6))]
    model, usual, seen = [], [], []
    rows = found.predictions.set_index(["model", "origin", "plantation_id", "horizon"])
    for origin in origins:
        for plantation in ("P000", "P001", "P002"):
            target = str(Month.parse(origin) + 3)
            past = [
                series[plantation, f"{year}-{target[5:]}"]
                for year in range(2021, 2025)
                if f"{year}-{target[5:]}" <= origin
            ]
            mean = float(np.mean(past))
            assert rows.loc[("climatology", origin, plantation, "3"), "mean"] == pytest.approx(mean)
            assert rows.loc[("last_year", origin, plantation, "3"), "mean"] == pytest.approx(past[-1])
            usual.append(mean)
            model.append(float(rows.loc[("model", origin, plantation, "3"), "mean"]))
            seen.append(float(series[plantation, target]))
    table = found.metrics.set_index(["protocol", "horizon", "region", "metric", "model"])["value"]
    errors = np.array(model) - np.array(seen)
    reference = np.array(usual) - np.array(seen)
    at = ("walk_forward", "3", "all")
    assert table[(*at, "rmse", "model")] == pytest.approx(np.sqrt((errors**2).mean()))
    assert table[(*at, "wmape", "model")] == pytest.approx(np.abs(errors).sum() / np.sum(seen))
    assert table[(*at, "skill", "model")] == pytest.approx(1 - (errors**2).sum() / (reference**2).sum())
    assert table[(*at, "bias", "climatology")] == pytest.approx(reference.mean())
    # what the model gains over climatology, on the same eighteen forecasts
    assert table[(*at, "mse_gain", "climatology")] == pytest.approx((reference**2 - errors**2).mean())
    assert ("walk_forward", "3", "all", "mse_gain", "model") not in table.index
    inside = [
        rows.loc[("model", o, p, "3"), "q10"]
        <= series[p, str(Month.parse(o) + 3)]
        <= rows.loc[("model", o, p, "3"), "q90"]
        for o in origins
        for p in ("P000", "P001", "P002")
    ]
    assert table[(*at, "coverage80", "model")] == pytest.approx(np.mean(inside))


def test_a_year_is_forecast_from_its_december_before(lots: Portfolio, told: list[pd.DataFrame]) -> None:
    rows = evaluate(told, lots.panel, seed=7).predictions
    annual = rows[rows["horizon"] == "annual"]
    assert set(annual["origin"]) == {"2023-12"}
    assert set(annual["target_month"]) == {"2024-12"}
    whole = lots.panel[lots.panel["month"].str.startswith("2024")].groupby("plantation_id")["yield_t_ha"].sum()
    for row in annual.itertuples(index=False):
        assert row.observed == pytest.approx(whole[row.plantation_id])
        months = rows[(rows["origin"] == "2023-12") & (rows["model"] == row.model) & (rows["horizon"] != "annual")]
        months = months[months["plantation_id"] == row.plantation_id]
        assert row.mean == pytest.approx(months["mean"].sum())
    model = annual[annual["model"] == "model"]
    assert (model["q05"] < model["q95"]).all()


def test_an_origin_sees_nothing_later(lots: Portfolio) -> None:
    """The panel may hold the future: what is said at the origin is the same to the last bit."""
    date = dt.date(2023, 12, 31)
    cut = lots.panel[lots.panel["month"] <= "2023-12"]
    later = lots.panel.copy()
    later.loc[later["month"] > "2023-12", "yield_t_ha"] *= 3.0
    here, there = said_at(origin_of(lots, date, cut)), said_at(origin_of(lots, date, later))
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_a_hidden_plantation_is_forecast_without_its_harvests() -> None:
    lots = portfolio(seed=5, plantations=6, months=48, end="2024-12")
    date = dt.date(2023, 12, 31)
    changed = lots.panel.copy()
    own = changed["plantation_id"] == "P000"
    changed.loc[own, ["ffb_t", "yield_t_ha"]] *= 1.5
    found = [said_at(origin_of(lots, date, panel, full=True)) for panel in (lots.panel, changed)]
    unseen = [f[(f["protocol"] == "unseen") & (f["plantation_id"] == "P000")].reset_index(drop=True) for f in found]
    assert set(unseen[0]["model"]) == {"model", "prior", "climatology"}
    pd.testing.assert_frame_equal(unseen[0], unseen[1], check_exact=True)
    seen = [
        f[(f["model"] == "model") & (f["protocol"] == "walk_forward") & (f["plantation_id"] == "P000")] for f in found
    ]
    assert not np.allclose(seen[0]["mean"], seen[1]["mean"])
    every = found[0].groupby("protocol")["plantation_id"].unique().map(len)
    assert dict(every) == {"unseen": 6, "walk_forward": 6}
    ablated = set(found[0].loc[found[0]["protocol"] == "walk_forward", "model"])
    assert {"no_climate", "no_harvest"} <= ablated


def errors_of_a_baseline() -> pd.DataFrame:
    """One row a month: error 10 % below in 2023, 30 % above in 2024."""
    months = [str(Month(2021, 1) + k) for k in range(48)]
    return pd.DataFrame(
        {
            "protocol": "walk_forward",
            "plantation_id": "P",
            "region": "",
            "origin": months,
            "target_month": [str(Month.parse(m) + 1) for m in months],
            "horizon": "1",
            "model": "last_year",
            "observed": [0.9] * 36 + [1.3] * 12,
            "mean": 1.0,
            **dict.fromkeys(QUANTILES, np.nan),
        }
    )


def test_intervals_of_baselines_come_from_errors_known_at_the_origin() -> None:
    got = with_error_quantiles(errors_of_a_baseline()).set_index("origin")
    # the first origin with 24 targets before its month: targets from 2021-02 on, 2023-01 is the 24th
    assert np.isnan(got.loc["2023-01", "q50"])
    assert got.loc["2023-02", "q50"] == pytest.approx(0.9)
    assert got.loc["2024-02", "q95"] == pytest.approx(0.9)
    assert got.loc["2024-03", "q95"] == pytest.approx(1.3)


def test_rows_that_were_not_harvested_are_not_scored(lots: Portfolio, told: list[pd.DataFrame]) -> None:
    panel = lots.panel.copy()
    gone = (panel["plantation_id"] == "P001") & (panel["month"] == "2024-02")
    panel.loc[gone, "yield_t_ha"] = np.nan
    rows = evaluate(told, panel, seed=7).predictions
    assert not ((rows["plantation_id"] == "P001") & (rows["target_month"] == "2024-02")).any()
    assert not ((rows["plantation_id"] == "P001") & (rows["horizon"] == "annual")).any()


def test_every_feature_is_taken_away_by_one_ablation() -> None:
    named = [c for columns in ABLATIONS.values() for c in columns]
    assert len(named) == len(set(named))
    assert set(named) == set(FEATURE_COLUMNS)


def test_seasonal_arima_is_fitted_once_for_the_origins_of_a_year() -> None:
    lots = portfolio(seed=6, plantations=2, months=84, end="2025-12")
    origins = [origin_of(lots, d) for d in month_ends(Month(2024, 11), Month(2025, 2))]
    tasks = sarima_tasks([r for o in origins for r in sarima_records(o)])
    # November: parameters up to December 2023; December: its own harvest is not in yet; then one fit for the year
    assert [(len(task.training), len(records)) for task, records in tasks] == [(60, 1), (72, 1), (72, 2)] * 2
    rows = pd.concat([sarima_rows(records, sarima(task)) for task, records in tasks])
    assert set(rows["origin"]) == {"2024-11", "2024-12", "2025-01", "2025-02"}
    alone = sarima_tasks(sarima_records(origins[2]))
    again = pd.concat([sarima_rows(records, sarima(task)) for task, records in alone])
    pd.testing.assert_frame_equal(
        again.reset_index(drop=True), rows[rows["origin"] == "2025-01"].reset_index(drop=True), check_exact=True
    )
    year = rows[(rows["horizon"] == "annual") & (rows["plantation_id"] == "P000")]
    months = rows[(rows["horizon"] != "annual") & (rows["plantation_id"] == "P000") & (rows["origin"] == "2024-12")]
    assert year["mean"].tolist() == pytest.approx([months["mean"].sum()])


def test_ablations_are_paired_with_the_model() -> None:
    """The model's own rows are compared, no others: a month that only the model forecast changes nothing."""
    lots = portfolio(seed=5, plantations=4, months=48, end="2024-12")
    parts = [said_at(origin_of(lots, d, full=d.month == 12)) for d in month_ends(Month(2023, 11), Month(2023, 12))]
    found = evaluate(parts, lots.panel, seed=1)
    rows = found.predictions[found.predictions["horizon"] == "2"].set_index(["model", "plantation_id", "target_month"])
    rows = rows[rows["protocol"] == "walk_forward"]
    square = (rows["mean"] - rows["observed"]) ** 2
    without, whole = square["no_climate"], square["model"]
    assert len(whole) == 2 * len(without)
    table = found.metrics.set_index(["protocol", "horizon", "region", "metric", "model"])
    gain = table.loc[("walk_forward", "2", "all", "mse_gain", "no_climate")]
    assert gain["value"] == pytest.approx((without - whole.reindex(without.index)).mean())
    assert gain["n"] == len(without) == 4
    # an input that the portfolio does not have is not evaluated
    assert "no_sensors" not in set(found.predictions["model"])
    pooled = found.pooled.set_index(["protocol", "horizon", "region", "metric", "model"])["n"]
    assert pooled["walk_forward", "1-12", "all", "mse_gain", "no_climate"] == 4 * 12


def test_harvests_of_zero_and_a_plantation_that_joins_late() -> None:
    lots = portfolio(seed=8, plantations=3, months=48, end="2024-12")
    panel = lots.panel.copy()
    panel.loc[(panel["plantation_id"] == "P000") & (panel["month"] >= "2023-06"), ["ffb_t", "yield_t_ha"]] = 0.0
    late = (panel["plantation_id"] == "P001") & (panel["month"] < "2024-01")
    panel.loc[late, ["ffb_t", "yield_t_ha"]] = np.nan
    parts = [said_at(origin_of(lots, d, panel)) for d in month_ends(Month(2023, 10), Month(2024, 3))]
    found = evaluate(parts, panel, seed=1)
    rows = found.predictions
    assert np.isfinite(rows["mean"]).all()
    joined = rows[rows["plantation_id"] == "P001"]
    assert joined["target_month"].min() == "2024-01"
    assert set(joined["model"]) == {"model", "prior"} | ({"last_year", "climatology"} & set(joined["model"]))
    # climatology of January 2025 exists from January 2024 on, and that harvest is not in yet
    assert joined[joined["model"] == "climatology"].empty
    table = found.metrics.set_index(["horizon", "region", "metric", "model"])["n"]
    assert table["1", "all", "rmse", "model"] > table["1", "all", "skill", "model"]
    assert np.isfinite(found.metrics["value"]).all()
