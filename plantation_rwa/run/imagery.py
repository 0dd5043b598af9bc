"""Imagery of the plantation-months to compute: neighbours together, month by month in order of time.

The offset and the air of a scene are judged by the plantation's own past. So one task takes all months of the
plantations it holds, in order of time, and starts from the published records of the months that need no computing.
Their blocks go with them and use their verdicts. What two plantations share of a scene is decoded once; a month is read
while the one before it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.executor import Outcome, attempt, cores, lanes
from plantation_rwa.features.engine.shares import Shares
from plantation_rwa.features.imagery import Checks, MonthOfOutlines, Outline
from plantation_rwa.features.scene_checks import Rules, SceneRecord, Verdict
from plantation_rwa.features.scene_trail import UNSEEN, record_of, verdict_of
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.batches import Batch, Machine, groups_of
from plantation_rwa.run.kept_coverage import CoverageFolder
from plantation_rwa.run.partitions import Key, Published
from plantation_rwa.run.scenes import Unit, window_months
from plantation_rwa.sources.scenes import RasterReader

#: applies a function to items, here or on workers; outcomes in the order of the items
Work = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Outcome[Any]]]
Row = dict[str, Any]


@dataclass
class Imagery:
    """Vegetation columns by (key, month), and the errors of the units that failed."""

    rows: dict[tuple[Key, str], Row] = field(default_factory=dict)
    errors: dict[tuple[Key, str], str] = field(default_factory=dict)


def compute_imagery(
    units: Sequence[Unit],
    parts: Sequence[Published],
    rules: Rules,
    work: Work,
    advanced: Callable[[int], None],
    machine: Machine | None = None,
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
    machine
        What the tasks are cut for.
    """
    found = Imagery()
    first = min((window_months(u.month, rules)[0] for u in units), default="")
    trail = _published(parts, {u.key[0] for u in units}, first)
    history = {p: {m: tuple(record_of(r) for r in rows if _read(r)) for m, rows in t.items()} for p, t in trail.items()}
    verdicts = {p: {m: _verdicts(rows) for m, rows in t.items()} for p, t in trail.items()}
    batches = []
    for group, ahead in groups_of(units, machine or Machine()):
        own = {u.key[0] for u in group}
        past = {p: history[p] for p in sorted(own & set(history))}
        known = {p: verdicts[p] for p in sorted(own & set(verdicts))}
        batches.append(Batch(tuple(group), rules, past, known, ahead))
    for batch, outcome in zip(batches, work(imagery_batch, batches), strict=True):
        values = outcome.value or [Outcome(None, outcome.error)] * len(batch.units)
        lost = {u.key: outcome.error for u in batch.units if outcome.value is None and len(u.key) == 1}
        for unit, value in zip(batch.units, values, strict=True):
            if value.value is not None:
                found.rows[(unit.key, unit.month)] = value.value
            elif len(unit.key) == 2 and unit.key[:1] in lost:
                found.errors[(unit.key, unit.month)] = _waits(value.error)
            else:
                found.errors[(unit.key, unit.month)] = value.error
        advanced(len(found.rows) + len(found.errors))
    return found


def imagery_batch(batch: Batch) -> list[Outcome[Row]]:
    """Vegetation columns of some units; runs on any worker."""
    reader, shares = RasterReader(), Shares(store=CoverageFolder.of_user())
    months: dict[str, list[int]] = {}
    for n, unit in enumerate(batch.units):
        months.setdefault(unit.month, []).append(n)
    order = sorted(months)
    walk = _Walk(batch)

    def gather(month: str) -> list[_Gathered]:
        return _gathered([batch.units[n] for n in months[month]], month, reader, shares)

    with ThreadPoolExecutor(max(batch.ahead, 1), "months") as pool:
        reading: list[Future[list[_Gathered]]] = []
        for n, month in enumerate(order):
            reading += [pool.submit(gather, m) for m in order[n + len(reading) : n + max(batch.ahead, 1)]]
            gathered = reading.pop(0).result()
            if batch.ahead and n + 1 + len(reading) < len(order):
                reading.append(pool.submit(gather, order[n + 1 + len(reading)]))
            walk.month(month, months[month], gathered)
            del gathered  # its numbers go before the next month is waited for
    return [walk.outcomes[n] for n in range(len(batch.units))]


@dataclass(frozen=True)
class _Gathered:
    """Units of a month that were read together, by their place among the month's; or why they could not be."""

    places: tuple[int, ...]
    outlines: Outcome[MonthOfOutlines]


