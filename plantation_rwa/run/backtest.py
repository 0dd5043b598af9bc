"""The backtest: the features stage at every past month end, the panel as known then, forecasts, scores, figures."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.forecast import leaks
from plantation_rwa.forecast.backtest import (
    WALK,
    Backtest,
    Fit,
    Origin,
    evaluate,
    fits_of,
    predict,
    sarima_records,
    sarima_rows,
    sarima_tasks,
)
from plantation_rwa.forecast.baselines import SarimaTask, sarima
from plantation_rwa.panel.build import FEATURE_COLUMNS
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_ends
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.evidence import cut_inputs, notes_of
from plantation_rwa.run.forecast import panel_of
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.progress import Progress, Silent, StageClock
from plantation_rwa.run.session import Session, open_session
from plantation_rwa.run.walk import run_date
from plantation_rwa.sources.base import Inputs

#: months of harvest before the first origin, where the configuration names none
RECORD_MONTHS = 36
#: months of the year at whose ends ablations and unseen plantations are evaluated too: they cost six more fits
FULL_MONTHS = (6, 12)
#: rows of panels held in memory at a time (about 0.4 kB each)
_PANEL_ROWS = 2_000_000


@dataclass(frozen=True)
class Evaluated:
    """Result of a backtest.

    Parameters
    ----------
    panel
        Panel of the newest date, which the harvests come from.
    origins
        Months at whose ends forecasts were made.
    failures
        Fits that failed, with their reasons.
    notes
        What a reader should know of the record: who is not scored, what was not evaluated, and why.
    verdicts
        Of the leak detectors, if they were asked for.
    seconds
        Wall time per stage.
    """

    tables: Backtest
    panel: pd.DataFrame
    origins: tuple[str, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    verdicts: tuple[leaks.Verdict, ...]
    seconds: dict[str, float]


def origins_of(config: Config, inputs: Inputs, as_of: dt.date) -> list[dt.date]:
    """Month ends from ``forecast.backtest_start`` (or three years of harvest) to the month before ``as_of``'s.

    Months before any harvest was known are left out: there is nothing to learn from and nothing to compare with.

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
        until = f"Origins end with {last}, the month before the valuation date's"
        if start:
            problem = Problem(
                "forecast.backtest_start", "leaves no month to forecast", start, f"{until}: choose an earlier start."
            )
        else:
            months = f"harvests from {min(inputs.harvest['month'])} on"
            remedy = f"{until}: give more than the {RECORD_MONTHS} months of harvest that the default skips, or name a "
            remedy += "month of the record as forecast.backtest_start."
            problem = Problem("harvest.path", "is too short a record to forecast any of it", months, remedy)
        raise ConfigError([problem])
    known = inputs.harvest["known_at"].min()
    dates = [d for d in month_ends(first, last) if pd.Timestamp(d, tz="UTC") + pd.Timedelta(days=1) > known]
    if not dates:
        remedy = "Choose a later valuation date, or look at the column known_at."
        raise ConfigError([Problem("harvest.path", f"holds no harvest known by {last}", str(known.date()), remedy)])
    told = inputs.harvest["known_at"] < pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1)
    newest = inputs.harvest.loc[told, "month"].max()
    if not told.any() or Month.parse(newest) <= Month.of(dates[0]):
        raise ConfigError([_nothing_after(newest)])
    return dates


def _nothing_after(newest: str) -> Problem:
    remedy = "Choose an earlier forecast.backtest_start, or add later harvests."
    return Problem("harvest.path", "holds no harvest after the first origin", str(newest), remedy)


def vintages(out: Path) -> Path:
    """Folder of what runs at the origins would have published, below that of the scores."""
    return out / "vintages"


