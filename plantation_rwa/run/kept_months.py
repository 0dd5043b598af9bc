"""Months of imagery that are computed and not published yet, kept so that a run that was killed decodes none twice.

A task puts each month into the user's cache folder as soon as it has finished it, and looks there before it reads
pixels. When the months are published their files go; files of runs that were given up go after thirty days.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from plantation_rwa.caches import cache_folder
from plantation_rwa.executor import installed
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.run.imagery_rows import MonthRows, Part
from plantation_rwa.run.kept_files import KeptFiles
from plantation_rwa.run.records import Records
from plantation_rwa.run.scenes import At, Unit
from plantation_rwa.run.session import short

FOLDER = "months"
#: of a unit: seen, scenes, outline, profile, edge, known at
Identity = tuple[str, ...]
#: seconds after which the months of a run that nobody resumed are deleted
_GIVEN_UP = 30 * 86_400.0


def place_of(root: Path, rules: Rules) -> str:
    """Name of an output folder's months; another one for another program or other limits."""
    return short([str(root.resolve()), installed(), asdict(rules)])


class KeptMonths:
    """The months of one tile that tasks for one output folder have finished.

    Parameters
    ----------
    place
        Path below the cache's folder of months: :func:`place_of` and the tile; empty keeps nothing.
    """

    def __init__(self, place: str) -> None:
        base = cache_folder() if place else None
        self._place, self._folder = place, None if base is None else base / FOLDER / place
        self._outlines: dict[bytes, str] = {}

    def get(self, month: str, units: Sequence[Unit]) -> MonthRows | None:
        """Rows of all units of a month; None unless every one is kept as it is asked for."""
        if self._folder is None:
            return None
        parts: list[Part] = []
        have, records, names = set[At](), Records(), []
        files = self._files(month)
        there = files.names()
        wanted = self._identities(units) if there else {}
        for name in there:
            identities, given = _unpacked(files.get(name) or b"") or ({}, None)
            same = {at for at, own in identities.items() if wanted.get(at) == own} - have
            if given is not None and same:
                for ats, part in given.parts():
                    chosen = [n for n, at in enumerate(ats) if at in same]
                    if chosen:
                        parts.append((tuple(ats[n] for n in chosen), part.take(np.array(chosen, np.intp))))
                        have |= set(parts[-1][0])
                records.take(given.records)
                names.append(name)
        if not there or have != wanted.keys():
            return None
        own = records.of({u.key[0] for u in units}, {(month, u.seen.own) for u in units})
        return replace(MonthRows.of(month, parts, {}, own), kept=tuple(self._path(month, n) for n in names))

    def put(self, given: MonthRows, units: Sequence[Unit]) -> MonthRows:
        """Keep a month that is finished, unless a unit of it failed; the month, which then knows its file."""
        if self._folder is None or given.errors:
            return given
        data = pickle.dumps((self._identities(units), given), pickle.HIGHEST_PROTOCOL)
        name = hashlib.sha256(data).hexdigest()
        self._files(given.month).put(name, bytes.fromhex(name) + data)
        return replace(given, kept=(self._path(given.month, name),))

    def _identities(self, units: Sequence[Unit]) -> dict[At, Identity]:
        """What decides the rows of units, the program and its limits left out; units share most of it."""
        seen = {i: short(asdict(own)) for i, own in {id(u.seen): u.seen for u in units}.items()}
        scenes = {i: short([s.id for s in own]) for i, own in {id(u.scenes): u.scenes for u in units}.items()}
        known = {i: str(own) for i, own in {id(u.judged_known_at): u.judged_known_at for u in units}.items()}
        outlines = self._outlines  # most are those of the month before
        for wkb in {u.outline for u in units}.difference(outlines):
            outlines[wkb] = hashlib.sha256(wkb).hexdigest()
        return {
            u.at: (
                *(seen[id(u.seen)], scenes[id(u.scenes)], outlines[u.outline]),
                *(u.profile, str(u.edge_buffer), known[id(u.judged_known_at)]),
            )
            for u in units
        }

    def _files(self, month: str) -> KeptFiles:
        return KeptFiles(None if self._folder is None else self._folder / month)

    def _path(self, month: str, name: str) -> str:
        return f"{self._place}/{month}/{name}"


def forget(kept: Mapping[str, Set[At]], later: Set[At]) -> list[str]:
    """Delete the files that hold no unit of the dates to come, and what runs that were given up have left.

    Parameters
    ----------
    kept
        Units of each file.
    later
        Units that are still to be published.

    Returns
    -------
    list of str
        The files deleted, as ``kept`` names them.
    """
    base, gone = cache_folder(), [path for path, units in kept.items() if units.isdisjoint(later)]
    if base is None:
        return gone
    root = base / FOLDER
    for path in gone:
        folder, name = path.rsplit("/", 1)
        KeptFiles(root / folder).drop(name)
        for empty in list(Path(folder).parents)[:-1]:
            with contextlib.suppress(OSError):  # another month or another run's is in it
                (root / empty).rmdir()
    for where, _, names in os.walk(root):
        for file in (Path(where) / name for name in names):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > _GIVEN_UP:
                    file.unlink()
    return gone


def _unpacked(data: bytes) -> tuple[dict[At, Identity], MonthRows] | None:
    """What a file holds; None for half of one."""
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    found: tuple[dict[At, Identity], MonthRows] = pickle.loads(data[32:])
    return found
