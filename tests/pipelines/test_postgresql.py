"""The flows on a Prefect server whose database is PostgreSQL, as several servers or many workers need it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.conftest import tree
from tests.pipelines.prefect_server import ROOT, PrefectServer
from tests.pipelines.test_deployments import POOL

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.long]
#: where Debian keeps the programs of the server, newest version last
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def database(requires: Callable[..., None]) -> Iterator[str]:
    """A database cluster of its own on loopback, run by the user ``postgres``, for root may not: its address."""
    bin_ = PROGRAMS[-1] if PROGRAMS else Path("/usr/lib/postgresql/15/bin")
    requires(str(bin_ / "initdb"), "--version")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="plantation-pg-"))
    if as_postgres:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*as_postgres, str(bin_ / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    setup = [
        *as_postgres,
        str(bin_ / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "prefect",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    quiet = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run(setup, **quiet)
        subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], **quiet)
        try:
            create = [str(bin_ / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "prefect", "prefect"]
            subprocess.run(create, **quiet)
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_triggered_run_leaves_the_bytes_of_the_command_line(database: str, tmp_path: Path) -> None:
    made = bare_portfolio(tmp_path / "world", seed=811, settlement_days=60)
    config = edit_config(made.config, {"valuation.paths": 100})
    out, expected = tmp_path / "out", tmp_path / "expected"
    assert run_command(["run", str(config), "--out", str(expected)]) == 0
    folder = tmp_path / "prefect"
    folder.mkdir()
    variables = {"PLANTATION_HOME": str(ROOT), "PLANTATION_CONFIG": str(config)}
    with PrefectServer(folder, PREFECT_API_DATABASE_CONNECTION_URL=database, **variables) as server:
        assert server.run("work-pool", "create", "--type", "process", POOL).returncode == 0, server.log()
        deployed = server.run("--no-prompt", "deploy", "--all")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        server.worker(POOL)
        started = server.run("deployment", "run", "value-portfolio/monthly", "--param", f'out="{out}"')
        assert started.returncode == 0, started.stdout + started.stderr
        run = server.wait_for_run(lambda r: r["parameters"].get("out") == str(out) and r["parent_task_run_id"] is None)
        assert run["state_type"] == "COMPLETED", server.log()
        assert tree(out) == tree(expected)
        assert not (folder / "prefect.db").exists(), "the server kept nothing in SQLite"
