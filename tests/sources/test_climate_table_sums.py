"""Climate tables whose rain, humidity or radiation makes no climate: another unit that explains it, or left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.sources.test_climate_table import read, weather


def long(plantation: str = "A") -> pd.DataFrame:
    """Two years of plausible days with humidity and radiation."""
    frame = weather(plantation, "2022-01-01", "2023-12-31")
    rng = np.random.default_rng(3)
    return frame.assign(rh=rng.uniform(70, 95, len(frame)).round(1), ssrd=rng.uniform(8, 24, len(frame)).round(2))


@pytest.mark.parametrize(
    ("column", "factor", "unit", "from_day"),
    [
        ("precipitation", 1e-3, "m/day", 365),
        ("rh", 1e-2, "1", 0),
        ("ssrd", 1 / 3.6, "kWh m-2 d-1", 0),
        ("ssrd", 1 / 0.0864, "W m-2", 0),
        ("ssrd", 1e6, "J m-2 d-1", 0),
    ],
)
def test_the_only_unit_that_makes_a_climate_is_taken_and_said(
    tmp_path: Path, column: str, factor: float, unit: str, from_day: int
) -> None:
    true = pd.concat([long("A"), long("B")], ignore_index=True)
    told_wrong = true.copy()
    told_wrong.loc[told_wrong["plantation_id"] == "A", column] *= factor
    got, told = read(tmp_path, told_wrong)
    known = pd.to_datetime(true["date"]) >= pd.Timestamp("2022-01-01") + pd.Timedelta(days=from_day)
    sure = known | (true["plantation_id"] == "B")
    # the month in which the year is full is known as a whole at its end
    np.testing.assert_allclose(got.loc[sure, column], true.loc[sure, column], rtol=1e-9)
    (row,) = told.to_dict("records")
    assert (row["plantation_id"], row["column"], row["action"]) == ("A", column, "repaired")
    assert f"unit inferred: {column} of this series is in {unit} (mean " in row["reason"]


def test_a_declared_unit_is_believed(tmp_path: Path) -> None:
    frame = long().assign(rh=0.5)
    got, told = read(tmp_path, frame, units={"rh": "%"})
    assert set(got["rh"]) == {0.5}
    assert len(told) == 0


def test_what_no_unit_explains_is_left_out(tmp_path: Path) -> None:
    frame = long()
    got, told = read(tmp_path, frame.assign(ssrd=0.3))
    assert got["ssrd"].isna().all()
    assert told["reason"].str.contains("ssrd makes no climate in MJ m-2 d-1 nor in any other unit; check it").all()


def test_a_dry_season_at_the_beginning_of_a_record_is_no_other_unit(tmp_path: Path) -> None:
    frame = long()
    dry = pd.to_datetime(frame["date"]) < "2022-06-01"
    frame.loc[dry, "precipitation"] = 0.02
    got, told = read(tmp_path, frame)
    np.testing.assert_allclose(got["precipitation"], frame["precipitation"])
    assert len(told) == 0


def test_a_running_total_is_no_rain(tmp_path: Path) -> None:
    frame = long()
    frame["precipitation"] = frame["precipitation"].cumsum()
    got, told = read(tmp_path, frame)
    months = got.groupby(got["date"].dt.strftime("%Y-%m"))["precipitation"].sum()
    assert (months[1:] == 0).all()
    assert told["reason"].str.contains("is it a running total, or in another unit").any()


def test_later_rows_change_no_earlier_one(tmp_path: Path) -> None:
    frame = long().assign(precipitation=lambda f: f["precipitation"] / 1e3, rh=lambda f: f["rh"] / 100)
    whole, _ = read(tmp_path, frame)
    for months in (5, 13, 18):
        end = pd.Timestamp("2022-01-01") + pd.DateOffset(months=months)
        early, _ = read(tmp_path, frame[pd.to_datetime(frame["date"]) < end])
        pd.testing.assert_frame_equal(early, whole[whole["date"] < end].reset_index(drop=True))


def test_revisions_of_a_month_do_not_add_up_and_change_nothing_known_before(tmp_path: Path) -> None:
    """A wet month told five times is one month; a last revision that cannot be is left out, the earlier ones stay."""
    frame = weather("A", "2024-01-01", "2024-01-31").assign(precipitation=20.0)
    known = [frame.assign(known_at=f"2024-02-{10 + n}") for n in range(5)]
    got, told = read(tmp_path, pd.concat(known))
    assert (got["precipitation"] == 20.0).all()
    assert len(told) == 0
    got, told = read(tmp_path, pd.concat([*known, frame.assign(precipitation=200.0, known_at="2024-03-01")]))
    late = got["known_at"] >= pd.Timestamp("2024-03-01", tz="UTC")
    assert (got.loc[~late, "precipitation"] == 20.0).all()
    assert got.loc[late, "precipitation"].isna().all()
    assert told["reason"].str.contains("adds up to more than 2000 mm").all()
