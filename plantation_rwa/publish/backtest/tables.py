"""Scores of a backtest as rows of text, for the terminal and for the model card alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

Rows = list[list[str]]

Columns = tuple[str, ...]

SCORE_COLUMNS: Columns = (
    *("horizon", "forecast by", "RMSE, t/ha", "wMAPE, %", "bias, t/ha", "skill (90 %)", "CRPS, t/ha", "n"),
)
GAIN_COLUMNS: Columns = (
    *("horizon", "against", "MSE less by, (t/ha)^2", "of its MSE", "CRPS less by, t/ha", "n", "reads as"),
)
CALIBRATION_COLUMNS: Columns = (
    *("horizon", "inside 80 % (90 %)", "inside 90 % (90 %)", "interval score 80 %", "PIT mean", "PIT sd", "n"),
)
PLANTATION_COLUMNS: Columns = (
    *("plantation", "region", "inside 80 %", "inside 90 %", "mean error, t/ha", "RMSE, t/ha", "years", "n"),
)
REGION_COLUMNS: Columns = ("region", "skill (90 %)", "RMSE, t/ha", "inside 80 %", "inside 90 %", "n")
NOTHING = "none"
_ORDER = ("model", "climatology", "last_year", "prior", "sarima")


def score_rows(metrics: pd.DataFrame, protocol: str, horizons: Sequence[str]) -> Rows:
    """One line per horizon and model (not the ablations, which have fewer rows) over all regions."""
    chosen = _chosen(metrics, protocol)
    chosen = chosen[~chosen["model"].str.startswith("no_")]
    out = []
    for horizon, model, by in _lines(chosen, horizons):
        cells = [_number(by, "rmse", 3), _number(by, "wmape", 1, 100), _number(by, "bias", 3, signed=True)]
        cells += [_ranged(by, "skill", 2), _on_its_rows(by, "crps", "rmse"), _count(by, "rmse")]
        out.append([horizon, _name(model), *cells])
    return out


def gain_rows(pooled: pd.DataFrame, protocol: str, horizons: Sequence[str], *, inputs: bool) -> Rows:
    """What the model has less of than another line on the same predictions.

    Parameters
    ----------
    inputs
        Whether against the model without an input (``no_...``), else against the baselines.
    """
    chosen = _chosen(pooled, protocol)
    chosen = chosen[chosen["model"].str.startswith("no_") == inputs]
    out = []
    for horizon, model, by in _lines(chosen, horizons):
        if "mse_gain" in by:
            row = by["mse_gain"]
            share = row["value"] / by["rmse"]["value"] ** 2 if by["rmse"]["value"] > 0 else 0.0
            crps = _ranged(by, "crps_gain", 4, signed=True) + _rows_apart(by, "crps_gain", "mse_gain")
            cells = [_ranged(by, "mse_gain", 4, signed=True), f"{share:+.1%}", crps]
            out.append([horizon, _name(model), *cells, _count(by, "mse_gain"), reading(row, inputs=inputs)])
    return out


def _on_its_rows(by: dict[str, Mapping[str, float]], metric: str, beside: str) -> str:
    return _number(by, metric, 3) + _rows_apart(by, metric, beside)


def _rows_apart(by: dict[str, Mapping[str, float]], metric: str, beside: str) -> str:
    """Number of rows a metric rests on where it is not that of the metric beside it: they are not to be compared."""
    if metric not in by or beside not in by or by[metric]["n"] == by[beside]["n"]:
        return ""
    return f", n {int(by[metric]['n'])}"


def reading(row: Mapping[str, float], *, inputs: bool) -> str:
    """A gain in words: an interval that holds zero shows nothing, and without an interval nothing is said."""
    if not row["lo"] <= row["hi"]:
        return "too few to say"
    if row["lo"] > 0:
        return "the input helps" if inputs else "model better"
    if row["hi"] < 0:
        return "the input harms" if inputs else "model worse"
    return "no gain shown" if inputs else "not told apart"


def calibration_rows(pooled: pd.DataFrame, protocol: str, horizons: Sequence[str]) -> Rows:
    """Coverage and PIT of the model by horizon."""
    chosen = _chosen(pooled, protocol)
    out = []
    for horizon, _, by in _lines(chosen[chosen["model"] == "model"], horizons):
        cells = [_ranged(by, "coverage80", 3), _ranged(by, "coverage90", 3), _number(by, "interval_score80", 3)]
        cells += [_number(by, "pit_mean", 3), _number(by, "pit_sd", 3), _count(by, "coverage80")]
        out.append([horizon, *cells])
    return out


def region_rows(pooled: pd.DataFrame, protocol: str, horizon: str) -> Rows:
    """The model by region."""
    rows = pooled[(pooled["protocol"] == protocol) & (pooled["horizon"] == horizon) & (pooled["model"] == "model")]
    out = []
    for region in sorted(set(rows["region"]) - {"all"}):
        by = _by_metric(rows[rows["region"] == region])
        cells = [_ranged(by, "skill", 2), _number(by, "rmse", 3), _number(by, "coverage80", 2)]
        out.append([region, *cells, _number(by, "coverage90", 2), _count(by, "rmse")])
    return out


def plantation_rows(predictions: pd.DataFrame, protocol: str) -> Rows:
    """Coverage and errors of the model by plantation over months 1 to 12, the worst covered first.

    ``years`` counts the twelve-month blocks of targets: they, not the rows, are pieces of evidence.
    """
    rows = predictions[(predictions["protocol"] == protocol) & (predictions["model"] == "model")]
    rows = rows[(rows["horizon"] != "annual") & rows["q50"].notna()]
    error = rows["mean"] - rows["observed"]
    told = rows[["plantation_id", "region"]].assign(
        in80=rows["observed"].between(rows["q10"], rows["q90"]),
        in90=rows["observed"].between(rows["q05"], rows["q95"]),
        error=error,
        square=error**2,
        year=rows["target_month"].str.slice(0, 4),
    )
    by = told.groupby(["plantation_id", "region"], sort=True)
    table = by[["in80", "in90", "error", "square"]].mean()
    table = table.assign(years=by["year"].nunique(), n=by.size()).reset_index()
    table = table.sort_values(["in80", "plantation_id"], kind="stable")
    return [
        [
            *(str(r.plantation_id), str(r.region), f"{r.in80:.2f}", f"{r.in90:.2f}"),
            *(f"{r.error:+.3f}", f"{r.square**0.5:.3f}", str(r.years), str(r.n)),
        ]
        for r in table.itertuples(index=False)
    ]


def _chosen(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    return table[(table["protocol"] == protocol) & (table["region"] == "all")]


def _lines(rows: pd.DataFrame, horizons: Sequence[str]) -> Iterable[tuple[str, str, dict[str, Mapping[str, float]]]]:
    for horizon in horizons:
        here = rows[rows["horizon"] == horizon]
        for model in sorted(here["model"].unique(), key=lambda m: (_ORDER.index(m) if m in _ORDER else 9, m)):
            yield horizon, str(model), _by_metric(here[here["model"] == model])


def _by_metric(rows: pd.DataFrame) -> dict[str, Mapping[str, float]]:
    return {str(r["metric"]): r for r in rows[["metric", "value", "lo", "hi", "n"]].to_dict("records")}


def _name(model: str) -> str:
    return model.replace("_", " ")


def _number(
    by: Mapping[str, Mapping[str, float]], metric: str, decimals: int, times: float = 1.0, *, signed: bool = False
) -> str:
    if metric not in by:
        return NOTHING
    return f"{by[metric]['value'] * times + 0.0:{'+' if signed else ''}.{decimals}f}"


def _ranged(by: Mapping[str, Mapping[str, float]], metric: str, decimals: int, *, signed: bool = False) -> str:
    if metric not in by:
        return NOTHING
    sign = "+" if signed else ""
    value, low, high = (f"{by[metric][k] + 0.0:{sign}.{decimals}f}" for k in ("value", "lo", "hi"))
    return f"{value} (too few)" if low.endswith("nan") else f"{value} ({low} to {high})"


def _count(by: Mapping[str, Mapping[str, float]], metric: str) -> str:
    return str(int(by[metric]["n"])) if metric in by else "0"
