"""The truth: water balance, lagged response, and the harvest of every block and month.

Written from domain formulas independently of the features and forecast rooms, so that a test which compares
both compares two readings of one specification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from plantation_rwa.periods import Month
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.streams import stream

#: t FFB/ha/yr at ages 3..25 by land class (PPKS table, domain/yield.md 1.1)
AGE_TABLE = {
    "S1": (9, 15, 18, 21, 26, 30, 31, 31, 31, 31, 31, 30, 28, 27, 26, 25, 24, 23, 22, 20, 19, 18, 17),
    "S2": (7.3, 13.5, 16, 18.5, 23, 25.5, 28, 28, 28, 28, 28, 27, 26, 25.5, 24.5, 23.5, 22.5, 21.5, 21, 19, 18, 17, 16),
    "S3": (6.2, 12, 14.5, 17, 22, 24, 26, 26, 26, 26, 26, 25, 24.5, 23.5, 22, 21, 20, 19, 18, 17, 16, 15, 14),
}
#: centre [months before harvest], sd, weight of the four processes (domain/yield.md 1.5)
PROCESSES = ((4, 1.0, 0.10), (10, 1.5, 0.40), (15, 2.0, 0.10), (26, 2.5, 0.40))
RESERVE_MM = {True: 300.0, False: 200.0}
MATURE_AGE_MONTHS = 36


@dataclass(frozen=True)
class Channels:
    """Further channels of the yield (domain/yield.md 1.5); a world without them has no terms for them.

    Parameters
    ----------
    haze
        Log-loss per unit of missing radiation, once for the mean of lags 0 to 3 (bunch weight) and once for that of
        lags 8 to 12.
    flood_recovered
        Part of a month's flood loss that the next month harvests.
    flood_pollination
        Log-loss five months after a flood.
    """

    haze: float = 0.3
    flood_recovered: float = 0.7
    flood_pollination: float = 0.02


@dataclass(frozen=True)
class Effects:
    """Sizes of the effects in the simulated world; written to ``truth/truth.json``."""

    beta: float = 0.10
    nutrition_yield: float = 0.06
    nutrition_lag: int = 9
    haze: float = 0.0
    flood: float = 0.03
    ndmi_deficit: float = 0.04
    cire_nutrition: float = 0.25
    ndvi_nutrition: float = 0.004
    sd_plantation: float = 0.08
    sd_block: float = 0.10
    noise: float = 1.0
    channels: Channels | None = None

    def scaled(self, coupling: float, drought: float) -> Effects:
        """Effects with the links of vegetation and of drought to the harvest multiplied.

        Parameters
        ----------
        coupling
            0: what scenes show says nothing of the harvest: no nutrition in it, no deficit in NDMI. 1: as given.
        drought
            0: deficits cost no harvest. 1: as given.
        """
        return replace(
            self,
            nutrition_yield=coupling * self.nutrition_yield,
            ndmi_deficit=coupling * self.ndmi_deficit,
            beta=drought * self.beta,
        )


def irho(
    rain: NDArray[np.float64], rain_days: NDArray[np.int64], reserve: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Monthly IRHO balance from a full reserve: deficit and reserve, mm (domain/yield.md 1.4).

    Known answer: four rainless months from 200 mm give 400 mm of deficit.
    """
    stock, deficits, reserves = reserve, np.zeros(rain.size), np.zeros(rain.size)
    for i in range(rain.size):
        balance = stock + rain[i] - (150.0 if rain_days[i] <= 10 else 120.0)
        deficits[i] = max(0.0, -balance)
        stock = min(max(balance, 0.0), reserve)
        reserves[i] = stock
    return deficits, reserves


def kernel() -> NDArray[np.float64]:
    """Lag weights w(0..36), sum 1; known answer w(10) = 0.1073."""
    lags = np.arange(37.0)
    total = np.zeros(37)
    for centre, sd, weight in PROCESSES:
        part = np.exp(-0.5 * ((lags - centre) / sd) ** 2)
        total += weight * part / part.sum()
    return total


def lagged_deficit(deficit: NDArray[np.float64]) -> NDArray[np.float64]:
    """W_t = 12 sum w(L) D_{t-L} / 100; months before the series count as free of deficit."""
    padded = np.concatenate([np.zeros(36), deficit])
    weights = kernel()[::-1]
    return np.array([12.0 * float(padded[t : t + 37] @ weights) / 100.0 for t in range(deficit.size)])


def potential(age: NDArray[np.float64], soil_class: str) -> NDArray[np.float64]:
    """Attainable t FFB/ha/yr at an age in years: PCHIP at mid-years, then -1 t/ha per year, at least 8."""
    table = AGE_TABLE[soil_class]
    curve = PchipInterpolator(np.concatenate([[2.0], np.arange(3.5, 26.0)]), np.concatenate([[0.0], table]))
    late = np.maximum(8.0, table[-1] - (age - 25.5))
    return np.where(age < 2.5, 0.0, np.where(age > 25.5, late, curve(np.clip(age, 2.0, 25.5))))


def _ar1(rng: np.random.Generator, count: int, phi: float, sd: float) -> NDArray[np.float64]:
    shocks = rng.normal(0.0, sd * np.sqrt(1 - phi**2), count)
    out = np.empty(count)
    out[0] = rng.normal(0.0, sd)
    for t in range(1, count):
        out[t] = phi * out[t - 1] + shocks[t]
    return out


