"""Several reads at a time: who runs them is decided outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol


class Lanes(Protocol):
    """Runs independent pieces of work side by side; ``concurrent.futures.Executor`` is one."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterator[Any]:
        """Results in the order of the items; an error is raised where its result is taken."""
        ...


class OneLane:
    """Everything here, one after the other."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterator[Any]:
        """See :class:`Lanes`."""
        return map(function, items)
