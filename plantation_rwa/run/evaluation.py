"""Writes what a backtest found: tables, figures, model card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from plantation_rwa import __version__
from plantation_rwa.config import Config
from plantation_rwa.forecast.backtest import ABLATIONS
from plantation_rwa.publish.backtest.card import CardData, model_card
from plantation_rwa.publish.backtest.figures import pit_figure, reliability_figure, skill_figure
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.geoparquet import write_part
from plantation_rwa.run.backtest import Evaluated
from plantation_rwa.schema.checks import finalise

#: sections of the assumptions that the card lists
_SECTIONS = ("boosting", "interval", "dependence", "deficit", "plantation_effect")


def write_evaluation(config: Config, found: Evaluated, as_of: str, out: Path) -> list[Path]:
    """Write the tables as Parquet, three figures as SVG, and ``model_card.md``.

    Returns
    -------
    list of Path
        Written files, in the order a reader opens them.
    """
    tables = {
        "metrics": found.tables.metrics,
        "metrics_pooled": found.tables.pooled,
        "predictions": found.tables.predictions,
    }
    checks = pd.DataFrame([dataclasses.asdict(v) for v in found.verdicts]) if found.verdicts else None
    if checks is not None:
        tables["leak_checks"] = checks
    final = {name: finalise(frame, name) for name, frame in tables.items()}
    for name, frame in final.items():
        write_part(frame, name, out / f"{name}.parquet", simulated=config.simulated)
    title = config.portfolio.name + (", SIMULATED DATA" if config.simulated else "")
    note = f"Origins {found.origins[0]} to {found.origins[-1]}, harvests as known at {as_of}."
    texts = {
        "model_card.md": model_card(_card(config, found, final, as_of)),
        "skill.svg": skill_figure(final["metrics"], f"Skill by horizon: {title}", note),
        "reliability.svg": reliability_figure(final["metrics_pooled"], f"Reliability: {title}", note),
        "pit.svg": pit_figure(final["metrics_pooled"], f"PIT, months 1 to 12: {title}", note),
    }
    for name, text in texts.items():
        write_text_atomically(out / name, text)
    if checks is None:
        # verdicts of an earlier backtest in this folder are not this one's
        (out / "leak_checks.parquet").unlink(missing_ok=True)
    return [*(out / name for name in texts), *(out / f"{name}.parquet" for name in final)]


def _card(config: Config, found: Evaluated, final: dict[str, pd.DataFrame], as_of: str) -> CardData:
    assumptions = config.assumptions()
    chosen = [
        (a.key, a.value, a.unit, a.source)
        for a in assumptions.values()
        if a.key.split(".")[0] in _SECTIONS and not isinstance(a.value, dict | list)
    ]
    return CardData(
        config.portfolio.name,
        as_of,
        config.seed,
        __version__,
        config.simulated,
        final["metrics"],
        final["metrics_pooled"],
        final["predictions"],
        final.get("leak_checks"),
        found.panel,
        {name.removeprefix("no_"): columns for name, columns in ABLATIONS.items()},
        found.origins,
        pd.DataFrame(chosen, columns=["key", "value", "unit", "source"]),
        found.notes,
        found.failures,
    )
