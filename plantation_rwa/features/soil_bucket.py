"""Daily soil water bucket: transpiration that falls with the water left, and what it lacks of the demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BucketParameters:
    """Parameters of the bucket.

    Parameters
    ----------
    half, width
        Water left, as a fraction of the capacity, at which half of the demand is met, and the width of the sigmoid.
    """

    half: float
    width: float


@dataclass(frozen=True)
class Bucket:
    """Result of :func:`run_bucket`, arrays of shape (plantations, days), mm; NaN on days without rain or demand.

    Parameters
    ----------
    deficit, transpiration, drainage, water
        Of the day; the water is that of its end.
    spread
        How far the day's deficit still depends on what fell on earlier days without data: that from an empty minus
        that from a full bucket after the last gap.
    """

    deficit: Floats
    transpiration: Floats
    drainage: Floats
    water: Floats
    spread: Floats


def crop_coefficient(age_years: ArrayLike, young: float, mature: float, ages: tuple[float, float]) -> Floats:
    """Demand of the palms over reference evapotranspiration: ``young`` up to one age, ``mature`` from the other on."""
    return np.asarray(np.interp(np.asarray(age_years, dtype=np.float64), ages, (young, mature)))


def relative_transpiration(fraction: ArrayLike, parameters: BucketParameters) -> Floats:
    """Share of the demand that is met: ``1 / (1 + exp(-(theta - half) / width))`` (PALMSIM, Hoffmann et al. 2014)."""
    theta = np.asarray(fraction, dtype=np.float64)
    return np.asarray(1.0 / (1.0 + np.exp(-(theta - parameters.half) / parameters.width)))


def run_bucket(rain: Floats, demand: Floats, capacity: ArrayLike, parameters: BucketParameters) -> Bucket:
    """Run the bucket day by day, for all plantations at once.

    Rain comes first, what exceeds the capacity drains, then the palms transpire ``demand x T/Tp(theta)``; the deficit
    is what that lacks of the demand. The record starts full. A day without data leaves the water unknown: two buckets
    go on from there, one full and one empty, and ``spread`` tells how far apart their deficits are.

    Parameters
    ----------
    rain, demand
        Shape (plantations, days), mm d-1, consecutive days, NaN where missing.
    capacity
        Shape (plantations,), or one number, mm.
    parameters
        See :class:`BucketParameters`.

    Notes
    -----
    Without gaps the water is conserved: ``W_end - W_0 = sum rain - sum transpiration - sum drainage``.
    """
    full = np.broadcast_to(np.asarray(capacity, dtype=np.float64), rain.shape[:1])
    deficit, transpiration, drainage, water, spread = (np.full(rain.shape, np.nan) for _ in range(5))
    state = np.stack([full, full])  # what is left if gaps were wet, and if they were dry
    valid = ~(np.isnan(rain) | np.isnan(demand))
    started = np.zeros(rain.shape[0], dtype=bool)
    for day in range(rain.shape[1]):
        here = valid[:, day]
        filled = state + np.where(here, rain[:, day], 0.0)
        over = np.maximum(filled - full, 0.0)
        held = filled - over
        wanted = np.where(here, demand[:, day], 0.0)
        used = np.minimum(wanted * relative_transpiration(held / full, parameters), held)
        state = np.where(here, held - used, np.stack([full, np.where(started, 0.0, full)]))
        started |= here
        lack = wanted - used
        for target, values in (
            (deficit, lack[0]),
            (transpiration, used[0]),
            (drainage, over[0]),
            (water, state[0]),
            (spread, lack[1] - lack[0]),
        ):
            target[:, day] = np.where(here, values, np.nan)
    return Bucket(deficit, transpiration, drainage, water, spread)
