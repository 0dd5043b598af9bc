"""Harvest records: revisions, duplicates, known_at, kilograms for tonnes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine, known, latest_revision
from plantation_rwa.sources.harvest import HARVEST_COLUMNS, read_harvest

REGISTER = pd.DataFrame(
    {
        "plantation_id": ["007", "B"],
        "planted_area_ha": [100.0, 50.0],
        "area_geodesic_ha": [110.0, np.nan],
        "planted_date": pd.to_datetime(["2010-06-15", "2012-01-01"]),
    }
)
BLOCKS = pd.DataFrame(
    {
        "plantation_id": ["B", "B"],
        "block_id": ["1", "2"],
        "area_ha": [20.0, 30.0],
        "planted_date": pd.to_datetime(["2008-03-01", "2016-05-20"]),
    }
)
KEYS = ["plantation_id", "block_id", "month"]


def read(
    folder: Path, text: str, blocks: pd.DataFrame | None = None, lag: int = 10
) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = folder / "h.csv"
    path.write_text(text)
    quarantine = Quarantine()
    return read_harvest([str(path)], lag, REGISTER, quarantine, blocks), quarantine.frame()


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_known_at_is_the_month_end_plus_the_lag_unless_given(tmp_path: Path) -> None:
    text = "plantation_id,month,ffb_t,known_at\n007,2026-02,200,\n007,2026-03,200,2026-04-02\n"
    harvest, bad = read(tmp_path, text)
    assert bad.empty
    assert list(harvest["known_at"]) == [utc("2026-03-10"), utc("2026-04-02")]
    assert list(harvest.columns) == list(HARVEST_COLUMNS)


def test_a_harvest_known_before_its_month_ends_takes_the_lag(tmp_path: Path) -> None:
    harvest, bad = read(
        tmp_path, "plantation_id,month,ffb_t,known_at\n007,2026-03,200,2026-03-30\n007,2026-04,1,2026-04-30\n"
    )
    assert list(harvest["known_at"]) == [utc("2026-04-10"), utc("2026-04-30")]
    assert list(bad["value"]) == ["2026-03-30"]
    assert bad["action"].iloc[0] == "nulled"
    assert bad["reason"].iloc[0].startswith("known_at lies before the end of the month")


def test_revisions_stay_and_double_entries_go(tmp_path: Path) -> None:
    text = (
        "plantation_id,month,ffb_t,known_at\n"
        "007,2026-01,200,\n"
        "007,2026-01,201,\n"
        "007,2026-01,202,2026-03-01\n"
        "007,2026-01,203,2026-03-01\n"
        "B,2026-01,100,\n"
    )
    harvest, bad = read(tmp_path, text)
    assert list(harvest["ffb_t"]) == [200.0, 202.0, 100.0]
    assert list(bad["row"]) == [2, 4]
    assert bad["reason"].iloc[0] == (
        "repeats plantation_id and block_id and month of row 1 of h.csv, which stays; "
        "a revision needs a later known_at; row rejected"
    )
    before = latest_revision(known(harvest, utc("2026-02-28")), KEYS)
    after = latest_revision(known(harvest, utc("2026-03-01")), KEYS)
    assert list(before["ffb_t"]) == [200.0, 100.0]
    assert list(after["ffb_t"]) == [202.0, 100.0]


def test_kilograms_are_refused_with_a_hint(tmp_path: Path) -> None:
    text = (
        "plantation_id,month,ffb_t,area_mature_ha\n"
        "007,2026-01,800,100\n"
        "007,2026-02,801,100\n"
        "007,2026-03,900000,\n"
        "B,2026-03,399,\n"
    )
    harvest, bad = read(tmp_path, text)
    assert list(harvest["ffb_t"]) == [800.0, 399.0]
    assert list(bad["value"]) == ["801", "900000"]
    # 900,000 / 110 ha, the larger of declared and geodesic area
    assert bad["reason"].iloc[1] == (
        "ffb_t makes 8182 t per ha in the month, more than 8; check whether kg were written for t; row rejected"
    )


def test_the_limit_is_an_assumption(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("plantation_id,month,ffb_t\nB,2026-03,399\n")
    strict = packaged().override({"plausibility.ffb_t_ha_month_max": 7.0}, where="test")
    harvest = read_harvest([str(tmp_path / "h.csv")], 10, REGISTER, Quarantine(), assumptions=strict)
    assert harvest.empty


def test_blocks_must_be_listed_where_a_plantation_is_divided(tmp_path: Path) -> None:
    text = "plantation_id,block_id,month,ffb_t\nB,1,2026-01,100\nB,9,2026-01,10\nB,2,2026-01,300\n007,9,2026-01,10\n"
    harvest, bad = read(tmp_path, text, BLOCKS)
    assert list(zip(harvest["plantation_id"], harvest["block_id"], strict=True)) == [("B", "1"), ("007", "9")]
    reasons = dict(zip(bad["row"], bad["reason"], strict=True))
    assert reasons[2] == "block_id is not in the block table, or was rejected there; row rejected"
    assert reasons[3].startswith("ffb_t makes 10 t per ha in the month")
    everything, _ = read(tmp_path, text)
    assert len(everything) == 4


def test_mature_area_that_cannot_be(tmp_path: Path) -> None:
    rows = ["007,2026-01,100,165", "007,2026-02,100,166", "007,2026-03,100,0", "007,2026-04,0,0"]
    text = "\n".join(["plantation_id,month,ffb_t,area_mature_ha", *rows])
    harvest, bad = read(tmp_path, text)
    assert harvest["ffb_t"].tolist() == [100.0, 100.0, 100.0, 0.0]
    assert np.isnan(harvest["area_mature_ha"]).tolist() == [False, True, True, False]
    assert list(bad["action"]) == ["nulled", "nulled"]
    assert "acres" in bad["reason"].iloc[0]


def test_bad_rows_are_told_with_the_day_they_became_known(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("plantation_id,month,ffb_t,source\n007,2026-01,x,dealer\nZ,2026-05,1,mill\n007,2026-99,1,mill\n")
    quarantine = Quarantine()
    harvest = read_harvest([str(path)], 10, REGISTER, quarantine)
    assert harvest.empty
    early = quarantine.frame(utc("2026-02-09"))
    middle = quarantine.frame(utc("2026-02-10"))
    # the row without a month can never be dated; it is always told
    assert [(int(r), c) for r, c in early[["row", "column"]].itertuples(index=False)] == [(3, "month")]
    assert [(int(r), c) for r, c in middle[["row", "column"]].itertuples(index=False)] == [
        (1, "ffb_t"), (1, "source"), (3, "month"),
    ]  # fmt: skip
    assert len(quarantine.frame()) == 4


def test_nothing_configured_and_unreadable(tmp_path: Path) -> None:
    none = read_harvest(None, 10, REGISTER, Quarantine())
    harvest, _ = read(tmp_path, "plantation_id,month,ffb_t\n007,2026-01,1\n")
    assert len(none) == 0
    assert dict(none.dtypes) == dict(harvest.dtypes)
    with pytest.raises(SourceError, match=r"h\.csv: required column 'ffb_t' is missing"):
        read(tmp_path, "plantation_id,month,ffb\n")


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["007", "B", "Z"]),
        st.sampled_from(["2026-01", "2026-02", "2026-03"]),
        st.sampled_from(["10", "20", "x", "1e9"]),
        st.sampled_from(["", "2026-02-20", "2026-04-15", "2026-05-15"]),
    ),
    max_size=10,
)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, instant=st.sampled_from(["2026-02-10", "2026-03-31", "2026-04-20"]))
def test_rows_known_later_change_nothing_known_earlier(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], instant: str
) -> None:
    folder = tmp_path_factory.mktemp("h")
    header = "plantation_id,month,ffb_t,known_at\n"
    at = utc(instant)
    whole, bad = read(folder, header + "".join(",".join(r) + "\n" for r in rows))
    lag = {"2026-01": "2026-02-10", "2026-02": "2026-03-10", "2026-03": "2026-04-10"}
    ends = {"2026-01": "2026-01-31", "2026-02": "2026-02-28", "2026-03": "2026-03-31"}
    early = [r for r in rows if (r[3] if r[3] >= ends[r[1]] else lag[r[1]]) <= instant]
    alone, _ = read(folder, header + "".join(",".join(r) + "\n" for r in early))
    columns = [*KEYS, "ffb_t", "known_at"]
    pd.testing.assert_frame_equal(known(whole, at)[columns], known(alone, at)[columns])
    accepted_or_told = len(whole) + bad.loc[bad["action"] == "rejected", "row"].nunique()
    assert accepted_or_told == len(rows)


def test_a_harvest_before_the_palms_were_planted_is_set_aside(tmp_path: Path) -> None:
    text = (
        "plantation_id,block_id,month,ffb_t\n"
        "007,,2010-05,10\n007,,2010-06,10\n"  # planted in June 2010
        "B,,2008-02,10\nB,,2009-01,10\n"  # its oldest block: March 2008
        "B,2,2016-04,10\nB,2,2016-05,10\n"
    )
    harvest, bad = read(tmp_path, text, BLOCKS)
    assert harvest["month"].tolist() == ["2010-06", "2009-01", "2016-05"]
    assert bad[["plantation_id", "column", "value", "action"]].to_numpy().tolist() == [
        ["007", "month", "2010-05", "rejected"],
        ["B", "month", "2008-02", "rejected"],
        ["B", "month", "2016-04", "rejected"],
    ]
    assert bad["reason"].iloc[0].startswith("harvested before the palms were planted in 2010-06; check planted_date")
    # without a block table the plantation's own date counts
    assert read(tmp_path, text.replace("B,2", "B,"))[0]["month"].tolist() == ["2010-06", "2016-04", "2016-05"]
