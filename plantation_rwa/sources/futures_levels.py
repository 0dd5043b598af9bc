"""Days whose settlements as a whole leave the level of the days before: another unit or currency, not a market."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.price_levels import Rates
from plantation_rwa.sources.tables import Sheet


@dataclass(frozen=True)
class _Rules:
    """Section ``market`` in logarithms."""

    #: a day's price limit downwards, and what two days' limits allow, within which no level is left
    step: float
    same: float
    #: the most that half a year's trading makes, and the business days beyond which anything may have happened
    most: float
    longest: float
    #: settlement days after which a level of no known unit is believed; 0: every level is
    fewest: int
    #: months between two contracts that may stand for each other
    months: int

    @classmethod
    def of(cls, limits: Assumptions) -> _Rules:
        step = float(-np.log1p(-limits.number("market.settlement_move_max")))
        return cls(
            step,
            2 * step,
            float(np.log(limits.number("market.settlement_level_max"))),
            limits.number("market.settlement_level_gap_days"),
            int(limits.number("market.settlement_level_days")),
            int(limits.number("market.settlement_level_months")),
        )


@dataclass
class _Stretch:
    """Settlement days between two leaps.

    Parameters
    ----------
    offset
        Sum of the leaps up to it, in logarithms; trading between leaps does not count.
    level
        Number of the level: of the first stretch that lies within two days' limits of it.
    allowed
        What trading can have made of the leap into it.
    certain
        Whether the leap is more than that.
    """

    first: int
    days: int
    offset: float
    level: int
    allowed: float
    certain: bool


class Levels:
    """Stretches of a sheet's settlements, and from when to when each was believed.

    A day is judged anew with each later day, by what is known then; so a verdict has a beginning and may have an end.

    Parameters
    ----------
    sheet
        Settlements, with the rows rejected that are wrong by themselves. Days that nothing can be held against are
        noted in it.
    limits
        Section ``market``, and ``check.monthly_gap_days``, how old an exchange rate may be.
    fx
        Accepted exchange rates; without them ``market.settlement_level_usd_myr`` stands for the rate.
    """

    def __init__(self, sheet: Sheet, limits: Assumptions, fx: pd.DataFrame | None) -> None:
        frame, rules = sheet.frame, _Rules.of(limits)
        #: level of each row, shape ``(n,)``; 0 where there is none
        self.of_row: NDArray[np.int64] = np.zeros(len(frame), dtype=np.int64)
        self._verdicts: dict[tuple[str, pd.Timestamp], list[tuple[pd.Timestamp, str]]] = {}
        units = _Units(limits, fx)
        for symbol, rows in frame[sheet.accepted].groupby("symbol", sort=True):
            days, moves, gaps = _moves(rows, rules)
            alone = set(days[1:][~np.isfinite(moves)])
            blind = (frame["symbol"] == symbol) & frame["settle_date"].isin(alone) & sheet.accepted
            note = f"no contract within {rules.months} months of one of the day before; its level is taken unchecked"
            sheet.fault(blind, "settle", note, "repaired")
            stretches = _stretches(moves, gaps, rules)
            told = _judged(days, stretches, rules, units)
            number = pd.Series(0, index=days)
            for stretch, verdicts in zip(stretches, told, strict=True):
                own = days[stretch.first : stretch.first + stretch.days]
                number[own] = stretch.level
                self._verdicts |= {(str(symbol), day): verdicts for day in own}
            self.of_row[rows.index] = rows["settle_date"].map(number)

    def apply(self, frame: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
        """Rows with ``known_at`` and ``known_until``, one for each time that they were believed; the others are told.

        Parameters
        ----------
        frame
            Accepted rows of the sheet.
        """
        kept, starts, ends = list[int](), list[pd.Timestamp](), list[pd.Timestamp | None]()
        files, numbers = frame["_file"].to_numpy(), frame["_row"].to_numpy()
        for i, (symbol, day, settle) in enumerate(
            zip(frame["symbol"], frame["settle_date"], frame["settle"], strict=True)
        ):
            verdicts = self._verdicts[symbol, day]
            for k, (since, reason) in enumerate(verdicts):
                until = verdicts[k + 1][0] if k + 1 < len(verdicts) else None
                if until is not None and until <= day:
                    continue
                start = _instant(max(since, day))
                end = None if until is None else _instant(until)
                if not reason:
                    kept.append(i)
                    starts.append(start)
                    ends.append(end)
                    continue
                told = f"{reason}; row rejected"
                quarantine.add(
                    "futures", str(files[i]), told, "rejected", row=int(numbers[i]), column="settle",
                    value=f"{settle:.10g}", known_at=start, known_until=end,
                )  # fmt: skip
        out = frame.iloc[kept].reset_index(drop=True)
        for name, instants in (("known_at", starts), ("known_until", ends)):
            out[name] = pd.DatetimeIndex(pd.to_datetime(instants, utc=True)).astype("datetime64[us, UTC]")
        return out


def _instant(day: pd.Timestamp) -> pd.Timestamp:
    return day.tz_localize("UTC")


def _moves(rows: pd.DataFrame, rules: _Rules) -> tuple[pd.DatetimeIndex, NDArray[np.float64], NDArray[np.int64]]:
    """Days of a file, the move from each to the next in logarithms, and the business days between.

    The move is the middle one by size of the contracts that both days have, of two the smaller; where they have none
    in common, that of the nearest two; NaN where these are too far apart. The spot contract counts where it is alone.
    """
    spot = rows["contract"] == rows["settle_date"].dt.strftime("%Y-%m")
    alone = spot.groupby(rows["settle_date"]).transform("all")
    wide = (
        rows[~spot | alone]
        .assign(log=np.log(rows["settle"].astype(float)))
        .pivot_table(index="settle_date", columns="contract", values="log", aggfunc="first", sort=True)
    )
    days, values = pd.DatetimeIndex(wide.index), wide.to_numpy(np.float64)
    tenors = np.array([Month.parse(str(c)) - Month(1970, 1) for c in wide.columns])
    moves = np.full(max(len(days) - 1, 0), np.nan)
    for k in range(len(moves)):
        both = values[k + 1] - values[k]
        common = both[np.isfinite(both)]
        if len(common):
            moves[k] = sorted(common, key=abs)[(len(common) - 1) // 2]
            continue
        old, new = (np.flatnonzero(np.isfinite(values[j])) for j in (k, k + 1))
        apart = np.abs(tenors[new][:, None] - tenors[old][None, :])
        i, j = np.unravel_index(int(apart.argmin()), apart.shape)
        if apart[i, j] <= rules.months:
            moves[k] = values[k + 1, new[i]] - values[k, old[j]]
    ordinals = days.to_numpy().astype("datetime64[D]")
    closed = np.array(sorted(packaged_holidays("MY")), dtype="datetime64[D]")
    return days, moves, np.maximum(np.busday_count(ordinals[:-1], ordinals[1:], holidays=closed), 1)


def _stretches(moves: NDArray[np.float64], gaps: NDArray[np.int64], rules: _Rules) -> list[_Stretch]:
    """Stretches between the moves that go beyond two days' limits."""
    found = [_Stretch(0, 1, 0.0, 0, 0.0, False)]
    for k, move in enumerate(moves):
        if not abs(move) > rules.same:
            found[-1].days += 1
            continue
        offset = found[-1].offset + float(move)
        allowed = min(float(gaps[k]) * rules.step, rules.most) if gaps[k] <= rules.longest else np.inf
        near = [s for s in found if abs(s.offset - offset) <= rules.same]
        level = min(near, key=lambda s: abs(s.offset - offset)).level if near else len(found)
        found.append(_Stretch(k + 1, 1, offset, level, allowed, abs(move) > max(allowed, rules.same)))
    return found


