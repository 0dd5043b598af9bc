"""``--only``: the chosen plantations, with the values of the full run, beside the main output."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.errors import ConfigError
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.run.partial import check_ids
from plantation_rwa.testing import edit_csv
from tests.conftest import tree

AS_OF = "2026-05-31"
CHOSEN = ["SIM-001", "SIM-003"]
TABLES = ("features", "features_blocks", "forecasts", "forecast_model", "valuations", "cash_flows")


def only(config: Path, out: Path, *options: str, chosen: list[str] = CHOSEN) -> int:
    return run_command(["run", str(config), "--out", str(out), "--only", *chosen, *options])


def rows(root: Path, name: str) -> pd.DataFrame:
    """Rows of a table as the manifest of a folder names them, with the partition of each."""
    manifest = load(root, AS_OF)
    assert manifest is not None
    frames = [read_part(root / o.path).assign(partition=o.partition) for o in manifest.tables(name)]
    frame = pd.DataFrame(pd.concat(frames, ignore_index=True))
    keys = ["partition", "plantation_id"]
    keys += [c for c in ("block_id", "right_id", "target_month", "cash_month", "measure", "parameter") if c in frame]
    return frame.sort_values(keys, kind="stable").reset_index(drop=True)


def assert_partial(partial: Path, full: Path, chosen: list[str], tables: tuple[str, ...] = TABLES) -> None:
    """A partial folder verifies and holds exactly the chosen rows of the full run."""
    manifest = load(partial, AS_OF)
    assert manifest is not None
    assert damaged(partial, manifest.outputs) == []
    on_disk = set(tree(partial)) - {f"manifests/as_of={AS_OF}.json"}
    assert on_disk == {o.path for o in manifest.outputs}, "no working folder, nothing the manifest does not name"
    for name in tables:
        whole, part = rows(full, name), rows(partial, name)
        expected = whole[whole["plantation_id"].isin(chosen)].reset_index(drop=True)
        assert len(expected) > 0, name
        pd.testing.assert_frame_equal(part, expected, check_exact=True)


def test_without_a_main_output_the_chosen_get_the_values_of_the_full_run(
    small_world: Path, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert only(small_world / "config.yaml", out) == 0
    assert [p.name for p in out.iterdir()] == ["partial"]
    assert_partial(out / "partial", small_run, CHOSEN)
    said = capsys.readouterr().out
    assert f"results: {out}/partial" in said
    assert [line.split()[0] for line in said.splitlines() if line.startswith("SIM-")] == CHOSEN


def test_beside_a_main_output_nothing_is_recomputed_and_nothing_of_it_changes(
    small_world: Path, run_copy: Path, small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run_copy)
    assert only(small_world / "config.yaml", run_copy) == 0
    assert "nothing to recompute" in capsys.readouterr().out
    assert {k: v for k, v in tree(run_copy).items() if not k.startswith("partial/")} == before
    assert_partial(run_copy / "partial", small_run, CHOSEN)
    # another choice takes the place of the first for this date; months of features stay, as in the main output
    assert only(small_world / "config.yaml", run_copy, chosen=["SIM-002"]) == 0
    manifest = load(run_copy / "partial", AS_OF)
    assert manifest is not None
    dated = {p for p in tree(run_copy / "partial") if "/as_of=" in p and not p.startswith("manifests")}
    assert dated == {o.path for o in manifest.outputs if o.partition.startswith("as_of=")}
    assert set(rows(run_copy / "partial", "valuations")["plantation_id"]) == {"SIM-002"}
    assert {k: v for k, v in tree(run_copy).items() if not k.startswith("partial/")} == before


def test_a_single_stage_reads_what_the_main_output_has(
    small_world: Path, run_copy: Path, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert only(small_world / "config.yaml", run_copy, "--stage", "valuation") == 0
    assert_partial(run_copy / "partial", small_run, CHOSEN)
    capsys.readouterr()
    assert only(small_world / "config.yaml", tmp_path / "none", "--stage", "valuation") == 2
    said = "stage 'valuation' needs 'features' of as_of=2026-05-31, not published in none/. Run the stage 'features'"
    assert said in capsys.readouterr().err
    assert tree(tmp_path / "none") == {}


@pytest.mark.slow
def test_a_damaged_main_output_is_computed_again_for_the_chosen_and_left_as_it_is(
    small_world: Path, run_copy: Path, small_run: Path
) -> None:
    for name in ("forecasts", "valuations"):
        next((run_copy / name).rglob("*.parquet")).write_bytes(b"rubbish")
    before = tree(run_copy)
    assert only(small_world / "config.yaml", run_copy) == 0
    assert {k: v for k, v in tree(run_copy).items() if not k.startswith("partial/")} == before
    assert_partial(run_copy / "partial", small_run, CHOSEN)


def test_unknown_plantations_are_all_named_before_anything_is_written(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert only(small_world / "config.yaml", tmp_path / "out", chosen=["SIM-001", "SIM-01", "KEBUN"]) == 2
    assert capsys.readouterr().err == (
        "error: --only: no such plantation (got 'SIM-01'). Did you mean 'SIM-001'?\n"
        "error: --only: no such plantation (got 'KEBUN'). See the register for the ids.\n"
    )
    assert not (tmp_path / "out").exists()


def test_records_in_quarantine_are_those_of_the_chosen_and_of_no_plantation(
    world_copy: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A price that was set aside belongs to nobody and may concern the chosen; another's harvest does not."""

    def spoilt(table: pd.DataFrame) -> pd.DataFrame:
        for plantation, count in (("SIM-001", 1), ("SIM-002", 2)):
            table.loc[table.index[table["plantation_id"] == plantation][:count], "ffb_t"] = "-5"
        return table

    def free(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[-1], "settle"] = "-1"
        return table

    edit_csv(next((world_copy / "harvest").glob("*.csv")), spoilt)
    edit_csv(world_copy / "market" / "futures.csv", free)
    options = ("--stage", "features", "--json")
    assert only(world_copy / "config.yaml", run_copy, *options, chosen=["SIM-001"]) == 0
    told = json.loads(capsys.readouterr().out)["result"]["quarantined"]
    (part,) = (run_copy / "partial" / "quarantine" / f"as_of={AS_OF}").glob("*.parquet")
    aside = read_part(part)
    assert set(aside["plantation_id"].fillna("")) == {"SIM-001", ""}
    assert told == dict(aside["action"].value_counts())


def test_ids_of_the_register_pass() -> None:
    check_ids(["A", "B"], ["B"])
    with pytest.raises(ConfigError, match=r"--only: no such plantation \(got 'b'\)"):
        check_ids(["A", "B"], ["A", "b"])
