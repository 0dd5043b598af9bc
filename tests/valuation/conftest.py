"""A small market and a small portfolio, every number chosen by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa import distributions
from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.periods import Month
from plantation_rwa.valuation.market import MarketTables
from plantation_rwa.valuation.run import Book, ValuationResult, value

AS_OF = dt.date(2026, 1, 31)


def days(values: list[str]) -> pd.Series:
    return pd.to_datetime(pd.Series(values, dtype="str")).astype("datetime64[us]")


def make_futures(settle_date: str = "2026-01-20", settles: dict[str, float] | None = None) -> pd.DataFrame:
    """Bernama close of 2026-01-20 (domain/valuation.md 2.1), extended by two simulated far months."""
    settles = settles or {
        "2026-02": 4066, "2026-03": 4084, "2026-04": 4094, "2026-05": 4096, "2026-06": 4090, "2026-07": 4084,
        "2026-08": 4080, "2026-09": 4070, "2026-10": 4060, "2026-11": 4050, "2026-12": 4045, "2027-01": 4040,
    }  # fmt: skip
    n = len(settles)
    return pd.DataFrame(
        {
            "settle_date": days([settle_date] * n),
            "symbol": "FCPO",
            "contract": list(settles),
            "settle": np.array(list(settles.values()), dtype="float64"),
            "currency": "MYR",
            "open_interest": np.nan,
        }
    )


def make_prices(**values: tuple[str, float, str]) -> pd.DataFrame:
    """series -> (date, value, currency), per t."""
    rows = values or {
        "cpo_my": ("2025-12-31", 4030.0, "MYR"),
        "pk_my": ("2025-12-31", 3000.0, "MYR"),
        "cpo_id": ("2026-01-13", 14216810.0, "IDR"),
        "pk_id": ("2026-01-13", 11239120.0, "IDR"),
        "k_id": ("2026-01-13", 0.92, None),
        "shell_id": ("2026-01-13", 20290.0, "IDR"),
    }
    return pd.DataFrame(
        {
            "date": days([r[0] for r in rows.values()]),
            "series": list(rows),
            "value": [float(r[1]) for r in rows.values()],
            "currency": [r[2] for r in rows.values()],
            "region": None,
            "known_at": pd.Timestamp("2026-01-15", tz="UTC"),
        }
    )


def make_fx() -> pd.DataFrame:
    rows = [("MYR", "IDR", 4100.0), ("USD", "MYR", 4.05)]
    return pd.DataFrame(
        {
            "date": days(["2026-01-13"] * 2),
            "base": [r[0] for r in rows],
            "quote": [r[1] for r in rows],
            "rate": [r[2] for r in rows],
            "kind": "spot",
        }
    )


def make_rates() -> pd.DataFrame:
    rows = [("MYR", t, r) for t, r in ((1, 0.0305), (2, 0.0312), (3, 0.0318), (5, 0.033), (10, 0.035))]
    rows += [("IDR", 1, 0.055), ("IDR", 5, 0.060)]
    return pd.DataFrame(
        {
            "date": days(["2026-01-30"] * len(rows)),
            "currency": [r[0] for r in rows],
            "tenor_years": [float(r[1]) for r in rows],
            "zero_rate": [r[2] for r in rows],
        }
    )


def make_fiscal() -> pd.DataFrame:
    """The packaged table as a source would deliver it."""
    from importlib import resources

    file = resources.files("plantation_rwa").joinpath("data/fiscal.csv")
    with file.open(encoding="utf-8") as handle:
        frame = pd.read_csv(handle)
    for column in ("effective_from", "effective_to"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    return frame


def make_market(**replaced: pd.DataFrame) -> MarketTables:
    tables = {
        "futures": make_futures(),
        "prices": make_prices(),
        "fx": make_fx(),
        "rates": make_rates(),
        "fiscal": make_fiscal(),
    }
    return MarketTables(**(tables | replaced))


def make_forecast(plantation_id: str, months: int = 24, area: float = 100.0, level: float = 1.6) -> pd.DataFrame:
    """The same skewed distribution in every month, mean near ``level`` t per ha."""
    q = level * np.array([0.55, 0.65, 0.82, 1.0, 1.18, 1.36, 1.48])
    mean = float(distributions.mean_from_quantiles(q))
    first = Month.of(AS_OF) + 1
    frame = pd.DataFrame({"target_month": [str(first + i) for i in range(months)]})
    frame["plantation_id"] = plantation_id
    frame["horizon_months"] = range(1, months + 1)
    frame["area_mature_ha"] = area
    frame["yield_mean_t_ha"] = mean
    for name, number in zip((5, 10, 25, 50, 75, 90, 95), q, strict=True):
        frame[f"yield_q{name:02d}_t_ha"] = number
    frame["ffb_mean_t"] = mean * area
    return frame


def make_model(plantation_id: str, region: str = "R", age: float = 11.5) -> dict[str, Any]:
    return {
        "plantation_id": plantation_id, "region": region, "loading_common": 0.5, "loading_region": 0.5,
        "loading_own": np.sqrt(0.5), "ar1_common": 0.4, "ar1_region": 0.3, "ar1_own": 0.2, "age_mean_years": age,
    }  # fmt: skip


def make_register(**replaced: Any) -> pd.DataFrame:
    """P1 in Johor, P2 in Riau, P3 in Sabah."""
    frame = pd.DataFrame(
        {
            "plantation_id": ["P1", "P2", "P3"],
            "country": ["MY", "ID", "MY"],
            "state": ["Johor", "Riau", "Sabah"],
            "region": ["south", "riau", "sabah"],
            "scheme": [None, "id_swadaya", "my_netback"],
            "oer": [0.20, np.nan, 0.21],
            "ker": [0.05, np.nan, 0.05],
            "planted_date": days(["2014-01-01", "2014-01-01", "2012-01-01"]),
            "planted_area_ha": [120.0, 100.0, 30.0],
            "tenure_end": pd.Series([pd.NaT] * 3, dtype="datetime64[us]"),
            "sponsor_id": ["S1", None, None],
        }
    )
    return frame.assign(**replaced)


def make_rights(ids: tuple[str, ...] = ("P1", "P2", "P3"), **replaced: Any) -> pd.DataFrame:
    row = {
        "right_id": "R1", "share": 0.2, "base": "gross_mill_gate", "tenor_months": 24, "start_month": None,
        "step_up": 1.0, "price_floor": None, "price_cap": None, "price_basis": "ffb", "min_payment": None,
        "max_payment": None, "payment_lag_months": 1, "frequency_months": 3, "first_loss": None,
        "reserve_months": 3, "issue_price": None, "units": 1_000_000, "pool_id": None, "payor_id": None,
        "collection_route": "sponsor",
    }  # fmt: skip
    return pd.DataFrame([{"plantation_id": i} | row | replaced for i in ids])


@pytest.fixture(scope="session")
def assumptions() -> Assumptions:
    return packaged()


@pytest.fixture(scope="session")
def book(assumptions: Assumptions) -> Callable[..., Book]:
    """The small portfolio; keyword arguments replace inputs, ``override`` replaces assumptions."""

    def make(ids: tuple[str, ...] = ("P1", "P2", "P3"), **replaced: Any) -> Book:
        override = replaced.pop("override", {})
        inputs: dict[str, Any] = {
            "forecasts": pd.concat([make_forecast(i) for i in ids], ignore_index=True),
            "forecast_model": pd.DataFrame([make_model(i) for i in ids]),
            "register": make_register(),
            "rights": make_rights(ids),
            "market": make_market(),
            "as_of": AS_OF,
            "seed": 7,
            "paths": 400,
            "currency": "MYR",
            "assumptions": assumptions.override(override, where="test"),
        }
        return Book(**(inputs | replaced))

    return make


@pytest.fixture(scope="session")
def portfolio(book: Callable[..., Book]) -> Callable[..., ValuationResult]:
    """Value the small portfolio; keyword arguments as of ``book``, and ``full``."""

    def run(*args: Any, **replaced: Any) -> ValuationResult:
        full = replaced.pop("full", True)
        return value(book(*args, **replaced), full=full)

    return run


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The factories above, for tests that build inputs of their own."""
    return SimpleNamespace(
        as_of=AS_OF, futures=make_futures, prices=make_prices, fx=make_fx, rates=make_rates, fiscal=make_fiscal,
        market=make_market, forecast=make_forecast, model=make_model, register=make_register, rights=make_rights,
    )  # fmt: skip