def _judged(
    days: pd.DatetimeIndex, stretches: list[_Stretch], rules: _Rules, units: _Units
) -> list[list[tuple[pd.Timestamp, str]]]:
    """Of each stretch the days on which its verdict changed, with what is wrong with it from then on ('': nothing).

    Of the stretches that can stand one after the other the longest row of days stands: stretches of one level do,
    and those between which trading can have gone (:func:`_linked`). Others that stay are believed too
    (:func:`_believed`).
    """
    if rules.fewest == 0:
        return [[(days[s.first], "")] for s in stretches]
    told: list[list[tuple[pd.Timestamp, str]]] = [[(days[0], "")]]
    offsets = np.array([s.offset for s in stretches])
    allowed = np.array([s.allowed for s in stretches])
    best, before = np.array([stretches[0].days], dtype=np.int64), [-1]
    for u in range(1, len(stretches)):
        enclosed = _encloses(stretches, u, rules)
        if enclosed:
            # the way back shows that the way there was no market either
            best[u - 1], before[u - 1] = _best(offsets, allowed, best[: u - 1], stretches, u - 1, rules, closed=True)
        rest, came = _best(offsets, allowed, best, stretches, u, rules, closed=enclosed, days=0)
        whole = stretches[u].days
        told.append([])
        # the verdict can change while the stretch is young, and when its row of days becomes the longest
        turn = int(best.max()) - rest + 1
        for n in sorted({*range(1, min(whole, rules.fewest) + 1), *([turn] if 0 < turn <= whole else [])}):
            now = [*stretches[:u], _Stretch(**{**vars(stretches[u]), "days": n})]
            chain = _row(int(np.argmax([*best, rest + n])), [*before, came])
            standing = _believed(now, chain, rules, lambda log, k: units.name(log, days[stretches[k].first]))
            day = days[stretches[u].first + n - 1]
            for k, stands in enumerate(standing):
                if not told[k] or stands == bool(told[k][-1][1]):
                    told[k].append((day, "" if stands else _reason(now, standing, k, days, rules, units)))
        best, before = np.append(best, rest + whole), [*before, came]
    return told


def _encloses(stretches: list[_Stretch], u: int, rules: _Rules) -> bool:
    """Whether a stretch is back at the level before the last, one of the two leaps no trading."""
    back = u > 1 and abs(stretches[u].offset - stretches[u - 2].offset) <= rules.same
    return back and (stretches[u].certain or stretches[u - 1].certain)


