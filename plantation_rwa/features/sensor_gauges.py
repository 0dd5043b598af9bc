"""Rain gauges: daily totals, clogged ones, ones far above the grid or their neighbours, rain at the place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]

_HOUR, _EARTH_KM = 24, 6371.0
_DAYS = ["sensor", "day"]
#: days over which a gauge is held against its neighbours
_WINDOW = 10
#: days of a month with a gauge total from which it is held against the grid as a whole
_WHOLE = 23


@dataclass(frozen=True)
class GaugeLimits:
    """Section ``sensor_flags`` of the assumptions, its part for rain gauges."""

    clog_dry_share: dict[str, float]
    clog_prior: float
    clog_odds: float
    clog_least_mm: float
    clog_strong_mm: float
    over_grid: float
    over_grid_mm: float
    scale_months: float
    scale_month_mm: float
    neighbour_km: float
    over_neighbours: float
    over_neighbours_mm: float
    over_neighbours_grid: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> GaugeLimits:
        """Read them."""
        at = "sensor_flags."
        numbers = {k: assumptions.number(at + k) for k in cls.__dataclass_fields__ if k != "clog_dry_share"}
        return cls(clog_dry_share=assumptions.table(at + "clog_dry_share"), **numbers)


def gauge_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Daily totals of every gauge.

    Parameters
    ----------
    frame
        Readings with ``sensor`` (number of the series), ``day`` and ``hour`` (local, whole numbers since 1970),
        ``month``, ``checked`` (value in mm, NaN if out of range).

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, sensor, day, month, total`` in mm and ``hours`` with a reading; in order.
    """
    rain = frame[(frame["variable"] == "rain") & frame["checked"].notna()]
    groups = rain.groupby(["plantation_id", "sensor", "day"], sort=True)
    out = groups.agg(month=("month", "first"), total=("checked", "sum"), hours=("hour", "nunique"))
    return out.reset_index()


def clogged(gauges: pd.DataFrame, grid: pd.DataFrame, limits: GaugeLimits) -> pd.DataFrame:
    """Days on which a gauge says nothing although the grid has rain.

    Parameters
    ----------
    gauges
        From :func:`gauge_days`.
    grid
        Daily rain of the plantation: ``plantation_id, day`` (whole number since 1970), ``grid`` in mm.

    Returns
    -------
    pandas.DataFrame
        ``sensor, day`` of the days to leave out: in a run of days without a tip, from the first to the last on which
        the grid has ``clog_least_mm``, if so many such days would not stay dry at a working gauge and one of them had
        ``clog_strong_mm``. Each month judges by the run up to its end.

    Notes
    -----
    domain/yield.md section 4, rain gauge. A grid has rain on days that stay dry at one point of it:
    ``clog_dry_share`` says how often, by its rain in mm, and the gauge's own days before the run scale it (expected dry
    days, of which ``clog_prior`` are taken for granted). The product over the run below ``clog_odds`` is a clog: three
    days of 20 mm are enough for a gauge nothing is known of.
    """
    both = gauges.merge(grid, on=["plantation_id", "day"], how="left").sort_values(_DAYS, kind="stable")
    columns = {c: pd.Series(dtype="int64") for c in _DAYS}
    if both.empty:
        return pd.DataFrame(columns)
    edges = sorted(float(k) for k in limits.clog_dry_share)
    shares = np.r_[1.0, [float(limits.clog_dry_share[f"{k:g}"]) for k in edges]]
    fallen = both["grid"].to_numpy("float64")
    usual = np.where(np.isnan(fallen), 1.0, shares[np.searchsorted(edges, np.nan_to_num(fallen), side="right")])
    usual[both["hours"].to_numpy() < 18] = 1.0  # hours that are missing may have had the rain
    dry, sensor = (both["total"] == 0.0).to_numpy(), both["sensor"].to_numpy()
    both["run"] = np.cumsum(np.r_[True, (sensor[1:] != sensor[:-1]) | (dry[1:] != dry[:-1])])
    told = usual < 1.0
    expected = pd.Series(np.where(told, usual, 0.0)).groupby(sensor).cumsum().to_numpy()
    seen = pd.Series((told & dry).astype(float)).groupby(sensor).cumsum().to_numpy()
    both["usual"], both["dry"] = usual, dry
    first = ~both["run"].duplicated().to_numpy()
    # what the gauge has shown before the run's first day
    before = [np.where(sensor == np.r_[-1, sensor[:-1]], np.r_[0.0, v[:-1]], 0.0)[first] for v in (expected, seen)]
    scale = pd.Series((before[1] + limits.clog_prior) / (before[0] + limits.clog_prior), index=both["run"][first])
    found = []
    for number, run in both[dry].groupby("run", sort=True):
        share = np.minimum(run["usual"].to_numpy() * float(scale[number]), 1.0)
        share[run["usual"].to_numpy() >= 1.0] = 1.0
        odds = np.cumprod(share)
        for month in np.unique(run["month"]) if odds[-1] < limits.clog_odds else []:
            sofar = (run["month"] <= month).to_numpy()
            if odds[sofar][-1] < limits.clog_odds and run.loc[sofar, "grid"].max() >= limits.clog_strong_mm:
                rainy = run.loc[sofar & (run["grid"] >= limits.clog_least_mm).to_numpy(), "day"]
                own = (run["month"] == month) & run["day"].between(rainy.min(), rainy.max())
                found.append(run.loc[own, _DAYS])
    return pd.concat(found) if found else pd.DataFrame(columns)


