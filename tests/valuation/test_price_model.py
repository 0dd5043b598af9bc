"""Which price model a run uses, and what it says about it."""

from __future__ import annotations

import datetime as dt
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import last_trading_day, packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.price_model import PriceModel, driver_rows, fit, panel_of, price_model_table
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.panels import TRUTH

CLOSED = packaged_holidays("MY")
LAST = dt.date(2026, 1, 20)
SMALL = {"price_model.min_days": 60, "curve.min_open_interest": 0.0}


def settlements(days: int, *, contracts: int = 9, seed: int = 4, model: SchwartzSmith = TRUTH) -> pd.DataFrame:
    """Settlements of the next ``contracts`` months on business days up to ``LAST``, drawn from a known model."""
    rng = np.random.default_rng(seed)
    dates = [d for d in pd.bdate_range(end=LAST, periods=days + 60) if d.date() not in CLOSED][-days:]
    chi, xi, rows, before = 0.05, 8.3, [], None
    for stamp in dates:
        day = stamp.date()
        if before is not None:
            step = (day - before).days / 365
            var_chi, var_xi, cov = model.step_covariance(step)
            shock = np.linalg.cholesky([[var_chi, cov], [cov, var_xi]]) @ rng.standard_normal(2)
            chi, xi = math.exp(-model.kappa * step) * chi + shock[0], xi + model.mu_xi * step + shock[1]
        before = day
        spot = Month.of(day) + int(last_trading_day(Month.of(day), CLOSED) < day)
        for contract in (spot + i for i in range(contracts)):
            years = (last_trading_day(contract, CLOSED) - day).days / 365
            price = model.forward(years, chi, xi) * math.exp(0.002 * rng.standard_normal())
            rows.append((stamp, "FCPO", str(contract), price, "MYR", 9000.0))
    columns = ["settle_date", "symbol", "contract", "settle", "currency", "open_interest"]
    return pd.DataFrame(rows, columns=columns)


def fitted(futures: pd.DataFrame, assumptions: Assumptions, as_of: dt.date = LAST, **override: object) -> PriceModel:
    return fit(futures, as_of, assumptions.override(SMALL | override, where="test"), CLOSED)


def note(model: PriceModel, parameter: str = "kappa") -> str:
    return next(row.note for row in model.rows if row.parameter == parameter)


@pytest.fixture(scope="module")
def enough() -> pd.DataFrame:
    return settlements(120, contracts=6)


def test_a_panel_is_calibrated_and_every_parameter_has_its_standard_error(
    enough: pd.DataFrame, assumptions: Assumptions
) -> None:
    model = fitted(enough, assumptions)
    assert model.calibrated
    rows = {row.parameter: row for row in model.rows}
    for name in ("kappa", "sigma_chi", "sigma_xi", "rho", "mu_xi_star"):
        assert rows[name].method == "maximum_likelihood"
        assert rows[name].std_error is not None
        assert abs(rows[name].value - getattr(TRUTH, name)) < 3 * rows[name].std_error
    for name in ("kappa", "sigma_chi", "sigma_xi", "rho", "mu_xi_star"):
        assert getattr(model.model, name) == rows[name].value, "paths are drawn from what is published"
    assert rows["measurement_sd_0_3m"].value == pytest.approx(0.002, rel=0.2)
    assert rows["settlement_days"].value == 120


def test_the_curve_grows_as_the_model_says_within_its_cap(enough: pd.DataFrame, assumptions: Assumptions) -> None:
    model = fitted(enough, assumptions)
    growth = model.model.mu_xi_star + model.model.sigma_xi**2 / 2
    assert model.growth == pytest.approx(growth)
    published = next(row for row in model.rows if row.parameter == "curve_growth")
    assert published.value == pytest.approx(min(max(growth, -0.03), 0.03), abs=1e-7)
    tight = fitted(enough, assumptions, **{"curve.growth_cap": 1e-4})
    assert abs(next(row.value for row in tight.rows if row.parameter == "curve_growth")) <= 1e-4


