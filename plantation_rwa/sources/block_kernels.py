"""Compiled inner loop of reading blocks.

Importing this module imports numba: import it where it is used, not at the top of a module.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from plantation_rwa.compiled import compiled


@compiled
def summed(block: NDArray[Any], out: NDArray[Any]) -> None:
    """Undo horizontal differencing (TIFF 6.0, section 14) of the upper left corner of a block.

    Parameters
    ----------
    block
        Differences to the left neighbour, the first of a row to nothing; sums wrap around as they are stored.
    out
        Same number type, at most as large; written.
    """
    for y in range(out.shape[0]):
        line, to = block[y], out[y]
        total = 0
        for x in range(out.shape[1]):
            total += line[x]
            to[x] = total
