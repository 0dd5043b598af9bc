"""What a fair value does when one driver moves: central differences with the same random numbers."""

from __future__ import annotations

from dataclasses import dataclass

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.cashflows import Driver, Shock
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.valuer import Valuer

#: drivers of every asset class, bumped in points
COMMON = ("discount", "hazard")


@dataclass(frozen=True)
class Effect:
    """Change of a fair value under a bump up and down, major currency units."""

    driver: str
    unit: str
    bump: float
    absolute: bool
    up: float
    down: float

    def elasticity(self, fair: float) -> float | None:
        """Relative change of the value per relative change of the driver, or per 0.01 where it is bumped in points."""
        if fair <= 0:
            return None
        per_bump = (self.up - self.down) / (2 * fair)
        return per_bump * (0.01 / self.bump if self.absolute else 1 / self.bump)


def bumped(driver: Driver, sign: int) -> Shock:
    """The shock of one bump."""
    step, name = sign * driver.bump, f"{driver.name}{'+' if sign > 0 else '-'}{driver.bump:g}"
    if driver.name == "discount":
        return Shock(name, rate=step)
    if driver.name == "hazard":
        return Shock(name, hazard=step)
    if driver.absolute:
        return Shock(name, plus={driver.name: step})
    return Shock(name, times={driver.name: ((0.0, 1.0 + step),)})


def common_drivers(assumptions: Assumptions) -> tuple[Driver, ...]:
    """Discount rate and default intensity, in points."""
    return tuple(Driver(name, "a-1", assumptions.number(f"sensitivity.bump_{name}"), True) for name in COMMON)


def effects(valuer: Valuer, right: Right, fair: float) -> list[Effect]:
    """Effect of every driver of the model and of the common ones."""
    found = []
    for driver in (*valuer.model.drivers(), *common_drivers(valuer.assumptions)):
        up, down = (valuer.fair(right, bumped(driver, sign)) - fair for sign in (1, -1))
        found.append(Effect(driver.name, driver.unit, driver.bump, driver.absolute, up, down))
    return found


def breakeven(valuer: Valuer, right: Right, driver: str, target: float, fair: float) -> float | None:
    """Factor on a driver at which the fair value equals a target, by secants; None where none is found in 0 to 20."""
    if fair <= 0 or target <= 0:
        return None
    low, value = 1.0, fair
    high = min(max(target / fair, 0.05), 20.0)
    for step in range(12):
        if abs(value - target) <= 1e-9 * target:
            return low
        then = valuer.fair(right, Shock(f"{driver}={high!r}/{step}", times={driver: ((0.0, high),)}))
        if then == value:
            return None
        low, value, high = high, then, min(max(high + (target - then) * (high - low) / (then - value), 0.01), 20.0)
    return low if abs(value - target) <= 1e-6 * target else None
