"""Named stresses: what happened once, applied to today's value with the same random numbers."""

from __future__ import annotations

from typing import Any

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.shocks import STRESSES
from plantation_rwa.valuation.cashflows import Shock
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.valuer import Valuer


def stress(name: str, assumptions: Assumptions) -> Shock:
    """The shock of a stress of the section ``stress``, whose sources say what happened."""
    table: dict[str, Any] = dict(assumptions.table(f"stress.{name}"))
    times = {driver: tuple(tuple(k) for k in knots) for driver, knots in table.pop("times", {}).items()}
    return Shock(f"stress {name}", times=times, plus=table.pop("plus", {}), **table)


def stressed(valuer: Valuer, right: Right) -> dict[str, float]:
    """Fair value under every named stress, major currency units."""
    return {name: valuer.fair(right, stress(name, valuer.assumptions)) for name in STRESSES}
