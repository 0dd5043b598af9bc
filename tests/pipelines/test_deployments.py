"""``prefect.yaml`` on a real server: what is deployed, a scheduled and a triggered run, and the bytes they leave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plantation_rwa.cli import run_command
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.conftest import tree
from tests.pipelines.prefect_server import ROOT, PrefectServer, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]
POOL = "plantation-local"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plantations with scenes and little else."""
    made = bare_portfolio(tmp_path_factory.mktemp("deployed") / "world", seed=811, settlement_days=60)
    return edit_config(made.config, {"valuation.paths": 100})


@pytest.fixture(scope="module")
def server(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server with everything of ``prefect.yaml`` deployed, and a worker."""
    folder = tmp_path_factory.mktemp("prefect")
    with PrefectServer(folder, PLANTATION_HOME=str(ROOT), PLANTATION_CONFIG=str(config)) as found:
        assert found.run("work-pool", "create", "--type", "process", POOL).returncode == 0, found.log()
        deployed = found.run("--no-prompt", "deploy", "--all")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        found.worker(POOL)
        yield found


@pytest.fixture(scope="module")
def expected(config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the command line leaves."""
    out = tmp_path_factory.mktemp("expected") / "out"
    assert run_command(["run", str(config), "--out", str(out)]) == 0
    return tree(out)


def test_what_is_deployed(server: PrefectServer, config: Path) -> None:
    found = {d["name"]: d for d in server.ask("deployments")}
    assert sorted(found) == ["backfill", "demo", "monthly"]
    (schedule,) = found["monthly"]["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 6 4 * *", "Asia/Kuala_Lumpur")
    assert schedule["active"]
    assert found["monthly"]["parameters"] == {"config": str(config)}
    assert {n: d["work_queue_name"] for n, d in found.items()} == {
        "monthly": "default",
        "demo": "default",
        "backfill": "backfill",
    }
    limits = {n: (d["global_concurrency_limit"]["limit"], d["concurrency_options"]) for n, d in found.items()}
    assert {n: (limit, o["collision_strategy"]) for n, (limit, o) in limits.items()} == {
        "monthly": (1, "CANCEL_NEW"),
        "demo": (1, "ENQUEUE"),
        "backfill": (1, "ENQUEUE"),
    }
    stages = found["monthly"]["parameter_openapi_schema"]["properties"]["stages"]
    assert "features" in str(stages)


def test_a_triggered_run_leaves_the_bytes_of_the_command_line_and_its_report(
    server: PrefectServer, expected: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    started = server.run("deployment", "run", "value-portfolio/monthly", "--param", f'out="{out}"')
    assert started.returncode == 0, started.stdout + started.stderr
    run = server.wait_for_run(lambda r: r["parameters"].get("out") == str(out) and r["parent_task_run_id"] is None)
    assert run["state_type"] == "COMPLETED", server.log()
    assert run["state"]["message"].startswith("2026-05-31: ")
    assert tree(out) == expected
    (dated,) = server.children(run)
    artifacts = {a["key"]: a for a in server.ask("artifacts") if a["flow_run_id"] == dated["id"]}
    assert sorted(artifacts) == ["run-notes", "run-summary"]
    assert artifacts["run-summary"]["type"] == "table"
    assert '"stage": "features"' in artifacts["run-summary"]["data"]
    assert artifacts["run-notes"]["type"] == "markdown"
    assert "- no partition failed" in artifacts["run-notes"]["data"]
    # log lines are sent in batches, from the library too
    run_ids = {"any_": [dated["id"]]}
    wait_for(lambda: "plantation_rwa.publish.manifest" in str(server.ask("logs", logs={"flow_run_id": run_ids})), 30)


def test_a_scheduled_run_leaves_them_too(server: PrefectServer, expected: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    schedule = {"interval": 86400, "anchor_date": soon, "timezone": "UTC"}
    server.schedule("monthly", {"schedule": schedule, "active": True, "parameters": {"out": str(out)}})
    run = server.wait_for_run(lambda r: r["parameters"].get("out") == str(out) and r["auto_scheduled"])
    assert run["state_type"] == "COMPLETED", server.log()
    assert tree(out) == expected


@pytest.mark.long
def test_a_backfill_takes_its_own_queue_and_shows_its_dates(
    server: PrefectServer, config: Path, tmp_path: Path
) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    months = ["--param", "from_month=2026-04", "--param", "to_month=2026-05"]
    started = server.run("deployment", "run", "backfill-portfolio/backfill", "--param", f'out="{out}"', *months)
    assert started.returncode == 0, started.stdout + started.stderr
    run = server.wait_for_run(lambda r: r["parameters"].get("out") == str(out) and r["parent_task_run_id"] is None)
    assert (run["state_type"], run["work_queue_name"]) == ("COMPLETED", "backfill"), server.log()
    assert run["state"]["message"].startswith("2 dates: ")
    command = ["backfill", str(config), "--from", "2026-04", "--to", "2026-05", "--out", str(alone)]
    assert run_command(command) == 0
    assert tree(out) == tree(alone)
    (dated,) = server.children(run)
    artifacts = {a["key"]: a for a in server.ask("artifacts") if a["flow_run_id"] == dated["id"]}
    assert artifacts["backfill-progress"]["data"] == 100.0
    assert '"date": "2026-04-30"' in artifacts["backfill-summary"]["data"]
    assert "- no partition failed" in artifacts["backfill-notes"]["data"]


@pytest.mark.parametrize("wrong", ["runner=thread", 'stages=["feature"]', "as_of=never"])
def test_parameters_that_are_none_are_refused_before_a_run_is_made(server: PrefectServer, wrong: str) -> None:
    def asked_for() -> int:  # the server adds runs by schedule whenever it likes
        return sum(not run["auto_scheduled"] for run in server.ask("flow_runs"))

    before = asked_for()
    started = server.run("deployment", "run", "value-portfolio/monthly", "--param", wrong)
    assert started.returncode != 0
    assert wrong.split("=")[0] in started.stdout + started.stderr
    assert asked_for() == before


def test_nothing_is_reported_to_others() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    for deployment in deployments:
        environment = deployment["work_pool"]["job_variables"]["env"]
        assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
        assert environment["DO_NOT_TRACK"] == "1"
