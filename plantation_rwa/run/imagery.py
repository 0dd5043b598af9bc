"""Imagery of the plantation-months to compute: neighbours together, month by month in order of time.

The offset and the air of a scene are judged by the plantation's own past. So one task takes all months of the
plantations it holds, in order of time, and starts from the published records of the months that need no computing.
Their blocks go with them and use their verdicts. What two plantations share of a scene, or two valuation dates that see
different scenes of a month, is decoded once; a month is read while the one before it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.executor import Outcome, attempt, cores, lanes
from plantation_rwa.features.engine.shares import Shares
from plantation_rwa.features.imagery import Checks, MonthOfOutlines, Outline
from plantation_rwa.features.scene_checks import Rules, SceneRecord, Verdict
from plantation_rwa.features.scene_trail import UNSEEN, record_of, verdict_of
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.batches import Batch, Machine, Record, groups_of
from plantation_rwa.run.imagery_rows import Imagery, MonthRows, Row
from plantation_rwa.run.kept_coverage import CoverageFolder
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.scenes import Unit
from plantation_rwa.sources.scenes import RasterReader

#: applies a function to items, here or on workers; outcomes in the order of the items
Work = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Outcome[Any]]]


@dataclass(frozen=True)
class Trail:
    """A published part of ``features_scenes`` and by plantation what dates saw who use it: ``own`` and ``view``."""

    part: Published
    views: Mapping[str, Collection[tuple[str, str]]]


def compute_imagery(
    units: Sequence[Unit],
    parts: Sequence[Trail],
    rules: Rules,
    work: Work,
    advanced: Callable[[int], None],
    machine: Machine | None = None,
    before: Imagery | None = None,
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
    before
        What was computed before; it is not computed again, and its records are history.
    """
    found, before = Imagery(), before or Imagery()
    needed = {(u.key[0], m, seen) for u in units for m, seen in u.window(rules)}
    estates = {(u.key[0], u.month, u.seen.estate) for u in units if len(u.key) == 2}
    history, verdicts = _published(parts, {u.key[0] for u in units}, min((m for _, m, _ in needed), default=""))
    history |= before.records
    for month in sorted({month for _, month, _ in estates}):
        verdicts |= {
            (key[0], month, view): _verdicts(row["trail"])
            for (key, _, view), row in before.rows.of(month).items()
            if (key[0], month, view) in estates and len(key) == 1
        }
    batches = []
    for group, ahead in groups_of(units, machine or Machine()):
        wanted = sorted({(u.key[0], m, seen) for u in group for m, seen in u.window(rules)})
        blocks = sorted({(u.key[0], u.month, u.seen.estate) for u in group if len(u.key) == 2})
        past = {at: history[at] for at in wanted if at in history}
        known = {at: verdicts[at] for at in blocks if at in verdicts}
        batches.append(Batch(tuple(group), rules, past, known, ahead))
    for batch, outcome in zip(batches, work(imagery_batch, batches), strict=True):
        for given in outcome.value or ():
            found.add(given)
        if outcome.value is None:
            keys = {u.key for u in batch.units}
            for unit in batch.units:
                waits = len(unit.key) == 2 and unit.key[:1] in keys
                found.errors[unit.at] = _waits(outcome.error) if waits else outcome.error
        advanced(len(found.rows) + len(found.errors))
    return found


def imagery_batch(batch: Batch) -> list[MonthRows]:
    """Vegetation columns of some units, month by month; runs on any worker."""
    reader, shares = RasterReader(), Shares(store=CoverageFolder.of_user())
    months: dict[str, list[int]] = {}
    for n, unit in enumerate(batch.units):
        months.setdefault(unit.month, []).append(n)
    order = sorted(months)
    walk, done = _Walk(batch), list[MonthRows]()
    shapes = {u.outline: shapely.from_wkb(u.outline) for u in batch.units}

    def gather(month: str) -> list[_Gathered]:
        return _gathered([batch.units[n] for n in months[month]], shapes, month, reader, shares)

    with ThreadPoolExecutor(max(batch.ahead, 1), "months") as pool:
        reading: list[Future[list[_Gathered]]] = []
        for n, month in enumerate(order):
            reading += [pool.submit(gather, m) for m in order[n + len(reading) : n + max(batch.ahead, 1)]]
            gathered = reading.pop(0).result()
            if batch.ahead and n + 1 + len(reading) < len(order):
                reading.append(pool.submit(gather, order[n + 1 + len(reading)]))
            done.append(walk.month(month, months[month], gathered))
            del gathered  # its numbers go before the next month is waited for
    return done


