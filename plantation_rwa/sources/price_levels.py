"""Physical prices against futures and exchange rates of their days: a factor off is another unit or currency."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.sources.tables import Sheet

#: series -> its currency, and the palm oil series of its country that a kernel price is held against
_OIL = {"cpo_id": "IDR", "hr_cpo_usd": "USD"}
_KERNEL = {"pk_my": ("MYR", "cpo_my"), "pk_id": ("IDR", "cpo_id")}
#: contracts of a day that stand for its price
_NEAREST = 3


def reject_off_market(sheet: Sheet, futures: pd.DataFrame, fx: pd.DataFrame, limits: Assumptions) -> None:
    """Reject Indonesian, dollar and kernel prices that are a factor off what their days' markets make them.

    Palm oil is held against the nearest futures and the Malaysian price of its days, each at the exchange rate; kernels
    against palm oil of their country, without one against both of those. A price is rejected where all that there is
    to hold it against says so: of two that contradict each other neither is believed. What has nothing to be held
    against is left alone. Quotations after the price's own day are not looked at.

    Parameters
    ----------
    sheet
        Prices per t with ``date`` and ``frequency`` settled.
    futures, fx
        Accepted rows.
    limits
        ``check.price_over_curve``, ``check.kernel_over_oil``; ``check.monthly_gap_days``, how old a quotation may be.
    """
    frame, oldest = sheet.frame, pd.Timedelta(days=limits.number("check.monthly_gap_days"))
    front, rates = _Daily(_front(futures), oldest), Rates(fx, oldest)
    told: dict[int, str] = {}
    over_curve: Mapping[str, Sequence[float]] = limits.table("check.price_over_curve")
    kernel: Sequence[float] = limits.table("check.kernel_over_oil")
    accepted = frame[sheet.accepted]
    malaysian = _Daily(_series(accepted, "cpo_my"), oldest)

    def markets(row: pd.Series, currency: str) -> dict[str, float]:
        rate = rates.rate("MYR", currency, row)
        found = {"the futures": front.at(row), "cpo_my": malaysian.at(row)}
        return {name: value * rate for name, value in found.items() if value is not None and rate is not None}

    for series, currency in _OIL.items():
        for i, row in accepted[accepted["series"] == series].iterrows():
            reason = _off(series, float(row["value"]), markets(row, currency), over_curve[series], currency)
            told |= {int(str(i)): reason} if reason else {}
    for series, (currency, name) in _KERNEL.items():
        oil = _Daily(_series(accepted.drop(index=list(told)), name), oldest)
        for i, row in accepted[accepted["series"] == series].iterrows():
            own = oil.at(row)
            against = {name: own} if own is not None else markets(row, currency)
            reason = _off(series, float(row["value"]), against, kernel, currency)
            told |= {int(str(i)): reason} if reason else {}
    mask = np.zeros(len(frame), dtype=bool)
    mask[list(told)] = True
    sheet.reject(mask, "value", [told[i] for i in np.flatnonzero(mask).tolist()])


def _off(series: str, value: float, against: Mapping[str, float], bounds: Sequence[float], currency: str) -> str:
    """What is wrong with a price, empty where anything says that nothing is."""
    low, high = (float(b) for b in bounds)
    ratios = {name: value / level for name, level in against.items()}
    if not ratios or any(low <= ratio <= high for ratio in ratios.values()):
        return ""
    name, ratio = next(iter(ratios.items()))
    return (
        f"{series} is {ratio:.3g} times {name} of its days ({against[name]:,.6g} {currency} per t), outside {low:g} to "
        f"{high:g}; check its unit and currency"
    )


class _Daily:
    """Values by day, each with the instants between which it was known.

    Parameters
    ----------
    table
        ``date, value, known_at``, and ``known_until`` of what was set aside later; of one day the row known first
        counts.
    oldest
        Age beyond which a value stands for no day any more.
    """

    def __init__(self, table: pd.DataFrame, oldest: pd.Timedelta) -> None:
        ends = table["known_until"] if "known_until" in table else pd.Series(pd.NaT, index=table.index)
        rows = table.assign(until=ends).sort_values(["date", "known_at", "value"], kind="stable")
        rows = rows.drop_duplicates(["date", "until"])
        self._days, self._known, self._until = list(rows["date"]), list(rows["known_at"]), list(rows["until"])
        self._values, self._oldest = [float(v) for v in rows["value"]], oldest

    def at(self, row: pd.Series, *, mean: bool = True) -> float | None:
        """Mean over the days of a monthly price, else the newest value up to the day; None if it is too old."""
        date, instant = row["date"], row["known_at"]
        end = bisect_right(self._days, date)
        if mean and row["frequency"] == "month":
            start = bisect_right(self._days, date.replace(day=1) - pd.Timedelta(days=1))
            inside = [self._values[k] for k in range(start, end) if self._seen(k, instant)]
            if inside:
                return sum(inside) / len(inside)
        while end and not self._seen(end - 1, instant):
            end -= 1
        return self._values[end - 1] if end and date - self._days[end - 1] <= self._oldest else None

    def _seen(self, k: int, instant: pd.Timestamp) -> bool:
        return bool(self._known[k] <= instant and (pd.isna(self._until[k]) or instant < self._until[k]))


class Rates:
    """Spot exchange rates by day."""

    def __init__(self, fx: pd.DataFrame, oldest: pd.Timedelta) -> None:
        spot = fx[fx["kind"] == "spot"].rename(columns={"rate": "value"})
        pairs = spot.groupby(["base", "quote"], sort=True)
        self._pairs = {(str(b), str(q)): _Daily(rows, oldest) for (b, q), rows in pairs}

    def rate(self, base: str, quote: str, row: pd.Series) -> float | None:
        """Units of ``quote`` per ``base``: quoted, turned round, or by way of the US dollar; None if there is none."""
        if base == quote:
            return 1.0
        for first, second in ((base, quote), (quote, base)):
            found = self._pairs[first, second].at(row, mean=False) if (first, second) in self._pairs else None
            if found is not None:
                return found if first == base else 1.0 / found
        if "USD" in (base, quote):
            return None
        legs = (self.rate(base, "USD", row), self.rate("USD", quote, row))
        return None if legs[0] is None or legs[1] is None else legs[0] * legs[1]


def _front(futures: pd.DataFrame) -> pd.DataFrame:
    """Median of the nearest contracts of each day: ``date, value, known_at, known_until``."""
    rows = futures.sort_values(["settle_date", "contract"], kind="stable")
    keys = ["settle_date", "known_at"]
    nearest = rows.groupby(keys, sort=True).head(_NEAREST)
    found = nearest.groupby(keys, sort=True).agg(value=("settle", "median"), known_until=("known_until", "min"))
    return found.reset_index().rename(columns={"settle_date": "date"})


def _series(prices: pd.DataFrame, series: str) -> pd.DataFrame:
    """Median over regions of a series by day and the instant it became known."""
    rows = prices[prices["series"] == series]
    return rows.groupby(["date", "known_at"], sort=True)["value"].median().reset_index()
