"""One option, three ways to run independent units of work: threads, processes, or a Dask cluster."""

from __future__ import annotations

import concurrent.futures as cf
import multiprocessing
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from plantation_rwa.errors import ConfigError, Problem

T = TypeVar("T")
R = TypeVar("R")

_DASK = re.compile(r"^dask(=(?P<address>.+))?$")


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
        """Apply a picklable function to every item; outcomes come in the order of the items."""
        if not items:
            return iter(())
        if self.kind == "dask":
            return self._dask(function, items)
        return self._pool(function, items)

    def _pool(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        pool: cf.Executor
        if self.kind == "threads":
            pool = cf.ThreadPoolExecutor(self.workers)
        else:
            pool = cf.ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))
        with pool:
            for future in [pool.submit(function, item) for item in items]:
                yield _outcome(future)

    def _dask(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        from dask.distributed import Client, LocalCluster

        with (
            _quiet_cluster(LocalCluster, self) as cluster,
            Client(self.address or cluster, set_as_default=False) as client,
        ):
            futures = client.map(function, items, pure=False, retries=2)
            for future in futures:
                yield _outcome(future)


def attempt(function: Callable[[T], R], item: T) -> Outcome[R]:
    """Run one unit here, its error kept as text."""
    try:
        return Outcome(function(item))
    except Exception as error:  # the unit's failure is reported with its partition; neighbours go on
        return Outcome(None, f"{type(error).__name__}: {error}")


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
