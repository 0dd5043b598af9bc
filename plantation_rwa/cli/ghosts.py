"""What ``backtest --value`` prints: the product's own number against what came."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from plantation_rwa.cli.console import error, note, result, say, table
from plantation_rwa.config import Config
from plantation_rwa.errors import ConfigError
from plantation_rwa.run.ghost import run_ghosts
from plantation_rwa.run.imagery import Work
from plantation_rwa.sources.base import Inputs

_LABELS = {
    "coverage50": "realised values inside 50 %",
    "coverage80": "inside 80 %",
    "coverage90": "inside 90 %",
    "bias": "mean less realised, share of value",
    "crps": "CRPS, share of value",
    "crps_sheet": "CRPS of the banker's sheet",
    "crps_gain_over_sheet": "better than the banker's sheet by",
    "crps_sheet_discounted": "CRPS of the sheet, discounted instead of cut",
    "crps_gain_over_sheet_discounted": "better than that by",
    "pit_distance": "PIT's distance from uniform (chance explains)",
}


def ghosts(config: Config, inputs: Inputs, as_of: dt.date, folder: Path, work: Work, near: Work) -> bool:
    """Issue rights on all past month ends, print their scores and losses, and where the tables are.

    Returns
    -------
    bool
        Whether any could be scored; why not is told. The forecast's scores stand by then.
    """
    say("rights issued at past month ends, as known then")
    try:
        found = run_ghosts(config, inputs, as_of, folder, work=work, near=near, told=note)
    except ConfigError as fault:
        for problem in fault.problems:
            error(problem)
        return False
    first = found.metrics.iloc[0]
    say(
        f"{first['n']} ghost rights of {first['vintages']} vintages; terms overlap, so that they are worth "
        f"{first['blocks']:.1f} independent ones"
    )
    table(
        "value of the right, 90 % interval", ["score", "value", "interval"], score_rows(found.metrics), right=["value"]
    )
    columns = ["advance", "service missed at some date", "share missed", "owed at the end", "loss", "n"]
    table("advances on ghost rights, all vintages", columns, loss_rows(found.losses), right=columns)
    result(ghost_metrics=found.metrics, ghost_losses=found.losses)
    for failure in found.failures:
        error(failure)
    names = ("ghosts", "ghost_metrics", "ghost_losses")
    say("results: " + ", ".join(str(folder / f"{n}.parquet") for n in names))
    return True


def score_rows(metrics: pd.DataFrame) -> list[list[str]]:
    """One line per metric; the distance of the PIT has an upper end only."""
    rows = []
    for row in metrics.itertuples(index=False):
        interval = f"up to {row.hi:.3f}" if row.metric == "pit_distance" else f"{row.lo:.3f} to {row.hi:.3f}"
        rows.append([_LABELS[str(row.metric)], f"{row.value:.3f}", interval])
    return rows


def loss_rows(losses: pd.DataFrame) -> list[list[str]]:
    """One line per advance rate over all vintages."""
    rows = []
    for row in losses[losses["origin"] == "all"].itertuples(index=False):
        shares = (row.shortfall_frequency, row.missed_share, row.loss_frequency, row.loss_share)
        rows.append([f"{row.advance_rate:.0%}", *(f"{share:.1%}" for share in shares), str(row.n)])
    return rows
