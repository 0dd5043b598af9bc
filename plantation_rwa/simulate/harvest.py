"""Harvest records as an estate's office sends them: late, revised, now and then wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plantation_rwa.periods import Month
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.streams import stream

COLUMNS = ("plantation_id", "block_id", "month", "ffb_t", "area_mature_ha", "rounds", "bunches", "source", "known_at")
MISSING, REVISED = 0.015, 0.02


def bunch_weight_kg(age_years: pd.Series) -> pd.Series:
    """Average bunch weight 3 + 1.2 age^0.8, at most 25 kg (domain/yield.md 7.1 item 6)."""
    return (3.0 + 1.2 * age_years.clip(lower=0.0) ** 0.8).clip(upper=25.0)


def records(seed: int, estate: Estate, blocks: pd.DataFrame, last: Month) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Harvest rows of one estate.

    Parameters
    ----------
    blocks
        Truth per block and month from :func:`plantation_rwa.simulate.world.grow`.
    last
        Last harvested month.

    Returns
    -------
    rows, revisions : pandas.DataFrame
        Contract columns; ``known_at`` in UTC. Revisions carry the right tonnage, the first rows a preliminary one.
    """
    empty = pd.DataFrame(columns=list(COLUMNS))
    if estate.harvest_years == 0:
        return empty, empty
    rng = stream(seed, "harvest", estate.plantation_id)
    first = str(last + (1 - 12 * estate.harvest_years))
    table = blocks[(blocks["month"] >= first) & (blocks["month"] <= str(last)) & (blocks["area_mature_ha"] > 0)]
    table = table.assign(ffb_t=table["yield_t_ha"] * table["area_mature_ha"])
    table["weight"] = bunch_weight_kg(table["age_years"])
    if not estate.blocks_published:
        weighted = table["weight"] * table["area_mature_ha"]
        table = (
            table.assign(weight=weighted).groupby("month", as_index=False)[["ffb_t", "area_mature_ha", "weight"]].sum()
        )
        table["weight"] /= table["area_mature_ha"]
        table["block_id"] = ""
    table = table.sort_values(["month", "block_id"], kind="stable").reset_index(drop=True)
    count = len(table)
    if count == 0:
        return empty, empty
    lateness = pd.to_timedelta(rng.integers(4, 12, count), unit="D")
    ends = pd.to_datetime(table["month"] + "-01", utc=True) + pd.offsets.MonthEnd(0)
    rows = pd.DataFrame(
        {
            "plantation_id": estate.plantation_id,
            "block_id": table["block_id"],
            "month": table["month"],
            "ffb_t": table["ffb_t"].round(3),
            "area_mature_ha": table["area_mature_ha"].round(2),
            "rounds": rng.integers(2, 4, count),
            "bunches": (1000.0 * table["ffb_t"] / table["weight"]).round().astype(np.int64),
            "source": "estate" if estate.area_ha > 100 else "mill",
            "known_at": ends + lateness,
        }
    )[list(COLUMNS)]
    draw = rng.random(count)
    revised = (draw >= MISSING) & (draw < MISSING + REVISED)
    revisions = rows[revised].copy()
    revisions["known_at"] += pd.Timedelta(days=45)
    rows.loc[revised, "ffb_t"] = (rows.loc[revised, "ffb_t"] * rng.uniform(0.92, 0.98, int(revised.sum()))).round(3)
    return rows[draw >= MISSING].reset_index(drop=True), revisions.reset_index(drop=True)


def logbook(parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]], faults: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All estates' records in the order they became known, with the office's mistakes.

    Parameters
    ----------
    parts
        Rows and revisions per estate.
    faults
        Whether to enter one row twice, and to give two months of one estate in kg.

    Returns
    -------
    table, mistakes : pandas.DataFrame
        The harvest file, and the list of what is wrong in it.
    """
    filled = [p for pair in zip(*parts, strict=True) for p in pair if len(p)] if parts else []
    rows = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))
    mistakes: list[dict[str, str]] = []
    plain = [p[0] for p in parts if len(p[0]) > 24]
    if faults and plain:
        twice = plain[0].iloc[[len(plain[0]) // 2]]
        rows = pd.concat([rows, twice], ignore_index=True)
        mistakes.append(_mistake(twice.iloc[0], "entered twice"))
        for _, row in plain[-1].iloc[-20:-18].iterrows():
            here = (
                (rows["plantation_id"] == row["plantation_id"])
                & (rows["month"] == row["month"])
                & (rows["block_id"] == row["block_id"])
            )
            rows.loc[here, "ffb_t"] = (rows.loc[here, "ffb_t"] * 1000.0).round(0)
            mistakes.append(_mistake(row, "kg in place of t"))
    if len(rows):
        order = ["known_at", "plantation_id", "block_id", "month"]
        rows = rows.sort_values(order, kind="stable").reset_index(drop=True)
        rows["known_at"] = rows["known_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return rows, pd.DataFrame(mistakes, columns=["plantation_id", "block_id", "month", "mistake"])


def _mistake(row: pd.Series, what: str) -> dict[str, str]:
    return {"plantation_id": row["plantation_id"], "block_id": row["block_id"], "month": row["month"], "mistake": what}
