"""Sums over months of coefficients times shared paths, without an array of cash flows, in one fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

#: paths per block: the blocks of all features of five years stay in the second-level cache
_BLOCK = 512


def path_sums(features: NDArray[Any], coefficients: NDArray[Any]) -> NDArray[Any]:
    """Sum over months and features of coefficient times feature, per row and path.

    A matrix product whose order of addition is fixed: a row's bits depend on its own coefficients only, not on how
    many rows stand beside it, on threads or on the library. Months appended with coefficient 0 change no bit.

    Parameters
    ----------
    features
        Shape ``(months, features, paths)``, float32 or float64.
    coefficients
        Shape ``(rows, months, features)``, same type.

    Returns
    -------
    ndarray
        Shape ``(rows, paths)``, same type.
    """
    months, count, paths = features.shape
    terms = -(-months * count // 4) * 4
    flat = np.ascontiguousarray(features).reshape(months * count, paths)
    if terms > months * count:
        flat = np.concatenate([flat, np.zeros((terms - months * count, paths), dtype=features.dtype)])
    weights = np.zeros((len(coefficients), terms), dtype=features.dtype)
    weights[:, : months * count] = coefficients.reshape(len(coefficients), months * count)
    out = np.zeros((len(coefficients), paths), dtype=features.dtype)
    _sums(flat, weights, out)
    return out


def month_sums(features: NDArray[Any], coefficients: NDArray[Any], paths: NDArray[np.int64]) -> NDArray[Any]:
    """Sum over features in each month for some paths: the revenue of one row, month by month.

    Parameters
    ----------
    features
        Shape ``(months, features, all paths)``.
    coefficients
        Shape ``(months, features)``.
    paths
        Which paths, ascending.

    Returns
    -------
    ndarray
        Shape ``(months, chosen paths)``.
    """
    out = np.zeros((features.shape[0], len(paths)), dtype=features.dtype)
    if len(out):
        _by_month(features, coefficients, paths, len(paths) == features.shape[2], out)
    return out


def _add_months(features: Any, coefficients: Any, paths: Any, every: bool, out: Any) -> None:
    for t in range(out.shape[0]):
        row = out[t]
        for f in range(features.shape[1]):
            c, values = coefficients[t, f], features[t, f]
            if every:
                for p in range(row.size):
                    row[p] += c * values[p]
            else:
                for p in range(row.size):
                    row[p] += c * values[paths[p]]


def _add_blocks(features: Any, weights: Any, out: Any) -> None:
    terms, paths = features.shape
    for start in range(0, paths, _BLOCK):
        end = min(start + _BLOCK, paths)
        for row in range(weights.shape[0]):
            total = out[row, start:end]
            for k in range(0, terms, 4):
                a, b, c, d = weights[row, k], weights[row, k + 1], weights[row, k + 2], weights[row, k + 3]
                fa, fb = features[k, start:end], features[k + 1, start:end]
                fc, fd = features[k + 2, start:end], features[k + 3, start:end]
                for p in range(end - start):
                    total[p] += (a * fa[p] + b * fb[p]) + (c * fc[p] + d * fd[p])


_sums = compiled(_add_blocks)
_by_month = compiled(_add_months)


def added(rows: NDArray[Any]) -> NDArray[Any]:
    """Sum over months in order, ``(paths,)``."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total
