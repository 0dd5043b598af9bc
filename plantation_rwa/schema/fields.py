"""The field registry: type, unit, meaning and bounds of every published column, written once."""

from __future__ import annotations

from plantation_rwa.schema import shocks
from plantation_rwa.schema.forecast_fields import FORECAST_FIELDS, FORECAST_MODEL_FIELDS
from plantation_rwa.schema.kinds import Field
from plantation_rwa.schema.kinds import fraction as _fraction
from plantation_rwa.schema.kinds import index as _index
from plantation_rwa.schema.kinds import money as _money
from plantation_rwa.schema.kinds import price as _price
from plantation_rwa.schema.kinds import real as _float
from plantation_rwa.schema.kinds import text as _text
from plantation_rwa.schema.kinds import whole as _int
from plantation_rwa.schema.kinds import yield_rate as _yield
from plantation_rwa.schema.record_fields import RECORD_FIELDS
from plantation_rwa.schema.right_fields import RIGHT_FIELDS
from plantation_rwa.schema.scene_fields import SCENE_FIELDS
from plantation_rwa.schema.sensor_fields import SENSOR_FIELDS

__all__ = ["FIELDS", "PARTITION_FIELDS", "Field"]

_FEATURE_FIELDS = (
    _text("plantation_id", "Plantation identifier of the register."),
    _text("block_id", "Block identifier of the block table."),
    Field("geometry", "geometry", "degree", "Outline on WGS84, longitude and latitude."),
    _index(
        "ndvi",
        "Normalised difference vegetation index (B08, B04): coverage-weighted median of per-pixel monthly medians.",
    ),
    _index("evi", "Enhanced vegetation index (B08, B04, B02), statistic as ndvi.", -1.0, 1.5),
    _index("ndmi", "Normalised difference moisture index (B8A, B11), statistic as ndvi."),
    _index("ndre", "Normalised difference red edge (B8A, B05), statistic as ndvi."),
    _index("cire", "Chlorophyll index red edge B07/B05 - 1, statistic as ndvi.", -1.0, 100.0),
    _index("nirv", "Near-infrared reflectance of vegetation NDVI x B08, statistic as ndvi."),
    _index("kndvi", "Kernel NDVI tanh(NDVI^2), statistic as ndvi.", 0.0, 1.0),
    _index("nbr", "Normalised burn ratio (B8A, B12), statistic as ndvi."),
    _index("ndvi_mean", "NDVI as coverage-weighted mean of per-pixel monthly medians."),
    _index("ndmi_mean", "NDMI as coverage-weighted mean of per-pixel monthly medians."),
    _index("ndvi_p10", "10th percentile of NDVI over the plantation's pixels."),
    _index("ndvi_p90", "90th percentile of NDVI over the plantation's pixels."),
    _fraction("valid_fraction", "Covered area with at least one clear observation in the month / covered area."),
    _float("n_clear", "1", "Coverage-weighted mean count of clear observations per pixel.", 7, 0.0),
    _float(
        "effective_pixels", "1", "Sum of covered fractions of pixels with a clear observation in the month.", 7, 0.0
    ),
    _int("scenes", "1", "Distinct datatakes that touch the outline in the month.", 0),
    Field(
        "offset_inferred",
        "bool",
        "",
        "Whether the radiometric offset of a scene was inferred from its pixels against its metadata.",
    ),
    _float("p_sum_mm", "mm", "Rain of the month.", 6, 0.0),
    _float("rain_days", "d", "Days with at least 1 mm of rain.", 6, 0.0, 31.0),
    _float(
        "dry_spell_max_d",
        "d",
        "Longest run of days below 1 mm that ends in the month; it may start earlier.",
        6,
        0.0,
    ),
    _float("deficit_irho_mm", "mm", "Monthly water deficit of the IRHO (Surre) balance.", 6, 0.0),
    _float(
        "deficit_local_mm",
        "mm",
        "Monthly deficit of the IRHO balance with the rain of the plantation's own gauges, from their first month on; "
        "months without a gauge by the grid times the ratio of both.",
        6,
        0.0,
    ),
    _float("reserve_irho_mm", "mm", "Soil water reserve at the end of the month in the IRHO balance.", 6, 0.0),
    _float("et0_mm", "mm", "FAO-56 reference evapotranspiration of the month.", 6, 0.0),
    _float("vpd_mean_kpa", "kPa", "Mean vapour pressure deficit of the month.", 6, 0.0),
    _float("tmin_c", "degC", "Mean daily minimum air temperature.", 6, -60.0, 60.0),
    _float("tmax_c", "degC", "Mean daily maximum air temperature.", 6, -60.0, 60.0),
    _float(
        "spi3",
        "1",
        "Standardised precipitation index over three months (gamma), fitted on data up to the month.",
        6,
        -3.09,
        3.09,
    ),
    _float("rain_days_heavy", "d", "Days with at least 50 mm of rain.", 6, 0.0, 31.0),
    _float("drainage_irho_mm", "mm", "Water that drains in the month in the IRHO balance.", 6, 0.0),
    _float(
        "deficit_bucket_mm",
        "mm",
        "Monthly water deficit of the daily bucket: crop demand that transpiration does not meet.",
        6,
        0.0,
    ),
    _fraction("transpiration_ratio", "Transpiration over crop demand of the month in the daily bucket."),
    _float("cwb_mm", "mm", "Climatic water balance of the month: rain minus reference evapotranspiration.", 6),
    _float("tmean_c", "degC", "Mean air temperature, of daily extremes or of a monthly grid.", 6, -60.0, 60.0),
    _float("ssrd_mean_mj_m2", "MJ m-2 d-1", "Mean daily solar radiation of the month.", 6, 0.0, 50.0),
    _float(
        "spei6",
        "1",
        "Standardised precipitation evapotranspiration index over six months (log-logistic), fitted on data up to the "
        "month.",
        6,
        -3.09,
        3.09,
    ),
    _float(
        "oni_known",
        "degC",
        "Oceanic Nino index known at the end of the month (centred two months earlier).",
        6,
        -10.0,
        10.0,
    ),
    _float(
        "soil_moisture_m3m3",
        "m3 m-3",
        "Monthly mean volumetric soil moisture of the sensors, quality-controlled.",
        6,
        0.0,
        1.0,
    ),
    _float(
        "water_table_cm",
        "cm",
        "Monthly mean water-table depth below the surface, positive downwards.",
        6,
        -50.0,
        300.0,
    ),
    _float("root_zone_mm", "mm", "Water from the surface to 0.6 m by the soil moisture profile, monthly mean.", 6, 0.0),
    _float("water_table_p90_cm", "cm", "90th percentile of the daily water-table depth of the month.", 6, -50.0, 300.0),
    _float("water_table_shallow_d", "d", "Days of the month with the water table above 40 cm depth.", 6, 0.0, 31.0),
    _float("rain_gauge_mm", "mm", "Rain of the month by the plantation's own gauges, gaps not filled.", 6, 0.0),
    _float("air_temperature_c", "degC", "Monthly mean air temperature of the stations.", 6, -60.0, 60.0),
    _fraction("completeness_sensors", "Share of the month's expected sensor hours that passed quality control."),
    Field("known_at", "date", "", "Latest date at which an input of this row became known."),
    _text("quality_flag", "Codes separated by ';', empty if nothing is wrong; codes in the dictionary."),
)

