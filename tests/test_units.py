"""Conversions at the edge, and money as integers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.errors import SourceError
from plantation_rwa.units import (
    CONVERSIONS,
    conversion,
    convert,
    currency_decimals,
    minor_units,
    temperature_units,
    unit_value,
)


@pytest.mark.parametrize(
    ("value", "unit", "canonical", "expected"),
    [
        (212.0, "degF", "degC", 100.0),
        (32.0, "°F", "degC", 0.0),
        (273.15, "K", "degC", 0.0),
        (1.0, "in", "mm", 25.4),
        (0.25, "m", "mm", 250.0),
        (5.0, "tips", "mm", 1.0),
        (35.0, "%", "m3 m-3", 0.35),
        (0.6, "1", "%", 60.0),
        (36.0, "km/h", "m s-1", 10.0),
        (1.5, "m", "cm", 150.0),
        (1250.0, "kg", "t", 1.25),
        (7.0, " DegC ", "degC", 7.0),
    ],
)
def test_known_conversions(value: float, unit: str, canonical: str, expected: float) -> None:
    out = convert(np.array([value, np.nan]), unit, canonical)
    assert out[0] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(out[1])


@pytest.mark.parametrize("canonical", list(CONVERSIONS))
def test_the_canonical_unit_converts_to_itself(canonical: str) -> None:
    assert conversion(canonical, canonical) == (1, 0)


def test_an_unknown_unit_names_the_known_ones() -> None:
    text = r"sensors\.csv: unit cannot be converted to cm \(got 'furlong'\)\. Use one of: cm, m, mm$"
    with pytest.raises(SourceError, match=text):
        convert(np.array([1.0]), "furlong", "cm", where="sensors.csv")
    assert conversion("mm", "degC") is None


def test_currencies() -> None:
    assert [currency_decimals(c) for c in ("MYR", "IDR", "JPY", "XXX")] == [2, 2, 0, 2]


@pytest.mark.parametrize(
    ("amount", "decimals", "expected"),
    [
        (0.29, 2, 29),  # 0.29 * 100 is 28.999999999999996 in binary
        (1.005, 2, 100),
        (-0.001, 2, -1),  # floor, not truncation
        (1e15 + 0.3, 2, 100000000000000020),  # the float nearest to it reads 1000000000000000.2
        (123.0, 0, 123),
        (1e-9, 2, 0),
        (0.0, 18, 0),
    ],
)
def test_minor_units_are_the_floor_of_the_decimal_text(amount: float, decimals: int, expected: int) -> None:
    assert minor_units(amount, decimals) == expected


@given(st.integers(-(10**15), 10**15))
def test_minor_units_of_whole_cents_are_exact(cents: int) -> None:
    assert minor_units(float(Decimal(cents) / 100), 2) == cents


def test_unit_value_known_answer() -> None:
    # 1000 currency units over 3 units: 1000/3 with 18 decimals, rounded down
    assert unit_value(1000_00, 3, 2) == 333333333333333333333
    assert unit_value(1000, 3, 0) == 333333333333333333333
    assert unit_value(1, 1_000_000, 2) == 10_000_000_000
    assert unit_value(0, 7, 2) == 0


@given(st.integers(0, 10**17), st.integers(1, 10**12), st.sampled_from([0, 2, 3]))
def test_unit_value_never_promises_more_than_there_is(total: int, units: int, decimals: int) -> None:
    value = unit_value(total, units, decimals)
    exact = Fraction(total, 10**decimals) / units * 10**18
    assert value <= exact < value + 1


@pytest.mark.parametrize("celsius", [8.5, 15.0, 23.0, 32.0, 44.5])
@pytest.mark.parametrize("stated", ["degc", "degf", "k"])
@pytest.mark.parametrize(("true", "factor", "offset"), [("degc", 1, 0), ("degf", 1.8, 32), ("k", 1, 273.15)])
def test_one_unit_alone_makes_a_climate_of_a_median(
    celsius: float, stated: str, true: str, factor: float, offset: float
) -> None:
    got = temperature_units(np.array([celsius * factor + offset, np.nan]), stated, (8.0, 45.0))
    assert got.tolist() == [true, stated]
