"""Ghost issuance: rights that could have been sold at past month ends, and what they would have paid.

The value and its distribution at each date, from what was known then, against the harvests and prices that came; beside
them a banker's sheet: mean yield of the last three years times today's price less a flat haircut. This module issues
one vintage; scores of many are in :mod:`plantation_rwa.valuation.ghost_scores`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation.market import FxRates, MarketTables
from plantation_rwa.valuation.measures import quantile_sorted
from plantation_rwa.valuation.palm import PalmModel
from plantation_rwa.valuation.plantation_prices import PlantationPrices
from plantation_rwa.valuation.rights import Right, missing
from plantation_rwa.valuation.run import Book, by_key, records
from plantation_rwa.valuation.valuer import Valued, Valuer
from plantation_rwa.valuation.waterfall import distribute, service_like

FloatArray = NDArray[np.float64]
#: (series, month) -> region -> mean price
Means = dict[tuple[str, str], dict[str, float]]
#: published quantiles of the value
LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)


@dataclass(frozen=True)
class Later:
    """What came, as known today: monthly harvests in t of each plantation, mean prices by month, exchange rates."""

    tonnes: dict[str, dict[str, float]]
    prices: Means
    fx: FxRates

    @classmethod
    def of(cls, tonnes: dict[str, dict[str, float]], market: MarketTables, as_of: dt.date) -> Later:
        """From the market tables known at a date."""
        return cls(tonnes, monthly_means(market.prices), FxRates(market.fx, market.rates, as_of))


def ghost_book(book: Book, share: float, assumptions: Assumptions) -> Book:
    """The book of a past date with one plain right on every registered plantation, no default, and formula prices.

    Nobody failed in the record that values are held against, and its prices are those of the formula, not what one
    mill paid over it: so neither failure nor that spread is in the distribution.
    """
    calm = assumptions.override({"discount.hazard": 0.0, "farm_gate.realised_sd": 0.0}, where="ghost issuance")
    row = {
        "right_id": "GHOST", "share": share, "base": "gross_mill_gate",
        "tenor_months": int(assumptions.number("ghost.tenor_months")), "start_month": None, "step_up": 1.0,
        "price_floor": None, "price_cap": None, "price_basis": "ffb", "min_payment": None, "max_payment": None,
        "payment_lag_months": int(assumptions.number("rights_default.payment_lag_months")),
        "frequency_months": int(assumptions.number("rights_default.frequency_months")), "first_loss": None,
        "reserve_months": 0.0, "issue_price": None, "units": 1, "pool_id": None, "payor_id": None,
        "collection_route": "mill_direct",
    }  # fmt: skip
    rights = pd.DataFrame([{"plantation_id": p} | row for p in book.register["plantation_id"]])
    return Book(
        book.forecasts, book.forecast_model, book.register, rights, book.market, book.as_of, book.seed, book.paths,
        book.currency, calm,
    )  # fmt: skip


def issue(book: Book, record: dict[str, dict[str, float]], later: Later) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One vintage: a row per plantation whose harvest is known for every month, and its losses by advance rate.

    Parameters
    ----------
    book
        Of :func:`ghost_book`.
    record
        Plantation -> month -> tonnes known at the book's date.
    later
        What came after it.

    Returns
    -------
    tuple
        Values (``plantation_id, region, origin, npv_fair, mean, q05..q95, realised, pit, crps, sheet, sheet_discounted,
        scale``) and losses (``plantation_id, origin, advance_rate, advance, missed, owed``).
    """
    rights = book.terms()
    valuer = book.valuer(book.months(rights))
    rows, losses = [], []
    for valued in valuer.value(rights, flows=True):
        found = _one(book, valuer, valued, record.get(valued.right.plantation_id, {}), later)
        if found is not None:
            rows.append(found[0])
            losses += found[1]
    return pd.DataFrame(rows), pd.DataFrame(losses)


def _one(
    book: Book, valuer: Valuer, valued: Valued, record: dict[str, float], later: Later
) -> tuple[dict[str, object], list[dict[str, object]]] | None:
    right, s = valued.right, valued.schedule
    if valued.facts.unvalued or not s.months or not np.isfinite(valued.fair) or valued.fair <= 0:
        return None
    harvested = [later.tonnes.get(right.plantation_id, {}).get(str(m)) for m in s.months]
    prices = _paid_prices(book, valuer, right, s.months, later)
    if prices is None or any(t is None for t in harvested):
        return None
    cash = np.array(harvested, dtype=np.float64) * prices * s.share
    realised = float((cash * s.paid).sum())
    pv = np.sort(valued.pv_p)
    sheet = _sheet(book, right, record, valued)
    if sheet is None:
        return None
    place = by_key(book.register, "plantation_id")[right.plantation_id]
    row: dict[str, object] = {
        "plantation_id": right.plantation_id,
        "region": "" if missing(place.get("region")) else str(place["region"]),
        "origin": str(Month.of(book.as_of)),
        "npv_fair": valued.fair,
        "mean": float(pv.mean()),
        **{f"q{round(p * 100):02d}": float(quantile_sorted(pv, p)) for p in LEVELS},
        "realised": realised,
        "pit": (np.searchsorted(pv, realised, "left") + np.searchsorted(pv, realised, "right")) / 2 / len(pv),
        "crps": crps_of_paths(pv, realised),
        "sheet": sheet[0],
        "sheet_discounted": sheet[1],
    }
    return row, _losses(valuer, valued, cash, str(Month.of(book.as_of)))


