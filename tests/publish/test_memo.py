"""The credit memo: what it says equals the row it is about, whatever is missing, and it travels alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.publish.report.memo import memo_name, render_memo
from plantation_rwa.publish.report.summary import render_summary, write_memos
from plantation_rwa.publish.report.view import gather
from plantation_rwa.schema.flags import FLAGS
from tests.publish.portfolio import summary

TERMS: dict[str, Any] = {
    "base": "net_of_levies", "start_month": "2026-06", "frequency_months": 3, "payment_lag_months": 1,
    "price_floor": 700.0, "price_cap": None, "price_basis": "ffb", "min_payment": None, "max_payment": 90_000.0,
    "issue_price": 240_000.0, "payor_id": "MILL-7", "collection_route": "sponsor",
}  # fmt: skip
RISK: dict[str, Any] = {
    "npv_fair": 250_000.0, "npv_q05": 180_000.0, "npv_q95": 330_000.0, "npv_q50": 255_000.0, "es95": 91_000.0,
    "advance_rate": 0.62, "prob_loss": 0.123, "npv_mc_se": 812.0, "wal_years": 2.6, "elasticity_cpo": 1.31,
    "elasticity_yield": 1.0, "elasticity_discount": -0.024, "stress_gfc2008": 150_000.0, "stress_credit": 90_000.0,
    "breakeven_price": 3871.0, "share_npv_extrapolated": 0.44, "overlap_max_frac": 0.02, "eudr_screen": "not_checked",
    "data_age_days_max": 31, "quality_flag": "no_sensors;simulated", "confidence_grade": "B",
}  # fmt: skip


def visible(page: str) -> str:
    """Text of the body, one space between words."""
    body = re.sub(r"<(style|svg).*?</\1>", " ", page.split("<body>")[1], flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("&nbsp;", " ")).strip()


def memo(**changes: Any) -> str:
    data = summary(8)
    plantation = gather(data).plantations[0]
    return render_memo(data, plantation, plantation.values.to_dict("records")[0] | TERMS | RISK | changes)


def test_every_number_is_that_of_the_row() -> None:
    text = visible(memo())
    for words in (
        "20.00 % of mill-gate revenue less levies from fresh fruit bunches for 60 months from 2026-06",
        "paid every 3 months, a month after the period ends",
        "price floor 700 per t of fruit bunches",
        "at most 90,000 a period",
        "payor MILL-7",
        "the sponsor collects and pays on",
        "Fair value 250,000 MYR B",
        "Real-world value, 90 % 180,000 to 330,000 MYR",
        "Worst twentieth, mean loss 91,000 MYR",
        "Can be advanced 62.0 % of fair value",
        "Asked 240,000 MYR; worth less on 12.3 % of paths",
        "± 812 MYR (one standard error)",
        "Real-world value, 80 % 195,000 to 327,500 MYR",
        "If (step of 10 %) Fair value palm oil 10 % cheaper −13.1 % harvest 10 % smaller −10.0 %",
        "If (step of 1 point) Fair value discount rate 1 point higher −2.4 %",
        "worth its price while palm oil averages 3,871 per t",
        "largest overlap with another plantation 2.0 % of the smaller",
        "deforestation screening: not checked",
        "prices behind 44 % of the value",
        FLAGS["no_sensors"],
        "plantation-rwa prove OUT",
    ):
        assert words in text, words


def test_stresses_are_drawn_from_the_worst_with_their_change() -> None:
    drawn = re.findall(r"<text[^>]*>([^<]+)</text>", memo().split("What would break it")[1].split("</svg>")[0])
    assert drawn == ["sponsor fails", "−64 %", "price fall of 2008", "−40 %", "today 250,000 MYR"]


def test_a_right_without_a_value_says_so_and_shows_no_number() -> None:
    nothing = dict.fromkeys([*(k for k in RISK if k not in {"quality_flag", "confidence_grade"}), "issue_price"])
    text = visible(memo(**nothing, quality_flag="no_price", confidence_grade="D"))
    assert "No value could be computed" in text
    assert FLAGS["no_price"] in text
    assert "no check for overlap with other land claims" in text
    assert "nan" not in text.lower().split()
    assert "None" not in text


def test_backtests_are_shown_where_there_are_some_and_asked_for_elsewhere() -> None:
    assert "plantation-rwa backtest CONFIG --value makes one" in visible(memo())
    data = summary(8)
    track = pd.DataFrame(
        [("yield, 1 to 12 months: skill", 0.41, 0.32, 0.5, 120)], columns=["what", "value", "lo", "hi", "n"]
    )
    plantation = gather(data).plantations[0]
    record = plantation.values.to_dict("records")[0] | TERMS | RISK
    text = visible(render_memo(type(data)(**{**vars(data), "track": track}), plantation, record))
    assert "yield, 1 to 12 months: skill 0.41 0.32 to 0.50 120" in text


def test_hostile_names_stay_text_and_files_stay_in_their_folder(tmp_path: Path) -> None:
    evil = "../../<script>alert(1)</script>\u202e"
    data = summary(8)
    frame = data.valuations.copy()
    frame.loc[0, "right_id"] = evil
    spoiled = type(data)(**{**vars(data), "valuations": frame})
    written = write_memos(tmp_path / "memos", spoiled)
    assert {p.name for p in (tmp_path / "memos").iterdir()} == {w.path for w in written}
    assert list(tmp_path.iterdir()) == [tmp_path / "memos"]
    page = (tmp_path / "memos" / memo_name(str(frame.loc[0, "plantation_id"]), evil)).read_text("utf-8")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page.replace("&#x27;", "'")


@pytest.mark.parametrize("pair", [("A", "R1"), ("A_R", "1"), ("A/R", "1"), ("A R", "1"), ("\u6cb9\u68d5", "R1")])
def test_names_are_distinct_and_safe(pair: tuple[str, str]) -> None:
    others = {("A", "R1"), ("A_R", "1"), ("A/R", "1"), ("A R", "1"), ("\u6cb9\u68d5", "R1")} - {pair}
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.html", memo_name(*pair))
    assert memo_name(*pair) not in {memo_name(*o) for o in others}


def test_the_report_links_every_memo(tmp_path: Path) -> None:
    data = summary(8)
    links = set(re.findall(r'href="memos/([^"]+)"', render_summary(data)))
    assert links == {w.path for w in write_memos(tmp_path, data)}
    assert links
