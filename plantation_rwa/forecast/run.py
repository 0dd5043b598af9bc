"""Panel to yield distribution: the forecast room's door."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES, mean_from_quantiles
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.ahead import Ahead, look_ahead
from plantation_rwa.forecast.cube import DEFICIT, Cube, build_cube
from plantation_rwa.forecast.dependence import (
    Dependence,
    Levels,
    annual_sd,
    estimate_dependence,
    estimate_levels,
    own_shares,
)
from plantation_rwa.forecast.explain import explain
from plantation_rwa.forecast.intervals import calibrate, predictive_quantiles
from plantation_rwa.forecast.members import HORIZONS
from plantation_rwa.forecast.near_term import Past, near_term
from plantation_rwa.periods import Month
from plantation_rwa.schema.fields import FIELDS

STACK_ID, PRIOR_ID = "stack-2", "prior-2"
_QUANTILE_COLUMNS = tuple(f"yield_q{round(100 * p):02d}_t_ha" for p in PROBABILITIES)
IMAGERY = ("ndvi", "evi", "ndmi", "cire", "ndre", "nirv", "kndvi", "nbr")
GAUGE = "rain_gauge_mm"
_SENSORS = ("soil_moisture_m3m3", "water_table_cm", GAUGE, "air_temperature_c")


@dataclass(frozen=True)
class ForecastResult:
    """Tables ``forecasts`` (without geometry) and ``forecast_model``, not yet finalised."""

    forecasts: pd.DataFrame
    model: pd.DataFrame


def forecast(
    panel: pd.DataFrame,
    stand: pd.DataFrame,
    *,
    as_of: dt.date,
    horizons: int,
    assumptions: Assumptions,
    min_train_months: int = 36,
) -> ForecastResult:
    """Yield distribution of every plantation for the months after ``as_of``.

    Up to month 12 a plantation with enough harvests gets the stack (prior, direct and residual boosting),
    any other the prior. Beyond, the prior goes on from the level of month 12, its departure and the
    plantation effect fading, the spread widening. Intervals come from embargoed past errors per horizon
    bucket; what is missing (harvests, climate, imagery, planting date) widens them. A month without mature
    area has yield, quantiles and tonnes 0 and the flag ``immature``.

    Parameters
    ----------
    panel
        Result of ``build_panel``; rows after ``as_of`` and values known later are ignored.
    stand
        Result of ``stand_table``.
    as_of
        Valuation date; horizon 1 is the month after its month.
    horizons
        Months to forecast, 1 or more.
    min_train_months
        Months with any harvest in the portfolio before boosting is used.

    Returns
    -------
    ForecastResult
        Rows sorted by plantation and target month, independent of the order of the inputs.
    """
    if horizons < 1:
        raise ValueError(f"horizons must be at least 1, got {horizons}")
    cube = build_cube(panel, stand, as_of, max(horizons, int(HORIZONS[-1])), assumptions)
    near = near_term(cube, min_train_months, assumptions)
    months = np.arange(1, max(horizons, int(HORIZONS[-1])) + 1)
    ahead = look_ahead(cube, near, months, assumptions)
    quantiles, spread, doubts = _quantiles(cube, near, ahead, months, assumptions)
    dependence = estimate_dependence(near.errors, cube.region, assumptions)
    forecasts = _forecast_table(cube, near, ahead, quantiles, months[:horizons], assumptions)
    with np.errstate(invalid="ignore", divide="ignore"):
        past_errors = near.calibration_observed / near.calibration_forecast - 1.0
    levels = estimate_levels(np.where(np.isfinite(past_errors), past_errors, np.nan), assumptions)
    share = own_shares(levels, dependence, *doubts)
    model = _model_table(cube, near, spread, dependence, levels, share, assumptions)
    return ForecastResult(forecasts, model)


def _quantiles(
    cube: Cube, past: Past, forward: Ahead, months: NDArray[np.int64], assumptions: Assumptions
) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray]]:
    """Quantiles ``(P, months, 7)``, the log spread of a month within the first year, and what :func:`own_shares` needs.

    The latter, ``(P,)`` each: variance of a month's errors, of what is unknown of the level, and added for the missing.
    """
    scale = past.scale
    tau = float(past.levels.sd[-1])
    noise = assumptions.number("plantation_effect.noise_month")
    known = past.levels.years[:, -1]
    unknown_level = tau**2 * (noise**2 / 12.0) / (known * tau**2 + noise**2 / 12.0)
    extra = np.where(past.stacked, 0.0, unknown_level)
    climate = cube.has(DEFICIT, "p_sum_mm")
    for missing, name in (
        (~climate, "interval.no_climate_sd"),
        (climate * _ungauged(cube, int(assumptions.number("deficit.max_lag"))), "interval.no_gauge_sd"),
        (_unseen(cube), "interval.no_imagery_sd"),
        (~cube.dated, "interval.no_age_sd"),
    ):
        extra = extra + missing * assumptions.number(name) ** 2
    years = np.maximum(months - HORIZONS[-1], 0) / 12.0
    ahead = tau**2 * (1 - assumptions.number("plantation_effect.persistence_year") ** (2 * years))
    # where harvests tell the level, they tell the age's error with it
    doubt = np.where(past.stacked[:, None], 0.0, cube.age_sd[:, : len(months)] ** 2)
    added = extra + doubt[:, : len(HORIZONS)].mean(axis=1)
    variance = extra[:, None] + doubt + ahead[None, :] + forward.climate_variance
    divisor = np.where(past.calibration_forecast > 0, past.calibration_forecast, np.nan)
    rows = past.calibration_rows
    own = scale[rows, None, None]
    by_stack = (past.calibration_observed - past.calibration_forecast) / divisor / own
    divisor = np.where(past.calibration_prior > 0, past.calibration_prior, np.nan)
    by_prior = (past.calibration_observed - past.calibration_prior) / divisor / own
    shape, at = past.calibration_shape, past.calibration_months
    by_stack = np.where(past.stacked[rows, None, None], by_stack, np.nan)
    of_stack = calibrate(by_stack, shape, at, HORIZONS, assumptions)
    of_prior = calibrate(by_prior, shape, at, HORIZONS, assumptions)
    stacked = predictive_quantiles(forward.mean, of_stack, past.shape, scale, variance, months)
    alone = predictive_quantiles(forward.mean, of_prior, past.shape, scale, variance, months)
    quantiles = np.where(past.stacked[:, None, None], stacked, alone)
    year = quantiles[:, : HORIZONS[-1]]
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.log(year[:, :, 5] / np.maximum(year[:, :, 1], 1e-3 * year[:, :, 5])) / 2.5631031310892007
    count = np.isfinite(width).sum(axis=1)
    log_sd = np.where(count > 0, np.where(np.isfinite(width), width, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
    sd = np.where(past.stacked, np.sqrt((of_stack.sd**2).mean()), np.sqrt((of_prior.sd**2).mean()))
    told = past.stacked[rows]
    usual = float(unknown_level[rows][told].mean()) if told.any() else 0.0
    # missing weather and imagery vary with the months as the errors do: level and age do not
    age = ~cube.dated * assumptions.number("interval.no_age_sd") ** 2 + doubt[:, : len(HORIZONS)].mean(axis=1)
    beyond = age + np.where(past.stacked, unknown_level - usual, unknown_level)
    return quantiles, log_sd, ((scale * sd) ** 2, beyond, added)


def _forecast_table(
    cube: Cube,
    past: Past,
    ahead: Ahead,
    quantiles: FloatArray,
    months: NDArray[np.int64],
    assumptions: Assumptions,
) -> pd.DataFrame:
    decimals = FIELDS["yield_mean_t_ha"].decimals or 0
    count = len(months)
    future = slice(cube.months, cube.months + count)
    area, age = cube.area[:, future], cube.age[:, future]
    quantiles = np.round(quantiles[:, :count], decimals) + 0.0
    mean = np.round(mean_from_quantiles(quantiles), decimals) + 0.0
    targets = [str(Month.from_ordinal(cube.first + cube.months - 1 + int(h))) for h in months]
    out = pd.DataFrame(
        {
            "plantation_id": np.repeat(np.asarray(cube.ids, dtype=object), count).astype(str),
            "target_month": np.tile(np.asarray(targets, dtype=object), len(cube.ids)).astype(str),
            "horizon_months": np.tile(months, len(cube.ids)),
            "area_mature_ha": area.ravel(),
            "yield_mean_t_ha": mean.ravel(),
        }
    )
    for k, name in enumerate(_QUANTILE_COLUMNS):
        out[name] = quantiles[:, :, k].ravel()
    out["ffb_mean_t"] = (mean * area).ravel()
    out["prior_t_ha"] = ahead.mu[:, :count].ravel()
    out["model_id"] = np.repeat(np.where(past.stacked, STACK_ID, PRIOR_ID), count)
    for name, values in explain(cube, past, ahead, mean, months).items():
        out[name] = values.ravel()
    over = age > assumptions.number("age_curve.replanting_age")
    out["quality_flag"] = _flags(cube, past, area <= 0, over & cube.dated[:, None], assumptions)
    return out


def _flags(
    cube: Cube, past: Past, immature: NDArray[np.bool_], over_age: NDArray[np.bool_], assumptions: Assumptions
) -> list[str]:
    """Codes per plantation and month, row by row."""
    n = past.observed_months
    plantation = {
        "no_harvest": n == 0,
        "short_harvest": (n > 0) & (n < assumptions.number("boosting.min_plantation_months")),
        "no_climate": ~cube.has(DEFICIT, "p_sum_mm"),
        "no_imagery": ~cube.has(*IMAGERY),
        "little_imagery": cube.has(*IMAGERY) & (_unseen(cube) > 0.5),
        "no_sensors": ~cube.has(*_SENSORS),
        "harvest_immature": cube.early,
        "idle_harvest": cube.idle.any(axis=1),
        "no_age": ~cube.dated,
        "planting_disputed": cube.disputed,
    }
    monthly = {"immature": immature, "over_age": over_age, "replanting": cube.replanted[:, : immature.shape[1]]}
    kind = sum(hit.astype(np.int64) << bit for bit, hit in enumerate(monthly.values()))
    out: list[str] = []
    for p, row in enumerate(np.asarray(kind).tolist()):
        always = [code for code, hit in plantation.items() if hit[p]]
        told = {
            k: ";".join(sorted(always + [code for bit, code in enumerate(monthly) if k >> bit & 1])) for k in set(row)
        }
        out += [told[k] for k in row]
    return out


def _model_table(
    cube: Cube,
    past: Past,
    log_sd: FloatArray,
    dependence: Dependence,
    levels: Levels,
    share: FloatArray,
    assumptions: Assumptions,
) -> pd.DataFrame:
    age = cube.age[:, cube.months - 1]
    out = pd.DataFrame({"plantation_id": list(cube.ids), "region": list(cube.region)})
    for name, loading, ar1 in zip(("common", "region", "own"), dependence.loadings, dependence.ar1, strict=True):
        out[f"loading_{name}"] = loading
        out[f"ar1_{name}"] = ar1
    out["sd_log_month"] = log_sd
    out["sd_log_year"] = annual_sd(log_sd, dependence, levels, share)
    out["n_obs_train"] = past.observed_months
    out["age_mean_years"] = np.where(np.isfinite(age), age, assumptions.number("age_curve.typical_age"))
    out["level_share"], out["ar1_level"], out["ar1_month"] = share, levels.ar1_level, levels.ar1_month
    out["deficit_beta"], out["deficit_beta_unshrunk"] = past.fit.beta, past.fit.beta_unshrunk
    out["model_id"] = np.where(past.stacked, STACK_ID, PRIOR_ID)
    return out


def _ungauged(cube: Cube, months: int) -> FloatArray:
    """Share of the last months, those whose deficits act on a harvest, without a whole month of a gauge, ``(P,)``."""
    if GAUGE not in cube.features:
        return np.ones(len(cube.ids))
    recent = cube.features[GAUGE][:, max(cube.months - months, 0) : cube.months]
    return np.asarray(1.0 - np.isfinite(recent).sum(axis=1) / months)


def _unseen(cube: Cube) -> FloatArray:
    """Share of the last twelve months without any vegetation index (clouds, too few pixels, no scenes), ``(P,)``."""
    seen = np.zeros((len(cube.ids), min(cube.months, 12)), dtype=np.bool_)
    for name in IMAGERY:
        if name in cube.features:
            seen |= np.isfinite(cube.features[name][:, cube.months - seen.shape[1] : cube.months])
    return np.asarray(1.0 - seen.mean(axis=1))
