"""What was seen and decided about scenes, as rows of ``features_scenes`` say it, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plantation_rwa.features.observations import SceneLike
from plantation_rwa.features.scene_checks import NO_FIGURES, Figures, SceneRecord, Verdict

#: outcomes of scenes that have no figures and are no history: files that cannot be read, and twins of one that can
UNSEEN = frozenset({"unreadable", "replaced"})
#: published columns of the figures, in the order of ``Figures``; under the offset that was not applied with ``_other``
#: behind
FIGURE_COLUMNS = ("red_dark_share", "red_median", "blue_median", "ndvi_median", "swir_median")
#: columns that a scene has whatever the outline: of its item, and what is wrong with the item
HEAD = ("scene_id", "item_hash", "datatake", "tile", "acquired", "baseline", "offset_reason", "offset_claimed_dn")
CLAIMS = ("missing_bands", "item_faults")
#: those of them that are numbers; the others are texts
NUMBERS = ("baseline", "offset_claimed_dn")


def head_of(scene: SceneLike) -> dict[str, Any]:
    """Columns :data:`HEAD` of a scene."""
    return {
        "scene_id": scene.id,
        "item_hash": item_hash(scene),
        "datatake": scene.datatake,
        "tile": scene.tile,
        "acquired": scene.acquired.isoformat(),
        "baseline": scene.baseline,
        "offset_reason": scene.offset_reason,
        "offset_claimed_dn": scene.offset,
    }


def item_hash(scene: SceneLike) -> str:
    """What tells two versions of one item apart in the published table."""
    return scene.fingerprint[:16]


def record_of(row: Mapping[str, Any]) -> SceneRecord:
    """The record a published row was made of, to the decimals published; its outcome must be none of :data:`UNSEEN`."""
    applied, other = (Figures(*(float(row[f"{column}{end}"]) for column in FIGURE_COLUMNS)) for end in ("", "_other"))
    empty = row["judged_pixels"] == 0
    claimed, other = (other, applied) if row["offset_inferred"] else (applied, other)
    return SceneRecord(
        row["scene_id"],
        row["datatake"],
        pd.Timestamp(row["acquired"]),
        float(row["offset_claimed_dn"]),
        float(row["judged_pixels"]),
        NO_FIGURES if empty else claimed,
        NO_FIGURES if empty else other,
        row["offset_check"] != "no_classification",
    )


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """The verdict that a row states; its outcome must be none of :data:`UNSEEN`."""
    return Verdict(float(row["offset_dn"]), row["offset_check"], row["air_check"], row["bands_check"])


def problems_of(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a judged scene's row has for quarantine: scene, ``offset`` (corrected) or ``bands`` (left out), the text."""
    scene, ndvi, red = row["scene_id"], float(row["ndvi_median"]), float(row["red_median"])
    seen = f"of its {float(row['judged_pixels']):.0f} vegetation pixels (SCL 4) the median"
    if row["bands_check"] == "negative_ndvi":
        told = f"{seen} NDVI is {ndvi:.4f}, which no vegetation has: red and near infrared look exchanged"
        return [(scene, "bands", f"{told}. Check the item's hrefs of B04 and B08")]
    if row["bands_check"] == "infrared_out_of_range":
        infrared = Figures(0.0, red, 0.0, ndvi).infrared
        told = f"{seen} B08 reflectance is {infrared:.3g}, which no vegetation has: its pixels look like another unit"
        return [(scene, "bands", f"{told} than 1/10000. Give the provider's digital numbers")]
    return [(scene, "offset", repair_text(row))] if row["offset_inferred"] else []


def repair_text(row: Mapping[str, Any]) -> str:
    """A corrected offset in words: the claim, the pixels under it, and what was applied instead."""
    claim, applied = float(row["offset_claimed_dn"]), float(row["offset_dn"])
    what = "already removed from the pixels" if row["offset_check"] == "already_removed" else "still in the pixels"
    reason = f" ({row['offset_reason']})" if row["offset_reason"] else ""
    return (
        f"claimed offset {claim:g} DN{reason} contradicts the plantation's own vegetation pixels: median B04 "
        f"{row['red_median_other']:.4f}, share below the physical limit {row['red_dark_share_other']:.2f}, median NDVI "
        f"{row['ndvi_median_other']:.4f}; the offset is {what}, {applied:g} DN was applied"
    )
