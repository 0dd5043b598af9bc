"""Columns of the tables of ghost issuance."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, fraction, money, real, text, whole

_PLACE = (
    text("plantation_id", "Plantation identifier of the register."),
    text("region", "Region of the plantation."),
    text("origin", "Month at whose end the ghost right was issued, YYYY-MM."),
)
GHOST_FIELDS: tuple[Field, ...] = (
    *_PLACE,
    money("npv_fair", "Fair value at issue, without default."),
    money("mean", "Mean of the real-world present value at issue, without default."),
    *(money(f"q{q:02d}", f"{q} % quantile of it.") for q in (5, 10, 25, 50, 75, 90, 95)),
    money("realised", "Present value at issue of what harvests and prices then paid, same discounting."),
    real("pit", "1", "Share of the simulated values below the realised one.", 6, 0.0, 1.0),
    money("crps", "Continuous ranked probability score of the simulated values."),
    money("sheet", "Banker's sheet: mean harvest of three years times the price at issue less a flat haircut."),
    money("sheet_discounted", "The same without haircut, discounted like the right."),
)
GHOST_SCORE_FIELDS: tuple[Field, ...] = (
    text("metric", "coverage50/80/90, crps and bias over the plantation's mean sheet value, gain over a sheet, PIT."),
    real("value", "1", "The metric; of pit_distance the largest distance of the PIT's distribution from uniform.", 6),
    real("lo", "1", "Lower end of the 90 % block-bootstrap interval.", 6),
    real("hi", "1", "Upper end; of pit_distance the distance that chance explains in 90 % of samples.", 6),
    whole("n", "1", "Ghost rights.", 0),
    whole("vintages", "1", "Month ends at which rights were issued.", 0),
    real("blocks", "1", "Vintages over the term in months: terms that do not overlap, the effective sample size.", 4),
)
GHOST_LOSS_FIELDS: tuple[Field, ...] = (
    text("origin", "Vintage, YYYY-MM, or all."),
    fraction("advance_rate", "Advance over fair value at issue."),
    whole("n", "1", "Ghost rights.", 0),
    fraction("shortfall_frequency", "Share of rights on which some scheduled service was missed."),
    fraction("missed_share", "Mean share of the scheduled service that was missed when due."),
    fraction("loss_frequency", "Share of rights on which more than 0.5 % of the advance was still owed at the end."),
    real("loss_share", "1", "Mean of what was owed at the end, valued at issue, over the advance.", 7, 0.0),
)
