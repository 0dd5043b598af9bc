"""Fields of the backtest's tables; several names mean something else in the cash-flow tables."""

from __future__ import annotations

from plantation_rwa.schema.fields import Field

_UNIT = "t ha-1 month-1"


def _text(name: str, description: str) -> Field:
    return Field(name, "text", "", description)


def _yield(name: str, description: str) -> Field:
    return Field(name, "float", _UNIT, description, 6, 0.0)


_KEYS = (
    _text("protocol", "walk_forward, or unseen: the plantation's harvests hidden from everything fitted."),
    _text("plantation_id", "Plantation identifier of the register."),
    _text("region", "Region of the register; in metrics also all."),
    _text("origin", "Month at whose end the forecast was made, YYYY-MM."),
    _text("target_month", "Month forecast, YYYY-MM; December of the year for the horizon annual."),
    _text(
        "horizon",
        "Months from origin to target, 1 to 12, or annual: the calendar year after a December origin; metrics_pooled: "
        "1-3, 4-6, 7-12, 1-12, annual.",
    ),
    _text(
        "model", "model, a baseline (climatology, last_year, prior, sarima), or the model without an input (no_...)."
    ),
)
_BY_NAME = {f.name: f for f in _KEYS}
PREDICTION_FIELDS = (
    *_KEYS,
    _yield("observed", "Harvest, t per ha of mature area and month; per year for the horizon annual."),
    _yield("mean", "Forecast mean, unit as observed."),
    *(_yield(f"q{q:02d}", f"{q} % quantile of the forecast, unit as observed.") for q in (5, 10, 25, 50, 75, 90, 95)),
)
METRIC_FIELDS = (
    *(_BY_NAME[name] for name in ("protocol", "horizon", "region")),
    _text(
        "metric",
        "rmse, mae, bias, pinball, crps, interval_score80 (unit as observed); wmape, skill, coverage80, coverage90 "
        "(fractions); mse_gain (unit squared), crps_gain: this line's score less the model's on the same predictions, "
        "above 0 the model is better; pit_mean, pit_sd: 0.5 and 0.289 if calibrated; below_qNN, pit_binNN (fractions).",
    ),
    _BY_NAME["model"],
    Field("value", "float", "see metric", "Score over the predictions that were observed.", 6),
    Field("lo", "float", "see metric", "Lower end of the 90 % block-bootstrap interval.", 6),
    Field("hi", "float", "see metric", "Upper end of the 90 % block-bootstrap interval.", 6),
    Field("n", "int", "1", "Predictions that the metric counts.", 0, 0),
)
LEAK_FIELDS = (
    _text("check", "harvest_in_features, shuffled_harvests or truncated_future."),
    _text("outcome", "passed, fired (a leak) or not tested."),
    Field("value", "float", "see detail", "Figure that decides: correlation, skill, or count of changed forecasts.", 6),
    Field("limit", "float", "see detail", "What the figure must not reach (correlation) or pass (the others).", 6),
    _text("detail", "What was found, in words."),
)
