"""Flow: one valuation date."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.states import Completed, Failed

from pipelines.parameters import ConfigPath, Day, RunnerName, Stages
from pipelines.reporting import LoggedProgress, publish_report
from pipelines.runners import ended, run_on
from pipelines.tasks import mapped
from plantation_rwa.config import load_config, with_out
from plantation_rwa.run import load_inputs, open_session, resolve_as_of, run_date
from plantation_rwa.run.partial import run_only, working_folder
from plantation_rwa.run.session import output_folder
from plantation_rwa.run.walk import require_stages

#: seconds after which a date is given up; what it published until then is used by the next run
DATE_SECONDS = 6 * 3600


@flow(name="value-portfolio", description="Value a portfolio at one date; parameters are the command line's options.")
def value_portfolio(
    config: ConfigPath,
    as_of: Day | None = None,
    out: str | None = None,
    stages: Stages | None = None,
    runner: RunnerName = "threads",
    force: bool = False,
    strict: bool = False,
    only: list[str] | None = None,
) -> Any:
    """Choose the task runner and run the date on it; the state and its message are those of the date."""
    options = {"as_of": as_of, "out": out, "stages": stages, "force": force, "strict": strict, "only": only}
    return run_on(value_date, runner, config=config, **options)


@flow(
    name="value-date",
    description="All stages of one valuation date on the chosen task runner.",
    timeout_seconds=DATE_SECONDS,
)
def value_date(
    config: ConfigPath,
    as_of: Day | None = None,
    out: str | None = None,
    stages: Stages | None = None,
    force: bool = False,
    strict: bool = False,
    only: list[str] | None = None,
) -> Any:
    """Run the library's stages; imagery batches become task runs."""
    options: dict[str, Any] = {"out": out, "stages": stages, "force": force, "strict": strict, "only": only}
    return ended(functools.partial(_value, config, as_of, **options))


def _value(
    config: str,
    as_of: dt.date | None,
    *,
    out: str | None,
    stages: list[str] | None,
    force: bool,
    strict: bool,
    only: list[str] | None,
) -> State[Any]:
    chosen = require_stages(stages or [])
    settings = with_out(load_config(config), out)
    date = resolve_as_of(settings, as_of, dt.datetime.now(dt.UTC).date())
    folder, progress = output_folder(settings), LoggedProgress(get_run_logger())
    root = working_folder(folder) if only else folder
    session = open_session(settings, load_inputs(settings), date, root=root, force=force)
    if only:
        report = run_only(session, only, out=folder, stages=chosen, work=mapped, progress=progress)
    else:
        report = run_date(session, stages=chosen, work=mapped, progress=progress)
    publish_report(report)
    if report.failures:
        return Failed(message=f"{len(report.failures)} partitions failed, the others are published")
    if strict and report.quarantined:
        return Failed(message="records were quarantined and strict is set; everything is published")
    return Completed(message=f"{report.as_of}: {sum(report.computed.values())} partitions computed")
