"""Pictures on the page: published bytes, the outline where it belongs, a scale bar, or why there is none."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely

from plantation_rwa.grid import reproject
from plantation_rwa.publish.report import SummaryData, render_summary
from plantation_rwa.publish.report.pictures import UNITS
from tests.publish.report_states import many, pictured, whole


def told(data: SummaryData) -> list[dict[str, Any]]:
    """What the page's script is given, by plantation."""
    found = re.search(r'id="report-data">(.*?)</script>', render_summary(data), flags=re.DOTALL)
    assert found
    return list(json.loads(found[1])["chips"])


def test_the_bytes_are_those_published() -> None:
    data = pictured(whole(4))
    for row, shown in zip(data.chips.to_dict("records"), told(data), strict=True):
        if row["reason"]:
            assert shown == {"none": f"No picture: {row['reason']}."}
            continue
        for name, url in zip(("colour_png", "ndmi_png"), shown["pictures"], strict=True):
            assert url == "data:image/png;base64," + base64.b64encode(row[name]).decode()
        assert shown["told"] == "Sentinel-2 of 2026-05-24, tile 48NUG, 93 % of the ground clear"


def test_the_outline_lies_where_the_ground_is() -> None:
    data = pictured(whole(3))
    row = data.chips.iloc[0]
    (path,) = re.findall(r"M([^Z]+)Z", told(data)[0]["outline"])
    drawn = np.array([[float(v) for v in pair.split()] for pair in path.split("L")])
    metres = drawn * row["side"] / UNITS * [1, -1] + [row["left_edge"], row["top_edge"]]
    wanted = reproject(data.geometry["geometry"].iloc[0], "EPSG:4326", row["crs"])
    # to the drawing's whole units and what it is simplified by
    assert shapely.hausdorff_distance(shapely.Polygon(metres), wanted) < 1.5 * row["side"] / UNITS


@pytest.mark.parametrize(
    ("side", "words", "metres"), [(360.0, "100 m", 100), (900.0, "200 m", 200), (5_800.0, "1 km", 1000)]
)
def test_the_scale_bar_is_a_round_length_below_a_third(side: float, words: str, metres: float) -> None:
    data = pictured(whole(1))
    bar = told(replace(data, chips=data.chips.assign(side_m=side)))[0]["bar"]
    assert bar["words"] == words
    assert bar["length"] == pytest.approx(200 * metres / side, abs=0.05)


def test_a_plantation_without_a_row_has_no_picture_and_one_of_two_pictures_says_why() -> None:
    assert told(whole(1)) == [{"none": "No picture: the run published none."}]
    data = pictured(whole(1))
    half = data.chips.assign(ndmi_png=None, reason="no moisture index: the scene lacks B11")
    (shown,) = told(replace(data, chips=half))
    assert [bool(url) for url in shown["pictures"]] == [True, False]
    assert shown["why"] == "No moisture index: the scene lacks B11."


def test_a_scene_without_green_is_named_by_its_bands() -> None:
    data = pictured(whole(1))
    (shown,) = told(replace(data, chips=data.chips.assign(colour_bands="B08 B04 B02")))
    assert shown["titles"][0] == "near infrared, red, blue (B08, B04, B02): the scene has no green band"


def test_two_hundred_plantations_with_pictures_of_noise_stay_under_five_megabytes() -> None:
    data = many(200)
    shown = data.chips[data.chips["reason"] == ""]
    assert len(shown) > 180
    size = len(render_summary(data).encode())
    print(f"200 plantations: {size / 1e6:.2f} MB")
    assert size < 5_000_000
