"""The published tables against the contract's core columns."""

from __future__ import annotations

import pytest

from plantation_rwa.schema.fields import FIELDS, PARTITION_FIELDS
from plantation_rwa.schema.tables import TABLES, Table, table

CORE = {
    "features": """plantation_id geometry ndvi evi ndmi ndre cire nirv kndvi nbr ndvi_mean ndmi_mean ndvi_p10 ndvi_p90
        valid_fraction n_clear scenes offset_inferred p_sum_mm rain_days dry_spell_max_d deficit_irho_mm reserve_irho_mm
        et0_mm vpd_mean_kpa tmin_c tmax_c spi3 oni_known soil_moisture_m3m3 water_table_cm completeness_sensors known_at
        quality_flag""",
    "forecasts": """plantation_id geometry target_month horizon_months area_mature_ha yield_mean_t_ha yield_q05_t_ha
        yield_q10_t_ha yield_q25_t_ha yield_q50_t_ha yield_q75_t_ha yield_q90_t_ha yield_q95_t_ha ffb_mean_t prior_t_ha
        model_id quality_flag""",
    "cash_flows": """plantation_id right_id cash_month accrual_month currency measure mean q10 q50 q90 ffb_mean_t
        ffb_price_mean curve_source fv_level""",
    "curves": "symbol delivery_month forward currency curve_source fv_level",
    "valuations": """plantation_id right_id geometry currency share tenor_months npv_fair npv_mean_p npv_q05 npv_q10
        npv_q50 npv_q90 npv_q95 es95 es975 var95 prob_loss advance_rate share_npv_extrapolated fv_level ffb_price_spot
        units nav_total_int decimals unit_nav_int unit_decimals confidence_grade data_age_days_max eudr_screen
        overlap_max_frac record_hash quality_flag""",
    "quarantine": "input file row column value reason action plantation_id",
}


@pytest.mark.parametrize("name", list(CORE))
def test_core_columns_stand_in_the_contracts_order(name: str) -> None:
    core = CORE[name].split()
    assert list(TABLES[name].columns[: len(core)]) == core


@pytest.mark.parametrize("spec", TABLES.values(), ids=lambda t: t.name)
def test_a_table_is_consistent(spec: Table) -> None:
    assert len(set(spec.columns)) == len(spec.columns)
    assert set(spec.columns) <= set(FIELDS) | {f.name for f in spec.own}
    assert {f.name for f in spec.own} <= set(spec.columns)
    assert set(spec.key) <= set(spec.columns)
    assert set(spec.required) <= set(spec.columns)
    assert set(spec.partitions) <= set(PARTITION_FIELDS)
    assert not set(spec.columns) & set(PARTITION_FIELDS)
    assert spec.description.endswith(".")
    # row numbers are null for whole records, depths for sensors above the ground, values of facts told in words
    if spec.name not in {"quarantine", "sensor_flags", "signals"}:
        assert set(spec.key) <= set(spec.required)
    assert "geometry" not in spec.required
    assert spec.arrow_schema().names == [c for c in spec.columns if c != "geometry"]


def test_stress_elasticity_and_bridge_families_are_there() -> None:
    families = [c for c in TABLES["valuations"].columns if c.startswith(("stress_", "elasticity_", "bridge_"))]
    assert len(families) == 9 + 8 + 12
    assert not set(families) & set(TABLES["valuations"].required)


def test_blocks_have_no_sensors() -> None:
    assert set(TABLES["features"].columns) - set(TABLES["features_blocks"].columns) == {
        *("soil_moisture_m3m3", "root_zone_mm", "rain_gauge_mm", "air_temperature_c", "deficit_local_mm"),
        *("water_table_cm", "water_table_p90_cm", "water_table_shallow_d", "completeness_sensors"),
    }


def test_an_unknown_table_lists_the_known_ones() -> None:
    assert table("curves") is TABLES["curves"]
    with pytest.raises(KeyError, match="no table 'curve'; known: cash_flows, chips, curves, disclosure, features"):
        table("curve")