def crps_of_paths(ordered: FloatArray, observed: float) -> float:
    """Continuous ranked probability score of sorted equally likely values: ``E|X - y| - E|X - X'| / 2``.

    Source: Gneiting and Raftery (2007); known answer {1, 2, 3} at 2: 2/9.
    """
    n = ordered.size
    rank = 2 * np.arange(1, n + 1) - n - 1
    return float(np.abs(ordered - observed).mean() - (rank * ordered).sum() / n**2)


def _sheet(book: Book, right: Right, record: dict[str, float], valued: Valued) -> tuple[float, float] | None:
    """The banker's value: mean of up to 36 months' harvest times today's price, haircut flat or money discounted."""
    month, s = Month.of(book.as_of), valued.schedule
    known = [record[str(month + -k)] for k in range(36) if str(month + -k) in record]
    if len(known) < 12 or valued.facts.spot is None:
        return None
    a_month = float(np.mean(known)) * valued.facts.spot
    haircut = book.assumptions.number("ghost.haircut")
    return a_month * float(s.share.sum()) * (1 - haircut), a_month * float((s.share * s.paid).sum())


def _paid_prices(book: Book, valuer: Valuer, right: Right, months: list[Month], later: Later) -> FloatArray | None:
    """Price per t that came in each month, reporting currency: the plantation's formula at the month's prices."""
    model = valuer.model
    if not isinstance(model, PalmModel):
        raise TypeError("ghost issuance knows the prices of plantations only")
    prices = model.prices(right.plantation_id)
    row = by_key(book.register, "plantation_id")[right.plantation_id]
    series = "id" if prices.k_mean else "my"
    regions = [str(r).casefold() for r in (row.get("region"), row.get("state")) if not missing(r)]
    first = Month.of(book.as_of) + 1
    out = []
    for month in months:
        oil, kernel = (_month_mean(later.prices, f"{name}_{series}", month, regions) for name in ("cpo", "pk"))
        k = _month_mean(later.prices, "k_id", month, regions) if prices.k_mean else 1.0
        rate = later.fx.spot(prices.currency, prices.reporting, month.last)
        if oil is None or kernel is None or k is None or rate is None:
            return None
        out.append(_formula(prices, month - first, oil, kernel, k) * rate)
    return np.array(out)


def _formula(prices: PlantationPrices, at: int, oil: float, kernel: float, k: float) -> float:
    a, b, c = prices.terms[at].tolist()
    return float(max(a * k * oil + b * k * kernel + c, 0.0))


def monthly_means(prices: pd.DataFrame) -> Means:
    """Mean of every price series by month and region (compared without case, empty where none is named)."""
    region = prices["region"].astype("object").where(prices["region"].notna(), "").astype("str").str.casefold()
    month = prices["date"].dt.strftime("%Y-%m")
    means = prices["value"].groupby([prices["series"].astype("str"), month, region]).mean()
    out: Means = {}
    for (series, when, where), value in means.items():
        out.setdefault((str(series), str(when)), {})[str(where)] = float(value)
    return out


def _month_mean(means: Means, series: str, month: Month, regions: Sequence[str]) -> float | None:
    """Mean of a series over a month, the plantation's own region before region-free before any other."""
    found = means.get((series, str(month)))
    if not found:
        return None
    for region in (*regions, ""):
        if region in found:
            return found[region]
    return float(np.mean(list(found.values())))


def _losses(valuer: Valuer, valued: Valued, cash: FloatArray, origin: str) -> list[dict[str, object]]:
    """An advance on the right, repaid from what came: what scheduled service was missed, what is owed at the end."""
    a, s = valuer.assumptions, valued.schedule
    dates = np.unique(s.times)
    received = np.array([cash[s.times == t].sum() for t in dates])
    expected = np.array([float(valued.flows["q"][s.times == t].sum(axis=0).mean()) for t in dates])
    rates = np.expm1(a.number("pool.senior_rate") * np.diff(dates, prepend=0.0))
    rows: list[dict[str, object]] = []
    for rate in a.table("ghost.advance_rates"):
        advance = float(rate) * valued.fair
        service, scheduled = service_like(expected, advance, rates)
        none = np.zeros((len(dates), 1))
        paid = distribute(received[:, None], none, advance, rates, np.zeros(len(dates)), scheduled)
        missed = np.maximum(service - received, 0.0).sum() / service.sum() if service.sum() > 0 else 0.0
        owed = float(paid.balance[-1, 0]) * float(s.paid[-1])
        rows.append(
            {"plantation_id": valued.right.plantation_id, "origin": origin, "advance_rate": float(rate),
             "advance": advance, "missed": float(missed), "owed": owed}
        )  # fmt: skip
    return rows


def tonnes_of(harvest: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Plantation -> month -> tonnes of a table ``plantation_id, month, ffb_t``; missing harvests left out."""
    out: dict[str, dict[str, float]] = {}
    for row in records(harvest[harvest["ffb_t"].notna()]):
        out.setdefault(str(row["plantation_id"]), {})[str(row["month"])] = float(row["ffb_t"])
    return out
