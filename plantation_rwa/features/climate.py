"""Daily climate to monthly features of each plantation, and the ocean index as it was known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.features.climate_grid import grid_to_plantations
from plantation_rwa.features.drought import spi
from plantation_rwa.features.evapotranspiration import daily_et0, daily_vapour
from plantation_rwa.features.water_balance import IrhoParameters, WaterBalance, irho
from plantation_rwa.periods import end_of_month_utc

__all__ = ["grid_to_plantations", "known_through", "monthly_climate", "oni_known"]

Floats = NDArray[np.float64]

VARIABLES = ("precipitation", "t2m_min", "t2m_max", "ssrd", "rh", "wind2m")
COLUMNS = (
    *("plantation_id", "month", "p_sum_mm", "rain_days", "dry_spell_max_d", "deficit_irho_mm", "reserve_irho_mm"),
    *("et0_mm", "vpd_mean_kpa", "tmin_c", "tmax_c", "spi3", "flags", "n_days"),
)

#: Plantations worked on at a time; bounds memory, changes no value.
_GROUP = 100


def known_through(months: pd.Series, lag_days: int) -> pd.Series:
    """Instant at which a month's climate counts as known: its last day (UTC) plus the configured lag.

    Parameters
    ----------
    months
        Text ``YYYY-MM``.
    lag_days
        ``climate.known_lag_days`` of the configuration.
    """
    return (end_of_month_utc(months) + pd.Timedelta(days=lag_days)).astype("datetime64[us, UTC]")


def monthly_climate(daily: pd.DataFrame, register: pd.DataFrame, assumptions: Assumptions) -> pd.DataFrame:
    """Monthly climate features and water balance.

    Parameters
    ----------
    daily
        ``plantation_id, date`` and any of :data:`VARIABLES` (mm d-1, degC, degC, MJ m-2 d-1, %, m s-1), one row per
        plantation and day in any order; only days whose month is known.
    register
        ``plantation_id, geometry`` (WGS84), ``soil_class, is_peat``; other plantations' days are ignored.
    assumptions
        Sections ``climate_features``, ``water_balance``, ``drought``.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, sorted by plantation and month; a month without any data has no row.

    Notes
    -----
    A month's row depends on days up to its end only. Sums, rain days and dry spells need every day of the month, means
    ``climate_features.mean_min_fraction`` of the days; otherwise they are NaN and ``flags`` says ``climate_gap``.
    Deficit and reserve are NaN while they depend on unknown months, see :func:`water_balance.irho`.
    """
    frame = daily.reindex(columns=["plantation_id", "date", *VARIABLES])
    frame = frame[frame["plantation_id"].isin(register["plantation_id"]) & frame[list(VARIABLES)].notna().any(axis=1)]
    frame = frame.sort_values(["plantation_id", "date"], kind="stable").drop_duplicates(["plantation_id", "date"])
    places = register.drop_duplicates("plantation_id").set_index("plantation_id")
    parts = [_features(part, places, assumptions) for part in _groups(frame)]
    return pd.concat(parts, ignore_index=True) if parts else _empty()


def oni_known(index: pd.DataFrame, months: Iterable[str]) -> pd.DataFrame:
    """Oceanic Nino index as known at the end of each month.

    Parameters
    ----------
    index
        ``month, index, value, known_at``; several rows of one season are revisions. Only ``ONI`` is used.
    months
        Months wanted, ``YYYY-MM``.

    Returns
    -------
    pandas.DataFrame
        ``month, oni_known, known_at``: the newest season known by then in its newest revision known by then; NaN and
        NaT where none was.
    """
    wanted = pd.DataFrame({"month": sorted(set(months))}).astype({"month": "str"})
    oni = index[(index["index"].str.upper() == "ONI") & index["value"].notna() & index["known_at"].notna()]
    oni = oni.sort_values(["known_at", "month"], kind="stable")
    known, season = oni["known_at"].to_numpy("datetime64[us]"), oni["month"].to_numpy()
    # Row that is newest among all rows known so far: latest season, and its last revision.
    best, newest = np.zeros(len(oni), dtype=np.int64), -1
    for row in range(len(oni)):
        newest = row if newest < 0 or season[row] >= season[newest] else newest
        best[row] = newest
    end = (end_of_month_utc(wanted["month"]) + pd.Timedelta(days=1)).to_numpy("datetime64[us]")
    last = np.searchsorted(known, end, side="left") - 1
    found = last >= 0
    pick = best[last[found]]
    value, seen = np.full(len(wanted), np.nan), np.full(len(wanted), np.datetime64("NaT"), dtype="datetime64[us]")
    value[found], seen[found] = oni["value"].to_numpy("float64")[pick], known[pick]
    return wanted.assign(oni_known=value, known_at=pd.Series(seen, index=wanted.index).dt.tz_localize("UTC"))


class _Months:
    """Sums of sorted daily rows into a (plantations, consecutive months) matrix, each cell in order of its days."""

    def __init__(self, codes: NDArray[np.int64], dates: NDArray[np.datetime64], plantations: int) -> None:
        ordinal = dates.astype("datetime64[M]").astype(np.int64)
        self.first = int(ordinal.min())
        self.shape = (plantations, int(ordinal.max()) - self.first + 1)
        self.cell = codes * self.shape[1] + ordinal - self.first
        starts = (np.arange(self.shape[1] + 1) + self.first).astype("datetime64[M]")
        self.labels = np.datetime_as_string(starts[:-1], unit="M")
        self.days = np.diff(starts.astype("datetime64[D]")).astype(np.float64)

    def sum(self, values: Floats) -> Floats:
        total = np.bincount(self.cell, weights=np.where(np.isnan(values), 0.0, values), minlength=self.size)
        return np.asarray(total, dtype=np.float64).reshape(self.shape)

    def count(self, where: NDArray[np.bool_]) -> Floats:
        return np.bincount(self.cell[where], minlength=self.size).astype(np.float64).reshape(self.shape)

    def maximum(self, values: NDArray[np.int64]) -> Floats:
        out = np.zeros(self.size)
        np.maximum.at(out, self.cell, values)
        return out.reshape(self.shape)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]


def _features(frame: pd.DataFrame, places: pd.DataFrame, assumptions: Assumptions) -> pd.DataFrame:
    codes, ids = pd.factorize(frame["plantation_id"])
    dates = frame["date"].to_numpy("datetime64[D]")
    day = {name: frame[name].to_numpy("float64") for name in VARIABLES}
    months, place = _Months(codes, dates, len(ids)), places.loc[ids]
    rain, wet = day["precipitation"], day["precipitation"] >= assumptions.number("climate_features.rain_day_mm")
    n_days = months.count(~np.isnan(rain))
    whole = n_days == months.days
    p_sum, rain_days = np.where(whole, months.sum(rain), np.nan), np.where(whole, months.count(wet), np.nan)
    spell = np.where(whole, months.maximum(_dry_run(codes, dates, rain, wet)), np.nan)
    balance = _balance(p_sum, rain_days, place, assumptions)
    et0, vpd = _evaporation(
        day, dates, np.repeat(_latitudes(place), np.bincount(codes, minlength=len(ids))), assumptions
    )
    enough = assumptions.number("climate_features.mean_min_fraction") * months.days
    columns: dict[str, Floats] = {
        "p_sum_mm": p_sum,
        "rain_days": rain_days,
        "dry_spell_max_d": spell,
        "deficit_irho_mm": np.where(balance.settled, balance.deficit, np.nan),
        "reserve_irho_mm": np.where(balance.settled, balance.reserve, np.nan),
        "et0_mm": np.where(months.count(~np.isnan(et0)) == months.days, months.sum(et0), np.nan),
        "spi3": spi(
            p_sum,
            window=int(assumptions.number("drought.spi_window_months")),
            min_years=int(assumptions.number("drought.spi_min_years")),
            limit=assumptions.number("drought.spi_limit"),
        ),
        "n_days": n_days,
    }
    for name, values in (("vpd_mean_kpa", vpd), ("tmin_c", day["t2m_min"]), ("tmax_c", day["t2m_max"])):
        count = months.count(~np.isnan(values))
        columns[name] = np.where(count >= enough, months.sum(values) / np.maximum(count, 1.0), np.nan)
    gap = ~whole | _partial(months, day)
    plantation, month = np.nonzero(months.count(np.ones(len(frame), dtype=bool)) > 0)
    out = pd.DataFrame({name: matrix[plantation, month] for name, matrix in columns.items()})
    out["plantation_id"] = pd.Series(np.asarray(ids, dtype=object)[plantation], dtype="str")
    out["month"] = pd.Series(months.labels[month], dtype="str")
    out["flags"] = pd.Series(np.where(gap[plantation, month], "climate_gap", ""), dtype="str")
    return out[list(COLUMNS)].astype({"n_days": "int64"})


def _partial(months: _Months, day: dict[str, Floats]) -> NDArray[np.bool_]:
    """Months in which a variable is there on some days and missing on others."""
    partial = np.zeros(months.shape, dtype=bool)
    for values in day.values():
        count = months.count(~np.isnan(values))
        partial |= (count > 0) & (count < months.days)
    return partial


def _dry_run(
    codes: NDArray[np.int64], dates: NDArray[np.datetime64], rain: Floats, wet: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Days of the dry run that reaches each day, 0 on a wet one; a missing day or value ends the run."""
    row = np.arange(len(rain))
    broken = np.ones(len(rain), dtype=bool)
    broken[1:] = (codes[1:] != codes[:-1]) | (np.diff(dates) != np.timedelta64(1, "D"))
    wet_or_missing = wet | np.isnan(rain)
    before = np.where(wet_or_missing, row, np.where(broken, row - 1, -1))
    return np.asarray(row - np.maximum.accumulate(before), dtype=np.int64)


