"""The session of docs/operations.md, as printed: bash, a Prefect server and worker, a Dask cluster, an S3 store."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, tree
from tests.object_store import BUCKET, S3, moto

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.server]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
#: what the session needs of a clone, and make to find everything installed
CLONED = ("configs", "data/sample", "pipelines", "prefect.yaml", "Makefile", "pyproject.toml", "constraints.txt")
PATIENCE_S = 1500.0


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens on, all different."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def put_git(folder: Path) -> None:
    """A ``git`` whose ``clone`` copies this checkout as it is, and makes the .venv that runs the tests its own."""
    venv = Path(sys.executable).parents[1]
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/bash\nset -eu\n[ "$1 $2" = "clone {ROOT}" ] || exit 1\nmkdir -p "$3/.venv" "$3/data"\ncd "$3"\n'
        + "".join(f"cp -R '{ROOT}/{name}' '{name}'\n" for name in CLONED)
        + f"ln -s '{venv}'/* .venv/\ntouch .venv/.runtime\n"
    )
    (folder / "git").chmod(0o755)


def session(folder: Path, variables: dict[str, str]) -> tuple[int, str]:
    """Exit code and words of the blocks run one after the other by one shell, which stops at what fails."""
    script = "".join(f"{block}echo 'block {number} is over'\n" for number, block in enumerate(BLOCKS))
    log = folder / "session.log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=folder, env={**os.environ, **variables}, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            shell.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # server, workers and their runs too, if the session did not come to its end
            for last in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(shell.pid, last)
                    shell.wait(20)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
    return shell.wait(), log.read_text("utf-8", "replace")


def test_the_blocks_of_the_page_run_in_their_order(tmp_path: Path) -> None:
    put_git(tmp_path / "bin")
    prefect_port, dask_port = free_ports(2)
    with moto(tmp_path) as address, S3(address) as store:
        variables = {
            **store.variables,
            "BUCKET": BUCKET,
            "REPOSITORY": str(ROOT),
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PLANTATION_RWA_CACHE": str(tmp_path / "cache"),
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_SERVER_API_PORT": prefect_port,
            "PREFECT_WORKER_QUERY_SECONDS": "5",
            "CLUSTER_PORT": dask_port,
        }
        code, said = session(tmp_path, variables)
        assert re.findall(r"^block (\d) is over$", said, re.MULTILINE) == ["0", "1", "2", "3"], said[-6000:]
        assert code == 0
        kept = store.objects("results/")
    clone = tmp_path / "plantation-rwa"
    made = tree(clone / "my" / "out")
    dates = ["2026-03-31", "2026-04-30", "2026-05-31"]
    assert [d for d in dates if f"manifests/as_of={d}.json" in made] == dates
    assert (clone / "out" / "sample" / "manifests" / "as_of=2026-05-31.json").is_file()
    assert "manifests/as_of=2026-05-31.json" in kept
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as database:
        runs = database.execute(
            "SELECT d.name, r.state_type FROM flow_run r JOIN deployment d ON d.id = r.deployment_id"
        )
        assert sorted(r for r in runs if r[1] != "SCHEDULED") == [("backfill", "COMPLETED"), ("demo", "COMPLETED")]
    for port in (prefect_port, dask_port):
        with socket.socket() as gone, pytest.raises(ConnectionRefusedError):
            gone.connect(("127.0.0.1", int(port)))
