"""The field registry: every column has a meaning, a unit where it is a number, and a type that tools know."""

from __future__ import annotations

import pyarrow as pa
import pytest

from plantation_rwa.schema.fields import FIELDS, PARTITION_FIELDS, Field
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.schema.tables import TABLES

#: Units that may stand in the registry; a new one is added here on purpose.
UNITS = {
    "", "1", "degree", "mm", "d", "kPa", "degC", "m3 m-3", "cm", "month", "ha", "t ha-1 month-1", "t", "a",
    "currency", "currency t-1", "minor unit", "1e-18 currency", "a-1", "t a-1", "MJ m-2 d-1", "m", "see unit",
}  # fmt: skip


@pytest.mark.parametrize("field", [*FIELDS.values(), *PARTITION_FIELDS.values()], ids=lambda f: f.name)
def test_a_field_is_fully_described(field: Field) -> None:
    assert field.name == field.name.lower()
    assert field.name.replace("_", "").isalnum()
    assert field.description.endswith(".")
    assert field.unit in UNITS
    assert "|" not in field.description  # the dictionary is a table
    if field.kind in {"int", "float", "decimal"}:
        assert field.unit, "a number needs a unit; 1 for fractions and counts"
    if field.kind == "float":
        assert field.decimals is not None
    if field.lower is not None and field.upper is not None:
        assert field.lower < field.upper


def test_units_agree_with_the_suffix_of_the_name() -> None:
    suffixes = {
        "_mm": "mm",
        "_kpa": "kPa",
        "_ha": "ha",
        "_t_ha": "t ha-1 month-1",
        "_cm": "cm",
        "_m3m3": "m3 m-3",
        "_t": "t",
    }
    for field in FIELDS.values():
        found = [s for s in suffixes if field.name.endswith(s)]
        if found and field.kind == "float":
            assert field.unit == suffixes[max(found, key=len)], field.name


def test_decimals_are_those_of_the_contract() -> None:
    # indices and fractions 7 decimals, mm and t/ha 6, money 4, probabilities 6
    wanted = {
        "ndvi": 7,
        "valid_fraction": 7,
        "p_sum_mm": 6,
        "yield_q05_t_ha": 6,
        "npv_fair": 4,
        "prob_loss": 6,
        "share": 7,
    }
    assert {name: FIELDS[name].decimals for name in wanted} == wanted


def test_arrow_fields_carry_unit_and_description() -> None:
    arrow = FIELDS["npv_fair"].arrow()
    assert arrow.type == pa.float64()
    assert arrow.metadata[b"unit"] == b"currency"
    assert arrow.metadata[b"description"].startswith(b"Fair value under the forward curve")
    assert FIELDS["unit_nav_int"].arrow_type == pa.decimal128(38, 0)
    assert FIELDS["known_at"].arrow_type == pa.date32()
    assert FIELDS["geometry"].arrow_type == pa.binary()
    assert FIELDS["offset_inferred"].arrow_type == pa.bool_()


def test_no_field_is_left_over() -> None:
    used = {column for spec in TABLES.values() for column in spec.columns if column not in {f.name for f in spec.own}}
    assert used == set(FIELDS)


def test_flags_are_codes_with_a_meaning() -> None:
    for code, meaning in FLAGS.items():
        assert code.replace("_", "").isalnum(), code
        assert ";" not in code
        assert meaning
        assert not meaning.endswith(".")
