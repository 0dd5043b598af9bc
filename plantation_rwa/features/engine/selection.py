"""Compiled weighted statistics of many pixels: sums, mean, and quantiles by selection instead of sorting.

Importing this module imports numba: import it where it is used, not at the top of a module. Sums run in the order of
the pixels on one thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

#: histogram bins of a quantile: eight bytes each, half of a first-level cache
BINS = 2048
#: values that are sorted rather than binned again
FEW = 48


@compiled
def _first_reaching(
    values: NDArray[Any], weights: NDArray[np.float32], before: float, target: float, slack: float
) -> tuple[float, float]:
    """First of the few values whose cumulative weight reaches the target, and that weight; ties merged."""
    n = values.shape[0]
    ranked, own = values.copy(), weights.copy()
    for i in range(1, n):  # put into its place: of so few no other way of sorting is faster
        value, weight, k = ranked[i], own[i], i
        while k > 0 and ranked[k - 1] > value:
            ranked[k], own[k] = ranked[k - 1], own[k - 1]
            k -= 1
        ranked[k], own[k] = value, weight
    total, k, value = before, 0, ranked[0]
    while k < n:
        value = ranked[k]
        while k < n and ranked[k] == value:
            total += np.float64(own[k])
            k += 1
        if total >= target - slack:
            break
    return np.float64(value), total


@compiled
def _chosen(sums: NDArray[np.float64], before: float, target: float, slack: float) -> tuple[int, float]:
    """Bin in which the cumulative weight reaches the target, and the weight before it.

    The last filled bin is taken even where rounding leaves the sum short of the target.
    """
    chosen, reached = -1, before
    for b in range(sums.shape[0]):
        if sums[b] > 0.0:
            if chosen >= 0:
                reached += sums[chosen]
            chosen = b
            if reached + sums[b] >= target - slack:
                break
    return chosen, reached


@compiled
def selected(
    values: NDArray[Any],
    held: NDArray[Any],
    held_weights: NDArray[np.float32],
    before: float,
    low: float,
    high: float,
    target: float,
    slack: float,
) -> float:
    """The value at which the cumulative weight reaches the target, from those of ``values`` that may be it.

    Parameters
    ----------
    values
        All of them.
    held, held_weights
        Those among which it is, and their weights.
    before
        Weight of the smaller ones that are not held.
    low, high
        Least and greatest of the held.
    target, slack
        Weight to reach, and how near to it counts as equal.
    """
    while held.shape[0] > FEW and high > low:
        bins = bins_of(held.shape[0])
        factor = np.float64(bins) / (high - low)
        sums = np.zeros(bins, np.float64)
        for i in range(held.shape[0]):
            b = min(int((np.float64(held[i]) - low) * factor), bins - 1)
            sums[b] += np.float64(held_weights[i])
        chosen, before = _chosen(sums, before, target, slack)
        n = 0
        inside, inside_weights = np.empty_like(held), np.empty_like(held_weights)
        new_low, new_high = high, low
        for i in range(held.shape[0]):
            if min(int((np.float64(held[i]) - low) * factor), bins - 1) == chosen:
                inside[n], inside_weights[n] = held[i], held_weights[i]
                new_low, new_high = min(new_low, np.float64(held[i])), max(new_high, np.float64(held[i]))
                n += 1
        held, held_weights, low, high = inside[:n], inside_weights[:n], new_low, new_high
    value, reached = _first_reaching(held, held_weights, before, target, slack)
    if abs(reached - target) <= slack:
        after = np.inf
        for i in range(values.shape[0]):
            if values[i] > value and values[i] < after:
                after = np.float64(values[i])
        if after < np.inf:
            value = (value + after) / 2.0
    return np.float64(value)


@compiled
def bins_of(count: int) -> int:
    """Bins for so many values: one value in a few a bin."""
    return min(BINS, max(count // 4, 32))


@compiled
def quantile(
    values: NDArray[Any], weights: NDArray[np.float32], low: float, high: float, total: float, q: float
) -> float:
    """Weighted quantile of finite values with positive weights by repeated histograms.

    With C_k the cumulative weights of the sorted values, equal ones merged, and target T = q * C_n it is the first
    value whose C_k exceeds T, or the mean of that value and the one before it if C_(k-1) equals T (to 1e-9 of the
    total): the averaged inverted distribution function. With equal weights and q = 0.5 this is the ordinary median.
    Merging ties first makes the result independent of the order of pixels, which the common weighted medians are not.
    """
    return np.float64(selected(values, values, weights, 0.0, low, high, q * total, 1e-9 * total))


@compiled
def quantiles(
    values: NDArray[Any],
    weights: NDArray[np.float32],
    low: float,
    high: float,
    total: float,
    levels: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """:func:`quantile` at several levels, written to ``out``; the first histogram serves all of them."""
    n, several = values.shape[0], levels.shape[0]
    if n <= FEW or high <= low or several < 2:
        for k in range(several):
            out[k] = quantile(values, weights, low, high, total, levels[k])
        return
    slack, bins = 1e-9 * total, bins_of(n)
    factor = np.float64(bins) / (high - low)
    sums, wanted = np.zeros(bins, np.float64), np.zeros(bins, np.bool_)
    for i in range(n):
        sums[min(int((np.float64(values[i]) - low) * factor), bins - 1)] += np.float64(weights[i])
    before, chosen = np.empty(several, np.float64), np.empty(several, np.int64)
    for k in range(several):
        chosen[k], before[k] = _chosen(sums, 0.0, levels[k] * total, slack)
        wanted[chosen[k]] = True
    count = 0
    inside, inside_weights, inside_bin = np.empty_like(values), np.empty_like(weights), np.empty(n, np.int64)
    for i in range(n):
        b = min(int((np.float64(values[i]) - low) * factor), bins - 1)
        if wanted[b]:
            inside[count], inside_weights[count], inside_bin[count] = values[i], weights[i], b
            count += 1
    own, own_weights = np.empty_like(inside[:count]), np.empty_like(inside_weights[:count])
    for k in range(several):
        least, most, m = high, low, 0
        for i in range(count):
            if inside_bin[i] == chosen[k]:
                own[m], own_weights[m] = inside[i], inside_weights[i]
                least, most = min(least, np.float64(inside[i])), max(most, np.float64(inside[i]))
                m += 1
        out[k] = selected(values, own[:m], own_weights[:m], before[k], least, most, levels[k] * total, slack)


@compiled
def summarise(
    values: NDArray[Any], weights: NDArray[np.float32], levels: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Sum of the weights, weighted mean and weighted quantiles of the finite values, in the order of the pixels.

    Parameters
    ----------
    values, weights
        Equal lengths; pixels with NaN or no weight are left out.
    levels
        Quantile levels in [0, 1].
    out
        Length 2 + len(levels), written; NaN but for the sum where there is no value.
    """
    n = 0
    total = product = 0.0
    low, high = np.inf, -np.inf
    held, held_weights = np.empty_like(values), np.empty_like(weights)
    for i in range(values.shape[0]):
        if np.isfinite(values[i]) and weights[i] > 0:
            held[n], held_weights[n] = values[i], weights[i]
            total += np.float64(weights[i])
            product += np.float64(weights[i]) * np.float64(values[i])
            low, high = min(low, np.float64(values[i])), max(high, np.float64(values[i]))
            n += 1
    out[0] = total
    out[1] = product / total if n > 0 else np.nan
    if n > 0:
        quantiles(held[:n], held_weights[:n], low, high, total, levels, out[2:])
    else:
        out[2:] = np.nan


