"""The order of a table's rows, and whether two of them have one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from plantation_rwa.schema.texts import TEXT


def ordered(columns: Sequence[pd.Series | NDArray[Any]]) -> tuple[NDArray[np.intp], bool]:
    """Rows in order of the first column, then of the next, nulls last; equal rows as they come.

    Returns
    -------
    tuple
        Places of the rows, and whether two of them are equal in all columns.
    """
    row, most = np.zeros(len(columns[0]), np.int64), 1
    for ranks, count in (_ranks(column) for column in columns):
        if most * count > np.iinfo(np.int64).max:
            values, row = np.unique(row, return_inverse=True)
            most = len(values)
        row, most = row * count + ranks, most * count
    rises = np.diff(row) > 0
    if rises.all():
        return np.arange(len(row)), False
    order = np.argsort(row, kind="stable")
    return order, bool((np.diff(row[order]) == 0).any())


def in_order(frame: pd.DataFrame, order: NDArray[np.intp]) -> pd.DataFrame:
    """Rows by place, numbered anew; nothing is copied where they lie so."""
    lies = bool((order == np.arange(len(order))).all())
    return (frame if lies else frame.iloc[order]).reset_index(drop=True)


def _ranks(column: pd.Series | NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Numbers from 0 on in the order of the values, of null the highest; and a bound above them."""
    if column.dtype == TEXT:
        coded = pa.chunked_array(pa.array(column)).combine_chunks().dictionary_encode()
        count = len(coded.dictionary)
        rank = np.full(count + 1, count, np.int64)
        rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(count)
        return rank[coded.indices.fill_null(count).to_numpy()], count + 1
    codes, values = pd.factorize(column, sort=True)
    return np.where(codes < 0, len(values), codes).astype(np.int64), len(values) + 1
