"""The order in which a pool's cash is paid out, path by path; nothing is lost and nothing appears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Paid:
    """Who got what, each ``(periods, paths)``; fees, senior, reserve movement and junior add up to the cash.

    Parameters
    ----------
    reserve
        Paid into the reserve account, negative where it was drawn or released.
    balance
        Senior balance after each period.
    """

    fees: FloatArray
    senior: FloatArray
    reserve: FloatArray
    junior: FloatArray
    balance: FloatArray


def distribute(
    cash: FloatArray,
    fees: FloatArray,
    balance: float,
    rates: FloatArray,
    reserve_target: FloatArray,
    scheduled: FloatArray | None = None,
) -> Paid:
    """Fees, senior interest, senior principal, reserve, junior, period by period.

    Fees take what there is. Interest, then principal down to the scheduled balance; what is short is drawn from the
    reserve and, beyond it, stays in the balance, bearing interest. Then the reserve is filled, then the junior claim
    is paid. Once the balance is gone, and with the last period, the reserve is released.

    Parameters
    ----------
    cash
        Received, ``(periods, paths)``, not negative.
    fees
        Due, ``(periods, paths)`` or ``(periods, 1)``.
    balance
        Senior claim at the start.
    rates
        Senior interest per period, ``(periods,)``.
    reserve_target
        Reserve aimed at while a senior balance is left, ``(periods,)``.
    scheduled
        Balance that may be left after each period, ``(periods,)``; None sweeps all cash to the senior claim.

    Source: domain/valuation.md 3.1.
    """
    periods, paths = cash.shape
    out = {name: np.zeros((periods, paths)) for name in ("fees", "senior", "reserve", "junior", "balance")}
    owed, held = np.full(paths, float(balance)), np.zeros(paths)
    for i in range(periods):
        fee = np.minimum(np.broadcast_to(fees[i], (paths,)), cash[i])
        left = cash[i] - fee
        due = owed * (1 + rates[i])
        last = i == periods - 1
        asked = due if scheduled is None or last else np.maximum(due - scheduled[i], 0.0)
        drawn = np.minimum(held, np.maximum(asked - left, 0.0))
        senior = np.minimum(left + drawn, asked)
        owed, left, held = due - senior, left + drawn - senior, held - drawn
        target = np.where(owed > 0, 0.0 if last else reserve_target[i], 0.0)
        into = np.clip(np.minimum(target - held, left), -held, None)
        held, left = held + into, left - into
        for name, value in (
            ("fees", fee), ("senior", senior), ("reserve", into - drawn), ("junior", left), ("balance", owed)
        ):  # fmt: skip
            out[name][i] = value
    return Paid(**out)


def service_like(expected: FloatArray, balance: float, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Service that repays a balance with interest in proportion to the cash expected, and the balance it leaves.

    Parameters
    ----------
    expected
        Cash after fees, ``(periods,)``, not negative.

    Returns
    -------
    tuple
        Service and scheduled balance per period, ``(periods,)`` each; zeros where no cash is expected at all.
    """
    discount = np.cumprod(1 / (1 + rates))
    worth = float((expected * discount).sum())
    if worth <= 0:
        return np.zeros_like(expected), np.zeros_like(expected)
    service, left, owed = expected * (balance / worth), np.zeros_like(expected), balance
    for i, due in enumerate(service):
        owed = owed * (1 + float(rates[i])) - float(due)
        left[i] = max(owed, 0.0)
    return service, left


def cover(cash: FloatArray, fees: FloatArray, service: FloatArray) -> FloatArray:
    """Smallest debt service cover ratio over the periods with service, ``(paths,)``; infinite without any."""
    due = np.flatnonzero(service > 0)
    if not len(due):
        return np.full(cash.shape[1], np.inf)
    return np.asarray(((cash - np.minimum(fees, cash))[due] / service[due, None]).min(axis=0))
