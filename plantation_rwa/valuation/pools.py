"""Pools of rights: joint present values summed path by path, tranches by the waterfall, who carries the risk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import currency_decimals, minor_units
from plantation_rwa.valuation.measures import (
    advance_rate,
    euler_contributions,
    expected_shortfall,
    herfindahl,
    over_collateralisation,
    quantile_sorted,
    risk_row,
)
from plantation_rwa.valuation.waterfall import Paid, cover, distribute, service_like

FloatArray = NDArray[np.float64]
#: tranches in the order they are published
TRANCHES = ("whole", "fees", "senior", "reserve", "junior")


@dataclass(frozen=True)
class Member:
    """One right in a pool.

    Parameters
    ----------
    plantation_id, right_id, region, sponsor_id, mill_id
        Who it is and what it shares with others.
    npv_fair, nav_int
        Published fair value and its integer.
    first_loss, reserve_months
        As agreed; None and 0 without tranches.
    pv_p
        Real-world present values, ``(paths,)``.
    """

    plantation_id: str
    right_id: str
    region: str
    sponsor_id: str
    mill_id: str
    npv_fair: float
    nav_int: int
    first_loss: float | None
    reserve_months: float
    pv_p: FloatArray


@dataclass
class Pool:
    """Members in the order of their ids and, where a first loss is agreed, cash by month.

    Parameters
    ----------
    cash
        Measure -> years to the cash date -> cash received, ``(paths,)``.
    factor
        Years -> risk-free discount factor with the production and liquidity spreads.
    agreed
        Years to the agreed payment dates; on the others only recoveries arrive.
    """

    pool_id: str
    currency: str
    members: list[Member] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    cash: dict[str, dict[float, FloatArray]] = field(default_factory=lambda: {"q": {}, "p": {}})
    factor: dict[float, float] = field(default_factory=dict)
    agreed: set[float] = field(default_factory=set)

    def receive(self, measure: str, years: float, amount: FloatArray, factor: float) -> None:
        """Add cash of a date."""
        held = self.cash[measure]
        held[years] = held[years] + amount if years in held else amount.copy()
        self.factor[years] = factor

    def merge(self, other: Pool) -> None:
        """Add the members and the cash of another part of the pool."""
        self.members += other.members
        self.flags |= other.flags
        self.agreed |= other.agreed
        for measure, dates in other.cash.items():
            for years, amount in dates.items():
                self.receive(measure, years, amount, other.factor[years])


def pool_name(pool_id: str | None, currency: str, reporting: str) -> str:
    """Pool a right falls in; a right left in another currency never mixes with those of the portfolio's."""
    if pool_id is None:
        return f"portfolio:{currency}"
    return pool_id if currency == reporting else f"{pool_id}:{currency}"


def contributions(pool: Pool) -> dict[tuple[str, str], float]:
    """Euler contribution of each member to the pool's expected shortfall at 95 %; they sum to it."""
    fair = np.array([m.npv_fair for m in pool.members])
    parts = euler_contributions(fair, np.stack([m.pv_p for m in pool.members]), 0.95)
    return {(m.plantation_id, m.right_id): float(x) for m, x in zip(pool.members, parts, strict=True)}


def pool_rows(pool: Pool, assumptions: Assumptions) -> list[dict[str, object]]:
    """The tranche ``whole`` and, where a first loss is agreed, ``fees, senior, reserve, junior``.

    The senior claim is the fair value less the rights' first-loss amounts; the waterfall pays it month by month on
    every path. The whole's fair value is the sum of the rights'; fees, senior and reserve are means over paths and
    the junior tranche is the rest, so that values and integers add up exactly.
    """
    pv_p = np.zeros_like(pool.members[0].pv_p)
    for member in pool.members:
        pv_p = pv_p + member.pv_p
    decimals = currency_decimals(pool.currency)
    fair = float(rounded(sum(m.npv_fair for m in pool.members), FIELDS["npv_fair"]))
    hhi = herfindahl([m.npv_fair for m in pool.members])
    total_int = sum(m.nav_int for m in pool.members)
    shared: dict[str, object] = {
        "pool_id": pool.pool_id,
        "currency": pool.currency,
        "n_rights": len(pool.members),
        "hhi": hhi,
        "effective_n": None if not hhi else 1.0 / hhi,
        "decimals": decimals,
    }
    risk = risk_row(fair, pv_p, None)
    cap = assumptions.number("risk.advance_rate_cap")
    advance = advance_rate(fair, float(risk["es975"] or 0.0), cap)
    whole = shared | risk | _concentration(pool, fair, float(risk["es95"] or 0.0), assumptions)
    whole |= {
        "tranche": "whole",
        "npv_fair": fair,
        "nav_total_int": total_int,
        "advance_rate": advance,
        "oc_ratio": over_collateralisation(advance),
        "prob_shortfall": None if advance is None else float((pv_p < advance * fair).mean()),
    }
    rows = [whole]
    if any(m.first_loss for m in pool.members) and pool.cash["p"]:
        rows += _tranches(pool, shared | {"quality_flag": whole["quality_flag"]}, fair, total_int, assumptions)
    for row in rows:
        row.pop("prob_loss", None)
    return rows


