"""The seam between an asset and the valuation of a right on it: what a cash-flow model must deliver, and payments.

A model turns drivers into base revenue; everything after that (share, bounds of payments, default, discounting,
measures, stresses, pools) knows neither palm oil nor any other asset. A second asset class needs a
:class:`CashFlowModel` and nothing else: see ``examples/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.periods import Month
from plantation_rwa.valuation.rights import Right, clipped

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Driver:
    """A driver of value that can be shocked.

    Parameters
    ----------
    name, unit
        Name in ``elasticity_*`` columns and stresses; unit of its level.
    bump
        Step of the central difference: relative, or in units where ``absolute``.
    absolute
        Whether the bump is added instead of multiplied.
    """

    name: str
    unit: str
    bump: float
    absolute: bool = False


@dataclass(frozen=True)
class Shock:
    """A change of drivers that every right is valued under with the same random numbers.

    Parameters
    ----------
    times
        Driver -> knots (month after the valuation date, factor): linear in between, the last stays.
    plus
        Driver -> addition, all months.
    rate, hazard
        Additions per year to the discount rate and to every intensity.
    default_month, recovery
        A certain failure of the sponsor in a month (0: none), and the share recovered of what is missed from then on.
    frozen
        Months in which no payment leaves the collecting account; what falls due is paid, without interest, in the
        first month after them.
    """

    name: str = "base"
    times: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    plus: Mapping[str, float] = field(default_factory=dict)
    rate: float = 0.0
    hazard: float = 0.0
    default_month: int = 0
    recovery: float = 0.0
    frozen: int = 0

    def factor(self, driver: str, months: int) -> FloatArray:
        """Factor of a driver in each month after the valuation date, ``(months,)``."""
        knots = self.times.get(driver)
        if not knots:
            return np.ones(months)
        at, value = zip(*knots, strict=True)
        return np.asarray(np.interp(np.arange(1, months + 1), at, value))

    def today(self, driver: str) -> float:
        """Factor of a driver at the valuation date."""
        knots = self.times.get(driver)
        if not knots:
            return 1.0
        at, value = zip(*knots, strict=True)
        return float(np.interp(0.0, at, value))

    def addition(self, driver: str) -> float:
        """What is added to a driver."""
        return float(self.plus.get(driver, 0.0))


BASE = Shock()


@dataclass(frozen=True)
class Revenue:
    """Base revenue of an asset in the months after the valuation date, in the reporting currency.

    Revenue of month t on path p is ``sum_f c[t, f] F[t, f, p]`` plus a noise of the asset's own of mean zero, all times
    ``scale``. ``F`` may be one array for many assets: the sum over months is then a matrix product.

    Parameters
    ----------
    features
        ``F``, shape ``(months, features, paths)``.
    q, p
        Coefficients under the pricing and the real-world measure, shape ``(months, features)``.
    own
        Covariance between months of the own noise, money squared, ``(months, months)``; None without any.
    scale
        A factor of the asset's own on all months, mean 1 and independent of all else, ``(paths,)``; None without any.
    paths
        Measure -> revenue with the own noise month by month, ``(months, paths)``: for terms that are not linear in it.
    shared
        Whether other assets may have the same features, so that sums over them are worth keeping.
    real
        ``F`` under the real-world measure where more than coefficients tells the measures apart; None elsewhere.
    rate
        Reporting currency per unit of the currency that payments are bounded in, ``(months, paths)``; None where they
        are one.
    """

    features: FloatArray
    q: FloatArray
    p: FloatArray
    own: FloatArray | None
    scale: FloatArray | None
    paths: Callable[[str], FloatArray]
    shared: bool = True
    real: FloatArray | None = None
    rate: FloatArray | None = None

    def features_of(self, measure: str) -> FloatArray:
        """``F`` under measure ``q`` or ``p``."""
        return self.features if measure == "q" or self.real is None else self.real

    def coefficients(self, measure: str) -> FloatArray:
        """Coefficients under measure ``q`` or ``p``."""
        return self.q if measure == "q" else self.p


@dataclass(frozen=True)
class Facts:
    """What is published beside a right's value; months on the grid, counted from the month after the valuation date.

    Parameters
    ----------
    currency, reporting
        Currency the asset earns in, and the one values are in.
    flags, unvalued
        Quality codes; whether one of them keeps the right from having a value.
    sources, levels
        Origin of each month's price and its IFRS 13 level.
    volume, known
        Mean volume of each month, and whether it is known.
    spot
        Price per unit of volume from the latest prices; None if unknown.
    width
        (q90 - q10) / mean of the first year's volume; None without any.
    price_level
        Forward of the main price in the asset's currency, ``(months,)``.
    price_driver, volume_driver
        Drivers that breakevens are sought for.
    """

    currency: str
    reporting: str
    flags: frozenset[str]
    unvalued: bool
    sources: Sequence[str]
    levels: Sequence[int]
    volume: FloatArray
    known: NDArray[np.bool_]
    spot: float | None
    width: float | None
    price_level: FloatArray
    price_driver: str
    volume_driver: str


class CashFlowModel(Protocol):
    """An asset class: drivers, revenue, facts, and when its operators cannot pay."""

    def drivers(self) -> tuple[Driver, ...]:
        """Drivers whose elasticities are published."""
        ...

    def revenue(self, right: Right, shock: Shock = BASE) -> Revenue:
        """Base revenue that the right shares, its price floor and cap applied, for all months of the grid."""
        ...

    def facts(self, right: Right) -> Facts:
        """What is published beside the value."""
        ...

    def hardship(self, shock: Shock, measure: str) -> NDArray[np.bool_]:
        """Years in which operators are strained, ``(months, paths)``."""
        ...


def payments(right: Right, months: Sequence[Month], base: FloatArray, rate: FloatArray | None = None) -> FloatArray:
    """Payment that each month earns, ``(months, paths)``, in the currency of ``base``; a period is never below zero.

    Minimum and maximum hold per period, in proportion to the months of it that are still to come; what they
    add or take is spread over the period's months in proportion to what these earned, evenly if nothing.

    Parameters
    ----------
    base
        Base revenue, ``(months, paths)``.
    rate
        Its currency per unit of that of the bounds, ``(months, paths)``; None where they are one.
    """
    out = np.empty_like(base)
    for i, month in enumerate(months):
        out[i] = right.share_in(month) * base[i]
    np.maximum(out, 0.0, out=out)
    if right.min_payment is None and right.max_payment is None:
        return out
    if rate is not None:
        out /= rate
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
    return out if rate is None else out * rate


def minimum_beyond(right: Right, months: Sequence[Month], base: FloatArray, rate: FloatArray | None) -> bool:
    """Whether the least payments of the term are more than all that the asset is expected to earn, arguments as above.

    Such a payment is a debt of whoever promised it, and nothing that this asset's revenue could tell the value of.
    """
    if right.min_payment is None:
        return False
    earned = float((base if rate is None else base / rate).mean(axis=1).sum())
    return right.min_payment * len(months) / right.frequency_months > earned