_FORECAST_FIELDS = (
    _text("target_month", "Month of harvest that is forecast, YYYY-MM, local."),
    _int("horizon_months", "month", "Target month minus the month of as_of; the first is 1.", 1),
    _float("area_mature_ha", "ha", "Planted area old enough to be harvested in the target month.", 6, 0.0),
    _yield(
        "yield_mean_t_ha",
        "Expected fresh-fruit-bunch yield per hectare of mature area in the month; mean of the published distribution.",
    ),
    *(_yield(f"yield_q{q:02d}_t_ha", f"{q} % quantile of the month's yield.") for q in (5, 10, 25, 50, 75, 90, 95)),
    _float("ffb_mean_t", "t", "Expected fresh fruit bunches of the month.", 6, 0.0),
    _yield(
        "prior_t_ha",
        "Agronomic prior of the month's yield: age curve x season x deficit response x plantation effect.",
    ),
    *FORECAST_FIELDS,
    _text("model_id", "Name and version of the model that made the row."),
    _text("region", "Region that shares climate shocks and season."),
    _float(
        "loading_common",
        "1",
        "Loading of the yield's normal score on the shock common to all plantations.",
        7,
        -1.0,
        1.0,
    ),
    _float("loading_region", "1", "Loading on the region's shock.", 7, -1.0, 1.0),
    _float(
        "loading_own",
        "1",
        "Loading on the plantation's own shock; the squares of the three sum to 1.",
        7,
        -1.0,
        1.0,
    ),
    _float("ar1_common", "1", "Month-to-month correlation of the common shock.", 7, -1.0, 1.0),
    _float("ar1_region", "1", "Month-to-month correlation of the region's shock.", 7, -1.0, 1.0),
    _float("ar1_own", "1", "Month-to-month correlation of the plantation's own shock.", 7, -1.0, 1.0),
    _float("sd_log_month", "1", "Standard deviation of monthly log forecast errors at horizon 1 to 12.", 7, 0.0),
    _float("sd_log_year", "1", "Standard deviation of annual log forecast errors.", 7, 0.0),
    *FORECAST_MODEL_FIELDS,
    _int("n_obs_train", "1", "Harvest months of this plantation used in fitting.", 0),
    _float("age_mean_years", "a", "Area-weighted mean age of the palms at as_of.", 6, 0.0),
)

