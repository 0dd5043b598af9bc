"""Task wrappers of a few lines: a name, a timeout, tags; the work is the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait

from plantation_rwa.executor import Outcome, attempt


@task(
    name="units",
    task_run_name="units-{label}",
    tags=["imagery"],
    timeout_seconds=3600,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_units(function: Callable[[Any], Any], item: Any, label: str) -> Outcome[Any]:
    """One batch of units; a failed one is an outcome, not a failed flow."""
    return attempt(function, item)


def mapped(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any]]:
    """Submit every batch to the flow's task runner and yield outcomes in the order of the batches."""
    futures = [run_units.submit(function, item, f"{k + 1:04d}") for k, item in enumerate(items)]
    wait(futures)
    for future in futures:
        state = future.state
        if state.is_completed():
            yield future.result()
        else:
            yield Outcome(None, f"task {state.name}: {state.message}")
