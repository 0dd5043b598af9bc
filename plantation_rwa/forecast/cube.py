"""The panel as dense arrays over plantations and months, cut at the valuation date, beside the stand's potential."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.forecast.agronomy import (
    FloatArray,
    age_curve,
    management_factor,
    peat_factor,
    season_row,
)
from plantation_rwa.periods import Month, as_of_instant

#: A series that is older than this at the valuation month is treated as if it ended this long ago.
MAX_DELAY = 12


@dataclass(frozen=True)
class Cube:
    """Everything the forecast knows, P plantations (sorted by id) x T months up to the valuation month.

    Parameters
    ----------
    ids
        Plantation ids, sorted.
    first
        Ordinal of month 0; month ``T - 1`` is the month of ``as_of``.
    yields
        ``(P, T)`` t per mature ha and month, NaN where not known or not usable.
    features
        By column name, ``(P, T)``, NaN where not known.
    delays
        Months between the valuation month and the newest value of each series (key ``yield`` for the
        harvest); history is used with the same delay, so that training sees what a forecast sees.
    potential
        ``(P, T + H)`` t per mature ha and month before season, deficit and plantation effect; 0 without
        mature area.
    area, age
        ``(P, T + H)`` mature area in ha and mean age in years.
    region, season_rows
        Region and season row of each plantation.
    dated, peat
        Whether a planting date is known; area share on peat.
    """

    ids: tuple[str, ...]
    first: int
    yields: FloatArray
    features: Mapping[str, FloatArray]
    delays: Mapping[str, int]
    potential: FloatArray
    area: FloatArray
    age: FloatArray
    region: tuple[str, ...]
    season_rows: tuple[str, ...]
    dated: NDArray[np.bool_]
    peat: FloatArray

    @property
    def months(self) -> int:
        """Months T up to and with the month of ``as_of``."""
        return int(self.yields.shape[1])

    @property
    def calendar(self) -> NDArray[np.int64]:
        """Calendar month 0 to 11 of every column of ``potential``."""
        return (self.first + np.arange(self.potential.shape[1])) % 12


def build_cube(
    panel: pd.DataFrame, stand: pd.DataFrame, as_of: dt.date, horizons: int, assumptions: Assumptions
) -> Cube:
    """Arrays of what is known at ``as_of``; later months and values that became known later are left out."""
    ids = tuple(sorted(set(stand["plantation_id"].astype(str))))
    last = Month.of(as_of).ordinal
    rows = panel[panel["plantation_id"].isin(ids)]
    ordinal = _ordinals(rows["month"])
    rows, ordinal = rows[ordinal <= last], ordinal[ordinal <= last]
    first = int(ordinal.min()) if len(ordinal) else last
    shape = (len(ids), last - first + 1)
    row = np.searchsorted(np.asarray(ids, dtype=str), rows["plantation_id"].to_numpy(dtype=str))
    position = (np.asarray(row, dtype=np.int64), np.asarray(ordinal - first, dtype=np.int64))
    instant = as_of_instant(as_of)
    unseen = _later(rows, "features_known_at", instant)
    skip = {"plantation_id", "month", "region", "features_known_at", "harvest_known_at", "ffb_t", "area_mature_ha"}
    names = [c for c in rows.columns if c not in skip | {"yield_t_ha", "age_mean_years"}]
    features = {name: _dense(rows[name], position, shape, unseen) for name in names}
    yields = _dense(rows["yield_t_ha"], position, shape, _later(rows, "harvest_known_at", instant))
    with np.errstate(invalid="ignore"):
        usable = (yields >= 0) & (yields <= assumptions.number("data.yield_max"))
    ordinals = first + np.arange(shape[1] + horizons)
    potential, area, age = stand_potential(stand, ids, ordinals, assumptions)
    yields = np.where(usable & (potential[:, : shape[1]] > 0), yields, np.nan)
    delays = {name: _delay(values) for name, values in features.items()} | {"yield": _delay(yields)}
    attributes = stand.astype({"plantation_id": str}).sort_values(["plantation_id", "block_id"], kind="stable")
    weights = attributes["area_ha"].fillna(0.0)
    peat = (attributes["is_peat"].astype(float) * weights).groupby(attributes["plantation_id"]).sum() / weights.groupby(
        attributes["plantation_id"]
    ).sum().clip(lower=1e-9)
    dated = attributes["planted_date"].notna().groupby(attributes["plantation_id"]).all()
    one = attributes.drop_duplicates("plantation_id")
    places = list(one[["country", "state", "region"]].fillna("").astype(str).itertuples(index=False, name=None))
    return Cube(
        ids,
        first,
        yields,
        features,
        delays,
        potential,
        area,
        age,
        tuple(one["region"].fillna("").astype(str)),
        tuple(season_row(country, state, region, assumptions) for country, state, region in places),
        dated.to_numpy(np.bool_),
        peat.to_numpy(np.float64),
    )


def stand_potential(
    stand: pd.DataFrame, ids: tuple[str, ...], ordinals: NDArray[np.int64], assumptions: Assumptions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Potential yield, mature area and mean age of each plantation and month.

    Potential = area-weighted mean over mature stand rows of ``g * peat * A_class(age) / 12``.

    Returns
    -------
    tuple
        Three arrays ``(P, months)``: t per mature ha and month, ha, years.
    """
    rows = stand.astype({"plantation_id": str}).sort_values(["plantation_id", "block_id"], kind="stable")
    group = np.searchsorted(np.asarray(ids), rows["plantation_id"].to_numpy(dtype=str))
    starts = np.array([np.datetime64(Month.from_ordinal(int(o)).first) for o in ordinals], dtype="datetime64[D]")
    planted = pd.to_datetime(rows["planted_date"], errors="coerce").to_numpy().astype("datetime64[D]")
    known = ~np.isnat(planted)
    typical = assumptions.number("age_curve.typical_age")
    days = (starts[None, :] - np.where(known, planted, starts[0])[:, None]).astype(np.float64)
    age = np.where(known[:, None], days / 365.25, typical)
    planted_month = np.where(known, planted, np.datetime64("1900-01-01")).astype("datetime64[M]").astype(np.int64)
    elapsed = ordinals[None, :] - (planted_month + 1970 * 12)[:, None]
    mature = elapsed >= assumptions.number("age_curve.mature_age_months")
    area = rows["area_ha"].to_numpy(np.float64, na_value=0.0)
    area = np.where(area > 0, area, 0.0)
    level = np.zeros(age.shape)
    classes = rows["soil_class"].fillna("").to_numpy(dtype=str)
    for name in sorted(set(classes)):
        level[classes == name] = age_curve(age[classes == name], name, assumptions)
    peat = rows["is_peat"].to_numpy(dtype=bool)
    level[peat] *= peat_factor(age[peat], assumptions)
    level *= _management(rows, assumptions)[:, None] / 12.0
    shape = (len(ids), len(ordinals))
    mature_ha, total, weighted, years = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(mature_ha, group, np.where(mature, area[:, None], 0.0))
    np.add.at(weighted, group, np.where(mature, area[:, None] * level, 0.0))
    np.add.at(total, group, np.broadcast_to(area[:, None], age.shape))
    np.add.at(years, group, area[:, None] * np.maximum(age, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        potential = np.where(mature_ha > 0, weighted / mature_ha, 0.0)
        mean_age = np.where(total > 0, years / total, np.nan)
    return potential, mature_ha, mean_age


def shift(values: FloatArray, months: int) -> FloatArray:
    """Values ``months`` earlier along the last axis (the column for month s holds month s - months), NaN before."""
    out = np.full(values.shape, np.nan)
    if months <= 0:
        out[..., : values.shape[-1] + months] = values[..., -months:]
    elif months < values.shape[-1]:
        out[..., months:] = values[..., :-months]
    return out


def _management(rows: pd.DataFrame, assumptions: Assumptions) -> FloatArray:
    given = rows["management_factor"].to_numpy(np.float64, na_value=np.nan)
    places = rows[["country", "state", "scheme"]].fillna("").astype(str).itertuples(index=False, name=None)
    default = np.array(
        [management_factor(country, state, scheme, assumptions) for country, state, scheme in places], dtype=np.float64
    )
    return np.where(given > 0, given, default)


def _ordinals(months: pd.Series) -> NDArray[np.int64]:
    text = months.astype(str)
    table = {m: Month.parse(m).ordinal for m in text.unique()}
    return np.asarray(text.map(table).to_numpy(np.int64))


def _later(rows: pd.DataFrame, column: str, instant: pd.Timestamp) -> NDArray[np.bool_]:
    return np.asarray((pd.to_datetime(rows[column], utc=True) > instant).to_numpy(np.bool_))


def _dense(
    values: pd.Series,
    position: tuple[NDArray[np.int64], NDArray[np.int64]],
    shape: tuple[int, int],
    unseen: NDArray[np.bool_],
) -> FloatArray:
    out = np.full(shape, np.nan)
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    out[position] = np.where(unseen | ~np.isfinite(numbers), np.nan, numbers)
    return out


def _delay(values: FloatArray) -> int:
    seen = np.flatnonzero(np.isfinite(values).any(axis=0))
    return min(values.shape[1] - 1 - int(seen[-1]), MAX_DELAY) if len(seen) else 0
