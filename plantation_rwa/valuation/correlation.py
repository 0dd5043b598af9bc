"""Correlation of the shared drivers: the matrix, its nearest valid one, and shocks that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: shocks of a month, in the order in which they are drawn
NAMES = ("cpo", "enso", "yield", "pk", "fx")
#: least eigenvalue of a repaired matrix, so that it has a root on every machine
_LEAST = 1e-8


@dataclass(frozen=True)
class Correlation:
    """A valid correlation matrix of ``NAMES``.

    Parameters
    ----------
    matrix
        ``(5, 5)``.
    repaired
        Largest change of an entry that made it valid; 0 if it was.
    """

    matrix: FloatArray
    repaired: float

    @classmethod
    def of(cls, pairs: Mapping[str, float]) -> Correlation:
        """From entries such as ``{"cpo-fx": 0.07}``; pairs not named are uncorrelated.

        Raises
        ------
        ValueError
            If a pair is not of two different drivers, or an entry lies outside -1 to 1.
        """
        matrix = np.eye(len(NAMES))
        for pair, value in pairs.items():
            ends = pair.split("-")
            if len(ends) != 2 or not set(ends) <= set(NAMES) or ends[0] == ends[1]:
                raise ValueError(f"'{pair}' is no pair of {', '.join(NAMES)}")
            if not -1.0 <= value <= 1.0:
                raise ValueError(f"correlation {pair} is {value:g}, outside -1 to 1")
            i, j = NAMES.index(ends[0]), NAMES.index(ends[1])
            matrix[i, j] = matrix[j, i] = value
        return cls(*nearest(matrix))

    def weights(self, name: str) -> FloatArray:
        """Weights of the independent normals of ``NAMES`` up to this driver: a row of the Cholesky root."""
        i = NAMES.index(name)
        return np.asarray(np.linalg.cholesky(self.matrix)[i, : i + 1])


def nearest(matrix: FloatArray) -> tuple[FloatArray, float]:
    """The nearest valid correlation matrix, and the largest change of an entry.

    Alternating projections on the positive semi-definite matrices and on those of unit diagonal, with Dykstra's
    correction. Source: Higham (2002), IMA Journal of Numerical Analysis 22.
    """
    if np.linalg.eigvalsh(matrix).min() >= _LEAST:
        return matrix, 0.0
    current, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(1000):
        shifted = current - correction
        values, vectors = np.linalg.eigh(shifted)
        positive = (vectors * np.maximum(values, _LEAST * 10)) @ vectors.T
        correction = positive - shifted
        before, current = current, positive.copy()
        np.fill_diagonal(current, 1.0)
        if np.abs(current - before).max() < 1e-12:
            break
    current = (current + current.T) / 2.0
    return current, float(np.abs(current - matrix).max())
