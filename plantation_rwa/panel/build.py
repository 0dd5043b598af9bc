"""The panel: one row per plantation and month, features beside the harvest, each with the day it became known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plantation_rwa.panel.stand import mature_area, planted_ordinals
from plantation_rwa.periods import Month
from plantation_rwa.schema.tables import table

#: Numeric feature columns carried into the panel, in the order of the published table.
FEATURE_COLUMNS: tuple[str, ...] = tuple(f.name for f in table("features").fields if f.kind in {"float", "int"})

#: Blocks that reported must hold this share of the mature block area; the month is dropped otherwise.
MIN_BLOCK_SHARE = 0.8


def build_panel(
    features: pd.DataFrame,
    harvest: pd.DataFrame,
    stand: pd.DataFrame,
    months: Sequence[str],
    *,
    mature_age_months: float = 0.0,
) -> pd.DataFrame:
    """Join features, harvest and stand on a complete grid of plantations and months.

    Harvest per block is summed. If blocks with at least :data:`MIN_BLOCK_SHARE` of the mature block area
    reported, the tonnes are scaled to the whole area; with less, the month counts as not observed. Without
    a block table, block records are taken as complete. A record of the whole plantation (empty
    ``block_id``) goes before block records of the same month. The yield divides reported tonnes by the area
    reported with them, by the stand's mature area where none is reported; no area, no yield.

    Parameters
    ----------
    features
        Published feature rows with a ``month`` column and ``known_at`` as date; may be empty or lack columns.
    harvest
        Known harvest, newest revision per key: ``plantation_id, block_id, month, ffb_t, area_mature_ha,
        known_at``.
    stand
        Result of :func:`plantation_rwa.panel.stand.stand_table`.
    months
        Months ``YYYY-MM``; the grid runs from the first to the last, gaps filled. Rows outside are ignored.
    mature_age_months
        Age at which harvest starts, months; with the default every planted hectare counts.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, month, region``, :data:`FEATURE_COLUMNS`, ``features_known_at`` (UTC), ``ffb_t`` (t),
        ``area_mature_ha`` (ha), ``yield_t_ha`` (t per mature ha), ``harvest_known_at`` (UTC),
        ``age_mean_years``; sorted by plantation and month, the same whatever the order of the input rows.
    """
    grid_months = _complete(months)
    grid = mature_area(stand, grid_months, mature_age_months)
    regions = stand.drop_duplicates("plantation_id")[["plantation_id", "region"]]
    grid = grid.merge(regions, on="plantation_id", how="left")
    grid = grid.merge(_features(features), on=["plantation_id", "month"], how="left")
    if len(harvest) and len(grid):
        monthly = _harvest(harvest, stand, grid, mature_age_months)
    else:
        monthly = _no_harvest()
    grid = grid.merge(monthly, on=["plantation_id", "month"], how="left")
    reported = grid.pop("area_reported_ha")
    grid["area_mature_ha"] = reported.where(reported > 0, grid["area_mature_ha"])
    area = grid["area_mature_ha"].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        grid["yield_t_ha"] = np.where(area > 0, grid["ffb_t"].to_numpy(np.float64) / area, np.nan)
    columns = [
        "plantation_id",
        "month",
        "region",
        *FEATURE_COLUMNS,
        "features_known_at",
        "ffb_t",
        "area_mature_ha",
    ]
    columns += ["yield_t_ha", "harvest_known_at", "age_mean_years"]
    return grid[columns].sort_values(["plantation_id", "month"], kind="stable").reset_index(drop=True)


def _complete(months: Sequence[str]) -> list[str]:
    ordinals = [Month.parse(m).ordinal for m in months]
    return [str(Month.from_ordinal(o)) for o in range(min(ordinals), max(ordinals) + 1)] if ordinals else []


def _features(features: pd.DataFrame) -> pd.DataFrame:
    """Numeric features with their known instant; the newest row per plantation and month."""
    out = pd.DataFrame(index=range(len(features)))
    for key in ("plantation_id", "month"):
        out[key] = features[key].astype(str).to_numpy() if key in features else pd.Series(dtype=str)
    for name in FEATURE_COLUMNS:
        values = pd.to_numeric(features[name], errors="coerce") if name in features else None
        out[name] = np.nan if values is None else values.to_numpy(np.float64, na_value=np.nan)
    known = features["known_at"].to_numpy() if "known_at" in features else [pd.NaT] * len(features)
    out["features_known_at"] = pd.to_datetime(pd.Series(known, dtype=object), utc=True).astype("datetime64[us, UTC]")
    out = out.sort_values(["plantation_id", "month", "features_known_at"], kind="stable", na_position="first")
    return out.drop_duplicates(["plantation_id", "month"], keep="last").reset_index(drop=True)


def _no_harvest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plantation_id": pd.Series(dtype=str),
            "month": pd.Series(dtype=str),
            "ffb_t": pd.Series(dtype=np.float64),
            "area_reported_ha": pd.Series(dtype=np.float64),
            "harvest_known_at": pd.Series(dtype="datetime64[us, UTC]"),
        }
    )


def _harvest(harvest: pd.DataFrame, stand: pd.DataFrame, grid: pd.DataFrame, mature_age_months: float) -> pd.DataFrame:
    """Tonnes and area per plantation and month."""
    rows = harvest[["plantation_id", "block_id", "month", "ffb_t", "area_mature_ha", "known_at"]].copy()
    rows["block_id"] = rows["block_id"].fillna("").astype(str)
    rows = rows[rows["month"].isin(grid["month"].unique()) & rows["plantation_id"].isin(grid["plantation_id"].unique())]
    rows = rows[rows["ffb_t"].notna()]
    if not len(rows):
        return _no_harvest()
    rows = rows.sort_values(["plantation_id", "month", "block_id", "known_at"], kind="stable")
    rows = rows.drop_duplicates(["plantation_id", "month", "block_id"], keep="last")
    whole = rows["block_id"] == ""
    has_whole = whole.groupby([rows["plantation_id"], rows["month"]]).transform("any")
    rows = rows[whole | ~has_whole]
    rows = _with_stand_area(rows, stand, mature_age_months)
    by = rows.groupby(["plantation_id", "month"], sort=True)
    out = pd.DataFrame(
        {
            "ffb": by["ffb_t"].sum(),
            "reported": by["area"].sum(),
            "share": by["share"].sum(),
            "whole": by["block_id"].min() == "",
            "harvest_known_at": by["known_at"].max().astype("datetime64[us, UTC]"),
        }
    ).reset_index()
    share = out["share"].clip(upper=1.0).where(~out["whole"], 1.0)
    usable = share >= MIN_BLOCK_SHARE
    out["ffb_t"] = (out["ffb"] / share).where(usable)
    out["area_reported_ha"] = (out["reported"] / share).where(usable)
    return out[["plantation_id", "month", "ffb_t", "area_reported_ha", "harvest_known_at"]]


def _with_stand_area(rows: pd.DataFrame, stand: pd.DataFrame, mature_age_months: float) -> pd.DataFrame:
    """Add each record's area (reported, else the stand's mature area) and its share of the mature block area."""
    blocks = stand[["plantation_id", "block_id", "area_ha"]].copy()
    blocks["planted"] = planted_ordinals(stand["planted_date"])
    blocks["replanted"] = planted_ordinals(stand["replanting_date"])
    rows = rows.merge(blocks, on=["plantation_id", "block_id"], how="left")
    ordinal = rows["month"].map({m: Month.parse(m).ordinal for m in rows["month"].unique()}).astype(np.float64)
    since = rows["replanted"].where(ordinal >= rows["replanted"], rows["planted"])
    mature = since.isna() | (ordinal - since >= mature_age_months)
    stand_area = rows["area_ha"].where(mature, 0.0).fillna(0.0)
    reported = rows["area_mature_ha"]
    rows["area"] = reported.where(reported > 0, stand_area)
    totals = mature_area(stand, sorted(rows["month"].unique()), mature_age_months)
    totals = totals.rename(columns={"area_mature_ha": "total"})[["plantation_id", "month", "total"]]
    total = (
        rows[["plantation_id", "month"]].merge(totals, on=["plantation_id", "month"], how="left")["total"].to_numpy()
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, stand_area.to_numpy() / total, 1.0)
    blocked = stand.loc[stand["block_id"] != "", "plantation_id"].unique()
    rows["share"] = np.where(rows["plantation_id"].isin(blocked), share, 1.0)
    return rows
