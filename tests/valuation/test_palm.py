"""Revenue of plantations: bases, floors and caps by hand; the fast linear path against full paths."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.cashflows import BASE, Shock
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import Book
from plantation_rwa.valuation.valuer import Valuer

AS_OF = dt.date(2026, 1, 31)


def book_of(make: SimpleNamespace, assumptions: Assumptions, ids: tuple[str, ...] = ("P1",), **changed: Any) -> Book:
    inputs: dict[str, Any] = {
        "forecasts": pd.concat([make.forecast(i) for i in ids], ignore_index=True),
        "forecast_model": pd.DataFrame([make.model(i) for i in ids]),
        "register": make.register(),
        "rights": make.rights(ids),
        "market": make.market(),
        "as_of": AS_OF,
        "seed": 7,
        "paths": 4000,
        "currency": "MYR",
        "assumptions": assumptions,
    }
    return Book(**(inputs | changed))


def right_of(make: SimpleNamespace, plantation: str = "P1", **terms: Any) -> Right:
    return Right.of(make.rights((plantation,), **terms).to_dict("records")[0], AS_OF)


def per_t(valuer: Valuer, right: Right, shock: Shock = BASE) -> np.ndarray:
    """Revenue per t under the pricing measure, months by paths: what one tonne a month earns."""
    model: Any = valuer.model
    price = model._price(right, model.prices(right.plantation_id), "q", shock)
    months, paths = valuer.drivers.months, valuer.drivers.paths
    earned, mean = price.earned(np.ones((months, paths)), np.tile([1.0, 0.0, 0.0], (months, 1)))
    assert mean == pytest.approx(earned.mean(axis=1), rel=1e-12)
    return np.asarray(earned)


def test_bases_floor_and_cap_path_by_path(make: SimpleNamespace, assumptions: Assumptions) -> None:
    """Netback 0.20 (CPO - 56) + 0.05 PK - 90; levy 3 % above 3,150; cost 300 with 3 % inflation."""
    valuer = book_of(make, assumptions, paths=50).valuer(36)
    prices = valuer.model.prices("P1")  # type: ignore[attr-defined]
    one = np.ones(36)
    oil, kernel = prices.oil(one, BASE), prices.kernel(one, BASE)
    paid = prices.paid
    gross = (0.20 * (oil - 56) + 0.05 * kernel - 90) * paid
    levy = 0.03 * np.maximum(oil - 3150, 0)
    cost = 300 * 1.03 ** valuer.drivers.times[:, None]
    assert per_t(valuer, right_of(make)) == pytest.approx(np.maximum(gross, 0))
    assert per_t(valuer, right_of(make, base="net_of_levies")) == pytest.approx(np.maximum(gross - levy, 0))
    assert per_t(valuer, right_of(make, base="net_operating")) == pytest.approx(np.maximum(gross - levy - cost, 0))
    assert per_t(valuer, right_of(make, price_floor=800.0)) == pytest.approx(np.maximum(gross, 800))
    assert per_t(valuer, right_of(make, price_cap=800.0)) == pytest.approx(np.clip(gross, 0, 800))
    within = (0.20 * (np.clip(oil, 3500, 4500) - 56) + 0.05 * kernel - 90) * paid
    assert per_t(valuer, right_of(make, price_floor=3500.0, price_cap=4500.0, price_basis="cpo")) == pytest.approx(
        within
    )
    # the state takes its levy on the market's price, whatever floor or cap the right has
    capped = right_of(make, base="net_of_levies", price_cap=4000.0, price_basis="cpo")
    expected = (0.20 * (np.minimum(oil, 4000) - 56) + 0.05 * kernel - 90) * paid - levy
    assert per_t(valuer, capped) == pytest.approx(np.maximum(expected, 0))


@pytest.mark.parametrize("base", ["gross_mill_gate", "net_of_levies", "net_operating"])
@pytest.mark.parametrize("plantation", ["P1", "P2", "P3"])
def test_the_linear_sum_agrees_with_full_paths(
    make: SimpleNamespace, assumptions: Assumptions, plantation: str, base: str
) -> None:
    """A maximum that never binds sends the right down the full paths: own noise month by month, no polynomial."""
    valuer = book_of(make, assumptions, ("P1", "P2", "P3")).valuer(36)
    rights = [right_of(make, plantation, base=base), right_of(make, plantation, base=base, max_payment=1e14)]
    linear, full = valuer.value(rights, flows=False)
    # the full path's own noise and disasters are sampled: three standard errors of what the linear one integrates out
    assert linear.fair == pytest.approx(full.fair, rel=3 * 0.05 / np.sqrt(4000))
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        found, expected = (np.quantile(v.pv_p, probability) for v in (linear, full))
        assert found == pytest.approx(expected, rel=0.012), probability
    assert np.std(linear.pv_p) == pytest.approx(np.std(full.pv_p), rel=0.03)


def test_homogeneous_in_yield_and_linear_in_area_and_share(make: SimpleNamespace, assumptions: Assumptions) -> None:
    valuer = book_of(make, assumptions, paths=400).valuer(36)
    right = right_of(make)
    fair = valuer.fair(right)
    assert valuer.fair(right, Shock("y", times={"yield": ((0, 1.01),)})) == pytest.approx(1.01 * fair, rel=1e-12)
    assert valuer.fair(right_of(make, share=0.1)) == pytest.approx(0.5 * fair, rel=1e-12)
    twice = book_of(make, assumptions, paths=400, forecasts=make.forecast("P1", area=200.0)).valuer(36)
    assert twice.fair(right) == pytest.approx(2 * fair, rel=1e-12)


def test_splitting_a_plantation_conserves_its_value(make: SimpleNamespace, assumptions: Assumptions) -> None:
    """60 and 40 ha of one estate, each with its own random numbers, are worth the 100 ha: before rounding, to 1e-9."""
    register = pd.concat([make.register().iloc[:1].assign(plantation_id=i) for i in ("W", "A", "B")], ignore_index=True)
    areas = {"W": 100.0, "A": 60.0, "B": 40.0}
    book = book_of(
        make, assumptions, tuple(areas), register=register, paths=400,
        forecasts=pd.concat([make.forecast(i, area=area) for i, area in areas.items()], ignore_index=True),
    )  # fmt: skip
    whole, *parts = (book.valuer(36).fair(right_of(make, i)) for i in areas)
    assert sum(parts) == pytest.approx(whole, rel=1e-9)


def test_monotone_in_price_rate_and_hazard(make: SimpleNamespace, assumptions: Assumptions) -> None:
    valuer = book_of(make, assumptions, paths=400).valuer(36)
    for right in (right_of(make), right_of(make, price_floor=800.0), right_of(make, min_payment=20000.0)):
        prices = [valuer.fair(right, Shock(f"{f}", times={"cpo": ((0, f),)})) for f in (0.5, 0.8, 1.0, 1.3)]
        rates = [valuer.fair(right, Shock(f"r{r}", rate=r)) for r in (-0.02, 0.0, 0.02, 0.1)]
        hazards = [valuer.fair(right, Shock(f"h{h}", hazard=h)) for h in (-0.02, 0.0, 0.02, 0.3)]
        assert prices == sorted(prices)
        assert rates == sorted(rates, reverse=True)
        assert hazards == sorted(hazards, reverse=True)


def test_cheap_palm_oil_raises_the_sponsors_intensity(make: SimpleNamespace, assumptions: Assumptions) -> None:
    """Cover below 1: 0.6 price < levy + cost, about 500 MYR per t FFB."""
    valuer = book_of(make, assumptions, paths=400).valuer(36)
    calm, cheap = (valuer.model.hardship(Shock(f"{f}", times={"cpo": ((0, f),)}), "q").mean() for f in (1.2, 0.5))
    assert calm < 0.05
    assert cheap > 0.9