@dataclass(frozen=True)
class _Gathered:
    """Units of a month that were read together, by their place among the month's; or why they could not be."""

    places: tuple[int, ...]
    outlines: Outcome[MonthOfOutlines]


def _gathered(
    units: Sequence[Unit], shapes: Mapping[bytes, BaseGeometry], month: str, reader: RasterReader, shares: Shares
) -> list[_Gathered]:
    """Read the units of a month together; where that fails each by itself, so that one takes no other with it."""

    def one(places: Sequence[int]) -> MonthOfOutlines:
        outlines = [Outline(shapes[units[n].outline], units[n].scenes, units[n].edge_buffer) for n in places]
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
        self._records: dict[Record, tuple[SceneRecord, ...]] = dict(batch.history)
        self._failed: set[Record] = set()

    def month(self, month: str, numbers: Sequence[int], gathered: Sequence[_Gathered]) -> MonthRows:
        """Finish the units of a month, given by their numbers in the batch."""
        units, outcomes = self._batch.units, dict[int, Outcome[Row]]()
        records: dict[Record, tuple[SceneRecord, ...]] = {}
        estates = {n: self._checks(units[n]) for n in numbers if len(units[n].key) == 1}
        done = self._rows(numbers, gathered, estates)
        judged: dict[Record, Outcome[Row]] = {}
        for n, outcome in done.items():
            unit, own = units[n], (units[n].key[0], month, units[n].seen.own)
            if outcome.value is not None:
                self._records[own] = found = outcome.value.pop("records")
            else:
                self._failed.add(own)
            missing = [m for m, seen in unit.window(self._batch.rules) if (own[0], m, seen) in self._failed]
            if missing:  # its records are free of history: later months may look at them
                outcome = Outcome(None, f"its scenes are judged by those of {missing[0]}, which failed")
            elif outcome.value is not None:
                records[own] = found
            outcomes[n] = judged[(own[0], month, unit.seen.estate)] = outcome
        blocks: dict[int, Checks] = {}
        for n in (n for n in numbers if len(units[n].key) == 2):
            estate = units[n].key[0], month, units[n].seen.estate
            of = judged.get(estate)
            if of is not None and of.value is None:
                outcomes[n] = Outcome(None, _waits(of.error))
                continue
            known = self._batch.verdicts.get(estate, {})
            verdicts = known if of is None or of.value is None else _verdicts(of.value["trail"])
            blocks[n] = Checks(self._batch.rules, verdicts=verdicts)
        for n, outcome in self._rows(numbers, gathered, blocks).items():
            if outcome.value is not None:
                del outcome.value["records"]
            outcomes[n] = outcome
        rows = {units[n].at: o.value for n, o in outcomes.items() if o.value is not None}
        errors = {units[n].at: o.error for n, o in outcomes.items() if o.value is None}
        return MonthRows.of(month, rows, errors, records)

    def _checks(self, unit: Unit) -> Checks:
        plantation, window = unit.key[0], unit.window(self._batch.rules)
        return Checks(
            self._batch.rules, tuple(r for m, seen in window for r in self._records.get((plantation, m, seen), ()))
        )

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
    parts: Sequence[Trail], plantations: set[str], first: str
) -> tuple[dict[Record, tuple[SceneRecord, ...]], dict[Record, Mapping[str, Verdict]]]:
    """Records and verdicts of ``features_scenes``, from the month ``first`` on."""
    records: dict[Record, tuple[SceneRecord, ...]] = {}
    verdicts: dict[Record, Mapping[str, Verdict]] = {}
    for trail in sorted(parts, key=lambda t: t.part.output.path):
        month = trail.part.output.partition.removeprefix("month=")
        if month < first or not plantations & set(trail.views):
            continue
        frame: pd.DataFrame = read_part(trail.part.path)
        for plantation, rows in frame[frame["plantation_id"].isin(plantations)].groupby("plantation_id", sort=True):
            lines = rows.to_dict("records")
            for own, view in trail.views.get(str(plantation), ()):
                records[(str(plantation), month, own)] = tuple(record_of(r) for r in lines if _read(r))
                verdicts[(str(plantation), month, view)] = _verdicts(lines)
    return records, verdicts
