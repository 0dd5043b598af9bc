"""The panel as dense arrays over plantations and months, cut at the valuation date, beside the stand's potential."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

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

#: Monthly water deficit by the grid's rain, and by that of the plantation's own gauges from their first month on.
DEFICIT, LOCAL_DEFICIT = "deficit_irho_mm", "deficit_local_mm"
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
    idle
        ``(P, T)`` months of a run of zero harvests that has gone on for ``data.idle_months`` or longer.
    features
        By column name, ``(P, T)``, NaN where not known; of columns that hold any value. Where gauges stand in the field
        :data:`DEFICIT` is theirs.
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
    age_sd
        ``(P, H)`` relative spread of the potential ahead that uncertain planting dates leave.
    early
        ``(P,)`` whether fruit was reported of months in which the register has nothing that bears; it is not used.
    disputed, replanted
        ``(P,)`` whether some planting year seen from above contradicts the register; ``(P, H)`` whether palms have
        been replanted since the valuation month.
    """

    ids: tuple[str, ...]
    first: int
    yields: FloatArray
    idle: NDArray[np.bool_]
    features: Mapping[str, FloatArray]
    delays: Mapping[str, int]
    potential: FloatArray
    area: FloatArray
    age: FloatArray
    region: tuple[str, ...]
    season_rows: tuple[str, ...]
    dated: NDArray[np.bool_]
    peat: FloatArray
    age_sd: FloatArray
    early: NDArray[np.bool_]
    disputed: NDArray[np.bool_]
    replanted: NDArray[np.bool_]

    @property
    def months(self) -> int:
        """Months T up to and with the month of ``as_of``."""
        return int(self.yields.shape[1])

    @property
    def taught(self) -> FloatArray:
        """Harvests that others may learn from, ``(P, T)``: those of a plantation nobody harvests tell of it alone."""
        return np.where(self.idle, np.nan, self.yields)

    @property
    def calendar(self) -> NDArray[np.int64]:
        """Calendar month 0 to 11 of every column of ``potential``."""
        return (self.first + np.arange(self.potential.shape[1])) % 12

    def has(self, *names: str) -> NDArray[np.bool_]:
        """Whether a plantation has any value of one of the features, ``(P,)``."""
        out = np.zeros(len(self.ids), dtype=np.bool_)
        for name in names:
            if name in self.features:
                out |= np.isfinite(self.features[name]).any(axis=1)
        return out

    def take(self, rows: NDArray[np.intp]) -> Cube:
        """The same of some plantations, by their positions."""
        if len(rows) == len(self.ids) and (rows == np.arange(len(rows))).all():
            return self
        arrays = {
            name: getattr(self, name)[rows]
            for name in (
                "yields",
                "idle",
                "potential",
                "area",
                "age",
                "dated",
                "peat",
                "age_sd",
                "early",
                "disputed",
                "replanted",
            )
        }
        names = {name: tuple(getattr(self, name)[p] for p in rows) for name in ("ids", "region", "season_rows")}
        features = {name: values[rows] for name, values in self.features.items()}
        return replace(self, features=features, **arrays, **names)  # type: ignore[arg-type]


