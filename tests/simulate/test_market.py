"""Simulated market: contract layout, listing rule, term structure."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.simulate import market
from plantation_rwa.simulate.files import write_csv
from plantation_rwa.simulate.term_structure import TRUTH, daily_factors, monthly_log_prices
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.futures import read_futures
from plantation_rwa.valuation import price_model


@pytest.fixture(scope="module")
def world():
    return market.invented_world(5, Month(2018, 1), Month(2026, 5))


@pytest.fixture(scope="module")
def curve(world):
    prices = market.domestic(5, world)
    cpo = prices[prices["series"] == "cpo_my"].set_index("month")["value"]
    return market.futures(5, cpo, dt.date(2026, 5, 31), 300), cpo


def test_futures_layout(curve):
    table, _ = curve
    assert list(table.columns) == ["settle_date", "symbol", "contract", "settle", "currency", "open_interest", "volume"]
    assert table["settle_date"].nunique() == 300
    assert (table.groupby("settle_date").size() == 24).all()
    assert not table.duplicated(["settle_date", "contract"]).any()
    assert table["settle_date"].max() <= "2026-05-31"
    assert (pd.to_datetime(table["settle_date"]).dt.dayofweek < 5).all()
    assert (table["settle"] > 500).all()


def test_front_follows_the_monthly_price_and_moves_within_the_limit(curve):
    table, cpo = curve
    front = table.groupby("settle_date")["settle"].first()
    monthly = front.groupby(front.index.str[:7]).mean()
    assert np.abs(np.log(monthly / cpo.reindex(monthly.index))).median() < 0.02
    assert front.pct_change().abs().max() < 0.15
    assert front.pct_change().std() * np.sqrt(250) == pytest.approx(0.29, abs=0.04)


def test_the_settlements_are_those_of_the_truth(curve, tmp_path):
    table, _ = curve
    write_csv(tmp_path / "futures.csv", table)
    quarantine = Quarantine()
    read = read_futures([str(tmp_path / "futures.csv")], quarantine)
    assert len(quarantine) == 0
    some = packaged().override({"price_model.panel_days": 150, "price_model.min_days": 100}, where="test")
    model = price_model.fit(read, dt.date(2026, 5, 31), some, packaged_holidays("MY"))
    rows = {row.parameter: row for row in model.rows}
    for name in ("sigma_chi", "sigma_xi", "rho", "mu_xi_star"):
        assert abs(rows[name].value - getattr(TRUTH, name)) < 4 * rows[name].std_error, name
    # moving the paths to the months' means bends the short factor a little
    assert rows["kappa"].value == pytest.approx(TRUTH.kappa, rel=0.05)


def test_both_factors_add_up_to_the_months_prices():
    prices = np.exp(monthly_log_prices(np.random.default_rng(2), 60, 4000.0))
    monthly = pd.Series(prices, index=[str(Month(2021, 6) + i) for i in range(60)])
    days = [d.date() for d in pd.bdate_range("2025-01-02", "2026-04-30")]
    chi, xi = daily_factors(np.random.default_rng(3), monthly, days)
    means = pd.Series(np.exp(chi + xi), index=[d.strftime("%Y-%m") for d in days]).groupby(level=0).mean()
    assert (means / monthly.reindex(means.index)).to_numpy() == pytest.approx(np.ones(16), abs=0.01)
    # from day to day the draw spreads as the model says: no smooth interpolation
    assert np.diff(chi + xi).std() * np.sqrt(365 / 7 * 5) == pytest.approx(TRUTH.front_volatility(), abs=0.04)


def test_liquidity_fades(curve):
    table, _ = curve
    last = table[table["settle_date"] == table["settle_date"].max()]
    assert last["open_interest"].iloc[2] > 10_000
    assert (last["open_interest"].iloc[-6:] < 500).all()


def test_domestic_series(world):
    table = market.domestic(5, world)
    assert set(table["series"]) == {"cpo_my", "pk_my", "cpo_id", "pk_id", "k_id", "shell_id", "hr_cpo_usd"}
    k = table.loc[table["series"] == "k_id", "value"]
    assert k.between(0.88, 0.935).all()
    one = table[table["month"] == "2024-06"].set_index("series")["value"]
    idr = float(world.fx[world.fx.index.strftime("%Y-%m") == "2024-06"]["USDIDR"].mean())
    assert one["cpo_id"] == pytest.approx(
        float(world.prices.at["2024-06", "palm_oil_usd_t"]) * idr * 0.86 / 1000, abs=0.01
    )
    assert (table["known_at"].str[:7] > table["month"]).all()


def test_currency_cross(world):
    table = market.currencies(world.fx).pivot(index="date", columns=["base", "quote"], values="rate")
    cross = table[("USD", "IDR")] / table[("USD", "MYR")]
    np.testing.assert_allclose(table[("MYR", "IDR")], cross, rtol=1e-6)


def test_last_zero_curve_is_the_published_sample():
    table = market.zero_curves(5, [dt.date(2026, 4, 30), dt.date(2026, 5, 31)])
    last = table[(table["date"] == "2026-05-31") & (table["currency"] == "MYR")]
    assert last["zero_rate"].tolist() == [0.0305, 0.0312, 0.0318, 0.0330, 0.0350]
