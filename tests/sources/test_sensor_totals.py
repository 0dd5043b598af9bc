"""Running totals that are declared as falls: told from honest rain by what the readings repeat and where they drop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources.test_sensors import hourly, readings

HOURS, TIP = 31 * 24, 0.2
#: first hour of 2024 in UTC is 08:00 in Kuala Lumpur: the local month ends 8 h before that of UTC
START = "2023-12-31T16:00:00"


def tips(*spells: tuple[int, int], hours: int = HOURS) -> np.ndarray:
    """Rain in tips: hour and tips of each wet hour."""
    rain = np.zeros(hours, dtype=np.int64)
    for hour, n in spells:
        rain[hour] += n
    return rain


def counted(rain: np.ndarray, kind: str) -> np.ndarray:
    """A logger's count in tips: never set back, over at 100 mm, or set back with the first hour of each day."""
    if kind == "daily":
        return np.concatenate([np.cumsum(day) for day in np.split(rain, range(24, len(rain), 24))])
    total = 137 + np.cumsum(rain)
    return total % 500 if kind == "100 mm" else total


def read(folder: Path, n: np.ndarray, unit: str = "mm", start: str = START) -> tuple[pd.DataFrame, pd.DataFrame]:
    return readings(folder, *hourly(np.round(n * TIP, 1).tolist(), unit, "rain", start))


#: three wet hours of every second day, 1 to 3 mm each, 96 mm in the month
SPELLS = tips(*((48 * d + h, (5, 10, 15)[(d + h) % 3]) for d in range(16) for h in (5, 6, 10)))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("daily", "drop only at 16:00 UTC"),
        ("100 mm", "drop only at 100 mm"),
        ("never", "drop only where they start again"),
    ],
)
def test_a_total_called_mm_gives_the_falls(tmp_path: Path, kind: str, told: str) -> None:
    got, bad = read(tmp_path, counted(SPELLS, kind))
    assert got["value"].to_numpy() == pytest.approx(SPELLS[1:] * TIP)
    assert got["value"].sum() == pytest.approx(96.0)
    assert set(got["qc_flag"]) == {"unit_inferred"}
    first, lost = bad.iloc[0], bad.iloc[1]
    assert (first["row"], first["column"], first["action"]) == (1, "unit", "repaired")
    assert told in first["reason"]
    assert lost["reason"].startswith("first reading of a counter")
    assert len(bad) == (3 if kind == "100 mm" else 2)  # 27.4 mm + 96 mm run once over 100


def test_honest_rain_stays_as_it_is(tmp_path: Path) -> None:
    """Spells that hold a value for hours, end at one hour of the day or come as drizzle of one tip are falls."""
    afternoon = tips(*((24 * d + h, 5) for d in range(31) for h in (6, 7)))
    drizzle = tips(*((48 * d + h, 1) for d in range(15) for h in range(3 + d % 7, 20)))
    repeated = np.repeat(SPELLS, 4)[:HOURS]  # a logger that sends its last reading until it has a new one
    for rain in (SPELLS, afternoon, drizzle, repeated, tips((400, 3)), tips()):
        got, bad = read(tmp_path, rain)
        assert got["value"].to_numpy() == pytest.approx(rain * TIP)
        assert (len(bad), set(got["qc_flag"])) == (0, {""})


def test_a_month_that_tells_neither_is_left_out(tmp_path: Path) -> None:
    """One spell that stands for two days, and then nothing: a total, or a gauge that hung."""
    n = np.zeros(HOURS, dtype=np.int64)
    n[100:148] = 40
    got, bad = read(tmp_path, n)
    assert len(got) == 0
    assert set(bad["action"]) == {"rejected"}
    assert "too little to tell falls from a running total" in bad["reason"].iloc[0]


def test_each_month_is_judged_by_itself_and_a_dry_one_goes_on_as_before(tmp_path: Path) -> None:
    """January's total stands still all February; in March the gauge is set to send falls."""
    january, february = counted(SPELLS, "never"), np.full(29 * 24, 137 + SPELLS.sum())
    falls = tips(*((24 * d + h, n) for d in range(31) for h, n in ((5 + d % 9, 9), (6 + d % 9, 2))))
    whole, _ = read(tmp_path, np.r_[january, february, falls])
    months = whole["time"].dt.tz_convert("Asia/Kuala_Lumpur").dt.month
    assert whole["value"].groupby(months).sum().to_dict() == pytest.approx({1: 96.0, 2: 0.0, 3: 31 * 2.2})
    assert whole["qc_flag"].groupby(months).agg(set).to_dict() == {1: {"unit_inferred"}, 2: {"unit_inferred"}, 3: {""}}
    for hours in (HOURS, HOURS + 29 * 24):
        early, _ = read(tmp_path, np.r_[january, february][:hours])
        pd.testing.assert_frame_equal(early, whole.iloc[: len(early)])
    later, _ = read(tmp_path, np.r_[SPELLS, january])
    pd.testing.assert_frame_equal(later.iloc[:HOURS], read(tmp_path, SPELLS)[0])


def test_a_declared_total_is_counted_over_its_capacity_and_from_its_daily_reset(tmp_path: Path) -> None:
    rain, bad = read(tmp_path, np.array([490, 498, 3, 4]), "total mm")
    assert rain["value"].to_numpy() == pytest.approx([1.6, 1.0, 0.2])
    assert bad["reason"].tolist()[1] == "the counter ran over its capacity; counted on from there"
    # one that was once set back from elsewhere has no capacity
    rain, _ = read(tmp_path, np.array([300, 10, 250, 5, 490, 498, 3, 4]), "total mm")
    assert rain["value"].tolist()[5] == pytest.approx(0.6)
    # more falls in the first hour after the reset than on the whole day before it
    wet = SPELLS + tips((3 * 24, 4), (5 * 24, 40), (9 * 24, 20))
    got, _ = read(tmp_path, counted(wet, "daily"), "total mm")
    assert got["value"].to_numpy() == pytest.approx(wet[1:] * TIP)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["daily", "100 mm", "never", "falls"]),
    spells=st.integers(20, 45),
    most=st.integers(1, 40),
)
def test_falls_are_recovered_whatever_the_reset(tmp_path: Path, seed: int, kind: str, spells: int, most: int) -> None:
    """Spells of one to three hours at any time, of up to 8 mm an hour."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, HOURS - 3, spells)
    rain = tips(*((int(h) + k, int(rng.integers(1, most + 1))) for h in hours for k in range(rng.integers(1, 4))))
    got, _ = read(tmp_path, rain if kind == "falls" else counted(rain, kind))
    want = rain if kind == "falls" else rain[1:]
    assert got["value"].to_numpy() == pytest.approx(want * TIP)
