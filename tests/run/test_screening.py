"""Screening within a run: published beside the values, told with what was not looked at, point in time."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shapely.geometry import box, shape

from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.schema.screening_fields import RULES
from plantation_rwa.simulate import histories
from plantation_rwa.simulate.portfolio import simulate
from plantation_rwa.testing import edit_config, edit_register
from tests.conftest import AS_OF, run_world, tree
from tests.screening.test_disturbance import maps

FAST = {"imagery": None, "climate": None, "sensors": None, "harvest": None, "valuation.paths": 100}


def screening(out: Path, as_of: dt.date = AS_OF) -> pd.DataFrame:
    return read_part(next((out / f"screening/as_of={as_of}").glob("part-*.parquet")))


def states(out: Path, rule: str, as_of: dt.date = AS_OF) -> dict[str, str]:
    rows = screening(out, as_of)
    return dict(rows.loc[rows["rule"] == rule, ["plantation_id", "state"]].itertuples(index=False, name=None))


def test_a_plain_run_says_of_every_plantation_and_rule_what_was_not_checked(small_run: Path) -> None:
    rows = screening(small_run)
    assert len(rows) == 4 * len(RULES)
    assert set(rows["rule"]) == set(RULES)
    assert (rows["not_checked"].str.len() > 0).all()
    assert set(states(small_run, "eudr_land").values()) == {"not_checked"}
    assert set(states(small_run, "eudr_disturbance").values()) == {"not_checked"}
    told = rows.loc[rows["rule"] == "eudr_disturbance", "finding"]
    assert told.str.contains("no baseline: 0 clear observations in 2020").all()
    values = pd.read_parquet(small_run / "latest/valuations.parquet")
    assert set(values["eudr_screen"]) == {"not_checked"}
    assert (values["overlap_max_frac"] == 0).all()


def test_the_word_that_nobody_may_say_is_nowhere(small_run: Path) -> None:
    for table in ("screening", "valuations"):
        frame = pd.DataFrame(read_part(next((small_run / f"{table}/as_of={AS_OF}").glob("part-*.parquet"))))
        text = frame.drop(columns="geometry", errors="ignore").to_csv()
        assert "complian" not in text.lower()
    assert "complian" not in (small_run / f"reports/as_of={AS_OF}/index.html").read_text("utf-8").lower()


def outlines(world: Path) -> dict[str, Any]:
    features = json.loads((world / "register.geojson").read_text())["features"]
    return {f["properties"]["plantation_id"]: shape(f["geometry"]) for f in features}


@pytest.fixture(scope="module")
def supplied(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The small world with all evidence supplied, run once: what was written, and the world."""
    folder = tmp_path_factory.mktemp("supplied")
    world = Path(shutil.copytree(small_world, folder / "world"))
    ground = outlines(world)
    low, high, open_, _ = sorted(ground)
    says = {
        "treecover_2020": [high, open_],
        "commodity_2020": [low],
        "disturbance_before_2020": [],
        "disturbance_after_2020": [high],
    }
    layers = []
    for kind, named in says.items():
        shapes = [ground[n] for n in named] + [box(0, 0, 0.001, 0.001)]
        gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs="EPSG:4326").to_file(world / f"{kind}.geojson")
        layers.append({"name": kind, "class": kind, "path": f"{kind}.geojson", "extent": [90.0, -10.0, 120.0, 10.0]})
    (world / "whisp.csv").write_text(
        "external_id,Ind_01_treecover,Ind_02_commodities,Ind_03_disturbance_before_2020,Ind_04_disturbance_after_2020,"
        f"risk_pcrop\n{low},yes,no,no,no,more_info_needed\n{high},yes,no,no,yes,high\n"
    )
    country = {f["properties"]["plantation_id"]: f["properties"]["country"] for f in features_of(world)}
    countries = gpd.GeoDataFrame(
        {"country": list(country.values())}, geometry=[ground[p].buffer(0.1) for p in country], crs="EPSG:4326"
    )
    countries[countries["country"] == country[low]].to_file(world / "borders.geojson")
    (world / "countries.csv").write_text(f"country,risk\n{country[low]},standard\n")
    (world / "titles").mkdir()
    (world / "titles/deed.pdf").write_bytes(b"deed")
    hashed = hashlib.sha256(b"deed").hexdigest()
    (world / "titles/list.csv").write_text(
        f"plantation_id,document,path,sha256\n{low},deed,deed.pdf,{hashed}\n{high},deed,deed.pdf,{'0' * 64}\n"
    )
    (world / "tenure.csv").write_text(
        f"plantation_id,title,holder,valid_from,valid_to\n{low},HGU 1,Simulated sponsor A,2010-01-01,2040-01-01\n"
        f"{high},HGU 2,Simulated sponsor B,2010-01-01,2020-01-01\n"
    )
    (world / "sanctions.csv").write_text("name,list\nSimulated Sponsor A Ltd,made up\n")
    other = gpd.GeoDataFrame(
        {"plantation_id": ["ELSEWHERE"]}, geometry=[ground[open_].buffer(-0.0005)], crs="EPSG:4326"
    )
    other.to_parquet(world / "elsewhere.parquet")
    section = {
        "layers": layers, "whisp": {"path": "whisp.csv"}, "boundaries": "borders.geojson",
        "countries": "countries.csv", "documents": "titles/list.csv", "tenure": "tenure.csv",
        "sanctions": "sanctions.csv", "published": "elsewhere.parquet", "traces": {},
    }  # fmt: skip
    edit_config(world / "config.yaml", {**FAST, "compliance": section})
    run_world(world / "config.yaml", folder / "out")
    return folder / "out", world


