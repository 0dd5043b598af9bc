"""Cross-checks of place, each with the words a user reads."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from plantation_rwa.run.survey import places
from plantation_rwa.sources.places import COUNTRIES, default_timezone

DAY = pd.Timestamp("2026-05-31")


def told(findings: list[places.Finding]) -> list[str]:
    return [f"{f.severity}: {f.problem()}" for f in findings]


def register(*rows: tuple[str, str, float, float], **columns: Any) -> pd.DataFrame:
    """Square outlines of 0.02 degrees: id, country, longitude, latitude of the middle."""
    frame = pd.DataFrame([r[:2] for r in rows], columns=["plantation_id", "country"])
    outlines = [shapely.box(x - 0.01, y - 0.01, x + 0.01, y + 0.01) for _, _, x, y in rows]
    return frame.assign(geometry=pd.Series(outlines, dtype="object"), state="", timezone="Asia/Jakarta", **columns)


def test_every_country_with_a_time_zone_of_its_own_here_has_a_box_the_right_way_round() -> None:
    assert {c for c in COUNTRIES if default_timezone(c, "")} <= set(places.BOXES)
    assert all(w < e and s < n for w, s, e, n in places.BOXES.values())


@pytest.mark.parametrize(
    ("country", "x", "y"),
    [
        ("MY", 102.4, 2.25),
        ("MY", 117.9, 5.8),
        ("ID", 113.9, -1.7),
        ("ID", 140.5, -8.0),
        ("CO", -73.8, 3.9),
        ("GH", -2.0, 5.2),
    ],
)
def test_palms_in_their_country(country: str, x: float, y: float) -> None:
    assert places.countries(register(("A", country, x, y))) == []


def test_exchanged_axes_are_told_from_another_place() -> None:
    found = places.countries(register(("A", "GH", 5.5, -1.5), ("B", "GH", 0.0, 51.0), ("C", "GH", -1.5, 5.5)))
    assert told(found) == [
        "warning: portfolio.register: geometry: the outline of 1 plantation lies outside its country, and inside it "
        "with the axes exchanged (got A GH at -1.50 N, 5.50 E). Write longitude before latitude.",
        "warning: portfolio.register: geometry: the outline of 1 plantation does not lie in its country "
        "(got B GH at 51.00 N, 0.00 E). Check the declared CRS, the axis order and the country.",
    ]


def test_outlines_that_all_lie_elsewhere_are_an_error_of_the_file() -> None:
    assert [f.severity for f in places.countries(register(("A", "MY", 0.0, 0.0), ("B", "MY", 4.5, 0.0)))] == ["error"]
    assert places.countries(register(("A", "DE", 0.0, 0.0))) == [], "no box, no judgement"


def test_a_time_zone_that_is_neither_the_suns_nor_the_countrys() -> None:
    frame = register(("A", "ID", 113.9, -1.7), ("B", "ID", 113.9, -1.7), ("C", "ID", 95.5, 5.0))
    frame["timezone"] = ["UTC", "Asia/Makassar", "Asia/Jakarta"]
    assert told(places.clocks(frame, DAY)) == [
        "warning: portfolio.register: timezone: timezone of 1 plantation is more than 2 h off the sun and not the "
        "country's (got A UTC (UTC+0, the sun +7.6 h)). Correct the timezone: months and naive sensor times are "
        "cut by it."
    ]


def test_an_outline_partly_outside_the_climate_grid() -> None:
    cells = places.extent(np.array([1.0, 0.5, 0.0]), np.array([110.0, 110.5]))
    assert cells.bounds == (109.75, -0.25, 110.75, 1.25)
    frame = register(("in", "ID", 110.0, 0.5), ("edge", "ID", 110.75, 0.5), ("out", "ID", 111.0, 0.5))
    assert told(places.grid_cover(frame, cells)) == [
        "warning: climate.grid: latitude: 1 plantation lie partly outside the grid (-0.25 to 1.25 N, 109.75 to 110.75 "
        "E) (got edge). Cut the grid with a margin of one cell around the outlines."
    ]


@pytest.mark.parametrize("first", [-180.0, -179.9, 0.0])
def test_an_outline_cut_at_the_antimeridian_lies_inside_a_grid_round_the_globe(first: float) -> None:
    """Cells of 0.1 degree: their seam lies within the outline, on its cut, or half the globe off."""
    cells = places.extent(np.array([-15.9, -16.0]), first + 0.1 * np.arange(3600))
    parts = [shapely.box(179.9, -16.0, 180.0, -15.9), shapely.box(-180.0, -16.0, -179.9, -15.9)]
    frame = register(("cut", "FJ", 0.0, 0.0)).assign(geometry=[shapely.multipolygons(parts)])
    assert places.grid_cover(frame, cells) == []
    assert len(places.grid_cover(frame, shapely.box(170.0, -17.0, 179.95, -15.0))) == 1


def readings(station: str, plantation: str, variable: str, peak_utc: float) -> pd.DataFrame:
    """Ten days of hourly readings that are highest at an hour of UTC."""
    time = pd.date_range("2026-01-01", periods=240, freq="h", tz="UTC")
    wave = np.cos(2 * np.pi * (time.hour + 0.5 - peak_utc) / 24.0)
    value = np.maximum(wave, 0.0) * 800 if variable == "radiation" else 26 + 4 * wave
    frame = pd.DataFrame({"time": time, "value": value})
    return frame.assign(station_id=station, plantation_id=plantation, variable=variable)


@pytest.mark.parametrize("longitude", [-75.0, 7.5, 112.5])
@pytest.mark.parametrize("off", [-9.0, -4.0, -2.0, 0.0, 2.0, 4.0, 12.0])
def test_a_station_that_reads_at_the_wrong_hour(longitude: float, off: float) -> None:
    noon = 12.0 - longitude / 15.0
    sensors = pd.concat(
        [
            readings("S1", "A", "radiation", noon + off),
            readings("S2", "A", "air_temperature", noon + 2.0),
            readings("S3", "A", "wind", noon + 12.0),
        ]
    )
    found = told(places.station_clocks(sensors, register(("A", "ID", longitude, 1.0))))
    if abs(off) <= 3:
        assert found == []
    else:
        text = (
            r"warning: sensors.path: time: the day of 1 station is more than 3 h off the sun "
            r"\(got S1 radiation highest at (\d+) h\)\. "
            r"Check the zone of its times: naive ones are local, UTC ones need Z\."
        )
        assert len(found) == 1
        match = re.fullmatch(text, found[0])
        assert match is not None
        assert abs((int(match[1]) - 12 - off + 12) % 24 - 12) <= 1


def test_a_station_with_daily_or_dead_readings_is_not_judged() -> None:
    daily = readings("S1", "A", "radiation", 0.0).iloc[::24]
    dead = readings("S2", "A", "radiation", 0.0).assign(value=3.0)
    assert places.station_clocks(pd.concat([daily, dead]), register(("A", "ID", 112.5, 1.0))) == []
    assert places.station_clocks(daily.iloc[:0], register(("A", "ID", 112.5, 1.0))) == []
