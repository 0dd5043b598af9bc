"""Sorted daily rows of many plantations as months: sums, counts, dry runs, each cell in the order of its days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]


class Months:
    """Sums of sorted daily rows into a (plantations, consecutive months) matrix, each cell in order of its days.

    Parameters
    ----------
    codes
        Number of each row's plantation, ascending.
    dates
        Of each row, ascending within a plantation, distinct.
    plantations
        How many there are.
    """

    def __init__(self, codes: NDArray[np.int64], dates: Dates, plantations: int) -> None:
        ordinal = dates.astype("datetime64[M]").astype(np.int64)
        self.first = int(ordinal.min())
        self.shape = (plantations, int(ordinal.max()) - self.first + 1)
        self.cell = codes * self.shape[1] + ordinal - self.first
        starts = (np.arange(self.shape[1] + 1) + self.first).astype("datetime64[M]")
        self.labels = np.datetime_as_string(starts[:-1], unit="M")
        self.starts = starts.astype("datetime64[D]")
        self.days = np.diff(self.starts).astype(np.float64)
        self._codes, self._dates = codes, dates

    def sum(self, values: Floats) -> Floats:
        """Sum of the days that have a value, 0 where none has."""
        total = np.bincount(self.cell, weights=np.where(np.isnan(values), 0.0, values), minlength=self.size)
        return np.asarray(total, dtype=np.float64).reshape(self.shape)

    def count(self, where: NDArray[np.bool_]) -> Floats:
        """Days on which ``where`` holds."""
        return np.bincount(self.cell[where], minlength=self.size).astype(np.float64).reshape(self.shape)

    def maximum(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Greatest value of each month's days, 0 without any."""
        out = np.zeros(self.size, dtype=np.int64)
        np.maximum.at(out, self.cell, values)
        return out.reshape(self.shape)

    def partial(self, values: Floats) -> NDArray[np.bool_]:
        """Months in which a variable is there on some days and missing on others."""
        count = self.count(~np.isnan(values))
        return np.asarray((count > 0) & (count < self.days))

    def lost(self, values: Floats) -> NDArray[np.bool_]:
        """Months without a variable that an earlier one had."""
        there = self.count(~np.isnan(values)) > 0
        return np.asarray(~there & np.logical_or.accumulate(there, axis=1))

    def by_day(self, values: Floats) -> Floats:
        """Matrix (plantations, consecutive days) from the first month's first day to the last month's last."""
        total = int((self.starts[-1] - self.starts[0]).astype(np.int64))
        out = np.full((self.shape[0], total), np.nan)
        out[self._codes, (self._dates.astype("datetime64[D]") - self.starts[0]).astype(np.int64)] = values
        return out

    def month_sums(self, by_day: Floats) -> Floats:
        """Sums of a matrix of :meth:`by_day` over the months; NaN where a day is."""
        edges = (self.starts[:-1] - self.starts[0]).astype(np.int64)
        return np.asarray(np.add.reduceat(by_day, edges, axis=1))

    @property
    def size(self) -> int:
        """Cells of the matrix."""
        return self.shape[0] * self.shape[1]


def dry_run(codes: NDArray[np.int64], dates: Dates, rain: Floats, wet: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Days of the dry run that reaches each day, 0 on a wet one; a missing day or value ends the run."""
    row = np.arange(len(rain))
    broken = np.ones(len(rain), dtype=bool)
    broken[1:] = (codes[1:] != codes[:-1]) | (np.diff(dates) != np.timedelta64(1, "D"))
    wet_or_missing = wet | np.isnan(rain)
    before = np.where(wet_or_missing, row, np.where(broken, row - 1, -1))
    return np.asarray(row - np.maximum.accumulate(before), dtype=np.int64)
