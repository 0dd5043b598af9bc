"""What each path and month earns where floor, cap, levy or cost bend the price: one pass over the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

FloatArray = NDArray[np.float64]
_NONE = np.zeros((0, 0))


@dataclass(frozen=True)
class BentPrice:
    """A price per t of fruit that is not linear in the market's paths.

    Parameters
    ----------
    basis
        Palm oil and kernel price per t times the mill's pass-through, reporting currency, ``(months, >= 2, paths)``.
    terms
        Fruit price per palm oil price, per kernel price, and the rest, local currency, ``(months, 3)``.
    factors
        Palm oil and kernel price under shocks and premium over that of the basis, ``(months, 2)``.
    mixer, rate
        Pass-through, and reporting per local currency, ``(months, paths)``; None where they are 1.
    paid
        What the mill pays over the formula, ``(paths,)``.
    low, high, on_oil
        Bounds per t of fruit or, where ``on_oil``, per t of palm oil; local currency.
    charges
        Levy and cost per t of fruit taken off, local currency, ``(months, paths)``; None without any.
    exchange
        Factor on the exchange rate, ``(months,)``.
    """

    basis: FloatArray
    terms: FloatArray
    factors: FloatArray
    mixer: FloatArray | None
    rate: FloatArray | None
    paid: FloatArray
    low: float
    high: float
    on_oil: bool
    charges: FloatArray | None
    exchange: FloatArray

    def earned(self, score: FloatArray, polynomial: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Price times a volume given as a polynomial of a score.

        Parameters
        ----------
        score
            Shape ``(months, paths)``.
        polynomial
            Coefficients of the Hermite polynomials of order 0, 1 and 2, ``(months, 3)``.

        Returns
        -------
        tuple
            Earnings ``(months, paths)`` and the price's mean over paths ``(months,)``, reporting currency.
        """
        out, mean = np.empty_like(score), np.empty(len(score))
        _fill(
            self.basis, self.terms, self.factors, _or_none(self.mixer), _or_none(self.rate), self.paid, self.low,
            self.high, self.on_oil, _or_none(self.charges), self.exchange, score, polynomial, out, mean,
        )  # fmt: skip
        return out, mean


def _or_none(values: FloatArray | None) -> FloatArray:
    return _NONE if values is None else values


def _cells(
    basis: Any, terms: Any, factors: Any, mixer: Any, rate: Any, paid: Any, low: float, high: float, on_oil: bool,
    charges: Any, exchange: Any, score: Any, polynomial: Any, out: Any, mean: Any,
) -> None:  # fmt: skip
    mixed, foreign, charged = mixer.shape[0] > 0, rate.shape[0] > 0, charges.shape[0] > 0
    for t in range(score.shape[0]):
        at_oil, rest = factors[t, 0], terms[t, 2]
        per_oil, per_kernel = terms[t, 0], terms[t, 1] * factors[t, 1]
        constant, linear, square = polynomial[t, 0], polynomial[t, 1], polynomial[t, 2]
        total = 0.0
        for p in range(score.shape[1]):
            r = rate[t, p] if foreign else 1.0
            price = per_kernel * basis[t, 1, p] / r + rest
            if on_oil:
                m = mixer[t, p] if mixed else 1.0
                oil = basis[t, 0, p] * at_oil / (m * r)
                oil = low if oil < low else oil
                price += per_oil * m * (high if oil > high else oil)
            else:
                price += per_oil * at_oil * basis[t, 0, p] / r
            price = (0.0 if price < 0.0 else price) * paid[p]
            if not on_oil:
                price = low if price < low else price
                price = high if price > high else price
            if charged:
                price -= charges[t, p]
            price = (0.0 if price < 0.0 else price) * exchange[t] * r
            total += price
            s = score[t, p]
            out[t, p] = price * (constant + linear * s + square * (s * s - 1.0))
        mean[t] = total / score.shape[1]


_fill = compiled(_cells)
