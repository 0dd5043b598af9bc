"""The command ``plan``."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from pathlib import Path

from plantation_rwa.cli.console import say, table
from plantation_rwa.cli.valuing import with_out
from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.periods import Month, month_ends
from plantation_rwa.plan import counts, geojson, make_plan
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.run import load_inputs, open_session, resolve_as_of
from plantation_rwa.run.partitions import PartitionPlan


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
    dates = _range(first, last) if first or last else [as_of]
    inputs = load_inputs(config)
    planned = []
    for date in dates:
        session = open_session(config, inputs, resolve_as_of(config, date, today), force=force)
        plans = make_plan(session)
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
    if map_file is not None:
        write_text_atomically(map_file, geojson(planned))
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


def _range(first: str | None, last: str | None) -> list[dt.date | None]:
    problems = []
    months = []
    for option, text in (("--from", first), ("--to", last)):
        try:
            months.append(Month.parse(text or ""))
        except ValueError as error:
            problems.append(Problem(option, str(error), "", "Give --from and --to together, as YYYY-MM."))
    if not problems and months[0] > months[1]:
        problems.append(Problem("--from", "is later than --to", f"{first} > {last}", "Swap them."))
    if problems:
        raise ConfigError(problems)
    return list(month_ends(months[0], months[1]))
