"""Columns of the land screening."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, real, text

#: rule -> what it looks at; the order of the dictionary
RULES: dict[str, str] = {
    "eudr_geolocation": "form of the outline against the geolocation rules of Regulation (EU) 2023/1115",
    "eudr_land": "Whisp's tree for perennial crops on supplied maps or a supplied result",
    "eudr_disturbance": "own vegetation record since 2020",
    "country": "outline against supplied boundaries, country against a supplied risk list",
    "overlap_portfolio": "outline against the other plantations of the register",
    "overlap_published": "outline against plantations published before or elsewhere",
    "area_declared": "declared area against the outline",
    "documents": "supplied documents against their hashes",
    "tenure": "supplied land titles at the valuation date",
    "sanctions": "names of sponsor, mill and title holder against supplied lists",
}
STATES = ("pass", "fail", "more_info", "not_checked")

SCREENING_FIELDS: tuple[Field, ...] = (
    text("plantation_id", "Plantation identifier of the register."),
    text("rule", "; ".join(f"{name}: {what}" for name, what in RULES.items()) + ".", tuple(RULES)),
    text("state", "Outcome of the rule: evidence, never a verdict.", STATES),
    Field("in_eudr_screen", "bool", "", "Whether the rule counts in eudr_screen of the valuations, the worst of them."),
    text("finding", "What was found, in one sentence."),
    text("evidence", "What the finding rests on, entries separated by '; '."),
    text("not_checked", "What was not looked at, entries separated by '; '; never empty."),
    text(
        "confidence",
        "How much the evidence can carry: amount and agreement of it; none where nothing was checked.",
        ("high", "medium", "low", "none"),
    ),
    real("measure", "unit of the row", "The number that decided, null where none did.", 7),
    real("threshold", "unit of the row", "The limit it was held against.", 7),
    text("unit", "Unit of measure and threshold."),
    text("event_month", "First month of a disturbance, YYYY-MM."),
    text("other_id", "The other plantation of an overlap, or the name met on a list."),
    text("rule_version", "Version of the rules and of their legal basis."),
)
