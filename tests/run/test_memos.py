"""Memos as a run publishes them: one per right, in the manifest, with the scores of a backtest where there is one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.publish.geoparquet import read_part, write_part
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.publish.report.memo import memo_name
from plantation_rwa.run.report import track_record
from plantation_rwa.schema.checks import finalise
from tests.conftest import AS_OF, run_world, tree


def test_a_memo_per_right_is_published_and_a_lost_one_made_again(small_world: Path, run_copy: Path) -> None:
    manifest = load(run_copy, AS_OF.isoformat())
    assert manifest is not None
    (valuations,) = manifest.tables("valuations")
    rights = read_part(run_copy / valuations.path)[["plantation_id", "right_id"]].itertuples(index=False)
    names = {f"reports/as_of={AS_OF}/memos/{memo_name(*right)}" for right in rights}
    assert {o.path for o in manifest.tables("memo")} == names
    assert damaged(run_copy, manifest.outputs) == []
    lost = run_copy / sorted(names)[0]
    page = lost.read_bytes()
    lost.unlink()
    (lost.parent / "of-a-right-long-gone.html").write_text("old", "utf-8")
    run_world(small_world / "config.yaml", run_copy)
    assert lost.read_bytes() == page
    assert {p.name for p in lost.parent.iterdir()} == {Path(n).name for n in names}


def test_scores_of_a_backtest_reach_the_memos(small_world: Path, run_copy: Path) -> None:
    assert track_record(run_copy / "backtest", AS_OF.isoformat()).empty
    score = {"protocol": "walk_forward", "horizon": "1-12", "region": "all", "model": "model", "metric": "skill",
             "value": 0.41, "lo": 0.32, "hi": 0.5, "n": 120}  # fmt: skip
    other = score | {"model": "prior", "value": 0.1}
    frame = finalise(pd.DataFrame([score, other]), "metrics_pooled")
    write_part(frame, "metrics_pooled", run_copy / "backtest" / "metrics_pooled.parquet", simulated=True)
    run_world(small_world / "config.yaml", run_copy)
    manifest = load(run_copy, AS_OF.isoformat())
    assert manifest is not None
    for output in manifest.tables("memo"):
        page = (run_copy / output.path).read_text("utf-8")
        assert 'squared error avoided</td><td class="num">0.41</td>' in page
    assert json.loads((run_copy / f"manifests/as_of={AS_OF}.json").read_text("utf-8"))["contract_version"]
    told = {"protocol": "walk_forward", "plantation_id": "SIM-001", "origin": "2026-04", "target_month": "2026-05",
            "horizon": 1, "observed": 1.0, "model": "model", "mean": 1.0}  # fmt: skip
    for month, kept in (("2026-05", 2), ("2026-06", 0)):
        rows = finalise(pd.DataFrame([told | {"target_month": month}]), "predictions")
        write_part(rows, "predictions", run_copy / "backtest" / "predictions.parquet", simulated=True)
        found = len(track_record(run_copy / "backtest", AS_OF.isoformat()))
        assert found == min(kept, 1), "a backtest held against what came later is none for the date"


def test_the_page_is_rebuilt_from_published_files_alone(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(run_copy)
    shutil.rmtree(run_copy / "reports")
    assert run_command(["report", str(run_copy)]) == 0
    assert f"page: {run_copy}/reports/as_of={AS_OF}/index.html" in capsys.readouterr().out
    assert tree(run_copy) == before


@pytest.mark.parametrize("options", [(), ("--as-of", "2026-05-31")])
def test_a_folder_without_a_manifest_is_no_output_and_left_as_it_is(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["report", str(tmp_path), *options]) == 2
    assert f"error: {tmp_path}: holds no manifest. Give an output folder of 'run'." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_page_is_made_of_changed_or_missing_files(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["report", str(run_copy), "--as-of", "2020-01-31"]) == 2
    assert "2020-01-31 is not published there" in capsys.readouterr().err
    part = next((run_copy / "curves").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert run_command(["report", str(run_copy)]) == 2
    assert f"{part.relative_to(run_copy)}: differs from its manifest" in capsys.readouterr().err
