"""One option, three ways to run independent units of work: threads, processes, or a Dask cluster."""

from __future__ import annotations

import concurrent.futures as cf
import functools
import hashlib
import importlib.metadata as metadata
import multiprocessing
import os
import platform
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from plantation_rwa.errors import ConfigError, Problem

T = TypeVar("T")
R = TypeVar("R")

_DASK = re.compile(r"^dask(=(?P<address>.+))?$")
#: how long to wait for the scheduler of an existing cluster
_ANSWER_SECONDS = 15
#: packages whose version may change a result
_PACKAGES = (
    "distributed",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "rasterio",
    "scipy",
    "scikit-learn",
    "shapely",
    "exactextract",
)
#: what to do when a worker is gone
_WORKER_REMEDY = "Most likely memory ran out: lower compute.workers, or raise compute.memory_limit."
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
            return cls("dask", workers, memory_limit, _address(match["address"] or ""))
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
            _require_same(client.run(installed))
            checked = functools.partial(_where_same, function, installed())
            yield from _drained(client.map(checked, items, pure=False, retries=2))

    def check_cluster(self) -> int:
        """Raise :class:`ConfigError` if an existing cluster does not answer or has other versions than this process.

        Returns the number of its workers.
        """
        from dask.distributed import Client

        with _client(Client, self.address, None) as client:
            workers = client.run(installed)
        _require_same(workers)
        return len(workers)


@functools.cache
def installed() -> dict[str, str]:
    """What results depend on beside the inputs: Python, packages, and the hash of this package's own files."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    found |= {name: metadata.version(name) for name in _PACKAGES}
    digest, package = hashlib.sha256(), Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return {**found, "plantation-rwa": digest.hexdigest()[:12]}


def _where_same(function: Callable[[T], R], expected: Mapping[str, str], item: T) -> R:
    """Apply a function on a worker, unless it has joined since the others were looked at and has other versions."""
    if installed() != expected:
        from dask.distributed import get_worker

        _require_same({get_worker().address: installed()}, expected)
    return function(item)


def _require_same(workers: Mapping[str, Mapping[str, str]], expected: Mapping[str, str] | None = None) -> None:
    """Refuse workers that would compute other bytes; a cluster without any worker waits for one."""
    here, problems = expected or installed(), []
    for address, there in sorted(workers.items()):
        other = [f"{name} {there.get(name, 'none')} (here {v})" for name, v in here.items() if there.get(name) != v]
        if other:
            remedy = "Install the same wheel and constraints.txt on every worker."
            problems.append(
                Problem("--runner", "a worker has other versions", f"{address}: {', '.join(other)}", remedy)
            )
    if problems:
        raise ConfigError(problems)


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


def on_cores(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Results in the order of the items, which are made while those before are worked on in :func:`cores`.

    Few wait, so that little is held. An error ends it; what was begun has come to its end by then.
    """
    begun: deque[cf.Future[R]] = deque()
    try:
        for item in items:
            begun.append(cores().submit(function, item))
            if len(begun) > 2 * LANES:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
        cf.wait(begun)


def told(error: BaseException) -> str:
    """An error of a unit as text; of a worker that died or ran out of memory with what to do."""
    text = f"{type(error).__name__}: {error}"
    # distributed is not imported where it is not used
    if isinstance(error, BrokenProcessPool | MemoryError) or type(error).__name__ == "KilledWorker":
        return f"{text.rstrip('.')}. {_WORKER_REMEDY}"
    return text


def attempt(function: Callable[[T], R], item: T) -> Outcome[R]:
    """Run one unit here, its error kept as text."""
    try:
        return Outcome(function(item))
    except Exception as error:  # the unit's failure is reported with its partition; neighbours go on
        return Outcome(None, told(error))


def _submit(pool: cf.Executor, function: Callable[[T], R], item: T) -> cf.Future[R]:
    """Submit to a pool that may have broken while the items before were submitted."""
    try:
        return pool.submit(function, item)
    except BrokenProcessPool as error:
        failed: cf.Future[R] = cf.Future()
        failed.set_exception(error)
        return failed


def _address(text: str) -> str:
    """Address of a scheduler, which has a port; of no other kind does Dask tell what is wrong with it."""
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if text and not complete:
        remedy = "Write dask=tcp://host:8786."
        raise ConfigError([Problem("--runner", "is no address of a Dask scheduler", repr(text), remedy)])
    return text


def _client(factory: Any, address: str, cluster: Any) -> Any:
    try:
        if address:  # a name that nobody knows is told at once
            parts = urlsplit(address if "://" in address else f"tcp://{address}")
            socket.getaddrinfo(parts.hostname, parts.port)
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
        return Outcome(None, told(error))


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