def over_grid(gauges: pd.DataFrame, grid: pd.DataFrame, limits: GaugeLimits) -> pd.DataFrame:
    """Thirds of months in which a gauge has ``over_grid`` times the grid's rain and ``over_grid_mm`` more.

    Parameters and columns as :func:`clogged`.
    """
    both = gauges.merge(grid, on=["plantation_id", "day"], how="inner")
    start = both["month"].to_numpy().astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    both["third"] = np.minimum((both["day"].to_numpy() - start) // 10, 2)
    sums = both.groupby(["sensor", "month", "third"], sort=True)[["total", "grid"]].transform("sum")
    more = sums["total"] > limits.over_grid * sums["grid"] + limits.over_grid_mm
    return both.loc[more, ["sensor", "day"]]


def off_scale(gauges: pd.DataFrame, grid: pd.DataFrame, lost: pd.DataFrame, limits: GaugeLimits) -> pd.DataFrame:
    """Months in which a gauge is ``over_grid`` times above the grid, or as far below, as in the months before.

    A month counts if at least three quarters of its days have a gauge total, not clogged, and the grid has
    ``scale_month_mm`` on them. Of ``scale_months`` such months in a row all must lie beyond the factor on one side:
    then the gauge is read in another unit than its own, whatever single showers do. Parameters and columns as
    :func:`clogged`, ``lost`` from it.
    """
    both = gauges.merge(grid, on=["plantation_id", "day"], how="inner")
    clogged_days = pd.MultiIndex.from_frame(lost[_DAYS])
    calm = both[~pd.MultiIndex.from_frame(both[_DAYS]).isin(clogged_days) & both["grid"].notna().to_numpy()]
    months = calm.groupby(["sensor", "month"], sort=True).agg(
        days=("day", "nunique"), total=("total", "sum"), grid=("grid", "sum")
    )
    told = months[(months["days"] >= _WHOLE) & (months["grid"] >= limits.scale_month_mm)].reset_index()
    side = np.select(
        [told["total"] > limits.over_grid * told["grid"], told["total"] * limits.over_grid < told["grid"]], [1, -1], 0
    )
    run = int(limits.scale_months)
    beyond = pd.Series(side).groupby(told["sensor"].to_numpy()).rolling(run).sum().abs().to_numpy() == run
    keys = pd.MultiIndex.from_frame(told.loc[beyond, ["sensor", "month"]])
    return gauges.loc[pd.MultiIndex.from_frame(gauges[["sensor", "month"]]).isin(keys), _DAYS]


def over_neighbours(
    gauges: pd.DataFrame, grid: pd.DataFrame, lost: pd.DataFrame, places: pd.DataFrame, limits: GaugeLimits
) -> pd.DataFrame:
    """Days on which a gauge has far more rain than the gauges around it, in ten days in which it adds up.

    Parameters
    ----------
    gauges, grid
        As :func:`clogged`.
    lost
        Gauge days that are no evidence: clogged ones.
    places
        ``longitude, latitude`` in degrees by plantation, NaN if unknown.

    Returns
    -------
    pandas.DataFrame
        ``sensor, day``.

    Notes
    -----
    domain/yield.md section 4: above ``over_neighbours`` times the median of the neighbours (and
    ``over_neighbours_mm``), which are the other gauges of the plantation, or where it has none those of plantations
    within ``neighbour_km``. Where the grid has more than 1 / ``over_neighbours_grid`` of the gauge's rain, it is the
    neighbours that miss it.
    """
    gone = pd.MultiIndex.from_frame(lost[_DAYS])
    whole = gauges[(gauges["hours"] >= 18) & ~pd.MultiIndex.from_frame(gauges[_DAYS]).isin(gone)]
    owner = whole.drop_duplicates("sensor").set_index("sensor")["plantation_id"]
    found = []
    for sensor, around in _neighbours(owner, places, limits.neighbour_km).items():
        near = whole[whole["sensor"].isin(around)].groupby("day", sort=True)["total"].median().rename("near")
        mine = whole[whole["sensor"] == sensor].merge(near.reset_index(), on="day", how="inner")
        mine = mine.merge(grid, on=["plantation_id", "day"], how="left")
        sums = [mine[c].fillna(0.0).rolling(_WINDOW, min_periods=1).sum() for c in ("total", "near", "grid")]
        more = sums[0] > limits.over_neighbours * sums[1] + limits.over_neighbours_mm
        more &= ~(limits.over_neighbours_grid * sums[2] > sums[0])
        # the last day of a window that adds up, for each day it holds, within the day's month
        ends = pd.Series(np.where(more, mine["day"], np.nan))[::-1].ffill(limit=_WINDOW - 1)[::-1]
        inside = ends.to_numpy() < _month_ends(mine["month"].to_numpy())
        found.append(mine.loc[inside & (mine["total"] > limits.over_neighbours * mine["near"]).to_numpy(), _DAYS])
    return pd.concat(found) if found else pd.DataFrame({c: pd.Series(dtype="int64") for c in _DAYS})


def _month_ends(month: NDArray[np.int64]) -> NDArray[np.int64]:
    """First day after each month."""
    return (month + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _neighbours(owner: pd.Series, places: pd.DataFrame, most_km: float) -> dict[int, list[int]]:
    """Other gauges of each gauge's plantation, without any those of plantations within some kilometres."""
    where = np.deg2rad(places[["longitude", "latitude"]].reindex(owner.to_numpy()).to_numpy("float64"))
    out = {}
    for i, (sensor, plantation) in enumerate(owner.items()):
        around = owner.index[(owner == plantation).to_numpy() & (owner.index != sensor)].tolist()
        if not around:
            east, north = ((where - where[i]) * [np.cos(where[i, 1]), 1.0]).T * _EARTH_KM
            with np.errstate(invalid="ignore"):
                around = owner.index[(np.hypot(east, north) <= most_km) & (owner != plantation).to_numpy()].tolist()
        if around:
            out[int(str(sensor))] = around
    return out


def rain_axis(frame: pd.DataFrame, gauges: pd.DataFrame, grid: pd.DataFrame, lost: pd.DataFrame) -> dict[str, Floats]:
    """Cumulated rain of each plantation at every whole hour of its readings.

    Parameters
    ----------
    frame
        Readings with local ``hour`` and ``day``, ``checked``, ``sensor``.
    gauges, grid, lost
        Gauge days, grid days, and gauge days to leave out.

    Returns
    -------
    dict
        By plantation an array of shape ``(2, hours)``: local hour since 1970 and mm. Hours of a gauge where it has
        readings on most of the day, else the grid's day spread evenly; plantations with neither are absent.
    """
    whole = gauges[gauges["hours"] >= 18]
    gone = pd.MultiIndex.from_frame(lost[["sensor", "day"]])
    whole = whole[~pd.MultiIndex.from_frame(whole[["sensor", "day"]]).isin(gone)]
    rain = frame[(frame["variable"] == "rain") & frame["checked"].notna()]
    rain = rain[
        pd.MultiIndex.from_frame(rain[["sensor", "day"]]).isin(pd.MultiIndex.from_frame(whole[["sensor", "day"]]))
    ]
    hourly = rain.groupby(["plantation_id", "sensor", "hour"], sort=True)["checked"].sum()
    hourly = hourly.groupby(level=["plantation_id", "hour"], sort=True).mean()
    spans = frame.groupby("plantation_id", sort=True)["hour"].agg(["min", "max"])
    days = {str(k): g.set_index("day")["grid"] for k, g in grid.groupby("plantation_id", sort=False)}
    gauged = set(hourly.index.get_level_values(0))
    out = {}
    for plantation, (first, last) in zip(spans.index, spans.to_numpy(), strict=True):
        per_day = days.get(str(plantation), grid["grid"].iloc[:0])
        has_gauge = plantation in gauged
        if per_day.notna().sum() == 0 and not has_gauge:
            continue
        hours = np.arange(first, last + 1)
        fallen = per_day.reindex(hours // _HOUR).fillna(0.0).to_numpy() / _HOUR
        if has_gauge:
            own = hourly.loc[plantation]
            covered = np.isin(hours // _HOUR, own.index.to_numpy() // _HOUR)
            fallen = np.where(covered, own.reindex(hours).fillna(0.0).to_numpy(), fallen)
        out[str(plantation)] = np.stack([hours.astype(np.float64), np.cumsum(fallen)])
    return out
