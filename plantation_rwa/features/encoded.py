"""Columns of few values: thousands of plantations share scenes, tiles, flags and words.

Telling rows apart by number is work of arrays; an object a row would cost more time than its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Encoded(NamedTuple, Generic[T]):
    """A column as Arrow's dictionary encoding has it.

    Parameters
    ----------
    values
        Few; some may not occur.
    places
        For each row the place of its value, -1 for none.
    """

    values: tuple[T, ...]
    places: NDArray[np.intp]

    @classmethod
    def by(cls, items: Sequence[T], key: Callable[[T], Hashable]) -> Encoded[T]:
        """Items told apart by a key, in the order of their first appearance; ``id`` tells objects apart."""
        keys = list(map(key, items))
        first: dict[Hashable, T] = {}
        if len(set(keys)) <= 1:
            return cls(tuple(items[:1]), np.zeros(len(items), np.intp))
        for name, item in zip(keys, items, strict=True):
            first.setdefault(name, item)
        number = dict(zip(first, range(len(first)), strict=True))
        return cls(tuple(first.values()), np.array([number[name] for name in keys], np.intp))

    @classmethod
    def together(cls, *columns: Encoded[Any]) -> Encoded[tuple[Any, ...]]:
        """Columns side by side as one of tuples, in the order of their first appearance; None for no value."""
        code = np.zeros(len(columns[0].places), np.int64)
        for column in columns:
            # numbered anew, so that the product of their sizes stays small
            used, own = np.unique(column.places, return_inverse=True)
            _, code = np.unique(code * len(used) + own, return_inverse=True)
        _, first = np.unique(code, return_index=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        values = tuple(tuple(column.at(n) for column in columns) for n in first[order].tolist())
        return Encoded(values, rank[code])

    @classmethod
    def joined(cls, parts: Sequence[Encoded[T]], key: Callable[[T], Hashable]) -> Encoded[T]:
        """One column after the other; values of one key stand once."""
        held: dict[Hashable, T] = {}
        for value in (v for part in parts for v in part.values):
            held.setdefault(key(value), value)
        number = dict(zip(held, range(len(held)), strict=True))
        places = [np.array([*(number[key(v)] for v in p.values), -1], np.intp)[p.places] for p in parts]
        return cls(tuple(held.values()), np.concatenate([np.empty(0, np.intp), *places]))

    def at(self, row: int) -> T | None:
        """Value of a row."""
        place = int(self.places[row])
        return None if place < 0 else self.values[place]

    def tolist(self) -> list[T | None]:
        """Value of every row."""
        values = (*self.values, None)
        return [values[n] for n in self.places.tolist()]

    def take(self, rows: NDArray[np.intp]) -> Encoded[T]:
        """Some rows, by number; no value for -1."""
        return Encoded(self.values, np.append(self.places, -1)[rows])

    def compact(self) -> Encoded[T]:
        """The same without the values that do not occur."""
        used, places = np.unique(self.places, return_inverse=True)
        absent = int((used < 0).sum())
        return Encoded(tuple(self.values[n] for n in used[absent:].tolist()), places - absent)

    def groups(self) -> Iterator[tuple[T, NDArray[np.intp]]]:
        """Each value that occurs with its rows in order."""
        order = np.argsort(self.places, kind="stable")
        found, first = np.unique(self.places[order], return_index=True)
        ends = [*first[1:].tolist(), len(order)]
        for place, start, end in zip(found.tolist(), first.tolist(), ends, strict=False):
            if place >= 0:
                yield self.values[place], order[start:end]
