"""Exchange rates in the layouts they come in, and quotes turned round."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.fx import read_fx
from plantation_rwa.sources.market import read_rates
from plantation_rwa.valuation.market import FxRates

#: Source: ECB statistics, euro reference rates; the layout is that of the published file
ECB = """Date,USD,MYR,IDR,JPY,
2026-05-29,1.1644,4.6168,20745.24,N/A,
2026-05-28,1.1617,4.6212,,185.24,
"""


def read(tmp_path: Path, text: str) -> tuple[FxRates, Quarantine]:
    path = tmp_path / "fx.csv"
    path.write_text(text)
    bad = Quarantine()
    return FxRates(read_fx([str(path)], bad), read_rates(None, bad), dt.date(2026, 5, 31)), bad


def test_euro_reference_rates_are_read_as_they_are_published(tmp_path: Path) -> None:
    rates, bad = read(tmp_path, ECB)
    assert len(bad) == 0
    usd, myr, idr = 1.1644, 4.6168, 20745.24
    assert rates.spot("EUR", "MYR") == myr
    assert rates.spot("USD", "MYR") == pytest.approx(myr / usd)
    assert rates.spot("MYR", "IDR") == pytest.approx(idr / myr)
    assert rates.spot("USD", "EUR") == pytest.approx(1 / usd)
    assert rates.spot("EUR", "IDR", dt.date(2026, 5, 28)) is None
    assert rates.spot("EUR", "JPY") == 185.24, "no quote that day: the day before counts"


#: Source: Board of Governors of the Federal Reserve System, H.10/G.5 (public domain); layout of the monthly table
FED = """Date,Country,Exchange rate
2026-04-01,Malaysia,4.2011
2026-05-01,Malaysia,4.1567
2026-05-01,Euro,0.8588
2026-05-01,Ruritania,12.5
2026-05-01,Thailand,ND
"""


def test_monthly_means_of_the_federal_reserve_are_read_as_they_are_published(tmp_path: Path) -> None:
    """Units per dollar, dated the end of the month they are the mean of, known three days later."""
    rates, bad = read(tmp_path, FED)
    assert rates.spot("USD", "MYR") == 4.1567
    assert rates.spot("USD", "MYR", dt.date(2026, 5, 30)) == 4.2011
    assert rates.spot("EUR", "MYR") == pytest.approx(4.1567 / 0.8588)
    assert bad.frame()[["row", "column", "reason"]].to_numpy().tolist() == [
        [4, "quote", "quote is not valid; use the ISO 4217 code, such as MYR; row rejected"]
    ]
    table = read_fx([str(tmp_path / "fx.csv")], Quarantine())
    assert [str(v)[:10] for v in table["known_at"]] == ["2026-05-03", "2026-06-03", "2026-06-03"]


def test_a_rate_known_before_its_day_is_known_on_it(tmp_path: Path) -> None:
    text = "date,base,quote,rate,known_at\n2026-05-29,USD,MYR,4.2,2026-05-28\n2026-05-28,USD,MYR,4.1,2026-05-30\n"
    _, bad = read(tmp_path, text)
    assert bad.frame()["reason"].tolist() == ["known_at lies before the date; the date is used"]
    table = read_fx([str(tmp_path / "fx.csv")], Quarantine())
    assert [str(v)[:10] for v in table["known_at"]] == ["2026-05-29", "2026-05-30"]


def test_a_quote_turned_round_from_the_first_row_is_set_right(tmp_path: Path) -> None:
    text = "date,base,quote,rate\n2026-05-28,USD,MYR,0.25\n2026-05-29,USD,MYR,0.24\n2026-05-29,IDR,USD,16400\n"
    rates, bad = read(tmp_path, text)
    assert rates.spot("USD", "MYR") == pytest.approx(1 / 0.24)
    assert rates.spot("USD", "IDR") == pytest.approx(16400)
    found = bad.frame()
    assert list(found["action"]) == ["repaired"] * 3
    assert found["reason"].iloc[0] == "the quote is turned round: it is USD per MYR; 1/rate was used"
    assert set(found["value"]) == {"0.25", "0.24", "16400"}


def test_a_rate_of_another_unit_is_rejected(tmp_path: Path) -> None:
    rates, bad = read(tmp_path, "date,base,quote,rate\n2026-05-29,USD,IDR,16.4\n")
    assert rates.spot("USD", "IDR") is None
    assert bad.frame()["reason"].tolist() == [
        "USD/IDR lies outside 5,000 to 40,000 IDR per USD; check its unit; row rejected"
    ]


def test_currencies_near_one_are_not_guessed(tmp_path: Path) -> None:
    rates, bad = read(tmp_path, "date,base,quote,rate\n2026-05-29,USD,EUR,1.16\n")
    assert len(bad) == 0
    assert rates.spot("USD", "EUR") == 1.16


def test_forwards_need_a_tenor_and_two_kinds_of_one_day_may_stand_together(tmp_path: Path) -> None:
    rows = "2026-05-29,USD,MYR,4.20,spot,\n2026-05-29,USD,MYR,4.17,ndf,1\n2026-05-29,USD,MYR,4.18,onshore_fwd,1\n"
    rates, bad = read(tmp_path, f"date,base,quote,rate,kind,tenor_years\n{rows}")
    assert len(bad) == 0
    assert rates.forward("USD", "MYR", 1.0) == pytest.approx(4.18)
