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
