"""Imagery of the plantation-months to compute: neighbours together, month by month in order of time.

The offset and the air of a scene are judged by the plantation's own past. So one task takes all months of the
plantations it holds, in order of time, and starts from the published records of the months that need no computing.
Their blocks go with them and use their verdicts. What two plantations share of a scene, or two valuation dates that see
different scenes of a month, is decoded once; a month is read while the one before it is finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.executor import Outcome, attempt, cores, lanes
from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.lanes import OneLane
from plantation_rwa.features.engine.shares import KnownGrids, Shares
from plantation_rwa.features.imagery import Believed, Judged, MonthOfOutlines, Outline, files_of_scenes
from plantation_rwa.features.month_part import MonthPart
from plantation_rwa.features.scene_checks import Rules, SceneLines, Verdict, verdict_of_codes
from plantation_rwa.features.scene_trail import UNSEEN, record_of, verdict_of
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.batches import Batch, Estate, Machine, groups_of, tile_of
from plantation_rwa.run.imagery_rows import Imagery, MonthRows, Part
from plantation_rwa.run.kept_files import KeptFiles
from plantation_rwa.run.kept_months import KeptMonths
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.records import Records, Told
from plantation_rwa.run.scenes import Unit, window_months
from plantation_rwa.sources.items import is_url
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
    kept: str = "",
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
    kept
        Where months that are finished are kept until they are published; see :mod:`plantation_rwa.run.kept_months`.
    """
    found, before = Imagery(), before or Imagery()
    plantations = {u.key[0] for u in units}
    first = window_months(min((u.month for u in units), default="9999-12"), rules)[0]
    history, verdicts = _published(parts, plantations, first)
    history.take(before.records)
    estates = {(u.key[0], u.month, u.seen.estate) for u in units if len(u.key) == 2}
    for month in sorted({month for _, month, _ in estates}):
        for ats, part in before.rows.of(month):
            wanted = [n for n, (key, _, view) in enumerate(ats) if len(key) == 1 and (key[0], month, view) in estates]
            verdicts |= {(ats[n][0][0], month, ats[n][2]): _verdicts(part, n) for n in wanted}
    batches = []
    for group, ahead in groups_of(units, machine or Machine()):
        members = {u.key[0] for u in group}
        months = {own for u in _views(group) for own in u.window(rules)}
        blocks = sorted({(u.key[0], u.month, u.seen.estate) for u in group if len(u.key) == 2})
        known = {at: verdicts[at] for at in blocks if at in verdicts}
        place = kept and f"{kept}/{tile_of(group)}"
        batches.append(Batch(tuple(group), rules, history.of(members, months), known, ahead, place))
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
    reader, shares = RasterReader(), Shares(store=KeptFiles.of_user("coverage"))
    units: dict[str, list[Unit]] = {}
    for unit in batch.units:
        units.setdefault(unit.month, []).append(unit)
    order = sorted(units)
    walk, done = _Walk(batch), list[MonthRows]()
    outlines = list({u.outline for u in batch.units})
    shapes = dict(zip(outlines, shapely.from_wkb(np.array(outlines, object)), strict=True))

    def ask(month: str) -> KnownGrids:
        known, views = KnownGrids(reader), Encoded.by([u.scenes for u in units[month]], id).values
        files = files_of_scenes([s for own in views for s in own])
        # others would take more of the requests in flight and of the files kept open than a month may
        known.ask({a for a in files if not is_url(a.href)}, OneLane())
        return known

    def gather(month: str, known: Future[KnownGrids]) -> list[_Gathered]:
        return _gathered(units[month], shapes, month, reader, shares, known)

    store = KeptMonths(batch.kept)
    given = {m: store.get(m, units[m]) for m in order}
    left = deque(m for m in order if given[m] is None)
    with (
        ThreadPoolExecutor(1, "grids") as asking,
        ThreadPoolExecutor(max(batch.ahead, 1), "months") as pool,
    ):
        reading: deque[Future[list[_Gathered]]] = deque()
        # local files are opened while the month before is read
        grids = deque(asking.submit(ask, m) for m in islice(left, 1))

        def read(ahead: int) -> None:
            while left and len(reading) < ahead:
                month = left.popleft()
                grids.extend(asking.submit(ask, m) for m in islice(left, 1))
                reading.append(pool.submit(gather, month, grids.popleft()))

        for month in order:
            found = given.pop(month)
            if found is None:
                read(max(batch.ahead, 1))
                gathered = reading.popleft().result()
                read(batch.ahead)
                found = walk.month(month, units[month], gathered)
                found = store.put(found, units[month])
                del gathered  # its numbers go before the next month is waited for
            else:
                walk.take(found)
            done.append(found)
    return done


