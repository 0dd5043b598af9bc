from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import mean_from_quantiles
from plantation_rwa.forecast.run import IMAGERY, ForecastResult, forecast
from plantation_rwa.panel.build import FEATURE_COLUMNS, build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.schema.checks import finalise
from tests.forecast.portfolio import Portfolio, portfolio

#: fewer trees than in earnest: these tests are about what goes in and out
ASSUMPTIONS = packaged().override({"boosting.max_iter": 30}, where="tests")
AS_OF = dt.date(2025, 12, 31)
MADE = portfolio(1, plantations=5, months=84, unharvested=1, future=4)
QUANTILES = [f"yield_q{q:02d}_t_ha" for q in (5, 10, 25, 50, 75, 90, 95)]


def _run(panel: pd.DataFrame, stand: pd.DataFrame = MADE.stand, horizons: int = 72, **options: int) -> ForecastResult:
    return forecast(panel, stand, as_of=AS_OF, horizons=horizons, assumptions=ASSUMPTIONS, **options)


@pytest.fixture(scope="module")
def full() -> ForecastResult:
    return _run(MADE.panel)


def _prior_only(made: Portfolio = MADE, **columns: object) -> pd.DataFrame:
    """Forecasts without harvest (fast: no boosting), some panel columns replaced."""
    panel = made.panel.assign(yield_t_ha=np.nan, ffb_t=np.nan, **columns)
    return _run(panel, made.stand).forecasts


def _width(forecasts: pd.DataFrame, horizon: int, plantation: str = "P000") -> float:
    row = forecasts[(forecasts["plantation_id"] == plantation) & (forecasts["horizon_months"] == horizon)].iloc[0]
    return float((row["yield_q95_t_ha"] - row["yield_q05_t_ha"]) / row["yield_mean_t_ha"])


def test_tables_meet_the_contract(full: ForecastResult) -> None:
    forecasts, model = finalise(full.forecasts, "forecasts"), finalise(full.model, "forecast_model")
    assert len(forecasts) == 5 * 72
    assert forecasts["target_month"].iloc[[0, 71]].tolist() == ["2026-01", "2031-12"]
    assert model["plantation_id"].tolist() == MADE.stand["plantation_id"].tolist()
    assert set(forecasts["model_id"]) == {"stack-2", "prior-2"}
    values = forecasts[QUANTILES].to_numpy()
    assert (np.diff(values, axis=1) >= 0).all()
    assert (values >= 0).all()
    assert forecasts["yield_mean_t_ha"].to_numpy() == pytest.approx(mean_from_quantiles(values), abs=1e-6)
    tonnes = forecasts["yield_mean_t_ha"] * forecasts["area_mature_ha"]
    assert forecasts["ffb_mean_t"].to_numpy() == pytest.approx(tonnes.to_numpy(), abs=1e-5)
    squares = model[["loading_common", "loading_region", "loading_own"]].to_numpy() ** 2
    assert squares.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert model["n_obs_train"].tolist()[-1] == 0
    assert model["n_obs_train"].tolist()[0] > 60


def test_rows_after_as_of_change_nothing(full: ForecastResult) -> None:
    cut = MADE.panel[MADE.panel["month"] <= "2025-12"]
    wild = MADE.panel.copy()
    later = wild["month"] > "2025-12"
    wild.loc[later, ["yield_t_ha", *FEATURE_COLUMNS]] = 2.5
    for panel in (cut, wild):
        again = _run(panel)
        pd.testing.assert_frame_equal(again.forecasts, full.forecasts, check_exact=True)
        pd.testing.assert_frame_equal(again.model, full.model, check_exact=True)


def test_order_of_rows_changes_nothing(full: ForecastResult) -> None:
    again = _run(MADE.panel.sample(frac=1, random_state=3), MADE.stand.iloc[::-1])
    pd.testing.assert_frame_equal(again.forecasts, full.forecasts, check_exact=True)
    pd.testing.assert_frame_equal(again.model, full.model, check_exact=True)


def test_a_value_known_later_changes_nothing(full: ForecastResult) -> None:
    panel = MADE.panel.copy()
    unknown = panel["harvest_known_at"] > pd.Timestamp("2026-01-01", tz="UTC")
    assert (unknown & (panel["month"] == "2025-12")).any()
    panel.loc[unknown, "yield_t_ha"] = 5.0
    pd.testing.assert_frame_equal(_run(panel).forecasts, full.forecasts, check_exact=True)