def test_premia_of_the_real_world_are_held_near_the_assumed_ones(
    enough: pd.DataFrame, assumptions: Assumptions
) -> None:
    loose = {"price_model.premium_xi_prior_sd": 1e3, "price_model.lambda_chi_prior_sd": 1e3}
    free, held = fitted(enough, assumptions, **loose), fitted(enough, assumptions)
    rows = {row.parameter: row.value for row in free.rows}
    assert free.model.mu_xi == pytest.approx(rows["mu_xi"], abs=1e-3)
    shares = [m.model.mu_xi - m.model.mu_xi_star - 0.01125 for m in (held, free)]
    assert abs(shares[0]) < 0.2 * abs(shares[1]), "a few months tell next to nothing of a yearly premium"
    assert held.model.sigma_xi == free.model.sigma_xi
    assert held.growth == free.growth, "fair value does not know the premia"


def test_too_few_days_or_contracts_leave_the_prior_and_say_why(enough: pd.DataFrame, assumptions: Assumptions) -> None:
    prior = SchwartzSmith.prior(assumptions)
    for model, reason in (
        (fitted(enough.iloc[:0], assumptions), "no futures settlements are known"),
        (fitted(settlements(30), assumptions), "30 settlement days are known, 60 are needed"),
        (fitted(settlements(80, contracts=2), assumptions), "contracts a day are known, 4 are needed"),
        (fitted(enough, assumptions, dt.date(2026, 3, 1)), "the newest settlement is of 2026-01-20, more than 14 days"),
        (fitted(enough.assign(settle=4000.0), assumptions), "the likelihood has no clear top"),
        (fitted(enough, assumptions, **{"price_model.kappa_range": [8.0, 9.0]}), "kappa of the likelihood is"),
        (fitted(enough, assumptions, **{"price_model.volatility_range": [0.8, 0.9]}), "front volatility of the likel"),
    ):
        assert not model.calibrated
        assert model.model == prior
        assert reason in note(model)
        assert {row.method for row in model.rows} == {"prior", "derived", "assumption"}


def test_settlements_after_the_valuation_date_change_nothing(enough: pd.DataFrame, assumptions: Assumptions) -> None:
    day = dt.date(2025, 12, 1)
    known = enough[enough["settle_date"] <= pd.Timestamp(day)]
    assert fitted(enough.sample(frac=1, random_state=1), assumptions, day) == fitted(known, assumptions, day)


def test_the_panel_leaves_out_squeezed_expired_and_illiquid_contracts(
    enough: pd.DataFrame, assumptions: Assumptions
) -> None:
    thin = enough.assign(open_interest=np.where(enough["contract"] > "2026-04", 10.0, 9000.0))
    panel, names, days = panel_of(thin, LAST, assumptions, CLOSED)
    assert days[-1] == LAST
    assert np.count_nonzero(~np.isnan(panel.log_prices[-1])) == 3  # February, March, April
    squeezed = days.index(dt.date(2026, 1, 13))
    assert panel.maturities[squeezed, 0] == pytest.approx(31 / 365)  # to 13 February: January is in its last days
    assert names == ["measurement_sd_0_3m", "measurement_sd_3_12m"]
    assert panel.steps[0] == 0.0
    assert panel.steps[1:].sum() == pytest.approx((days[-1] - days[0]).days / 365)


def test_only_the_newest_days_enter(enough: pd.DataFrame, assumptions: Assumptions) -> None:
    panel, _, days = panel_of(enough, LAST, assumptions.override({"price_model.panel_days": 40}, where="t"), CLOSED)
    assert panel.days == len(days) == 40
    assert days[-1] == LAST


def test_the_table_holds_its_schema_and_names_the_other_drivers(
    enough: pd.DataFrame, assumptions: Assumptions, make: SimpleNamespace
) -> None:
    for model in (fitted(enough, assumptions), fitted(enough.iloc[:0], assumptions)):
        drivers = Drivers(1, make.as_of, 3, 10, assumptions, model.model)
        table = finalise(price_model_table([*model.rows, *driver_rows(drivers)]), "price_model")
        values = table.set_index("parameter")["value"]
        assert values["correlation_cpo_fx"] == 0.07
        assert values["correlation_cpo_yield"] == pytest.approx(-0.25)
        assert values["correlation_repair"] == 0.0
        assert values["pk_ratio_mean"] == 0.65
        assert (table["note"] != "").all(), "each value says what it rests on"
