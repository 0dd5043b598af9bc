"""Rights to present values: the sum over months as a matrix product, full paths only where a payment is bounded."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month, year_fraction
from plantation_rwa.valuation.cashflows import BASE, CashFlowModel, Facts, Revenue, Shock, minimum_beyond, payments
from plantation_rwa.valuation.defaults import Defaults, MonthArray, Terms, operational_time, parties_of
from plantation_rwa.valuation.disasters import Disasters, draw_disasters, expected_left, mirrored_normals
from plantation_rwa.valuation.discounting import ZeroCurve, curve_or_assumed
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.linear import added, month_sums, path_sums
from plantation_rwa.valuation.rights import Right, missing, tenure_fraction

FloatArray = NDArray[np.float64]
Row = dict[str, Any]
#: shocks whose default times are kept: all bumps and stresses of a run
_SHOCKS = 48


@dataclass(frozen=True)
class Schedule:
    """Months of a right on the grid, its shares, and what a payment is worth today.

    Parameters
    ----------
    months, at
        Accrual months with land tenure, and their rows on the grid.
    share
        Share of the base times the part of the month before the tenure ends, ``(months,)``.
    terms
        Obligors and timing.
    times
        Years to the cash date, ``(months,)``.
    paid, late
        Discount factors with spreads at the cash date and at the recovery after it.
    """

    months: list[Month]
    at: slice
    share: FloatArray
    kept: FloatArray
    terms: Terms
    times: FloatArray
    paid: FloatArray
    late: FloatArray


@dataclass
class Valued:
    """A right's fair value, its present values per path, and what more was asked for.

    Parameters
    ----------
    fair
        Value under the pricing measure: exact in own noise, default and disaster given the market's paths.
    pv_p
        Real-world present values, ``(paths,)``, everything realised.
    flows
        Measure -> payment of each accrual month before default and disaster, ``(months, paths)``.
    earned
        The same after disasters, for the pools whose tranches need it.
    mean
        Expected payment of each month under the pricing measure with default and disaster, valued today.
    """

    right: Right
    facts: Facts
    schedule: Schedule
    fair: float
    pv_p: FloatArray
    flows: dict[str, FloatArray] = field(default_factory=dict)
    earned: dict[str, FloatArray] = field(default_factory=dict)
    mean: FloatArray = field(default_factory=lambda: np.zeros(0))


class Valuer:
    """Everything the rights of one run share; each result depends on its own right only.

    Parameters
    ----------
    model
        Cash-flow model of the asset class.
    drivers
        Grid and random numbers; whole years long.
    currency
        Reporting currency.
    register
        Rows by asset: ``sponsor_id, region, tenure_end``.
    sponsors, mills
        Rows by id: ``hazard_per_year, lgd``.
    rates
        Zero rates known.
    """

    def __init__(
        self,
        model: CashFlowModel,
        drivers: Drivers,
        assumptions: Assumptions,
        currency: str,
        register: Mapping[str, Row],
        sponsors: Mapping[str, Row],
        mills: Mapping[str, Row],
        rates: pd.DataFrame,
    ) -> None:
        self.model, self.drivers, self.assumptions, self.currency = model, drivers, assumptions, currency
        self._register, self._sponsors, self._mills, self._rates = register, dict(sponsors), dict(mills), rates
        self._defaults: dict[tuple[object, ...], Defaults] = {}
        self._curves: dict[str, ZeroCurve] = {}
        self._dates: dict[tuple[object, ...], Any] = {}
        numbers = (assumptions.number(f"discount.spread_{name}") for name in ("production", "liquidity"))
        self._spread = math.fsum(numbers)
        self._left = expected_left(drivers.months, assumptions)
        self._averages: dict[tuple[object, ...], tuple[FloatArray, FloatArray]] = {}
        self._last_weights: tuple[tuple[object, ...], FloatArray] | None = None

    # terms --------------------------------------------------------------------------------------------------

    def curve(self, currency: str) -> ZeroCurve:
        """Zero curve of a currency, known or assumed."""
        if currency not in self._curves:
            self._curves[currency] = curve_or_assumed(self._rates, currency, self.drivers.as_of, self.assumptions)
        return self._curves[currency]

    def factor(self, currency: str, years: float) -> float:
        """Risk-free discount factor with the production and liquidity spreads."""
        return self.curve(currency).factor(years) * math.exp(-self._spread * years)

    def schedule(self, right: Right, currency: str, shock: Shock = BASE) -> Schedule:
        """Months, shares, obligors and discount factors of a right."""
        a = self.assumptions
        register = self._register.get(right.plantation_id, {})
        end = None if missing(register.get("tenure_end")) else pd.Timestamp(register["tenure_end"]).date()
        calendar = (right.start, right.tenor_months, right.frequency_months, right.payment_lag_months)
        key = (*calendar, currency, end, shock.rate, shock.frozen)
        if key not in self._dates:
            self._dates[key] = self._discounted(right, currency, end, shock)
        months, kept, accrual, cash, times, paid, late = self._dates[key]
        share = np.array([right.share_in(m) for m in months]) * kept
        sponsor = "" if missing(register.get("sponsor_id")) else str(register["sponsor_id"])
        own, mill = parties_of(sponsor, right.payor_id, self._sponsors, self._mills, f"of {right.plantation_id}", a)
        transit = float(a.table("credit.transit_at_sponsor")[right.collection_route])
        terms = Terms(accrual, cash, own, mill, transit)
        at = slice(int(accrual[0]) - 1, int(accrual[-1])) if months else slice(0, 0)
        return Schedule(months, at, share, kept, terms, times, paid, late)

    def _discounted(
        self, right: Right, currency: str, end: dt.date | None, shock: Shock
    ) -> tuple[list[Month], FloatArray, MonthArray, MonthArray, FloatArray, FloatArray, FloatArray]:
        """Months with tenure, the part kept of each, month of accrual and of cash, years to it, discount factors."""
        as_of = self.drivers.as_of
        months = [m for m in right.months(as_of) if tenure_fraction(m, end) > 0]
        first = Month.of(as_of) + 1
        kept = np.array([tenure_fraction(m, end) for m in months])
        accrual = np.array([m - first + 1 for m in months], dtype=np.int64)
        due = [right.cash_month(m) for m in months]
        if shock.frozen:
            due = [max(c, first + shock.frozen) for c in due]
        lag = self.assumptions.number("discount.recovery_lag_months") / 12.0
        spread = self._spread + shock.rate
        curve = self.curve(currency)
        times = np.array([max(year_fraction(as_of, c.last), 0.0) for c in due])
        paid = np.array([curve.factor(t) * math.exp(-spread * t) for t in times])
        late = np.array([curve.factor(t + lag) * math.exp(-spread * (t + lag)) for t in times])
        cash = np.array([c - first + 1 for c in due], dtype=np.int64)
        return months, kept, accrual, cash, times, paid, late

    def defaults(self, shock: Shock, measure: str) -> Defaults:
        """Default months under a shock and measure; market paths decide in which years intensity is raised."""
        key = (measure, shock.name)
        if key not in self._defaults:
            while len(self._defaults) > _SHOCKS:
                # breakevens ask for many shocks once each; the first two are those of no shock
                del self._defaults[list(self._defaults)[2]]
            stressed = self.model.hardship(shock, measure)
            times = operational_time(stressed, self.assumptions.number("credit.stress_multiplier"))
            self._defaults[key] = Defaults(self.drivers.seed, times)
        return self._defaults[key]

    # values -------------------------------------------------------------------------------------------------

    def fair(self, right: Right, shock: Shock = BASE) -> float:
        """Fair value under a shock, same random numbers."""
        facts = self.model.facts(right)
        schedule = self.schedule(right, facts.reporting, shock)
        revenue = self.model.revenue(right, shock)
        return math.fsum(self._monthly_values(right, schedule, revenue, shock).tolist())

    def monthly(self, right: Right) -> tuple[list[Month], FloatArray] | None:
        """Accrual months and the value today of each one's payment; None where there is none or beyond arithmetic."""
        facts = self.model.facts(right)
        if facts.unvalued:
            return None
        schedule = self.schedule(right, facts.reporting)
        try:
            return schedule.months, self._monthly_values(right, schedule, self.model.revenue(right), BASE)
        except (ArithmeticError, ValueError):
            return None

    def _weights(self, schedule: Schedule, shock: Shock) -> FloatArray:
        """Value today of a unit earned in each month and path under the pricing measure, ``(months, paths)``."""
        terms = schedule.terms
        key = (shock.name, shock.hazard, shock.default_month, terms.key(schedule.paid))
        if self._last_weights is not None and self._last_weights[0] == key:
            return self._last_weights[1]
        weights = self.defaults(shock, "q").expected_weights(terms, schedule.paid, schedule.late, shock.hazard)
        if shock.default_month:
            failed = np.flatnonzero(terms.cash >= shock.default_month)
            weights[failed] = shock.recovery * schedule.late[failed, None]
        self._last_weights = key, weights
        return weights

    def _monthly_values(self, right: Right, schedule: Schedule, revenue: Revenue, shock: Shock) -> FloatArray:
        """Value today of each month's expected payment under the pricing measure, ``(months,)``."""
        at = schedule.at
        if not schedule.months:
            return np.zeros(0)
        if right.bends:
            paid = self._bent(right, schedule, revenue, "q")
            return np.asarray((paid * self._weights(schedule, shock)).mean(axis=1))
        mean = self._average(right, revenue, schedule, shock)
        expected = (revenue.q[at] * mean).sum(axis=1)
        return np.asarray(schedule.share * self._left[at] * expected)

    def _average(self, right: Right, revenue: Revenue, schedule: Schedule, shock: Shock) -> FloatArray:
        """Mean over paths of feature times weight, ``(months, features)``; rights of equal terms share it."""
        key = (id(revenue.features), shock.name, schedule.terms.key(schedule.paid))
        found = self._averages.get(key)
        if found is not None and found[0] is revenue.features:
            return found[1]
        weights = self._weights(schedule, shock)
        features = revenue.features[schedule.at]
        mean = np.asarray(np.einsum("tfn,tn->tf", features, weights) / self.drivers.paths)
        if revenue.shared:
            if len(self._averages) > 64:
                self._averages.clear()
            self._averages[key] = (revenue.features, mean)
        return mean

    def _bent(self, right: Right, schedule: Schedule, revenue: Revenue, measure: str) -> FloatArray:
        """Payments with bounds, own noise and disasters month by month, ``(months, paths)``."""
        base, rate = _base(revenue, schedule, measure)
        events = self.disasters(right)
        base[:, events.path] *= events.left(self.drivers.months)[schedule.at]
        return payments(right, schedule.months, base, rate)

    def disasters(self, right: Right) -> Disasters:
        """Events of the right's asset."""
        row = self._register.get(right.plantation_id, {})
        region = "" if missing(row.get("region")) else str(row["region"])
        d = self.drivers
        return draw_disasters(d.seed, right.plantation_id, region, d.months, d.paths, self.assumptions)

    def value(
        self, rights: Sequence[Right], *, flows: bool, tranched: frozenset[tuple[str, str]] = frozenset()
    ) -> list[Valued]:
        """Value rights that come in any order; results in theirs. A value beyond all arithmetic is NaN.

        Parameters
        ----------
        flows
            Whether payments per month and path are wanted.
        tranched
            Rights (plantation, right) whose payments after disasters are wanted too.
        """
        out: list[Valued] = []
        waiting: list[tuple[Valued, Revenue]] = []
        for right in rights:
            facts = self.model.facts(right)
            schedule = self.schedule(right, facts.reporting)
            valued = Valued(right, facts, schedule, math.nan, np.zeros(self.drivers.paths))
            out.append(valued)
            try:
                revenue = self.model.revenue(right)
                if right.bends and minimum_beyond(right, schedule.months, *_base(revenue, schedule, "q")):
                    valued.facts = replace(facts, flags=facts.flags | {"minimum_beyond"}, unvalued=True)
                    continue
                valued.mean = self._monthly_values(right, schedule, revenue, BASE)
                valued.fair = math.fsum(valued.mean.tolist())
            except (ArithmeticError, ValueError):
                continue
            events = (right.plantation_id, right.right_id) in tranched
            if right.bends:
                self._full(valued, revenue, flows, events)
                continue
            if waiting and waiting[0][1].features_of("p") is not revenue.features_of("p"):
                self._linear(waiting, flows, tranched)
                waiting = []
            waiting.append((valued, revenue))
        self._linear(waiting, flows, tranched)
        return out

    def _full(self, valued: Valued, revenue: Revenue, flows: bool, events: bool) -> None:
        s = valued.schedule
        for measure in ("q", "p") if flows or events else ("p",):
            paid = self._bent(valued.right, s, revenue, measure)
            if measure == "p":
                on_time, late = self.defaults(BASE, measure).realised(s.terms)
                valued.pv_p = added(paid * (s.paid[:, None] * on_time + s.late[:, None] * late))
            if flows:
                valued.flows[measure] = payments(valued.right, s.months, *_base(revenue, s, measure))
            if events:
                valued.earned[measure] = paid

    def _linear(
        self, rows: Sequence[tuple[Valued, Revenue]], flows: bool, tranched: frozenset[tuple[str, str]]
    ) -> None:
        """Present values of rights with the same features by one matrix product."""
        months = max((v.schedule.at.stop for v, _ in rows), default=0)
        if not months:
            return
        features = rows[0][1].features_of("p")[:months]
        table = np.zeros((len(rows), months, features.shape[1]))
        for i, (valued, revenue) in enumerate(rows):
            s = valued.schedule
            table[i, s.at] = revenue.p[s.at] * (s.share * s.paid)[:, None]
        for (valued, revenue), pv in zip(rows, path_sums(features, table), strict=True):
            valued.pv_p = self._realised(valued, revenue, pv)
            if flows:
                for measure in ("q", "p"):
                    valued.flows[measure] = self._payments(valued, revenue, measure)
            if (valued.right.plantation_id, valued.right.right_id) in tranched:
                events = self.disasters(valued.right)
                for measure, paid in valued.flows.items():
                    left = np.ones((len(paid), self.drivers.paths))
                    left[:, events.path] = events.left(self.drivers.months)[valued.schedule.at]
                    valued.earned[measure] = paid * left

    def _noise(self, valued: Valued, revenue: Revenue, mean: float) -> FloatArray:
        """Factor of the asset's own noise per path: mean 1, its spread that of the sum over months, ``(paths,)``."""
        if revenue.own is None or mean <= 0:
            return np.ones(self.drivers.paths)
        s = valued.schedule
        weight = s.share * s.paid
        variance = float(weight @ revenue.own[s.at, s.at] @ weight)
        spread = math.sqrt(max(variance, 0.0)) / mean
        return 1 + spread * self._own(valued.right.plantation_id)

    def _own(self, asset: str) -> FloatArray:
        return mirrored_normals(self.drivers.seed, "own_noise", asset, self.drivers.paths)

    def _realised(self, valued: Valued, revenue: Revenue, pv: FloatArray) -> FloatArray:
        """Own noise on all paths; default and disaster on the paths they touch."""
        s = valued.schedule
        if not s.months:
            return pv
        noise = self._noise(valued, revenue, float(pv.mean()))
        defaults, events = self.defaults(BASE, "p"), self.disasters(valued.right)
        touched = defaults.touched(s.terms)
        touched[events.path] = True
        paths = np.flatnonzero(touched)
        earned = self._cells(s, revenue, "p", paths)
        left = np.ones((self.drivers.months, len(paths)))
        left[:, np.searchsorted(paths, events.path)] = events.left(self.drivers.months)
        on_time, late = defaults.realised(s.terms, paths)
        weight = s.paid[:, None] * on_time + s.late[:, None] * late
        out = pv.copy()
        out[paths] = added(earned * left[s.at] * weight)
        return out * noise if revenue.scale is None else out * noise * revenue.scale

    @staticmethod
    def _cells(s: Schedule, revenue: Revenue, measure: str, paths: NDArray[np.int64]) -> FloatArray:
        """Payment earned in each month on some paths, own noise, default and disaster left out."""
        return month_sums(
            revenue.features_of(measure)[s.at], revenue.coefficients(measure)[s.at] * s.share[:, None], paths
        )

    def _payments(self, valued: Valued, revenue: Revenue, measure: str) -> FloatArray:
        """Payment of each month and path with its own noise; which path has which noise changes with the month."""
        s = valued.schedule
        out = self._cells(s, revenue, measure, np.arange(self.drivers.paths))
        if revenue.scale is not None:
            out *= revenue.scale
        if revenue.own is None:
            return out
        own, noise = revenue.own[s.at, s.at], self._own(valued.right.plantation_id)
        for i, row in enumerate(out):
            mean = float(row.mean())
            if mean > 0:
                spread = s.share[i] * math.sqrt(max(float(own[i, i]), 0.0)) / mean
                row *= np.maximum(1 + spread * np.roll(noise, 37 * (i + 1)), 0.0)
        return out


def _base(revenue: Revenue, schedule: Schedule, measure: str) -> tuple[FloatArray, FloatArray | None]:
    """Base revenue of the schedule's months, and its currency per unit of that of the bounds."""
    at = schedule.at
    base = revenue.paths(measure)[at] * schedule.kept[:, None]
    return base, None if revenue.rate is None else revenue.rate[at]
