"""A small synthetic portfolio with known truth, straight in panel form (no files)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.forecast.agronomy import annual_deficit, kernel_of, season_default
from plantation_rwa.forecast.cube import stand_potential
from plantation_rwa.panel.build import FEATURE_COLUMNS, build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_range

PLACES = (("MY", "Sabah"), ("MY", "Johor"), ("ID", "Central Kalimantan"))


@dataclass(frozen=True)
class Portfolio:
    """Inputs of the panel, the panel, and the expected yield without noise by plantation and month."""

    register: pd.DataFrame
    features: pd.DataFrame
    harvest: pd.DataFrame
    stand: pd.DataFrame
    months: list[str]
    panel: pd.DataFrame
    expected: pd.DataFrame


def portfolio(
    seed: int = 1,
    plantations: int = 6,
    months: int = 72,
    end: str = "2025-12",
    *,
    noise: float = 0.22,
    beta: float = 0.10,
    unharvested: int = 0,
    future: int = 0,
) -> Portfolio:
    """Truth by the agronomic formulas with log effects, droughts and AR(1) noise; ``future`` months after ``end``."""
    rng = np.random.default_rng(seed)
    assumptions = packaged()
    last = Month.parse(end) + future
    span = month_range(Month.parse(end) + (1 - months), last)
    text = [str(m) for m in span]
    ids = [f"P{i:03d}" for i in range(plantations)]
    register = _register(ids, rng)
    stand = stand_table(register)
    deficit = _deficit(rng, plantations, span)
    expected = (
        _expected(stand, ids, span, deficit, beta, assumptions) * np.exp(rng.normal(0, 0.15, plantations))[:, None]
    )
    shock = _ar1(rng, (1, len(span)), 0.9, 0.05) + _ar1(rng, (plantations, len(span)), 0.35, noise)
    observed = np.maximum(expected * (1 + shock), 0.0)
    harvest = _harvest(ids[: plantations - unharvested], span, observed, register)
    features = _features(ids, span, deficit, rng)
    panel = build_panel(features, harvest, stand, text, mature_age_months=36)
    truth = pd.DataFrame(expected, index=ids, columns=text)
    return Portfolio(register, features, harvest, stand, text, panel, truth)


def _register(ids: list[str], rng: np.random.Generator) -> pd.DataFrame:
    place = [PLACES[i % len(PLACES)] for i in range(len(ids))]
    return pd.DataFrame(
        {
            "plantation_id": ids,
            "country": [c for c, _ in place],
            "state": [s for _, s in place],
            "region": [f"{c}:{s}" for c, s in place],
            "planted_date": pd.to_datetime([f"{2000 + int(y)}-06-01" for y in rng.integers(2, 14, len(ids))]),
            "planted_area_ha": rng.uniform(100, 900, len(ids)).round(1),
            "soil_class": [("S1", "S2", "S3")[i % 3] for i in range(len(ids))],
        }
    )


def _deficit(rng: np.random.Generator, count: int, span: list[Month]) -> np.ndarray:
    """Dry July to September, a shared drought now and then."""
    month = np.array([m.number for m in span])
    dry = np.isin(month, (7, 8, 9)) * 25.0
    years = np.array([m.year for m in span])
    strength = {y: rng.gamma(0.7, 1.3) for y in range(years.min(), years.max() + 1)}
    shared = dry * np.array([strength[y] for y in years])
    return np.maximum(shared[None, :] * rng.uniform(0.6, 1.4, (count, len(span))), 0.0)


def _expected(
    stand: pd.DataFrame, ids: list[str], span: list[Month], deficit: np.ndarray, beta: float, assumptions: Assumptions
) -> np.ndarray:
    ordinals = np.array([m.ordinal for m in span])
    potential, _, _ = stand_potential(stand, tuple(ids), ordinals, assumptions)
    season = season_default("MY_national", assumptions)[ordinals % 12]
    kernel = kernel_of(assumptions)
    before = np.tile(deficit[:, :12], (1, 4))[:, -(len(kernel) - 1) :]
    annual = annual_deficit(np.concatenate([before, deficit], axis=1), kernel)[:, len(kernel) - 1 :]
    return potential * season * np.exp(-beta * annual)


def _ar1(rng: np.random.Generator, shape: tuple[int, int], phi: float, sd: float) -> np.ndarray:
    noise = rng.normal(0, sd * np.sqrt(1 - phi**2), shape)
    noise[:, 0] /= np.sqrt(1 - phi**2)
    for t in range(1, shape[1]):
        noise[:, t] += phi * noise[:, t - 1]
    return noise


def _harvest(ids: list[str], span: list[Month], observed: np.ndarray, register: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (p, "", str(m), observed[i, t] * register["planted_area_ha"][i], np.nan, pd.Timestamp(m.last, tz="UTC"))
        for i, p in enumerate(ids)
        for t, m in enumerate(span)
    ]
    frame = pd.DataFrame(rows, columns=["plantation_id", "block_id", "month", "ffb_t", "area_mature_ha", "known_at"])
    frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True) + pd.Timedelta(days=10)
    return frame


def _features(ids: list[str], span: list[Month], deficit: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "plantation_id": np.repeat(ids, len(span)),
            "month": np.tile([str(m) for m in span], len(ids)),
            "deficit_irho_mm": deficit.ravel(),
            "p_sum_mm": np.maximum(200 - deficit.ravel() + rng.normal(0, 20, deficit.size), 0),
            "ndmi": 0.35 - 0.001 * deficit.ravel() + rng.normal(0, 0.01, deficit.size),
            "known_at": np.tile([m.last for m in span], len(ids)),
        }
    )
    for name in FEATURE_COLUMNS:
        if name not in frame:
            frame[name] = np.nan
    frame["known_at"] = pd.to_datetime(frame["known_at"]) + pd.Timedelta(days=25)
    return frame
