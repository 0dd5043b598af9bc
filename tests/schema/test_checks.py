"""The border every published table crosses: shape, types, rounding, refusals in words."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.errors import SchemaErrors
from shapely.geometry import Point

from plantation_rwa.errors import SchemaError
from plantation_rwa.schema.checks import _DTYPES, _pandera, _repeated, _sound, check, finalise, rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.schema.tables import TABLES


def curve(**columns: object) -> pd.DataFrame:
    base = {
        "symbol": ["FCPO", "FCPO"],
        "delivery_month": ["2026-07", "2026-06"],
        "forward": [4000.123456, 4100.0],
        "currency": ["MYR", "MYR"],
        "curve_source": ["settlement", "interpolated"],
        "fv_level": [1, 2],
    }
    return pd.DataFrame({**base, **columns})


def feature(**columns: object) -> pd.DataFrame:
    base = {"plantation_id": ["P-1"], "known_at": [dt.date(2026, 6, 3)], "quality_flag": [""]}
    return pd.DataFrame({**base, **columns})


def refusal(frame: pd.DataFrame, name: str) -> str:
    with pytest.raises(SchemaError) as caught:
        finalise(frame, name)
    return str(caught.value)


def test_columns_are_ordered_rows_sorted_values_rounded_nothing_mutated() -> None:
    frame = curve()[["fv_level", "forward", "symbol", "currency", "delivery_month", "curve_source"]]
    before = frame.copy()
    out = finalise(frame, "curves")
    assert list(out.columns) == list(TABLES["curves"].columns)
    assert out["delivery_month"].tolist() == ["2026-06", "2026-07"]
    assert out["forward"].tolist() == [4100.0, 4000.1235]
    assert [str(t) for t in out.dtypes] == ["str", "str", "float64", "str", "str", "Int64", "float64", "object"]
    assert out.index.tolist() == [0, 1]
    pd.testing.assert_frame_equal(frame, before)


def test_columns_of_later_versions_are_added_as_nulls_of_their_type() -> None:
    out = finalise(feature(), "features")
    assert list(out.columns) == list(TABLES["features"].columns)
    assert math.isnan(out["ndvi"].iloc[0])
    assert out["scenes"].isna().iloc[0]
    assert [str(out[c].dtype) for c in ("ndvi", "scenes", "offset_inferred", "plantation_id")] == [
        "float64",
        "Int64",
        "boolean",
        "str",
    ]


def test_finalising_twice_changes_nothing() -> None:
    for frame, name in ((curve(), "curves"), (feature(ndvi=[0.123456789]), "features")):
        once = finalise(frame, name)
        pd.testing.assert_frame_equal(finalise(once, name), once)


@pytest.mark.parametrize("name", list(TABLES))
def test_an_empty_table_keeps_its_types(name: str) -> None:
    empty = finalise(pd.DataFrame(columns=list(TABLES[name].columns)), name)
    assert len(empty) == 0
    assert list(empty.columns) == list(TABLES[name].columns)


def test_rows_of_any_index_are_kept() -> None:
    frame = curve()
    frame.index = pd.Index([7, 7])
    assert finalise(frame, "curves")["forward"].tolist() == [4100.0, 4000.1235]


def test_geometry_stays_with_its_row() -> None:
    frame = gpd.GeoDataFrame(
        {"plantation_id": ["B", "A"], "known_at": dt.date(2026, 6, 3), "quality_flag": ""},
        geometry=[Point(2, 2), Point(1, 1)],
        crs="EPSG:4326",
    )
    out = finalise(frame, "features")
    assert isinstance(out, gpd.GeoDataFrame)
    assert [(i, g.x) for i, g in zip(out["plantation_id"], out.geometry, strict=True)] == [("A", 1.0), ("B", 2.0)]
    assert out.crs.to_epsg() == 4326


def test_infinite_numbers_are_null_and_negative_zero_is_zero() -> None:
    out = finalise(feature(ndvi=[-0.00000001], p_sum_mm=[np.inf]), "features")
    assert math.copysign(1.0, out["ndvi"].iloc[0]) == 1.0
    assert math.isnan(out["p_sum_mm"].iloc[0])


@given(st.floats(-1, 1))
def test_rounding_is_idempotent_and_near(value: float) -> None:
    once = float(rounded(value, FIELDS["ndvi"]))
    assert abs(once - value) <= 0.5e-7 * (1 + 1e-6)
    assert float(rounded(once, FIELDS["ndvi"])) == once


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (dt.date(2026, 6, 3), dt.date(2026, 6, 3)),
        (pd.Timestamp("2026-06-03T23:59"), dt.date(2026, 6, 3)),
        (pd.Timestamp("2026-06-03T23:59", tz="UTC"), dt.date(2026, 6, 3)),
        # half past seven in Jakarta is half past midnight in UTC; half past six is the day before
        (pd.Timestamp("2026-06-03T07:30", tz="Asia/Jakarta"), dt.date(2026, 6, 3)),
        (pd.Timestamp("2026-06-03T06:30", tz="Asia/Jakarta"), dt.date(2026, 6, 2)),
        (np.datetime64("2026-06-03"), dt.date(2026, 6, 3)),
        ("2026-06-03", dt.date(2026, 6, 3)),
    ],
)
def test_dates_are_days_in_utc(value: object, day: dt.date) -> None:
    out = finalise(feature(known_at=pd.Series([value], dtype="object")), "features")["known_at"].iloc[0]
    assert out == day
    assert type(out) is dt.date


def test_a_whole_column_of_instants_becomes_days() -> None:
    column = pd.Series([pd.Timestamp("2026-06-03T20:00", tz="UTC")])
    assert finalise(feature(known_at=column), "features")["known_at"].tolist() == [dt.date(2026, 6, 3)]


def test_wide_integers_stay_exact() -> None:
    assert valuation(unit_nav_int=[333333333333333333333])["unit_nav_int"].tolist() == [333333333333333333333]
    assert valuation(unit_nav_int=[Decimal(10**30)])["unit_nav_int"].tolist() == [10**30]
    for wrong in (1.0e20, Decimal("1.5"), True):
        with pytest.raises(SchemaError, match=r"column 'unit_nav_int' is not decimal: .* is not an exact integer"):
            valuation(unit_nav_int=pd.Series([wrong], dtype="object"))


def valuation(**columns: object) -> pd.DataFrame:
    money = {f"npv_{k}": [1.0] for k in ("fair", "mean_p", "q05", "q10", "q50", "q90", "q95")}
    base = {
        "plantation_id": ["P-1"], "right_id": ["R1"], "currency": ["MYR"], "share": [0.2], "tenor_months": [60],
        "units": [10], "nav_total_int": [100], "decimals": [2], "unit_nav_int": [10**17], "unit_decimals": [18],
        "confidence_grade": ["A"], "quality_flag": [""],
    }  # fmt: skip
    return finalise(pd.DataFrame({**base, **money, **columns}), "valuations")


# --- refusals ----------------------------------------------------------------------------------------------------


def test_unknown_columns_are_named() -> None:
    assert refusal(curve(price=[1, 2], zeta=[1, 2]), "curves") == (
        "table 'curves' breaks its schema: unknown column 'price'; unknown column 'zeta'"
    )


def test_values_outside_bounds_or_lists_are_named_with_their_row() -> None:
    said = refusal(curve(fv_level=[0, 2], curve_source=["guess", "settlement"]), "curves")
    # rows are counted after sorting: the July contract is the second
    assert said == (
        "table 'curves' breaks its schema: "
        "column 'curve_source', check isin(['settlement', 'interpolated', 'extrapolated']), value 'guess', row 1; "
        "column 'fv_level', check greater_than_or_equal_to(1), value 0, row 1"
    )


def test_nulls_in_required_columns_and_repeated_keys_are_refused() -> None:
    assert "column 'forward', check not_nullable, value nan, row 0" in refusal(curve(forward=[1.0, None]), "curves")
    assert "check greater_than_or_equal_to(1), value 0, row 0" in refusal(curve(fv_level=[1, 0]), "curves")
    assert "column 'currency', check not_nullable" in refusal(curve(currency=["MYR", None]), "curves")
    assert "multiple_fields_uniqueness" in refusal(curve(delivery_month=["2026-06", "2026-06"]), "curves")


def test_a_repeated_key_is_allowed_in_quarantine_only() -> None:
    row = {"input": "harvest", "file": "a.csv", "row": 3, "column": "x", "reason": "r", "action": "nulled"}
    assert len(finalise(pd.DataFrame([row, row]), "quarantine")) == 2


def test_all_columns_of_a_wrong_type_are_named_together() -> None:
    said = refusal(curve(forward=["a", "b"], fv_level=[1.5, 2.0]), "curves")
    assert said.startswith("table 'curves' breaks its schema: column 'forward' is not float: ")
    assert "; column 'fv_level' is not int: " in said


def test_dates_of_a_wrong_type_are_named() -> None:
    assert "column 'known_at' is not date: 5 is not a date" in refusal(feature(known_at=[5]), "features")
    assert "column 'known_at' is not date: " in refusal(feature(known_at=["soon"]), "features")
    assert "column 'known_at', check not_nullable" in refusal(feature(known_at=[None]), "features")


def test_long_lists_of_failures_are_cut() -> None:
    many = pd.DataFrame(
        {
            "symbol": "FCPO",
            "delivery_month": [f"{2000 + i}-01" for i in range(30)],
            "forward": 1.0,
            "currency": "MYR",
            "curve_source": "guess",
            "fv_level": 1,
        }
    )
    said = refusal(many, "curves")
    assert said.count("value 'guess'") == 20
    assert said.endswith("; and 10 more")


def test_check_alone_accepts_what_was_finalised() -> None:
    out = finalise(curve(), "curves")
    check(out, "curves")
    with pytest.raises(SchemaError):
        check(out.assign(fv_level=pd.Series([0, 1], dtype="Int64")), "curves")


def test_keys_of_another_type_are_named_whatever_they_hold() -> None:
    """Values that cannot be put in order are no reason to end without saying which column."""
    out = finalise(curve(), "curves")
    out["symbol"] = pd.Series([dt.date(2020, 1, 1), 5], dtype=object)
    with pytest.raises(SchemaError, match="column 'symbol', check dtype"):
        check(out, "curves")


@given(
    st.lists(st.sampled_from(["2026-06", "2026-07", None]), min_size=1, max_size=4),
    st.lists(st.sampled_from([-1.0, 0.0, 4000.0, math.nan]), min_size=4, max_size=4),
    st.lists(st.sampled_from(["settlement", "guess", None]), min_size=4, max_size=4),
    st.sampled_from(["Int64", "float64"]),
)
def test_the_quick_look_passes_what_pandera_passes(
    months: list[str | None], forward: list[float], source: list[str | None], kind: str
) -> None:
    """Nulls, bounds, allowed texts, types and repeated keys; a table of nothing wrong never loads it."""
    n = len(months)
    text = _DTYPES["text"]
    frame = pd.DataFrame(
        {
            "delivery_month": pd.Series(months, dtype=text),
            "forward": forward[:n],
            "curve_source": pd.Series(source[:n], dtype=text),
            "fv_level": pd.Series([1] * n, dtype=kind),
            **{c: pd.Series([v] * n, dtype=text) for c, v in (("symbol", "FCPO"), ("currency", "MYR"))},
        }
    )
    frame = frame.reindex(columns=list(TABLES["curves"].columns))
    for column in set(frame) - {"delivery_month", "forward", "curve_source", "fv_level", "symbol", "currency"}:
        frame[column] = finalise(curve(), "curves")[column].reindex(frame.index)
    try:
        _pandera("curves", "").validate(frame, lazy=True)
        passes = True
    except SchemaErrors:
        passes = False
    spec = TABLES["curves"]
    assert _sound(frame, spec, repeated=_repeated(frame, spec, "")) == passes