def _concentration(pool: Pool, fair: float, es95: float, assumptions: Assumptions) -> dict[str, object]:
    """Largest shares, diversification, and the limits that are passed as flags (domain/valuation.md 3.4)."""
    flags = set(pool.flags)
    found: dict[str, object] = {}
    positive = sum(max(m.npv_fair, 0.0) for m in pool.members)
    ordered = sorted((max(m.npv_fair, 0.0) for m in pool.members), reverse=True)
    for name in ("plantation_id", "sponsor_id", "mill_id", "region"):
        groups: dict[str, float] = {}
        for i, m in enumerate(pool.members):
            key = str(getattr(m, name)) or f"without {i}"
            groups[key] = groups.get(key, 0.0) + max(m.npv_fair, 0.0)
        label = name.removesuffix("_id")
        largest = max(groups.values()) / positive if positive > 0 else None
        found[f"max_share_{label}"] = largest
        limit = assumptions.table("risk.limits").get(label)
        named = not pool.pool_id.startswith("portfolio:")
        if named and limit is not None and largest is not None and largest > limit:
            flags.add(f"limit_{label}")
    found["top5_share"] = sum(ordered[:5]) / positive if positive > 0 else None
    alone = sum(expected_shortfall(m.npv_fair - m.pv_p, 0.95) for m in pool.members)
    found["diversification_ratio"] = es95 / alone if alone > 0 else None
    found["quality_flag"] = ";".join(sorted(flags))
    return found


def _tranches(
    pool: Pool, shared: dict[str, Any], fair: float, total_int: int, assumptions: Assumptions
) -> list[dict[str, object]]:
    decimals = int(shared["decimals"])
    claim = sum(m.npv_fair * (1 - (m.first_loss or 0.0)) for m in pool.members)
    dates = sorted(pool.factor)
    weights = np.array([pool.factor[t] for t in dates])
    worth: dict[str, dict[str, FloatArray]] = {}
    extra: dict[str, object] = {}
    cash = {measure: np.stack([pool.cash[measure][t] for t in dates]) for measure in ("q", "p")}
    agreed = contract(pool, cash["q"], np.array(dates), claim, assumptions)
    for measure in ("q", "p"):
        paid, ratio = agreed.settle(cash[measure], claim)
        worth[measure] = {
            name: _value(getattr(paid, name), weights) for name in ("fees", "senior", "reserve", "junior")
        }
        if measure == "p":
            extra = {
                "dscr_min_q05": float(quantile_sorted(np.sort(ratio), 0.05)) if np.isfinite(ratio).all() else None,
                "prob_shortfall": float(np.count_nonzero(paid.balance[-1] > 0.005)) / len(ratio),
                "advance_rate": claim / fair if fair > 0 else None,
                "oc_ratio": over_collateralisation(claim / fair if fair > 0 else None),
            }
    rows: list[dict[str, object]] = []
    left, left_int = fair, total_int
    for name in ("fees", "senior", "reserve", "junior"):
        value = left if name == "junior" else float(rounded(worth["q"][name].mean(), FIELDS["npv_fair"]))
        value = float(rounded(value, FIELDS["npv_fair"]))
        integer = left_int if name == "junior" else minor_units(value, decimals)
        left, left_int = left - value, left_int - integer
        row = shared | risk_row(value, worth["p"][name], None) | {"tranche": name, "npv_fair": value}
        rows.append(row | {"nav_total_int": integer} | (extra if name == "senior" else {}))
    return rows


@dataclass(frozen=True)
class Contract:
    """What the tranches agreed at issue: fees, senior interest, scheduled balance and service, reserve; per period."""

    share: float
    trustee: FloatArray
    rates: FloatArray
    service: FloatArray
    scheduled: FloatArray
    reserve: FloatArray

    def fees(self, cash: FloatArray) -> FloatArray:
        """Servicing and verification as a share of the cash, the trustee's fixed fee, ``(periods, paths)``."""
        return cash * self.share + self.trustee[:, None]

    def settle(self, cash: FloatArray, claim: float) -> tuple[Paid, FloatArray]:
        """The waterfall on some paths, and the smallest cover of the scheduled service per path."""
        fees = self.fees(cash)
        paid = distribute(cash, fees, claim, self.rates, self.reserve, self.scheduled)
        return paid, cover(cash, fees, self.service)


def contract(pool: Pool, cash: FloatArray, dates: FloatArray, claim: float, assumptions: Assumptions) -> Contract:
    """Terms of a pool's tranches: the senior service follows the cash expected under the pricing measure."""
    share = assumptions.number("pool.fee_servicing") + assumptions.number("pool.fee_verification")
    steps = np.diff(dates, prepend=0.0)
    rates = np.expm1(assumptions.number("pool.senior_rate") * steps)
    trustee = float(assumptions.table("pool.fee_trustee_per_year").get(pool.currency, 0.0)) * steps
    expected = np.maximum(cash * (1 - share) - trustee[:, None], 0.0).mean(axis=1)
    expected = np.where([t in pool.agreed for t in dates], expected, 0.0)
    service, scheduled = service_like(expected, claim, rates)
    per_month = service / np.maximum(steps * 12.0, 1.0)
    reserve = per_month * max(m.reserve_months for m in pool.members)
    return Contract(share, trustee, rates, service, scheduled, reserve)


def _value(paid: FloatArray, weights: FloatArray) -> FloatArray:
    total = np.zeros(paid.shape[1])
    for row, weight in zip(paid, weights, strict=True):
        total += weight * row
    return total


def pools_table(pools: dict[str, Pool], assumptions: Assumptions) -> pd.DataFrame:
    """Table ``pools``, sorted by pool and tranche."""
    rows = [row for name in sorted(pools) for row in pool_rows(pools[name], assumptions)]
    columns = ["pool_id", "tranche", "currency", "n_rights", "npv_fair", "nav_total_int", "decimals", "quality_flag"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
