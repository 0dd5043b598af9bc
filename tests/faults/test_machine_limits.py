"""Machines that refuse or lose something in the middle of a run: the cause and the remedy, the contract's exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.publish.files import host_mark
from plantation_rwa.publish.leases import FOLDER
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.conftest import AS_OF, tree
from tests.faults.test_refused_writes import run

REMEDY = "Most likely memory ran out: lower compute.workers, or raise compute.memory_limit."
#: folders whose files do not tell in how many runs the features were made
SAME = (
    "latest/forecasts",
    "latest/valuations",
    "forecasts/",
    "forecast_model/",
    "cash_flows/",
    "valuations/",
    "pools/",
)
YEAR_S = 365 * 86_400


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plantations, one with scenes, and nothing that takes long."""
    made = bare_portfolio(tmp_path_factory.mktemp("limits") / "world", seed=5, imagery_plantations=1)
    return edit_config(made.config, {"valuation.paths": 100})


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an undisturbed run leaves."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run_command(command(config, out)) == 0
    return tree(out)


def command(config: Path, out: Path, *options: str) -> list[str]:
    return ["run", str(config), "--as-of", AS_OF.isoformat(), "--out", str(out), *options]


def assert_told_and_mended(code: int, said: str, name: str, config: Path, out: Path, whole: dict[str, str]) -> None:
    """Partitions failed and say why, the others are published whole, and the next run makes what was lost."""
    assert code == 1, said
    assert f"{name}: " in said
    assert REMEDY in said
    assert "Traceback" not in said.replace("distributed", "")
    manifest = load(out, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(out, manifest.outputs) == []
    assert run_command(command(config, out)) == 0
    left = tree(out)  # features that were lost lie in parts of their own, beside those of the first run
    same = [path for path in whole if path.startswith(SAME) or path.endswith("records.parquet")]
    assert len(same) > 6
    assert {path: left[path] for path in same} == {path: whole[path] for path in same}


@pytest.mark.long
@pytest.mark.slow
def test_workers_that_pass_their_memory_limit_are_told(config: Path, tmp_path: Path, whole: dict[str, str]) -> None:
    """Dask ends a worker above the limit; the imagery of a process does not fit into 100 MB."""
    small = edit_config(Path(shutil.copy(config, config.with_name("small.yaml"))), {"compute.memory_limit": "100MB"})
    words = [sys.executable, "-m", "plantation_rwa", *command(small, tmp_path / "out", "--runner", "dask")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert_told_and_mended(done.returncode, done.stderr, "KilledWorker", config, tmp_path / "out", whole)


@pytest.mark.slow
def test_a_small_memory_limit_changes_the_cut_of_the_work_and_no_byte(
    config: Path, tmp_path: Path, whole: dict[str, str]
) -> None:
    small = edit_config(Path(shutil.copy(config, config.with_name("cut.yaml"))), {"compute.memory_limit": "1MB"})
    assert run_command(command(small, tmp_path / "out")) == 0
    assert tree(tmp_path / "out") == whole


@pytest.mark.slow
def test_workers_that_are_killed_are_told(config: Path, tmp_path: Path, whole: dict[str, str]) -> None:
    """Every worker process of the run is killed as soon as it is seen."""
    words = [sys.executable, "-m", "plantation_rwa", *command(config, tmp_path / "out", "--runner", "processes")]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 300
    while child.poll() is None and time.monotonic() < until:
        for worker in workers_of(child.pid):
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.01)
    _, said = child.communicate(timeout=10)
    assert_told_and_mended(child.returncode, said, "BrokenProcessPool", config, tmp_path / "out", whole)


def workers_of(process: int) -> list[int]:
    """Processes that a run has started to work for it, by id."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes()
            except FileNotFoundError:  # it has just ended
                continue
            if b"spawn_main" in words:
                found.append(int(child))
    return found


def test_a_folder_of_another_user_is_named(config: Path, tmp_path: Path, requires: Callable[..., None]) -> None:
    requires("setpriv", "--reuid", "65534", "true")  # only root can give a folder away
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    os.chown(out, 65534, 65534)
    done = run(config, out)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written (Permission denied). Check rights" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(out.iterdir()) == []


def test_an_input_that_may_not_be_read_stops_the_run_before_anything_is_written(config: Path, tmp_path: Path) -> None:
    world = Path(shutil.copytree(config.parent, tmp_path / "world"))
    next(world.rglob("futures.*")).chmod(0o000)
    done = run(world / config.name, tmp_path / "out")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "market.futures: futures" in done.stderr
    assert "Permission denied" in done.stderr
    assert "Check that the file exists and may be read." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_clock_that_went_back_between_two_runs_changes_nothing(
    config: Path, tmp_path: Path, whole: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the first run wrote, and what a killed one left, is dated a year ahead."""
    out = tmp_path / "out"
    assert run_command(command(config, out)) == 0
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (out / FOLDER).mkdir()
    owner = f'{{"host": "{host_mark()}", "process": {child.pid}, "run": "0"}}\n'
    (out / FOLDER / f"as_of={AS_OF}.json").write_text(owner)
    left = out / "latest" / f".features.parquet.{host_mark()}.{child.pid}.{'0' * 32}.tmp"
    left.write_bytes(b"PAR1")
    ahead = time.time() + YEAR_S
    for path in [out, *out.rglob("*")]:
        os.utime(path, (ahead, ahead))
    capsys.readouterr()
    assert run_command(command(config, out)) == 0
    assert "nothing to recompute" in capsys.readouterr().out
    assert tree(out) == whole
    assert not left.exists()
    assert run_command(command(config, out, "--force")) == 0
    assert tree(out) == whole
