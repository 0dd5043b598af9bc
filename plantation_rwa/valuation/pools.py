"""Pools of rights: joint present values summed path by path, one row per tranche."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import currency_decimals, minor_units
from plantation_rwa.valuation.measures import herfindahl, risk_row

FloatArray = NDArray[np.float64]


@dataclass
class Pool:
    """Running sums of one pool; rights must be added in the order of their ids.

    Parameters
    ----------
    pool_id, currency
        Pool identifier, ISO 4217 code.
    pv_q, pv_p
        Present value per path under the pricing and the real-world measure, ``(paths,)``.
    """

    pool_id: str
    currency: str
    pv_q: FloatArray
    pv_p: FloatArray
    values: list[float] = field(default_factory=list)
    nav_ints: list[int] = field(default_factory=list)
    retained: list[float | None] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    def add(self, npv_fair: float, nav_int: int, first_loss: float | None, pv_q: FloatArray, pv_p: FloatArray) -> None:
        """Add one right: its published value and its paths."""
        self.pv_q = self.pv_q + pv_q
        self.pv_p = self.pv_p + pv_p
        self.values.append(npv_fair)
        self.nav_ints.append(nav_int)
        self.retained.append(first_loss)


def pool_name(pool_id: str | None, currency: str, reporting: str) -> str:
    """Pool a right falls in; a right left in another currency never mixes with those of the portfolio's."""
    if pool_id is None:
        return f"portfolio:{currency}"
    return pool_id if currency == reporting else f"{pool_id}:{currency}"


def pool_rows(pool: Pool, assumptions: Assumptions) -> list[dict[str, object]]:
    """The tranche ``whole`` and, in a pool that the rights name with a first loss, ``senior`` and ``junior``.

    The senior claim is the fair value less the rights' first-loss amounts; on each path the senior tranche gets
    the pool's present value up to that claim and the junior the rest, so the two add up to the whole.
    The whole's integer value is the sum of the rights' integers, the junior's what the senior leaves.
    """
    decimals = currency_decimals(pool.currency)
    hhi = herfindahl(pool.values)
    total_int = sum(pool.nav_ints)
    shared: dict[str, object] = {
        "pool_id": pool.pool_id,
        "currency": pool.currency,
        "n_rights": len(pool.values),
        "hhi": hhi,
        "effective_n": None if not hhi else 1.0 / hhi,
        "decimals": decimals,
        "quality_flag": ";".join(sorted(pool.flags)),
    }
    cap = assumptions.number("risk.advance_rate_cap")

    def row(tranche: str, pv_q: FloatArray, pv_p: FloatArray) -> dict[str, object]:
        fair = float(rounded(pv_q.mean(), FIELDS["npv_fair"]))
        risk = risk_row(fair, pv_p, None, cap)
        del risk["prob_loss"], risk["advance_rate"]
        return shared | risk | {"tranche": tranche, "npv_fair": fair}

    rows = [row("whole", pool.pv_q, pool.pv_p) | {"nav_total_int": total_int}]
    if any(retained for retained in pool.retained):
        claim = sum(v * (1 - (r or 0.0)) for v, r in zip(pool.values, pool.retained, strict=True))
        senior_q, senior_p = np.minimum(pool.pv_q, claim), np.minimum(pool.pv_p, claim)
        senior = row("senior", senior_q, senior_p)
        senior_int = minor_units(float(str(senior["npv_fair"])), decimals)
        rows.append(senior | {"nav_total_int": senior_int})
        junior = row("junior", pool.pv_q - senior_q, pool.pv_p - senior_p)
        rows.append(junior | {"nav_total_int": total_int - senior_int})
    return rows


def pools_table(pools: dict[str, Pool], assumptions: Assumptions) -> pd.DataFrame:
    """Table ``pools``, sorted by pool and tranche."""
    rows = [row for name in sorted(pools) for row in pool_rows(pools[name], assumptions)]
    columns = ["pool_id", "tranche", "currency", "n_rights", "npv_fair", "nav_total_int", "decimals", "quality_flag"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
