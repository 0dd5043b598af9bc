"""What a right says about the curve that it was valued on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.pricing import Pricer

ROW = {"plantation_id": "P", "country": "MY", "state": "Johor", "oer": 0.2, "ker": 0.05}


def flags(make: SimpleNamespace, assumptions: Assumptions, growth: float | None = 0.0, **market: Any) -> set[str]:
    drivers = Drivers(1, make.as_of, 3, 10, assumptions)
    return set(Pricer(make.market(**market), drivers, "MYR", assumptions, growth).plantation(ROW, 10.0).flags)


def test_a_calibrated_curve_of_these_days_says_nothing(make: SimpleNamespace, assumptions: Assumptions) -> None:
    assert flags(make, assumptions) == set()
    assert flags(make, assumptions, None) == {"price_prior"}


def test_old_settlements_are_told(make: SimpleNamespace, assumptions: Assumptions) -> None:
    assert flags(make, assumptions, futures=make.futures("2026-01-16")) == {"curve_stale"}
    assert flags(make, assumptions, futures=make.futures("2026-01-19")) == set()


@pytest.mark.parametrize(("factor", "told"), [(1 / 4.1, True), (4.1, True), (0.7, False), (1.5, False)])
def test_a_curve_in_another_currency_contradicts_the_physical_price(
    make: SimpleNamespace, assumptions: Assumptions, factor: float, told: bool
) -> None:
    other = make.futures().assign(settle=make.futures()["settle"] * factor)
    assert ("curve_off_price" in flags(make, assumptions, futures=other)) == told


def test_without_futures_or_without_a_price_there_is_nothing_to_compare(
    make: SimpleNamespace, assumptions: Assumptions
) -> None:
    assert flags(make, assumptions, futures=make.futures().iloc[:0]) == {"curve_missing"}
    assert "curve_off_price" not in flags(make, assumptions, prices=make.prices().iloc[:0])


def test_costs_above_the_price_make_fruit_worthless_and_not_less(
    make: SimpleNamespace, assumptions: Assumptions
) -> None:
    """At 500 MYR per t of oil the netback is 0.20 (500 - 56) + kernel - 90: fruit pays nothing on most paths."""
    from plantation_rwa.valuation.cashflows import BASE

    low = make.futures().assign(settle=400.0)
    cheap = make.prices(cpo_my=("2025-12-31", 400.0, "MYR"), pk_my=("2025-12-31", 200.0, "MYR"))
    drivers = Drivers(1, make.as_of, 3, 1000, assumptions)
    prices = Pricer(make.market(futures=low, prices=cheap), drivers, "MYR", assumptions, 0.0).plantation(ROW, 10.0)
    oil = prices.oil(pd.Series(1.0, index=range(3)).to_numpy(), BASE)
    paid = prices.per_t(oil, 0.5 * oil, BASE)
    assert paid.min() == 0.0
    assert (paid == 0.0).mean() > 0.5
    assert prices.spot == 0.0
