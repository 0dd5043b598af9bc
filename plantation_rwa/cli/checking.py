"""The command ``check``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import error, say, table
from plantation_rwa.config import Config, load_config
from plantation_rwa.errors import Problem
from plantation_rwa.publish.report.grouping import grouped
from plantation_rwa.run import load_inputs
from plantation_rwa.sources.base import Inputs

_SHOWN = 40


def check(config_path: Path) -> int:
    """Open everything a run would open and say what is wrong; see ``plantation-rwa check --help``."""
    config = load_config(config_path)
    inputs = load_inputs(config)
    table(
        "inputs",
        ["input", "rows", "plantations", "first", "last"],
        _overview(inputs),
        right=["rows", "plantations"],
    )
    bad = inputs.quarantine.frame()
    if len(bad):
        kinds = grouped(bad)
        rows = [
            [r.input, r.file, r.column, r.action, str(r.records), _row(r.row), r.value, r.reason]
            for r in kinds.head(_SHOWN).itertuples(index=False)
        ]
        table(
            "\nrecords that a run would set aside; row, value and reason are those of the first of its kind",
            ["input", "file", "column", "action", "records", "row", "value", "reason"],
            rows,
            right=["records", "row"],
        )
        if len(kinds) > _SHOWN:
            say(f"and {len(kinds) - _SHOWN} more kinds, {kinds['records'].iloc[_SHOWN:].sum()} records")
    problems = _cross_checks(config, inputs)
    for problem in problems:
        error(str(problem))
    if problems:
        return 2
    said = f"{len(bad)} record{'s' * (len(bad) != 1)} set aside" if len(bad) else "no records set aside"
    say(f"{config_path.name}: usable; {said}")
    return 0


def _overview(inputs: Inputs) -> list[list[str]]:
    rows = []
    dates = {
        "harvest": "month",
        "climate_daily": "date",
        "climate_index": "month",
        "sensors": "time",
        "futures": "settle_date",
        "prices": "date",
        "fx": "date",
        "rates": "date",
        "fiscal": "effective_from",
    }
    for name in ("register", "blocks", "rights", "sponsors", "mills", *dates):
        frame: pd.DataFrame = getattr(inputs, name)
        column = dates.get(name)
        first, last = (_day(frame[column].min()), _day(frame[column].max())) if column and len(frame) else ("", "")
        ids = str(frame["plantation_id"].nunique()) if "plantation_id" in frame else ""
        rows.append([name, str(len(frame)), ids, first, last])
    if inputs.climate_grid is not None:
        time = inputs.climate_grid["time"]
        rows.append(
            [
                "climate grid",
                f"{time.size} days",
                "",
                _day(pd.Timestamp(time.values[0])),
                _day(pd.Timestamp(time.values[-1])),
            ]
        )
    rows.append(["imagery", "configured" if inputs.imagery is not None else "none", "", "", ""])
    return rows


def _cross_checks(config: Config, inputs: Inputs) -> list[Problem]:
    """Faults that leave nothing to value."""
    problems = []
    if inputs.register.empty:
        problems.append(Problem("portfolio.register", "holds no usable plantation", "", "See the records set aside."))
    if inputs.futures.empty and inputs.prices.empty:
        problems.append(
            Problem("market", "has neither futures nor prices", "", "Give market.futures or market.prices.")
        )
    if (
        config.climate is not None
        and inputs.climate_grid is None
        and inputs.climate_daily.empty
        and inputs.climate_index.empty
    ):
        problems.append(
            Problem("climate", "is configured and holds nothing usable", "", "Give climate.grid or climate.table.")
        )
    return problems


def _day(value: object) -> str:
    return "" if value is None or value is pd.NaT else str(value)[:10]


def _row(value: object) -> str:
    return "" if pd.isna(value) else str(value)
