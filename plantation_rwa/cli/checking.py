"""The command ``check``."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import error, result, say, table
from plantation_rwa.config import Config, load_config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.periods import last_month_end
from plantation_rwa.publish.report.grouping import grouped
from plantation_rwa.run import resolve_as_of
from plantation_rwa.run.session import output_folder
from plantation_rwa.run.survey import Survey, survey
from plantation_rwa.run.survey.findings import counted
from plantation_rwa.run.survey.lines import actions, files_text

_SHOWN = 40


def check(config_path: Path) -> int:
    """Open everything a run would open and say what is wrong; see ``plantation-rwa check --help``."""
    config = load_config(config_path)
    as_of, problems = _settings(config)
    found = survey(config, as_of)
    problems += found.problems
    problems += [f.problem() for f in found.findings if f.severity == "error"]
    _inputs(found, as_of)
    _records(found.quarantine)
    _findings(found)
    result(
        as_of=as_of,
        usable=not problems,
        inputs=found.lines,
        imagery=found.imagery,
        climate_grids=found.grids,
        findings=found.findings,
        records=grouped(found.quarantine),
    )
    for problem in problems:
        error(problem)
    say(_verdict(config_path.name, found, len(problems)))
    return 2 if problems else 0


def _settings(config: Config) -> tuple[dt.date, list[Problem]]:
    """The valuation date, and settings that a run would refuse."""
    problems: list[Problem] = []
    today = dt.datetime.now(dt.UTC).date()
    as_of = last_month_end(today)
    try:
        as_of = resolve_as_of(config, None, today)
    except ConfigError as refused:
        problems += refused.problems
    try:
        output_folder(config)
    except ConfigError as refused:
        problems += refused.problems
    return as_of, problems


def _inputs(found: Survey, as_of: dt.date) -> None:
    columns = ["input", "files", "format", "rows", "plantations", "first", "last", "units", "crs", "known_at", "state"]
    rows = [list(dataclasses.astuple(line)) for line in found.lines]
    table(f"inputs, as of {as_of}", columns, rows, right=["rows", "plantations"])
    if found.imagery:
        columns = ["collection", "tile", "scenes", "plantations", "each", "first", "last", "a month"]
        columns += ["baseline: offset, DN (scenes)", "headers of the newest scene", "headers opened"]
        rows = [list(dataclasses.astuple(line)) for line in found.imagery]
        table("\nimagery", columns, rows, right=["scenes", "plantations"])
    if found.grids:
        columns = ["files", "variable", "read as", "unit", "dimensions", "calendar", "first", "last", "step"]
        rows = [
            [
                *(
                    files_text(g.files),
                    g.variable,
                    g.read_as or "not read",
                    g.unit or "none",
                    g.dims,
                    g.calendar or "none",
                ),
                *(_day(g.first), _day(g.last), "" if pd.isna(g.step_hours) else f"{g.step_hours:g} h"),
            ]
            for g in found.grids
        ]
        table("\nclimate grids", columns, rows)


def _records(bad: pd.DataFrame) -> None:
    if bad.empty:
        return
    kinds = grouped(bad)
    rows = [
        [r.input, r.file, r.column, r.action, str(r.records), _row(r.row), r.value, r.reason]
        for r in kinds.head(_SHOWN).itertuples(index=False)
    ]
    table(
        "\nrecords that a run would set right or leave out; row, value and reason are those of the first of its kind",
        ["input", "file", "column", "action", "records", "row", "value", "reason"],
        rows,
        right=["records", "row"],
    )
    if len(kinds) > _SHOWN:
        say(f"and {len(kinds) - _SHOWN} more kinds, {kinds['records'].iloc[_SHOWN:].sum()} records")


def _findings(found: Survey) -> None:
    if not found.findings:
        return
    rows = [[f.severity, f.input, f.file, f.key, f.what, f.value, f.remedy] for f in found.findings]
    table("\ncross-checks", ["", "input", "file", "key", "finding", "value", "remedy"], rows)


def _verdict(name: str, found: Survey, errors: int) -> str:
    warnings = sum(f.severity == "warning" for f in found.findings)
    said = [counted(errors, "error")] if errors else []
    said += [counted(warnings, "warning")] if warnings else []
    bad = ", ".join(f"{n} {action}" for action, n in actions(found.quarantine).items())
    said += [f"records: {bad}" if bad else "no records set aside"]
    return f"{name}: {'not usable' if errors else 'usable'}; {'; '.join(said)}"


def _day(value: object) -> str:
    return "" if pd.isna(value) else str(value)[:10]


def _row(value: object) -> str:
    return "" if pd.isna(value) else str(value)