def run_backtest(
    config: Config,
    inputs: Inputs,
    as_of: dt.date,
    out: Path,
    *,
    work: Work,
    near: Work,
    progress: Progress | None = None,
    leak_checks: bool = False,
) -> Evaluated:
    """Evaluate the forecast on the past.

    Features are those that a run at each origin would have published; they stay in :func:`vintages` and are used again
    by the next backtest. The newest date comes first: an earlier one then computes only what it knew differently.

    Parameters
    ----------
    work, near
        Run tasks in parallel, see :class:`plantation_rwa.executor.Runner`: ``work`` fits and the newest date's imagery,
        ``near`` the few images of the other dates, for which starting workers would take longer than the work.
    leak_checks
        Whether to run the leak detectors too: some more fits, and the features of one origin from the beginning.
    """
    inputs = with_climate_per_plantation(inputs, config)
    dates = origins_of(config, inputs, as_of)[::-1]
    clock, reader = StageClock(progress or Silent()), _Reader()
    clock.start("newest", 1)
    root = vintages(out)
    now = open_session(config, inputs, as_of, root=root)
    panel = panel_of(now, reader.features(now, work))
    clock.end("newest", f"features as known on {as_of}, what harvests are compared with")
    dealt = leaks.shuffled_harvests(panel, config.seed) if leak_checks else None
    parts: list[pd.DataFrame] = []
    shuffled: list[pd.DataFrame] = []
    failures: list[str] = []
    middle = dates[len(dates) // 2]
    batch = max(1, _PANEL_ROWS // max(len(panel), 1))
    for start in range(0, len(dates), batch):
        chosen = dates[start : start + batch]
        span = f"{len(chosen)} of {len(dates)} origins, {Month.of(chosen[-1])} to {Month.of(chosen[0])}"
        clock.start("features", len(chosen))
        origins = []
        for date in chosen:
            origins.append(_origin(open_session(config, inputs, date, root=root), reader, near))
            clock.progress.advanced("features", len(origins))
        clock.end("features", f"as known at {span}")
        fits = [fit for origin in origins for fit in fits_of(origin)]
        dealt_fits = [] if dealt is None else [Fit(leaks.with_harvests(o, dealt), "model") for o in origins if o.full]
        tasks = sarima_tasks([r for o in origins for r in sarima_records(o)])
        items: list[Fit | SarimaTask] = [*fits, *dealt_fits, *(task for task, _ in tasks)]
        clock.start("fits", len(items))
        for position, (item, outcome) in enumerate(zip(items, work(_perform, items), strict=True)):
            clock.progress.advanced("fits", position + 1)
            if outcome.value is None:
                failures.append(f"{_name(item)}: {outcome.error}")
            elif isinstance(item, SarimaTask):
                parts.append(sarima_rows(tasks[position - len(fits) - len(dealt_fits)][1], outcome.value))
            else:
                (parts if position < len(fits) else shuffled).append(outcome.value)
        clock.end("fits", f"{len(fits)} of the model, {len(tasks)} seasonal ARIMA" + _also(len(dealt_fits)))
    if not parts:
        raise ConfigError([Problem("backtest", "no origin could be evaluated", failures[0], "See the reason.")])
    clock.start("scores", 1)
    tables = evaluate(parts, panel, config.seed)
    if tables.predictions.empty:
        newest = panel.loc[panel["yield_t_ha"].notna(), "month"].max()
        raise ConfigError([_nothing_after(newest)])
    clock.end("scores", f"{len(tables.predictions)} forecasts with a harvest")
    verdicts: tuple[leaks.Verdict, ...] = ()
    if dealt is not None:
        clock.start("leaks", 1)
        verdicts = (
            leaks.harvest_in_features(panel),
            leaks.skill_on_shuffled(pd.concat(shuffled), dealt, config.seed)
            if shuffled
            else leaks.Verdict(leaks.SHUFFLED, leaks.UNTESTED, np.nan, 0.0, "no June or December among the origins"),
            _truncated(config, inputs, middle, parts, near),
        )
        clock.end("leaks", f"{len(verdicts)} detectors")
    notes = notes_of(config, panel, tables.predictions, [str(Month.of(d)) for d in dates])
    return Evaluated(
        tables, panel, tuple(str(Month.of(d)) for d in dates[::-1]), tuple(failures), notes, verdicts, clock.seconds
    )


def _perform(item: Fit | SarimaTask) -> Any:
    return sarima(item) if isinstance(item, SarimaTask) else predict(item)


def _name(item: Fit | SarimaTask) -> str:
    return "seasonal ARIMA" if isinstance(item, SarimaTask) else f"origin {item.origin.as_of}, {item.variant}"


def _also(count: int) -> str:
    return f", {count} on shuffled harvests" if count else ""


def _origin(session: Session, reader: _Reader, work: Work) -> Origin:
    config = session.config
    return Origin(
        session.as_of,
        panel_of(session, reader.features(session, work)),
        stand_table(session.known.register, session.known.blocks),
        config.seed,
        config.forecast.min_train_months,
        session.assumptions,
        session.as_of.month in FULL_MONTHS,
    )


def _truncated(
    config: Config, inputs: Inputs, date: dt.date, parts: Sequence[pd.DataFrame], work: Work
) -> leaks.Verdict:
    """Forecasts at one origin from inputs that end there, all features computed anew, against those made above."""
    month = str(Month.of(date))
    wanted = (WALK, month, "model")
    of_model = (p for p in parts if len(p) and tuple(p.iloc[0][["protocol", "origin", "model"]]) == wanted)
    whole = next(of_model, None)
    if whole is None:
        return leaks.Verdict(leaks.TRUNCATED, leaks.UNTESTED, np.nan, 0.0, f"the model could not be fitted at {month}")
    cut, removed = cut_inputs(inputs, date)
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(config, cut, date, root=Path(folder))
        session = dataclasses.replace(session, reuse=(Path(folder),))
        alone = predict(Fit(_origin(session, _Reader(), work)))
    return leaks.same_to_the_bit(whole, alone, month, removed())


class _Reader:
    """Published features; parts are never changed, so each is read once for all dates."""

    def __init__(self) -> None:
        self._frames: dict[Path, pd.DataFrame] = {}

    def features(self, session: Session, work: Work) -> pd.DataFrame:
        """Features as a run at the session's date publishes them."""
        report = run_date(session, stages=("features",), work=work, beside=False)
        frames = []
        for part in sorted((p for p in report.parts if p.output.table == "features"), key=lambda p: p.output.path):
            if part.path not in self._frames:
                month = part.output.partition.split("=", 1)[1]
                columns = ["plantation_id", *FEATURE_COLUMNS, "known_at"]
                self._frames[part.path] = read_part(part.path, columns=columns).assign(month=month)
            frames.append(self._frames[part.path])
        return pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
