"""The command ``backtest``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import error, say, table
from plantation_rwa.cli.ghosts import ghosts
from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.executor import Runner
from plantation_rwa.run import load_inputs, resolve_as_of
from plantation_rwa.run.backtest import run_backtest
from plantation_rwa.run.session import output_folder

_SHOWN = ("1", "3", "6", "12", "annual")


def backtest(config_path: Path, out: Path | None, runner: str, *, value: bool) -> int:
    """Evaluate the forecast on the past and print its scores; see ``plantation-rwa backtest --help``."""
    config = load_config(config_path)
    chosen = Runner.parse(runner, config.compute.workers, config.compute.memory_limit)
    folder = out.resolve() if out is not None else output_folder(config) / "backtest"
    if folder.exists() and not folder.is_dir():
        raise ConfigError([Problem("--out", "is a file", folder.name, "Give a folder; it may not exist yet.")])
    as_of = resolve_as_of(config, None, dt.datetime.now(dt.UTC).date())
    say(f"{config.portfolio.name}, backtest to {as_of}" + (", SIMULATED DATA" if config.simulated else ""), "bold")
    inputs = load_inputs(config)
    found = run_backtest(config, inputs, as_of, folder, work=chosen.map, told=say)
    for protocol in ("walk_forward", "unseen"):
        rows = summary_rows(found.tables.metrics, protocol)
        if rows:
            columns = [
                "horizon, months",
                "model",
                "RMSE, t/ha",
                "skill (90 %)",
                "CRPS, t/ha",
                "inside 80 %",
                "90 %",
                "n",
            ]
            table(protocol.replace("_", " "), columns, rows, right=columns[2:])
    say("none: a baseline's spread needs 24 past errors")
    say("no_... and unseen: June and December origins only, so not the months of the other lines")
    for failure in found.failures:
        error(failure)
    say(f"origins: {found.origins[0]} to {found.origins[-1]}; all horizons, regions and metrics in the tables below")
    say(f"results: {folder / 'metrics.parquet'}, {folder / 'predictions.parquet'}")
    if value:
        ghosts(config, inputs, as_of, folder, chosen.map)
    return 0


def summary_rows(metrics: pd.DataFrame, protocol: str) -> list[list[str]]:
    """One line per horizon and model over all regions: value, and the skill with its interval."""
    chosen = metrics[(metrics["protocol"] == protocol) & (metrics["region"] == "all")]
    rows = []
    for horizon in _SHOWN:
        here = chosen[chosen["horizon"] == horizon]
        for model in sorted(here["model"].unique(), key=lambda m: (m != "model", m)):
            by = here[here["model"] == model].set_index("metric")
            cells = [_number(by, "rmse", 3), _interval(by, "skill"), _number(by, "crps", 3)]
            cells += [_number(by, "coverage80", 2), _number(by, "coverage90", 2), str(int(by["n"].max()))]
            rows.append([horizon, model, *cells])
    return rows


def _number(by: pd.DataFrame, metric: str, decimals: int) -> str:
    return f"{by.loc[metric, 'value']:.{decimals}f}" if metric in by.index else "none"


def _interval(by: pd.DataFrame, metric: str) -> str:
    if metric not in by.index:
        return "none"
    row = by.loc[metric]
    return f"{row['value']:.2f} ({row['lo']:.2f} to {row['hi']:.2f})"
