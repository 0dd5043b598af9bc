"""Text columns of published tables, and how their values are put in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: type of every text column
TEXT = pd.StringDtype("pyarrow", na_value=np.nan)


def chosen(words: Sequence[str | None], places: NDArray[np.intp]) -> Any:
    """A text column of many rows out of few words: the word at each place, null where that is below 0."""
    return TEXT.__from_arrow__(
        pa.array(words, pa.large_string()).take(pa.array(places, pa.int64(), mask=places < 0)),
    )


def ordered(columns: Sequence[pd.Series | NDArray[Any]]) -> tuple[NDArray[np.intp], bool]:
    """Rows in order of the first column, then of the next, nulls last; equal rows as they come.

    Returns
    -------
    tuple
        Places of the rows, and whether two of them are equal in all columns.
    """
    ranks = [_ranks(column) for column in columns]
    order = np.lexsort(ranks[::-1])
    if len(order) < 2:
        return order, False
    same = np.logical_and.reduce([np.diff(own[order]) == 0 for own in ranks])
    return order, bool(same.any())


def _ranks(column: pd.Series | NDArray[Any]) -> NDArray[Any]:
    """Numbers in the order of the values; of null, the highest."""
    if column.dtype == TEXT:
        coded = pa.chunked_array(pa.array(column)).combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy()
        rank = np.empty(len(coded.dictionary) + 1, np.int64)
        rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(coded.dictionary))
        rank[-1] = len(coded.dictionary)
        return rank[codes]
    codes, values = pd.factorize(column, sort=True)
    return np.where(codes < 0, len(values), codes)
