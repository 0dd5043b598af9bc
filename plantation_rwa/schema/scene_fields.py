"""Columns of ``features_scenes``: what was seen and decided about each satellite scene."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, fraction, real, text

_VEGETATION = "over the plantation's clear vegetation pixels (SCL 4)"
_OTHER = "As the column without _other, under the offset that was not applied; later months read it as history."


def _reflectance(name: str, description: str) -> Field:
    return real(name, "1", description, 7)


SCENE_FIELDS = (
    text(
        "scene_id",
        "Item of the provider's catalog; with @ and the start of item_hash where items of one id differ in a month.",
    ),
    text("item_hash", "Start of the hash of the item as published: tells two versions of one item apart."),
    text("datatake", "Acquisition: platform and sensing start; tiles and reprocessings of it count once."),
    text("tile", "MGRS tile, or the provider's grid code."),
    text("acquired", "Time of acquisition, ISO 8601, UTC."),
    real("baseline", "1", "Processing baseline; null if unknown.", 2),
    text("offset_reason", "Rule by which the provider's metadata decide the offset."),
    real(
        "offset_claimed_dn",
        "1",
        "Radiometric offset by the metadata, digital numbers: reflectance = (DN + offset) x scale.",
        3,
    ),
    real("offset_dn", "1", "Radiometric offset in digital numbers that was applied.", 3),
    text(
        "offset_check",
        "What the pixels say of the claimed offset: plausible, already_removed and missing (both corrected), or why "
        "the claim was believed untested.",
        ("plausible", "already_removed", "missing", "few_pixels", "no_classification", "no_history", "unknown_offset"),
    ),
    text(
        "air_check",
        "Whether the air was clear by the plantation's own past: haze (B02) and ndvi_drop are left out, and a scene "
        "without classification (unclassified) beside others that have one.",
        ("clear", "haze", "ndvi_drop", "unclassified", "not_tested"),
    ),
    text(
        "bands_check",
        "Whether the vegetation pixels can be vegetation: negative_ndvi (red and infrared exchanged) and "
        "infrared_out_of_range (another unit) are left out.",
        ("plausible", "negative_ndvi", "infrared_out_of_range"),
    ),
    text(
        "outcome",
        "What was made of the scene; no_pixels: another scene of the datatake shows the ground, or nodata; replaced: "
        "another item of the same product was read.",
        (
            "used",
            "cloudy",
            "no_pixels",
            "haze",
            "ndvi_drop",
            "unclassified",
            "negative_ndvi",
            "infrared_out_of_range",
            "unreadable",
            "replaced",
        ),
    ),
    text("missing_bands", "Bands the indices need, and SCL, of which the item has no file; empty if none is missing."),
    text("item_faults", "What the item says of its files' CRS, shape or place that they contradict; the file counts."),
    text("scl_profile", "Classes of the scene classification that the month used.", ("strict", "lenient")),
    fraction("covered_share", "Share of the sampled ground that this scene supplies."),
    fraction("clear_share", "Share of the sampled ground that this scene shows clearly, strict profile."),
    real("judged_pixels", "1", f"Effective pixels behind the figures, {_VEGETATION}.", 7, 0.0),
    fraction("red_dark_share", f"Share with B04 below the physical limit, {_VEGETATION}."),
    _reflectance("red_median", f"Median B04 reflectance {_VEGETATION}."),
    _reflectance("blue_median", f"Median B02 reflectance {_VEGETATION}."),
    _reflectance("ndvi_median", f"Median NDVI {_VEGETATION}."),
    _reflectance("swir_median", f"Median B12 reflectance {_VEGETATION}."),
    fraction("red_dark_share_other", _OTHER),
    _reflectance("red_median_other", _OTHER),
    _reflectance("blue_median_other", _OTHER),
    _reflectance("ndvi_median_other", _OTHER),
    _reflectance("swir_median_other", _OTHER),
)
