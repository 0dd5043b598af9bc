"""Unit vocabulary, conversions at the edge, and money as integers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import SourceError

#: canonical unit -> {accepted unit (lower case) -> (factor, offset)}; canonical = value * factor + offset
CONVERSIONS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "m3 m-3": {
        "m3 m-3": (1, 0),
        "m3/m3": (1, 0),
        "m³/m³": (1, 0),
        "1": (1, 0),
        "%": (0.01, 0),
        "vol%": (0.01, 0),
        "vol-%": (0.01, 0),
    },
    "degC": {
        "degc": (1, 0),
        "c": (1, 0),
        "°c": (1, 0),
        "k": (1, -273.15),
        "degf": (5 / 9, -160 / 9),
        "f": (5 / 9, -160 / 9),
        "°f": (5 / 9, -160 / 9),
    },
    "mm": {
        "mm": (1, 0),
        "cm": (10, 0),
        "m": (1000, 0),
        "in": (25.4, 0),
        "inch": (25.4, 0),
        "count": (0.2, 0),
        "counts": (0.2, 0),
        "tips": (0.2, 0),
    },
    "%": {"%": (1, 0), "fraction": (100, 0), "1": (100, 0)},
    "W m-2": {"w m-2": (1, 0), "w/m2": (1, 0), "w/m²": (1, 0)},
    "m s-1": {"m s-1": (1, 0), "m/s": (1, 0), "km/h": (1 / 3.6, 0)},
    "cm": {"cm": (1, 0), "m": (100, 0), "mm": (0.1, 0)},
    "t": {"t": (1, 0), "kg": (0.001, 0)},
}

#: temperature unit -> its name in messages
TEMPERATURE_UNITS: Mapping[str, str] = {"degc": "degC", "k": "Kelvin", "degf": "Fahrenheit"}

#: minor-unit decimals of the currencies the product meets (ISO 4217)
CURRENCY_DECIMALS: Mapping[str, int] = {
    "MYR": 2,
    "IDR": 2,
    "USD": 2,
    "EUR": 2,
    "SGD": 2,
    "CNY": 2,
    "HKD": 2,
    "THB": 2,
    "JPY": 0,
}


def conversion(unit: str, canonical: str) -> tuple[float, float] | None:
    """Factor and offset from ``unit`` to ``canonical``, or None if the unit is not known for it."""
    return CONVERSIONS[canonical].get(unit.strip().lower())


def convert(values: NDArray[np.float64], unit: str, canonical: str, *, where: str = "") -> NDArray[np.float64]:
    """Convert values to the canonical unit; an unknown unit raises :class:`SourceError` naming the known ones."""
    rule = conversion(unit, canonical)
    if rule is None:
        known = ", ".join(sorted(CONVERSIONS[canonical]))
        raise SourceError.of(where, f"unit cannot be converted to {canonical}", repr(unit), f"Use one of: {known}")
    return np.asarray(values * rule[0] + rule[1], dtype=np.float64)


def currency_decimals(currency: str) -> int:
    """Decimals of the minor unit; currencies not listed have two (ISO 4217's usual case)."""
    return CURRENCY_DECIMALS.get(currency, 2)


def minor_units(amount: float, decimals: int) -> int:
    """Floor of ``amount`` in minor units, exactly: ``floor(amount * 10**decimals)`` on the decimal text of the float.

    The text is the shortest one that reads back as the same float, so 0.29 with two decimals is 29, not 28.
    """
    with localcontext() as ctx:
        ctx.prec = 60
        return int((Decimal(repr(float(amount))) * (Decimal(10) ** decimals)).to_integral_value(rounding=ROUND_FLOOR))


def unit_value(total_minor: int, units: int, decimals: int, unit_decimals: int = 18) -> int:
    """Integer value of one unit: ``total * 10**unit_decimals // (units * 10**decimals)``, rounded down.

    Source: Centrifuge D18 price convention; known answer 1000/3 -> 333333333333333333333.
    """
    return int(total_minor * 10**unit_decimals // (units * 10**decimals))


def temperature_units(middle: NDArray[np.float64], stated: str, limits: tuple[float, float]) -> NDArray[np.str_]:
    """Unit of months of temperatures: the stated one, unless it makes no climate of their median and another does.

    Parameters
    ----------
    middle
        Medians of months in the numbers of the file, NaN where there is none; any shape.
    stated
        One of :data:`TEMPERATURE_UNITS`.
    limits
        Lowest and highest median of a month where palms grow, degC. As long as they lie between 7.3 and 45.5, no
        number is within them in two units.
    """
    out = np.full(np.shape(middle), stated, dtype="<U4")
    odd = ~_within(middle, stated, limits)
    for unit in TEMPERATURE_UNITS:
        out[odd & _within(middle, unit, limits)] = unit
    return out


def to_celsius(values: NDArray[np.float64], unit: str, stated: str, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Temperatures of a month in degC; a value that only the stated unit explains is read in that one."""
    own = _within(values, stated, limits) & ~_within(values, unit, limits)
    return np.where(own, _celsius(values, stated), _celsius(values, unit))


def _celsius(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    factor, offset = CONVERSIONS["degC"][unit]
    return np.asarray(values * factor + offset, dtype=np.float64)


def _within(values: NDArray[np.float64], unit: str, limits: tuple[float, float]) -> NDArray[np.bool_]:
    celsius = _celsius(np.asarray(values, dtype=np.float64), unit)
    return np.asarray((celsius >= limits[0]) & (celsius <= limits[1]))
