"""Settlements held against the exchange's calendar, the life of the contract and each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine, believed, known
from plantation_rwa.sources.futures import read_futures

HEADER = "settle_date,symbol,contract,settle,currency\n"
DAYS = ("2026-01-19", "2026-01-20", "2026-01-21", "2026-01-22", "2026-01-23")


def read(tmp_path: Path, rows: list[str]) -> tuple[pd.DataFrame, dict[int, str]]:
    path = tmp_path / "f.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    bad = Quarantine()
    table = known_by_now(read_futures([str(path)], bad))
    return table, {int(r): t for r, t in bad.frame()[["row", "reason"]].itertuples(index=False)}


def known_by_now(table: pd.DataFrame) -> pd.DataFrame:
    return believed(table, pd.Timestamp("2099-01-01", tz="UTC"))


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


def test_what_comes_later_changes_no_verdict_on_a_level(tmp_path: Path) -> None:
    levels = [4000.0] * 30 + [900.0] * 10 + [4100.0] * 5
    days, rows = level_file(tmp_path, levels)
    whole, _ = read(tmp_path, rows)
    for n in (29, 31, 38, 41):
        cut, _ = read(tmp_path, rows[: 6 * n])
        pd.testing.assert_frame_equal(cut, whole[whole["settle_date"] <= days[n - 1]].reset_index(drop=True))


def level_days(
    tmp_path: Path, runs: list[tuple[int, float] | int], contracts: int = 6
) -> tuple[list[pd.DatetimeIndex], pd.DataFrame, Quarantine]:
    """Days of each run ``(days, level)``, and what was read; a number alone is a gap of that many trading days."""
    levels = [v for run in runs for v in ([float("nan")] * run if isinstance(run, int) else [run[1]] * run[0])]
    days, rows = level_file(tmp_path, levels)
    rows = [r for k, r in enumerate(rows) if ",nan," not in r and k % 6 < contracts]
    path, bad = tmp_path / "levels.csv", Quarantine()
    path.write_text(HEADER + "\n".join(rows) + "\n")
    ends = np.cumsum([run if isinstance(run, int) else run[0] for run in runs])
    spans = zip(runs, [0, *ends[:-1]], ends, strict=True)
    return [days[a:b] for run, a, b in spans if not isinstance(run, int)], read_futures([str(path)], bad), bad


def seen(table: pd.DataFrame, day: pd.Timestamp) -> list[pd.Timestamp]:
    """Settlement days that a run at a day sees."""
    instant = day.tz_localize("UTC") + pd.Timedelta(hours=23)
    return sorted(believed(known(table, instant), instant)["settle_date"].unique())


@pytest.mark.parametrize("contracts", [1, 2, 6])
@pytest.mark.parametrize(("factor", "gap"), [(2.2046, 7), (1.6, 4), (2.2046, 120), (1 / 4.2, 7)])
def test_a_return_over_a_gap_is_a_return(tmp_path: Path, factor: float, gap: int, contracts: int) -> None:
    (a, _, c), table, bad = level_days(tmp_path, [(60, 4000.0), (5, 4000 * factor), gap, (40, 4000.0)], contracts)
    assert sorted(known_by_now(table)["settle_date"].unique()) == [*a, *c]
    assert len(bad.frame()) == 5 * contracts


@pytest.mark.parametrize("factor", [2.2046, 1.6])
def test_a_leap_hidden_in_a_gap_is_told_by_the_way_back(tmp_path: Path, factor: float) -> None:
    """Seven days' limits allow the leap there, one day's do not allow the way back to the level known before."""
    (a, b, c), table, bad = level_days(tmp_path, [(60, 4000.0), 7, (30, 4000 * factor), (20, 4000.0)])
    assert seen(table, b[-1]) == [*a, *b]
    assert seen(table, c[0]) == [*a, c[0]]
    assert seen(table, c[-1]) == [*a, *c]
    assert len(bad.frame()) == 6 * 30
    assert bad.frame(b[-1].tz_localize("UTC")).empty


def test_a_fall_that_stays_is_believed_after_a_month_of_settlements(tmp_path: Path) -> None:
    (a, b), table, bad = level_days(tmp_path, [(60, 4000.0), (60, 2800.0)])
    assert seen(table, b[18]) == [*a]
    assert seen(table, b[19]) == [*a, *b[:20]]
    assert seen(table, b[-1]) == [*a, *b]
    assert bad.frame().empty
    told = set(bad.frame(b[5].tz_localize("UTC"))["reason"])
    assert len(told) == 1
    assert f"lie 0.7 times off those of {a[-1].date()}, further than trading can go; check unit" in min(told)
    assert "override market.settlement_level_days to 0: every level is believed then (now 20" in min(told)


@pytest.mark.parametrize(
    ("factor", "name"), [(2.2046, "lb"), (1 / 2.16, "lb"), (4.35, "USD per MYR"), (1 / 4.0, "USD per MYR")]
)
def test_a_level_of_a_known_unit_is_not_believed_for_staying(tmp_path: Path, factor: float, name: str) -> None:
    (a, b), table, bad = level_days(tmp_path, [(60, 4000.0), (50, 4000 * factor)])
    assert seen(table, b[-1]) == [*a]
    reason = bad.frame()["reason"].iloc[0]
    assert f"(the factor of {name})" in reason
    assert "check unit (t, not lb or kg) and currency (MYR, not USD)" in reason
    assert "override market.settlement_level_days to 0" in reason
    assert "market.settlement_level_unit_tolerance" in reason
    every = packaged().override({"market.settlement_level_days": 0}, where="test")
    open_levels = read_futures([str(tmp_path / "levels.csv")], Quarantine(), assumptions=every)
    assert seen(open_levels, b[-1]) == [*a, *b]
    way = packaged().override({"market.settlement_level_unit_tolerance": 0.0}, where="test")
    open_fx = pd.DataFrame(columns=["date", "base", "quote", "rate", "kind", "known_at"])
    kept = read_futures([str(tmp_path / "levels.csv")], Quarantine(), assumptions=way, fx=open_fx)
    assert (seen(kept, b[-1]) == [*a, *b]) == (name == "lb")


def test_the_exchange_rate_of_the_day_tells_dollars(tmp_path: Path) -> None:
    (a, b), table, _ = level_days(tmp_path, [(60, 4000.0), (30, 1000.0)])
    assert seen(table, b[-1]) == [*a]
    for rate, stands in ((3.95, False), (3.3, True)):
        fx = pd.DataFrame({"date": a[-1:], "base": "USD", "quote": "MYR", "rate": rate, "kind": "spot"})
        fx["known_at"] = fx["date"].dt.tz_localize("UTC")
        again = read_futures([str(tmp_path / "levels.csv")], Quarantine(), fx=fx)
        assert (seen(again, b[-1]) == [*a, *b]) == stands


@pytest.mark.parametrize("wrong", [3, 19, 30])
def test_of_a_beginning_in_another_unit_the_longer_stretch_stands(tmp_path: Path, wrong: int) -> None:
    (a, b), table, bad = level_days(tmp_path, [(wrong, 950.0), (60, 4000.0)])
    assert seen(table, b[wrong - 1]) == [*a]
    assert seen(table, b[wrong]) == [*b[: wrong + 1]]
    assert seen(table, b[-1]) == [*b]
    assert len(bad.frame()) == 6 * wrong


def test_a_run_at_a_date_sees_what_a_file_that_ends_there_tells(tmp_path: Path) -> None:
    """Rows, bytes and quarantine of each date are those of the file cut there."""
    runs = [(9, 950.0), (12, 4000.0), 5, (6, 8800.0), (24, 4000.0), (25, 2800.0), (2, 6200.0), (4, 2800.0)]
    spans, table, bad = level_days(tmp_path, runs)
    lines = (tmp_path / "levels.csv").read_text().splitlines()
    for day in [d for span in spans for d in span]:
        instant = day.tz_localize("UTC")
        cut, told = Quarantine(), tmp_path / "levels.csv"
        told.write_text("\n".join([lines[0], *[x for x in lines[1:] if x[:10] <= str(day.date())]]) + "\n")
        alone = believed(known(read_futures([str(told)], cut), instant), instant)
        whole = believed(known(table, instant), instant)
        pd.testing.assert_frame_equal(whole, alone)
        assert bad.frame(instant).to_csv() == cut.frame().to_csv()
    assert seen(table, spans[-1][-1]) == [d for k in (1, 3, 4, 6) for d in spans[k]]


def test_where_no_contract_is_in_common_near_ones_are_compared_and_far_ones_remarked(tmp_path: Path) -> None:
    near = [row(DAYS[0], "2026-04", 4000), row(DAYS[1], "2026-05", 8820), row(DAYS[2], "2026-04", 4000)]
    table, bad = read(tmp_path, near)
    assert len(table) == 2
    assert "lie 2.21 times off" in bad[2]
    far = [row(DAYS[0], "2026-04", 4000), row(DAYS[1], "2026-09", 8820)]
    table, bad = read(tmp_path, far)
    assert len(table) == 2
    assert bad == {2: "no contract within 2 months of one of the day before; its level is taken unchecked"}
