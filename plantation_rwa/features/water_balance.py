"""Monthly soil water balance of IRHO (Surre 1968): the deficit that oil-palm yields respond to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class IrhoParameters:
    """Parameters of the balance.

    Parameters
    ----------
    etp_dry_mm, etp_wet_mm
        Potential evapotranspiration of a month with at most, and with more than, ``dry_max_rain_days`` rain days.
    spin_up_months
        Months from the start of a record whose values still depend on the assumed full reserve.
    """

    etp_dry_mm: float
    etp_wet_mm: float
    dry_max_rain_days: float
    spin_up_months: int


@dataclass(frozen=True)
class WaterBalance:
    """Result of :func:`irho`, arrays of shape (plantations, months), mm; NaN in months without rain data.

    Parameters
    ----------
    deficit, drainage, reserve, etp
        Of the month; the reserve is that of its end.
    settled
        Whether deficit and reserve no longer depend on what is not known: the reserve at the start of the record
        (spin-up over) and the rain of months without data (see :func:`irho`).
    """

    deficit: Floats
    drainage: Floats
    reserve: Floats
    etp: Floats
    settled: NDArray[np.bool_]


def irho(
    rain_mm: ArrayLike, rain_days: ArrayLike, reserve_max_mm: ArrayLike, parameters: IrhoParameters
) -> WaterBalance:
    """Run the balance month by month, for all plantations at once.

    ``B = R_prev + P - ETP``; deficit ``max(0, -B)``; drainage ``max(0, B - Rmax)``; reserve ``clip(B, 0, Rmax)``. The
    record starts from a full reserve. A month without data leaves the reserve unknown: two balances go on from there,
    one from an empty and one from a full reserve. Any later month filling or emptying both makes them equal for good;
    until then ``settled`` is false, and the values are those of the full reserve.

    Parameters
    ----------
    rain_mm, rain_days
        Shape (plantations, months), consecutive months; NaN where a month's rain is not known.
    reserve_max_mm
        Shape (plantations,), or one number.
    parameters
        See :class:`IrhoParameters`.

    Returns
    -------
    WaterBalance

    Notes
    -----
    Source: Surre (1968), rain-day threshold as in PALMSIM. Over any months without gaps the water is conserved:
    ``R_end - R_0 = sum P - sum ETP + sum D - sum Q``.
    """
    rain = np.atleast_2d(np.asarray(rain_mm, dtype=np.float64))
    days = np.broadcast_to(np.asarray(rain_days, dtype=np.float64), rain.shape)
    full = np.broadcast_to(np.asarray(reserve_max_mm, dtype=np.float64), rain.shape[:1])
    valid = ~(np.isnan(rain) | np.isnan(days))
    etp = np.where(days <= parameters.dry_max_rain_days, parameters.etp_dry_mm, parameters.etp_wet_mm)
    deficit, drainage, reserve = (np.full(rain.shape, np.nan) for _ in range(3))
    settled = np.zeros(rain.shape, dtype=bool)
    high, low = full.copy(), full.copy()
    age = np.zeros(rain.shape[0], dtype=np.int64)  # months since the record began
    for month in range(rain.shape[1]):
        here = valid[:, month]
        gain = np.where(here, rain[:, month] - etp[:, month], 0.0)
        upper, lower = high + gain, low + gain
        deficit[:, month] = np.where(here, np.maximum(-upper, 0.0), np.nan)
        drainage[:, month] = np.where(here, np.maximum(upper - full, 0.0), np.nan)
        same_deficit = np.maximum(-upper, 0.0) == np.maximum(-lower, 0.0)
        running = age > 0
        high = np.where(here, np.clip(upper, 0.0, full), full)
        low = np.where(here, np.clip(lower, 0.0, full), np.where(running, 0.0, full))
        reserve[:, month] = np.where(here, high, np.nan)
        settled[:, month] = here & same_deficit & (high == low) & (age >= parameters.spin_up_months)
        age += here | running
    return WaterBalance(deficit, drainage, reserve, np.where(valid, etp, np.nan), settled)
