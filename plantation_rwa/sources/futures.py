"""Futures settlements: each row held against the exchange's calendar, its contract's life and its neighbours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.calendars import last_trading_day, listed_contracts, packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec, number_text
from plantation_rwa.sources.futures_levels import Levels
from plantation_rwa.sources.tables import Sheet, read_sheet

#: Futures symbols and the currency they settle in.
SYMBOLS: Mapping[str, str] = {"FCPO": "MYR"}

FUTURES_COLUMNS: Mapping[str, ColumnSpec] = {
    "settle_date": ColumnSpec("date", required=True),
    "symbol": ColumnSpec("choice", required=True, values=tuple(SYMBOLS)),
    "contract": ColumnSpec("month", required=True),
    "settle": ColumnSpec("float", required=True, above=0.0, upper=1e9),
    "currency": ColumnSpec("text", required=True, pattern="[A-Z]{3}", hint="use the ISO 4217 code, such as MYR"),
    "open_interest": ColumnSpec("float", lower=0.0),
    "volume": ColumnSpec("float", lower=0.0),
}


def read_futures(
    paths: Sequence[str] | None,
    quarantine: Quarantine,
    *,
    assumptions: Assumptions | None = None,
    fx: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Daily settlements.

    A row is rejected where it cannot be a settlement: on a closing day, of a contract that has stopped trading or
    is not listed yet (of two such contracts the whole day), of a size no price has had, far from the day's others,
    on a day whose settlements as a whole have left the level of those before (another unit or currency), or further
    from the contract's settlement before than the exchange lets a price move. Each row is held against
    its own day and earlier ones, so that later rows change nothing of what was accepted before; only whether a day is
    at the level of the others is judged anew with each later day, see :class:`.Levels`.

    Parameters
    ----------
    assumptions
        Section ``market``, and of ``check`` ``price_per_t`` and ``monthly_gap_days``; the packaged ones if None.
    fx
        Accepted exchange rates, which tell a price in dollars.

    Returns
    -------
    pandas.DataFrame
        ``settle_date`` (naive midnight), ``symbol, contract`` (YYYY-MM), ``settle`` (currency per t),
        ``currency, open_interest, volume`` (lots, NaN if unknown), ``known_at`` (settlement day, or when the level of
        the day was believed), ``known_until`` (when it was set aside, NaT if it was not), in file order; at each
        instant one row per day, symbol and contract.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column.
    """
    limits = assumptions or packaged()
    sheet = read_sheet(paths, input="futures", columns=FUTURES_COLUMNS, quarantine=quarantine)
    frame = sheet.frame
    frame["known_at"] = frame["settle_date"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    own = frame["symbol"].map(SYMBOLS)
    foreign = own.notna() & (frame["currency"] != "") & (frame["currency"] != own)
    sheet.reject(foreign, "currency", [f"{s} settles in {SYMBOLS[s]}" for s in frame["symbol"][foreign]])
    _reject_dates(sheet)
    sheet.reject_duplicates(["settle_date", "symbol", "contract"], column="contract")
    _reject_sizes(sheet, limits)
    _reject_odd(sheet, limits.number("market.settlement_off_median"))
    levels = Levels(sheet, limits, fx)
    _reject_moves(sheet, limits.number("market.settlement_move_max"), levels.of_row)
    return levels.apply(sheet.result(), quarantine)[[*FUTURES_COLUMNS, "known_at", "known_until"]]


@cache
def _life(day: dt.date) -> tuple[Month, Month]:
    """First and last contract that can have a settlement on a day."""
    listed = listed_contracts(day, packaged_holidays("MY"))
    # which of the alternate months are listed is not held against a row, so one more month counts
    return listed[0], listed[-1] + 1


def _reject_dates(sheet: Sheet) -> None:
    """Closing days, and contracts outside their life; the holiday list says nothing of years it does not reach."""
    frame, closed = sheet.frame, packaged_holidays("MY")
    days = {d: d.date() for d in frame["settle_date"].dropna().unique()}
    shut = {d for d, day in days.items() if day.weekday() >= 5 or day in closed}
    sheet.reject(frame["settle_date"].isin(shut), "settle_date", "the exchange was closed on that day")
    told: dict[tuple[pd.Timestamp, str], str] = {}
    known = frame[["settle_date", "contract"]][frame["settle_date"].notna() & (frame["contract"] != "")]
    for stamp, name in known.drop_duplicates().itertuples(index=False):
        contract, (spot, last) = Month.parse(name), _life(days[stamp])
        if str(contract) < stamp.strftime("%Y-%m"):
            told[stamp, name] = "contract month lies before the settlement day"
        elif contract < spot:
            told[stamp, name] = f"the contract stopped trading on {last_trading_day(contract, closed).isoformat()}"
        elif contract > last:
            told[stamp, name] = f"no contract beyond {last} was listed on that day"
    found = [told.get(key, "") for key in zip(frame["settle_date"], frame["contract"], strict=True)]
    sheet.reject([bool(t) for t in found], "contract", [t for t in found if t])
    # one such contract is a slip of its row; with two it is the date that is wrong, and with it the whole day
    doubts = pd.Series([stamp for stamp, _ in told]).value_counts()
    crossed = frame["settle_date"].isin(doubts.index[doubts >= 2]) & ~np.array([bool(t) for t in found], dtype=bool)
    sheet.reject(crossed, "settle_date", "contracts of the day could not trade then; are day and month crossed?")


def _reject_sizes(sheet: Sheet, limits: Assumptions) -> None:
    """Prices of another unit: outside what was ever paid."""
    told: dict[int, str] = {}
    for symbol, rows in sheet.frame[sheet.accepted].groupby("symbol", sort=True):
        low, high = (float(v) for v in limits.table("check.price_per_t")[str(symbol)])
        for i, value in outside(rows["settle"], low, high):
            told[i] = size_reason(str(symbol), value, low, high, f"{SYMBOLS[str(symbol)]} per t")
    _reject_told(sheet, told)


def outside(values: pd.Series, low: float, high: float) -> list[tuple[int, float]]:
    """Row and value of each number outside two bounds."""
    wrong = values[(values < low) | (values > high)]
    return [(int(i), float(v)) for i, v in zip(wrong.index, wrong, strict=True)]


def size_reason(name: str, value: float, low: float, high: float, unit: str) -> str:
    """What is wrong with a number no price has had, and the unit that would explain it."""
    if low <= value * 1000 <= high:
        hint = "; was it written per kg, or in thousands?"
    else:
        hint = "; was it multiplied by 1000?" if low <= value / 1000 <= high else "; check unit and decimal point"
    return f"{name} lies outside {low:,.10g} to {high:,.10g} {unit}{hint}"


def _reject_odd(sheet: Sheet, factor: float) -> None:
    """Settlements far from the median of their day's, where there are three at least."""
    rows = sheet.frame[sheet.accepted]
    by_day = rows.groupby(["settle_date", "symbol"])["settle"]
    median, count = by_day.transform("median"), by_day.transform("size")
    odd = rows[(count >= 3) & ((rows["settle"] > median * factor) | (rows["settle"] < median / factor))]
    _reject_told(
        sheet,
        {
            int(
                i
            ): f"settle is more than {factor:g} times off {number_text(float(median.at[i]))}, the median of the day"
            for i in odd.index
        },
    )


def _reject_moves(sheet: Sheet, limit: float, levels: NDArray[np.int64]) -> None:
    """Settlements further from the one before than the price limits of the days between allow, spot month apart.

    Before means of the same level: whether the leap from one to the other is right is not asked of single rows.
    """
    frame = sheet.frame
    rows = frame.assign(level=levels)[sheet.accepted]
    rows = rows.sort_values(["symbol", "contract", "level", "settle_date"], kind="stable")
    closed = np.array(sorted(packaged_holidays("MY")), dtype="datetime64[D]")
    ordinals = rows["settle_date"].to_numpy().astype("datetime64[D]")
    spot = rows["contract"].to_numpy() == rows["settle_date"].dt.strftime("%Y-%m").to_numpy()
    told: dict[int, str] = {}
    keys = list(zip(rows["symbol"], rows["contract"], rows["level"], strict=True))
    up, down = np.log1p(limit), np.log1p(-limit)
    last: tuple[int, float] | None = None
    for k, (position, settle) in enumerate(zip(rows.index, np.log(rows["settle"].to_numpy(float)), strict=True)):
        if k == 0 or keys[k] != keys[k - 1]:
            last = None
        if last is not None and not spot[k]:
            days = max(int(np.busday_count(ordinals[last[0]], ordinals[k], holidays=closed)), 1)
            if not days * down - 1e-9 <= settle - last[1] <= days * up + 1e-9:
                before = number_text(round(float(np.exp(last[1])), 6))
                told[int(position)] = (
                    f"settle moved more than the {limit:.0%} a day that the exchange allows, from {before} "
                    f"on {rows['settle_date'].iat[last[0]].date().isoformat()}"
                )
                continue
        last = (k, float(settle))
    _reject_told(sheet, told)


def _reject_told(sheet: Sheet, told: Mapping[int, str]) -> None:
    mask: NDArray[np.bool_] = np.zeros(len(sheet.frame), dtype=bool)
    mask[list(told)] = True
    sheet.reject(mask, "settle", [told[i] for i in np.flatnonzero(mask).tolist()])
