"""Published tables: which fields, in which order, with which key."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from plantation_rwa.schema.backtest_fields import LEAK_FIELDS, METRIC_FIELDS, PREDICTION_FIELDS
from plantation_rwa.schema.chip_fields import CHIP_FIELDS
from plantation_rwa.schema.disclosure_fields import DISCLOSURE_FIELDS
from plantation_rwa.schema.fields import FIELDS, Field
from plantation_rwa.schema.forecast_fields import HARVEST_FIELDS
from plantation_rwa.schema.ghost_fields import GHOST_FIELDS, GHOST_LOSS_FIELDS, GHOST_SCORE_FIELDS
from plantation_rwa.schema.price_fields import PRICE_MODEL_FIELDS
from plantation_rwa.schema.screening_fields import SCREENING_FIELDS
from plantation_rwa.schema.shocks import STRESSES
from plantation_rwa.schema.signal_fields import SIGNAL_FIELDS


@dataclass(frozen=True)
class Table:
    """One published table.

    Parameters
    ----------
    name
        Folder name in the output.
    description
        One sentence for the dictionary.
    columns
        Field names in published order, partition keys excluded.
    key
        Columns that identify a row within one partition.
    partitions
        Hive keys of the path, outermost first; not in the files.
    required
        Columns that are never null.
    own
        Fields that mean something else here than in the registry; a table without partition keys is one file.
    file
        Path, where the table is no folder of parts.
    """

    name: str
    description: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    partitions: tuple[str, ...] = ("as_of",)
    required: tuple[str, ...] = ()
    own: tuple[Field, ...] = ()
    file: str = ""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The registry entries of the columns."""
        own = {f.name: f for f in self.own}
        return tuple(own[c] if c in own else FIELDS[c] for c in self.columns)

    @property
    def has_geometry(self) -> bool:
        """Whether the table is GeoParquet."""
        return "geometry" in self.columns

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema without the geometry column, unit and description in each field's metadata."""
        fields = [f.arrow() for f in self.fields if f.kind != "geometry"]
        return pa.schema(fields)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FEATURES = _words("""
    plantation_id geometry ndvi evi ndmi ndre cire nirv kndvi nbr ndvi_mean ndmi_mean ndvi_p10 ndvi_p90
    valid_fraction n_clear scenes offset_inferred p_sum_mm rain_days dry_spell_max_d deficit_irho_mm
    reserve_irho_mm et0_mm vpd_mean_kpa tmin_c tmax_c spi3 oni_known soil_moisture_m3m3 water_table_cm
    completeness_sensors known_at quality_flag effective_pixels rain_days_heavy drainage_irho_mm deficit_bucket_mm
    transpiration_ratio cwb_mm tmean_c ssrd_mean_mj_m2 spei6 root_zone_mm water_table_p90_cm
    water_table_shallow_d rain_gauge_mm air_temperature_c deficit_local_mm
""")

_SENSORS = _words("""
    soil_moisture_m3m3 water_table_cm completeness_sensors root_zone_mm water_table_p90_cm water_table_shallow_d
    rain_gauge_mm air_temperature_c deficit_local_mm
""")

