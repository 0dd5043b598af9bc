"""What the report's charts are drawn from equals the tables, number by number."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.periods import Month
from plantation_rwa.publish.report import SummaryData, render_summary
from plantation_rwa.publish.report.embedded import FEATURES, FORECAST, MISSING, packed
from plantation_rwa.publish.report.maps import Site
from plantation_rwa.publish.report.where import PER_DEGREE, outline
from plantation_rwa.publish.report.words import DRIVERS, STRESSES
from tests.publish.portfolio import AS_OF, summary
from tests.publish.report_states import whole


def block(data: SummaryData) -> dict[str, Any]:
    """The embedded tables of the page as its script reads them."""
    found = re.search(r'id="report-data">(.*?)</script>', render_summary(data), flags=re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def unpacked(pack: dict[str, Any]) -> np.ndarray:
    """As the script does it: little-endian 16-bit integers over ten to the decimals."""
    whole_numbers = np.frombuffer(base64.b64decode(pack["b"]), dtype="<i2").astype("float64")
    return np.where(whole_numbers == MISSING, np.nan, whole_numbers / 10.0 ** pack["d"])


@given(st.lists(st.one_of(st.floats(-1e7, 1e7), st.just(math.nan)), max_size=30), st.integers(0, 4))
def test_packed_numbers_come_back_to_half_their_last_digit(values: list[float], decimals: int) -> None:
    pack = packed(np.array(values, dtype="float64"), decimals)
    back = unpacked(pack)
    assert pack["d"] <= decimals
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values), initial=0.0) <= 0.5000001 * 10.0 ** -pack["d"]


@pytest.mark.parametrize(
    ("table", "month", "columns"),
    [("forecast", "target_month", FORECAST), ("features", "month", FEATURES), ("history", "month", None)],
)
def test_series_equal_the_tables(table: str, month: str, columns: dict[str, tuple[str, int]] | None) -> None:
    data = whole(5)
    frame = {"forecast": data.forecasts, "features": data.features, "history": data.history}[table]
    given_columns = columns or {"yield": ("yield_t_ha", 4)}
    told = block(data)
    names = [p["id"] for p in told["plantations"]]
    checked = 0
    for key, (column, _) in given_columns.items():
        values = unpacked(told[table]["columns"][key]).reshape(len(names), told[table]["count"])
        quantum = 10.0 ** -told[table]["columns"][key]["d"]
        rows = {(str(r["plantation_id"]), str(r[month])): r[column] for r in frame.to_dict("records")}
        for i, name in enumerate(names):
            for k in range(told[table]["count"]):
                wanted = rows.get((name, str(Month.from_ordinal(told[table]["first"] + k))), math.nan)
                shown = values[i, k]
                assert math.isnan(shown) == math.isnan(wanted), (key, name, k)
                if not math.isnan(wanted):
                    assert abs(shown - wanted) <= quantum / 2 + 1e-12
                    checked += 1
    assert checked > 100


def test_rights_curves_bridge_and_sensitivities_equal_the_tables() -> None:
    data = whole(4)
    told = block(data)
    for i, row in enumerate(data.valuations.sort_values("plantation_id").to_dict("records")):
        (right,) = told["plantations"][i]["rights"]
        assert right["npv_fair"] == row["npv_fair"]
        assert right["elasticity"] == [row[column] for column, _, _ in DRIVERS]
        assert right["stress"] == [round(row[column], 2) for column in STRESSES]
    curve = told["curve"][0]
    assert curve["forward"] == list(data.curve["forward"].round(4))
    assert curve["source"] == list(data.curve["curve_source"])
    # the first month by hand: log sd 0.05 about the forward price as mean
    low = data.curve["forward"].iloc[0] * math.exp(-1.6448536 * 0.05 - 0.05**2 / 2)
    assert curve["q05"][0] == pytest.approx(low, abs=1e-3)
    bridge = told["bridge"][0]
    assert bridge["opening"] == int(data.valuations["bridge_opening"].sum()) / 100
    assert bridge["opening"] + sum(s["value"] for s in bridge["steps"]) == pytest.approx(bridge["closing"], abs=1e-6)
    assert told["tornado"][0]["names"] == ["palm oil price \u00b1 10 %", "discount rate \u00b1 0.5 points"]
    assert told["tornado"][0]["down"] == [-71_000.5, 8_100]
    worst = told["stresses"][0]
    assert worst["change"] == sorted(worst["change"])
    total = data.valuations[[*STRESSES]].sum() - data.valuations["npv_fair"].sum()
    assert worst["change"][0] == pytest.approx(float(total.min()), abs=0.01)


def test_outlines_come_back_to_a_metre_and_a_three_hundredth() -> None:
    square = shapely.Polygon([(103.0, 1.0), (103.02, 1.0), (103.02, 1.02), (103.0, 1.02)])
    hole = shapely.Polygon([(103.005, 1.005), (103.01, 1.005), (103.01, 1.01), (103.005, 1.01)])
    ((outer, inner),) = outline(Site(1, "x", square.difference(hole)))
    assert [len(outer), len(inner)] == [8, 8]

    def ring(steps: list[int]) -> np.ndarray:
        return np.cumsum(np.array(steps).reshape(-1, 2), axis=0) / PER_DEGREE

    assert shapely.Polygon(ring(outer)).equals_exact(square, 1e-9, normalize=True)
    assert shapely.Polygon(ring(inner)).equals_exact(hole, 1e-9, normalize=True)
    assert outline(Site(1, "x", shapely.Point(103, 1))) == []
    round_one = shapely.Point(103.0, 1.0).buffer(0.01, quad_segs=500)
    ((steps,),) = outline(Site(1, "x", round_one))
    assert len(steps) < 120
    assert shapely.hausdorff_distance(shapely.Polygon(ring(steps)), round_one) < 0.02 / 300 + 1e-5


def test_colours_follow_value_anomaly_and_grade() -> None:
    data = whole(12)
    modes = block(data)["map"]["modes"]
    per_ha = [p["per_ha"] for p in block(data)["plantations"]]
    classes = modes["value"]["classes"]
    assert [c for _, c in sorted(zip(per_ha, classes, strict=True))] == sorted(classes)
    assert sorted(np.bincount(classes)) == [2, 2, 2, 2, 2, 2]
    assert len(modes["value"]["labels"]) == len(modes["value"]["colours"]) == 6
    assert modes["grade"]["classes"] == [0, 1, 2, 3] * 3
    # half of the usual harvest is the lowest class, the usual one the middle, twice of it the highest
    usual = data.forecasts["yield_mean_t_ha"] * data.forecasts["plantation_id"].map(
        lambda name: {"P-01": 2.0, "P-02": 1.0, "P-03": 0.5}.get(name, math.nan)
    )
    odd = block(replace(data, forecasts=data.forecasts.assign(climatology_region_t_ha=usual)))["map"]["modes"][
        "anomaly"
    ]
    assert odd["classes"] == [0, 2, 4, *[None] * 9]
    one = block(summary(1))["map"]["modes"]["value"]
    assert (one["classes"], len(one["labels"])) == ([0], 1)


def test_a_month_that_comes_twice_counts_once_and_an_unknown_column_is_missing() -> None:
    data = summary(2)
    twice = pd.concat([data.history, data.history.assign(yield_t_ha=9.0)])
    assert block(replace(data, history=twice))["history"] == block(data)["history"]
    assert np.isnan(unpacked(block(data)["features"]["columns"]["rain"])).all()
    assert block(data)["as_of"] == AS_OF
