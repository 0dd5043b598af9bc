"""Memos as a run publishes them: one per right, in the manifest, with the scores of a backtest where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from plantation_rwa.publish.geoparquet import read_part, write_part
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.publish.report.memo import memo_name
from plantation_rwa.run.report import track_record
from plantation_rwa.schema.checks import finalise
from tests.conftest import AS_OF, run_world


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
    assert track_record(run_copy / "backtest").empty
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
