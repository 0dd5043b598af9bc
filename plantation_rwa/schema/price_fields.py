"""Fields of table ``price_model``; ``value`` means something else in the quarantine."""

from __future__ import annotations

from plantation_rwa.schema.kinds import real, text

PRICE_MODEL_FIELDS = (
    text("parameter", "Parameter of the price drivers; a measurement error names its months to expiry."),
    real("value", "unit", "Value used, in the unit of the row.", 7),
    real(
        "std_error",
        "unit",
        "Standard error from the observed information, or of the filtered state; null where note says why.",
        5,
        0.0,
    ),
    text(
        "method",
        "Where the value comes from: maximum_likelihood, filtered (state), shrunk (estimate and assumption weighted), "
        "derived, count, prior or assumption.",
        ("maximum_likelihood", "filtered", "shrunk", "derived", "count", "prior", "assumption"),
    ),
    text("unit", "Unit of value and std_error."),
    text("note", "What the value rests on, or why it is not calibrated."),
)
