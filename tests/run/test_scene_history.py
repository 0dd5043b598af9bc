"""Scenes are judged by the plantation's past: the same rows however the runs came about, each scene on record."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
import rasterio
import yaml

from plantation_rwa.assumptions import packaged
from plantation_rwa.executor import Outcome, attempt
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import load
from plantation_rwa.run.batches import Batch
from plantation_rwa.run.features import ASSUMPTIONS
from plantation_rwa.run.imagery import compute_imagery, imagery_batch
from plantation_rwa.run.imagery_rows import KeptRows
from plantation_rwa.run.records import Records
from plantation_rwa.run.scenes import SceneWindows, Unit, window_months
from plantation_rwa.testing import edit_config
from tests.conftest import run_world, tree
from tests.features.scene_factory import RULES, MemoryReader, outline, palm

DATES = (dt.date(2026, 3, 31), dt.date(2026, 4, 30), dt.date(2026, 5, 31))
TABLES = ("features", "features_blocks", "features_scenes")


def veil(world: Path, from_month: str) -> set[str]:
    """Add 0.1 to every band of the scenes of some months without a word in their items: names of the scenes."""
    changed = set()
    for folder in sorted(p for p in (world / "scenes" / "SIM-001").iterdir() if p.is_dir()):
        day = folder.name.split("_")[2]
        if f"{day[:4]}-{day[4:6]}" >= from_month:
            changed.add(folder.name)
            for path in folder.glob("B*.tif"):
                with rasterio.open(path) as source:
                    profile, pixels = source.profile, source.read()
                profile.update(driver="GTiff")
                with rasterio.open(path, "w", **profile) as sink:
                    sink.write(pixels + (pixels > 0).astype(pixels.dtype) * 1000)
    assert changed
    return changed


def newest(out: Path, as_of: dt.date) -> dict[str, pd.DataFrame]:
    """Rows that the manifest of a date names, by table."""
    manifest = load(out, as_of.isoformat())
    assert manifest is not None
    found = {}
    for name in TABLES:
        parts = [read_part(out / o.path).assign(month=o.partition) for o in manifest.tables(name)]
        frame = pd.concat(parts, ignore_index=True)
        keys = [c for c in ("month", "plantation_id", "block_id", "scene_id", "item_hash") if c in frame]
        found[name] = frame.sort_values(keys).reset_index(drop=True)
    return found


@pytest.fixture
def plain(world_copy: Path) -> Path:
    """The small world with nothing but imagery."""
    return edit_config(world_copy / "config.yaml", {"climate": None, "sensors": None, "harvest": None})


@pytest.fixture
def veiled(plain: Path) -> Path:
    """The same, its scenes of the last two months under an offset that no item tells of."""
    veil(plain.parent, "2026-04")
    return plain


def test_month_by_month_gives_the_rows_of_one_run(veiled: Path, tmp_path: Path) -> None:
    for date in DATES:
        run_world(veiled, tmp_path / "months", date, stages=("features",))
    run_world(veiled, tmp_path / "once", DATES[-1], stages=("features",))
    months, once = newest(tmp_path / "months", DATES[-1]), newest(tmp_path / "once", DATES[-1])
    for name in TABLES:
        pd.testing.assert_frame_equal(pd.DataFrame(months[name]), pd.DataFrame(once[name]))
    assert once["features_scenes"]["offset_inferred"].any()
    blocks = once["features_blocks"].set_index("month")["offset_inferred"]
    assert blocks["month=2026-05"].any()
    assert not blocks["month=2026-03"].any()


@pytest.mark.slow
def test_a_new_month_computes_one_month_of_scenes(plain: Path, tmp_path: Path) -> None:
    run_world(plain, tmp_path / "out", dt.date(2026, 5, 31), stages=("features",))
    before = tree(tmp_path / "out" / "features_scenes")
    run_world(plain, tmp_path / "out", dt.date(2026, 6, 30), stages=("features",))
    after = tree(tmp_path / "out" / "features_scenes")
    assert {k: after[k] for k in before} == before
    # scenes of the last days of May become known in June; nothing else is new
    assert {k.split("/")[0] for k in set(after) - set(before)} <= {"month=2026-05"}


@pytest.mark.long
@pytest.mark.slow
def test_a_scene_that_changes_is_judged_anew_and_nothing_before_it(plain: Path, tmp_path: Path) -> None:
    config = plain
    run_world(config, tmp_path / "out", stages=("features",))
    then = newest(tmp_path / "out", dt.date(2026, 5, 31))["features_scenes"]
    veil(plain.parent, "2026-05")
    report = run_world(config, tmp_path / "out", stages=("features",))
    assert report.computed["features"] == 3  # May of the plantation, its blocks and its scenes; nothing before it
    now = newest(tmp_path / "out", dt.date(2026, 5, 31))["features_scenes"]
    assert not then["offset_inferred"].any()
    assert set(now.loc[now["offset_inferred"], "month"]) == {"month=2026-05"}


@pytest.mark.long
@pytest.mark.slow
def test_a_test_out_of_reach_is_another_configuration(veiled: Path, tmp_path: Path) -> None:
    run_world(veiled, tmp_path / "out", stages=("features",))
    edit_config(veiled, {"forecast.assumptions": {"imagery.missing_red_median": 9.0}})
    report = run_world(veiled, tmp_path / "out", stages=("features",))
    assert report.skipped["features"] == 0
    scenes = newest(tmp_path / "out", dt.date(2026, 5, 31))["features_scenes"]
    assert not scenes["offset_inferred"].any()
    assert "haze" in set(scenes["outcome"])  # 0.1 too bright in blue as well: the second line holds


def test_a_corrected_offset_is_a_repaired_record(veiled: Path, tmp_path: Path) -> None:
    run_world(veiled, tmp_path / "out", stages=("features",))
    rows = pd.concat([read_part(p) for p in (tmp_path / "out" / "quarantine").rglob("*.parquet")])
    repaired = rows[rows["column"] == "offset"]
    assert set(repaired["action"]) == {"repaired"}
    assert set(repaired["plantation_id"]) == {"SIM-001"}
    assert repaired["reason"].str.contains("the offset is still in the pixels, -1000 DN was applied").all()


def units(reader: MemoryReader, months: list[str]) -> list[Unit]:
    square = outline(50, 50, 350, 350).wkb
    return [
        Unit(key, m, square, (reader.scene(f"s{m}", palm(), day=f"{m}-05"),), "strict", "auto", None)
        for key in (("P",), ("P", "B"))
        for m in months
    ]


def here(function, batches):  # type: ignore[no-untyped-def]
    return (attempt(function, batch) for batch in batches)


def test_months_that_look_back_on_a_failed_one_fail_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged without it they would not be the rows of a run in which nothing failed; the others stand."""
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    work = units(reader, ["2024-01", "2024-02", "2024-03", "2026-03", "2026-04"])
    reader.files.pop("s2024-02/B04")
    found = compute_imagery(work, [], RULES, here, lambda done: None)
    failed = {key: text for (key, month, _), text in found.errors.items() if month == "2024-02"}
    assert failed[("P",)].startswith("KeyError")
    assert failed[("P", "B")].startswith("waits for its plantation: KeyError")
    assert {m for key, m, _ in found.errors if key == ("P",)} == {"2024-02", "2024-03"}
    assert found.errors[(("P",), "2024-03", "")] == "its scenes are judged by those of 2024-02, which failed"
    assert {m for (key, m, _), _row in found.rows.items() if key == ("P",)} == {"2024-01", "2026-03", "2026-04"}


