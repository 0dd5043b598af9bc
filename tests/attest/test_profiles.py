"""Profiles: columns and files left out, outlines coarse, and what can still be verified of each."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
import yaml
from shapely.geometry import Polygon

from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.config import load_config
from plantation_rwa.errors import PlantationError
from plantation_rwa.publish.manifest import load
from plantation_rwa.run.profiles import coarse, profile_columns, publish_profile
from plantation_rwa.run.prove import prove
from plantation_rwa.run.verify import verify
from plantation_rwa.schema.classification import TABLE_KINDS, classification
from plantation_rwa.schema.tables import TABLES, table
from plantation_rwa.testing import edit_config, edit_csv
from tests.attest.test_signing import overlay
from tests.conftest import run_world

TODAY = Trust({}, None, end_of_day("2026-06-10"))


def test_every_table_is_classified() -> None:
    assert set(TABLE_KINDS) == set(TABLES)
    with pytest.raises(KeyError):
        classification("unknown", "value")


def test_what_the_public_sees_names_no_plantation() -> None:
    shown = {name: profile_columns(spec, "public") for name, spec in TABLES.items()}
    assert {name for name, columns in shown.items() if columns} == {
        "curves", "price_model", "pools", "disclosure", "metrics", "metrics_pooled", "ghost_metrics", "ghost_losses",
        "leak_checks",
    }  # fmt: skip
    assert not any({"plantation_id", "geometry", "right_id"} & set(columns) for columns in shown.values())


def test_an_investor_sees_no_salt_no_payor_and_no_outline() -> None:
    assert profile_columns(table("records"), "investor") == [
        "plantation_id", "right_id", "key_hash", "record_hash", "merkle_index",
    ]  # fmt: skip
    assert "payor_id" not in profile_columns(table("valuations"), "investor")
    assert "geometry" in profile_columns(table("valuations"), "investor")
    assert not profile_columns(table("quarantine"), "investor")


def test_an_outline_becomes_the_cell_around_its_middle() -> None:
    """The middle of the box (113.13, -2.37) lies in the cell from 113.1 to 113.2 and from -2.4 to -2.3."""
    outline = Polygon([(113.12, -2.38), (113.14, -2.38), (113.14, -2.36), (113.12, -2.36)])
    found = coarse(gpd.GeoDataFrame({"geometry": [outline, None]}, crs="EPSG:4326"), 0.1)
    assert found["geometry"].iloc[0].bounds == (113.1, -2.4, 113.2, -2.3)
    assert found["geometry"].iloc[1] is None


@pytest.fixture(scope="module")
def published(small_world: Path, small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small run in both other profiles."""
    manifest = load(small_run, "2026-05-31")
    assert manifest is not None
    found = {}
    for profile in ("investor", "public"):
        config = load_config(small_world / "config.yaml")
        out = tmp_path_factory.mktemp(profile) / "out"
        publish = config.publish.model_copy(update={"out": str(out), "profile": profile})
        found[profile] = publish_profile(config.model_copy(update={"publish": publish}), small_run, manifest)
    return found


def test_a_profile_passes_and_says_what_cannot_be_checked(published: dict[str, Path]) -> None:
    for profile, missing in (("investor", "inputs, records"), ("public", "inputs, root, records")):
        found = verify(published[profile], TODAY)
        assert found.failed == []
        assert any(reason.startswith(f"{missing}: the profile '{profile}'") for _, reason in found.unchecked)


def test_the_investor_folder_shows_cells_and_the_same_root(published: dict[str, Path], small_run: Path) -> None:
    investor = published["investor"]
    values = gpd.read_parquet(next(investor.glob("valuations/*/*.parquet")))
    full = gpd.read_parquet(next(small_run.glob("valuations/*/*.parquet")))
    assert (values.geometry.area.round(6) == 0.01).all()
    cells = values.set_index("plantation_id").geometry
    middles = gpd.GeoSeries(full.set_index("plantation_id").geometry.envelope.centroid)
    assert all(cells[p].contains(middles[p]) for p in middles.index)
    money = full.set_index("plantation_id").loc[values["plantation_id"], "npv_fair"]
    assert values["npv_fair"].tolist() == money.tolist()
    roots = [json.loads(next(p.rglob("merkle.json")).read_text())["tree"][0] for p in (investor, small_run)]
    assert roots[0] == roots[1]
    with pytest.raises(PlantationError, match="without their salts"):
        prove(investor, "SIM-001", None, None)


