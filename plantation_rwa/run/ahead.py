"""Imagery of one or many valuation dates: what several of them see of a month is decoded once, for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.run import features as features_stage
from plantation_rwa.run.batches import Machine
from plantation_rwa.run.imagery import Trail, Work, compute_imagery
from plantation_rwa.run.imagery_rows import Imagery
from plantation_rwa.run.kept_months import forget, place_of
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.scenes import At, Unit
from plantation_rwa.run.session import Session


@dataclass
class ImageryOfDates:
    """Units of the dates to come, and what was computed of them.

    Every date that is still to be run is announced by :meth:`look`. When a date is run, the months up to its own are
    computed as it sees them and as every later date will: a scene that becomes known after the month's end belongs to
    another view of the same month, and the two share all other blocks. So a block is decoded once however many dates
    use it. A month that is finished is kept in the user's cache folder until its date is published: a backfill that
    was interrupted goes on where it stopped.
    """

    _units: dict[dt.date, dict[At, Unit]] = field(default_factory=dict)
    _known: dict[At, Unit] = field(default_factory=dict)
    _trails: dict[dt.date, list[Trail]] = field(default_factory=dict)
    _found: Imagery = field(default_factory=Imagery)

    def look(self, session: Session, work: features_stage.FeatureWork) -> list[Unit]:
        """Announce a date: its units, and the published records that its checks look at."""
        units = features_stage.units_to_do(session, work)
        # one object for the dates that see the same: there are many units and few views
        self._units[session.as_of] = {at: self._known.setdefault(at, u) for at, u in ((u.at, u) for u in units)}
        trails = []
        for plan in work.plans if units else ():
            if plan.table == "features_scenes" and plan.reuse:
                month = plan.partition.removeprefix("month=")
                seen = {key[0]: work.windows.judging(key, month)[0] for key in plan.components}
                views = {plantation: [(s.own, s.view)] for plantation, s in seen.items()}
                trails += [Trail(part, views) for part in plan.reuse]
        self._trails[session.as_of] = trails
        return units

    def compute(self, session: Session, units: Sequence[Unit], work: Work, advanced: Callable[[int], None]) -> Imagery:
        """What was computed, a date's units in it; what later dates share with them is computed beside them."""
        for date in [d for d in self._units if d < session.as_of]:
            del self._units[date], self._trails[date]
        self._forget()
        if any(u.at not in self._found.rows for u in units):
            wanted = {at: u for of_date in self._units.values() for at, u in of_date.items()}
            month, compute = str(session.month), session.config.compute
            todo = [u for at, u in sorted(wanted.items()) if u.month <= month and at not in self._found.rows]
            rules, machine = Rules.of(session.assumptions), Machine.of(compute.workers, compute.memory_limit)
            kept = "" if session.force else place_of(session.root, rules)
            new = compute_imagery(todo, self._merged(), rules, work, advanced, machine, self._found, kept)
            self._found.take(new)
        return self._found

    def published(self, date: dt.date) -> None:
        """A date's manifest is written: what was kept of its months for a run that is killed has done its duty."""
        later = {at for d, units in self._units.items() if d > date for at in units}
        for file in forget(self._found.kept, later):
            del self._found.kept[file]

    def _merged(self) -> list[Trail]:
        """Each part once, with what every date that uses it sees."""
        parts: dict[Path, tuple[Published, dict[str, set[tuple[str, str]]]]] = {}
        for trail in (t for of_date in self._trails.values() for t in of_date):
            views = parts.setdefault(trail.part.path, (trail.part, {}))[1]
            for plantation, seen in trail.views.items():
                views.setdefault(plantation, set()).update(seen)
        return [Trail(part, views) for part, views in parts.values()]

    def _forget(self) -> None:
        """Keep the rows of the dates to come; the records stay, as the checks of two years look at them."""
        later = {at for units in self._units.values() for at in units}
        self._found.rows.keep(later)
        self._found.problems = {at: found for at, found in self._found.problems.items() if at in later}
        self._known = {at: unit for at, unit in self._known.items() if at in later}