_SOURCES = ("settlement", "interpolated", "extrapolated")

_VALUATION_FIELDS = (
    _text("right_id", "Right identifier within the plantation."),
    _text("pool_id", "Pool identifier of the rights table; 'portfolio' groups all rights of one currency."),
    _text(
        "tranche",
        "Tranche of the pool; fees, senior, reserve (paid into the account less drawn) and junior add up to the whole.",
        ("whole", "fees", "senior", "reserve", "junior"),
    ),
    _text("cash_month", "Month in which the payment arrives, YYYY-MM."),
    _text("accrual_month", "Month whose harvest the payment is a share of, YYYY-MM."),
    _text("currency", "ISO 4217 code; money columns are in its major unit."),
    _text("measure", "q: under the forward curve; p: real world.", ("q", "p")),
    _money("mean", "Mean payment of the month, before default and disaster."),
    _money("q10", "10 % quantile of the month's payment."),
    _money("q50", "Median payment of the month."),
    _money("q90", "90 % quantile of the month's payment."),
    _price(
        "ffb_price_mean",
        "Expected payment per t of the right's fruit: for a gross share the mill-gate price within floor and cap.",
    ),
    _text("curve_source", "Where the month's palm-oil forward comes from.", _SOURCES),
    _int(
        "fv_level",
        "1",
        "IFRS 13 level of the price input: 1 quoted, 2 derived from quotes, 3 unobservable.",
        1,
    ),
    _text("symbol", "Futures symbol."),
    _text("delivery_month", "Delivery month, YYYY-MM."),
    _price("forward", "Forward price per t at the 15th of the delivery month."),
    _float("log_sd", "1", "Standard deviation of the log price in the delivery month, by the price model.", 6, 0.0),
    Field("settle_date", "date", "", "Day of the settlements that make the curve, or of the price where it is flat."),
    _fraction("share", "Share of the base revenue that the right pays."),
    _int("tenor_months", "month", "Months of accrual.", 1),
    _money(
        "npv_fair",
        "Fair value under the forward curve: risk-free discounting, survival, production and liquidity spreads.",
    ),
    _money("npv_mean_p", "Real-world mean of the pathwise present value, same discounting."),
    *(
        _money(f"npv_q{q:02d}", f"{q} % quantile of the real-world present value (inverted CDF).")
        for q in (5, 10, 25, 50, 75, 90, 95)
    ),
    _money("sd", "Standard deviation of the real-world present value."),
    _money(
        "npv_mc_se", "Monte Carlo standard error of npv_mean_p, by antithetic pairs; that of npv_fair is of its size."
    ),
    _money("es95", "Expected shortfall of the loss npv_fair - PV at 95 %."),
    _money("es975", "Expected shortfall of the loss npv_fair - PV at 97.5 %."),
    _money("var95", "Value at risk of the loss npv_fair - PV at 95 % (inverted CDF)."),
    _money("var99", "Value at risk of the loss npv_fair - PV at 99 % (inverted CDF)."),
    _float("irr_q50", "a-1", "Median over real-world paths of the internal rate at the issue price; null without one."),
    _float("wal_years", "a", "Years to the expected payments, weighted by them.", 6, 0.0),
    _float("modified_duration", "a", "Relative loss of npv_fair per unit of discount rate.", 6),
    _money("dv01", "Loss of npv_fair for a discount rate 0.01 percentage points higher."),
    _price(
        "breakeven_price",
        "Mean palm-oil price per t over the term at which npv_fair equals the issue price, currency of the mill; "
        "null without an issue price or where floors decide.",
    ),
    _float(
        "breakeven_yield",
        "t a-1",
        "Tonnes of fresh fruit bunches a year at which npv_fair equals the issue price.",
        6,
        0.0,
    ),
    _float("oc_ratio", "1", "Over-collateralisation: 1 / advance rate - 1.", 7, 0.0),
    _money("es_contribution_pool", "Contribution to the pool's expected shortfall at 95 % (Euler); they sum to it."),
    _float("prob_loss", "1", "P(PV < issue price); null without an issue price.", 6, 0.0, 1.0),
    _float(
        "advance_rate",
        "1",
        "Share of npv_fair that can be advanced: the smallest of policy cap, tail-based rate and value under the worst "
        "stress; of a senior tranche its claim over the pool's value.",
        7,
        0.0,
        1.0,
    ),
    _float(
        "share_npv_extrapolated",
        "1",
        "Share of npv_fair from months beyond the last liquid futures contract.",
        7,
        0.0,
        1.0,
    ),
    _price(
        "ffb_price_spot",
        "Farm-gate price per t of fresh fruit bunches from the latest prices known at as_of.",
    ),
    _int("units", "1", "Units the right is divided into.", 1),
    _int("nav_total_int", "minor unit", "npv_fair in minor units of the currency, rounded down."),
    _int("decimals", "1", "Decimals of the minor unit.", 0),
    Field(
        "unit_nav_int",
        "decimal",
        "1e-18 currency",
        "Value of one unit as integer with unit_decimals decimals, rounded down.",
    ),
    _int("unit_decimals", "1", "Decimals of unit_nav_int.", 0),
    _text(
        "confidence_grade",
        "A to D by the configured rule: data, history and interval width.",
        ("A", "B", "C", "D"),
    ),
    _int("data_age_days_max", "d", "Age at as_of of the oldest of the newest records per input kind.", 0),
    _text(
        "eudr_screen",
        "Deforestation screening state; evidence, never a verdict.",
        ("pass", "fail", "more_info", "not_checked"),
    ),
    _fraction("overlap_max_frac", "Largest overlap with another plantation as share of the smaller area."),
    _text("record_hash", "keccak256 of the record's salt and canonical JSON, which the Merkle tree holds."),
    *(
        _money(f"stress_{name}", f"Fair value under the named stress '{name}': {moved}.")
        for name, moved in shocks.STRESSES.items()
    ),
    *(
        _float(f"elasticity_{e}", "1", f"Relative change of npv_fair per relative change of: {shocks.DRIVERS[e]}.", 6)
        for e in ("cpo", "pk", "yield", "fx")
    ),
    *(
        _float(
            f"elasticity_{e}",
            "1",
            f"Relative change of npv_fair per 0.01 (a percentage point) of: {shocks.DRIVERS[e]}.",
            6,
        )
        for e in ("oer", "discount", "hazard", "k")
    ),
    *(
        _int(f"bridge_{b}", "minor unit", f"Step '{b}' of the bridge from the previous published value.")
        for b in (
            "opening",
            "cash",
            "time",
            "curve",
            "pk",
            "yield",
            "extraction",
            "fx",
            "discount",
            "issuance",
            "model",
            "closing",
        )
    ),
    _int("n_rights", "1", "Rights in the pool.", 0),
    _fraction("hhi", "Herfindahl index of npv_fair over the pool's rights."),
    _float("effective_n", "1", "Effective number of rights, 1 / hhi.", 6, 0.0),
    _fraction("top5_share", "Share of the five largest rights."),
    *(
        _fraction(f"max_share_{name}", f"Share of the largest {name} in the pool's fair value.")
        for name in ("plantation", "sponsor", "mill", "region")
    ),
    _float("diversification_ratio", "1", "Expected shortfall of the pool over the sum of its rights', at 95 %.", 6),
    _float(
        "dscr_min_q05", "1", "5 % quantile of the smallest cover of the scheduled senior service by cash after fees.", 6
    ),
    _float(
        "prob_shortfall",
        "1",
        "Real-world share of paths: of the whole, present value below the advance (advance_rate x npv_fair); of the "
        "senior tranche, claim not repaid in full. Null where nothing is owed: fees, reserve, junior.",
        6,
        0.0,
        1.0,
    ),
)

_QUARANTINE_FIELDS = (
    _text("input", "Configured input, e.g. harvest."),
    _text("file", "File name."),
    _int("row", "1", "1-based data row in the file; null for problems of a whole record such as a scene.", 1),
    _text("column", "Column, asset or key concerned."),
    _text("value", "Value found, as text."),
    _text("reason", "What is wrong and what was done."),
    _text("action", "What happened to the record.", ("rejected", "nulled", "repaired")),
)

FIELDS: dict[str, Field] = {
    f.name: f
    for f in (
        *_FEATURE_FIELDS,
        *SCENE_FIELDS,
        *SENSOR_FIELDS,
        *_FORECAST_FIELDS,
        *_VALUATION_FIELDS,
        *RIGHT_FIELDS,
        *RECORD_FIELDS,
        *_QUARANTINE_FIELDS,
    )
}

#: Partition keys of the paths; ``latest/*`` carries them as text columns.
PARTITION_FIELDS: dict[str, Field] = {
    "month": _text("month", "Calendar month, local to the plantation, YYYY-MM."),
    "vintage": _text("vintage", "Latest date at which an input used became known, YYYY-MM-DD."),
    "as_of": _text("as_of", "Valuation date, YYYY-MM-DD; end of that day, UTC."),
}
