"""Which partition is new, can be skipped, or must be recomputed, and why."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plantation_rwa.config import fingerprint
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, Output, damaged, load_all
from plantation_rwa.run.session import Session, identity

Key = tuple[str, ...]

#: component -> words, where its name alone says too little
_WORDS = {
    "code": "the program",
    "configuration": "settings or assumptions",
    "earlier": "the date published before it",
    "fiscal": "duties and taxes",
    "fx": "exchange rates",
    "index": "the climate index",
    "overlays": "manual adjustments",
    "quarantine": "which plantations have records in quarantine",
    "rates": "interest rates",
    "record": "settings or the secret behind the record hashes",
    "rows": "which plantations or blocks there are",
    "salt": "the secret behind the record hashes",
    "terms": "rights, sponsors or mills",
}
#: components that grow as time goes by: of a month, an earlier date knows less of them
_KNOWN = frozenset({"climate", "imagery", "index", "sensors"})


@dataclass(frozen=True)
class Published:
    """A published file and the folder it lies in."""

    root: Path
    output: Output

    @property
    def path(self) -> Path:
        """Full path."""
        return self.root / self.output.path


@dataclass(frozen=True)
class Expected(Published):
    """A part that an earlier date of a plan will have published, under ``root``, and its rows."""

    rows: tuple[Key, ...] = ()

    @property
    def path(self) -> Path:
        """Where it will be, as far as that is known: parts are told apart by it."""
        return self.root / self.output.table / self.output.partition / self.output.fingerprint


@dataclass(frozen=True)
class PartitionPlan:
    """One partition: what would be done with it and why.

    Parameters
    ----------
    reuse
        Published files that already hold exactly what is needed.
    todo
        Keys (plantation, or plantation and block) still to be computed; empty for ``skip``.
    components
        Needed components per key.
    """

    stage: str
    table: str
    partition: str
    status: str
    reason: str
    reuse: tuple[Published, ...] = ()
    todo: tuple[Key, ...] = ()
    components: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)

    def expected(self, root: Path) -> Expected:
        """What carrying out the plan will add to a partition whose rows can come from several parts."""
        own, told = identified({key: self.components[key] for key in self.todo})
        output = Output(self.stage, self.table, self.partition, "", "", 0, len(self.todo), own, told)
        return Expected(root, output, self.todo)

    @property
    def fingerprint(self) -> str:
        """Identity of the whole partition, known before anything is computed."""
        return identified(self.components)[0]


class History:
    """Published parts of all dates, so that a part made once is used again."""

    def __init__(self, session: Session) -> None:
        self._parts: dict[tuple[str, str], list[Published]] = {}
        self._manifests: dict[str, tuple[Path, Manifest]] = {}
        self.damaged: list[str] = []
        self._as_of = session.as_of.isoformat()
        self._first: dict[Path, str] = {}
        checked: dict[Path, bool] = {}
        for root in reversed(session.reuse):
            for manifest in load_all(root):
                self._manifests[manifest.as_of] = (root, manifest)
                for output in manifest.outputs:
                    path = root / output.path
                    if path not in checked:
                        faults = damaged(root, [output])
                        self.damaged += faults
                        checked[path] = not faults
                    if checked[path]:
                        self._first.setdefault(path, manifest.as_of)
                        group = self._parts.setdefault((output.table, output.partition), [])
                        group.append(Published(root, output))

    def expect(self, parts: Iterable[Expected]) -> None:
        """Add parts that are not there yet, for a plan of several dates."""
        for part in parts:
            self._parts.setdefault((part.output.table, part.output.partition), []).append(part)

    def parts(self, table: str, partition: str) -> list[Published]:
        """Known good parts of a partition, newest manifest last, each file once."""
        return list({p.path: p for p in self._parts.get((table, partition), [])}.values())

    def reason(self, part: Published, needed: Mapping[str, str]) -> str:
        """Why a part does not do, in words: what changed, or that a later date made it, which knew more."""
        names = _unlike(part.output.components, needed)
        if names and _KNOWN.issuperset(names) and self._first.get(part.path, "") > self._as_of:
            return f"as known at {self._as_of}: {_told(names)}"
        return changed(part.output.components, needed)

    def manifest(self, as_of: str) -> tuple[Path, Manifest] | None:
        """Manifest of a date and its folder."""
        return self._manifests.get(as_of)


def identified(components: Mapping[Key, Mapping[str, str]]) -> tuple[str, dict[str, str]]:
    """Identity of a set of rows, every key with what it depends on; and its summary.

    The summary has one short hash per component over all rows, and one for which rows there are: ``rows``.
    """
    rows = sorted(components)
    values = [components[key] for key in rows]
    names = sorted({name for value in values for name in value})
    keys, hashes = _hashed(tuple(rows)), {n: _hashed(tuple([value.get(n) for value in values])) for n in names}
    return fingerprint([keys, hashes]), {"rows": keys[:16], **{name: found[:16] for name, found in hashes.items()}}


@functools.lru_cache(maxsize=16)
def _hashed(values: tuple[Any, ...]) -> str:
    """Fingerprint of a column: most are those of the month before or of another table."""
    return fingerprint(values)


def plan_rows(
    history: History,
    *,
    stage: str,
    table: str,
    partition: str,
    components: Mapping[Key, Mapping[str, str]],
    keys: Sequence[str],
    force: bool,
) -> PartitionPlan:
    """Plan a partition whose rows can come from several parts.

    A published part is used again when every row in it is needed with the same identity; what no part
    covers is computed into a new one.
    """
    known = history.parts(table, partition)
    left = dict(components)
    reuse: list[Published] = []
    for part in reversed([] if force else known):
        rows = _matching(part, left, keys)
        if rows:
            reuse.append(part)
            for key in rows:
                del left[key]
        if not left:
            break
    if not left:
        return PartitionPlan(
            stage, table, partition, "skip", "nothing it depends on has changed", tuple(reuse), (), components
        )
    if not known:
        status, reason = "new", "never computed"
    elif force:
        status, reason = "recompute", "forced"
    elif reuse:
        status, reason = "recompute", f"{len(left)} of {len(components)} rows are new or changed"
    else:
        status, reason = "recompute", history.reason(known[-1], identified(components)[1])
    return PartitionPlan(stage, table, partition, status, reason, tuple(reuse), tuple(sorted(left)), components)


def plan_whole(
    history: History,
    *,
    stage: str,
    tables: Iterable[str],
    partition: str,
    components: Mapping[str, str],
    force: bool,
) -> PartitionPlan:
    """Plan a partition that is computed as a whole, all its tables together."""
    rows: dict[Key, Mapping[str, str]] = {("*",): components}
    needed = identity(components)
    known = [p for t in tables for p in history.parts(t, partition)]
    latest = history.manifest(partition.split("=", 1)[1])
    current = [Published(latest[0], o) for o in latest[1].of(stage)] if latest else []
    intact = {p.path for p in known}
    good = bool(current) and all(p.output.fingerprint == needed and p.path in intact for p in current)
    first = next(iter(tables))
    if good and not force:
        return PartitionPlan(
            stage, first, partition, "skip", "nothing it depends on has changed", tuple(current), (), rows
        )
    if not current:
        status, reason = "new", "never computed"
    elif force:
        status, reason = "recompute", "forced"
    elif any(p.path not in intact for p in current):
        status, reason = "recompute", "a published file is missing or differs from its manifest"
    else:
        status, reason = "recompute", changed(current[0].output.components, components)
    return PartitionPlan(stage, first, partition, status, reason, (), (("*",),), rows)


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Which components differ, in words."""
    names = _unlike(old, new)
    return f"changed: {_told(names)}" if names else "a published file is missing or differs from its manifest"


def _unlike(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return sorted(n for n in {*old, *new} if old.get(n) != new.get(n))


def _told(names: Sequence[str]) -> str:
    return ", ".join(_WORDS.get(name, name) for name in names)


def _matching(part: Published, left: Mapping[Key, Mapping[str, str]], keys: Sequence[str]) -> list[Key]:
    if part.output.fingerprint == identified(left)[0]:
        return list(left)
    if isinstance(part, Expected):
        return _all_needed(part, part.rows, left)
    frame = read_part(part.path, columns=list(keys))
    # a table may have several rows per key
    rows = list(dict.fromkeys(tuple(str(v) for v in row) for row in frame[list(keys)].itertuples(index=False)))
    return _all_needed(part, rows, left)


def _all_needed(part: Published, rows: Sequence[Key], left: Mapping[Key, Mapping[str, str]]) -> list[Key]:
    """The rows of a part if every one of them is needed as it is."""
    if not rows or any(row not in left for row in rows):
        return []
    return list(rows) if part.output.fingerprint == identified({row: left[row] for row in rows})[0] else []
