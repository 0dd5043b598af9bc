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


def advance_rate(npv_fair: float, es975: float, cap: float) -> float | None:
    """Share of the fair value that can be advanced: ``min(cap, (V - ES97.5) / V)``, not below 0; None without value.

    Source: domain/valuation.md 3.3.
    """
    if npv_fair <= 0:
        return None
    return min(max(min(cap, (npv_fair - es975) / npv_fair), 0.0), 1.0)


def herfindahl(values: Sequence[float]) -> float | None:
    """Sum of squared shares of non-negative values; None if they sum to nothing."""
    total = math.fsum(max(v, 0.0) for v in values)
    return math.fsum((max(v, 0.0) / total) ** 2 for v in values) if total > 0 else None


def risk_row(npv_fair: float, pv: FloatArray, issue_price: float | None, cap: float) -> dict[str, float | None]:
    """Risk columns of a right or tranche.

    Parameters
    ----------
    npv_fair
        Fair value, major currency units.
    pv
        Real-world present value per path, shape ``(paths,)``.
    issue_price
        Price paid for the whole right in the same currency, None if unknown.
    cap
        Policy cap of the advance rate.
    """
    ordered = np.sort(pv)
    losses = npv_fair - pv
    es975 = expected_shortfall(losses, 0.975)
    row: dict[str, float | None] = {"npv_mean_p": float(pv.mean())}
    for percent in (5, 10, 50, 90, 95):
        row[f"npv_q{percent:02d}"] = float(quantile_sorted(ordered, percent / 100))
    row |= {
        "es95": expected_shortfall(losses, 0.95),
        "es975": es975,
        "var95": value_at_risk(losses, 0.95),
        "prob_loss": None if issue_price is None else float(np.count_nonzero(pv < issue_price)) / pv.size,
        "advance_rate": advance_rate(npv_fair, es975, cap),
    }
    return row