def features_of(world: Path) -> list[dict[str, Any]]:
    return list(json.loads((world / "register.geojson").read_text())["features"])


def test_maps_and_a_result_are_combined_and_values_carry_the_worst(supplied: tuple[Path, Path]) -> None:
    out, world = supplied
    low, high, open_, far = sorted(outlines(world))
    assert states(out, "eudr_land") == {low: "more_info", high: "fail", open_: "more_info", far: "pass"}
    rows = screening(out).set_index(["plantation_id", "rule"])
    assert "they disagree" in rows.loc[(low, "eudr_land"), "finding"]
    assert "they disagree" not in rows.loc[(high, "eudr_land"), "finding"]
    values = pd.read_parquet(out / "latest/valuations.parquet").set_index("plantation_id")
    assert values["eudr_screen"].to_dict() == {low: "more_info", high: "fail", open_: "more_info", far: "pass"}
    assert values.loc[open_, "overlap_max_frac"] == pytest.approx(1.0, abs=1e-6)
    assert values.loc[far, "overlap_max_frac"] == 0


def test_lists_decide_their_rules(supplied: tuple[Path, Path]) -> None:
    out, world = supplied
    low, high, open_, far = sorted(outlines(world))
    assert states(out, "documents") == {low: "pass", high: "fail", open_: "not_checked", far: "not_checked"}
    assert states(out, "tenure") == {low: "pass", high: "fail", open_: "more_info", far: "more_info"}
    assert states(out, "overlap_published") == {low: "pass", high: "pass", open_: "fail", far: "pass"}
    country = states(out, "country")
    assert country[low] == "pass"
    assert {s for p, s in country.items() if p != low} <= {"fail", "pass"}
    names = {f["properties"]["plantation_id"]: f["properties"]["sponsor_id"] for f in features_of(world)}
    expected = {p: "fail" if s == "SPONSOR-A" else "more_info" for p, s in names.items()}
    found = states(out, "sanctions")
    assert {p for p, s in found.items() if s == "fail"} >= {p for p, s in expected.items() if s == "fail"}


def test_the_export_is_published_named_in_the_manifest_and_told(supplied: tuple[Path, Path]) -> None:
    out, world = supplied
    (path,) = out.glob(f"screening/as_of={AS_OF}/traces-*.geojson")
    document = json.loads(path.read_text())
    assert {f["properties"]["ProductionPlace"] for f in document["features"]} == set(outlines(world))
    assert {f["properties"]["ProducerName"][:17] for f in document["features"]} == {"Simulated sponsor"}
    manifest = json.loads((out / f"manifests/as_of={AS_OF}.json").read_text())
    named = {o["path"]: o["sha256"] for o in manifest["outputs"]}
    assert named[path.relative_to(out).as_posix()] == hashlib.sha256(path.read_bytes()).hexdigest()
    rows = screening(out)
    assert rows.loc[rows["rule"] == "eudr_geolocation", "evidence"].str.endswith("in the TRACES export").all()


