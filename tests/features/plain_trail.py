"""Rows of ``features_scenes`` one by one: what the engine's columns are held to."""

from __future__ import annotations

from typing import Any

from plantation_rwa.features.observations import SceneLike
from plantation_rwa.features.scene_checks import Verdict
from tests.features.plain_pixels import SceneFigures

#: published column of each figure; under the offset that was not applied with ``_other`` behind it
_COLUMNS = {
    "red_share": "red_dark_share",
    "red": "red_median",
    "blue": "blue_median",
    "ndvi": "ndvi_median",
    "swir": "swir_median",
}


def trail_row(scene: SceneLike, seen: SceneFigures, verdict: Verdict, *, profile: str) -> dict[str, Any]:
    """Columns of ``features_scenes`` of a scene that was read, without the plantation.

    Parameters
    ----------
    scene
        As the source gives it, under its claimed offset.
    seen, verdict
        Its figures and what was made of them.
    profile
        SCL profile that the month used.
    """
    record = seen.record
    applied, other = (record.other, record.claimed) if verdict.inferred else (record.claimed, record.other)
    outcome = "used" if verdict.used else verdict.air if verdict.bands == "plausible" else verdict.bands
    if verdict.used and seen.covered_share == 0:
        outcome = "no_pixels"
    elif verdict.used and seen.clear_share == 0 and profile == "strict":
        outcome = "cloudy"
    return {
        **_head(scene),
        "offset_dn": verdict.offset,
        "offset_inferred": verdict.inferred,
        "offset_check": verdict.offset_check,
        "air_check": verdict.air,
        "bands_check": verdict.bands,
        "outcome": outcome,
        "scl_profile": profile,
        "covered_share": seen.covered_share,
        "clear_share": seen.clear_share,
        "judged_pixels": record.pixels,
        **{column: getattr(applied, name) for name, column in _COLUMNS.items()},
        **{f"{column}_other": getattr(other, name) for name, column in _COLUMNS.items()},
    }


def idle_row(scene: SceneLike, outcome: str) -> dict[str, Any]:
    """Columns of ``features_scenes`` of a scene of which no pixel counts, see :data:`UNSEEN`."""
    return {**_head(scene), "outcome": outcome, "offset_inferred": False}


def _head(scene: SceneLike) -> dict[str, Any]:
    return {
        "scene_id": scene.id,
        "item_hash": scene.fingerprint[:16],
        "datatake": scene.datatake,
        "tile": scene.tile,
        "acquired": scene.acquired.isoformat(),
        "baseline": scene.baseline,
        "offset_reason": scene.offset_reason,
        "offset_claimed_dn": scene.offset,
    }
