"""Imagery of the plantation-months to compute: months of one plantation in order, blocks by their plantation's checks.

The offset and the air of a scene are judged by the plantation's own past. So one task takes all months of a
plantation, in order of time, and starts from the published records of the months that need no computing. Blocks come
after their plantation and use its verdicts; they depend on nothing else and run a few months at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.executor import Outcome, attempt
from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.features.scene_checks import Rules, SceneRecord, Verdict
from plantation_rwa.features.scene_trail import UNSEEN, record_of, verdict_of
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.partitions import Key, Published
from plantation_rwa.run.scenes import Unit, window_months
from plantation_rwa.sources.scenes import RasterReader

#: applies a function to items, here or on workers; outcomes in the order of the items
Work = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Outcome[Any]]]


@dataclass(frozen=True)
class Batch:
    """One task: units of one outline in order of time.

    Parameters
    ----------
    history
        Of a plantation: published records by month, of the months that are not computed now.
    verdicts
        Of a block: its plantation's verdicts by month and item hash; None for a plantation.
    """

    units: tuple[Unit, ...]
    rules: Rules
    history: Mapping[str, tuple[SceneRecord, ...]]
    verdicts: Mapping[str, Mapping[str, Verdict]] | None = None


@dataclass
class Imagery:
    """Vegetation columns by (key, month), and the errors of the units that failed."""

    rows: dict[tuple[Key, str], dict[str, Any]] = field(default_factory=dict)
    errors: dict[tuple[Key, str], str] = field(default_factory=dict)


def compute_imagery(
    units: Sequence[Unit], parts: Sequence[Published], rules: Rules, work: Work, advanced: Callable[[int], None]
) -> Imagery:
    """Compute all units.

    Parameters
    ----------
    units
        Plantations' and blocks' units.
    parts
        Published parts of ``features_scenes`` that are used again.
    rules
        Limits of the checks.
    work
        Runs tasks here or on workers; see :class:`plantation_rwa.executor.Runner`.
    advanced
        Called with the number of units done so far.
    """
    found = Imagery()
    estates = [u for u in units if len(u.key) == 1]
    blocks = [u for u in units if len(u.key) == 2]
    first = min((window_months(u.month, rules)[0] for u in units), default="")
    trail = _published(parts, {u.key[0] for u in units}, first)
    history = {p: {m: tuple(record_of(r) for r in rows if _read(r)) for m, rows in t.items()} for p, t in trail.items()}
    todo = [Batch(tuple(group), rules, history.get(group[0].key[0], {})) for group in _runs(estates, size=len(estates))]
    _run(todo, work, found, advanced)
    for (key, month), row in found.rows.items():
        trail.setdefault(key[0], {})[month] = row["trail"]
    ready = []
    for unit in blocks:
        error = found.errors.get((unit.key[:1], unit.month))
        if error is None:
            ready.append(unit)
        else:
            found.errors[(unit.key, unit.month)] = f"waits for its plantation: {error}"
    verdicts = {
        p: {m: {r["item_hash"]: verdict_of(r) for r in rows if _read(r)} for m, rows in t.items()}
        for p, t in trail.items()
    }
    _run([Batch(tuple(g), rules, {}, verdicts.get(g[0].key[0], {})) for g in _runs(ready)], work, found, advanced)
    return found


def imagery_batch(batch: Batch) -> list[Outcome[dict[str, Any]]]:
    """Vegetation columns of some units; runs on any worker.

    A plantation's month after one that failed fails too if its checks would have looked at it: judged without, it
    would not be the same row as in a run where nothing failed.
    """
    reader, records = RasterReader(), dict(batch.history)
    outcomes: list[Outcome[dict[str, Any]]] = []
    failed: set[str] = set()
    for unit in batch.units:
        before = window_months(unit.month, batch.rules)
        past = tuple(r for m in before for r in records.get(m, ()))
        known = None if batch.verdicts is None else batch.verdicts.get(unit.month, {})
        outcome = attempt(partial(_month, reader=reader, checks=Checks(batch.rules, past, known)), unit)
        if outcome.value is not None:
            records[unit.month] = outcome.value.pop("records")
        elif batch.verdicts is None:
            failed.add(unit.month)
        missing = sorted(failed.intersection(before))
        if missing:  # its records are free of history: later months may look at them
            outcome = Outcome(None, f"its scenes are judged by those of {missing[0]}, which failed")
        outcomes.append(outcome)
    return outcomes


def _month(unit: Unit, reader: RasterReader, checks: Checks) -> dict[str, Any]:
    row = plantation_month(
        shapely.from_wkb(unit.outline),
        unit.month,
        unit.scenes,
        reader,
        checks=checks,
        profile=unit.profile,
        edge_buffer=unit.edge_buffer,
    )
    if row["known_at"] is not None and unit.judged_known_at is not None:
        row["known_at"] = max(row["known_at"], unit.judged_known_at)
    return row


def _runs(units: Sequence[Unit], size: int = 6) -> list[list[Unit]]:
    """Units of one outline in runs of at most ``size`` months."""
    found: list[list[Unit]] = []
    for unit in units:
        if found and found[-1][0].key == unit.key and len(found[-1]) < size:
            found[-1].append(unit)
        else:
            found.append([unit])
    return found


def _run(batches: Sequence[Batch], work: Work, found: Imagery, advanced: Callable[[int], None]) -> None:
    for batch, outcome in zip(batches, work(imagery_batch, batches), strict=True):
        values = outcome.value or [Outcome(None, outcome.error)] * len(batch.units)
        for unit, value in zip(batch.units, values, strict=True):
            if value.value is None:
                found.errors[(unit.key, unit.month)] = value.error
            else:
                found.rows[(unit.key, unit.month)] = value.value
        advanced(len(found.rows) + len(found.errors))


def _read(row: Mapping[str, Any]) -> bool:
    return row["outcome"] not in UNSEEN


def _published(
    parts: Sequence[Published], plantations: set[str], first: str
) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Rows of ``features_scenes`` by plantation and month, from the month ``first`` on."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for part in sorted(parts, key=lambda p: p.output.path):
        month = part.output.partition.removeprefix("month=")
        if month < first or not plantations:
            continue
        frame: pd.DataFrame = read_part(part.path)
        for row in frame[frame["plantation_id"].isin(plantations)].to_dict("records"):
            found.setdefault(row["plantation_id"], {}).setdefault(month, []).append(row)
    return found
