"""What the market tables say at the valuation date: latest prices and exchange rates."""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.valuation.discounting import forward_fx, known_curve
from plantation_rwa.valuation.fx_forwards import quoted_forwards

_PIVOTS = ("USD", "EUR", "MYR", "SGD")
#: what the market tables were asked and what they answered: table and question -> answer
Reads = dict[tuple[object, ...], object]


@dataclass(frozen=True)
class MarketTables:
    """Market inputs known at the valuation date; any may be empty.

    Parameters
    ----------
    futures, prices, fx, rates, fiscal
        As the sources deliver them: prices per t, rates continuous, one row per record.
    holidays
        Closing days of the futures exchange.
    """

    futures: pd.DataFrame
    prices: pd.DataFrame
    fx: pd.DataFrame
    rates: pd.DataFrame
    fiscal: pd.DataFrame
    holidays: frozenset[dt.date] = field(default_factory=lambda: packaged_holidays("MY"))


@dataclass(frozen=True)
class Price:
    """One price observation, per t (K index: a fraction); a monthly one is the mean of the month ending on ``day``."""

    value: float
    currency: str
    day: dt.date
    monthly: bool = False


class Prices:
    """Latest observation of a series, the plantation's own region before region-free before any other.

    Parameters
    ----------
    table
        Observations known.
    as_of
        Later ones are not looked at.
    reads
        Takes a note of every answer, for who must know what a value rests on.
    """

    def __init__(self, table: pd.DataFrame, as_of: dt.date, reads: Reads | None = None) -> None:
        self._reads = reads
        rows = table[table["date"].notna() & (table["date"] <= pd.Timestamp(as_of)) & (table["value"] >= 0)]
        keys = [c for c in ("series", "date", "known_at", "region", "value") if c in rows.columns]
        rows = rows.sort_values(keys, kind="stable", na_position="first")
        self._by_series = {str(name): group for name, group in rows.groupby("series", sort=True)}

    def latest(self, series: str, regions: Iterable[str] = ()) -> Price | None:
        """The newest value of a series for one of the regions (compared without case); None if there is none."""
        asked = tuple(sorted(regions))
        found = self._latest(series, asked)
        if self._reads is not None:
            self._reads["prices", series, *asked] = found
        return found

    def _latest(self, series: str, regions: Iterable[str]) -> Price | None:
        rows = self._by_series.get(series)
        if rows is None:
            return None
        region = rows["region"].astype("object").where(rows["region"].notna(), "").astype("str").str.casefold()
        wanted = {r.casefold() for r in regions if r}
        for match in (region.isin(wanted), region == ""):
            if bool(match.any()):
                rows = rows[match]
                break
        row = rows.iloc[-1]
        currency = str(row["currency"]) if pd.notna(row["currency"]) else ""
        monthly = str(row.get("frequency", "day")) == "month"
        return Price(float(row["value"]), currency, pd.Timestamp(row["date"]).date(), monthly)


class FxRates:
    """Spot and forward exchange rates, quote per base, by direct, inverse or cross quotation.

    Parameters
    ----------
    fx, rates
        Exchange rates and zero rates known.
    as_of
        Valuation date.
    reads
        As of :class:`Prices`.
    """

    def __init__(self, fx: pd.DataFrame, rates: pd.DataFrame, as_of: dt.date, reads: Reads | None = None) -> None:
        self._reads = reads
        known = fx[(fx["date"] <= pd.Timestamp(as_of)) & (fx["rate"] > 0)]
        rows = known
        spot_kind = rows["kind"].isna() | rows["kind"].astype("object").isin(["spot", ""])
        rows = rows[spot_kind].sort_values(["base", "quote", "date", "rate"], kind="stable")
        self._as_of = as_of
        currencies = sorted({str(c) for c in rates["currency"].dropna()})
        self._zero = {c: curve for c in currencies if (curve := known_curve(rates, c, as_of)) is not None}
        self._pairs = {
            (str(base), str(quote)): ([pd.Timestamp(d).date() for d in g["date"]], [float(r) for r in g["rate"]])
            for (base, quote), g in rows.groupby(["base", "quote"], sort=True)
        }
        self._forwards = quoted_forwards(known, lambda b, q, day: self._spot(b, q, day.date()))

    def spot(self, base: str, quote: str, day: dt.date | None = None) -> float | None:
        """Units of ``quote`` per unit of ``base`` on or last before a day (default: the valuation date)."""
        day = day or self._as_of
        if base == quote:
            return 1.0
        found = self._spot(base, quote, day)
        if self._reads is not None:
            self._reads["fx", base, quote, day.isoformat()] = found
        return found

    def _spot(self, base: str, quote: str, day: dt.date) -> float | None:
        single = self._quoted(base, quote, day)
        if single is not None:
            return single
        for pivot in _PIVOTS:
            first, second = self._quoted(base, pivot, day), self._quoted(pivot, quote, day)
            if first is not None and second is not None:
                return first * second
        return None

    def _quoted(self, base: str, quote: str, day: dt.date) -> float | None:
        if base == quote:
            return 1.0
        direct, inverse = self._last(base, quote, day), self._last(quote, base, day)
        if direct is not None and (inverse is None or direct[0] >= inverse[0]):
            return direct[1]
        return 1.0 / inverse[1] if inverse is not None else None

    def _last(self, base: str, quote: str, day: dt.date) -> tuple[dt.date, float] | None:
        days, rates = self._pairs.get((base, quote), ([], []))
        known = bisect_right(days, day)
        return (days[known - 1], rates[known - 1]) if known else None

    def forward(self, base: str, quote: str, t: float) -> float | None:
        """Forward in t years: as quoted, else by interest parity, else the spot rate where a zero curve is missing."""
        spot = self.spot(base, quote)
        if spot is None or base == quote or t <= 0:
            return spot
        found = self._carried(base, quote, t, spot)
        if self._reads is not None:
            self._reads["fx", base, quote, f"in {t!r} years"] = found
        return found

    def _carried(self, base: str, quote: str, t: float, spot: float) -> float:
        direct, inverse = self._forwards.get((base, quote)), self._forwards.get((quote, base))
        if direct is not None:
            return spot * math.exp(direct.premium(t, lambda s: self._parity(base, quote, s)))
        if inverse is not None:
            return spot * math.exp(-inverse.premium(t, lambda s: self._parity(quote, base, s)))
        return spot * math.exp(self._parity(base, quote, t) or 0.0)

    def _parity(self, base: str, quote: str, t: float) -> float | None:
        """``ln(F / S)`` by covered interest parity; None without a zero curve of either currency."""
        quoted, based = self._zero.get(quote), self._zero.get(base)
        if quoted is None or based is None:
            return None
        return math.log(forward_fx(1.0, quoted.rate(t), based.rate(t), t))
