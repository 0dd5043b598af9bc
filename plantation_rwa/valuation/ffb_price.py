"""What a mill pays per t of fresh fruit bunches: the Malaysian netback and the Indonesian price by K index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

FloatArray = NDArray[np.float64]
#: One number, or one per month and path (shapes that broadcast).
Numbers = FloatArray | float


@dataclass(frozen=True)
class NetbackTerms:
    """Deductions between the palm oil price and the Malaysian mill-gate price.

    Parameters
    ----------
    oer, ker
        Oil and kernel extraction rates, fractions.
    sales_tax_cpo, sales_tax_pk
        State sales taxes, fractions of the price.
    cess, freight
        MYR per t CPO.
    milling, haulage, margin
        MYR per t FFB.
    """

    oer: float
    ker: float
    sales_tax_cpo: Numbers
    sales_tax_pk: Numbers
    cess: Numbers
    freight: float
    milling: float
    haulage: float
    margin: float


def netback(cpo: Numbers, pk: Numbers, terms: NetbackTerms) -> FloatArray:
    """Malaysian mill-gate price in MYR per t FFB from domestic CPO and kernel prices (MYR per t), never below zero.

    Source: domain/valuation.md 1.2. The futures price is a domestic delivered price: no export duty is taken off.
    """
    oil = terms.oer * (np.asarray(cpo, dtype=np.float64) * (1 - terms.sales_tax_cpo) - terms.cess - terms.freight)
    kernel = terms.ker * (np.asarray(pk, dtype=np.float64) * (1 - terms.sales_tax_pk))
    return np.asarray(np.maximum(oil + kernel - terms.milling - terms.haulage - terms.margin, 0.0))


def indeks_k(cpo: Numbers, pk: Numbers, *, k: Numbers, oer: Numbers, ker: Numbers, shell: float) -> FloatArray:
    """Indonesian set price of FFB: ``K (H_CPO R_CPO + H_PK R_PK) + shell``, all per kg or all per t.

    The indirect cost BOTL printed beside K is already inside K. Source: Permentan 13/2024; domain/valuation.md 1.3.
    """
    value = np.asarray(cpo, dtype=np.float64) * oer + np.asarray(pk, dtype=np.float64) * ker
    return np.asarray(np.asarray(k, dtype=np.float64) * value + shell)


def extraction_by_age(table: Sequence[Sequence[float]], age_years: float) -> tuple[float, float]:
    """Oil and kernel extraction of the age class: the last row whose first age the palms have reached.

    Parameters
    ----------
    table
        Rows (from age, oil, kernel), ascending in age; younger palms take the first row.
    """
    row = table[0]
    for candidate in table:
        if age_years >= candidate[0]:
            row = candidate
    return float(row[1]), float(row[2])


def reference_price(first: float, second: float, third: float) -> float:
    """Indonesian reference price HR-CPO from its three sources, USD per t (Permendag 46/2022).

    Their mean if they lie within 40 USD, else the mean of the median and the source closest to it.
    """
    low, middle, high = sorted((first, second, third))
    if high - low <= 40.0:
        return (low + middle + high) / 3.0
    return (middle + (low if middle - low <= high - middle else high)) / 2.0


def domestic_from_usd(price: float, duty: float, levy: float, port_costs: float, fx: float) -> float:
    """Indonesian domestic CPO price per t in local currency from a USD price per t, duty, levy and port costs off."""
    return (price - duty - levy - port_costs) * fx


def netback_terms(
    oer: float, ker: float, taxes: tuple[Numbers, Numbers], cess: Numbers, assumptions: Assumptions
) -> NetbackTerms:
    """Terms with the haulage, milling, freight and margin of the section ``netback``."""
    return NetbackTerms(
        oer=oer,
        ker=ker,
        sales_tax_cpo=taxes[0],
        sales_tax_pk=taxes[1],
        cess=cess,
        freight=assumptions.number("netback.freight_myr_t"),
        milling=assumptions.number("netback.milling_myr_t"),
        haulage=assumptions.number("netback.haulage_myr_t"),
        margin=assumptions.number("netback.margin_myr_t"),
    )
