"""Task wrappers of a few lines: a name, a timeout, retries, tags; the work is the library's."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from prefect import State, Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import wait
from prefect.tasks import exponential_backoff

from plantation_rwa.executor import Outcome

#: errors of the operating system that pass by themselves: networks, shared disks, workers that are busy
_PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.ETIMEDOUT,
        errno.ECONNRESET,
        errno.ECONNREFUSED,
        errno.ECONNABORTED,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.EPIPE,
        errno.ESTALE,
    }
)
#: tries after the first, and seconds before the first of them; each wait is twice the one before, half of it drawn
RETRIES, FIRST_DELAY_S = 3, 5.0


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the surroundings failed, not the work."""
    if isinstance(error, ConnectionError | TimeoutError | BrokenProcessPool):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


def _may_pass(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    found = state.result(raise_on_failure=False)
    return isinstance(found, BaseException) and is_transient(found)


@task(
    name="units",
    task_run_name="units-{label}",
    tags=["imagery"],
    timeout_seconds=3600,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=FIRST_DELAY_S),
    retry_jitter_factor=0.5,
    retry_condition_fn=_may_pass,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_units(function: Callable[[Any], Any], item: Any, label: str) -> Any:
    """One batch of units."""
    return function(item)


def mapped(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any]]:
    """Submit every batch to the flow's task runner and yield outcomes in the order of the batches.

    A batch that fails is an outcome like the others: its neighbours go on, and the flow says in its state what failed.
    """
    futures = [run_units.submit(function, item, f"{k + 1:04d}") for k, item in enumerate(items)]
    wait(futures)
    for future in futures:
        state = future.state
        if state.is_completed():
            yield Outcome(future.result())
            continue
        found = state.result(raise_on_failure=False) if state.is_failed() else None
        told = f"{type(found).__name__}: {found}" if isinstance(found, BaseException) else str(state.message)
        yield Outcome(None, told if state.is_failed() and state.name == "Failed" else f"task {state.name}: {told}")
