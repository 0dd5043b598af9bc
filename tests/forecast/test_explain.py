from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.explain import CLIMATOLOGY, PARTS, columns, regional_climatology
from plantation_rwa.forecast.run import forecast
from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.schema.checks import finalise
from tests.forecast.portfolio import Portfolio, portfolio

ASSUMPTIONS = packaged().override({"boosting.max_iter": 20}, where="tests")
AS_OF = dt.date(2025, 12, 31)
MADE = portfolio(12, plantations=6, months=96, unharvested=1)
NAMES = [f"contribution_{part}_t_ha" for part in PARTS]


def _forecasts(made: Portfolio = MADE, horizons: int = 60, panel: pd.DataFrame | None = None) -> pd.DataFrame:
    told = made.panel if panel is None else panel
    result = forecast(told, made.stand, as_of=AS_OF, horizons=horizons, assumptions=ASSUMPTIONS)
    return finalise(result.forecasts, "forecasts")


@pytest.fixture(scope="module")
def told() -> pd.DataFrame:
    return _forecasts()


def test_contributions_sum_to_the_difference_from_the_climatology(told: pd.DataFrame) -> None:
    assert columns() == [CLIMATOLOGY, *NAMES]
    rest = told["yield_mean_t_ha"] - told[CLIMATOLOGY] - told[NAMES].sum(axis=1)
    assert np.abs(rest).max() < 1e-5
    assert np.isfinite(told[[CLIMATOLOGY, *NAMES]].to_numpy()).all()


def test_the_climatology_is_the_regions_mean_harvest(told: pd.DataFrame) -> None:
    cube = build_cube(MADE.panel, MADE.stand, AS_OF, 12, ASSUMPTIONS)
    region = cube.region[0]
    known = MADE.panel[(MADE.panel["region"] == region) & (MADE.panel["month"] <= "2025-11")]
    march = known[known["month"].str.endswith("-03")].groupby("month")["yield_t_ha"].mean().mean()
    row = told[(told["plantation_id"] == cube.ids[0]) & (told["target_month"] == "2026-03")].iloc[0]
    assert row[CLIMATOLOGY] == pytest.approx(march, abs=1e-5)


def test_a_drought_shows_as_water_and_a_strong_estate_as_level() -> None:
    plain = _forecasts(horizons=12).set_index(["plantation_id", "target_month"])
    panel = MADE.panel.copy()
    mine = panel["plantation_id"] == "P000"
    panel.loc[mine & panel["month"].between("2025-06", "2025-09"), "deficit_irho_mm"] += 120.0
    dry = _forecasts(horizons=12, panel=panel).set_index(["plantation_id", "target_month"])
    # abortion, ten months before harvest
    before, after = plain.loc[("P000", "2026-05")], dry.loc[("P000", "2026-05")]
    assert after["contribution_water_t_ha"] < before["contribution_water_t_ha"] - 0.03
    panel = MADE.panel.copy()
    panel.loc[mine, "yield_t_ha"] *= 1.5
    strong = _forecasts(horizons=12, panel=panel).set_index(["plantation_id", "target_month"]).loc[("P000", "2026-05")]
    assert strong["contribution_level_t_ha"] > before["contribution_level_t_ha"] + 0.1


def test_months_without_harvest_are_the_stands(told: pd.DataFrame) -> None:
    register = MADE.register.copy()
    register.loc[0, "planted_date"] = pd.Timestamp("2024-06-01")
    stand = stand_table(register)
    panel = build_panel(MADE.features, MADE.harvest, stand, MADE.months, mature_age_months=36)
    result = forecast(panel, stand, as_of=AS_OF, horizons=12, assumptions=ASSUMPTIONS).forecasts
    row = result[result["plantation_id"] == "P000"].iloc[0]
    assert row["yield_mean_t_ha"] == 0.0
    assert row["contribution_stand_t_ha"] == pytest.approx(-row[CLIMATOLOGY])
    assert row[[n for n in NAMES if "stand" not in n]].tolist() == [0.0] * (len(NAMES) - 1)


def test_without_any_harvest_the_climatology_is_the_priors() -> None:
    panel = MADE.panel.assign(yield_t_ha=np.nan, ffb_t=np.nan)
    told = _forecasts(panel=panel, horizons=24)
    assert (told[CLIMATOLOGY] > 0).all()
    assert np.abs(told["yield_mean_t_ha"] - told[CLIMATOLOGY] - told[NAMES].sum(axis=1)).max() < 1e-5
    assert (told["contribution_crops_t_ha"] == 0).all()


def test_contributions_name_no_input_that_the_plantation_lacks() -> None:
    rng = np.random.default_rng(3)
    lacking = MADE.panel["plantation_id"].isin(["P001", "P005"]).to_numpy()
    later = MADE.panel.groupby("plantation_id")["yield_t_ha"].shift(-9).fillna(1.5).to_numpy()
    panel = MADE.panel.assign(
        cire=np.where(lacking, np.nan, 3.0 + 0.5 * later + rng.normal(0, 0.2, len(lacking))),
        ssrd_mean_mj_m2=np.where(lacking, np.nan, 16.0 + rng.normal(0, 1.0, len(lacking))),
    )
    panel.loc[lacking, ["deficit_irho_mm", "p_sum_mm"]] = np.nan
    told = _forecasts(horizons=14, panel=panel)
    assert np.abs(told["yield_mean_t_ha"] - told[CLIMATOLOGY] - told[NAMES].sum(axis=1)).max() < 1e-5
    parts = told.set_index("plantation_id")[NAMES].abs().groupby(level=0).max()
    named = [f"contribution_{part}_t_ha" for part in ("water", "canopy", "light")]
    # P001 has harvests and nothing else, P005 not even those
    assert parts.loc["P001", named].tolist() == [0.0] * 3
    assert parts.loc["P001", "contribution_crops_t_ha"] > 0
    assert parts.loc["P005", [*named, "contribution_crops_t_ha"]].tolist() == [0.0] * 4
    assert parts.loc["P005", "contribution_learned_t_ha"] < 2e-3
    assert (parts.loc["P000", named] > 0).all()


def test_a_region_without_harvest_takes_that_of_all() -> None:
    cube = build_cube(MADE.panel, MADE.stand, AS_OF, 12, ASSUMPTIONS)
    lonely = [i for i, r in enumerate(cube.region) if r == cube.region[0]]
    yields = cube.yields.copy()
    yields[lonely] = np.nan
    usual = regional_climatology(dataclasses.replace(cube, yields=yields), np.ones((6, 12)))
    months = np.isfinite(yields).any(axis=0) & (cube.calendar[: cube.months] == 4)
    assert usual[lonely[0], 4] == pytest.approx(np.nanmean(yields[:, months], axis=0).mean())
