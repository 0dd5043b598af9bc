"""Columns of ``chips``: pictures of each plantation, and what they show."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, fraction, png, real, text

CHIP_FIELDS: tuple[Field, ...] = (
    text("plantation_id", "Plantation identifier of the register."),
    text("clear_month", "Latest local month in which a scene shows enough of the ground clearly, YYYY-MM."),
    text(
        "scene_id", "Scene of both pictures, as in features_scenes: of that month the one with the most clear ground."
    ),
    text("acquired", "Time of acquisition, ISO 8601, UTC."),
    text("tile", "MGRS tile, or the provider's grid code."),
    fraction("clear_share", "Share of the sampled ground that the scene shows clearly, strict profile."),
    text(
        "colour_bands",
        "Bands shown as red, green, blue: true colour, or near infrared, red and blue where the scene has no green.",
        ("B04 B03 B02", "B08 B04 B02"),
    ),
    png("colour_png", "Picture in these bands under one fixed stretch; grey: no data. Square, north up."),
    png(
        "ndmi_png",
        "Moisture index (B8A, B11) of the same square, from brown (-0.2) to blue (0.6); grey: not seen clearly.",
    ),
    text("crs", "CRS of the square, that of the scene."),
    real("left_edge", "map unit", "x of the square's left edge.", 3),
    real("top_edge", "map unit", "y of the square's top edge.", 3),
    real("side", "map unit", "Length of the square's sides.", 3, 0.0),
    real("side_m", "m", "Length of the square's sides on the ground.", 1, 0.0),
    text("reason", "Why a picture is missing, in words; empty where none is."),
)