@dataclass(frozen=True)
class _Gathered:
    """Units of a month that were read together, by their place among the month's; or why they could not be."""

    places: NDArray[np.intp]
    outlines: Outcome[MonthOfOutlines]


def _gathered(
    units: Sequence[Unit],
    shapes: Mapping[bytes, BaseGeometry],
    month: str,
    reader: RasterReader,
    shares: Shares,
    known: Future[KnownGrids],
) -> list[_Gathered]:
    """Read the units of a month together; where that fails each by itself, so that one takes no other with it."""

    def one(places: Sequence[int], known: KnownGrids | None = None) -> MonthOfOutlines:
        own = [units[n] for n in places]
        outlines = [Outline._make((shapes[u.outline], u.scenes, u.edge_buffer)) for u in own]
        profile = units[places[0]].profile
        return MonthOfOutlines(outlines, month, reader, profile=profile, shares=shares, lanes=lanes(), known=known)

    asked = None if known.exception() else known.result()
    every = np.arange(len(units))
    found = _Gathered(every, attempt(lambda places: one(places, asked), range(len(units))))
    if found.outlines.value is not None or len(units) == 1:
        return [found]
    return [_Gathered(every[n : n + 1], attempt(one, [n])) for n in range(len(units))]


#: places of units among those of their month, and their columns
_Finished = tuple[NDArray[np.intp], MonthPart]