def test_a_known_value_does_change_the_forecast(full: ForecastResult) -> None:
    panel = MADE.panel.copy()
    panel.loc[(panel["plantation_id"] == "P000") & (panel["month"] >= "2025-06"), "yield_t_ha"] *= 0.5
    again = _run(panel, horizons=12).forecasts
    mine = again["plantation_id"] == "P000"
    first = full.forecasts[full.forecasts["horizon_months"] <= 12].reset_index(drop=True)
    lower = (again["yield_mean_t_ha"] < first["yield_mean_t_ha"])[mine.to_numpy()]
    # a palm that bore little recovers: the months that draw on the lost crops may be higher again
    assert lower[:6].all()
    assert again.loc[mine, "yield_mean_t_ha"].sum() < 0.97 * first.loc[mine, "yield_mean_t_ha"].sum()


def test_no_jump_between_month_12_and_13_and_widening_after(full: ForecastResult) -> None:
    rows = full.forecasts[full.forecasts["plantation_id"] == "P000"].set_index("horizon_months")
    ratio = (rows["yield_mean_t_ha"] / rows["prior_t_ha"]).to_numpy()
    assert abs(ratio[12] - ratio[11]) < 0.02
    widths = [_width(full.forecasts, h) for h in (12, 24, 36, 60)]
    assert widths == sorted(widths)
    assert _width(full.forecasts, 13) / widths[0] == pytest.approx(1.0, abs=0.05)
    assert widths[-1] / widths[0] > 1.1


def test_without_harvests_the_interval_is_wider(full: ForecastResult) -> None:
    assert _width(full.forecasts, 6, "P004") > 1.1 * _width(full.forecasts, 6, "P000")
    rows = full.forecasts[full.forecasts["plantation_id"] == "P004"]
    assert rows["quality_flag"].str.contains("no_harvest").all()
    assert set(rows["model_id"]) == {"prior-2"}


def test_what_no_harvest_tells_of_a_level_stays_in_sums_over_years(full: ForecastResult) -> None:
    """The slow share of the own shock hangs on the years of the plantation's own harvests."""
    share = full.model.set_index("plantation_id")["level_share"]
    assert share["P004"] > 2 * share[["P000", "P001", "P002", "P003"]].max()
    cut = MADE.panel.copy()
    cut.loc[(cut["plantation_id"] == "P000") & (cut["month"] <= "2023-06"), ["ffb_t", "yield_t_ha"]] = np.nan
    short = _run(cut).model.set_index("plantation_id")["level_share"]
    assert short["P000"] > short[["P001", "P002", "P003"]].max()
    assert short["P000"] < short["P004"]


def test_short_history_is_prior_only() -> None:
    short = portfolio(1, plantations=3, months=30)
    result = _run(short.panel, short.stand, horizons=24)
    assert set(result.forecasts["model_id"]) == {"prior-2"}
    assert result.forecasts["yield_mean_t_ha"].to_numpy() == pytest.approx(result.forecasts["prior_t_ha"], rel=1e-3)
    few = portfolio(1, plantations=3, months=14)
    assert _run(few.panel, few.stand).forecasts["quality_flag"].str.contains("short_harvest").all()


def test_min_train_months_holds_boosting_back(full: ForecastResult) -> None:
    assert set(_run(MADE.panel, horizons=12, min_train_months=1000).forecasts["model_id"]) == {"prior-2"}


def test_nothing_known_at_all() -> None:
    empty = build_panel(pd.DataFrame(), MADE.harvest.iloc[:0], MADE.stand, MADE.months, mature_age_months=36)
    forecasts = finalise(_run(empty).forecasts, "forecasts")
    assert len(forecasts) == 5 * 72
    assert set(forecasts["quality_flag"].str.replace(";over_age", "")) == {
        "no_climate;no_harvest;no_imagery;no_sensors"
    }
    row = forecasts[forecasts["horizon_months"] == 1].iloc[0]
    spread = np.sqrt(0.25**2 + 0.20**2 + 0.08**2 + 0.05**2)
    assert row["yield_q90_t_ha"] / row["yield_mean_t_ha"] - 1 == pytest.approx(1.2816 * spread, rel=0.01)
    nothing = build_panel(pd.DataFrame(), MADE.harvest.iloc[:0], MADE.stand, [])
    assert len(_run(nothing).forecasts) == 5 * 72


