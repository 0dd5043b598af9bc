from __future__ import annotations

import datetime as dt
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import business_days, packaged_holidays, preceding_business_day
from plantation_rwa.periods import Month
from plantation_rwa.valuation.curve import ForwardCurve, build_curve, flat_curve

DAY = dt.date(2026, 1, 20)
NONE: frozenset[dt.date] = frozenset()


def curve_of(futures: pd.DataFrame, assumptions: Assumptions, as_of: dt.date = DAY) -> ForwardCurve | None:
    return build_curve(futures, as_of, assumptions, packaged_holidays("MY"))


def test_settlement_between_and_beyond_the_nodes(make: SimpleNamespace, assumptions: Assumptions) -> None:
    futures = make.futures().query("contract != '2026-05'")
    curve = curve_of(futures, assumptions)
    assert curve is not None
    assert curve.currency == "MYR"
    assert [curve.source(Month(2026, m)) for m in (1, 2, 4, 5, 6)] == [
        "interpolated", "interpolated", "settlement", "interpolated", "settlement",
    ]  # fmt: skip
    assert curve.month(Month(2026, 5)) == pytest.approx(math.sqrt(4094 * 4090), rel=1e-3)
    assert curve.source(Month(2027, 5)) == "extrapolated"


def test_without_open_interest_the_first_nine_contracts_count(make: SimpleNamespace, assumptions: Assumptions) -> None:
    curve = curve_of(make.futures(), assumptions)
    assert curve is not None
    assert str(curve.contracts[-1]) == "2026-10"
    assert curve.month(Month(2030, 1)) == 4060


def test_open_interest_decides_where_it_is_given(make: SimpleNamespace, assumptions: Assumptions) -> None:
    lots = [9000.0, 8000, 7000, 499, 500, 100, np.nan, 3, 2, 1, 0, 0]
    curve = curve_of(make.futures().assign(open_interest=lots), assumptions)
    assert curve is not None
    assert [str(c) for c in curve.contracts] == ["2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]


def test_growth_beyond_the_last_node_is_capped(make: SimpleNamespace, assumptions: Assumptions) -> None:
    curve = curve_of(make.futures(), assumptions.override({"curve.growth": 0.5}, where="test"))
    assert curve is not None
    last = dt.date.fromordinal(curve.days[-1])
    assert curve.at(last + dt.timedelta(days=365)) == pytest.approx(4060 * math.exp(0.03))
    falling = curve_of(make.futures(), assumptions.override({"curve.growth": -0.5}, where="test"))
    assert falling is not None
    assert falling.growth == -0.03


def test_the_newest_usable_day_is_taken_and_later_days_are_not_seen(
    make: SimpleNamespace, assumptions: Assumptions
) -> None:
    days = [make.futures("2026-01-19", {"2026-03": 4000}), make.futures("2026-01-20"), make.futures("2026-01-21")]
    curve = curve_of(pd.concat([days[0], days[1], days[2].assign(settle=1.0)]), assumptions)
    assert curve is not None
    assert curve.at(dt.date(2026, 2, 13)) == 4066
    old = curve_of(pd.concat(days), assumptions, dt.date(2026, 1, 19))
    assert old is not None
    assert old.prices == (4000,)


def test_expired_contracts_are_not_nodes(make: SimpleNamespace, assumptions: Assumptions) -> None:
    curve = curve_of(make.futures(), assumptions, dt.date(2026, 4, 20))
    assert curve is not None
    assert str(curve.contracts[0]) == "2026-05"
    assert curve_of(make.futures(), assumptions, dt.date(2027, 6, 1)) is None


def test_no_settlements_no_curve(make: SimpleNamespace, assumptions: Assumptions) -> None:
    assert curve_of(make.futures().iloc[:0], assumptions) is None
    assert curve_of(make.futures().assign(symbol="FPOL"), assumptions) is None


def test_row_order_changes_nothing(make: SimpleNamespace, assumptions: Assumptions) -> None:
    shuffled = make.futures().sample(frac=1, random_state=3)
    assert curve_of(shuffled, assumptions) == curve_of(make.futures(), assumptions)


def test_a_flat_curve_is_extrapolated_everywhere() -> None:
    curve = flat_curve("cpo_my", "MYR", 4030.0, DAY)
    assert {curve.month(Month(2026, 1) + i) for i in range(100)} == {4030.0}
    assert curve.source(Month(2026, 1)) == "extrapolated"


@given(st.lists(st.floats(1000, 9000), min_size=2, max_size=10), st.integers(0, 600))
def test_the_curve_never_leaves_the_range_of_its_neighbours(prices: list[float], offset: int) -> None:
    days = tuple(DAY.toordinal() + 30 * i for i in range(len(prices)))
    months = tuple(Month(2026, 1) + i for i in range(len(prices)))
    curve = ForwardCurve("FCPO", "MYR", days, tuple(prices), months, DAY)
    day = DAY + dt.timedelta(days=offset)
    left = min(max((day.toordinal() - days[0]) // 30, 0), len(prices) - 1)
    neighbours = prices[left : left + 2]
    assert min(neighbours) * (1 - 1e-12) <= curve.at(day) <= max(neighbours) * (1 + 1e-12)
    assert curve.at(dt.date.fromordinal(days[left])) == pytest.approx(prices[left], rel=1e-12)


def test_business_days_skip_weekends_and_holidays() -> None:
    friday = dt.date(2026, 2, 13)
    assert business_days(friday, friday + dt.timedelta(days=3), NONE) == 2
    assert business_days(friday, friday, frozenset({friday})) == 0
    assert business_days(friday, friday - dt.timedelta(days=1), NONE) == 0
    assert preceding_business_day(friday + dt.timedelta(days=2), frozenset({friday})) == dt.date(2026, 2, 12)
