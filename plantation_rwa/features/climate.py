"""Daily climate to monthly features of each plantation, and the ocean index as it was known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.features.climate_months import Months, dry_run
from plantation_rwa.features.drought import spei, spi
from plantation_rwa.features.evapotranspiration import daily_et0, daily_vapour
from plantation_rwa.features.local_rain import GaugeRules, local_rain
from plantation_rwa.features.soil_bucket import Bucket, BucketParameters, crop_coefficient, run_bucket
from plantation_rwa.features.water_balance import IrhoParameters, WaterBalance, irho
from plantation_rwa.periods import end_of_month_utc

Floats = NDArray[np.float64]

VARIABLES = ("precipitation", "t2m_min", "t2m_max", "ssrd", "rh", "wind2m")
#: Columns of :func:`monthly_climate` that are published under the same name.
PUBLISHED = (
    *("p_sum_mm", "rain_days", "rain_days_heavy", "dry_spell_max_d", "deficit_irho_mm", "reserve_irho_mm"),
    *("drainage_irho_mm", "deficit_bucket_mm", "transpiration_ratio", "et0_mm", "cwb_mm", "vpd_mean_kpa"),
    *("tmin_c", "tmax_c", "tmean_c", "ssrd_mean_mj_m2", "spi3", "spei6"),
)
#: Published of plantations alone, for gauges stand on them and not on their blocks.
LOCAL = "deficit_local_mm"
COLUMNS = ("plantation_id", "month", *PUBLISHED, LOCAL, "flags", "n_days", "known_at")

#: What a month may be known by without its days.
MONTHLY = ("p_sum_mm", "tmin_c", "tmax_c", "tmean_c")

_INSTANT = "datetime64[us, UTC]"

#: Plantations worked on at a time; bounds memory, changes no value.
_GROUP = 100


def monthly_climate(
    daily: pd.DataFrame,
    register: pd.DataFrame,
    assumptions: Assumptions,
    monthly: pd.DataFrame | None = None,
    gauges: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Monthly climate features and water balance.

    Parameters
    ----------
    daily
        ``plantation_id, date`` and any of :data:`VARIABLES` (mm d-1, degC, degC, MJ m-2 d-1, %, m s-1), one row per
        plantation and day in any order; only days that are known. May carry ``known_at`` (UTC) and ``preliminary``.
    register
        ``plantation_id, geometry`` (WGS84), ``soil_class, is_peat, region, planted_date``; other plantations' days are
        ignored.
    assumptions
        Sections ``climate_features``, ``water_balance``, ``drought``, ``local_rain``.
    monthly
        ``plantation_id, month, known_at`` and any of :data:`MONTHLY`, where climate is known by the month only. A value
        stands where the days do not give that of the month.
    gauges
        ``plantation_id, month, rain_gauge_mm`` of the plantations' own gauges, whole months only.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, sorted by plantation and month; a month without any data has no row.

    Notes
    -----
    A month's row depends on days up to its end only. Sums, rain days and dry spells need every day of the month, means
    ``climate_features.mean_min_fraction`` of the days; otherwise they are NaN and ``flags`` says ``climate_gap``, as it
    does where a variable that earlier months had is missing on every day.
    Deficit and reserve are NaN while they depend on unknown months, see :func:`water_balance.irho`. Rain that is known
    by the month only gives no rain days and no dry spell; its balance takes ``climate_features.rain_per_rain_day_mm``
    for each rain day, and ``flags`` says ``climate_monthly``. ``known_at`` is the latest instant of anything up to the
    month's end, for the balance remembers all of it. ``deficit_local_mm`` is the balance with
    :func:`plantation_rwa.features.local_rain.local_rain`, from the first month of a gauge on; its rain days are the
    grid's. The gauges' own instants are not in ``known_at``.
    """
    frame = daily.reindex(columns=["plantation_id", "date", *VARIABLES, "known_at", "preliminary"])
    months = _months_alone(monthly, register)
    frame = frame[frame["plantation_id"].isin(register["plantation_id"]) & frame[list(VARIABLES)].notna().any(axis=1)]
    # a day without values opens each month that is known by itself; a day with values stays before it
    frame = pd.concat([frame, months[["plantation_id", "date"]]]) if len(months) else frame
    frame = frame.sort_values(["plantation_id", "date"], kind="stable").drop_duplicates(["plantation_id", "date"])
    places = register.drop_duplicates("plantation_id").set_index("plantation_id")
    parts = [_features(part, months, gauges, places, assumptions) for part in _groups(frame)]
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


