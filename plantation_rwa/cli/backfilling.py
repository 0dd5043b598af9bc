"""The command ``backfill``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from plantation_rwa.cli.console import StageProgress, error, note, result, say, table
from plantation_rwa.cli.valuing import refused
from plantation_rwa.config import load_config, with_out
from plantation_rwa.executor import Runner
from plantation_rwa.publish.working_copy import address
from plantation_rwa.run import RunReport, load_inputs
from plantation_rwa.run.backfill import Backfilled, Course, run_backfill
from plantation_rwa.run.dates import dates_between
from plantation_rwa.run.session import output_folder
from plantation_rwa.run.walk import require_stages


def backfill(
    config_path: Path,
    first: str | None,
    last: str | None,
    out: str | None,
    only: Sequence[str],
    stage: Sequence[str],
    runner: str,
    *,
    force: bool,
    strict: bool,
) -> int:
    """Run month ends in order and print what came of them; see ``plantation-rwa backfill --help``."""
    stages = require_stages(stage)
    config = with_out(load_config(config_path), out)
    chosen = Runner.parse(runner, config.compute.workers, config.compute.memory_limit)
    dates = dates_between(first, last, dt.datetime.now(dt.UTC).date())
    said = f"{config.portfolio.name}, {len(dates)} month ends, {dates[0]} to {dates[-1]}"
    say(said + (", SIMULATED DATA" if config.simulated else ""), "bold")
    folder = output_folder(config)
    inputs = load_inputs(config)
    found = run_backfill(
        config,
        inputs,
        dates,
        stages=stages,
        only=only,
        force=force,
        work=chosen.map,
        progress=StageProgress(),
        course=Told(),
    )
    result(portfolio=config.portfolio.name, simulated=config.simulated)
    _closing(found, folder)
    if found.failures:
        return 1
    return refused(found.quarantined) if strict else 0


class Told:
    """The course of a backfill on the console."""

    def begun(self, date: dt.date, course: Course) -> None:
        """A date begins."""
        note(f"{date} ({course.done + 1} of {course.total})")

    def ended(self, date: dt.date, report: RunReport | None, course: Course) -> None:
        """A date is over."""
        left = course.left_seconds
        rest = "" if left is None or not course.seconds else f", about {duration(left)} left"
        note(f"{date} {'published' if report else 'FAILED'}: {course.done} of {course.total} dates{rest}")


def duration(seconds: float) -> str:
    """Seconds in the unit people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _closing(found: Backfilled, folder: Path) -> None:
    rows = [
        [
            r.as_of,
            str(sum(r.computed.values())),
            str(sum(r.skipped.values())),
            str(len(r.failures)),
            ", ".join(f"{n} {action}" for action, n in r.quarantined.items()) or "nothing",
        ]
        for r in found.reports
    ]
    if rows:
        columns = ["date", "computed", "unchanged", "failed", "quarantine"]
        table("", columns, rows, right=columns[1:4])
    for failure in found.failures:
        error(failure)
    if found.left:
        error(f"not tried: {found.left[0]} to {found.left[-1]}. Run the same command again when the cause is gone.")
    result(
        dates=[
            {k: getattr(r, k) for k in ("as_of", "computed", "skipped", "quarantined", "failures")}
            for r in found.reports
        ],
        not_tried=found.left,
        results=address(folder),
    )
    if found.recomputed_nothing:
        say("nothing to recompute: every partition is already published and unchanged")
    say(f"results: {address(folder)}")
