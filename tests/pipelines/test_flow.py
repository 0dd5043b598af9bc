"""The Prefect flow: the bytes of the command line on every runner, failures as states, a report that stays."""

from __future__ import annotations

import datetime as dt
import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import Artifact, FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ParameterTypeError
from prefect.testing.utilities import prefect_test_harness

from pipelines import tasks
from pipelines.backfill import backfill_portfolio
from pipelines.runners import task_runner
from pipelines.tasks import mapped
from pipelines.valuation import value_portfolio
from plantation_rwa.executor import Runner
from plantation_rwa.publish.manifest import damaged, load
from tests.cli.test_run import fails, last_scene
from tests.conftest import AS_OF, ROOT, tree
from tests.run.test_partial import assert_partial
from tests.workers import inverse, process_id

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A Prefect server of its own on loopback, with an empty database, for the tests of this module."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


def value(config: Path, out: Path, **options: Any) -> State[Any]:
    """Run the flow and return its final state."""
    state: Any = value_portfolio(config=str(config), out=str(out), return_state=True, **options)
    assert isinstance(state, State)
    return state


def dated_run(state: State[Any]) -> FlowRun:
    """The run of the inner flow, ``value-date``, from the server."""
    assert state.state_details.flow_run_id is not None
    parent = FlowRunFilterParentFlowRunId(any_=[state.state_details.flow_run_id])
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id=parent), sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=10
        )
    assert len(found) == 1
    return found[0]


def artifacts_of(flow_run_id: UUID, keys: tuple[str, ...] = ("run-notes", "run-summary")) -> dict[str, Artifact]:
    """The newest artifacts of the report, read back from the server; all must be of this flow run."""
    found = {}
    with get_client(sync_client=True) as client:
        for key in keys:
            answer = client.request("GET", "/artifacts/{key}/latest", path_params={"key": key})
            found[key] = Artifact.model_validate(answer.json())
    assert {a.flow_run_id for a in found.values()} == {flow_run_id}
    return found


@pytest.mark.parametrize(
    "runner",
    ["threads", pytest.param("processes", marks=pytest.mark.long), pytest.param("dask", marks=pytest.mark.slow)],
)
def test_the_flow_publishes_the_bytes_of_the_command_line(
    small_world: Path, small_run: Path, tmp_path: Path, runner: str
) -> None:
    state = value(small_world / "config.yaml", tmp_path / "out", runner=runner)
    assert state.is_completed()
    assert state.message == "2026-05-31: 69 partitions computed"
    assert tree(tmp_path / "out") == tree(small_run)


def test_an_unchanged_run_completes_and_leaves_its_report(small_world: Path, run_copy: Path) -> None:
    before = tree(run_copy)
    state = value(small_world / "config.yaml", run_copy, as_of=AS_OF)
    assert state.is_completed()
    assert tree(run_copy) == before
    found = artifacts_of(dated_run(state).id)
    rows = found["run-summary"].data
    text = rows if isinstance(rows, str) else str(rows)
    for stage, unchanged in (("features", 65), ("forecast", 1), ("valuation", 1), ("attest", 1), ("report", 1)):
        assert f'"stage": "{stage}", "computed": 0, "unchanged": {unchanged}' in text
    assert found["run-summary"].description == "Valuation date 2026-05-31"
    notes = str(found["run-notes"].data)
    assert "# Valuation date 2026-05-31" in notes
    assert "- no partition failed" in notes
    assert "records rejected" in notes


def test_a_failed_unit_fails_the_flow_and_the_others_are_published(
    world_copy: Path, run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, month = last_scene(world_copy)
    fails(monkeypatch, scene)
    state = value(world_copy / "config.yaml", run_copy)
    assert state.is_failed()
    assert str(state.message).endswith(" partitions failed, the others are published")
    manifest = load(run_copy, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(run_copy, manifest.outputs) == []
    rows = {o.partition: o.rows for o in manifest.tables("features")}
    assert rows[f"month={month}"] == 3
    assert {o.table for o in manifest.outputs} >= {"forecasts", "valuations", "records", "report"}
    notes = str(artifacts_of(dated_run(state).id)["run-notes"].data)
    assert f"- FAILED features month={month} SIM-001: " in notes


def test_strict_fails_on_quarantined_records_after_publishing(small_world: Path, run_copy: Path) -> None:
    state = value(small_world / "config.yaml", run_copy, strict=True)
    assert state.is_failed()
    assert state.message == "records were quarantined and strict is set; everything is published"


@pytest.mark.long
def test_only_publishes_the_chosen_beside_the_main_output(small_world: Path, run_copy: Path, small_run: Path) -> None:
    state = value(small_world / "config.yaml", run_copy, only=["SIM-002"])
    assert state.is_completed()
    manifest = load(run_copy / "partial", AS_OF.isoformat())
    assert manifest is not None
    assert_partial(run_copy / "partial", small_run, ["SIM-002"], tables=("features", "forecasts", "valuations"))


@pytest.mark.parametrize(
    "options",
    [
        {"as_of": "never"},
        {"stages": 7},
        {"stages": ["feature"]},
        {"runner": "thread"},
        {"force": "perhaps"},
        {"config": None},
        {"only": "SIM-001"},
    ],
    ids=str,
)
def test_parameters_are_validated_before_anything_runs(
    small_world: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    given = {"config": str(small_world / "config.yaml"), "out": str(tmp_path / "out"), **options}
    with pytest.raises(ParameterTypeError, match=next(iter(options))):
        value_portfolio(**given)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"as_of": dt.date(2999, 12, 31)}, "--as-of: lies in the future (got 2999-12-31)"),
        ({"only": ["SIM-01"]}, "--only: no such plantation (got 'SIM-01'). Did you mean 'SIM-001'?"),
        ({"stages": ["valuation"]}, "stage 'valuation' needs 'features' of as_of=2026-05-31"),
    ],
    ids=lambda o: next(iter(o)) if isinstance(o, dict) else "",
)
def test_what_cannot_be_run_fails_with_the_text_of_the_command_line(
    small_world: Path, tmp_path: Path, options: dict[str, Any], text: str
) -> None:
    state = value(small_world / "config.yaml", tmp_path / "out", **options)
    assert state.is_failed()
    assert str(state.message).startswith(text), "the words of the command line, no class and no traceback"
    assert tree(tmp_path) == {}


