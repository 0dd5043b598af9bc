"""Many valuation dates in order, each as known then; what several dates need of the imagery is computed once."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from plantation_rwa.config import Config
from plantation_rwa.errors import LeaseLostError, PlantationError, ProblemsError, PublishError
from plantation_rwa.executor import told
from plantation_rwa.run import features as features_stage
from plantation_rwa.run.ahead import ImageryOfDates
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.outcome import RunReport
from plantation_rwa.run.partial import run_only, working_folder
from plantation_rwa.run.partitions import History
from plantation_rwa.run.progress import Progress
from plantation_rwa.run.session import STAGES, Session, open_session, output_folder
from plantation_rwa.run.walk import run_date
from plantation_rwa.sources.base import Inputs

_LOG = logging.getLogger(__name__)


@dataclass
class Course:
    """How far a backfill is, and how long the rest will take.

    Parameters
    ----------
    done, total
        Dates.
    seconds
        Wall time of every date that computed something, in order.
    """

    total: int
    done: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def left_seconds(self) -> float | None:
        """Estimate for the dates left: each as long as the newest that computed something; None if none has yet.

        The first date computes the features of all months before it, so it says nothing of the others.
        """
        if self.done == self.total:
            return 0.0
        return self.seconds[-1] * (self.total - self.done) if len(self.seconds) > 1 else None


class Dates(Protocol):
    """Receives the course of a backfill."""

    def begun(self, date: dt.date, course: Course) -> None:
        """A date begins."""
        ...

    def ended(self, date: dt.date, report: RunReport | None, course: Course) -> None:
        """A date is over; without a report it failed."""
        ...


@dataclass
class Backfilled:
    """What came of a backfill.

    Parameters
    ----------
    reports
        Of the dates that were published.
    failures
        Date and reason of what could not be computed or published.
    left
        Dates that were not tried, because outputs could not be written.
    """

    reports: list[RunReport] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: tuple[dt.date, ...] = ()

    @property
    def recomputed_nothing(self) -> bool:
        """Whether every partition of every date was already published."""
        return not self.failures and all(r.recomputed_nothing for r in self.reports)

    @property
    def computed(self) -> int:
        """Partitions computed for all dates."""
        return sum(sum(r.computed.values()) for r in self.reports)

    @property
    def quarantined(self) -> dict[str, int]:
        """Records in quarantine by what became of them, over all dates."""
        return dict(sum((Counter(r.quarantined) for r in self.reports), Counter[str]()))


def run_backfill(
    config: Config,
    inputs: Inputs,
    dates: Sequence[dt.date],
    *,
    stages: Sequence[str] = STAGES,
    only: Sequence[str] = (),
    force: bool = False,
    work: Work,
    progress: Progress,
    course: Dates,
) -> Backfilled:
    """Run the dates in order; each is published whole before the next begins.

    A date that fails, also by a fault of the program, is told and the next one is tried; one that another run took over
    while this one was stopped is looked at again. Outputs that cannot be written
    end the backfill.

    Parameters
    ----------
    dates
        Valuation dates, oldest first.
    only
        Plantations to publish, under ``<out>/partial``; see :func:`plantation_rwa.run.partial.run_only`.

    Raises
    ------
    ProblemsError
        If configuration or inputs cannot be used.
    PublishError
        If the first date cannot be written.
    """
    inputs, imagery = with_climate_per_plantation(inputs, config), ImageryOfDates()
    if "features" in stages:
        _announce(config, inputs, dates, imagery, force=force)
    found, at = Backfilled(), Course(len(dates))
    for n, date in enumerate(dates):
        course.begun(date, at)
        start, report = time.perf_counter(), None
        try:
            try:
                report = _one(config, inputs, date, stages, only, imagery, work, progress, force=force)
            except LeaseLostError as error:  # the machine slept: the other run has published the date, or does now
                _LOG.warning("%s Trying again.", error)
                report = _one(config, inputs, date, stages, only, imagery, work, progress, force=force)
        except ProblemsError:
            raise
        except PublishError as error:
            if not found.reports:
                raise
            found.failures.append(f"{date}: {error}")
            found.left = tuple(dates[n + 1 :])
            break
        except PlantationError as error:
            found.failures.append(f"{date}: {error}")
        except Exception as error:  # a fault of the program ends one date, not the night
            _LOG.exception("%s: ended by a fault of the program", date)
            found.failures.append(f"{date}: {told(error)}. The log has the place; report it.")
        at.done += 1
        if report is not None:
            found.reports.append(report)
            found.failures += [f"{date}: {failure}" for failure in report.failures]
            at.seconds += [] if report.recomputed_nothing else [time.perf_counter() - start]
        course.ended(date, report, at)
    return found


def _one(
    config: Config,
    inputs: Inputs,
    date: dt.date,
    stages: Sequence[str],
    only: Sequence[str],
    imagery: ImageryOfDates,
    work: Work,
    progress: Progress,
    *,
    force: bool,
) -> RunReport:
    session = open_session(config, inputs, date, root=_root(config, only), force=force)
    if only:
        out = output_folder(config)
        return run_only(session, only, out=out, stages=stages, work=work, progress=progress, imagery=imagery)
    return run_date(session, stages=stages, work=work, progress=progress, imagery=imagery)


def _announce(
    config: Config, inputs: Inputs, dates: Sequence[dt.date], imagery: ImageryOfDates, *, force: bool
) -> None:
    """Tell the imagery what every date will ask for, as far as it is not published."""
    history: History | None = None
    for date in dates:
        session: Session = open_session(config, inputs, date, force=force)
        history = history or History(session)
        imagery.look(session, features_stage.plan_features(session, history))


def _root(config: Config, only: Sequence[str]) -> Path | None:
    return working_folder(output_folder(config)) if only else None
