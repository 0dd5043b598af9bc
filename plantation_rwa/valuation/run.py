"""From published forecasts and the known market to the value and risk of every right."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation import price_model
from plantation_rwa.valuation.curve import FV_LEVEL, ForwardCurve
from plantation_rwa.valuation.drivers import Drivers, month_times
from plantation_rwa.valuation.market import MarketTables
from plantation_rwa.valuation.palm import PalmModel
from plantation_rwa.valuation.pools import Member, Pool, contributions, pool_name, pools_table
from plantation_rwa.valuation.pricing import Pricer
from plantation_rwa.valuation.published import FLOW_COLUMNS, adjusted, flow_rows, received, uncomputable_row, value_row
from plantation_rwa.valuation.rights import Right, missing
from plantation_rwa.valuation.sensitivities import Effect, effects
from plantation_rwa.valuation.stresses import stressed
from plantation_rwa.valuation.valuer import Row, Valued, Valuer

__all__ = ["Book", "MarketTables", "ValuationResult", "value"]

#: plantations per unit of work; fixed, so that pools add up in the same order on any machine
_UNIT = 250


@dataclass(frozen=True)
class Book:
    """Everything that values rights at one date; travels to a worker.

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
        ``plantation_id, own_inputs, data_age_days_max, months_harvest, valid_fraction_12m, quarantined, flags``.
    prices
        Price model of the market's settlements; None fits it where it is needed.
    overlays
        Manual adjustments by plantation, right and currency, minor units.
    """

    forecasts: pd.DataFrame
    forecast_model: pd.DataFrame
    register: pd.DataFrame
    rights: pd.DataFrame
    market: MarketTables
    as_of: dt.date
    seed: int
    paths: int
    currency: str
    assumptions: Assumptions
    sponsors: pd.DataFrame | None = None
    mills: pd.DataFrame | None = None
    evidence: pd.DataFrame | None = None
    prices: price_model.PriceModel | None = None
    overlays: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def calibrated(self) -> tuple[Book, price_model.PriceModel]:
        """The book with its price model fitted, and that model."""
        market = self.market
        found = self.prices or price_model.fit(market.futures, self.as_of, self.assumptions, market.holidays)
        return dataclasses.replace(self, prices=found), found

    def terms(self) -> list[Right]:
        """All rights, sorted by region, plantation and right: neighbours share paths."""
        regions = {k: str(r.get("region") or "") for k, r in by_key(self.register, "plantation_id").items()}
        rights = [Right.of(row, self.as_of) for row in records(self.rights)]
        return sorted(rights, key=lambda r: (regions.get(r.plantation_id, ""), r.plantation_id, r.right_id))

    def months(self, rights: Sequence[Right]) -> int:
        """Length of the grid: whole years that hold every payment, two at least."""
        first = Month.of(self.as_of) + 1
        ends = [r.cash_month(r.last) - first + 1 for r in rights if r.last >= first]
        return 12 * max(2, *(-(-e // 12) for e in ends), 2)

    def valuer(self, months: int) -> Valuer:
        """A valuer on a grid of months."""
        prices = self.calibrated()[1]
        drivers = Drivers(self.seed, self.as_of, months, self.paths, self.assumptions, prices.model)
        register = by_key(self.register, "plantation_id")
        model = PalmModel(
            drivers,
            Pricer(self.market, drivers, self.currency, self.assumptions, prices.growth),
            self.assumptions,
            register,
            by_key(self.forecast_model, "plantation_id"),
            self.forecasts,
        )
        sponsors, mills = by_key(self.sponsors, "sponsor_id"), by_key(self.mills, "mill_id")
        return Valuer(model, drivers, self.assumptions, self.currency, register, sponsors, mills, self.market.rates)


@dataclass(frozen=True)
class ValuationResult:
    """Tables of one valuation date, without geometry."""

    cash_flows: pd.DataFrame
    valuations: pd.DataFrame
    curves: pd.DataFrame
    price_model: pd.DataFrame
    pools: pd.DataFrame
    effects: dict[tuple[str, str], list[Effect]] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """Some rights of a book, and what is asked about them."""

    book: Book
    months: int
    rights: tuple[Right, ...]
    tranched: frozenset[tuple[str, str]]
    full: bool


@dataclass
class Part:
    """What came of a unit."""

    rows: list[Row] = field(default_factory=list)
    flows: list[Row] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)
    effects: dict[tuple[str, str], list[Effect]] = field(default_factory=dict)


#: Runs a function over units, results in their order
Spread = Callable[[Callable[[Unit], Part], Sequence[Unit]], Sequence[Part]]


def _one_by_one(function: Callable[[Unit], Part], units: Sequence[Unit]) -> Sequence[Part]:
    return [function(unit) for unit in units]


def value(book: Book, *, full: bool = True, spread: Spread = _one_by_one) -> ValuationResult:
    """Value every right.

    A right's row depends on its plantation's forecast, the market, the seed, the number of paths and the
    assumptions, not on the other rights; only pools, and a right's contribution to its pool, know more than one.

    Parameters
    ----------
    full
        Also sensitivities, stresses and cash flows by month; without them the base measures alone.
    spread
        Runs the units of work, here one after the other.

    Returns
    -------
    ValuationResult
        Money in major units of each row's currency.
    """
    book, prices = book.calibrated()
    rights = book.terms()
    months = book.months(rights)
    with_tranches = {r.pool_id for r in rights if r.pool_id is not None and r.first_loss}
    tranched = frozenset((r.plantation_id, r.right_id) for r in rights if r.pool_id in with_tranches)
    ids = list(dict.fromkeys(r.plantation_id for r in rights))
    units = []
    for start in range(0, len(ids), _UNIT):
        chosen = set(ids[start : start + _UNIT])
        some = tuple(r for r in rights if r.plantation_id in chosen)
        units.append(Unit(_cut(book, chosen), months, some, tranched if full else frozenset(), full))
    parts = spread(value_unit, units)
    pools: dict[str, Pool] = {}
    for part in parts:
        for name, pool in part.pools.items():
            pools.setdefault(name, Pool(name, pool.currency)).merge(pool)
    rows = sorted((row for part in parts for row in part.rows), key=_key)
    flows = sorted((row for part in parts for row in part.flows), key=_key)
    owed: dict[tuple[str, str], float] = {}
    for pool in pools.values():
        pool.members.sort(key=lambda m: (m.plantation_id, m.right_id))
        owed |= contributions(pool)
    for row in rows:
        row["es_contribution_pool"] = owed.get(_key(row))
    shape = Drivers(book.seed, book.as_of, 1, 2, book.assumptions, prices.model)
    pricer = Pricer(book.market, shape, book.currency, book.assumptions, prices.growth)
    return ValuationResult(
        cash_flows=pd.DataFrame(flows, columns=FLOW_COLUMNS),
        valuations=_valuations_frame(rows),
        curves=_curve_table(pricer.curve, shape, book.assumptions),
        price_model=price_model.price_model_table([*prices.rows, *price_model.driver_rows(shape)]),
        pools=pools_table(pools, book.assumptions),
        effects={key: found for part in parts for key, found in part.effects.items()},
    )


def _key(row: Row) -> tuple[str, str]:
    return str(row["plantation_id"]), str(row["right_id"])


def value_unit(unit: Unit) -> Part:
    """Value the rights of a unit."""
    evidence, places = (by_key(frame, "plantation_id") for frame in (unit.book.evidence, unit.book.register))
    valuer = unit.book.valuer(unit.months)
    return value_rights(
        valuer, unit.rights, evidence, places, tranched=unit.tranched, full=unit.full, overlays=unit.book.overlays
    )


def value_rights(
    valuer: Valuer,
    rights: Sequence[Right],
    evidence: Mapping[str, Row],
    places: Mapping[str, Row],
    *,
    tranched: frozenset[tuple[str, str]] = frozenset(),
    full: bool = True,
    overlays: Mapping[tuple[str, str, str], int] | None = None,
) -> Part:
    """Rows, flows and pool memberships of rights on any asset; one beyond all arithmetic leaves the others alone.

    Parameters
    ----------
    evidence
        By asset: age of data, months of record, flags; for the grade.
    places
        By asset: ``region, sponsor_id``; for concentration.
    tranched
        Rights in pools with tranches.
    full
        Also sensitivities, stresses and flows.
    overlays
        Manual adjustments by asset, right and currency, minor units.
    """
    part = Part()
    for valued in valuer.value(rights, flows=full, tranched=tranched):
        right, facts = valued.right, valued.facts
        known = evidence.get(right.plantation_id, {})
        explained = full and not facts.unvalued and math.isfinite(valued.fair)
        try:
            found = effects(valuer, right, valued.fair) if explained else None
            shaken = stressed(valuer, right) if explained else None
            row = adjusted(value_row(valued, valuer, known, found, shaken), overlays or {})
        except (ArithmeticError, ValueError):
            part.rows.append(uncomputable_row(right, facts.reporting, facts.flags, known))
            continue
        part.rows.append(row)
        if facts.unvalued:
            continue
        part.flows += flow_rows(valued)
        if found is not None:
            part.effects[(right.plantation_id, right.right_id)] = found
        _add_to_pool(part, valued, row, valuer, places.get(right.plantation_id, {}))
    return part


def _add_to_pool(part: Part, valued: Valued, row: Row, valuer: Valuer, place: Row) -> None:
    right, currency, reporting = valued.right, valued.facts.reporting, valuer.currency
    name = pool_name(right.pool_id, currency, reporting)
    pool = part.pools.setdefault(name, Pool(name, currency))
    if currency != reporting:
        pool.flags.add("fx_missing")
    region, sponsor = ("" if missing(place.get(k)) else str(place[k]) for k in ("region", "sponsor_id"))
    agreed = right.first_loss if right.pool_id is not None else None
    member = Member(
        right.plantation_id, right.right_id, region, sponsor, right.payor_id or "", row["npv_fair"],
        row["nav_total_int"], agreed, right.reserve_months, valued.pv_p,
    )  # fmt: skip
    pool.members.append(member)
    pool.agreed |= set(valued.schedule.times.tolist()) if valued.earned else set()
    for measure in valued.earned:
        cash, times = received(valued, valuer, measure)
        for amount, t in zip(cash, times, strict=True):
            pool.receive(measure, t, amount, valuer.factor(currency, t))


def _cut(book: Book, chosen: set[str]) -> Book:
    """The book's rows of some plantations."""

    def rows(frame: pd.DataFrame | None) -> pd.DataFrame:
        return pd.DataFrame() if frame is None or frame.empty else frame[frame["plantation_id"].isin(chosen)]

    return dataclasses.replace(
        book,
        forecasts=rows(book.forecasts) if len(book.forecasts) else book.forecasts,
        forecast_model=rows(book.forecast_model),
        register=rows(book.register),
        rights=rows(book.rights),
        evidence=rows(book.evidence),
    )


def by_key(frame: pd.DataFrame | None, key: str) -> dict[str, Row]:
    """Rows by key, the first of each."""
    if frame is None or frame.empty:
        return {}
    return {str(record[key]): record for record in reversed(records(frame))}


def records(frame: pd.DataFrame) -> list[Row]:
    """Rows as mappings, geometry left out."""
    columns = [str(c) for c in frame.columns if c != "geometry"]
    cells = [frame[c].tolist() for c in columns]
    return [dict(zip(columns, values, strict=True)) for values in zip(*cells, strict=True)]


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
