"""Generic table reading: cells, whole-file faults, row numbers, independence of rows from one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.tables import ColumnSpec, empty_table, read_sheet, read_table

SPEC = {
    "plantation_id": ColumnSpec("id", required=True),
    "month": ColumnSpec("month", required=True),
    "ffb_t": ColumnSpec("float", required=True, lower=0.0),
    "bunches": ColumnSpec("int"),
    "source": ColumnSpec("choice", values=("estate", "mill")),
    "day": ColumnSpec("date"),
    "is_peat": ColumnSpec("bool"),
    "note": ColumnSpec("text"),
    "known_at": ColumnSpec("instant"),
}


def read(path: Path, text: str | bytes, quarantine: Quarantine | None = None) -> pd.DataFrame:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(
        [str(path)], input="harvest", columns=SPEC, quarantine=Quarantine() if quarantine is None else quarantine
    )


def faults(quarantine: Quarantine) -> list[tuple[object, str, str, str]]:
    frame = quarantine.frame()
    return [
        (None if pd.isna(r) else int(r), c, v, a)
        for r, c, v, a in zip(frame["row"], frame["column"], frame["value"], frame["action"], strict=True)
    ]


def test_values_and_types(tmp_path: Path) -> None:
    text = (
        "plantation_id,month,ffb_t,bunches,source,day,is_peat,note,known_at\n"
        " 007 ,2026-04,+1.5e2,12,MILL,2026-04-30,yes,  two  words ,2026-05-10T08:00:00+08:00\n"
        "NA,2026-05-01,.5,,,,,,2026-06-10\n"
    )
    table = read(tmp_path / "a.csv", text)
    first, second = table.iloc[0], table.iloc[1]
    assert (first["plantation_id"], first["month"], first["ffb_t"], first["bunches"]) == ("007", "2026-04", 150.0, 12.0)
    assert (first["source"], first["note"], bool(first["is_peat"])) == ("mill", "two words", True)
    assert first["day"] == pd.Timestamp("2026-04-30")
    assert first["known_at"] == pd.Timestamp("2026-05-10", tz="UTC")
    # 'NA' is an id here, not a missing value; a first-of-month date stands for its month
    assert (second["plantation_id"], second["month"], second["source"]) == ("NA", "2026-05", "")
    assert np.isnan(second["bunches"])
    assert pd.isna(second["day"])
    assert list(table["_row"]) == [1, 2]
    assert set(table["_file"]) == {"a.csv"}
    kinds = {k: str(v) for k, v in table.dtypes.items()}
    assert kinds["known_at"] == "datetime64[us, UTC]"
    assert kinds["day"] == "datetime64[us]"
    assert kinds["plantation_id"] == "str"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("ffb_t", "abc", "ffb_t is not a number; write digits with a decimal point, without separators or units"),
        ("ffb_t", "1,234.5", "ffb_t is not a number"),
        ("ffb_t", "1_000", "ffb_t is not a number"),
        ("ffb_t", "0x10", "ffb_t is not a number"),
        ("ffb_t", "inf", "ffb_t is not a number"),
        ("ffb_t", "1e999", "ffb_t is not a number"),
        ("ffb_t", "-1", "ffb_t must be at least 0"),
        ("ffb_t", "", "ffb_t is missing"),
        ("ffb_t", "NaN", "ffb_t is missing"),
        ("month", "2026-13", "month is not a month; write YYYY-MM"),
        ("month", "05/2026", "month is not a month; write YYYY-MM"),
        ("month", "2026-05-17", "month is not a month; write YYYY-MM"),
        ("month", "0001-01", "month lies outside the years 1900 to 2200"),
        ("plantation_id", "A/B", "plantation_id must not hold path separators"),
        ("plantation_id", "A\\B", "plantation_id must not hold path separators"),
        ("plantation_id", "..", "plantation_id must not hold path separators"),
        ("plantation_id", "A\tB", "plantation_id must not hold control characters"),
        ("plantation_id", "x" * 201, "plantation_id is longer than 200 characters"),
        ("plantation_id", "   ", "plantation_id is missing"),
    ],
)
def test_bad_required_value_rejects_the_row(tmp_path: Path, column: str, value: str, reason: str) -> None:
    row = {"plantation_id": "A", "month": "2026-05", "ffb_t": "1"} | {column: value}
    quarantine = Quarantine()
    text = "plantation_id,month,ffb_t\n" + ",".join(f'"{v}"' for v in row.values()) + "\nB,2026-05,2\n"
    table = read(tmp_path / "a.csv", text, quarantine)
    assert list(table["plantation_id"]) == ["B"]
    entry = quarantine.frame().iloc[0]
    assert len(quarantine) == 1
    assert entry["reason"].startswith(reason)
    assert entry["reason"].endswith("; row rejected")
    assert (entry["row"], entry["column"], entry["action"]) == (1, column, "rejected")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("bunches", "1.5", "bunches is not a whole number"),
        ("source", "dealer", "source is not known; use one of estate, mill"),
        ("day", "31/05/2026", "day is not a date; write YYYY-MM-DD"),
        ("day", "2026-02-30", "day is not a day of the calendar"),
        ("day", "2026-05-31 16:00", "day is not a date; write YYYY-MM-DD"),
        ("is_peat", "maybe", "is_peat is not true or false"),
        ("known_at", "soon", "known_at is not a date or time"),
        ("known_at", "2026-05-10T25:00:00Z", "known_at is not a day and time of the calendar"),
    ],
)
def test_bad_optional_value_is_left_out(tmp_path: Path, column: str, value: str, reason: str) -> None:
    quarantine = Quarantine()
    table = read(tmp_path / "a.csv", f"plantation_id,month,ffb_t,{column}\nA,2026-05,1,{value}\n", quarantine)
    assert len(table) == 1
    assert table[column].iloc[0] in ("", False) or pd.isna(table[column].iloc[0])
    entry = quarantine.frame().iloc[0]
    assert (entry["value"], entry["action"]) == (value, "nulled")
    assert entry["reason"] == f"{reason}; value left out" or entry["reason"].startswith(reason)


def test_every_bad_column_of_a_row_is_reported(tmp_path: Path) -> None:
    quarantine = Quarantine()
    read(tmp_path / "a.csv", "plantation_id,month,ffb_t,source\n,2026-13,x,dealer\n", quarantine)
    assert faults(quarantine) == [
        (1, "ffb_t", "x", "rejected"),
        (1, "month", "2026-13", "rejected"),
        (1, "plantation_id", "", "rejected"),
        (1, "source", "dealer", "nulled"),
    ]


def test_rows_keep_their_number_past_blank_lines_and_broken_rows(tmp_path: Path) -> None:
    quarantine = Quarantine()
    rows = ["A,2026-05,1", "", "B,2026-05,2,9", "C,2026-05", '"D\nE",2026-05,1', "F,2026-05,x"]
    text = "\r\n".join(["plantation_id,month,ffb_t", *rows]) + "\r\n"
    table = read(tmp_path / "a.csv", text, quarantine)
    assert list(zip(table["plantation_id"], table["_row"], strict=True)) == [("A", 1)]
    assert [(r, c) for r, c, _, _ in faults(quarantine)] == [(2, ""), (3, ""), (4, "plantation_id"), (5, "ffb_t")]
    assert "the row has 4 fields where the header has 3" in quarantine.frame()["reason"].iloc[0]


def test_bom_and_header_case_are_accepted_and_a_near_miss_is_told(tmp_path: Path) -> None:
    quarantine = Quarantine()
    table = read(
        tmp_path / "a.csv", "\ufeffPlantation_ID, Month ,FFB_T,known_att\nA,2026-05,1,2026-06-01\n", quarantine
    )
    assert list(table["plantation_id"]) == ["A"]
    assert pd.isna(table["known_at"].iloc[0])
    assert "rename it 'known_at'" in quarantine.frame()["reason"].iloc[0]


def test_a_cell_that_is_not_utf8_harms_only_itself(tmp_path: Path) -> None:
    quarantine = Quarantine()
    table = read(
        tmp_path / "a.csv", b"plantation_id,month,ffb_t,note\nA,2026-05,1,caf\xe9\nB,2026-05,2,ok\n", quarantine
    )
    assert list(table["note"]) == ["", "ok"]
    assert "is not valid UTF-8" in quarantine.frame()["reason"].iloc[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv: is empty"),
        ("a.csv", "plantation_id,month,ffb_t\n".encode("utf-16"), "a.csv: is not UTF-8 text"),
        ("a.csv", b"plantation_id,moonth,ffb_t\n", "required column 'month' is missing. Did you mean 'moonth'?"),
        ("a.csv", b"plantation_id;month;ffb_t\n", "separates its fields by ';'"),
        ("a.csv", b"plantation_id,month,Month,ffb_t,FFB_T,ffb_t\n", "column 'ffb_t' occurs more than once"),
        ("a.parquet", b"PAR1 not really", "a.parquet: is not a readable Parquet file"),
        ("a.xlsx", b"PK", "a.xlsx: harvest must be a CSV or Parquet file (got .xlsx)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read_table([str(path)], input="harvest", columns=SPEC, quarantine=Quarantine())
    assert message in str(caught.value)
    assert str(tmp_path) not in str(caught.value).replace(str(path), "")


def test_all_unreadable_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.csv").write_text("x\n1\n")
    paths = [str(tmp_path / n) for n in ("a.csv", "b.csv", "c.csv")]
    with pytest.raises(SourceError) as caught:
        read_table(paths, input="harvest", columns=SPEC, quarantine=Quarantine())
    assert [p.where for p in caught.value.problems] == ["a.csv", "c.csv", "b.csv", "b.csv", "b.csv"]


def test_a_header_without_rows_and_no_file_give_the_same_types(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "plantation_id,month,ffb_t\n")
    none = read_table(None, input="harvest", columns=SPEC, quarantine=Quarantine())
    assert len(table) == len(none) == 0
    assert dict(table.dtypes) == dict(none.dtypes) == dict(empty_table(SPEC).dtypes)


def test_parquet_types_give_what_csv_gives(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "plantation_id": pd.array([7, 8, None], dtype="Int64").astype("float64"),
            "month": pd.to_datetime(["2026-04-01", "2026-05-01", "2026-05-01"]),
            "ffb_t": [1.5, np.nan, 2.0],
            "bunches": pd.array([3, None, 4], dtype="Int64"),
            "source": pd.Categorical(["mill", None, "estate"]),
            "day": pd.to_datetime(["2026-04-30", None, None]).date,
            "is_peat": pd.array([False, None, True], dtype="boolean"),
            "known_at": pd.to_datetime(["2026-05-10 08:00"] * 3).tz_localize("Asia/Kuala_Lumpur"),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    quarantine = Quarantine()
    table = read_table([str(tmp_path / "a.parquet")], input="x", columns=SPEC, quarantine=quarantine)
    assert list(table["plantation_id"]) == ["7"]
    assert (table["month"].iloc[0], table["bunches"].iloc[0], table["source"].iloc[0]) == ("2026-04", 3.0, "mill")
    assert table["known_at"].iloc[0] == pd.Timestamp("2026-05-10", tz="UTC")
    assert faults(quarantine) == [(2, "ffb_t", "", "rejected"), (3, "plantation_id", "", "rejected")]


def test_numbers_and_booleans_in_the_wrong_parquet_column(tmp_path: Path) -> None:
    pd.DataFrame({"plantation_id": ["A"], "month": ["2026-05"], "ffb_t": [True], "known_at": [5]}).to_parquet(
        tmp_path / "a.parquet"
    )
    quarantine = Quarantine()
    read_table([str(tmp_path / "a.parquet")], input="x", columns=SPEC, quarantine=quarantine)
    assert faults(quarantine) == [(1, "ffb_t", "true", "rejected"), (1, "known_at", "5", "nulled")]


def test_known_at_reaches_the_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("plantation_id,month,ffb_t,day\nA,2026-05,x,2026-06-10\nB,2026-05,x,never\n")
    quarantine = Quarantine()
    read_table(
        [str(path)],
        input="harvest",
        columns=SPEC,
        quarantine=quarantine,
        known_at=lambda f: f["day"].dt.tz_localize("UTC"),
    )
    early = quarantine.frame(pd.Timestamp("2026-06-09", tz="UTC"))
    late = quarantine.frame(pd.Timestamp("2026-06-10", tz="UTC"))
    # row 2 never says when it became known, so it is always seen
    assert list(early["row"]) == [2, 2]
    assert list(late["row"]) == [1, 2, 2]
    assert list(late["plantation_id"]) == ["A", "B", "B"]


def test_duplicates_are_judged_among_accepted_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("plantation_id,month,ffb_t\nA,2026-05,x\nA,2026-05,1\nA,2026-05,2\nA,2026-06,3\n")
    quarantine = Quarantine()
    sheet = read_sheet([str(path)], input="harvest", columns=SPEC, quarantine=quarantine)
    sheet.reject_duplicates(["plantation_id", "month"], column="month")
    assert list(sheet.result()["ffb_t"]) == [1.0, 3.0]
    reasons = list(quarantine.frame()["reason"])
    assert reasons[1] == "repeats plantation_id and month of row 2 of a.csv, which stays; row rejected"


GOOD = st.floats(0, 1e12).map(lambda v: repr(float(v)))
BAD = st.sampled_from(["x", "", "-3", "1,5", "nan", "1e999", "\u0661"])


@settings(max_examples=25, deadline=None)
@given(cells=st.lists(st.one_of(GOOD, BAD), min_size=1, max_size=12))
def test_bad_rows_change_nothing_of_the_others(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    folder = tmp_path_factory.mktemp("cells")
    rows = [f'P{i},2026-05,"{c}"\n' for i, c in enumerate(cells)]
    bad = {"x", "", "-3", "1,5", "nan", "1e999", "\u0661"}
    kept = [r for r, c in zip(rows, cells, strict=True) if c not in bad]
    header = "plantation_id,month,ffb_t\n"
    whole = read(folder / "a.csv", header + "".join(rows))
    clean = read(folder / "b.csv", header + "".join(kept))
    columns = list(SPEC)
    pd.testing.assert_frame_equal(whole[columns], clean[columns])
    assert list(whole["ffb_t"]) == [float(c) for c in cells if c not in bad]


def test_an_unknown_id_of_a_long_series_is_reported_once_by_its_earliest_row(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        "plantation_id,known_at\n" + "".join(f"GHOST,2024-01-{d:02d}\n" for d in (9, 3, 7)) + "A,2024-01-05\n"
    )
    columns = {"plantation_id": ColumnSpec("text", required=True), "known_at": ColumnSpec("instant")}
    bad = Quarantine()
    sheet = read_sheet([str(path)], input="long", columns=columns, quarantine=bad)
    sheet.reject_unknown("plantation_id", ["A"], "is unknown", once=True)
    assert sheet.result()["plantation_id"].tolist() == ["A"]
    rows = bad.frame()
    assert rows[["row", "value", "reason"]].values.tolist() == [
        [2, "GHOST", "is unknown; all rows of this id in the file rejected"]
    ]
    assert bad.frame(pd.Timestamp("2024-01-02", tz="UTC")).empty
