from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plantation_rwa.periods import Month
from plantation_rwa.valuation.cashflows import BASE, Shock, payments
from plantation_rwa.valuation.rights import Right

AS_OF = dt.date(2026, 1, 31)


def right_of(make: SimpleNamespace, **terms: Any) -> Right:
    return Right.of(make.rights(("P1",), **terms).to_dict("records")[0], AS_OF)


def test_share_and_net_bases_never_below_zero(make: SimpleNamespace) -> None:
    right = right_of(make, base="net_operating", tenor_months=1)
    paid = payments(right, right.months(AS_OF), np.array([[-100.0, 100.0]]))
    assert paid.tolist() == [[0.0, 20.0]]


def test_minimum_and_maximum_per_period_spread_over_its_months(make: SimpleNamespace) -> None:
    right = right_of(make, tenor_months=3, min_payment=30.0, max_payment=90.0)
    base = np.array([[50.0, 0.0, 100.0], [25.0, 0.0, 300.0], [0.0, 0.0, 200.0]])
    paid = payments(right, right.months(AS_OF), base)
    assert paid[:, 0].tolist() == [20.0, 10.0, 0.0]
    assert paid[:, 1].tolist() == [10.0, 10.0, 10.0]
    assert paid[:, 2] == pytest.approx([15.0, 45.0, 30.0])


def test_a_short_period_has_its_part_of_the_minimum(make: SimpleNamespace) -> None:
    right = right_of(make, tenor_months=4, min_payment=30.0)
    paid = payments(right, right.months(AS_OF), np.zeros((4, 1)))
    assert paid[:, 0].tolist() == [10.0, 10.0, 10.0, 10.0]


@given(
    arrays(np.float64, (7, 3), elements=st.floats(0, 1e6)),
    st.floats(0, 5e4, allow_subnormal=False),
    st.floats(5e4, 1e6),
)
def test_every_period_lies_between_its_bounds(base: np.ndarray, low: float, high: float) -> None:
    right = Right(
        "P", "R", 0.2, "gross_mill_gate", 7, Month(2026, 2), 1.0, None, None, "ffb", low, high, 1, 3, None, 3.0, None, 1,
        None, None, "sponsor",
    )  # fmt: skip
    paid = payments(right, right.months(AS_OF), base)
    for rows in ([0, 1, 2], [3, 4, 5], [6]):
        part, total = len(rows) / 3, paid[rows].sum(axis=0)
        assert (total >= low * part * (1 - 1e-9)).all()
        assert (total <= high * part * (1 + 1e-9)).all()


def test_the_share_steps_up_in_the_second_year(make: SimpleNamespace) -> None:
    right = right_of(make, tenor_months=13, step_up=1.5)
    paid = payments(right, right.months(AS_OF), np.full((13, 1), 100.0))
    assert paid[:, 0].tolist() == [20.0] * 12 + [pytest.approx(30.0)]


def test_a_shock_is_linear_between_its_knots_and_stays_at_the_last() -> None:
    shock = Shock(times={"cpo": ((0, 1.0), (4, 0.6))}, plus={"oer": 0.01})
    assert shock.factor("cpo", 6).tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.6, 0.6])
    assert shock.factor("pk", 2).tolist() == [1.0, 1.0]
    assert (shock.addition("oer"), shock.addition("k"), BASE.addition("oer")) == (0.01, 0.0, 0.0)
