"""One right at a time: harvest paths x price paths -> payments -> present values -> published row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month, year_fraction
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import currency_decimals, minor_units, unit_value
from plantation_rwa.valuation.cashflows import base_revenue, discounted, payments
from plantation_rwa.valuation.curve import FV_LEVEL
from plantation_rwa.valuation.discounting import Credit, ZeroCurve, curve_or_assumed
from plantation_rwa.valuation.drivers import Drivers, yields
from plantation_rwa.valuation.grade import grade
from plantation_rwa.valuation.measures import quantile_sorted, risk_row
from plantation_rwa.valuation.pricing import PlantationPrices, Pricer, palm_age
from plantation_rwa.valuation.rights import Right, missing, tenure_fraction

FloatArray = NDArray[np.float64]
Row = dict[str, Any]
UNIT_DECIMALS = 18
_QUANTILES = [f"yield_q{q:02d}_t_ha" for q in (5, 10, 25, 50, 75, 90, 95)]
FLOW_COLUMNS = [
    "plantation_id", "right_id", "cash_month", "accrual_month", "currency", "measure", "mean", "q10", "q50", "q90",
    "ffb_mean_t", "ffb_price_mean", "curve_source", "fv_level",
]  # fmt: skip


#: what keeps a right from having a value at all: its row says so and its value columns are null, not zero
UNVALUED = frozenset({"no_price", "no_forecast"})
_VALUE_COLUMNS = (
    "npv_fair", "npv_mean_p", "npv_q05", "npv_q10", "npv_q50", "npv_q90", "npv_q95", "es95", "es975", "var95",
    "prob_loss", "advance_rate", "share_npv_extrapolated", "nav_total_int", "unit_nav_int",
)  # fmt: skip


@dataclass(frozen=True)
class Volume:
    """One plantation's harvest on the grid of the drivers: paths and published means in t FFB per month."""

    tonnes: FloatArray
    mean: FloatArray
    known: NDArray[np.bool_]
    area: FloatArray
    width: float | None


@dataclass(frozen=True)
class Valued:
    """A right's published row and cash flows, and its present value per path under both measures."""

    row: Row
    flows: list[Row]
    pv_q: FloatArray
    pv_p: FloatArray

    @property
    def known(self) -> bool:
        """Whether the right could be valued."""
        return self.row["npv_fair"] is not None


