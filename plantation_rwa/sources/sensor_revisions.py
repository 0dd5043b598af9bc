"""Readings that a later delivery revises: each counts from the instant at which it became known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.sensor_series import KEYS
from plantation_rwa.sources.tables import Sheet

Bools = NDArray[np.bool_]


def settle_known(sheet: Sheet) -> None:
    """A reading is known at its time where the row does not say when; one that says before it is taken at its time."""
    frame = sheet.frame
    early = (frame["known_at"] < frame["time"]).to_numpy(bool)
    given = [v.isoformat() for v in frame["known_at"][early]]
    frame["known_at"] = frame["known_at"].mask(early, pd.NaT).fillna(frame["time"]).astype("datetime64[us, UTC]")
    sheet.fault(early, "known_at", "known_at lies before the time; the time is used", "nulled", given)


@dataclass(frozen=True)
class Revisions:
    """Rows that revise a reading known before, and the row that each revises.

    Parameters
    ----------
    rows
        Shape ``(n,)``.
    first
        Position of the row of the same series and time that was known first, each row's own elsewhere, ``(n,)``.
    """

    rows: Bools
    first: NDArray[np.int64]

    def like_first(self, values: NDArray[Any]) -> NDArray[Any]:
        """What holds of the readings that are revised, for the revising ones too."""
        return np.asarray(np.where(self.rows, values[self.first], values))

    def settle(self, sheet: Sheet, totals: Bools) -> None:
        """Refuse what revises a running total, and a second revision known at one instant."""
        counters = self.rows & totals[self.first]
        told = "a running total cannot be revised: the readings after it count from it; give the rain of the interval"
        sheet.reject(counters & sheet.accepted, "value", told)
        with sheet.without(~self.rows):
            sheet.reject_duplicates(
                [*KEYS, "time", "known_at"], column="value", hint="; a revision needs a later known_at"
            )


def revisions(sheet: Sheet) -> Revisions:
    """Accepted rows known later than another accepted row of their series and time."""
    frame, own = sheet.frame, np.arange(len(sheet.frame))
    rows = frame.loc[sheet.accepted, [*KEYS, "time", "known_at"]]
    late = np.zeros(len(frame), dtype=bool)
    if not (rows["known_at"] > rows["time"]).any():
        return Revisions(late, own)
    rows = rows.sort_values("known_at", kind="stable")
    groups = rows.groupby([*KEYS, "time"], dropna=False, sort=False)
    late[rows.index.to_numpy()] = (rows["known_at"] > groups["known_at"].transform("min")).to_numpy(bool)
    first = own.copy()
    first[rows.index.to_numpy()] = (
        pd.Series(rows.index, index=rows.index)
        .groupby([rows[k] for k in (*KEYS, "time")], dropna=False, sort=False)
        .transform("first")
        .to_numpy()
    )
    return Revisions(late, first)
