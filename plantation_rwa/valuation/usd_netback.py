"""Domestic palm oil price along paths where only a US dollar price is known: duty and levy follow the price."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.valuation.fiscal import FiscalTable, band_values

FloatArray = NDArray[np.float64]
_ID = ("ID",)


@dataclass(frozen=True)
class DollarPrice:
    """What a domestic price is worked out from where only the dollar price is known; see :func:`domestic_paths`."""

    usd: FloatArray
    rates: FloatArray
    table: FiscalTable
    days: tuple[dt.date, ...]
    reference: float
    port_costs: float

    def domestic(self, factor: FloatArray | float = 1.0, today: float = 1.0) -> FloatArray | None:
        """Domestic price with the dollar price of each month, and today's reference price, times factors."""
        usd = self.usd * np.reshape(factor, (-1, 1))
        return domestic_paths(usd, self.rates, self.table, self.days, self.reference * today, self.port_costs)


def domestic_paths(
    usd: FloatArray,
    rates: FloatArray,
    table: FiscalTable,
    days: Sequence[dt.date],
    reference: float,
    port_costs: float,
) -> FloatArray | None:
    """Indonesian domestic price in local currency per t, never below zero.

    ``(P - duty(HR) - levy(HR) - port costs) x rate`` with HR the reference price of the month before: it is set
    from prices that lie behind it (domain/valuation.md 1.4).

    Parameters
    ----------
    usd
        Export price in USD per t, ``(months, paths)``.
    rates
        Local currency per USD, ``(months, paths)``.
    days
        A day in each month, for the schedule in force.
    reference
        Reference price of today, USD per t.
    port_costs
        USD per t.

    Returns
    -------
    ndarray or None
        ``(months, paths)``; None where a month has no duty or levy.
    """
    out = np.empty_like(usd)
    for i, day in enumerate(days):
        basis = usd[i - 1] if i else np.full(usd.shape[1], reference)
        duty, levy = duties(table, basis, day), levies(table, basis, day)
        if duty is None or levy is None:
            return None
        out[i] = np.maximum(usd[i] - duty - levy - port_costs, 0.0) * rates[i]
    return out


def duties(table: FiscalTable, reference: FloatArray, day: dt.date) -> FloatArray | None:
    """Export duty (bea keluar) in USD per t by reference price; None without a schedule."""
    return band_values(table.schedule("export_duty", _ID, day), reference)


def levies(table: FiscalTable, reference: FloatArray, day: dt.date) -> FloatArray | None:
    """Export levy (pungutan ekspor) in USD per t: a share of the reference price or a fixed amount."""
    rules = table.schedule("export_levy", _ID, day)
    if "share_of_hr" in rules:
        return rules["share_of_hr"] * reference
    return np.full_like(reference, rules["usd_t"]) if "usd_t" in rules else None


def export_duty_id(table: FiscalTable, reference: float, day: dt.date) -> float | None:
    """:func:`duties` of one reference price."""
    found = duties(table, np.array([reference]), day)
    return None if found is None else float(found[0])


def export_levy_id(table: FiscalTable, reference: float, day: dt.date) -> float | None:
    """:func:`levies` of one reference price."""
    found = levies(table, np.array([reference]), day)
    return None if found is None else float(found[0])
