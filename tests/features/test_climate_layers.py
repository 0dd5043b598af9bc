"""Finals over preliminaries, tables over grids, revisions: what was best known at an instant."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.features.climate_layers import best_known, final_known_at, preliminary_known_at

NAN = float("nan")


def rows(*given_rows: tuple[str, float, float, str, bool, int]) -> pd.DataFrame:
    names = ["date", "precipitation", "t2m_min", "known_at", "preliminary", "layer"]
    frame = pd.DataFrame(given_rows, columns=names).assign(plantation_id="A")
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[us]")
    frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True).astype("datetime64[us, UTC]")
    return frame


def at(frame: pd.DataFrame, instant: str) -> pd.DataFrame:
    return best_known(frame[frame["known_at"] <= pd.Timestamp(instant, tz="UTC")])


def test_pentads_end_where_chirps_ends_them() -> None:
    dates = pd.Series(pd.to_datetime(["2024-02-01", "2024-02-05", "2024-02-06", "2024-02-25", "2024-02-26"]))
    got = preliminary_known_at(dates, 2).dt.strftime("%m-%d").tolist()
    assert got == ["02-07", "02-07", "02-12", "02-27", "03-02"]
    assert final_known_at(dates, 25).dt.strftime("%m-%d").unique().tolist() == ["03-25"]


def test_a_preliminary_value_counts_until_the_final_one_is_known() -> None:
    day = "2024-01-03"
    frame = rows((day, 9.0, NAN, "2024-02-25", False, 1), (day, 5.0, NAN, "2024-01-07", True, 2))
    assert len(at(frame, "2024-01-06")) == 0
    early, late = at(frame, "2024-02-24").iloc[0], at(frame, "2024-02-25").iloc[0]
    assert (early["precipitation"], early["preliminary"]) == (5.0, True)
    assert (late["precipitation"], late["preliminary"]) == (9.0, False)
    assert (str(early["known_at"])[:10], str(late["known_at"])[:10]) == ("2024-01-07", "2024-02-25")


def test_each_variable_is_that_of_the_first_layer_that_has_it() -> None:
    day = "2024-01-03"
    frame = rows((day, 7.0, NAN, "2024-02-25", False, 0), (day, 9.0, 23.0, "2024-02-27", False, 1))
    got = at(frame, "2024-03-01").iloc[0]
    assert (got["precipitation"], got["t2m_min"]) == (7.0, 23.0)
    assert str(got["known_at"])[:10] == "2024-02-27"  # the grid gave the temperature


def test_of_revisions_the_latest_known_counts() -> None:
    day = "2024-01-03"
    frame = rows((day, 7.0, NAN, "2024-02-25", False, 0), (day, 8.0, NAN, "2024-04-01", False, 0))
    assert at(frame, "2024-03-31")["precipitation"].tolist() == [7.0]
    assert at(frame, "2024-04-01")["precipitation"].tolist() == [8.0]


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 60))
def test_row_order_and_later_rows_change_nothing(order: list[int], lag: int) -> None:
    rng = np.random.default_rng(lag)
    given_rows = [
        (f"2024-01-{d:02d}", float(rng.integers(9)), NAN, f"2024-02-{int(rng.integers(1, 28)):02d}", layer == 2, layer)
        for d in (1, 2, 3, 4)
        for layer in (0, 1, 2)
    ]
    frame = rows(*given_rows)
    instant = "2024-02-15"
    pd.testing.assert_frame_equal(at(frame.iloc[order], instant), at(frame, instant))
    later = frame.assign(known_at=frame["known_at"] + pd.Timedelta(days=30), precipitation=99.0)
    pd.testing.assert_frame_equal(at(pd.concat([later, frame]), instant), at(frame, instant))
