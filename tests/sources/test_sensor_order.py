"""Dates in two orders within one station: read by their place in the file, refused where that does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.sensors import read_sensors
from tests.sources.test_sensors import HEADER

TIMES = pd.date_range("2025-01-01 00:00", "2025-06-05 18:00", freq="6h")


def office(times: pd.DatetimeIndex = TIMES, switched: int = 2) -> list[str]:
    """Rows of one sensor; every ``switched``-th month is written month first. The value tells the row's true time."""
    rows = []
    for t in times:
        form = "%m/%d/%Y %H:%M" if t.month % switched == 0 else "%d/%m/%Y %H:%M"
        rows.append(f"A,S,s1,wind,,{t.strftime(form)},{value(t):.4f},m s-1")
    return rows


def value(t: pd.Timestamp) -> float:
    return float((t - TIMES[0]) / pd.Timedelta(hours=6)) / 100.0


def read(folder: Path, rows: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = folder / "log.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    quarantine = Quarantine()
    return read_sensors([str(path)], {"A": "UTC"}, quarantine), quarantine.frame()


def wrong(got: pd.DataFrame) -> int:
    """Readings that came to stand at another time than their own."""
    times = pd.DatetimeIndex(got["time"]).tz_localize(None)
    return int(np.sum(np.abs(got["value"].to_numpy() - [value(t) for t in times]) > 1e-6))


def test_months_in_turn_day_first_and_month_first_are_read_whole(tmp_path: Path) -> None:
    """The first and last days of the file have certain dates on one side only."""
    got, bad = read(tmp_path, office())
    assert (len(got), wrong(got)) == (len(TIMES), 0)
    assert set(bad["action"]) == {"repaired"}
    assert sorted(r.split("/year")[0] for r in bad["reason"]) == [
        "dates are written day/month",
        "dates are written month/day",
    ]


def test_a_row_out_of_its_place_is_refused(tmp_path: Path) -> None:
    rows = office()
    moved = rows.pop(TIMES.get_loc("2025-03-04 06:00"))
    got, bad = read(tmp_path, [*rows, moved])
    assert (len(got), wrong(got)) == (len(TIMES) - 1, 0)
    refused = bad.loc[bad["action"] == "rejected", "reason"]
    assert refused.str.contains("day first and month first, and its place in the file does not tell").all()


def test_dates_after_a_long_gap_that_fit_both_ways_are_refused(tmp_path: Path) -> None:
    """Between 20 January and 13 April, 02/03 is the second of March and the third of February."""
    kept = TIMES[(TIMES < "2025-01-21") | (TIMES >= "2025-04-13")]
    rows = office(kept)
    rows.insert(80, "A,S,s1,rain,,02/03/2025 06:00,9.99,mm")
    got, bad = read(tmp_path, rows)
    assert not got["value"].eq(9.99).any()
    assert wrong(got) == 0
    assert bad.loc[bad["action"] == "rejected", "row"].tolist() == [81]


def test_a_daily_book_without_steady_steps_keeps_its_open_ends_out(tmp_path: Path) -> None:
    """One reading a day: between certain dates days are missing anyway, so nearness proves nothing."""
    days = TIMES[(TIMES.hour == 6) & (TIMES >= "2025-03-01")]
    got, bad = read(tmp_path, office(days))
    assert wrong(got) == 0
    assert (bad["action"] == "rejected").sum() == len(days) - len(got) > 0
    assert len(got) > 0.9 * len(days)


def test_dates_that_one_order_would_take_out_of_their_place_are_refused(tmp_path: Path) -> None:
    """All certain dates are day first; the five days of June at the end are not."""
    rows = office(TIMES[TIMES >= "2025-05-13"])
    got, bad = read(tmp_path, rows)
    assert (len(got), wrong(got)) == (19 * 4, 0)
    assert (bad["action"] == "rejected").sum() == 5 * 4
    again, _ = read(tmp_path, [r for r in rows if "/05/" in r])
    assert (len(again), wrong(again)) == (19 * 4, 0)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # one seed of a shuffle is no simpler than another
)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.002, 0.02, 0.2, 1.0]))
def test_shuffled_rows_lose_readings_and_never_move_one(tmp_path: Path, seed: int, share: float) -> None:
    """A part of the rows, or all of them, stand anywhere in the file."""
    rng, rows = np.random.default_rng(seed), np.array(office(), dtype=object)
    moved = np.flatnonzero(rng.random(len(rows)) < share)
    rows[moved] = rows[rng.permutation(moved)]
    got, _ = read(tmp_path, rows.tolist())
    assert wrong(got) == 0


@pytest.mark.parametrize("switched", [2, 3, 5])
def test_whichever_months_are_switched(tmp_path: Path, switched: int) -> None:
    got, _ = read(tmp_path, office(switched=switched))
    assert (len(got), wrong(got)) == (len(TIMES), 0)
