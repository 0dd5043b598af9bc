"""Replay reproduces every record hash whatever the runner; a changed input changes the records that depend on it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from plantation_rwa import __version__
from plantation_rwa.attest.checking import Findings, Trust, end_of_day
from plantation_rwa.attest.hashing import canonical, hash_of
from plantation_rwa.publish.manifest import save
from plantation_rwa.run.reading import CannotCheck
from plantation_rwa.run.replay import differences, replay
from plantation_rwa.run.verify import verify
from plantation_rwa.testing import edit_config
from tests.attest.forging import (
    FOLDER,
    entered,
    hashes_taken_over,
    manifest_of,
    records_changed,
    reissued,
    table_changed,
)
from tests.conftest import run_world

#: what verify without a replay leaves open
PAGES = ("reports/", "whether pages say what the tables say")
REPLAYED = "replay as_of=2026-05-31: 4 of 4 record hashes reproduced"


def replayed(out: Path, config: Path, runner: str = "threads") -> Findings:
    found = Findings(unchecked=[PAGES])
    replay(out, config, runner, found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["threads", pytest.param("dask", marks=pytest.mark.server)])
def test_every_record_hash_is_reproduced(small_world: Path, small_run: Path, runner: str) -> None:
    found = replayed(small_run, small_world / "config.yaml", runner)
    assert (found.failed, found.refused, found.noted, found.unchecked) == ([], [], [], [])
    assert {REPLAYED, "replay as_of=2026-05-31: 5 pages and memos reproduced"} <= set(found.checked)
    assert {text.split(": ")[1].split(",")[0] for text in found.checked} >= {"features", "forecasts", "valuations"}


_ON_ANOTHER_CPU = """
import numpy
from numpy._core._multiarray_umath import __cpu_features__ as features
assert not features["X86_V4"] and not features.get("AVX512_SKX", False), "still on"
import sys
from plantation_rwa.cli import run_command
sys.exit(run_command(sys.argv[1:]))
"""


@pytest.mark.slow
def test_with_other_cpu_features_and_workers_the_hashes_are_the_same(
    world_copy: Path, small_run: Path, tmp_path: Path
) -> None:
    path = world_copy / "config.yaml"
    raw = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(raw | {"compute": {"workers": 1}}), "utf-8")
    options = ["verify", str(small_run), "--replay", str(path), "--at", "2026-06-10"]
    command = [sys.executable, "-c", _ON_ANOTHER_CPU, *options]
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V4"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert "still on" not in done.stderr
    assert REPLAYED in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def records_of(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    frame = pd.read_parquet(next(out.glob("attestations/as_of=2026-05-31/records.parquet")))
    return {(r["plantation_id"], r["right_id"]): json.loads(r["record"]) for r in frame.to_dict("records")}


def edited(world: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    path = next(world.rglob(name))
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    return world / "config.yaml"


def changed_records(out: Path, config: Path, place: Path) -> tuple[set[str], set[str]]:
    """Plantations whose record changes with an input, and those whose value does."""
    run_world(config, place)
    before, after = records_of(out), records_of(place)
    assert before.keys() == after.keys()
    hashed = {k[0] for k in before if before[k]["inputs_hash"] != after[k]["inputs_hash"] or before[k] != after[k]}
    valued = {k[0] for k in before if before[k]["nav_total_int"] != after[k]["nav_total_int"]}
    return hashed, valued


def known_rows(frame: pd.DataFrame) -> pd.Index:
    """Rows known at the valuation date, which the last ones of a file are not."""
    return frame.index[frame["known_at"].str[:10] <= "2026-05-31"]


def less_harvest(frame: pd.DataFrame) -> pd.DataFrame:
    row = known_rows(frame[frame["plantation_id"] == "SIM-003"])[-3]
    frame.loc[row, "ffb_t"] = str(float(frame.loc[row, "ffb_t"]) * 0.7)
    return frame


def register_of(world: Path) -> pd.DataFrame:
    import geopandas as gpd

    return pd.DataFrame(gpd.read_file(next(world.rglob("register.geojson"))).drop(columns="geometry"))


@pytest.mark.long
@pytest.mark.slow
def test_a_changed_sponsor_changes_the_records_behind_it(world_copy: Path, small_run: Path, tmp_path: Path) -> None:
    register = register_of(world_copy)
    sponsor = str(register["sponsor_id"].iloc[0])
    expected = set(register.loc[register["sponsor_id"] == sponsor, "plantation_id"])
    assert expected < set(register["plantation_id"])

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame["sponsor_id"] == sponsor, "hazard_per_year"] = "0.09"
        return frame

    config = edited(world_copy, "sponsors.csv", change)
    hashed, valued = changed_records(small_run, config, tmp_path / "out")
    assert hashed == valued == expected
    failed = [reason for _, reason in replayed(small_run, config).failed]
    told = sorted(r.split(":")[0] for r in failed if r.startswith("record "))
    assert told == [f"record {p}|R1" for p in sorted(expected)]
    assert all("inputs parties" in r for r in failed if r.startswith("record "))
    assert "input 'sponsors' is not the one that the manifest names" in failed


@pytest.mark.long
@pytest.mark.slow
def test_what_is_known_later_leaves_the_root_as_it_was(world_copy: Path, small_run: Path, tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        later = frame.index.difference(known_rows(frame))
        assert len(later)
        value = "ffb_t" if "ffb_t" in frame else "value"
        frame.loc[later, value] = "0.5"
        return frame

    edited(world_copy, "harvest.csv", change)
    run_world(edited(world_copy, "prices.csv", change), tmp_path / "out")
    one, two = (next(p.rglob("nav_attestation.json")).read_bytes() for p in (small_run, tmp_path / "out"))
    assert one == two


@pytest.mark.slow
def test_a_changed_harvest_changes_the_model_and_is_reported_as_that(world_copy: Path, small_run: Path) -> None:
    config = edited(world_copy, "harvest.csv", less_harvest)
    found = replayed(small_run, config)
    failed = [reason for _, reason in found.failed]
    assert "input 'harvest' is not the one that the manifest names" in failed
    told = "model hash differs: forecast_model: the forecast is fitted on the whole portfolio, so every record changes"
    assert told in failed
    assert any(r.startswith("forecast_model: ") for r in failed)


@pytest.mark.long
@pytest.mark.slow
def test_the_model_hash_of_a_changed_harvest(world_copy: Path, small_run: Path, tmp_path: Path) -> None:
    run_world(edited(world_copy, "harvest.csv", less_harvest), tmp_path / "out")
    before, after = records_of(small_run), records_of(tmp_path / "out")
    assert all(before[k]["model_hash"] != after[k]["model_hash"] for k in before)
    assert len({r["model_hash"] for r in after.values()}) == 1


@pytest.mark.long
@pytest.mark.slow
def test_a_changed_screening_is_told(light_world: Path, tmp_path: Path) -> None:
    """The export for authorities and every state come out anew, or it is said where they do not."""
    edit_config(light_world, {"compliance.traces": {"producer_name": "Producer"}})
    run_world(light_world, tmp_path / "out")
    found = replayed(tmp_path / "out", light_world)
    assert found.failed == []
    assert [t.split(": ", 1)[1] for t in found.checked if "screening" in t or "traces" in t] == [
        "screening, 40 rows reproduced", "traces, 1 files reproduced",
    ]  # fmt: skip
    edit_config(light_world, {"compliance.traces": {"producer_name": "Another"}})
    edit_config(light_world, {"compliance.assumptions": {"screening.rule_version": "another"}})
    told = [reason for _, reason in replayed(tmp_path / "out", light_world).failed]
    assert any(t.startswith("screening: rule_version at ") for t in told)
    assert "traces: the export is not the one that comes out of these inputs" in told


@pytest.mark.slow
def test_another_program_is_told_and_excuses_nothing(light_world: Path, tmp_path: Path) -> None:
    """Records that name another program are told by its own numbers: the same, or not, whoever says so."""
    out = tmp_path / "out"
    run_world(light_world, out)
    manifest = dataclasses.replace(manifest_of(out), code={"version": "0.9", "sha256": "ab" * 32})
    drawn = {o.path: dataclasses.replace(o, components={**o.components, "code": "ab"}) for o in manifest.of("report")}
    save(out, manifest.with_outputs(drawn.get(o.path, o) for o in manifest.outputs))

    def by_another(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        model = {**json.loads(rows[0]["components"])["model"], "code": "0x" + "cd" * 32}
        for row in rows:
            row["record"] = {**row["record"], "model_hash": hash_of(model)}
            row["components"] = canonical({**json.loads(row["components"]), "model": model}).decode()
        return rows

    records_changed(out, by_another)
    hashes_taken_over(out)
    reissued(out, message=lambda m: m.update(modelHash=hash_of(json.loads(components_of(out))["model"])))
    failed = verify(out, Trust({}, None, end_of_day("2026-06-10"))).failed
    assert [where for where, _ in failed] == ["latest/valuations.parquet"]  # still with the hashes of this program
    found = replayed(out, light_world)
    assert found.failed == []
    assert REPLAYED in found.checked
    assert found.unchecked[0] == PAGES
    assert [reason.split("; ")[1] for _, reason in found.unchecked[1:]] == [
        "another program, backtest or library of drawings made them"
    ]
    made = f"another program made this date (version 0.9, code abababababab; this one is version {__version__})"
    told = f"{made}; this one makes the same: every cell"
    assert any(told in text for text in found.noted)
    table_changed(out, "curves", lambda frame: frame.assign(forward=frame["forward"] + 1))
    failed = [reason for _, reason in replayed(out, light_world).failed]
    assert any(reason.startswith("curves: forward at") for reason in failed)
    assert failed[-1].endswith("may come of that or of a forgery, and only a replay with that program tells")


def components_of(out: Path) -> str:
    return str(pd.read_parquet(out / FOLDER / "records.parquet")["components"].iloc[0])


@pytest.mark.slow
def test_a_page_that_was_bent_and_entered_is_told(light_world: Path, tmp_path: Path) -> None:
    """Nobody signs the pages, so whoever can write to the folder can change them: a replay makes them again."""
    out = tmp_path / "out"
    run_world(light_world, out)
    page = "reports/as_of=2026-05-31/index.html"
    (out / page).write_text((out / page).read_text("utf-8").replace("SIM-001", "SIM-007"), "utf-8")
    entered(out, page)
    assert verify(out, Trust({}, None, end_of_day("2026-06-10"))).failed == []
    assert [reason for _, reason in replayed(out, light_world).failed] == [
        f"{page}: is not the page that the published tables make"
    ]


def test_what_is_not_attested_is_not_replayed(small_world: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotCheck, match="no date is attested"):
        replayed(tmp_path, small_world / "config.yaml")


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"plantation_id": ["A", "B"], **columns})


def test_differences_between_tables_are_named_and_ties_apart() -> None:
    keys = ["plantation_id"]
    old = frame(sd_log_month=[0.1, 0.2], region=["x", "y"])
    assert differences("forecast_model", old, old.iloc[::-1], keys) == ([], [])
    tie = frame(sd_log_month=[0.1000001, 0.2], region=["x", "y"])
    faults, ties = differences("forecast_model", old, tie, keys)
    assert (faults, ties) == ([], ["forecast_model: sd_log_month at A: 0.1 -> 0.1000001"])
    many = pd.DataFrame({"plantation_id": list("ABCD"), "sd_log_month": [0.1, 0.2, 0.3, 0.4]})
    faults, ties = differences("forecast_model", many, many.assign(sd_log_month=many["sd_log_month"] + 1e-7), keys)
    assert (faults, ties[-1]) == ([], "forecast_model: sd_log_month: 2 cells more")
    other = frame(sd_log_month=[0.1, 0.3], region=["x", "z"])
    assert differences("forecast_model", old, other, keys) == (
        ["forecast_model: sd_log_month at B: 0.2 -> 0.3", "forecast_model: region at B: y -> z"], [],
    )  # fmt: skip
    assert differences("forecast_model", old, old.iloc[:1], keys)[0] == [
        "forecast_model: 1 rows stand on one side only, the first is B"
    ]
    none = differences("forecast_model", old, old.iloc[:0], keys)[0]
    assert none == ["forecast_model: 2 rows published, 0 recomputed"]
