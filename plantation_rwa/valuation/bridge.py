"""Why a value moved between two dates: one input replaced after the other, in a fixed and published order."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from plantation_rwa.periods import Month
from plantation_rwa.schema.checks import rounded
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import currency_decimals, minor_units
from plantation_rwa.valuation.run import Book

Key = tuple[str, str]
Values = dict[Key, float]

#: inputs that are replaced, in this order
FACTORS = ("curve", "pk", "yield", "extraction", "fx", "discount")
#: published steps, opening and closing value included
STEPS = ("opening", "cash", "time", *FACTORS, "issuance", "model", "closing")
_SERIES = {"pk": ("pk_my", "pk_id"), "extraction": ("k_id", "shell_id")}


def sequential(value: Callable[[tuple[bool, ...]], float], factors: int) -> list[float]:
    """Effect of each factor when they are replaced one after the other; the effects add up to the whole change."""
    states = [tuple(i < k for i in range(factors)) for k in range(factors + 1)]
    values = [value(state) for state in states]
    return [after - before for before, after in itertools.pairwise(values)]


def shapley(value: Callable[[tuple[bool, ...]], float], factors: int) -> list[float]:
    """Mean effect of each factor over all orders of replacement, for at most eight; domain/valuation.md 3.8."""
    if factors > 8:
        raise ValueError(f"Shapley values of {factors} factors need {2**factors} valuations; at most 8 are offered")
    known = {state: value(state) for state in itertools.product((False, True), repeat=factors)}
    out = []
    for k in range(factors):
        total = 0.0
        for state, before in known.items():
            if not state[k]:
                others = sum(state)
                weight = math.factorial(others) * math.factorial(factors - others - 1) / math.factorial(factors)
                total += weight * (known[(*state[:k], True, *state[k + 1 :])] - before)
        out.append(total)
    return out


def mixed(old: Book, new: Book, state: Sequence[bool]) -> Book:
    """The old book at the new date with some of its inputs replaced by the new one's (order of :data:`FACTORS`)."""
    chosen = dict(zip(FACTORS, state, strict=True))

    def of(factor: str) -> Book:
        return new if chosen[factor] else old

    special = {s: factor for factor, names in _SERIES.items() for s in names}
    parts = []
    for factor in ("curve", "pk", "extraction"):
        prices = of(factor).market.prices
        parts.append(prices[prices["series"].map(lambda s: special.get(str(s), "curve")) == factor])
    market = dataclasses.replace(
        old.market,
        futures=of("curve").market.futures,
        prices=pd.concat(parts, ignore_index=True) if any(len(p) for p in parts) else parts[0],
        fiscal=of("extraction").market.fiscal,
        fx=of("fx").market.fx,
        rates=of("discount").market.rates,
    )
    return dataclasses.replace(
        new,
        market=market,
        register=of("extraction").register,
        forecasts=of("yield").forecasts,
        forecast_model=of("yield").forecast_model,
        sponsors=of("discount").sponsors,
        mills=of("discount").mills,
        rights=old.rights,
        prices=of("curve").prices,
    )


def with_fixed_starts(book: Book) -> Book:
    """The book with the first accrual month written into rights that name none."""
    first = str(Month.of(book.as_of) + 1)
    starts = [s if isinstance(s, str) and s else first for s in book.rights["start_month"]]
    return dataclasses.replace(
        book, rights=book.rights.assign(start_month=pd.Series(starts, dtype="object").to_numpy())
    )


def fair_values(book: Book, *, from_month: Month | None = None) -> Values:
    """Fair value of every right, the months before ``from_month`` left out; a right beyond arithmetic is left out."""
    rights = book.terms()
    valuer = book.valuer(book.months(rights))
    found: Values = {}
    for right in rights:
        monthly = valuer.monthly(right)
        if monthly is None:
            continue
        months, values = monthly
        kept = [v for m, v in zip(months, values.tolist(), strict=True) if from_month is None or m >= from_month]
        found[(right.plantation_id, right.right_id)] = float(rounded(math.fsum(kept), FIELDS["npv_fair"]))
    return found


def bridge(
    old: Book, new: Book, opening: Mapping[Key, int], closing: Mapping[Key, int], currencies: Mapping[Key, str]
) -> dict[Key, dict[str, int]]:
    """Steps from the last published value of each right to the new one, in minor units; they add up exactly.

    A right that had no value before is all issuance. What the code and the assumptions of today make of the old date's
    inputs, less what was published then, is the step ``model``; so is what manual adjustments add or no longer add.

    Parameters
    ----------
    old, new
        Inputs of the two dates; ``old`` with the assumptions of the new one.
    opening, closing
        Published ``nav_total_int``.
    currencies
        Currency of each right.
    """
    old, new = with_fixed_starts(old.calibrated()[0]), new.calibrated()[0]
    begun = Month.of(new.as_of) + 1
    values: list[Values] = [fair_values(old), fair_values(old, from_month=begun)]
    for k in range(len(FACTORS) + 1):
        values.append(fair_values(mixed(old, new, [i < k for i in range(len(FACTORS))])))
    out: dict[Key, dict[str, int]] = {}
    for key, closed in closing.items():
        if key not in opening or any(key not in v for v in values):
            out[key] = dict.fromkeys(STEPS, 0) | {"issuance": closed, "closing": closed}
            continue
        decimals = currency_decimals(currencies[key])
        levels = [minor_units(v[key], decimals) for v in values]
        steps = [after - before for before, after in itertools.pairwise(levels)]
        named = dict(zip(("cash", "time", *FACTORS), steps, strict=True))
        opened = opening[key]
        manual = new.overlays.get((*key, currencies[key]), 0)
        rest = {"issuance": closed - manual - levels[-1], "model": levels[0] - opened + manual}
        out[key] = {"opening": opened} | named | rest | {"closing": closed}
    return out
