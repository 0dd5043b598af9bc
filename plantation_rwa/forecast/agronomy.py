"""Agronomic formulas: age curve, season rows, deficit kernel, plantation effect. Numbers come in as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

FloatArray = NDArray[np.float64]


def age_curve(age: FloatArray, soil_class: str, assumptions: Assumptions) -> FloatArray:
    """Attainable annual yield by palm age.

    PCHIP through the land-class table, a row label being the completed year (row 3 stands at age 3.5),
    preceded by a zero; beyond the table a linear decline down to a floor. Source: PPKS/IOPRI land-class
    table.

    Parameters
    ----------
    age
        Years since planting, any shape.
    soil_class
        ``S1``, ``S2`` or ``S3``; anything else takes the default class.

    Returns
    -------
    ndarray
        t FFB per ha and year, shape of ``age``.
    """
    from scipy.interpolate import PchipInterpolator

    known = soil_class if soil_class in {"S1", "S2", "S3"} else assumptions.text("age_curve.default_class")
    table = np.asarray(assumptions.table(f"age_curve.{known.lower()}"), dtype=np.float64)
    first = assumptions.number("age_curve.first_row_age") + 0.5
    start = assumptions.number("age_curve.zero_age")
    ages = np.concatenate([[start], first + np.arange(len(table))])
    inside = PchipInterpolator(ages, np.concatenate([[0.0], table]))(np.clip(age, start, ages[-1]))
    beyond = np.maximum(age - ages[-1], 0.0) * assumptions.number("age_curve.decline_beyond")
    floor = min(assumptions.number("age_curve.floor"), float(table[-1]))
    return np.asarray(np.where(beyond > 0, np.maximum(inside - beyond, floor), inside), dtype=np.float64)


def management_factor(country: str, state: str, scheme: str, assumptions: Assumptions) -> float:
    """Actual over attainable yield where the register gives none: by scheme, then state, country, default."""
    schemes: Mapping[str, float] = assumptions.table("management.scheme")
    if scheme in schemes:
        return float(schemes[scheme])
    states: Mapping[str, float] = assumptions.table("management.state").get(country, {})
    name = longest_name(state, states)
    if name is not None:
        return float(states[name])
    countries: Mapping[str, float] = assumptions.table("management.country")
    return float(countries.get(country, assumptions.number("management.default")))


def peat_factor(age: FloatArray, assumptions: Assumptions) -> FloatArray:
    """Factor on peat soil by age: young palms, then leaning and subsidence."""
    young = age < assumptions.number("management.peat_young_until")
    return np.where(young, assumptions.number("management.peat_young"), assumptions.number("management.peat_old"))


def longest_name(text: str, names: Mapping[str, Any]) -> str | None:
    """The longest of ``names`` that occurs in a place text, case and ``_-:`` ignored; None if none does."""
    plain = " ".join(text.lower().translate(str.maketrans("_-:,/", "     ")).split())
    found = [name for name in names if f" {name} " in f" {plain} "]
    return max(found, key=lambda name: (len(name), name)) if found else None


def season_row(country: str, state: str, region: str, assumptions: Assumptions) -> str:
    """Name of the season row of a place: by state text, then region text, else the default row."""
    places: Mapping[str, str] = assumptions.table("season.places").get(country, {})
    for text in (state, region):
        name = longest_name(text, places)
        if name is not None:
            return places[name]
    return assumptions.text("season.default")


def season_default(row: str, assumptions: Assumptions) -> FloatArray:
    """Twelve monthly shares of a row, January first, renormalised to mean 1."""
    values = np.asarray(assumptions.table("season.rows")[row], dtype=np.float64)
    return np.asarray(values / values.mean())


def estimate_season(
    ratio: FloatArray, first_ordinal: int, default: FloatArray, shrinkage_years: float, min_months: int
) -> FloatArray:
    """Seasonal index of a region: ratio to the year's mean, shrunk to the default row by n / (n + k) years.

    Years are twelve-month blocks counted back from the newest month. A block enters with ``min_months``
    observed months at least; its mean is corrected for the season of the months it lacks.

    Parameters
    ----------
    ratio
        Shape ``(plantations, months)``: yield over expected yield without season, NaN where not observed.
    first_ordinal
        Ordinal of the first month.
    default
        Shape ``(12,)``, mean 1.
    shrinkage_years
        Weight k of the default, years.
    min_months
        Observed months a block needs.

    Returns
    -------
    ndarray
        Shape ``(12,)``, mean 1.
    """
    years = ratio.shape[1] // 12
    if years == 0 or ratio.shape[0] == 0:
        return default
    start = ratio.shape[1] - 12 * years
    blocks = ratio[:, start:].reshape(ratio.shape[0], years, 12)
    shares = np.roll(default, -((first_ordinal + start) % 12))
    seen = np.isfinite(blocks)
    expected = (seen * shares).sum(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = blocks * expected / np.where(seen, blocks, 0.0).sum(axis=2, keepdims=True)
    relative[~(seen.sum(axis=2) >= min_months)] = np.nan
    relative[~np.isfinite(relative)] = np.nan
    count = np.isfinite(relative).sum(axis=0)
    yearly = np.where(count > 0, np.nansum(relative, axis=0) / np.maximum(count, 1), np.nan)
    n = np.isfinite(yearly).sum(axis=0)
    estimate = np.where(n > 0, np.nansum(yearly, axis=0) / np.maximum(n, 1), shares)
    weight = n / (n + shrinkage_years)
    out = np.roll(weight * estimate + (1 - weight) * shares, (first_ordinal + start) % 12)
    return np.asarray(out / out.mean())


def deficit_kernel(parts: Sequence[Mapping[str, float]], max_lag: int) -> FloatArray:
    """Weights w(L), L = 0 .. max_lag months before harvest, sum 1.

    Sum of discretised Gaussians, each normalised before weighting; windows of the sensitive phases after
    Legros 2009 and Dufour 1988.

    Parameters
    ----------
    parts
        Phases with ``centre`` and ``sd`` (months) and ``weight``.
    """
    lags = np.arange(max_lag + 1, dtype=np.float64)
    out = np.zeros(max_lag + 1)
    for part in parts:
        bell = np.exp(-0.5 * ((lags - float(part["centre"])) / float(part["sd"])) ** 2)
        out += float(part["weight"]) * bell / bell.sum()
    return np.asarray(out / out.sum())


def kernel_of(assumptions: Assumptions) -> FloatArray:
    """The deficit kernel of the assumptions."""
    return deficit_kernel(assumptions.table("deficit.kernel"), int(assumptions.number("deficit.max_lag")))


def annual_deficit(deficit: FloatArray, kernel: FloatArray) -> FloatArray:
    """Kernel-weighted annual deficit ``W = 12 * sum_L w(L) D(t-L) / 100``, hundreds of mm.

    Parameters
    ----------
    deficit
        Monthly deficit, mm, time along the last axis.
    kernel
        Shape ``(lags,)``.

    Returns
    -------
    ndarray
        Same shape; the first ``lags - 1`` months are NaN.
    """
    from numpy.lib.stride_tricks import sliding_window_view

    out = np.full(deficit.shape, np.nan)
    if deficit.shape[-1] >= len(kernel):
        windows = sliding_window_view(deficit, len(kernel), axis=-1)
        out[..., len(kernel) - 1 :] = 12.0 * (windows * kernel[::-1]).sum(axis=-1) / 100.0
    return out


def deficit_factor(annual: FloatArray, beta: float) -> FloatArray:
    """Yield factor ``exp(-beta W)``."""
    return np.asarray(np.exp(-beta * annual))


def ridge_slope(response: FloatArray, regressor: FloatArray, prior: float, prior_sd: float, noise_var: float) -> float:
    """Slope of ``response = slope * regressor + noise`` with a normal prior on the slope; both already centred."""
    information = float((regressor * regressor).sum()) / noise_var
    evidence = float((regressor * response).sum()) / noise_var
    return (evidence + prior / prior_sd**2) / (information + 1.0 / prior_sd**2)


def effect_weight(years: FloatArray, sd: float | FloatArray, noise_month: float) -> FloatArray:
    """Empirical-Bayes weight ``n tau^2 / (n tau^2 + sigma^2)`` of a plantation's own level after n years.

    ``sigma = noise_month / sqrt(12)`` is the noise of one year's mean.
    """
    gain = years * sd**2
    return np.asarray(gain / (gain + noise_month**2 / 12.0))
