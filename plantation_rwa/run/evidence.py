"""What a backtest rests on: inputs cut at a date, and notes on the record for whoever reads the scores."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.forecast.backtest import ABLATIONS, GROUPS, UNSEEN, held
from plantation_rwa.forecast.baselines import SARIMA_MONTHS
from plantation_rwa.periods import Month, as_of_instant
from plantation_rwa.sources.base import ImagerySource, Inputs, Scene
from plantation_rwa.sources.holdings import Holdings

#: table -> column that says when a record happened
_HAPPENED = {
    "harvest": "month",
    "climate_daily": "date",
    "climate_monthly": "month",
    "climate_seasonal": "known_at",
    "climate_index": "month",
    "sensors": "time",
}
#: names that a note lists
_SHOWN = 5


class _Until:
    """Scenes of a source that were taken, and known, by an instant; remembers which it kept back."""

    def __init__(self, source: ImagerySource, instant: pd.Timestamp) -> None:
        self.source, self.instant = source, instant
        self.later: set[str] = set()

    def scenes(self, bbox: tuple[float, float, float, float], first: Month, last: Month) -> list[Scene]:
        """See :class:`plantation_rwa.sources.base.ImagerySource`."""
        found = self.source.scenes(bbox, first, last)
        if last > Month.of(self.instant.date()):
            # whether there are scenes at all, which tells a wrong configuration from an early date
            return found
        kept = [s for s in found if s.acquired <= self.instant and s.known_at <= self.instant]
        self.later |= {s.id for s in found} - {s.id for s in kept}
        return kept

    def holdings(self) -> Holdings:
        """Those of the source."""
        return self.source.holdings()


def cut_inputs(inputs: Inputs, date: dt.date) -> tuple[Inputs, Callable[[], int]]:
    """Inputs without anything that happened or became known after a date, and how many records that left out.

    By the records' own dates, so that it does not rest on the filter it is to test. The count of scenes is complete
    once the imagery has been read.
    """
    instant, month = as_of_instant(date), str(Month.of(date))
    changes: dict[str, object] = {}
    removed = 0
    for name, column in _HAPPENED.items():
        table = getattr(inputs, name)
        if not len(table):
            continue
        values = table[column]
        if column == "month":
            past = values.astype(str) <= month
        elif pd.api.types.is_datetime64_any_dtype(values) and getattr(values.dt, "tz", None) is None:
            past = values <= instant.tz_localize(None)
        else:
            past = pd.to_datetime(values, utc=True) <= instant
        past &= table["known_at"] <= instant
        removed += int((~past).sum())
        changes[name] = table[past].reset_index(drop=True)
    imagery = None if inputs.imagery is None else _Until(inputs.imagery, instant)
    cut = dataclasses.replace(inputs, imagery=imagery, quarantine=inputs.quarantine.copy(), **changes)  # type: ignore[arg-type]
    return cut, lambda: removed + (len(imagery.later) if imagery is not None else 0)


def notes_of(config: Config, panel: pd.DataFrame, predictions: pd.DataFrame, origins: Sequence[str]) -> tuple[str, ...]:
    """What a reader of the scores should know of the record behind them.

    Parameters
    ----------
    panel
        Panel of the newest date.
    predictions
        Scored predictions.
    """
    notes = []
    start, first = config.forecast.backtest_start, min(origins)
    if start and start < first:
        notes.append(f"forecast.backtest_start {start}: no harvest was known before {first}, which is the first origin")
    told = panel[panel["yield_t_ha"].notna()]
    begun = told.groupby("plantation_id")["month"].min()
    every = sorted(panel["plantation_id"].unique())
    silent = [p for p in every if p not in begun.index]
    if silent:
        notes.append(f"without any harvest, forecast but not scored: {_listed(silent)}")
    late = sorted(begun.index[begun > first])
    if late:
        notes.append(
            "first harvest after the first origin, scored from then on, against climatology once the calendar month "
            f"has one: {_listed(late)}"
        )
    ended = told.groupby("plantation_id")["month"].max()
    months = {p: Month.parse(ended[p]) - Month.parse(begun[p]) + 1 for p in begun.index}
    gaps = sum(months.values()) - len(told)
    if gaps:
        notes.append(
            f"months without a usable harvest within the records, not scored: {gaps} of {sum(months.values())}"
        )
    zeros = int((told["yield_t_ha"] == 0).sum())
    if zeros:
        notes.append(f"harvests of zero: {zeros}, scored as they stand")
    for name, columns in ABLATIONS.items():
        if not held(panel, columns):
            notes.append(f"{name}: not evaluated, the portfolio has none")
    if UNSEEN not in set(predictions["protocol"]):
        cause = (
            f"it needs more than {GROUPS} plantations with harvests"
            if len(begun) <= GROUPS
            else "no June or December origin is followed by a harvest"
        )
        notes.append(f"unseen plantations and no_harvest: not evaluated, {cause}")
    if "sarima" not in set(predictions["model"]):
        notes.append(f"sarima: not evaluated, no plantation had {SARIMA_MONTHS} months of harvest at an origin")
    if not np.isfinite(predictions.loc[predictions["model"] != "model", "q50"]).any():
        notes.append("baselines have no intervals yet: their spread needs 24 past errors")
    return tuple(notes)


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{len(ids)} ({', '.join(map(str, ids[:_SHOWN]))}{more})"
