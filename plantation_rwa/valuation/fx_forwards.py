"""Quoted forward exchange rates as premia over spot: between the tenors, and beyond the last one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

#: which market's quote counts where both are given on a day
_RANK = {"onshore_fwd": 0, "ndf": 1}
Pair = tuple[str, str]


@dataclass(frozen=True)
class ForwardPoints:
    """Premium of the forward over spot, ``ln(F / S)``, at the quoted tenors of one pair.

    Parameters
    ----------
    tenors
        Years, ascending.
    premia
        ``ln(F / S)`` with the spot rate of the quotes' day.
    """

    tenors: tuple[float, ...]
    premia: tuple[float, ...]

    def premium(self, t: float, parity: Callable[[float], float | None]) -> float:
        """``ln(F / S)`` in t years: linear in time from nothing today, beyond the last tenor with interest parity.

        Parameters
        ----------
        parity
            ``ln(F / S)`` by the zero curves, None without them; then the last tenor's yearly premium goes on.
        """
        last = self.tenors[-1]
        if t >= last:
            here, there = parity(last), parity(t)
            if here is None or there is None:
                return self.premia[-1] * t / last
            return self.premia[-1] + there - here
        right = bisect_left(self.tenors, t)
        t0, p0 = (self.tenors[right - 1], self.premia[right - 1]) if right else (0.0, 0.0)
        t1, p1 = self.tenors[right], self.premia[right]
        return p0 + (p1 - p0) * (t - t0) / (t1 - t0)


def quoted_forwards(
    fx: pd.DataFrame, spot: Callable[[str, str, pd.Timestamp], float | None]
) -> Mapping[Pair, ForwardPoints]:
    """Forward premia of each pair on the newest day that has forwards and a spot rate.

    Parameters
    ----------
    fx
        ``date, base, quote, rate, kind, tenor_years`` known at the valuation date.
    spot
        Units of the second currency per unit of the first on a day.
    """
    if "tenor_years" not in fx.columns:
        return {}
    rows = fx[fx["kind"].isin(list(_RANK)) & (fx["rate"] > 0) & (fx["tenor_years"] > 0)]
    found: dict[Pair, ForwardPoints] = {}
    for (base, quote), group in rows.groupby(["base", "quote"], sort=True):
        day = group["date"].max()
        rate = spot(str(base), str(quote), day)
        if rate is None:
            continue
        last = group[group["date"] == day]
        order = last.assign(_rank=last["kind"].map(_RANK)).sort_values(["tenor_years", "_rank", "rate"], kind="stable")
        kept = order.drop_duplicates("tenor_years", keep="first")
        premia = tuple(math.log(float(r) / rate) for r in kept["rate"])
        found[str(base), str(quote)] = ForwardPoints(tuple(float(t) for t in kept["tenor_years"]), premia)
    return found
