from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.periods import Month
from plantation_rwa.valuation.rights import Right, missing, tenure_fraction

AS_OF = dt.date(2026, 1, 31)


def right_of(make: SimpleNamespace, **terms: Any) -> Right:
    return Right.of(make.rights(("P1",), **terms).to_dict("records")[0], AS_OF)


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, pd.NaT, pd.NA, ""])
def test_empty_cells(value: object) -> None:
    assert missing(value)


@pytest.mark.parametrize("value", [0, 0.0, "0", "nan-tou", False, dt.date(2026, 1, 1)])
def test_cells_with_something_in_them(value: object) -> None:
    assert not missing(value)


def test_term_starts_with_the_month_after_as_of(make: SimpleNamespace) -> None:
    right = right_of(make, tenor_months=3)
    assert [str(m) for m in right.months(AS_OF)] == ["2026-02", "2026-03", "2026-04"]


def test_a_running_right_keeps_its_calendar(make: SimpleNamespace) -> None:
    right = right_of(make, start_month="2025-11", tenor_months=7, frequency_months=3)
    months = right.months(AS_OF)
    assert [str(m) for m in months] == ["2026-02", "2026-03", "2026-04", "2026-05"]
    assert [str(right.cash_month(m)) for m in months] == ["2026-05", "2026-05", "2026-05", "2026-06"]
    assert right_of(make, start_month="2025-01", tenor_months=12).months(AS_OF) == []
    assert [str(m) for m in right_of(make, start_month="2026-06", tenor_months=1).months(AS_OF)] == ["2026-06"]


def test_quarters_are_paid_a_month_after_their_last_month(make: SimpleNamespace) -> None:
    right = right_of(make, tenor_months=4)
    assert [str(right.cash_month(m)) for m in right.months(AS_OF)] == ["2026-05"] * 3 + ["2026-06"]
    monthly = right_of(make, tenor_months=2, frequency_months=1, payment_lag_months=2)
    assert [str(monthly.cash_month(m)) for m in monthly.months(AS_OF)] == ["2026-04", "2026-05"]


def test_share_steps_up_once_a_year_from_the_start(make: SimpleNamespace) -> None:
    right = right_of(make, start_month="2025-02", tenor_months=36, step_up=1.1)
    assert right.share_in(Month(2026, 1)) == pytest.approx(0.2)
    assert right.share_in(Month(2026, 2)) == pytest.approx(0.22)
    assert right.share_in(Month(2027, 2)) == pytest.approx(0.242)


def test_tenure_ends_within_a_month() -> None:
    end = dt.date(2026, 4, 15)
    assert [tenure_fraction(Month(2026, m), end) for m in (3, 4, 5)] == [1.0, 0.5, 0.0]
    assert tenure_fraction(Month(2026, 4), dt.date(2026, 4, 30)) == 1.0
    assert tenure_fraction(Month(2099, 1), None) == 1.0
