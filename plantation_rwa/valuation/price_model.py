"""The price model of a run: calibrated on the panel of settlements, or the prior and why."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.tables import table
from plantation_rwa.valuation.correlation import NAMES
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.kalman import Panel
from plantation_rwa.valuation.likelihood import PARAMETERS, Estimate, maximise
from plantation_rwa.valuation.nodes import NodeRules, days_of, usable
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

UNITS = {
    "kappa": "a-1",
    "sigma_chi": "a-0.5",
    "sigma_xi": "a-0.5",
    "rho": "1",
    "lambda_chi": "a-1",
    "mu_xi": "a-1",
    "mu_xi_star": "a-1",
}
LIKELIHOOD, PRIOR, DERIVED, ASSUMED = "maximum_likelihood", "prior", "derived", "assumption"
_VALUE = next(f for f in table("price_model").fields if f.name == "value")


@dataclass(frozen=True)
class Row:
    """One line of table ``price_model``."""

    parameter: str
    value: float
    std_error: float | None
    method: str
    unit: str
    note: str = ""


@dataclass(frozen=True)
class PriceModel:
    """What the paths are drawn from.

    Parameters
    ----------
    model
        Parameters of the paths, as published; its real-world drift is held near the assumed premium.
    growth
        Growth of the forward beyond the last contract that the calibration implies, per year; None for the prior.
    rows
        Table ``price_model``.
    """

    model: SchwartzSmith
    growth: float | None
    rows: tuple[Row, ...]

    @property
    def calibrated(self) -> bool:
        """Whether the parameters are those of the likelihood."""
        return self.growth is not None


def panel_of(
    futures: pd.DataFrame, as_of: dt.date, assumptions: Assumptions, holidays: Set[dt.date]
) -> tuple[Panel, list[str], list[dt.date]]:
    """Panel of the settlements that would be nodes of a curve on their day.

    Returns
    -------
    tuple
        The panel, the name of each measurement error, and the settlement days.
    """
    rules, most = NodeRules.of(assumptions, holidays), int(assumptions.number("price_model.panel_days"))
    found = []
    for settled, nodes in days_of(usable(futures, rules, as_of), rules):
        found.append((settled, nodes))
        if len(found) == most:
            break
    found.reverse()
    days = [settled for settled, _ in found]
    width = max((len(nodes) for _, nodes in found), default=0)
    prices, years = np.full((len(days), width), np.nan), np.zeros((len(days), width))
    for i, (settled, nodes) in enumerate(found):
        prices[i, : len(nodes)] = [math.log(n.settle) for n in nodes]
        years[i, : len(nodes)] = [(n.expiry - settled).days / 365.0 for n in nodes]
    steps = np.array([0.0, *((b - a).days / 365.0 for a, b in pairwise(days))][: len(days)])
    edges = [float(e) for e in assumptions.table("price_model.error_group_years")]
    groups, names = _groups(years, ~np.isnan(prices), edges)
    return Panel(steps, prices, years, groups), names, days


def _groups(years: np.ndarray, present: np.ndarray, edges: Sequence[float]) -> tuple[np.ndarray, list[str]]:
    raw = np.searchsorted(edges, years, side="left")
    used = sorted(set(raw[present].tolist()))
    position = {group: i for i, group in enumerate(used)}
    names = []
    for group in used:
        low = f"{edges[group - 1] * 12:g}" if group > 0 else "0"
        high = f"_{edges[group] * 12:g}" if group < len(edges) else ""
        names.append(f"measurement_sd_{low}{high}m")
    found = np.zeros(raw.shape, dtype=np.int64)
    for group, place in position.items():
        found[raw == group] = place
    return found, names


def fit(futures: pd.DataFrame, as_of: dt.date, assumptions: Assumptions, holidays: Set[dt.date]) -> PriceModel:
    """Calibrate the price model on the settlements known at ``as_of``; without enough of them the prior.

    Parameters
    ----------
    futures
        ``settle_date, symbol, contract, settle, currency, open_interest``.
    assumptions
        Sections ``curve`` and ``price_model``.
    holidays
        Closing days of the exchange.
    """
    prior = SchwartzSmith.prior(assumptions)
    panel, names, days = panel_of(futures, as_of, assumptions, holidays)
    reason = _too_little(panel, days, as_of, assumptions)
    if reason:
        return _prior(prior, reason, assumptions)
    estimate = maximise(
        panel,
        prior,
        error_start=assumptions.number("price_model.error_start"),
        error_floor=assumptions.number("price_model.error_floor"),
    )
    reason = _implausible(estimate, assumptions)
    if reason:
        return _prior(prior, reason, assumptions)
    return _calibrated(estimate, prior, panel, names, days, assumptions)


def _too_little(panel: Panel, days: Sequence[dt.date], as_of: dt.date, a: Assumptions) -> str:
    least, tenors = int(a.number("price_model.min_days")), int(a.number("price_model.min_contracts"))
    stale = int(a.number("curve.stale_days"))
    if panel.days == 0:
        return "no futures settlements are known"
    if panel.days < least:
        return f"{panel.days} settlement days are known, {least} are needed"
    if (as_of - days[-1]).days > stale:
        return f"the newest settlement is of {days[-1].isoformat()}, more than {stale} days old"
    across = panel.observations / panel.days
    if across < tenors:
        return f"{across:.1f} contracts a day are known, {tenors} are needed to tell the two factors apart"
    return ""


def _implausible(estimate: Estimate, a: Assumptions) -> str:
    if not estimate.converged:
        return "the likelihood has no clear top: the two factors cannot be told apart in these settlements"
    model = estimate.model
    for what, value, key in (
        ("kappa", model.kappa, "price_model.kappa_range"),
        ("front volatility", model.front_volatility(), "price_model.volatility_range"),
    ):
        low, high = (float(v) for v in a.table(key))
        if not low <= value <= high:
            return f"{what} of the likelihood is {value:.4g}, outside {low:g} to {high:g}"
    return ""


def _prior(prior: SchwartzSmith, reason: str, a: Assumptions) -> PriceModel:
    rows = [
        Row(n, getattr(prior, n), None, PRIOR, UNITS[n], f"{reason}; no standard error: an assumption")
        for n in PARAMETERS
    ]
    rows.append(_front(prior, reason))
    growth = a.number("curve.growth")
    rows.append(Row("curve_growth", growth, None, ASSUMED, "a-1", "beyond the last contract; an assumption"))
    return PriceModel(prior, None, tuple(rows))


def _front(model: SchwartzSmith, note: str) -> Row:
    return Row("front_volatility", model.front_volatility(), None, DERIVED, "a-0.5", note)


def _calibrated(
    estimate: Estimate,
    prior: SchwartzSmith,
    panel: Panel,
    names: Sequence[str],
    days: Sequence[dt.date],
    a: Assumptions,
) -> PriceModel:
    """Round as published, then shrink what the panel hardly tells: the premium between the two measures."""
    told = f"{panel.observations} settlements of {panel.days} days, {days[0].isoformat()} to {days[-1].isoformat()}"
    found = [(n, getattr(estimate.model, n), estimate.std_error(n)) for n in PARAMETERS]
    rows = [Row(n, _settled(value, se), se, LIKELIHOOD, UNITS[n], told) for n, value, se in found]
    model = SchwartzSmith(**{row.parameter: row.value for row in rows})
    chi = _shrunk(model.lambda_chi, prior.lambda_chi, estimate.std_error("lambda_chi"), a, "lambda_chi")
    premium_se = math.hypot(estimate.std_error("mu_xi"), estimate.std_error("mu_xi_star"))
    xi = _shrunk(model.mu_xi - model.mu_xi_star, prior.mu_xi - prior.mu_xi_star, premium_se, a, "premium_xi")
    shrunk = "estimate and assumption weighted by their precision; moves real-world paths only, never fair value"
    cap = a.number("curve.growth_cap")
    growth = model.mu_xi_star + model.sigma_xi**2 / 2.0
    state, sds = estimate.filtered, np.sqrt(np.diag(estimate.filtered.covariance))
    rows += [
        Row("premium_chi", chi, None, "shrunk", "a-1", shrunk),
        Row("premium_xi", xi, None, "shrunk", "a-1", shrunk),
        _front(model, told),
        Row("chi", state.chi, float(sds[1]), "filtered", "1", f"short factor on {days[-1].isoformat()}"),
        Row("xi", state.xi, float(sds[0]), "filtered", "1", f"long factor on {days[-1].isoformat()}"),
        Row(
            "curve_growth",
            _rounded(min(max(growth, -cap), cap)),
            None,
            DERIVED,
            "a-1",
            f"beyond the last contract: mu_xi_star + sigma_xi^2 / 2 = {growth:.6f}, held within {cap:g}",
        ),
    ]
    errors = zip(names, estimate.errors, estimate.std_errors[len(PARAMETERS) :], strict=True)
    floor = a.number("price_model.error_floor")
    rows += [
        Row(n, float(v), _known(se), LIKELIHOOD, "1", told if _known(se) else f"at its least value, {floor:g}")
        for n, v, se in errors
    ]
    rows += [
        Row("log_likelihood", estimate.filtered.log_likelihood, None, LIKELIHOOD, "1", told),
        Row("settlement_days", panel.days, None, "count", "d", told),
        Row("starts_agreeing", estimate.agreeing, None, "count", "1", f"of {estimate.starts} starts of the search"),
    ]
    used = replace(model, lambda_chi=chi, mu_xi=model.mu_xi_star + xi)
    return PriceModel(used, growth, tuple(rows))


def _shrunk(value: float, prior: float, error: float, a: Assumptions, name: str) -> float:
    """Estimate and prior weighted by their precision."""
    spread = a.number(f"price_model.{name}_prior_sd")
    weight = spread**2 / (spread**2 + error**2)
    return _settled(weight * value + (1 - weight) * prior, error * math.sqrt(weight))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _settled(value: float, error: float) -> float:
    """A value rounded to hundredths of its standard error: finer digits tell nothing and depend on the machine."""
    return round(value, min(7, max(0, 2 - math.floor(math.log10(error))))) + 0.0 if error > 0 else _rounded(value)


def _rounded(value: float) -> float:
    return float(rounded(value, _VALUE))


def price_model_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Table ``price_model``."""
    columns = ["parameter", "value", "std_error", "method", "unit", "note"]
    frame = pd.DataFrame([[getattr(row, c) for c in columns] for row in rows], columns=columns)
    return frame.astype({"value": "float64", "std_error": "float64"})


