"""Physical prices against the futures and exchange rates of their days."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.futures import read_futures
from plantation_rwa.sources.fx import read_fx
from plantation_rwa.sources.market import read_prices

FUTURES = (
    "settle_date,symbol,contract,settle,currency\n2026-01-13,FCPO,2026-03,4080,MYR\n2026-01-20,FCPO,2026-03,4084,MYR\n"
)
FX = "date,base,quote,rate\n2026-01-13,MYR,IDR,4100\n2026-01-13,USD,MYR,4.05\n"
#: Riau and Malaysia at the turn of the year (domain/valuation.md 1.3), per t
GOOD = {"cpo_my": 4030.0, "pk_my": 3000.0, "cpo_id": 14216810.0, "pk_id": 11239120.0, "hr_cpo_usd": 880.03}
CURRENCY = {"cpo_my": "MYR", "pk_my": "MYR", "cpo_id": "IDR", "pk_id": "IDR", "hr_cpo_usd": "USD"}


def read(
    folder: Path, values: dict[str, float], *, futures: str = FUTURES, fx: str = FX, date: str = "2026-01-20"
) -> tuple[list[str], dict[str, str]]:
    """Series that are kept, and why the others are not."""
    for name, text in (("futures", futures), ("fx", fx)):
        (folder / f"{name}.csv").write_text(text)
    lines = [f"{date},{s},{v!r},{CURRENCY[s]},t" for s, v in values.items()]
    (folder / "prices.csv").write_text("date,series,value,currency,unit\n" + "\n".join(lines) + "\n")
    bad = Quarantine()
    settled, rates = read_futures([str(folder / "futures.csv")], bad), read_fx([str(folder / "fx.csv")], bad)
    kept = read_prices([str(folder / "prices.csv")], bad, futures=settled, fx=rates)
    series, found = list(values), bad.frame()
    return kept["series"].tolist(), {series[int(r) - 1]: t for r, t in zip(found["row"], found["reason"], strict=True)}


def test_prices_of_one_market_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == (list(GOOD), {})


@pytest.mark.parametrize("series", ["pk_my", "cpo_id", "pk_id", "hr_cpo_usd"])
@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_four_times_and_a_quarter_of_a_price_are_another_unit(tmp_path: Path, series: str, factor: float) -> None:
    kept, told = read(tmp_path, GOOD | {series: GOOD[series] * factor})
    assert kept == [s for s in GOOD if s != series]
    assert list(told) == [series]
    assert told[series].startswith(f"{series} is ")
    assert told[series].endswith("; check its unit and currency; row rejected")


def test_by_hand(tmp_path: Path) -> None:
    """4 x 14,216,810 over 4,084 MYR at 4,100 IDR: 56,867,240 / 16,744,400 = 3.396."""
    _, told = read(tmp_path, {"cpo_id": 4 * GOOD["cpo_id"]})
    assert told["cpo_id"].startswith(
        "cpo_id is 3.4 times the futures of its days (1.67444e+07 IDR per t), outside 0.3 to"
    )


def test_palm_oil_and_kernel_off_together_are_both_told(tmp_path: Path) -> None:
    both = {s: GOOD[s] * (4 if s in {"cpo_id", "pk_id"} else 1) for s in GOOD if s != "pk_my"}
    assert set(read(tmp_path, both)[1]) == {"cpo_id", "pk_id"}


def test_the_export_ban_of_2022_was_a_market(tmp_path: Path) -> None:
    """Futures fell while the domestic price stood at half of them and the reference price lagged above them."""
    assert read(tmp_path, {"cpo_id": 0.45 * 4084 * 4100, "hr_cpo_usd": 1.6 * 4084 / 4.05})[1] == {}


def test_of_two_markets_that_contradict_each_other_neither_is_believed(tmp_path: Path) -> None:
    """Futures four times too high: the Malaysian price says that nothing is wrong with the Indonesian one."""
    high = FUTURES.replace("4080", "16320").replace("4084", "16336")
    assert read(tmp_path, GOOD, futures=high)[1] == {}


def test_without_anything_to_be_held_against_a_price_is_kept(tmp_path: Path) -> None:
    alone = {"cpo_id": 4 * GOOD["cpo_id"]}
    assert read(tmp_path, alone, fx="date,base,quote,rate\n2026-01-13,EUR,USD,1.1\n")[1] == {}
    assert read(tmp_path, alone, date="2025-06-30")[1] == {}


def test_quotations_known_later_change_no_verdict(tmp_path: Path) -> None:
    later = FX + "2026-01-21,MYR,IDR,8100\n"
    for values in (GOOD, GOOD | {"cpo_id": 4 * GOOD["cpo_id"]}):
        assert read(tmp_path, values, fx=later) == read(tmp_path, values)


def test_the_sample_of_real_prices_since_2019_is_kept() -> None:
    bad, folder = Quarantine(), Path("data/sample/market")
    futures, rates = read_futures([str(folder / "futures.csv")], bad), read_fx([str(folder / "fx.csv")], bad)
    kept = read_prices([str(folder / "prices.csv")], bad, futures=futures, fx=rates)
    assert bad.frame().empty
    assert kept["date"].min() < pd.Timestamp("2020-01-01")
    assert len(kept) > 600