def _features(
    frame: pd.DataFrame,
    monthly: pd.DataFrame,
    gauges: pd.DataFrame | None,
    places: pd.DataFrame,
    assumptions: Assumptions,
) -> pd.DataFrame:
    codes, ids = pd.factorize(frame["plantation_id"])
    dates = frame["date"].to_numpy("datetime64[D]")
    day = {name: frame[name].to_numpy("float64") for name in VARIABLES}
    months, place = Months(codes, dates, len(ids)), places.loc[ids]
    alone, alone_known = _matrices(monthly, ids, months)
    rain, wet = day["precipitation"], day["precipitation"] >= assumptions.number("climate_features.rain_day_mm")
    heavy = rain >= assumptions.number("climate_features.heavy_rain_day_mm")
    n_days = months.count(~np.isnan(rain))
    whole = n_days == months.days
    p_sum = np.where(whole, months.sum(rain), alone["p_sum_mm"])
    by_month = ~whole & ~np.isnan(p_sum)
    rain_days = np.where(whole, months.count(wet), np.nan)
    assumed = alone["p_sum_mm"] / assumptions.number("climate_features.rain_per_rain_day_mm")
    wet_days = np.where(by_month, assumed, rain_days)
    balance = _balance(p_sum, wet_days, place, assumptions)
    latitude = np.repeat(_latitudes(place), np.bincount(codes, minlength=len(ids)))
    et0_day, vpd = _evaporation(day, dates, latitude, assumptions)
    et0 = np.where(months.count(~np.isnan(et0_day)) == months.days, months.sum(et0_day), np.nan)
    columns: dict[str, Floats] = {
        "p_sum_mm": p_sum,
        "rain_days": rain_days,
        "rain_days_heavy": np.where(whole, months.count(heavy), np.nan),
        "dry_spell_max_d": np.where(whole, months.maximum(dry_run(codes, dates, rain, wet)), np.nan),
        "deficit_irho_mm": np.where(balance.settled, balance.deficit, np.nan),
        "reserve_irho_mm": np.where(balance.settled, balance.reserve, np.nan),
        "drainage_irho_mm": np.where(balance.settled, balance.drainage, np.nan),
        "et0_mm": et0,
        "cwb_mm": p_sum - et0,
        "n_days": n_days,
    }
    columns[LOCAL] = _local_deficit(p_sum, wet_days, _gauged(gauges, ids, months), place, assumptions)
    columns |= _bucket(rain, et0_day, months, place, assumptions)
    limits = {"min_years": int(assumptions.number("drought.spi_min_years"))}
    limit = assumptions.number("drought.spi_limit")
    columns["spi3"] = spi(p_sum, window=int(assumptions.number("drought.spi_window_months")), limit=limit, **limits)
    window = int(assumptions.number("drought.spei_window_months"))
    columns["spei6"] = spei(columns["cwb_mm"], window=window, limit=limit, **limits)
    enough = assumptions.number("climate_features.mean_min_fraction") * months.days
    day_mean = (day["t2m_min"] + day["t2m_max"]) / 2.0
    for name, values in (
        ("vpd_mean_kpa", vpd),
        ("tmin_c", day["t2m_min"]),
        ("tmax_c", day["t2m_max"]),
        ("tmean_c", day_mean),
        ("ssrd_mean_mj_m2", day["ssrd"]),
    ):
        count = months.count(~np.isnan(values))
        mean = np.where(count >= enough, months.sum(values) / np.maximum(count, 1.0), np.nan)
        by_month |= np.isnan(mean) & ~np.isnan(alone.get(name, mean))
        columns[name] = np.where(np.isnan(mean), alone.get(name, mean), mean)
    gap = np.isnan(p_sum)
    for values in day.values():
        gap |= months.partial(values) | (months.lost(values) & ~by_month)
    flags = {
        "climate_gap": gap,
        "climate_monthly": by_month,
        "et0_temperature": months.count(np.isnan(day["ssrd"]) & ~np.isnan(et0_day)) > 0,
        "climate_preliminary": months.count(frame["preliminary"].eq(True).fillna(False).to_numpy(bool)) > 0,
    }
    known = np.maximum(months.maximum(_instants(frame["known_at"])), np.where(by_month, alone_known, 0))
    return _rows(ids, months, columns, flags, np.maximum.accumulate(known, axis=1), frame)


