"""Monthly harvest records, each with the instant it became known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.periods import end_of_month_utc
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.tables import Sheet, read_sheet

#: Columns of the harvest table.
HARVEST_COLUMNS: Mapping[str, ColumnSpec] = {
    "plantation_id": ColumnSpec("id", required=True),
    "block_id": ColumnSpec("id"),
    "month": ColumnSpec("month", required=True),
    "ffb_t": ColumnSpec("float", required=True, lower=0.0),
    "area_mature_ha": ColumnSpec("float", lower=0.0),
    "rounds": ColumnSpec("float", lower=0.0, upper=31.0),
    "bunches": ColumnSpec("float", lower=0.0),
    "source": ColumnSpec("choice", values=("estate", "mill", "trader")),
    "known_at": ColumnSpec("instant"),
}


def read_harvest(
    paths: Sequence[str] | None,
    known_lag_days: int,
    register: pd.DataFrame,
    quarantine: Quarantine,
    blocks: pd.DataFrame | None = None,
    *,
    assumptions: Assumptions | None = None,
) -> pd.DataFrame:
    """Read harvest records, revisions included.

    Parameters
    ----------
    paths
        CSV or Parquet; None for none.
    known_lag_days
        Days from the last day of a month until its record counts as known, where the record does not say.
    register, blocks
        As :mod:`~plantation_rwa.sources.register` returns them. A block of a plantation that has a block
        table must be in it.
    assumptions
        Plausibility limits; the packaged ones if None.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, block_id`` ('' for the whole plantation), ``month, ffb_t`` (t), ``area_mature_ha,
        rounds, bunches, source, known_at`` (UTC), in file order. Rows of one key with different ``known_at``
        are revisions of each other.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column.

    Notes
    -----
    A row whose fresh fruit per hectare and month is impossible is rejected rather than scaled: whether a
    record is in kilograms cannot be told for sure from one row. The hectares are the row's own, else the
    block's, else the plantation's. A harvest before the palms were planted is rejected too: of a plantation with
    blocks, before the oldest of them.
    """
    limits = assumptions or packaged()
    sheet = read_sheet(paths, input="harvest", columns=HARVEST_COLUMNS, quarantine=quarantine)
    frame = sheet.frame
    _settle_known_at(sheet, known_lag_days)
    sheet.reject_unknown(
        "plantation_id", list(register["plantation_id"]), "plantation_id is not in the register, or was rejected there"
    )
    if blocks is not None and len(blocks):
        listed = set(zip(blocks["plantation_id"], blocks["block_id"], strict=True))
        divided = set(blocks["plantation_id"])
        keys = zip(frame["plantation_id"], frame["block_id"], strict=True)
        unknown = np.array([b != "" and p in divided and (p, b) not in listed for p, b in keys], dtype=bool)
        sheet.reject(unknown, "block_id", "block_id is not in the block table, or was rejected there")
    _reject_before_planting(sheet, register, blocks)
    _check_areas(sheet, register, blocks, limits)
    sheet.reject_duplicates(
        ["plantation_id", "block_id", "month", "known_at"], column="month", hint="; a revision needs a later known_at"
    )
    return sheet.result()[list(HARVEST_COLUMNS)]


def _settle_known_at(sheet: Sheet, lag_days: int) -> None:
    frame = sheet.frame
    month = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    dated = frame["month"] != ""
    month[dated] = end_of_month_utc(frame.loc[dated, "month"])
    early = (frame["known_at"] < month).to_numpy(bool)
    given = [v.date().isoformat() for v in frame["known_at"][early]]
    frame["known_at"] = frame["known_at"].mask(early, pd.NaT).fillna(month + pd.Timedelta(days=lag_days))
    told = "known_at lies before the end of the month, when the harvest cannot be known; the configured lag is used"
    sheet.fault(early, "known_at", told, "nulled", given)


def _reject_before_planting(sheet: Sheet, register: pd.DataFrame, blocks: pd.DataFrame | None) -> None:
    frame = sheet.frame
    dates = dict(zip(register["plantation_id"], register["planted_date"], strict=True))
    own = dict[tuple[str, str], pd.Timestamp]()
    if blocks is not None and len(blocks):
        dates |= blocks.groupby("plantation_id")["planted_date"].min().to_dict()
        own = dict(
            zip(zip(blocks["plantation_id"], blocks["block_id"], strict=True), blocks["planted_date"], strict=True)
        )
    keys = zip(frame["plantation_id"], frame["block_id"], strict=True)
    first = pd.Series([own.get((p, b), dates.get(p, pd.NaT)) for p, b in keys], index=frame.index)
    planted = pd.to_datetime(first).dt.strftime("%Y-%m")
    early = ((frame["month"] != "") & planted.notna() & (frame["month"] < planted.fillna(""))).to_numpy(bool)
    told = [
        f"harvested before the palms were planted in {p}; check planted_date, or give the first planting there and "
        "replanting_date"
        for p in planted[early]
    ]
    sheet.reject(early, "month", told)


def _check_areas(sheet: Sheet, register: pd.DataFrame, blocks: pd.DataFrame | None, limits: Assumptions) -> None:
    frame = sheet.frame
    own = frame["area_mature_ha"].to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        plantation = frame["plantation_id"].map(_plantation_areas(register)).to_numpy(float)
        ratio = limits.number("plausibility.area_mature_ratio_max")
        told = "area_mature_ha is larger than the plantation in the register allows; check hectares against acres"
        sheet.null(own > ratio * plantation, "area_mature_ha", told)
        empty = (own == 0) & (frame["ffb_t"].to_numpy(float) > 0)
        sheet.null(empty, "area_mature_ha", "area_mature_ha is 0 while fruit was harvested")
        area = frame["area_mature_ha"].to_numpy(float)
        area = np.where(np.isnan(area), _block_areas(frame, blocks), area)
        area = np.where(np.isnan(area), plantation, area)
        per_ha = frame["ffb_t"].to_numpy(float) / np.where(area > 0, area, np.nan)
        most = limits.number("plausibility.ffb_t_ha_month_max")
        impossible = per_ha > most
    told_each = [
        f"ffb_t makes {v:.4g} t per ha in the month, more than {most:g}; check whether kg were written for t"
        for v in per_ha[impossible]
    ]
    sheet.reject(impossible, "ffb_t", told_each)


def _plantation_areas(register: pd.DataFrame) -> dict[str, float]:
    largest = register[["planted_area_ha", "area_geodesic_ha"]].max(axis=1)
    return dict(zip(register["plantation_id"], largest, strict=True))


def _block_areas(frame: pd.DataFrame, blocks: pd.DataFrame | None) -> NDArray[np.float64]:
    if blocks is None or blocks.empty:
        return np.full(len(frame), np.nan)
    areas = {(p, b): a for p, b, a in zip(blocks["plantation_id"], blocks["block_id"], blocks["area_ha"], strict=True)}
    keys = zip(frame["plantation_id"], frame["block_id"], strict=True)
    return np.array([areas.get(k, np.nan) for k in keys], dtype=np.float64)
