"""Prices of one plantation as a linear function of shared market paths, and how shocks move them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.valuation.cashflows import Shock

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Formula:
    """A mill-gate formula, linear in palm oil and kernel price.

    Parameters
    ----------
    terms, oer_terms
        FFB price per t is ``terms[:, 0] oil + terms[:, 1] kernel + terms[:, 2]`` (oil and kernel times the K index
        in Indonesia), and the change of the terms per unit of oil extraction, ``(months, 3)``.
    spot
        FFB price per t at palm oil and kernel price of the valuation date.
    """

    terms: FloatArray
    oer_terms: FloatArray
    spot: Callable[[float, float], float]


@dataclass(frozen=True)
class PlantationPrices:
    """A plantation's prices: linear in palm oil, kernel and a constant, months on the grid of the drivers.

    Parameters
    ----------
    currency, reporting
        Currency the mill pays in, and the one values are reported in (equal without an exchange rate).
    key
        What :attr:`basis` depends on: plantations with one key share the arrays.
    basis
        Palm oil and kernel price per t times the mill's pass-through, and 1, each in reporting currency under the
        pricing measure, ``(months, 3, paths)``; zero where there is no price.
    terms
        FFB price per t is their scalar product with the basis in local currency, ``(months, 3)``.
    oer_terms
        Change of ``terms`` per unit of oil extraction, ``(months, 3)``.
    paid
        What the mill pays this plantation over the formula, expectation 1, for all months, ``(paths,)``.
    mixer
        Pass-through of the mill, ``(months, paths)`` or 1: the Indonesian K index.
    k_mean
        Level of the K index, 0 where there is none.
    rate
        Reporting per local currency, ``(months, paths)`` or 1.
    levy
        Windfall levy per t FFB from palm oil price and shock, local currency.
    spot
        FFB price per t from the latest prices, reporting currency; None if unknown.
    forward
        Palm oil forward per t, local currency, ``(months,)``; zero where there is none.
    sources, levels
        Curve source and IFRS 13 level of each month.
    flags
        Quality codes.
    follows
        Whether palm oil costs in local currency what a price in another one does at the exchange rate: it then falls
        as the local currency rises.
    by_dollar
        Basis under a factor per month and today's on the dollar price, where duty and levy follow it; None elsewhere.
    oil_moved
        Whether the basis already holds a shock of the dollar price.
    """

    currency: str
    reporting: str
    key: tuple[object, ...]
    basis: FloatArray
    terms: FloatArray
    oer_terms: FloatArray
    paid: FloatArray
    mixer: FloatArray | float
    k_mean: float
    rate: FloatArray | float
    levy: Callable[[FloatArray, Shock], FloatArray]
    spot: float | None
    forward: FloatArray
    sources: tuple[str, ...]
    levels: tuple[int, ...]
    flags: frozenset[str]
    follows: bool = False
    by_dollar: Callable[[FloatArray, float], FloatArray] | None = None
    oil_moved: bool = False

    def under(self, shock: Shock) -> PlantationPrices:
        """The prices with duty and levy worked out anew under a shocked dollar price; elsewhere these themselves."""
        if self.by_dollar is None or not shock.times.get("cpo"):
            return self
        factor, today = shock.factor("cpo", len(self.terms)), shock.today("cpo")
        key = (*self.key, factor.tobytes(), today)
        return replace(self, basis=self.by_dollar(factor, today), key=key, by_dollar=None, oil_moved=True)

    @cached_property
    def basis_mean(self) -> FloatArray:
        """Mean of the basis over paths, ``(months, 3)``."""
        return np.asarray(self.basis.mean(axis=2))

    @cached_property
    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        return self.basis.min(axis=2), self.basis.max(axis=2)

    def terms_under(self, shock: Shock) -> FloatArray:
        """Terms with shocked oil extraction and pass-through, ``(months, 3)``."""
        terms = self.terms + shock.addition("oer") * self.oer_terms
        if self.k_mean and shock.addition("k"):
            terms = terms * np.array([1.0, 1.0, 0.0]) * (1 + shock.addition("k") / self.k_mean) + terms * [0, 0, 1.0]
        return np.asarray(terms * self._at_mill(shock)[:, None])

    def slopes_under(self, shock: Shock, premium: FloatArray) -> FloatArray:
        """Coefficients of the basis in the FFB price in reporting currency, ``(months, 3)``."""
        scales = np.column_stack([self.factors_under(shock, premium), np.ones(len(premium))])
        return self.terms_under(shock) * scales * self._exchange_factor(shock)[:, None]

    def stays_positive(self, slopes: FloatArray) -> bool:
        """Whether the price certainly lies above zero on every path, so that its lower bound never binds."""
        low, high = self._bounds
        return bool((np.where(slopes >= 0, slopes * low, slopes * high).sum(axis=1) >= 0).all())

    def oil(self, premium: FloatArray, shock: Shock) -> FloatArray:
        """Palm oil price per t in local currency, ``(months, paths)``."""
        return self.basis[:, 0] / (self.mixer * self.rate) * (premium * self._oil_factor(shock))[:, None]

    def kernel(self, premium: FloatArray, shock: Shock) -> FloatArray:
        """Kernel price per t in local currency, ``(months, paths)``."""
        factor = premium * self._oil_factor(shock) * shock.factor("pk", len(premium))
        return self.basis[:, 1] / (self.mixer * self.rate) * factor[:, None]

    def per_t(self, oil: FloatArray, kernel: FloatArray, shock: Shock) -> FloatArray:
        """FFB price per t that is paid at palm oil and kernel prices, local currency, never below zero."""
        terms = self.terms_under(shock)[:, :, None]
        formula = terms[:, 0] * self.mixer * oil + terms[:, 1] * self.mixer * kernel + terms[:, 2]
        return np.asarray(np.maximum(formula, 0.0) * self.paid)

    def levy_per_t(self, oil: FloatArray, shock: Shock) -> FloatArray:
        """Windfall levy per t FFB, local currency."""
        return self.levy(oil, shock)

    def factors_under(self, shock: Shock, premium: FloatArray) -> FloatArray:
        """Palm oil and kernel price under a shock over those of the basis, ``(months, 2)``."""
        oil = premium * self._oil_factor(shock)
        return np.stack([oil, oil * shock.factor("pk", len(premium))], axis=1)

    def exchange_under(self, shock: Shock) -> FloatArray:
        """Factor of a shock on the exchange rate, ``(months,)``."""
        return self._exchange_factor(shock)

    def exchange(self, shock: Shock) -> FloatArray | None:
        """Reporting per local currency, ``(months, paths)``; None where they are one."""
        if self.currency == self.reporting:
            return None
        return np.asarray(self._exchange_factor(shock)[:, None] * self.rate)

    def _oil_factor(self, shock: Shock) -> FloatArray:
        months = len(self.terms)
        factor = np.ones(months) if self.oil_moved else shock.factor("cpo", months)
        factor = factor / self._exchange_factor(shock) if self.follows else factor
        return factor * shock.factor("cpo_id", months) if self.k_mean else factor

    def _at_mill(self, shock: Shock) -> FloatArray:
        months = len(self.terms)
        return shock.factor("realised_id", months) if self.k_mean else np.ones(months)

    def _exchange_factor(self, shock: Shock) -> FloatArray:
        months = len(self.terms)
        return shock.factor("fx", months) if self.currency != self.reporting else np.ones(months)