def _rows(
    ids: Any,
    months: Months,
    columns: dict[str, Floats],
    flags: dict[str, NDArray[np.bool_]],
    known: NDArray[np.int64],
    frame: pd.DataFrame,
) -> pd.DataFrame:
    plantation, month = np.nonzero(months.count(np.ones(len(frame), dtype=bool)) > 0)
    out = pd.DataFrame({name: matrix[plantation, month] for name, matrix in columns.items()})
    out["plantation_id"] = pd.Series(np.asarray(ids, dtype=object)[plantation], dtype="str")
    out["month"] = pd.Series(months.labels[month], dtype="str")
    codes = np.stack([np.where(flags[code][plantation, month], f"{code};", "") for code in sorted(flags)])
    out["flags"] = pd.Series(["".join(c).rstrip(";") for c in codes.T], dtype="str")
    instants = known[plantation, month].astype("datetime64[us]")
    instants[known[plantation, month] == 0] = np.datetime64("NaT")
    out["known_at"] = pd.Series(instants).dt.tz_localize("UTC")
    return out[list(COLUMNS)].astype({"n_days": "int64"})


def _months_alone(monthly: pd.DataFrame | None, register: pd.DataFrame) -> pd.DataFrame:
    """Months known by themselves, with the date of their first day."""
    columns = ["plantation_id", "month", *MONTHLY, "known_at"]
    if monthly is None or monthly.empty:
        return pd.DataFrame(columns=[*columns, "date"])
    frame = monthly.reindex(columns=columns)
    frame = frame[frame["plantation_id"].isin(register["plantation_id"]) & frame[list(MONTHLY)].notna().any(axis=1)]
    frame = frame.drop_duplicates(["plantation_id", "month"])
    return frame.assign(date=pd.to_datetime(frame["month"] + "-01").astype("datetime64[us]"))


def _matrices(monthly: pd.DataFrame, ids: Any, months: Months) -> tuple[dict[str, Floats], NDArray[np.int64]]:
    """Values of :data:`MONTHLY` and instants (microseconds, 0 for none) as (plantations, months)."""
    row = pd.Index(ids).get_indexer(monthly["plantation_id"])
    own = monthly[row >= 0]
    column = own["date"].to_numpy("datetime64[M]").astype(np.int64) - months.first
    out, known = {}, np.zeros(months.shape, dtype=np.int64)
    for name in MONTHLY:
        out[name] = np.full(months.shape, np.nan)
        out[name][row[row >= 0], column] = own[name].to_numpy("float64")
    known[row[row >= 0], column] = _instants(own["known_at"])
    return out, known


def _instants(known_at: pd.Series) -> NDArray[np.int64]:
    """Microseconds since 1970, 0 where nothing is said."""
    values = pd.to_datetime(known_at, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(values), 0, values.astype(np.int64))