def build_cube(
    panel: pd.DataFrame, stand: pd.DataFrame, as_of: dt.date, horizons: int, assumptions: Assumptions
) -> Cube:
    """Arrays of what is known at ``as_of``; later months and values that became known later are left out."""
    ids = tuple(sorted(set(stand["plantation_id"].astype(str))))
    last = Month.of(as_of).ordinal
    ordinal = _ordinals(panel["month"])
    known = panel["plantation_id"].isin(ids).to_numpy(np.bool_) & (ordinal <= last)
    rows, ordinal = panel if known.all() else panel[known], ordinal[known]
    first = int(ordinal.min()) if len(ordinal) else last
    shape = (len(ids), last - first + 1)
    row = np.searchsorted(np.asarray(ids, dtype=str), rows["plantation_id"].to_numpy(dtype=str))
    position = (np.asarray(row, dtype=np.int64), np.asarray(ordinal - first, dtype=np.int64))
    instant = as_of_instant(as_of)
    unseen = _later(rows, "features_known_at", instant)
    skip = {"plantation_id", "month", "region", "features_known_at", "harvest_known_at", "ffb_t", "area_mature_ha"}
    names = [c for c in rows.columns if c not in skip | {"yield_t_ha", "age_mean_years"}]
    features = {}
    for name in names:
        values = _dense(rows[name], position, shape, unseen)
        if np.isfinite(values).any():
            features[name] = values
    if LOCAL_DEFICIT in features and DEFICIT in features:
        local = features.pop(LOCAL_DEFICIT)
        features[DEFICIT] = np.where(np.isfinite(local), local, features[DEFICIT])
    yields = _dense(rows["yield_t_ha"], position, shape, _later(rows, "harvest_known_at", instant))
    with np.errstate(invalid="ignore"):
        usable = (yields >= 0) & (yields <= assumptions.number("data.yield_max"))
    ordinals = first + np.arange(shape[1] + horizons)
    potential, area, age = stand_potential(stand, ids, ordinals, assumptions)
    bears = potential[:, : shape[1]] > 0
    yields = np.where(usable & bears, yields, np.nan)
    fruit = _dense(rows["ffb_t"], position, shape, _later(rows, "harvest_known_at", instant))
    delays = {name: _delay(values) for name, values in features.items()} | {"yield": _delay(yields)}
    attributes = stand.astype({"plantation_id": str}).sort_values(["plantation_id", "block_id"], kind="stable")
    weights = attributes["area_ha"].fillna(0.0)
    peat = (attributes["is_peat"].astype(float) * weights).groupby(attributes["plantation_id"]).sum() / weights.groupby(
        attributes["plantation_id"]
    ).sum().clip(lower=1e-9)
    known = attributes["planted_date"].notna() | attributes["planting_year_observed"].notna()
    dated = known.groupby(attributes["plantation_id"]).all()
    late = ordinals[shape[1] :]
    spread, disputed, replanted = planting_doubt(stand, ids, late, assumptions)
    one = attributes.drop_duplicates("plantation_id")
    places = list(one[["country", "state", "region"]].fillna("").astype(str).itertuples(index=False, name=None))
    return Cube(
        ids,
        first,
        yields,
        idle_months(yields, int(assumptions.number("data.idle_months"))),
        features,
        delays,
        potential,
        area,
        age,
        tuple(one["region"].fillna("").astype(str)),
        tuple(season_row(country, state, region, assumptions) for country, state, region in places),
        dated.to_numpy(np.bool_),
        peat.to_numpy(np.float64),
        spread,
        np.asarray(((fruit > 0) & ~bears).any(axis=1)),
        disputed,
        replanted,
    )


def idle_months(yields: FloatArray, least: int) -> NDArray[np.bool_]:
    """Months of runs of at least ``least`` reported harvests of zero; months without a report do not end a run."""
    zeros, out = np.zeros(len(yields), dtype=np.int64), np.zeros(yields.shape, dtype=np.bool_)
    begun = np.zeros(len(yields), dtype=np.int64)
    column = np.arange(yields.shape[1])
    for month in range(yields.shape[1]):
        value = yields[:, month]
        begun = np.where((value == 0) & (zeros == 0), month, begun)
        zeros = np.where(value == 0, zeros + 1, np.where(np.isfinite(value), 0, zeros))
        reached = (zeros >= least) & (value == 0)
        out |= reached[:, None] & (column >= begun[:, None]) & (column <= month)
    return out


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
    age = palm_age(rows, ordinals, assumptions)
    elapsed = _elapsed(rows, ordinals)
    mature = ~(elapsed < assumptions.number("age_curve.mature_age_months"))
    area = rows["area_ha"].to_numpy(np.float64, na_value=0.0)
    area = np.where(area > 0, area, 0.0)
    level = _attainable(rows, age, assumptions) * _management(rows, assumptions)[:, None] / 12.0
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


def palm_age(rows: pd.DataFrame, ordinals: NDArray[np.int64], assumptions: Assumptions) -> FloatArray:
    """Age in years at the start of each month, ``(stand rows, months)``.

    A planting year seen from above is a second vote: the mean of both, each weighted with its precision; alone where
    the register has no date. From the month of replanting on the age starts again. Without any date the typical age.
    """
    starts = (ordinals - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)
    planted, seen = _days(rows["planted_date"]), _observed_days(rows)
    own = 1.0 / assumptions.number("planting.sd_register") ** 2
    other = 1.0 / assumptions.number("planting.sd_observed") ** 2
    voted = np.where(np.isfinite(seen), (own * planted + other * seen) / (own + other), planted)
    voted = np.where(np.isfinite(planted), voted, seen)
    age = (starts[None, :] - voted[:, None]) / 365.25
    age = np.where(np.isfinite(age), age, assumptions.number("age_curve.typical_age"))
    again = _days(rows["replanting_date"])[:, None]
    begun = ordinals[None, :] >= _month_of(rows["replanting_date"])[:, None]
    return np.where(begun, (starts[None, :] - again) / 365.25, age)


