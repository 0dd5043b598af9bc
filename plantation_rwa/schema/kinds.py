"""What a published column is: type, unit, decimals, bounds; and short ways to write the usual ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["text", "int", "float", "bool", "date", "decimal", "geometry", "png"]

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "decimal": pa.decimal128(38, 0),
    "png": pa.binary(),
}


@dataclass(frozen=True)
class Field:
    """One published column.

    Parameters
    ----------
    name
        Column name, unit as suffix where there is one.
    kind
        Type family; see ``arrow_type``.
    unit
        Unit text; ``1`` for fractions and indices, empty for text.
    description
        What the number means, in one sentence.
    decimals
        Decimals kept when published; None keeps the value.
    lower, upper
        Closed bounds of valid values.
    values
        Allowed texts.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    decimals: int | None = None
    lower: float | None = None
    upper: float | None = None
    values: tuple[str, ...] = ()

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column (WKB binary for geometry)."""
        return pa.binary() if self.kind == "geometry" else _ARROW[self.kind]

    def arrow(self) -> pa.Field:
        """Arrow field with unit and description in its metadata."""
        return pa.field(self.name, self.arrow_type, metadata={"unit": self.unit, "description": self.description})


def text(name: str, description: str, values: tuple[str, ...] = ()) -> Field:
    """Text, from a closed list if ``values`` are given."""
    return Field(name, "text", "", description, values=values)


def png(name: str, description: str) -> Field:
    """A picture: the bytes of a PNG file."""
    return Field(name, "png", "", description)


def index(name: str, description: str, lower: float = -1.0, upper: float = 1.0) -> Field:
    """Vegetation index."""
    return Field(name, "float", "1", description, 7, lower, upper)


def fraction(name: str, description: str) -> Field:
    """Fraction between 0 and 1."""
    return Field(name, "float", "1", description, 7, 0.0, 1.0)


def real(
    name: str,
    unit: str,
    description: str,
    decimals: int = 6,
    lower: float | None = None,
    upper: float | None = None,
) -> Field:
    """Number with a unit."""
    return Field(name, "float", unit, description, decimals, lower, upper)


def money(name: str, description: str) -> Field:
    """Amount in the row's currency."""
    return Field(name, "float", "currency", description, 4)


def price(name: str, description: str) -> Field:
    """Price per tonne in the row's currency."""
    return Field(name, "float", "currency t-1", description, 4)


def yield_rate(name: str, description: str) -> Field:
    """Yield of mature area per month."""
    return Field(name, "float", "t ha-1 month-1", description, 6, 0.0)


def whole(name: str, unit: str, description: str, lower: float | None = None) -> Field:
    """Whole number."""
    return Field(name, "int", unit, description, 0, lower)