def _bucket(
    rain: Floats, et0: Floats, months: Months, place: pd.DataFrame, assumptions: Assumptions
) -> dict[str, Floats]:
    """Monthly deficit and relative transpiration of the daily bucket, NaN while they depend on what is not known."""
    planted = place["planted_date"] if "planted_date" in place else pd.Series(pd.NaT, index=place.index)
    first = pd.to_datetime(planted).to_numpy("datetime64[D]")[:, None]
    age = (months.starts[None, :-1] - first).astype("timedelta64[D]").astype(np.float64) / 365.25
    ages = tuple(float(a) for a in assumptions.table("water_balance.kc_ages"))
    age = np.where(np.isnat(first), ages[1], age)  # without a date the palms count as grown
    young, mature = (assumptions.number(f"water_balance.kc_{stage}") for stage in ("young", "mature"))
    kc = np.repeat(crop_coefficient(age, young, mature, (ages[0], ages[1])), months.days.astype(np.int64), axis=1)
    demand = kc * months.by_day(et0)
    shape = BucketParameters(
        assumptions.number("water_balance.bucket_half"), assumptions.number("water_balance.bucket_width")
    )
    bucket: Bucket = run_bucket(months.by_day(rain), demand, _capacity(place, assumptions), shape)
    deficit, used = months.month_sums(bucket.deficit), months.month_sums(bucket.transpiration)
    begun = np.cumsum(np.cumsum(~np.isnan(deficit), axis=1) > 0, axis=1) - 1  # months since the first whole one
    settled = months.month_sums(bucket.spread) <= assumptions.number("water_balance.bucket_spread_max_mm")
    settled &= begun >= assumptions.number("water_balance.spin_up_months")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = used / (used + deficit)
    return {
        "deficit_bucket_mm": np.where(settled, deficit, np.nan),
        "transpiration_ratio": np.where(settled, ratio, np.nan),
    }


def _capacity(place: pd.DataFrame, assumptions: Assumptions) -> Floats:
    """Water a plantation's soil holds, mm: peat, else its region's, else its class's."""
    table, regions = (
        assumptions.table("water_balance.reserve_max_mm"),
        assumptions.table("water_balance.reserve_max_region_mm"),
    )
    none: list[Any] = [None] * len(place)
    soil, region, peat = (place.get(c, none) for c in ("soil_class", "region", "is_peat"))
    return np.array(
        [
            table["peat"] if is_peat else regions.get(where, table.get(kind, table["unknown"]))
            for kind, where, is_peat in zip(_texts(soil), _texts(region), _truths(peat), strict=True)
        ],
        dtype=np.float64,
    )


def _texts(values: Any) -> list[str]:
    return [v if isinstance(v, str) else "unknown" for v in values]


def _truths(values: Any) -> list[bool]:
    return [bool(v) if v is not None and v is not pd.NA and v == v else False for v in values]


def _balance(p_sum: Floats, rain_days: Floats, place: pd.DataFrame, assumptions: Assumptions) -> WaterBalance:
    parameters = IrhoParameters(
        etp_dry_mm=assumptions.number("water_balance.etp_dry_month_mm"),
        etp_wet_mm=assumptions.number("water_balance.etp_wet_month_mm"),
        dry_max_rain_days=assumptions.number("water_balance.dry_month_max_rain_days"),
        spin_up_months=int(assumptions.number("water_balance.spin_up_months")),
    )
    return irho(p_sum, rain_days, _capacity(place, assumptions), parameters)


def _gauged(gauges: pd.DataFrame | None, ids: Any, months: Months) -> Floats:
    """Rain of the gauges as (plantations, months), NaN where none has a whole month."""
    out = np.full(months.shape, np.nan)
    if gauges is not None and len(gauges):
        row = pd.Index(ids).get_indexer(gauges["plantation_id"])
        column = gauges["month"].to_numpy("datetime64[M]").astype(np.int64) - months.first
        inside = (row >= 0) & (column >= 0) & (column < months.shape[1])
        out[row[inside], column[inside]] = gauges["rain_gauge_mm"].to_numpy("float64")[inside]
    return out


def _local_deficit(
    p_sum: Floats, rain_days: Floats, gauge: Floats, place: pd.DataFrame, assumptions: Assumptions
) -> Floats:
    """Deficit of the balance with the field's own rain, NaN before the first month of a gauge and without one."""
    begun = np.logical_or.accumulate(~np.isnan(gauge), axis=1)
    if not begun.any():
        return np.full(p_sum.shape, np.nan)
    rain = local_rain(p_sum, gauge, GaugeRules.of(assumptions))
    assumed = rain / assumptions.number("climate_features.rain_per_rain_day_mm")
    balance = _balance(rain, np.where(np.isnan(rain_days), assumed, rain_days), place, assumptions)
    return np.where(begun & balance.settled, balance.deficit, np.nan)


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
    texts = {"plantation_id": "str", "month": "str", "flags": "str", "n_days": "int64", "known_at": _INSTANT}
    return pd.DataFrame({c: pd.Series(dtype=texts.get(c, "float64")) for c in COLUMNS})
