"""Portfolios in every state that the report must stand: whole, empty, alone, many, without evidence, with odd names."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from PIL import Image

from plantation_rwa.grid import reproject, utm_epsg
from plantation_rwa.publish.report import SummaryData
from plantation_rwa.publish.report.words import BRIDGE, DRIVERS, STRESSES
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.screening_fields import RULES, STATES
from tests.publish.portfolio import AS_OF, empty, quarantine, summary

LONG = "Kebun Sawit Plasma Koperasi Unit Desa Mitra Karya Sejahtera Bersama Tahap II Afdeling Timur Blok 17-42 " * 2
NAMES = (
    LONG.strip(),
    "油棕种植园·沙巴",
    "مزرعة النخيل",
    "สวนปาล์มน้ำมัน",
    "Ähtärin <öljypalmu> & \"x\" 'y'",
    "🌴🌴",
    "a" * 180,
    "-",
)


def whole(count: int) -> SummaryData:
    """All tables of ``count`` plantations, the bridge adding up, every state of the screening met."""
    data = summary(count)
    values = data.valuations.copy()
    fair = values["npv_fair"].to_numpy(dtype="float64")
    n = np.arange(count)
    for k, (column, _, _) in enumerate(DRIVERS):
        values[column] = np.round((1.2 - 0.17 * k) * (0.02 if k >= 4 else 1.0) * (1 + 0.1 * (n % 3)), 6)
    for k, column in enumerate(STRESSES):
        values[column] = np.round(fair * (0.45 + 0.06 * k), 4)
    closing = values["nav_total_int"].to_numpy(dtype="int64")
    steps = {f"bridge_{s}": ((n + 1) * (k - 4) * 1_037).astype("int64") for k, s in enumerate(BRIDGE)}
    values = values.assign(**steps, bridge_closing=closing, bridge_opening=closing - sum(steps.values()))
    values = values.assign(share_npv_extrapolated=0.7, advance_rate=0.41, es95=fair * 0.3, eudr_screen="not_checked")
    features = data.features.assign(
        n_clear=(np.arange(len(data.features)) % 5) * 0.7,
        p_sum_mm=150 + 90 * np.sin(np.arange(len(data.features)) / 2),
        deficit_irho_mm=(np.arange(len(data.features)) % 12) * 4.0,
        completeness_sensors=np.where(np.arange(len(data.features)) % 2, 0.9, np.nan),
    )
    usual = data.forecasts["yield_mean_t_ha"] * (0.82 + 0.02 * data.forecasts["area_mature_ha"].rank(method="dense"))
    return replace(
        data,
        meta={**data.meta, "code_sha256": "c" * 64, "configuration_sha256": "d" * 64},
        valuations=finalise(values, "valuations"),
        forecasts=data.forecasts.assign(climatology_region_t_ha=usual),
        features=features,
        curve=data.curve.assign(log_sd=0.05 * np.sqrt(np.arange(1, len(data.curve) + 1)), settle_date="2026-05-29"),
        pools=pools(values),
        disclosure=disclosure(),
        screening=screening([str(i) for i in values["plantation_id"]]),
        skill=pd.DataFrame({"horizon": range(1, 13), "value": 0.4, "lo": 0.31, "hi": 0.47}),
    )


def pools(values: pd.DataFrame) -> pd.DataFrame:
    fair = float(values["npv_fair"].sum())
    row = {
        "pool_id": "portfolio:MYR", "tranche": "whole", "currency": "MYR", "n_rights": len(values), "npv_fair": fair,
        "npv_q05": fair * 0.8, "npv_q10": fair * 0.85, "npv_q90": fair * 1.2, "npv_q95": fair * 1.3, "es95": fair * 0.3,
        "effective_n": 3.4, "decimals": 2,
        "nav_total_int": int(values["nav_total_int"].sum()), "quality_flag": "simulated",
    }  # fmt: skip
    return finalise(pd.DataFrame([row]), "pools")


def disclosure() -> pd.DataFrame:
    common = {"pool_id": "portfolio:MYR", "currency": "MYR", "source": "domain table"}
    rows = [
        {"section": "technique", "item": "valuation technique", "unit": "IFRS 13 level", "weighted_mean": 3.0},
        {"section": "input", "item": "oil extraction rate", "unit": "1", "low": 0.19, "high": 0.22,
         "weighted_mean": 0.2},
        {"section": "sensitivity", "item": "cpo", "unit": "MYR per t, relative", "bump": 0.1, "effect_down": -71_000.5,
         "effect_up": 70_500.25},
        {"section": "sensitivity", "item": "discount", "unit": "a-1", "bump": 0.005, "effect_down": 8_100.0,
         "effect_up": -8_000.0},
        {"section": "roll_forward", "item": "cash", "unit": "MYR", "weighted_mean": -9_000.0},
    ]  # fmt: skip
    return finalise(pd.DataFrame([common | r for r in rows]), "disclosure")


def screening(names: list[str]) -> pd.DataFrame:
    rows = [
        {
            "plantation_id": name, "rule": rule, "state": STATES[(i + k) % 4], "in_eudr_screen": k < 3,
            "finding": f"finding {k} <of {i}>", "evidence": "outline; map", "confidence": "low",
            "not_checked": "what stood before 2020; ground truth" if i % 2 else "ground truth", "rule_version": "t",
        }
        for i, name in enumerate(names)
        for k, rule in enumerate(RULES)
    ]  # fmt: skip
    return finalise(pd.DataFrame(rows), "screening") if rows else empty("screening")


@lru_cache(maxsize=1)
def noise() -> tuple[bytes, bytes]:
    """Pictures of the largest size that hold as much as their colours can: no real ones are as large."""
    found = []
    for count, seed in ((32, 1), (16, 2)):
        pixels = np.random.default_rng(seed).integers(0, count, (64, 64), dtype=np.uint8)
        image = Image.frombytes("P", (64, 64), pixels.tobytes())
        image.putpalette(np.random.default_rng(3).integers(40, 200, 3 * count, dtype=np.uint8).tobytes())
        out = io.BytesIO()
        image.save(out, "PNG", optimize=True)
        found.append(out.getvalue())
    return found[0], found[1]


def chips(geometry: pd.DataFrame) -> pd.DataFrame:
    """A row for each plantation, pictures for all that have an area."""
    rows: list[dict[str, object]] = []
    for name, shape in zip(geometry["plantation_id"], geometry["geometry"], strict=True):
        if shape.geom_type == "Point":
            rows.append({"plantation_id": name, "reason": "the register gives a point, no outline"})
            continue
        crs = utm_epsg(shape.centroid.x, shape.centroid.y)
        x0, y0, x1, y1 = reproject(shape, "EPSG:4326", crs).bounds
        side = 1.2 * max(x1 - x0, y1 - y0)
        rows.append({
            "plantation_id": name, "clear_month": "2026-05", "scene_id": "S2A", "acquired": "2026-05-24T03:10:00+00:00",
            "tile": "48NUG", "clear_share": 0.93, "colour_bands": "B04 B03 B02", "colour_png": noise()[0],
            "ndmi_png": noise()[1], "crs": crs, "left_edge": (x0 + x1 - side) / 2, "top_edge": (y0 + y1 + side) / 2,
            "side": side, "side_m": side, "reason": "",
        })  # fmt: skip
    return finalise(pd.DataFrame(rows), "chips")


def pictured(data: SummaryData) -> SummaryData:
    """The same portfolio with pictures."""
    return replace(data, chips=chips(data.geometry))


def renamed(data: SummaryData, names: dict[str, str]) -> SummaryData:
    """The same portfolio under other names."""
    frames = {}
    for key, value in vars(data).items():
        if isinstance(value, pd.DataFrame) and "plantation_id" in value:
            frames[key] = value.assign(plantation_id=[names.get(str(i), i) for i in value["plantation_id"]])
    return replace(data, **frames)


def _negative(data: SummaryData) -> SummaryData:
    values = data.valuations.copy()
    values.loc[0, ["npv_fair", "npv_q05", "npv_q10", "npv_q50"]] = [-125_000.0, -300_000.0, -260_000.0, -120_000.0]
    return replace(data, valuations=values)


def _quarantined() -> SummaryData:
    bad = quarantine().assign(input="register", reason="outline crosses itself: the row is left out", action="rejected")
    return SummaryData(meta={**summary(1).meta}, quarantine=bad, curve=summary(1).curve)


def _no_evidence(data: SummaryData) -> SummaryData:
    """No satellite scene, no weather, no harvest: the forecast rests on the prior."""
    flags = "no_imagery;no_sensors;no_climate;no_harvest"
    return replace(
        data, features=data.features.iloc[:0], history=data.history.iloc[:0],
        valuations=data.valuations.assign(quality_flag=flags, confidence_grade="D"),
    )  # fmt: skip


def many(count: int) -> SummaryData:
    """A large portfolio from the tables of twelve, so that it is made in seconds; outlines spread over Borneo."""
    base = whole(12)
    frames: dict[str, pd.DataFrame] = {}
    for key in ("valuations", "forecasts", "outlook", "history", "features", "screening", "geometry"):
        frame = getattr(base, key)
        copies = []
        for k in range(-(-count // 12)):
            copy = frame.assign(plantation_id=[f"{i}-{k:03d}" for i in frame["plantation_id"]])
            if key == "geometry":
                copy = copy.assign(geometry=shapely.transform(copy["geometry"].to_numpy(), _moved(k)))
            copies.append(copy)
        joined = pd.concat(copies, ignore_index=True)
        kept = {f"{i}-{k:03d}" for k in range(-(-count // 12)) for i in base.geometry["plantation_id"]}
        chosen = set(sorted(kept)[:count])
        frames[key] = joined[joined["plantation_id"].isin(chosen)].reset_index(drop=True)
    frames["geometry"] = gpd.GeoDataFrame(frames["geometry"], geometry="geometry", crs="EPSG:4326")
    frames["valuations"] = frames["valuations"].assign(
        npv_fair=frames["valuations"]["npv_fair"] * (1 + (np.arange(len(frames["valuations"])) % 97) / 40)
    )
    outlines = frames["geometry"][frames["geometry"].geom_type != "Point"]
    points = frames["geometry"][frames["geometry"].geom_type == "Point"]
    drawn = [chips(outlines.head(200 - min(len(points), 200))), chips(points)]
    return replace(base, **frames, chips=pd.concat(drawn, ignore_index=True))


def _two_currencies(data: SummaryData) -> SummaryData:
    """Rights in ringgit and in rupiah, the last plantation with one in each."""
    values = data.valuations.copy()
    rupiah = np.arange(len(values)) % 3 == 1
    money = [c for c in values if c.startswith(("npv_", "es9", "stress_")) and c != "npv_mc_se"]
    values["currency"] = np.where(rupiah, "IDR", "MYR")
    values.loc[rupiah, money] *= 3_600
    second = values.tail(1).assign(right_id="R2", currency="IDR")
    second[money] = second[money] * 3_600
    values = pd.concat([values, second], ignore_index=True)
    both = pd.concat([data.disclosure, _in_rupiah(data.disclosure)], ignore_index=True)
    pools = pd.concat([data.pools, _in_rupiah(data.pools)], ignore_index=True)
    return replace(data, valuations=finalise(values, "valuations"), disclosure=both, pools=pools)


def _in_rupiah(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the pool in the other currency, amounts as they would be."""
    money = [c for c in frame if c.startswith(("npv_", "es9", "effect_"))]
    other = frame.assign(pool_id="portfolio:IDR", currency="IDR")
    other[money] = other[money] * 3_600
    return other


def _moved(k: int) -> Callable[[np.ndarray], np.ndarray]:
    shift = np.array([0.35 * (k % 9), 0.3 * (k // 9 % 9)]) + 0.01 * (k // 81)
    return lambda xy: xy + shift


STATES_OF_THE_REPORT: dict[str, Callable[[], SummaryData]] = {
    "whole": lambda: pictured(whole(12)),
    "empty": lambda: SummaryData(meta={"as_of": AS_OF, "portfolio": "nothing yet", "simulated": True}),
    "one": lambda: whole(1),
    "many": lambda: many(2000),
    "no_evidence": lambda: _no_evidence(whole(5)),
    "all_quarantined": _quarantined,
    "odd_names": lambda: renamed(whole(8), {f"P-{i:02d}": name for i, name in enumerate(NAMES, start=1)}),
    "negative": lambda: _negative(whole(5)),
    "two_currencies": lambda: _two_currencies(pictured(whole(9))),
}
