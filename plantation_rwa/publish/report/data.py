"""What the summary page shows, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


def _empty(columns: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame({c: pd.Series(dtype="object") for c in columns.split()})


@dataclass(frozen=True)
class SummaryData:
    """Input of :func:`plantation_rwa.publish.report.write_summary`; every table may be empty.

    Parameters
    ----------
    meta
        ``portfolio`` (name), ``as_of`` (YYYY-MM-DD), ``simulated`` (bool); every other entry is listed at the foot
        of the page as it stands (code version, seed, number of paths, configuration hash, ...).
    valuations
        Table ``valuations``.
    forecasts
        Table ``forecasts``, rows of the valuation date only.
    outlook
        ``plantation_id, yield12_mean, yield12_q05, yield12_q95``: t of fresh fruit bunches per ha of mature area in
        the next twelve months.
    history
        ``plantation_id, month, yield_t_ha``: harvests known at the valuation date, t per ha and month; or
        ``ffb_t`` and ``area_mature_ha`` instead of the yield.
    features
        ``plantation_id, month, ndvi, ndmi, valid_fraction`` of table ``features``.
    curve
        Table ``curves``.
    pools, disclosure, screening
        Tables of these names.
    skill
        ``horizon`` (months), ``value, lo, hi``: skill against climatology of the backtest of this portfolio.
    quarantine
        Table ``quarantine``.
    inputs
        Input or file name -> SHA-256.
    assumptions
        ``key, value, unit, source`` of every assumption used.
    track
        ``what, value, lo, hi, n``: scores of backtests of this portfolio.
    signals
        Table ``signals``.
    chips
        Table ``chips``; a plantation without a row has no picture.
    geometry
        GeoDataFrame ``plantation_id, geometry`` (longitude, latitude); also plantations without a value.
    """

    meta: Mapping[str, Any]
    valuations: pd.DataFrame = field(default_factory=_empty("plantation_id right_id"))
    forecasts: pd.DataFrame = field(default_factory=_empty("plantation_id target_month"))
    outlook: pd.DataFrame = field(default_factory=_empty("plantation_id yield12_mean yield12_q05 yield12_q95"))
    history: pd.DataFrame = field(default_factory=_empty("plantation_id month yield_t_ha"))
    features: pd.DataFrame = field(default_factory=_empty("plantation_id month ndvi ndmi valid_fraction"))
    curve: pd.DataFrame = field(default_factory=_empty("symbol delivery_month forward currency curve_source"))
    pools: pd.DataFrame = field(default_factory=_empty("pool_id tranche currency npv_fair"))
    disclosure: pd.DataFrame = field(default_factory=_empty("pool_id currency section item unit source"))
    screening: pd.DataFrame = field(default_factory=_empty("plantation_id rule state finding not_checked"))
    skill: pd.DataFrame = field(default_factory=_empty("horizon value lo hi"))
    quarantine: pd.DataFrame = field(default_factory=_empty("input file row column value reason action plantation_id"))
    inputs: Mapping[str, str] = field(default_factory=dict)
    assumptions: pd.DataFrame = field(default_factory=_empty("key value unit source"))
    track: pd.DataFrame = field(default_factory=_empty("what value lo hi n"))
    signals: pd.DataFrame = field(default_factory=_empty("doc_id quantity value basis"))
    chips: pd.DataFrame = field(default_factory=_empty("plantation_id reason"))
    geometry: pd.DataFrame = field(default_factory=_empty("plantation_id geometry"))
