"""Default of sponsors and mills: one time per obligor and path, whoever holds rights against it.

All rights of one sponsor fail together. Its intensity is raised in years in which palm oil is so cheap that an estate
of average cost cannot cover its right's payments; that depends on the market's path alone, so no right's number
depends on which others are valued with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.disasters import mirrored_normals

FloatArray = NDArray[np.float64]
MonthArray = NDArray[np.int64]
#: month of a default that never comes
NEVER = 10**6


@dataclass(frozen=True)
class Party:
    """An obligor.

    Parameters
    ----------
    party_id
        Identifier; its default time is keyed by it.
    hazard
        Intensity per year.
    lgd
        Share of missed payments that is lost.
    """

    party_id: str
    hazard: float
    lgd: float


@dataclass(frozen=True)
class Terms:
    """When a right's months earn and pay, and what fails with whom; months counted from 1 after the valuation date.

    Parameters
    ----------
    accrual, cash
        Month whose harvest is shared, and month it is paid in, shape ``(months,)``.
    sponsor, mill
        Obligors; ``mill`` is None where the sponsor buys the fruit itself.
    in_transit
        Share of the cash between harvest and payment that is lost with the sponsor: by the collection route.
    """

    accrual: MonthArray
    cash: MonthArray
    sponsor: Party
    mill: Party | None
    in_transit: float

    def key(self, paid: FloatArray) -> tuple[object, ...]:
        """What the value of a unit earned depends on, given discount factors ``paid`` of the cash months."""
        mill = None if self.mill is None else (self.mill.hazard, self.mill.lgd)
        months = (self.accrual.tobytes(), self.cash.tobytes(), paid.tobytes())
        return (self.sponsor.hazard, self.sponsor.lgd, self.in_transit, mill, *months)


def stressed_years(price_per_t: FloatArray, charges_per_t: FloatArray, share: float) -> NDArray[np.bool_]:
    """Years in which the cover ratio of an average estate is below 1.

    ``(price - charges - share price) / (share price) < 1``, charges being field cost and windfall levy per t FFB
    (domain/valuation.md 1.5).

    Parameters
    ----------
    price_per_t, charges_per_t
        Shape ``(months, paths)``, months a multiple of 12.
    share
        Share of the gross price that the estate pays away.

    Returns
    -------
    ndarray
        Shape ``(months, paths)``: each month says what holds for its year, counted from the valuation date.
    """
    months, paths = price_per_t.shape
    left = (price_per_t * (1 - 2 * share) - charges_per_t).reshape(months // 12, 12, paths)
    total = np.zeros((months // 12, paths))
    for k in range(12):
        total += left[:, k]
    return np.repeat(total < 0, 12, axis=0)


def operational_time(stressed: NDArray[np.bool_], multiplier: float) -> FloatArray:
    """Years since the valuation date in which intensity runs, a stressed month counting ``multiplier`` times.

    Returns
    -------
    ndarray
        Shape ``(months + 1, paths)``, row 0 zero.
    """
    out = np.zeros((stressed.shape[0] + 1, stressed.shape[1]))
    for i, row in enumerate(stressed):
        out[i + 1] = out[i] + np.where(row, multiplier, 1.0) / 12.0
    return out


class Defaults:
    """Default months of every obligor of a run, drawn on demand.

    Parameters
    ----------
    seed
        Run seed.
    time
        Operational time of sponsors, ``(months + 1, paths)``; mills run on calendar time.
    """

    def __init__(self, seed: int, time: FloatArray) -> None:
        self._seed, self.time = seed, time
        self._months: dict[tuple[str, float, bool], MonthArray] = {}

    def month(self, party: Party | None, *, sponsor: bool) -> MonthArray:
        """Month of the obligor's default per path, counted from 1, :data:`NEVER` beyond the grid."""
        months, paths = self.time.shape[0] - 1, self.time.shape[1]
        if party is None or party.hazard <= 0:
            return np.full(paths, NEVER, dtype=np.int64)
        key = (party.party_id, party.hazard, sponsor)
        if key not in self._months:
            kind = "default_sponsor" if sponsor else "default_mill"
            trigger = -np.log(ndtr(mirrored_normals(self._seed, kind, party.party_id, paths))) / party.hazard
            time = self.time if sponsor else np.arange(months + 1)[:, None] / 12.0
            passed = np.sum(time[1:] < trigger, axis=0)
            self._months[key] = np.where(passed < months, passed + 1, NEVER).astype(np.int64)
        return self._months[key]

    def expected_weights(
        self, terms: Terms, paid: FloatArray, late: FloatArray, extra_hazard: float = 0.0
    ) -> FloatArray:
        """Value today of one unit earned in each month, given the market's path.

        Parameters
        ----------
        paid, late
            Discount factors, spreads included, at the cash month and at the recovery of what was missed then.
        extra_hazard
            Added to both intensities, per year.
        """
        s = max(terms.sponsor.hazard + extra_hazard, 0.0)
        alive = np.exp(-s * self.time[: terms.cash.max(initial=0) + 1])
        earned, there = alive[terms.accrual], alive[terms.cash]
        on_time = there + (1 - terms.in_transit) * (earned - there)
        missed = (1 - terms.sponsor.lgd) * (1 - earned + terms.in_transit * (earned - there))
        if terms.mill is None:
            return np.asarray(paid[:, None] * on_time + late[:, None] * missed)
        m = max(terms.mill.hazard + extra_hazard, 0.0)
        stuck = np.exp(-m * terms.accrual / 12.0) - np.exp(-m * terms.cash / 12.0)
        kept = on_time * (1 - stuck)[:, None]
        missed = missed + (1 - terms.mill.lgd) * stuck[:, None] * on_time
        return np.asarray(paid[:, None] * kept + late[:, None] * missed)

    def realised(self, terms: Terms, paths: NDArray[np.int64] | slice = slice(None)) -> tuple[FloatArray, FloatArray]:
        """Share of each month's payment that arrives on time and that arrives late, ``(months, paths)`` each."""
        failed = self.month(terms.sponsor, sponsor=True)[paths]
        accrual, cash = terms.accrual[:, None], terms.cash[:, None]
        dead, transit = failed <= accrual, (failed > accrual) & (failed <= cash)
        on_time = np.where(dead, 0.0, np.where(transit, 1 - terms.in_transit, 1.0))
        late = (1 - terms.sponsor.lgd) * (1 - on_time)
        if terms.mill is not None:
            closed = self.month(terms.mill, sponsor=False)[paths]
            stuck = (closed > accrual) & (closed <= cash)
            late = late + (1 - terms.mill.lgd) * np.where(stuck, on_time, 0.0)
            on_time = np.where(stuck, 0.0, on_time)
        return on_time, late

    def touched(self, terms: Terms) -> NDArray[np.bool_]:
        """Paths on which some payment of the right fails."""
        if not len(terms.cash):
            return np.zeros(self.time.shape[1], dtype=np.bool_)
        end = terms.cash.max()
        hit = self.month(terms.sponsor, sponsor=True) <= end
        if terms.mill is not None:
            hit |= self.month(terms.mill, sponsor=False) <= end
        return np.asarray(hit)


def parties_of(
    sponsor_id: str, payor_id: str | None, sponsors: dict[str, dict[str, object]], mills: dict[str, dict[str, object]],
    fallback: str, assumptions: Assumptions,
) -> tuple[Party, Party | None]:  # fmt: skip
    """Sponsor and mill of a right; a party without numbers of its own has the assumed ones.

    The payor is a mill unless the sponsor table knows it. A plantation without a sponsor stands alone (``fallback``).
    """

    def party(party_id: str, table: dict[str, dict[str, object]]) -> Party:
        row = table.get(party_id, {})
        numbers = []
        for name in ("hazard_per_year", "lgd"):
            given = row.get(name)
            value = math.nan if given is None else float(str(given))
            key = "discount.hazard" if name == "hazard_per_year" else "discount.lgd"
            numbers.append(assumptions.number(key) if math.isnan(value) else value)
        return Party(party_id, numbers[0], numbers[1])

    if payor_id and payor_id in sponsors and payor_id not in mills:
        return party(payor_id, sponsors), None
    sponsor = party(sponsor_id, sponsors) if sponsor_id else party(fallback, sponsors)
    return sponsor, party(payor_id, mills) if payor_id else None
