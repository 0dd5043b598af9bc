"""From published forecasts and the known market to the value and risk of every right."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation import price_model
from plantation_rwa.valuation.curve import FV_LEVEL, ForwardCurve
from plantation_rwa.valuation.drivers import Drivers, month_times
from plantation_rwa.valuation.market import MarketTables
from plantation_rwa.valuation.pools import Pool, pool_name, pools_table
from plantation_rwa.valuation.pricing import PlantationPrices, Pricer
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.valuer import FLOW_COLUMNS, Row, Valued, Valuer, Volume

__all__ = ["MarketTables", "ValuationResult", "value"]


@dataclass(frozen=True)
class ValuationResult:
    """Tables of one valuation date, without geometry: ``cash_flows, valuations, curves, price_model, pools``."""

    cash_flows: pd.DataFrame
    valuations: pd.DataFrame
    curves: pd.DataFrame
    price_model: pd.DataFrame
    pools: pd.DataFrame


def value(
    forecasts: pd.DataFrame,
    forecast_model: pd.DataFrame,
    register: pd.DataFrame,
    rights: pd.DataFrame,
    market: MarketTables,
    *,
    as_of: dt.date,
    seed: int,
    paths: int,
    currency: str,
    assumptions: Assumptions,
    sponsors: pd.DataFrame | None = None,
    mills: pd.DataFrame | None = None,
    evidence: pd.DataFrame | None = None,
) -> ValuationResult:
    """Value every right.

    A right's row depends on its plantation's forecast, the market, the seed, the number of paths and the
    assumptions, not on the other rights; only pools know more than one right.

    Parameters
    ----------
    forecasts, forecast_model
        Published forecast tables (rounded).
    register
        Columns ``plantation_id, country, state, region, scheme, oer, ker, planted_date, planted_area_ha, tenure_end,
        sponsor_id``.
    rights
        Contract columns, one row per right.
    market
        Tables known at ``as_of``.
    as_of
        Valuation date; the first month valued is the one after it.
    seed, paths
        Run seed and number of joint paths, the second half antithetic.
    currency
        Reporting currency; rights whose currency cannot be converted stay in their own.
    assumptions
        Section names as in ``data/assumptions/valuation.yaml``.
    sponsors, mills
        ``sponsor_id`` / ``mill_id``, ``hazard_per_year``, ``lgd``.
    evidence
        ``plantation_id, data_age_days_max, months_harvest, valid_fraction_12m, quarantined, flags``.

    Returns
    -------
    ValuationResult
        Money in major units of each row's currency.
    """
    terms = [Right.of(row, as_of) for row in _records(rights)]
    terms.sort(key=lambda r: (r.plantation_id, r.right_id))
    first = Month.of(as_of) + 1
    horizon = max([12, *(r.last - first + 1 for r in terms)])
    prices = price_model.fit(market.futures, as_of, assumptions, market.holidays)
    drivers = Drivers(seed, as_of, horizon, paths, assumptions, prices.model)
    run = Valuer(
        drivers=drivers,
        pricer=Pricer(market, drivers, currency, assumptions, prices.growth),
        assumptions=assumptions,
        currency=currency,
        register=_by_key(register, "plantation_id"),
        models=_by_key(forecast_model, "plantation_id"),
        forecasts={str(k): g for k, g in forecasts.groupby("plantation_id", sort=True)},
        payors=_by_key(mills, "mill_id") | _by_key(sponsors, "sponsor_id"),
        evidence=_by_key(evidence, "plantation_id"),
        rates=market.rates,
    )
    flows: list[Row] = []
    values: list[Row] = []
    pools: dict[str, Pool] = {}
    before: tuple[str, PlantationPrices, Volume] | None = None
    for right in terms:
        if before is None or before[0] != right.plantation_id:
            before = (right.plantation_id, run.prices(right.plantation_id), run.volume(right.plantation_id))
        valued = run.right_or_flag(right, before[1], before[2])
        flows += valued.flows
        values.append(valued.row)
        if valued.known:
            _add_to_pool(pools, right, valued, currency)
    return ValuationResult(
        cash_flows=pd.DataFrame(flows, columns=FLOW_COLUMNS),
        valuations=_valuations_frame(values),
        curves=_curve_table(run.pricer.curve, drivers, assumptions),
        price_model=price_model.price_model_table([*prices.rows, *price_model.driver_rows(drivers)]),
        pools=pools_table(pools, assumptions),
    )


def _by_key(frame: pd.DataFrame | None, key: str) -> dict[str, Row]:
    if frame is None or frame.empty:
        return {}
    return {str(record[key]): record for record in reversed(_records(frame))}


def _records(frame: pd.DataFrame) -> list[Row]:
    columns = [str(c) for c in frame.columns if c != "geometry"]
    cells = [frame[c].tolist() for c in columns]
    return [dict(zip(columns, values, strict=True)) for values in zip(*cells, strict=True)]


def _add_to_pool(pools: dict[str, Pool], right: Right, valued: Valued, reporting: str) -> None:
    currency = str(valued.row["currency"])
    name = pool_name(right.pool_id, currency, reporting)
    pool = pools.setdefault(name, Pool(name, currency, np.zeros_like(valued.pv_q), np.zeros_like(valued.pv_p)))
    if currency != reporting:
        pool.flags.add("fx_missing")
    agreed = right.first_loss if right.pool_id is not None else None
    pool.add(valued.row["npv_fair"], valued.row["nav_total_int"], agreed, valued.pv_q, valued.pv_p)


def _valuations_frame(values: list[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(values)
    if frame.empty:
        return pd.DataFrame(columns=["plantation_id", "right_id"])
    return frame.astype({"nav_total_int": "Int64"})


def _curve_table(curve: ForwardCurve | None, drivers: Drivers, assumptions: Assumptions) -> pd.DataFrame:
    """Table ``curves``: a fixed number of months, whatever the rights need."""
    columns = ["symbol", "delivery_month", "forward", "currency", "curve_source", "fv_level", "log_sd", "settle_date"]
    if curve is None:
        return pd.DataFrame(columns=columns)
    count = int(assumptions.number("curve.months_published"))
    rows = []
    for i, t in enumerate(month_times(drivers.as_of, count).tolist()):
        month = Month.of(drivers.as_of) + (i + 1)
        source = curve.source(month)
        spread = math.sqrt(drivers.model.log_variance(t))
        known = (curve.symbol, str(month), curve.month(month), curve.currency, source, FV_LEVEL[source])
        rows.append((*known, spread, curve.settled))
    return pd.DataFrame(rows, columns=columns)
