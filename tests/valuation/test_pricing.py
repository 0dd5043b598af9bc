from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.cashflows import BASE, Shock
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.market import MarketTables
from plantation_rwa.valuation.plantation_prices import PlantationPrices
from plantation_rwa.valuation.pricing import Pricer
from plantation_rwa.valuation.stand import palm_age

AS_OF = dt.date(2026, 1, 31)


def prices_of(
    assumptions: Assumptions, market: MarketTables, row: dict[str, Any], age: float | None = 11.5, currency: str = "MYR"
) -> PlantationPrices:
    """Prices as a calibrated price model without growth beyond the curve would give them."""
    return Pricer(market, Drivers(1, AS_OF, 24, 200, assumptions), currency, assumptions, 0.0).plantation(row, age)


def oil(prices: PlantationPrices, shock: Shock = BASE) -> np.ndarray:
    """Palm oil price under the pricing measure, local currency."""
    return prices.oil(np.ones(24), shock)


def johor(**changed: Any) -> dict[str, Any]:
    return {"country": "MY", "state": "Johor", "scheme": None, "oer": 0.20, "ker": 0.05} | changed


def riau(**changed: Any) -> dict[str, Any]:
    return {"country": "ID", "state": "Riau", "scheme": "id_swadaya"} | changed


def test_malaysian_forward_is_the_futures_curve(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(), johor())
    assert oil(prices).mean(axis=1) == pytest.approx(np.full(24, 4060), rel=0.06)
    assert prices.flags == frozenset()
    assert (prices.currency, prices.reporting) == ("MYR", "MYR")
    # contracts end on the 15th, but on the 13th or 14th in February, March and August
    between, quoted = "interpolated", "settlement"
    assert prices.sources[:9] == (between, between, quoted, quoted, quoted, quoted, between, quoted, quoted)
    assert set(prices.sources[9:]) == {"extrapolated"}
    assert prices.levels[:3] == (2, 2, 1)
    assert prices.exchange(BASE) is None
    # 0.20 (4030 - 56) + 0.05 x 3000 - 90
    assert prices.spot == pytest.approx(854.8)


def test_sabah_pays_sales_tax_and_a_missing_oer_is_flagged(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(), johor(state="Sabah", oer=np.nan))
    assert prices.spot == pytest.approx(854.8 - 0.20 * 0.075 * 4030)
    assert prices.flags == {"oer_default"}


def test_windfall_levy_by_state_and_size(make: SimpleNamespace, assumptions: Assumptions) -> None:
    cpo = np.full((24, 1), 4000.0)

    def levy(**row: Any) -> float:
        return float(prices_of(assumptions, make.market(), johor(**row)).levy_per_t(cpo, BASE)[0, 0])

    assert levy(planted_area_ha=100.0) == pytest.approx(25.5)
    assert levy(planted_area_ha=100.0, state="Sabah") == pytest.approx(10.5)
    assert levy(planted_area_ha=40.0) == 0.0
    assert levy(country="ID", scheme="id_plasma") == 0.0


def test_indonesian_price_at_the_latest_week(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(), riau(), currency="IDR")
    # K (H_CPO R_CPO + H_PK R_PK) + shell at age 10-20, IDR per t
    assert prices.spot == pytest.approx(0.92 * (14216810 * 0.2124 + 11239120 * 0.0541) + 20290)
    assert min(prices.levels) == 2


def test_indonesian_forward_keeps_the_basis_and_carries_the_exchange_rate(
    make: SimpleNamespace, assumptions: Assumptions
) -> None:
    prices = prices_of(assumptions, make.market(), riau())
    in_reporting = prices.basis[0, 0] / prices.mixer[0] / 4067.283079
    myr_price = oil(prices_of(assumptions, make.market(), johor()))
    # basis on the price's day, 13 January: no settlements then, so today's front and the rate of that day
    basis = 14216810 / (4066 * 4100)
    assert in_reporting == pytest.approx(basis * myr_price[0] / 4067.283079, rel=1e-6)


def test_basis_uses_the_curve_of_the_price_day(make: SimpleNamespace, assumptions: Assumptions) -> None:
    earlier = make.futures("2026-01-12", {"2026-02": 4000, "2026-03": 4000})
    market = make.market(futures=pd.concat([earlier, make.futures()], ignore_index=True))
    before = oil(prices_of(assumptions, make.market(), riau()))
    after = oil(prices_of(assumptions, market, riau()))
    assert (after / before)[0] == pytest.approx(np.full(200, 4066 / 4000), rel=1e-12)


