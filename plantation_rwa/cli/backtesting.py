"""The command ``backtest``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from plantation_rwa.cli.console import StageProgress, error, result, say, table
from plantation_rwa.cli.ghosts import ghosts
from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.executor import Runner
from plantation_rwa.forecast.leaks import FIRED
from plantation_rwa.publish.backtest import tables
from plantation_rwa.run import load_inputs, resolve_as_of
from plantation_rwa.run.backtest import Evaluated, run_backtest
from plantation_rwa.run.evaluation import write_evaluation
from plantation_rwa.run.ghost import ghost_dates
from plantation_rwa.run.session import output_folder
from plantation_rwa.stores import is_store

_SHOWN = ("1", "3", "6", "12", "annual")
_POOLS = ("1-3", "4-6", "7-12", "annual")


def backtest(config_path: Path, out: Path | None, runner: str, *, value: bool, leak_checks: bool) -> int:
    """Evaluate the forecast on the past and print its scores; see ``plantation-rwa backtest --help``."""
    config = load_config(config_path)
    workers, limit = config.compute.workers, config.compute.memory_limit
    chosen = Runner.parse(runner, workers, limit)
    if out is None and is_store(config.publish.out):
        remedy = "Give --out FOLDER; copied to backtest/ beside the results, the pages show its scores."
        raise ConfigError([Problem("publish.out", "is in an object store", config.publish.out, remedy)])
    folder = out.resolve() if out is not None else output_folder(config) / "backtest"
    if folder.exists() and not folder.is_dir():
        raise ConfigError([Problem("--out", "is a file", folder.name, "Give a folder; it may not exist yet.")])
    as_of = resolve_as_of(config, None, dt.datetime.now(dt.UTC).date())
    say(f"{config.portfolio.name}, backtest to {as_of}" + (", SIMULATED DATA" if config.simulated else ""), "bold")
    inputs = load_inputs(config)
    if value:
        ghost_dates(config, inputs, as_of)  # what cannot be scored is refused before anything is computed
    near = Runner("threads", workers, limit).map
    found = run_backtest(
        config,
        inputs,
        as_of,
        folder,
        work=chosen.map,
        near=near,
        progress=StageProgress(),
        leak_checks=leak_checks,
    )
    written = write_evaluation(config, found, as_of.isoformat(), folder)
    _print_scores(found)
    result(
        portfolio=config.portfolio.name,
        simulated=config.simulated,
        as_of=as_of,
        origins=found.origins,
        metrics=found.tables.metrics,
        pooled=found.tables.pooled,
        notes=found.notes,
        leak_checks=found.verdicts,
        files=written,
    )
    for failure in found.failures:
        error(f"left out of the scores: {failure}")
    say(f"results in {folder}: {', '.join(p.name for p in written)}")
    valued = not value or ghosts(config, inputs, as_of, folder, chosen.map, near)
    fired = [v for v in found.verdicts if v.outcome == FIRED]
    for verdict in fired:
        error(f"leak: {verdict.check}: {verdict.detail}. The scores above are not to be trusted.")
    return 0 if valued and not fired else 1


def _print_scores(found: Evaluated) -> None:
    metrics, pooled = found.tables.metrics, found.tables.pooled
    count = found.tables.predictions["plantation_id"].nunique()
    scored = f"{count} plantation{'s' if count > 1 else ''} scored"
    say(f"{scored}; {len(found.origins)} origins, {found.origins[0]} to {found.origins[-1]}")
    say("skill: 1 - MSE / MSE of climatology. Brackets: 90 % block bootstrap. annual: calendar year, t/ha and year")
    for protocol, title in (
        ("walk_forward", "walk forward: every plantation from its own past too"),
        ("unseen", "unseen: harvests hidden in turn, June and December origins; climatology is the region's"),
    ):
        rows = tables.score_rows(metrics, protocol, _SHOWN)
        if rows:
            table(title, tables.SCORE_COLUMNS, rows, right=tables.SCORE_COLUMNS[2:])
    columns = tables.CALIBRATION_COLUMNS
    rows = tables.calibration_rows(pooled, "walk_forward", _POOLS)
    table("intervals of the model: 0.80 and 0.90 are right, PIT 0.500 and 0.289", columns, rows, right=columns[1:])
    columns = tables.REGION_COLUMNS
    rows = tables.region_rows(pooled, "walk_forward", "1-12")
    if rows:
        table("by region, months 1 to 12", columns, rows, right=columns[1:])
    columns = tables.GAIN_COLUMNS
    for inputs, title in (
        (False, "against the baselines, same months: their error less the model's"),
        (True, "what each input adds, same months (June and December origins): error without it less error with it"),
    ):
        rows = tables.gain_rows(pooled, "walk_forward", ("1-12", "annual"), inputs=inputs)
        if rows:
            table(title, columns, rows, right=columns[2:6])
    for note in found.notes:
        say(f"note: {note}")
    for verdict in found.verdicts:
        say(f"leak check {verdict.check}: {verdict.outcome}: {verdict.detail}")
