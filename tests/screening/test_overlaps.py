"""Land claimed twice: copies are found however they are filed, neighbours are not taken for copies."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import Point, Polygon, box

from plantation_rwa.assumptions import packaged
from plantation_rwa.grid import area_ha, reproject
from plantation_rwa.screening.overlaps import Plot, overlap_findings, overlaps
from tests.screening.plots import copies, named, neighbours, plots, star

RULES = packaged()
KINDS = ("moved 30 m", "turned 2 degrees", "simplified", "split", "merged")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [8101, 8209])
def test_copies_are_found(kind: str, seed: int) -> None:
    """Recall of at least 99 % over 200 plots of 0.5 to 3,000 ha, in the register and against other publications."""
    outlines = plots(seed, 200)
    rng = np.random.default_rng(seed)
    filed = [copies(g, rng)[kind] for g in outlines]
    again = [Plot(f"C{n}", g, source="elsewhere") for n, gs in enumerate(filed) for g in gs]
    owner = [n for n, gs in enumerate(filed) for _ in gs]
    among = overlap_findings("overlap_portfolio", [*named(outlines), *again], None, "the register", RULES)
    others = overlap_findings("overlap_published", named(outlines), again, "elsewhere", RULES)
    for found in (among[: len(outlines)], others):
        assert np.mean([f.state == "fail" for f in found]) >= 0.99
    # pieces are found one by one
    pieces = [f.state == "fail" for f in among[len(outlines) :]]
    assert np.mean(pieces) >= 0.99
    assert len(pieces) == len(owner)


@pytest.mark.parametrize("metres", [0.0, 1.0, 5.0])
def test_neighbours_are_no_copies(metres: float) -> None:
    """At most one false alarm in a thousand of 3,000 plots, also where both sides were measured with handhelds."""
    found = overlap_findings("overlap_portfolio", named(neighbours(8303, 3000, metres)), None, "the register", RULES)
    alarms = np.mean([f.state != "pass" for f in found])
    assert alarms <= 0.001
    assert len(found) >= 2990


def test_neighbours_stay_neighbours_through_another_crs_and_six_decimals() -> None:
    cells = neighbours(8419, 1000, 0.0)
    turned = [reproject(reproject(c, "EPSG:4326", "EPSG:32648"), "EPSG:32648", "EPSG:4326") for c in cells]
    six = [shapely.transform(c, lambda v: v.round(6)) for c in cells]
    for outlines in (turned, six):
        found = overlap_findings("overlap_portfolio", named(outlines), None, "the register", RULES)
        assert np.mean([f.state != "pass" for f in found]) <= 0.001


def test_shares_are_of_the_smaller_plot_and_areas_are_geodesic() -> None:
    large, small = box(103.0, 2.0, 103.02, 2.02), box(103.015, 2.0, 103.025, 2.01)
    (found,) = overlaps(named([large, small]), None, RULES)
    assert found.share == pytest.approx(0.5, abs=1e-6)
    assert found.area_ha == pytest.approx(area_ha(box(103.015, 2.0, 103.02, 2.01)), rel=1e-4)
    assert found.kept == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("share", "state"), [(0.0102, "fail"), (0.0098, "more_info")])
def test_one_percent_of_the_smaller_plot_is_the_limit(share: float, state: str) -> None:
    a = box(103.0, 2.0, 103.05, 2.05)
    b = box(103.05 - 0.05 * share, 2.0, 103.1 - 0.05 * share, 2.05)
    states = {f.state for f in overlap_findings("overlap_portfolio", named([a, b]), None, "the register", RULES)}
    assert states == {state}


def test_a_strip_along_an_edge_is_measured_but_raises_no_alarm() -> None:
    """9 m of 5.5 km are 0.16 % of the ground; the same share in one corner is a question."""
    a, nine = box(103.0, 2.0, 103.05, 2.05), 9 / 111_320
    strip = box(103.05 - nine, 2.0, 103.1, 2.05)
    corner = box(103.048, 2.048, 103.1, 2.1)
    for other, state in ((strip, "pass"), (corner, "more_info")):
        first = overlap_findings("overlap_portfolio", named([a, other]), None, "the register", RULES)[0]
        assert first.state == state
        assert first.measure == pytest.approx(0.0016, abs=3e-4)


def test_the_same_plantation_published_before_is_no_overlap() -> None:
    outline = box(103.0, 2.0, 103.02, 2.02)
    own, other = Plot("A", outline, source="last month"), Plot("B", outline, source="last month")
    rule = "overlap_published"
    assert overlap_findings(rule, [Plot("A", outline)], [own], "last month", RULES)[0].state == "pass"
    found = overlap_findings(rule, [Plot("A", outline)], [own, other], "last month", RULES)[0]
    assert (found.state, found.other_id, found.measure) == ("fail", "B", 1.0)


def test_without_anything_to_hold_it_against_the_rule_is_not_checked() -> None:
    found = overlap_findings("overlap_published", named([box(103.0, 2.0, 103.02, 2.02)]), [], "", RULES)[0]
    assert (found.state, found.measure) == ("not_checked", None)


def test_a_point_is_a_disc_of_its_declared_area_and_never_more_than_a_question() -> None:
    point = Plot("P", Point(103.01, 2.01), declared_ha=4.0)
    inside, beside = Plot("Q", box(103.0, 2.0, 103.02, 2.02)), Plot("R", box(103.2, 2.0, 103.22, 2.02))
    found = overlap_findings("overlap_portfolio", [point, inside, beside], None, "the register", RULES)
    assert [f.state for f in found] == ["more_info", "more_info", "pass"]
    assert found[0].measure == pytest.approx(1.0, abs=1e-3)
    assert "outline of the point" in found[0].not_checked


def test_a_copy_moved_by_more_than_its_width_is_a_question_and_parcels_of_a_grid_are_none() -> None:
    strip = Polygon([(103, 2), (103.001, 2.0001), (103.00108, 2.00025), (103.0005, 2.0003), (103, 2.0002)])
    copy, far = (shapely.transform(strip, lambda c, d=d: np.add(c, [0, d])) for d in (0.0004, 0.01))
    found = overlap_findings("overlap_portfolio", named([strip, copy, far]), None, "the register", RULES)
    assert [f.state for f in found] == ["more_info", "more_info", "pass"]
    assert "the same outline moved" in found[0].evidence[1]
    leaning = [Polygon([(x, 2), (x + 0.01, 2), (x + 0.013, 2.01), (x + 0.003, 2.01)]) for x in (103.0, 103.01, 103.02)]
    parcels = [box(103 + n / 100, 2, 103 + (n + 1) / 100, 2.01) for n in range(3)]
    for grid in (leaning, parcels):
        states = {f.state for f in overlap_findings("overlap_portfolio", named(grid), None, "the register", RULES)}
        assert states == {"pass"}


@pytest.mark.parametrize("seed", [8609, 8713])
def test_small_plots_moved_by_more_than_their_width_are_found(seed: int) -> None:
    """Plots of 0.1 to 1 ha, many of them narrower than the 30 m they are moved by."""
    rng = np.random.default_rng(seed)
    outlines = [star(rng, float(rng.uniform(0.1, 1.0)), (100 + 0.1 * n, 1.0)) for n in range(200)]
    again = [copies(g, rng)["moved 30 m"][0] for g in outlines]
    found = overlap_findings("overlap_portfolio", [*named(outlines), *named(again, "C")], None, "the register", RULES)
    assert np.mean([f.state == "fail" for f in found]) >= 0.99


def test_small_neighbours_are_no_copies() -> None:
    """Cells of half a hectare, each corner measured anew with two metres of error."""
    cells = [shapely.affinity.scale(c, 0.1, 0.1, origin=(101.0, 0.5)) for c in neighbours(8819, 1200, 20.0)]
    found = overlap_findings("overlap_portfolio", named(cells), None, "the register", RULES)
    assert np.mean([f.state != "pass" for f in found]) <= 0.001


def test_a_copy_of_few_corners_fails_by_the_strip_it_shares() -> None:
    """A kite 16 m wide moved by 9 m: what it shares with itself is narrower than a strip."""
    kite = Polygon([(0, 0), (8, 60), (0, 80), (-8, 60)])
    placed = [shapely.affinity.translate(kite, x, 0) for x in (0.0, 9.0)]
    outlines = [shapely.transform(p, lambda c: c / 111_320 + [103.0, 0.0]) for p in placed]
    found = overlap_findings("overlap_portfolio", named(outlines), None, "the register", RULES)
    assert [f.state for f in found] == ["fail", "fail"]
    trapezoids = [Polygon([(x, 2), (x + 0.001, 2), (x + 0.0008, 2.001), (x, 2.001)]) for x in (103.0, 103.001)]
    states = [f.state for f in overlap_findings("overlap_portfolio", named(trapezoids), None, "the register", RULES)]
    assert states == ["more_info", "more_info"]


def test_order_of_plots_changes_nothing() -> None:
    outlines = neighbours(8521, 60, 5.0)
    doubled = [*named(outlines), *(Plot(f"D{n}", g) for n, g in enumerate(outlines[:20]))]
    forward = {f.plantation_id: f for f in overlap_findings("r", doubled, None, "the register", RULES)}
    back = {f.plantation_id: f for f in overlap_findings("r", doubled[::-1], None, "the register", RULES)}
    for plantation, found in forward.items():
        assert found.state == back[plantation].state
        assert found.measure == pytest.approx(back[plantation].measure, abs=1e-9)
        assert found.other_id == back[plantation].other_id
