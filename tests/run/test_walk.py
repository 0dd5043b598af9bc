"""A date from inputs to manifest: what is skipped, recomputed, refused."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.errors import PublishError, StageError
from plantation_rwa.publish.manifest import damaged, load, load_all
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF, run_world, tree


def test_every_output_is_named_in_the_manifest_with_its_hash(small_run: Path) -> None:
    manifest = load(small_run, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(small_run, manifest.outputs) == []
    named = {o.path for o in manifest.outputs}
    found = {p for p in tree(small_run) if not p.startswith(("latest/", "catalog/", "manifests/"))} - {"README.md"}
    assert found == named
    tables = {o.table for o in manifest.outputs}
    expected = "features forecasts forecast_model cash_flows valuations curves pools quarantine report"
    assert tables >= set(expected.split())


def test_a_second_run_recomputes_nothing_and_changes_no_byte(small_world: Path, run_copy: Path) -> None:
    before = tree(run_copy)
    report = run_world(small_world / "config.yaml", run_copy)
    assert report.recomputed_nothing
    assert tree(run_copy) == before


def test_forcing_recomputes_everything_to_the_same_bytes(small_world: Path, run_copy: Path) -> None:
    before = tree(run_copy)
    report = run_world(small_world / "config.yaml", run_copy, force=True)
    assert all(report.skipped[s] == 0 for s in report.skipped)
    assert tree(run_copy) == before


def test_a_damaged_part_is_made_again(small_world: Path, run_copy: Path) -> None:
    before = tree(run_copy)
    part = next(p for p in before if p.startswith("features/month=2026-05"))
    (run_copy / part).write_bytes(b"rubbish")
    report = run_world(small_world / "config.yaml", run_copy)
    assert report.computed["features"] == 1
    assert tree(run_copy) == before


def test_a_changed_assumption_recomputes_only_what_depends_on_it(world_copy: Path, run_copy: Path) -> None:
    config = world_copy / "config.yaml"
    edit_config(config, {"valuation.assumptions": {"discount.hazard": 0.05}})
    before = tree(run_copy)
    report = run_world(config, run_copy)
    assert report.computed["features"] == 0
    assert report.computed["valuation"] == 1
    after = tree(run_copy)
    assert {p for p in before if p.startswith("features/")} == {p for p in after if p.startswith("features/")}
    manifest = load(run_copy, AS_OF.isoformat())
    assert manifest is not None
    on_disk = {p for p in after if p.startswith("valuations/")}
    assert on_disk == {o.path for o in manifest.tables("valuations")}


def test_a_later_stage_without_its_artefacts_is_refused(small_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(StageError, match=r"stage 'forecast' needs 'features' of as_of=2026-05-31"):
        run_world(small_world / "config.yaml", out, stages=("forecast",))
    assert not (out / "manifests").exists()


def test_stage_by_stage_gives_the_same_bytes_as_all_at_once(light_world: Path, light_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for stage in ("features", "forecast", "valuation", "attest", "report"):
        run_world(light_world, out, stages=(stage,))
    assert tree(out) == tree(light_run)


def test_results_do_not_depend_on_runner_or_workers(small_world: Path, small_run: Path, tmp_path: Path) -> None:
    run_world(small_world / "config.yaml", tmp_path / "out", runner="processes", workers=1)
    assert tree(tmp_path / "out") == tree(small_run)


def test_an_earlier_date_does_not_touch_latest(light_world: Path, light_copy: Path) -> None:
    before = {k: v for k, v in tree(light_copy).items() if k.startswith("latest/")}
    run_world(light_world, light_copy, dt.date(2026, 3, 31))
    after = {k: v for k, v in tree(light_copy).items() if k.startswith("latest/")}
    assert before == after
    assert pd.read_parquet(light_copy / "latest/valuations.parquet")["as_of"].unique().tolist() == ["2026-05-31"]


def test_a_manifest_of_a_newer_contract_is_refused_with_the_remedy(small_world: Path, run_copy: Path) -> None:
    path = run_copy / "manifests" / "as_of=2026-05-31.json"
    path.write_text(path.read_text().replace('"contract_version": "1"', '"contract_version": "9"'))
    told = r"contract version '9', this program knows '1'. Use the program that wrote it"
    with pytest.raises(PublishError, match=told):
        run_world(small_world / "config.yaml", run_copy)


def test_no_absolute_path_and_no_run_time_in_what_is_published(small_world: Path, small_run: Path) -> None:
    for path in (small_run / "manifests").iterdir():
        text = path.read_text()
        assert str(small_world) not in text
        assert str(small_run) not in text
    copied = shutil.copytree(small_world, small_run.parent / "elsewhere")
    run_world(copied / "config.yaml", small_run.parent / "again")
    assert tree(small_run.parent / "again") == tree(small_run)
    assert [m.as_of for m in load_all(small_run)] == ["2026-05-31"]


def test_a_new_settlement_is_a_new_mark_without_features_or_forecasts(world_copy: Path, run_copy: Path) -> None:
    """``run --stage valuation`` on a new settlement day: the curve moves, nothing else is read anew or written."""
    path = next(world_copy.glob("market/futures*"))
    table = pd.read_csv(path)
    table[table["settle_date"] < table["settle_date"].max()].to_csv(path, index=False)
    run_world(world_copy / "config.yaml", run_copy)
    before = tree(run_copy)
    old = load(run_copy, AS_OF.isoformat())
    table.to_csv(path, index=False)
    report = run_world(world_copy / "config.yaml", run_copy, stages=("valuation",))
    assert set(report.computed) == {"valuation"}
    after = tree(run_copy)
    untouched = [p for p in before if p.startswith(("features", "forecast"))]
    assert untouched
    assert all(after[p] == before[p] for p in untouched)
    new = load(run_copy, AS_OF.isoformat())
    assert old is not None
    assert new is not None
    assert {o.path for o in old.outputs if o.table == "curves"} != {o.path for o in new.outputs if o.table == "curves"}


def test_the_second_date_explains_its_values_from_the_first(light_world: Path, tmp_path: Path) -> None:
    """Two month ends: bridges and roll-forward without remainder; the first date has none."""
    out = tmp_path / "out"
    first = run_world(light_world, out, as_of=dt.date(2026, 4, 30))
    second = run_world(light_world, out)
    began, now = (r.tables["valuations"] for r in (first, second))
    assert now["bridge_opening"].notna().all()
    assert began["bridge_opening"].isna().all()
    steps = [c for c in now if c.startswith("bridge_") and c not in ("bridge_closing", "bridge_opening")]
    assert (now["bridge_opening"] + now[steps].sum(axis=1) == now["bridge_closing"]).all()
    assert (now["bridge_closing"] == now["nav_total_int"]).all()
    opening = began.set_index(["plantation_id", "right_id"])["nav_total_int"]
    assert (now.set_index(["plantation_id", "right_id"])["bridge_opening"] == opening).all()
    assert (now["bridge_model"] == 0).all()
    assert (now["bridge_curve"] != 0).all()
    path = next(p.path for p in second.parts if p.output.table == "disclosure")
    rows = pd.read_parquet(path)
    assert set(rows["section"]) == {"technique", "input", "assumption", "sensitivity", "roll_forward"}
    rolled = rows[rows["section"] == "roll_forward"].set_index("item")["weighted_mean"]
    total = rolled.drop(["00 opening", "11 closing"]).groupby(level=0).sum().sum()
    assert rolled["00 opening"].sum() + total == pytest.approx(rolled["11 closing"].sum(), abs=0.01)
    assert (rows.loc[rows["section"] == "assumption", "source"] != "").all()
