"""Walk-forward evaluation: what the model and the baselines said at each origin, against what was harvested."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.baselines import BASELINES, regional_climatology
from plantation_rwa.forecast.cube import Cube, build_cube
from plantation_rwa.forecast.intervals import conformal_quantiles
from plantation_rwa.forecast.members import HORIZONS
from plantation_rwa.forecast.outlook import outlook
from plantation_rwa.forecast.run import IMAGERY, ForecastResult, forecast
from plantation_rwa.forecast.scores import QUANTILES, score_table
from plantation_rwa.periods import Month

WALK, UNSEEN = "walk_forward", "unseen"
ANNUAL = "annual"
#: ablation -> panel columns that are taken away
ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "no_imagery": (
        *IMAGERY,
        *("ndvi_mean", "ndmi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear", "scenes", "effective_pixels"),
    ),
    "no_sensors": (
        *("soil_moisture_m3m3", "root_zone_mm", "rain_gauge_mm", "air_temperature_c", "water_table_cm"),
        *("water_table_p90_cm", "water_table_shallow_d", "completeness_sensors"),
    ),
    "no_climate": (
        *("p_sum_mm", "rain_days", "rain_days_heavy", "dry_spell_max_d", "deficit_irho_mm", "reserve_irho_mm"),
        *("drainage_irho_mm", "deficit_bucket_mm", "transpiration_ratio", "cwb_mm", "et0_mm", "vpd_mean_kpa"),
        *("tmin_c", "tmax_c", "tmean_c", "ssrd_mean_mj_m2", "spi3", "spei6", "oni_known"),
    ),
}
#: groups of plantations that are hidden in turn for the protocol of unseen plantations
GROUPS = 3
#: past errors that a baseline's interval needs
MIN_ERRORS = 24
KEYS = ("protocol", "plantation_id", "region", "origin", "target_month", "horizon", "model")


@dataclass(frozen=True)
class Origin:
    """One valuation date of the past with the panel as known then; travels to a worker.

    Parameters
    ----------
    full
        Whether ablations and hidden plantations are evaluated here too.
    """

    as_of: dt.date
    panel: pd.DataFrame
    stand: pd.DataFrame
    seed: int
    min_train_months: int
    assumptions: Assumptions
    full: bool


@dataclass(frozen=True)
class Backtest:
    """Tables ``predictions`` and ``metrics``."""

    predictions: pd.DataFrame
    metrics: pd.DataFrame


def predict(origin: Origin) -> pd.DataFrame:
    """Everything that is forecast at one origin; every fitted object is fitted on the origin's panel alone.

    Returns
    -------
    pandas.DataFrame
        :data:`KEYS`, ``mean`` and :data:`plantation_rwa.forecast.scores.QUANTILES`, t per mature ha and month (annual:
        per calendar year, at December origins).
    """
    found = _forecast(origin, origin.panel)
    cube = build_cube(origin.panel, origin.stand, origin.as_of, int(HORIZONS[-1]), origin.assumptions)
    parts = [_rows(origin, cube, found, "model"), _prior(origin, cube, found)]
    for name, baseline in BASELINES.items():
        parts.append(_points(origin, cube, baseline(cube.yields, cube.first, HORIZONS), name))
    if origin.full:
        for name, columns in ABLATIONS.items():
            held = [c for c in columns if c in origin.panel and origin.panel[c].notna().any()]
            if held:
                parts.append(
                    _rows(origin, cube, _forecast(origin, origin.panel.assign(**dict.fromkeys(held, np.nan))), name)
                )
        parts += _unseen(origin, cube)
    return pd.concat([p for p in parts if len(p)], ignore_index=True)


def _forecast(origin: Origin, panel: pd.DataFrame) -> ForecastResult:
    return forecast(
        panel,
        origin.stand,
        as_of=origin.as_of,
        horizons=int(HORIZONS[-1]),
        assumptions=origin.assumptions,
        min_train_months=origin.min_train_months,
    )


def _unseen(origin: Origin, cube: Cube) -> list[pd.DataFrame]:
    """Forecasts of plantations whose harvests are hidden, group by group; also the ablation ``no_harvest``."""
    parts = []
    reporting = [p for p, row in zip(cube.ids, cube.yields, strict=True) if np.isfinite(row).any()]
    for group in range(GROUPS if len(reporting) > GROUPS else 0):
        hidden = set(reporting[group::GROUPS])
        away = origin.panel["plantation_id"].isin(hidden)
        panel = origin.panel.copy()
        panel.loc[away, ["ffb_t", "yield_t_ha"]] = np.nan
        found = _forecast(origin, panel)
        rest = build_cube(panel, origin.stand, origin.as_of, int(HORIZONS[-1]), origin.assumptions)
        usual = regional_climatology(rest.yields, rest.first, HORIZONS, rest.region)
        told = [
            _rows(origin, rest, found, "model"),
            _prior(origin, rest, found),
            _points(origin, rest, usual, "climatology"),
        ]
        chosen = pd.concat(told, ignore_index=True)
        chosen = chosen[chosen["plantation_id"].isin(hidden)]
        parts.append(chosen.assign(protocol=UNSEEN))
        parts.append(chosen[chosen["model"] == "model"].assign(model="no_harvest"))
    return parts


def _rows(origin: Origin, cube: Cube, found: ForecastResult, model: str) -> pd.DataFrame:
    """A forecast's months, and at a December origin its year."""
    months = found.forecasts[found.forecasts["area_mature_ha"] > 0]
    table = pd.DataFrame(
        {
            "plantation_id": months["plantation_id"].to_numpy(),
            "target_month": months["target_month"].to_numpy(),
            "horizon": months["horizon_months"].astype(int).astype(str).to_numpy(),
            "mean": months["yield_mean_t_ha"].to_numpy(np.float64),
            **{name: months[f"yield_{name}_t_ha"].to_numpy(np.float64) for name in QUANTILES},
        }
    )
    if origin.as_of.month == 12:
        whole = months.groupby("plantation_id")["horizon_months"].transform("size") == len(HORIZONS)
        year = outlook(origin.seed, months[whole], found.model)
        year = year.rename(columns=lambda c: c.removeprefix("yield12_"))
        year = year.assign(target_month=f"{origin.as_of.year + 1}-12", horizon=ANNUAL)
        table = pd.concat([table, year], ignore_index=True)
    return _labelled(origin, cube, table, model)


