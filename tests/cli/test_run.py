"""``run``, ``simulate`` and ``doctor``: exit codes, what is said, what is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import rasterio
import yaml
from affine import Affine
from rasterio.crs import CRS

from plantation_rwa.cli import run_command
from plantation_rwa.features.imagery import MonthOfOutlines, Outline
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.testing import edit_config
from tests.conftest import tree

ROOT = Path(__file__).parents[2]
AS_OF = "2026-05-31"


def command(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own, with other environment variables."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    argv = (sys.executable, "-m", "plantation_rwa", *argv)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def on_the_site_grid(scene: Path) -> None:
    """Rewrite a scene in a grid that has no relation to the Earth."""
    for path in scene.glob("*.tif"):
        with rasterio.open(path) as source:
            profile, pixels = source.profile, source.read()
        path.unlink()
        profile["crs"] = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')
        with rasterio.open(path, "w", **profile) as sink:
            sink.write(pixels)


def in_micrometres(scene: Path) -> None:
    """Rewrite a scene with pixels of a thousandth of a millimetre: an outline has more than any computer holds."""
    for path in scene.glob("*.tif"):
        with rasterio.open(path) as source:
            profile, pixels = source.profile, source.read()
        path.unlink()
        corner = profile["transform"]
        profile["transform"] = Affine(1e-6, 0, corner.c, 0, -1e-6, corner.f)
        with rasterio.open(path, "w", **profile) as sink:
            sink.write(pixels)


def fails(monkeypatch: pytest.MonkeyPatch, scene: Path) -> None:
    """Change a scene and break the reading of every month it belongs to, as a defect of ours would."""
    for path in scene.glob("*.tif"):
        path.write_bytes(path.read_bytes() + b"\0")

    def broken(outlines: Sequence[Outline], *args: Any, **named: Any) -> MonthOfOutlines:
        if any(s.id == scene.name for outline in outlines for s in outline.scenes):
            raise RuntimeError("broken on purpose")
        return MonthOfOutlines(outlines, *args, **named)

    monkeypatch.setattr("plantation_rwa.run.imagery.MonthOfOutlines", broken)


def last_scene(world: Path) -> tuple[Path, str]:
    """Folder of the newest scene of the plantation with imagery that is known by the end of May, and its month."""
    folders = [p for p in (world / "scenes" / "SIM-001").iterdir() if p.is_dir()]
    day, scene = max((p.name.split("_")[2][:8], p) for p in folders if p.name.split("_")[2][:8] <= "20260528")
    return scene, f"{day[:4]}-{day[4:6]}"


def test_an_unchanged_run_says_that_there_is_nothing_to_do(
    small_world: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run_copy)
    assert run_command(["run", str(small_world / "config.yaml"), "--out", str(run_copy)]) == 0
    out, course = capsys.readouterr()
    assert f"simulated portfolio, as of {AS_OF}, SIMULATED DATA" in out
    for stage in ("features", "forecast", "valuation", "attest", "report"):
        assert any(line.startswith(f"{stage} ") and " 0 computed" in line for line in course.splitlines())
    for plantation in ("SIM-001", "SIM-002", "SIM-003", "SIM-004"):
        line = next(row for row in out.splitlines() if row.startswith(plantation))
        assert " MYR " in line
        assert line.split()[-1] in "ABCD"
    assert "nothing to recompute: every partition is already published and unchanged" in out
    assert f"results: {run_copy}" in out
    assert (run_copy / "reports" / f"as_of={AS_OF}" / "index.html").is_file()
    assert f"summary: {run_copy}/reports/as_of={AS_OF}/index.html" in out
    assert "quarantine: " in out
    assert tree(run_copy) == before


def test_a_failed_partition_ends_with_1_and_the_others_are_published(
    world_copy: Path,
    run_copy: Path,
    small_run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, month = last_scene(world_copy)
    fails(monkeypatch, scene)
    assert run_command(["run", str(world_copy / "config.yaml"), "--out", str(run_copy)]) == 1
    captured = capsys.readouterr()
    assert f"error: features month={month} SIM-001: " in captured.err
    assert "SIM-004" in captured.out
    now, then = load(run_copy, AS_OF), load(small_run, AS_OF)
    assert now is not None
    assert then is not None
    assert damaged(run_copy, now.outputs) == []
    assert {o.table for o in now.outputs} == {o.table for o in then.outputs}
    rows = {o.partition: o.rows for o in now.tables("features")}
    assert rows.pop(f"month={month}") == 3
    assert set(rows.values()) == {4}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (on_the_site_grid, "its coordinates cannot be related to longitude and latitude"),
        (in_micrometres, "its pixels are 1e-06 m wide, less than 1 m: no pixels of Sentinel-2"),
    ],
)
def test_a_scene_that_lies_nowhere_is_left_out_alone(
    world_copy: Path, run_copy: Path, spoil: Callable[[Path], None], told: str
) -> None:
    scene, month = last_scene(world_copy)
    spoil(scene)
    assert run_command(["run", str(world_copy / "config.yaml"), "--out", str(run_copy)]) == 0
    now = load(run_copy, AS_OF)
    assert now is not None
    (part,) = (o for o in now.tables("features") if o.partition == f"month={month}" if o.rows == 4)
    ((_, name, _, message, plantation),) = part.problems
    assert (name, plantation) == (scene.name, "SIM-001")
    assert told in message
    row = read_part(run_copy / part.path).set_index("plantation_id").loc["SIM-001"]
    assert "scene_unreadable" in row["quality_flag"]
    assert row["scenes"] > 0


def test_missing_artefacts_of_an_earlier_stage_end_with_2(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fresh"
    code = run_command(["run", str(small_world / "config.yaml"), "--out", str(out), "--stage", "valuation"])
    assert code == 2
    err = capsys.readouterr().err
    assert "error: stage 'valuation' needs 'features' of as_of=2026-05-31, not published in fresh/." in err
    assert "Run the stage 'features' first, or leave --stage out." in err
    assert tree(tmp_path) == {}


def test_a_date_in_the_future_in_the_configuration_is_refused(
    world_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(world_copy / "config.yaml", {"as_of": "2999-12-31"})
    assert run_command(["run", str(config)]) == 2
    assert "error: as_of: lies in the future (got 2999-12-31). Choose a past date." in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run"], ["plan"], ["backfill", "--from", "2026-05", "--to", "2026-05"]])
def test_an_output_folder_that_is_a_file_or_lies_below_one_is_refused(
    command: list[str], small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for out, told in (
        (taken, "is a file (got taken)"),
        (taken / "below" / "it", "its parent 'taken' is a file (got taken/below/it)"),
    ):
        assert run_command([command[0], str(small_world / "config.yaml"), *command[1:], "--out", str(out)]) == 2
        assert capsys.readouterr().err == f"error: publish.out: {told}. Give a folder; it may not exist yet.\n"
    assert taken.read_text() == "mine"


def test_doctor_names_the_folder_that_it_looked_at(
    world_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["doctor"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("this folder"))
    assert f"ok     {tmp_path} is writable, " in row
    (world_copy / "taken").write_text("mine")
    assert run_command(["doctor", str(edit_config(world_copy / "config.yaml", {"publish.out": "taken/below"}))]) == 1
    assert "output folder: publish.out: its parent 'taken' is a file (got taken/below)" in capsys.readouterr().err


def test_simulate_writes_a_portfolio_with_a_configuration_that_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "world"
    options = ["--seed", "3", "--plantations", "2", "--months", "2", "--imagery-plantations", "0"]
    assert run_command(["simulate", str(folder), *options]) == 0
    assert capsys.readouterr().out == (
        f"simulated portfolio (seed 3): {folder}\ntry: plantation-rwa run {folder}/config.yaml\n"
    )
    assert yaml.safe_load((folder / "config.yaml").read_text())["simulated"] is True
    assert run_command(["check", str(folder / "config.yaml")]) == 0
    assert "config.yaml: usable" in capsys.readouterr().out


def test_simulate_does_not_write_into_a_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        assert run_command(["simulate", str(place)]) == 2
        assert capsys.readouterr().err == (
            f"error: simulate: {place} exists and is not an empty folder. Choose another one.\n"
        )
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_doctor_finds_this_machine_fit(small_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["doctor", str(small_world / "config.yaml")]) == 0
    rows = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines() if line}
    for name in ("python", "numpy", "rasterio", "prefect", "GDAL", "PROJ", "output folder"):
        assert " ok " in rows[name], rows[name]
    assert "reads GeoTIFF and JPEG 2000" in rows["GDAL"]
    assert "transforms UTM 48 south right" in rows["PROJ"]
    assert not (small_world / "out").exists(), "doctor writes nothing"


def test_doctor_names_what_does_not_work_and_ends_with_1(world_copy: Path) -> None:
    (world_copy / "taken").write_text("mine")
    config = edit_config(world_copy / "config.yaml", {"publish.out": "taken"})
    variables = {"DASK_SCHEDULER_ADDRESS": "127.0.0.1:1", "PREFECT_API_URL": "http://127.0.0.1:99999/api"}
    done = command("doctor", str(config), **variables, AWS_ACCESS_KEY_ID="x")
    assert done.returncode == 1
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines() if line}
    assert "bad    publish.out: is a file (got taken). Give a folder" in rows["output folder"]
    assert "bad    127.0.0.1:1 does not answer" in rows["DASK_SCHEDULER_ADDRESS"]
    assert "Start the service or unset DASK_SCHEDULER_ADDRESS." in rows["DASK_SCHEDULER_ADDRESS"]
    assert "bad    http://127.0.0.1:99999/api: is no address" in rows["PREFECT_API_URL"]
    assert " ok     set; needed for private" in rows["AWS_ACCESS_KEY_ID"]
    assert "\x1b[" not in done.stdout


def test_doctor_finds_beforehand_what_would_stop_a_run(
    world_copy: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(world_copy / "config.yaml", {"publish.out": str(run_copy), "compute.workers": 2})
    assert run_command(["doctor", str(config)]) == 0
    assert "1 dates published" in capsys.readouterr().out
    (run_copy / "valuations" / f"as_of={AS_OF}" / "part-000000000000.parquet").write_bytes(b"PAR1")
    assert run_command(["doctor", str(config)]) == 0
    assert "1 files, 0.0 MB, that no date needs. The next run or 'plantation-rwa prune'" in capsys.readouterr().out
    newer = run_copy / "manifests" / "as_of=2026-06-30.json"
    newer.write_text(json.dumps({"contract_version": "99.0"}))
    edit_config(config, {"compute.memory_limit": "900000GB"})
    assert run_command(["doctor", str(config)]) == 1
    rows = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "written for contract version '99.0'" in rows["outputs"]
    assert "Use the program that wrote it, or another output folder." in rows["outputs"]
    assert "Lower compute.workers or compute.memory_limit." in rows["memory"]


def test_doctor_says_which_outputs_this_version_cannot_write(
    world_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(world_copy / "config.yaml", {"publish.out": "ftp://host/out"})
    assert run_command(["doctor", str(config)]) == 1
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("output folder"))
    assert "publish.out: is neither a folder nor an object store (got ftp://host/out)" in row


def test_a_register_without_a_usable_plantation_is_refused_with_the_reason(
    world_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register = world_copy / "register.geojson"
    text = json.loads(register.read_text())
    for feature in text["features"]:
        feature["properties"]["planted_date"] = "soon"
    register.write_text(json.dumps(text))
    assert run_command(["run", str(world_copy / "config.yaml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "portfolio.register: holds no usable plantation" in said
    assert "planted_date" in said
    assert not (tmp_path / "out").exists()
