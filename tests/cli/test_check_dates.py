"""Cross-checks of dates, each with the words a user reads."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.periods import Month
from plantation_rwa.run.survey import dates
from plantation_rwa.sources.base import Quarantine

DAY = dt.date(2026, 5, 31)


def told(findings: list[dates.Finding]) -> list[str]:
    return [f"{f.severity}: {f.problem()}" for f in findings]


def days(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts)))


@pytest.mark.parametrize(
    ("lag", "due"),
    [(0, "2026-05"), (1, "2026-04"), (10, "2026-04"), (31, "2026-04"), (32, "2026-03"), (400, "2025-03")],
)
def test_the_last_month_that_should_be_known(lag: int, due: str) -> None:
    assert str(dates.due_month(DAY, lag)) == due


@given(st.dates(dt.date(1995, 1, 1), dt.date(2060, 1, 1)), st.integers(0, 400))
def test_the_due_month_is_known_and_the_next_is_not(day: dt.date, lag: int) -> None:
    due = dates.due_month(day, lag)
    assert due.last + dt.timedelta(days=lag) <= day < (due + 1).last + dt.timedelta(days=lag)


def test_a_series_that_ends_before_the_month_that_should_be_known() -> None:
    last = {"A": "2026-04", "B": "2025-12", "C": "2026-03"}
    found = dates.months_reached("harvest.path", last, Month(2026, 4), noun="plantation", what="harvest")
    assert told(found) == [
        "warning: harvest.path: month: harvest of 2 plantations ends before 2026-04, the last month that should be "
        "known (got B 2025-12; C 2026-03). Bring the file up to date, or raise its known_lag_days."
    ]
    assert dates.months_reached("harvest.path", last, Month(2025, 12), noun="plantation", what="harvest") == []


def test_a_daily_series_that_ends_early() -> None:
    last = {"FCPO": pd.Timestamp("2026-05-23"), "": pd.Timestamp("2026-05-24")}
    assert told(dates.days_reached("market.futures", "settle_date", last, DAY, 7, "the record of settlements")) == [
        "warning: market.futures: settle_date: the record of settlements ends more than 7 days before 2026-05-31 "
        "(got FCPO 2026-05-23). Bring the file up to date."
    ]
    assert dates.days_reached("market.futures", "settle_date", last, DAY, 8, "x") == []


def test_missing_months_are_counted_within_each_series() -> None:
    held = {"A": ["2025-11", "2026-02"], "B": ["2025-01", "2025-02"], "C": ["2026-01", "2026-03"], "D": []}
    assert told(dates.missing_months("harvest.path", held, noun="plantation or block", what="harvest")) == [
        "warning: harvest.path: month: 3 months missing between first and last harvest of 2 plantations or blocks "
        "(got A 2025-12 and 1 more; C 2026-02). Add the months; a run treats them as unknown, not as zero."
    ]


def test_missing_days_are_counted_within_each_series() -> None:
    held = {"A": days("2026-01-01", "2026-01-04"), "B": days("2026-01-01", "2026-01-02"), "C": days()}
    assert told(dates.missing_days("climate.table", "date", held, "the climate", "Add them.")) == [
        "warning: climate.table: date: 2 days missing in the climate (got A 2026-01-02 to 2026-01-03). Add them."
    ]


def test_quiet_stretches_longer_than_holidays() -> None:
    held = {"FCPO": days("2026-01-01", "2026-01-08", "2026-01-16", "2026-01-17")}
    assert told(dates.quote_gaps("market.futures", "settle_date", held, 7, "settlements")) == [
        "warning: market.futures: settle_date: 1 stretch of more than 7 days without settlements "
        "(got FCPO 2026-01-08 to 2026-01-16). Add the days, or make sure that there was no quote."
    ]


def test_files_that_overlap_are_named_and_repeats_within_a_file_are_not() -> None:
    bad = Quarantine()
    told_by = "repeats plantation_id and date of row {} of {}, which stays; row rejected"
    for row in (1, 2):
        bad.add("climate", "b.csv", told_by.format(row, "a, b.csv"), "rejected", row=row)
    bad.add("climate", "b.csv", told_by.format(7, "b.csv"), "rejected", row=8)
    other = "differs from row 3 of x.csv at the same time, which replaces it; row rejected"
    bad.add("sensors", "y.csv", other, "rejected", row=3)
    remedy = "Let the files join without overlap, or give later versions a later known_at."
    keys = {"climate": "climate.table", "sensors": "sensors.path"}
    assert told(dates.repeats_between_files(bad.frame(), keys)) == [
        f"warning: climate.table: b.csv: 2 rows of this file repeat rows of another (got a, b.csv). {remedy}",
        f"warning: sensors.path: y.csv: 1 row of this file repeat rows of another (got x.csv). {remedy}",
    ]


def test_the_common_period_and_whose_ends_it_has() -> None:
    spans = {"harvest.path": ("2018-06", "2026-05"), "imagery.source": ("2023-07", "2026-03")}
    assert told(dates.common_period(spans)) == [
        "note: harvest.path, imagery.source: common period of these inputs, begun by imagery.source, ended by "
        "imagery.source (got 2023-07 to 2026-03, 33 months)"
    ]
    spans["sensors.path"] = ("2010-01", "2012-12")
    assert told(dates.common_period(spans)) == [
        "warning: harvest.path, imagery.source, sensors.path: no month is common to them: the one begins after the "
        "other has ended (got imagery.source from 2023-07, sensors.path to 2012-12). "
        "Check the dates and the periods of these inputs."
    ]
    assert dates.common_period({"harvest.path": ("2018-06", "2026-05")}) == []


def test_palms_of_the_future_and_tenure_of_the_past() -> None:
    register = pd.DataFrame(
        {
            "plantation_id": ["A", "B", "C"],
            "planted_date": pd.to_datetime(["2026-06-01", "2026-05-31", "2001-01-01"]),
            "tenure_end": pd.to_datetime([None, "2026-05-31", "2026-05-30"]),
        }
    )
    blocks = pd.DataFrame({"block_id": ["B9"], "planted_date": pd.to_datetime(["2030-01-01"])})
    assert told(dates.dates_of_the_register(register, blocks, DAY)) == [
        "warning: portfolio.register: planted_date: 1 plantation planted after the valuation date 2026-05-31 "
        "(got A 2026-06-01). Check the date, or value at a later one.",
        "warning: portfolio.blocks: planted_date: 1 block planted after the valuation date 2026-05-31 "
        "(got B9 2030-01-01). Check the date, or value at a later one.",
        "warning: portfolio.register: tenure_end: tenure of 1 plantation ended before 2026-05-31, so their rights have "
        "no value (got C 2026-05-30). Check the date, or leave them out.",
    ]
