"""Taxes, duties and levies as dated schedules: what was in force, or last known, at a date."""

from __future__ import annotations

import datetime as dt
import math
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

FloatArray = NDArray[np.float64]
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
    """

    def __init__(self, table: pd.DataFrame) -> None:
        frame = table[["schedule", "jurisdiction", "key", "effective_from", "effective_to", "value"]].copy()
        frame["effective_from"] = pd.to_datetime(frame["effective_from"])
        frame["effective_to"] = pd.to_datetime(frame["effective_to"])
        frame["jurisdiction"] = frame["jurisdiction"].astype("str").str.upper()
        frame["key"] = frame["key"].astype("object").where(frame["key"].notna(), "").astype("str")
        self._rows = frame.sort_values(["schedule", "jurisdiction", "key", "effective_from", "value"], kind="stable")
        self._series: dict[tuple[object, ...], tuple[float | None, ...]] = {}

    def schedule(self, schedule: str, places: tuple[str, ...], day: dt.date) -> dict[str, float]:
        """Key -> value of a schedule on a day, the more specific jurisdiction winning key by key.

        A schedule that ran out without a successor stays in force: future months keep the last known rule.
        """
        when = pd.Timestamp(day)
        values: dict[str, float] = {}
        for place in reversed(places):
            rows = self._rows
            rows = rows[(rows["schedule"] == schedule) & (rows["jurisdiction"] == place)]
            rows = rows[rows["effective_from"] <= when]
            if not rows.empty:
                current = rows[rows["effective_to"].isna() | (rows["effective_to"] >= when)]
                if current.empty:
                    current = rows[rows["effective_from"] == rows["effective_from"].max()]
                values |= dict(zip(current["key"], current["value"].astype("float64"), strict=True))
        return values

    def value(self, schedule: str, key: str, places: tuple[str, ...], day: dt.date) -> float | None:
        """One value of a schedule on a day; None if no rule is known."""
        return self.schedule(schedule, places, day).get(key)

    def series(
        self, schedule: str, key: str, places: tuple[str, ...], days: tuple[dt.date, ...]
    ) -> tuple[float | None, ...]:
        """:meth:`value` of many days; asked again for the same ones it answers from memory."""
        asked = (schedule, key, places, days)
        if asked not in self._series:
            self._series[asked] = tuple(self.value(schedule, key, places, day) for day in days)
        return self._series[asked]


def band_value(bands: dict[str, float], amount: float) -> float | None:
    """Value of the band an amount lies in: keys ``<=X`` (upper bound included) and one ``>X``.

    The whole amount takes the value of its band; returns None without bands.
    """
    parsed = sorted((float(m[2]), m[1], v) for k, v in bands.items() if (m := _BAND.match(k.strip())))
    if not parsed or math.isnan(amount):
        return None
    for bound, sign, value in parsed:
        if sign == "<=" and amount <= bound:
            return value
    return parsed[-1][2]


def export_duty_rate_my(fiscal: FiscalTable, customs_value: float, day: dt.date) -> float | None:
    """Malaysian export duty on CPO as fraction of the whole customs value (MYR per t); domain/valuation.md 1.2."""
    return band_value(fiscal.schedule("export_duty", ("MY",), day), customs_value)


def export_duty_id(fiscal: FiscalTable, reference_price: float, day: dt.date) -> float | None:
    """Indonesian export duty (bea keluar) on CPO, USD per t, by reference price; domain/valuation.md 1.4."""
    return band_value(fiscal.schedule("export_duty", ("ID",), day), reference_price)


def export_levy_id(fiscal: FiscalTable, reference_price: float, day: dt.date) -> float | None:
    """Indonesian export levy (pungutan ekspor) on CPO, USD per t: share of the reference price or a fixed amount."""
    rules = fiscal.schedule("export_levy", ("ID",), day)
    if "share_of_hr" in rules:
        return rules["share_of_hr"] * reference_price
    return rules.get("usd_t")


def windfall_levy_per_t(cpo: FloatArray | float, threshold: float, rate: float) -> FloatArray:
    """Malaysian windfall profit levy in MYR per t of FFB (not of CPO): ``rate * max(0, CPO - threshold)``."""
    return np.asarray(rate * np.maximum(0.0, np.asarray(cpo, dtype=np.float64) - threshold), dtype=np.float64)
