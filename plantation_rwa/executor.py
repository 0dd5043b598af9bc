"""One option, three ways to run independent units of work: threads, processes, or a Dask cluster."""

from __future__ import annotations

import concurrent.futures as cf
import functools
import multiprocessing
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from plantation_rwa.errors import ConfigError, Problem

T = TypeVar("T")
R = TypeVar("R")

_DASK = re.compile(r"^dask(=(?P<address>.+))?$")
#: how long to wait for the scheduler of an existing cluster
_ANSWER_SECONDS = 15
#: reads in flight in one process
LANES = 8


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """Result of one unit, or the error that ended it; one failed unit never stops its neighbours."""

    value: R | None
    error: str = ""


@dataclass(frozen=True)
class Runner:
    """How units are executed.

    Parameters
    ----------
    kind
        ``threads``, ``processes`` or ``dask``.
    workers
        Parallel workers.
    memory_limit
        Memory limit of one Dask worker, e.g. ``2GB``.
    address
        Scheduler of an existing Dask cluster; empty starts a local one.
    """

    kind: str = "threads"
    workers: int = 2
    memory_limit: str = "2GB"
    address: str = ""

    @classmethod
    def parse(cls, text: str, workers: int, memory_limit: str) -> Runner:
        """Parse ``threads``, ``processes``, ``dask`` or ``dask=ADDRESS``."""
        match = _DASK.match(text)
        if match:
            return cls("dask", workers, memory_limit, match["address"] or "")
        if text in {"threads", "processes"}:
            return cls(text, workers, memory_limit)
        remedy = "Use threads, processes, dask or dask=tcp://host:8786."
        raise ConfigError([Problem("--runner", "unknown runner", repr(text), remedy)])

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        """Apply a picklable function to every item; outcomes come in the order of the items.

        Raises
        ------
        ConfigError
            If the scheduler of a Dask cluster does not answer.
        """
        if not items:
            return iter(())
        if self.kind == "dask":
            return self._dask(function, items)
        return self._processes(function, items) if self.kind == "processes" else self._threads(function, items)

    def _threads(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        with cf.ThreadPoolExecutor(self.workers) as pool:
            yield from _drained([pool.submit(function, item) for item in items])

    def _processes(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        """A process that dies takes its pool with it: then the item waited for runs alone, the rest in a new pool."""
        start = 0
        while start < len(items):
            with self._process_pool(self.workers) as pool:
                futures = deque(_submit(pool, function, item) for item in items[start:])
                while futures and not isinstance(futures[0].exception(), BrokenProcessPool):
                    yield _outcome(futures.popleft())
                    start += 1
            if start < len(items):
                with self._process_pool(1) as alone:
                    yield _outcome(_submit(alone, function, items[start]))
                start += 1

    def _process_pool(self, workers: int) -> cf.ProcessPoolExecutor:
        return cf.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))

    def _dask(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        from dask.distributed import Client, LocalCluster

        with (
            _quiet_cluster(LocalCluster, self) as cluster,
            _client(Client, self.address, cluster) as client,
        ):
            yield from _drained(client.map(function, items, pure=False, retries=2))


@functools.cache
def lanes() -> cf.ThreadPoolExecutor:
    """Threads of this process that read and decode side by side, shared by all its tasks; they hold no state.

    More than cores: most of the time a remote read waits.
    """
    return cf.ThreadPoolExecutor(LANES, "lane")


@functools.cache
def cores() -> cf.ThreadPoolExecutor:
    """Threads of this process that compute side by side, shared by all its tasks."""
    return cf.ThreadPoolExecutor(min(os.cpu_count() or 1, LANES), "core")


def attempt(function: Callable[[T], R], item: T) -> Outcome[R]:
    """Run one unit here, its error kept as text."""
    try:
        return Outcome(function(item))
    except Exception as error:  # the unit's failure is reported with its partition; neighbours go on
        return Outcome(None, f"{type(error).__name__}: {error}")


def _submit(pool: cf.Executor, function: Callable[[T], R], item: T) -> cf.Future[R]:
    """Submit to a pool that may have broken while the items before were submitted."""
    try:
        return pool.submit(function, item)
    except BrokenProcessPool as error:
        failed: cf.Future[R] = cf.Future()
        failed.set_exception(error)
        return failed


def _client(factory: Any, address: str, cluster: Any) -> Any:
    try:
        return factory(address or cluster, set_as_default=False, timeout=_ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        if not address:
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        problem = Problem("--runner", "no Dask scheduler answers", f"{address}: {said}", "Start it, or use threads.")
        raise ConfigError([problem]) from None


def _drained(futures: Iterable[Any]) -> Iterator[Outcome[Any]]:
    """Outcomes in order; what was given out is not held here any longer."""
    waiting = deque(futures)
    while waiting:
        yield _outcome(waiting.popleft())


def _outcome(future: Any) -> Outcome[Any]:
    try:
        return Outcome(future.result())
    except Exception as error:  # the unit's failure is reported with its partition; neighbours go on
        return Outcome(None, f"{type(error).__name__}: {error}")


class _quiet_cluster:
    """A local cluster for the duration of a map, or nothing when an address is given."""

    def __init__(self, factory: Any, runner: Runner) -> None:
        self._factory, self._runner, self._cluster = factory, runner, None

    def __enter__(self) -> Any:
        if not self._runner.address:
            self._cluster = self._factory(
                n_workers=self._runner.workers,
                threads_per_worker=1,
                memory_limit=self._runner.memory_limit,
                dashboard_address=None,
                host="127.0.0.1",
            )
        return self._cluster

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()
