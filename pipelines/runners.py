"""One option to a Prefect task runner: threads, processes or dask (local or an address)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from prefect import State, get_run_logger
from prefect.states import Completed, Failed

from plantation_rwa.config import load_config
from plantation_rwa.errors import PlantationError
from plantation_rwa.executor import Runner


def run_on(dated: Any, runner: str, *, config: Any, **options: Any) -> State[Any]:
    """Run a flow on the task runner that an option names; its state and message become those of the caller."""
    return ended(functools.partial(_on, dated, runner, config, options))


def ended(work: Callable[[], State[Any]]) -> State[Any]:
    """The state in which some work ends; what is refused is said as the command line says it, without a traceback."""
    try:
        return work()
    except PlantationError as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))


def _on(dated: Any, runner: str, config: Any, options: dict[str, Any]) -> State[Any]:
    settings = load_config(config)
    chosen = Runner.parse(runner, settings.compute.workers, settings.compute.memory_limit)
    state: State[Any] = cast("Any", dated.with_options(task_runner=task_runner(chosen)))(
        config=config, **options, return_state=True
    )
    return (Completed if state.is_completed() else Failed)(message=state.message)


def task_runner(runner: Runner) -> Any:
    """The Prefect task runner that corresponds to the command line's ``--runner``.

    Parameters
    ----------
    runner
        Parsed option; ``dask`` without an address starts a local cluster of single-threaded worker processes.
    """
    if runner.kind == "dask":
        from prefect_dask.task_runners import DaskTaskRunner

        if runner.address:
            runner.check_cluster()
            return DaskTaskRunner(address=runner.address)
        return DaskTaskRunner(
            cluster_kwargs={
                "n_workers": runner.workers,
                "threads_per_worker": 1,
                "memory_limit": runner.memory_limit,
                "dashboard_address": None,
                "host": "127.0.0.1",
            }
        )
    if runner.kind == "processes":
        from prefect.task_runners import ProcessPoolTaskRunner

        return ProcessPoolTaskRunner(max_workers=runner.workers)
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=runner.workers)