def _best(
    offsets: NDArray[np.float64],
    allowed: NDArray[np.float64],
    best: NDArray[np.int64],
    stretches: list[_Stretch],
    u: int,
    rules: _Rules,
    *,
    closed: bool,
    days: int | None = None,
) -> tuple[int, int]:
    """Most days of a row of stretches that ends with stretch ``u``, and the stretch before it in that row (-1: none).

    A stretch can follow another if the leaps between sum up to no more than two days' limits, or than the widest
    gap between allows.

    Parameters
    ----------
    closed
        Whether the stretch just before cannot be followed.
    days
        Days to count for ``u``; all of its own if None.
    """
    own = stretches[u].days if days is None else days
    widest = np.maximum.accumulate(allowed[u:0:-1])[::-1]
    linked = np.abs(offsets[u] - offsets[:u]) <= np.maximum(widest, rules.same)
    if closed and u:
        linked[u - 1] = False
    if not linked.any():
        return own, -1
    at = int(np.argmax(np.where(linked, best[:u], -1)))
    return own + int(best[at]), at


def _row(last: int, before: list[int]) -> list[int]:
    """Stretches of a row of days, first to last."""
    found = [last]
    while before[found[-1]] >= 0:
        found.append(before[found[-1]])
    return found[::-1]


def _believed(
    stretches: list[_Stretch], chain: list[int], rules: _Rules, unit: Callable[[float, int], str]
) -> list[bool]:
    """Which stretches stand: those of the longest row of days, and others that stay and are of no known unit.

    A level between two stretches of one other level is left and returned from: it does not stay.
    """
    place = np.searchsorted(chain, np.arange(len(stretches)))
    standing = [k in set(chain) for k in range(len(stretches))]
    days = Counter[tuple[int, int]]()
    for k, s in enumerate(stretches):
        days[int(place[k]), s.level] += s.days
    last = -1
    for k, s in enumerate(stretches):
        if not standing[k]:
            p = int(place[k])
            inside = 0 < p < len(chain)
            back = inside and abs(stretches[chain[p - 1]].offset - stretches[chain[p]].offset) <= rules.same
            ref = last if last >= 0 else chain[0]
            stays = days[p, s.level] >= rules.fewest and not unit(s.offset - stretches[ref].offset, k)
            standing[k] = stays and not back
        last = k if standing[k] else last
    return standing


def _reason(
    stretches: list[_Stretch], standing: list[bool], k: int, days: pd.DatetimeIndex, rules: _Rules, units: _Units
) -> str:
    """What is wrong with a stretch, and the way out."""
    earlier = [j for j in range(k) if standing[j]]
    ref = stretches[earlier[-1] if earlier else standing.index(True)]
    day = days[ref.first + ref.days - 1 if earlier else ref.first]
    log = stretches[k].offset - ref.offset
    name = units.name(log, days[stretches[k].first])
    fits = f" (the factor of {name})" if name else ""
    return (
        f"settlements of the day lie {np.exp(log):.3g} times off those of {day.date().isoformat()}{fits}, further than "
        "trading can go; check unit (t, not lb or kg) and currency (MYR, not USD) of these days, or of the days "
        "before them; if they are right, override market.settlement_level_days to 0: every level is believed then "
        f"(now {rules.fewest}: after so many days, unless it fits a unit, see market.settlement_level_unit_tolerance, "
        "or is left again)"
    )


class _Units:
    """Names of the units and currencies that a factor between two levels fits."""

    def __init__(self, limits: Assumptions, fx: pd.DataFrame | None) -> None:
        table = limits.table("market.settlement_level_units")
        self._units = {str(name).replace("_", " "): float(np.log(float(v))) for name, v in table.items()}
        self._near = float(np.log1p(limits.number("market.settlement_level_unit_tolerance")))
        low, high = (float(v) for v in limits.table("market.settlement_level_usd_myr")["range"])
        self._range = float(np.log(low)), float(np.log(high))
        oldest = pd.Timedelta(days=limits.number("check.monthly_gap_days"))
        self._rates = None if fx is None else Rates(fx, oldest)

    def name(self, log: float, day: pd.Timestamp) -> str:
        """Unit or currency whose factor, or its inverse, lies within the tolerance; '' if none does."""
        fits = {name: (value, value) for name, value in self._units.items()}
        asked = pd.Series({"date": day, "known_at": _instant(day)})
        rate = None if self._rates is None else self._rates.rate("USD", "MYR", asked)
        if rate is None:
            # a range of rates times a unit would fit nearly anything
            fits["USD per MYR"] = self._range
        else:
            at = float(np.log(rate))
            fits["USD per MYR"] = at, at
            for name, value in self._units.items():
                fits[f"USD per MYR and {name}"] = at + value, at + value
                fits[f"USD per MYR and 1/{name}"] = at - value, at - value
        for name, (low, high) in fits.items():
            if any(low - self._near < x < high + self._near for x in (log, -log)):
                return name
        return ""
