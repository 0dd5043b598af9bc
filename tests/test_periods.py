"""Months, month ends, and the instant a valuation date stands for."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.periods import (
    Month,
    as_of_instant,
    end_of_month_utc,
    last_month_end,
    month_ends,
    month_range,
    year_fraction,
)


def test_a_month_of_a_leap_year() -> None:
    month = Month.parse("2024-02")
    assert (month.year, month.number, month.days) == (2024, 2, 29)
    assert (month.first, month.last) == (dt.date(2024, 2, 1), dt.date(2024, 2, 29))
    assert str(month) == "2024-02"
    assert Month.of(dt.date(2024, 2, 29)) == month
    assert month.ordinal == 2024 * 12 + 1


def test_months_count_across_years() -> None:
    assert str(Month(2025, 12) + 1) == "2026-01"
    assert str(Month(2026, 1) + -1) == "2025-12"
    assert Month(2026, 5) - Month(2024, 12) == 17
    assert Month(2025, 12) < Month(2026, 1)


@given(st.integers(0, 9999 * 12 + 11), st.integers(-600, 600))
def test_adding_and_parsing_are_inverse(ordinal: int, step: int) -> None:
    month = Month.from_ordinal(ordinal)
    assert month.ordinal == ordinal
    assert Month.parse(str(month)) == month
    if 0 <= ordinal + step < 9999 * 12:
        assert (month + step) - month == step


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-5", "202605", "2026-05-31", "26-05", "", "May 2026"])
def test_other_texts_are_not_months(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is not a month; write YYYY-MM, for example 2026-05"):
        Month.parse(text)


def test_ranges_include_both_ends() -> None:
    assert [str(m) for m in month_range(Month(2025, 11), Month(2026, 2))] == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]
    assert month_range(Month(2026, 2), Month(2026, 1)) == []
    assert list(month_ends(Month(2024, 1), Month(2024, 3))) == [
        dt.date(2024, 1, 31),
        dt.date(2024, 2, 29),
        dt.date(2024, 3, 31),
    ]


@pytest.mark.parametrize(
    ("today", "end"),
    [
        ("2026-06-01", "2026-05-31"),
        ("2026-05-31", "2026-04-30"),
        ("2026-01-15", "2025-12-31"),
        ("2024-03-01", "2024-02-29"),
    ],
)
def test_the_last_month_end_is_before_today(today: str, end: str) -> None:
    assert last_month_end(dt.date.fromisoformat(today)) == dt.date.fromisoformat(end)


def test_as_of_is_the_end_of_that_day_in_utc() -> None:
    instant = as_of_instant(dt.date(2026, 5, 31))
    assert instant == pd.Timestamp("2026-05-31T23:59:59.999999Z")
    assert pd.Timestamp("2026-06-01T00:00:00Z") > instant
    # 07:30 on 1 June in Kuala Lumpur is still 31 May in UTC
    assert pd.Timestamp("2026-06-01T07:30", tz="Asia/Kuala_Lumpur") <= instant


def test_month_ends_as_a_column() -> None:
    out = end_of_month_utc(pd.Series(["2026-05", "2024-02", "2025-12"], index=[3, 1, 2]))
    assert out.tolist() == [pd.Timestamp(t, tz="UTC") for t in ("2026-05-31", "2024-02-29", "2025-12-31")]
    assert out.index.tolist() == [3, 1, 2]
    assert out.dtype == "datetime64[us, UTC]"
    assert len(end_of_month_utc(pd.Series([], dtype="str"))) == 0


def test_year_fraction_is_actual_over_365() -> None:
    assert year_fraction(dt.date(2026, 5, 31), dt.date(2027, 5, 31)) == 1.0
    assert year_fraction(dt.date(2024, 1, 1), dt.date(2025, 1, 1)) == 366 / 365
    assert year_fraction(dt.date(2026, 5, 31), dt.date(2026, 5, 1)) == -30 / 365
