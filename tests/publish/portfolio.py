"""Finalised tables of a small invented portfolio, in every shape that publishing must cope with."""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from plantation_rwa.periods import Month
from plantation_rwa.publish.report import SummaryData
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.tables import TABLES

AS_OF = "2026-05-31"


def outline(lon: float, lat: float, size: float = 0.006, corners: int = 14) -> shapely.Polygon:
    """A rounded, slightly irregular outline of about ``size`` degrees."""
    angles = 2 * math.pi * np.arange(corners) / corners
    radius = size * (0.42 + 0.08 * np.cos(3 * angles + lon))
    return shapely.Polygon(np.column_stack([lon + radius * np.cos(angles), lat + radius * np.sin(angles)]))


def shapes() -> list[object]:
    """An outline, two separate ones, one with a hole, a point, nothing, and an empty polygon."""
    holed = shapely.Polygon(
        [(117.0, 5.0), (117.02, 5.0), (117.02, 5.02), (117.0, 5.02)],
        [[(117.005, 5.005), (117.005, 5.015), (117.015, 5.015), (117.015, 5.005)]],
    )
    two = shapely.MultiPolygon([outline(112.4, -2.5), outline(112.42, -2.51)])
    return [outline(103.4, 1.9), two, holed, shapely.Point(103.9, 1.7), None, shapely.Polygon()]


def geo(columns: dict[str, object], geometry: list[object], table: str) -> pd.DataFrame:
    """A finalised table with geometry."""
    return finalise(gpd.GeoDataFrame(columns, geometry=geometry, crs="EPSG:4326"), table)


def empty(table: str) -> pd.DataFrame:
    """A finalised table without rows."""
    return finalise(pd.DataFrame(columns=list(TABLES[table].columns)), table)


