"""The pieces that the pages are made of: numbers for people, ticks, lines, drawings."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
import shapely

from plantation_rwa.publish.report.charts import fan_chart, range_bar
from plantation_rwa.publish.report.maps import Projection, Site, clusters, inset
from plantation_rwa.publish.report.markup import interval, number, units
from plantation_rwa.publish.report.overview import histogram
from plantation_rwa.publish.report.svg import month_ticks, nice_ticks, runs
from tests.publish.portfolio import AS_OF, forecasts, outline


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234567.891, 2, "1,234,567.89"),
        (-1234.5, 0, "\u22121,234"),
        (-0.001, 1, "0.0"),
        (float("nan"), 1, "\u2013"),
        (None, 0, "\u2013"),
        (pd.NA, 0, "\u2013"),
        (float("inf"), 0, "\u2013"),
        (np.int64(5), 0, "5"),
    ],
)
def test_numbers_for_people(value: object, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


def test_units_are_cut_exactly_not_rounded() -> None:
    # valuation known answer: 1000/3 with 18 decimals
    assert units(333333333333333333333, 18, 6) == "333.333333"
    assert units(999999999999999999, 18, 6) == "0.999999"
    assert units(-1500, 2, 2) == "\u221215.00"
    assert units(7, 0, 6) == "7"
    assert units(None, 18, 6) == "\u2013"
    assert interval(1.04, 2.0, 1) == "1.0&nbsp;to&nbsp;2.0"
    assert interval(None, 2.0) == "\u2013"


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0.0, 3.1) == [0.0, 1.0, 2.0, 3.0]
    assert nice_ticks(3380.0, 4170.0) == [3400.0, 3600.0, 3800.0, 4000.0]
    assert nice_ticks(2.0, 2.0) == [2.0]
    assert month_ticks(2024 * 12 - 2, 2026 * 12 + 3) == [
        (2024 * 12.0, "2024"),
        (2025 * 12.0, "2025"),
        (2026 * 12.0, "2026"),
    ]
    assert month_ticks(2026 * 12 + 5, 2026 * 12 + 7) == [(2026 * 12.0 + 5, "2026-06"), (2026 * 12.0 + 7, "2026-08")]


def test_lines_break_where_months_are_missing() -> None:
    points = [(3.0, 1.0), (1.0, 1.0), (2.0, 2.0), (5.0, 1.0), (6.0, math.nan), (7.0, 0.0)]
    assert runs(points) == [[(1.0, 1.0), (2.0, 2.0), (3.0, 1.0)], [(5.0, 1.0)], [(7.0, 0.0)]]


def test_fan_shows_the_published_quantiles_at_their_place() -> None:
    frame = forecasts(["P"], [None], 1)
    chart = fan_chart(frame, pd.DataFrame({"month": ["2026-04", "2026-05"], "yield_t_ha": [1.0, 0.0]}), AS_OF, "x")
    # 0 t/ha lies on the base line: height 190 less 22
    assert "168h0" in chart or " 168" in chart
    top = float(frame["yield_q95_t_ha"].iloc[0]) * 1.06
    median = 168 - float(frame["yield_q50_t_ha"].iloc[0]) / top * (168 - 20)
    assert f"M340 {median:.2f}".rstrip("0") in chart
    assert ">2026-05-31</text>" in chart
    assert fan_chart(frame.iloc[:0], pd.DataFrame({"month": [], "yield_t_ha": []}), AS_OF, "x") == ""
    # harvests after the valuation date and forecasts of the past are not shown
    late = pd.DataFrame({"month": ["2026-06"], "yield_t_ha": [1.0]})
    assert fan_chart(frame.assign(target_month="2026-05"), late, AS_OF, "x") == ""


def test_charts_without_a_number_are_left_out() -> None:
    assert range_bar(1.0, math.nan, 2.0, 3.0) == ""
    assert range_bar(1.0, 1.5, 2.0, 3.0).startswith("<svg")
    assert histogram(np.array([1.0, 2.0]), "MYR") == ""
    assert histogram(np.array([2.0, 2.0, 2.0]), "MYR") == ""


def test_the_histogram_counts_every_right_once() -> None:
    for values in (np.arange(1.0, 41.0), np.geomspace(1.0, 1e6, 40), np.arange(-20.0, 20.0)):
        counts = re.findall(r'text-anchor="middle"[^>]*>(\d+)<', histogram(values, "MYR"))
        assert sum(map(int, counts)) == 40


def test_map_groups_neighbours_and_keeps_shape() -> None:
    sites = [
        Site(i, str(i), g)
        for i, g in enumerate([outline(103, 1), outline(118, 5), outline(103.3, 1.2), outline(103.8, 1.2)], 1)
    ]
    # 1 - 3 - 4 are linked by steps of less than 0.6 degrees
    assert [[s.number for s in group] for group in clusters(sites)] == [[1, 3, 4], [2]]
    assert clusters([]) == []
    view = Projection.around((10.0, 59.0, 10.2, 61.0), 100.0, 100.0, 0.0, 0.01)
    x0, y0 = view.xy(10.0, 60.0)
    x1, y1 = view.xy(10.1, 60.05)
    # at 60 degrees north a degree of longitude is half as long as one of latitude
    assert (x1 - x0) == pytest.approx(y0 - y1, rel=1e-9)
    assert inset(sites[0]).count("<title>") == 1


def test_outlines_are_generalised_to_what_the_drawing_shows() -> None:
    ring = shapely.Point(103, 1).buffer(0.01, quad_segs=2000)
    small_hole = shapely.Point(103, 1).buffer(0.00001)
    chart = inset(Site(1, "x", ring.difference(small_hole)))
    assert len(chart) < 6000
    assert chart.count("Z") == 1
