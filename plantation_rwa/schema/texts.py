"""Text columns of published tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

#: type of every text column
TEXT = pd.StringDtype("pyarrow", na_value=np.nan)


def chosen(words: Sequence[str | None], places: NDArray[np.intp]) -> Any:
    """A text column of many rows out of few words: the word at each place, null where that is below 0."""
    return TEXT.__from_arrow__(
        pa.array(words, pa.large_string()).take(pa.array(places, pa.int64(), mask=places < 0)),
    )
