"""The model card: what the forecast is, what it was trained on, how well it did, and where not to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from plantation_rwa.publish.backtest.tables import (
    CALIBRATION_COLUMNS,
    GAIN_COLUMNS,
    PLANTATION_COLUMNS,
    REGION_COLUMNS,
    SCORE_COLUMNS,
    calibration_rows,
    gain_rows,
    plantation_rows,
    region_rows,
    score_rows,
)
from plantation_rwa.publish.report.markup import clean

_MONTHS = tuple(str(h) for h in (1, 3, 6, 9, 12))
_POOLS = ("1-3", "4-6", "7-12", "1-12", "annual")
#: plantations that the card lists, the worst covered first
_LISTED = 30


@dataclass(frozen=True)
class CardData:
    """Everything the card says.

    Parameters
    ----------
    portfolio, as_of, seed, code_version
        Of the run; ``as_of`` is the date whose harvests are the truth.
    simulated
        Whether the configuration declares its inputs simulated.
    metrics, pooled, predictions, leak_checks
        Published tables; ``leak_checks`` None where the detectors were not run.
    panel
        Panel of the newest date: ``plantation_id, month, yield_t_ha`` and features.
    inputs
        Input -> its columns in the panel.
    origins
        Months at whose ends forecasts were made.
    settings
        ``key, value, unit, source`` of the model's numbers.
    notes, failures
        Remarks on the record; fits that failed.
    """

    portfolio: str
    as_of: str
    seed: int
    code_version: str
    simulated: bool
    metrics: pd.DataFrame
    pooled: pd.DataFrame
    predictions: pd.DataFrame
    leak_checks: pd.DataFrame | None
    panel: pd.DataFrame
    inputs: Mapping[str, Sequence[str]]
    origins: Sequence[str]
    settings: pd.DataFrame
    notes: Sequence[str]
    failures: Sequence[str]


def model_card(data: CardData) -> str:
    """The card as Markdown."""
    sections = [_head(data), _model(data), _training(data), _scores(data), _calibration(data), _gains(data)]
    sections += [_unseen(data), _leaks(data), _limits(data), _made(data)]
    return "\n".join(line for section in sections for line in [*section, ""])


def _head(data: CardData) -> list[str]:
    if data.simulated:
        said = "**SIMULATED DATA.** The configuration declares its inputs simulated: harvests, weather and images were "
        said += "made by a program. The scores say how well the forecast recovers that program's rules, and nothing "
        said += "about real palms."
    else:
        said = (
            "Scores are of the harvests in the configured files, which the configuration does not declare simulated. "
        )
        said += "Whether those records are true was not tested."
    return [f"# Model card: yield forecast of {_cell(data.portfolio)}", "", said]


def _model(data: CardData) -> list[str]:
    lines = [
        "## What it is",
        "",
        "A forecast of the fresh-fruit-bunch yield of every plantation and month, t per ha of mature area, as seven "
        "quantiles and their mean. An agronomic prior (age curve, season, water deficit, level of the plantation) is "
        "joined, where there are harvests enough, by gradient boosting on harvest, weather and canopy; weights and "
        "intervals come from past errors of forecasts made without the months they are judged by. Formulas, sources: "
        "docs/method.md. It is meant for valuing revenue rights and for planning, not for judging a single block.",
        "",
        "Its numbers (all others: `plantation_rwa/data/assumptions/agronomy.yaml`):",
        "",
    ]
    rows = [[f"`{r.key}`", str(r.value), r.unit, r.source] for r in data.settings.itertuples(index=False)]
    return lines + _table(("key", "value", "unit", "source"), rows)


def _training(data: CardData) -> list[str]:
    panel = data.panel
    told = panel[panel["yield_t_ha"].notna()]
    every, seen = panel["plantation_id"].nunique(), told["plantation_id"].nunique()
    count = told.groupby("plantation_id").size()
    lines = ["## What it is trained on", ""]
    said = (
        f"At each of {len(data.origins)} origins ({data.origins[0]} to {data.origins[-1]}) on what was known then, and "
    )
    said += f"on nothing else. Known at {data.as_of}: {every} plantations, {seen} with harvests, {len(told)} months of "
    said += (
        f"harvest from {told['month'].min()} to {told['month'].max()} ({int(count.min())} to {int(count.max())} per "
    )
    said += f"plantation, median {int(count.median())}), mean yield {told['yield_t_ha'].mean():.2f} t/ha and month."
    rows = []
    for name, columns in data.inputs.items():
        present = [c for c in columns if c in panel and panel[c].notna().any()]
        if not present:
            rows.append([name, "none", "", "", ""])
            continue
        has = panel[present].notna().any(axis=1)
        months = panel.loc[has, "month"]
        share = has.groupby(panel["plantation_id"]).any().sum()
        rows.append([name, f"{share} of {every}", months.min(), months.max(), ", ".join(present)])
    lines += [said, ""]
    return lines + _table(("input", "plantations", "from", "to", "columns with values"), rows)


def _scores(data: CardData) -> list[str]:
    lines = [
        "## How well it did",
        "",
        "Walk forward. skill = 1 - MSE / MSE of climatology (mean of the calendar month over the years known); annual "
        "is the calendar year forecast in December, t/ha and year. Brackets: 90 % bootstrap of twelve-month blocks of "
        "a plantation.",
        "",
        *_table(SCORE_COLUMNS, score_rows(data.metrics, "walk_forward", (*_MONTHS, "annual"))),
        "",
        "![skill by horizon](skill.svg)",
    ]
    regions = region_rows(data.pooled, "walk_forward", "1-12")
    if regions:
        lines += ["", "By region, months 1 to 12 together:", "", *_table(REGION_COLUMNS, regions)]
    gains = gain_rows(data.pooled, "walk_forward", ("1-12", "annual"), inputs=False)
    if gains:
        lines += ["", "Against each baseline on the same months (above 0: the model is better):", ""]
        lines += _table(GAIN_COLUMNS, gains)
    return lines


def _calibration(data: CardData) -> list[str]:
    return [
        "## Are the intervals right",
        "",
        "Of 100 harvests 80 and 90 should lie inside; the PIT of a calibrated forecast has mean 0.500 and sd 0.289.",
        "",
        *_table(CALIBRATION_COLUMNS, calibration_rows(data.pooled, "walk_forward", _POOLS)),
        "",
        "![reliability](reliability.svg)",
        "",
        "![PIT histogram](pit.svg)",
        *_by_plantation(data),
    ]


def _by_plantation(data: CardData) -> list[str]:
    rows = plantation_rows(data.predictions, "walk_forward")
    if not rows:
        return []
    said = "By plantation, months 1 to 12 together, the worst covered first"
    said += f" ({_LISTED} of {len(rows)}; all in `predictions.parquet`)." if len(rows) > _LISTED else "."
    said += (
        " Without brackets: the years of one plantation are too few to draw from. By chance alone the share inside an "
        "80 % interval differs between plantations by about 0.4 / sqrt(years)."
    )
    return ["", said, "", *_table(PLANTATION_COLUMNS, rows[:_LISTED])]


def _gains(data: CardData) -> list[str]:
    rows = gain_rows(data.pooled, "walk_forward", _POOLS, inputs=True)
    lines = ["## What each input adds", ""]
    if not rows:
        return [*lines, "Not evaluated: see the notes below."]
    said = (
        "The model fitted anew without an input, less the model, on the same plantations, origins and months (June and "
    )
    said += "December origins). Above 0 the input helps; an interval that holds 0 shows nothing."
    return [*lines, said, "", *_table(GAIN_COLUMNS, rows)]


def _unseen(data: CardData) -> list[str]:
    rows = score_rows(data.metrics, "unseen", (*_MONTHS, "annual"))
    lines = ["## Plantations without harvests of their own", ""]
    if not rows:
        return [*lines, "Not evaluated: see the notes below."]
    said = "Every plantation in turn with its harvests hidden from all that is fitted; climatology is its region's."
    covered = calibration_rows(data.pooled, "unseen", _POOLS)
    lines += [said, "", *_table(SCORE_COLUMNS, rows), "", "Their intervals:", ""]
    return lines + _table(CALIBRATION_COLUMNS, covered)


def _leaks(data: CardData) -> list[str]:
    lines = ["## Leak checks", ""]
    if data.leak_checks is None:
        return [*lines, "Not run. `plantation-rwa backtest CONFIG --leak-checks` runs them."]
    rows = [[r.check, r.outcome, r.detail] for r in data.leak_checks.itertuples(index=False)]
    return [*lines, *_table(("check", "outcome", "what was found"), rows)]


def _limits(data: CardData) -> list[str]:
    lines = [
        "## Limits",
        "",
        "- The past that was scored is the only evidence. Fertiliser, labour, disease, replanting and policy are "
        "unknown to the model unless the harvests already show them.",
        "- Plantations of one region share shocks that blocks of one plantation do not carry, so the intervals of the "
        "scores are somewhat too narrow. Many rows are compared: one interval in twenty misses zero on either side by "
        "chance.",
        "- Scores are of months whose harvest was reported. Months withheld for a reason are not random.",
    ]
    lines += [f"- {clean(n)[:1].upper()}{_cell(n)[1:]}." for n in data.notes]
    return lines + [f"- Failed: {_cell(f)}." for f in data.failures]


def _made(data: CardData) -> list[str]:
    said = f"Generated by `plantation-rwa backtest` {data.code_version}, seed {data.seed}, harvests as known at "
    said += (
        f"{data.as_of}. Every figure stands in `metrics.parquet`, `metrics_pooled.parquet` or `predictions.parquet`."
    )
    return ["## How this was made", "", said]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(value: str) -> str:
    """Text that cannot break a table, nor be read as markup."""
    return clean(value).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
