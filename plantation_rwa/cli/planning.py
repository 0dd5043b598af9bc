"""The command ``plan``."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from pathlib import Path

from plantation_rwa.cli.console import result, say, table
from plantation_rwa.config import load_config, with_out
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.plan import Foreseen, counts, geojson, make_plan
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.run import load_inputs, open_session, resolve_as_of
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.dates import dates_between
from plantation_rwa.run.partitions import PartitionPlan
from plantation_rwa.run.session import output_folder


def plan(
    config_path: Path,
    as_of: dt.date | None,
    first: str | None,
    last: str | None,
    out: str | None,
    map_file: Path | None,
    *,
    force: bool,
) -> int:
    """Print the plan of one date or of a range of month ends; see ``plantation-rwa plan --help``."""
    if as_of is not None and (first or last):
        problem = Problem("--as-of", "cannot stand beside --from and --to", "", "Give one date or one range.")
        raise ConfigError([problem])
    config = with_out(load_config(config_path), out)
    today = dt.datetime.now(dt.UTC).date()
    dates = dates_between(first, last, today) if first or last else [resolve_as_of(config, as_of, today)]
    output_folder(config)  # a place that a run would refuse
    inputs = with_climate_per_plantation(load_inputs(config), config)
    planned, foreseen = [], Foreseen()
    for date in dates:
        session = open_session(config, inputs, date, force=force)
        plans = make_plan(session, foreseen)
        planned.append((session, plans))
        say(f"{config.portfolio.name}, as of {session.as_of.isoformat()}", "bold")
        table("", ["stage", "partition", "action", "why"], _rows(plans))
        total = counts(plans)
        said = [
            f"{n} {status}"
            for status in ("new", "recompute", "skip")
            if (n := sum(v for (_, s), v in total.items() if s == status))
        ]
        say("partitions: " + ", ".join(said))
    result(
        portfolio=config.portfolio.name,
        dates=[
            {
                "as_of": session.as_of,
                "partitions": [
                    {k: getattr(p, k) for k in ("stage", "table", "partition", "status", "reason")} for p in plans
                ],
            }
            for session, plans in planned
        ],
    )
    if map_file is not None:
        write_text_atomically(map_file, geojson(planned))
        result(map=map_file)
        say(f"map: {map_file}")
    return 0


def _rows(plans: list[PartitionPlan]) -> list[list[str]]:
    """Neighbouring partitions with the same fate on one line."""
    rows = []
    for (stage, table_name, status, reason), group in groupby(
        plans, key=lambda p: (p.stage, p.table, p.status, p.reason)
    ):
        same = list(group)
        span = (
            same[0].partition
            if len(same) == 1
            else f"{same[0].partition} to {same[-1].partition.split('=')[1]} ({len(same)})"
        )
        name = f"{table_name}/{span}" if stage == "features" else span
        rows.append([stage, name, status, reason])
    return rows
