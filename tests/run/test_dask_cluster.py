"""A real scheduler and three worker processes: the bytes of threads, also when one is killed and another joins."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plantation_rwa import executor
from plantation_rwa.cli import run_command
from plantation_rwa.errors import ConfigError
from plantation_rwa.executor import _require_same, installed
from plantation_rwa.testing import bare_portfolio
from tests.conftest import AS_OF, ROOT, run_world, tree

pytestmark = [pytest.mark.server, pytest.mark.slow]
_PATIENCE_S = 90.0


class Cluster:
    """``dask scheduler`` and its workers as processes of their own, without a nanny that would bring back the dead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        note = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note))
        wait_for(lambda: note.exists() and note.read_text("utf-8").endswith("}"))  # made empty, then written
        self.address = str(json.loads(note.read_text("utf-8"))["address"])
        self.workers: list[subprocess.Popen[bytes]] = []
        for _ in range(3):
            self.add_worker()

    def add_worker(self, program: Path | None = None) -> None:
        """One more worker process, with the program of another folder if one is given."""
        name = f"w{len(self.workers)}"
        worker = self._start(
            "worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--name", name, "--local-directory", str(self._folder), path=program,
        )  # fmt: skip
        self.workers.append(worker)

    def _start(self, *words: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{words[0]}-{time.monotonic_ns()}.log").open("wb")
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path or ROOT)}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=path or ROOT)
        self.processes.append(process)
        return self.processes[-1]

    def busy(self) -> list[int]:
        """Numbers of the workers that hold a task now."""
        from dask.distributed import Client

        with Client(self.address, set_as_default=False, timeout=_PATIENCE_S) as client:
            names = {w["name"]: address for address, w in client.scheduler_info(n_workers=-1)["workers"].items()}
            running = client.processing()
        return [n for n in range(len(self.workers)) if running.get(names.get(f"w{n}"))]


def wait_for(ready: object, seconds: float = _PATIENCE_S) -> None:
    """Wait until a callable is true."""
    until = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    found = Cluster(folder)
    yield found
    for process in found.processes:
        process.kill()
        process.wait(30)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three plantations far from one another, so that there are three tasks, with scenes and nothing else."""
    made = bare_portfolio(
        tmp_path_factory.mktemp("dask") / "world", seed=87, plantations=3, imagery_plantations=3, months=3
    )
    return made.config


@pytest.fixture(scope="module")
def expected(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("threads") / "out"
    assert run_world(world, out, stages=("features",)).failures == []
    return tree(out)


def test_worker_processes_give_the_bytes_of_threads(
    cluster: Cluster, world: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    assert run_world(world, tmp_path / "out", runner=f"dask={cluster.address}", stages=("features",)).failures == []
    assert tree(tmp_path / "out") == expected


def test_a_worker_killed_and_one_that_joins_in_mid_run_change_no_byte(
    cluster: Cluster, world: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    failures: list[object] = []

    def run() -> None:
        report = run_world(world, tmp_path / "out", runner=f"dask={cluster.address}", stages=("features",))
        failures.extend(report.failures)

    running = threading.Thread(target=run)
    running.start()
    wait_for(lambda: cluster.busy() or not running.is_alive())
    victims = cluster.busy()
    assert victims, "the run ended before a worker could be killed"
    victim = cluster.workers[victims[0]]
    victim.send_signal(signal.SIGKILL)
    assert victim.wait(30) == -signal.SIGKILL
    cluster.add_worker()
    running.join(_PATIENCE_S * 2)
    assert not running.is_alive()
    assert failures == []
    assert tree(tmp_path / "out") == expected


def test_the_flow_on_the_cluster_gives_them_too(
    cluster: Cluster, world: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    from prefect.testing.utilities import prefect_test_harness

    from pipelines.valuation import value_portfolio

    out = tmp_path / "out"
    with prefect_test_harness(server_startup_timeout=120):
        state = value_portfolio(
            config=str(world), out=str(out), as_of=AS_OF, stages=["features"], runner=f"dask={cluster.address}",
            return_state=True,
        )  # fmt: skip
    assert state.is_completed(), state.message
    assert tree(out) == expected


def test_a_worker_with_another_program_is_refused_whenever_it_joins(
    cluster: Cluster, world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the run starts: nothing is written; once it is under way: its batches fail and say why."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "plantation_rwa", other / "plantation_rwa", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "plantation_rwa" / "grid.py").open("a") as file:
        file.write("# another version\n")
    cluster.add_worker(other)
    stranger = cluster.workers[-1]
    wait_for(lambda: count(cluster) == 4)
    words = ["run", str(world), "--as-of", str(AS_OF), "--stage", "features", "--out", str(tmp_path / "out")]
    assert run_command([*words, "--runner", f"dask={cluster.address}"]) == 2
    said = capfd.readouterr().err
    assert re.search(r"--runner: a worker has other versions \(got tcp://\S+: plantation-rwa \w+ \(here \w+\)\)", said)
    assert "Install the same wheel and constraints.txt on every worker." in said
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.address)
    run_command(["doctor"])
    assert re.search(r"DASK_SCHEDULER_ADDRESS +bad +--runner: a worker has other versions", capfd.readouterr().out)
    assert not (tmp_path / "out" / "manifests").exists()
    monkeypatch.setattr(executor, "_require_same", lambda *_: None)  # as if it had joined a moment later
    for worker in cluster.workers[:-1]:
        worker.kill()
    wait_for(lambda: count(cluster) == 1)
    assert run_command([*words, "--runner", f"dask={cluster.address}"]) == 1
    assert "a worker has other versions" in capfd.readouterr().err
    stranger.kill()


def count(cluster: Cluster) -> int:
    """Workers that the scheduler knows."""
    from dask.distributed import Client

    with Client(cluster.address, set_as_default=False, timeout=_PATIENCE_S) as client:
        return len(client.scheduler_info(n_workers=-1)["workers"])


def test_workers_of_other_versions_are_refused() -> None:
    here = installed()
    _require_same({"tcp://a:1": here})
    with pytest.raises(ConfigError) as caught:
        _require_same({"tcp://a:1": here, "tcp://b:2": {**here, "numpy": "1.0"}})
    assert f"tcp://b:2: numpy 1.0 (here {here['numpy']})" in str(caught.value)
    assert "Install the same wheel and constraints.txt on every worker." in str(caught.value)
