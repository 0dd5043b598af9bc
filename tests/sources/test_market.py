"""Market tables: what each row may hold, units brought to one, and when a row became known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine, known, latest_revision
from plantation_rwa.sources.futures import read_futures
from plantation_rwa.sources.fx import read_fx
from plantation_rwa.sources.market import read_fiscal, read_prices, read_rates

NUMBER = "is not a number; write digits with a decimal point, without separators or units"
Reader = Callable[[list[str], Quarantine], pd.DataFrame]


def read(reader: Reader, path: Path, text: str) -> tuple[pd.DataFrame, dict[int, list[tuple[str, str]]]]:
    path.write_text(text)
    quarantine = Quarantine()
    table = reader([str(path)], quarantine)
    faults: dict[int, list[tuple[str, str]]] = {}
    for row, column, reason in quarantine.frame()[["row", "column", "reason"]].itertuples(index=False):
        faults.setdefault(int(row), []).append((column, reason))
    return table, faults


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_futures(tmp_path: Path) -> None:
    text = (
        "settle_date,symbol,contract,settle,currency,open_interest\n"
        "2026-05-29,fcpo,2026-08,4000.5,myr,1200\n"
        "2026-05-29,FCPO,2026-08,4001,MYR,\n"
        "2026-05-29,FCPO,2026-09,abc,USD,\n"
        "2026-05-29,FKLI,2026-09,4000,MYR,\n"
        "2026-05-29,FCPO,2026-04,4000,MYR,\n"
        "2026-05-29,FCPO,2026-10,0,MYR,\n"
        "2026-05-29,FCPO,Nov-26,4000,MYR,\n"
        "29/05/2026,FCPO,2026-12,4000,MYR,\n"
        "2026-05-29,FCPO,2026-12,4000,MYR,many\n"
    )
    table, faults = read(read_futures, tmp_path / "f.csv", text)
    assert list(table["contract"]) == ["2026-08", "2026-12"]
    assert list(table["settle"]) == [4000.5, 4000.0]
    assert set(table["symbol"]) == {"FCPO"}
    assert set(table["known_at"]) == {utc("2026-05-29")}
    assert table["settle_date"].iloc[0] == pd.Timestamp("2026-05-29")
    assert faults == {
        2: [("contract", "repeats settle_date and symbol and contract of row 1 of f.csv, which stays; row rejected")],
        3: [
            ("currency", "FCPO settles in MYR; row rejected"),
            (
                "settle",
                f"settle {NUMBER}; row rejected",
            ),
        ],
        4: [("symbol", "symbol is not known; use one of FCPO; row rejected")],
        5: [("contract", "contract month lies before the settlement day; row rejected")],
        6: [("settle", "settle must be greater than 0; row rejected")],
        7: [("contract", "contract is not a month; write YYYY-MM; row rejected")],
        8: [("settle_date", "settle_date is not a date; write YYYY-MM-DD; row rejected")],
        9: [("open_interest", f"open_interest {NUMBER}; value left out")],
    }


def test_text_in_settle_is_told_from_its_day_on(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("settle_date,symbol,contract,settle,currency\n2026-05-29,FCPO,2026-08,n.a.,MYR\n")
    quarantine = Quarantine()
    read_futures([str(path)], quarantine)
    assert quarantine.frame(utc("2026-05-28")).empty
    assert list(quarantine.frame(utc("2026-05-29"))["value"]) == ["n.a."]


def prices(paths: list[str], quarantine: Quarantine) -> pd.DataFrame:
    return read_prices(paths, quarantine, 10)


def test_price_units_come_to_currency_per_tonne(tmp_path: Path) -> None:
    # Riau, swadaya 15-21 May 2024: CPO 12,179.21 IDR/kg, PK 7,478.17 IDR/kg, K 92.44 %, shell 24.38 IDR/kg
    text = (
        "date,month,series,value,currency,unit,region\n"
        "2024-05-15,,cpo_id,12179.21,IDR,IDR/kg,Riau\n"
        "2024-05-15,,pk_id,7478.17,,IDR / kg,Riau\n"
        "2024-05-15,,k_id,92.44,,%,Riau\n"
        "2024-05-15,,shell_id,24.38,IDR,kg,Riau\n"
        ",2024-04,cpo_my,4100,MYR,MYR/t,\n"
        ",2024-04,pk_my,2500,MYR,per t,\n"
        ",2024-04,hr_cpo_usd,857.62,usd,USD/MT,\n"
    )
    table, faults = read(prices, tmp_path / "p.csv", text)
    assert faults == {}
    assert table["value"].to_numpy() == pytest.approx(
        [12_179_210, 7_478_170, 0.9244, 24_380, 4100, 2500, 857.62], rel=1e-12
    )
    assert list(table["currency"]) == ["IDR", "IDR", "", "IDR", "MYR", "MYR", "USD"]
    assert list(table["unit"]) == ["t", "t", "1", "t", "t", "t", "t"]
    assert list(table["frequency"]) == ["day"] * 4 + ["month"] * 3
    assert list(table["date"].iloc[[0, 4]]) == [pd.Timestamp("2024-05-15"), pd.Timestamp("2024-04-30")]
    assert list(table["month"].iloc[[0, 4]]) == ["2024-05", "2024-04"]
    assert list(table["known_at"].iloc[[0, 4]]) == [utc("2024-05-15"), utc("2024-05-10")]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("2024-05-15,,cpo_my,4000,USD,MYR/t", "unit", "unit and currency contradict each other (MYR against USD)"),
        ("2024-05-15,,cpo_my,4000,USD,t", "unit", "cpo_my is quoted in MYR, not USD"),
        ("2024-05-15,,hr_cpo_usd,14000,IDR,IDR/kg", "unit", "hr_cpo_usd is quoted in USD, not IDR"),
        ("2024-05-15,,cpo_my,4000,,barrel", "unit", "unit is not known; write MYR/t or MYR/kg"),
        ("2024-05-15,,cpo_my,4000,,", "unit", "unit is missing"),
        ("2024-05-15,,k_id,92.4,,1", "value", "K must lie above 0 and at most 1"),
        ("2024-05-15,,k_id,0.92,,IDR/kg", "unit", "unit of k_id must be fraction or %"),
        ("2024-05-15,,cpo_my,0,,MYR/t", "value", "a price must be greater than 0"),
        ("2024-05-15,,soy_oil,900,,USD/t", "series", "series is not known; use one of cpo_my, pk_my"),
        (",,cpo_my,4000,,MYR/t", "date", "neither date nor month is given"),
        ("2024-05-15,2024-04,cpo_my,4000,,MYR/t", "month", "month is not the month of date"),
    ],
)
def test_prices_that_are_refused(tmp_path: Path, row: str, column: str, reason: str) -> None:
    good = "2024-05-15,,shell_id,0,IDR,IDR/kg"
    table, faults = read(prices, tmp_path / "p.csv", f"date,month,series,value,currency,unit\n{row}\n{good}\n")
    assert list(table["series"]) == ["shell_id"]
    assert list(faults) == [1]
    assert [c for c, _ in faults[1]] == [column]
    assert faults[1][0][1].startswith(reason)
    assert faults[1][0][1].endswith("row rejected")


def test_price_revisions_and_early_known_at(tmp_path: Path) -> None:
    text = (
        "month,series,value,unit,known_at\n"
        "2026-04,cpo_my,4000,MYR/t,\n"
        "2026-04,cpo_my,4005,MYR/t,\n"
        "2026-04,cpo_my,4010,MYR/t,2026-06-10\n"
        "2026-04,pk_my,2500,MYR/t,2026-04-20\n"
        "2026-04,hr_cpo_usd,900,USD/t,2026-03-31\n"
    )
    table, faults = read(prices, tmp_path / "p.csv", text)
    assert list(table["value"]) == [4000.0, 4010.0, 2500.0, 900.0]
    assert list(faults) == [2, 4]
    assert faults[4][0][1].startswith("known_at lies before the date or the end of the month")
    # a reference price is announced before its month; an average cannot be known before it is over
    assert list(table["known_at"].iloc[2:]) == [utc("2026-05-10"), utc("2026-03-31")]
    keys = ["series", "region", "currency", "date"]
    now = latest_revision(known(table, utc("2026-05-31")), keys).set_index("series")["value"]
    later = latest_revision(known(table, utc("2026-06-10")), keys).set_index("series")["value"]
    assert (now["cpo_my"], later["cpo_my"]) == (4000.0, 4010.0)


def test_prices_without_any_date_column_stop_the_run(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("series,value,unit\ncpo_my,4000,MYR/t\n")
    with pytest.raises(SourceError, match=r"p\.csv: has none of the columns date, month"):
        read_prices([str(tmp_path / "p.csv")], Quarantine(), 10)


def test_monthly_lag_has_a_packaged_default(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("month,series,value,unit\n2026-04,cpo_my,4000,MYR/t\n")
    assert read_prices([str(tmp_path / "p.csv")], Quarantine())["known_at"].iloc[0] == utc("2026-05-10")


def test_fx(tmp_path: Path) -> None:
    text = (
        "date,base,quote,rate,kind,tenor_years\n"
        "2026-05-29,usd,MYR,4.25,,\n"
        "2026-05-29,USD,MYR,4.26,spot,\n"
        "2026-05-29,USD,MYR,4.27,NDF,0.25\n"
        "2026-05-29,MYR,MYR,1,,\n"
        "2026-05-29,USD,IDR,-16000,,\n"
        "2026-05-29,US,IDR,16000,,\n"
        "2026-05-29,USD,IDR,16000,forward,\n"
        "2026-05-29,USD,IDR,16000,ndf,\n"
        "2026-05-29,USD,IDR,16100,spot,1\n"
    )
    table, faults = read(read_fx, tmp_path / "x.csv", text)
    assert list(zip(table["base"], table["quote"], table["rate"], table["kind"], strict=True)) == [
        ("USD", "MYR", 4.25, "spot"),
        ("USD", "MYR", 4.27, "ndf"),
        ("USD", "IDR", 16100.0, "spot"),
    ]
    assert table["tenor_years"].tolist() == pytest.approx([np.nan, 0.25, np.nan], nan_ok=True)
    assert faults[2][0][1].startswith("repeats date and base and quote and kind and tenor_years of row 1")
    assert faults[4] == [("quote", "base and quote are the same currency; row rejected")]
    assert faults[5] == [("rate", "rate must be greater than 0; row rejected")]
    assert faults[6] == [("base", "base is not valid; use the ISO 4217 code, such as MYR; row rejected")]
    assert faults[7][0] == ("kind", "kind is not known; use one of spot, onshore_fwd, ndf; row rejected")
    assert faults[8] == [("tenor_years", "a forward rate needs tenor_years; row rejected")]
    assert set(table["known_at"]) == {utc("2026-05-29")}


def test_rates(tmp_path: Path) -> None:
    text = (
        "date,currency,tenor_years,zero_rate\n"
        "2026-05-29,MYR,1,0.0305\n2026-05-29,MYR,1.0,0.031\n2026-05-29,MYR,2,3.12\n2026-05-29,MYR,0,0.03\n"
    )
    table, faults = read(read_rates, tmp_path / "z.csv", text)
    assert list(table["zero_rate"]) == [0.0305]
    assert faults[2][0][1].startswith("repeats date and currency and tenor_years of row 1")
    assert faults[3] == [
        ("zero_rate", "zero_rate must be at most 0.5; write a fraction, 0.0305 for 3.05 %; row rejected")
    ]
    assert faults[4] == [("tenor_years", "tenor_years must be greater than 0; row rejected")]


@pytest.mark.parametrize(("currency", "rate", "kept"), [
    ("MYR", 0.0305, True), ("MYR", 0.49, False), ("MYR", 0.13, False), ("IDR", 0.20, True), ("IDR", 0.49, False),
    ("USD", -0.005, True), ("GHS", 0.35, True), ("GHS", 0.45, False),
])  # fmt: skip
def test_a_percentage_below_one_is_no_zero_rate(tmp_path: Path, currency: str, rate: float, kept: bool) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"date,currency,tenor_years,zero_rate\n2026-01-30,{currency},1,{rate}\n")
    bad = Quarantine()
    assert len(read_rates([str(path)], bad)) == kept
    if not kept:
        assert "write a fraction, 0.0305 for 3.05 %" in bad.frame()["reason"].iloc[0]


def test_rates_of_other_day_counts_give_their_own_discount_factors(tmp_path: Path) -> None:
    text = (
        "date,currency,tenor_years,zero_rate,day_count\n"
        "2026-05-29,USD,1,0.0360,ACT/360\n2026-05-29,USD,2,0.0360,act/365f\n2026-05-29,USD,3,0.0360,\n"
        "2027-12-31,USD,1,0.0360,ACT/ACT\n2026-05-29,USD,0.25,0.036,30/360\n2026-05-29,USD,5,0.0360,ACT/252\n"
    )
    table, faults = read(read_rates, tmp_path / "z.csv", text)
    # 365 days over 360, over themselves, in a leap year over 366; 90 of 360 against 92 of 365
    assert table["zero_rate"].tolist() == pytest.approx(
        [0.0365, 0.036, 0.036, 0.036 * (1 / 365 + 365 / 366) / (366 / 365), 0.036 * 0.25 / (92 / 365)]
    )
    assert list(table.columns) == ["date", "currency", "tenor_years", "zero_rate", "known_at"]
    assert faults[6] == [
        ("day_count",
         "day count is not known; use one of ACT/365F, ACT/360, ACT/ACT, 30/360, or none for the first; row rejected")
    ]  # fmt: skip


def test_fiscal_file_of_the_user(tmp_path: Path) -> None:
    text = (
        "schedule,jurisdiction,effective_from,effective_to,key,value,unit,source,known_at\n"
        "cess,MY,2021-03-01,,,16,MYR/t,MPOB,2021-02-15\n"
        "cess,MY,2010-01-01,2021-02-28,,14,MYR/t,MPOB,\n"
        "cess,MY,2010-01-01,2021-02-28,,15,MYR/t,MPOB,\n"
        "cess,MY,2009-01-01,2008-01-01,,13,MYR/t,MPOB,\n"
        "cess,MY,2008-01-01,,,12,MYR/t,,\n"
    )
    table, faults = read(read_fiscal, tmp_path / "t.csv", text)
    assert list(table["value"]) == [16.0, 14.0]
    assert list(table["known_at"]) == [utc("2021-02-15"), utc("2010-01-01")]
    assert pd.isna(table["effective_to"].iloc[0])
    assert sorted(faults) == [3, 4, 5]
    assert faults[4] == [("effective_to", "effective_to lies before effective_from; row rejected")]
    assert faults[5] == [("source", "source is missing; row rejected")]


def test_shares_and_bands_of_a_fiscal_file(tmp_path: Path) -> None:
    text = (
        "schedule,jurisdiction,effective_from,key,value,unit,source\n"
        "sales_tax,MY-SABAH,2020-01-01,cpo,7.5,fraction,ministry\n"
        "Sales_Tax,MY-SABAH,2021-01-01,cpo,7.5,%,ministry\n"
        "export_duty,MY,2020-01-01,<=2250,3,fraction,customs\n"
        "export_duty,ID,2020-01-01,<= 680,3,USD/t,customs\n"
        "export_duty,ID,2020-01-01,below 680,3,USD/t,customs\n"
        "cess,MY,2020-01-01,cpo,-16,MYR/t,MPOB\n"
        "windfall_levy,MY,2020-01-01,rate,3,fraction,MPOB\n"
    )
    table, faults = read(read_fiscal, tmp_path / "t.csv", text)
    assert list(zip(table["schedule"], table["value"], strict=True)) == [("sales_tax", 0.075), ("export_duty", 3.0)]
    share = ("value", "a share lies between 0 and 1; write 0.075 for 7.5 %, or unit %; row rejected")
    assert faults == {
        1: [share],
        3: [share],
        5: [("key", "a band of export_duty is written <=680 or >1430; row rejected")],
        6: [("value", "value must be at least 0; row rejected")],
        7: [share],
    }


def test_the_packaged_fiscal_file_has_no_bad_row() -> None:
    quarantine = Quarantine()
    table = read_fiscal(None, quarantine)
    assert len(quarantine) == 0
    assert {"export_duty", "sales_tax", "cess"} <= set(table["schedule"])
    assert np.isfinite(table["value"]).all()


@pytest.mark.parametrize("reader", [read_futures, read_prices, read_fx, read_rates])
def test_nothing_configured_gives_typed_empty_tables(reader: Callable[..., pd.DataFrame]) -> None:
    table = reader(None, Quarantine())
    assert len(table) == 0
    assert str(table["known_at"].dtype) == "datetime64[us, UTC]"


def test_a_jump_of_a_currency_nothing_is_known_of_is_rejected_by_what_was_known_before(tmp_path: Path) -> None:
    path = tmp_path / "fx.csv"
    path.write_text(
        "date,base,quote,rate\n2026-01-02,MYR,ZMW,4000\n2026-01-03,MYR,ZMW,0.00025\n2026-01-04,MYR,ZMW,4100\n"
        "2026-01-05,MYR,ZMW,41\n"
    )
    bad = Quarantine()
    kept = read_fx([str(path)], bad)
    assert kept["rate"].tolist() == [4000.0, 4100.0]
    rows = bad.frame()
    assert rows["row"].tolist() == [2, 4]
    assert rows["reason"].str.contains("turned round, or in another unit").all()
