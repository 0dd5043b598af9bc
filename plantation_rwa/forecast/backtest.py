"""Walk-forward evaluation: what the model and the baselines said at each origin, against what was harvested."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.distributions import PROBABILITIES
from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.baselines import (
    BASELINES,
    SarimaTask,
    regional_climatology,
    sarima_training,
)
from plantation_rwa.forecast.cube import Cube, build_cube
from plantation_rwa.forecast.intervals import conformal_quantiles
from plantation_rwa.forecast.members import HORIZONS
from plantation_rwa.forecast.outlook import outlook
from plantation_rwa.forecast.run import IMAGERY, ForecastResult, forecast
from plantation_rwa.forecast.scores import QUANTILES, pooled_table, score_table
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
        *("water_table_p90_cm", "water_table_shallow_d", "completeness_sensors", "deficit_local_mm"),
    ),
    "no_climate": (
        *("p_sum_mm", "rain_days", "rain_days_heavy", "dry_spell_max_d", "deficit_irho_mm", "reserve_irho_mm"),
        *("drainage_irho_mm", "deficit_bucket_mm", "transpiration_ratio", "cwb_mm", "et0_mm", "vpd_mean_kpa"),
        *("tmin_c", "tmax_c", "tmean_c", "ssrd_mean_mj_m2", "spi3", "spei6", "oni_known"),
    ),
}
NO_HARVEST = "no_harvest"
#: groups of plantations that are hidden in turn for the protocol of unseen plantations
GROUPS = 3
#: past errors that a baseline's interval needs
MIN_ERRORS = 24
KEYS = ("protocol", "plantation_id", "region", "origin", "target_month", "horizon", "model")


@dataclass(frozen=True)
class Origin:
    """One valuation date of the past with the panel as known then.

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
class Fit:
    """One fit of the model at an origin; travels to a worker.

    Parameters
    ----------
    variant
        ``model``, an ablation, or ``unseen``.
    hidden
        Plantations whose harvests are taken away (``unseen``).
    """

    origin: Origin
    variant: str = "model"
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class SarimaRecord:
    """Harvests of one plantation as known at an origin, from the first one on; ``end`` training months."""

    as_of: dt.date
    plantation_id: str
    region: str
    series: FloatArray
    end: int


@dataclass(frozen=True)
class Backtest:
    """Tables ``predictions``, ``metrics`` and ``metrics_pooled``."""

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    pooled: pd.DataFrame


def fits_of(origin: Origin) -> list[Fit]:
    """The fits of an origin: the model's, and where it is evaluated in full one per input that is there and group."""
    fits = [Fit(origin)]
    if not origin.full:
        return fits
    fits += [Fit(origin, name) for name, columns in ABLATIONS.items() if held(origin.panel, columns)]
    told = origin.panel["yield_t_ha"].notna() & (origin.panel["month"] <= str(Month.of(origin.as_of)))
    reporting = sorted(set(origin.panel.loc[told, "plantation_id"].astype(str)))
    groups = range(GROUPS if len(reporting) > GROUPS else 0)
    return fits + [Fit(origin, UNSEEN, tuple(reporting[g::GROUPS])) for g in groups]


