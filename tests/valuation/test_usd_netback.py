"""Duty and levy along paths from a US dollar price. Source: domain/valuation.md 1.4."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.cashflows import BASE
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.fiscal import FiscalTable
from plantation_rwa.valuation.plantation_prices import PlantationPrices
from plantation_rwa.valuation.pricing import Pricer
from plantation_rwa.valuation.usd_netback import domestic_paths, duties, levies

AS_OF = dt.date(2026, 1, 31)
DAYS = [dt.date(2026, 2, 15), dt.date(2026, 3, 15)]


@pytest.fixture(scope="module")
def table(make: SimpleNamespace) -> FiscalTable:
    return FiscalTable(make.fiscal())


def test_duty_and_levy_are_those_of_the_month_before(table: FiscalTable) -> None:
    usd = np.array([[900.0, 1000.0], [700.0, 950.0]])
    rates = np.array([[16000.0, 16000.0], [16500.0, 16500.0]])
    found = domestic_paths(usd, rates, table, DAYS, 850.0, 20.0)
    # February: reference 850: duty 52, levy 10 %; March: references 900 and 1,000: duty 74 and 148, levy 12.5 %
    assert found is not None
    assert found.tolist() == [
        [(900 - 52 - 85 - 20) * 16000, (1000 - 52 - 85 - 20) * 16000],
        [(700 - 74 - 112.5 - 20) * 16500, (950 - 148 - 125 - 20) * 16500],
    ]


def test_the_domestic_price_is_never_below_zero(table: FiscalTable) -> None:
    low = domestic_paths(np.full((1, 1), 50.0), np.ones((1, 1)), table, DAYS[:1], 1500.0, 20.0)
    assert low is not None
    assert low.tolist() == [[0.0]]


def test_without_a_schedule_there_is_no_price(make: SimpleNamespace) -> None:
    fiscal = make.fiscal()
    for schedule in ("export_duty", "export_levy"):
        rest = FiscalTable(fiscal[(fiscal["schedule"] != schedule) | (fiscal["jurisdiction"] != "ID")])
        assert domestic_paths(np.full((1, 1), 900.0), np.ones((1, 1)), rest, DAYS[:1], 900.0, 20.0) is None


def test_a_fixed_levy_and_every_band(table: FiscalTable) -> None:
    day = dt.date(2024, 5, 15)
    references = np.array([680.0, 680.01, 830.0, 1060.0, 1431.0])
    assert levies(table, references, day) == pytest.approx(np.full(5, 90.0))
    assert duties(table, references, day) == pytest.approx([0.0, 3.0, 33.0, 178.0, 288.0])


def prices(assumptions: Assumptions, make: SimpleNamespace, **market: pd.DataFrame) -> PlantationPrices:
    drivers = Drivers(1, AS_OF, 24, 4000, assumptions)
    row = {"plantation_id": "P", "country": "ID", "state": "Riau", "scheme": "id_swadaya"}
    return Pricer(make.market(**market), drivers, "MYR", assumptions, 0.0).plantation(row, 11.5)


def oil(prices: PlantationPrices) -> np.ndarray:
    return prices.oil(np.ones(24), BASE)


def test_duty_flattens_the_domestic_price_when_the_world_price_rises(
    assumptions: Assumptions, make: SimpleNamespace
) -> None:
    """The steps of the duty take most of a rise: domestic prices move less than world prices."""
    reference = make.prices(hr_cpo_usd=("2026-01-31", 900.0, "USD"))
    netted, quoted = prices(assumptions, make, prices=reference), prices(assumptions, make)

    def rise(paths: np.ndarray) -> float:
        high, middle = np.quantile(paths[12], [0.9, 0.5])
        return float(high / middle) - 1

    assert rise(oil(netted)) < 0.85 * rise(oil(quoted))
    # (900 - 74 - 90 - 20) at the spot rates of 13 January; the first month lies a fortnight ahead
    assert oil(netted)[0].mean() == pytest.approx((900 - 74 - 90 - 20) * 4.05 * 4100, rel=0.03)
    assert "no_price" not in netted.flags


def test_a_domestic_price_goes_before_the_reference_price(assumptions: Assumptions, make: SimpleNamespace) -> None:
    both = pd.concat([make.prices(), make.prices(hr_cpo_usd=("2026-01-31", 900.0, "USD"))], ignore_index=True)
    assert np.array_equal(oil(prices(assumptions, make, prices=both)), oil(prices(assumptions, make)))


def test_without_an_exchange_rate_to_the_dollar_the_curve_gives_the_shape(
    assumptions: Assumptions, make: SimpleNamespace
) -> None:
    reference = make.prices(hr_cpo_usd=("2026-01-31", 900.0, "USD"))
    lonely = prices(assumptions, make, prices=reference, fx=make.fx().iloc[:1])
    assert "price_default" in lonely.flags
    assert oil(lonely).min() > 0
