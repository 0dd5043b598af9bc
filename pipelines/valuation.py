"""Flow: one valuation date."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.states import Completed, Failed

from pipelines.reporting import LoggedProgress, publish_report
from pipelines.runners import task_runner
from pipelines.tasks import mapped
from plantation_rwa.config import load_config
from plantation_rwa.executor import Runner
from plantation_rwa.run import load_inputs, open_session, resolve_as_of, run_date
from plantation_rwa.run.walk import require_stages


@flow(name="value-portfolio", description="Value a portfolio at one date; parameters are the command line's options.")
def value_portfolio(
    config: str,
    as_of: dt.date | None = None,
    out: str | None = None,
    stages: list[str] | None = None,
    runner: str = "threads",
    force: bool = False,
    strict: bool = False,
) -> Any:
    """Choose the task runner and run the date on it."""
    settings = load_config(config)
    chosen = Runner.parse(runner, settings.compute.workers, settings.compute.memory_limit)
    dated = value_date.with_options(task_runner=task_runner(chosen))
    return dated(config=config, as_of=as_of, out=out, stages=stages, force=force, strict=strict, return_state=True)


@flow(name="value-date", description="All stages of one valuation date on the chosen task runner.")
def value_date(
    config: str,
    as_of: dt.date | None = None,
    out: str | None = None,
    stages: list[str] | None = None,
    force: bool = False,
    strict: bool = False,
) -> Any:
    """Run the library's stages; imagery batches become task runs."""
    settings = load_config(config)
    if out is not None:
        publish = settings.publish.model_copy(update={"out": str(Path(out).resolve())})
        settings = settings.model_copy(update={"publish": publish})
    date = resolve_as_of(settings, as_of, dt.datetime.now(dt.UTC).date())
    session = open_session(settings, load_inputs(settings), date, force=force)
    progress = LoggedProgress(get_run_logger())
    report = run_date(session, stages=require_stages(stages or []), work=mapped, progress=progress)
    publish_report(report)
    if report.failures:
        return Failed(message=f"{len(report.failures)} partitions failed, the others are published")
    if strict and report.quarantined:
        return Failed(message="records were quarantined and strict is set; everything is published")
    return Completed(message=f"{report.as_of}: {sum(report.computed.values())} partitions computed")