@dataclass(frozen=True)
class Valuer:
    """Everything the rights of one run share; each method's result depends on its own plantation only."""

    drivers: Drivers
    pricer: Pricer
    assumptions: Assumptions
    currency: str
    register: Mapping[str, Row]
    models: Mapping[str, Row]
    forecasts: Mapping[str, pd.DataFrame]
    payors: Mapping[str, Row]
    evidence: Mapping[str, Row]
    rates: pd.DataFrame

    def prices(self, plantation_id: str) -> PlantationPrices:
        """Price paths of a plantation."""
        row = self.register.get(plantation_id, {})
        age = palm_age(row, self.models.get(plantation_id), self.drivers.as_of)
        return self.pricer.plantation(row, age)

    def volume(self, plantation_id: str) -> Volume:
        """Harvest paths of a plantation from its published quantiles and factor loadings."""
        months = [str(Month.of(self.drivers.as_of) + (i + 1)) for i in range(self.drivers.months)]
        rows = self.forecasts.get(plantation_id)
        if rows is None:
            nothing = np.zeros(len(months))
            tonnes = np.zeros((len(months), self.drivers.paths))
            return Volume(tonnes, nothing, np.zeros(len(months), dtype=bool), nothing, None)
        table = rows.drop_duplicates("target_month").set_index("target_month").reindex(months)
        quantiles = table[_QUANTILES].to_numpy(dtype=np.float64)
        area = table["area_mature_ha"].to_numpy(dtype=np.float64)
        known = ~(np.isnan(quantiles).any(axis=1) | np.isnan(area))
        area = np.where(known, area, 0.0)
        model = self.models.get(plantation_id, {})
        region = self._region(plantation_id, model)
        scores = self.drivers.yield_scores(plantation_id, region, self._loadings(model), self._ar1(model))
        tonnes = yields(scores, quantiles) * area[:, None]
        mean = np.where(known, np.nan_to_num(table["ffb_mean_t"].to_numpy(dtype=np.float64)), 0.0)
        return Volume(tonnes, mean, known, area, _width(tonnes[:12]))

    def _region(self, plantation_id: str, model: Row) -> str:
        register = self.register.get(plantation_id, {})
        known = [str(row["region"]) for row in (model, register) if not missing(row.get("region"))]
        return known[0] if known else ""

    def _loadings(self, model: Row) -> tuple[float, float, float]:
        if missing(model.get("loading_own")):
            common, region, own = self.assumptions.table("yield.loadings_default")
            return float(common), float(region), float(own)
        return float(model["loading_common"]), float(model["loading_region"]), float(model["loading_own"])

    def _ar1(self, model: Row) -> tuple[float, float, float]:
        if missing(model.get("ar1_own")):
            same = self.assumptions.number("yield.ar1_default")
            return same, same, same
        return float(model["ar1_common"]), float(model["ar1_region"]), float(model["ar1_own"])

    def right_or_flag(self, right: Right, prices: PlantationPrices, volume: Volume) -> Valued:
        """Value one right; terms or prices beyond all arithmetic leave it without a value, its neighbours untouched."""
        try:
            return self.right(right, prices, volume)
        except (ArithmeticError, ValueError):
            nothing = np.zeros(self.drivers.paths)
            row: Row = {
                "plantation_id": right.plantation_id,
                "right_id": right.right_id,
                "currency": prices.reporting,
                "share": right.share,
                "tenor_months": right.tenor_months,
                "units": right.units,
                "decimals": currency_decimals(prices.reporting),
                "unit_decimals": UNIT_DECIMALS,
                "confidence_grade": "D",
                "quality_flag": _joined({*prices.flags, "not_computable"}, self.evidence.get(right.plantation_id, {})),
            }
            return Valued(row | dict.fromkeys(_VALUE_COLUMNS), [], nothing, nothing)

    def right(self, right: Right, prices: PlantationPrices, volume: Volume) -> Valued:
        """Value one right."""
        as_of, a = self.drivers.as_of, self.assumptions
        register = self.register.get(right.plantation_id, {})
        end = None if missing(register.get("tenure_end")) else pd.Timestamp(register["tenure_end"]).date()
        term = right.months(as_of)
        months = [m for m in term if tenure_fraction(m, end) > 0]
        flags = set(prices.flags) | self._term_flags(right, term, end, volume, register)
        curve = curve_or_assumed(self.rates, prices.reporting, as_of, a)
        if curve.assumed:
            flags.add("rates_missing")
        weights = self._weights(right, months, curve, register)
        at = slice(months[0] - (Month.of(as_of) + 1), months[-1] - Month.of(as_of)) if months else slice(0, 0)
        kept = np.array([tenure_fraction(m, end) for m in months])
        flow: dict[str, FloatArray] = {}
        price: dict[str, FloatArray] = {}
        for measure, factor in (("q", np.ones(self.drivers.months)), ("p", self.drivers.premium)):
            flow[measure], price[measure] = self._flows(right, months, at, kept, prices, volume, factor)
        pv_q, pv_p = discounted(flow["q"], weights), discounted(flow["p"], weights)
        fair = float(rounded(pv_q.mean(), FIELDS["npv_fair"]))
        levels = prices.levels[at] or (FV_LEVEL["extrapolated"],)
        means = [float(row.mean()) for row in flow["q"]]
        beyond = sum(w * m for w, m, s in zip(weights, means, prices.sources[at], strict=True) if s == "extrapolated")
        decimals = currency_decimals(prices.reporting)
        total_int = minor_units(fair, decimals)
        if abs(total_int) >= 2**63:
            raise OverflowError(f"value of {right.plantation_id} {right.right_id} does not fit 64 bits in minor units")
        evidence = self.evidence.get(right.plantation_id, {})
        row: Row = {
            "plantation_id": right.plantation_id,
            "right_id": right.right_id,
            "currency": prices.reporting,
            "share": right.share,
            "tenor_months": right.tenor_months,
            "npv_fair": fair,
            **risk_row(fair, pv_p, right.issue_price, a.number("risk.advance_rate_cap")),
            "share_npv_extrapolated": min(max(beyond / fair, 0.0), 1.0) if fair > 0 else None,
            "fv_level": max(levels),
            "ffb_price_spot": prices.spot,
            "units": right.units,
            "nav_total_int": total_int,
            "decimals": decimals,
            "unit_nav_int": Decimal(unit_value(total_int, right.units, decimals, UNIT_DECIMALS)),
            "unit_decimals": UNIT_DECIMALS,
            "confidence_grade": self._grade(evidence, volume, flags),
            "data_age_days_max": _cell(evidence, "data_age_days_max"),
            "quality_flag": _joined(flags, evidence),
        }
        if flags & UNVALUED:
            return Valued(row | dict.fromkeys(_VALUE_COLUMNS), [], pv_q, pv_p)
        flows = self._flow_rows(right, months, at, kept, prices, volume, flow, price)
        return Valued(row, flows, pv_q, pv_p)

    def _flows(
        self,
        right: Right,
        months: list[Month],
        at: slice,
        kept: FloatArray,
        prices: PlantationPrices,
        volume: Volume,
        premium: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Payments in reporting currency and mill-gate prices, both ``(months, paths)``, under one measure."""
        if prices.cpo is None or not months:
            return np.zeros((len(months), self.drivers.paths)), np.full((len(months), self.drivers.paths), np.nan)
        cpo = prices.cpo[at] * premium[at][:, None]
        kernel = prices.kernel_ratio[at] * cpo
        revenue = base_revenue(
            right,
            volume.tonnes[at] * kept[:, None],
            cpo,
            lambda clipped: prices.mill_gate(clipped, kernel, at),
            lambda oil: prices.levy_per_t(oil, at),
            self._field_cost(prices.currency, at),
        )
        paid = payments(right, months, revenue.base)
        return paid * prices.to_reporting[at], revenue.price * prices.to_reporting[at]

    def _field_cost(self, currency: str, at: slice) -> FloatArray:
        cost = float(self.assumptions.table("costs.field_cost_per_t")[currency])
        inflation = self.assumptions.number("costs.inflation")
        return np.asarray(cost * (1 + inflation) ** self.drivers.times[at])[:, None]

    def _weights(self, right: Right, months: list[Month], curve: ZeroCurve, register: Row) -> list[float]:
        """Value today of a payment in each month's cash month (its last day).

        Money that the sponsor collects carries the sponsor's default risk, any other route the payor's; a party
        without an intensity of its own gives way to the other, and both to the assumed one.
        """
        a = self.assumptions
        parties = [self.payors.get(str(register.get("sponsor_id")), {}), self.payors.get(right.payor_id or "", {})]
        if right.collection_route != "sponsor":
            parties.reverse()
        rated = [p for p in parties if _cell(p, "hazard_per_year") is not None]
        payor = rated[0] if rated else {}
        hazard, lgd = _cell(payor, "hazard_per_year"), _cell(payor, "lgd")
        credit = Credit(
            hazard=a.number("discount.hazard") if hazard is None else hazard,
            lgd=a.number("discount.lgd") if lgd is None else lgd,
            recovery_lag=a.number("discount.recovery_lag_months") / 12.0,
            spread=a.number("discount.spread_production") + a.number("discount.spread_liquidity"),
        )
        as_of = self.drivers.as_of
        return [credit.weight(curve, year_fraction(as_of, right.cash_month(m).last)) for m in months]

    def _term_flags(
        self, right: Right, term: list[Month], end: dt.date | None, volume: Volume, register: Row
    ) -> set[str]:
        flags = set[str]()
        if not term:
            return {"expired"}
        if end is not None and tenure_fraction(term[-1], end) < 1:
            flags.add("tenure_end")
        first = Month.of(self.drivers.as_of) + 1
        known = [bool(volume.known[m - first]) for m in term]
        if not any(known):
            flags.add("no_forecast")
        elif not all(known):
            flags.add("forecast_short")
        if any(k and volume.area[m - first] == 0 for k, m in zip(known, term, strict=True)):
            flags.add("immature")
        age = palm_age(register, self.models.get(right.plantation_id), self.drivers.as_of)
        years = (term[-1] - first + 1) / 12.0
        if age is not None and age + years > self.assumptions.number("extraction.replant_age_years"):
            flags.add("over_age")
        return flags

    def _grade(self, evidence: Row, volume: Volume, flags: set[str]) -> str:
        if flags & UNVALUED:
            return "D"
        names = ("data_age_days_max", "months_harvest", "valid_fraction_12m")
        quarantined = evidence.get("quarantined")
        return grade(
            {name: _cell(evidence, name) for name in names},
            volume.width,
            quarantined=not missing(quarantined) and bool(quarantined),
            assumptions=self.assumptions,
        )

    def _flow_rows(
        self,
        right: Right,
        months: list[Month],
        at: slice,
        kept: FloatArray,
        prices: PlantationPrices,
        volume: Volume,
        flow: Mapping[str, FloatArray],
        price: Mapping[str, FloatArray],
    ) -> list[Row]:
        rows: list[Row] = []
        for measure in ("q", "p"):
            ordered = np.sort(flow[measure], axis=1)
            for i, month in enumerate(months):
                rows.append(
                    {
                        "plantation_id": right.plantation_id,
                        "right_id": right.right_id,
                        "cash_month": str(right.cash_month(month)),
                        "accrual_month": str(month),
                        "currency": prices.reporting,
                        "measure": measure,
                        "mean": float(flow[measure][i].mean()),
                        **{f"q{p}": float(quantile_sorted(ordered[i], p / 100)) for p in (10, 50, 90)},
                        "ffb_mean_t": float(volume.mean[at][i] * kept[i]),
                        "ffb_price_mean": float(price[measure][i].mean()),
                        "curve_source": prices.sources[at][i],
                        "fv_level": prices.levels[at][i],
                    }
                )
        return rows


def _cell(row: Mapping[str, Any], name: str) -> float | None:
    return None if missing(row.get(name)) else float(row[name])


def _joined(flags: set[str], evidence: Row) -> str:
    text = evidence.get("flags")
    codes = set() if missing(text) else set(str(text).split(";"))
    return ";".join(sorted(flags | codes))


def _width(tonnes: FloatArray) -> float | None:
    """(q90 - q10) / mean of the next twelve months' tonnes; None without any."""
    year = np.zeros(tonnes.shape[1])
    for row in tonnes:
        year += row
    mean = float(year.mean())
    ordered = np.sort(year)
    return float(quantile_sorted(ordered, 0.9) - quantile_sorted(ordered, 0.1)) / mean if mean > 0 else None
