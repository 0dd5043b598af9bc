"""Run report to Prefect logs and artifacts."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Any, cast

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from plantation_rwa.run import RunReport
from plantation_rwa.run.backfill import Backfilled, Course


class LoggedProgress:
    """Progress as log lines of the flow run, the library's own beside them.

    Prefect sends what the loggers of ``logging.extra_loggers`` say, but leaves their level as it is.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        logging.getLogger("plantation_rwa").setLevel(logging.INFO)

    def started(self, stage: str, total: int) -> None:
        """A stage begins."""
        self._logger.info("%s: %d units to do", stage, total)

    def advanced(self, stage: str, done: int) -> None:
        """Units finished: the task runs tell."""

    def ended(self, stage: str, text: str, seconds: float) -> None:
        """A stage is over."""
        self._logger.info("%s: %s, %.1f s", stage, text, seconds)


def publish_report(report: RunReport) -> None:
    """Leave the outcome of a run as a table and a text artifact."""
    rows = [
        {
            "stage": stage,
            "computed": report.computed[stage],
            "unchanged": report.skipped[stage],
            "seconds": round(report.seconds.get(stage, 0.0), 1),
        }
        for stage in report.computed
    ]
    create_table_artifact(table=rows, key="run-summary", description=f"Valuation date {report.as_of}")
    lines = [f"# Valuation date {report.as_of}", ""]
    lines += [f"- quarantine: {n} records {action}" for action, n in report.quarantined.items()]
    lines += [f"- FAILED {failure}" for failure in report.failures] or ["- no partition failed"]
    create_markdown_artifact(markdown="\n".join(lines), key="run-notes", description="Quarantine and failures")


class LoggedDates:
    """Course of a backfill as log lines and a bar of the flow run."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        about = "Dates that are over, in percent"
        self._bar: Any = cast("Any", create_progress_artifact)(progress=0.0, key="backfill-progress", description=about)

    def begun(self, date: dt.date, course: Course) -> None:
        """A date begins."""
        self._logger.info("%s (%d of %d)", date, course.done + 1, course.total)

    def ended(self, date: dt.date, report: RunReport | None, course: Course) -> None:
        """A date is over."""
        left = course.left_seconds
        rest = "" if left is None else f", about {left / 60:.0f} min left"
        said = "published" if report else "FAILED"
        self._logger.info("%s %s: %d of %d dates%s", date, said, course.done, course.total, rest)
        update_progress_artifact(artifact_id=self._bar, progress=100.0 * course.done / course.total)


def publish_backfill(found: Backfilled, dates: Sequence[dt.date]) -> None:
    """Leave the outcome of a backfill as a table and a text artifact."""
    rows = [
        {
            "date": report.as_of,
            "computed": sum(report.computed.values()),
            "unchanged": sum(report.skipped.values()),
            "failed": len(report.failures),
            "seconds": round(sum(report.seconds.values()), 1),
        }
        for report in found.reports
    ]
    about = f"Valuation dates {dates[0]} to {dates[-1]}"
    create_table_artifact(table=rows, key="backfill-summary", description=about)
    lines = [f"# Valuation dates {dates[0]} to {dates[-1]}", ""]
    lines += [f"- FAILED {failure}" for failure in found.failures] or ["- no partition failed"]
    lines += [f"- not tried: {found.left[0]} to {found.left[-1]}"] if found.left else []
    create_markdown_artifact(markdown="\n".join(lines), key="backfill-notes", description="Failures")
