"""Units of work on threads, processes and Dask: outcomes in order, one failure alone, every wrong runner named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError
from plantation_rwa.executor import LANES, Outcome, Runner, attempt, on_cores
from plantation_rwa.publish.manifest import damaged
from plantation_rwa.run import load_inputs, open_session, run_date
from tests.conftest import AS_OF, run_world, tree
from tests.workers import die, inverse, process_id

KINDS = ("threads", "processes", pytest.param("dask", marks=pytest.mark.server))


def make(kind: str, workers: int = 2) -> Runner:
    return Runner.parse(kind, workers, "1GB")


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_come_in_order_and_one_failing_item_is_an_outcome(kind: str) -> None:
    numbers = [1, 2, 0, 4, 5]
    outcomes = list(make(kind).map(inverse, numbers))
    assert [o.value for o in outcomes] == [1.0, 0.5, None, 0.25, 0.2]
    assert [o.error for o in outcomes] == ["", "", "ZeroDivisionError: division by zero", "", ""]


def test_threads_stay_in_this_process_and_processes_do_not() -> None:
    assert {o.value for o in make("threads").map(process_id, range(3))} == {os.getpid()}
    elsewhere = {o.value for o in make("processes").map(process_id, range(3))}
    assert os.getpid() not in elsewhere
    assert all(isinstance(pid, int) for pid in elsewhere)


@pytest.mark.parametrize("kind", KINDS)
def test_no_items_start_no_workers(kind: str) -> None:
    started = time.perf_counter()
    assert list(make(kind).map(inverse, [])) == []
    assert time.perf_counter() - started < 0.2


def test_a_process_that_dies_costs_its_own_item_only() -> None:
    outcomes = list(make("processes").map(die, [1, 2, 3, 4, 5]))
    assert [o.value for o in outcomes] == [1, 2, None, 4, 5]
    assert outcomes[2].error.startswith("BrokenProcessPool: ")
    assert outcomes[2].error.endswith("lower compute.workers, or raise compute.memory_limit.")


@pytest.mark.server
def test_an_existing_dask_cluster_is_used_by_its_address() -> None:
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        runner = make(f"dask={cluster.scheduler_address}")
        assert (runner.kind, runner.address) == ("dask", cluster.scheduler_address)
        outcomes = list(runner.map(process_id, [1, 2]))
        # the worker of this cluster is a thread of this process: no cluster of its own was started
        assert [o.value for o in outcomes] == [os.getpid()] * 2
        assert next(iter(runner.map(inverse, [4]))).value == 0.25, "the cluster is still there after a map"


def test_a_dask_scheduler_that_does_not_answer_is_named_with_the_remedy() -> None:
    with pytest.raises(
        ConfigError,
        match=r"--runner: no Dask scheduler answers \(got tcp://nowhere.invalid:8786: .*\)\. Start it, or use threads",
    ):
        list(make("dask=tcp://nowhere.invalid:8786").map(inverse, [1]))


@pytest.mark.parametrize("text", ["nonsense", "tcp://host", "tcp://host:x", "://a:1", "tcp://host:99999"])
def test_an_address_that_is_none_is_refused_at_once(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--runner: is no address of a Dask scheduler .*Write dask=tcp://host:8786"):
        make(f"dask={text}")


@pytest.mark.parametrize("text", ["thread", "", "dask=", "dask:tcp://a:1", "Dask", "processes "])
def test_a_wrong_runner_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(text)
    assert str(caught.value) == (
        f"--runner: unknown runner (got {text!r}). Use threads, processes, dask or dask=tcp://host:8786."
    )


def test_attempt_keeps_the_error_as_text() -> None:
    assert attempt(inverse, 2) == Outcome(0.5)
    assert attempt(inverse, 0) == Outcome(None, "ZeroDivisionError: division by zero")


def failing(at: int) -> Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Outcome[Any]]]:
    """A way of working that loses one batch, as a machine that goes down does."""

    def work(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any]]:
        for position, item in enumerate(items):
            yield Outcome(None, "worker lost") if position == at else attempt(function, item)

    return work


def test_a_lost_batch_fails_its_rows_only_and_the_next_run_makes_up_for_it(
    small_world: Path, run_copy: Path, small_run: Path
) -> None:
    next((run_copy / "features" / "month=2026-05").rglob("*.parquet")).unlink()
    settings = load_config(small_world / "config.yaml")
    settings = settings.model_copy(update={"publish": settings.publish.model_copy(update={"out": str(run_copy)})})
    session = open_session(settings, load_inputs(settings), AS_OF)
    lossy = run_date(session, stages=("features", "forecast"), work=failing(at=0))
    assert lossy.failures == ["features month=2026-05 SIM-001: worker lost"]
    assert lossy.manifest is not None
    rest = [o for o in lossy.manifest.tables("features") if o.partition == "month=2026-05"]
    assert [o.rows for o in rest] == [3], "the other plantations of the month are published"
    assert damaged(run_copy, lossy.manifest.outputs) == []
    assert lossy.computed["forecast"] == 1, "a forecast without the lost row is not the one that was published"
    again = run_world(small_world / "config.yaml", run_copy, stages=("features", "forecast"))
    assert again.failures == []
    assert again.computed["forecast"] == 1, "a forecast with the row is not the one without it"
    for name in ("features", "forecasts"):
        assert tree(run_copy)[f"latest/{name}.parquet"] == tree(small_run)[f"latest/{name}.parquet"]


def test_on_cores_results_come_in_order_and_few_items_wait() -> None:
    asked = list[int]()

    def items() -> Iterator[int]:
        for n in range(1, 101):
            asked.append(n)
            yield n

    found = on_cores(lambda n: n * n, items())
    assert next(found) == 1
    assert len(asked) <= 2 * LANES + 1
    assert list(found) == [n * n for n in range(2, 101)]


def test_on_cores_an_error_ends_it_and_nothing_is_under_way_any_more() -> None:
    begun, done = list[int](), list[int]()

    def work(n: int) -> int:
        begun.append(n)
        if n == 0:
            raise ValueError("the first")
        time.sleep(0.05)
        done.append(n)
        return n

    with pytest.raises(ValueError, match="the first"):
        list(on_cores(work, range(10)))
    assert sorted(begun) == [0, *sorted(done)]