_ELASTICITIES = _words("cpo pk yield oer discount fx hazard k")
_BRIDGE = _words("opening cash time curve pk yield extraction fx discount issuance model closing")

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "features",
            "Monthly vegetation, climate, water-balance and sensor features of each plantation.",
            _FEATURES,
            ("plantation_id",),
            ("month", "vintage"),
            ("plantation_id", "known_at", "quality_flag"),
        ),
        Table(
            "features_blocks",
            "The vegetation features of each block that has a geometry of its own.",
            (
                "block_id",
                *(c for c in _FEATURES if c not in _SENSORS),
            ),
            ("plantation_id", "block_id"),
            ("month", "vintage"),
            ("plantation_id", "block_id", "known_at", "quality_flag"),
        ),
        Table(
            "features_scenes",
            "Every satellite scene over each plantation: its claim, what its pixels say, and what was made of it.",
            _words("""plantation_id scene_id item_hash datatake tile acquired baseline offset_reason offset_claimed_dn
                offset_dn offset_inferred offset_check air_check bands_check outcome missing_bands item_faults
                scl_profile covered_share clear_share
                judged_pixels red_dark_share red_median blue_median ndvi_median swir_median red_dark_share_other
                red_median_other blue_median_other ndvi_median_other swir_median_other known_at"""),
            ("plantation_id", "acquired", "scene_id", "item_hash"),
            ("month", "vintage"),
            _words("plantation_id scene_id item_hash datatake acquired offset_claimed_dn outcome known_at"),
        ),
        Table(
            "chips",
            "Two small pictures of each plantation from one scene of its latest clear month, or why there are none.",
            tuple(f.name for f in CHIP_FIELDS),
            ("plantation_id",),
            required=_words("plantation_id reason"),
            own=CHIP_FIELDS,
        ),
        Table(
            "forecasts",
            "Yield forecast of each plantation and target month, with quantiles.",
            _words("""plantation_id geometry target_month horizon_months area_mature_ha yield_mean_t_ha yield_q05_t_ha
                yield_q10_t_ha yield_q25_t_ha yield_q50_t_ha yield_q75_t_ha yield_q90_t_ha yield_q95_t_ha ffb_mean_t
                prior_t_ha model_id quality_flag climatology_region_t_ha contribution_stand_t_ha
                contribution_season_t_ha contribution_water_t_ha contribution_level_t_ha contribution_crops_t_ha
                contribution_canopy_t_ha contribution_light_t_ha contribution_learned_t_ha"""),
            ("plantation_id", "target_month"),
            required=_words("""plantation_id target_month horizon_months area_mature_ha yield_mean_t_ha yield_q05_t_ha
                yield_q50_t_ha yield_q95_t_ha ffb_mean_t model_id quality_flag"""),
        ),
        Table(
            "forecast_model",
            "What joint yield paths need besides the published quantiles: factor loadings and serial correlations.",
            _words(
                "plantation_id region loading_common loading_region loading_own ar1_common ar1_region ar1_own "
                "sd_log_month sd_log_year n_obs_train age_mean_years model_id level_share ar1_level ar1_month "
                "deficit_beta deficit_beta_unshrunk"
            ),
            ("plantation_id",),
            required=_words(
                "plantation_id region loading_common loading_region loading_own ar1_common ar1_region ar1_own model_id"
            ),
        ),
        Table(
            "harvests",
            "Harvests of each plantation known at the date, which the forecast was fitted on.",
            _words("plantation_id harvest_month yield_t_ha"),
            ("plantation_id", "harvest_month"),
            required=_words("plantation_id harvest_month yield_t_ha"),
            own=HARVEST_FIELDS,
        ),
        Table(
            "cash_flows",
            "Expected payments of each right by month, under the curve (q) and in the real world (p).",
            _words("""plantation_id right_id cash_month accrual_month currency measure mean q10 q50 q90 ffb_mean_t
                ffb_price_mean curve_source fv_level"""),
            ("plantation_id", "right_id", "accrual_month", "measure"),
            required=_words(
                "plantation_id right_id cash_month accrual_month currency measure mean q10 q50 q90 fv_level"
            ),
        ),
        Table(
            "curves",
            "Forward curve by delivery month, at the 15th.",
            _words("symbol delivery_month forward currency curve_source fv_level log_sd settle_date"),
            ("symbol", "delivery_month"),
            required=_words("symbol delivery_month forward currency curve_source fv_level"),
        ),
        Table(
            "price_model",
            "Parameters of the price paths: calibrated with standard errors, or assumed and why.",
            tuple(f.name for f in PRICE_MODEL_FIELDS),
            ("parameter",),
            required=_words("parameter value method unit note"),
            own=PRICE_MODEL_FIELDS,
        ),
        Table(
            "valuations",
            "Value and risk of each plantation's revenue right.",
            _words("""plantation_id right_id geometry currency share tenor_months npv_fair npv_mean_p npv_q05 npv_q10
                npv_q50 npv_q90 npv_q95 es95 es975 var95 prob_loss advance_rate share_npv_extrapolated fv_level
                ffb_price_spot units nav_total_int decimals unit_nav_int unit_decimals confidence_grade
                data_age_days_max eudr_screen overlap_max_frac record_hash quality_flag npv_q25 npv_q75 sd var99 irr_q50
                wal_years modified_duration dv01 breakeven_price breakeven_yield oc_ratio es_contribution_pool
                npv_mc_se pool_id base start_month price_floor price_cap price_basis min_payment max_payment
                frequency_months payment_lag_months issue_price payor_id collection_route""")
            + tuple(f"stress_{s}" for s in STRESSES)
            + tuple(f"elasticity_{e}" for e in _ELASTICITIES)
            + tuple(f"bridge_{b}" for b in _BRIDGE),
            ("plantation_id", "right_id"),
            required=_words("""plantation_id right_id currency share tenor_months units decimals unit_decimals
                confidence_grade quality_flag"""),
        ),
        Table(
            "pools",
            "Value and concentration of each pool of rights, one row per tranche.",
            _words("""pool_id tranche currency n_rights npv_fair npv_mean_p npv_q05 npv_q10 npv_q50 npv_q90 npv_q95 es95
                es975 var95 hhi effective_n nav_total_int decimals quality_flag npv_q25 npv_q75 sd var99 advance_rate
                oc_ratio dscr_min_q05 prob_shortfall top5_share max_share_plantation max_share_sponsor max_share_mill
                max_share_region diversification_ratio"""),
            ("pool_id", "tranche"),
            required=_words("pool_id tranche currency n_rights npv_fair nav_total_int decimals quality_flag"),
        ),
        Table(
            "disclosure",
            "Level 3 disclosure of each pool: technique, inputs with range, assumptions with source, sensitivities, "
            "roll-forward.",
            tuple(f.name for f in DISCLOSURE_FIELDS),
            _words("pool_id section item"),
            required=_words("pool_id currency section item unit source"),
            own=DISCLOSURE_FIELDS,
        ),
        Table(
            "screening",
            "Evidence on the land of each plantation, one row per rule: state, evidence, what was not checked.",
            tuple(f.name for f in SCREENING_FIELDS),
            ("plantation_id", "rule"),
            required=_words(
                "plantation_id rule state in_eudr_screen finding evidence not_checked confidence rule_version"
            ),
            own=SCREENING_FIELDS,
        ),
        Table(
            "signals",
            "Facts of trade reports known at the date, each with the words it stands in; no value rests on them.",
            tuple(f.name for f in SIGNAL_FIELDS),
            _words("doc_id start end quantity country period value unit direction measure basis"),
            required=_words(
                "doc_id published_at known_at country period quantity unit direction text start end confidence "
                "measure basis"
            ),
            own=SIGNAL_FIELDS,
        ),
        Table(
            "records",
            "The record of each right with its salt, its hash and its place in the Merkle tree.",
            _words("plantation_id right_id record salt key_hash record_hash merkle_index components"),
            ("plantation_id", "right_id"),
            required=_words("plantation_id right_id record salt key_hash record_hash merkle_index components"),
            file="attestations/as_of=.../records.parquet",
        ),
        Table(
            "sensor_flags",
            "Sensor readings with a quality flag: readings in a row of one sensor with the same flags are one line.",
            _words("""plantation_id station_id sensor_id variable depth_m first_reading last_reading readings raw_min
                raw_max unit qc_flag counts"""),
            ("plantation_id", "station_id", "sensor_id", "variable", "depth_m", "first_reading"),
            required=_words(
                "plantation_id station_id sensor_id variable first_reading last_reading readings unit qc_flag counts"
            ),
        ),
        Table(
            "predictions",
            "What model and baselines said at each origin of a backtest, and what was harvested.",
            tuple(f.name for f in PREDICTION_FIELDS),
            _words("protocol plantation_id origin target_month horizon model"),
            (),
            _words("protocol plantation_id origin target_month horizon model observed mean"),
            PREDICTION_FIELDS,
        ),
        Table(
            "metrics",
            "Scores of a backtest by protocol, horizon, region and model, with 90 % block-bootstrap intervals.",
            tuple(f.name for f in METRIC_FIELDS),
            _words("protocol horizon region metric model"),
            (),
            _words("protocol horizon region metric model value n"),
            METRIC_FIELDS,
        ),
        Table(
            "ghosts",
            "Rights issued on past dates as known then, and what they would have paid.",
            tuple(f.name for f in GHOST_FIELDS),
            _words("plantation_id origin"),
            (),
            tuple(f.name for f in GHOST_FIELDS),
            GHOST_FIELDS,
        ),
        Table(
            "ghost_metrics",
            "Scores of the values of ghost rights, with 90 % block-bootstrap intervals.",
            tuple(f.name for f in GHOST_SCORE_FIELDS),
            ("metric",),
            (),
            tuple(f.name for f in GHOST_SCORE_FIELDS),
            GHOST_SCORE_FIELDS,
        ),
        Table(
            "ghost_losses",
            "Missed service and losses of advances on ghost rights, by vintage and advance rate.",
            tuple(f.name for f in GHOST_LOSS_FIELDS),
            _words("origin advance_rate"),
            (),
            tuple(f.name for f in GHOST_LOSS_FIELDS),
            GHOST_LOSS_FIELDS,
        ),
        Table(
            "metrics_pooled",
            "As metrics over horizons taken together, with the figures of calibration too.",
            tuple(f.name for f in METRIC_FIELDS),
            _words("protocol horizon region metric model"),
            (),
            _words("protocol horizon region metric model value n"),
            METRIC_FIELDS,
        ),
        Table(
            "leak_checks",
            "Verdicts of a backtest's leak detectors.",
            tuple(f.name for f in LEAK_FIELDS),
            _words("check"),
            (),
            _words("check outcome detail"),
            LEAK_FIELDS,
        ),
        Table(
            "quarantine",
            "Every input record that was rejected, nulled or repaired, with the reason.",
            _words("input file row column value reason action plantation_id"),
            ("input", "file", "row", "column", "reason"),
            required=_words("input file reason action"),
        ),
    )
}


def table(name: str) -> Table:
    """Look a table up; the error lists the known names."""
    try:
        return TABLES[name]
    except KeyError:
        raise KeyError(f"no table '{name}'; known: {', '.join(sorted(TABLES))}") from None
