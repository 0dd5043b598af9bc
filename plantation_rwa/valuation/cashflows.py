"""Payments of one right per month and path: revenue, floors and caps, periods, minimum and maximum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.periods import Month
from plantation_rwa.valuation.rights import Right, clipped

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Revenue:
    """Base revenue of a plantation's months and what it was made of, local currency.

    Parameters
    ----------
    base
        Base revenue that the share is taken of, ``(months, paths)``.
    price
        Mill-gate price per t FFB after the right's floor and cap, ``(months, paths)``.
    """

    base: FloatArray
    price: FloatArray


def clip_price(price: FloatArray, right: Right, basis: str) -> FloatArray:
    """Price within the right's floor and cap where they refer to this basis (``ffb`` or ``cpo``)."""
    if right.price_basis != basis or (right.price_floor is None and right.price_cap is None):
        return price
    return np.clip(price, clipped(right.price_floor, -np.inf), clipped(right.price_cap, np.inf))


def base_revenue(
    right: Right,
    tonnes: FloatArray,
    cpo: FloatArray,
    mill_gate: Callable[[FloatArray], FloatArray],
    levy_per_t: Callable[[FloatArray], FloatArray],
    cost_per_t: FloatArray,
) -> Revenue:
    """Base revenue of a right.

    Parameters
    ----------
    tonnes
        FFB per month and path, ``(months, paths)``.
    cpo
        Palm oil price in local currency per t, ``(months, paths)``.
    mill_gate
        FFB price per t from the palm oil price.
    levy_per_t
        Windfall levy per t FFB from the palm oil price (before floor and cap: the state does not know them).
    cost_per_t
        Field cost per t FFB, ``(months, 1)``; only for ``net_operating``.
    """
    price = clip_price(mill_gate(clip_price(cpo, right, "cpo")), right, "ffb")
    margin = price
    if right.base in {"net_of_levies", "net_operating"}:
        margin = margin - levy_per_t(cpo)
    if right.base == "net_operating":
        margin = margin - cost_per_t
    return Revenue(tonnes * margin, price)


def payments(right: Right, months: Sequence[Month], base: FloatArray) -> FloatArray:
    """Payment that each month earns, ``(months, paths)``; a period is never below zero.

    Minimum and maximum hold per period, in proportion to the months of it that are still to come; what they
    add or take is spread over the period's months in proportion to what these earned, evenly if nothing.
    """
    out = np.empty_like(base)
    for i, month in enumerate(months):
        out[i] = right.share_in(month) * base[i]
    if right.base == "net_operating" or right.base == "net_of_levies":
        np.maximum(out, 0.0, out=out)
    if right.min_payment is None and right.max_payment is None:
        return out
    for period in sorted({right.period(m) for m in months}):
        rows = [i for i, m in enumerate(months) if right.period(m) == period]
        part = len(rows) / right.frequency_months
        total = np.zeros(base.shape[1])
        for i in rows:
            total = total + out[i]
        low = clipped(right.min_payment, 0.0) * part
        high = clipped(right.max_payment, np.inf) * part
        target = np.clip(total, low, max(high, low))
        for i in rows:
            part_of_period = np.divide(out[i], total, out=np.full_like(total, 1 / len(rows)), where=total > 0)
            out[i] = part_of_period * target
    return out


def discounted(flows: FloatArray, weights: Sequence[float]) -> FloatArray:
    """Present value per path, ``(paths,)``; months are added in order."""
    pv = np.zeros(flows.shape[1])
    for weight, row in zip(weights, flows, strict=True):
        pv += weight * row
    return pv