def _balance(p_sum: Floats, rain_days: Floats, place: pd.DataFrame, assumptions: Assumptions) -> WaterBalance:
    table = assumptions.table("water_balance.reserve_max_mm")
    peat = place["is_peat"].eq(True).fillna(False).to_numpy(bool) if "is_peat" in place else np.zeros(len(place), bool)
    soil: Any = place["soil_class"] if "soil_class" in place else [None] * len(place)
    reserve = [
        table["peat"] if is_peat else table.get(kind if isinstance(kind, str) else "unknown", table["unknown"])
        for kind, is_peat in zip(soil, peat, strict=True)
    ]
    parameters = IrhoParameters(
        etp_dry_mm=assumptions.number("water_balance.etp_dry_month_mm"),
        etp_wet_mm=assumptions.number("water_balance.etp_wet_month_mm"),
        dry_max_rain_days=assumptions.number("water_balance.dry_month_max_rain_days"),
        spin_up_months=int(assumptions.number("water_balance.spin_up_months")),
    )
    return irho(p_sum, rain_days, np.asarray(reserve, dtype=np.float64), parameters)


def _evaporation(
    day: dict[str, Floats], dates: NDArray[np.datetime64], latitude: Floats, assumptions: Assumptions
) -> tuple[Floats, Floats]:
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1
    et0 = daily_et0(
        day["t2m_min"],
        day["t2m_max"],
        day["rh"],
        day["ssrd"],
        day["wind2m"],
        latitude=latitude,
        day_of_year=day_of_year,
        elevation=assumptions.number("climate_features.elevation_m"),
        wind_missing=assumptions.number("climate_features.wind2m_missing_m_s"),
    )
    es, ea = daily_vapour(day["t2m_min"], day["t2m_max"], day["rh"])
    return et0, np.maximum(es - ea, 0.0)


def _latitudes(place: pd.DataFrame) -> Floats:
    box = shapely.bounds(np.asarray(place["geometry"], dtype=object))
    return np.asarray((box[:, 1] + box[:, 3]) / 2.0, dtype=np.float64)


def _groups(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    ids = frame["plantation_id"].to_numpy(dtype=object)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.array([], dtype=np.int64)
    for first in range(0, len(starts), _GROUP):
        stop = starts[first + _GROUP] if first + _GROUP < len(starts) else len(ids)
        yield frame.iloc[starts[first] : stop]


def _empty() -> pd.DataFrame:
    texts, floats = (
        ("plantation_id", "month", "flags"),
        [c for c in COLUMNS if c not in {"plantation_id", "month", "flags"}],
    )
    empty = pd.DataFrame({c: pd.Series(dtype="str" if c in texts else "float64") for c in [*texts, *floats]})
    return empty[list(COLUMNS)].astype({"n_days": "int64"})
