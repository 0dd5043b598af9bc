from __future__ import annotations

import datetime as dt
import math
from types import SimpleNamespace

import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.discounting import curve_or_assumed, known_curve
from plantation_rwa.valuation.market import FxRates, Prices

AS_OF = dt.date(2026, 1, 31)


def test_latest_price_by_date_then_by_knowledge(make: SimpleNamespace) -> None:
    old = make.prices(cpo_my=("2025-11-30", 3900.0, "MYR"))
    first = make.prices(cpo_my=("2025-12-31", 4030.0, "MYR"))
    revised = first.assign(value=4040.0, known_at=pd.Timestamp("2026-01-20", tz="UTC"))
    future = make.prices(cpo_my=("2026-02-28", 9999.0, "MYR"))
    for order in ([revised, future, old, first], [old, first, revised, future]):
        price = Prices(pd.concat(order, ignore_index=True), AS_OF).latest("cpo_my")
        assert price is not None
        assert (price.value, price.day, price.currency) == (4040.0, dt.date(2025, 12, 31), "MYR")
    assert Prices(first, AS_OF).latest("pk_my") is None


def test_own_region_before_region_free_before_any_other(make: SimpleNamespace) -> None:
    rows = [
        make.prices(k_id=("2025-12-31", value, None)).assign(region=region)
        for region, value in (("Riau", 0.91), ("", 0.92), ("Jambi", 0.93))
    ]
    prices = Prices(pd.concat(rows, ignore_index=True), AS_OF)

    def k(*regions: str) -> float:
        found = prices.latest("k_id", regions)
        return math.nan if found is None else found.value

    assert (k("riau"), k("Aceh"), k()) == (0.91, 0.92, 0.92)
    only_jambi = Prices(rows[2], AS_OF).latest("k_id", ["Riau"])
    assert only_jambi is not None
    assert only_jambi.value == 0.93


def test_direct_inverse_and_cross_rates(make: SimpleNamespace) -> None:
    fx = FxRates(make.fx(), make.rates(), AS_OF)
    assert fx.spot("MYR", "IDR") == 4100.0
    assert fx.spot("IDR", "MYR") == pytest.approx(1 / 4100)
    assert fx.spot("USD", "IDR") == pytest.approx(4.05 * 4100)
    assert fx.spot("IDR", "IDR") == 1.0
    assert fx.spot("EUR", "MYR") is None


def test_the_newer_of_direct_and_inverse_wins_and_forwards_are_no_spot(make: SimpleNamespace) -> None:
    newer = make.fx().iloc[:1].assign(base="IDR", quote="MYR", rate=1 / 4200, date=pd.Timestamp("2026-01-20"))
    ndf = make.fx().iloc[:1].assign(rate=9999.0, kind="ndf", date=pd.Timestamp("2026-01-25"))
    fx = FxRates(pd.concat([make.fx(), newer, ndf], ignore_index=True), make.rates(), AS_OF)
    assert fx.spot("MYR", "IDR") == pytest.approx(4200)
    assert fx.spot("MYR", "IDR", dt.date(2026, 1, 15)) == 4100.0
    assert fx.spot("MYR", "IDR", dt.date(2026, 1, 1)) is None


def test_forward_by_interest_parity_or_spot_without_curves(make: SimpleNamespace) -> None:
    rates = make.rates()
    fx = FxRates(make.fx(), rates, AS_OF)
    assert fx.forward("MYR", "IDR", 1.0) == pytest.approx(4100 * math.exp(0.055 - 0.0305), rel=1e-12)
    assert fx.forward("USD", "MYR", 1.0) == 4.05
    assert fx.forward("EUR", "MYR", 1.0) is None


def test_newest_zero_curve_known_and_assumed_one_otherwise(make: SimpleNamespace, assumptions: Assumptions) -> None:
    newer = make.rates().assign(date=pd.Timestamp("2026-02-10"), zero_rate=0.9)
    rates = pd.concat([make.rates(), newer], ignore_index=True)
    curve = known_curve(rates, "MYR", AS_OF)
    assert curve is not None
    assert curve.rate(1.0) == pytest.approx(0.0305)
    assert curve.rate(0.1) == pytest.approx(0.0305)
    assert curve.rate(40) == pytest.approx(0.035)
    assert not curve_or_assumed(rates, "MYR", AS_OF, assumptions).assumed
    assumed = curve_or_assumed(rates, "USD", AS_OF, assumptions)
    assert assumed.assumed
    assert assumed.rate(1.0) == pytest.approx(0.038)
    assert curve_or_assumed(rates, "CHF", AS_OF, assumptions).rate(3.0) == pytest.approx(0.04)
    assert assumed.factor(-1.0) == 1.0
