"""Columns of the Level 3 disclosure."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, money, real, text

DISCLOSURE_FIELDS: tuple[Field, ...] = (
    text("pool_id", "Pool identifier; 'portfolio:' and a currency group all rights outside pools."),
    text("currency", "ISO 4217 code of money columns."),
    text(
        "section",
        "What the row tells: technique, input (by right), assumption, sensitivity, roll_forward (IFRS 13.93 d, e, h).",
        ("technique", "input", "assumption", "sensitivity", "roll_forward"),
    ),
    text("item", "Input, assumption, driver or step of the roll-forward."),
    text("unit", "Unit of the row's numbers; for a sensitivity the driver's."),
    real("low", "unit of the row", "Smallest value among the pool's rights.", 7),
    real("high", "unit of the row", "Largest value among the pool's rights.", 7),
    real("weighted_mean", "unit of the row", "Mean weighted by fair value; the value of an assumption or step.", 7),
    real("bump", "unit of the row", "Step up and down of the driver; relative where the unit says so.", 7),
    money("effect_down", "Change of the pool's fair value with the driver one step down."),
    money("effect_up", "Change of the pool's fair value with the driver one step up."),
    text("source", "Where the number comes from."),
)
