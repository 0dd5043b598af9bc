"""Figures of the page beside their intervals, steps and reasons."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from plantation_rwa.publish.report import render_summary
from plantation_rwa.publish.report.memo import render_memo
from plantation_rwa.publish.report.sensitivity import tornado
from plantation_rwa.publish.report.view import gather
from plantation_rwa.publish.report.words import pool_words
from plantation_rwa.schema.checks import finalise
from tests.publish.page_reader import visible
from tests.publish.portfolio import summary
from tests.publish.report_states import whole


def test_a_tranche_says_how_often_it_falls_short_or_why_it_cannot() -> None:
    data = whole(3)
    names = {"fees": "paid first, as long as there is cash", "senior": "12.5 %", "reserve": "an account, no claim",
             "junior": "takes what is left", "whole": "no fixed claim"}  # fmt: skip
    row = data.pools.iloc[0].to_dict()
    rows = [{**row, "tranche": n, "prob_shortfall": 0.125 if n == "senior" else None} for n in names]
    text = visible(render_summary(replace(data, pools=finalise(pd.DataFrame(rows), "pools")))).replace("\u00a0", " ")
    for tranche, told in names.items():
        assert re.search(
            rf"rights in no pool, MYR {tranche} 3 [0-9,]+ MYR 80 % [^%]+ 90 % [^%]+? {told} 3.4 simulated", text
        )
    bare = pd.DataFrame([{**row, "tranche": "senior"}])
    assert "not computed 3.4" in visible(render_summary(replace(data, pools=finalise(bare, "pools"))))


def test_a_total_has_the_interval_of_the_pool_that_is_all_of_it_else_the_reason() -> None:
    data = whole(3)
    (pool,) = data.pools.to_dict("records")
    q05, q10, q90, q95 = (f"{pool[f'npv_{q}']:,.0f}" for q in ("q05", "q10", "q90", "q95"))
    told = f"3 rights; real-world value 80 % {q10} to {q90} 90 % {q05} to {q95} "
    reason = "3 rights; no interval: the joint law of the rights is published per pool only"
    for members, found, lacking in ((3, told, reason), (2, reason, told)):
        text = visible(render_summary(replace(data, pools=data.pools.assign(n_rights=members)))).replace("\u00a0", " ")
        assert found in text
        assert lacking not in text
    # its quantiles and its loss stand with their currency
    row = f"80 % {q10} to {q90} 90 % {q05} to {q95} MYR {pool['es95']:,.0f} MYR no fixed claim"
    assert row in text
    assert "portfolio:" not in text
    assert "no interval: the joint law of harvests is not published" in text


def test_the_largest_rights_stand_with_their_own_intervals() -> None:
    text = visible(render_summary(summary(4))).replace("\u00a0", " ")
    # 250000 + 41000.5 * 7 of 1738009.0
    assert "P-02 R1 537,004 MYR 80 % 418,863 to 703,475 90 % 375,902 to 751,805 MYR 30.9 %" in text


def test_a_pool_of_another_name_keeps_it() -> None:
    assert pool_words("POOL-1:IDR") == "POOL-1:IDR"
    assert pool_words("portfolio:IDR") == "rights in no pool, IDR"


def test_where_nothing_bears_no_yield_is_told() -> None:
    data = summary(2)
    young = data.forecasts["plantation_id"] == "P-01"
    tonnes = data.forecasts.assign(area_mature_ha=data.forecasts["area_mature_ha"].where(~young, 0.0))
    levels = data.outlook.columns.drop("plantation_id")
    zero = data.outlook.copy()
    zero.loc[zero["plantation_id"] == "P-01", levels] = 0.0
    bare = replace(data, forecasts=tonnes, outlook=zero)
    text = visible(render_summary(bare))
    assert text.count("none: no mature palms") == 1
    assert "80 % 0.0" not in text.replace("\u00a0", " ")
    first, second = gather(bare).plantations
    assert (first.bare, second.bare) == (True, False)
    memo = render_memo(bare, first, first.records[0])
    assert "Next 12 months none: no mature palms. Mature area 0.0 ha" in memo
    # a zero of palms that stand is a forecast
    assert not any(p.bare for p in gather(replace(data, outlook=zero)).plantations)


def test_drivers_of_one_step_are_ranked_and_steps_are_told_apart() -> None:
    data = whole(2)
    effects = {("cpo", "MYR per t, relative", 0.1): 900.0, ("pk", "MYR per t, relative", 0.1): 40.0,
               ("yield", "t per ha, relative", 0.01): 60.0, ("oer", "1", 0.01): 300.0,
               ("hazard", "a-1", 0.01): 500.0, ("discount", "a-1", 0.005): 80.0}  # fmt: skip
    common = {"pool_id": "portfolio:MYR", "currency": "MYR", "section": "sensitivity", "source": "domain table"}
    rows = [
        common | {"item": item, "unit": unit, "bump": bump, "effect_down": -size, "effect_up": size / 2}
        for (item, unit, bump), size in effects.items()
    ]
    (frame,) = tornado(replace(data, disclosure=finalise(pd.DataFrame(rows), "disclosure"))).values()
    assert list(zip(frame["item"], frame["step"], strict=True)) == [
        ("cpo", "10 %"), ("pk", "10 %"), ("hazard", "1 point"), ("oer", "1 point"), ("discount", "0.5 points"),
        ("yield", "1 %"),
    ]  # fmt: skip
