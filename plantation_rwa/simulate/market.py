"""Prices, futures, currencies and rates of the simulated market."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.calendars import last_trading_day, listed_contracts, packaged_holidays
from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate.term_structure import TRUTH, daily_factors, monthly_log_prices
from plantation_rwa.streams import stream

#: Malaysian zero curve in fractions at 1, 2, 3, 5, 10 years (domain/valuation.md 2.3, sample curve), and shifts
TENORS, ZERO = (1.0, 2.0, 3.0, 5.0, 10.0), (0.0305, 0.0312, 0.0318, 0.0330, 0.0350)
RATE_SHIFT = {"MYR": 0.0, "IDR": 0.0310, "USD": 0.0075}
#: domestic prices as fractions of the world ones: palm oil and kernel in Malaysia and Indonesia
CPO_MY, PK_MY, CPO_ID, PK_ID, HR_ID = 0.97, 0.42, 0.86, 0.36, 0.90


@dataclass(frozen=True)
class World:
    """World prices and currencies that the domestic market is built around.

    Parameters
    ----------
    prices
        Indexed by ``YYYY-MM``: ``palm_oil_usd_t``, ``palm_kernel_oil_usd_t``.
    fx
        Indexed by date: ``USDMYR``, ``USDIDR`` (quote per USD), ``EURUSD``.
    """

    prices: pd.DataFrame
    fx: pd.DataFrame


def invented_world(seed: int, first: Month, last: Month) -> World:
    """Palm oil by the two-factor model about 1,000 USD/t, kernel oil a reverting multiple of it, random currencies."""
    rng = stream(seed, "world_prices")
    months = month_range(first, last)
    ratio, palm, kernel = 0.0, [], []
    for log_price in monthly_log_prices(rng, len(months), 1000.0).tolist():
        ratio = 0.93 * ratio + rng.normal(0, 0.05)
        palm.append(round(float(np.exp(log_price)), 2))
        kernel.append(round(1.5 * float(np.exp(log_price + ratio)), 2))
    prices = pd.DataFrame({"palm_oil_usd_t": palm, "palm_kernel_oil_usd_t": kernel}, index=[str(m) for m in months])
    days = pd.bdate_range(first.first, last.last)

    def walk(start: float, sd: float) -> NDArray[np.float64]:
        return np.asarray(start * np.exp(np.cumsum(rng.normal(0, sd / np.sqrt(260), days.size))))

    start = {"USDMYR": 4.3, "USDIDR": 15800.0, "EURUSD": 1.1}
    fx = pd.DataFrame({pair: walk(rate, 0.05).round(4) for pair, rate in start.items()}, index=days)
    return World(prices, fx)


def domestic(seed: int, world: World, known_lag_days: int = 3) -> pd.DataFrame:
    """Monthly domestic series of the contract: MYR/t, IDR/kg, the factor ``k_id``, and the USD reference price.

    Domestic levels are fixed fractions of the world prices at the month's mean exchange rate; ``k_id`` and
    ``shell_id`` are drawn about 0.92 and 22 IDR/kg.
    """
    rng = stream(seed, "domestic_prices")
    monthly = world.fx.groupby(pd.DatetimeIndex(world.fx.index).strftime("%Y-%m")).mean()
    rows: list[tuple[str, str, float, str, str, str]] = []
    k = 0.0
    for month, palm, kernel in world.prices[["palm_oil_usd_t", "palm_kernel_oil_usd_t"]].itertuples():
        k = 0.8 * k + rng.normal(0, 0.006)
        shell = round(22.0 + float(rng.normal(0, 1.5)), 2)
        if month not in monthly.index:
            continue
        myr, idr = (float(v) for v in monthly.loc[month, ["USDMYR", "USDIDR"]])
        name = str(month)
        rows += [
            (name, "cpo_my", round(palm * myr * CPO_MY, 2), "MYR", "t", ""),
            (name, "pk_my", round(kernel * myr * PK_MY, 2), "MYR", "t", ""),
            (name, "cpo_id", round(palm * idr * CPO_ID / 1000.0, 2), "IDR", "kg", ""),
            (name, "pk_id", round(kernel * idr * PK_ID / 1000.0, 2), "IDR", "kg", ""),
            (name, "k_id", round(min(max(0.92 + k, 0.88), 0.935), 4), "", "1", ""),
            (name, "shell_id", shell, "IDR", "kg", ""),
            (name, "hr_cpo_usd", round(palm * HR_ID, 2), "USD", "t", ""),
        ]
    table = pd.DataFrame(rows, columns=["month", "series", "value", "currency", "unit", "region"])
    ends = pd.to_datetime(table["month"] + "-01", utc=True) + pd.offsets.MonthEnd(0)
    table["known_at"] = (ends + pd.Timedelta(days=known_lag_days)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return table


def trading_days(last: dt.date, count: int) -> pd.DatetimeIndex:
    """The last ``count`` trading days up to ``last``."""
    days = pd.bdate_range(end=pd.Timestamp(last), periods=count + count // 10 + 20)
    holidays = packaged_holidays("MY")
    return days[[d.date() not in holidays for d in days]][-count:]


def futures(seed: int, monthly: pd.Series, last: dt.date, days: int) -> pd.DataFrame:
    """Daily settlements of FCPO about a monthly price.

    Parameters
    ----------
    monthly
        Domestic price MYR/t by ``YYYY-MM``; it must reach back a year before the first settlement.
    last, days
        Last settlement day and number of days.

    Returns
    -------
    pandas.DataFrame
        Contract columns, sorted by day and contract; whole MYR, the forwards of the two-factor model of
        ``term_structure.TRUTH`` with an error of 3 MYR, at factors that give the monthly prices as means.
    """
    rng, closed = stream(seed, "futures"), packaged_holidays("MY")
    dates = [d.date() for d in trading_days(last, days)]
    short, long = daily_factors(rng, monthly[monthly.index <= f"{last:%Y-%m}"], dates)
    rows = []
    for day, chi, xi in zip(dates, short.tolist(), long.tolist(), strict=True):
        for position, contract in enumerate(listed_contracts(day, closed)):
            years = max(0, (last_trading_day(contract, closed) - day).days) / 365.0
            settle = TRUTH.forward(years, chi, xi) + rng.normal(0, 3.0)
            interest = 60000.0 * np.exp(-(((position - 2.0) / 4.0) ** 2)) * np.exp(rng.normal(0, 0.1)) + 900.0 * np.exp(
                -position / 9.0
            )
            rows.append(
                (
                    day.isoformat(),
                    "FCPO",
                    str(contract),
                    round(settle),
                    "MYR",
                    int(interest),
                    int(0.3 * interest),
                )
            )
    return pd.DataFrame(
        rows, columns=["settle_date", "symbol", "contract", "settle", "currency", "open_interest", "volume"]
    )


def currencies(fx: pd.DataFrame) -> pd.DataFrame:
    """Exchange rates in the contract's long layout: USD/MYR, USD/IDR, EUR/USD and the cross MYR/IDR."""
    pairs = {
        ("USD", "MYR"): fx["USDMYR"].round(6),
        ("USD", "IDR"): fx["USDIDR"].round(4),
        ("EUR", "USD"): fx["EURUSD"].round(6),
        ("MYR", "IDR"): (fx["USDIDR"] / fx["USDMYR"]).round(4),
    }
    parts = []
    for (base, quote), rate in pairs.items():
        part = pd.DataFrame(
            {
                "date": pd.DatetimeIndex(fx.index).strftime("%Y-%m-%d"),
                "base": base,
                "quote": quote,
                "rate": rate.to_numpy(),
                "kind": "spot",
            }
        )
        parts.append(part.dropna(subset="rate"))
    return pd.concat(parts).sort_values(["date", "base", "quote"], kind="stable").reset_index(drop=True)


def zero_curves(seed: int, ends: Sequence[dt.date]) -> pd.DataFrame:
    """Zero rates at month ends for MYR, IDR and USD, with small parallel moves."""
    rng = stream(seed, "rates")
    rows = []
    level = 0.0
    for end in reversed(list(ends)):
        for currency, shift in RATE_SHIFT.items():
            rows += [
                (end.isoformat(), currency, tenor, round(zero + shift + level, 5))
                for tenor, zero in zip(TENORS, ZERO, strict=True)
            ]
        level += float(rng.normal(0, 0.0006))
    table = pd.DataFrame(rows, columns=["date", "currency", "tenor_years", "zero_rate"])
    return table.sort_values(["date", "currency", "tenor_years"], kind="stable").reset_index(drop=True)
