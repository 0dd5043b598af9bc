"""A simulated portfolio straight as panel inputs: no files, no rasters, the truth beside it.

The climate passes through the features room. Vegetation indices are the noise-free ones of the canopy with the noise
that zonal means of simulated rasters show, missing where a month had no clear sky.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.features.climate import LOCAL, PUBLISHED, monthly_climate, oni_known
from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate import atlas, harvest, pixels, weather, world
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.portfolio import BURN_IN_YEARS
from plantation_rwa.streams import stream

#: noise of a month's zonal index: several times what the recovery of simulated rasters shows
INDEX_NOISE = {"ndvi": 0.005, "evi": 0.01, "ndmi": 0.01, "cire": 0.08, "ndre": 0.008, "nirv": 0.005, "nbr": 0.01}
#: share of months in which no pixel of a plantation is clear (domain/yield.md 2.3, six passes at p = .2 to .35)
CLOUDED = 0.15
SENSOR_NOISE = 0.012
#: share of months in which a gauge has no whole month, length of its record, months
GAUGE_GAPS, GAUGE_MONTHS = 0.08, 60
_GAUGE_COLUMNS = ("plantation_id", "month", "rain_gauge_mm")


@dataclass(frozen=True)
class World:
    """Inputs of the panel as a run would know them, and the expected yield.

    Parameters
    ----------
    register, blocks, features, harvest
        As the rooms before the panel give them; ``features`` and ``harvest`` with ``known_at``.
    truth
        ``plantation_id, month, mu_t_ha, yield_t_ha``: expected (everything but the noise) and harvested yield, t per
        mature ha; and the months' states.
    effects
        Sizes of the true effects.
    """

    register: pd.DataFrame
    blocks: pd.DataFrame
    features: pd.DataFrame
    harvest: pd.DataFrame
    truth: pd.DataFrame
    effects: world.Effects
    assumptions: Assumptions

    def stand(self) -> pd.DataFrame:
        """The stand table."""
        return stand_table(self.register, self.blocks)

    def panel(self, as_of: dt.date) -> pd.DataFrame:
        """The panel as known at a date."""
        instant = pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1)
        features = self.features[pd.to_datetime(self.features["known_at"], utc=True) < instant]
        known = self.harvest[self.harvest["known_at"] < instant]
        last = Month.of(as_of)
        features = features[features["month"] <= str(last)]
        months = [str(m) for m in month_range(Month.parse(str(features["month"].min())), last)]
        mature = self.assumptions.number("age_curve.mature_age_months")
        return build_panel(features, known, self.stand(), months, mature_age_months=mature)


def simulated_world(
    seed: int,
    *,
    plantations: int = 24,
    end: str = "2025-12",
    climate_years: int = 17,
    harvest_years: int | None = 12,
    imagery_months: int = 120,
    effects: world.Effects | None = None,
    sensors: int = 8,
    grid_error: weather.GridError | None = None,
) -> World:
    """A portfolio of the whole map (domain/yield.md 7.1) with a long record.

    Parameters
    ----------
    harvest_years
        Length of every harvest record; None: as invented.
    imagery_months
        Length of the record of vegetation indices.
    sensors
        How many of the plantations have soil moisture and a rain gauge.
    grid_error
        How the rain of the climate differs from the field's, which the gauges measure; None: not at all.
    """
    effects = effects or world.Effects(channels=world.Channels())
    last = Month.parse(end)
    estates = [
        e if harvest_years is None else replace(e, harvest_years=harvest_years)
        for e in atlas.invent(seed, plantations, 0, last.year, (200.0, 3000.0))
    ]
    first_day = dt.date(last.year - climate_years, 1, 1)
    span = (Month(first_day.year - BURN_IN_YEARS, 1), last)
    oni = weather.enso(seed, *span)
    regional = {
        c: weather.region_weather(seed, c, oni, span[0].first, last.last) for c in sorted({e.climate for e in estates})
    }
    register = gpd.GeoDataFrame(
        pd.DataFrame([e.register_row() for e in estates]), geometry=[e.geometry for e in estates], crs="EPSG:4326"
    )
    days_known, gauges, states, grown, parts, greens = [], [], [], [], [], []
    for estate in estates:
        days, values = regional[estate.climate]
        local = weather.vary(seed, estate.plantation_id, values)
        rain = weather.monthly_rain(days, local["precipitation"])
        if effects.channels is not None:
            rain["light"] = weather.monthly_light(days, local["ssrd"])
        state, block = world.grow(seed, estate, rain, effects)
        if estate in estates[:sensors]:
            gauges.append(_gauge(seed, estate, rain["p_sum_mm"].tail(GAUGE_MONTHS)))
        if grid_error is not None:
            seen = weather.misread(seed, estate.climate, estate.plantation_id, days, local["precipitation"], grid_error)
            local = {**local, "precipitation": np.round(seen, 1)}
        shown = days >= pd.Timestamp(first_day)
        days_known.append(
            pd.DataFrame(
                {"plantation_id": estate.plantation_id, "date": days[shown]} | {k: v[shown] for k, v in local.items()}
            )
        )
        states.append(state)
        grown.append(block)
        parts.append(harvest.records(seed, estate, block, last))
        greens.append(_greenness(seed, estate, state, effects, imagery_months))
    assumptions = packaged()
    table, _ = harvest.logbook(parts, faults=False)
    table["known_at"] = pd.to_datetime(table["known_at"], utc=True)
    measured = pd.concat(gauges, ignore_index=True) if gauges else pd.DataFrame(columns=list(_GAUGE_COLUMNS))
    features = _features(pd.concat(days_known, ignore_index=True), register, oni, measured, assumptions)
    features = features.merge(pd.concat(greens, ignore_index=True), on=["plantation_id", "month"], how="left")
    features = _with_soil(seed, features, estates[:sensors], pd.concat(states, ignore_index=True))
    truth = _truth(pd.concat(states, ignore_index=True), pd.concat(grown, ignore_index=True))
    blocks = pd.DataFrame(
        [
            {
                "plantation_id": e.plantation_id, "block_id": b.block_id, "planted_date": b.planted,
                "area_ha": b.area_ha, "soil_class": b.soil_class,
            }
            for e in estates if e.blocks_published for b in e.blocks
        ]
    )  # fmt: skip
    return World(pd.DataFrame(register), blocks, features, table, truth, effects, assumptions)


def _features(
    daily: pd.DataFrame, register: gpd.GeoDataFrame, oni: pd.Series, gauges: pd.DataFrame, assumptions: Assumptions
) -> pd.DataFrame:
    climate = monthly_climate(daily, register, assumptions, gauges=gauges)
    known = pd.to_datetime(climate["month"] + "-01", utc=True) + pd.offsets.MonthEnd(0) + pd.Timedelta(days=25)
    out = climate[["plantation_id", "month", *PUBLISHED, LOCAL]].assign(known_at=known)
    out = out.merge(gauges, on=["plantation_id", "month"], how="left")
    index = pd.DataFrame({"month": oni.index.astype(str), "index": "ONI", "value": oni.to_numpy(np.float64)})
    published = pd.to_datetime(index["month"] + "-01", utc=True) + pd.DateOffset(months=2) + pd.Timedelta(days=9)
    seasons = oni_known(index.assign(known_at=published), out["month"].unique())
    return out.merge(seasons[["month", "oni_known"]], on="month", how="left")


def _greenness(seed: int, estate: Estate, state: pd.DataFrame, effects: world.Effects, months: int) -> pd.DataFrame:
    """Monthly zonal indices: area-weighted over the blocks, with noise, NaN in clouded months."""
    rng = stream(seed, "zonal", estate.plantation_id)
    recent = state.tail(months)
    areas = np.array([b.area_ha for b in estate.blocks])
    planted = [Month.of(b.planted) for b in estate.blocks]
    rows = []
    for month, deficit, nutrition in zip(recent["month"], recent["canopy_deficit"], recent["nutrition"], strict=True):
        ages: dict[float, float] = {}
        for start, area in zip(planted, areas, strict=True):
            age = (Month.parse(month) - start) / 12.0
            ages[age] = ages.get(age, 0.0) + area / areas.sum()
        seen = [(w, pixels.indices(pixels.canopy(age, deficit, nutrition, effects))) for age, w in ages.items()]
        rows.append({name: sum(w * v[name] for w, v in seen) for name in INDEX_NOISE})
    out = pd.DataFrame(rows)
    for name, sd in INDEX_NOISE.items():
        out[name] = out[name] + rng.normal(0.0, sd, len(out))
    out[rng.random(len(out)) < CLOUDED] = np.nan
    return out.assign(plantation_id=estate.plantation_id, month=recent["month"].to_numpy())


def _with_soil(seed: int, features: pd.DataFrame, estates: Sequence[Estate], states: pd.DataFrame) -> pd.DataFrame:
    """Soil moisture of the estates with stations: the reserve as a fraction, with noise."""
    reserve = states.set_index(["plantation_id", "month"])["reserve_mm"]
    keys = pd.MultiIndex.from_frame(features[["plantation_id", "month"]])
    share = reserve.reindex(keys).to_numpy(np.float64) / 300.0
    noise = np.full(len(features), np.nan)
    for estate in estates:
        mine: NDArray[np.bool_] = (features["plantation_id"] == estate.plantation_id).to_numpy(np.bool_)
        noise[mine] = stream(seed, "zonal_soil", estate.plantation_id).normal(0.0, SENSOR_NOISE, int(mine.sum()))
    return features.assign(soil_moisture_m3m3=0.12 + 0.25 * share + noise)


def _gauge(seed: int, estate: Estate, rain: pd.Series) -> pd.DataFrame:
    """Monthly sums of an estate's gauge, mm, without the months that it did not read to their end."""
    whole = stream(seed, "zonal_gauge", estate.plantation_id).random(len(rain)) >= GAUGE_GAPS
    kept = rain[whole]
    months = kept.index.astype(str).astype(object)
    values = (estate.plantation_id, months, kept.to_numpy())
    return pd.DataFrame(dict(zip(_GAUGE_COLUMNS, values, strict=True)))


def _truth(states: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    area = blocks["area_mature_ha"]
    sums = blocks[["plantation_id", "month"]].assign(
        area=area, mu=blocks["mu_t_ha"] * area, ffb=blocks["yield_t_ha"] * area
    )
    total = sums.groupby(["plantation_id", "month"], as_index=False)[["area", "mu", "ffb"]].sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        total["mu_t_ha"] = np.where(total["area"] > 0, total["mu"] / total["area"], np.nan)
        total["yield_t_ha"] = np.where(total["area"] > 0, total["ffb"] / total["area"], np.nan)
    return states.merge(total.drop(columns=["mu", "ffb"]), on=["plantation_id", "month"], how="left")
