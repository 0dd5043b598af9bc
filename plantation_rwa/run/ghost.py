"""Ghost issuance at every past month end: features and forecast as known then, value, and what came of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.forecast.run import forecast
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month
from plantation_rwa.publish.geoparquet import write_part
from plantation_rwa.run.backtest import origins_of, vintages
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.forecast import panel_of
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.session import Session, open_session
from plantation_rwa.run.valuation import book_of
from plantation_rwa.run.walk import run_date
from plantation_rwa.schema.checks import finalise
from plantation_rwa.sources.base import Inputs
from plantation_rwa.valuation.ghost import Later, ghost_book, issue, tonnes_of
from plantation_rwa.valuation.ghost_scores import loss_table, score
from plantation_rwa.valuation.run import Book

#: vintages whose panels are held in memory at a time
_BATCH = 6


@dataclass(frozen=True)
class Vintage:
    """One past date with what was known then; travels to a worker."""

    as_of: dt.date
    panel: pd.DataFrame
    stand: pd.DataFrame
    min_train_months: int
    book: Book
    share: float
    later: Later


@dataclass(frozen=True)
class Ghosts:
    """Tables ``ghosts``, ``ghost_metrics``, ``ghost_losses``, and the vintages that failed with their reasons."""

    values: pd.DataFrame
    metrics: pd.DataFrame
    losses: pd.DataFrame
    failures: list[str]


#: assumptions: months of a ghost right, months between issues
_TERMS = ("ghost.tenor_months", "ghost.every_months")


def ghost_dates(config: Config, inputs: Inputs, as_of: dt.date) -> list[dt.date]:
    """Month ends at which ghosts are issued: those whose term is over, ``ghost.every_months`` apart.

    Raises
    ------
    ConfigError
        If there is none, which can be said before anything is computed.
    """
    tenor, every = (_months(config, name) for name in _TERMS)
    last = Month.of(as_of) + -(tenor + 1)
    origins = origins_of(config, inputs, as_of)
    dates = [d for d in origins if Month.of(d) <= last][::-every][::-1]
    if not dates:
        start = config.forecast.backtest_start
        where = "forecast.backtest_start" if start else "harvest.path"
        what = f"leaves no ghost right to score: no term of {tenor} months is over"
        remedy = f"Values need a first origin by {last}: an earlier start, longer records, or leave --value out."
        raise ConfigError([Problem(where, what, f"first origin {Month.of(origins[0])}", remedy)])
    return dates


def run_ghosts(
    config: Config,
    inputs: Inputs,
    as_of: dt.date,
    out: Path,
    *,
    work: Work,
    near: Work,
    told: Callable[[str], None] = lambda text: None,
) -> Ghosts:
    """Issue a right on every plantation at past month ends whose term is over, and write three tables.

    Month ends are ``ghost.every_months`` apart, counted back from the last one.

    Parameters
    ----------
    work
        Runs vintages in parallel; see :class:`plantation_rwa.executor.Runner`.
    near
        Runs the features' units, which share this process's inputs.
    told
        Takes lines of progress.

    Raises
    ------
    ConfigError
        If no term is over, no right could be valued, or months are no whole number above 0.
    """
    inputs = with_climate_per_plantation(inputs, config)
    dates = ghost_dates(config, inputs, as_of)
    tenor, every = (_months(config, name) for name in _TERMS)
    root = vintages(out)
    now = open_session(config, inputs, as_of, root=root)
    panel = _panel(now, near)
    harvested = panel[panel["month"] <= str(Month.of(as_of))]
    later = Later.of(tonnes_of(harvested), book_of(now, now.known, as_of, _EMPTY, _EMPTY).market, as_of)
    values, losses, failures = [], [], list[str]()
    for start in range(0, len(dates), _BATCH):
        batch = [
            _vintage(open_session(config, inputs, d, root=root), near, later) for d in dates[start : start + _BATCH]
        ]
        for vintage, outcome in zip(batch, work(value_vintage, batch), strict=True):
            if outcome.value is None:
                failures.append(f"vintage {vintage.as_of}: {outcome.error}")
            else:
                values.append(outcome.value[0])
                losses.append(outcome.value[1])
        told(f"{min(start + _BATCH, len(dates))} of {len(dates)} vintages")
    found = [v for v in values if len(v)]
    if not found:
        reason = failures[0] if failures else "no right's term and harvests are known"
        remedy = f"Values are scored where {tenor} months of harvests and prices follow an origin: add market.futures."
        raise ConfigError([Problem("--value", "no ghost right could be scored", reason, remedy)])
    table = pd.concat(found, ignore_index=True)
    lost = loss_table(pd.concat([x for x in losses if len(x)], ignore_index=True))
    metrics = score(table, -(-tenor // every), config.seed)
    for name, frame in (("ghosts", table), ("ghost_metrics", metrics), ("ghost_losses", lost)):
        write_part(finalise(frame, name), name, out / f"{name}.parquet", simulated=config.simulated)
    return Ghosts(table, metrics, lost, failures)


def _months(config: Config, name: str) -> int:
    months = config.assumptions().number(name)
    if months < 1 or months != int(months):
        raise ConfigError(
            [Problem(name, "must be a whole number of months, 1 at least", f"{months:g}", "Give 12 or 3.")]
        )
    return int(months)


_EMPTY = pd.DataFrame({"plantation_id": [], "geometry": []})


def _panel(session: Session, work: Work) -> pd.DataFrame:
    """The panel as a run at the session's date would have it, with tonnes of the whole mature area."""
    report = run_date(session, stages=("features",), work=work, beside=False)
    features = read_all([p for p in report.parts if p.output.table == "features"], partition_key="month")
    return panel_of(session, features)


def _vintage(session: Session, work: Work, later: Later) -> Vintage:
    book = book_of(session, session.known, session.as_of, _EMPTY, _EMPTY)
    return Vintage(
        session.as_of,
        _panel(session, work),
        stand_table(session.known.register, session.known.blocks),
        session.config.forecast.min_train_months,
        book,
        session.config.rights.share,
        later,
    )


def value_vintage(vintage: Vintage) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecast and value one vintage, everything fitted on what was known then."""
    a = vintage.book.assumptions
    found = forecast(
        vintage.panel,
        vintage.stand,
        as_of=vintage.as_of,
        horizons=int(a.number("ghost.tenor_months")),
        assumptions=a,
        min_train_months=vintage.min_train_months,
    )
    book = dataclasses.replace(vintage.book, forecasts=found.forecasts, forecast_model=found.model)
    known = vintage.panel[vintage.panel["month"] <= str(Month.of(vintage.as_of))]
    return issue(ghost_book(book, vintage.share, a), tonnes_of(known), vintage.later)