def planting_doubt(
    stand: pd.DataFrame, ids: tuple[str, ...], ordinals: NDArray[np.int64], assumptions: Assumptions
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Relative spread of the potential by uncertain ages, disputed planting years, replanting since the first month.

    The spread is that of the age curve over one standard deviation of the age: of the register's date, less where the
    observed year agrees, half the difference where it does not, the map's where it stands alone.

    Returns
    -------
    tuple
        ``(P, months)`` relative, ``(P,)``, ``(P, months)``.
    """
    rows = stand.astype({"plantation_id": str}).sort_values(["plantation_id", "block_id"], kind="stable")
    own, other = assumptions.number("planting.sd_register"), assumptions.number("planting.sd_observed")
    planted, seen = _days(rows["planted_date"]), _observed_days(rows)
    apart = np.abs(planted - seen) / 365.25
    both = np.sqrt(1.0 / (1.0 / own**2 + 1.0 / other**2))
    sd = np.where(np.isfinite(apart), np.maximum(both, apart / 2.0), np.where(np.isfinite(seen), other, own))
    disputed = apart > assumptions.number("planting.disputed_years")
    age = palm_age(rows, ordinals, assumptions)
    again = ordinals[None, :] >= _month_of(rows["replanting_date"])[:, None]
    known = np.isfinite(planted) | np.isfinite(seen)
    step = np.where(again | ~known[:, None], 0.0, sd[:, None])
    older, younger = (_attainable(rows, age + sign * step, assumptions) for sign in (0.5, -0.5))
    mature = ~(_elapsed(rows, ordinals) < assumptions.number("age_curve.mature_age_months"))
    weight = np.where(mature, np.nan_to_num(rows["area_ha"].to_numpy(np.float64, na_value=0.0))[:, None], 0.0)
    group = np.searchsorted(np.asarray(ids), rows["plantation_id"].to_numpy(dtype=str))
    shape = (len(ids), len(ordinals))
    top, bottom, replanted = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    contested = np.zeros(len(ids))
    np.add.at(top, group, weight * (older - younger))
    np.add.at(bottom, group, weight * (older + younger) / 2.0)
    np.add.at(replanted, group, again & (ordinals[0] <= _month_of(rows["replanting_date"]))[:, None])
    np.add.at(contested, group, disputed)
    # the blocks of an estate share its book-keeping: their errors go together
    spread = np.abs(top) / np.maximum(bottom, 1e-9)
    return np.where(bottom > 0, np.minimum(spread, 1.0), 0.0), contested > 0, replanted > 0


def shift(values: FloatArray, months: int) -> FloatArray:
    """Values ``months`` earlier along the last axis (the column for month s holds month s - months), NaN before."""
    out = np.full(values.shape, np.nan)
    if months <= 0:
        out[..., : values.shape[-1] + months] = values[..., -months:]
    elif months < values.shape[-1]:
        out[..., months:] = values[..., :-months]
    return out


def _attainable(rows: pd.DataFrame, age: FloatArray, assumptions: Assumptions) -> FloatArray:
    """Yield by age, land class and soil, t per ha and year, ``(stand rows, months)``."""
    level = np.zeros(age.shape)
    classes = rows["soil_class"].fillna("").to_numpy(dtype=str)
    for name in sorted(set(classes)):
        level[classes == name] = age_curve(age[classes == name], name, assumptions)
    peat = rows["is_peat"].to_numpy(dtype=bool)
    level[peat] *= peat_factor(age[peat], assumptions)
    return level


def _days(dates: pd.Series) -> FloatArray:
    """Days since 1970, NaN where missing."""
    days = pd.to_datetime(dates, errors="coerce").to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.float64))


def _observed_days(rows: pd.DataFrame) -> FloatArray:
    """Middle of the observed planting year in days since 1970, NaN where none."""
    return np.asarray((rows["planting_year_observed"].to_numpy(np.float64, na_value=np.nan) + 0.5 - 1970.0) * 365.25)


def _month_of(dates: pd.Series) -> FloatArray:
    """Month ordinals, NaN where missing."""
    stamps = pd.to_datetime(dates, errors="coerce")
    return np.asarray((stamps.dt.year * 12 + stamps.dt.month - 1).to_numpy(np.float64, na_value=np.nan))


def _elapsed(rows: pd.DataFrame, ordinals: NDArray[np.int64]) -> FloatArray:
    """Calendar months since planting, since replanting from its month on; NaN if not known: mature throughout."""
    planted, again = _month_of(rows["planted_date"]), _month_of(rows["replanting_date"])
    since = np.where(ordinals[None, :] >= again[:, None], again[:, None], planted[:, None])
    return np.asarray(ordinals[None, :] - since)


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
