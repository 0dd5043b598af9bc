"""Simulated market: contract layout, listing rule, term structure."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.periods import Month
from plantation_rwa.simulate import market


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
    assert np.abs(np.log(monthly / cpo.reindex(monthly.index))).median() < 0.06
    assert front.pct_change().abs().max() < 0.15


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
