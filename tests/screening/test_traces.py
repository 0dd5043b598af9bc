"""The export for the EU information system stays within its rules, whatever the outlines."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, box, shape

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.grid import area_ha
from plantation_rwa.screening.traces import Place, traces_export
from tests.screening.plots import plots, stairs

RULES = packaged()
LIMIT = int(RULES.number("traces.file_bytes_max"))
NUMBER = re.compile(r"-?\d+\.\d+")


def place(name: str, geometry: object, area: float | None = None, **changes: str) -> Place:
    size = area_ha(shapely.orient_polygons(geometry)) if area is None else area  # type: ignore[call-overload]
    return Place(name, geometry, size, changes.get("country", "MY"), changes.get("producer", "Sime Sdn Bhd"))  # type: ignore[arg-type]


def check(text: str) -> list[dict[str, object]]:
    """Every rule of the form, asserted; the features."""
    assert len(text.encode()) <= LIMIT
    document = json.loads(text)
    assert set(document) == {"type", "features"}
    assert document["type"] == "FeatureCollection"
    for line in text.splitlines()[1:-1]:
        for number in NUMBER.findall(line.split('"coordinates":')[1]):
            assert len(number.split(".")[1]) == 6, number
    for feature in document["features"]:
        assert feature["type"] == "Feature"
        properties, geometry = feature["properties"], shape(feature["geometry"])
        assert {"ProducerName", "ProducerCountry", "ProductionPlace"} <= set(properties)
        assert re.fullmatch("[A-Z]{2}", properties["ProducerCountry"])
        assert all(properties[k] for k in ("ProducerName", "ProductionPlace"))
        x0, y0, x1, y1 = geometry.bounds
        assert x0 >= -180
        assert x1 <= 180
        assert y0 >= -90
        assert y1 <= 90
        if geometry.geom_type == "Point":
            assert 0 < properties["Area"] <= 4
            continue
        assert geometry.geom_type == "Polygon"
        assert "Area" not in properties
        rings = feature["geometry"]["coordinates"]
        assert len(rings) == 1
        assert len(rings[0]) >= 4
        assert rings[0][0] == rings[0][-1]
        assert geometry.is_valid
        assert geometry.exterior.is_ccw
    return list(document["features"])


def test_a_point_and_a_polygon_to_the_letter() -> None:
    places = [place("B", Point(103.1, 2.25), area=3.5), place("A", box(103.0, 2.0, 103.01, 2.01))]
    (text,) = traces_export(places, RULES).files
    assert text == (
        '{"type":"FeatureCollection","features":[\n'
        '{"type":"Feature","properties":{"ProducerName":"Sime Sdn Bhd","ProducerCountry":"MY","ProductionPlace":"A"},'
        '"geometry":{"type":"Polygon","coordinates":[[[103.000000,2.000000],[103.010000,2.000000],'
        "[103.010000,2.010000],[103.000000,2.010000],[103.000000,2.000000]]]}},\n"
        '{"type":"Feature","properties":{"ProducerName":"Sime Sdn Bhd","ProducerCountry":"MY","ProductionPlace":"B",'
        '"Area":3.5},"geometry":{"type":"Point","coordinates":[103.100000,2.250000]}}\n'
        "]}\n"
    )
    check(text)


def test_plots_of_many_shapes_keep_their_ground() -> None:
    outlines = plots(9001, 120)
    export = traces_export([place(f"P{n:03d}", g) for n, g in enumerate(outlines)], RULES)
    assert export.left_out == {}
    (text,) = export.files
    exported: dict[str, float] = {}
    pieces: dict[str, list[Polygon]] = {}
    for feature in check(text):
        name = str(feature["properties"]["ProductionPlace"]).split(" ")[0]  # type: ignore[index]
        piece = shape(feature["geometry"])
        exported[name] = exported.get(name, 0.0) + area_ha(piece)
        pieces.setdefault(name, []).append(piece)
    for n, outline in enumerate(outlines):
        name = f"P{n:03d}"
        assert exported[name] == pytest.approx(area_ha(shapely.orient_polygons(outline)), rel=5e-3)
        # pieces lie beside each other, not on each other
        assert sum(p.area for p in pieces[name]) == pytest.approx(shapely.union_all(pieces[name]).area, rel=1e-6)


def test_holes_are_cut_open_and_parts_are_plots_of_their_own() -> None:
    ring = Polygon(box(103, 2, 103.05, 2.05).exterior.coords, [box(103.02, 2.02, 103.03, 2.03).exterior.coords])
    two = MultiPolygon([ring, box(103.1, 2, 103.12, 2.02)])
    features = check(traces_export([place("P", two)], RULES).files[0])
    names = [f["properties"]["ProductionPlace"] for f in features]  # type: ignore[index]
    assert names == ["P (1 of 3)", "P (2 of 3)", "P (3 of 3)"]
    assert sum(area_ha(shape(f["geometry"])) for f in features) == pytest.approx(
        area_ha(shapely.orient_polygons(two)), rel=1e-6
    )


def test_a_file_that_would_grow_too_large_is_continued_in_another() -> None:
    small = RULES.override({"traces.file_bytes_max": 20_000}, where="test")
    outlines = plots(9103, 60)
    export = traces_export([place(f"P{n:02d}", g) for n, g in enumerate(outlines)], small)
    assert len(export.files) > 2
    assert all(len(t.encode()) <= 20_000 for t in export.files)
    names = [f["properties"]["ProductionPlace"].split(" ")[0] for t in export.files for f in json.loads(t)["features"]]  # type: ignore[index]
    assert sorted(set(names) | set(export.left_out)) == [f"P{n:02d}" for n in range(60)]
    assert not set(names) & set(export.left_out)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (place("X", Point(103.1, 2.2), area=4.1), "a point of more than 4 ha"),
        (place("X", box(103, 2, 103.1, 2.1), producer=""), "it has no producer"),
        (place("X", box(103, 2, 103.1, 2.1), country=""), "it has no country"),
        (place("X", box(103, 2, 103.0000004, 2.1)), "it is no sound polygon any more when rounded to six decimals"),
        (place("X", box(103, 2, 103.0000014, 2.1)), "rounding to six decimals changes its area by 28.57 %"),
    ],
)
def test_what_cannot_be_written_so_is_left_out_with_the_reason(bad: Place, reason: str) -> None:
    export = traces_export([bad, place("Y", box(103, 2, 103.1, 2.1))], RULES)
    assert export.left_out == {"X": reason}
    assert len(check(export.files[0])) == 1
    assert traces_export([bad], RULES).files == ()


def test_an_outline_of_countless_holes_is_left_out() -> None:
    few: Assumptions = RULES.override({"traces.parts_max": 5}, where="test")
    outline = stairs(np.random.default_rng(4), 200.0, (103.0, 2.0))
    assert len(outline.interiors) > 5
    assert traces_export([place("X", outline)], few).left_out == {"X": "it falls into more than 5 pieces without holes"}


def test_order_changes_no_byte() -> None:
    places = [place(f"P{n:02d}", g) for n, g in enumerate(plots(9203, 30))]
    assert traces_export(places, RULES) == traces_export(places[::-1], RULES)


def test_quotes_and_letters_of_names_survive() -> None:
    (feature,) = check(
        traces_export([place('Kebun "Öl"', box(103, 2, 103.1, 2.1), producer="棕榈 & Söhne")], RULES).files[0]
    )
    assert feature["properties"]["ProductionPlace"] == 'Kebun "Öl"'  # type: ignore[index]
    assert feature["properties"]["ProducerName"] == "棕榈 & Söhne"  # type: ignore[index]