def test_a_second_run_makes_nothing_anew_and_changed_evidence_makes_screening_and_values(
    supplied: tuple[Path, Path], tmp_path: Path
) -> None:
    out, world = (Path(shutil.copytree(p, tmp_path / p.name)) for p in supplied)
    before = tree(out)
    assert run_world(world / "config.yaml", out).recomputed_nothing
    assert tree(out) == before
    low, *_ = sorted(outlines(world))
    (world / "whisp.csv").write_text(f"external_id,risk_pcrop\n{low},low\n")
    report = run_world(world / "config.yaml", out)
    assert (report.computed["features"], report.computed["forecast"], report.computed["valuation"]) == (0, 0, 1)
    assert states(out, "eudr_land")[low] == "pass"
    assert len(list(out.glob(f"screening/as_of={AS_OF}/*"))) == 2


def test_the_same_ground_under_another_name_is_found_in_what_was_published_before(
    world_copy: Path, tmp_path: Path
) -> None:
    edit_config(world_copy / "config.yaml", FAST)
    early = dt.date(2026, 4, 30)
    run_world(world_copy / "config.yaml", tmp_path / "out", early)
    assert set(states(tmp_path / "out", "overlap_published", early).values()) == {"not_checked"}

    def renamed(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
        features[0]["properties"]["plantation_id"] = "AGAIN"
        return features

    edit_register(world_copy / "register.geojson", renamed)
    run_world(world_copy / "config.yaml", tmp_path / "out")
    found = states(tmp_path / "out", "overlap_published")
    assert {p for p, s in found.items() if s == "fail"} == {"AGAIN"}
    assert set(found.values()) == {"pass", "fail"}
    values = pd.read_parquet(tmp_path / "out/latest/valuations.parquet").set_index("plantation_id")
    assert values["overlap_max_frac"].idxmax() == "AGAIN"
    # and the earlier date stays as it was
    before = tree(tmp_path / "out")
    run_world(world_copy / "config.yaml", tmp_path / "out2", early)
    assert not any(k.startswith(f"screening/as_of={AS_OF}") for k in tree(tmp_path / "out2"))
    assert before


def test_evidence_known_later_changes_no_byte_of_an_earlier_date(world_copy: Path, tmp_path: Path) -> None:
    edit_config(world_copy / "config.yaml", FAST)
    (world_copy / "countries.csv").write_text("country,risk,known_at\nMY,low,2026-01-01\n")
    edit_config(world_copy / "config.yaml", {"compliance": {"countries": "countries.csv"}})
    run_world(world_copy / "config.yaml", tmp_path / "a")
    (world_copy / "countries.csv").write_text("country,risk,known_at\nMY,low,2026-01-01\nMY,high,2026-06-02\n")
    run_world(world_copy / "config.yaml", tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.long
def test_the_four_histories_get_their_class_from_scenes(tmp_path: Path) -> None:
    """Pixels since 2020, through features and screening: disturbance after 2020 by the own record alone."""
    made = simulate(
        tmp_path / "world", seed=7919, plantations=4, imagery_plantations=4, months=44, end="2023-08",
        climate_years=4, settlement_days=60, sensor_months=2, passes_per_month=2, land=tuple(histories.HISTORIES),
        faults=False,
    )  # fmt: skip
    labels = pd.read_csv(made.directory / "truth/land.csv", dtype=str).set_index("plantation_id")["history"]
    ground = outlines(made.directory)
    layers = []
    for n, kind in enumerate(("treecover_2020", "commodity_2020", "disturbance_before_2020")):
        yes = [ground[p] for p, history in labels.items() if maps(history)[n].share > 0]
        frame = gpd.GeoDataFrame({"n": range(len(yes))}, geometry=list(shapely.normalize(yes)), crs="EPSG:4326")
        frame.to_file(made.directory / f"{kind}.geojson")
        layers.append({"name": kind, "class": kind, "path": f"{kind}.geojson", "extent": [90.0, -10.0, 120.0, 10.0]})
    edit_config(made.config, {"compliance": {"layers": layers}, "climate": None, "sensors": None})
    as_of = dt.date(2023, 8, 31)
    run_world(made.config, tmp_path / "out", as_of, stages=("features",))
    found = states(tmp_path / "out", "eudr_land", as_of)
    assert {labels[p]: s for p, s in found.items()} == {
        "deforested": "fail",
        "replanted": "pass",
        "forest kept": "more_info",
        "cleared early": "pass",
    }