@compiled
def median(values: NDArray[Any], weights: NDArray[np.float32]) -> float:
    """Weighted median of the finite values, NaN without any."""
    levels, out = np.full(1, 0.5), np.empty(3)
    summarise(values, weights, levels, out)
    return np.float64(out[2])


@compiled
def median_number(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """:func:`median` of digital numbers: whole ones of 16 bits are counted instead of selected."""
    low, high, whole = np.float32(np.inf), np.float32(-np.inf), True
    total = 0.0
    for i in range(values.shape[0]):
        v = values[i]
        if v == v:
            low, high = min(low, v), max(high, v)
            whole &= v == np.floor(v)
            total += np.float64(weights[i])
    if high < low:
        return np.nan
    if not whole or high - low > 65535 or values.shape[0] < FEW:
        return np.float64(median(values, weights))
    first, sums = np.int64(low), np.zeros(np.int64(high - low) + 1, np.float64)
    for i in range(values.shape[0]):
        if values[i] == values[i]:
            sums[np.int64(values[i]) - first] += np.float64(weights[i])
    target, slack, reached = 0.5 * total, 1e-9 * total, 0.0
    for b in range(sums.shape[0]):
        reached += sums[b]
        if sums[b] > 0.0 and reached >= target - slack:
            if abs(reached - target) <= slack:
                for after in range(b + 1, sums.shape[0]):
                    if sums[after] > 0.0:
                        return np.float64(first) + (b + after) / 2.0
            return np.float64(first + b)
    return np.float64(high)


@compiled
def totals(seen: NDArray[np.uint16], weights: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """Sum of the weights, of those seen at least once, and of weight times observations, in the order of the pixels."""
    whole = clear = counted = 0.0
    for i in range(weights.shape[0]):
        w = np.float64(weights[i])
        whole += w
        clear += w if seen[i] > 0 else 0.0
        counted += w * seen[i]
    out[0], out[1], out[2] = whole, clear, counted


@compiled
def summarise_all(
    values: NDArray[np.float32],
    seen: NDArray[np.uint16],
    weights: NDArray[np.float32],
    starts: NDArray[np.int64],
    levels: NDArray[np.float64],
    out: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """:func:`summarise` and :func:`totals` of many polygons whose pixels follow one another.

    Parameters
    ----------
    values
        Shape (indices, pixels).
    starts
        First pixel of each polygon, and the end.
    levels
        Quantile levels of each index, NaN for none at the end of a row; shape (indices, levels).
    out, sums
        Shapes (polygons, indices, 2 + levels) and (polygons, 3), written.
    """
    for p in range(starts.shape[0] - 1):
        a, b = starts[p], starts[p + 1]
        totals(seen[a:b], weights[a:b], sums[p])
        for k in range(values.shape[0]):
            n = 0
            while n < levels.shape[1] and levels[k, n] == levels[k, n]:
                n += 1
            out[p, k, 2 + n :] = np.nan
            summarise(values[k, a:b], weights[a:b], levels[k, :n], out[p, k, : 2 + n])
