"""Settlements held against the exchange's calendar, the life of the contract and each other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.futures import read_futures

HEADER = "settle_date,symbol,contract,settle,currency\n"
DAYS = ("2026-01-19", "2026-01-20", "2026-01-21", "2026-01-22", "2026-01-23")


def read(tmp_path: Path, rows: list[str]) -> tuple[pd.DataFrame, dict[int, str]]:
    path = tmp_path / "f.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    bad = Quarantine()
    table = read_futures([str(path)], bad)
    return table, {int(r): t for r, t in bad.frame()[["row", "reason"]].itertuples(index=False)}


def row(day: str, contract: str, settle: float) -> str:
    return f"{day},FCPO,{contract},{settle},MYR"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (row("2026-01-24", "2026-03", 4000), "the exchange was closed on that day"),  # a Saturday
        (row("2024-12-25", "2025-03", 4000), "the exchange was closed on that day"),
        (row("2026-02-16", "2026-02", 4000), "the contract stopped trading on 2026-02-13"),
        (row("2026-01-20", "2025-12", 4000), "contract month lies before the settlement day"),
        (row("2026-01-20", "2029-03", 4000), "no contract beyond 2029-02 was listed on that day"),
        (row("2026-01-20", "2026-03", 4.1), "FCPO lies outside 500 to 20,000 MYR per t; was it written per kg"),
        (row("2026-01-20", "2026-03", 4.1e6), "FCPO lies outside 500 to 20,000 MYR per t; was it multiplied by 1000?"),
        (row("2026-01-20", "2026-03", 30000), "FCPO lies outside 500 to 20,000 MYR per t; check unit and decimal"),
        (row("2026-01-20", "2026-03", -37.6), "settle must be greater than 0"),
        ("20/01/2026,FCPO,2026-03,4000,MYR", "settle_date is not a date"),
        ("2026-01-20,FCPO,2026-03,4000,USD", "FCPO settles in MYR"),
    ],
)
def test_what_cannot_be_a_settlement(tmp_path: Path, line: str, told: str) -> None:
    table, bad = read(tmp_path, [line, row("2026-01-20", "2026-04", 4094)])
    assert list(table["contract"]) == ["2026-04"]
    assert told in bad[1]


def test_a_move_beyond_the_price_limit_is_an_error_of_that_day_alone(tmp_path: Path) -> None:
    prices = (4000, 4590, 4100, 4700, 4100)  # +14.75 %, -10.7 %, +14.6 %
    table, bad = read(tmp_path, [row(d, "2026-04", p) for d, p in zip(DAYS, prices, strict=True)])
    assert len(table) == 5
    assert bad == {}
    prices = (4000, 4610, 4100, 3400, 4050)
    table, bad = read(tmp_path, [row(d, "2026-04", p) for d, p in zip(DAYS, prices, strict=True)])
    assert list(table["settle"]) == [4000, 4100, 4050]
    assert bad == {
        2: "settle moved more than the 15% a day that the exchange allows, from 4000 on 2026-01-19; row rejected",
        4: "settle moved more than the 15% a day that the exchange allows, from 4100 on 2026-01-21; row rejected",
    }


def test_the_limit_counts_for_every_trading_day_between_and_not_in_the_spot_month(tmp_path: Path) -> None:
    # Monday after Thursday: two trading days, 1.15^2 = 1.3225
    over_weekend = [row("2026-01-22", "2026-04", 4000), row("2026-01-26", "2026-04", 5280)]
    assert len(read(tmp_path, over_weekend)[0]) == 2
    over_weekend[1] = row("2026-01-26", "2026-04", 5300)
    assert len(read(tmp_path, over_weekend)[0]) == 1
    squeeze = [row("2026-02-12", "2026-02", 4500), row("2026-02-13", "2026-02", 3500)]
    assert len(read(tmp_path, squeeze)[0]) == 2


def test_a_settlement_far_from_its_days_others_is_told_on_the_first_day_too(tmp_path: Path) -> None:
    day = [row(DAYS[0], c, p) for c, p in (("2026-02", 4066), ("2026-03", 8400), ("2026-04", 4094), ("2026-05", 1900))]
    table, bad = read(tmp_path, day)
    assert list(table["contract"]) == ["2026-02", "2026-04"]
    assert "settle is more than 2 times off 4080, the median of the day" in bad[2]
    assert set(bad) == {2, 4}


def test_later_rows_change_nothing_of_what_was_accepted_before(tmp_path: Path) -> None:
    early = [row(d, "2026-04", p) for d, p in zip(DAYS[:3], (4000, 4700, 4100), strict=True)]
    late = [row(d, "2026-04", p) for d, p in zip(DAYS[3:], (4750, 4710), strict=True)]
    before, _ = read(tmp_path, early)
    after, _ = read(tmp_path, late + early)
    known = after[after["settle_date"] <= DAYS[2]].sort_values("settle_date").reset_index(drop=True)
    pd.testing.assert_frame_equal(known, before)


def test_two_contracts_that_could_not_trade_put_the_date_in_doubt(tmp_path: Path) -> None:
    """10 February written as 2 October: seven contracts have expired by then."""
    crossed = [row("2026-10-02", f"2026-{m:02d}", 4100) for m in range(3, 13)]
    table, bad = read(tmp_path, [*crossed, row("2026-02-11", "2026-03", 4100)])
    assert list(table["settle_date"]) == [pd.Timestamp("2026-02-11")]
    assert bad[1] == "contract month lies before the settlement day; row rejected"
    assert bad[10] == "contracts of the day could not trade then; are day and month crossed?; row rejected"


def test_a_missing_far_tenor_stays_missing(tmp_path: Path) -> None:
    full = [row(DAYS[0], f"2026-{m:02d}", 4100) for m in range(2, 12)]
    short = [row(DAYS[1], f"2026-{m:02d}", 4100) for m in range(2, 6)]
    table, bad = read(tmp_path, full + short)
    assert bad == {}
    assert (table["settle_date"] == DAYS[1]).sum() == 4


def test_the_limits_are_assumptions(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(HEADER + "\n".join([row(DAYS[0], "2026-04", 4000), row(DAYS[1], "2026-04", 4300)]) + "\n")
    tight = packaged().override({"market.settlement_move_max": 0.05}, where="test")
    assert len(read_futures([str(path)], Quarantine(), assumptions=tight)) == 1


def level_file(tmp_path: Path, levels: list[float], start: str = "2025-03-03") -> tuple[pd.DatetimeIndex, list[str]]:
    """Rows of six contracts a day at the levels given, 1 % apart."""
    days = [d for d in pd.bdate_range(start, periods=2 * len(levels)) if d.date() not in packaged_holidays("MY")]
    days = days[: len(levels)]
    first = Month.of(days[-1].date()) + 2
    rows = [
        row(str(day.date()), str(first + k), round(level * (1 - 0.01 * k), 2))
        for day, level in zip(days, levels, strict=True)
        for k in range(6)
    ]
    return pd.DatetimeIndex(days), rows


@pytest.mark.parametrize("factor", [4.2, 1 / 4.2, 2.2046, 1 / 2.2046, 1.6])
@pytest.mark.parametrize("wrong", [5, 40])
def test_days_in_another_unit_stay_out_however_long_and_the_right_ones_come_back(
    tmp_path: Path, factor: float, wrong: int
) -> None:
    """Sixty days of 4,000, then wrong ones while the market falls by 0.5 % a day, then right ones again."""
    levels = [4000.0] * 60 + [4000 * factor * 0.995**k for k in range(wrong)] + [4000 * 0.995**wrong] * 10
    days, rows = level_file(tmp_path, levels)
    table, bad = read(tmp_path, rows)
    assert sorted(table["settle_date"].unique()) == [*days[:60], *days[-10:]]
    assert len(bad) == 6 * wrong
    told = set(bad.values())
    assert all(f"off those of {days[59].date()}" in t and "check unit (t, not lb or kg)" in t for t in told)


def test_a_crash_at_the_price_limit_day_after_day_is_a_market(tmp_path: Path) -> None:
    """Ten days at -14 % and a rebound: 4,000 to 885 and up again; no such days are known of FCPO."""
    levels = [4000.0] * 20 + [4000 * 0.86**k for k in range(1, 11)] + [4000 * 0.86**10 * 1.14**k for k in range(1, 8)]
    table, bad = read(tmp_path, level_file(tmp_path, levels)[1])
    assert bad == {}
    assert len(table) == 6 * len(levels)


def test_the_real_months_of_2008_to_2022_hold_no_level_that_is_set_aside(tmp_path: Path) -> None:
    """World Bank monthly means in MYR at 4.2: month to month the wildest moves there were."""
    prices = pd.read_csv("data/sample/real/prices/world_bank_palm_monthly.csv")
    levels = (prices["palm_oil_usd_t"] * 4.2).tolist()
    months = pd.to_datetime(prices["month"] + "-01") + pd.offsets.BMonthBegin(0) + pd.offsets.BDay(4)
    rows = []
    for day, level in zip(months, levels, strict=True):
        if day.date() not in packaged_holidays("MY"):
            rows += [row(str(day.date()), str(Month.of(day.date()) + k), round(level, 2)) for k in range(3, 9)]
    _, bad = read(tmp_path, rows)
    assert not [t for t in bad.values() if "lie" in t]


def test_a_file_that_begins_with_its_wrong_days_takes_up_the_right_level(tmp_path: Path) -> None:
    """Three days of 950, then 4,000: the new level counts once it has stood for a month."""
    days, rows = level_file(tmp_path, [950.0] * 3 + [4000.0] * 40)
    table, _ = read(tmp_path, rows)
    assert sorted(table["settle_date"].unique()) == [*days[:3], *days[23:]]


def test_what_comes_later_changes_no_verdict_on_a_level(tmp_path: Path) -> None:
    levels = [4000.0] * 30 + [900.0] * 10 + [4100.0] * 5
    days, rows = level_file(tmp_path, levels)
    whole, _ = read(tmp_path, rows)
    for n in (29, 31, 38, 41):
        cut, _ = read(tmp_path, rows[: 6 * n])
        pd.testing.assert_frame_equal(cut, whole[whole["settle_date"] <= days[n - 1]].reset_index(drop=True))
