"""Climate tables: units declared or inferred and said, revisions, days out of order; vintages of the ocean index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import read_daily, read_index

REGISTER = pd.DataFrame({"plantation_id": ["A", "B"]})


def weather(plantation: str = "A", first: str = "2024-01-01", last: str = "2024-03-31") -> pd.DataFrame:
    """Plausible days in the contract's units."""
    rng = np.random.default_rng(len(plantation))
    date = pd.date_range(first, last, freq="D")
    low = rng.normal(23.5, 0.6, len(date)).round(1)
    return pd.DataFrame(
        {
            "plantation_id": plantation,
            "date": date.strftime("%Y-%m-%d"),
            "precipitation": np.where(rng.random(len(date)) < 0.5, rng.gamma(0.8, 18.0, len(date)), 0.0).round(2),
            "t2m_min": low,
            "t2m_max": (low + 8.0).round(1),
        }
    )


def american(frame: pd.DataFrame) -> pd.DataFrame:
    """The same in Fahrenheit and inches."""
    return frame.assign(
        precipitation=frame["precipitation"] / 25.4,
        t2m_min=frame["t2m_min"] * 1.8 + 32,
        t2m_max=frame["t2m_max"] * 1.8 + 32,
    )


def read(folder: Path, frame: pd.DataFrame, **options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    path, quarantine = folder / "daily.csv", Quarantine()
    frame.to_csv(path, index=False)
    return read_daily([str(path)], REGISTER, quarantine, **options), quarantine.frame()  # type: ignore[arg-type]


def test_an_export_in_fahrenheit_and_inches_is_converted_and_said(tmp_path: Path) -> None:
    both = pd.concat([american(weather("A")), weather("B")])
    got, told = read(tmp_path, both)
    expected = pd.concat([weather("A"), weather("B")]).reset_index(drop=True)
    for name in ("precipitation", "t2m_min", "t2m_max"):
        np.testing.assert_allclose(got[name], expected[name], atol=1e-9)
    assert told[["plantation_id", "column", "action", "row"]].values.tolist() == [
        ["A", "precipitation", "repaired", 1],
        ["A", "t2m_max", "repaired", 1],
        ["A", "t2m_min", "repaired", 1],
    ]
    assert told["reason"].str.startswith("unit inferred: ").all()
    assert "is in inches (Fahrenheit beside it" in told["reason"].iloc[0]


def test_kelvin_is_converted_and_rain_beside_it_is_left_alone(tmp_path: Path) -> None:
    kelvin = weather().assign(t2m_min=lambda f: f["t2m_min"] + 273.15, t2m_max=lambda f: f["t2m_max"] + 273.15)
    got, told = read(tmp_path, kelvin)
    np.testing.assert_allclose(got["t2m_min"], weather()["t2m_min"], atol=1e-9)
    assert got["precipitation"].tolist() == weather()["precipitation"].tolist()
    assert told["column"].tolist() == ["t2m_max", "t2m_min"]


def test_one_hot_day_is_no_fahrenheit(tmp_path: Path) -> None:
    frame = weather()
    frame.loc[40, "t2m_max"] = 99.9
    got, told = read(tmp_path, frame)
    assert np.isnan(got["t2m_max"].iloc[40])
    assert told["action"].tolist() == ["nulled"]


def test_millimetres_beside_fahrenheit_stay(tmp_path: Path) -> None:
    metric_rain = american(weather()).assign(precipitation=weather()["precipitation"])
    got, told = read(tmp_path, metric_rain)
    assert got["precipitation"].tolist() == weather()["precipitation"].tolist()
    assert "precipitation" not in told["column"].tolist()


def test_a_month_is_judged_by_itself_and_by_what_came_before(tmp_path: Path) -> None:
    table = american(weather())
    whole, _ = read(tmp_path, table)
    part, _ = read(tmp_path, table[table["date"] < "2024-03-01"])
    pd.testing.assert_frame_equal(whole.iloc[: len(part)], part)


def test_a_later_revision_in_another_unit_changes_nothing_before(tmp_path: Path) -> None:
    metric = weather().drop(columns="precipitation")
    imperial = american(weather()).drop(columns="precipitation")
    for one, other in ((metric, imperial), (imperial, metric)):
        before, _ = read(tmp_path, one)
        revisions = [other.assign(known_at=f"2024-{month}-01") for month in ("06", "07")]
        both, _ = read(tmp_path, pd.concat([one, *revisions]))
        first = both[both["known_at"] < "2024-05-30"].reset_index(drop=True)
        pd.testing.assert_frame_equal(first, before, check_exact=True)
        assert both[["t2m_min", "t2m_max"]].notna().all(axis=None)


def test_declared_units_are_used_without_a_word_and_wrong_ones_named(tmp_path: Path) -> None:
    units = {"precipitation": "inches", "t2m_min": "degF", "t2m_max": "°F"}
    got, told = read(tmp_path, american(weather()), units=units)
    np.testing.assert_allclose(got["precipitation"], weather()["precipitation"], atol=1e-9)
    assert len(told) == 0
    with pytest.raises(SourceError) as caught:
        read(tmp_path, weather(), units={"rainfall": "mm", "rh": "kPa"})
    assert [p.where for p in caught.value.problems] == ["rainfall", "rh"]


def test_revisions_stand_side_by_side_and_the_same_day_known_twice_is_rejected(tmp_path: Path) -> None:
    day = weather().iloc[:1]
    frame = pd.concat([day, day.assign(precipitation=4.0, known_at="2024-05-01"), day.assign(known_at="2024-05-01")])
    got, told = read(tmp_path, frame.assign(known_at=frame["known_at"].fillna("")), known_lag_days=25)
    assert got["known_at"].dt.strftime("%Y-%m-%d").tolist() == ["2024-02-25"]
    assert told["action"].tolist() == ["rejected"] * 2
    assert told["value"].tolist() == ["4", f"{day['precipitation'].iloc[0]:g}"]
    assert told["reason"].str.endswith("none is believed; row rejected").all()
    got, told = read(tmp_path, day.assign(known_at="2023-12-30"), known_lag_days=25)
    assert got["known_at"].dt.strftime("%Y-%m-%d").tolist() == ["2024-02-25"]
    assert told["reason"].tolist() == ["known_at lies before the day itself; value left out"]


def test_order_leap_days_impossible_dates_and_fills(tmp_path: Path) -> None:
    frame = weather("A", "2024-02-27", "2024-03-02")
    extra = frame.iloc[:2].assign(date=["2023-02-29", "2024-02-30"])
    fills = frame.iloc[:1].assign(date="2024-03-03", precipitation=1e20, t2m_min=-9999.0)
    mixed = pd.concat([frame, extra, fills]).sample(frac=1.0, random_state=3)
    got, told = read(tmp_path, mixed)
    assert got["date"].dt.strftime("%m-%d").tolist() == ["02-27", "02-28", "02-29", "03-01", "03-02", "03-03"]
    assert got["precipitation"].isna().tolist() == [False] * 5 + [True]
    assert sorted(told["reason"]) == [
        "date is not a day of the calendar; row rejected",
        "date is not a day of the calendar; row rejected",
        "precipitation is a fill value; value left out",
        "t2m_min is a fill value; value left out",
    ]


def noaa(folder: Path, name: str, *seasons: tuple[str, int, float]) -> str:
    lines = [" SEAS  YR   TOTAL   ANOM", *(f"  {s} {y}  27.0  {v:.2f}" for s, y, v in seasons)]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return str(folder / name)


def test_vintages_of_the_index_revise_each_other_from_the_day_they_were_published(tmp_path: Path) -> None:
    newer = noaa(tmp_path, "a.txt", ("NDJ", 2023, 2.0), ("DJF", 2024, 1.7), ("JFM", 2024, 1.5), ("FMA", 2024, 1.2))
    older = noaa(tmp_path, "b.txt", ("NDJ", 2023, 2.0), ("DJF", 2024, 1.8))
    expected = [
        ("2023-12", 2.0, "2024-02-10"),
        ("2024-01", 1.8, "2024-03-10"),
        ("2024-01", 1.7, "2024-05-10"),  # the newer file ends with FMA, published on 10 May
        ("2024-02", 1.5, "2024-04-10"),
        ("2024-03", 1.2, "2024-05-10"),
    ]
    for paths in ([older, newer], [newer, older]):
        got = read_index(paths, Quarantine())
        rows = zip(got["month"], got["value"], got["known_at"].dt.strftime("%Y-%m-%d"), strict=True)
        assert list(rows) == expected


@pytest.mark.parametrize("declared", ["degF", "K"])
def test_a_declared_unit_that_makes_no_climate_gives_way_and_is_said(tmp_path: Path, declared: str) -> None:
    got, told = read(tmp_path, weather(), units={"t2m_min": declared, "t2m_max": declared})
    np.testing.assert_allclose(got["t2m_min"], weather()["t2m_min"], atol=1e-9)
    assert told["column"].tolist() == ["t2m_max", "t2m_min"]
    assert told["reason"].str.contains("is in degC .* as declared; converted to degC").all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(8)))
def test_the_order_of_rows_changes_nothing(tmp_path: Path, order: list[int]) -> None:
    days = weather("A", "2024-01-01", "2024-01-04")
    other = days.iloc[1:2].assign(precipitation=77.0)
    rain, heat = days.iloc[2:3].assign(t2m_min=None, t2m_max=None), days.iloc[2:3].assign(precipitation=None)
    rows = pd.concat([days.iloc[[0, 1, 3]], days.iloc[:1], other, rain, heat, days.iloc[3:]], ignore_index=True)
    got, told = read(tmp_path, rows.iloc[order])
    expected, _ = read(tmp_path, days.drop(index=1))
    pd.testing.assert_frame_equal(got, expected, check_exact=True)
    assert len(told) == 5  # both of the day that differs, one of each pair that agrees


def test_single_precision_reads_as_its_shortest_decimal(tmp_path: Path) -> None:
    rows = weather()
    rows.astype({"precipitation": "float32", "t2m_min": "float32"}).to_parquet(tmp_path / "daily.parquet")
    single = read_daily([str(tmp_path / "daily.parquet")], REGISTER, Quarantine())
    pd.testing.assert_frame_equal(single, read(tmp_path, rows)[0], check_exact=True)
