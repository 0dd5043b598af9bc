"""Last trading days, listings and the curve of 2026-01-20. Source: domain/valuation.md 2.1, 2.2, 9."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.calendars import last_trading_day, listed_contracts, packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.valuation.curve import ForwardCurve, build_curve

LTD = {
    2025: "01-15 02-14 03-14 04-15 05-15 06-13 07-15 08-15 09-12 10-15 11-14 12-15",
    2026: "01-15 02-13 03-13 04-15 05-15 06-15 07-15 08-14 09-15 10-15 11-13 12-15",
}
SETTLES = {
    "2026-01-20": (4066, 4084, 4094, 4096, 4090, 4084),
    "2026-02-05": (4121, 4177, 4206, 4214, 4204, 4196),
    "2026-02-06": (4082, 4121, 4154, 4163, 4158, 4150),
    "2026-02-09": (4100, 4132, 4160, 4167, 4161, 4153),
    "2026-02-13": (3950, 4037, 4050, 4046, 4040, 4035),
}


def settled(day: str) -> ForwardCurve:
    frame = pd.DataFrame(
        {
            "settle_date": pd.Timestamp(day),
            "symbol": "FCPO",
            "contract": [f"2026-{m:02d}" for m in range(2, 8)],
            "settle": [float(s) for s in SETTLES[day]],
            "currency": "MYR",
            "open_interest": float("nan"),
        }
    )
    curve = build_curve(frame, dt.date.fromisoformat(day), packaged(), packaged_holidays("MY"))
    assert curve is not None
    return curve


@pytest.mark.parametrize("year", [2025, 2026])
def test_kat_08_last_trading_days(year: int) -> None:
    found = [last_trading_day(Month(year, m), packaged_holidays("MY")).strftime("%m-%d") for m in range(1, 13)]
    assert found == LTD[year].split()


def test_kat_08_listing_of_2026_01_20() -> None:
    listed = [str(m) for m in listed_contracts(dt.date(2026, 1, 20), packaged_holidays("MY"))]
    assert len(listed) == 24
    assert listed[0] == "2026-02"
    assert listed[11:15] == ["2027-01", "2027-03", "2027-05", "2027-07"]
    assert listed[-1] == "2029-01"


def test_kat_08_the_february_contract_is_gone_on_20_february_2026() -> None:
    assert str(listed_contracts(dt.date(2026, 2, 20), packaged_holidays("MY"))[0]) == "2026-03"
    assert str(listed_contracts(dt.date(2026, 2, 13), packaged_holidays("MY"))[0]) == "2026-02"


def test_kat_09_log_linear_between_march_and_april() -> None:
    assert settled("2026-01-20").at(dt.date(2026, 4, 1)) == pytest.approx(4089.7545888, abs=5e-8)


def test_the_squeezed_spot_contract_is_left_out_in_its_last_five_trading_days() -> None:
    """3,950 on 13 February is a delivery squeeze beside 4,037 for March."""
    assert settled("2026-02-05").prices[0] == 4121
    assert settled("2026-02-06").prices[0] == 4082
    assert settled("2026-02-09").prices[0] == 4132
    assert settled("2026-02-13").prices[0] == 4037