_SAME = "of the same month's shocks; no standard error: assumed"
_PAIR_NOTES = {
    "cpo_yield": "of the part of the common yield shock that ENSO does not explain; no standard error: assumed",
    "enso_yield": "of the same month; enso_link holds after enso_lag_months",
}


def driver_rows(drivers: Drivers) -> list[Row]:
    """Lines on the other shared drivers: kernel ratio, exchange rates, ENSO, and their correlation."""
    a = drivers.assumptions
    assumed = [
        ("pk_ratio_mean", "pk.ratio_mean", "1"),
        ("pk_kappa", "pk.kappa", "a-1"),
        ("pk_sigma", "pk.sigma", "a-0.5"),
        ("fx_vol", "fx.vol", "a-0.5"),
        ("enso_link", "drivers.enso_link", "1"),
        ("enso_lag_months", "drivers.enso_lag_months", "month"),
        ("realised_sd", "farm_gate.realised_sd", "1"),
    ]
    rows = [
        Row(name, a.number(key), None, ASSUMED, unit, "no standard error: an assumption") for name, key, unit in assumed
    ]
    matrix = drivers.correlation.matrix
    for i, first in enumerate(NAMES):
        for j in range(i):
            pair = f"{NAMES[j]}_{first}"
            rows.append(
                Row(f"correlation_{pair}", float(matrix[i, j]), None, ASSUMED, "1", _PAIR_NOTES.get(pair, _SAME))
            )
    repaired = drivers.correlation.repaired
    note = "largest change of a correlation that makes them possible together" if repaired else "none was needed"
    return [*rows, Row("correlation_repair", repaired, None, DERIVED, "1", note)]
