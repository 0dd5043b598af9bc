"""Rain of the field: the plantation's own gauges in place of the grid, and the grid corrected by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GaugeRules:
    """When a gauge speaks for the field.

    Parameters
    ----------
    ratio_months, ratio_min_months, ratio_low, ratio_high
        Months whose sums give the ratio of gauge to grid, the fewest of them that say something, and its limits.
    agreement_months, agreement_min_months, agreement_min
        Months over which gauge and grid are correlated, the fewest that can be, and the least correlation.
    """

    ratio_months: int
    ratio_min_months: int
    ratio_low: float
    ratio_high: float
    agreement_months: int
    agreement_min_months: int
    agreement_min: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> GaugeRules:
        """From the section ``local_rain``."""
        low, high = (float(v) for v in assumptions.table("local_rain.ratio_limits"))
        count = {k: int(assumptions.number(f"local_rain.{k}")) for k in cls.__dataclass_fields__ if "months" in k}
        return cls(
            **count, ratio_low=low, ratio_high=high, agreement_min=assumptions.number("local_rain.agreement_min")
        )


def local_rain(grid: Floats, gauge: Floats, rules: GaugeRules) -> Floats:
    """Rain of each month as the field had it.

    A month's sum of the gauges stands, unless gauges and grid have gone different ways of late (a station that is not
    where it is said to be). Other months are the grid's times the ratio of both over the last common months; before
    there are enough of them the grid's own. A month depends on earlier months only.

    Parameters
    ----------
    grid, gauge
        ``(plantations, consecutive months)``, mm, NaN where not known.

    Returns
    -------
    ndarray
        mm, NaN where neither is known.

    Notes
    -----
    Source: domain rule of the field sensors (override at correlation 0.6, else ratio of 12 months within 0.6 and 1.6);
    a correlation needs more than one month of sums, so that of the last 24 stands for the month's own.
    """
    both = ~(np.isnan(grid) | np.isnan(gauge))
    own, other = np.where(both, gauge, 0.0), np.where(both, grid, 0.0)
    count, tall, wide = (_window(v, rules.ratio_months) for v in (both.astype(np.float64), own, other))
    usable = (count >= rules.ratio_min_months) & (wide > 0)
    ratio = np.where(usable, np.clip(tall / np.where(usable, wide, 1.0), rules.ratio_low, rules.ratio_high), 1.0)
    n, x, y, xx, yy, xy = (
        _window(v, rules.agreement_months) for v in (both.astype(np.float64), own, other, own**2, other**2, own * other)
    )
    n = np.maximum(n, 1.0)
    spread = np.sqrt(np.maximum(xx - x * x / n, 0.0) * np.maximum(yy - y * y / n, 0.0))
    apart = (n >= rules.agreement_min_months) & (xy - x * y / n < rules.agreement_min * spread)
    return np.where(np.isnan(gauge) | (apart & ~np.isnan(grid)), grid * ratio, gauge)


def _window(values: Floats, months: int) -> Floats:
    """Sums of the last ``months`` columns, fewer at the start."""
    total = np.cumsum(values, axis=1)
    total[:, months:] = total[:, months:] - total[:, :-months]
    return total
