"""A real Prefect server on loopback with a database of its own, and a process worker; both end with the context."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0
#: states in which a run stays
ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


class PrefectServer:
    """Context manager; ``api`` is the address of the server.

    Parameters
    ----------
    folder
        Empty; holds database, settings and logs.
    variables
        Environment of server, deployment and worker beside the server's own.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{self._port}/api"
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
            "PREFECT_WORKER_QUERY_SECONDS": "5",
            **variables,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> PrefectServer:
        self._start("server", "start", "--host", "127.0.0.1", "--port", str(self._port), "--no-ui")
        wait_for(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            # to the whole group: a worker has flow runs of its own
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the ``prefect`` program, at the root of the repository."""
        command = [sys.executable, "-m", "prefect", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    def worker(self, pool: str) -> None:
        """Start a worker."""
        self._start("worker", "start", "--pool", pool)

    def ask(self, kind: str, **filters: Any) -> list[dict[str, Any]]:
        """Rows of the server, ``flow_runs``, ``artifacts`` or ``logs``."""
        found: list[dict[str, Any]] = self._post(f"{kind}/filter", filters).json()
        return found

    def schedule(self, deployment: str, schedule: dict[str, Any]) -> None:
        """Add a schedule to a deployment."""
        (found,) = (d["id"] for d in self.ask("deployments") if d["name"] == deployment)
        self._post(f"deployments/{found}/schedules", [schedule])

    def _post(self, path: str, content: Any) -> httpx.Response:
        """What the server answers; one that errs, its database being locked say, is asked again, as by its client."""
        answers: list[httpx.Response] = []

        def given() -> bool:
            answers.append(httpx.post(f"{self.api}/{path}", json=content, timeout=30))
            return not answers[-1].is_server_error

        wait_for(given, 60)
        return answers[-1].raise_for_status()

    def wait_for_run(self, chosen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first flow run of a kind, when it has ended."""
        found: list[dict[str, Any]] = []

        def over() -> bool:
            found[:] = [r for r in self.ask("flow_runs") if chosen(r) and r["state_type"] in ENDED]
            return bool(found)

        wait_for(over)
        return found[0]

    def children(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """Flow runs that a flow run started."""
        return self.ask("flow_runs", flow_runs={"parent_flow_run_id": {"any_": [run["id"]]}})

    def log(self) -> str:
        """What the processes said, for a test that fails."""
        return "\n".join(p.read_text("utf-8", "replace")[-3000:] for p in sorted(self._folder.glob("*.log")))

    def _start(self, *words: str) -> None:
        log = (self._folder / f"{words[0]}.log").open("wb")
        command = [sys.executable, "-m", "prefect", *words]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._processes.append(process)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def wait_for(ready: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(1.0)