def test_a_monthly_price_is_held_against_the_mean_of_its_months_settlements(
    make: SimpleNamespace, assumptions: Assumptions
) -> None:
    """The last settlement of the month says little about the average that a monthly price is."""
    days = {"2025-12-10": 4200, "2025-12-30": 3800}
    futures = [make.futures(day, {"2026-02": price, "2026-03": price}) for day, price in days.items()]
    table = make.prices()
    table.loc[table["series"] == "cpo_id", "date"] = pd.Timestamp("2025-12-31")
    paths = {}
    for frequency in ("day", "month"):
        market = make.market(
            futures=pd.concat([*futures, make.futures()], ignore_index=True), prices=table.assign(frequency=frequency)
        )
        cpo = oil(prices_of(assumptions, market, riau()))
        paths[frequency] = cpo
    # December's mean is 4000, its last settlement 3800: dividing by the latter would add five percent
    assert (paths["month"] / paths["day"])[0] == pytest.approx(np.full(200, 3800 / 4000), rel=1e-9)


def test_palms_grow_into_the_next_price_class(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(), riau(), age=20.5, currency="IDR")
    cpo, pk = np.full((24, 200), 1e7), np.full((24, 200), 5e6)
    paths = prices.per_t(cpo, pk, BASE)
    young, old = paths[:5].mean(), paths[6:11].mean()
    assert young / old == pytest.approx((0.2124 + 0.0541 / 2) / (0.2076 + 0.0545 / 2), rel=0.01)


def test_without_exchange_rate_the_curve_gives_the_shape_only(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(fx=make.fx().iloc[:0]), riau())
    assert prices.flags == {"fx_missing"}
    assert (prices.currency, prices.reporting) == ("IDR", "IDR")
    assert oil(prices)[-1].mean() == pytest.approx(14216810 * 4060 / 4066, rel=0.06)


def test_without_futures_flat_at_the_latest_price(make: SimpleNamespace, assumptions: Assumptions) -> None:
    market = make.market(futures=make.futures().iloc[:0])
    for row, level in ((johor(), 4030.0), (riau(), 14216810.0)):
        prices = prices_of(assumptions, market, row, currency="MYR" if level < 1e5 else "IDR")
        assert prices.flags == {"curve_missing"}
        assert set(prices.sources) == {"extrapolated"}
        assert set(prices.levels) == {3}
        assert oil(prices)[-1].mean() == pytest.approx(level, rel=0.06)


def test_without_any_price_there_are_no_paths(make: SimpleNamespace, assumptions: Assumptions) -> None:
    market = make.market(futures=make.futures().iloc[:0], prices=make.prices().iloc[:0])
    for row in (johor(), riau()):
        prices = prices_of(assumptions, market, row)
        assert not prices.basis.any()
        assert prices.spot is None
        assert prices.flags == {"curve_missing", "no_price", "price_default"}


def test_missing_series_take_flagged_defaults(make: SimpleNamespace, assumptions: Assumptions) -> None:
    market = make.market(prices=make.prices().iloc[:0])
    malaysia, indonesia = (
        prices_of(assumptions, market, johor()),
        prices_of(assumptions, market, riau(), currency="IDR"),
    )
    assert malaysia.flags == indonesia.flags == {"price_default"}
    assert (malaysia.basis[:, 1] / malaysia.basis[:, 0]).mean() == pytest.approx(0.65, rel=0.05)
    assert oil(indonesia)[0].mean() == pytest.approx(0.85 * 4067 * 4100, rel=0.06)


def test_a_usd_reference_price_stands_in_for_the_domestic_one(make: SimpleNamespace, assumptions: Assumptions) -> None:
    market = make.market(futures=make.futures().iloc[:0], prices=make.prices(hr_cpo_usd=("2026-01-31", 900.0, "USD")))
    prices = prices_of(assumptions, market, riau(), currency="IDR")
    assert oil(prices)[0].mean() == pytest.approx((900 - 74 - 90 - 20) * 4.05 * 4100, rel=0.06)


def test_without_fiscal_table_taxes_are_zero_and_flagged(make: SimpleNamespace, assumptions: Assumptions) -> None:
    prices = prices_of(assumptions, make.market(fiscal=make.fiscal().iloc[:0]), johor(state="Sabah"))
    assert prices.flags == {"fiscal_missing"}
    assert prices.spot == pytest.approx(854.8 + 0.20 * 16)


def test_age_of_the_stand_before_that_of_the_register() -> None:
    assert palm_age({"planted_date": "2014-01-31"}, {"age_mean_years": 7.0}, AS_OF) == 7.0
    assert palm_age({"planted_date": "2014-01-31"}, None, AS_OF) == pytest.approx(12.0, abs=0.01)
    assert palm_age({"planted_date": pd.NaT}, {"age_mean_years": np.nan}, AS_OF) is None
