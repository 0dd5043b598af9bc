"""The summary page: right numbers with units, nothing loaded from elsewhere, safe with hostile names."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.publish.report import SummaryData, library, render_summary, write_summary
from plantation_rwa.publish.report.markup import clean, esc
from plantation_rwa.publish.report.words import BRIDGE
from tests.publish.page_reader import Checker, parse, visible
from tests.publish.portfolio import AS_OF, curves, forecasts, outline, quarantine, shapes, summary, valuations
from tests.publish.report_states import NAMES, STATES_OF_THE_REPORT, many, renamed, whole


@pytest.mark.parametrize("count", [0, 1, 12])
def test_page_is_well_formed_and_loads_nothing(count: int) -> None:
    page = render_summary(summary(count))
    seen = parse(page).seen
    assert not {tag for tag, _ in seen} & {"link", "img", "iframe", "object", "embed", "image", "use", "form"}
    for tag, attributes in seen:
        assert not set(attributes) & {"src", "xlink:href", "srcset", "action"}
        assert "href" not in attributes or (tag == "a" and str(attributes["href"]).startswith(("memos/", "#")))
        assert not [name for name in attributes if name.startswith("on")]
    ours = page
    for script in library.scripts():
        ours = ours.replace(script, "")
    assert not re.search(r"url\(|@import|https?://", ours)
    assert len(ours.encode()) < 300_000


def test_only_the_named_scripts_may_run() -> None:
    page = render_summary(summary(1))
    policy = next(a["content"] for tag, a in parse(page).seen if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    named = {"'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in scripts}
    assert set(rules["script-src"].split()) == named
    assert len(named) == 3


def test_headings_are_in_order_and_every_link_of_the_contents_leads_somewhere() -> None:
    for state in STATES_OF_THE_REPORT:
        if state == "many":
            continue
        seen = parse(render_summary(STATES_OF_THE_REPORT[state]())).seen
        levels = [int(tag[1]) for tag, _ in seen if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1, state
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), state
        ids = [a["id"] for _, a in seen if a.get("id")]
        assert len(ids) == len(set(ids)), state
        linked = [str(a["href"])[1:] for tag, a in seen if tag == "a" and str(a["href"]).startswith("#")]
        assert linked, state
        assert set(linked) <= set(ids), state
        fields = [a["id"] for tag, a in seen if (tag == "input" and a.get("type") != "radio") or tag == "select"]
        assert set(fields) <= {a.get("for") for tag, a in seen if tag == "label"}, state


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
    reason = "no interval: the joint law of the rights is published per pool only"
    assert f"1,738,009 MYR fair value of 4 rights; {reason}" in text
    assert "178.0 ha mature area" in text
    tonnes = data.forecasts.loc[data.forecasts["horizon_months"] <= 12, "ffb_mean_t"].sum()
    assert f"{tonnes:,.0f} t expected fruit bunches, next 12 months" in text
    # row of P-02: area, yield with interval, fair value, quantiles, per ha, age of the data
    row = (
        "2 P-02 memo of R1 537,004 80 % 418,863 to 703,475 90 % 375,902 to 751,805 B "
        "18.1 80 % 14.5 to 21.7 90 % 13.5 to 22.7 43.0 12,488 31"
    )
    assert row in text.replace("\u00a0", " ")
    for unit in ("MYR; intervals", "MYR/ha", "t/ha; mean, intervals", "MYR/t", "oldest kind, days"):
        assert unit in text
    assert "no_sensors" in text
    assert "no sensor data" in text


def test_simulated_inputs_cannot_be_overlooked() -> None:
    page = render_summary(summary(1, simulated=True))
    assert "SIMULATED INPUTS: no number on this page describes a real plantation" in visible(page)
    assert '<div class="watermark" aria-hidden="true"><span></span></div>' in page
    assert "(simulated)</title>" in page
    real = render_summary(summary(1, simulated=False))
    assert "SIMULATED" not in visible(real)
    assert '<div class="watermark"' not in real
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
    assert visible(render_summary(bare)).count("no value") == 3
    # and the other way round: values and forecasts, but nothing to put on a map
    blind = replace(data, geometry=data.geometry.iloc[:0])
    assert "No plantation has an outline." in visible(render_summary(blind))
    mixed = gpd.GeoDataFrame({"plantation_id": [f"P-0{i}" for i in range(1, 7)]}, geometry=shapes(), crs=4326)
    text = visible(render_summary(replace(data, geometry=mixed)))
    assert "2 without an outline are in the table only." in text


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
    block = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page, flags=re.DOTALL)
    assert block
    assert not set(block[1]) & set("<>&\u2028\u2029")
    assert json.loads(block[1])["plantations"][0]["id"] == clean(name, 200)


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
    assert "80 % 418,863 to 703,475 90 % 375,902 to 751,805 IDR" in text
    assert "Amounts in IDR, MYR are sorted within each currency, never added up." in text
    assert page.count('data-g="IDR"') == 3
    assert '"value":{"classes":[null,null,null]' in page  # no colour scale over two currencies


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


def test_the_bridge_is_summed_in_major_units_and_adds_up() -> None:
    data = whole(3)
    text = visible(render_summary(data)).replace("\u00a0", " ")
    values = data.valuations
    opening, closing = (int(values[f"bridge_{k}"].sum()) / 100 for k in ("opening", "closing"))
    assert f"value at the last date {opening:,.0f}" in text
    assert f"{closing:,.0f}" in text
    steps = [int(values[f"bridge_{s}"].sum()) for s in BRIDGE]
    assert round(100 * opening) + sum(steps) == round(100 * closing)
    # (1 + 2 + 3) * (0 - 4) * 1037 minor units
    assert "months that have passed at their old value \u2212249" in text
    first = replace(data, valuations=values.assign(bridge_opening=pd.NA))
    assert "No earlier date is published in this folder" in visible(render_summary(first))


def test_screening_says_what_was_not_checked_and_for_how_many() -> None:
    text = visible(render_summary(whole(4))).replace("\u00a0", " ")
    # four plantations in four states; every second one also lacks what stood before 2020
    row = "form of the outline against the geolocation rules of Regulation (EU) 2023/1115 eudr_geolocation 1 1 1 1"
    assert row in text
    assert "ground truth what stood before 2020 (2 of 4)" in text
    assert "finding 1 <of 0>" in text
    none = visible(render_summary(replace(whole(4), screening=summary(1).screening)))
    assert "No land screening was made: whether the land is fit is not known." in none


def test_ages_of_the_data_are_counted_from_the_end_of_the_month() -> None:
    text = visible(render_summary(whole(4)))
    assert "harvest 2026-04 31 3 1" in text
    assert "satellite, clear 2026-05 0 3 1" in text
    assert "futures settlements 2026-05-29 2" in text
    bare = visible(render_summary(replace(whole(4), features=summary(4).features.iloc[:0])))
    assert "rain none \u2013 0 4" in bare


def test_the_level_3_note_is_the_published_disclosure() -> None:
    text = visible(render_summary(whole(2)))
    assert "oil extraction rate 1 0.190 0.220 0.200" in text
    assert "palm oil price 0.100 MYR per t, relative \u221271,000 70,500" in text
    assert "months that have passed \u22129,000" in text


def test_the_commands_name_the_date_and_the_hashes() -> None:
    page = render_summary(whole(1))
    assert f"plantation-rwa run CONFIG --as-of {AS_OF} --out OUT" in page
    assert "d" * 64 in page


def test_a_negative_value_is_shown_as_one() -> None:
    text = visible(render_summary(STATES_OF_THE_REPORT["negative"]())).replace("\u00a0", " ")
    assert "\u2212125,000 80 % \u2212260,000 to 327,500 90 % \u2212300,000 to 350,000" in text


def test_names_in_any_script_stand_whole_and_lead_to_their_memo() -> None:
    data = renamed(whole(8), {f"P-{i:02d}": name for i, name in enumerate(NAMES, start=1)})
    page = render_summary(data)
    for name in NAMES:
        assert f"<bdi>{esc(name)}</bdi></button>" in page
    assert len(set(re.findall(r'href="(memos/[^"]+)"', page))) == len(NAMES)


def test_two_hundred_plantations_stay_under_five_megabytes() -> None:
    page = render_summary(many(200))
    assert page.count('class="pick"') == 200
    assert len(page.encode()) < 5_000_000


@pytest.mark.slow
def test_two_thousand_plantations_are_all_there() -> None:
    page = render_summary(STATES_OF_THE_REPORT["many"]())
    assert page.count('class="pick"') == 2000
    assert len(page.encode()) < 12_000_000
