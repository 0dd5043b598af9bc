"""The table of flagged readings as a run publishes it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plantation_rwa.publish.geoparquet import read_part
from tests.conftest import run_world, tree


def test_flags_are_published_once_and_name_the_simulated_faults(small_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_world(small_world / "config.yaml", out, stages=("features",))
    before = tree(out)
    parts = [p for p in before if p.startswith("sensor_flags/as_of=2026-05-31/part-")]
    assert len(parts) == 1
    table = read_part(out / parts[0])
    assert table["counts"].notna().all()
    truth = pd.read_csv(small_world / "truth/sensor_faults.csv")
    spikes = truth[truth["fault"] == "spike"]
    named = table[table["qc_flag"].str.contains("spike|stuck|after_break")]
    hit = [
        (
            (named["sensor_id"] == s.sensor_id)
            & (named["first_reading"] <= s.first)
            & (named["last_reading"] >= s.last)
        ).any()
        for s in spikes.itertuples()
    ]
    assert sum(hit) >= 0.9 * len(hit) > 0
    again = run_world(small_world / "config.yaml", out, stages=("features",))
    assert tree(out) == before
    assert [p.output.path for p in again.parts if p.output.table == "sensor_flags"] == parts
