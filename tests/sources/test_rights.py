"""Terms of rights: defaults filled column by column, contradictions and overselling refused; parties."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.config import RightsConfig
from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.rights import RIGHTS_COLUMNS, read_parties, read_rights

REGISTER = pd.DataFrame({"plantation_id": ["B", "007", "C"], "mill_id": ["M2", "M7", ""]})
BASES = "gross_mill_gate, net_of_levies, net_operating"
ROUTES = "mill_direct, controlled_account, sponsor"
DEFAULTS = RightsConfig(share=0.25, tenor_months=48, units=1000)


def read(folder: Path, text: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    quarantine, paths = Quarantine(), None
    if text is not None:
        (folder / "rights.csv").write_text(text)
        paths = [str(folder / "rights.csv")]
    return read_rights(paths, DEFAULTS, REGISTER, quarantine), quarantine.frame()


def test_without_a_file_every_plantation_has_the_default_right(tmp_path: Path) -> None:
    rights, bad = read(tmp_path, None)
    assert bad.empty
    assert list(rights.columns) == [*RIGHTS_COLUMNS, "flags"]
    assert list(rights["plantation_id"]) == ["B", "007", "C"]
    first = rights.iloc[0]
    assert (first["right_id"], first["share"], first["tenor_months"], first["units"]) == ("R1", 0.25, 48, 1000)
    assert (first["base"], first["start_month"], first["pool_id"]) == ("gross_mill_gate", None, "")
    # valuation.md 3.1 and 11: quarterly, one month lag, 20 % first loss, three months reserve, no step
    terms = ["step_up", "payment_lag_months", "frequency_months", "first_loss", "reserve_months", "price_basis"]
    assert [first[t] for t in terms] == [1.0, 1, 3, 0.2, 3.0, "ffb"]
    assert rights[["price_floor", "price_cap", "min_payment", "max_payment", "issue_price"]].isna().all(axis=None)
    assert list(rights["payor_id"]) == ["M2", "M7", ""]
    assert rights["units"].dtype == np.int64
    assert rights["tenor_months"].dtype == np.int64


def test_a_row_overrides_only_the_columns_it_fills(tmp_path: Path) -> None:
    text = (
        "plantation_id,right_id,share,tenor_months,start_month,price_floor,payor_id,pool_id,base\n"
        "007,A,0.5,,2026-09,600,,P1,\n"
        "007,B,,24,,,X,,net_of_levies\n"
    )
    rights, bad = read(tmp_path, text)
    assert bad.empty
    assert list(rights["plantation_id"]) == ["B", "007", "007", "C"]
    a, b = rights.iloc[1], rights.iloc[2]
    assert (a["share"], a["tenor_months"], a["start_month"], a["price_floor"]) == (0.5, 48, "2026-09", 600.0)
    assert (a["payor_id"], a["pool_id"], a["base"]) == ("M7", "P1", "gross_mill_gate")
    assert (b["share"], b["tenor_months"], b["start_month"], b["payor_id"]) == (0.25, 24, None, "X")
    assert b["base"] == "net_of_levies"


@pytest.mark.parametrize(
    ("column", "value", "default", "reason"),
    [
        ("share", "20", 0.25, "share must be at most 1; write a fraction, 0.2 for 20 %; value left out"),
        ("share", "0", 0.25, "share must be greater than 0; write a fraction, 0.2 for 20 %; value left out"),
        ("tenor_months", "0", 48, "tenor_months must be at least 1; value left out"),
        ("tenor_months", "5.5", 48, "tenor_months is not a whole number; value left out"),
        ("units", "0", 1000, "units must be at least 1; value left out"),
        ("base", "net", "gross_mill_gate", f"base is not known; use one of {BASES}; value left out"),
        ("start_month", "June", None, "start_month is not a month; write YYYY-MM; value left out"),
        ("collection_route", "cash", "sponsor", f"collection_route is not known; use one of {ROUTES}; value left out"),
        ("right_id", "A/1", "R1", "right_id must not hold path separators; value left out"),
    ],
)  # fmt: skip
def test_bad_terms_take_the_default_and_are_told(
    tmp_path: Path, column: str, value: str, default: object, reason: str
) -> None:
    rights, bad = read(tmp_path, f"plantation_id,{column}\nB,{value}\n")
    assert rights[column].iloc[0] == default or (default is None and rights[column].iloc[0] is None)
    assert list(bad["reason"]) == [reason]
    assert (bad["row"].iloc[0], bad["value"].iloc[0], bad["plantation_id"].iloc[0]) == (1, value, "B")


def test_floor_above_cap_leaves_out_both(tmp_path: Path) -> None:
    rights, bad = read(tmp_path, "plantation_id,price_floor,price_cap,min_payment,max_payment\nB,900,800,10,20\n")
    assert np.isnan(rights[["price_floor", "price_cap"]].iloc[0].to_numpy(float)).all()
    assert list(rights[["min_payment", "max_payment"]].iloc[0]) == [10.0, 20.0]
    assert set(bad["column"]) == {"price_floor", "price_cap"}
    assert set(bad["reason"]) == {"price_floor 900 lies above price_cap 800; value left out"}


def test_duplicates_unknown_plantations_and_overselling(tmp_path: Path) -> None:
    text = "plantation_id,right_id,share\nB,A,0.6\nB,A,0.1\nB,B,0.5\nB,C,0.4\nZ,A,0.1\n,A,0.1\n"
    rights, bad = read(tmp_path, text)
    assert list(zip(rights["plantation_id"], rights["right_id"], strict=True)) == [
        ("B", "A"), ("B", "C"), ("007", "R1"), ("C", "R1"),
    ]  # fmt: skip
    reasons = dict(zip(bad["row"], bad["reason"], strict=True))
    assert reasons[2].startswith("repeats plantation_id and right_id of row 1 of rights.csv, which stays")
    assert (
        reasons[3]
        == "rights before it take 0.6 of the plantation's revenue; this one takes up to 0.5 and would oversell it; row "
        "rejected"
    )
    assert reasons[5] == "plantation_id is not in the register, or was rejected there; row rejected"
    assert reasons[6] == "plantation_id is missing; row rejected"
    assert set(bad["action"]) == {"rejected"}


def test_a_contract_that_is_rejected_is_not_replaced_by_default_terms(tmp_path: Path) -> None:
    rights, bad = read(tmp_path, "plantation_id,right_id,share,step_up,tenor_months\nB,R1,1.0,1.5,36\n")
    assert set(rights["plantation_id"]) == {"007", "C"}
    assert bad["reason"].tolist() == [
        "rights before it take 0 of the plantation's revenue; this one takes up to 2.25 and would oversell it; row "
        "rejected"
    ]


@settings(max_examples=30, deadline=None)
@given(shares=st.lists(st.tuples(st.sampled_from(["B", "007"]), st.integers(1, 100)), max_size=8))
def test_never_more_than_all_is_sold_and_nobody_is_left_without(
    tmp_path_factory: pytest.TempPathFactory, shares: list[tuple[str, int]]
) -> None:
    rows = [f"{p},R{i},{s / 100}\n" for i, (p, s) in enumerate(shares)]
    rights, bad = read(tmp_path_factory.mktemp("r"), "plantation_id,right_id,share\n" + "".join(rows))
    sold = rights.groupby("plantation_id")["share"].sum()
    assert set(sold.index) == {"B", "007", "C"}
    assert (sold <= 1 + 1e-9).all()
    assert len(rights) + len(bad) == len(shares) + len({"B", "007", "C"} - {p for p, _ in shares})


def test_a_rights_file_without_ids_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rights\.csv: required column 'plantation_id' is missing"):
        read(tmp_path, "plantation,share\nB,0.2\n")


def test_default_terms_follow_the_assumptions(tmp_path: Path) -> None:
    changed = packaged().override({"rights_default.payment_lag_months": 2}, where="test")
    rights = read_rights(None, DEFAULTS, REGISTER, Quarantine(), assumptions=changed)
    assert set(rights["payment_lag_months"]) == {2}


def test_sponsors(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("sponsor_id,name,hazard_per_year,lgd\nS1,One,0.02,60\nS1,Two,0.03,0.5\n,Three,,\n")
    quarantine = Quarantine()
    sponsors = read_parties([str(path)], "sponsors", quarantine)
    assert list(sponsors["sponsor_id"]) == ["S1"]
    assert sponsors["hazard_per_year"].iloc[0] == 0.02
    assert np.isnan(sponsors["lgd"].iloc[0])
    assert [(int(r), c) for r, c in quarantine.frame()[["row", "column"]].itertuples(index=False)] == [
        (1, "lgd"), (2, "sponsor_id"), (3, "sponsor_id"),
    ]  # fmt: skip


def test_mills_with_and_without_places(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('mill_id,capacity_t_h,geometry\nM1,60,POINT (103 2)\nM2,,\nM3,,"POINT (103 200)"\nM4,,nowhere\n')
    quarantine = Quarantine()
    mills = read_parties([str(path)], "mills", quarantine)
    assert list(mills["mill_id"]) == ["M1", "M2", "M3", "M4"]
    assert mills.geometry.iloc[0].equals(Point(103, 2))
    assert [g is None for g in mills.geometry] == [False, True, True, True]
    assert list(quarantine.frame()["action"]) == ["nulled", "nulled"]
    gpd.GeoDataFrame({"mill_id": ["M1"]}, geometry=[Point(103, 2)], crs=4326).to_parquet(tmp_path / "m.parquet")
    again = read_parties([str(tmp_path / "m.parquet")], "mills", Quarantine())
    assert dict(again.dtypes) == dict(mills.dtypes) == dict(read_parties(None, "mills", Quarantine()).dtypes)


def test_a_share_that_steps_up_past_the_whole_revenue_is_oversold(tmp_path: Path) -> None:
    path = tmp_path / "rights.csv"
    path.write_text("plantation_id,right_id,share,step_up,tenor_months\nP1,R1,0.5,1.5,24\nP1,R2,0.5,1.5,60\n")
    bad = Quarantine()
    register = pd.DataFrame({"plantation_id": ["P1"], "mill_id": [""]})
    kept = read_rights([str(path)], RightsConfig(), register, bad)
    # 0.5 x 1.5 = 0.75 in the second year; 0.5 x 1.5^4 = 2.53 in the fifth
    assert kept["right_id"].tolist() == ["R1"]
    assert bad.frame()["row"].tolist() == [2]
    assert "oversell" in bad.frame()["reason"].iloc[0]


def test_rights_one_after_the_other_sell_each_month_once(tmp_path: Path) -> None:
    """All of 2026 and all of 2027 are two rights of the whole revenue; a third over the turn is too much."""
    rows = [
        "B,A,1.0,2026-01,12",
        "B,B,1.0,2027-01,12",
        "B,C,0.2,2026-12,2",  # overlaps both
        "B,D,0.5,2028-01,12",
        "B,E,0.5,2028-06,12",
        "B,F,0.1,2028-12,1",  # D and E hold December 2028
        "B,G,0.5,2029-01,5",
        "C,A,0.6,2026-01,12",
        "C,B,0.5,,12",  # rolls on from whatever the valuation date is
        "C,D,0.4,,12",
    ]
    text = "plantation_id,right_id,share,start_month,tenor_months\n" + "\n".join(rows) + "\n"
    rights, bad = read(tmp_path, text)
    kept = list(zip(rights["plantation_id"], rights["right_id"], strict=True))
    assert kept == [("B", "A"), ("B", "B"), ("B", "D"), ("B", "E"), ("B", "G"), ("007", "R1"), ("C", "A"), ("C", "D")]
    assert bad["row"].tolist() == [3, 6, 9]
    assert bad["reason"].iloc[0] == (
        "rights before it take 1 of the plantation's revenue in 2026-12; this one takes up to 0.2 and would oversell "
        "it; row rejected"
    )


def test_a_term_that_a_default_stands_in_for_marks_its_right_alone(tmp_path: Path) -> None:
    text = "plantation_id,right_id,share,tenor_months\nB,A,0.2,soon\nB,B,0.2,24\nC,R1,20,24\n"
    rights, bad = read(tmp_path, text)
    told = rights.set_index(["plantation_id", "right_id"])["flags"]
    assert told["B", "A"] == told["C", "R1"] == "terms_default"
    assert told["B", "B"] == told["007", "R1"] == ""
    assert set(bad["action"]) == {"nulled"}


def test_floors_and_caps_of_another_currency_are_left_out_and_told(tmp_path: Path) -> None:
    """Ringgit where rupiah are due, a price per kg, and a number no price has been."""
    register = pd.DataFrame(
        {
            "plantation_id": ["M", "I", "S"],
            "country": ["MY", "ID", "MY"],
            "scheme": ["", "", "id_plasma"],
            "mill_id": "",
        }
    )
    path = tmp_path / "rights.csv"
    rows = ["M,A,800,900", "M,B,1e12,", "M,C,0.8,0.9", "I,A,2.9e6,3.3e6", "I,B,800,900", "S,A,2.9e6,", "M,D,2.9e6,"]
    path.write_text("plantation_id,right_id,price_floor,price_cap,share\n" + "\n".join(f"{r},0.1" for r in rows) + "\n")
    bad = Quarantine()
    kept = read_rights([str(path)], RightsConfig(), register, bad).set_index(["plantation_id", "right_id"])
    assert (kept.loc[("M", "A"), "price_floor"], kept.loc[("I", "A"), "price_cap"]) == (800, 3.3e6)
    assert kept.loc[("S", "A"), "price_floor"] == 2.9e6
    left_out = kept.index[kept["flags"] == "terms_default"].tolist()
    assert sorted(left_out) == [("I", "B"), ("M", "B"), ("M", "C"), ("M", "D")]
    assert kept.loc[left_out, ["price_floor", "price_cap"]].isna().all(axis=None)
    assert bad.frame()["reason"].iloc[0] == (
        "price_floor lies outside 50 to 20,000 MYR per t; check currency and unit; value left out"
    )
