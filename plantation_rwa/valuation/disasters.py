"""Fire, flood, pest and land disputes: one event per plantation and path, a share of production, a slow recovery."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.streams import stream

FloatArray = NDArray[np.float64]


def mirrored_normals(seed: int, driver: str, key: str, paths: int) -> FloatArray:
    """One standard normal per path; the second half mirrors the first."""
    half = (paths + 1) // 2
    draws = stream(seed, driver, key).standard_normal(half)
    return np.concatenate([draws, -draws])[:paths]


@dataclass(frozen=True)
class Disasters:
    """Events of one plantation.

    Parameters
    ----------
    path, month
        Paths with an event within the grid, and its month counted from 1.
    loss
        Share of production lost at the event.
    recovery_months
        Months after which production is whole again, linear in between.
    """

    path: NDArray[np.int64]
    month: NDArray[np.int64]
    loss: FloatArray
    recovery_months: float

    def left(self, months: int) -> FloatArray:
        """Share of production left on the event paths, ``(months, events)``."""
        since = np.arange(1, months + 1)[:, None] - self.month[None, :]
        lost = np.where(since >= 0, np.maximum(0.0, 1 - since / self.recovery_months), 0.0)
        return np.asarray(1 - self.loss[None, :] * lost)


def draw_disasters(
    seed: int, plantation_id: str, region: str, months: int, paths: int, assumptions: Assumptions
) -> Disasters:
    """First event of each path: exponential time, regional Gaussian copula, Beta severity (domain/valuation.md 3.5)."""
    rate, rho = assumptions.number("disaster.rate_per_year"), assumptions.number("disaster.regional_correlation")
    a, b = assumptions.table("disaster.severity_beta")
    shared = mirrored_normals(seed, "disaster_region", region, paths)
    own = mirrored_normals(seed, "disaster_own", plantation_id, paths)
    u = ndtr(math.sqrt(rho) * shared + math.sqrt(1 - rho) * own)
    month = event_month(-np.log1p(-u), rate)
    path = np.flatnonzero(month <= months)
    size = ndtr(mirrored_normals(seed, "disaster_size", plantation_id, paths)[path])
    loss = np.asarray(betaincinv(float(a), float(b), size))
    return Disasters(path, month[path], loss, assumptions.number("disaster.recovery_months"))


def event_month(exponential: FloatArray, rate_per_year: float) -> NDArray[np.int64]:
    """Month of the first event from unit exponentials, counted from 1; far beyond any grid at rate 0."""
    if rate_per_year <= 0:
        return np.full(exponential.shape, 10**6, dtype=np.int64)
    return np.minimum(np.floor(12 * exponential / rate_per_year), 1e6 - 1).astype(np.int64) + 1


def expected_left(months: int, assumptions: Assumptions) -> FloatArray:
    """Expected share of production left in each month, ``(months,)``."""
    rate, recovery = assumptions.number("disaster.rate_per_year"), assumptions.number("disaster.recovery_months")
    a, b = assumptions.table("disaster.severity_beta")
    month = np.arange(1, months + 1)
    first = np.exp(-rate * (month - 1) / 12) - np.exp(-rate * month / 12)
    since = month[:, None] - month[None, :]
    lost = np.where(since >= 0, np.maximum(0.0, 1 - since / recovery), 0.0)
    return np.asarray(1 - a / (a + b) * (lost @ first))
