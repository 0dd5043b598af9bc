"""Fields of the forecast artefacts that explain a forecast, and what finer joint paths need."""

from __future__ import annotations

from plantation_rwa.schema.kinds import real, text

_SUM = "The contributions sum to yield_mean_t_ha less climatology_region_t_ha."
_PARTS = {
    "stand": "age, land class, soil and management of what is mature, against the region's harvested stands",
    "season": "the estimated season against that of the region's climatology",
    "water": "water deficits at their lags before harvest, known or expected",
    "level": "the plantation's own level and the region's against the age curve",
    "crops": "recent harvests of the plantation and its region",
    "canopy": "chlorophyll of the canopy months before harvest",
    "light": "radiation months before harvest",
    "learned": "the boosters and the stack",
}

FORECAST_FIELDS = (
    real(
        "climatology_region_t_ha",
        "t ha-1 month-1",
        "Mean harvest of the calendar month in the plantation's region, over plantations, then years; of all regions "
        "where it has none, of the prior where nobody has.",
        6,
        0.0,
    ),
    *(
        real(f"contribution_{name}_t_ha", "t ha-1 month-1", f"Part of the forecast that comes from {text}. {_SUM}", 6)
        for name, text in _PARTS.items()
    ),
)
FORECAST_MODEL_FIELDS = (
    real(
        "level_share",
        "1",
        "Share of the own shock's variance that is slow: error of the plantation's level. The rest is monthly noise.",
        7,
        0.0,
        1.0,
    ),
    real("ar1_level", "1", "Month-to-month correlation of the slow part of the own shock.", 7, -1.0, 1.0),
    real("ar1_month", "1", "Month-to-month correlation of the rest of the own shock.", 7, -1.0, 1.0),
    real(
        "deficit_beta",
        "1",
        "Log yield lost per 100 mm of annual deficit, as used: shrunk to the assumption.",
        7,
        0.0,
    ),
    real(
        "deficit_beta_unshrunk",
        "1",
        "The same as the harvests alone say; null where they say nothing.",
        7,
    ),
)

HARVEST_FIELDS = (
    text("harvest_month", "Month of the harvest, YYYY-MM, local."),
    real("yield_t_ha", "t ha-1 month-1", "Fresh fruit bunches harvested per hectare of mature area.", 6, 0.0),
)
