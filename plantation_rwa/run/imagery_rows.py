"""Vegetation columns on their way from the tasks that compute them to the months that publish them.

A task packs each month as it is finished, and what all tasks give waits in a temporary file until its month is
published.
"""

from __future__ import annotations

import itertools
import pickle
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from plantation_rwa.features.month_part import MonthPart
from plantation_rwa.run.partitions import Key
from plantation_rwa.run.records import Records
from plantation_rwa.run.scenes import At

Row = dict[str, Any]
#: units, and their columns in the same order
Part = tuple[Sequence[At], MonthPart]
#: bytes of packed rows that wait in memory before they go to a file
IN_MEMORY = 32_000_000


@dataclass(frozen=True)
class MonthRows:
    """What a task gives for one month.

    Parameters
    ----------
    units
        Those that have a row.
    packed
        Vegetation columns of the units, in their order, pickled.
    problems
        Unit, scene, band and message of what was wrong with scenes.
    errors
        Error by unit of those that failed.
    records
        Of the plantations' scenes, for the checks of later months.
    kept
        Files that hold the rows until they are published; see :mod:`plantation_rwa.run.kept_months`.
    """

    month: str
    units: tuple[At, ...]
    packed: bytes
    problems: tuple[tuple[At, str, str, str], ...]
    errors: Mapping[At, str]
    records: Records
    kept: tuple[str, ...] = ()

    @classmethod
    def of(cls, month: str, parts: Sequence[Part], errors: Mapping[At, str], records: Records) -> MonthRows:
        """Pack the rows of a month; what was wrong with scenes goes beside them too."""
        problems = tuple(
            (units[n], *one)
            for units, part in parts
            for own, rows in part.problems.groups()
            for n in rows.tolist()
            for one in own
        )  # fmt: skip
        units = tuple(at for own, _ in parts for at in own)
        packed = pickle.dumps([part for _, part in parts], pickle.HIGHEST_PROTOCOL)
        return cls(month, units, packed, problems, errors, records)

    def parts(self) -> list[Part]:
        """Vegetation columns with their units."""
        return _with_units(pickle.loads(self.packed), self.units)


def _with_units(parts: Sequence[MonthPart], units: Sequence[At]) -> list[Part]:
    ends = list(itertools.accumulate(len(part) for part in parts))
    return [(units[end - len(part) : end], part) for end, part in zip(ends, parts, strict=True)]


@dataclass(frozen=True)
class _Part:
    """Where a task's rows of a month lie, and whose they are."""

    file: IO[bytes]
    start: int
    length: int
    units: tuple[At, ...]
    own: frozenset[At]

    def read(self) -> list[Part]:
        self.file.seek(self.start)
        return _with_units(pickle.loads(self.file.read(self.length)), self.units)


class KeptRows:
    """Packed rows of all tasks by month, in memory as long as they are few, else in a file without a name."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._parts: dict[str, list[_Part]] = {}
        self._held: dict[str, set[At]] = {}

    def __len__(self) -> int:
        return sum(len(held) for held in self._held.values())

    def __contains__(self, at: At) -> bool:
        return at in self._held.get(at[1], ())

    def add(self, given: MonthRows) -> None:
        """Keep the rows of a month and forget the object."""
        if self._file is None:
            # closed, and gone, with the last part that lies in it
            self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, prefix="plantation-rwa-")  # noqa: SIM115
        start = self._file.seek(0, 2)
        self._file.write(given.packed)
        part = _Part(self._file, start, len(given.packed), given.units, frozenset(given.units))
        self._parts.setdefault(given.month, []).append(part)
        self._held.setdefault(given.month, set()).update(part.own)

    def take(self, other: KeptRows) -> None:
        """Hold what another one holds too."""
        for month, parts in other._parts.items():
            self._parts.setdefault(month, []).extend(parts)
            self._held.setdefault(month, set()).update(other._held[month])

    def keep(self, units: Collection[At]) -> None:
        """Forget the rows of all other units."""
        wanted = _by_month(units)
        for month, parts in list(self._parts.items()):
            held = self._held[month] & wanted.get(month, set())
            self._held[month] = held
            self._parts[month] = [p for p in parts if not p.own.isdisjoint(held)]
            if not self._parts[month]:
                del self._parts[month], self._held[month]

    def of(self, month: str, wanted: Set[At] | None = None) -> list[Part]:
        """Vegetation columns of a month, of all units or of those wanted; a unit kept twice as it was kept last."""
        found: list[Part] = []
        held = self._held.get(month, set())
        left = set(held) if wanted is None else held.intersection(wanted)
        for kept in reversed(self._parts.get(month, ())):
            every = left.issuperset(kept.own)
            for units, part in kept.read():
                if every:
                    found.append((units, part))
                elif rows := [n for n, at in enumerate(units) if at in left]:
                    found.append((tuple(units[n] for n in rows), part.take(np.array(rows, np.intp))))
            left -= kept.own
        return found[::-1]

    def items(self) -> Iterator[tuple[At, Row]]:
        """All rows in words, month by month."""
        for month in sorted(self._parts):
            for units, part in self.of(month):
                yield from ((at, part.row(n)) for n, at in enumerate(units))


class RowsOfDate:
    """The rows that one valuation date sees.

    Parameters
    ----------
    kept
        Rows of this date and others.
    units
        Those of the date; the ones that failed have no row.
    """

    def __init__(self, kept: KeptRows, units: Iterable[At]) -> None:
        self._kept, self._units = kept, _by_month(units)

    def of(self, month: str) -> list[tuple[list[Key], MonthPart]]:
        """Vegetation columns of a month with their plantations, or plantations and blocks."""
        found = self._kept.of(month, self._units.get(month, set()))
        return [([at[0] for at in units], part) for units, part in found]


def _by_month(units: Iterable[At]) -> dict[str, set[At]]:
    found: dict[str, set[At]] = {}
    for at in units:
        found.setdefault(at[1], set()).add(at)
    return found


@dataclass
class Imagery:
    """Vegetation columns, what was wrong with scenes, errors of the units that failed, and records of scenes read.

    ``kept`` names the units of each file in which rows wait until they are published.
    """

    rows: KeptRows = field(default_factory=KeptRows)
    problems: dict[At, list[tuple[str, str, str]]] = field(default_factory=dict)
    errors: dict[At, str] = field(default_factory=dict)
    records: Records = field(default_factory=Records)
    kept: dict[str, set[At]] = field(default_factory=dict)

    def add(self, given: MonthRows) -> None:
        """What a task gives for one month."""
        self.rows.add(given)
        for at, *one in given.problems:
            self.problems.setdefault(at, []).append((one[0], one[1], one[2]))
        self.errors |= given.errors
        self.records.take(given.records)
        for file in given.kept:
            self.kept.setdefault(file, set()).update(given.units)

    def take(self, other: Imagery) -> None:
        """All that was computed since; its errors stand for those before."""
        self.rows.take(other.rows)
        self.problems |= other.problems
        self.records.take(other.records)
        self.errors = other.errors
        for file, units in other.kept.items():
            self.kept.setdefault(file, set()).update(units)
