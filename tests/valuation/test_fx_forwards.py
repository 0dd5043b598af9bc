from __future__ import annotations

import datetime as dt
import math
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.valuation.fx_forwards import ForwardPoints
from plantation_rwa.valuation.market import FxRates

AS_OF = dt.date(2026, 1, 31)


def quotes(*rows: tuple[str, float, str, float | None]) -> pd.DataFrame:
    """(day, rate, kind, tenor) of USD/MYR."""
    frame = pd.DataFrame(rows, columns=["date", "rate", "kind", "tenor_years"])
    return frame.assign(date=pd.to_datetime(frame["date"]), base="USD", quote="MYR")


def test_linear_between_tenors_and_nothing_today() -> None:
    points = ForwardPoints((0.5, 1.0), (-0.01, -0.03))
    assert points.premium(0.25, lambda t: None) == pytest.approx(-0.005)
    assert points.premium(0.75, lambda t: None) == pytest.approx(-0.02)
    assert points.premium(1.0, lambda t: None) == -0.03


def test_beyond_the_last_tenor_parity_goes_on_else_the_yearly_premium() -> None:
    points = ForwardPoints((1.0,), (-0.03,))
    assert points.premium(3.0, lambda t: None) == pytest.approx(-0.09)
    assert points.premium(3.0, lambda t: -0.01 * t) == pytest.approx(-0.03 - 0.02)


def test_forwards_are_held_against_the_spot_of_their_day(make: SimpleNamespace) -> None:
    table = quotes(
        ("2026-01-10", 4.00, "spot", None), ("2026-01-10", 3.96, "onshore_fwd", 1.0), ("2026-01-30", 4.20, "spot", None)
    )
    rates = FxRates(table, make.rates().iloc[:0], AS_OF)
    assert rates.forward("USD", "MYR", 1.0) == pytest.approx(4.20 * 3.96 / 4.00)
    assert rates.forward("MYR", "USD", 1.0) == pytest.approx(1 / (4.20 * 3.96 / 4.00))
    assert rates.forward("USD", "MYR", 0.0) == 4.20
    assert rates.forward("USD", "MYR", 2.0) == pytest.approx(4.20 * 0.99**2)


def test_later_forwards_are_not_seen_and_onshore_goes_before_ndf(make: SimpleNamespace) -> None:
    table = quotes(
        ("2026-01-30", 4.00, "spot", None), ("2026-01-30", 3.90, "ndf", 1.0), ("2026-01-30", 3.95, "onshore_fwd", 1.0),
        ("2026-02-10", 3.00, "onshore_fwd", 1.0),
    )  # fmt: skip
    assert FxRates(table, make.rates(), AS_OF).forward("USD", "MYR", 1.0) == pytest.approx(3.95)


def test_forwards_without_any_spot_say_nothing(make: SimpleNamespace) -> None:
    table = quotes(("2026-01-30", 3.90, "ndf", 1.0))
    assert FxRates(table, make.rates(), AS_OF).forward("USD", "MYR", 1.0) is None


@given(st.floats(0.01, 9.0), st.floats(-0.05, 0.05))
def test_quotes_at_parity_give_parity_everywhere(t: float, slope: float) -> None:
    tenors = (0.5, 1.0, 2.0)
    points = ForwardPoints(tenors, tuple(slope * x for x in tenors))
    assert points.premium(t, lambda s: slope * s) == pytest.approx(slope * t, abs=1e-12)
    assert math.exp(points.premium(t, lambda s: None)) == pytest.approx(math.exp(slope * t), rel=1e-9)