def valuations(ids: list[str], geometry: list[object]) -> pd.DataFrame:
    n = np.arange(len(ids))
    fair = 250_000.0 + 41_000.5 * ((n * 7) % 12)
    columns = {
        "plantation_id": ids,
        "right_id": ["R1"] * len(ids),
        "currency": ["MYR"] * len(ids),
        "share": [0.2] * len(ids),
        "tenor_months": [60] * len(ids),
        "npv_fair": fair,
        "npv_mean_p": fair * 1.04,
        "npv_q05": fair * 0.7,
        "npv_q10": fair * 0.78,
        "npv_q50": fair * 1.02,
        "npv_q90": fair * 1.31,
        "npv_q95": fair * 1.4,
        "units": [1_000_000] * len(ids),
        "nav_total_int": [int(v * 100) for v in fair],
        "decimals": [2] * len(ids),
        "unit_nav_int": [int(v * 100) * 10**10 for v in fair],
        "unit_decimals": [18] * len(ids),
        "confidence_grade": ["ABCD"[i % 4] for i in range(len(ids))],
        "data_age_days_max": [31] * len(ids),
        "quality_flag": ["", "no_sensors", "no_harvest;no_imagery", "few_clear;simulated"] * (len(ids) // 4)
        + [""] * (len(ids) % 4),
    }
    return geo(columns, geometry, "valuations")


def forecasts(ids: list[str], geometry: list[object], horizons: int = 24) -> pd.DataFrame:
    start = Month.parse(AS_OF[:7])
    rows, outlines = [], []
    for i, (name, shape) in enumerate(zip(ids, geometry, strict=True)):
        for h in range(1, horizons + 1):
            season = 1.5 + 0.06 * i + 0.35 * math.sin((start + h).number / 12 * 2 * math.pi + 2.2)
            spread = 0.25 + 0.1 * math.sqrt(h / 12)
            quantiles = {
                q: season * (1 + spread * z)
                for q, z in zip((5, 10, 25, 50, 75, 90, 95), (-1.64, -1.28, -0.67, 0, 0.67, 1.28, 1.64), strict=True)
            }
            rows.append(
                {
                    "plantation_id": name,
                    "target_month": str(start + h),
                    "horizon_months": h,
                    "area_mature_ha": 40.0 + 3 * i,
                    "yield_mean_t_ha": season,
                    **{f"yield_q{q:02d}_t_ha": max(v, 0.0) for q, v in quantiles.items()},
                    "ffb_mean_t": season * (40.0 + 3 * i),
                    "prior_t_ha": season,
                    "model_id": "stack-1",
                    "quality_flag": "",
                }
            )
            outlines.append(shape)
    return geo({k: [r[k] for r in rows] for k in rows[0]}, outlines, "forecasts") if rows else empty("forecasts")


def features(ids: list[str], geometry: list[object]) -> pd.DataFrame:
    n = np.arange(len(ids), dtype="float64")
    columns = {
        "plantation_id": ids,
        "ndvi": np.where(n == 3, np.nan, 0.78 + n / 100),
        "ndmi": 0.3 + n / 100,
        "valid_fraction": np.clip(0.4 + n / 10, 0, 1),
        "scenes": [3] * len(ids),
        "offset_inferred": [False] * len(ids),
        "p_sum_mm": 180.1234567,
        "known_at": [dt.date(2026, 6, int(d) + 1) for d in n % 3],
        "quality_flag": "",
    }
    return geo(columns, geometry, "features")


def quarantine() -> pd.DataFrame:
    rows = [
        ("harvest", "harvest.csv", i, "ffb_t", f"x{i}", "not a number: the row is left out", "rejected", "P-01")
        for i in range(1, 61)
    ]
    rows.append(("imagery", "items.json", None, "B04", None, "cannot be read: the scene is left out", "rejected", None))
    rows.append(("register", "register.geojson", 7, "oer", "1.7", "not a fraction: left empty", "nulled", "P-02"))
    return finalise(pd.DataFrame(rows, columns=list(TABLES["quarantine"].columns)), "quarantine")


def curves() -> pd.DataFrame:
    start = Month.parse(AS_OF[:7])
    source = ["settlement"] * 12 + ["interpolated"] * 6 + ["extrapolated"] * 18
    columns = {
        "symbol": ["FCPO"] * 36,
        "delivery_month": [str(start + i) for i in range(1, 37)],
        "forward": [4100 - 18 * i + 60 * math.sin(i / 2) for i in range(36)],
        "currency": ["MYR"] * 36,
        "curve_source": source,
        "fv_level": [{"settlement": 1, "interpolated": 2, "extrapolated": 3}[s] for s in source],
    }
    return finalise(pd.DataFrame(columns), "curves")


def places(count: int) -> list[object]:
    """Outlines in three areas: Johor, Central Kalimantan, Sabah; the last of twelve or more is a point."""
    out: list[object] = []
    for i in range(count):
        lon, lat = [(103.35, 1.95), (112.4, -2.5), (117.9, 5.4)][i % 3]
        out.append(outline(lon + 0.031 * (i // 3), lat + 0.013 * ((i * 5) % 4), 0.005 + 0.0015 * (i % 4)))
    if count >= 12:
        out[-1] = shapely.centroid(out[-1])
    return out


@lru_cache(maxsize=8)
def summary(count: int, simulated: bool = True) -> SummaryData:
    """What the page gets for a portfolio of ``count`` plantations."""
    ids, geometry = [f"P-{i:02d}" for i in range(1, count + 1)], places(count)
    start = Month.parse(AS_OF[:7])
    past = [str(start + (-i)) for i in range(60)]
    history = [
        (
            name,
            m,
            1.4 + 0.05 * k + 0.4 * math.sin(Month.parse(m).number / 12 * 2 * math.pi + 2.2) + 0.1 * math.sin(j * 2.7),
        )
        for k, name in enumerate(ids[: max(1, count * 3 // 4)] if count else [])
        for j, m in enumerate(past)
        if j
    ]
    index = [
        (
            name,
            m,
            math.nan if j % 7 == 3 else 0.8 + 0.05 * math.sin(j),
            0.35 + 0.06 * math.sin(j / 3),
            (j * 37 % 10) / 10,
        )
        for name in ids[: count // 2 + 1]
        for j, m in enumerate(past[:36])
    ]
    outlook = pd.DataFrame(
        {
            "plantation_id": ids,
            "yield12_mean": [17.5 + 0.6 * i for i in range(count)],
            "yield12_q05": [13.0 + 0.5 * i for i in range(count)],
            "yield12_q10": [14.0 + 0.5 * i for i in range(count)],
            "yield12_q90": [21.0 + 0.7 * i for i in range(count)],
            "yield12_q95": [22.0 + 0.7 * i for i in range(count)],
        }
    )
    return SummaryData(
        meta={
            "portfolio": "Borneo and Johor I",
            "as_of": AS_OF,
            "simulated": simulated,
            "seed": 20260531,
            "paths": 2000,
            "code_version": "0.1.0",
        },
        valuations=valuations(ids, geometry) if count else empty("valuations"),
        forecasts=forecasts(ids, geometry),
        outlook=outlook,
        history=pd.DataFrame(history, columns=["plantation_id", "month", "yield_t_ha"]),
        features=pd.DataFrame(index, columns=["plantation_id", "month", "ndvi", "ndmi", "valid_fraction"]),
        curve=curves() if count else empty("curves"),
        quarantine=quarantine() if count else empty("quarantine"),
        inputs={"harvest/harvest.csv": "a" * 64, "register/register.geojson": "b" * 64},
        assumptions=pd.DataFrame(
            [
                ("netback.cess_myr_t", 16.0, "MYR t-1", "MPOB cess order"),
                ("age.curve", [0, 5.1, 12], "t ha-1 a-1", "domain table"),
            ],
            columns=["key", "value", "unit", "source"],
        ),
        geometry=gpd.GeoDataFrame({"plantation_id": ids}, geometry=geometry, crs="EPSG:4326"),
    )


@lru_cache(maxsize=1)
def _mixed() -> dict[str, pd.DataFrame]:
    ids = [f"P-{i}" for i in range(len(shapes()))]
    return {
        "features": features(ids, shapes()),
        "forecasts": forecasts(ids, shapes(), 3),
        "valuations": valuations(ids, shapes()),
        "quarantine": quarantine(),
        "curves": curves(),
    }


def mixed() -> dict[str, pd.DataFrame]:
    """Each table with rows, the ones with geometry with every kind of it."""
    return {name: frame.copy() for name, frame in _mixed().items()}
