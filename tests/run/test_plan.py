"""``plan``: what a run would do and why; it says so and does nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config, edit_csv
from tests.conftest import tree

SKIP = "nothing it depends on has changed"


def planned(
    capsys: pytest.CaptureFixture[str], config: Path, out: Path, *options: str
) -> tuple[dict[str, tuple[str, str]], str]:
    """Action and reason by stage and first partition of a printed plan, and the printed text."""
    assert run_command(["plan", str(config), "--out", str(out), *options]) == 0
    text = capsys.readouterr().out
    rows = {}
    for line in text.splitlines():
        found = re.fullmatch(r"(\w+) +(\S+(?: to \S+ \(\d+\))?) +(new|skip|recompute) +(.+)", line)
        if found:
            rows[f"{found[1]} {found[2]}"] = (found[3], found[4])
    return rows, text


def test_an_empty_output_folder_makes_everything_new_and_stays_empty(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(small_world)
    rows, text = planned(capsys, small_world / "config.yaml", tmp_path / "out")
    assert set(rows.values()) == {("new", "never computed")}
    assert "features features/month=2022-01 to 2026-05 (53)" in rows
    assert "features features_blocks/month=2025-12 to 2026-05 (6)" in rows
    assert "features features_scenes/month=2025-12 to 2026-05 (6)" in rows
    assert [r for r in rows if not r.startswith("features")] == [
        f"{stage} as_of=2026-05-31" for stage in ("forecast", "valuation", "attest", "report")
    ]
    assert "simulated portfolio, as of 2026-05-31" in text
    assert "partitions: 69 new" in text
    assert tree(tmp_path) == {}
    assert tree(small_world) == before


def test_after_a_run_everything_is_skipped_and_force_says_forced(
    small_world: Path, small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(small_run)
    rows, text = planned(capsys, small_world / "config.yaml", small_run)
    assert set(rows.values()) == {("skip", SKIP)}
    assert "partitions: 69 skip" in text
    rows, text = planned(capsys, small_world / "config.yaml", small_run, "--force")
    assert set(rows.values()) == {("recompute", "forced")}
    assert "partitions: 69 recompute" in text
    assert tree(small_run) == before


def test_the_reason_names_what_changed_and_what_follows_from_it(
    world_copy: Path, small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def dearer(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[-1], "settle"] = "4321"
        return table

    edit_csv(world_copy / "market" / "futures.csv", dearer)
    rows, _ = planned(capsys, world_copy / "config.yaml", small_run)
    assert rows["forecast as_of=2026-05-31"] == ("skip", SKIP)
    assert rows["valuation as_of=2026-05-31"] == ("recompute", "changed: futures")
    assert rows["report as_of=2026-05-31"] == ("recompute", "1 partitions before it change")


def test_lost_and_stale_parts_are_told_apart(
    world_copy: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next((run_copy / "features" / "month=2026-05").rglob("*.parquet")).unlink()
    next((run_copy / "valuations").rglob("*.parquet")).write_bytes(b"rubbish")
    config = edit_config(world_copy / "config.yaml", {"harvest": None})
    rows, text = planned(capsys, config, run_copy)
    assert rows["features features/month=2022-01 to 2026-04 (52)"] == ("skip", SKIP)
    assert rows["features features/month=2026-05"] == ("new", "never computed")
    assert rows["forecast as_of=2026-05-31"] == (
        "recompute",
        "changed: harvest, which plantations have records in quarantine",
    )
    assert rows["valuation as_of=2026-05-31"] == (
        "recompute",
        "a published file is missing or differs from its manifest",
    )
    assert "partitions: 1 new, 4 recompute, 64 skip" in text


def test_a_range_plans_every_month_end_and_writes_one_map_and_nothing_else(
    small_world: Path, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, target = tree(small_run), tmp_path / "plan.geojson"
    options = ["--from", "2026-04", "--to", "2026-05", "--geojson", str(target)]
    _, text = planned(capsys, small_world / "config.yaml", small_run, *options)
    assert re.findall(r"as of (\S+)", text) == ["2026-04-30", "2026-05-31"]
    known = re.findall(r"features/month=2026-0\d .*recompute +(.+)", text.split("as of 2026-05-31")[0])
    assert known, text
    assert all(why.startswith("as known at 2026-04-30: climate, ") for why in known), "no input has changed"
    assert re.search(r"valuation +as_of=2026-05-31 +recompute +changed: the date published before it\n", text)
    assert f"map: {target}" in text
    assert tree(small_run) == before
    assert list(tree(tmp_path)) == ["plan.geojson"]
    register = json.loads((small_world / "register.geojson").read_text())
    document = json.loads(target.read_text())
    assert document["type"] == "FeatureCollection"
    found = {(f["properties"]["as_of"], f["properties"]["plantation_id"]): f for f in document["features"]}
    ids = [f["properties"]["plantation_id"] for f in register["features"]]
    assert sorted(found) == sorted((day, i) for day in ("2026-04-30", "2026-05-31") for i in ids)
    assert all(
        f["properties"]["status"] == "skip" and f["properties"]["months_to_compute"] == 0
        for (day, _), f in found.items()
        if day == "2026-05-31"
    )
    # what was known a month earlier differs in the last months only: later sensors, index and climate
    early = {f["properties"]["months_to_compute"] for (day, _), f in found.items() if day == "2026-04-30"}
    assert all(0 < n <= 3 for n in early)
    outline = found[("2026-05-31", ids[0])]["geometry"]
    assert outline["type"] == register["features"][0]["geometry"]["type"]


def test_months_of_a_plantation_count_once_however_many_blocks_it_has(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "plan.geojson"
    planned(capsys, small_world / "config.yaml", tmp_path / "out", "--geojson", str(target))
    features = json.loads(target.read_text())["features"]
    assert {f["properties"]["months_to_compute"] for f in features} == {53}
    assert {f["properties"]["status"] for f in features} == {"compute"}
