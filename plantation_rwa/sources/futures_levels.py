"""Days whose settlements as a whole leave the level of the days before: another unit or currency, not a market."""

from __future__ import annotations

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.sources.tables import Sheet

#: contracts that two days must have in common to tell a level
_COMMON = 3


def reject_levels(sheet: Sheet, limits: Assumptions) -> None:
    """Set aside the days after a leap of all contracts that trading cannot make, until another leap leads back.

    From one day of the file to the next the median move of the contracts that both have, spot month apart, may be what
    the price limit of the business days between allows, and at most ``market.settlement_level_max`` within
    ``market.settlement_level_gap_days``.
    What goes further by two days' limits or more is another unit: its days are rejected, however long, for trading on
    does not make them right; the market may have moved meanwhile, so that the way back counts within two days' limits.
    A level that has stood for longer than all days accepted before it, and for ``market.settlement_level_days`` at
    least, is the level from then on: a file may begin with its wrong days. Each day is held against earlier ones only.

    Parameters
    ----------
    limits
        Section ``market``.
    """
    step = float(-np.log1p(-limits.number("market.settlement_move_max")))
    for symbol, rows in sheet.frame[sheet.accepted].groupby("symbol", sort=True):
        told = _days_off(rows, step, limits)
        hit = (sheet.frame["symbol"] == symbol) & sheet.frame["settle_date"].isin(list(told)) & sheet.accepted
        mask = hit.to_numpy(bool)
        sheet.reject(mask, "settle", [told[d] for d in sheet.frame["settle_date"][mask]])


def _days_off(rows: pd.DataFrame, step: float, limits: Assumptions) -> dict[pd.Timestamp, str]:
    """Days off the level of those before, and what is wrong with each."""
    far = rows[rows["contract"] != rows["settle_date"].dt.strftime("%Y-%m")]
    wide = far.assign(log=np.log(far["settle"])).pivot_table(
        index="settle_date", columns="contract", values="log", aggfunc="first", sort=True
    )
    if len(wide) < 2:
        return {}
    days = pd.DatetimeIndex(wide.index)
    values = wide.to_numpy(np.float64)
    moves = values[1:] - values[:-1]
    common = np.isfinite(moves).sum(axis=1)
    ordinals = days.to_numpy().astype("datetime64[D]")
    closed = np.array(sorted(packaged_holidays("MY")), dtype="datetime64[D]")
    gaps = np.maximum(np.busday_count(ordinals[:-1], ordinals[1:], holidays=closed), 1)
    most = float(np.log(limits.number("market.settlement_level_max")))
    fewest = int(limits.number("market.settlement_level_days"))
    longest = limits.number("market.settlement_level_gap_days")
    told: dict[pd.Timestamp, str] = {}
    offset, accepted, run, left = 0.0, 1, 0, days[0]
    for k in range(len(moves)):
        move = float(np.nanmedian(moves[k])) if common[k] >= _COMMON else 0.0
        allowed = min(gaps[k] * step, most) if gaps[k] <= longest else np.inf
        if abs(move) > max(allowed, 2 * step):
            left = days[k] if offset == 0.0 else left
            offset += move
            offset = 0.0 if abs(offset) <= 2 * step else offset
        if offset == 0.0:
            accepted, run = accepted + 1, 0
            continue
        run += 1
        if run > max(accepted, fewest):
            offset, accepted, run = 0.0, run, 0
            continue
        told[days[k + 1]] = _reason(float(np.exp(offset)), left)
    return told


def _reason(factor: float, left: pd.Timestamp) -> str:
    return (
        f"settlements of the day lie {factor:.3g} times off those of {left.date().isoformat()}, further than trading "
        "can go; check unit (t, not lb or kg) and currency (MYR, not USD) of these days, or of the days before them"
    )
