"""Taxes, duties and levies as dated schedules: what was in force, or last known, at a date."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.market import Reads

FloatArray = NDArray[np.float64]
#: key, first day, last day, value
Rule = tuple[str, dt.date, dt.date, float]
_BAND = re.compile(r"^(<=|>)\s*(\d+(?:\.\d+)?)$")


def jurisdictions(country: str, state: str | None, assumptions: Assumptions) -> tuple[str, ...]:
    """Jurisdictions to look in, most specific first, e.g. ``("MY-SABAH", "MY")``.

    ``state`` is a name or an ISO 3166-2 code; codes of states with rules of their own are in
    ``scheme.state_aliases``.
    """
    base = country.strip().upper()
    if not state or pd.isna(state):
        return (base,)
    name = re.sub(r"\s+", "-", str(state).strip().upper())
    name = name if name.startswith(f"{base}-") else f"{base}-{name}"
    return (str(assumptions.table("scheme.state_aliases").get(name, name)), base)


class FiscalTable:
    """Lookups in the fiscal table.

    Parameters
    ----------
    table
        ``schedule``, ``jurisdiction``, ``effective_from``, ``effective_to``, ``key``, ``value``; rows known.
    reads
        As of :class:`~plantation_rwa.valuation.market.Prices`.
    """

    def __init__(self, table: pd.DataFrame, reads: Reads | None = None) -> None:
        self._reads = reads
        order = [c for c in ("effective_from", "known_at", "value") if c in table.columns]
        table = table.sort_values(order, kind="stable")
        starts, ends = pd.to_datetime(table["effective_from"]), pd.to_datetime(table["effective_to"])
        keys = table["key"].astype("object").where(table["key"].notna(), "")
        columns = (table["schedule"], table["jurisdiction"], keys, starts, ends, table["value"])
        self._rules: dict[tuple[str, str], list[Rule]] = {}
        for schedule, place, key, start, end, value in zip(*(c.tolist() for c in columns), strict=True):
            last = dt.date.max if pd.isna(end) else end.date()
            rule = (str(key), start.date(), last, float(value))
            self._rules.setdefault((str(schedule), str(place).upper()), []).append(rule)
        self._series: dict[tuple[object, ...], tuple[float | None, ...]] = {}

    def schedule(self, schedule: str, places: tuple[str, ...], day: dt.date) -> dict[str, float]:
        """Key -> value of a schedule on a day, the more specific jurisdiction winning key by key.

        Of several rules for one key the one that began last counts, of several revisions the last known; bands
        of different dates never mix. What ran out without a successor stays in force, key by key and the ladder as a
        whole: future months keep the last known rule. A rule of the schedule that began after the end succeeds it.
        """
        found = self._in_force(schedule, places, day)
        self._note(found, schedule, *places, day.isoformat())
        return found

    def _note(self, answer: object, *question: object) -> None:
        if self._reads is not None:
            self._reads["fiscal", *question] = answer

    def _in_force(self, schedule: str, places: tuple[str, ...], day: dt.date) -> dict[str, float]:
        values: dict[str, float] = {}
        for place in reversed(places):
            values |= _kept(self._rules.get((schedule, place), ()), day)[0]
        return values

    def held_over(self, schedule: str, places: tuple[str, ...], day: dt.date) -> bool:
        """Whether a schedule, or a key of it, is kept in force on a day only because nothing follows it."""
        found = any(_kept(self._rules.get((schedule, place), ()), day)[1] for place in places)
        self._note(found, schedule, *places, day.isoformat(), "held over")
        return found

    def value(self, schedule: str, key: str, places: tuple[str, ...], day: dt.date) -> float | None:
        """One value of a schedule on a day; None if no rule is known."""
        found = self._in_force(schedule, places, day).get(key)
        self._note(found, schedule, *places, day.isoformat(), key)
        return found

    def series(
        self, schedule: str, key: str, places: tuple[str, ...], days: tuple[dt.date, ...]
    ) -> tuple[float | None, ...]:
        """:meth:`value` of many days; asked again for the same ones it answers from memory."""
        asked = (schedule, key, places, days)
        if asked not in self._series:
            self._series[asked] = tuple(self.value(schedule, key, places, day) for day in days)
        return self._series[asked]


def _kept(rules: Sequence[Rule], day: dt.date) -> tuple[dict[str, float], bool]:
    """Key -> value of one place's schedule on a day, and whether anything in it has ended without a successor."""
    begun = [rule for rule in rules if rule[1] <= day]
    groups: dict[str, list[Rule]] = {}
    for rule in begun:
        groups.setdefault("ladder" if _BAND.match(rule[0]) else f"key {rule[0]}", []).append(rule)
    values, held = dict[str, float](), False
    for name, group in groups.items():
        current = [rule for rule in group if rule[2] >= day]
        if not current:
            newest = max(rule[1] for rule in group)
            current = [rule for rule in group if rule[1] == newest]
            end = max(rule[2] for rule in current)
            if any(rule[1] > end for rule in begun):
                continue
            held = True
        first = max(rule[1] for rule in current) if name == "ladder" else dt.date.min
        values |= {rule[0]: rule[3] for rule in current if rule[1] >= first}
    return values, held


def band_values(bands: dict[str, float], amounts: FloatArray) -> FloatArray | None:
    """Value of the band that each amount lies in: keys ``<=X`` (upper bound included) and one ``>X``.

    The whole amount takes the value of its band. None without bands; an amount above all bounds takes the last
    band's value.
    """
    parsed = sorted((float(m[2]), m[1] == ">", v) for k, v in bands.items() if (m := _BAND.match(k.strip())))
    if not parsed:
        return None
    bounds = [bound for bound, above, _ in parsed if not above]
    values = [value for _, above, value in parsed if not above]
    last = parsed[-1][2]
    return np.asarray(np.array([*values, last])[np.searchsorted(bounds, amounts, side="left")])


def band_value(bands: dict[str, float], amount: float) -> float | None:
    """:func:`band_values` of one amount; None without bands or without an amount."""
    found = None if math.isnan(amount) else band_values(bands, np.array([amount]))
    return None if found is None else float(found[0])


def export_duty_rate_my(fiscal: FiscalTable, customs_value: float, day: dt.date) -> float | None:
    """Malaysian export duty on CPO as fraction of the whole customs value (MYR per t); domain/valuation.md 1.2."""
    return band_value(fiscal.schedule("export_duty", ("MY",), day), customs_value)


def windfall_levy_per_t(cpo: FloatArray | float, threshold: FloatArray | float, rate: float) -> FloatArray:
    """Malaysian windfall profit levy in MYR per t of FFB (not of CPO): ``rate * max(0, CPO - threshold)``."""
    return np.asarray(rate * np.maximum(0.0, np.asarray(cpo, dtype=np.float64) - threshold), dtype=np.float64)
