"""Why a forecast departs from its region's climatology: parts that sum to the difference, month by month."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.ahead import Ahead
from plantation_rwa.forecast.cube import DEFICIT, Cube
from plantation_rwa.forecast.members import HORIZONS
from plantation_rwa.forecast.near_term import Past
from plantation_rwa.forecast.prior import OCEAN

#: stand: age, land class, soil and management of what is mature; season: the estimated season against the
#: climatology's; water: deficits at their lags; level: the plantation against its region; crops: recent harvests;
#: canopy: chlorophyll; light: radiation; learned: what the boosters and the stack change
PARTS = ("stand", "season", "water", "level", "crops", "canopy", "light", "learned")
CLIMATOLOGY = "climatology_region_t_ha"


def columns() -> list[str]:
    """Names of the published columns."""
    return [CLIMATOLOGY, *(f"contribution_{part}_t_ha" for part in PARTS)]


def regional_climatology(cube: Cube, prior: FloatArray) -> FloatArray:
    """Mean harvest of each calendar month in the plantation's region, ``(P, 12)`` t per mature ha, January first.

    Of the region's plantations per month, then over the years; of all plantations where the region has no harvest of
    that calendar month; of the priors where nobody has.

    Parameters
    ----------
    prior
        ``(P, months)`` of the first year ahead.
    """
    every = _by_calendar(cube.taught, cube.calendar)
    ahead = cube.calendar[cube.months : cube.months + prior.shape[1]]
    every = np.where(np.isfinite(every), every, _by_calendar(np.where(prior > 0, prior, np.nan), ahead))
    out = np.empty((len(cube.ids), 12))
    names = np.asarray(cube.region, dtype=object)
    for name in sorted(set(cube.region)):
        own = _by_calendar(cube.taught[names == name], cube.calendar)
        out[names == name] = np.where(np.isfinite(own), own, every)
    return out


def explain(
    cube: Cube, past: Past, ahead: Ahead, mean: FloatArray, months: NDArray[np.int64]
) -> Mapping[str, FloatArray]:
    """Contributions in t per ha and month, ``(P, months)`` each; they sum to ``mean`` less the climatology.

    The logarithms of the forecast's factors over those of the region are weighted with the logarithmic mean of forecast
    and climatology (LMDI, Ang 2015): no rest, and no order among the factors. A month without harvest is all ``stand``.
    A part names what the plantation has: without climate and ocean the assumed deficit is of its level, without indices
    or radiation what the memory takes them for is the learners', and the prior alone remembers nothing.

    Parameters
    ----------
    mean
        Published mean, t per ha and month.
    months
        Months ahead, 1 first.
    """
    at = cube.months - 1 + months
    usual_year = regional_climatology(cube, past.mu)
    usual = usual_year[:, cube.calendar[at]]
    shape = usual.shape
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.log(usual_year.mean(axis=1))[:, None]
        own = np.log(np.where(cube.potential[:, at] > 0, cube.potential[:, at], np.nan))
        reference, water_reference = _references(cube, past)
        parts = {
            "stand": own - np.log(reference)[:, None],
            "season": np.log(past.fit.season[:, cube.calendar[at]]) - np.log(usual) + level,
            "water": -past.fit.beta * (ahead.annual[:, : len(months)] - water_reference[:, None]),
            "level": ahead.effect[:, : len(months)]
            + np.log(reference)[:, None]
            - past.fit.beta * water_reference[:, None]
            - level,
            **_remembered(cube, past, shape),
        }
        dry = ~cube.has(DEFICIT, OCEAN)[:, None]
        parts["level"] = parts["level"] + np.where(dry, parts["water"], 0.0)
        parts["water"] = np.where(dry, 0.0, parts["water"])
        total = np.log(np.where(mean > 0, mean, np.nan)) - np.log(usual)
        parts["learned"] = total - sum(parts.values())
        weight = np.where(np.abs(total) > 1e-9, (mean - usual) / total, usual)
    usable = np.isfinite(weight) & np.isfinite(parts["learned"])
    out = {CLIMATOLOGY: usual}
    for name in PARTS:
        instead = mean - usual if name == "stand" else np.zeros(shape)
        out[f"contribution_{name}_t_ha"] = np.where(usable, weight * np.where(usable, parts[name], 0.0), instead)
    return out


def _references(cube: Cube, past: Past) -> tuple[FloatArray, FloatArray]:
    """Potential and W of the region's harvested plantation-months, each ``(P,)``; of all months where none is."""
    seen = np.isfinite(cube.taught)
    potential = cube.potential[:, : cube.months]
    names = np.asarray(cube.region, dtype=object)
    out = np.ones(len(cube.ids)), np.zeros(len(cube.ids))
    for name in sorted(set(cube.region)):
        mine = names == name
        use = mine[:, None] & (seen if seen[mine].any() else potential > 0)
        if not use.any():
            use = potential > 0
        if use.any():
            out[0][mine], out[1][mine] = potential[use].mean(), past.observed_deficit[use].mean()
    return out


def _remembered(cube: Cube, past: Past, shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Log factors of the memory's three kinds of regressors, 0 beyond its horizons and where there is none to read."""
    there = (past.stacked, past.stacked & cube.has("cire"), past.stacked & cube.has("ssrd_mean_mj_m2"))
    sums = past.remembered.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_unit = np.where(np.abs(sums) > 1e-9, np.log(past.expected / past.mu) / sums, 1.0)
    out = {}
    for k, name in enumerate(("crops", "canopy", "light")):
        values = np.zeros(shape)
        near = min(shape[1], len(HORIZONS))
        values[:, :near] = np.where(there[k][:, None], past.remembered[..., k] * per_unit, 0.0)[:, :near]
        out[name] = np.nan_to_num(values)
    return out


def _by_calendar(values: FloatArray, calendar: NDArray[np.int64]) -> FloatArray:
    """Mean over plantations, then over the years, of each calendar month, ``(12,)``, NaN where there is none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    monthly = np.where(count > 0, np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    out = np.full(12, np.nan)
    for month in range(12):
        own = monthly[calendar[: values.shape[1]] == month]
        own = own[np.isfinite(own)]
        out[month] = own.mean() if len(own) else np.nan
    return out