def held(panel: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold any value."""
    return [c for c in columns if c in panel and panel[c].notna().any()]


def predict(fit: Fit) -> pd.DataFrame:
    """What one fit forecasts; every fitted object is fitted on the origin's panel alone.

    The fit of the whole model brings the prior, climatology and last year with it.

    Returns
    -------
    pandas.DataFrame
        :data:`KEYS`, ``mean`` and :data:`plantation_rwa.forecast.scores.QUANTILES`, t per mature ha and month (annual:
        per calendar year, at December origins).
    """
    origin, panel = fit.origin, fit.origin.panel
    if fit.variant in ABLATIONS:
        panel = panel.assign(**dict.fromkeys(held(panel, ABLATIONS[fit.variant]), np.nan))
    elif fit.variant == UNSEEN:
        panel = panel.copy()
        panel.loc[panel["plantation_id"].isin(fit.hidden), ["ffb_t", "yield_t_ha"]] = np.nan
    found = forecast(
        panel,
        origin.stand,
        as_of=origin.as_of,
        horizons=int(HORIZONS[-1]),
        assumptions=origin.assumptions,
        min_train_months=origin.min_train_months,
    )
    cube = build_cube(panel, origin.stand, origin.as_of, int(HORIZONS[-1]), origin.assumptions)
    rows = _rows(origin, cube, found)
    if fit.variant in ABLATIONS:
        return rows.assign(model=fit.variant)
    parts = [rows, _prior(origin, cube, found)]
    if fit.variant == UNSEEN:
        usual = regional_climatology(cube.yields, cube.first, HORIZONS, cube.region)
        parts.append(_points(origin.as_of, cube.ids, cube.region, usual, "climatology"))
        chosen = pd.concat(parts, ignore_index=True)
        chosen = chosen[chosen["plantation_id"].isin(fit.hidden)]
        alone = chosen[chosen["model"] == "model"].assign(model=NO_HARVEST)
        return pd.concat([chosen.assign(protocol=UNSEEN), alone], ignore_index=True)
    for name, baseline in BASELINES.items():
        means = baseline(cube.yields, cube.first, HORIZONS)
        parts.append(_points(origin.as_of, cube.ids, cube.region, means, name))
    return pd.concat(parts, ignore_index=True)


def sarima_records(origin: Origin) -> list[SarimaRecord]:
    """Plantations with a record long enough for a seasonal ARIMA at an origin."""
    cube = build_cube(origin.panel, origin.stand, origin.as_of, int(HORIZONS[-1]), origin.assumptions)
    out = []
    for plantation, region, series in zip(cube.ids, cube.region, cube.yields, strict=True):
        ends = sarima_training(series, cube.first)
        if ends is not None:
            begin, end = ends
            out.append(SarimaRecord(origin.as_of, plantation, region, series[begin:], end - begin))
    return out


def sarima_tasks(records: Sequence[SarimaRecord]) -> list[tuple[SarimaTask, list[SarimaRecord]]]:
    """Records grouped by the harvests their parameters are fitted on, in a fixed order."""
    groups: dict[tuple[str, bytes], list[SarimaRecord]] = {}
    for record in sorted(records, key=lambda r: (r.plantation_id, r.as_of)):
        groups.setdefault((record.plantation_id, record.series[: record.end].tobytes()), []).append(record)
    return [(SarimaTask(g[0].series[: g[0].end], tuple(r.series for r in g)), g) for g in groups.values()]


def sarima_rows(records: Sequence[SarimaRecord], ahead: FloatArray) -> pd.DataFrame:
    """Forecasts ``(records, 12)`` as rows."""
    parts = [
        _points(r.as_of, (r.plantation_id,), (r.region,), means[None, :], "sarima")
        for r, means in zip(records, ahead, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(origin: Origin, cube: Cube, found: ForecastResult) -> pd.DataFrame:
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
    return _labelled(origin.as_of, dict(zip(cube.ids, cube.region, strict=True)), table, "model")


def _prior(origin: Origin, cube: Cube, found: ForecastResult) -> pd.DataFrame:
    months = found.forecasts
    prior = months.pivot(index="plantation_id", columns="horizon_months", values="prior_t_ha").reindex(cube.ids)
    area = months.pivot(index="plantation_id", columns="horizon_months", values="area_mature_ha").reindex(cube.ids)
    means = prior.where(area > 0)[HORIZONS.tolist()].to_numpy(np.float64)
    return _points(origin.as_of, cube.ids, cube.region, means, "prior")


def _points(as_of: dt.date, ids: Sequence[str], regions: Sequence[str], means: FloatArray, model: str) -> pd.DataFrame:
    """Point forecasts ``(P, H)`` as rows; their intervals come later, from their past errors."""
    targets = [str(Month.of(as_of) + int(h)) for h in HORIZONS]
    table = pd.DataFrame(
        {
            "plantation_id": np.repeat(np.asarray(ids, dtype=object), len(HORIZONS)).astype(str),
            "target_month": np.tile(np.asarray(targets, dtype=object), len(ids)).astype(str),
            "horizon": np.tile(HORIZONS.astype(str), len(ids)),
            "mean": means.ravel(),
        }
    )
    if as_of.month == 12:
        year = pd.DataFrame({"plantation_id": list(ids), "mean": means.sum(axis=1)})
        table = pd.concat([table, year.assign(target_month=targets[-1], horizon=ANNUAL)], ignore_index=True)
    table = table[np.isfinite(table["mean"])].assign(**dict.fromkeys(QUANTILES, np.nan))
    return _labelled(as_of, dict(zip(ids, regions, strict=True)), table, model)


def _labelled(as_of: dt.date, region: Mapping[str, str], table: pd.DataFrame, model: str) -> pd.DataFrame:
    table = table.assign(
        protocol=WALK, region=table["plantation_id"].map(region), origin=str(Month.of(as_of)), model=model
    )
    return table[[*KEYS, "mean", *QUANTILES]]


def evaluate(told: Sequence[pd.DataFrame], panel: pd.DataFrame, seed: int) -> Backtest:
    """Set the forecasts of all origins against the harvest and score them.

    Parameters
    ----------
    told
        Results of :func:`predict` and :func:`sarima_rows`, in any order.
    panel
        Panel of the newest date: ``plantation_id, month, yield_t_ha``.
    seed
        Of the bootstrap.
    """
    rows = with_observed(pd.concat([t for t in told if len(t)], ignore_index=True), panel)
    rows = rows.sort_values(["protocol", "origin", "plantation_id", "target_month", "horizon", "model"])
    rows = with_error_quantiles(rows)
    rows = rows.loc[np.isfinite(rows["observed"]), [*KEYS, "observed", "mean", *QUANTILES]].reset_index(drop=True)
    return Backtest(rows, score_table(rows, seed), pooled_table(rows, seed))


def with_observed(rows: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Add ``observed``: the harvest of the target month, or of its year where all twelve months are known."""
    monthly = panel[["plantation_id", "month", "yield_t_ha"]].rename(columns={"yield_t_ha": "observed"})
    year = monthly.assign(year=monthly["month"].str.slice(0, 4)).groupby(["plantation_id", "year"])["observed"]
    annual = year.sum(min_count=12).reset_index()
    annual["month"] = annual.pop("year") + "-12"
    seen = pd.concat([monthly.assign(annual=False), annual.assign(annual=True)], ignore_index=True)
    rows = rows.assign(annual=rows["horizon"] == ANNUAL)
    seen = seen.rename(columns={"month": "target_month"})
    return rows.merge(seen, on=["plantation_id", "target_month", "annual"], how="left").drop(columns="annual")


def with_error_quantiles(rows: pd.DataFrame) -> pd.DataFrame:
    """Give point forecasts the spread of their own relative errors that were known at each origin.

    Errors of all plantations at the same protocol, model and horizon whose target lies before the origin's month;
    fewer than :data:`MIN_ERRORS` give no interval.
    """
    out = rows.reset_index(drop=True)
    values = out[list(QUANTILES)].to_numpy(np.float64).copy()
    bare = ~np.isfinite(values).any(axis=1)
    mean = out["mean"].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = out["observed"].to_numpy(np.float64) / mean - 1.0
    for _, index in out[bare].groupby(["protocol", "model", "horizon"], sort=True).groups.items():
        at = index.to_numpy()
        origin, target = out["origin"].to_numpy(dtype=str)[at], out["target_month"].to_numpy(dtype=str)[at]
        for date in sorted(set(origin)):
            past = relative[at[(target < date) & np.isfinite(relative[at])]]
            if len(past) >= MIN_ERRORS:
                here = at[origin == date]
                spread = np.maximum(1.0 + conformal_quantiles(past, PROBABILITIES), 0.0)
                values[here] = mean[here, None] * spread[None, :]
    out[list(QUANTILES)] = values
    return out
