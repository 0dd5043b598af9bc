"""The summary page: right numbers with units, nothing loaded from elsewhere, safe with hostile names."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.publish.report import SummaryData, render_summary, write_summary
from plantation_rwa.publish.report.charts import curve_chart, fan_chart, index_chart, range_bar
from plantation_rwa.publish.report.maps import NO_VALUE, RAMP, Projection, Site, clusters, colours, panel
from plantation_rwa.publish.report.markup import clean, esc, interval, number, units
from plantation_rwa.publish.report.svg import month_ticks, nice_ticks, runs
from tests.publish.portfolio import AS_OF, curves, forecasts, outline, quarantine, shapes, summary, valuations

VOID = {"meta", "path", "line", "rect", "circle", "br"}


class Checker(HTMLParser):
    """Collects elements and visible text, and insists that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def parse(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def visible(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(parse(page).text))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_page_is_well_formed_small_and_loads_nothing(count: int) -> None:
    page = render_summary(summary(count))
    assert len(page.encode()) < 1_000_000
    seen = parse(page).seen
    assert not {tag for tag, _ in seen} & {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
    assert all(str(attributes["href"]).startswith("memos/") for tag, attributes in seen if tag == "a")
    for tag, attributes in seen:
        assert not (set(attributes) - ({"href"} if tag == "a" else set())) & {
            "src",
            "href",
            "xlink:href",
            "srcset",
            "action",
        }
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", page)
    policy = [a["content"] for tag, a in seen if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_same_tables_in_another_row_order_give_the_same_page(tmp_path: Path) -> None:
    data = summary(5)
    turned = replace(
        data,
        **{
            name: getattr(data, name).iloc[::-1]
            for name in (
                "valuations",
                "forecasts",
                "outlook",
                "history",
                "features",
                "curve",
                "geometry",
                "assumptions",
            )
        },
        inputs=dict(reversed(data.inputs.items())),
        meta=dict(reversed(data.meta.items())),
    )
    assert render_summary(turned) == render_summary(data)
    first, second = (write_summary(tmp_path / name / "index.html", data) for name in ("a", "b"))
    assert first.sha256 == second.sha256
    assert (tmp_path / "a/index.html").read_text("utf-8") == render_summary(data)


def test_values_stand_with_their_units() -> None:
    data = summary(4)
    text = visible(render_summary(data))
    # 250000 + 41000.5 * (0, 7, 2, 9)
    assert "1,738,009 MYR fair value of 4 rights" in text
    assert "178.0 ha mature area" in text
    tonnes = data.forecasts.loc[data.forecasts["horizon_months"] <= 12, "ffb_mean_t"].sum()
    assert f"{tonnes:,.0f} t expected fruit bunches, next 12 months" in text
    # row of P-02: area, yield with interval, fair value, quantiles, per ha, one unit
    row = "2 P-02 memo of R1 B 43.0 18.1 13.5 to 22.7 537,004 418,863 to 703,475 12,488 0.537003"
    assert row in text.replace("\u00a0", " ")
    for unit in ("MYR; 10 % to 90 %", "MYR/ha", "t/ha; mean, 90 %", "t/ha per month", "MYR/t", "index (1)"):
        assert unit in text
    assert "no_sensors" in text
    assert "no sensor data" in text


def test_simulated_inputs_cannot_be_overlooked() -> None:
    page = render_summary(summary(1, simulated=True))
    assert "SIMULATED INPUTS: no number on this page describes a real plantation" in visible(page)
    assert '<div class="watermark" aria-hidden="true"><span>SIMULATED</span></div>' in page
    assert "(simulated)</title>" in page
    real = render_summary(summary(1, simulated=False))
    assert "SIMULATED" not in real
    assert "(simulated)" not in real


def test_an_empty_portfolio_says_so() -> None:
    text = visible(render_summary(SummaryData(meta={"as_of": AS_OF})))
    for sentence in (
        "The portfolio is empty: no plantation of the register could be used.",
        "No plantation has an outline.",
        "No forward curve",
        "No record was rejected, nulled or repaired.",
        "no right was valued",
    ):
        assert sentence in text


def test_missing_pieces_of_one_plantation_are_said_not_drawn() -> None:
    data = summary(3)
    bare = SummaryData(meta=data.meta, geometry=data.geometry)
    text = visible(render_summary(bare))
    assert text.count("No forecast.") == 3
    assert text.count("No satellite index in these months.") == 3
    assert text.count("no value") == 3
    # and the other way round: values and forecasts, but nothing to put on a map
    blind = replace(data, geometry=data.geometry.iloc[:0])
    assert "No plantation has an outline." in visible(render_summary(blind))
    mixed = gpd.GeoDataFrame({"plantation_id": [f"P-0{i}" for i in range(1, 7)]}, geometry=shapes(), crs=4326)
    assert visible(render_summary(replace(data, geometry=mixed))).count("No forecast.") == 3


HOSTILE = "</style><script>alert(1)</script>\"' onload=x &amp; \u202egnp.exe\x00\x1b<svg/onload=1>"


def test_hostile_texts_stay_text() -> None:
    data = summary(1)
    name = HOSTILE
    bad = quarantine().assign(value=HOSTILE, reason=HOSTILE)
    frames = {
        "valuations": valuations(["x"], [outline(1, 1)])
        .astype({"plantation_id": "object"})
        .assign(plantation_id=name, right_id=name, quality_flag="<b>;x", currency="M<R"),
        "forecasts": forecasts(["x"], [outline(1, 1)]).astype({"plantation_id": "object"}).assign(plantation_id=name),
        "outlook": data.outlook.astype({"plantation_id": "object"}).assign(plantation_id=name),
        "history": data.history.astype({"plantation_id": "object"}).assign(plantation_id=name),
        "features": data.features.astype({"plantation_id": "object"}).assign(plantation_id=name),
        "geometry": gpd.GeoDataFrame(
            {"plantation_id": pd.Series([name], dtype="object")}, geometry=[outline(1, 1)], crs=4326
        ),
        "curve": curves().assign(symbol="<i>", currency="<u>"),
        "assumptions": pd.DataFrame([("<a>", {"<k>": 1}, "<u>", "<s>")], columns=["key", "value", "unit", "source"]),
    }
    page = render_summary(
        replace(
            data,
            **frames,
            quarantine=bad,
            inputs={"<f>": "<h>"},
            meta={**data.meta, "portfolio": HOSTILE + "\ud800", "x<y": "<z>"},
        )
    )
    page.encode("utf-8")
    seen = parse(page).seen
    harmless = {tag for tag, _ in parse(render_summary(summary(4))).seen}
    assert {tag for tag, _ in seen} <= harmless
    assert not [a for _, attributes in seen for a in attributes if a.startswith("on")]
    assert not re.search("[\x00\x1b\u202e]", page)
    assert visible(page).count("<script>alert(1)</script>") >= 5


@given(st.text())
def test_any_text_escapes_to_itself_without_markup(value: str) -> None:
    escaped = esc(value)
    assert not set(escaped) & set("<>\"'")
    checker = Checker()
    checker.feed(f"<p>{escaped}</p>")
    checker.close()
    assert "".join(checker.text).replace("\r\n", "\n").replace("\r", "\n") == clean(value).replace(
        "\r\n", "\n"
    ).replace("\r", "\n")


def test_quarantine_is_counted_and_like_records_stand_on_one_line() -> None:
    text = visible(render_summary(summary(2)))
    assert "harvest 60 0 0" in text
    assert "register 0 1 0" in text
    assert "all inputs 61 1 0" in text
    assert "All 62 records by kind of problem" in text
    assert "harvest harvest.csv ffb_t rejected 60 1 x1 not a number: the row is left out P-01" in text
    assert "register register.geojson oer nulled 1 7 1.7 not a fraction: left empty P-02" in text
    assert text.count("harvest.csv") == 1 + 1  # and once among the inputs


def test_more_than_fifty_kinds_of_problems_are_cut_and_said_to_be() -> None:
    data = summary(2)
    many = pd.concat([data.quarantine.head(60).assign(column=[f"c{k}" for k in range(60)]), data.quarantine.tail(2)])
    text = visible(render_summary(replace(data, quarantine=many)))
    assert "The first 50 of 62 kinds of problems in 62 records" in text
    assert "all inputs 61 1 0" in text


def test_several_currencies_are_named_at_each_number_and_not_added() -> None:
    data = summary(3)
    two = data.valuations.assign(currency=["MYR", "IDR", "MYR"])
    page = render_summary(replace(data, valuations=two))
    text = visible(page).replace("\u00a0", " ")
    assert "582,001 MYR fair value of 2 rights" in text
    assert "537,004 IDR fair value of 1 right" in text
    assert "418,863 to 703,475 IDR" in text
    assert "per ha of mature area" not in text  # no colour scale over two currencies


def test_history_may_come_as_tonnes_and_area() -> None:
    data = summary(1)
    area = 40.0
    tonnes = data.history.assign(ffb_t=data.history["yield_t_ha"] * area, area_mature_ha=area).drop(
        columns="yield_t_ha"
    )
    assert render_summary(replace(data, history=tonnes)) == render_summary(data)
    unknown = tonnes.assign(area_mature_ha=0.0)
    assert render_summary(replace(data, history=unknown)) == render_summary(
        replace(data, history=data.history.iloc[:0])
    )


def test_many_plantations_keep_the_page_usable() -> None:
    page = render_summary(summary(60))
    assert page.count('<article class="card"') == 48
    assert "12 further plantations, those of least value, are in the tables only." in visible(page)


# --- pieces ------------------------------------------------------------------------------------------------------


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
    nothing = pd.DataFrame({"month": ["2026-05"], "ndvi": [math.nan], "ndmi": [None], "valid_fraction": [0.0]})
    assert index_chart(nothing, AS_OF, "x") == ""
    assert curve_chart(curves().assign(forward=math.nan), "x") == ""
    assert range_bar(1.0, math.nan, 2.0, 3.0) == ""
    one = index_chart(nothing.assign(ndvi=0.8), AS_OF, "x")
    assert one.startswith("<svg")
    assert "NaN" not in one
    assert "nan" not in one


def test_curve_marks_tell_where_the_price_comes_from() -> None:
    chart = curve_chart(curves(), "x")
    assert chart.count("<circle") == 6  # rings: interpolated
    assert chart.count("h0") == 12 + 18  # dots: settlements and extrapolated
    assert "MYR/t" in chart


def test_map_groups_neighbours_and_keeps_shape() -> None:
    sites = [
        Site(i, str(i), g, "#fff")
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
    assert panel(sites[:1], "t").count("<title>") == 1


def test_map_labels_do_not_cover_each_other() -> None:
    crowd = [Site(i, f"plantation number {i}", outline(103 + 0.001 * i, 1.0, 0.0008), "#fff") for i in range(1, 40)]
    texts = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)"(?: text-anchor="(\w+)")? fill="#1c2b24" font-size="10.5">([^<]*)<',
        panel(crowd, "t"),
    )
    boxes = []
    for x, y, anchor, label in texts:
        width = 5.9 * len(label)
        left = float(x) - {"start": 0, "middle": width / 2, "end": width}[anchor or "start"]
        boxes.append((left, float(y) - 8, left + width, float(y) + 2))
    assert len(boxes) > 3
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


def test_colours_follow_the_value() -> None:
    fills = colours({"a": 1.0, "b": 2.0, "c": math.nan, "d": 1.5})
    assert (fills["a"], fills["b"], fills["c"]) == (RAMP[0], RAMP[-1], NO_VALUE)
    assert fills["d"] == RAMP[3]
    assert colours({"a": 1.0}) == {"a": RAMP[3]}


def test_outlines_are_generalised_to_what_the_drawing_shows() -> None:
    ring = shapely.Point(103, 1).buffer(0.01, quad_segs=2000)
    small_hole = shapely.Point(103, 1).buffer(0.00001)
    chart = panel([Site(1, "x", ring.difference(small_hole), "#fff")], "t")
    assert len(chart) < 6000
    assert chart.count("Z") == 1
