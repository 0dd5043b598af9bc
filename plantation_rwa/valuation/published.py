"""From a valued right to its published rows: value, risk, explanation, cash flows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import currency_decimals, minor_units, unit_value
from plantation_rwa.valuation.cashflows import BASE
from plantation_rwa.valuation.curve import FV_LEVEL
from plantation_rwa.valuation.grade import grade
from plantation_rwa.valuation.measures import (
    advance_rate,
    internal_rate,
    mirrored_error,
    over_collateralisation,
    quantile_sorted,
    risk_row,
)
from plantation_rwa.valuation.rights import Right, missing
from plantation_rwa.valuation.sensitivities import Effect, breakeven
from plantation_rwa.valuation.valuer import Row, Valued, Valuer

FloatArray = NDArray[np.float64]
UNIT_DECIMALS = 18
FLOW_COLUMNS = [
    "plantation_id", "right_id", "cash_month", "accrual_month", "currency", "measure", "mean", "q10", "q50", "q90",
    "ffb_mean_t", "ffb_price_mean", "curve_source", "fv_level",
]  # fmt: skip
#: columns that are null where a right cannot be valued
VALUE_COLUMNS = (
    "npv_fair", "npv_mean_p", "npv_q05", "npv_q10", "npv_q25", "npv_q50", "npv_q75", "npv_q90", "npv_q95", "sd",
    "npv_mc_se", "es95", "es975", "var95", "var99", "prob_loss", "advance_rate", "oc_ratio", "irr_q50", "wal_years",
    "modified_duration", "dv01", "breakeven_price", "breakeven_yield", "share_npv_extrapolated", "nav_total_int",
    "unit_nav_int",
)  # fmt: skip


def value_row(
    valued: Valued, valuer: Valuer, evidence: Row, effects: list[Effect] | None, stressed: Mapping[str, float] | None
) -> Row:
    """The row of table ``valuations``; without effects and stresses their columns are left out.

    Raises
    ------
    ArithmeticError, ValueError
        If terms or prices are beyond all arithmetic.
    """
    right, facts, a = valued.right, valued.facts, valuer.assumptions
    row = identity_row(right, facts.reporting) | {
        "ffb_price_spot": facts.spot,
        "fv_level": max(facts.levels[valued.schedule.at] or (FV_LEVEL["extrapolated"],)),
        "data_age_days_max": cell(evidence, "data_age_days_max"),
        "quality_flag": joined(_flags(valued, valuer), evidence),
        "confidence_grade": _grade(valued, evidence, valuer),
    }
    if facts.unvalued:
        return row | dict.fromkeys(VALUE_COLUMNS)
    fair = float(rounded(valued.fair, FIELDS["npv_fair"]))
    if not (math.isfinite(fair) and np.isfinite(valued.pv_p).all()):
        raise OverflowError(f"value of {right.plantation_id} {right.right_id} is not finite")
    decimals = int(row["decimals"])
    total_int = minor_units(fair, decimals)
    if abs(total_int) >= 2**63:
        raise OverflowError(f"value of {right.plantation_id} {right.right_id} does not fit 64 bits in minor units")
    worst = min(stressed.values()) if stressed else None
    risk = risk_row(fair, valued.pv_p, right.issue_price)
    rate = advance_rate(fair, float(risk["es975"] or 0.0), a.number("risk.advance_rate_cap"), worst)
    sources = facts.sources[valued.schedule.at]
    beyond = math.fsum(v for v, s in zip(valued.mean, sources, strict=True) if s == "extrapolated")
    row |= {
        "npv_fair": fair,
        **risk,
        "npv_mc_se": mirrored_error(valued.pv_p),
        "advance_rate": rate,
        "oc_ratio": over_collateralisation(rate),
        "share_npv_extrapolated": min(max(beyond / valued.fair, 0.0), 1.0) if valued.fair > 0 else None,
        "nav_total_int": total_int,
        "unit_nav_int": Decimal(unit_value(total_int, right.units, decimals, UNIT_DECIMALS)),
        "wal_years": _average_life(valued),
        **_against_issue_price(valued, valuer, fair),
    }
    if effects is not None:
        found = {e.driver: e for e in effects}
        # drivers of another asset class have no column here; their effects stand in the disclosure
        named = {f"elasticity_{name}": e for name, e in found.items()}
        row |= {column: e.elasticity(fair) for column, e in named.items() if column in FIELDS}
        discount = found["discount"]
        slope = (discount.down - discount.up) / (2 * discount.bump)
        row |= {"modified_duration": slope / fair if fair > 0 else None, "dv01": slope * 1e-4}
    if stressed is not None:
        row |= {f"stress_{name}": value for name, value in stressed.items()}
    return row


def adjusted(row: Row, overlays: Mapping[tuple[str, str, str], int]) -> Row:
    """The row with the manual adjustments of its right: fair value and integers; quantiles and risk stay the model's.

    Parameters
    ----------
    overlays
        By plantation, right and currency, minor units.
    """
    key = (str(row["plantation_id"]), str(row["right_id"]), str(row["currency"]))
    if key not in overlays or row["nav_total_int"] is None:
        return row
    decimals, total = int(row["decimals"]), int(row["nav_total_int"]) + overlays[key]
    fair = float(rounded(row["npv_fair"] + overlays[key] / 10**decimals, FIELDS["npv_fair"]))
    return row | {
        "npv_fair": fair,
        "nav_total_int": total,
        "unit_nav_int": Decimal(unit_value(total, int(row["units"]), decimals, UNIT_DECIMALS)),
        "quality_flag": joined({*filter(None, row["quality_flag"].split(";")), "overlay"}, {}),
    }


def identity_row(right: Right, currency: str) -> Row:
    """Columns that stand whatever the value."""
    return {
        "plantation_id": right.plantation_id,
        "right_id": right.right_id,
        "currency": currency,
        "share": right.share,
        "tenor_months": right.tenor_months,
        "base": right.base,
        "start_month": str(right.start),
        "price_floor": right.price_floor,
        "price_cap": right.price_cap,
        "price_basis": right.price_basis,
        "min_payment": right.min_payment,
        "max_payment": right.max_payment,
        "frequency_months": right.frequency_months,
        "payment_lag_months": right.payment_lag_months,
        "issue_price": right.issue_price,
        "pool_id": right.pool_id,
        "payor_id": right.payor_id,
        "collection_route": right.collection_route,
        "units": right.units,
        "decimals": currency_decimals(currency),
        "unit_decimals": UNIT_DECIMALS,
    }


def uncomputable_row(right: Right, currency: str, flags: frozenset[str], evidence: Row) -> Row:
    """Row of a right whose terms are beyond all arithmetic: no value, graded D, its neighbours untouched."""
    return (
        identity_row(right, currency)
        | dict.fromkeys(VALUE_COLUMNS)
        | {"confidence_grade": "D", "quality_flag": joined(set(flags) | {"not_computable"}, evidence)}
    )


def flow_rows(valued: Valued) -> list[Row]:
    """Rows of table ``cash_flows``: payments before default and disaster, by accrual month and measure."""
    right, facts, s = valued.right, valued.facts, valued.schedule
    rows: list[Row] = []
    for measure, paid in valued.flows.items():
        ordered = np.sort(paid, axis=1)
        places = facts.sources[s.at], facts.levels[s.at], facts.volume[s.at] * s.kept
        for i, (month, source, level, volume) in enumerate(zip(s.months, *places, strict=True)):
            mean = float(paid[i].mean())
            earned = right.share_in(month) * float(volume)
            rows.append(
                {
                    "plantation_id": right.plantation_id,
                    "right_id": right.right_id,
                    "cash_month": str(right.cash_month(month)),
                    "accrual_month": str(month),
                    "currency": facts.reporting,
                    "measure": measure,
                    "mean": mean,
                    **{f"q{p}": float(quantile_sorted(ordered[i], p / 100)) for p in (10, 50, 90)},
                    "ffb_mean_t": float(volume),
                    "ffb_price_mean": mean / earned if earned > 0 else None,
                    "curve_source": source,
                    "fv_level": level,
                }
            )
    return rows


def _flags(valued: Valued, valuer: Valuer) -> set[str]:
    term = valued.right.months(valuer.drivers.as_of)
    flags = set(valued.facts.flags) | ({"terms_default"} if valued.right.terms_default else set())
    if not term:
        return {"expired"} | (flags - {"no_forecast", "forecast_short"})
    s = valued.schedule
    if len(s.months) < len(term) or bool((s.kept < 1).any()):
        flags.add("tenure_end")
    if valuer.curve(valued.facts.reporting).assumed:
        flags.add("rates_missing")
    if valued.fair == 0 and not valued.facts.unvalued and bool((valued.facts.volume[s.at] > 0).any()):
        flags.add("no_margin")
    return flags


def _grade(valued: Valued, evidence: Row, valuer: Valuer) -> str:
    if valued.facts.unvalued:
        return "D"
    names = ("own_inputs", "data_age_days_max", "months_harvest", "valid_fraction_12m")
    quarantined = evidence.get("quarantined")
    return grade(
        {name: cell(evidence, name) for name in names},
        valued.facts.width,
        quarantined=not missing(quarantined) and bool(quarantined),
        assumptions=valuer.assumptions,
    )


def _average_life(valued: Valued) -> float | None:
    """Years to the payments, weighted by what is expected of each before discounting; None without payments."""
    undiscounted = np.divide(valued.mean, valued.schedule.paid, out=np.zeros(len(valued.mean)), where=valued.mean > 0)
    total = math.fsum(undiscounted.tolist())
    return math.fsum((undiscounted * valued.schedule.times).tolist()) / total if total > 0 else None


def _against_issue_price(valued: Valued, valuer: Valuer, fair: float) -> Row:
    """Internal rate and breakevens against the issue price; None without one."""
    right, price = valued.right, valued.right.issue_price
    if price is None or not valued.flows or not valued.schedule.months or fair <= 0:
        return {"irr_q50": None, "breakeven_price": None, "breakeven_yield": None}
    volume = valued.facts.volume[valued.schedule.at] * valued.schedule.kept
    tonnes = math.fsum(volume.tolist())
    facts = valued.facts
    oil = breakeven(valuer, right, facts.price_driver, price, valued.fair)
    level = facts.price_level[valued.schedule.at]
    harvest = breakeven(valuer, right, facts.volume_driver, price, valued.fair)
    cash, times = received(valued, valuer, "p")
    rates = np.sort(internal_rate(price, cash, times))
    return {
        "irr_q50": float(quantile_sorted(rates, 0.5)),
        "breakeven_price": None if oil is None else oil * math.fsum(level.tolist()) / len(level),
        "breakeven_yield": None if harvest is None else harvest * tonnes / len(volume) * 12.0,
    }


def received(valued: Valued, valuer: Valuer, measure: str) -> tuple[FloatArray, FloatArray]:
    """Cash received per cash date, default realised, late money at its own date; and the dates in years."""
    s = valued.schedule
    on_time, late = valuer.defaults(BASE, measure).realised(s.terms)
    paid = valued.earned.get(measure, valued.flows[measure])
    times = np.concatenate([s.times, s.times + valuer.assumptions.number("discount.recovery_lag_months") / 12.0])
    cash = np.concatenate([paid * on_time, paid * late])
    dates = np.unique(times)
    return np.stack([cash[times == d].sum(axis=0) for d in dates]), dates


def cell(row: Row, name: str) -> float | None:
    """A number of a row, None if empty."""
    return None if missing(row.get(name)) else float(row[name])


def joined(flags: set[str], evidence: Mapping[str, Any]) -> str:
    """Flags of the value and of the evidence, sorted."""
    text = evidence.get("flags")
    codes = set() if missing(text) else set(str(text).split(";"))
    return ";".join(sorted(flags | codes))