class _Walk:
    """Months in order of time: plantations are judged by what came before, blocks by their plantations.

    A plantation's month after one that failed fails too if its checks would have looked at it: judged without, it
    would not be the same row as in a run where nothing failed.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._records = Records()
        self._records.take(batch.history)
        self._failed: set[Estate] = set()

    def month(self, month: str, units: Sequence[Unit], gathered: Sequence[_Gathered]) -> MonthRows:
        """Finish the units of a month, which are told by their place among them."""
        errors, late = dict[int, str](), dict[int, str]()
        told, found = Records(), list[_Finished]()
        for own, part in self._plantations(units, gathered, errors):
            seen = units[own[0]].seen
            said = (
                None if part.trail is None else Told(tuple([units[n].key[0] for n in own.tolist()]), part.trail.lines)
            )
            if said is not None:
                self._records.add((month, seen.own), said)
            # its records are free of history: later months may look at them
            if self._failed:
                free = [k for k, n in enumerate(own.tolist()) if not self._looks_back_on_failed(units[n], n, late)]
                kept = np.array(free, np.intp)
                part, own = part.take(kept), own[kept]
                said = said and Told(tuple(said.plantations[k] for k in free), said.lines.take(kept))
            if own.size:
                found.append((own, part))
                if said is not None:
                    told.add((month, seen.own), said)
        errors |= late  # apart till now: the records of these are there for later months
        found += self._blocks(month, units, gathered, found, errors)
        parts: list[Part] = [([units[n].at for n in own.tolist()], part) for own, part in found]
        return MonthRows.of(month, parts, {units[n].at: text for n, text in errors.items()}, told)

    def take(self, given: MonthRows) -> None:
        """A month that was finished before."""
        self._records.take(given.records)

    def _looks_back_on_failed(self, unit: Unit, n: int, errors: dict[int, str]) -> bool:
        """Note the error of a unit whose checks would have looked at a month that failed."""
        missing = [m for m, seen in unit.window(self._batch.rules) if (unit.key[0], m, seen) in self._failed]
        if missing:
            errors[n] = f"its scenes are judged by those of {missing[0]}, which failed"
        return bool(missing)

    def _plantations(
        self, units: Sequence[Unit], gathered: Sequence[_Gathered], errors: dict[int, str]
    ) -> Iterator[_Finished]:
        """Finished plantations, those together that see the same."""
        rules = self._batch.rules

        def checks(own: NDArray[np.intp]) -> Judged:
            names = tuple([units[n].key[0] for n in own.tolist()])
            return Judged(rules, self._records.past(names, units[own[0]].window(rules)))

        wanted = np.array([len(u.key) == 1 for u in units], bool)
        yield from self._parts(wanted, units, gathered, checks, errors)
        self._failed |= {(units[n].key[0], units[n].month, units[n].seen.own) for n in errors if wanted[n]}

    def _blocks(
        self,
        month: str,
        units: Sequence[Unit],
        gathered: Sequence[_Gathered],
        estates: Sequence[_Finished],
        errors: dict[int, str],
    ) -> list[_Finished]:
        """Finished blocks, by the verdicts of their plantations."""
        blocks = [n for n, u in enumerate(units) if len(u.key) == 2]
        if not blocks:
            return []
        failed = {(units[n].key[0], units[n].seen.estate): text for n, text in errors.items()}
        judged = {
            (units[n].key[0], units[n].seen.estate): (part, k)
            for own, part in estates
            for k, n in enumerate(own.tolist())
        }
        verdicts: dict[int, Mapping[str, Verdict]] = {}
        for n in blocks:
            estate = units[n].key[0], units[n].seen.estate
            if estate in failed:
                errors[n] = _waits(failed[estate])
            elif estate in judged:
                verdicts[n] = _verdicts(*judged[estate])
            else:
                verdicts[n] = self._batch.verdicts.get((estate[0], month, estate[1]), {})

        def checks(own: NDArray[np.intp]) -> Believed:
            return Believed([verdicts[n] for n in own.tolist()])

        wanted = np.zeros(len(units), bool)
        wanted[list(verdicts)] = True
        return list(self._parts(wanted, units, gathered, checks, errors))

    def _parts(
        self,
        wanted: NDArray[np.bool_],
        units: Sequence[Unit],
        gathered: Sequence[_Gathered],
        checks: Callable[[NDArray[np.intp]], Judged | Believed],
        errors: dict[int, str],
    ) -> Iterator[_Finished]:
        """Columns of the units wanted that see the same scenes; where all together fail each by itself."""
        # numbers here are of outlines read together, ``places`` has the unit of each; those that see the same have one
        # object of each
        views = Encoded.by(units, lambda u: (id(u.seen), id(u.judged_known_at)))
        for part in gathered:
            outlines, chosen = part.outlines.value, np.flatnonzero(wanted[part.places])
            if outlines is None:
                errors |= dict.fromkeys(part.places[chosen].tolist(), part.outlines.error)
                continue

            def made(
                own: NDArray[np.intp], places: NDArray[np.intp] = part.places, of: MonthOfOutlines = outlines
            ) -> list[MonthPart]:
                return of.parts(own.tolist(), checks(places[own]), cores=cores())

            for _, rows in views.take(part.places[chosen]).groups():
                tries = [chosen[rows]]
                done = [attempt(made, tries[0])]
                if done[0].value is None and len(rows) > 1:
                    tries = [chosen[n : n + 1] for n in rows.tolist()]
                    done = [attempt(made, own) for own in tries]
                for own, outcome in zip(tries, done, strict=True):
                    if outcome.value is None:
                        errors |= dict.fromkeys(part.places[own].tolist(), outcome.error)
                    for one in outcome.value or ():
                        yield part.places[one.outlines], self._dated(one, units[part.places[own[0]]])

    def _dated(self, part: MonthPart, unit: Unit) -> MonthPart:
        judged = unit.judged_known_at
        if part.known_at is None or judged is None or judged <= part.known_at:
            return part
        return replace(part, known_at=judged)


def _waits(error: str) -> str:
    return f"waits for its plantation: {error}"


def _views(units: Sequence[Unit]) -> list[Unit]:
    """One unit for each month and what is seen of it."""
    return list({(u.month, id(u.seen)): u for u in units}.values())


def _verdicts(part: MonthPart, n: int) -> dict[str, Verdict]:
    """Verdicts on the scenes of an outline by item hash."""
    trail = part.trail
    if trail is None:
        return {}
    codes = trail.verdicts.codes[n].tolist()
    return {
        head["item_hash"]: verdict_of_codes(scene.offset, own)
        for head, scene, own in zip(trail.heads, trail.lines.scenes, codes, strict=False)
    }


def _read(row: Mapping[str, Any]) -> bool:
    return row["outcome"] not in UNSEEN


def _published(
    parts: Sequence[Trail], plantations: set[str], first: str
) -> tuple[Records, dict[Estate, Mapping[str, Verdict]]]:
    """Records and verdicts of ``features_scenes``, from the month ``first`` on."""
    records = Records()
    verdicts: dict[Estate, Mapping[str, Verdict]] = {}
    for trail in sorted(parts, key=lambda t: t.part.output.path):
        month = trail.part.output.partition.removeprefix("month=")
        if month < first or not plantations & set(trail.views):
            continue
        frame: pd.DataFrame = read_part(trail.part.path)
        for plantation, rows in frame[frame["plantation_id"].isin(plantations)].groupby("plantation_id", sort=True):
            lines = [line for line in rows.to_dict("records") if _read(line)]
            told = Told((str(plantation),), SceneLines.of([record_of(line) for line in lines]))
            for own, view in trail.views.get(str(plantation), ()):
                records.add((month, own), told)
                verdicts[(str(plantation), month, view)] = {line["item_hash"]: verdict_of(line) for line in lines}
    return records, verdicts