def test_missing_inputs_widen_the_interval() -> None:
    known = _width(_prior_only(rain_gauge_mm=150.0), 3)
    no_sensors = _width(_prior_only(), 3)
    no_imagery = _width(_prior_only(ndmi=np.nan), 3)
    no_climate = _width(_prior_only(deficit_irho_mm=np.nan, p_sum_mm=np.nan), 3)
    assert known < no_sensors < no_imagery < no_climate


def _silent(months: int, plantations: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecasts of a portfolio whose second plantation reports zeros at the end; those of the others apart."""
    made = portfolio(5, plantations=plantations, months=84)
    late = made.panel["month"].isin(made.months[-months:]) & (made.panel["plantation_id"] == "P001")
    late &= made.panel["yield_t_ha"].notna()
    panel = made.panel.assign(**{c: made.panel[c].mask(late, 0.0) for c in ("ffb_t", "yield_t_ha")})
    told = _run(panel, made.stand, horizons=24).forecasts
    mine = told["plantation_id"] == "P001"
    return told[mine], told[~mine].reset_index(drop=True)


def test_a_plantation_that_nobody_harvests_tells_nothing_of_the_others() -> None:
    made = portfolio(5, plantations=3, months=84)
    gone = made.panel["plantation_id"] == "P001"
    panel = made.panel.assign(**{c: made.panel[c].mask(gone) for c in ("ffb_t", "yield_t_ha")})
    without = _run(panel, made.stand, horizons=24).forecasts
    without = without[without["plantation_id"] != "P001"].reset_index(drop=True)
    own, others = _silent(84)
    columns = ["yield_mean_t_ha", *QUANTILES, "prior_t_ha", "climatology_region_t_ha"]
    pd.testing.assert_frame_equal(others[columns], without[columns])
    assert own["quality_flag"].str.contains("idle_harvest").all()
    assert not others["quality_flag"].str.contains("idle_harvest").any()
    assert own["yield_mean_t_ha"].max() < 0.2 * others["yield_mean_t_ha"].min()


def test_zeros_of_late_years_leave_the_years_before_to_tell() -> None:
    own, others = _silent(30)
    whole = _silent(0)[1]
    assert own["yield_mean_t_ha"].max() < 0.3 * others["yield_mean_t_ha"].min()
    ratio = (others["yield_q95_t_ha"] - others["yield_q05_t_ha"]) / (whole["yield_q95_t_ha"] - whole["yield_q05_t_ha"])
    assert ratio.max() < 1.25


def test_months_without_a_gauge_widen_the_interval_in_proportion() -> None:
    def width(months: int) -> float:
        at = MADE.panel["month"].isin(MADE.months[-4 - months : -4])
        return _width(_prior_only(rain_gauge_mm=np.where(at, 150.0, np.nan)), 3)

    none, some, whole, longer = (width(m) for m in (0, 18, 36, 60))
    assert none > some > whole == longer
    assert none**2 - some**2 == pytest.approx((none**2 - whole**2) / 2, rel=0.05)
    # where no climate is known the whole deficit is unknown, and is counted once
    unknown = {"deficit_irho_mm": np.nan, "p_sum_mm": np.nan}
    assert _width(_prior_only(**unknown), 3) == _width(_prior_only(**unknown, rain_gauge_mm=150.0), 3)
    told = _prior_only(rain_gauge_mm=150.0)["quality_flag"].str.contains("no_sensors")
    assert not told.any()
    assert _prior_only()["quality_flag"].str.contains("no_sensors").all()


def test_months_without_indices_widen_the_interval_in_proportion() -> None:
    # a plot of too few pixels loses its indices month by month, as clouds do
    at = MADE.panel["month"].isin(MADE.months[-13:-4]) & (MADE.panel["plantation_id"] == "P000")
    some = _prior_only(**{c: MADE.panel[c].mask(at) for c in IMAGERY if c in MADE.panel.columns})
    all_seen = _width(_prior_only(), 3, "P000")
    none_seen = _width(_prior_only(ndmi=np.nan), 3, "P000")
    assert all_seen < _width(some, 3, "P000") < none_seen
    assert some.loc[some["plantation_id"] == "P000", "quality_flag"].str.contains("little_imagery").all()
    assert not some.loc[some["plantation_id"] == "P001", "quality_flag"].str.contains("imagery").any()


def test_one_plantation_alone() -> None:
    one = portfolio(4, plantations=1, months=70)
    result = _run(one.panel, one.stand, horizons=1)
    assert len(finalise(result.forecasts, "forecasts")) == 1
    assert result.model["model_id"].tolist() == ["stack-2"]


def test_immature_months_are_zero_and_say_so() -> None:
    register = pd.DataFrame(
        {"plantation_id": ["Y"], "country": ["MY"], "planted_date": ["2024-06-10"], "planted_area_ha": [40.0]}
    )
    stand = stand_table(register)
    panel = build_panel(pd.DataFrame(), MADE.harvest.iloc[:0], stand, ["2025-12"], mature_age_months=36)
    rows = _run(panel, stand).forecasts.set_index("target_month")
    assert rows.loc["2027-05", ["area_mature_ha", "ffb_mean_t", "prior_t_ha", *QUANTILES]].tolist() == [0.0] * 10
    assert "immature" in rows.loc["2027-05", "quality_flag"]
    assert rows.loc["2027-06", "area_mature_ha"] == 40.0
    assert rows.loc["2027-06", "yield_q50_t_ha"] > 0.1
    assert "immature" not in rows.loc["2027-06", "quality_flag"]


def test_fruit_of_immature_palms_is_not_used_and_says_so() -> None:
    register = MADE.register.copy()
    register.loc[0, "planted_date"] = pd.Timestamp(f"{int(MADE.months[0][:4]) - 1}-06-01")
    stand = stand_table(register)
    panel = build_panel(MADE.features, MADE.harvest, stand, MADE.months, mature_age_months=36)
    early = MADE.harvest[MADE.harvest["month"] < f"{int(MADE.months[0][:4]) + 2}-06"]
    assert (early["ffb_t"] > 0).any()
    flags = _run(panel, stand, horizons=1).forecasts.set_index("plantation_id")["quality_flag"]
    assert "harvest_immature" in flags["P000"]
    assert "harvest_immature" not in flags["P001"]


def test_age_flags() -> None:
    register = pd.DataFrame(
        {
            "plantation_id": ["N", "O"],
            "country": ["MY", "ID"],
            "planted_date": [None, "2003-03-01"],
            "planted_area_ha": [40.0, 40.0],
        }
    )
    stand = stand_table(register)
    panel = build_panel(pd.DataFrame(), MADE.harvest.iloc[:0], stand, ["2025-12"])
    result = _run(panel, stand)
    rows = result.forecasts.set_index(["plantation_id", "target_month"])["quality_flag"]
    assert "no_age" in rows[("N", "2026-01")]
    assert "over_age" not in rows[("O", "2028-02")]
    assert "over_age" in rows[("O", "2028-04")]
    assert result.model.set_index("plantation_id").loc["N", "age_mean_years"] == 12.0


def test_horizons_must_be_positive() -> None:
    with pytest.raises(ValueError, match="horizons must be at least 1, got 0"):
        _run(MADE.panel, horizons=0)


def test_forecast_beats_climatology_on_unseen_months() -> None:
    made = portfolio(21, plantations=6, months=96, future=12, noise=0.15)
    result = _run(made.panel, made.stand, horizons=12).forecasts
    truth = made.panel.set_index(["plantation_id", "month"])["yield_t_ha"]
    observed = truth.reindex(pd.MultiIndex.from_frame(result[["plantation_id", "target_month"]])).to_numpy()
    past = made.panel[made.panel["month"] <= "2025-11"]
    normal = past.groupby(["plantation_id", past["month"].str[5:]])["yield_t_ha"].mean()
    keys = pd.MultiIndex.from_arrays([result["plantation_id"], result["target_month"].str[5:]])
    error = ((result["yield_mean_t_ha"].to_numpy() - observed) ** 2).mean()
    assert error < 0.8 * ((normal.reindex(keys).to_numpy() - observed) ** 2).mean()
    inside = (observed >= result["yield_q05_t_ha"]) & (observed <= result["yield_q95_t_ha"])
    assert 0.75 <= inside.mean() <= 1.0
