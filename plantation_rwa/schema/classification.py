"""What kind of content a published column is, and which profile may show it."""

from __future__ import annotations

from typing import Literal

Classification = Literal["public", "commercial", "personal", "sensitive_location", "issuer"]
Profile = Literal["full", "investor", "public"]

#: kinds that a profile shows; ``issuer`` is what opens the salted hashes
SHOWN: dict[Profile, frozenset[Classification]] = {
    "full": frozenset({"public", "commercial", "personal", "sensitive_location", "issuer"}),
    "investor": frozenset({"public", "commercial"}),
    "public": frozenset({"public"}),
}
#: columns that a profile shows in a coarser form instead of leaving them out
COARSENED: dict[Profile, frozenset[str]] = {
    "full": frozenset(),
    "investor": frozenset({"geometry"}),
    "public": frozenset(),
}

#: kind of a table's columns: what names a plantation is commercial, what speaks of the market or a pool is public
TABLE_KINDS: dict[str, Classification] = {
    "features": "commercial",
    "features_blocks": "commercial",
    "features_scenes": "commercial",
    "chips": "commercial",
    "forecasts": "commercial",
    "forecast_model": "commercial",
    "harvests": "commercial",
    "cash_flows": "commercial",
    "curves": "public",
    "price_model": "public",
    "valuations": "commercial",
    "pools": "public",
    "disclosure": "public",
    "records": "commercial",
    "screening": "commercial",
    "sensor_flags": "commercial",
    "signals": "commercial",
    "predictions": "commercial",
    "metrics": "public",
    "ghosts": "commercial",
    "ghost_metrics": "public",
    "ghost_losses": "public",
    "metrics_pooled": "public",
    "leak_checks": "public",
    "quarantine": "commercial",
}
#: columns of another kind than their table, in every table that has them
COLUMN_KINDS: dict[str, Classification] = {
    "geometry": "sensitive_location",
    "colour_png": "sensitive_location",
    "ndmi_png": "sensitive_location",
    "left_edge": "sensitive_location",
    "top_edge": "sensitive_location",
    "payor_id": "personal",
    "record": "issuer",
    "salt": "issuer",
    "components": "issuer",
}
#: and in one table only: quarantined cells may hold anything an input held, evidence names from lists
SPECIAL_KINDS: dict[tuple[str, str], Classification] = {
    ("quarantine", "value"): "personal",
    ("quarantine", "reason"): "personal",
    ("quarantine", "file"): "personal",
    ("screening", "finding"): "personal",
    ("screening", "evidence"): "personal",
    ("screening", "other_id"): "personal",
}


def classification(table: str, column: str) -> Classification:
    """Kind of a column; an unknown table is an error, so that none is published unclassified."""
    return SPECIAL_KINDS.get((table, column)) or COLUMN_KINDS.get(column) or TABLE_KINDS[table]


def shown(table: str, column: str, profile: Profile) -> bool:
    """Whether a profile shows a column, be it coarsened."""
    return classification(table, column) in SHOWN[profile] or column in COARSENED[profile]
