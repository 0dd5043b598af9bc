"""Quantiles, tail measures, advance rate: from present values per path to published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_EPS = 1e-9


def quantile_sorted(ordered: FloatArray, probability: float) -> FloatArray:
    """Inverted-CDF quantile of values sorted along the last axis: element ``ceil(n p)`` counted from 1."""
    n = ordered.shape[-1]
    index = min(max(math.ceil(n * probability - _EPS) - 1, 0), n - 1)
    return np.asarray(ordered[..., index])


def value_at_risk(losses: FloatArray, alpha: float) -> float:
    """VaR of losses (positive = loss) by the inverted CDF."""
    return float(quantile_sorted(np.sort(losses), alpha))


def expected_shortfall(losses: FloatArray, alpha: float) -> float:
    """Mean of the worst ``1 - alpha`` of losses; the value at risk takes the fractional weight (Acerbi and Tasche).

    For n paths with ``n * alpha`` whole this is the mean of the ``n (1 - alpha)`` largest.
    """
    ordered = np.sort(losses)
    n = ordered.size
    tail = n - n * alpha
    whole = math.floor(tail + _EPS)
    largest = math.fsum(ordered[n - whole :].tolist())
    rest = tail - whole
    if rest > _EPS:
        largest += rest * float(ordered[n - whole - 1])
    return largest / tail


def advance_rate(npv_fair: float, es975: float, cap: float, worst_stress: float | None = None) -> float | None:
    """Share of the fair value that can be advanced: ``min(cap, (V - ES97.5) / V, V_stressed / V)``, not below 0.

    None without value. Source: domain/valuation.md 3.3.
    """
    if npv_fair <= 0:
        return None
    stressed = math.inf if worst_stress is None else worst_stress / npv_fair
    return min(max(min(cap, (npv_fair - es975) / npv_fair, stressed), 0.0), 1.0)


def over_collateralisation(rate: float | None) -> float | None:
    """``1 / AR - 1``: value beyond the advance per unit advanced; None where nothing can be advanced."""
    return 1.0 / rate - 1.0 if rate else None


def tail_weights(losses: FloatArray, alpha: float) -> FloatArray:
    """Weights of the paths in the expected shortfall: their scalar product with the losses is the ES, ``(paths,)``."""
    order = np.argsort(losses, kind="stable")
    n = losses.size
    tail = n - n * alpha
    whole = math.floor(tail + _EPS)
    out = np.zeros(n)
    out[order[n - whole :]] = 1.0 / tail
    if tail - whole > _EPS:
        out[order[n - whole - 1]] = (tail - whole) / tail
    return out


def euler_contributions(fair: FloatArray, pv: FloatArray, alpha: float) -> FloatArray:
    """Contribution of each part to the pool's expected shortfall, ``(parts,)``; they sum to it.

    Parameters
    ----------
    fair
        Fair values of the parts, ``(parts,)``.
    pv
        Present values per path, ``(parts, paths)``.
    """
    losses = np.zeros(pv.shape[1])
    for value, row in zip(fair, pv, strict=True):
        losses += value - row
    weights = tail_weights(losses, alpha)
    return np.array([float(((value - row) * weights).sum()) for value, row in zip(fair, pv, strict=True)])


def internal_rate(price: float, cash: FloatArray, times: FloatArray) -> FloatArray:
    """Internal rate of return per path, compounded yearly: ``price = sum cash (1 + r)^-t``, by bisection.

    Bounded to -0.99 and 10 a year, where a path pays next to nothing or much too much.

    Parameters
    ----------
    price
        Paid today.
    cash
        Received, shape ``(dates, paths)``.
    times
        Years, shape ``(dates,)``.
    """
    low, high = np.full(cash.shape[1], math.log(0.01)), np.full(cash.shape[1], math.log(11.0))
    for _ in range(50):
        middle = 0.5 * (low + high)
        value = np.zeros(cash.shape[1])
        for row, t in zip(cash, times, strict=True):
            value += row * np.exp(-middle * t)
        above = value > price
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.expm1(0.5 * (low + high)))


def herfindahl(values: Sequence[float]) -> float | None:
    """Sum of squared shares of non-negative values; None if they sum to nothing."""
    total = math.fsum(max(v, 0.0) for v in values)
    return math.fsum((max(v, 0.0) / total) ** 2 for v in values) if total > 0 else None


def mirrored_error(values: FloatArray) -> float | None:
    """Standard error of a mean over paths of which the second half mirrors the first.

    The pairs' means are independent: their standard deviation over the root of their number (Glasserman 2003, 4.2).
    None from less than two pairs.
    """
    half = len(values) // 2
    if half < 2:
        return None
    pairs = 0.5 * (values[:half] + values[-half:])
    return float(pairs.std(ddof=1) / math.sqrt(half))


def risk_row(npv_fair: float, pv: FloatArray, issue_price: float | None) -> dict[str, float | None]:
    """Risk columns of a right or tranche.

    Parameters
    ----------
    npv_fair
        Fair value, major currency units.
    pv
        Real-world present value per path, shape ``(paths,)``.
    issue_price
        Price paid for the whole right in the same currency, None if unknown.
    """
    ordered = np.sort(pv)
    losses = npv_fair - pv
    mean = float(pv.mean())
    row: dict[str, float | None] = {"npv_mean_p": mean}
    for percent in (5, 10, 25, 50, 75, 90, 95):
        row[f"npv_q{percent:02d}"] = float(quantile_sorted(ordered, percent / 100))
    row |= {
        "sd": float(np.sqrt(((pv - mean) ** 2).mean())),
        "es95": expected_shortfall(losses, 0.95),
        "es975": expected_shortfall(losses, 0.975),
        "var95": value_at_risk(losses, 0.95),
        "var99": value_at_risk(losses, 0.99),
        "prob_loss": None if issue_price is None else float(np.count_nonzero(pv < issue_price)) / pv.size,
    }
    return row
