"""Geolocation rules and the tree on maps, on a supplied result, and on both."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import shapely
from shapely.geometry import Point, Polygon, box

from plantation_rwa.assumptions import packaged
from plantation_rwa.grid import area_ha
from plantation_rwa.screening.eudr import (
    CLASSES,
    STATE_OF,
    LayerShare,
    WhispResult,
    decimals_of,
    geolocation_finding,
    land_finding,
    perennial_crop_risk,
)
from plantation_rwa.screening.rules import Finding, screened, screening_rows, worst

RULES = packaged()
SQUARE = box(103.1234567, 2.1234567, 103.1334567, 2.1334567)


def layers(*answers: bool, share: float = 0.6) -> list[LayerShare]:
    """Two maps per question that agree."""
    return [
        LayerShare(kind, f"{kind} map {n}", share if yes else 0.0, 1.0)
        for kind, yes in zip(CLASSES, answers, strict=True)
        for n in (1, 2)
    ]


def land(
    shares: list[LayerShare], whisp: WhispResult | None = None, own: bool | None = None, point: bool = False
) -> Finding:
    return land_finding("P", shares, whisp, own, point=point, assumptions=RULES)


@pytest.mark.parametrize("answers", list(itertools.product([False, True], repeat=4)))
def test_maps_and_a_result_of_the_same_answers_give_the_same_state(answers: tuple[bool, ...]) -> None:
    risk = perennial_crop_risk(*answers)
    result = WhispResult(dict(zip(CLASSES, answers, strict=True)), risk)
    found = [land(layers(*answers)), land([], result), land(layers(*answers), result)]
    assert {f.state for f in found} == {STATE_OF[risk]}
    assert found[0].confidence == "high"
    assert "disagree" not in found[2].finding


@pytest.mark.parametrize("gone", CLASSES)
@pytest.mark.parametrize("answers", list(itertools.product([False, True], repeat=4)))
def test_a_question_without_a_map_is_not_checked_whatever_the_others_say(gone: str, answers: tuple[bool, ...]) -> None:
    found = land([s for s in layers(*answers) if s.kind != gone])
    assert found.state == "not_checked"
    assert any(CLASSES[gone] in n for n in found.not_checked)
    blind = [dataclasses.replace(s, seen=0.98) if s.kind == gone else s for s in layers(*answers)]
    assert land(blind).state == "not_checked"
    assert any("shows 98.0 % of the plot" in n for n in land(blind).not_checked)


def test_the_limit_is_more_than_ten_percent_and_of_a_point_more_than_nothing() -> None:
    at = [dataclasses.replace(s, share=0.10) for s in layers(True, False, False, True)]
    over = [dataclasses.replace(s, share=0.1001 if s.share else 0.0) for s in layers(True, False, False, True)]
    assert land(at).state == "pass"
    assert (land(over).state, land(over).confidence) == ("fail", "low")
    assert land([dataclasses.replace(s, share=float(s.share > 0)) for s in over], point=True).state == "fail"
    assert land(layers(False, False, False, False), point=True).state == "pass"


def test_any_map_of_a_question_is_enough() -> None:
    shares = layers(True, False, False, True)
    shares.append(LayerShare("commodity_2020", "a palm map", 0.3, 1.0))
    found = land(shares)
    assert (found.state, found.confidence) == ("pass", "low")
    assert "commodity_2020: a palm map 30.00 % (yes)" in found.evidence


def test_where_maps_and_result_disagree_the_worse_counts_and_both_are_told() -> None:
    result = WhispResult(dict(zip(CLASSES, (True, False, False, True), strict=True)), "high", "v2")
    found = land(layers(False, False, False, False), result)
    assert (found.state, found.confidence) == ("fail", "low")
    assert found.finding == "maps say low, the supplied Whisp result says high: they disagree, the worse counts"


def test_a_result_that_contradicts_itself_counts_as_the_worse() -> None:
    result = WhispResult(dict(zip(CLASSES, (True, False, False, True), strict=True)), "low")
    found = land([], result)
    assert found.state == "fail"
    assert any("its indicators make high, it states low" in e for e in found.evidence)


def test_a_result_without_indicators_counts_by_its_risk_and_without_either_not_at_all() -> None:
    nothing = dict.fromkeys(CLASSES)
    assert land([], WhispResult(nothing, "more_info_needed")).state == "more_info"
    found = land([], WhispResult({**nothing, "treecover_2020": True}, ""))
    assert found.state == "not_checked"
    assert any("not used" in e for e in found.evidence)


def test_the_own_record_answers_disturbance_after_2020_and_raises_a_result() -> None:
    maps = [s for s in layers(True, False, False, False) if s.kind != "disturbance_after_2020"]
    assert [land(maps, own=v).state for v in (None, False, True)] == ["not_checked", "more_info", "fail"]
    result = WhispResult(dict(zip(CLASSES, (True, False, False, False), strict=True)), "more_info_needed")
    assert [land([], result, own=v).state for v in (None, False, True)] == ["more_info", "more_info", "fail"]
    palm = WhispResult(dict(zip(CLASSES, (True, True, False, False), strict=True)), "low")
    assert land([], palm, own=True).state == "pass"
    assert "own record of disturbance after 2020" in land([], palm).not_checked


def geolocation(geometry: object, area: float | None = None, **changes: object) -> Finding:
    settings = {"repaired": False, "country": "MY", **changes}
    size = area_ha(geometry) if area is None else area  # type: ignore[arg-type]
    return geolocation_finding("P", geometry, size, assumptions=RULES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("digits", range(10))
def test_decimals_are_those_of_the_finest_coordinate(digits: int) -> None:
    x = round(103.123456789, digits)
    assert decimals_of(Polygon([(x, 2), (104, 2), (104, 3), (x, 3)])) == digits


def test_six_decimals_pass_and_five_fail() -> None:
    six, five = (shapely.transform(SQUARE, lambda c, d=d: c.round(d)) for d in (6, 5))
    assert geolocation(six).state == "pass"
    assert geolocation(five).state == "fail"
    assert geolocation(five).finding == "coordinates have 5 decimals; 6 are needed"


def test_a_point_stands_for_at_most_four_hectares() -> None:
    point = Point(103.123456, 2.123456)
    assert [geolocation(point, area=a).state for a in (4.0, 4.01)] == ["pass", "fail"]


def test_mended_outlines_are_a_question_and_crossing_ones_a_fault() -> None:
    assert geolocation(SQUARE, repaired=True).state == "more_info"
    bow = Polygon([(103.1234567, 2), (103.2, 2.1), (103.2, 2), (103.1234567, 2.1)])
    assert "crosses itself" in geolocation(bow, area=10.0).finding
    assert geolocation(SQUARE, country="").state == "fail"


def test_the_worst_state_is_in_the_order_of_the_contract() -> None:
    order = ["fail", "not_checked", "more_info", "pass"]
    for n, state in enumerate(order):
        assert worst(order[n:]) == state  # type: ignore[arg-type]
    assert worst([]) == "not_checked"


def test_valuations_carry_the_worst_of_the_two_rules_and_the_largest_overlap() -> None:
    def row(plantation: str, rule: str, state: str, measure: float | None = None) -> Finding:
        return Finding(plantation, rule, state, "x", (), ("y",), measure=measure)  # type: ignore[arg-type]

    findings = [
        row("A", "eudr_geolocation", "pass"),
        row("A", "eudr_land", "more_info"),
        row("A", "eudr_disturbance", "not_checked"),
        row("A", "tenure", "fail"),
        row("A", "overlap_portfolio", "pass", 0.002),
        row("A", "overlap_published", "fail", 0.5),
        row("B", "eudr_geolocation", "more_info"),
        row("B", "eudr_land", "not_checked"),
        row("B", "overlap_portfolio", "not_checked"),
    ]
    out = screened(screening_rows(findings, "v")).set_index("plantation_id")
    assert out["eudr_screen"].to_dict() == {"A": "more_info", "B": "not_checked"}
    assert out.loc["A", "overlap_max_frac"] == 0.5
    assert out["overlap_max_frac"].isna().to_dict() == {"A": False, "B": True}


def test_a_finding_that_hides_what_was_not_checked_is_refused() -> None:
    with pytest.raises(ValueError, match="must say what was not checked"):
        screening_rows([Finding("P", "tenure", "pass", "x")], "v")