def test_a_task_that_dies_fails_its_units() -> None:
    reader = MemoryReader()
    work = units(reader, ["2024-01"])
    found = compute_imagery(work, [], RULES, lambda f, items: iter([Outcome(None, "killed")] * len(items)), print)
    dead = {(("P",), "2024-01", ""): "killed", (("P", "B"), "2024-01", ""): "waits for its plantation: killed"}
    assert found.errors == dead


def test_history_of_a_batch_is_what_its_window_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records older than two years say nothing, in a batch as in a run that starts later."""
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    months = ["2021-01", "2021-02", "2021-03", "2021-04", "2024-04"]
    work = [u for u in units(reader, months) if len(u.key) == 1]
    rows = KeptRows()
    for given in imagery_batch(Batch(tuple(work), RULES, Records(), {})):
        rows.add(given)
    assert [row["trail"][0]["air_check"] for _, row in rows.items()] == [
        *["not_tested"] * 3,
        "clear",
        "not_tested",
    ]


def test_the_window_is_two_years_of_months() -> None:
    months = window_months("2026-03", RULES)
    assert (months[0], months[-1], len(months)) == ("2024-03", "2026-02", 24)


def test_identity_of_a_row_holds_the_scenes_that_judge_it() -> None:
    reader = MemoryReader()
    first = reader.scene("a", palm())

    def identity(key: tuple[str, ...], month: str, *present: tuple[tuple[str, ...], str]) -> str:
        return SceneWindows(dict.fromkeys(present, (first,)), RULES).identity(key, month)

    own, block = (("P",), "2024-03"), (("P", "B"), "2024-03")
    alone = identity(*own, own)
    assert identity(*own, own, (("P",), "2024-02")) != alone
    assert identity(*own, own, (("P",), "2022-03")) != alone
    assert identity(*own, own, (("P",), "2022-02")) == alone
    assert identity(*own, own, (("P",), "2024-04")) == alone
    assert identity(*own, own, (("Q",), "2024-02")) == alone
    assert identity(*block, block, own) != identity(*block, block)
    assert identity(*own, (("P",), "2024-02")) == identity(*own)


def test_every_section_of_the_features_assumptions_belongs_to_their_identity() -> None:
    folder = Path(__file__).parents[2] / "plantation_rwa" / "data" / "assumptions"
    sections = {s for name in ("features", "imagery") for s in yaml.safe_load((folder / f"{name}.yaml").read_text())}
    assert sections <= set(ASSUMPTIONS)
    assert Rules.of(packaged()) == RULES


def test_a_plantation_that_no_scene_without_a_footprint_reaches_stops_nothing(plain: Path, tmp_path: Path) -> None:
    for item in (plain.parent / "scenes" / "SIM-001").glob("*/*.json"):
        nowhere = {k: v for k, v in json.loads(item.read_text("utf-8")).items() if k != "bbox"} | {"geometry": None}
        item.write_bytes(json.dumps(nowhere).encode())
    run_world(plain, tmp_path / "out", DATES[-1], stages=("features",))
    found = newest(tmp_path / "out", DATES[-1])
    scenes, rows = found["features_scenes"], found["features"]
    beside = scenes[scenes["plantation_id"] != "SIM-001"]
    assert set(beside["outcome"]) == {"no_pixels"}
    assert (beside["known_at"] <= DATES[-1]).all()
    assert rows.loc[rows["plantation_id"] != "SIM-001", "quality_flag"].str.contains("no_imagery").all()
    assert rows.loc[rows["plantation_id"] == "SIM-001", "ndvi"].notna().any()
