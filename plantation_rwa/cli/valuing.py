"""The command ``run``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import StageProgress, error, result, say, table
from plantation_rwa.config import Config, load_config, with_out
from plantation_rwa.errors import Problem
from plantation_rwa.executor import Runner
from plantation_rwa.publish.working_copy import address
from plantation_rwa.run import RunReport, load_inputs, open_session, resolve_as_of, run_date
from plantation_rwa.run.outcome import SHOWN
from plantation_rwa.run.partial import run_only, working_folder
from plantation_rwa.run.session import output_folder
from plantation_rwa.run.walk import require_stages
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS


def run(
    config_path: Path,
    as_of: dt.date | None,
    out: str | None,
    only: Sequence[str],
    stage: Sequence[str],
    runner: str,
    *,
    force: bool,
    strict: bool,
) -> int:
    """Run one date and print what came of it; see ``plantation-rwa run --help``."""
    stages = require_stages(stage)
    config = with_out(load_config(config_path), out)
    chosen = Runner.parse(runner, config.compute.workers, config.compute.memory_limit)
    date = resolve_as_of(config, as_of, dt.datetime.now(dt.UTC).date())
    say(
        f"{config.portfolio.name}, as of {date.isoformat()}" + (", SIMULATED DATA" if config.simulated else ""),
        "bold",
    )
    folder = output_folder(config)
    inputs = load_inputs(config)
    progress = StageProgress()
    if only:
        session = open_session(config, inputs, date, root=working_folder(folder), force=force)
        report = run_only(session, only, out=folder, stages=stages, work=chosen.map, progress=progress)
    else:
        session = open_session(config, inputs, date, force=force)
        report = run_date(session, stages=stages, work=chosen.map, progress=progress)
    _closing(report, config)
    if report.failures:
        return 1
    return refused(report.quarantined) if strict else 0


def refused(quarantined: dict[str, int]) -> int:
    """Exit code of ``--strict``, which takes records that were set aside for an error."""
    if not quarantined:
        return 0
    counted = ", ".join(f"{n} {action}" for action, n in quarantined.items())
    error(Problem("--strict", "records were set aside", counted, "Mend what quarantine/ names, or leave --strict out."))
    return 1


def _closing(report: RunReport, config: Config) -> None:
    page = next((p.path for p in report.parts if p.output.table == "report"), None)
    result(
        portfolio=config.portfolio.name,
        simulated=config.simulated,
        **{k: getattr(report, k) for k in ("as_of", "computed", "skipped", "quarantined")},
        results=address(report.root),
        profile=None if report.profile is None else address(report.profile),
        page=None if page is None else address(page),
    )
    if report.tables:
        rights = rights_ahead(config, *(report.tables[name] for name in SHOWN))
        result(rights=rights)
        rows = summary_rows(rights)
        columns = [
            "plantation",
            "right",
            "yield next 12 months, t/ha (90 %)",
            "NPV of the right (80 %)",
            "grade",
        ]
        table("", columns, rows, right=columns[2:4])
    quarantined = ", ".join(f"{n} {action}" for action, n in report.quarantined.items())
    say(f"quarantine: {quarantined or 'nothing'}" + (f"; see {address(report.root)}/quarantine" if quarantined else ""))
    for failure in report.failures:
        error(failure)
    if report.recomputed_nothing:
        say("nothing to recompute: every partition is already published and unchanged")
    say(f"results: {address(report.root)}")
    if report.profile is not None:
        say(f"profile {config.publish.profile}: {address(report.profile)}")
    if page is not None:
        say(f"summary: {address(page)}")


def rights_ahead(
    config: Config, forecasts: pd.DataFrame, model: pd.DataFrame, valuations: pd.DataFrame
) -> pd.DataFrame:
    """One row per right: yield of the next twelve months (t/ha) with its 90 %, value with its 80 %, and its grade."""
    from plantation_rwa.forecast.outlook import outlook

    ahead = outlook(config.seed, forecasts, model)[["plantation_id", *_YIELD]]
    ahead[_YIELD] = rounded(ahead[_YIELD], _MONTHLY)  # to the decimals of the monthly yields
    rights = valuations.sort_values(["plantation_id", "right_id"])
    return rights[["plantation_id", "right_id", *_VALUE]].merge(ahead, on="plantation_id", how="left")


_MONTHLY = FIELDS["yield_mean_t_ha"]
_YIELD = ["yield12_mean", "yield12_q05", "yield12_q95"]
_VALUE = ["currency", "npv_fair", "npv_q10", "npv_q90", "confidence_grade", "quality_flag"]


def summary_rows(rights: pd.DataFrame) -> list[list[str]]:
    """One line per right for people: yield and value, each with its interval and unit."""
    rows = []
    for r in rights.itertuples(index=False):
        crop, money = "none", "no value: see quality_flag"
        if pd.notna(r.yield12_mean):
            crop = f"{r.yield12_mean:.1f} ({r.yield12_q05:.1f} to {r.yield12_q95:.1f})"
        if pd.notna(r.npv_fair):
            money = f"{r.currency} {r.npv_fair:,.0f} ({r.npv_q10:,.0f} to {r.npv_q90:,.0f})"
        rows.append([r.plantation_id, r.right_id, crop, money, r.confidence_grade])
    return rows