def test_the_public_folder_holds_root_and_no_dump(published: dict[str, Path], small_run: Path) -> None:
    names = {p.name for p in published["public"].glob("attestations/*/**/*") if p.is_file()}
    assert names == {"nav_attestation.json", "disclosure.json", "aggregator_v3.json"}
    whole = b"".join(p.read_bytes() for p in published["public"].rglob("*") if p.is_file())
    ids = set(pd.read_parquet(next(small_run.glob("valuations/*/*.parquet")))["plantation_id"])
    assert not [i for i in ids if i.encode() in whole]
    salts = pd.read_parquet(next(small_run.glob("attestations/*/records.parquet")))["salt"]
    assert not [s for s in salts if s.encode() in whole]


def contents(out: Path) -> dict[str, str]:
    """All that the files of a folder say, tables as the texts of their cells, outlines as their corners."""
    found = {}
    for path in (p for p in sorted(out.rglob("*")) if p.is_file()):
        if path.suffix != ".parquet":
            found[path.relative_to(out).as_posix()] = path.read_text("utf-8")
            continue
        schema = pq.read_schema(path)
        frame = pd.read_parquet(path)
        cells = [shapely.from_wkb(v).wkt if c == "geometry" else str(v) for c in frame for v in frame[c].dropna()]
        found[path.relative_to(out).as_posix()] = " ".join([*cells, str(schema.metadata)])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["investor", "public"])
def test_no_file_of_a_profile_tells_who_or_where(light_world: Path, tmp_path: Path, profile: str) -> None:
    """Names of people, authors of adjustments and corners of outlines; to the public no plantation either."""
    folder = light_world.parent
    overlay(folder)
    edit_csv(folder / "sponsors.csv", lambda frame: frame.assign(name="Jane Q. Sponsor"))
    edit_csv(folder / "mills.csv", lambda frame: frame.assign(name="Mill of J. Doe"))
    (folder / "titles.csv").write_text("plantation_id,title,holder\nSIM-001,GRANT-77,Holder Hidden\n", "utf-8")
    changes = {"publish.profile": profile, "publish.out": str(tmp_path / "out"), "compliance.tenure": "titles.csv"}
    edit_config(light_world, changes)
    run_world(light_world, tmp_path / "out")
    assert verify(tmp_path / "out", TODAY).failed == []
    outlines = gpd.read_file(next(folder.rglob("register.geojson")))
    corners = shapely.get_coordinates(outlines.geometry)
    people = ["A. Valuer", "flood not yet", "Jane", "J. Doe", "Hidden", "GRANT-77"]
    secret = people + [f"{x:.4f}" for x in corners.ravel()[::7]]
    if profile == "public":
        secret += ["SIM-00", "SPONSOR-", "MILL-", *outlines["region"]]
    told = contents(tmp_path / "out")
    full = " ".join(contents(tmp_path / "out-full").values())
    assert all(word in full for word in ("A. Valuer", "SIM-001"))
    assert {(name, word) for name, text in told.items() for word in secret if word in text} == set()


def test_a_single_proof_from_the_full_results_fits_the_public_attestation(
    published: dict[str, Path], small_run: Path, tmp_path: Path
) -> None:
    document = prove(small_run, "SIM-003", None, None)
    public = json.loads(next(published["public"].rglob("nav_attestation.json")).read_text("utf-8"))
    assert document["root"] == public["typed_data"]["message"]["merkleRoot"]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document), "utf-8")
    assert verify(path, TODAY).failed == []


def test_publishing_again_changes_no_byte(published: dict[str, Path], small_world: Path, small_run: Path) -> None:
    out = published["investor"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}
    config = load_config(small_world / "config.yaml")
    publish = config.publish.model_copy(update={"out": str(out), "profile": "investor"})
    manifest = load(small_run, "2026-05-31")
    assert manifest is not None
    publish_profile(config.model_copy(update={"publish": publish}), small_run, manifest)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")} == before


def test_the_manifest_tells_of_every_input(world_copy: Path, small_run: Path) -> None:
    manifest = load(small_run, "2026-05-31")
    assert manifest is not None
    assert {"register", "harvest", "prices", "imagery", "fiscal"} <= set(manifest.provenance)
    assert manifest.provenance["fiscal"]["classification"] == "public"
    assert all(set(entry) == {"origin", "licence", "classification"} for entry in manifest.provenance.values())
    path = world_copy / "config.yaml"
    raw = yaml.safe_load(path.read_text("utf-8"))
    raw.setdefault("publish", {})["provenance"] = {"regster": {"origin": "x"}}
    path.write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(PlantationError, match=r"publish\.provenance\.regster"):
        load_config(path)