def test_batches_on_prefect_workers_give_outcomes_in_order_and_failures_as_outcomes() -> None:
    @flow(name="batches", task_runner=task_runner(Runner("threads", 3)))
    def batches() -> list[tuple[Any, str]]:
        return [(o.value, o.error) for o in mapped(inverse, [1, 2, 0, 4])]

    expected = [(1.0, ""), (0.5, ""), (None, "ZeroDivisionError: division by zero"), (0.25, "")]
    assert batches() == expected


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ConnectionResetError("cut"), 3), (OSError(errno.ESTALE, "stale"), 3), (OSError(errno.ENOSPC, "full"), 1)],
    ids=str,
)
def test_only_what_may_pass_is_tried_again(error: OSError, tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def third_time(item: int) -> int:
        seen.append(item)
        if len(seen) < 3:
            raise error
        return 7

    @flow(name="again", task_runner=task_runner(Runner("threads", 1)))
    def again() -> list[tuple[Any, str]]:
        return [(o.value, o.error) for o in mapped(third_time, [1])]

    monkeypatch.setattr(tasks.run_units, "retry_delay_seconds", [0.01] * tasks.RETRIES)
    told = f"{type(error).__name__}: {error}"
    assert again() == ([(7, "")] if tries == 3 else [(None, told)])
    assert len(seen) == tries


def test_waits_grow_and_are_drawn() -> None:
    assert tasks.run_units.retry_delay_seconds == [5.0, 10.0, 20.0]
    assert tasks.run_units.retry_jitter_factor == 0.5
    assert tasks.run_units.timeout_seconds == 3600


def test_a_backfill_tells_its_dates_and_what_failed(light_world: Path, tmp_path: Path) -> None:
    given = {"config": str(light_world), "from_month": "2026-04", "to_month": "2026-05"}
    state: Any = backfill_portfolio(**given, out=str(tmp_path / "out"), return_state=True)
    assert state.is_completed()
    assert re.fullmatch(r"2 dates: \d+ partitions computed", state.message)
    again: Any = backfill_portfolio(**given, out=str(tmp_path / "out"), return_state=True)
    assert again.message == "2 dates: 0 partitions computed"
    for manifest in (tmp_path / "out" / "manifests").iterdir():
        manifest.unlink()
    late: Any = backfill_portfolio(**given, out=str(tmp_path / "out"), stages=["valuation"], return_state=True)
    assert late.is_failed()
    assert late.message == "2 partitions or dates failed, the others are published"
    notes = str(artifacts_of(dated_run(late).id, ("backfill-notes", "backfill-summary"))["backfill-notes"].data)
    assert "- FAILED 2026-04-30: stage 'valuation' needs 'features' of as_of=2026-04-30" in notes


@pytest.mark.parametrize("options", [{"from_month": "2026-13"}, {"to_month": "may"}, {"stages": ["x"]}], ids=str)
def test_ranges_are_validated_before_anything_runs(options: dict[str, Any], tmp_path: Path) -> None:
    given = {
        "config": "x.yaml",
        "from_month": "2026-04",
        "to_month": "2026-05",
        "out": str(tmp_path / "out"),
        **options,
    }
    with pytest.raises(ParameterTypeError, match=next(iter(options))):
        backfill_portfolio(**given)


def test_processes_of_the_flow_are_other_processes() -> None:
    import os

    @flow(name="elsewhere", task_runner=task_runner(Runner("processes", 1)))
    def elsewhere() -> list[Any]:
        return [o.value for o in mapped(process_id, [1, 2])]

    found = elsewhere()
    assert all(isinstance(pid, int) for pid in found)
    assert os.getpid() not in found


def test_the_call_that_the_readme_shows(light_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, from a folder whose ``configs/sample.yaml`` is a small portfolio's."""
    text = (ROOT / "README.md").read_text("utf-8")
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "value_portfolio" in c)
    folder = tmp_path / "checkout"
    shutil.copytree(light_world.parent, folder / "configs")
    light_world.rename(folder / "configs" / "sample.yaml")
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    assert (folder / "configs" / "out" / "manifests" / f"as_of={AS_OF}.json").is_file()