def _prior(origin: Origin, cube: Cube, found: ForecastResult) -> pd.DataFrame:
    months = found.forecasts
    prior = months.pivot(index="plantation_id", columns="horizon_months", values="prior_t_ha").reindex(cube.ids)
    area = months.pivot(index="plantation_id", columns="horizon_months", values="area_mature_ha").reindex(cube.ids)
    return _points(origin, cube, prior.where(area > 0)[HORIZONS.tolist()].to_numpy(np.float64), "prior")


def _points(origin: Origin, cube: Cube, means: np.ndarray, model: str) -> pd.DataFrame:
    """Point forecasts ``(P, H)`` as rows; their intervals come later, from their past errors."""
    last = Month.of(origin.as_of)
    targets = [str(last + int(h)) for h in HORIZONS]
    table = pd.DataFrame(
        {
            "plantation_id": np.repeat(np.asarray(cube.ids, dtype=object), len(HORIZONS)).astype(str),
            "target_month": np.tile(np.asarray(targets, dtype=object), len(cube.ids)).astype(str),
            "horizon": np.tile(HORIZONS.astype(str), len(cube.ids)),
            "mean": means.ravel(),
        }
    )
    if origin.as_of.month == 12:
        year = pd.DataFrame({"plantation_id": list(cube.ids), "mean": means.sum(axis=1)})
        table = pd.concat([table, year.assign(target_month=targets[-1], horizon=ANNUAL)], ignore_index=True)
    table = table[np.isfinite(table["mean"])]
    return _labelled(origin, cube, table.assign(**dict.fromkeys(QUANTILES, np.nan)), model)


def _labelled(origin: Origin, cube: Cube, table: pd.DataFrame, model: str) -> pd.DataFrame:
    region = dict(zip(cube.ids, cube.region, strict=True))
    table = table.assign(
        protocol=WALK, region=table["plantation_id"].map(region), origin=str(Month.of(origin.as_of)), model=model
    )
    return table[[*KEYS, "mean", *QUANTILES]]


def evaluate(told: Sequence[pd.DataFrame], panel: pd.DataFrame, seed: int) -> Backtest:
    """Set the forecasts of all origins against the harvest and score them.

    Parameters
    ----------
    told
        Results of :func:`predict`.
    panel
        Panel of the newest date: ``plantation_id, month, yield_t_ha``.
    seed
        Of the bootstrap.
    """
    rows = pd.concat([*told], ignore_index=True)
    monthly = panel[["plantation_id", "month", "yield_t_ha"]].rename(columns={"yield_t_ha": "observed"})
    year = monthly.assign(year=monthly["month"].str.slice(0, 4)).groupby(["plantation_id", "year"])["observed"]
    annual = year.sum(min_count=12).reset_index()
    annual["month"] = annual.pop("year") + "-12"
    seen = pd.concat([monthly.assign(annual=False), annual.assign(annual=True)], ignore_index=True)
    rows["annual"] = rows["horizon"] == ANNUAL
    rows = rows.merge(
        seen.rename(columns={"month": "target_month"}), on=["plantation_id", "target_month", "annual"], how="left"
    )
    rows = with_error_quantiles(rows.drop(columns="annual"))
    rows = rows[np.isfinite(rows["observed"])]
    rows = rows.sort_values(["protocol", "origin", "plantation_id", "target_month", "horizon", "model"])
    columns = [*KEYS, "observed", "mean", *QUANTILES]
    rows = rows[columns].reset_index(drop=True)
    return Backtest(rows, score_table(rows, seed))


def with_error_quantiles(rows: pd.DataFrame) -> pd.DataFrame:
    """Give point forecasts the spread of their own relative errors that were known at each origin.

    Errors of all plantations at the same protocol, model and horizon whose target lies before the origin's month;
    fewer than :data:`MIN_ERRORS` give no interval.
    """
    out = rows.reset_index(drop=True)
    values = out[list(QUANTILES)].to_numpy(np.float64).copy()
    bare = ~np.isfinite(values).any(axis=1)
    relative = (out["observed"] / out["mean"] - 1.0).to_numpy(np.float64)
    for _, index in out[bare].groupby(["protocol", "model", "horizon"], sort=True).groups.items():
        at = index.to_numpy()
        origin, target = out["origin"].to_numpy(dtype=str)[at], out["target_month"].to_numpy(dtype=str)[at]
        for date in sorted(set(origin)):
            past = relative[at[(target < date) & np.isfinite(relative[at])]]
            if len(past) >= MIN_ERRORS:
                here = at[origin == date]
                spread = np.maximum(1.0 + conformal_quantiles(past, PROBABILITIES), 0.0)
                values[here] = out["mean"].to_numpy(np.float64)[here, None] * spread[None, :]
    out[list(QUANTILES)] = values
    return out
