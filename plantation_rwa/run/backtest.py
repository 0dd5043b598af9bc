"""The backtest: the features stage at every past month end, the panel as known then, forecasts, scores, two tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.forecast.backtest import Backtest, Origin, evaluate, predict
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_ends
from plantation_rwa.publish.geoparquet import write_part
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.forecast import panel_of
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.session import Session
from plantation_rwa.run.walk import open_session, run_date
from plantation_rwa.schema.checks import finalise
from plantation_rwa.sources.base import Inputs

#: months of harvest before the first origin, where the configuration names none
RECORD_MONTHS = 36
#: months of the year at whose ends ablations and unseen plantations are evaluated too: they cost six more fits
FULL_MONTHS = (6, 12)
#: origins whose panels are held in memory at a time
_BATCH = 6


@dataclass(frozen=True)
class Evaluated:
    """Result of a backtest, and the origins that failed with their reasons."""

    tables: Backtest
    origins: tuple[str, ...]
    failures: list[str] = field(default_factory=list)


def origins_of(config: Config, inputs: Inputs, as_of: dt.date) -> list[dt.date]:
    """Month ends from ``forecast.backtest_start`` (or three years of harvest) to the month before ``as_of``'s.

    Raises
    ------
    ConfigError
        If there is no such month, or no harvest to compare with.
    """
    if inputs.harvest.empty:
        remedy = "A backtest compares forecasts with harvests: configure harvest.path."
        raise ConfigError([Problem("harvest.path", "holds no usable harvest", "", remedy)])
    last = Month.of(as_of) + -1
    start = config.forecast.backtest_start
    first = Month.parse(start) if start else Month.parse(min(inputs.harvest["month"])) + (RECORD_MONTHS - 1)
    if first > last:
        remedy = "Choose an earlier month, or a later valuation date."
        raise ConfigError([Problem("forecast.backtest_start", "leaves no month to forecast", str(first), remedy)])
    return list(month_ends(first, last))


def run_backtest(
    config: Config,
    inputs: Inputs,
    as_of: dt.date,
    out: Path,
    *,
    work: Work,
    told: Callable[[str], None] = lambda text: None,
) -> Evaluated:
    """Evaluate the forecast on the past and write ``predictions.parquet`` and ``metrics.parquet`` into ``out``.

    Features are those that a run at each origin would have published; they stay under ``out`` and are used again
    by the next backtest.

    Parameters
    ----------
    work
        Runs units in parallel; see :class:`plantation_rwa.executor.Runner`.
    told
        Takes lines of progress.
    """
    inputs = with_climate_per_plantation(inputs, config)
    dates = origins_of(config, inputs, as_of)
    parts: list[pd.DataFrame] = []
    failures: list[str] = []
    for start in range(0, len(dates), _BATCH):
        batch = dates[start : start + _BATCH]
        origins = [_origin(open_session(config, inputs, date, root=out), work) for date in batch]
        for origin, outcome in zip(origins, work(predict, origins), strict=True):
            if outcome.value is None:
                failures.append(f"origin {origin.as_of}: {outcome.error}")
            else:
                parts.append(outcome.value)
        told(f"{start + len(batch)} of {len(dates)} origins, {Month.of(batch[-1])}")
    if not parts:
        raise ConfigError([Problem("backtest", "no origin could be evaluated", failures[0], "See the reason.")])
    now = open_session(config, inputs, as_of, root=out)
    tables = evaluate(parts, panel_of(now, _features(now, work)), config.seed)
    for name, frame in (("predictions", tables.predictions), ("metrics", tables.metrics)):
        write_part(finalise(frame, name), name, out / f"{name}.parquet", simulated=config.simulated)
    return Evaluated(tables, tuple(str(Month.of(d)) for d in dates), failures)


def _origin(session: Session, work: Work) -> Origin:
    config = session.config
    return Origin(
        session.as_of,
        panel_of(session, _features(session, work)),
        stand_table(session.known.register, session.known.blocks),
        config.seed,
        config.forecast.min_train_months,
        session.assumptions,
        session.as_of.month in FULL_MONTHS,
    )


def _features(session: Session, work: Work) -> pd.DataFrame:
    """Features as a run at the session's date publishes them."""
    report = run_date(session, stages=("features",), work=work)
    return read_all(_plantation_parts(report.parts), partition_key="month")


def _plantation_parts(parts: Sequence[Published]) -> list[Published]:
    return [p for p in parts if p.output.table == "features"]
