"""What a reader of a Level 3 value must be told: technique, unobservable inputs, sensitivities, roll-forward.

IFRS 13.93 (d), (e), (g), (h); one set of rows per pool (domain/valuation.md 3.9).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.shocks import DRIVERS
from plantation_rwa.valuation.bridge import STEPS
from plantation_rwa.valuation.pools import pool_name
from plantation_rwa.valuation.rights import missing
from plantation_rwa.valuation.sensitivities import Effect

Key = tuple[str, str]
Row = dict[str, Any]
#: sections of the assumptions whose numbers are unobservable inputs of a value
SECTIONS = (
    "price_model", "pk", "k_index", "fx", "yield", "extraction", "netback", "indonesia", "curve", "discount", "credit",
    "disaster",
)  # fmt: skip
TECHNIQUE = (
    "Income approach: expected cash flows under the futures curve, discounted at zero rates, survival of obligors and "
    "spreads for production and liquidity; Monte Carlo, joint paths"
)


def disclosure_rows(
    valuations: Sequence[Row],
    pools_of: Mapping[Key, str],
    effects: Mapping[Key, Sequence[Effect]],
    yields: Mapping[str, float],
    extraction: Mapping[str, float],
    assumptions: Assumptions,
) -> pd.DataFrame:
    """Rows of table ``disclosure``.

    Parameters
    ----------
    valuations
        Rows of table ``valuations`` before the geometry is added, bridge columns included.
    pools_of
        Pool of each right.
    effects
        Bumped values of each right.
    yields, extraction
        Plantation -> forecast t per ha of the next twelve months, and oil extraction given in the register.

    Returns
    -------
    pandas.DataFrame
        Sorted by pool, section and item; money in major units of the pool's currency.
    """
    members: dict[str, list[Row]] = {}
    for row in valuations:
        if not missing(row.get("npv_fair")):
            members.setdefault(pools_of[_key(row)], []).append(row)
    rows: list[Row] = []
    for pool, inside in sorted(members.items()):
        shared = {"pool_id": pool, "currency": inside[0]["currency"]}
        found = [_technique(inside), *_inputs(inside, yields, extraction), *_assumed(assumptions)]
        found += [*_sensitivities(inside, effects), *_roll_forward(inside)]
        rows += [shared | row for row in found]
    columns = ["pool_id", "currency", "section", "item", "unit"]
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
    return frame.sort_values(["pool_id", "section", "item"], kind="stable", ignore_index=True)


def pools_of(rights: Sequence[Any], currencies: Mapping[Key, str], reporting: str) -> dict[Key, str]:
    """Pool name of every right that has a currency."""
    keys = [(r.plantation_id, r.right_id) for r in rights]
    return {k: pool_name(r.pool_id, currencies[k], reporting) for k, r in zip(keys, rights, strict=True)}


def _key(row: Row) -> Key:
    return str(row["plantation_id"]), str(row["right_id"])


def _technique(inside: Sequence[Row]) -> Row:
    levels = max(int(r["fv_level"]) for r in inside)
    return {
        "section": "technique", "item": "valuation technique", "unit": "IFRS 13 level", "weighted_mean": float(levels),
        "low": float(min(int(r["fv_level"]) for r in inside)), "high": float(levels), "source": TECHNIQUE,
    }  # fmt: skip


def _inputs(inside: Sequence[Row], yields: Mapping[str, float], extraction: Mapping[str, float]) -> list[Row]:
    """Range and value-weighted mean over the pool's rights."""
    given: list[tuple[str, str, str, dict[str, float]]] = [
        ("yield of the next twelve months", "t ha-1 year-1", "published forecast", dict(yields)),
        ("oil extraction rate", "1", "register; where it has none the default by scheme and age", dict(extraction)),
    ]
    for column, item, unit in (
        ("ffb_price_spot", "farm-gate price at the valuation date", "currency t-1"),
        ("share_npv_extrapolated", "share of value beyond the last liquid futures contract", "1"),
    ):
        values = {str(r["plantation_id"]): float(r[column]) for r in inside if not missing(r.get(column))}
        given.append((item, unit, "market tables known at the valuation date", values))
    rows = []
    for item, unit, source, values in given:
        known = [
            (values[str(r["plantation_id"])], float(r["npv_fair"])) for r in inside if str(r["plantation_id"]) in values
        ]
        if known:
            numbers, weights = np.array([v for v, _ in known]), np.array([max(w, 0.0) for _, w in known])
            mean = float((numbers * weights).sum() / weights.sum()) if weights.sum() > 0 else float(numbers.mean())
            rows.append(
                {"section": "input", "item": item, "unit": unit, "low": float(numbers.min()),
                 "high": float(numbers.max()), "weighted_mean": mean, "source": source}
            )  # fmt: skip
    return rows


def _assumed(assumptions: Assumptions) -> list[Row]:
    """Every numeric assumption of the valuation with its source."""
    rows = []
    for key in sorted(assumptions):
        entry = assumptions[key]
        if key.split(".")[0] not in SECTIONS or isinstance(entry.value, bool):
            continue
        if isinstance(entry.value, int | float):
            value = float(entry.value)
            rows.append(
                {"section": "assumption", "item": key, "unit": entry.unit or "1", "low": value, "high": value,
                 "weighted_mean": value, "source": entry.source}
            )  # fmt: skip
    return rows


def _sensitivities(inside: Sequence[Row], effects: Mapping[Key, Sequence[Effect]]) -> list[Row]:
    """Change of the pool's fair value; the rights' changes add up because they share all random numbers."""
    sums: dict[str, tuple[Effect, list[float], list[float]]] = {}
    for row in inside:
        for effect in effects.get(_key(row), ()):
            held = sums.setdefault(effect.driver, (effect, [], []))
            held[1].append(effect.down)
            held[2].append(effect.up)
    rows = []
    for driver, (effect, down, up) in sums.items():
        relative = "" if effect.absolute else ", relative"
        rows.append(
            {"section": "sensitivity", "item": driver, "unit": f"{effect.unit}{relative}", "bump": effect.bump,
             "effect_down": math.fsum(down), "effect_up": math.fsum(up),
             "source": f"valued anew with the same random numbers; moved: {DRIVERS.get(driver, driver)}"}
        )  # fmt: skip
    return rows


def _roll_forward(inside: Sequence[Row]) -> list[Row]:
    """Sum of the bridge steps in major units; nothing where no earlier value was published."""
    decimals = int(inside[0]["decimals"])
    known = [r for r in inside if not missing(r.get("bridge_closing"))]
    if not known:
        return []
    return [
        {"section": "roll_forward", "item": f"{i:02d} {step}", "unit": "currency",
         "weighted_mean": sum(int(r[f"bridge_{step}"]) for r in known) / 10**decimals,
         "source": "bridge from the value published before"}
        for i, step in enumerate(STEPS)
    ]  # fmt: skip