def _resting(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Feedback of earlier crops on today's, which gives male cycles (domain/yield.md 7.1 item 5)."""
    out = np.zeros(x.size)
    for t in range(x.size):
        near = out[max(0, t - 13) : max(0, t - 7)]
        far = out[max(0, t - 26) : max(0, t - 21)]
        out[t] = x[t] - 0.4 * ((near.mean() if near.size else 0.0) + (far.mean() if far.size else 0.0))
    return out


def grow(seed: int, estate: Estate, rain: pd.DataFrame, effects: Effects) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Harvest truth of an estate.

    Parameters
    ----------
    rain
        ``p_sum_mm`` and ``rain_days`` per month of the estate, from well before the first harvest; with channels also
        ``light``, radiation as a fraction of its calendar month's mean.
    effects
        Sizes of the effects.

    Returns
    -------
    months, blocks : pandas.DataFrame
        Per month: ``deficit_mm, reserve_mm, W, canopy_deficit, nutrition``; per block and month every
        multiplicative term of the yield, ``mu_t_ha``, ``epsilon``, ``yield_t_ha``, ``area_mature_ha``.
    """
    rng = stream(seed, "yield", estate.plantation_id)
    months = [Month.parse(str(m)) for m in rain.index]
    p, n = rain["p_sum_mm"].to_numpy(float), rain["rain_days"].to_numpy(np.int64)
    deficit, reserve = irho(p, n, RESERVE_MM[estate.is_peat])
    count = len(months)
    nutrition = np.clip(_ar1(rng, count, 0.97, 1.0), -2.5, 2.5)
    recent = np.convolve(deficit, np.ones(4))[:count] / 100.0
    state = pd.DataFrame(
        {
            "plantation_id": estate.plantation_id,
            "month": [str(m) for m in months],
            "p_sum_mm": p,
            "rain_days": n,
            "deficit_mm": deficit,
            "reserve_mm": reserve,
            "W": lagged_deficit(deficit),
            "canopy_deficit": np.minimum(recent, 3.0),
            "nutrition": nutrition,
        }
    )
    shared = _ar1(rng, count, 0.35, 0.22)
    alpha = float(rng.normal(0.0, effects.sd_plantation))
    season = np.array(estate.region.season)
    season_factor = (season / season.mean())[[m.number - 1 for m in months]]
    drought_factor = np.exp(-effects.beta * state["W"].to_numpy())
    flood_factor = np.where((p > 450.0) | (n > 27), np.exp(-effects.flood), 1.0)
    further = _further(effects, flood_factor, rain)
    z = np.concatenate([np.full(effects.nutrition_lag, nutrition[0]), nutrition])[:count]
    frames = []
    for block in estate.blocks:
        own = stream(seed, "yield_block", block.block_id)
        epsilon = effects.noise * _resting(shared + _ar1(own, count, 0.35, 0.26))
        alpha_block = float(own.normal(0.0, effects.sd_block))
        age_months = np.array([m - Month.of(block.planted) for m in months])
        attainable = potential(age_months / 12.0, block.soil_class) / 12.0
        mu = estate.management_factor * attainable * season_factor * drought_factor * flood_factor
        mu = mu * np.exp(alpha + alpha_block + effects.nutrition_yield * z)
        for factor in further.values():
            mu = mu * factor
        named = {"management_factor": estate.management_factor, **further} if further else {}
        frames.append(
            pd.DataFrame(
                {
                    "plantation_id": estate.plantation_id,
                    "block_id": block.block_id,
                    "month": state["month"],
                    "age_years": age_months / 12.0,
                    "attainable_t_ha": attainable,
                    "season_factor": season_factor,
                    "drought_factor": drought_factor,
                    "flood_factor": flood_factor,
                    "nutrition_factor": np.exp(effects.nutrition_yield * z),
                    **named,
                    "alpha_plantation": alpha,
                    "alpha_block": alpha_block,
                    "mu_t_ha": mu,
                    "epsilon": epsilon,
                    "yield_t_ha": mu * np.maximum(0.05, 1.0 + epsilon),
                    "area_mature_ha": np.where(age_months >= MATURE_AGE_MONTHS, block.area_ha, 0.0),
                }
            )
        )
    return state, pd.concat(frames, ignore_index=True)


def _further(effects: Effects, flood_factor: NDArray[np.float64], rain: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Factors of the further channels per month: haze, and what a flood does later; none without channels."""
    if effects.channels is None:
        return {}
    dim = np.concatenate([np.zeros(12), np.maximum(0.0, 1.0 - rain["light"].to_numpy(float))])
    count = flood_factor.size
    at = np.arange(count) + 12
    near = np.mean([dim[at - lag] for lag in range(4)], axis=0)
    far = np.mean([dim[at - lag] for lag in range(8, 13)], axis=0)
    lost = np.concatenate([np.zeros(5), -np.log(flood_factor)])
    flooded = lost > 0
    at = np.arange(count) + 5
    later = effects.channels.flood_recovered * lost[at - 1] - effects.channels.flood_pollination * flooded[at - 5]
    return {"haze_factor": np.exp(-effects.channels.haze * (near + far)), "flood_later_factor": np.exp(later)}