def _gathered(units: Sequence[Unit], month: str, reader: RasterReader, shares: Shares) -> list[_Gathered]:
    """Read the units of a month together; where that fails each by itself, so that one takes no other with it."""

    def one(places: Sequence[int]) -> MonthOfOutlines:
        outlines = [Outline(shapely.from_wkb(units[n].outline), units[n].scenes, units[n].edge_buffer) for n in places]
        profile = units[places[0]].profile
        return MonthOfOutlines(outlines, month, reader, profile=profile, shares=shares, lanes=lanes())

    found = _Gathered(tuple(range(len(units))), attempt(one, range(len(units))))
    if found.outlines.value is not None or len(units) == 1:
        return [found]
    return [_Gathered((n,), attempt(one, [n])) for n in range(len(units))]


class _Walk:
    """Months in order of time: plantations are judged by what came before, blocks by their plantations.

    A plantation's month after one that failed fails too if its checks would have looked at it: judged without, it
    would not be the same row as in a run where nothing failed.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.outcomes: dict[int, Outcome[Row]] = {}
        self._records: dict[str, dict[str, tuple[SceneRecord, ...]]] = {p: dict(t) for p, t in batch.history.items()}
        self._failed: dict[str, set[str]] = {}

    def month(self, month: str, numbers: Sequence[int], gathered: Sequence[_Gathered]) -> None:
        """Finish the units of a month, given by their numbers in the batch."""
        units = self._batch.units
        before = window_months(month, self._batch.rules)
        estates = {n: self._checks(units[n].key[0], before) for n in numbers if len(units[n].key) == 1}
        done = self._rows(numbers, gathered, estates)
        judged: dict[str, Outcome[Row]] = {}
        for n, outcome in done.items():
            plantation = units[n].key[0]
            if outcome.value is not None:
                self._records.setdefault(plantation, {})[month] = outcome.value.pop("records")
            else:
                self._failed.setdefault(plantation, set()).add(month)
            missing = sorted(self._failed.get(plantation, set()).intersection(before))
            if missing:  # its records are free of history: later months may look at them
                outcome = Outcome(None, f"its scenes are judged by those of {missing[0]}, which failed")
            self.outcomes[n] = judged[plantation] = outcome
        blocks: dict[int, Checks] = {}
        for n in (n for n in numbers if len(units[n].key) == 2):
            plantation = units[n].key[0]
            of = judged.get(plantation)
            if of is not None and of.value is None:
                self.outcomes[n] = Outcome(None, _waits(of.error))
                continue
            known = self._batch.verdicts.get(plantation, {}).get(month, {})
            verdicts = known if of is None or of.value is None else _verdicts(of.value["trail"])
            blocks[n] = Checks(self._batch.rules, verdicts=verdicts)
        for n, outcome in self._rows(numbers, gathered, blocks).items():
            if outcome.value is not None:
                del outcome.value["records"]
            self.outcomes[n] = outcome

    def _checks(self, plantation: str, before: Sequence[str]) -> Checks:
        records = self._records.get(plantation, {})
        return Checks(self._batch.rules, tuple(r for m in before for r in records.get(m, ())))

    def _rows(
        self, numbers: Sequence[int], gathered: Sequence[_Gathered], checks: Mapping[int, Checks]
    ) -> dict[int, Outcome[Row]]:
        """Rows of the units that have checks; where all together fail each by itself."""
        found: dict[int, Outcome[Row]] = {}
        for part in gathered:
            wanted = {k: numbers[n] for k, n in enumerate(part.places) if numbers[n] in checks}
            if not wanted:
                continue
            outlines = part.outlines.value
            if outlines is None:
                found |= {n: Outcome(None, part.outlines.error) for n in wanted.values()}
                continue
            rows = partial(outlines.rows, cores=cores())
            made = attempt(rows, {k: checks[n] for k, n in wanted.items()})
            for k, n in wanted.items():
                one = made if made.value is not None else attempt(rows, {k: checks[n]})
                found[n] = Outcome(None, one.error) if one.value is None else Outcome(self._dated(n, one.value[k]))
        return found

    def _dated(self, n: int, row: Row) -> Row:
        judged = self._batch.units[n].judged_known_at
        if row["known_at"] is not None and judged is not None:
            row["known_at"] = max(row["known_at"], judged)
        return row


def _waits(error: str) -> str:
    return f"waits for its plantation: {error}"


def _read(row: Mapping[str, Any]) -> bool:
    return row["outcome"] not in UNSEEN


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Verdict]:
    return {r["item_hash"]: verdict_of(r) for r in rows if _read(r)}


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
