"""Flow: many valuation dates in order, each as known then."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.states import Completed, Failed

from pipelines.parameters import ConfigPath, MonthText, RunnerName, Stages
from pipelines.reporting import LoggedDates, LoggedProgress, publish_backfill
from pipelines.runners import ended, run_on
from pipelines.tasks import mapped
from plantation_rwa.config import load_config, with_out
from plantation_rwa.run import load_inputs
from plantation_rwa.run.backfill import run_backfill
from plantation_rwa.run.dates import dates_between
from plantation_rwa.run.walk import require_stages


@flow(
    name="backfill-portfolio",
    description="Value a portfolio at every month end of a range; parameters are the command line's options.",
)
def backfill_portfolio(
    config: ConfigPath,
    from_month: MonthText,
    to_month: MonthText,
    out: str | None = None,
    stages: Stages | None = None,
    runner: RunnerName = "threads",
    force: bool = False,
    strict: bool = False,
    only: list[str] | None = None,
) -> Any:
    """Choose the task runner and run the dates on it; the state and its message are those of the dates."""
    options = {"out": out, "stages": stages, "force": force, "strict": strict, "only": only}
    return run_on(backfill_dates, runner, config=config, from_month=from_month, to_month=to_month, **options)


@flow(name="backfill-dates", description="All dates of a backfill on the chosen task runner.")
def backfill_dates(
    config: ConfigPath,
    from_month: MonthText,
    to_month: MonthText,
    out: str | None = None,
    stages: Stages | None = None,
    force: bool = False,
    strict: bool = False,
    only: list[str] | None = None,
) -> Any:
    """Run the library's backfill; imagery batches become task runs."""
    options: dict[str, Any] = {"out": out, "stages": stages, "force": force, "strict": strict, "only": only}
    return ended(functools.partial(_backfill, config, from_month, to_month, **options))


def _backfill(
    config: str,
    from_month: str,
    to_month: str,
    *,
    out: str | None,
    stages: list[str] | None,
    force: bool,
    strict: bool,
    only: list[str] | None,
) -> State[Any]:
    chosen = require_stages(stages or [])
    settings = with_out(load_config(config), out)
    dates = dates_between(from_month, to_month, dt.datetime.now(dt.UTC).date())
    logger = get_run_logger()
    found = run_backfill(
        settings,
        load_inputs(settings),
        dates,
        stages=chosen,
        only=only or (),
        force=force,
        work=mapped,
        progress=LoggedProgress(logger),
        course=LoggedDates(logger),
    )
    publish_backfill(found, dates)
    if found.failures:
        return Failed(message=f"{len(found.failures)} partitions or dates failed, the others are published")
    if strict and found.quarantined:
        return Failed(message="records were quarantined and strict is set; everything is published")
    return Completed(message=f"{len(dates)} dates: {found.computed} partitions computed")
